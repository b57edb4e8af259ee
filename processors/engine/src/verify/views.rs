//! What a mirror shows, against the documents of the left side.

use std::collections::{BTreeMap, BTreeSet};

use readmill_core::{Key, ReadModel};

use super::trail::settled_to_the_end;
use super::{Finding, Kind, Subject, Told, Undecided, Verification};
use crate::fault::Fault;
use crate::mirror::{Difference, Doing, Heals, How, Pass, Spot, Tally, view};
use crate::patience::patiently;
use crate::ports::View;

/// A view that changes from look to look is looked at so often.
const LOOKS: u32 = 6;
/// More differences than so many are decided as one page after the other.
const PAGE_DOCUMENTS: usize = 256;
const DOCUMENTS_PER_SECOND: u32 = 100_000;

/// What stands in a mirror, and no document explains it.
type Strays = BTreeSet<(Key, Spot)>;

/// What a pass has found.
struct Differing {
    tally: Tally,
    keys: Vec<Key>,
    strays: Strays,
}

impl<M: ReadModel> Verification<'_, M> {
    /// Compares all views. What a worker has yet to show, it has shown once all that was in the log
    /// is settled.
    pub(super) async fn views(&mut self, mirror: &dyn Heals) -> Result<(), Fault> {
        let Differing { tally, keys, strays } = self.pass(mirror).await?;
        self.summary.views += tally.documents;
        (self.told)(Told::Progress(&self.summary));
        for keys in keys.chunks(PAGE_DOCUMENTS) {
            self.decide_views(mirror, keys).await?;
        }
        self.decide_strays(mirror, strays).await
    }

    async fn pass(&mut self, mirror: &dyn Heals) -> Result<Differing, Fault> {
        let metrics = self.patience.metrics();
        let (mut keys, mut strays) = (BTreeSet::new(), BTreeSet::new());
        let mut told = |_: Tally, found: &[Difference]| {
            for Difference { key, spot, how } in found {
                match how {
                    How::Stray => {
                        strays.insert((key.clone(), spot.clone()));
                    }
                    How::Missing | How::Older | How::Other | How::Newer(_) => {
                        keys.insert(key.clone());
                    }
                }
            }
        };
        let mut pass = Pass {
            store: &*self.left.store,
            metrics: &metrics,
            mirror,
            doing: Doing::Check,
            limit_per_second: DOCUMENTS_PER_SECOND,
            patience: self.patience.clone(),
            tally: Tally::default(),
            told: &mut told,
        };
        let tally = pass.run().await?;
        drop(pass);
        Ok(Differing { tally, keys: keys.into_iter().collect(), strays })
    }

    /// What no document explains, and none that has changed since could have left there.
    async fn decide_strays(&mut self, mirror: &dyn Heals, strays: Strays) -> Result<(), Fault> {
        if strays.is_empty() {
            return Ok(());
        }
        let before = self.revisions(&strays).await?;
        let is_settled = settled_to_the_end(self.trail, self.rest_limit).await?;
        let again = self.pass(mirror).await?.strays;
        let after = self.revisions(&strays).await?;
        for (key, spot) in strays.intersection(&again) {
            let subject = Subject::View { key: key.clone(), spot: spot.clone() };
            if !is_settled || before.get(key) != after.get(key) {
                self.leave_open(&subject, Undecided::Restless);
            } else if !self.departed.contains(key) {
                self.find(&Finding { kind: Kind::Unintended, subject, departures: Vec::new() });
            }
        }
        Ok(())
    }

    async fn revisions(&mut self, strays: &Strays) -> Result<BTreeMap<Key, i64>, Fault> {
        let keys: BTreeSet<&Key> = strays.iter().map(|(key, _)| key).collect();
        let keys: Vec<Key> = keys.into_iter().cloned().collect();
        let views = self.views_of(&keys).await?;
        Ok(views.into_iter().map(|view| (view.key, view.revision)).collect())
    }

    async fn decide_views(&mut self, mirror: &dyn Heals, keys: &[Key]) -> Result<(), Fault> {
        let mut keys = keys.to_vec();
        for _ in 0..LOOKS {
            let views = self.views_of(&keys).await?;
            if !settled_to_the_end(self.trail, self.rest_limit).await? {
                break;
            }
            let mut open = Vec::new();
            let mut found: BTreeMap<Key, Vec<Difference>> = BTreeMap::new();
            for difference in patiently!(self.patience, mirror.compare(&views))? {
                found.entry(difference.key.clone()).or_default().push(difference);
            }
            let now = self.views_of(&found.keys().cloned().collect::<Vec<_>>()).await?;
            let now: BTreeMap<&Key, i64> =
                now.iter().map(|view| (&view.key, view.revision)).collect();
            for View { key, revision, .. } in &views {
                let Some(found) = found.remove(key) else { continue };
                if now.get(key) == Some(revision) {
                    self.find_views(found);
                } else {
                    open.push(key.clone());
                }
            }
            keys = open;
            if keys.is_empty() {
                return Ok(());
            }
        }
        for key in keys {
            let subject = Subject::View { key, spot: Spot::Own };
            self.leave_open(&subject, Undecided::Restless);
        }
        Ok(())
    }

    fn find_views(&mut self, found: Vec<Difference>) {
        for Difference { key, spot, how } in found {
            let kind = match how {
                How::Missing => Kind::Missing,
                How::Older => Kind::Stale,
                How::Other | How::Newer(_) => Kind::Changed,
                How::Stray => Kind::Unintended,
            };
            // Of a document that was restored, or is missing, the mirror may know more.
            if !self.departed.contains(&key) {
                let subject = Subject::View { key, spot };
                self.find(&Finding { kind, subject, departures: Vec::new() });
            }
        }
    }

    /// Documents as they are to be shown.
    async fn views_of(&mut self, keys: &[Key]) -> Result<Vec<View>, Fault> {
        let found = patiently!(self.patience, self.left.store.load(keys))?;
        let both = keys.iter().zip(&found);
        Ok(both.filter_map(|(key, document)| Some(view(key, document.as_ref()?))).collect())
    }
}
