//! What must hold for every document, tried on a model that keeps a trail of everything folded.

use proptest::prelude::*;
use readmill_schemas::Timestamp;
use readmill_schemas::points::{PointsEarned, PointsEvent};

use super::*;
use crate::identity::SourcePosition;
use crate::model::{Folded, Keys, Reaction};
use crate::position::{Offset, Partition};
use crate::stamp::{Sent as SentReactions, What};

/// Folds the order of everything that it sees, so that any change of order shows.
#[derive(Debug, PartialEq, Clone)]
struct Trail;

/// A label that begins so waits for the rest of it.
const AFTER: &str = "after:";

impl ReadModel for Trail {
    const NAME: &'static str = "trail";
    const FOLD_VERSION: u32 = 1;
    const ABOUT: &'static str = "everything in its order";
    type Event = PointsEvent;
    type State = Vec<String>;

    fn keys(_: &PointsEvent) -> Keys {
        Keys::one("k")
    }

    fn admit(standing: Standing<'_, Vec<String>>, event: &PointsEvent) -> Admit {
        let label = label(event);
        let nothing = Vec::new();
        let trail = if let Standing::Live(trail) = standing { trail } else { &nothing };
        let seen = |wanted: &str| trail.iter().any(|seen| seen == wanted);
        match (standing, label.strip_prefix(AFTER)) {
            (Standing::Gone, _) => Admit::Stale,
            (_, Some(wanted)) if !seen(wanted) => Admit::Wait("what it comes after"),
            _ if label == "poison" => Admit::Refuse("poison"),
            _ => Admit::Fold,
        }
    }

    fn fold(state: Option<Vec<String>>, event: &PointsEvent) -> Folded<Vec<String>> {
        let mut trail = state.unwrap_or_default();
        trail.push(label(event).to_owned());
        if label(event) == "end" { Folded::gone() } else { Folded::next(trail) }.saying(event)
    }
}

fn label(event: &PointsEvent) -> &str {
    if let PointsEvent::PointsEarned(earned) = event { &earned.lot_id } else { "other" }
}

fn event(label: &str) -> PointsEvent {
    PointsEvent::PointsEarned(PointsEarned {
        ledger_id: String::new(),
        member_id: "k".to_owned(),
        occurred_at: Timestamp::from_millis(0),
        lot_id: label.to_owned(),
        points: 1,
        expires_at: Timestamp::from_millis(0),
        reason: "order".to_owned(),
        order_no: None,
    })
}

/// One record of a log: its offset is its place in the log.
#[derive(Debug, Clone)]
struct Sent {
    identity: Identity,
    label: String,
}

fn versioned(version: i64, label: &str) -> Sent {
    Sent { identity: Identity::version("t", "k", true, version), label: label.to_owned() }
}

fn known_by_event(lsn: i64) -> Sent {
    let position = SourcePosition::Postgres { commit: Some(lsn / 3), lsn };
    Sent {
        identity: Identity::event("t", Some(position), &format!("event-{lsn}")),
        label: lsn.to_string(),
    }
}

fn at(offset: usize) -> Position {
    let offset = Offset(i64::try_from(offset).unwrap());
    Position { partition: Partition::new("t", 0), offset }
}

fn record(offset: usize) -> Record {
    let headers = vec![("id".to_owned(), vec![7])];
    Record { position: at(offset), timestamp_ms: 5, key: None, value: Some(vec![1]), headers }
}

fn take(document: &mut Document<Trail>, sent: &Sent, offset: usize, below: Offset) -> Taken {
    let (event, record) = (event(&sent.label), record(offset));
    document.take(incoming(sent, &event, &record, below))
}

fn incoming<'a>(
    sent: &'a Sent,
    event: &'a PointsEvent,
    record: &'a Record,
    below: Offset,
) -> Incoming<'a, PointsEvent> {
    let now_ms = record.position.offset.0;
    let (identity, from) = (&sent.identity, &record.position);
    let sent = SentReactions { below, ..SentReactions::NOTHING };
    Incoming { identity, record, from, committed_ms: 7, now_ms, sent, event }
}

