//! A made-up shop of deals and products, and what its documents must be in the end.

use std::collections::BTreeMap;

use readmill_core::{Folded, Key, ReadModel};
use readmill_models::Deals;
use readmill_models::deals::Document;
use readmill_schemas::Timestamp;
use readmill_schemas::deals::{
    DealKind, DealMoved, DealRemoved, DealSold, DealStatus, DealWritten, DealsEvent,
    ProductRemoved, ProductStatus, ProductStocked, ProductWritten,
};

use crate::routed::Fact;

/// The day on which everything happens.
const NOON_MS: i64 = 1_793_534_400_000;

/// Writes events with versions, and folds them without any engine.
#[derive(Debug, Default)]
pub struct Shop {
    versions: BTreeMap<String, i64>,
    documents: BTreeMap<Key, Option<Document>>,
}

impl Shop {
    /// The fact that an aggregate's next event is; it is folded here at once.
    fn fact(&mut self, aggregate: String, event: DealsEvent) -> Fact<DealsEvent> {
        for key in Deals::keys(&event).into_vec() {
            let before = self.documents.remove(&key).flatten();
            let Folded { state, .. } = Deals::fold(before, &event);
            self.documents.insert(key, state);
        }
        let version = self.versions.entry(aggregate.clone()).or_default();
        *version += 1;
        (aggregate, *version, event)
    }

    /// A deal is written, or written anew.
    pub fn deal(&mut self, deal: usize, product: &str) -> Fact<DealsEvent> {
        let deal_id = format!("d-{deal:05}");
        let written = DealWritten {
            deal_id: deal_id.clone(),
            occurred_at: now(),
            kind: [DealKind::Time, DealKind::Big, DealKind::Ordinary][deal % 3],
            title: format!("Deal {deal}"),
            product_id: product.to_owned(),
            price: 900 + i64::try_from(deal).unwrap(),
            quantity: 5,
            starts_at: now(),
            ends_at: now().plus_millis(3_600_000),
            badge: None,
        };
        self.fact(deal_id, written.into())
    }

    /// A deal moves on.
    pub fn move_on(&mut self, deal: usize, status: DealStatus) -> Fact<DealsEvent> {
        let deal_id = format!("d-{deal:05}");
        let moved = DealMoved { deal_id: deal_id.clone(), occurred_at: now(), status };
        self.fact(deal_id, moved.into())
    }

    /// Some of a deal are sold.
    pub fn sell(&mut self, deal: usize, quantity: i64) -> Fact<DealsEvent> {
        let deal_id = format!("d-{deal:05}");
        let sold = DealSold { deal_id: deal_id.clone(), occurred_at: now(), quantity };
        self.fact(deal_id, sold.into())
    }

    /// A deal is taken out.
    pub fn remove_deal(&mut self, deal: usize) -> Fact<DealsEvent> {
        let deal_id = format!("d-{deal:05}");
        let removed = DealRemoved { deal_id: deal_id.clone(), occurred_at: now() };
        self.fact(deal_id, removed.into())
    }

    /// A product is written, or written anew.
    pub fn product(&mut self, product: &str, price: i64) -> Fact<DealsEvent> {
        let written = ProductWritten {
            product_id: product.to_owned(),
            occurred_at: now(),
            name: format!("Product {product}"),
            price,
            stock: 10,
            status: ProductStatus::OnSale,
        };
        self.fact(product.to_owned(), written.into())
    }

    /// There are so many of a product now.
    pub fn stock(&mut self, product: &str, stock: i64) -> Fact<DealsEvent> {
        let product_id = product.to_owned();
        let stocked = ProductStocked { product_id, occurred_at: now(), stock };
        self.fact(product.to_owned(), stocked.into())
    }

    /// A product is taken out.
    pub fn remove_product(&mut self, product: &str) -> Fact<DealsEvent> {
        let removed = ProductRemoved { product_id: product.to_owned(), occurred_at: now() };
        self.fact(product.to_owned(), removed.into())
    }

    /// What must stand: every deal with its product as that is now.
    pub fn stands(&self) -> BTreeMap<Key, Document> {
        let living = self.documents.iter();
        let living = living.filter_map(|(key, state)| Some((key.clone(), state.clone()?)));
        let mut all: BTreeMap<Key, Document> = living.collect();
        let products = all.clone();
        for state in all.values_mut() {
            for key in Deals::embeds(state) {
                Deals::embed(state, &key, products.get(&key));
            }
        }
        all
    }
}

fn now() -> Timestamp {
    Timestamp::from_millis(NOON_MS)
}
