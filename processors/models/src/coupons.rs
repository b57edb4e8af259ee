//! `coupons`: two tables replicated row by row out of one topic, exactly or not at all.

use readmill_core::{Admit, Direction, Folded, Index, Keys, ReadModel, Standing};
use readmill_schemas::coupons::{Coupon, CouponHistory, CouponsEvent};
use readmill_schemas::row::{Decimal, Large, TimestampMicros};
use serde::{Deserialize, Serialize};

/// The read model.
#[derive(Debug)]
pub struct Coupons;

/// A row as the source's table has it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Replica {
    /// A row of `coupon`.
    Coupon(CouponRow),
    /// A row of `coupon_history`.
    CouponHistory(CouponHistory),
}

/// A coupon.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CouponRow {
    /// Its number.
    pub id: i64,
    /// What a member types in.
    pub code: String,
    /// Whose it is; nobody's is everyone's.
    pub member_id: Option<String>,
    /// How it stands.
    pub status: String,
    /// What it takes off a price.
    pub discount: Decimal,
    /// From when on it is worth nothing.
    pub valid_until: TimestampMicros,
    /// What the shop says of it.
    pub note: Option<String>,
    /// When the row was last written.
    pub updated_at: TimestampMicros,
}

impl ReadModel for Coupons {
    const NAME: &'static str = "coupons";
    const FOLD_VERSION: u32 = 1;
    const ABOUT: &'static str = "the coupon tables, row by row, as they stand in the source";

    /// Readers look for a code, and for what a member has.
    const INDEXES: &'static [Index] = &[
        Index { name: "by_code", fields: &[("coupon.code", Direction::Ascending)], sparse: true },
        Index {
            name: "by_member",
            fields: &[
                ("coupon.member_id", Direction::Ascending),
                ("coupon.status", Direction::Ascending),
            ],
            sparse: true,
        },
    ];

    type Event = CouponsEvent;
    type State = Replica;

    fn keys(event: &CouponsEvent) -> Keys {
        Keys::one(match event {
            CouponsEvent::Coupon(change) => format!("coupon/{}", change.key),
            CouponsEvent::CouponHistory(change) => format!("coupon_history/{}", change.key),
        })
    }

    /// A row that went may come again under its key; which image is newer is the stamp's to say. A
    /// note that was not sent, since it did not change, must stand here.
    fn admit(standing: Standing<'_, Replica>, event: &CouponsEvent) -> Admit {
        match (standing, event) {
            (Standing::Never | Standing::Gone, CouponsEvent::Coupon(change))
                if change.after.as_ref().is_some_and(|row| row.note == Large::Unchanged) =>
            {
                Admit::Refuse(
                    "the note was not sent, and none is stored: set the table's replica identity \
                     to full, and write the row again",
                )
            }
            (_, CouponsEvent::Coupon(_) | CouponsEvent::CouponHistory(_)) => Admit::Fold,
        }
    }

    fn fold(state: Option<Replica>, event: &CouponsEvent) -> Folded<Replica> {
        let next = match event {
            CouponsEvent::Coupon(change) => {
                let note = stored_note(state);
                change.after.clone().map(|row| Replica::Coupon(CouponRow::of(row, note)))
            }
            CouponsEvent::CouponHistory(change) => change.after.clone().map(Replica::CouponHistory),
        };
        next.map_or_else(Folded::gone, Folded::next)
    }
}

/// The note that stands, for a change that did not touch it.
fn stored_note(state: Option<Replica>) -> Option<String> {
    match state {
        Some(Replica::Coupon(row)) => row.note,
        Some(Replica::CouponHistory(_)) | None => None,
    }
}

impl CouponRow {
    fn of(row: Coupon, stored_note: Option<String>) -> Self {
        let Coupon { id, code, member_id, status, discount, valid_until, note, updated_at } = row;
        let note = note.or(stored_note);
        Self { id, code, member_id, status, discount, valid_until, note, updated_at }
    }
}
