//! `members`: dormant members for the page of who looks after them, until nothing of one is left.

use readmill_core::{
    Admit, Contribution, Direction, Folded, GroupName, Index, Keys, ReadModel, Rollup, Standing,
};
use readmill_schemas::Timestamp;
use readmill_schemas::members::{DormantState, MembersEvent, MessageKind};
use serde::{Deserialize, Serialize};

/// How many members stand where.
// No items: a member who is erased must not live on in what cannot forget.
pub const STATES: Rollup = Rollup::of_documents("states", "dormant members by state");

/// The read model.
#[derive(Debug)]
pub struct Members;

/// A member who is dormant, or was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// How far the dormancy is.
    pub state: DormantState,
    /// Since when.
    pub since: Timestamp,
    /// Personal: where messages go. It is in no roll-up, no mirror and no reaction.
    pub phone_number: String,
    /// When the member last used their points, if ever.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Timestamp>,
    /// The last message of this dormancy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Message>,
}

/// What became of a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The message.
    pub id: String,
    /// What it was sent for.
    pub kind: MessageKind,
    /// Whether it arrived.
    pub state: MessageState,
    /// When that was known.
    pub at: Timestamp,
    /// Why it did not arrive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

/// Whether a message arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum MessageState {
    /// It did.
    Sent,
    /// It did not.
    Failed,
}

impl ReadModel for Members {
    const NAME: &'static str = "members";
    const FOLD_VERSION: u32 = 1;
    const ABOUT: &'static str = "a dormant member: state, since when, and the last message";
    const ROLLUPS: &'static [Rollup] = &[STATES];

    /// The page lists a state, those longest in it first, and whom no message has reached.
    const INDEXES: &'static [Index] = &[
        Index {
            name: "by_state",
            fields: &[("state", Direction::Ascending), ("since", Direction::Ascending)],
            sparse: true,
        },
        Index {
            name: "by_message",
            fields: &[
                ("message.state", Direction::Ascending),
                ("message.at", Direction::Ascending),
            ],
            sparse: true,
        },
    ];

    type Event = MembersEvent;
    type State = Member;

    fn keys(event: &MembersEvent) -> Keys {
        Keys::one(match event {
            MembersEvent::DormantMemberChanged(e) => &e.member_id,
            MembersEvent::DormantStatusUpdated(e) => &e.member_id,
            MembersEvent::DormantMemberCleared(e) => &e.member_id,
            MembersEvent::MessageSent(e) => &e.member_id,
            MembersEvent::MessageFailed(e) => &e.member_id,
            MembersEvent::MemberWithdrawn(e) => &e.member_id,
        })
    }

    /// Nothing is refused and nothing waits for another event: what is held or waits keeps the
    /// person's data, and would keep the withdrawal behind it.
    fn admit(standing: Standing<'_, Member>, event: &MembersEvent) -> Admit {
        use DormantState as S;
        let from = match standing {
            Standing::Gone => return Admit::Stale,
            Standing::Never => None,
            Standing::Live(member) => Some(member.state),
        };
        let is_possible = match event {
            MembersEvent::MemberWithdrawn(_) => true,
            MembersEvent::MessageSent(_) | MembersEvent::MessageFailed(_) => from.is_some(),
            MembersEvent::DormantMemberChanged(e) => match e.state {
                S::PreDormant => matches!(from, None | Some(S::ClearDone)),
                S::Dormant => matches!(from, None | Some(S::PreDormant | S::ClearDone)),
                S::Destruction | S::Ready | S::Clear | S::ClearDone => false,
            },
            MembersEvent::DormantStatusUpdated(e) => from.is_some_and(|from| leads(from, e.state)),
            MembersEvent::DormantMemberCleared(_) => {
                matches!(from, Some(S::PreDormant | S::Dormant | S::Ready | S::Clear))
            }
        };
        if is_possible { Admit::Fold } else { Admit::Stale }
    }

    fn fold(state: Option<Member>, event: &MembersEvent) -> Folded<Member> {
        match (state, event) {
            // Also of one who was never dormant: nothing that comes later may begin a document.
            (_, MembersEvent::MemberWithdrawn(_)) => Folded::gone(),
            (member, MembersEvent::DormantMemberChanged(e)) => Folded::next(Member {
                state: e.state,
                since: e.occurred_at,
                phone_number: e.phone_number.clone(),
                last_used_at: e.last_used_at,
                message: member
                    .filter(|m| m.state != DormantState::ClearDone)
                    .and_then(|member| member.message),
            }),
            (Some(member), event) => Folded::next(member.after(event)),
            // Not admitted: kept total all the same.
            (None, _) => Folded::gone(),
        }
    }

    fn contributes(member: &Member) -> Vec<Contribution> {
        vec![Contribution::one(&STATES, GroupName::of(&[member.state.symbol()]))]
    }
}

/// Whether a person or a batch may move a member so. What has begun to be destroyed stays so.
const fn leads(from: DormantState, to: DormantState) -> bool {
    use DormantState as S;
    matches!(
        (from, to),
        (S::PreDormant, S::Dormant | S::Destruction | S::Ready)
            | (S::Dormant, S::Destruction | S::Ready)
            | (S::Ready, S::Clear)
            | (S::Clear, S::ClearDone)
    )
}

impl Member {
    fn after(mut self, event: &MembersEvent) -> Self {
        match event {
            MembersEvent::DormantStatusUpdated(e) => self.stand(e.state, e.occurred_at),
            MembersEvent::DormantMemberCleared(e) => {
                self.stand(DormantState::ClearDone, e.occurred_at);
            }
            MembersEvent::MessageSent(e) => {
                let (id, state) = (e.message_id.clone(), MessageState::Sent);
                self.message =
                    Some(Message { id, kind: e.kind, state, at: e.occurred_at, failure: None });
            }
            MembersEvent::MessageFailed(e) => {
                let (id, state) = (e.message_id.clone(), MessageState::Failed);
                let failure = Some(e.failure.clone());
                self.message =
                    Some(Message { id, kind: e.kind, state, at: e.occurred_at, failure });
                if e.kind == MessageKind::Dormancy && leads(self.state, DormantState::Destruction) {
                    self.stand(DormantState::Destruction, e.occurred_at);
                }
            }
            MembersEvent::DormantMemberChanged(_) | MembersEvent::MemberWithdrawn(_) => {}
        }
        self
    }

    fn stand(&mut self, state: DormantState, since: Timestamp) {
        (self.state, self.since) = (state, since);
    }
}
