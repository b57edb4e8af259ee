//! The review service: products that move between catalogs, and what is written about them.

use readmill_schemas::Timestamp;
use readmill_schemas::reviews::{
    ProductCatalogued, ProductWithdrawn, ReviewHidden, ReviewRemoved, ReviewScored, ReviewWritten,
    ReviewsEvent,
};

use crate::journal::Draft;
use crate::knobs::Knobs;
use crate::rng::Rng;
use crate::row::{SourceEvent, Table};
use crate::service::Service;

const PRODUCTS: usize = 120;
const CATALOGS: u64 = 8;
/// Reviews that may still change; beyond, one is removed for each that is written.
const MOST_REVIEWS: usize = 4_000;
const FEWEST_REVIEWS: usize = 4;
const REASONS: [&str; 3] = ["complaint", "advertising", "personal data"];

#[derive(Debug, Default)]
struct Product {
    version: i64,
    is_catalogued: bool,
}

#[derive(Debug)]
struct Review {
    number: u64,
    version: i64,
    product: usize,
}

/// The service's state: the products and the newest reviews, whatever the number of events.
#[derive(Debug)]
pub struct Reviews {
    rng: Rng,
    products: Vec<Product>,
    reviews: Vec<Review>,
    made: u64,
    skew_per_mille: u32,
}

impl Reviews {
    /// A service that knows products and has put none into a catalog.
    pub fn new(knobs: &Knobs) -> Self {
        Self {
            rng: Rng::new(knobs.seed, 32),
            products: (0..PRODUCTS).map(|_| Product::default()).collect(),
            reviews: Vec::new(),
            made: 0,
            skew_per_mille: knobs.skew_per_mille,
        }
    }

    /// One is put into a catalog, moved to another, or withdrawn. Its reviews may come before it.
    fn turn_product(&mut self, occurred_at: Timestamp) -> Option<Draft> {
        let at = self.rng.skewed(self.products.len(), self.skew_per_mille);
        let product = self.products.get_mut(at)?;
        product.version += 1;
        let product_id = product_id(at);
        let event: ReviewsEvent = if product.is_catalogued && self.rng.chance(250) {
            product.is_catalogued = false;
            ProductWithdrawn { product_id, occurred_at }.into()
        } else {
            product.is_catalogued = true;
            let catalog_id = format!("c-{}", self.rng.below(CATALOGS));
            let name = format!("Product {at}");
            ProductCatalogued { product_id, occurred_at, catalog_id, name }.into()
        };
        Some(Draft {
            table: Table::ReviewProducts,
            aggregate_id: self::product_id(at),
            version: Some(product.version),
            event: SourceEvent::Reviews(event),
        })
    }

    fn write(&mut self, now: Timestamp) -> Draft {
        self.made += 1;
        let product = self.rng.skewed(self.products.len(), self.skew_per_mille);
        let mut review = Review { number: self.made, version: 0, product };
        let draft = review.written(now, &mut self.rng);
        self.reviews.push(review);
        draft
    }
}

impl Service for Reviews {
    fn transact(&mut self, now_ms: i64, room: u64) -> Vec<Draft> {
        let now = Timestamp::from_millis(now_ms);
        if self.rng.chance(60) {
            return self.turn_product(now).into_iter().collect();
        }
        let full = self.reviews.len() >= MOST_REVIEWS;
        if self.reviews.len() < FEWEST_REVIEWS || !full && self.rng.chance(200) {
            return vec![self.write(now)];
        }
        let at = self.rng.index(self.reviews.len());
        if self.rng.chance(if full { 300 } else { 20 }) {
            let mut review = self.reviews.swap_remove(at);
            return vec![review.removed(now)];
        }
        let Some(review) = self.reviews.get_mut(at) else { return Vec::new() };
        let many = if self.rng.chance(125) { room.min(2) } else { 1 };
        let mut drafts = Vec::new();
        for _ in 0..many {
            drafts.push(match self.rng.below(100) {
                0..80 => review.scored(now, &mut self.rng),
                80..95 => review.written(now, &mut self.rng),
                _ => review.hidden(now, &mut self.rng),
            });
        }
        drafts
    }
}

impl Review {
    fn id(&self) -> String {
        format!("r-{:08}", self.number)
    }

    fn written(&mut self, occurred_at: Timestamp, rng: &mut Rng) -> Draft {
        let (review_id, product_id) = (self.id(), product_id(self.product));
        let (stars, photos) = (rng.between(1, 5), rng.between(0, 3));
        self.draft(ReviewWritten { review_id, occurred_at, product_id, stars, photos })
    }

    fn scored(&mut self, occurred_at: Timestamp, rng: &mut Rng) -> Draft {
        let points = rng.between(-3, 10);
        self.draft(ReviewScored { review_id: self.id(), occurred_at, points })
    }

    fn hidden(&mut self, occurred_at: Timestamp, rng: &mut Rng) -> Draft {
        let reason = rng.pick(&REASONS).to_owned();
        self.draft(ReviewHidden { review_id: self.id(), occurred_at, reason })
    }

    fn removed(&mut self, occurred_at: Timestamp) -> Draft {
        self.draft(ReviewRemoved { review_id: self.id(), occurred_at })
    }

    fn draft(&mut self, event: impl Into<ReviewsEvent>) -> Draft {
        self.version += 1;
        Draft {
            table: Table::Reviews,
            aggregate_id: self.id(),
            version: Some(self.version),
            event: SourceEvent::Reviews(event.into()),
        }
    }
}

fn product_id(at: usize) -> String {
    format!("p-{at:04}")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use readmill_schemas::Events;

    use super::*;

    #[test]
    fn every_event_happens_and_the_memory_is_bounded() {
        let mut reviews = Reviews::new(&Knobs::default());
        let mut kinds = BTreeSet::new();
        for n in 0..100_000_i64 {
            let drafts = reviews.transact(n, 1 + u64::from(n % 2 == 0));
            assert!((1..=2).contains(&drafts.len()));
            for draft in drafts {
                let SourceEvent::Reviews(event) = draft.event else { panic!("not ours") };
                kinds.insert(event.contract().name);
            }
            assert!(reviews.reviews.len() <= MOST_REVIEWS);
        }
        assert_eq!(kinds.len(), ReviewsEvent::CONTRACTS.len());
    }
}
