//! Redis: documents and held records where it is trusted with them, and views beside any store.
//!
//! Redis as the primary store is as durable as its own settings. With `appendonly no` a restart
//! loses what came since the last snapshot; with `appendfsync everysec`, the usual setting, a power
//! cut loses about a second of acknowledged writes; a fail-over loses what the replica had not yet
//! received. Offsets that were settled in that time are not read again, so the documents stay
//! behind until they are rebuilt: use `appendfsync always` where documents are kept. A mirror
//! matters less: a view that was lost comes back with the next record of its key.

mod config;
mod connect;
mod faults;
mod fields;
mod held;
mod mirror;
mod plan;
mod script;
mod store;

pub use config::RedisConfig;
pub use connect::Redis;
pub use held::RedisHeld;
pub use mirror::RedisMirror;
pub use store::RedisStore;
