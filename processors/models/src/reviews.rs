//! `reviews`: each review with the catalog that its product is in, ranked there by its score.
//!
//! Reviews and products come from different topics. A review embeds its product, so that a product
//! that moves takes the places of all its reviews with it.

use readmill_core::{
    Admit, Contribution, Direction, Folded, GroupName, Index, Key, Keys, ReadModel, Rollup, Shows,
    Standing,
};
use readmill_schemas::Timestamp;
use readmill_schemas::reviews::{ReviewWritten, ReviewsEvent};
use serde::{Deserialize, Serialize};

/// What products are worth to those who bought them.
pub const PRODUCTS: Rollup =
    Rollup::of_documents("products", "listed reviews by product, and their stars");
/// The same of whole catalogs.
pub const CATALOGS: Rollup =
    Rollup::of_documents("catalogs", "listed reviews by catalog, and their stars");

/// The read model.
#[derive(Debug)]
pub struct Reviews;

/// A document: a review under `review/<id>`, or a product under `product/<id>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", try_from = "Stored")]
pub enum Document {
    /// A review.
    Review(Review),
    /// A product that is in a catalog.
    Product(Product),
}

/// A document as it is read back: stores that keep each field by itself know nothing of variants.
#[derive(Debug, Deserialize)]
struct Stored {
    review: Option<Review>,
    product: Option<Product>,
}

impl TryFrom<Stored> for Document {
    type Error = &'static str;

    fn try_from(stored: Stored) -> Result<Self, Self::Error> {
        match stored {
            Stored { review: Some(review), product: None } => Ok(Self::Review(review)),
            Stored { review: None, product: Some(product) } => Ok(Self::Product(product)),
            Stored { .. } => Err("it must be either a review or a product"),
        }
    }
}

/// A review.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Review {
    /// The product that it is about.
    pub product_id: String,
    /// How many stars it gives.
    pub stars: i64,
    /// How many photos it has.
    pub photos: i64,
    /// When it was written, or written anew.
    pub written_at: Timestamp,
    /// How useful readers find it.
    pub score: i64,
    /// Whether it is not to be shown.
    pub is_hidden: bool,
    /// The product as it stands; nothing while it is in no catalog.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub product: Option<Product>,
    /// Where it is listed. What is hidden, or about what is in no catalog, is listed nowhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listed: Option<Listed>,
}

/// A product, and the copy of it in its reviews.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Product {
    /// The catalog that it is in.
    pub catalog_id: String,
    /// What it is called.
    pub name: String,
}

/// A review's place in a catalog.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// The catalog.
    pub catalog_id: String,
    /// The score that it is ranked by.
    pub score: i64,
}

impl ReadModel for Reviews {
    const NAME: &'static str = "reviews";
    const FOLD_VERSION: u32 = 1;
    const ABOUT: &'static str = "reviews with their products, ranked by catalog";
    const MIRROR: Option<&'static str> = Some("reviews:top");
    const EMBEDS: bool = true;
    const ROLLUPS: &'static [Rollup] = &[PRODUCTS, CATALOGS];

    /// Readers take the best of a catalog, and all of a product.
    const INDEXES: &'static [Index] = &[
        Index {
            name: "by_catalog",
            fields: &[
                ("review.listed.catalog_id", Direction::Ascending),
                ("review.listed.score", Direction::Descending),
            ],
            sparse: true,
        },
        Index {
            name: "by_product",
            fields: &[("review.product_id", Direction::Ascending)],
            sparse: true,
        },
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

fn review_key(review_id: &str) -> Key {
    Key(format!("review/{review_id}"))
}

fn product_key(product_id: &str) -> Key {
    Key(format!("product/{product_id}"))
}

impl From<Review> for Document {
    fn from(review: Review) -> Self {
        Self::Review(review)
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

    fn place(&self) -> Option<Listed> {
        let product = self.product.as_ref().filter(|_| !self.is_hidden)?;
        Some(Listed { catalog_id: product.catalog_id.clone(), score: self.score })
    }
}
