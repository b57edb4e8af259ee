//! The chat service: a few chats, one of them far hotter than the rest, and who has seen what.

use std::collections::BTreeSet;

use readmill_schemas::Timestamp;
use readmill_schemas::chats::{
    ChatOpened, ChatsEvent, MemberJoined, MemberLeft, MessagePosted, MessageSeen,
};

use crate::journal::Draft;
use crate::knobs::Knobs;
use crate::rng::Rng;
use crate::row::{SourceEvent, Table};
use crate::service::Service;

const MOST_CHATS: usize = 300;
/// Members of a chat, beyond which some leave before others join.
const MOST_MEMBERS: usize = 5_200;
/// Of each chat; their versions are kept.
const DEVICES: usize = 6;
/// A tenth of the chats gets at least this share, a tenth of those the same share again.
const LEAST_SKEW_PER_MILLE: u32 = 700;
const LONGEST_BURST: u64 = 25;
const SLOWEST_CLOCK_MS: i64 = 90_000;
const TEXTS: [&str; 5] = ["Hello", "On my way", "Who is in?", "See you at nine", "Thanks"];

#[derive(Debug, Default)]
struct Chat {
    version: i64,
    members: BTreeSet<u64>,
    newest_message: i64,
    /// The versions of what each device has seen.
    seen: [i64; DEVICES],
}

/// The service's state: the chats and who is in them, whatever the number of events.
#[derive(Debug)]
pub struct Chats {
    rng: Rng,
    chats: Vec<Chat>,
    people: u64,
    skew_per_mille: u32,
    messages: i64,
}

impl Chats {
    /// A service without chats.
    pub fn new(knobs: &Knobs) -> Self {
        Self {
            rng: Rng::new(knobs.seed, 31),
            chats: Vec::new(),
            people: u64::from(knobs.members).max(2),
            skew_per_mille: knobs.skew_per_mille.max(LEAST_SKEW_PER_MILLE),
            messages: 0,
        }
    }

    fn open(&mut self, occurred_at: Timestamp) -> Vec<Draft> {
        let at = self.chats.len();
        self.chats.push(Chat { version: 1, ..Chat::default() });
        let (chat_id, title) = (chat_id(at), format!("Chat number {at}"));
        vec![of_chat(at, 1, ChatOpened { chat_id, occurred_at, title })]
    }
}

impl Service for Chats {
    fn transact(&mut self, now_ms: i64, room: u64) -> Vec<Draft> {
        let now = Timestamp::from_millis(now_ms);
        let is_new = self.chats.len() < MOST_CHATS && self.rng.chance(15);
        if self.chats.is_empty() || is_new {
            return self.open(now);
        }
        let at = self.rng.skewed(self.chats.len(), self.skew_per_mille);
        let Some(chat) = self.chats.get_mut(at) else { return Vec::new() };
        let rng = &mut self.rng;
        let wanted = match rng.below(100) {
            0..3 => 2 + rng.below(LONGEST_BURST),
            3..13 => 2,
            _ => 1,
        };
        let many = wanted.min(room);
        match rng.below(100) {
            _ if wanted > 2 => chat.join(at, now, many, (self.people, rng)),
            0..25 => chat.join(at, now, 1, (self.people, rng)),
            25..35 => vec![chat.leave(at, now, rng)],
            35..75 => chat.post(at, now_ms, many, (&mut self.messages, rng)),
            _ => vec![chat.see(at, now, rng)],
        }
    }
}

impl Chat {
    /// In bursts, too. Some are in it already: their apps send the join again.
    fn join(
        &mut self,
        at: usize,
        occurred_at: Timestamp,
        many: u64,
        (people, rng): (u64, &mut Rng),
    ) -> Vec<Draft> {
        let mut drafts = Vec::new();
        for _ in 0..many {
            if self.members.len() >= MOST_MEMBERS {
                drafts.push(self.leave(at, occurred_at, rng));
                continue;
            }
            let member = rng.below(people);
            let host = self.members.first().copied().filter(|_| rng.chance(300));
            self.members.insert(member);
            self.version += 1;
            let (member_id, invited_by) = (member_id(member), host.map(member_id));
            let joined = MemberJoined { chat_id: chat_id(at), occurred_at, member_id, invited_by };
            drafts.push(of_chat(at, self.version, joined));
        }
        drafts
    }

