//! The traps of dormant members: a person who has left must be gone, and stay so.

use std::collections::BTreeMap;

use proptest::prelude::*;
use readmill_core::Key;
use readmill_models::Members;
use readmill_models::members::{Member, MessageState};
use readmill_schemas::Timestamp;
use readmill_schemas::members::{
    DormantMemberChanged, DormantMemberCleared, DormantState, DormantStatusUpdated,
    MemberWithdrawn, MembersEvent, MessageFailed, MessageKind, MessageSent,
};

use crate::kit::{Line, Run, line};

const MEMBER: &str = "u-1";
const PHONE: &str = "000-0000-0001";
const LAST_USED: i64 = 1_761_993_000_123;
/// What must be found nowhere once the member has left.
const PERSONAL: [&str; 5] =
    [PHONE, "2025-11-01T10:30:00.123Z", "1761993000123", "msg-", "LINE_CUT"];

fn head(at: i64) -> (String, Timestamp) {
    (MEMBER.to_owned(), Timestamp::from_millis(at))
}

fn dormant(at: i64, state: DormantState) -> MembersEvent {
    let (member_id, occurred_at) = head(at);
    let (phone_number, last_used_at) = (PHONE.to_owned(), Some(Timestamp::from_millis(LAST_USED)));
    DormantMemberChanged { member_id, occurred_at, state, phone_number, last_used_at }.into()
}

fn updated(at: i64, state: DormantState) -> MembersEvent {
    let (member_id, occurred_at) = head(at);
    DormantStatusUpdated { member_id, occurred_at, state }.into()
}

fn cleared(at: i64) -> MembersEvent {
    let (member_id, occurred_at) = head(at);
    DormantMemberCleared { member_id, occurred_at }.into()
}

fn sent(at: i64, kind: MessageKind) -> MembersEvent {
    let (member_id, occurred_at) = head(at);
    MessageSent { member_id, occurred_at, message_id: format!("msg-{at}"), kind }.into()
}

fn failed(at: i64, kind: MessageKind) -> MembersEvent {
    let (member_id, occurred_at) = head(at);
    let (message_id, failure) = (format!("msg-{at}"), "LINE_CUT".to_owned());
    MessageFailed { member_id, occurred_at, message_id, kind, failure }.into()
}

fn withdrawn(at: i64) -> MembersEvent {
    let (member_id, occurred_at) = head(at);
    MemberWithdrawn { member_id, occurred_at }.into()
}

fn log(events: Vec<MembersEvent>) -> Vec<Line<MembersEvent>> {
    (1..).zip(events).map(|(version, event)| line(MEMBER, version, event)).collect()
}

fn member(events: Vec<MembersEvent>) -> Member {
    Run::<Members>::of(&log(events)).state(MEMBER).unwrap().clone()
}

/// The document as a store has it, stamp and all.
fn stored(run: &Run<Members>) -> String {
    serde_json::to_string(&run.documents[&Key::from(MEMBER)]).unwrap()
}

/// Rows that are deleted when the member leaves, and written when one comes.
fn naive(log: &[Line<MembersEvent>], order: impl Iterator<Item = usize>) -> BTreeMap<&str, &str> {
    let mut rows = BTreeMap::new();
    for at in order {
        match &log[at].event {
            MembersEvent::DormantMemberChanged(e) => {
                rows.insert(e.member_id.as_str(), e.phone_number.as_str());
            }
            MembersEvent::MemberWithdrawn(e) => {
                rows.remove(e.member_id.as_str());
            }
            _ => {}
        }
    }
    rows
}

fn life() -> Vec<Line<MembersEvent>> {
    log(vec![
        dormant(1, DormantState::PreDormant),
        sent(2, MessageKind::Dormancy),
        updated(3, DormantState::Dormant),
        failed(4, MessageKind::Dormancy),
        withdrawn(5),
        updated(6, DormantState::Ready),
        dormant(7, DormantState::Dormant),
    ])
}

#[test]
fn trap_a_withdrawal_leaves_nothing_of_the_person() {
    let log = life();
    let living = Run::<Members>::in_order(&log, 0..4);
    assert!(stored(&living).contains(PHONE), "what is looked for can be found");
    let row = serde_json::to_string(living.state(MEMBER).unwrap()).unwrap();
    let marked = format!("{{\"withdrawn\":true,\"member\":{row}}}");
    assert!(marked.contains(PHONE), "a row that is only marked keeps the person");
    let orders: [Vec<usize>; 4] = [
        (0..5).collect(),
        (0..7).collect(),
        vec![0, 2, 1, 4, 3, 6, 5],
        (0..7).flat_map(|at| [at, at]).chain(0..7).collect(),
    ];
    for order in orders {
        let run = Run::<Members>::in_order(&log, order.clone());
        let stored = stored(&run);
        for personal in PERSONAL {
            assert!(!stored.contains(personal), "{personal} in {stored} after {order:?}");
        }
        assert_eq!((run.state(MEMBER), run.waiting(MEMBER)), (None, 0));
        assert!(run.rollups().values().all(|states| states.count == 0));
    }
}

#[test]
fn trap_a_replay_does_not_bring_a_withdrawn_member_back() {
    let log = life();
    let replayed = || (0..5).chain(0..1);
    assert_eq!(naive(&log, replayed()), [(MEMBER, PHONE)].into());
    for again in [0..1, 0..4, 0..5, 5..7] {
        let run = Run::<Members>::in_order(&log, (0..5).chain(again));
        assert_eq!(run.state(MEMBER), None);
        assert!(!stored(&run).contains(PHONE));
    }
}

