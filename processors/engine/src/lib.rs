//! When things happen: the river over its ports, partition workers, retries, metrics and health.

pub mod fault;
pub mod feed;
pub mod metrics;
pub mod patience;
pub mod ports;
pub mod pulse;
pub mod reader;
pub mod record;
pub mod river;
pub mod route;
pub mod run;
pub mod shard;
pub mod station;
pub mod tally;
pub mod work;

pub use fault::{Fault, Remedy};
pub use feed::{Feed, FeedLine};
pub use metrics::{Meter, Metrics};
pub use ports::{Clock, HeldStore, Log, Mirror, Outlet, Ports, SchemaBook, Store};
pub use ports::{HeldRecord, Put, Said, View, Write};
pub use pulse::Pulse;
pub use record::Record;
pub use run::{Limits, Watch, run};
pub use tally::Tally;
