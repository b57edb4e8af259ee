//! `points`: a member's points from an insert-only ledger, and the available points for a checkout.

mod document;

use std::collections::BTreeMap;

use readmill_core::{
    Admit, Contribution, Folded, GroupName, Keys, ReadModel, Rollup, Shows, Standing, Window,
};
use readmill_schemas::Timestamp;
use readmill_schemas::points::{LotUse, PointsEvent};

pub use document::{
    CANCELLABLE_USES, Entry, Kind, LEDGER, Lot, Member, SHOWN_ENTRIES, TIERS, Total, Use, tier,
};

/// The read model.
#[derive(Debug)]
pub struct Points;

impl ReadModel for Points {
    const NAME: &'static str = "points";
    const FOLD_VERSION: u32 = 1;
    const ABOUT: &'static str = "a member's points: available, open lots, totals, latest entries";
    const MIRROR: Option<&'static str> = Some("points:available");
    const ROLLUPS: &'static [Rollup] = &[LEDGER, TIERS];

    type Event = PointsEvent;
    type State = Member;

    fn keys(event: &PointsEvent) -> Keys {
        Keys::one(event.member_id())
    }

    /// What refers to a lot or a use waits until the ledger has told of it. A ledger that was
    /// closed stays so: nothing brings the member back, not even what had waited there.
    fn admit(standing: Standing<'_, Member>, event: &PointsEvent) -> Admit {
        let nothing = Member::default();
        let member = match standing {
            Standing::Live(member) => member,
            Standing::Never => &nothing,
            Standing::Gone => return Admit::Stale,
        };
        let has_lot = |lot_id: &str| member.lots.contains_key(lot_id);
        match event {
            PointsEvent::PointsEarned(e) if has_lot(&e.lot_id) => Admit::Refuse(TWICE),
            PointsEvent::PointsConverted(e) if has_lot(&e.lot_id) => Admit::Refuse(TWICE),
            PointsEvent::PointsEarned(_) | PointsEvent::PointsConverted(_) => Admit::Fold,
            PointsEvent::PointsUsed(e) if member.knows_use(&e.use_id) => {
                Admit::Refuse("a use with this id stands already")
            }
            PointsEvent::PointsUsed(e) if member.covers(&e.lots) => Admit::Fold,
            PointsEvent::PointsUsed(_) => Admit::Wait("the points that it uses"),
            PointsEvent::EarnCancelled(e) if has_lot(&e.lot_id) => Admit::Fold,
            PointsEvent::EarnCancelled(_) => Admit::Wait("the earn that it cancels"),
            PointsEvent::UseCancelled(e) if member.knows_use(&e.use_id) => Admit::Fold,
            PointsEvent::UseCancelled(_) => Admit::Wait("the use that it cancels"),
            PointsEvent::PointsExpired(e) if has_lot(&e.lot_id) => Admit::Fold,
            PointsEvent::PointsExpired(_) => Admit::Wait("the earn that expires"),
            PointsEvent::LedgerClosed(_) => Admit::Fold,
        }
    }

    fn fold(state: Option<Member>, event: &PointsEvent) -> Folded<Member> {
        let mut member = state.unwrap_or_default();
        let (kind, change) = match event {
            PointsEvent::PointsEarned(e) => {
                (Kind::Earned, member.earn(&e.lot_id, e.points, e.expires_at))
            }
            PointsEvent::PointsConverted(e) => {
                (Kind::Converted, member.earn(&e.lot_id, e.points, e.expires_at))
            }
            PointsEvent::PointsUsed(e) => (Kind::Used, member.spend(&e.use_id, &e.lots)),
            PointsEvent::UseCancelled(e) => (Kind::UseCancelled, member.give_back(&e.use_id)),
            PointsEvent::EarnCancelled(e) => (Kind::EarnCancelled, member.end_lot(&e.lot_id)),
            PointsEvent::PointsExpired(e) => (Kind::Expired, member.end_lot(&e.lot_id)),
            PointsEvent::LedgerClosed(_) => (Kind::Forfeited, -member.available),
        };
        let at = event.occurred_at();
        let day = GroupName::of(&[kind.name()]).within(Window::Day, at);
        let entry = Contribution::of(&LEDGER, day, change.abs());
        if kind == Kind::Forfeited {
            return Folded::gone().adding(entry);
        }
        member.available += change;
        member.enter(Entry { at, kind, change });
        Folded::next(member).adding(entry)
    }

    fn contributes(member: &Member) -> Vec<Contribution> {
        let tier = GroupName::of(&[tier(member.available)]);
        vec![Contribution::of(&TIERS, tier, member.available)]
    }

    fn mirror(member: &Member) -> Shows {
        Shows::hash([("available", member.available.to_string())])
    }
}

const TWICE: &str = "a lot with this id stands already";

impl Member {
    fn covers(&self, uses: &[LotUse]) -> bool {
        uses.iter()
            .all(|part| self.lots.get(&part.lot_id).is_some_and(|lot| lot.left >= part.points))
    }

    fn earn(&mut self, lot_id: &str, points: i64, expires_at: Timestamp) -> i64 {
        let lot = Lot { earned: points, left: points, expires_at };
        self.lots.insert(lot_id.to_owned(), lot);
        points
    }

    fn knows_use(&self, use_id: &str) -> bool {
        self.uses.iter().any(|known| known.use_id == use_id)
    }

    /// A lot of which nothing is left goes; the use remembers enough to bring it back.
    fn spend(&mut self, use_id: &str, parts: &[LotUse]) -> i64 {
        let mut took: BTreeMap<String, Lot> = BTreeMap::new();
        for part in parts {
            if let Some(lot) = self.lots.get_mut(&part.lot_id) {
                lot.left -= part.points;
                let nothing = Lot { left: 0, ..lot.clone() };
                took.entry(part.lot_id.clone()).or_insert(nothing).left += part.points;
            }
        }
        self.lots.retain(|_, lot| lot.left > 0);
        let spent: i64 = took.values().map(|lot| lot.left).sum();
        self.uses.push_back(Use { use_id: use_id.to_owned(), took });
        if self.uses.len() > CANCELLABLE_USES {
            self.uses.pop_front();
        }
        -spent
    }

    fn give_back(&mut self, use_id: &str) -> i64 {
        let Some(at) = self.uses.iter().position(|known| known.use_id == use_id) else { return 0 };
        let took = self.uses.remove(at).map(|known| known.took).unwrap_or_default();
        let back = took.values().map(|lot| lot.left).sum();
        for (lot_id, taken) in took {
            let nothing = Lot { left: 0, ..taken };
            self.lots.entry(lot_id).or_insert(nothing).left += taken.left;
        }
        back
    }

    /// What was used of a lot that ends cannot be given back any more.
    fn end_lot(&mut self, lot_id: &str) -> i64 {
        for known in &mut self.uses {
            known.took.remove(lot_id);
        }
        self.lots.remove(lot_id).map_or(0, |lot| -lot.left)
    }

    fn enter(&mut self, entry: Entry) {
        let total = self.totals.entry(entry.kind).or_default();
        total.count += 1;
        total.points += entry.change.abs();
        self.history.push_back(entry);
        if self.history.len() > SHOWN_ENTRIES {
            self.history.pop_front();
        }
    }
}
