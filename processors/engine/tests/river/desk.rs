//! Held keys: their queues fold in order, live events go on behind them, and nothing is stranded.

use std::collections::BTreeSet;
use std::sync::Arc;

use readmill_core::{Key, Offset, Outcome};
use readmill_engine::{Desk, Held, Ports, Record};
use readmill_models::{Deliveries, Points};
use tokio::sync::watch;

use crate::world::{Worker, World, record_of, worker};
use crate::{delivery, earned};

fn poison(offset: i64, member: &str, version: i64) -> Record {
    record_of(offset, member, Some(version), "poison", b"\x00\x00\x00\x00\x64\xff")
}

fn desk<M: readmill_core::ReadModel>(ports: &Ports<M>) -> (Desk<'_, M>, watch::Sender<bool>) {
    let (close, closing) = watch::channel(false);
    (Desk::new(ports, closing), close)
}

/// Puts a readable value into the held record at an offset.
async fn mend(ports: &Ports<Points>, offset: i64, with: &Record) {
    let mut held = ports.held.list("points", &Held::All).await.unwrap();
    let wanted = held.iter_mut().find(|held| held.position().offset == Offset(offset)).unwrap();
    wanted.record.value.clone_from(&with.value);
    ports.held.replace(std::slice::from_ref(wanted)).await.unwrap();
}

fn lots(world: &World<Points>, member: &str) -> Vec<i64> {
    let document = world.document(member).unwrap();
    let lots = document.state.map(|member| member.history).unwrap_or_default();
    lots.iter().map(|entry| entry.change).collect()
}

/// A worker that has met a poison record of m-1 at offset 1, with three records behind it.
async fn poisoned(ports: &Arc<Ports<Points>>) -> Worker<Points> {
    let mut worker = worker(ports);
    let log = vec![earned(0, "m-1", 1), poison(1, "m-1", 2), earned(2, "m-1", 3)];
    worker.flow(log).await.unwrap();
    worker.flow(vec![earned(3, "m-1", 4), earned(4, "m-2", 1)]).await.unwrap();
    worker
}

#[tokio::test(start_paused = true)]
async fn a_mended_queue_folds_in_its_order_and_live_events_go_on() {
    let world = World::<Points>::new();
    let ports = world.ports();
    let mut live = poisoned(&ports).await;
    let (mut desk, _close) = desk(&ports);
    let key = Key::from("m-1");
    let stuck = desk.retry(Some(&key)).await.unwrap();
    assert_eq!((stuck.ended.len(), stuck.stuck.unwrap().0.offset), (0, Offset(1)));
    assert_eq!(ports.held.list("points", &Held::All).await.unwrap()[0].tries, 1);
    mend(&ports, 1, &earned(1, "m-1", 2)).await;
    let dealt = desk.retry(Some(&key)).await.unwrap();
    assert_eq!((dealt.ended, dealt.stuck), (vec![Outcome::Applied; 3], None));
    assert!(world.held().is_empty());
    // The live worker still has the held document in its cache.
    live.flow(vec![earned(5, "m-1", 5), poison(1, "m-1", 2)]).await.unwrap();
    assert_eq!(lots(&world, "m-1"), [1, 2, 3, 4, 5]);
    assert!(world.held().is_empty(), "what the live worker had queued is taken back");
    assert!(!world.document("m-1").unwrap().stamp.is_held());
}

#[tokio::test(start_paused = true)]
async fn what_joins_the_queue_while_it_is_dealt_with_is_not_stranded() {
    let world = World::<Points>::new();
    let ports = world.ports();
    let mut live = poisoned(&ports).await;
    mend(&ports, 1, &earned(1, "m-1", 2)).await;
    // The desk frees the key after its last record; just before that write the live worker queues.
    let key = Key::from("m-1");
    let (mut desk, _close) = desk(&ports);
    let record = earned(5, "m-1", 5);
    let (dealt, ()) = tokio::join!(desk.retry(Some(&key)), async {
        while !world.history().iter().any(|did| did == "release 3") {
            tokio::task::yield_now().await;
        }
        live.flow(vec![record]).await.map(drop).unwrap();
    });
    let dealt = dealt.unwrap();
    assert_eq!(dealt.stuck, None);
    assert_eq!(lots(&world, "m-1"), [1, 2, 3, 4, 5]);
    assert!(world.held().is_empty(), "{:?}", world.history());
}

