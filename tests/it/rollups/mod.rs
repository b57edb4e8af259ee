//! Roll-ups on the real servers: through a kill they are what all events and documents come to.

mod asked;
pub mod totals;

use std::collections::BTreeMap;
use std::time::Duration;

use readmill_connectors::kafka::producer::Outgoing;
use readmill_connectors::registry::{RegistryBook, RegistryConfig};
use readmill_models::{Deliveries, Points};
use readmill_schemas::points::PointsEvent;
use readmill_schemas::{Events, SchemaId};
use readmill_workload::{Knobs, Relay, Source, written_schemas};

use crate::mill::{Mill, wait};
use crate::paths::stack;
use crate::real::{Corner, consumed, wait_until_quiet};
use crate::routed::{Router, producer};
use totals::{Groups, added, contributed, stored};

const LIMIT: Duration = Duration::from_secs(120);
const PARTITIONS: i32 = 8;

/// An event a second: they are spread over some hours.
fn knobs() -> Knobs {
    Knobs {
        events: 16_000,
        members: 600,
        events_per_second: 1,
        duplicates_per_mille: 40,
        swaps_per_mille: 20,
        ..Knobs::default()
    }
}

/// What the relay publishes goes to the topics of a corner.
async fn publish(corner: &Corner, knobs: &Knobs) -> usize {
    let book = RegistryBook::new(&RegistryConfig::at(stack("REGISTRY_URL"))).unwrap();
    let mut ids: BTreeMap<String, SchemaId> = BTreeMap::new();
    for schema in written_schemas() {
        let id = book.register(&schema.subject, &schema.text).await.unwrap();
        ids.insert(schema.name, id);
    }
    let rows = Source::new(knobs.clone()).unwrap();
    let partitions = u32::try_from(PARTITIONS).unwrap();
    let relay = Relay::new(rows, knobs, partitions, &|name| ids.get(name).copied()).unwrap();
    let outgoing = relay.map(|emission| Outgoing {
        topic: format!("{}.public.{}", corner.name, emission.table.name()),
        partition: Some(emission.partition),
        key: Some(emission.key),
        value: Some(emission.value),
        headers: Vec::new(),
    });
    let all: Vec<Outgoing> = outgoing.collect();
    let (many, producer) = (all.len(), producer());
    let mut rest = all.into_iter().peekable();
    while rest.peek().is_some() {
        producer.send(rest.by_ref().take(1_000).collect()).await.unwrap();
    }
    many
}

/// The kinds of entries that give points, and those that take them.
fn balance(groups: &Groups) -> i128 {
    let of = |kinds: &[&str]| -> i128 {
        let is_its = |kind: &str, group: &str| group.starts_with(&format!("ledger/{kind}/"));
        let its = groups.iter().filter(|(group, _)| kinds.iter().any(|kind| is_its(kind, group)));
        its.map(|(_, totals)| totals.sum.0).sum()
    };
    of(&["earned", "converted", "use_cancelled"]) - of(&["used", "earn_cancelled", "expired"])
}

#[tokio::test(flavor = "multi_thread")]
async fn roll_ups_are_what_all_events_and_documents_come_to_through_a_kill() {
    let corner = Corner::new("rollups");
    corner.make_topics_of(PARTITIONS).await;
    let many = publish(&corner, &knobs()).await;
    // An entry that comes hours after its day has passed.
    let late = late_entry(&corner, 77).await;
    let first = corner.start();
    let some = many as f64 / 4.0;
    wait(LIMIT, "some of it to be folded", || consumed(&[&first]) >= some);
    first.kill();
    let second = corner.start();
    second.wait_for("/readyz", LIMIT);
    wait_until_quiet(&[&second], LIMIT);
    let rows = || Source::new(knobs()).unwrap();
    let (mongo, redis) = (corner.mongo().await, corner.redis().await);

    let mut wanted = added::<Points>(rows());
    let group = wanted.entry(format!("ledger/earned/{late}")).or_default();
    (group.count, group.sum.0, group.squares.0) = (1, 77, 77 * 77);
    (group.least, group.greatest) = (Some(77), Some(77));
    let group = wanted.get_mut("tiers/1-999").unwrap();
    (group.count, group.sum.0, group.squares.0) =
        (group.count + 1, group.sum.0 + 77, group.squares.0 + 77 * 77);
    let found = stored::<Points>(mongo.documents("points.partials", 1).await.unwrap()).await;
    totals::check("points", &found, &wanted);
    let stands = contributed::<Points>(&mongo.documents("points", 1).await.unwrap()).await;
    totals::check_standing("points", &found, &stands);
    let available: i128 = stands.values().map(|totals| totals.sum.0).sum();
    assert_eq!(balance(&found), available, "the ledger and the members differ");

    let wanted = added::<Deliveries>(rows());
    let found =
        stored::<Deliveries>(redis.documents("deliveries.partials", 1).await.unwrap()).await;
    totals::check("deliveries", &found, &wanted);
    let stands = contributed::<Deliveries>(&redis.documents("deliveries", 1).await.unwrap()).await;
    totals::check_standing("deliveries", &found, &stands);
    let hours = found.keys().filter(|group| group.starts_with("inflow/FOOD/")).count();
    assert!(hours >= 4, "{hours} hours");

    asked::check(&corner, &second, &late);
    check_gauges(&second, &stands, &wanted);
    assert!(second.metric("readmill_partials_written_total").unwrap() > 0.0);
    assert_eq!(second.stop(), Some(0));
}

/// What the metrics show is what stands: deliveries under way, and those taken by each service.
fn check_gauges(mill: &Mill, stands: &Groups, wanted: &Groups) {
    let under_way: i64 = stands.values().map(|totals| totals.count).sum();
    let taken = |service: &str| -> i64 {
        let its = wanted.iter().filter(|(group, _)| group.starts_with(service));
        its.map(|(_, totals)| totals.count).sum()
    };
    let shown = |labels: &str| mill.metric_of("readmill_rollup_count", labels);
    let services = ["FOOD", "MALL", "MART"];
    wait(LIMIT, "the gauges to be what stands", || {
        services.iter().all(|service| {
            let group = format!("group=\"{service}\",model=\"deliveries\",rollup=\"inflow\"");
            shown(&group) == Some(taken(&format!("inflow/{service}/")) as f64)
        }) && shown("rollup=\"under_way\"") == Some(under_way as f64)
    });
    assert_eq!(mill.metric("readmill_rollup_too_large"), Some(0.0));
}

/// Sends an entry of a day before all others; answers the day.
async fn late_entry(corner: &Corner, points: i64) -> String {
    let router = Router::new(PointsEvent::CONTRACTS).await;
    let start = readmill_schemas::Timestamp::from_millis(knobs().start_ms);
    let occurred_at = start.plus_millis(-1_000);
    let event = readmill_schemas::points::PointsEarned {
        ledger_id: "l-late".to_owned(),
        member_id: "late".to_owned(),
        occurred_at,
        lot_id: "a".to_owned(),
        points,
        expires_at: start.plus_millis(86_400_000_000),
        reason: "order".to_owned(),
        order_no: None,
    };
    let topic = corner.topics("points");
    let facts: [(String, i64, PointsEvent); 1] = [("late".to_owned(), 1, event.into())];
    router.send(topic.trim_matches('"'), &facts).await;
    readmill_core::Window::Day.of(occurred_at)
}
