//! Mending: the right document over the wrong one, by compare-and-set.

use readmill_core::{Document, Key, ReadModel};

use super::suspects::Suspect;
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

impl<M: ReadModel> Verification<'_, M> {
    /// Writes the right document, if what was judged still stands. It has taken in what the wrong
    /// one has, and what was settled before the trail begins, and nothing else: so whatever follows
    /// from it was told, or is told by what the wrong one still owes.
    pub(super) async fn mend_document(&mut self, mend: Mend<M>) -> Result<(), Fault> {
        let subject = Subject::Document(mend.key.clone());
        let done = match self.mended_document(&mend).await? {
            None => false,
            Some(document) => {
                let (key, expected) = (&mend.key, mend.suspect.loaded);
                let writes = [Write { key, expected, document: &document }];
                let put = patiently!(self.patience, self.left.store.put(&writes))?;
                put.first() == Some(&Put::Done)
            }
        };
        self.mended(&subject, done);
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
        let embeds = |document: &Document<M>| {
            let mut keys = document.state.as_ref().map(M::embeds).unwrap_or_default();
            keys.sort();
            keys
        };
        // Edges stand for what the wrong one embeds: others would be told of by nobody.
        let keys = embeds(&document);
        if keys != embeds(left) {
            return Ok(None);
        }
        let found = patiently!(self.patience, self.left.store.load(&keys))?;
        document.stamp.embedded.clear();
        for (key, of) in keys.into_iter().zip(found) {
            let of = of.unwrap_or_default();
            if let Some(state) = &mut document.state {
                M::embed(state, &key, of.state.as_ref());
            }
            document.stamp.embedded.push((key, of.stamp.revision));
        }
        Ok(Some(document))
    }
}
