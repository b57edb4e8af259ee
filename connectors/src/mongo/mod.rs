//! MongoDB: documents that readers may read, and held records.

mod alias;
mod config;
mod connect;
mod faults;
mod form;
mod handshake;
mod held;
mod indexes;
mod link;
mod look;
mod plan;
mod query;
mod range;
mod reply;
mod row;
mod store;

pub use config::MongoConfig;
pub use connect::Mongo;
pub use held::MongoHeld;
pub use look::MongoLook;
pub use store::MongoStore;
