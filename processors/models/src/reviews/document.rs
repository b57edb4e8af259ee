//! What readers of `reviews` get: reviews with their products, and what products are worth to
//! those who bought them.

use readmill_core::{Key, Rollup};
use readmill_schemas::Timestamp;
use serde::{Deserialize, Serialize};

use crate::one_of::one_of;

/// What products are worth to those who bought them.
pub const PRODUCTS: Rollup =
    Rollup::of_documents("products", "listed reviews by product, and their stars");

/// The same of whole catalogs.
pub const CATALOGS: Rollup =
    Rollup::of_documents("catalogs", "listed reviews by catalog, and their stars");

one_of! {
    /// A document: a review under `review/<id>`, or a product under `product/<id>`.
    pub enum Document {
        /// A review.
        Review(Review) = review,
        /// A product that is in a catalog.
        Product(Product) = product,
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

/// The key of a review's document.
pub fn review_key(review_id: &str) -> Key {
    Key(format!("review/{review_id}"))
}

/// The key of a product's document.
pub fn product_key(product_id: &str) -> Key {
    Key(format!("product/{product_id}"))
}

impl Review {
    /// Where it belongs as it stands.
    pub(super) fn place(&self) -> Option<Listed> {
        let product = self.product.as_ref().filter(|_| !self.is_hidden)?;
        Some(Listed { catalog_id: product.catalog_id.clone(), score: self.score })
    }
}
