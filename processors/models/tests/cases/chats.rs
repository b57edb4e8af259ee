//! The traps and the rules of chats: one of them has thousands of members, who come in bursts.

use std::collections::BTreeSet;

use proptest::prelude::*;
use readmill_core::{Admit, ReadModel, Standing};
use readmill_models::Chats;
use readmill_models::chats::{Chat, Document, NAMED_MEMBERS, SHOWN_MESSAGES};
use readmill_schemas::Timestamp;
use readmill_schemas::chats::{
    ChatOpened, ChatsEvent, MemberJoined, MemberLeft, MessagePosted, MessageSeen,
};

use crate::kit::{Line, Run, line};

const CHAT: &str = "chat/c-1";

fn head() -> (String, Timestamp) {
    ("c-1".to_owned(), Timestamp::EPOCH)
}

fn opened() -> ChatsEvent {
    let (chat_id, occurred_at) = head();
    ChatOpened { chat_id, occurred_at, title: "A chat".to_owned() }.into()
}

fn joined(member: &str) -> ChatsEvent {
    let (chat_id, occurred_at) = head();
    MemberJoined { chat_id, occurred_at, member_id: member.to_owned(), invited_by: None }.into()
}

fn left(member: &str) -> ChatsEvent {
    let (chat_id, occurred_at) = head();
    MemberLeft { chat_id, occurred_at, member_id: member.to_owned() }.into()
}

fn posted(message_id: i64, created_ms: i64) -> ChatsEvent {
    let (author_id, text) = ("m-1".to_owned(), "Hello".to_owned());
    let created_at = Timestamp::from_millis(created_ms);
    MessagePosted { chat_id: head().0, message_id, author_id, created_at, text }.into()
}

/// Versions as the chat gives them, behind its opening.
fn log(events: impl IntoIterator<Item = ChatsEvent>) -> Vec<Line<ChatsEvent>> {
    let events = [opened()].into_iter().chain(events);
    events.zip(1..).map(|(event, version)| line("c-1", version, event)).collect()
}

fn seen(version: i64, message_id: i64) -> Line<ChatsEvent> {
    let (chat_id, occurred_at) = head();
    let device_id = "phone".to_owned();
    line("c-1/phone", version, MessageSeen { chat_id, device_id, occurred_at, message_id })
}

#[track_caller]
fn chat(run: &Run<Chats>) -> &Chat {
    let Some(Document::Chat(chat)) = run.state(CHAT) else { panic!("no chat") };
    chat
}

#[test]
fn trap_the_last_message_is_not_the_one_that_was_created_last() {
    // The author of message 2 has a clock that is slow.
    let log = log([posted(1, 5_000), posted(2, 3_000), posted(3, 4_000)]);
    let by_clock = log.iter().filter_map(|line| match &line.event {
        ChatsEvent::MessagePosted(e) => Some((e.created_at, e.message_id)),
        _ => None,
    });
    assert_eq!(by_clock.max().unwrap().1, 1, "the oldest message would stand as the last");
    let run = Run::<Chats>::of(&log);
    assert_eq!(chat(&run).last.as_ref().unwrap().message_id, 3);
}

#[test]
fn trap_what_was_seen_does_not_go_back() {
    // A phone that was offline tells late how far it had been; and the relay repeats it.
    let log = [seen(1, 9), seen(2, 4)];
    for order in [vec![0, 1], vec![1, 0], vec![0, 1, 0, 1]] {
        let naive = log.last().map(|line| &line.event);
        let Some(ChatsEvent::MessageSeen(last)) = naive else { panic!("not seen") };
        assert_eq!(last.message_id, 4, "five messages would be unread again");
        let run = Run::<Chats>::in_order(&log, order);
        assert_eq!(run.state("seen/c-1/phone"), Some(&Document::Seen(9)));
    }
}

/// A counter that goes up with a join and down with a leave.
fn naive_count(log: &[Line<ChatsEvent>], order: &[usize]) -> i64 {
    let step = |at: &usize| match &log[*at].event {
        ChatsEvent::MemberJoined(_) => 1,
        ChatsEvent::MemberLeft(_) => -1,
        _ => 0,
    };
    order.iter().map(step).sum()
}