    /// Now and then somebody leaves who is not in it any more.
    fn leave(&mut self, at: usize, occurred_at: Timestamp, rng: &mut Rng) -> Draft {
        let nth = rng.index(self.members.len());
        let member = self.members.iter().nth(nth).copied().unwrap_or(0);
        if rng.chance(900) {
            self.members.remove(&member);
        }
        self.version += 1;
        let member_id = member_id(member);
        of_chat(at, self.version, MemberLeft { chat_id: chat_id(at), occurred_at, member_id })
    }

    /// Two that are posted at once may be committed in the other order, and clocks of devices are
    /// slow: only ids tell which message is the last.
    fn post(
        &mut self,
        at: usize,
        now_ms: i64,
        many: u64,
        (messages, rng): (&mut i64, &mut Rng),
    ) -> Vec<Draft> {
        let mut ids: Vec<i64> = (0..many).zip(*messages + 1..).map(|(_, id)| id).collect();
        *messages += i64::try_from(many).unwrap_or(0);
        if rng.chance(300) {
            ids.reverse();
        }
        let mut drafts = Vec::new();
        for message_id in ids {
            self.newest_message = self.newest_message.max(message_id);
            self.version += 1;
            let written_ms = now_ms - rng.between(0, SLOWEST_CLOCK_MS);
            let posted = MessagePosted {
                chat_id: chat_id(at),
                message_id,
                author_id: member_id(self.members.first().copied().unwrap_or(0)),
                created_at: Timestamp::from_millis(written_ms.max(0)),
                text: rng.pick(&TEXTS).to_owned(),
            };
            drafts.push(of_chat(at, self.version, posted));
        }
        drafts
    }

    /// Mostly up to the newest message; a device that was offline tells late of an older one.
    fn see(&mut self, at: usize, occurred_at: Timestamp, rng: &mut Rng) -> Draft {
        let device = rng.index(DEVICES);
        let behind = if rng.chance(200) { rng.between(1, 500) } else { 0 };
        let message_id = (self.newest_message - behind).max(0);
        let version = self.seen.get_mut(device).map_or(1, |version| {
            *version += 1;
            *version
        });
        let (chat_id, device_id) = (chat_id(at), format!("{at}-{device}"));
        Draft {
            table: Table::ChatReads,
            aggregate_id: format!("{chat_id}/{device_id}"),
            version: Some(version),
            event: SourceEvent::Chats(
                MessageSeen { chat_id, device_id, occurred_at, message_id }.into(),
            ),
        }
    }
}

fn chat_id(at: usize) -> String {
    format!("c-{at:04}")
}

fn member_id(member: u64) -> String {
    format!("m-{member:06}")
}

fn of_chat(at: usize, version: i64, event: impl Into<ChatsEvent>) -> Draft {
    let event = SourceEvent::Chats(event.into());
    Draft { table: Table::Chats, aggregate_id: chat_id(at), version: Some(version), event }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use readmill_schemas::Events;

    use super::*;

    #[test]
    fn one_chat_is_a_hundred_times_hotter_than_most_and_every_event_happens() {
        let mut chats = Chats::new(&Knobs { members: 2_000, ..Knobs::default() });
        let (mut of_chats, mut kinds) = (BTreeMap::<String, usize>::new(), BTreeSet::new());
        let mut longest = 0;
        for n in 0..30_000_i64 {
            let drafts = chats.transact(n * 100, 10);
            longest = longest.max(drafts.len());
            assert!((1..=10).contains(&drafts.len()));
            for draft in drafts {
                let SourceEvent::Chats(event) = &draft.event else { panic!("not ours") };
                kinds.insert(event.contract().name);
                *of_chats.entry(draft.aggregate_id).or_default() += 1;
            }
        }
        assert_eq!((kinds.len(), longest), (ChatsEvent::CONTRACTS.len(), 10));
        let mut counts: Vec<usize> =
            of_chats.iter().filter(|(id, _)| !id.contains('/')).map(|(_, n)| *n).collect();
        counts.sort_unstable();
        let median = counts[counts.len() / 2];
        assert!(counts.last().is_some_and(|most| *most > 100 * median), "{counts:?}");
    }
}
