//! A pass over all documents: each is shown again where its mirror differs, and what no document
//! explains is taken out. Guarded by revisions, it may race with the river.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use readmill_core::{Document, Key, ReadModel};
use tokio::time::{Instant, sleep};

use super::scan::Scan;
use super::{Difference, Heals, How, Spot, Stray, Trace, view};
use crate::fault::Fault;
use crate::metrics::{Meter, Metrics};
use crate::patience::{Patience, patiently};
use crate::ports::{Store, View};

/// So many documents are compared at a time.
const BATCH_DOCUMENTS: usize = 256;
/// A difference counts only if it stands after so many more looks: what a worker is about to show
/// is none.
const LOOKS_AGAIN: u32 = 4;
const PAUSE_BETWEEN_LOOKS: Duration = Duration::from_millis(250);

/// What a pass does about differences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    /// It counts them.
    Check,
    /// It mends them.
    Heal,
}

/// What a pass has come to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Documents looked at.
    pub documents: u64,
    /// Those whose views differed.
    pub differed: u64,
    /// Traces without a document that explains them.
    pub strays: u64,
}

/// A pass over the documents of a model.
pub struct Pass<'p, M: ReadModel> {
    /// The documents.
    pub store: &'p dyn Store<M>,
    /// Where it is counted what was healed.
    pub metrics: &'p Metrics,
    /// The mirror.
    pub mirror: &'p dyn Heals,
    /// What is done.
    pub doing: Doing,
    /// At most so many documents are looked at in a second.
    pub limit_per_second: u32,
    /// How it waits for services.
    pub patience: Patience,
    /// What it has come to.
    pub tally: Tally,
    /// Told of each difference, and of what it has come to after each batch.
    pub told: &'p mut (dyn FnMut(Tally, &[Difference]) + Send),
}

impl<M: ReadModel> fmt::Debug for Pass<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pass")
            .field("doing", &self.doing)
            .field("tally", &self.tally)
            .finish_non_exhaustive()
    }
}

