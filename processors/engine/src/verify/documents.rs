//! The documents of both sides, key by key.

use std::collections::BTreeSet;
use std::time::Duration;

use readmill_core::{Document, Key, ReadModel};
use tokio::time::sleep_until;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::pages::{Joined, Pair, Span};
use super::repair::Mend;
use super::suspects::{Judgement, Measure, Suspects, at_sight};
use super::trail::follow;
use super::{Doing, Finding, Kind, Subject, Told, Verification};
use crate::fault::Fault;
use crate::patience::patiently;
use crate::scope::Scope;

/// So many documents that are not decided at sight are in memory at a time.
const MOST_SUSPECTS: usize = 8_192;
/// So many documents are loaded at a time.
const BATCH_DOCUMENTS: usize = 256;
const TOLD_EVERY: u64 = 256;

impl<M: ReadModel> Verification<'_, M> {
    /// Compares the documents in the scope.
    pub(super) async fn documents(&mut self) -> Result<(), Fault> {
        match self.scope.clone() {
            scope @ (Scope::All | Scope::Prefix(_) | Scope::Range { .. }) => {
                self.documents_within(&Span::of(&scope)).await?;
            }
            Scope::Keys(keys) => self.documents_under(keys.into_iter().collect()).await?,
            Scope::Sample { many, seed } => {
                let keys = self.sampled(many, seed).await?;
                self.documents_under(keys).await?;
            }
        }
        self.mend_again().await
    }

    async fn documents_under(&mut self, keys: Vec<Key>) -> Result<(), Fault> {
        let mut suspects = Suspects::along(self.trail);
        for keys in keys.chunks(BATCH_DOCUMENTS) {
            for pair in self.pairs(keys).await? {
                self.look_at(pair, &mut suspects).await?;
            }
        }
        self.decide(&mut suspects).await
    }

    /// What stands under some keys on both sides.
    pub(super) async fn pairs(&mut self, keys: &[Key]) -> Result<Vec<Pair<M>>, Fault> {
        let left = patiently!(self.patience, self.left.store.load(keys))?;
        let right = patiently!(self.patience, self.right.store.load(keys))?;
        let pairs = keys.iter().zip(left.into_iter().zip(right));
        Ok(pairs.map(|(key, (left, right))| Pair { key: key.clone(), left, right }).collect())
    }

    async fn documents_within(&mut self, span: &Span) -> Result<(), Fault> {
        let (left, right) = (self.left, self.right);
        let mut joined = Joined::within(&*left.store, &*right.store, span);
        let mut suspects = Suspects::along(self.trail);
        while let Some(pair) = joined.next(&mut self.patience).await? {
            self.look_at(pair, &mut suspects).await?;
        }
        self.decide(&mut suspects).await
    }

    async fn look_at(&mut self, pair: Pair<M>, suspects: &mut Suspects<M>) -> Result<(), Fault> {
        self.summary.documents += 1;
        self.note_owing(&pair.key, pair.left.as_ref());
        if self.summary.documents.is_multiple_of(TOLD_EVERY) {
            (self.told)(Told::Progress(&self.summary));
            let many = u32::try_from(self.summary.documents).unwrap_or(u32::MAX);
            let fair = Duration::from_secs(1) * many / self.limit_per_second.max(1);
            sleep_until(self.began + fair).await;
        }
        let [left, right] = [&pair.left, &pair.right].map(|side| lives(side.as_ref()));
        self.summary.left += u64::from(left);
        self.summary.right += u64::from(right);
        match at_sight(&pair, self.measure()) {
            Some(Judgement::Equal) => return Ok(()),
            Some(Judgement::Departs(..) | Judgement::Undecided(_)) | None => {
                self.summary.at_sight.note(left, right);
                suspects.suspect(pair);
            }
        }
        if suspects.0.len() >= MOST_SUSPECTS {
            self.decide(suspects).await?;
        }
        Ok(())
    }

    /// Reads the end of the log once more, so that each suspect takes in the same on both sides.
    async fn decide(&mut self, suspects: &mut Suspects<M>) -> Result<(), Fault> {
        if suspects.0.is_empty() {
            return Ok(());
        }
        let log = self.trail.open(self.trail.begins()).await?;
        follow(log, &self.script, &self.patience, suspects).await?;
        for (key, suspect) in std::mem::take(&mut suspects.0) {
            let subject = Subject::Document(key.clone());
            match suspect.judge(self.measure()) {
                Judgement::Equal => self.summary.moved += 1,
                Judgement::Undecided(why) => self.leave_open(&subject, why),
                Judgement::Departs(kind, departures) => {
                    self.find(&Finding { kind, subject, departures });
                    if self.doing == Doing::Repair {
                        self.mend_document(Mend { key, kind, suspect }).await?;
                    }
                }
            }
        }
        (self.told)(Told::Progress(&self.summary));
        Ok(())
    }

    pub(super) fn measure(&self) -> Measure<'_> {
        Measure {
            tolerances: &self.tolerances,
            log_is_whole: self.trail.is_whole(),
            right_was_late: self.right_was_late,
        }
    }

    /// Keys drawn from all of the right side, each with the one that comes next on the left: a key
    /// that is too many there is found by its neighbour.
    async fn sampled(&mut self, many: usize, seed: u64) -> Result<Vec<Key>, Fault> {
        let mut least: BTreeSet<(u64, Key)> = BTreeSet::new();
        let mut choose = |key: Key, _: Document<M>| {
            least.insert((xxh3_64_with_seed(key.as_str().as_bytes(), seed), key));
            if least.len() > many {
                least.pop_last();
            }
        };
        self.right.store.scan(&mut choose).await?;
        let mut keys: BTreeSet<Key> = least.into_iter().map(|(_, key)| key).collect();
        for key in keys.clone() {
            let next = || self.left.store.scan_range("", Some(&key), 1);
            let next = patiently!(self.patience, next())?;
            keys.extend(next.into_iter().map(|(key, _)| key));
        }
        Ok(keys.into_iter().collect())
    }
}

/// Whether a document is there, and has not ended.
fn lives<M: ReadModel>(document: Option<&Document<M>>) -> bool {
    document.is_some_and(|document| document.state.is_some())
}

impl Kind {
    /// Whether the revision of what stands says nothing of the latest that there was.
    pub(super) const fn hides_revisions(self) -> bool {
        matches!(self, Self::Missing | Self::Stale)
    }
}
