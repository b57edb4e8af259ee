//! `points`: a member's points from an insert-only ledger, and the available points for a checkout.

use std::collections::{BTreeMap, VecDeque};

use readmill_core::{Admit, Folded, Keys, ReadModel, Standing};
use readmill_schemas::Timestamp;
use readmill_schemas::points::{LotUse, PointsEvent};
use serde::{Deserialize, Serialize};

/// How many entries of the ledger a document shows.
pub const SHOWN_ENTRIES: usize = 20;

/// The read model.
#[derive(Debug)]
pub struct Points;

/// A member's points.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Member {
    /// What can be spent: the sum of what is left in all lots.
    pub available: i64,
    /// The lots that were earned and have not ended, by their ids.
    pub lots: BTreeMap<String, Lot>,
    /// The uses that can still be cancelled, by their ids.
    pub uses: BTreeMap<String, Vec<LotUse>>,
    /// Count and sum of every kind of entry.
    pub totals: BTreeMap<Kind, Total>,
    /// The latest entries, newest last.
    pub history: VecDeque<Entry>,
}

/// Points earned at one time, which expire together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lot {
    /// As earned.
    pub earned: i64,
    /// Not used yet.
    pub left: i64,
    /// When the rest expires.
    pub expires_at: Timestamp,
}

/// The kinds of ledger entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Points were earned.
    Earned,
    /// Points were used.
    Used,
    /// An earn was taken back.
    EarnCancelled,
    /// A use was taken back.
    UseCancelled,
    /// Points of another programme became points here.
    Converted,
    /// What was left of a lot expired.
    Expired,
}

/// Count and sum of a kind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Total {
    /// How many entries.
    pub count: i64,
    /// How many points.
    pub points: i64,
}

/// One line of the ledger, as shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub kind: Kind,
    /// What it did to the available points.
    pub change: i64,
    /// The ledger's own id of it.
    pub ledger_id: String,
}

impl ReadModel for Points {
    const NAME: &'static str = "points";
    const FOLD_VERSION: u32 = 1;
    const ABOUT: &'static str = "a member's points: available, open lots, totals, latest entries";
    const MIRROR: Option<&'static str> = Some("points:available");

    type Event = PointsEvent;
    type State = Member;

    fn keys(event: &PointsEvent) -> Keys {
        Keys::one(head(event).member_id)
    }

    /// What refers to a lot or a use waits until the ledger has told of it.
    fn admit(standing: Standing<'_, Member>, event: &PointsEvent) -> Admit {
        let nothing = Member::default();
        let member = match standing {
            Standing::Live(member) => member,
            Standing::Never | Standing::Gone => &nothing,
        };
        let has_lot = |lot_id: &str| member.lots.contains_key(lot_id);
        match event {
            PointsEvent::PointsEarned(e) if has_lot(&e.lot_id) => Admit::Refuse(TWICE),
            PointsEvent::PointsConverted(e) if has_lot(&e.lot_id) => Admit::Refuse(TWICE),
            PointsEvent::PointsEarned(_) | PointsEvent::PointsConverted(_) => Admit::Fold,
            PointsEvent::PointsUsed(e) if member.uses.contains_key(&e.use_id) => {
                Admit::Refuse("a use with this id stands already")
            }
            PointsEvent::PointsUsed(e) if member.covers(&e.lots) => Admit::Fold,
            PointsEvent::PointsUsed(_) => Admit::Wait("the points that it uses"),
            PointsEvent::EarnCancelled(e) if has_lot(&e.lot_id) => Admit::Fold,
            PointsEvent::EarnCancelled(_) => Admit::Wait("the earn that it cancels"),
            PointsEvent::UseCancelled(e) if member.uses.contains_key(&e.use_id) => Admit::Fold,
            PointsEvent::UseCancelled(_) => Admit::Wait("the use that it cancels"),
            PointsEvent::PointsExpired(e) if has_lot(&e.lot_id) => Admit::Fold,
            PointsEvent::PointsExpired(_) => Admit::Wait("the earn that expires"),
        }
    }

