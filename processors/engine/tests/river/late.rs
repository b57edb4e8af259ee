//! Events that wait: what is refused in its turn, or waits too long, is held whole and in order.

use std::sync::Arc;
use std::time::Duration;

use readmill_core::{Key, Outcome};
use readmill_engine::{Desk, Held, HeldRecord, Ports, Pulse, Record, Watch, overdue};
use readmill_models::Points;
use readmill_schemas::Timestamp;
use readmill_schemas::points::{EarnCancelled, PointsEvent};
use tokio::sync::watch;

use crate::world::{Trouble, Worker, World, record, worker};
use crate::{earned, earned_lot};

const HOUR: Duration = Duration::from_secs(3600);

/// The third version earns the lot of the first again: it waits, and is refused in its turn.
fn twice(offset: i64) -> Record {
    earned_lot(offset, "m-1", 3, "lot-m-1-1")
}

async fn held(ports: &Ports<Points>) -> Vec<HeldRecord> {
    ports.held.list("points", &Held::All).await.unwrap()
}

fn lots(world: &World<Points>) -> Vec<i64> {
    let document = world.document("m-1").unwrap();
    let lots = document.state.map(|member| member.history).unwrap_or_default();
    lots.iter().map(|entry| entry.change).collect()
}

async fn retried(ports: &Ports<Points>, close_gaps: bool) -> Vec<Outcome> {
    let (_close, closing) = watch::channel(false);
    let mut desk = Desk::new(ports, closing).closing_gaps(close_gaps);
    let dealt = desk.retry(Some(&Key::from("m-1"))).await.unwrap();
    assert_eq!(dealt.stuck, None);
    dealt.ended
}

/// Holds what has waited for an hour, until the time is up.
async fn watch_waiting(live: &Worker<Points>, ports: &Arc<Ports<Points>>, time: Duration) {
    let (tally, stop) = (live.tally.clone(), live.close.subscribe());
    let watch = Watch::new(tally, Pulse::default(), stop);
    let watching = overdue::hold_overdue(Arc::clone(ports), HOUR, watch);
    tokio::time::timeout(time, watching).await.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn an_event_that_is_refused_in_its_turn_is_held_whole() {
    for troubles in [&[][..], &[Trouble::LostAnswer], &[Trouble::Down, Trouble::LostAnswer]] {
        let world = World::<Points>::new();
        let ports = world.ports();
        let mut live = worker(&ports);
        live.flow(vec![earned(0, "m-1", 1), twice(1), earned(2, "m-1", 4)]).await.unwrap();
        assert_eq!((live.tally.counts().waiting, held(&ports).await.len()), (2, 0));
        world.trouble(troubles);
        live.flow(vec![earned(3, "m-1", 2), earned(4, "m-1", 5)]).await.unwrap();
        let kept = held(&ports).await;
        assert_eq!(
            kept.iter().map(|held| &held.record).collect::<Vec<_>>(),
            [&twice(1), &earned(2, "m-1", 4), &earned(4, "m-1", 5)]
        );
        let counts = live.tally.counts();
        assert_eq!((counts.applied, counts.waiting, counts.held), (2, 0, 3), "{counts:?}");
        assert!(counts.add_up());

        let mut mended = kept[0].clone();
        mended.edit(earned(1, "m-1", 3).value, Vec::new());
        ports.held.replace(&[mended]).await.unwrap();
        assert_eq!(retried(&ports, false).await, [Outcome::Applied; 3]);
        assert_eq!((lots(&world), world.held()), (vec![1, 2, 3, 4, 5], vec![]));
        live.flow(vec![twice(5), earned(6, "m-1", 6)]).await.unwrap();
        assert_eq!(lots(&world), [1, 2, 3, 4, 5, 6]);
    }
}

#[tokio::test(start_paused = true)]
async fn an_outbox_that_is_split_over_topics_has_one_sequence_of_versions() {
    let world = World::<Points>::new();
    let ports = world.ports();
    let mut live = worker(&ports);
    let batch = |offset, version| {
        let mut record = earned(offset, "m-1", version);
        record.position.partition.topic = "t-batch".into();
        record
    };
    live.flow(vec![earned(0, "m-1", 2), earned(1, "m-1", 4)]).await.unwrap();
    live.flow(vec![batch(0, 1), batch(1, 3)]).await.unwrap();
    assert_eq!(lots(&world), [1, 2, 3, 4]);
    assert!(live.tally.counts().add_up() && live.tally.counts().applied == 4);
}

#[tokio::test(start_paused = true)]
async fn what_waits_too_long_is_held_until_a_person_says_that_the_rest_will_never_come() {
    let world = World::<Points>::new();
    let ports = world.ports();
    let mut live = worker(&ports);
    live.flow(vec![earned(0, "m-1", 1), earned(1, "m-1", 3), earned(2, "m-2", 1)]).await.unwrap();
    watch_waiting(&live, &ports, HOUR).await;
    assert_eq!(held(&ports).await, [], "an hour is not over");
    world.trouble(&[Trouble::LostAnswer]);
    watch_waiting(&live, &ports, HOUR / 4).await;
    let kept = held(&ports).await;
    assert_eq!(kept.len(), 1);
    assert!(kept[0].record == earned(1, "m-1", 3) && kept[0].reason.contains("waited too long"));
    let counts = live.tally.counts();
    assert_eq!((counts.applied, counts.waiting, counts.held), (2, 0, 1), "{counts:?}");
    live.flow(vec![earned(3, "m-1", 4), earned(4, "m-2", 2)]).await.unwrap();
    assert_eq!(world.held().len(), 2, "later events queue behind it, other keys go on");

    assert_eq!(retried(&ports, false).await, [Outcome::Waiting; 2], "2 is still missing");
    watch_waiting(&live, &ports, HOUR * 2).await;
    assert_eq!(world.held().len(), 2, "held again");
    assert_eq!(retried(&ports, true).await, [Outcome::Applied; 2]);
    assert_eq!((lots(&world), world.held()), (vec![1, 3, 4], vec![]));
    live.flow(vec![earned(5, "m-1", 2), earned(6, "m-1", 5)]).await.unwrap();
    assert_eq!(lots(&world), [1, 3, 4, 5], "2 came after all: it counts as taken in");
}

#[tokio::test(start_paused = true)]
async fn what_waits_is_not_let_go_by_a_desk_that_finds_it_held_too_early() {
    let world = World::<Points>::new();
    let ports = world.ports();
    let mut live = worker(&ports);
    // Marked as taken in, since its version is the next: it waits for the earn that it cancels.
    let cancelled = PointsEvent::EarnCancelled(EarnCancelled {
        ledger_id: "l-2".to_owned(),
        member_id: "m-1".to_owned(),
        occurred_at: Timestamp::from_millis(2),
        lot_id: "lot-m-1-3".to_owned(),
    });
    let cancelled = record(1, "m-1", Some(2), &cancelled);
    live.flow(vec![earned(0, "m-1", 1), cancelled]).await.unwrap();
    watch_waiting(&live, &ports, HOUR * 2).await;
    assert_eq!(world.held().len(), 1);
    // As if whoever holds it had not written the document yet.
    let mut document = world.document("m-1").unwrap();
    document.free();
    world.set("m-1", document);
    assert_eq!(retried(&ports, false).await, []);
    assert_eq!(world.held().len(), 1, "it is not the desk's to let go");
    live.flow(vec![earned(2, "m-1", 3)]).await.unwrap();
    assert_eq!(lots(&world), [1, 3, -3]);
    assert_eq!(retried(&ports, false).await, []);
    assert_eq!(world.held(), [], "now it has come to its end");
}
