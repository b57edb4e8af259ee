//! Where a copy ends: behind transactions, with partitions that were made meanwhile, when told to.

use std::process::Child;
use std::time::{Duration, Instant};

use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

use super::place::{Place, assert_same, log_of};
use crate::mill::wait;
use crate::paths::stack;
use crate::scaling::group::{Group, LIMIT, values};

/// Sends some records in a transaction, and ends it so or so.
fn transaction(topic: &str, records: &[String], commit: bool) {
    let producer: BaseProducer = rdkafka::ClientConfig::new()
        .set("bootstrap.servers", stack("KAFKA_BROKERS"))
        .set("transactional.id", format!("{topic}.{}", records[0]))
        .create()
        .unwrap();
    producer.init_transactions(LIMIT).unwrap();
    producer.begin_transaction().unwrap();
    for value in records {
        let record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(topic).payload(value.as_bytes());
        producer.send(record.partition(0)).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(LIMIT).unwrap();
    if commit {
        producer.commit_transaction(LIMIT).unwrap();
    } else {
        producer.abort_transaction(LIMIT).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_was_committed_is_copied_and_the_ends_of_transactions_are_passed() {
    let group = Group::new("archivetx", 1).await;
    let place = Place::of(&[&group.topic]);
    transaction(&group.topic, &values(0, 5), true);
    transaction(&group.topic, &values(5, 9), false);
    let since = Instant::now();
    assert_eq!(place.copy(&[])["copied"]["records"], 5);
    assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
    assert_same(&place.records(), &log_of(&[&group.topic]));
    let end = || place.manifest().unwrap().partition(&group.partition(0)).unwrap().to;
    assert_eq!(end(), 11, "five, a marker, four that were given up, a marker");
    // The log may lose the markers: they are no gap.
    group.append(0, &values(20, 21)).await;
    group.truncate(0, 11).await;
    assert_eq!(place.copy(&[])["copied"]["records"], 1);
    assert_eq!(place.with("verify", &[]).0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_follows_passes_the_ends_of_transactions_too() {
    let group = Group::new("archivetxs", 1).await;
    let place = Place::of(&[&group.topic]);
    let copy = place.begin(&["--follow", "--file-limit-seconds", "1"]);
    transaction(&group.topic, &values(0, 5), true);
    transaction(&group.topic, &values(5, 9), false);
    let end = || Some(place.manifest()?.partition(&group.partition(0))?.to);
    wait(LIMIT, "the end of the second transaction", || end() == Some(11));
    assert_eq!(told_to_stop(copy), Some(0));
    assert_eq!(place.manifest().unwrap().records(), 5);
    // Nothing is left of the log, and nothing is missing.
    group.truncate(0, 11).await;
    assert_eq!(place.copy(&[])["copied"]["records"], 0);
}

#[track_caller]
fn told_to_stop(mut copy: Child) -> Option<i32> {
    let pid = copy.id().to_string();
    assert!(std::process::Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let mut code = None;
    wait(LIMIT, "the copy to end", || {
        code = copy.try_wait().unwrap().map(|status| status.code());
        code.is_some()
    });
    code.flatten()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_follows_takes_in_new_partitions_and_ends_when_told() {
    let mut group = Group::new("archivefollow", 1).await;
    group.append(0, &values(0, 10)).await;
    let place = Place::of(&[&group.topic]);
    let copy = place.begin(&["--follow", "--file-limit-seconds", "1"]);
    let records = || place.manifest().map_or(0, |manifest| manifest.records());
    wait(LIMIT, "the first file", || records() == 10);
    assert_eq!(place.refused(&[]).0, 3, "one writer at a time");
    group.grow(2).await;
    group.append(1, &values(0, 7)).await;
    group.append(0, &values(10, 13)).await;
    wait(LIMIT, "the new partition", || records() == 20);
    // What is not in a finished file yet is finished when it is told to stop.
    group.append(0, &values(13, 15)).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(told_to_stop(copy), Some(0));
    assert_eq!(records(), 22);
    assert_same(&place.records(), &log_of(&[&group.topic]));
    let (code, said) = place.with("prune", &["--before", "0s", "--keep-last", "1"]);
    assert!(code == 0 && said.contains("were removed"), "{said}");
    assert_eq!(place.with("verify", &[]).0, 0);
    assert_eq!(place.copy(&[])["copied"]["records"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_are_deleted_under_a_copy_that_follows_stop_it() {
    let group = Group::new("archivelag", 1).await;
    group.append(0, &values(0, 10)).await;
    let place = Place::of(&[&group.topic]);
    let mut copy = place.begin(&["--follow", "--file-limit-seconds", "1"]);
    let records = || place.manifest().map_or(0, |manifest| manifest.records());
    wait(LIMIT, "the first file", || records() == 10);
    let signal = |signal: &str| {
        let pid = copy.id().to_string();
        assert!(
            std::process::Command::new("kill").args([signal, &pid]).status().unwrap().success()
        );
    };
    signal("-STOP");
    // What it has asked for is answered by now, with nothing.
    tokio::time::sleep(Duration::from_millis(500)).await;
    group.append(0, &values(10, 30)).await;
    group.truncate(0, 20).await;
    signal("-CONT");
    let mut code = None;
    wait(LIMIT, "the copy to end", || {
        code = copy.try_wait().unwrap().map(|status| status.code());
        code.is_some()
    });
    let told = std::fs::read_to_string(place.dir().join("copy.log")).unwrap();
    assert_eq!(code.flatten(), Some(3), "{told}");
    assert!(told.contains("the archive ends at 10, and the log begins at 20"), "{told}");
}
