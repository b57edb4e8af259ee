//! What follows from documents that were mended: those are told whom they embed and who embed them,
//! and a mirror shows them as they stand.

use readmill_core::{Document, Key, ReadModel};

use super::pages::{Pages, Span};
use super::repair::{forgot_meanwhile, is_owed, owes};
use super::{Doing, Scope, Verification};
use crate::fault::Fault;
use crate::mirror::{self, Pass, Tally};
use crate::patience::{Patience, patiently};
use crate::ports::{Ports, Put, Write};
use crate::tell::{Teller, tell_all};

/// So many documents are dealt with at a time.
const PAGE_DOCUMENTS: usize = 256;
/// A document that others write all the while is looked at again so often.
const MOST_ROUNDS: usize = 20;
const PAUSE_BETWEEN_ROUNDS_MS: u64 = 50;
/// So many views are looked at in a second.
const VIEWS_PER_SECOND: u32 = 100_000;

/// By whom it is told.
#[derive(Debug)]
pub struct Following<'p, M: ReadModel> {
    ports: &'p Ports<M>,
    teller: Teller,
}

impl<'p, M: ReadModel> Following<'p, M> {
    /// Through these ports, which are those of the documents that are mended.
    pub fn of(ports: &'p Ports<M>, patience: Patience) -> Self {
        Self { ports, teller: Teller::new(patience) }
    }
}

impl<M: ReadModel> Verification<'_, M> {
    /// Notes a document that was mended before, by somebody who died before others were told.
    pub(super) fn note_owing(&mut self, key: &Key, document: Option<&Document<M>>) {
        if self.doing == Doing::Repair && document.is_some_and(owes) {
            self.mends.owing.insert(key.clone());
        }
    }

    /// Tells others of what was mended, and lets a mirror show what is in the scope. Done again, it
    /// does nothing.
    pub(super) async fn tell_of_mended(&mut self) -> Result<(), Fault> {
        let Some(mut following) = self.following.take() else { return Ok(()) };
        let keys: Vec<Key> = std::mem::take(&mut self.mends.owing).into_iter().collect();
        for keys in keys.chunks(PAGE_DOCUMENTS) {
            self.tell(&mut following, keys).await?;
        }
        if self.doing == Doing::Repair
            && self.trail.has_forgotten_since(&self.script.forgotten).await?
        {
            return Err(forgot_meanwhile());
        }
        if self.doing == Doing::Repair && self.scope != Scope::All {
            self.show(following.ports).await?;
        }
        self.following = Some(following);
        Ok(())
    }

    /// What was told need not be kept: it is forgotten by a write of its own, since no record will
    /// ever settle it.
    async fn tell(&mut self, following: &mut Following<'_, M>, keys: &[Key]) -> Result<(), Fault> {
        let mut open = keys.to_vec();
        for _ in 0..MOST_ROUNDS {
            let found = patiently!(self.patience, self.left.store.load(&open))?;
            let mut next = Vec::new();
            for (key, document) in open.into_iter().zip(found) {
                let Some(mut document) = document.filter(owes) else { continue };
                let Following { ports, teller } = following;
                tell_all(teller, ports, (&key, &document), is_owed).await?;
                let expected = document.stamp.revision;
                document.stamp.unsent.retain(|output| !is_owed(output));
                document.stamp.revision += 1;
                let writes = [Write { key: &key, expected, document: &document }];
                let put = patiently!(self.patience, self.left.store.put(&writes))?;
                if put.first() != Some(&Put::Done) {
                    next.push(key);
                }
            }
            if next.is_empty() {
                return Ok(());
            }
            open = next;
            self.patience.pause(PAUSE_BETWEEN_ROUNDS_MS).await?;
        }
        tracing::warn!(model = M::NAME, "what was told of mended documents is told again later");
        Ok(())
    }

    /// Lets a mirror show the documents in the scope, where it differs.
    async fn show(&mut self, ports: &Ports<M>) -> Result<(), Fault> {
        let Some(tended) = ports.mirror.as_ref().and_then(|mirror| mirror.tended()) else {
            return Ok(());
        };
        let mut told = |_: Tally, _: &[mirror::Difference]| {};
        let mut pass = Pass {
            store: &*self.left.store,
            metrics: &ports.metrics,
            mirror: tended.mirror(),
            doing: mirror::Doing::Heal,
            limit_per_second: VIEWS_PER_SECOND,
            patience: self.patience.clone(),
            tally: Tally::default(),
            told: &mut told,
        };
        let span = match &self.scope {
            Scope::All | Scope::Sample { .. } => return Ok(()),
            Scope::Keys(keys) => {
                let keys: Vec<Key> = keys.iter().cloned().collect();
                self.summary.views += pass.those(&keys).await?.documents;
                return Ok(());
            }
            Scope::Prefix(_) | Scope::Range { .. } => Span::of(&self.scope),
        };
        let mut pages = Pages::new(&*self.left.store, span);
        loop {
            let keys = pages.keys(&mut self.patience).await?;
            if keys.is_empty() {
                self.summary.views += pass.tally.documents;
                return Ok(());
            }
            pass.those(&keys).await?;
        }
    }
}
