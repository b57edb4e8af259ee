//! `deals`: each deal with a copy of the product that it sells, and what a page may say of it.
//!
//! Deals and products come from different topics under different keys. Each product is a document
//! of its own, which its deals embed: a change of the product reaches all of them.

use readmill_core::{
    Admit, Contribution, Direction, Folded, GroupName, Index, Key, Keys, ReadModel, Rollup,
    Standing,
};
use readmill_schemas::Timestamp;
use readmill_schemas::deals::{
    DealKind, DealStatus, DealWritten, DealsEvent, ProductStatus, ProductWritten,
};
use serde::{Deserialize, Serialize};

/// What the deals come to.
pub const OFFERS: Rollup = Rollup::of_documents(
    "offers",
    "deals by what a page says of them and by kind: how many, and how many are left to sell",
);

/// The read model.
#[derive(Debug)]
pub struct Deals;

/// A document: a deal under `deal/<id>`, or a product under `product/<id>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", try_from = "Stored")]
pub enum Document {
    /// A deal.
    Deal(Deal),
    /// A product.
    Product(Product),
}

/// A document as it is read back: stores that keep each field by itself know nothing of variants.
#[derive(Debug, Deserialize)]
struct Stored {
    #[serde(default)]
    deal: Option<Deal>,
    #[serde(default)]
    product: Option<Product>,
}

impl TryFrom<Stored> for Document {
    type Error = &'static str;

    fn try_from(stored: Stored) -> Result<Self, Self::Error> {
        match stored {
            Stored { deal: Some(deal), product: None } => Ok(Self::Deal(deal)),
            Stored { deal: None, product: Some(product) } => Ok(Self::Product(product)),
            Stored { .. } => Err("it must be either a deal or a product"),
        }
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

impl ReadModel for Deals {
    const NAME: &'static str = "deals";
    const FOLD_VERSION: u32 = 2;
    const ABOUT: &'static str =
        "a deal with its product as it stands, and whether it can be bought";

    /// Readers list deals by what is said of them, those that begin first at the front, and look
    /// for the deals of a product and for those that are over.
    const INDEXES: &'static [Index] = &[
        Index {
            name: "by_offer",
            fields: &[
                ("deal.offer", Direction::Ascending),
                ("deal.starts_at", Direction::Ascending),
            ],
            sparse: true,
        },
        Index {
            name: "by_product",
            fields: &[("deal.product_id", Direction::Ascending)],
            sparse: true,
        },
        Index { name: "by_end", fields: &[("deal.ends_at", Direction::Ascending)], sparse: true },
    ];

    const ROLLUPS: &'static [Rollup] = &[OFFERS];
    const EMBEDS: bool = true;

    type Event = DealsEvent;
    type State = Document;

    fn keys(event: &DealsEvent) -> Keys {
        let (deal, product) = (deal_key, product_key);
        Keys::One(match event {
            DealsEvent::DealWritten(e) => deal(&e.deal_id),
            DealsEvent::DealMoved(e) => deal(&e.deal_id),
            DealsEvent::DealSold(e) => deal(&e.deal_id),
            DealsEvent::DealRemoved(e) => deal(&e.deal_id),
            DealsEvent::ProductWritten(e) => product(&e.product_id),
            DealsEvent::ProductStocked(e) => product(&e.product_id),
            DealsEvent::ProductRemoved(e) => product(&e.product_id),
        })
    }

    /// A deal that was taken out stays out; a product may be put in again. What comes before the
    /// deal or the product that it is about waits for it.
    fn admit(standing: Standing<'_, Document>, event: &DealsEvent) -> Admit {
        use DealsEvent as E;
        match (standing, event) {
            (Standing::Live(_), _) | (_, E::ProductWritten(_)) => Admit::Fold,
            (Standing::Never, E::DealWritten(_)) => Admit::Fold,
            (Standing::Never, E::ProductStocked(_) | E::ProductRemoved(_)) => {
                Admit::Wait("the product")
            }
            (Standing::Never, E::DealMoved(_) | E::DealSold(_) | E::DealRemoved(_)) => {
                Admit::Wait("the deal")
            }
            (Standing::Gone, _) => Admit::Stale,
        }
    }

    fn fold(state: Option<Document>, event: &DealsEvent) -> Folded<Document> {
        match (state, event) {
            (_, DealsEvent::DealRemoved(_) | DealsEvent::ProductRemoved(_)) => Folded::gone(),
            (_, DealsEvent::ProductWritten(e)) => Folded::next(Document::Product(Product::of(e))),
            (Some(Document::Product(product)), DealsEvent::ProductStocked(e)) => {
                Folded::next(Document::Product(Product { stock: e.stock, ..product }))
            }
            (Some(Document::Deal(deal)), event) => Folded::next(deal.after(event).into()),
            (None, DealsEvent::DealWritten(e)) => Folded::next(Deal::made(e).into()),
            // Not admitted: kept total all the same.
            (state, _) => state.map_or_else(Folded::gone, Folded::next),
        }
    }

    fn contributes(state: &Document) -> Vec<Contribution> {
        let Document::Deal(deal) = state else { return Vec::new() };
        let offer = GroupName::of(&[deal.offer.name(), deal.kind.symbol()]);
        vec![Contribution::of(&OFFERS, offer, deal.quantity.saturating_sub(deal.sold))]
    }

    fn embeds(state: &Document) -> Vec<Key> {
        match state {
            Document::Deal(deal) => vec![product_key(&deal.product_id)],
            Document::Product(_) => Vec::new(),
        }
    }

    fn embed(state: &mut Document, key: &Key, stands: Option<&Document>) {
        if let Document::Deal(deal) = state
            && *key == product_key(&deal.product_id)
        {
            deal.product = match stands {
                Some(Document::Product(product)) => Some(product.clone()),
                Some(Document::Deal(_)) | None => None,
            };
            deal.offer = deal.offered();
        }
    }

    fn is_embedded(state: &Document) -> bool {
        matches!(state, Document::Product(_))
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

impl From<Deal> for Document {
    fn from(deal: Deal) -> Self {
        Self::Deal(deal)
    }
}

impl Product {
    fn of(e: &ProductWritten) -> Self {
        Self { name: e.name.clone(), price: e.price, stock: e.stock, status: e.status }
    }
}

impl Deal {
    fn made(e: &DealWritten) -> Self {
        let mut deal = Self {
            kind: e.kind,
            title: e.title.clone(),
            badge: e.badge.clone(),
            status: DealStatus::Apply,
            price: e.price,
            quantity: e.quantity,
            sold: 0,
            starts_at: e.starts_at,
            ends_at: e.ends_at,
            product_id: e.product_id.clone(),
            product: None,
            offer: Offer::NoProduct,
        };
        deal.offer = deal.offered();
        deal
    }

    /// Made anew, it keeps what it was not told of: how far it is, what is sold, and the copy of
    /// its product, if that is still the same.
    fn after(mut self, event: &DealsEvent) -> Self {
        match event {
            DealsEvent::DealWritten(e) => {
                let same = self.product_id == e.product_id;
                let product = self.product.filter(|_| same);
                self = Self { status: self.status, sold: self.sold, product, ..Self::made(e) };
            }
            DealsEvent::DealMoved(e) => self.status = e.status,
            DealsEvent::DealSold(e) => self.sold = self.sold.saturating_add(e.quantity),
            DealsEvent::DealRemoved(_)
            | DealsEvent::ProductWritten(_)
            | DealsEvent::ProductStocked(_)
            | DealsEvent::ProductRemoved(_) => {}
        }
        self.offer = self.offered();
        self
    }

    fn offered(&self) -> Offer {
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
