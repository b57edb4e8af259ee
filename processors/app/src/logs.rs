//! Where logs go: stderr, as text or as JSON, as much as `RUST_LOG` or the command's default says;
//! and what is of interest later is remembered.

mod recent;

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _};

use crate::cli::LogFormat;

pub use recent::recent;

/// Starts logging; a second call changes nothing.
pub fn start(format: LogFormat, default: LevelFilter) {
    let filter = EnvFilter::builder().with_default_directive(default.into()).from_env_lossy();
    let logs = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let logs = match format {
        LogFormat::Text => logs.with_filter(filter).boxed(),
        LogFormat::Json => logs.json().flatten_event(true).with_filter(filter).boxed(),
    };
    // Whoever called first has decided; only tests call twice.
    let _ = tracing_subscriber::registry().with(logs).with(recent::layer()).try_init();
}
