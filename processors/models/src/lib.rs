//! The bundled read models, and the one list of them.
//!
//! The file of a model says what events do to its documents; `document.rs` beside it says what
//! readers get.

pub mod chats;
pub mod coupons;
pub mod deals;
pub mod deliveries;
pub mod holdings;
pub mod members;
pub mod notices;
mod one_of;
pub mod orders;
pub mod points;
pub mod replica;
pub mod reviews;
pub mod stock;
pub mod store_stats;
pub mod tickets;

use readmill_core::{Index, ReadModel, Rollup};
use readmill_schemas::{Contract, Events};

pub use chats::Chats;
pub use coupons::Coupons;
pub use deals::Deals;
pub use deliveries::Deliveries;
pub use holdings::Holdings;
pub use members::Members;
pub use notices::Notices;
pub use orders::Orders;
pub use points::Points;
pub use reviews::Reviews;
pub use stock::Stock;
pub use store_stats::StoreStats;
pub use tickets::Tickets;

/// Something to be done with a read model whose type is known only by its name.
pub trait Visit {
    /// What comes of it.
    type Out;

    /// Does it for `M`.
    fn visit<M: ReadModel>(self) -> Self::Out;
}

/// A row of the list: what is known of a model without its types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The name in configuration, metrics and stores.
    pub name: &'static str,
    /// What the documents are for.
    pub about: &'static str,
    /// The mirror's name, if it has one.
    pub mirror: Option<&'static str>,
    /// The version of the fold.
    pub fold_version: u32,
    /// The roll-ups to which its documents and events contribute.
    pub rollups: &'static [Rollup],
    /// The indexes that readers of its documents have, in stores that have indexes.
    pub indexes: &'static [Index],
    /// The contracts of the events that it folds.
    pub reads: &'static [Contract],
    /// The contracts of the reactions that its fold says.
    pub says: &'static [Contract],
    /// Whether documents of it embed others.
    pub embeds: bool,
    /// Whether each document is a row of a table.
    pub replicates: bool,
}

/// One registry row a model; everything else follows from it.
macro_rules! registry {
    ($($model:ty),+ $(,)?) => {
        /// Every bundled read model.
        pub const ALL: &[Row] = &[$(Row {
            name: <$model>::NAME,
            about: <$model>::ABOUT,
            mirror: <$model>::MIRROR,
            fold_version: <$model>::FOLD_VERSION,
            rollups: <$model>::ROLLUPS,
            indexes: <$model>::INDEXES,
            reads: <<$model as ReadModel>::Event as Events>::CONTRACTS,
            says: <$model>::SAYS,
            embeds: <$model>::EMBEDS,
            replicates: <$model>::REPLICATES,
        }),+];

        /// Does something with the model of that name; `None` if there is no such model.
        pub fn visit<V: Visit>(name: &str, visit: V) -> Option<V::Out> {
            $(if name == <$model>::NAME {
                return Some(visit.visit::<$model>());
            })+
            None
        }
    };
}

registry!(
    Points, Members, Orders, Stock, Deliveries, Deals, Coupons, Holdings, Notices, StoreStats,
    Chats, Reviews, Tickets,
);
