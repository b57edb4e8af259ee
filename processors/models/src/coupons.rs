//! `coupons`: two tables replicated row by row out of one topic, exactly or not at all.

use readmill_core::{Direction::Ascending, Index};
use readmill_schemas::coupons::CouponsEvent;
pub use readmill_schemas::coupons::{CouponRow, CouponsRow as Replica};

use crate::replica;

/// The tables.
#[derive(Debug)]
pub struct CouponTables;

/// The read model.
pub type Coupons = replica::Rows<CouponTables>;

impl replica::Replica for CouponTables {
    const NAME: &'static str = "coupons";
    const FOLD_VERSION: u32 = 2;
    const ABOUT: &'static str = "the coupon tables, row by row, as they stand in the source";
    /// Readers look for a code, and for what a member has.
    const INDEXES: &'static [Index] = &[
        Index::on("by_code", &[("coupon.code", Ascending)]),
        Index::on("by_member", &[("coupon.member_id", Ascending), ("coupon.status", Ascending)]),
    ];
    type Changes = CouponsEvent;
}
