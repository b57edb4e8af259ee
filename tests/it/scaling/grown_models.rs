//! Topics grow between two runs of a model: what keys have in the new partitions is folded after
//! what they have in the older ones, although nothing in the changes themselves tells their order.

use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewPartitions};
use rdkafka::client::DefaultClientContext;
use readmill_connectors::kafka::KafkaConfig;
use readmill_workload::Knobs;

use crate::faults::shipment::Shipment;
use crate::faults::topics::Group;
use crate::faults::verdict::Verdict;
use crate::mill::{Mill, wait};
use crate::paths::stack;
use crate::real::Corner;

const LIMIT: Duration = Duration::from_secs(60);
const EVENTS: u64 = 12_000;
/// Sent before the group takes stock of its partitions.
const FIRST: usize = 300;
/// Sent, besides, before the topics grow.
const BEFORE: usize = 8_000;
const GROWN: i32 = 4;

async fn grow(corner: &Corner) {
    let config = KafkaConfig { brokers: stack("KAFKA_BROKERS"), ..KafkaConfig::default() };
    let admin: AdminClient<DefaultClientContext> = config.client().create().unwrap();
    let all = corner.topics("deliveries");
    let topics: Vec<&str> = all.split(", ").map(|topic| topic.trim_matches('"')).collect();
    let partitions = usize::try_from(GROWN).unwrap();
    let grown: Vec<_> = topics.iter().map(|name| NewPartitions::new(name, partitions)).collect();
    let done = admin.create_partitions(&grown, &AdminOptions::new()).await.unwrap();
    done.into_iter().for_each(|topic| drop(topic.unwrap()));
}

#[tokio::test(flavor = "multi_thread")]
async fn steps_in_new_partitions_are_folded_after_those_in_older_ones() {
    let corner = Corner::new("grownmodel");
    corner.make_topics_of(1).await;
    let configuration = corner.configuration();
    let (services, deliveries) = configuration.split_once("[models.points]").unwrap();
    let deliveries = deliveries.split_once("[models.deliveries]").unwrap().1;
    let configuration = format!("{services}[models.deliveries]{deliveries}");
    // Without versions, the log alone tells the order of a delivery's steps.
    let knobs = Knobs {
        events: EVENTS,
        members: 3000,
        deliveries_per_mille: 1000,
        unversioned_per_mille: 1000,
        swaps_per_mille: 0,
        ..Knobs::default()
    };
    let mut shipment = Shipment::of(&corner, &knobs, u32::try_from(GROWN).unwrap()).await;
    shipment.send(FIRST, 1).await;
    let brokers = stack("KAFKA_BROKERS");
    let name = format!("{}.deliveries.g1", corner.name);
    let mill = Mill::start(corner.dir(), &configuration);
    mill.wait_for("/readyz", LIMIT);
    let group = Group::new(&brokers, &name, shipment.partitions());
    wait(LIMIT, "the first to be committed", || group.lag() == Some(0));
    assert_eq!(mill.stop(), Some(0));
    shipment.send(BEFORE, 1).await;
    grow(&corner).await;
    shipment.grown();
    while shipment.send(1000, GROWN).await > 0 {}
    assert!(shipment.partitions().len() > 3, "nothing is in new partitions");
    let mill = Mill::start(corner.dir(), &configuration);
    let group = Group::new(&brokers, &name, shipment.partitions());
    wait(LIMIT, "all to be committed", || group.lag() == Some(0));
    let mut verdict = Verdict::default();
    let store = corner.redis().await.documents("deliveries", 1).await.unwrap();
    verdict.documents(&store, &shipment.deliveries).await;
    let told = format!("{}.integrated", corner.name);
    verdict.reactions(&brokers, &told, &shipment.deliveries);
    verdict.check();
    assert_eq!(mill.stop(), Some(0));
}
