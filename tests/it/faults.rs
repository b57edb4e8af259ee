//! A service that falls silent: its partitions wait, health says so, nothing is lost or held.

use std::time::Duration;

use readmill_models::Deliveries;
use readmill_workload::{Knobs, Source, oracle};

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
    let mill = Mill::start(corner.dir(), &behind);
    mill.wait_for("/readyz", LIMIT);
    mill.wait_for("/healthz", LIMIT);
    link.cut();
    let (file, events) = (corner.configuration_file(), EVENTS.to_string());
    succeed(&["produce", "--kafka", "-c", file.to_str().unwrap(), "--events", &events]);
    wait(LIMIT, "health to name a stuck partition", || {
        mill.ask("/healthz").is_some_and(|(status, why)| {
            status == 503 && why.contains("deliveries") && why.contains("no progress")
        })
    });
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
    let (_, metrics) = mill.ask("/metrics").unwrap();
    assert!(metrics.contains("outcome=\"held\"} 0"), "nothing is held for a silent service");
    assert_eq!(mill.stop(), Some(0));
}
