//! MongoDB: documents that readers may read, and held records.

mod config;
mod connect;
mod faults;
mod held;
mod plan;
mod reply;
mod row;
mod store;

pub use config::MongoConfig;
pub use connect::Mongo;
pub use held::MongoHeld;
pub use store::MongoStore;
