//! The points service: all members, and the cancels that it committed before their earns.

use std::collections::BTreeMap;

use crate::journal::Draft;
use crate::knobs::Knobs;
use crate::member::{Member, Owed, Pen};
use crate::rng::Rng;
use crate::row::{SourceEvent, Table};

/// Within how many events an earn follows its early cancel.
const LATEST_EARN_EVENTS: u64 = 200;
/// Transactions in a thousand that close a ledger, where members leave.
const CLOSED_PER_MILLE: u32 = 3;

/// The service's state: one small ledger a member, whatever the number of events.
#[derive(Debug)]
pub struct Points {
    rng: Rng,
    members: Vec<Member>,
    skew_per_mille: u32,
    early_per_mille: u32,
    /// Members leave where the service that looks after them is simulated, too.
    members_leave: bool,
    closed: usize,
    /// Earns still to be committed, by the event number at which they are due.
    owed: BTreeMap<(u64, usize), Vec<Owed>>,
    owed_events: u64,
}

impl Points {
    /// A service with new members.
    pub fn new(knobs: &Knobs) -> Self {
        let members = usize::try_from(knobs.members).unwrap_or(usize::MAX);
        Self {
            rng: Rng::new(knobs.seed, 2),
            members: (0..members).map(|_| Member::default()).collect(),
            skew_per_mille: knobs.skew_per_mille,
            early_per_mille: knobs.early_per_mille,
            members_leave: knobs.others_per_mille > 0,
            closed: 0,
            owed: BTreeMap::new(),
            owed_events: 0,
        }
    }

    /// How many earns are still to come.
    pub const fn owed_events(&self) -> u64 {
        self.owed_events
    }

    /// The earns that are due at event number `at`, or the next ones when `forced`.
    pub fn pay(&mut self, at: u64, now_ms: i64, forced: bool) -> Option<Vec<Draft>> {
        let first = self.owed.first_entry()?;
        if first.key().0 > at && !forced {
            return None;
        }
        let ((_, member), owed) = first.remove_entry();
        self.owed_events -= owed.len() as u64;
        let pen = Pen { member, now_ms };
        let mut drafts = Vec::new();
        for owed in owed {
            let ledger = self.members.get_mut(member)?;
            let event = ledger.earn_late(owed, pen, &mut self.rng);
            drafts.push(draft(pen, ledger.version, SourceEvent::Points(event)));
        }
        Some(drafts)
    }

    /// One transaction of at most `room` events of one member, at event number `at`. An early
    /// cancel takes the room of its earn, too.
    pub fn transact(&mut self, at: u64, now_ms: i64, room: u64) -> Vec<Draft> {
        if self.members_leave
            && self.rng.chance(CLOSED_PER_MILLE)
            && let Some(closed) = self.close(now_ms)
        {
            return vec![closed];
        }
        let drawn = self.rng.skewed(self.members.len(), self.skew_per_mille);
        let member = self.open_from(drawn);
        let pen = Pen { member, now_ms };
        let Some(ledger) = self.members.get_mut(member) else {
            return Vec::new();
        };
        if room >= 2 && self.rng.chance(self.early_per_mille) {
            let (event, owed) = ledger.cancel_early(pen);
            let due = at + 1 + self.rng.below(LATEST_EARN_EVENTS);
            self.owed.entry((due, member)).or_default().push(owed);
            self.owed_events += 1;
            return vec![draft(pen, ledger.version, SourceEvent::Points(event))];
        }
        let wanted = if self.rng.chance(125) { 2 + self.rng.below(3) } else { 1 };
        let mut drafts = Vec::new();
        for _ in 0..wanted.min(room) {
            let event = ledger.act(pen, &mut self.rng);
            drafts.push(draft(pen, ledger.version, SourceEvent::Points(event)));
        }
        drafts
    }
}

impl Points {
    /// Closes the ledger of some member, if it is open and no earn is owed to it. Half of the
    /// members stay, so that one who has not left is found soon.
    fn close(&mut self, now_ms: i64) -> Option<Draft> {
        let member = self.rng.index(self.members.len());
        let is_owed = self.owed.keys().any(|(_, owed)| *owed == member);
        let most_have_left = 2 * (self.closed + 1) > self.members.len();
        let ledger = self.members.get_mut(member)?;
        if ledger.closed || is_owed || most_have_left {
            return None;
        }
        self.closed += 1;
        let pen = Pen { member, now_ms };
        let event = ledger.close_ledger(pen);
        Some(draft(pen, ledger.version, SourceEvent::Points(event)))
    }

    /// The first member from this one on who has not left.
    fn open_from(&self, drawn: usize) -> usize {
        let (before, from) = self.members.split_at(drawn.min(self.members.len()));
        let ahead = from.iter().chain(before).position(|member| !member.closed);
        (drawn + ahead.unwrap_or(0)) % self.members.len().max(1)
    }
}

fn draft(pen: Pen, version: i64, event: SourceEvent) -> Draft {
    Draft { table: Table::Points, aggregate_id: pen.member_id(), version: Some(version), event }
}

#[cfg(test)]
mod tests {
    use readmill_schemas::points::PointsEvent;

    use super::*;

    #[test]
    fn no_balance_is_ever_negative_and_no_ledger_grows_without_end() {
        let knobs = Knobs { members: 20, early_per_mille: 50, ..Knobs::default() };
        let mut points = Points::new(&knobs);
        for at in 0..50_000 {
            let now_ms = i64::try_from(at).unwrap() * 700;
            if points.pay(at, now_ms, false).is_none() {
                points.transact(at, now_ms, 5);
            }
            assert!(points.members.iter().all(|member| member.balance() >= 0), "at event {at}");
        }
        assert!(points.owed_events() < LATEST_EARN_EVENTS);
    }

    #[test]
    fn nothing_happens_in_a_closed_ledger_and_half_of_the_members_stay() {
        let knobs =
            Knobs { members: 20, early_per_mille: 50, others_per_mille: 1, ..Knobs::default() };
        let mut points = Points::new(&knobs);
        let mut closed = std::collections::BTreeSet::new();
        for at in 0..20_000 {
            let now_ms = i64::try_from(at).unwrap() * 700;
            let drafts = points.pay(at, now_ms, false);
            for draft in drafts.unwrap_or_else(|| points.transact(at, now_ms, 5)) {
                assert!(!closed.contains(&draft.aggregate_id), "{draft:?}");
                if let SourceEvent::Points(PointsEvent::LedgerClosed(e)) = draft.event {
                    closed.insert(e.member_id);
                }
            }
        }
        assert_eq!(closed.len(), 10);
    }
}
