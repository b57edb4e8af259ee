//! The river on a world in memory: every promise with the fault that would break it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

mod asleep;
mod bounded;
mod coalescing;
mod desk;
mod holes;
mod joins;
mod late;
mod mended;
mod purses;
mod race;
mod rollups;
mod unread;
mod world;

use std::collections::BTreeMap;

use readmill_core::{Counts, Key};
use readmill_engine::{Fault, Record};
use readmill_models::{Deliveries, Points};
use readmill_schemas::Timestamp;
use readmill_schemas::deliveries::{
    DeliveriesEvent, DeliveryCompleted, DeliveryCreated, Dispatched, OrderService, PickedUp,
    PickupRequested,
};
use readmill_schemas::points::{PointsEarned, PointsEvent};

use world::{Trouble, World, record, record_of, worker};

fn earned(offset: i64, member: &str, version: i64) -> Record {
    earned_lot(offset, member, version, &format!("lot-{member}-{version}"))
}

fn earned_lot(offset: i64, member: &str, version: i64, lot_id: &str) -> Record {
    let event = PointsEvent::PointsEarned(PointsEarned {
        ledger_id: format!("l-{member}-{version}"),
        member_id: member.to_owned(),
        occurred_at: Timestamp::from_millis(version),
        lot_id: lot_id.to_owned(),
        points: version,
        expires_at: Timestamp::from_millis(1),
        reason: "order".to_owned(),
        order_no: None,
    });
    record(offset, member, Some(version), &event)
}

/// A delivery's whole life at offsets from `first` on.
fn delivery(first: i64, id: &str) -> Vec<Record> {
    let (delivery_id, occurred_at) = (id.to_owned(), Timestamp::from_millis(first));
    let events = [
        DeliveriesEvent::DeliveryCreated(DeliveryCreated {
            delivery_id: delivery_id.clone(),
            occurred_at,
            order_no: "20261121000000123".to_owned(),
            service: OrderService::Food,
            region: "north".to_owned(),
        }),
        DeliveriesEvent::PickupRequested(PickupRequested {
            delivery_id: delivery_id.clone(),
            occurred_at,
            store_id: "s-1".to_owned(),
        }),
        DeliveriesEvent::Dispatched(Dispatched {
            delivery_id: delivery_id.clone(),
            occurred_at,
            rider_id: "r-1".to_owned(),
        }),
        DeliveriesEvent::PickedUp(PickedUp { delivery_id: delivery_id.clone(), occurred_at }),
        DeliveriesEvent::DeliveryCompleted(DeliveryCompleted { delivery_id, occurred_at }),
    ];
    (first..).zip(&events).map(|(offset, event)| record(offset, id, None, event)).collect()
}

/// Three members, forty earns each, one after the other.
fn ledger() -> Vec<Record> {
    let member = |n: i64| format!("m-{}", n % 3);
    (0..120).map(|n| earned(n, &member(n), n / 3 + 1)).collect()
}

type Points3 = BTreeMap<Key, Option<readmill_models::points::Member>>;

async fn undisturbed() -> Points3 {
    let world = World::<Points>::new();
    let ports = world.ports();
    worker(&ports).flow(ledger()).await.unwrap();
    world.states()
}

#[track_caller]
fn check_counts(counts: Counts, applied: u64, duplicate: u64, other: u64) {
    assert!(counts.add_up(), "{counts:?}");
    let others = counts.stale + counts.waiting + counts.held + counts.skipped;
    assert_eq!((counts.applied, counts.duplicate, others), (applied, duplicate, other));
}

