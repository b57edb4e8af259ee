//! Members come and go under load, by both protocols, and every document equals the undisturbed
//! fold's.

use std::time::Duration;

use readmill_connectors::kafka::GroupProtocol;
use readmill_core::Partition;
use readmill_engine::Record;
use readmill_models::{Deliveries, Points};
use readmill_workload::{Knobs, Source, oracle};

use super::group::{Group, Seat, Seen, until, values};
use crate::mill::{Mill, succeed, wait};
use crate::real::{Corner, consumed, settled, wait_until_quiet};

const LIMIT: Duration = Duration::from_secs(120);
const EVENTS: u64 = 12_000;

#[tokio::test(flavor = "multi_thread")]
async fn members_come_and_go_by_the_classic_protocol() {
    come_and_go("classic").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_come_and_go_by_the_brokers_protocol() {
    come_and_go("consumer").await;
}

async fn come_and_go(protocol: &str) {
    let corner = Corner::new(protocol);
    let file = corner.configuration_file().to_str().unwrap().to_owned();
    corner.make_topics().await;
    let loading = std::thread::spawn(move || {
        let events = EVENTS.to_string();
        let produce = ["produce", "--kafka", "-c", &file, "--events", &events, "--seed", "5"];
        succeed(&[&produce[..], &["--keys", "1000", "--rate", "1000"]].concat())
    });
    let with = format!("[kafka]\ngroup_protocol = \"{protocol}\"");
    let configuration = corner.configuration().replace("[kafka]", &with);
    let start = || Mill::start(corner.dir(), &configuration);
    let further = |mills: &[&Mill]| {
        let before = consumed(mills);
        // A slow machine may have sent all of it meanwhile.
        let done = || loading.is_finished();
        wait(LIMIT, "the instances to get further", || done() || consumed(mills) > before + 500.0);
    };
    let one = start();
    one.wait_for("/readyz", LIMIT);
    further(&[&one]);
    let two = start();
    two.wait_for("/readyz", LIMIT);
    further(&[&two]);
    assert_eq!(one.stop(), Some(0));
    further(&[&two]);
    let three = start();
    three.wait_for("/readyz", LIMIT);
    further(&[&three]);
    loading.join().unwrap();
    wait_until_quiet(&[&two, &three], LIMIT);
    let knobs = Knobs { seed: 5, events: EVENTS, members: 1000, ..Knobs::default() };
    let points = oracle::fold::<Points>(Source::new(knobs.clone()).unwrap());
    let store = corner.mongo().await.documents("points", 1).await.unwrap();
    let (living, digest) = (points.states.len(), points.digest().unwrap());
    let found = settled::<Points>(&store, living, digest, LIMIT).await;
    assert_eq!((found.living, found.digest), (living, digest), "{protocol}: points differ");
    let deliveries = oracle::fold::<Deliveries>(Source::new(knobs).unwrap());
    let store = corner.redis().await.documents("deliveries", 1).await.unwrap();
    let (living, digest) = (deliveries.states.len(), deliveries.digest().unwrap());
    let found = settled::<Deliveries>(&store, living, digest, LIMIT).await;
    assert_eq!((found.living, found.digest), (living, digest), "{protocol}: deliveries differ");
    assert_eq!((two.stop(), three.stop()), (Some(0), Some(0)));
}

/// Nobody is disturbed when a member by name is started again, and nothing is read twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_member_by_name_finds_its_partitions_again() {
    for (protocol, by) in
        [("classic", GroupProtocol::Classic), ("consumer", GroupProtocol::Consumer)]
    {
        let mut group = Group::new("named", 4).await;
        group.config.group_protocol = by;
        let (one, two) = (Seen::default(), Seen::default());
        group.config.instance_id = Some("a".to_owned());
        let a = Seat::take(&group, &one).await;
        group.config.instance_id = Some("b".to_owned());
        let b = Seat::take(&group, &two).await;
        // Partitions are given one by one: until each has two of them.
        let (mut round, mut before) = (0, Vec::new());
        while before.len() != 2 || of_round(&one, round - 1).len() != 2 {
            assert!(round < 200, "{protocol}: the partitions are not shared out");
            for partition in 0..4 {
                group.append(partition, &values(round, round + 1)).await;
            }
            round += 1;
            until(protocol, || distinct(&[&one, &two]) == 4 * round).await;
            before = of_round(&two, round - 1);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        b.leave().await.unwrap();
        for partition in 0..4 {
            group.append(partition, &values(round, round + 1)).await;
        }
        let again = Seen::default();
        let b = Seat::take(&group, &again).await;
        until(protocol, || distinct(&[&one, &two, &again]) == 4 * round + 4).await;
        let after: Vec<_> = again.lock().unwrap().keys().cloned().collect();
        assert_eq!(before, after, "{protocol}");
        a.leave().await.unwrap();
        b.leave().await.unwrap();
    }
}

/// The partitions whose record of a round was seen.
fn of_round(seen: &Seen, round: usize) -> Vec<Partition> {
    let round = i64::try_from(round).unwrap();
    let has = |records: &[Record]| records.iter().any(|r| r.position.offset.0 == round);
    let seen = seen.lock().unwrap();
    seen.iter().filter(|(_, records)| has(records)).map(|(p, _)| p.clone()).collect()
}

/// How many records were seen, by whomever and however often.
fn distinct(seen: &[&Seen]) -> usize {
    let mut all = std::collections::BTreeSet::new();
    for seen in seen {
        all.extend(seen.lock().unwrap().values().flatten().map(|record| record.position.clone()));
    }
    all.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_without_a_partition_is_ready() {
    for protocol in ["classic", "consumer"] {
        let corner = Corner::new("spare");
        corner.make_topics_of(1).await;
        let with = format!("[kafka]\ngroup_protocol = \"{protocol}\"");
        let configuration = corner.configuration().replace("[kafka]", &with);
        let one = Mill::start(corner.dir(), &configuration);
        one.wait_for("/readyz", LIMIT);
        let two = Mill::start(corner.dir(), &configuration);
        two.wait_for("/readyz", LIMIT);
        let together = || one.metric("readmill_partitions").zip(two.metric("readmill_partitions"));
        wait(LIMIT, &format!("a member without partitions ({protocol})"), || {
            together().is_some_and(|(one, two)| one + two == 4.0)
        });
        assert_eq!((one.stop(), two.stop()), (Some(0), Some(0)), "{protocol}");
    }
}
