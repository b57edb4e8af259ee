//! The part of the command line that is about roll-ups.

use std::path::PathBuf;

use clap::{ArgGroup, Args};
use readmill_core::GroupName;
use readmill_models::Row;

use super::{Asking, model};
use crate::rollups::{Asked, DEFAULT_GROUPS, MOST_GROUPS, group};

/// `rollup`
#[derive(Debug, Clone, Args)]
#[command(group(ArgGroup::new("place").required(true).args(["config", "dir", "instance"])))]
pub struct RollupArgs {
    /// The read model.
    #[arg(value_parser = model)]
    pub model: Row,
    /// One of its roll-ups; without it, those that there are.
    pub rollup: Option<String>,
    /// A group, as it is shown: earned/2026-11-21. With a slash at its end, the groups within it.
    #[arg(requires = "rollup")]
    pub group: Option<String>,
    /// The configuration that says where documents are.
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The directory of a demo.
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Or the instance.
    #[command(flatten)]
    pub asking: Asking,
    /// At most so many groups, up to 1000.
    #[arg(long, value_name = "N", default_value_t = DEFAULT_GROUPS, value_parser = limit)]
    pub limit: usize,
    /// Only groups that come after this one.
    #[arg(long, value_name = "GROUP", requires = "rollup")]
    pub after: Option<String>,
    /// Print one JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}

fn limit(text: &str) -> Result<usize, String> {
    let number = text.parse().ok().filter(|number| (1..=MOST_GROUPS).contains(number));
    number.ok_or_else(|| format!("must be from 1 to {MOST_GROUPS}"))
}

impl RollupArgs {
    /// What is asked.
    pub fn asked(&self) -> Asked {
        let Some(rollup) = self.rollup.clone() else { return Asked::Declared };
        let (name, is_within): (Option<GroupName>, bool) = match self.group.as_deref() {
            None | Some("/") => (None, true),
            Some(text) => match text.strip_suffix('/') {
                Some(text) => (Some(group(text)), true),
                None => (Some(group(text)), false),
            },
        };
        match name {
            Some(group) if !is_within => Asked::Group { rollup, group },
            group => {
                let after = self.after.as_deref().map(self::group);
                Asked::Within { rollup, group, after, limit: self.limit }
            }
        }
    }
}