fn deliver(document: &mut Document<Trail>, log: &[Sent], from: usize, to: usize) -> Vec<Outcome> {
    let below = at(from).offset;
    (from..to).map(|offset| take(document, &log[offset], offset, below).outcome).collect()
}

#[track_caller]
fn check(log: &[Sent], outcomes: &[Outcome], trail: &[&str]) -> Document<Trail> {
    let mut document = Document::default();
    assert_eq!(deliver(&mut document, log, 0, log.len()), outcomes);
    assert_eq!(document.state.clone().unwrap_or_default(), trail);
    document
}

#[test]
fn versions_fold_in_their_order_whatever_order_they_come_in() {
    use Outcome::{Applied, Duplicate, Waiting};
    let log = [versioned(1, "a"), versioned(3, "c"), versioned(3, "c"), versioned(2, "b")];
    let document = check(&log, &[Applied, Waiting, Duplicate, Applied], &["a", "b", "c"]);
    assert_eq!(document.stamp.waiting, []);
}

#[test]
fn an_early_event_waits_and_those_behind_it_go_on() {
    use Outcome::{Applied, Waiting};
    let log = [versioned(1, "after:x"), versioned(2, "y"), versioned(3, "x")];
    check(&log, &[Waiting, Applied, Applied], &["y", "x", "after:x"]);
}

#[test]
fn a_refused_event_holds_its_key() {
    use Outcome::{Applied, Held};
    let log = [versioned(1, "a"), versioned(2, "poison"), versioned(3, "c")];
    let document = check(&log, &[Applied, Held, Held], &["a"]);
    assert_eq!(document.stamp.held, [at(2)]);
    assert_eq!(document.stamp.revision, 3, "whoever frees the key sees that its queue has grown");
}

fn retry(document: &mut Document<Trail>, sent: &Sent, offset: usize) -> Taken {
    let (event, record) = (event(&sent.label), record(offset));
    document.retry(incoming(sent, &event, &record, Offset(0)), false)
}

#[test]
fn a_queue_is_folded_in_its_order_before_live_events_pass() {
    use Outcome::{Applied, Duplicate, Held};
    let log = [versioned(1, "a"), versioned(2, "poison"), versioned(3, "c"), versioned(4, "d")];
    let mut document = check(&log[..3], &[Applied, Held, Held], &["a"]);
    assert_eq!(retry(&mut document, &log[1], 1).outcome, Held, "refused again");
    assert_eq!(document.stamp.held, [at(2)]);
    assert_eq!(retry(&mut document, &versioned(2, "mended"), 1).outcome, Applied);
    assert_eq!(deliver(&mut document, &log, 3, 4), [Held], "not before the queue is empty");
    assert_eq!(retry(&mut document, &log[2], 2).outcome, Applied);
    assert_eq!(retry(&mut document, &log[3], 3).outcome, Applied);
    document.free();
    assert_eq!(deliver(&mut document, &log, 0, 4), [Duplicate; 4]);
    assert_eq!(document.state.as_deref().unwrap_or_default(), ["a", "mended", "c", "d"]);
}

#[test]
fn what_joins_behind_later_records_is_not_taken_for_one_that_had_joined() {
    let log = [versioned(1, "poison"), versioned(2, "b"), versioned(3, "c")];
    let mut document = Document::<Trail>::default();
    deliver(&mut document, &log, 0, 1);
    deliver(&mut document, &log, 2, 3);
    let taken = take(&mut document, &log[1], 1, Offset(0));
    assert!(taken.outcome == Outcome::Held && taken.why.is_some(), "it is to be kept");
    assert_eq!((document.stamp.revision, &document.stamp.held[..]), (3, &[at(2)][..]));
}

