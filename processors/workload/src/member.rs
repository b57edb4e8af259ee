//! One member's ledger: what the points service knows when it decides what may happen next.

use readmill_schemas::Timestamp;
use readmill_schemas::points::{
    EarnCancelled, LedgerClosed, LotUse, PointsConverted, PointsEarned, PointsEvent, PointsExpired,
    PointsUsed, UseCancelled,
};

use crate::rng::Rng;

/// The most open lots of a member; beyond, points are spent before more are earned.
const MOST_LOTS: usize = 12;
const DAY_MS: i64 = 86_400_000;
const REASONS: [&str; 4] = ["order", "welcome", "review", "campaign"];
const PROGRAMS: [&str; 3] = ["airline", "card", "telecom"];

/// A lot that is open.
#[derive(Debug, Clone)]
struct Lot {
    number: u32,
    left: i64,
    expires_ms: i64,
}

/// What a use took, so that it can be undone.
#[derive(Debug)]
struct Spent {
    number: u32,
    lots: Vec<Lot>,
}

/// The state of a member's ledger.
#[derive(Debug, Default)]
pub struct Member {
    /// The version of the last event.
    pub version: i64,
    /// Whether the member has left, and nothing happens here any more.
    pub closed: bool,
    lots_made: u32,
    uses_made: u32,
    /// Open lots, oldest first.
    open: Vec<Lot>,
    /// The last use, as long as it can be undone.
    spent: Option<Spent>,
}

/// A lot whose cancel was committed before its earn.
#[derive(Debug, Clone, Copy)]
pub struct Owed(u32);

/// Writes the events of one member at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Pen {
    /// The member's number.
    pub member: usize,
    /// The moment.
    pub now_ms: i64,
}

impl Pen {
    /// The member's id.
    pub fn member_id(self) -> String {
        format!("m-{:06}", self.member)
    }

    fn ledger_id(self) -> String {
        format!("l-{:06}", self.member)
    }

    fn lot_id(self, number: u32) -> String {
        format!("{}-{number}", self.ledger_id())
    }

    fn use_id(self, number: u32) -> String {
        format!("u-{:06}-{number}", self.member)
    }

    const fn now(self) -> Timestamp {
        Timestamp::from_millis(self.now_ms)
    }
}

/// An order number: the time and some digits.
pub fn order_no(now_ms: i64, rng: &mut Rng) -> String {
    let time = Timestamp::from_millis(now_ms).to_string();
    let digits = time.chars().filter(char::is_ascii_digit).take(14);
    let random = rng.below(100_000_000);
    digits.chain(format!("{random:08}").chars()).collect()
}

impl Member {
    /// What the member may spend.
    #[cfg(test)]
    pub fn balance(&self) -> i64 {
        self.open.iter().map(|lot| lot.left).sum()
    }

    /// What happens next. Lots that lapsed are expired before anything else is done.
    pub fn act(&mut self, pen: Pen, rng: &mut Rng) -> PointsEvent {
        self.version += 1;
        if let Some(at) = self.open.iter().position(|lot| lot.expires_ms <= pen.now_ms) {
            return self.expire(at, pen).into();
        }
        let roll = rng.below(100);
        match roll {
            _ if self.open.is_empty() => match (roll < 20).then(|| self.undo(pen)).flatten() {
                Some(undone) => undone.into(),
                None => self.earn(pen, rng).into(),
            },
            _ if self.open.len() >= MOST_LOTS => self.spend(pen, rng).into(),
            0..40 => self.earn(pen, rng).into(),
            40..75 => self.spend(pen, rng).into(),
            75..83 => match self.undo(pen) {
                Some(undone) => undone.into(),
                None => self.spend(pen, rng).into(),
            },
            83..90 => self.take_back(pen, rng).into(),
            90..95 => self.convert(pen, rng).into(),
            _ => self.earn(pen, rng).into(),
        }
    }

    /// Cancels a lot whose earn is committed later.
    pub fn cancel_early(&mut self, pen: Pen) -> (PointsEvent, Owed) {
        self.version += 1;
        self.lots_made += 1;
        let cancelled = self.cancelled(pen, self.lots_made);
        (cancelled.into(), Owed(self.lots_made))
    }

    /// The earn of a lot that is cancelled already: the ledger is as if both had not been.
    pub fn earn_late(&mut self, owed: Owed, pen: Pen, rng: &mut Rng) -> PointsEvent {
        self.version += 1;
        let lot = Lot { number: owed.0, left: points(rng), expires_ms: expiry(pen, rng) };
        earned(&lot, pen, rng).into()
    }

    /// The member leaves: what is left is forfeited.
    pub fn close_ledger(&mut self, pen: Pen) -> PointsEvent {
        self.version += 1;
        (self.closed, self.spent) = (true, None);
        let closed = LedgerClosed {
            ledger_id: pen.ledger_id(),
            member_id: pen.member_id(),
            occurred_at: pen.now(),
            forfeited_points: std::mem::take(&mut self.open).iter().map(|lot| lot.left).sum(),
        };
        closed.into()
    }

