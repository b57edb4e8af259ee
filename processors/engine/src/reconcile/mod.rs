//! Reconciling: the documents of a model compared with what another system says of the same keys,
//! and a difference that is only lag told from an error.
//!
//! A document is loaded first, and its origin is asked afterwards. Then it is waited until all that
//! the origin had committed by then is in the log, and until the model has settled that. If the
//! document stands as it was loaded, none of its changes was on the way: it had folded all that
//! the origin said, and must say the same. If it has moved on, both are looked at anew.

mod measure;
mod origin;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use readmill_core::{Document, Key, Marks, ReadModel, SourcePosition};
use serde_json::Value;
use tokio::time::{Instant, sleep, sleep_until};

use crate::fault::Fault;
use crate::patience::{Patience, patiently};
use crate::ports::Store;
use crate::verify::{
    Departure, Finding, Kind, Subject, Summary, Told as Report, Tolerances, Trail, Undecided,
    settled_to_the_end,
};

pub use measure::{Measure, Pairing};
pub use origin::{Corrections, Origin, Place, Told, Wrong};

/// So many documents are loaded at a time.
const PAGE_DOCUMENTS: usize = 500;
/// So many that differ at sight are looked at together.
const MOST_SUSPECTS: usize = 4_096;
/// What moves on is looked at anew so often.
const ROUNDS: u32 = 5;
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Documents on their way to be compared with their origin.
pub struct Reconciliation<'r, M: ReadModel> {
    /// The documents.
    pub store: Arc<dyn Store<M>>,
    /// What is right.
    pub origin: &'r mut dyn Origin,
    /// The log that leads from one to the other.
    pub trail: &'r dyn Trail,
    /// What is compared.
    pub measure: Measure,
    /// What may differ.
    pub tolerances: Tolerances,
    /// Whether documents that the origin knows nothing of are right.
    pub one_way: bool,
    /// Who puts things right, if somebody is to.
    pub corrections: Option<&'r mut dyn Corrections>,
    /// How it waits for services.
    pub patience: Patience,
    /// Where the origin cannot tell what is in the log: both must have rested for so long.
    pub rest: Duration,
    /// It waits so long for the log, and for the model.
    pub rest_limit: Duration,
    /// At most so many documents are compared in a second.
    pub limit_per_second: u32,
    /// Since when.
    pub began: Instant,
    /// What it has come to.
    pub summary: Summary,
    /// Whom it tells.
    pub told: &'r mut (dyn FnMut(Report<'_>) + Send),
}

/// What stands under a key on both sides.
struct Pair<M: ReadModel> {
    key: Key,
    document: Document<M>,
    told: Option<Value>,
}

impl<M: ReadModel> fmt::Debug for Reconciliation<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reconciliation").field("summary", &self.summary).finish_non_exhaustive()
    }
}