#[test]
fn an_event_that_was_given_up_counts_as_taken_in() {
    let log = [versioned(1, "poison"), versioned(2, "b"), versioned(4, "d")];
    let mut document = check(&log, &[Outcome::Held; 3], &[]);
    let give_up = |document: &mut Document<Trail>, n: usize| {
        document.give_up(&log[n].identity, &at(n)).outcome
    };
    assert_eq!(give_up(&mut document, 2), Outcome::Held, "3 may still come");
    assert_eq!(give_up(&mut document, 0), Outcome::Skipped);
    assert_eq!(give_up(&mut document, 0), Outcome::Duplicate);
    assert_eq!(retry(&mut document, &log[1], 1).outcome, Outcome::Applied);
    let unread = document.hold_for(Some(&log[0].identity), &at(7), "unreadable");
    assert_eq!(unread.outcome, Outcome::Duplicate, "delivered again, it holds nothing");
}

#[test]
fn nothing_raises_a_document_that_ended() {
    use Outcome::{Applied, Duplicate, Stale};
    let log = [versioned(1, "a"), versioned(2, "end"), versioned(3, "late"), versioned(1, "a")];
    let document = check(&log, &[Applied, Applied, Stale, Duplicate], &[]);
    assert!(document.stamp.gone);
}

#[test]
fn a_full_document_holds_what_it_cannot_let_wait() {
    let log: Vec<Sent> = (0..=MAX_WAITING_EVENTS)
        .map(|n| versioned(i64::try_from(n).unwrap() + 2, "early"))
        .collect();
    let mut document = Document::<Trail>::default();
    let outcomes = deliver(&mut document, &log, 0, log.len());
    assert_eq!(outcomes.last(), Some(&Outcome::Held));
    assert_eq!(document.stamp.waiting.len(), MAX_WAITING_EVENTS);
}

#[test]
fn waiting_is_bounded_in_bytes_too() {
    let long = "long".repeat(MAX_WAITING_BYTES / 4 / 4);
    let log: Vec<Sent> = (2..7).map(|version| versioned(version, &long)).collect();
    let mut document = Document::<Trail>::default();
    let outcomes = deliver(&mut document, &log, 0, log.len());
    assert_eq!(outcomes[..3], [Outcome::Waiting; 3]);
    assert_eq!(outcomes[3..], [Outcome::Held; 2]);
    assert_eq!(document.stamp.waiting[0].committed_ms, 7);
}

#[test]
fn a_waiting_event_that_is_refused_in_its_turn_is_held_and_its_key_with_it() {
    use Outcome::{Applied, Duplicate, Held, Waiting};
    let log = [versioned(2, "poison"), versioned(3, "c"), versioned(1, "a"), versioned(4, "d")];
    let mut document = Document::<Trail>::default();
    assert_eq!(deliver(&mut document, &log, 0, 2), [Waiting; 2]);
    let taken = take(&mut document, &log[2], 2, Offset(0));
    assert_eq!(taken.outcome, Applied);
    assert_eq!(taken.released, [(at(0), Held), (at(1), Held)], "and what waits behind it");
    let behind = (record(1), waiting::BEHIND.to_owned());
    assert_eq!(taken.late, [(record(0), "poison".to_owned()), behind], "whole, and why");
    assert_eq!(document.stamp.held, [at(1)]);
    assert_eq!(deliver(&mut document, &log, 3, 4), [Held], "it queues behind");
    assert_eq!(deliver(&mut document, &log, 0, 4), [Held, Held, Duplicate, Held], "again");
    assert_eq!(retry(&mut document, &log[0], 0).outcome, Held);
    let mended = retry(&mut document, &versioned(2, "b"), 0);
    assert_eq!((mended.outcome, &mended.released[..]), (Applied, &[][..]));
    assert_eq!(retry(&mut document, &log[1], 1).outcome, Applied);
    assert_eq!(retry(&mut document, &log[3], 3).outcome, Applied);
    document.free();
    assert_eq!(document.state.as_deref().unwrap_or_default(), ["a", "b", "c", "d"]);
    assert_eq!(document.stamp.waiting, []);
}

