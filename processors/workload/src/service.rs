//! What every service of the shop can do, and the list of those beside points and deliveries.

use std::fmt::Debug;

use crate::chats::Chats;
use crate::coupons::Coupons;
use crate::deals::Deals;
use crate::holdings::Holdings;
use crate::journal::Draft;
use crate::knobs::Knobs;
use crate::members::Members;
use crate::notices::Notices;
use crate::orders::Orders;
use crate::reviews::Reviews;
use crate::stock::Stock;
use crate::store_stats::StoreStats;
use crate::tickets::Tickets;

/// A service: an endless stream of transactions, decided by the seed, in bounded memory.
///
/// Wherever the stream is cut off, nothing that it has committed may wait for what has not come: a
/// read model that folds it waits for nothing in the end, and refuses nothing.
pub trait Service: Debug + Send {
    /// One transaction of one aggregate: at least one event, at most `room` of them.
    fn transact(&mut self, now_ms: i64, room: u64) -> Vec<Draft>;
}

/// The services that share what is asked for by `others_per_mille`, one as busy as the other.
pub fn others(knobs: &Knobs) -> Vec<Box<dyn Service>> {
    vec![
        Box::new(Deals::new(knobs)),
        Box::new(Chats::new(knobs)),
        Box::new(Reviews::new(knobs)),
        Box::new(Coupons::new(knobs)),
        Box::new(Notices::new(knobs)),
        Box::new(Stock::new(knobs)),
        Box::new(Holdings::new(knobs)),
        Box::new(StoreStats::new(knobs)),
        Box::new(Orders::new(knobs)),
        Box::new(Members::new(knobs)),
        Box::new(Tickets::new(knobs)),
    ]
}
