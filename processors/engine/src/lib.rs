//! When things happen: the river over its ports, partition workers, retries, metrics and health.

pub mod bounded;
pub mod desk;
pub mod fault;
pub mod feed;
mod gauge;
pub mod lanes;
pub mod metrics;
pub mod open;
pub mod overdue;
pub mod patience;
pub mod ports;
pub mod progress;
pub mod pulse;
mod queue;
pub mod reader;
pub mod river;
pub mod route;
pub mod run;
pub mod shard;
pub mod shards;
pub mod station;
pub mod tally;
pub mod work;

pub use bounded::Bounded;
pub use desk::{Dealt, Desk};
pub use fault::{Fault, Remedy};
pub use feed::{Feed, FeedLine};
pub use lanes::{LaneRule, Lanes, Pace};
pub use metrics::{Meter, Metrics, PartitionLabels};
pub use ports::{Clock, HeldStore, Log, Mirror, Outlet, Ports, SchemaBook, Store};
pub use ports::{Held, HeldRecord, Original, Put, Said, Unfolded, VersionsOf, View, Write};
pub use pulse::Pulse;
pub use readmill_core::Record;
pub use run::{Limits, Watch, run};
pub use tally::Tally;
