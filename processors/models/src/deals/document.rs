//! What readers of `deals` get: deals with their products, and what a page may say of them.

use readmill_core::{Key, Rollup};
use readmill_schemas::Timestamp;
use readmill_schemas::deals::{DealKind, DealStatus, ProductStatus};
use serde::{Deserialize, Serialize};

use crate::one_of::one_of;

/// What the deals come to.
pub const OFFERS: Rollup = Rollup::of_documents(
    "offers",
    "deals by what a page says of them and by kind: how many, and how many are left to sell",
);

one_of! {
    /// A document: a deal under `deal/<id>`, or a product under `product/<id>`.
    pub enum Document {
        /// A deal.
        Deal(Deal) = deal,
        /// A product.
        Product(Product) = product,
    }
}

/// A deal, ready to be shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deal {
    /// What kind of a deal it is.
    pub kind: DealKind,
    /// What it is called.
    pub title: String,
    /// What its tile says in a corner, if anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub badge: Option<String>,
    /// How far it is.
    pub status: DealStatus,
    /// What it costs.
    pub price: i64,
    /// How many there are of it.
    pub quantity: i64,
    /// How many of them are sold.
    pub sold: i64,
    /// The first instant of its period.
    pub starts_at: Timestamp,
    /// The first instant after it.
    pub ends_at: Timestamp,
    /// The product that it sells.
    pub product_id: String,
    /// The product as it stands; nothing while there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<Product>,
    /// What a page may say of it, as far as that can be known without a clock: see [`offer_at`].
    pub offer: Offer,
}

/// A product, and the copy of it in its deals.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    /// What it is called.
    pub name: String,
    /// What it costs without a deal.
    pub price: i64,
    /// How many there are.
    pub stock: i64,
    /// How far it is.
    pub status: ProductStatus,
}

/// Where in its period a deal is: its status tells the fold, which has no clock; a page has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Period {
    Before,
    Within,
    After,
}

/// What a page says of a deal at an instant. Its period begins with `starts_at` and ends before
/// `ends_at`, to the millisecond, whenever the events come that tell of it: once confirmed, a deal
/// begins by the clock.
pub fn offer_at(deal: &Deal, now: Timestamp) -> Offer {
    deal.offer_in(deal.period_at(now))
}

/// What a page may say of a deal; what comes first here is said first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Offer {
    /// Its period is over.
    Ended,
    /// All of the deal are sold.
    DealSoldOut,
    /// Its product is not there, not yet or not any more.
    NoProduct,
    /// Its product is not for sale at present.
    ProductPaused,
    /// Nothing is left of its product.
    ProductSoldOut,
    /// It has not begun.
    Upcoming,
    /// It can be bought.
    OnSale,
}

impl Offer {
    /// Its name, as documents and roll-ups have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ended => "ENDED",
            Self::DealSoldOut => "DEAL_SOLD_OUT",
            Self::NoProduct => "NO_PRODUCT",
            Self::ProductPaused => "PRODUCT_PAUSED",
            Self::ProductSoldOut => "PRODUCT_SOLD_OUT",
            Self::Upcoming => "UPCOMING",
            Self::OnSale => "ON_SALE",
        }
    }
}

/// The key of a deal's document.
pub fn deal_key(deal_id: &str) -> Key {
    Key(format!("deal/{deal_id}"))
}

/// The key of a product's document.
pub fn product_key(product_id: &str) -> Key {
    Key(format!("product/{product_id}"))
}

impl Deal {
    /// What its status alone lets a page say: the fold has no clock.
    pub(super) fn offered(&self) -> Offer {
        self.offer_in(match self.status {
            DealStatus::Apply | DealStatus::Approve | DealStatus::Confirm | DealStatus::Other => {
                Period::Before
            }
            DealStatus::InProgress => Period::Within,
            DealStatus::End => Period::After,
        })
    }

    fn period_at(&self, now: Timestamp) -> Period {
        if now >= self.ends_at {
            return Period::After;
        }
        let by_clock = if now < self.starts_at { Period::Before } else { Period::Within };
        match self.status {
            DealStatus::End => Period::After,
            DealStatus::Confirm | DealStatus::InProgress => by_clock,
            DealStatus::Apply | DealStatus::Approve | DealStatus::Other => Period::Before,
        }
    }

    fn offer_in(&self, period: Period) -> Offer {
        if period == Period::After {
            return Offer::Ended;
        }
        if self.sold >= self.quantity {
            return Offer::DealSoldOut;
        }
        match &self.product {
            None => Offer::NoProduct,
            Some(product) if product.status != ProductStatus::OnSale => Offer::ProductPaused,
            Some(product) if product.stock <= 0 => Offer::ProductSoldOut,
            Some(_) if period == Period::Within => Offer::OnSale,
            Some(_) => Offer::Upcoming,
        }
    }
}