#[test]
fn what_waits_too_long_is_held_and_may_be_tried_given_up_or_folded_without_what_is_missing() {
    use Outcome::{Applied, Duplicate, Held, Skipped, Waiting};
    let log = [versioned(1, "after:x"), versioned(3, "c"), versioned(5, "e"), versioned(2, "b")];
    let mut waits = Document::<Trail>::default();
    assert_eq!(deliver(&mut waits, &log, 0, 3), [Waiting; 3]);
    let fresh = waits.clone();
    assert_eq!(waits.hold_overdue(0).late, [], "none is that old");
    assert_eq!(waits, fresh);
    let taken = waits.hold_overdue(2);
    let (records, why): (Vec<Record>, Vec<String>) = taken.late.into_iter().unzip();
    assert_eq!(records, [record(0), record(1), record(2)], "and what waits behind them");
    assert!(why[0].starts_with("waited too long: "), "{why:?}");
    assert_eq!(waits.hold_overdue(2).late, [], "once");

    let mut tried = waits.clone();
    assert_eq!(retry(&mut tried, &log[0], 0).outcome, Waiting, "x is still missing");
    assert!(tried.stamp.revision > waits.stamp.revision && !tried.stamp.waiting[0].held);
    assert_eq!(retry(&mut tried, &versioned(1, "a"), 0).outcome, Applied, "mended");
    let missing = retry(&mut tried, &versioned(2, "b"), 3);
    assert_eq!((missing.outcome, missing.released.len()), (Applied, 0), "3 is held");
    assert_eq!(retry(&mut tried, &log[1], 1).outcome, Applied);
    assert_eq!(tried.state.as_deref().unwrap_or_default(), ["a", "b", "c"]);

    let mut given_up = waits.clone();
    let give_up = |document: &mut Document<Trail>, n: usize| {
        document.give_up(&log[n].identity, &at(n)).outcome
    };
    assert_eq!(give_up(&mut given_up, 0), Skipped, "it was marked, and waits no more");
    assert_eq!(give_up(&mut given_up, 0), Duplicate);
    assert_eq!(give_up(&mut given_up, 1), Held, "2 may still come");

    let (event, brought) = (event("e"), record(2));
    let without = waits.retry(incoming(&log[2], &event, &brought, Offset(0)), true);
    assert_eq!((without.outcome, without.released.len()), (Held, 0), "1 and 3 are, before it");
    assert_eq!(retry(&mut waits, &log[0], 0).outcome, Waiting);
    let (event, brought) = (self::event("c"), record(1));
    let without = waits.retry(incoming(&log[1], &event, &brought, Offset(0)), true);
    assert_eq!(without.outcome, Applied);
    let (event, brought) = (self::event("e"), record(2));
    let without = waits.retry(incoming(&log[2], &event, &brought, Offset(0)), true);
    assert_eq!((without.outcome, &without.released[..]), (Applied, &[][..]));
    assert_eq!(waits.state.as_deref().unwrap_or_default(), ["c", "e"]);
    assert_eq!(deliver(&mut waits, &log, 3, 4), [Duplicate], "2 counts as taken in");
}

#[test]
fn nothing_that_waits_passes_one_of_its_partition_that_is_held() {
    let log = [versioned(1, "after:x"), versioned(2, "after:y")];
    let mut document = Document::<Trail>::default();
    deliver(&mut document, &log, 0, 2);
    document.hold_overdue(1);
    let untouched = document.clone();
    let second = retry(&mut document, &log[1], 1);
    assert_eq!((second.outcome, second.why.as_deref()), (Outcome::Held, Some(waiting::BEHIND)));
    assert_eq!(document, untouched);
    assert_eq!(retry(&mut document, &log[0], 0).outcome, Outcome::Waiting);
    assert_eq!(retry(&mut document, &versioned(2, "b"), 1).outcome, Outcome::Applied);
}

#[test]
fn a_repeat_in_the_queue_does_not_take_the_place_of_the_record_that_waits() {
    let log = [known_by_event(3), known_by_event(6)]
        .map(|sent| Sent { label: format!("after:{}", sent.label), ..sent });
    let mut document = Document::<Trail>::default();
    deliver(&mut document, &log, 0, 2);
    document.hold_overdue(1);
    for (place, sent) in log.iter().enumerate() {
        assert_eq!(retry(&mut document, sent, place).outcome, Outcome::Waiting);
    }
    let stood = document.clone();
    assert_eq!(retry(&mut document, &log[0], 2).outcome, Outcome::Duplicate, "published again");
    assert_eq!(document, stood);
}

