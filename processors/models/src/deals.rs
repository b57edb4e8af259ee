//! `deals`: each deal with a copy of the product that it sells, and what a page may say of it.
//!
//! Deals and products come from different topics under different keys. Each product is a document
//! of its own, which its deals embed: a change of the product reaches all of them.

use readmill_core::{
    Admit, Beside, Contribution, Folded, GroupName, Key, Keys, ReadModel, Rollup, Standing,
};
use readmill_schemas::Timestamp;
use readmill_schemas::deals::{
    DealKind, DealStatus, DealWritten, DealsEvent, ProductStatus, ProductWritten,
};
use serde::{Deserialize, Serialize};

/// What the deals come to.
pub const OFFERS: Rollup = Rollup {
    name: "offers",
    about: "deals by what a page says of them and by kind: how many, and how many are left to sell",
    beside: Beside { extremes: false, top: 0, distinct: false },
};

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
    /// How far it is.
    pub status: DealStatus,
    /// What it costs.
    pub price: i64,
    /// How many there are of it.
    pub quantity: i64,
    /// How many of them are sold.
    pub sold: i64,
    /// When it begins.
    pub starts_at: Timestamp,
    /// When it ends: a page compares it with its clock.
    pub ends_at: Timestamp,
    /// The product that it sells.
    pub product_id: String,
    /// The product as it stands; nothing while there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<Product>,
    /// What a page may say of it.
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
    const FOLD_VERSION: u32 = 1;
    const ABOUT: &'static str =
        "a deal with its product as it stands, and whether it can be bought";

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
        if self.status == DealStatus::End {
            return Offer::Ended;
        }
        if self.sold >= self.quantity {
            return Offer::DealSoldOut;
        }
        match &self.product {
            None => Offer::NoProduct,
            Some(product) if product.status != ProductStatus::OnSale => Offer::ProductPaused,
            Some(product) if product.stock <= 0 => Offer::ProductSoldOut,
            Some(_) if self.status == DealStatus::InProgress => Offer::OnSale,
            Some(_) => Offer::Upcoming,
        }
    }
}

#[cfg(test)]
mod tests {
    use readmill_schemas::deals::DealMoved;

    use super::*;

    fn product(stock: i64, status: ProductStatus) -> Product {
        Product { name: "Tea".to_owned(), price: 1_000, stock, status }
    }

    fn written(product_id: &str) -> DealWritten {
        DealWritten {
            deal_id: "d-1".to_owned(),
            occurred_at: Timestamp::EPOCH,
            kind: DealKind::Time,
            title: "A deal".to_owned(),
            product_id: product_id.to_owned(),
            price: 900,
            quantity: 3,
            starts_at: Timestamp::EPOCH,
            ends_at: Timestamp::EPOCH,
        }
    }

    fn deal(state: Document) -> Deal {
        let Document::Deal(deal) = state else { panic!("{state:?}") };
        deal
    }

    #[test]
    fn what_a_page_says_of_a_deal_is_told_apart() {
        let on_sale = |stock| Some(product(stock, ProductStatus::OnSale));
        let paused = Some(product(5, ProductStatus::Paused));
        let table = [
            // status, sold of three, product, offer
            (DealStatus::End, 3, None, Offer::Ended),
            (DealStatus::InProgress, 3, None, Offer::DealSoldOut),
            (DealStatus::InProgress, 2, None, Offer::NoProduct),
            (DealStatus::InProgress, 3, on_sale(0), Offer::DealSoldOut),
            (DealStatus::InProgress, 2, paused, Offer::ProductPaused),
            (DealStatus::InProgress, 2, on_sale(0), Offer::ProductSoldOut),
            (DealStatus::InProgress, 2, on_sale(1), Offer::OnSale),
            (DealStatus::Confirm, 0, on_sale(1), Offer::Upcoming),
            (DealStatus::End, 0, on_sale(1), Offer::Ended),
        ];
        for (status, sold, product, offer) in table {
            let mut state = Document::Deal(Deal { status, sold, ..Deal::made(&written("p-1")) });
            Deals::embed(&mut state, &product_key("p-1"), product.map(Document::Product).as_ref());
            let found = deal(state);
            assert_eq!(found.offer, offer, "{found:?}");
            assert_eq!(offer.name(), serde_json::to_value(offer).unwrap());
        }
    }

    #[test]
    fn a_fold_keeps_the_copy_of_what_is_still_embedded_and_drops_another() {
        let mut state = Document::Deal(Deal::made(&written("p-1")));
        let tea = Document::Product(product(5, ProductStatus::OnSale));
        Deals::embed(&mut state, &product_key("p-2"), Some(&tea));
        assert_eq!(deal(state.clone()).product, None, "it is none of its products");
        Deals::embed(&mut state, &product_key("p-1"), Some(&tea));
        let status = DealStatus::InProgress;
        let moved = DealMoved { deal_id: "d-1".to_owned(), occurred_at: Timestamp::EPOCH, status };
        let events: [(DealsEvent, bool); 3] =
            [(moved.into(), true), (written("p-1").into(), true), (written("p-2").into(), false)];
        for (event, stays) in events {
            let folded = deal(Deals::fold(Some(state.clone()), &event).state.unwrap());
            assert_eq!(folded.product.is_some(), stays, "{event:?}");
            assert_eq!(folded.offer == Offer::NoProduct, !stays, "{event:?}");
        }
    }

    #[test]
    fn a_document_is_read_back_as_it_was_written_and_is_one_thing() {
        let tea = product(5, ProductStatus::OnSale);
        for state in [Document::Deal(Deal::made(&written("p-1"))), Document::Product(tea)] {
            let text = serde_json::to_string(&state).unwrap();
            assert_eq!(serde_json::from_str::<Document>(&text).unwrap(), state);
        }
        let nothing = serde_json::from_str::<Document>("{}").unwrap_err().to_string();
        assert!(nothing.contains("either a deal or a product"), "{nothing}");
    }
}
