//! The part of the command line that is about the doctor.

use std::num::NonZeroU64;
use std::path::PathBuf;

use clap::Args;

use crate::doctor::Severity;

/// `doctor`
#[derive(Debug, Clone, Args)]
pub struct DoctorArgs {
    /// The configuration.
    #[arg(short, long, value_name = "FILE")]
    pub config: PathBuf,
    /// Exit with 7 if anything is found that is at least so grave.
    #[arg(long, value_enum, value_name = "SEVERITY", default_value_t = Severity::Hurts)]
    pub fail_on: Severity,
    /// Read so many of the last records of each topic, and look at their order; 0 for none.
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    pub records: u64,
    /// Each service has so long to answer; one that does not is a finding itself.
    #[arg(long, value_name = "SECONDS", default_value = "30")]
    pub limit_seconds: NonZeroU64,
    /// Print a JSON object a line, and a summary at the end, instead of text.
    #[arg(long)]
    pub json: bool,
}