#[test]
fn freeing_a_key_never_leaves_an_event_held_that_nobody_keeps() {
    let log = [versioned(2, "b")];
    let mut document = Document::<Trail>::default();
    deliver(&mut document, &log, 0, 1);
    document.hold_overdue(1);
    document.free();
    assert!(!document.stamp.is_held() && !document.stamp.waiting[0].held);
}

#[test]
fn reactions_stay_until_their_record_is_surely_sent() {
    let log = [versioned(1, "a"), versioned(2, "b")];
    let mut document = Document::<Trail>::default();
    deliver(&mut document, &log, 0, 1);
    assert_eq!(document.stamp.unsent.len(), 1);
    assert_eq!(document.stamp.unsent[0].what, What::Reaction(Reaction::of(&event("a"))));
    deliver(&mut document, &log, 1, 2);
    let owed: Vec<i64> = document.stamp.unsent.iter().map(|output| output.revision).collect();
    assert_eq!(owed, [2], "the first was sent before the second batch began");
}

fn logs() -> impl Strategy<Value = Vec<Sent>> {
    let versions =
        (1..40_i64).prop_map(|n| (1..=n).map(|v| versioned(v, &v.to_string())).collect());
    let events = (1..90_i64).prop_map(|n| (1..=n).map(known_by_event).collect());
    prop_oneof![versions, events]
}

proptest! {
    /// Crashing and starting again anywhere earlier leaves the same document, stamp and all but
    /// for what is still to be sent.
    #[test]
    fn redelivery_changes_nothing(
        log in logs(),
        cuts in prop::collection::vec((0..90_usize, 0..30_usize), 0..8),
    ) {
        let mut once = Document::<Trail>::default();
        deliver(&mut once, &log, 0, log.len());
        let mut again = Document::<Trail>::default();
        let mut done = 0;
        for (to, back) in cuts {
            let to = to.min(log.len()).max(done);
            deliver(&mut again, &log, done, to);
            done = to.saturating_sub(back);
        }
        deliver(&mut again, &log, done, log.len());
        prop_assert_eq!(&once.state, &again.state);
        prop_assert_eq!(once.stamp.revision, again.stamp.revision);
        prop_assert_eq!(once.stamp.marks, again.stamp.marks);
    }

    /// A relay that publishes again, and neighbours that arrive swapped, leave the same state.
    #[test]
    fn repeats_and_swaps_change_nothing(
        n in 2..40_i64,
        repeats in prop::collection::vec((0..40_usize, 0..20_usize), 0..10),
        swaps in prop::collection::vec(0..39_usize, 0..10),
    ) {
        let straight: Vec<Sent> = (1..=n).map(|v| versioned(v, &v.to_string())).collect();
        let mut log = straight.clone();
        for (what, later) in repeats {
            let what = what % log.len();
            let copy = log[what].clone();
            log.insert((what + 1 + later).min(log.len()), copy);
        }
        for first in swaps {
            let first = first % (log.len() - 1);
            log.swap(first, first + 1);
        }
        let mut document = Document::<Trail>::default();
        let outcomes = deliver(&mut document, &log, 0, log.len());
        let labels: Vec<String> = straight.iter().map(|sent| sent.label.clone()).collect();
        prop_assert_eq!(document.state, Some(labels));
        let duplicates = outcomes.iter().filter(|o| **o == Outcome::Duplicate).count();
        prop_assert_eq!(duplicates, log.len() - straight.len());
    }

    /// However a log is cut into batches, revisions and states are the same.
    #[test]
    fn batches_do_not_show(log in logs(), size in 1..20_usize) {
        let mut whole = Document::<Trail>::default();
        deliver(&mut whole, &log, 0, log.len());
        let mut cut = Document::<Trail>::default();
        for from in (0..log.len()).step_by(size) {
            deliver(&mut cut, &log, from, (from + size).min(log.len()));
        }
        prop_assert_eq!(whole.state, cut.state);
        prop_assert_eq!(whole.stamp.revision, cut.stamp.revision);
    }
}