#[tokio::test(start_paused = true)]
async fn a_record_that_is_given_up_stays_so() {
    let world = World::<Points>::new();
    let ports = world.ports();
    let mut live = poisoned(&ports).await;
    let key = Key::from("m-1");
    let (mut desk, _close) = desk(&ports);
    let queue = desk.queue(Some(&key)).await.unwrap();
    let refused = desk.give_up(&queue[1]).await.unwrap();
    assert!(refused.unwrap().contains("versions before"), "3 before 2 would lose 2");
    assert_eq!(desk.give_up(&queue[0]).await.unwrap(), None);
    assert_eq!(desk.retry(Some(&key)).await.unwrap().ended, [Outcome::Applied; 2]);
    live.flow(vec![poison(1, "m-1", 2), earned(5, "m-1", 5)]).await.unwrap();
    assert_eq!(lots(&world, "m-1"), [1, 3, 4, 5], "delivered again, it holds nothing");
    assert!(world.held().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_key_is_free_when_its_last_record_is_given_up() {
    let world = World::<Points>::new();
    let ports = world.ports();
    let mut live = worker(&ports);
    live.flow(vec![poison(0, "m-1", 1)]).await.unwrap();
    let (mut desk, _close) = desk(&ports);
    let queue = desk.queue(Some(&Key::from("m-1"))).await.unwrap();
    assert_eq!(desk.give_up(&queue[0]).await.unwrap(), None);
    assert!(!world.document("m-1").unwrap().stamp.is_held());
}

#[tokio::test(start_paused = true)]
async fn what_a_held_record_leads_to_is_told_before_it_leaves_the_queue() {
    let world = World::<Deliveries>::new();
    let ports = world.ports();
    let mut live = worker(&ports);
    let mut life = delivery(0, "d-1");
    let unreadable = record_of(3, "d-1", None, "poison", b"\x00\x00\x00\x00\xc8\xff");
    let readable = life[3].value.replace(unreadable.value.unwrap());
    live.flow(life).await.unwrap();
    let mut held = ports.held.list("deliveries", &Held::All).await.unwrap();
    assert_eq!(held.len(), 2);
    held[0].record.value = readable;
    ports.held.replace(&held[..1]).await.unwrap();
    world.deafen_outlet(true);
    let key = Key::from("d-1");
    assert!(desk(&ports).0.retry(Some(&key)).await.is_err());
    assert_eq!(world.said(), Vec::<String>::new());
    world.deafen_outlet(false);
    let dealt = desk(&ports).0.retry(Some(&key)).await.unwrap();
    assert_eq!(dealt.ended, [Outcome::Duplicate], "folded before, told now");
    let said: BTreeSet<String> = world.said().into_iter().collect();
    assert_eq!(said.len(), 1, "again before the key is freed, under the same id");
    let stamp = world.document("d-1").unwrap().stamp;
    let lives = |output: &readmill_core::Output| !output.from.partition.is_held();
    assert!(stamp.unsent.iter().all(lives), "nothing is owed to the desk any more");
    assert!(!stamp.is_held());
}

#[tokio::test(start_paused = true)]
async fn a_record_without_a_key_finds_its_documents() {
    let world = World::<Points>::new();
    let ports = world.ports();
    let mut live = worker(&ports);
    let mut junk = earned(0, "m-1", 1);
    let readable = junk.value.replace(b"junk".to_vec());
    live.flow(vec![junk, earned(1, "m-1", 2)]).await.unwrap();
    let (mut desk, _close) = desk(&ports);
    assert!(desk.retry(None).await.unwrap().stuck.is_some());
    let mut held = desk.queue(None).await.unwrap();
    held[0].record.value = readable;
    ports.held.replace(&held).await.unwrap();
    assert_eq!(desk.retry(None).await.unwrap().ended, [Outcome::Applied]);
    assert_eq!(lots(&world, "m-1"), [1, 2], "2 had waited for it");
}

#[tokio::test(start_paused = true)]
async fn a_record_that_overtook_others_does_not_keep_them_for_ever() {
    let world = World::<Points>::new();
    let ports = world.ports();
    let mut live = worker(&ports);
    live.flow(vec![poison(0, "m-1", 3), earned(1, "m-1", 1), earned(2, "m-1", 2)]).await.unwrap();
    let (mut desk, _close) = desk(&ports);
    let key = Key::from("m-1");
    let dealt = desk.retry(Some(&key)).await.unwrap();
    assert_eq!(dealt.ended, [Outcome::Applied; 2], "those before it are folded");
    assert_eq!(dealt.stuck.unwrap().0.offset, Offset(0));
    let queue = desk.queue(Some(&key)).await.unwrap();
    assert_eq!(desk.give_up(&queue[0]).await.unwrap(), None);
    live.flow(vec![earned(3, "m-1", 4)]).await.unwrap();
    assert_eq!(lots(&world, "m-1"), [1, 2, 4]);
}