    fn fold(state: Option<Member>, event: &PointsEvent) -> Folded<Member> {
        let mut member = state.unwrap_or_default();
        let (kind, change) = match event {
            PointsEvent::PointsEarned(e) => {
                (Kind::Earned, member.earn(&e.lot_id, e.points, e.expires_at))
            }
            PointsEvent::PointsConverted(e) => (
                Kind::Converted,
                member.earn(&e.lot_id, e.points, e.expires_at),
            ),
            PointsEvent::PointsUsed(e) => (Kind::Used, member.spend(&e.use_id, &e.lots)),
            PointsEvent::UseCancelled(e) => (Kind::UseCancelled, member.give_back(&e.use_id)),
            PointsEvent::EarnCancelled(e) => (Kind::EarnCancelled, member.end_lot(&e.lot_id)),
            PointsEvent::PointsExpired(e) => (Kind::Expired, member.end_lot(&e.lot_id)),
        };
        member.available += change;
        member.enter(head(event), kind, change);
        Folded::next(member)
    }

    fn mirror(member: &Member) -> Vec<(&'static str, String)> {
        vec![("available", member.available.to_string())]
    }
}

const TWICE: &str = "a lot with this id stands already";

impl Member {
    fn covers(&self, uses: &[LotUse]) -> bool {
        uses.iter().all(|part| {
            self.lots
                .get(&part.lot_id)
                .is_some_and(|lot| lot.left >= part.points)
        })
    }

    fn earn(&mut self, lot_id: &str, points: i64, expires_at: Timestamp) -> i64 {
        let lot = Lot {
            earned: points,
            left: points,
            expires_at,
        };
        self.lots.insert(lot_id.to_owned(), lot);
        points
    }

    fn spend(&mut self, use_id: &str, parts: &[LotUse]) -> i64 {
        let mut spent = 0;
        for part in parts {
            if let Some(lot) = self.lots.get_mut(&part.lot_id) {
                lot.left -= part.points;
                spent += part.points;
            }
        }
        self.uses.insert(use_id.to_owned(), parts.to_vec());
        -spent
    }

    /// Points go back into the lots that still stand; those of ended lots are lost with them.
    fn give_back(&mut self, use_id: &str) -> i64 {
        let mut back = 0;
        for part in self.uses.remove(use_id).unwrap_or_default() {
            if let Some(lot) = self.lots.get_mut(&part.lot_id) {
                lot.left += part.points;
                back += part.points;
            }
        }
        back
    }

    fn end_lot(&mut self, lot_id: &str) -> i64 {
        self.lots.remove(lot_id).map_or(0, |lot| -lot.left)
    }

    fn enter(&mut self, head: Head<'_>, kind: Kind, change: i64) {
        let total = self.totals.entry(kind).or_default();
        total.count += 1;
        total.points += change.abs();
        let ledger_id = head.ledger_id.to_owned();
        self.history.push_back(Entry {
            at: head.at,
            kind,
            change,
            ledger_id,
        });
        if self.history.len() > SHOWN_ENTRIES {
            self.history.pop_front();
        }
    }
}

/// What every event of the ledger has.
struct Head<'a> {
    member_id: &'a str,
    ledger_id: &'a str,
    at: Timestamp,
}

fn head(event: &PointsEvent) -> Head<'_> {
    macro_rules! of {
        ($e:expr) => {
            Head {
                member_id: &$e.member_id,
                ledger_id: &$e.ledger_id,
                at: $e.occurred_at,
            }
        };
    }
    match event {
        PointsEvent::PointsEarned(e) => of!(e),
        PointsEvent::PointsUsed(e) => of!(e),
        PointsEvent::EarnCancelled(e) => of!(e),
        PointsEvent::UseCancelled(e) => of!(e),
        PointsEvent::PointsConverted(e) => of!(e),
        PointsEvent::PointsExpired(e) => of!(e),
    }
}
