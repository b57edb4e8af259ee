//! `reviews`: each review with the catalog that its product is in, ranked there by its score.
//!
//! Reviews and products come from different topics. A review embeds its product, so that a product
//! that moves takes the places of all its reviews with it.

mod document;

use readmill_core::Direction::{Ascending, Descending};
use readmill_core::{
    Admit, Contribution, Folded, GroupName, Index, Key, Keys, ReadModel, Rollup, Shows, Standing,
};
use readmill_schemas::reviews::{ReviewWritten, ReviewsEvent};

pub use document::{
    CATALOGS, Document, Listed, PRODUCTS, Product, Review, product_key, review_key,
};

/// The read model.
#[derive(Debug)]
pub struct Reviews;

impl ReadModel for Reviews {
    const NAME: &'static str = "reviews";
    const FOLD_VERSION: u32 = 1;
    const ABOUT: &'static str = "reviews with their products, ranked by catalog";
    const MIRROR: Option<&'static str> = Some("reviews:top");
    const EMBEDS: bool = true;
    const ROLLUPS: &'static [Rollup] = &[PRODUCTS, CATALOGS];

    /// Readers take the best of a catalog, and all of a product.
    const INDEXES: &'static [Index] = &[
        Index::on(
            "by_catalog",
            &[("review.listed.catalog_id", Ascending), ("review.listed.score", Descending)],
        ),
        Index::on("by_product", &[("review.product_id", Ascending)]),
    ];

    type Event = ReviewsEvent;
    type State = Document;

    fn keys(event: &ReviewsEvent) -> Keys {
        Keys::One(match event {
            ReviewsEvent::ReviewWritten(e) => review_key(&e.review_id),
            ReviewsEvent::ReviewScored(e) => review_key(&e.review_id),
            ReviewsEvent::ReviewHidden(e) => review_key(&e.review_id),
            ReviewsEvent::ReviewRemoved(e) => review_key(&e.review_id),
            ReviewsEvent::ProductCatalogued(e) => product_key(&e.product_id),
            ReviewsEvent::ProductWithdrawn(e) => product_key(&e.product_id),
        })
    }

    /// A review that was removed stays out; a product may be put into a catalog again.
    fn admit(standing: Standing<'_, Document>, event: &ReviewsEvent) -> Admit {
        match (standing, event) {
            (Standing::Live(_), _) | (_, ReviewsEvent::ProductCatalogued(_)) => Admit::Fold,
            (Standing::Never, ReviewsEvent::ReviewWritten(_)) => Admit::Fold,
            (Standing::Never, ReviewsEvent::ProductWithdrawn(_)) => Admit::Wait("the product"),
            (Standing::Never, _) => Admit::Wait("the review"),
            (Standing::Gone, _) => Admit::Stale,
        }
    }

    fn fold(state: Option<Document>, event: &ReviewsEvent) -> Folded<Document> {
        let next = match (state, event) {
            (_, ReviewsEvent::ReviewRemoved(_) | ReviewsEvent::ProductWithdrawn(_)) => None,
            (_, ReviewsEvent::ProductCatalogued(e)) => {
                let (catalog_id, name) = (e.catalog_id.clone(), e.name.clone());
                Some(Document::Product(Product { catalog_id, name }))
            }
            (Some(Document::Review(review)), event) => Some(review.after(event).into()),
            (None, ReviewsEvent::ReviewWritten(e)) => Some(Review::written(e, None).into()),
            // Not admitted: kept total all the same.
            (state, _) => state,
        };
        Folded { state: next, ..Folded::gone() }
    }

    fn contributes(state: &Document) -> Vec<Contribution> {
        let Document::Review(Review { product_id, stars, listed: Some(listed), .. }) = state else {
            return Vec::new();
        };
        let of = |rollup, name: &str| Contribution::of(rollup, GroupName::of(&[name]), *stars);
        vec![of(&PRODUCTS, product_id), of(&CATALOGS, &listed.catalog_id)]
    }

    /// All listed reviews of a catalog: when one leaves, the next move up by themselves.
    fn mirror(state: &Document) -> Shows {
        let Document::Review(Review { listed: Some(listed), .. }) = state else {
            return Shows::default();
        };
        Shows::default().ranked(format!("catalog:{}", listed.catalog_id), listed.score)
    }

    fn embeds(state: &Document) -> Vec<Key> {
        match state {
            Document::Review(review) => vec![product_key(&review.product_id)],
            Document::Product(_) => Vec::new(),
        }
    }

    fn embed(state: &mut Document, key: &Key, stands: Option<&Document>) {
        if let Document::Review(review) = state
            && *key == product_key(&review.product_id)
        {
            review.product = match stands {
                Some(Document::Product(product)) => Some(product.clone()),
                Some(Document::Review(_)) | None => None,
            };
            review.listed = review.place();
        }
    }

    fn is_embedded(state: &Document) -> bool {
        matches!(state, Document::Product(_))
    }
}

impl Review {
    /// Written anew, it keeps its score, and the copy of its product if that is still the same.
    fn written(e: &ReviewWritten, before: Option<Self>) -> Self {
        let score = before.as_ref().map_or(0, |before| before.score);
        let same = before.filter(|before| before.product_id == e.product_id);
        let mut review = Self {
            product_id: e.product_id.clone(),
            stars: e.stars,
            photos: e.photos,
            written_at: e.occurred_at,
            score,
            is_hidden: false,
            product: same.and_then(|before| before.product),
            listed: None,
        };
        review.listed = review.place();
        review
    }

    fn after(mut self, event: &ReviewsEvent) -> Self {
        match event {
            ReviewsEvent::ReviewWritten(e) => return Self::written(e, Some(self)),
            ReviewsEvent::ReviewScored(e) => self.score = self.score.saturating_add(e.points),
            ReviewsEvent::ReviewHidden(_) => self.is_hidden = true,
            ReviewsEvent::ReviewRemoved(_)
            | ReviewsEvent::ProductCatalogued(_)
            | ReviewsEvent::ProductWithdrawn(_) => {}
        }
        self.listed = self.place();
        self
    }
}
