//! The workload's part of the command line.

use clap::Args;
use readmill_workload::Knobs;

use crate::exit::{Exit, Failure};

/// The changes of a made-up shop: equal arguments make equal changes.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Workload")]
pub struct WorkloadArgs {
    /// How many events are committed; duplicates come on top.
    #[arg(long, value_name = "N", default_value_t = Knobs::default().events)]
    pub events: u64,
    /// What decides everything that is left to chance.
    #[arg(long, value_name = "S", default_value_t = Knobs::default().seed)]
    pub seed: u64,
    /// How many members there are.
    #[arg(long, value_name = "N", default_value_t = Knobs::default().members)]
    pub keys: u32,
    /// The share of events that goes to the hottest tenth of the members, per mille, up to 990.
    #[arg(long = "skew", visible_alias = "skew-per-mille", value_name = "PER_MILLE")]
    #[arg(default_value_t = Knobs::default().skew_per_mille)]
    pub skew_per_mille: u32,
    /// The share of events that belong to deliveries, of those that belong to deliveries or points.
    #[arg(long, value_name = "N", default_value_t = Knobs::default().deliveries_per_mille)]
    pub deliveries_per_mille: u32,
    /// The share of events of all the other services: of orders, coupons, chats and so on. Without
    /// it 0, and 400 in a demo.
    #[arg(long, value_name = "N")]
    pub others_per_mille: Option<u32>,
    /// The share of deliveries without versions.
    #[arg(long, value_name = "N", default_value_t = Knobs::default().unversioned_per_mille)]
    pub unversioned_per_mille: u32,
    /// The share of records that the relay publishes twice.
    #[arg(long, value_name = "N", default_value_t = Knobs::default().duplicates_per_mille)]
    pub duplicates_per_mille: u32,
    /// The share of records that the relay publishes behind their successor.
    #[arg(long, value_name = "N", default_value_t = Knobs::default().swaps_per_mille)]
    pub swaps_per_mille: u32,
    /// The share of points events where a cancel is committed before its earn.
    #[arg(long, value_name = "N", default_value_t = Knobs::default().early_per_mille)]
    pub early_per_mille: u32,
    /// The share of rows whose payload cannot be read.
    #[arg(long, value_name = "N", default_value_t = Knobs::default().poison_per_mille)]
    pub poison_per_mille: u32,
}

impl WorkloadArgs {
    /// The knobs of the generator, with this share of the other services unless it is given.
    ///
    /// # Errors
    /// A wish that makes no sense.
    pub fn knobs(&self, others_per_mille: u32) -> Result<Knobs, Failure> {
        let knobs = Knobs {
            seed: self.seed,
            events: self.events,
            members: self.keys,
            skew_per_mille: self.skew_per_mille,
            deliveries_per_mille: self.deliveries_per_mille,
            others_per_mille: self.others_per_mille.unwrap_or(others_per_mille),
            unversioned_per_mille: self.unversioned_per_mille,
            duplicates_per_mille: self.duplicates_per_mille,
            swaps_per_mille: self.swaps_per_mille,
            early_per_mille: self.early_per_mille,
            poison_per_mille: self.poison_per_mille,
            ..Knobs::default()
        };
        knobs.checked().map_err(|error| {
            let told = error.to_string().replace("members", "--keys");
            Failure::new(Exit::Usage, told, "`readmill produce --help` explains the workload")
        })
    }
}
