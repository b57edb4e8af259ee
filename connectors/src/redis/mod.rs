//! Redis: documents and held records where it is trusted with them, and views beside any store.
//!
//! A single server, one behind sentinels, or a cluster. Redis is as durable as its own settings,
//! and forgets from the end what it loses: after a restart without its last writes, or a fail-over
//! to a replica that lagged behind. So the positions up to which documents are settled are noted
//! behind them in the same stream. What is forgotten is noticed, by a tide that each writer raises,
//! and folded again from the positions that are still known: see `docs/stores/redis.md`.

mod alias;
mod apart;
mod config;
mod connect;
mod door;
mod faults;
mod fields;
mod fleet;
mod guard;
mod held;
mod look;
mod memory;
mod mirror;
mod order;
mod plan;
mod positions;
mod rights;
mod script;
mod slots;
mod store;
mod tide;
mod write;

pub use config::{Mode, RedisConfig};
pub use connect::Redis;
pub use held::RedisHeld;
pub use look::RedisLook;
pub use mirror::{LateRedisMirror, RedisMirror};
pub use store::RedisStore;