    fn open(&mut self, pen: Pen, rng: &mut Rng) -> Lot {
        self.lots_made += 1;
        let lot = Lot { number: self.lots_made, left: points(rng), expires_ms: expiry(pen, rng) };
        self.open.push(lot.clone());
        lot
    }

    fn earn(&mut self, pen: Pen, rng: &mut Rng) -> PointsEarned {
        let lot = self.open(pen, rng);
        earned(&lot, pen, rng)
    }

    fn convert(&mut self, pen: Pen, rng: &mut Rng) -> PointsConverted {
        let lot = self.open(pen, rng);
        PointsConverted {
            ledger_id: pen.ledger_id(),
            member_id: pen.member_id(),
            occurred_at: pen.now(),
            lot_id: pen.lot_id(lot.number),
            points: lot.left,
            expires_at: Timestamp::from_millis(lot.expires_ms),
            from_program: rng.pick(&PROGRAMS).to_owned(),
        }
    }

    /// Spends a part of the balance, or all of it, from the oldest lots first.
    fn spend(&mut self, pen: Pen, rng: &mut Rng) -> PointsUsed {
        let balance: i64 = self.open.iter().map(|lot| lot.left).sum();
        let all = rng.chance(150) || self.open.len() >= MOST_LOTS;
        let points = if all { balance } else { rng.between(1, balance) };
        let mut missing = points;
        let mut taken = Vec::new();
        for lot in &mut self.open {
            let part = lot.left.min(missing);
            if part > 0 {
                lot.left -= part;
                missing -= part;
                taken.push(Lot { left: part, ..lot.clone() });
            }
        }
        self.open.retain(|lot| lot.left > 0);
        self.uses_made += 1;
        let lots =
            taken.iter().map(|lot| LotUse { lot_id: pen.lot_id(lot.number), points: lot.left });
        let used = PointsUsed {
            ledger_id: pen.ledger_id(),
            member_id: pen.member_id(),
            occurred_at: pen.now(),
            use_id: pen.use_id(self.uses_made),
            points,
            order_no: rng.chance(900).then(|| order_no(pen.now_ms, rng)),
            lots: lots.collect(),
        };
        self.spent = Some(Spent { number: self.uses_made, lots: taken });
        used
    }

    /// Undoes the last use, if none of its lots has lapsed or been taken back since.
    fn undo(&mut self, pen: Pen) -> Option<UseCancelled> {
        let spent = self.spent.take()?;
        if spent.lots.iter().any(|lot| lot.expires_ms <= pen.now_ms) {
            return None;
        }
        for back in spent.lots {
            match self.open.iter_mut().find(|lot| lot.number == back.number) {
                Some(lot) => lot.left += back.left,
                None => self.open.push(back),
            }
        }
        self.open.sort_by_key(|lot| lot.number);
        Some(UseCancelled {
            ledger_id: pen.ledger_id(),
            member_id: pen.member_id(),
            occurred_at: pen.now(),
            use_id: pen.use_id(spent.number),
        })
    }

    fn take_back(&mut self, pen: Pen, rng: &mut Rng) -> EarnCancelled {
        let lot = self.close(rng.index(self.open.len()));
        self.cancelled(pen, lot.number)
    }

    fn expire(&mut self, at: usize, pen: Pen) -> PointsExpired {
        let lot = self.close(at);
        PointsExpired {
            ledger_id: pen.ledger_id(),
            member_id: pen.member_id(),
            occurred_at: pen.now(),
            lot_id: pen.lot_id(lot.number),
            points: lot.left,
        }
    }

    /// Ends a lot; a use that took from it can no longer be undone.
    fn close(&mut self, at: usize) -> Lot {
        let lot = self.open.remove(at);
        self.spent.take_if(|spent| spent.lots.iter().any(|used| used.number == lot.number));
        lot
    }

    fn cancelled(&self, pen: Pen, number: u32) -> EarnCancelled {
        EarnCancelled {
            ledger_id: pen.ledger_id(),
            member_id: pen.member_id(),
            occurred_at: pen.now(),
            lot_id: pen.lot_id(number),
        }
    }
}

fn points(rng: &mut Rng) -> i64 {
    10 * rng.between(1, 500)
}

/// Most points live for months; those of a campaign for a minute.
fn expiry(pen: Pen, rng: &mut Rng) -> i64 {
    let lifetime =
        if rng.chance(200) { 1000 * rng.between(2, 90) } else { DAY_MS * rng.between(90, 730) };
    pen.now_ms.saturating_add(lifetime)
}

fn earned(lot: &Lot, pen: Pen, rng: &mut Rng) -> PointsEarned {
    let reason = rng.pick(&REASONS);
    PointsEarned {
        ledger_id: pen.ledger_id(),
        member_id: pen.member_id(),
        occurred_at: pen.now(),
        lot_id: pen.lot_id(lot.number),
        points: lot.left,
        expires_at: Timestamp::from_millis(lot.expires_ms),
        reason: reason.to_owned(),
        order_no: (reason == "order").then(|| order_no(pen.now_ms, rng)),
    }
}
