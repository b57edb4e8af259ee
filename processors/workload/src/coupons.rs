//! The coupon tables of a shop that has no outbox: rows are created, changed and deleted.

use readmill_schemas::coupons::{Coupon, CouponHistory, CouponsEvent};
use readmill_schemas::row::{Decimal, Large, RowChange, RowOp, TimestampMicros};

use crate::journal::Draft;
use crate::knobs::Knobs;
use crate::rng::Rng;
use crate::row::{SourceEvent, Table};
use crate::service::Service;

/// What a snapshot reads of each table, before anything is streamed.
const READ_ROWS: i64 = 12;
const MOST_COUPONS: usize = 2_000;
const MOST_LINES: usize = 500;
const DAY_MS: i64 = 86_400_000;
const CHANNELS: [&str; 2] = ["app", "web"];
const STATUSES: [&str; 3] = ["used", "expired", "withdrawn"];

/// The service's state: the living coupons and the newest lines, whatever the number of events.
#[derive(Debug)]
pub struct Coupons {
    rng: Rng,
    members: u64,
    coupons: Vec<Coupon>,
    /// The lines that may still be deleted.
    lines: Vec<i64>,
    last_coupon: i64,
    last_line: i64,
    /// What was done with a coupon, and has no line yet.
    done: Option<(i64, &'static str)>,
}

impl Coupons {
    /// A shop whose tables a snapshot is about to read.
    pub fn new(knobs: &Knobs) -> Self {
        Self {
            rng: Rng::new(knobs.seed, 33),
            members: u64::from(knobs.members),
            coupons: Vec::new(),
            lines: Vec::new(),
            last_coupon: 0,
            last_line: 0,
            done: None,
        }
    }

    fn new_coupon(&mut self, id: i64, now_ms: i64) -> Coupon {
        let rng = &mut self.rng;
        let member = rng.below(self.members);
        Coupon {
            id,
            code: format!("C{id}-{}", rng.below(10_000)),
            member_id: rng.chance(700).then(|| format!("m-{member:06}")),
            status: "issued".to_owned(),
            discount: Decimal::of_units(i128::from(rng.between(-99, 500_000)), 2),
            valid_until: micros(now_ms + DAY_MS * rng.between(7, 90)),
            note: Large::Now(rng.chance(400).then(|| note(id, rng))),
            updated_at: micros(now_ms),
            channel: rng.chance(400).then(|| rng.pick(&CHANNELS).to_owned()),
        }
    }

    fn create(&mut self, op: RowOp, now_ms: i64) -> Draft {
        self.last_coupon += 1;
        let coupon = self.new_coupon(self.last_coupon, now_ms);
        self.coupons.push(coupon.clone());
        self.done = (op == RowOp::Create).then_some((coupon.id, "issued"));
        of_coupon(op, coupon.id, Some(coupon))
    }

    /// A note that does not change is not sent, since it is large.
    fn update(&mut self, at: usize, now_ms: i64) -> Option<Draft> {
        let coupon = self.coupons.get_mut(at)?;
        coupon.status = self.rng.pick(&STATUSES).to_owned();
        coupon.updated_at = micros(now_ms);
        let mut sent = coupon.clone();
        if self.rng.chance(200) {
            coupon.note = Large::Now(Some(note(coupon.id, &mut self.rng)));
            sent.note = coupon.note.clone();
        } else if coupon.note != Large::Now(None) {
            sent.note = Large::Unchanged;
        }
        self.done = Some((coupon.id, "changed"));
        Some(of_coupon(RowOp::Update, coupon.id, Some(sent)))
    }

    /// Some come again under their number at once: the key of their row was changed there and back.
    fn delete(&mut self, at: usize, now_ms: i64, room: u64) -> Vec<Draft> {
        let id = self.coupons.swap_remove(at).id;
        let mut drafts = vec![of_coupon(RowOp::Delete, id, None)];
        if room >= 2 && self.rng.chance(300) {
            let again = self.new_coupon(id, now_ms);
            self.coupons.push(again.clone());
            drafts.push(of_coupon(RowOp::Create, id, Some(again)));
        }
        self.done = Some((id, "deleted"));
        drafts
    }

    fn line(&mut self, op: RowOp, coupon_id: i64, action: &str, now_ms: i64) -> Draft {
        self.last_line += 1;
        self.lines.push(self.last_line);
        let (id, action, at) = (self.last_line, action.to_owned(), micros(now_ms));
        of_line(op, id, Some(CouponHistory { id, coupon_id, action, at }))
    }
}

impl Service for Coupons {
    fn transact(&mut self, now_ms: i64, room: u64) -> Vec<Draft> {
        if self.last_coupon < READ_ROWS {
            return vec![self.create(RowOp::Read, now_ms)];
        }
        if self.last_line < READ_ROWS {
            return vec![self.line(RowOp::Read, self.last_line + 1, "issued", now_ms)];
        }
        if let Some((coupon_id, action)) = self.done.take() {
            return vec![self.line(RowOp::Create, coupon_id, action, now_ms)];
        }
        if self.lines.len() > MOST_LINES || self.lines.len() > 1 && self.rng.chance(100) {
            let id = self.lines.swap_remove(0);
            return vec![of_line(RowOp::Delete, id, None)];
        }
        let at = self.rng.index(self.coupons.len());
        let few = self.coupons.len() < 2;
        match self.rng.below(100) {
            60.. if !few => self.delete(at, now_ms, room),
            0..30 if self.coupons.len() < MOST_COUPONS => vec![self.create(RowOp::Create, now_ms)],
            _ => self.update(at, now_ms).into_iter().collect(),
        }
    }
}

const fn micros(ms: i64) -> TimestampMicros {
    TimestampMicros::from_micros(ms.saturating_mul(1_000).saturating_add(1))
}

fn note(id: i64, rng: &mut Rng) -> String {
    format!("a long note on coupon {id}, number {}", rng.below(1_000_000))
}

fn of_coupon(op: RowOp, key: i64, after: Option<Coupon>) -> Draft {
    let change = RowChange { op, key, before: None, after };
    draft(key, CouponsEvent::Coupon(change))
}

fn of_line(op: RowOp, key: i64, after: Option<CouponHistory>) -> Draft {
    let change = RowChange { op, key, before: None, after };
    draft(key, CouponsEvent::CouponHistory(change))
}

fn draft(key: i64, event: CouponsEvent) -> Draft {
    let event = SourceEvent::Coupons(event);
    Draft { table: Table::Coupons, aggregate_id: key.to_string(), version: None, event }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_change_of_every_table_happens_and_the_memory_is_bounded() {
        let mut coupons = Coupons::new(&Knobs::default());
        let (mut seen, mut unsent) = (BTreeSet::new(), 0);
        for n in 0..60_000 {
            let drafts = coupons.transact(n, 2);
            assert!((1..=2).contains(&drafts.len()));
            for draft in drafts {
                let change = draft.event.change().unwrap();
                unsent += usize::from(change.after.is_some_and(|row| row["note"] == "unchanged"));
                seen.insert((draft.event.contract().name, change.op));
            }
            assert!(coupons.coupons.len() <= MOST_COUPONS && coupons.lines.len() <= MOST_LINES + 1);
        }
        // Lines of a history are never changed.
        assert!(seen.len() == 7 && unsent > 100, "{seen:?}");
    }
}