#[test]
fn trap_who_joins_or_leaves_twice_is_counted_once() {
    // The app sent the join again, and the leave was published again.
    let log = log([joined("m-1"), joined("m-2"), joined("m-2"), joined("m-3"), left("m-1")]);
    let order = [0, 1, 2, 3, 4, 5];
    assert_eq!(naive_count(&log, &order), 3, "of two who are there");
    let again = [0, 1, 2, 3, 4, 5, 5, 5];
    assert_eq!(naive_count(&log, &again), 1);
    for order in [&order[..], &again] {
        let run = Run::<Chats>::in_order(&log, order.iter().copied());
        assert_eq!((chat(&run).members, chat(&run).is_exact), (2, true));
    }
}

proptest! {
    #[test]
    fn rule_members_and_messages_are_what_a_set_says(
        what in prop::collection::vec((0..3_u8, 0..12_i64), 0..300),
    ) {
        let events = what.iter().map(|(kind, n)| match kind {
            0 => joined(&format!("m-{n}")),
            1 => left(&format!("m-{n}")),
            _ => posted(n * 37 % 11, 1_000 - n),
        });
        let log = log(events);
        let (mut members, mut messages) = (BTreeSet::new(), BTreeSet::new());
        for (kind, n) in what {
            match kind {
                0 => drop(members.insert(format!("m-{n}"))),
                1 => drop(members.remove(&format!("m-{n}"))),
                _ => drop(messages.insert(n * 37 % 11)),
            }
        }
        // Neighbours swapped all along.
        let order = (0..log.len()).map(|at| if at ^ 1 < log.len() { at ^ 1 } else { at });
        let run = Run::<Chats>::in_order(&log, order);
        let chat = chat(&run);
        prop_assert_eq!(&chat.member_ids, &members);
        prop_assert_eq!(usize::try_from(chat.members), Ok(members.len()));
        prop_assert_eq!(chat.last.as_ref().map(|last| last.message_id), messages.last().copied());
        prop_assert_eq!(&chat.inbox, &messages);
        prop_assert!(chat.is_exact && run.waiting(CHAT) == 0);
    }
}

/// Folds without a log, as fast as it goes.
fn fold(state: Document, event: &ChatsEvent) -> Document {
    if Chats::admit(Standing::Live(&state), event) != Admit::Fold {
        return state;
    }
    Chats::fold(Some(state), event).state.unwrap()
}

#[test]
fn rule_a_chat_is_bounded_and_says_when_its_count_is_no_longer_sure() {
    let full = (0..NAMED_MEMBERS).map(|n| format!("m-{n}")).collect();
    let members = i64::try_from(NAMED_MEMBERS).unwrap();
    let chat = Chat { members, is_exact: true, member_ids: full, ..Chat::default() };
    let mut state = Document::Chat(chat);
    // Who is known by name is still counted once; two more are counted and not named.
    for member in ["m-7", "x-1", "x-2"] {
        state = fold(state, &joined(member));
    }
    let Document::Chat(beyond) = &state else { panic!("no chat") };
    assert_eq!((beyond.members, beyond.member_ids.len()), (members + 2, NAMED_MEMBERS));
    assert!(!beyond.is_exact);
    // One of each leaves; then a third, whom nobody knows, is no less than none of those unnamed.
    for member in ["x-1", "m-7", "x-2", "x-3"] {
        state = fold(state, &left(member));
    }
    let Document::Chat(within) = &state else { panic!("no chat") };
    assert_eq!((within.members, within.member_ids.len()), (members - 1, NAMED_MEMBERS - 1));
    for n in 0..i64::try_from(SHOWN_MESSAGES).unwrap() + 50 {
        state = fold(state, &posted(n, 0));
    }
    let Document::Chat(within) = &state else { panic!("no chat") };
    assert_eq!((within.inbox.len(), within.inbox.first()), (SHOWN_MESSAGES, Some(&50)));
}

#[test]
fn rule_a_document_is_read_back_as_it_was_written_and_is_one_thing() {
    for state in [Document::Chat(Chat::default()), Document::Seen(7)] {
        let text = serde_json::to_string(&state).unwrap();
        assert_eq!(serde_json::from_str::<Document>(&text).unwrap(), state);
    }
    assert!(serde_json::from_str::<Document>("{}").is_err());
}
