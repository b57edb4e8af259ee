//! What readers of `stock` get: offers and purchases, and what is used up.

use readmill_core::{GroupName, Key, Rollup};
use readmill_schemas::Timestamp;
use serde::{Deserialize, Serialize};

use crate::one_of::one_of;

/// What is used up.
pub const USED: Rollup =
    Rollup::of_documents("used", "purchases that have a piece, by product and price");

one_of! {
    /// A document: a purchase under `purchase/<number>`, or an offer under
    /// `offer/<product>/<price>`.
    pub enum Document {
        /// A purchase.
        Purchase(Purchase) = purchase,
        /// An offer.
        Offer(Offer) = offer,
    }
}

/// A purchase of one piece. Once it was given back it never counts, in whatever order it is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Purchase {
    /// What is bought.
    pub product_id: String,
    /// Its denomination.
    pub price_won: i64,
    /// Who buys it.
    pub member_id: String,
    /// Whether it has a piece.
    pub counts: bool,
    /// When it took a piece, by the earliest row that says so.
    pub taken_at: Option<Timestamp>,
    /// When it gave it back. Without `taken_at` it is a mark that waits for the other row.
    pub given_back_at: Option<Timestamp>,
}

/// What is on offer of a product at a price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// How many pieces may be used.
    pub total: i64,
    /// How many a member may have.
    pub member_limit: i64,
    /// Since when it is so.
    pub since: Timestamp,
}

/// The key of a purchase's document.
pub fn purchase_key(purchase_no: &str) -> Key {
    Key(format!("purchase/{purchase_no}"))
}

/// The key of an offer's document. The price comes last and has no slash, so that two offers never
/// share one.
pub fn offer_key(product_id: &str, price_won: i64) -> Key {
    Key(format!("offer/{product_id}/{price_won}"))
}

/// The set of the purchases that have a piece of an offer; its parts are escaped like a group's.
pub fn used_set(product_id: &str, price_won: i64) -> String {
    GroupName::of(&[product_id, &price_won.to_string()]).to_string()
}

/// The set of those of one member.
pub fn member_set(product_id: &str, price_won: i64, member_id: &str) -> String {
    GroupName::of(&[product_id, &price_won.to_string(), member_id]).to_string()
}

impl Offer {
    /// Whether nothing is left when so much is used.
    pub const fn is_sold_out(&self, used: i64) -> bool {
        used >= self.total
    }

    /// Whether a member who has so many may buy one more.
    pub const fn may_buy(&self, used: i64, of_member: i64) -> bool {
        !self.is_sold_out(used) && of_member < self.member_limit
    }
}