#[tokio::test(start_paused = true)]
async fn batches_of_any_size_make_the_same_documents_and_settle_contiguously() {
    let expected = undisturbed().await;
    for size in [1, 7, 50] {
        let world = World::<Points>::new();
        let ports = world.ports();
        let mut worker = worker(&ports);
        let mut resume_at = None;
        for batch in ledger().chunks(size) {
            resume_at = worker.flow(batch.to_vec()).await.unwrap();
        }
        assert_eq!(world.states(), expected);
        assert_eq!(resume_at.unwrap().value(), 120);
        check_counts(worker.tally.counts(), 120, 0, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_is_looked_up_and_nothing_is_folded_twice() {
    let world = World::<Points>::new();
    let ports = world.ports();
    let mut worker = worker(&ports);
    world.trouble(&[Trouble::LostAnswer, Trouble::Down, Trouble::LostAnswer]);
    for batch in ledger().chunks(30) {
        worker.flow(batch.to_vec()).await.unwrap();
    }
    assert_eq!(world.states(), undisturbed().await);
    check_counts(worker.tally.counts(), 120, 0, 0);
}

#[tokio::test(start_paused = true)]
async fn a_zombie_and_its_successor_fold_every_event_once() {
    let world = World::<Points>::new();
    let (ports, ports_too) = (world.ports(), world.ports());
    let (mut zombie, mut successor) = (worker(&ports), worker(&ports_too));
    let log = ledger();
    zombie.flow(log[..60].to_vec()).await.unwrap();
    successor.flow(log[30..90].to_vec()).await.unwrap();
    // The zombie still has the documents in its cache, and does not know that it is one.
    zombie.flow(log[60..100].to_vec()).await.unwrap();
    successor.flow(log[90..].to_vec()).await.unwrap();
    assert_eq!(world.states(), undisturbed().await);
    check_counts(zombie.tally.counts(), 70, 30, 0);
    check_counts(successor.tally.counts(), 50, 40, 0);
}

#[tokio::test(start_paused = true)]
async fn a_crash_between_document_and_outputs_sends_them_later_under_the_same_id() {
    let world = World::<Deliveries>::new();
    let ports = world.ports();
    world.deafen_outlet(true);
    let crashed = worker(&ports).flow(delivery(0, "d-1")).await;
    assert!(matches!(crashed, Err(Fault::Refused { .. })), "{crashed:?}");
    assert!(world.said().is_empty());
    world.deafen_outlet(false);
    let mut again = worker(&ports);
    again.flow(delivery(0, "d-1")).await.unwrap();
    assert_eq!(world.said(), ["deliveries/d-1/5/0"]);
    check_counts(again.tally.counts(), 0, 5, 0);
    // What is behind the settled records was sent: it is not said again.
    again.flow(delivery(5, "d-2")).await.unwrap();
    again.flow(delivery(10, "d-1")).await.unwrap();
    assert_eq!(world.said(), ["deliveries/d-1/5/0", "deliveries/d-2/5/0"]);
}

#[tokio::test(start_paused = true)]
async fn documents_come_before_what_they_say() {
    let world = World::<Deliveries>::new();
    let ports = world.ports();
    worker(&ports).flow(delivery(0, "d-1")).await.unwrap();
    assert_eq!(world.history(), ["write d-1", "say deliveries/d-1/5/0"]);
}

#[tokio::test(start_paused = true)]
async fn steps_in_any_order_end_in_one_integrated_event() {
    let mut orders: Vec<[usize; 5]> = Vec::new();
    for seed in 0..120_usize {
        let (mut left, mut order, mut rest) = (vec![0, 1, 2, 3, 4], [0; 5], seed);
        for place in &mut order {
            *place = left.remove(rest % left.len());
            rest /= left.len() + 1;
        }
        orders.push(order);
    }
    for order in orders {
        let world = World::<Deliveries>::new();
        let ports = world.ports();
        let life = delivery(0, "d-1");
        let mut log: Vec<Record> = order.iter().map(|&step| life[step].clone()).collect();
        (0..).zip(&mut log).for_each(|(n, record)| record.position.offset.0 = n);
        let mut worker = worker(&ports);
        for record in log {
            worker.flow(vec![record]).await.unwrap();
        }
        assert_eq!(world.said(), ["deliveries/d-1/".to_owned() + &revision(&world) + "/0"]);
        assert_eq!(world.states().into_values().collect::<Vec<_>>(), [None], "{order:?}");
        check_counts(worker.tally.counts(), 5, 0, 0);
    }
}

fn revision(world: &World<Deliveries>) -> String {
    world.document("d-1").unwrap().stamp.revision.to_string()
}

#[tokio::test(start_paused = true)]
async fn a_record_that_cannot_be_read_holds_its_key_and_no_other() {
    let world = World::<Points>::new();
    let ports = world.ports();
    let mut worker = worker(&ports);
    let poison = record_of(1, "m-1", Some(2), "poison", b"\x00\x00\x00\x00\x64\xff");
    let log = vec![earned(0, "m-1", 1), poison, earned(2, "m-1", 3), earned(3, "m-2", 1)];
    worker.flow(log.clone()).await.unwrap();
    let m1 = Some(Key::from("m-1"));
    assert_eq!(world.held(), [(m1.clone(), 1), (m1, 2)]);
    assert_eq!(world.states()[&Key::from("m-2")].as_ref().unwrap().available, 1);
    check_counts(worker.tally.counts(), 2, 0, 2);
    let first_write = world.history().iter().position(|did| did == "write m-1");
    let last_hold = world.history().iter().rposition(|did| did.starts_with("hold"));
    assert!(last_hold < first_write, "a key must never be held without its record");
    // Read again after a crash, nothing is held twice and nothing is lost.
    worker_again(&world, log).await;
}

async fn worker_again(world: &World<Points>, log: Vec<Record>) {
    let ports = world.ports();
    let mut again = worker(&ports);
    again.flow(log).await.unwrap();
    assert_eq!(world.held().len(), 2);
    check_counts(again.tally.counts(), 0, 2, 2);
}

#[tokio::test(start_paused = true)]
async fn a_payload_may_be_json_text() {
    let world = World::<Points>::new();
    let ports = world.ports();
    let mut worker = worker(&ports);
    let text = br#"{"ledger_id": "l", "member_id": "m-1", "occurred_at": 1, "lot_id": "a",
                    "points": 7, "expires_at": 2}"#;
    let poison = br#"{"ledger_id": "l"}"#;
    let log = vec![json_record(0, 1, text), json_record(1, 2, poison), json_record(2, 3, text)];
    worker.flow(log).await.unwrap();
    assert_eq!(world.states()[&Key::from("m-1")].as_ref().unwrap().available, 7);
    check_counts(worker.tally.counts(), 1, 0, 2);
    assert_eq!(world.held().len(), 2, "what does not fit holds its key");
}

fn json_record(offset: i64, version: i64, text: &[u8]) -> Record {
    let event_id = format!("e-{version}");
    record_of(offset, "m-1", Some(version), &event_id, text)
}

#[tokio::test(start_paused = true)]
async fn unframed_records_are_held_and_tombstones_skipped() {
    let world = World::<Points>::new();
    let ports = world.ports();
    let mut worker = worker(&ports);
    let (mut junk, mut tombstone) = (earned(0, "m-1", 1), earned(1, "m-1", 1));
    junk.value = Some(b"{\"not\": \"avro\"}".to_vec());
    tombstone.value = None;
    worker.flow(vec![junk, tombstone, earned(2, "m-1", 1)]).await.unwrap();
    assert_eq!(world.held(), [(None, 0)]);
    let counts = worker.tally.counts();
    assert_eq!((counts.held, counts.skipped, counts.applied), (1, 1, 1));
    assert!(counts.add_up());
}

#[tokio::test(start_paused = true)]
async fn a_log_that_goes_back_is_followed_and_its_repeats_are_counted() {
    let world = World::<Points>::new();
    let ports = world.ports();
    let mut worker = worker(&ports);
    worker.flow(ledger()).await.unwrap();
    let resume_at = worker.flow(ledger()[40..70].to_vec()).await.unwrap();
    assert_eq!(resume_at.unwrap().value(), 70);
    assert_eq!(world.states(), undisturbed().await);
    check_counts(worker.tally.counts(), 120, 30, 0);
}

#[tokio::test(start_paused = true)]
async fn work_is_given_up_when_its_partition_is_taken_away() {
    let world = World::<Points>::new();
    let ports = world.ports();
    let mut worker = worker(&ports);
    world.trouble(&[Trouble::Down; 3]);
    worker.close.send_replace(true);
    let given_up = worker.flow(ledger()).await;
    assert!(matches!(given_up, Err(Fault::Abandoned)), "{given_up:?}");
    assert_eq!(worker.tally.counts(), Counts::default(), "nothing is settled, nothing counted");
}

#[tokio::test(start_paused = true)]
async fn counts_are_kept_and_exported_by_partition() {
    let world = World::<Points>::new();
    let ports = world.ports();
    let mut worker = worker(&ports);
    // The first version is missing: the second waits, and what it waits for is told.
    worker.flow(vec![earned(0, "m-1", 2), earned(1, "m-2", 1)]).await.unwrap();
    let text = ports.metrics.render().unwrap();
    let of_partition = r#"{model="points",partition="0",topic="t"}"#;
    for line in [
        format!("readmill_consumed_total{of_partition} 2"),
        format!("readmill_waiting{of_partition} 1"),
        r#"readmill_ended_total{model="points",outcome="applied",partition="0",topic="t"} 1"#
            .to_owned(),
    ] {
        assert!(text.contains(&line), "{line} is not in {text}");
    }
}
