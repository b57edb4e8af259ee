//! What readers of `orders` get: orders in one piece, and how many stand where.

use readmill_core::Rollup;
use readmill_schemas::Timestamp;
use readmill_schemas::orders::{
    OrderPlaced, OrderRejected, OrderSheetWritten, OrderShipped, PaymentApproved, PaymentCancelled,
    StockDenied, StockRestored, StockTaken,
};
use serde::{Deserialize, Serialize};

/// The most items that a document shows. The order's total counts all of them.
pub const SHOWN_ITEMS: usize = 200;

/// How far the orders are.
pub const STATUSES: Rollup =
    Rollup::of_documents("statuses", "orders by status: how many, and what they come to in won");

/// Which compensations are under way.
pub const OWED: Rollup = Rollup::of_documents(
    "owed",
    "rejected orders whose stock, or whose payment in won, is still to be given back",
);

/// An order. Most sections are the last event of their kind, whole, so that what a contract gains
/// is in the document as well. A section whose topic is behind is missing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Order {
    /// Computed from the sections.
    pub status: Status,
    /// Who ordered what.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub placed: Option<OrderPlaced>,
    /// When it was found to be right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validated_at: Option<Timestamp>,
    /// When it was confirmed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub confirmed_at: Option<Timestamp>,
    /// Why it was rejected, which is final.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rejected: Option<OrderRejected>,
    /// The payment approved last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment: Option<PaymentApproved>,
    /// The payment cancelled last, the same or another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment_cancelled: Option<PaymentCancelled>,
    /// Who carries it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shipped: Option<OrderShipped>,
    /// When it arrived.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivered_at: Option<Timestamp>,
    /// The decision that took it out of stock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stock_taken: Option<StockTaken>,
    /// The decision that could not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stock_denied: Option<StockDenied>,
    /// The decision that was undone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stock_restored: Option<StockRestored>,
    /// Everything else that the shop knows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sheet: Option<Box<OrderSheetWritten>>,
}

/// How far an order is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// Other topics have told of it, and its own has not.
    #[default]
    Expected,
    /// Placed.
    Provisional,
    /// Found to be right.
    Validated,
    /// To be delivered.
    Confirmed,
    /// On its way.
    Shipped,
    /// Delivered.
    Delivered,
    /// Rejected, whatever else becomes known.
    Rejected,
}

impl Status {
    /// Its name, as documents and roll-ups have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Expected => "EXPECTED",
            Self::Provisional => "PROVISIONAL",
            Self::Validated => "VALIDATED",
            Self::Confirmed => "CONFIRMED",
            Self::Shipped => "SHIPPED",
            Self::Delivered => "DELIVERED",
            Self::Rejected => "REJECTED",
        }
    }
}
