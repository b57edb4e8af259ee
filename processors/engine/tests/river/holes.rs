//! Shards go on side by side: a slow one leaves a hole in the ledger, and a restart knows it.

use std::time::Duration;

use readmill_core::{Counts, Finished, Offset, ResumeAt};
use readmill_engine::feed::feed;
use readmill_engine::{Limits, Record};
use readmill_models::Points;

use crate::earned;
use crate::world::{World, partition, worker, worker_within};

const SLOW: &str = "m-0";
const MEMBERS: i64 = 40;

/// The slow member's record, then one of each other.
fn log() -> Vec<Record> {
    (0..MEMBERS).map(|n| earned(n, &format!("m-{n}"), 1)).collect()
}

/// Flows with a slow document until all else is done, and is then killed. Answers how far it came.
async fn killed_behind_a_slow_one(world: &World<Points>) -> (ResumeAt, Finished) {
    let ports = world.ports();
    let mut worker = worker(&ports);
    world.stall(Some(SLOW));
    let (line, mut feed) = feed(partition(), 1);
    line.batches.send(log()).await.unwrap();
    let killed = tokio::time::timeout(Duration::from_secs(5), worker.river.flow(&mut feed)).await;
    assert!(killed.is_err(), "the slow document is not written");
    world.stall(None);
    line.progress().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_slow_document_keeps_none_but_its_shard_and_leaves_a_hole() {
    let world = World::<Points>::new();
    let (resume_at, finished) = killed_behind_a_slow_one(&world).await;
    assert_eq!(resume_at.value(), 0);
    let done = (0..MEMBERS).filter(|n| finished.covers(Offset(*n))).count();
    let written = world.states().len();
    assert!(!finished.covers(Offset(0)) && written >= 20, "{written} of {MEMBERS}");
    assert_eq!(done, written, "finished is what is durable, no more and no less");
}

#[tokio::test(start_paused = true)]
async fn a_restart_does_not_do_again_what_is_beyond_a_hole() {
    let world = World::<Points>::new();
    let (_, finished) = killed_behind_a_slow_one(&world).await;
    let done = (0..MEMBERS).filter(|n| finished.covers(Offset(*n))).count();
    let before = world.history().len();
    let mut next = worker(&world.ports());
    let resume_at = next.flow_knowing(log(), finished).await.unwrap();
    assert_eq!(resume_at.unwrap().value(), MEMBERS);
    let written = world.history().len() - before;
    assert_eq!(written, usize::try_from(MEMBERS).unwrap() - done);
    let Counts { consumed, duplicate, applied, .. } = next.tally.counts();
    assert_eq!((consumed, duplicate), (MEMBERS.cast_unsigned(), done as u64));
    assert_eq!(applied, written as u64);
}

#[tokio::test(start_paused = true)]
async fn no_more_is_taken_in_than_the_limits_allow() {
    let world = World::<Points>::new();
    let ports = world.ports();
    let bytes: usize = log().iter().take(10).map(Record::bytes).sum();
    let by_bytes = Limits { open_bytes_per_partition: bytes, ..Limits::default() };
    let by_records = Limits { open_records_per_partition: 10, ..Limits::default() };
    for limits in [by_bytes, by_records] {
        let mut worker = worker_within(&ports, Limits { batch_records: 1, ..limits });
        world.stall(Some(SLOW));
        let (line, mut feed) = feed(partition(), 40);
        // All of one member, so that none of them ends.
        for record in (0..MEMBERS).map(|n| earned(n, SLOW, n + 1)) {
            line.batches.send(vec![record]).await.unwrap();
        }
        let limit = Duration::from_secs(5);
        assert!(tokio::time::timeout(limit, worker.river.flow(&mut feed)).await.is_err());
        assert_eq!(line.batches.capacity(), 10, "ten are taken in, thirty still queue");
        world.stall(None);
    }
}
