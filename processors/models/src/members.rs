//! `members`: dormant members for the page of who looks after them, until nothing of one is left.

mod document;

use readmill_core::Direction::Ascending;
use readmill_core::{
    Admit, Contribution, Folded, GroupName, Index, Keys, ReadModel, Rollup, Standing,
};
use readmill_schemas::Timestamp;
use readmill_schemas::members::{DormantState, MembersEvent, MessageKind};

pub use document::{Member, Message, MessageState, STATES};

/// The read model.
#[derive(Debug)]
pub struct Members;

impl ReadModel for Members {
    const NAME: &'static str = "members";
    const FOLD_VERSION: u32 = 1;
    const ABOUT: &'static str = "a dormant member: state, since when, and the last message";
    const ROLLUPS: &'static [Rollup] = &[STATES];

    /// The page lists a state, those longest in it first, and whom no message has reached.
    const INDEXES: &'static [Index] = &[
        Index::on("by_state", &[("state", Ascending), ("since", Ascending)]),
        Index::on("by_message", &[("message.state", Ascending), ("message.at", Ascending)]),
    ];

    type Event = MembersEvent;
    type State = Member;

    fn keys(event: &MembersEvent) -> Keys {
        Keys::one(event.member_id())
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
