//! Mending: the right document over the wrong one, by compare-and-set.

use std::collections::BTreeSet;

use readmill_core::{Document, Key, Offset, Output, Partition, Position, ReadModel, What};

use super::suspects::{Judgement, Suspect, Suspects};
use super::trail::follow;
use super::{Kind, Subject, Verification};
use crate::fault::Fault;
use crate::patience::patiently;
use crate::ports::{Put, Write};

/// What was lost with a document may have had any revision: the mended one is so far above what is
/// known that none of them reaches it. Mirrors, partial groups and late workers yield to it.
const BEYOND_WHAT_WAS_LOST: i64 = 1 << 32;

/// A document to be mended.
#[derive(Debug)]
pub struct Mend<M: ReadModel> {
    /// Its key.
    pub key: Key,
    /// What is wrong with it.
    pub kind: Kind,
    /// What stands, and what would be right.
    pub suspect: Suspect<M>,
}

/// What mending has yet to do.
#[derive(Debug, Clone, Default)]
pub struct Mends {
    /// Documents that were to be mended, and that another writer changed first.
    pub(super) overtaken: BTreeSet<Key>,
    /// Documents that were mended, and have yet to tell others of it.
    pub(super) owing: BTreeSet<Key>,
}

/// A document that another writer changes first is looked at again so often.
const ROUNDS: usize = 8;
/// To which partition's records it is owed what a mended document tells others. No topic has this
/// name.
const PARTITION: &str = "mended:";

impl<M: ReadModel> Verification<'_, M> {
    /// Writes the right document, if what was judged still stands. It has taken in what the wrong
    /// one has, and what was settled before the trail begins, and nothing else: so whatever follows
    /// from it was told, or is told by what the wrong one still owes. Only those whom it embeds and
    /// who embed it know the wrong one: that it tells them is owed by it from this write on.
    pub(super) async fn mend_document(&mut self, mend: Mend<M>) -> Result<(), Fault> {
        let Some(document) = self.mended_document(&mend).await? else {
            self.mended(&Subject::Document(mend.key), false);
            return Ok(());
        };
        // What was folded here may tell of somebody who was forgotten since.
        if self.trail.has_forgotten_since(&self.script.forgotten).await? {
            return Err(forgot_meanwhile());
        }
        let (key, expected) = (&mend.key, mend.suspect.loaded);
        let writes = [Write { key, expected, document: &document }];
        let put = patiently!(self.patience, self.left.store.put(&writes))?;
        if put.first() != Some(&Put::Done) {
            self.mends.overtaken.insert(mend.key);
            return Ok(());
        }
        if owes(&document) {
            self.mends.owing.insert(mend.key.clone());
        }
        self.mended(&Subject::Document(mend.key), true);
        Ok(())
    }

    /// Judges those anew that others have changed before they could be mended, and mends them as
    /// they stand by then.
    pub(super) async fn mend_again(&mut self) -> Result<(), Fault> {
        for _ in 0..ROUNDS {
            let keys: Vec<Key> = std::mem::take(&mut self.mends.overtaken).into_iter().collect();
            if keys.is_empty() {
                return Ok(());
            }
            let mut suspects = Suspects::along(self.trail);
            self.pairs(&keys).await?.into_iter().for_each(|pair| suspects.suspect(pair));
            let log = self.trail.open(self.trail.begins()).await?;
            follow(log, &self.script, &self.patience, &mut suspects).await?;
            for (key, suspect) in suspects.0 {
                match suspect.judge(self.measure()) {
                    // Its worker has put it right.
                    Judgement::Equal => self.mended(&Subject::Document(key), true),
                    Judgement::Undecided(_) => self.mended(&Subject::Document(key), false),
                    Judgement::Departs(kind, _) => {
                        self.mend_document(Mend { key, kind, suspect }).await?;
                    }
                }
            }
        }
        for key in std::mem::take(&mut self.mends.overtaken) {
            self.mended(&Subject::Document(key), false);
        }
        Ok(())
    }

    /// The right document; none where nobody can tell it here.
    async fn mended_document(&mut self, mend: &Mend<M>) -> Result<Option<Document<M>>, Fault> {
        let Mend { kind, suspect: Suspect { left, right, loaded, .. }, .. } = mend;
        if !self.right_stands {
            return Ok(None);
        }
        let mut document = right.clone();
        let above = if kind.hides_revisions() { BEYOND_WHAT_WAS_LOST } else { 1 };
        document.stamp.revision = right.stamp.revision.max(*loaded) + above;
        document.stamp.unsent.clone_from(&left.stamp.unsent);
        if !M::EMBEDS {
            return Ok(Some(document));
        }
        let tells = tells(left, &document);
        if !tells.is_empty() && self.following.is_none() {
            return Ok(None);
        }
        self.embed_what_stands(&mut document).await?;
        let revision = document.stamp.revision;
        let from = Position { partition: Partition::new(PARTITION, 0), offset: Offset(0) };
        let owed = (0..).zip(tells).map(|(n, what)| {
            let from = from.clone();
            Output { revision, n, from, what }
        });
        document.stamp.unsent.extend(owed);
        Ok(Some(document))
    }

    /// Lets a document take over what stands in those that it embeds. What changes there later, it
    /// is told: it is registered with them, or is to register and to look again.
    async fn embed_what_stands(&mut self, document: &mut Document<M>) -> Result<(), Fault> {
        let keys = embeds(document);
        let found = patiently!(self.patience, self.left.store.load(&keys))?;
        document.stamp.embedded.clear();
        for (key, of) in keys.into_iter().zip(found) {
            let of = of.unwrap_or_default();
            if let Some(state) = &mut document.state {
                M::embed(state, &key, of.state.as_ref());
            }
            document.stamp.embedded.push((key, of.stamp.revision));
        }
        Ok(())
    }
}

/// Why nothing more is mended.
pub fn forgot_meanwhile() -> Fault {
    Fault::Refused {
        service: "readmill",
        detail: "somebody was forgotten meanwhile, of whom the fold aside still knows".to_owned(),
        hint: "give the command again, and then `readmill forget` for the same person",
    }
}

fn embeds<M: ReadModel>(document: &Document<M>) -> Vec<Key> {
    let mut keys = document.state.as_ref().map(M::embeds).unwrap_or_default();
    keys.sort();
    keys
}

/// What those are to be told whom the right document embeds, or the wrong one has embedded, and
/// those who embed it.
fn tells<M: ReadModel>(wrong: &Document<M>, right: &Document<M>) -> Vec<What> {
    let (before, after) = (embeds(wrong), embeds(right));
    let leaves = before.iter().filter(|key| !after.contains(key)).cloned().map(What::Leaves);
    let joins = after.iter().filter(|key| !before.contains(key)).cloned().map(What::Embeds);
    let is_embedded = |document: &Document<M>| document.state.as_ref().is_some_and(M::is_embedded);
    let changed = (is_embedded(wrong) || is_embedded(right)).then_some(What::Changed);
    leaves.chain(joins).chain(changed).collect()
}

/// Whether others are still to be told that a document was mended.
pub fn owes<M: ReadModel>(document: &Document<M>) -> bool {
    document.stamp.unsent.iter().any(is_owed)
}

/// Whether something that a document is to tell follows from its being mended.
pub fn is_owed(output: &Output) -> bool {
    &*output.from.partition.topic == PARTITION
}
