//! The service that looks after dormant members, from the first notice until they are back or gone.

use readmill_schemas::Timestamp;
use readmill_schemas::members::{
    DormantMemberChanged, DormantMemberCleared, DormantState, DormantStatusUpdated,
    MemberWithdrawn, MembersEvent, MessageFailed, MessageKind, MessageSent,
};

use crate::journal::Draft;
use crate::knobs::Knobs;
use crate::rng::Rng;
use crate::row::{SourceEvent, Table};
use crate::service::Service;

/// The most dormant members at a time.
const MOST_DORMANT: usize = 10_000;
const FEWEST_DORMANT: usize = 8;
const FAILED_PER_MILLE: u32 = 150;
const WITHDRAWN_PER_MILLE: u32 = 100;
const FAILURES: [&str; 3] = ["UNREACHABLE", "FULL", "BLOCKED"];

/// A member who is dormant, or was.
#[derive(Debug)]
struct Dormant {
    number: u64,
    version: i64,
    /// How far the dormancy is; none before it has begun.
    state: Option<DormantState>,
    /// Whether the member was told of the present state.
    told: bool,
}

/// The service's state: members whose dormancy is not over, whatever the number of events.
#[derive(Debug)]
pub struct Members {
    rng: Rng,
    dormant: Vec<Dormant>,
    most: usize,
    made: u64,
}

impl Members {
    /// A service without dormant members.
    pub fn new(knobs: &Knobs) -> Self {
        let most = usize::try_from(knobs.members).unwrap_or(usize::MAX);
        let most = most.clamp(FEWEST_DORMANT, MOST_DORMANT);
        Self { rng: Rng::new(knobs.seed, 12), dormant: Vec::new(), most, made: 0 }
    }
}

impl Service for Members {
    fn transact(&mut self, now_ms: i64, _room: u64) -> Vec<Draft> {
        let few = self.dormant.len() < FEWEST_DORMANT;
        let at = if few || (self.dormant.len() < self.most && self.rng.chance(200)) {
            self.made += 1;
            self.dormant.push(Dormant { number: self.made, version: 0, state: None, told: false });
            self.dormant.len() - 1
        } else {
            self.rng.index(self.dormant.len())
        };
        let Some(member) = self.dormant.get_mut(at) else { return Vec::new() };
        let event = member.act(Timestamp::from_millis(now_ms), &mut self.rng);
        member.version += 1;
        let draft = Draft {
            table: Table::Members,
            aggregate_id: member.id(),
            version: Some(member.version),
            event: SourceEvent::Members(event),
        };
        let back = member.state == Some(DormantState::ClearDone) && self.rng.chance(700);
        let gone = matches!(draft.event, SourceEvent::Members(MembersEvent::MemberWithdrawn(_)));
        if gone || back {
            self.dormant.swap_remove(at);
        }
        vec![draft]
    }
}

impl Dormant {
    fn id(&self) -> String {
        format!("u-{:09}", self.number)
    }

    fn act(&mut self, at: Timestamp, rng: &mut Rng) -> MembersEvent {
        use DormantState as S;
        if self.state.is_some() && rng.chance(WITHDRAWN_PER_MILLE) {
            return MemberWithdrawn { member_id: self.id(), occurred_at: at }.into();
        }
        let message = match self.state {
            Some(S::PreDormant | S::Dormant) => Some(MessageKind::Dormancy),
            Some(S::Ready) => Some(MessageKind::Clearing),
            Some(S::Destruction) => Some(MessageKind::Other),
            None | Some(S::Clear | S::ClearDone) => None,
        };
        if let Some(kind) = message.filter(|_| !self.told) {
            return self.tell(kind, at, rng);
        }
        match self.state {
            None | Some(S::ClearDone) if rng.chance(700) => {
                self.fall_asleep(S::PreDormant, at, rng)
            }
            None | Some(S::ClearDone) => self.fall_asleep(S::Dormant, at, rng),
            Some(S::PreDormant) if rng.chance(300) => self.clear(at),
            Some(S::PreDormant) if rng.chance(500) => self.fall_asleep(S::Dormant, at, rng),
            Some(S::PreDormant) => self.update(S::Dormant, at),
            Some(S::Dormant) if rng.chance(300) => self.update(S::Destruction, at),
            Some(S::Dormant) => self.update(S::Ready, at),
            Some(S::Ready) => self.update(S::Clear, at),
            Some(S::Clear) if rng.chance(500) => self.update(S::ClearDone, at),
            Some(S::Clear) => self.clear(at),
            // Nothing is left but to erase it.
            Some(S::Destruction) => {
                MemberWithdrawn { member_id: self.id(), occurred_at: at }.into()
            }
        }
    }

    fn stand(&mut self, state: DormantState) {
        (self.state, self.told) = (Some(state), false);
    }

    fn fall_asleep(&mut self, state: DormantState, at: Timestamp, rng: &mut Rng) -> MembersEvent {
        self.stand(state);
        let phone_number = format!("000-{:04}-{:04}", self.number / 10_000, self.number % 10_000);
        let (member_id, occurred_at) = (self.id(), at);
        let year_ms = 365 * 86_400_000;
        let last_used_at = rng.chance(800).then(|| at.plus_millis(-year_ms));
        DormantMemberChanged { member_id, occurred_at, state, phone_number, last_used_at }.into()
    }

    fn update(&mut self, state: DormantState, occurred_at: Timestamp) -> MembersEvent {
        self.stand(state);
        DormantStatusUpdated { member_id: self.id(), occurred_at, state }.into()
    }

    fn clear(&mut self, occurred_at: Timestamp) -> MembersEvent {
        self.stand(DormantState::ClearDone);
        DormantMemberCleared { member_id: self.id(), occurred_at }.into()
    }

    /// Tells the member; whom no dormancy message reaches is to be destroyed.
    fn tell(&mut self, kind: MessageKind, occurred_at: Timestamp, rng: &mut Rng) -> MembersEvent {
        self.told = true;
        let (member_id, message_id) = (self.id(), format!("{}-{}", self.id(), self.version));
        if !rng.chance(FAILED_PER_MILLE) {
            return MessageSent { member_id, occurred_at, message_id, kind }.into();
        }
        if kind == MessageKind::Dormancy {
            self.stand(DormantState::Destruction);
        }
        let failure = rng.pick(&FAILURES).to_owned();
        MessageFailed { member_id, occurred_at, message_id, kind, failure }.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::tests::check_service;

    #[test]
    fn members_wait_for_nothing_and_are_as_they_were_however_they_were_published() {
        let expected = check_service::<readmill_models::Members>(6);
        assert!(expected.gone > 100 && expected.states.len() > 100, "{expected:?}");
        for &state in DormantState::ALL {
            assert!(expected.states.values().any(|member| member.state == state), "{state:?}");
        }
    }

    #[test]
    fn dormant_members_are_bounded() {
        let mut members = Members::new(&Knobs { members: 20, ..Knobs::default() });
        for n in 0..20_000 {
            assert_eq!(members.transact(n, 1).len(), 1);
            assert!(members.dormant.len() <= 20);
        }
    }
}
