//! `deals`: each deal with a copy of the product that it sells, and what a page may say of it.
//!
//! Deals and products come from different topics under different keys. Each product is a document
//! of its own, which its deals embed: a change of the product reaches all of them.

mod document;

use readmill_core::Direction::Ascending;
use readmill_core::{
    Admit, Contribution, Folded, GroupName, Index, Key, Keys, ReadModel, Rollup, Standing,
};
use readmill_schemas::deals::{DealStatus, DealWritten, DealsEvent, ProductWritten};

pub use document::{Deal, Document, OFFERS, Offer, Product, deal_key, offer_at, product_key};

/// The read model.
#[derive(Debug)]
pub struct Deals;

impl ReadModel for Deals {
    const NAME: &'static str = "deals";
    const FOLD_VERSION: u32 = 2;
    const ABOUT: &'static str =
        "a deal with its product as it stands, and whether it can be bought";

    /// Readers list deals by what is said of them, those that begin first at the front, and look
    /// for the deals of a product and for those that are over.
    const INDEXES: &'static [Index] = &[
        Index::on("by_offer", &[("deal.offer", Ascending), ("deal.starts_at", Ascending)]),
        Index::on("by_product", &[("deal.product_id", Ascending)]),
        Index::on("by_end", &[("deal.ends_at", Ascending)]),
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
}
