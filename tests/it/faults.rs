//! A service that falls silent: its partitions wait, health says so, nothing is lost or held. And
//! what faults of every kind are made of, for the play of all of them.

mod bounds;
pub mod fault;
pub mod fleet;
pub mod load;
mod nodes;
pub mod shipment;
mod slow;
pub mod stage;
pub mod topics;
pub mod truth;
pub mod verdict;

use std::time::{Duration, Instant};

use readmill_connectors::redis::{Redis, RedisConfig};
use readmill_models::{Deliveries, Points};
use readmill_workload::{Knobs, Source, oracle};
use serde_json::Value;

use self::stage::{Service, Stage};
use crate::mill::{Mill, succeed, wait};
use crate::paths::stack;
use crate::proxy::Link;
use crate::real::{Corner, settled, wait_until_quiet};

const LIMIT: Duration = Duration::from_secs(60);
const EVENTS: u64 = 3000;

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_store_pauses_its_partitions_and_health_names_them() {
    let corner = Corner::new("silent");
    corner.make_topics().await;
    let redis = stack("REDIS_URL");
    let place = redis.trim_start_matches("redis://").trim_end_matches('/');
    let link = Link::to(place);
    let behind = corner.configuration().replace(&redis, &format!("redis://{}/", link.address));
    // Points have nothing to do with the silent service, and go on.
    let behind = behind.replace("mirror = \"redis\"\n", "");
    let mill = Mill::start(corner.dir(), &behind);
    mill.wait_for("/readyz", LIMIT);
    mill.wait_for("/healthz", LIMIT);
    link.cut();
    let (file, events) = (corner.configuration_file(), EVENTS.to_string());
    succeed(&["produce", "--kafka", "-c", file.to_str().unwrap(), "--events", &events]);
    let mut reasons = Vec::new();
    wait(LIMIT, "health to name all stuck partitions", || {
        reasons = stuck(&mill, "deliveries");
        reasons.len() == 24
    });
    for (at, why) in reasons.iter().enumerate() {
        let topic = format!("{}.public.deliveries_outbox_{}", corner.name, ["a", "b", "c"][at / 8]);
        let partition = format!("deliveries: {topic}/{} has made no progress for ", at % 8);
        assert!(why.starts_with(&partition), "{why}, not {partition}");
    }
    wait(LIMIT, "calls to be made again", || mill.metric("readmill_retries_total") > Some(0.0));
    link.mend();
    mill.wait_for("/healthz", LIMIT);
    wait_until_quiet(&[&mill], LIMIT);
    let store = corner.redis().await.documents("deliveries", 1).await.unwrap();
    let knobs = Knobs { events: EVENTS, ..Knobs::default() };
    let expected = oracle::fold::<Deliveries>(Source::new(knobs).unwrap());
    let (living, digest) = (expected.states.len(), expected.digest().unwrap());
    let found = settled::<Deliveries>(&store, living, digest, LIMIT).await;
    assert_eq!((found.living, found.digest), (living, digest));
    assert_eq!(mill.metric("readmill_held_records"), Some(0.0), "none for a silent service");
    assert_eq!(mill.stop(), Some(0));
}

/// Which partitions of a model are stuck, as health says, and by its status too.
fn stuck(mill: &Mill, model: &str) -> Vec<String> {
    let Some((503, told)) = mill.ask("/healthz") else { return Vec::new() };
    let told: Value = serde_json::from_str(&told).unwrap();
    let reasons = told["reasons"].as_array().unwrap().iter().map(|why| why.as_str().unwrap());
    let is_its = |why: &&str| why.starts_with(model) && why.contains("no progress");
    reasons.filter(is_its).map(str::to_owned).collect()
}

/// As a mirror, Redis may forget everything: its views come back by themselves, and a repeat that
/// changes nothing does not take them away.
#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_that_forgot_its_views_heals_by_itself() {
    let corner = Corner::new("forgot");
    corner.make_topics().await;
    let stage = Stage::up(corner.dir(), &[Service::Redis], "--appendonly no", &[]);
    let configuration = corner.configuration().replace(&stack("REDIS_URL"), redis_of(&stage));
    let points = configuration.split("[models.deliveries]").next().unwrap();
    let mill = Mill::start(corner.dir(), points);
    mill.wait_for("/readyz", LIMIT);
    let knobs = Knobs { events: EVENTS, ..Knobs::default() };
    let expected = oracle::fold::<Points>(Source::new(knobs).unwrap());
    let shown = async || {
        let mut config = RedisConfig::at(redis_of(&stage));
        config.prefix = format!("{}:", corner.name);
        let mirror = Redis::connect(&config).await.unwrap().mirror("points:available");
        let mut right = 0;
        for (key, member) in &expected.states {
            let view = mirror.get(key).await.unwrap();
            right += usize::from(view.get("available") == Some(&member.available.to_string()));
        }
        right
    };
    let (file, events) = (corner.configuration_file(), EVENTS.to_string());
    let produce = ["produce", "--kafka", "-c", file.to_str().unwrap(), "--events", &events];
    succeed(&produce);
    let store = corner.mongo().await.documents("points", 1).await.unwrap();
    let (living, digest) = (expected.states.len(), expected.digest().unwrap());
    settled::<Points>(&store, living, digest, LIMIT).await;
    wait_until_quiet(&[&mill], LIMIT);
    assert_eq!(shown().await, living);
    stage.kill(Service::Redis);
    stage.revive(Service::Redis);
    let until = Instant::now() + LIMIT;
    while shown().await < living {
        assert!(Instant::now() < until, "the mirror is not healed");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    succeed(&produce);
    wait_until_quiet(&[&mill], LIMIT);
    assert_eq!(shown().await, living);
    let found = settled::<Points>(&store, living, digest, LIMIT).await;
    assert_eq!((found.living, found.digest), (living, digest), "repeats changed a document");
    assert_eq!(mill.stop(), Some(0));
}

fn redis_of(stage: &Stage) -> &str {
    stage.address("REDIS_URL")
}
