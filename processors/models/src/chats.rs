//! `chats`: who is in a chat, its newest messages, and how far each device has seen them.

mod document;

use readmill_core::Direction::Ascending;
use readmill_core::{
    Admit, Contribution, Folded, GroupName, Index, Keys, Person, ReadModel, Rollup, Shows,
    Standing, Window,
};
use readmill_schemas::Personal as _;
use readmill_schemas::chats::{ChatsEvent, MessagePosted};

pub use document::{Chat, Document, MESSAGES, NAMED_MEMBERS, SHOWN_CHARACTERS, SHOWN_MESSAGES};

/// The read model.
#[derive(Debug)]
pub struct Chats;

impl ReadModel for Chats {
    const NAME: &'static str = "chats";
    const FOLD_VERSION: u32 = 1;
    const ABOUT: &'static str = "a chat's members and newest messages, and what devices have seen";
    const MIRROR: Option<&'static str> = Some("chats:heads");

    /// Readers ask which chats a member is in. The last message is no part of it: otherwise each
    /// message would move the chat in the lists of all its members.
    const INDEXES: &'static [Index] = &[Index::on("by_member", &[("chat.member_ids", Ascending)])];
    const ROLLUPS: &'static [Rollup] = &[MESSAGES];

    type Event = ChatsEvent;
    type State = Document;

    fn keys(event: &ChatsEvent) -> Keys {
        Keys::one(match event {
            ChatsEvent::ChatOpened(e) => format!("chat/{}", e.chat_id),
            ChatsEvent::MemberJoined(e) => format!("chat/{}", e.chat_id),
            ChatsEvent::MemberLeft(e) => format!("chat/{}", e.chat_id),
            ChatsEvent::MessagePosted(e) => format!("chat/{}", e.chat_id),
            ChatsEvent::MessageSeen(e) => format!("seen/{}/{}", e.chat_id, e.device_id),
        })
    }

    /// What changes nothing is stale: who is in a chat cannot join it, nor who is not leave it.
    fn admit(standing: Standing<'_, Document>, event: &ChatsEvent) -> Admit {
        let is_new = match (standing, event) {
            (Standing::Live(Document::Chat(chat)), event) => chat.is_changed_by(event),
            (Standing::Live(Document::Seen(id)), ChatsEvent::MessageSeen(e)) => *id < e.message_id,
            (Standing::Live(Document::Seen(_)), _) => false,
            (_, ChatsEvent::ChatOpened(_) | ChatsEvent::MessageSeen(_)) => true,
            (Standing::Never | Standing::Gone, _) => return Admit::Wait("the chat"),
        };
        if is_new { Admit::Fold } else { Admit::Stale }
    }

    fn fold(state: Option<Document>, event: &ChatsEvent) -> Folded<Document> {
        let next = match (state, event) {
            (_, ChatsEvent::MessageSeen(e)) => Document::Seen(e.message_id),
            (Some(Document::Chat(chat)), event) => Document::Chat(chat.after(event)),
            (None, ChatsEvent::ChatOpened(e)) => {
                Document::Chat(Chat { title: e.title.clone(), is_exact: true, ..Chat::default() })
            }
            // Not admitted: kept total all the same.
            (state, _) => return state.map_or_else(Folded::gone, Folded::next),
        };
        let folded = Folded::next(next);
        if let ChatsEvent::MessagePosted(e) = event {
            let hour = GroupName::of(&[]).within(Window::Hour, e.created_at);
            return folded.adding(Contribution::one(&MESSAGES, hour));
        }
        folded
    }

    /// What a member has written goes with them.
    fn forget(mut state: Document, person: &Person) -> Option<Document> {
        if let Document::Chat(Chat { last: Some(last), .. }) = &mut state {
            last.forget(&person.id, &person.alias);
        }
        person.replaced_in(&state)
    }

    fn mirror(state: &Document) -> Shows {
        match state {
            Document::Seen(seen) => Shows::hash([("message_id", seen.to_string())]),
            Document::Chat(chat) => {
                let last = chat.last.as_ref().map(|last| last.message_id.to_string());
                let last = last.map(|id| ("last_message_id", id));
                Shows::hash([("members", chat.members.to_string())].into_iter().chain(last))
            }
        }
    }
}

impl Chat {
    fn is_changed_by(&self, event: &ChatsEvent) -> bool {
        match event {
            ChatsEvent::MemberJoined(e) => !self.member_ids.contains(&e.member_id),
            ChatsEvent::MemberLeft(e) => {
                self.member_ids.contains(&e.member_id) || self.has_unnamed()
            }
            ChatsEvent::MessagePosted(e) => !self.inbox.contains(&e.message_id),
            ChatsEvent::ChatOpened(_) | ChatsEvent::MessageSeen(_) => false,
        }
    }

    fn has_unnamed(&self) -> bool {
        i64::try_from(self.member_ids.len()).is_ok_and(|named| self.members > named)
    }

    fn after(mut self, event: &ChatsEvent) -> Self {
        match event {
            ChatsEvent::MemberJoined(e) => {
                self.members += 1;
                if self.member_ids.len() < NAMED_MEMBERS {
                    self.member_ids.insert(e.member_id.clone());
                } else {
                    self.is_exact = false;
                }
            }
            ChatsEvent::MemberLeft(e) => {
                self.members -= 1;
                self.member_ids.remove(&e.member_id);
            }
            ChatsEvent::MessagePosted(e) => self.post(e),
            ChatsEvent::ChatOpened(_) | ChatsEvent::MessageSeen(_) => {}
        }
        self
    }

    /// Ids order messages; when they were written does not.
    fn post(&mut self, e: &MessagePosted) {
        self.inbox.insert(e.message_id);
        if self.inbox.len() > SHOWN_MESSAGES {
            self.inbox.pop_first();
        }
        if self.last.as_ref().is_none_or(|last| last.message_id < e.message_id) {
            let text = e.text.chars().take(SHOWN_CHARACTERS).collect();
            self.last = Some(MessagePosted { text, ..e.clone() });
        }
    }
}