#[test]
fn trap_a_member_who_left_before_becoming_dormant_does_not_become_so() {
    let log = log(vec![withdrawn(1), dormant(2, DormantState::PreDormant)]);
    assert_eq!(naive(&log, 0..2).len(), 1, "deleting what is not there leaves no trace");
    let run = Run::<Members>::of(&log);
    assert_eq!((run.state(MEMBER), run.waiting(MEMBER), run.is_held(MEMBER)), (None, 0, false));
}

#[test]
fn rule_a_failed_dormancy_message_moves_the_member_to_destruction() {
    use DormantState::{Destruction, Dormant, PreDormant, Ready};
    for from in [PreDormant, Dormant] {
        let found = member(vec![dormant(1, from), failed(2, MessageKind::Dormancy)]);
        assert_eq!((found.state, found.since.as_millis()), (Destruction, 2));
        let found = member(vec![dormant(1, from), failed(2, MessageKind::Other)]);
        assert_eq!((found.state, found.since.as_millis()), (from, 1), "another message");
        assert_eq!(found.message.unwrap().state, MessageState::Failed);
    }
    let back = vec![dormant(1, Dormant), updated(2, Ready), failed(3, MessageKind::Dormancy)];
    assert_eq!(member(back).state, Ready, "who came back is not destroyed by an old message");
    let told = vec![dormant(1, Dormant), failed(2, MessageKind::Dormancy), updated(3, Destruction)];
    assert_eq!(member(told).since.as_millis(), 2, "the service tells what is known already");
}

#[test]
fn rule_possible_moves_happen_and_impossible_ones_are_stale() {
    use DormantState::{Clear, ClearDone, Destruction, Dormant, PreDormant, Ready};
    let ways = [
        (PreDormant, vec![dormant(1, PreDormant)]),
        (Dormant, vec![dormant(1, Dormant)]),
        (Destruction, vec![dormant(1, Dormant), updated(2, Destruction)]),
        (Ready, vec![dormant(1, Dormant), updated(2, Ready)]),
        (Clear, vec![dormant(1, Dormant), updated(2, Ready), updated(3, Clear)]),
        (ClearDone, vec![dormant(1, Dormant), cleared(2)]),
    ];
    let possible = [
        (PreDormant, vec![Dormant, Destruction, Ready]),
        (Dormant, vec![Destruction, Ready]),
        (Destruction, vec![]),
        (Ready, vec![Clear]),
        (Clear, vec![ClearDone]),
        (ClearDone, vec![]),
    ];
    for ((from, way), (of, targets)) in ways.into_iter().zip(possible) {
        assert_eq!(from, of);
        for to in DormantState::ALL.iter().copied() {
            let mut events = way.clone();
            events.push(updated(9, to));
            let run = Run::<Members>::of(&log(events));
            let found = run.state(MEMBER).unwrap();
            let moved = found.since.as_millis() == 9;
            assert_eq!(moved, targets.contains(&to), "{from:?} to {to:?}");
            assert_eq!(found.state, if moved { to } else { from });
            assert_eq!((run.waiting(MEMBER), run.is_held(MEMBER)), (0, false));
        }
    }
}

#[test]
fn rule_a_message_is_of_its_dormancy() {
    let told = vec![dormant(1, DormantState::PreDormant), sent(2, MessageKind::Dormancy)];
    let mut on = told.clone();
    on.push(dormant(3, DormantState::Dormant));
    assert_eq!(member(on).message.map(|message| message.id), Some("msg-2".to_owned()));
    let mut anew = told;
    anew.extend([cleared(3), dormant(4, DormantState::PreDormant)]);
    assert_eq!(member(anew).message, None);
}

fn anything() -> impl Strategy<Value = Vec<MembersEvent>> {
    let states = || prop::sample::select(DormantState::ALL);
    let kinds = || prop::sample::select(MessageKind::ALL);
    let at = || 10_i64..99;
    let one = prop_oneof![
        (at(), states()).prop_map(|(at, state)| dormant(at, state)),
        (at(), states()).prop_map(|(at, state)| updated(at, state)),
        at().prop_map(cleared),
        (at(), kinds()).prop_map(|(at, kind)| sent(at, kind)),
        (at(), kinds()).prop_map(|(at, kind)| failed(at, kind)),
    ];
    prop::collection::vec(one, 0..12)
}

proptest! {
    #[test]
    fn rule_whatever_happened_and_comes_later_a_withdrawal_ends_it(
        before in anything(),
        after in anything(),
        order in any::<u64>(),
    ) {
        let events = before.into_iter().chain([withdrawn(100)]).chain(after);
        let log = log(events.collect());
        // Any order: versions tell how it was.
        let mut arrivals: Vec<usize> = (0..log.len()).collect();
        arrivals.sort_by_key(|at| (*at as u64 + 1).wrapping_mul(order | 1).rotate_left(17));
        let run = Run::<Members>::in_order(&log, arrivals);
        prop_assert_eq!(run.state(MEMBER), None);
        prop_assert_eq!((run.waiting(MEMBER), run.is_held(MEMBER)), (0, false));
        let stored = stored(&run);
        prop_assert!(PERSONAL.iter().all(|personal| !stored.contains(personal)), "{}", stored);
    }
}