impl<M: ReadModel> Reconciliation<'_, M> {
    /// Compares everything, in both directions.
    ///
    /// # Errors
    /// A fault that does not pass.
    pub async fn run(&mut self) -> Result<(), Fault> {
        let mut suspects = Vec::new();
        self.what_the_origin_says(&mut suspects).await?;
        if !self.one_way {
            for prefix in self.origin.prefixes() {
                self.what_it_does_not_say(&prefix, &mut suspects).await?;
            }
        }
        self.decide(suspects).await?;
        (self.told)(Report::Progress(&self.summary));
        Ok(())
    }

    async fn what_the_origin_says(&mut self, suspects: &mut Vec<Key>) -> Result<(), Fault> {
        loop {
            let page = patiently!(self.patience, self.origin.page())?;
            if page.is_empty() {
                return Ok(());
            }
            let keys: Vec<Key> = page.iter().map(|told| told.key.clone()).collect();
            let found = patiently!(self.patience, self.store.load(&keys))?;
            for (Told { key, fields }, document) in page.into_iter().zip(found) {
                let pair = Pair { key, document: document.unwrap_or_default(), told: Some(fields) };
                self.look_at(pair, suspects);
            }
            self.pace(suspects).await?;
        }
    }

    /// The documents that live here, and of which the origin knows nothing.
    async fn what_it_does_not_say(
        &mut self,
        prefix: &str,
        suspects: &mut Vec<Key>,
    ) -> Result<(), Fault> {
        let mut after: Option<Key> = None;
        loop {
            let read = || self.store.scan_range(prefix, after.as_ref(), PAGE_DOCUMENTS);
            let page = patiently!(self.patience, read())?;
            let is_last = page.len() < PAGE_DOCUMENTS;
            after = page.last().map(|(key, _)| key.clone());
            let mut living: BTreeMap<Key, Document<M>> =
                page.into_iter().filter(|(_, document)| document.state.is_some()).collect();
            let keys: Vec<Key> = living.keys().cloned().collect();
            let said = patiently!(self.patience, self.origin.look(&keys))?;
            living.retain(|key, _| !said.contains_key(key));
            for (key, document) in living {
                self.look_at(Pair { key, document, told: None }, suspects);
            }
            self.pace(suspects).await?;
            if is_last {
                return Ok(());
            }
        }
    }

    fn look_at(&mut self, pair: Pair<M>, suspects: &mut Vec<Key>) {
        self.summary.documents += 1;
        if self.judge(&pair).is_some() {
            suspects.push(pair.key);
        }
    }

    async fn pace(&mut self, suspects: &mut Vec<Key>) -> Result<(), Fault> {
        (self.told)(Report::Progress(&self.summary));
        let many = u32::try_from(self.summary.documents).unwrap_or(u32::MAX);
        let fair = Duration::from_secs(1) * many / self.limit_per_second.max(1);
        sleep_until(self.began + fair).await;
        if suspects.len() >= MOST_SUSPECTS {
            self.decide(std::mem::take(suspects)).await?;
        }
        Ok(())
    }

    /// Looks at what differed at sight, until it is equal, or cannot be on the way.
    async fn decide(&mut self, mut keys: Vec<Key>) -> Result<(), Fault> {
        // One may have differed in both directions.
        keys.sort();
        keys.dedup();
        let mut wrong = Vec::new();
        for _ in 0..ROUNDS {
            let before = self.both(&keys).await?;
            let (pairs, equal): (Vec<_>, Vec<_>) =
                before.into_iter().partition(|pair| self.judge(pair).is_some());
            self.summary.moved += u64::try_from(equal.len()).unwrap_or(u64::MAX);
            keys = pairs.iter().map(|pair| pair.key.clone()).collect();
            if keys.is_empty() {
                break;
            }
            let Some(is_told) = self.let_come().await? else {
                self.leave_open(&std::mem::take(&mut keys), Undecided::Behind);
                break;
            };
            let after = self.again(&keys, is_told).await?;
            keys.clear();
            for (pair, after) in pairs.into_iter().zip(after) {
                let rests = pair.document.stamp.revision == after.document.stamp.revision
                    && (is_told || pair.told == after.told);
                if !rests {
                    keys.push(pair.key);
                } else if !pair.document.stamp.held.is_empty() {
                    self.leave_open(&[pair.key], Undecided::Held);
                } else {
                    wrong.extend(self.find(pair));
                }
            }
        }
        self.leave_open(&keys, Undecided::Restless);
        (self.told)(Report::Progress(&self.summary));
        self.put_right(wrong).await
    }

    /// The documents first, and then what the origin says of them.
    async fn both(&mut self, keys: &[Key]) -> Result<Vec<Pair<M>>, Fault> {
        self.again(keys, false).await
    }

    async fn again(&mut self, keys: &[Key], here_alone: bool) -> Result<Vec<Pair<M>>, Fault> {
        let mut pairs = Vec::new();
        for keys in keys.chunks(PAGE_DOCUMENTS) {
            let found = patiently!(self.patience, self.store.load(keys))?;
            let mut said = BTreeMap::new();
            if !here_alone {
                said = patiently!(self.patience, self.origin.look(keys))?;
            }
            pairs.extend(keys.iter().zip(found).map(|(key, document)| Pair {
                told: said.remove(key),
                document: document.unwrap_or_default(),
                key: key.clone(),
            }));
        }
        Ok(pairs)
    }

    /// Waits until the model has folded what the origin had said by now. Answers whether the
    /// origin could tell; nothing if it was not in time.
    async fn let_come(&mut self) -> Result<Option<bool>, Fault> {
        let until = Instant::now() + self.rest_limit;
        let place = patiently!(self.patience, self.origin.place())?;
        match &place {
            Some(place) => {
                while !patiently!(self.patience, self.origin.has_published(place))? {
                    if Instant::now() >= until {
                        return Ok(None);
                    }
                    sleep(LOOK_EVERY).await;
                }
            }
            None => sleep(self.rest).await,
        }
        let left = until.saturating_duration_since(Instant::now());
        let settled = settled_to_the_end(self.trail, left).await?;
        Ok(settled.then_some(place.is_some()))
    }

    fn judge(&self, pair: &Pair<M>) -> Option<(Kind, Vec<Departure>)> {
        let (state, told) = (pair.document.state.as_ref(), pair.told.as_ref());
        self.measure.judge::<M>(&self.tolerances, state, told)
    }

    fn find(&mut self, pair: Pair<M>) -> Option<Key> {
        let (kind, departures) = self.judge(&pair)?;
        let subject = Subject::Document(pair.key.clone());
        *self.summary.found.entry((subject.sort(), kind)).or_default() += 1;
        (self.told)(Report::Found(&Finding { kind, subject, departures }));
        Some(pair.key)
    }

    fn leave_open(&mut self, keys: &[Key], why: Undecided) {
        for key in keys {
            let subject = Subject::Document(key.clone());
            *self.summary.undecided.entry((subject.sort(), why)).or_default() += 1;
            (self.told)(Report::Open(&subject, why));
        }
    }

    /// Has documents corrected, and looks at them until they are right, or the time is up.
    async fn put_right(&mut self, wrong: Vec<Key>) -> Result<(), Fault> {
        let Some(corrections) = &self.corrections else { return Ok(()) };
        let (mut wrong, not): (Vec<Key>, Vec<Key>) =
            wrong.into_iter().partition(|key| corrections.can(key));
        not.iter().for_each(|key| self.mended(key, false));
        let until = Instant::now() + self.rest_limit;
        let mut sent: Option<SourcePosition> = None;
        while !wrong.is_empty() && Instant::now() < until {
            // Before the rows are read: no change beyond this place may be replaced by them.
            let Some(stood) = patiently!(self.patience, self.origin.stands())? else { break };
            let (pairs, right): (Vec<_>, Vec<_>) =
                self.both(&wrong).await?.into_iter().partition(|pair| self.judge(pair).is_some());
            right.iter().for_each(|pair| self.mended(&pair.key, true));
            wrong = pairs.iter().map(|pair| pair.key.clone()).collect();
            // From the same place nothing could be said that was not said.
            if sent.replace(stood) != Some(stood) {
                let corrections: Vec<Wrong> =
                    pairs.into_iter().filter_map(|pair| correction(pair, stood)).collect();
                self.send(&corrections).await?;
            }
            let left = until.saturating_duration_since(Instant::now());
            settled_to_the_end(self.trail, left).await?;
            sleep(LOOK_EVERY).await;
        }
        wrong.iter().for_each(|key| self.mended(key, false));
        Ok(())
    }

    async fn send(&mut self, wrong: &[Wrong]) -> Result<(), Fault> {
        match &mut self.corrections {
            Some(corrections) if !wrong.is_empty() => corrections.send(wrong).await,
            Some(_) | None => Ok(()),
        }
    }

    fn mended(&mut self, key: &Key, done: bool) {
        let count = if done { &mut self.summary.mended } else { &mut self.summary.not_mended };
        *count += 1;
        (self.told)(Report::Mended(&Subject::Document(key.clone()), done));
    }
}

/// What makes a document right; nothing as long as it has folded a change that the origin may not
/// have had when it was asked.
fn correction<M: ReadModel>(pair: Pair<M>, stood: SourcePosition) -> Option<Wrong> {
    let Pair { key, document, told: fields } = pair;
    let known: Vec<SourcePosition> =
        document.stamp.marks.iter().flat_map(|(_, marks)| positions(marks)).collect();
    let is_in_it = |known: &SourcePosition| known.is_in_snapshot(&stood) == Some(true);
    if fields.is_some() && !known.iter().all(is_in_it) {
        return None;
    }
    let later = |a: SourcePosition, b: SourcePosition| {
        if a.partial_cmp(&b).is_some_and(std::cmp::Ordering::is_lt) { b } else { a }
    };
    Some(Wrong { key, fields, last: known.into_iter().reduce(later), stood })
}

fn positions(marks: &Marks) -> Vec<SourcePosition> {
    match marks {
        Marks::Events { forgotten, recent } => {
            recent.iter().filter_map(|(position, _)| *position).chain(*forgotten).collect()
        }
        Marks::Version(_) | Marks::Log(_) => Vec::new(),
    }
}
