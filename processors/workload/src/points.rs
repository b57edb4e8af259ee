//! The points service: all members, and the cancels that it committed before their earns.

use std::collections::BTreeMap;

use crate::journal::Draft;
use crate::knobs::Knobs;
use crate::member::{Member, Owed, Pen};
use crate::rng::Rng;
use crate::row::{SourceEvent, Table};

/// Within how many events an earn follows its early cancel.
const LATEST_EARN_EVENTS: u64 = 200;

/// The service's state: one small ledger a member, whatever the number of events.
#[derive(Debug)]
pub struct Points {
    rng: Rng,
    members: Vec<Member>,
    skew_per_mille: u32,
    early_per_mille: u32,
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
        let member = self.rng.skewed(self.members.len(), self.skew_per_mille);
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

fn draft(pen: Pen, version: i64, event: SourceEvent) -> Draft {
    Draft { table: Table::Points, aggregate_id: pen.member_id(), version: Some(version), event }
}

#[cfg(test)]
mod tests {
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
}
