//! Roll-ups as metrics, for dashboards: their groups are read again and again, and merged by their
//! first dimensions.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::time::Duration;

use readmill_core::{GroupName, Rollup};
use tokio::time::{MissedTickBehavior, interval};

use crate::fault::Fault;
use crate::metrics::{Meter, Metrics};
use crate::rollup_reader::Rollups;

/// Groups are read so often.
const REFRESH_INTERVAL: Duration = Duration::from_secs(15);
/// So many groups of a roll-up are read at a time.
const PAGE_GROUPS: usize = 500;
/// A roll-up with more groups is not shown: reading them all would be too dear.
const MOST_GROUPS: usize = 5_000;
/// A roll-up with more series is not shown: each costs who scrapes them.
const MOST_SERIES: usize = 200;

/// A roll-up that is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gauged {
    /// Which.
    pub rollup: &'static Rollup,
    /// So many of the first dimensions of its groups tell its series apart.
    pub dimensions: usize,
}

/// The count and the sum of each series.
type Series = BTreeMap<String, (i64, i128)>;

/// Shows roll-ups of a model.
#[derive(Debug)]
pub struct RollupGauges {
    /// The model.
    pub model: &'static str,
    /// Its roll-ups.
    pub rollups: Rollups,
    /// Those that are shown.
    pub gauged: Vec<Gauged>,
    /// Where.
    pub metrics: Metrics,
}

impl RollupGauges {
    /// Shows them, from now on until it is dropped.
    pub async fn watch(self) -> Infallible {
        let mut shown: BTreeMap<&'static str, BTreeSet<String>> = BTreeMap::new();
        let mut refresh = interval(REFRESH_INTERVAL);
        refresh.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            refresh.tick().await;
            for gauged in &self.gauged {
                let name = gauged.rollup.name;
                match self.read(*gauged).await {
                    Ok(series) => self.show(name, series, shown.entry(name).or_default()),
                    // The workers say so when it concerns them; the gauges keep their numbers.
                    Err(fault) => {
                        tracing::debug!(model = self.model, rollup = name, %fault, "not read");
                    }
                }
            }
        }
    }

    /// The series; none if there are too many, or too many groups.
    async fn read(&self, Gauged { rollup, dimensions }: Gauged) -> Result<Option<Series>, Fault> {
        let (mut series, mut groups) = (Series::new(), 0);
        let mut after: Option<GroupName> = None;
        loop {
            let page = self.rollups.within(rollup, None, after.as_ref(), PAGE_GROUPS).await?;
            groups += page.groups.len();
            for (group, totals) in page.groups {
                let mut first = group.dimensions();
                first.truncate(dimensions);
                let sum = series.entry(first.join("/")).or_default();
                sum.0 += totals.count;
                sum.1 = sum.1.wrapping_add(totals.sum.0);
            }
            if groups > MOST_GROUPS || series.len() > MOST_SERIES {
                return Ok(None);
            }
            after = page.more_after;
            if after.is_none() {
                return Ok(Some(series));
            }
        }
    }

    fn show(&self, rollup: &str, series: Option<Series>, shown: &mut BTreeSet<String>) {
        let too_many = i64::from(series.is_none());
        self.metrics.set(Meter::RollupTooLarge, &[self.model, rollup], too_many);
        let series = series.unwrap_or_default();
        for gone in shown.iter().filter(|group| !series.contains_key(*group)) {
            self.metrics.remove(Meter::RollupCount, &[self.model, rollup, gone]);
            self.metrics.remove(Meter::RollupSum, &[self.model, rollup, gone]);
        }
        for (group, (count, sum)) in &series {
            let sum = i64::try_from(*sum).unwrap_or(if *sum < 0 { i64::MIN } else { i64::MAX });
            self.metrics.set(Meter::RollupCount, &[self.model, rollup, group], *count);
            self.metrics.set(Meter::RollupSum, &[self.model, rollup, group], sum);
        }
        *shown = series.into_keys().collect();
    }
}
