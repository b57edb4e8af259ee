//! The first fault test: instances are killed at random moments under load and started again, two
//! at a time rebalancing, and every document equals the undisturbed fold's.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use readmill_models::{Deliveries, Points};
use readmill_workload::{Knobs, Source, oracle};

use crate::mill::{Mill, succeed, wait};
use crate::real::{Contents, Corner, consumed, settled, wait_until_quiet};

const EVENTS_A_KILL: u64 = 7_500;
const RATE: &str = "2000";
const LIMIT: Duration = Duration::from_secs(120);

/// How many kills; `READMILL_KILLS` asks for more. The load grows with them.
fn kills() -> u64 {
    std::env::var("READMILL_KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(8)
}

/// Moments that differ from run to run; the seed is printed, so that a failure can be tried again.
struct Moments(u64);

impl Moments {
    fn new() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos();
        let seed = std::env::var("READMILL_SEED").ok().and_then(|n| n.parse().ok());
        let seed = seed.unwrap_or_else(|| u64::from(now) | 1);
        println!("READMILL_SEED={seed}");
        Self(seed)
    }

    fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_instances_leave_the_documents_of_an_undisturbed_run() {
    let corner = Corner::new("kills");
    let file = corner.configuration_file();
    let file = file.to_str().unwrap();
    corner.make_topics().await;
    let (events, workload) =
        ((kills() * EVENTS_A_KILL).to_string(), ["--seed", "11", "--keys", "2000"]);
    let produce = ["produce", "--kafka", "-c", file, "--events", &events];
    let faults = ["--duplicates-per-mille", "30", "--swaps-per-mille", "20"];
    let loading: Vec<String> =
        [&produce[..], &workload, &faults].concat().into_iter().map(str::to_owned).collect();
    // The log grows while instances come and go.
    let loading = std::thread::spawn(move || {
        succeed(&loading.iter().map(String::as_str).chain(["--rate", RATE]).collect::<Vec<_>>())
    });
    disturb(&corner);
    loading.join().unwrap();
    let (one, two) = (corner.start(), corner.start());
    one.wait_for("/readyz", LIMIT);
    two.wait_for("/readyz", LIMIT);
    wait_until_quiet(&[&one, &two], LIMIT);
    let knobs =
        Knobs { seed: 11, events: kills() * EVENTS_A_KILL, members: 2000, ..Knobs::default() };
    check(&corner, &knobs).await;
    assert_eq!((one.stop(), two.stop()), (Some(0), Some(0)));
}

/// Two instances, of which the older is killed and another started, again and again: each time
/// at a random moment after the two have got further, so that every kill meets work in hand.
fn disturb(corner: &Corner) {
    let mut moments = Moments::new();
    let start = || Mill::start(corner.dir(), &impatient(corner));
    let (mut old, mut young) = (start(), start());
    for kill in 0..kills() {
        let before = consumed(&[&old, &young]);
        wait(LIMIT, "the instances to get further", || consumed(&[&old, &young]) > before);
        std::thread::sleep(Duration::from_millis(moments.next(900)));
        let victim: Mill = std::mem::replace(&mut old, young);
        println!("kill {kill}: {} records consumed by the two", consumed(&[&victim, &old]));
        victim.kill();
        young = start();
    }
}

/// A killed member is missed soon, so that the next kill need not wait for it.
fn impatient(corner: &Corner) -> String {
    corner.configuration().replace("session_timeout_ms = 6000", "session_timeout_ms = 1500")
}

async fn check(corner: &Corner, knobs: &Knobs) {
    let points = oracle::fold::<Points>(Source::new(knobs.clone()).unwrap());
    let deliveries = oracle::fold::<Deliveries>(Source::new(knobs.clone()).unwrap());
    let store = corner.mongo().await.documents("points", 1).await.unwrap();
    let (living, digest) = (points.states.len(), points.digest().unwrap());
    same(settled::<Points>(&store, living, digest, LIMIT).await, living, digest);
    let store = corner.redis().await.documents("deliveries", 1).await.unwrap();
    let (living, digest) = (deliveries.states.len(), deliveries.digest().unwrap());
    same(settled::<Deliveries>(&store, living, digest, LIMIT).await, living, digest);
}

#[track_caller]
fn same(found: Contents, living: usize, digest: readmill_core::digest::Digest) {
    assert_eq!((found.living, found.waiting), (living, 0));
    assert_eq!(found.digest, digest, "a document differs from the undisturbed fold's");
}