impl<M: ReadModel> Pass<'_, M> {
    /// Goes over everything.
    ///
    /// # Errors
    /// A fault that does not pass, or one of a scan; then it is to be begun again.
    pub async fn run(&mut self) -> Result<Tally, Fault> {
        self.documents().await?;
        self.strays().await?;
        Ok(self.tally)
    }

    async fn documents(&mut self) -> Result<(), Fault> {
        let store = self.store;
        let mut scan = Scan::begin(|found| {
            Box::pin(async move {
                let mut visit = |key: Key, document: Document<M>| {
                    found.push(view(&key, &document));
                };
                store.scan(&mut visit).await
            })
        });
        loop {
            let views = scan.next(BATCH_DOCUMENTS).await?;
            if views.is_empty() {
                return Ok(());
            }
            for views in views.chunks(BATCH_DOCUMENTS) {
                self.batch(views).await?;
            }
        }
    }

    /// Heals documents that are known by their keys; none that is missing.
    ///
    /// # Errors
    /// A fault that does not pass.
    pub async fn those(&mut self, keys: &[Key]) -> Result<Tally, Fault> {
        for keys in keys.chunks(BATCH_DOCUMENTS) {
            let views = self.load(keys).await?;
            self.batch(&views).await?;
        }
        Ok(self.tally)
    }

    async fn batch(&mut self, views: &[View]) -> Result<(), Fault> {
        let began = Instant::now();
        let found = patiently!(self.patience, self.mirror.compare(views))?;
        let differ = by_key(&found);
        if !differ.is_empty() {
            match self.doing {
                Doing::Check => self.check(&differ).await?,
                Doing::Heal => self.heal(views, &differ).await?,
            }
        }
        if self.doing == Doing::Heal {
            // Of ended documents nothing is missed, but the revision that keeps late views out.
            let ended: Vec<View> =
                views.iter().filter(|view| view.fields.is_none()).cloned().collect();
            if !ended.is_empty() {
                patiently!(self.patience, self.mirror.show(&ended))?;
            }
        }
        self.tally.documents += views.len() as u64;
        (self.told)(self.tally, &[]);
        self.keep_pace(views.len(), began).await
    }

    /// Differences that stand for longer than a worker needs.
    async fn check(&mut self, differ: &BTreeSet<Key>) -> Result<(), Fault> {
        let mut keys: Vec<Key> = differ.iter().cloned().collect();
        let mut found = Vec::new();
        for _ in 0..LOOKS_AGAIN {
            self.patience.pause(millis(PAUSE_BETWEEN_LOOKS)).await?;
            let views = self.load(&keys).await?;
            found = patiently!(self.patience, self.mirror.compare(&views))?;
            keys = by_key(&found).into_iter().collect();
            if keys.is_empty() {
                return Ok(());
            }
        }
        self.tally.differed += keys.len() as u64;
        (self.told)(self.tally, &found);
        Ok(())
    }

    async fn heal(&mut self, views: &[View], differ: &BTreeSet<Key>) -> Result<(), Fault> {
        let mut views: Vec<View> =
            views.iter().filter(|view| differ.contains(&view.key)).cloned().collect();
        let found = patiently!(self.patience, self.mirror.compare(&views))?;
        if found.iter().any(|found| matches!(found.how, How::Newer(_))) {
            views = self.take_out_newer(&views).await?;
        }
        patiently!(self.patience, self.mirror.show(&views))?;
        self.tally.differed += views.len() as u64;
        self.count(Meter::MirrorHealed, views.len());
        (self.told)(self.tally, &found);
        Ok(())
    }

    /// What is newer than a document that is loaded after it was seen tells of a document that is
    /// lost: no view is shown before its document is durable.
    async fn take_out_newer(&mut self, views: &[View]) -> Result<Vec<View>, Fault> {
        let found = patiently!(self.patience, self.mirror.compare(views))?;
        let keys: Vec<Key> = views.iter().map(|view| view.key.clone()).collect();
        let views = self.load(&keys).await?;
        let stands: BTreeMap<&Key, i64> =
            views.iter().map(|view| (&view.key, view.revision)).collect();
        let newer = found.into_iter().filter_map(|Difference { key, spot, how }| {
            let How::Newer(revision) = how else { return None };
            let stands = stands.get(&key).copied().unwrap_or(0);
            let trace = Trace { key, spot, revision, shown: true };
            (stands < revision).then_some(Stray { trace, stands })
        });
        let newer: Vec<Stray> = newer.collect();
        patiently!(self.patience, self.mirror.take_out(&newer))?;
        Ok(views)
    }

    async fn strays(&mut self) -> Result<(), Fault> {
        let mut found = self.unexplained(None).await?;
        if self.doing == Doing::Check && !found.is_empty() {
            // What a worker was about to take out is none.
            self.patience.pause(millis(PAUSE_BETWEEN_LOOKS * LOOKS_AGAIN)).await?;
            found = self.unexplained(Some(&found)).await?;
            self.tally.strays += found.len() as u64;
        }
        let found: Vec<Difference> = found.into_iter().map(Difference::stray).collect();
        (self.told)(self.tally, &found);
        Ok(())
    }

    /// The traces, of those that are suspected, which no document explains. A heal takes them out.
    async fn unexplained(
        &mut self,
        suspects: Option<&BTreeSet<Trace>>,
    ) -> Result<BTreeSet<Trace>, Fault> {
        let mirror = self.mirror;
        let mut scan = Scan::begin(|found| {
            Box::pin(async move {
                let mut visit = |trace| found.push(trace);
                mirror.traces(&mut visit).await
            })
        });
        let mut all = BTreeSet::new();
        loop {
            let traces = scan.next(BATCH_DOCUMENTS).await?;
            if traces.is_empty() {
                return Ok(all);
            }
            for traces in traces.chunks(BATCH_DOCUMENTS) {
                let began = Instant::now();
                let is_suspect = |trace: &&Trace| suspects.is_none_or(|all| all.contains(*trace));
                let traces: Vec<Trace> = traces.iter().filter(is_suspect).cloned().collect();
                let strays = self.strays_of(&traces).await?;
                if self.doing == Doing::Heal && !strays.is_empty() {
                    patiently!(self.patience, self.mirror.take_out(&strays))?;
                    let shown = strays.iter().filter(|stray| stray.trace.shown).count();
                    self.tally.strays += shown as u64;
                    self.count(Meter::MirrorStrays, shown);
                }
                all.extend(strays.into_iter().map(|stray| stray.trace).filter(|trace| trace.shown));
                self.keep_pace(traces.len(), began).await?;
            }
        }
    }

    /// The documents are loaded after their traces were seen: what a document says then, it said
    /// before it was shown, or has said since.
    async fn strays_of(&mut self, traces: &[Trace]) -> Result<Vec<Stray>, Fault> {
        let keys: BTreeSet<&Key> = traces.iter().map(|trace| &trace.key).collect();
        let keys: Vec<Key> = keys.into_iter().cloned().collect();
        let views = self.load(&keys).await?;
        let views: BTreeMap<&Key, &View> = views.iter().map(|view| (&view.key, view)).collect();
        let strays = traces.iter().filter_map(|trace| {
            let view = views.get(&trace.key);
            let stands = view.map_or(0, |view| view.revision);
            let explained = view.is_some_and(|view| explains(view, trace));
            (!explained).then(|| Stray { trace: trace.clone(), stands })
        });
        Ok(strays.collect())
    }

    /// The documents as they stand; those that do not are left out.
    async fn load(&mut self, keys: &[Key]) -> Result<Vec<View>, Fault> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let loaded = patiently!(self.patience, self.store.load(keys))?;
        let both = keys.iter().zip(&loaded);
        Ok(both.filter_map(|(key, document)| Some(view(key, document.as_ref()?))).collect())
    }

    async fn keep_pace(&mut self, many: usize, began: Instant) -> Result<(), Fault> {
        let many = u32::try_from(many).unwrap_or(u32::MAX);
        let fair = Duration::from_secs(1) * many / self.limit_per_second.max(1);
        if let Some(rest) = fair.checked_sub(began.elapsed()) {
            sleep(rest).await;
        }
        Ok(())
    }

    fn count(&self, meter: Meter, many: usize) {
        self.metrics.add(meter, &[M::NAME], many as u64);
    }
}

impl Difference {
    fn stray(trace: Trace) -> Self {
        Self { key: trace.key, spot: trace.spot, how: How::Stray }
    }
}

/// What stands under a document's own key is compared with it anyway. What only keeps older views
/// away must not keep the document's own away, where it had begun anew.
fn explains(view: &View, trace: &Trace) -> bool {
    if trace.shown {
        trace.spot == Spot::Own || view.spots().contains(&trace.spot)
    } else {
        trace.revision <= view.revision
    }
}

fn by_key(found: &[Difference]) -> BTreeSet<Key> {
    found.iter().map(|found| found.key.clone()).collect()
}

fn millis(pause: Duration) -> u64 {
    u64::try_from(pause.as_millis()).unwrap_or(u64::MAX)
}
