//! What the end of the log adds to groups: its records folded into the documents of the right side,
//! in memory, for the differences that follow.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use async_trait::async_trait;
use readmill_core::rollup::{Difference, PartialName};
use readmill_core::{Document, Key, Output, Partition, Position, ReadModel, ResumeAt, Sent, What};

use super::groups::Suspects;
use super::trail::{Follows, Places};
use crate::fault::Fault;
use crate::patience::{Patience, patiently};
use crate::ports::Store;
use crate::route::{Part, Queues};
use crate::work::{Moment, take};

/// So many documents are in memory; with more nothing can be told.
const MOST_DOCUMENTS: usize = 100_000;

/// A document of the right side on its way to the end of the log.
#[derive(Debug)]
struct Tidal<M: ReadModel> {
    document: Document<M>,
    /// Where its records come from, as long as it is known that all come from there.
    comes_from: Option<Option<Partition>>,
    /// The groups that it has added to.
    touched: BTreeSet<String>,
    /// Whether a record of it may be in work.
    in_work: bool,
}

/// What the end of the log adds.
#[derive(Debug)]
pub struct Tide<'s, M: ReadModel> {
    store: Arc<dyn Store<M>>,
    patience: Patience,
    suspects: Suspects,
    settled: &'s Places,
    documents: BTreeMap<Key, Tidal<M>>,
    has_records: bool,
    is_full: bool,
}

impl<'s, M: ReadModel> Tide<'s, M> {
    /// Onto the documents in `store`. What was settled before the suspects were looked at is in
    /// them.
    pub fn new(
        store: Arc<dyn Store<M>>,
        patience: Patience,
        suspects: Suspects,
        settled: &'s Places,
    ) -> Self {
        let (documents, has_records) = (BTreeMap::new(), false);
        Self { store, patience, suspects, settled, documents, has_records, is_full: false }
    }

    /// The groups, with what must be in them.
    pub fn into_suspects(mut self) -> Suspects {
        let all = self.is_full || (M::EMBEDS && self.has_records);
        for tidal in self.documents.values() {
            let is_open = tidal.in_work && tidal.comes_from.is_none();
            for prefix in tidal.touched.iter().filter(|_| is_open) {
                if let Some(suspect) = self.suspects.get_mut(prefix) {
                    suspect.is_unclear = true;
                }
            }
        }
        self.suspects.values_mut().for_each(|suspect| suspect.is_unclear |= all);
        self.suspects
    }

    async fn load(&mut self, queues: &Queues<M>) -> Result<(), Fault> {
        let is_new = |key: &&Key| !self.documents.contains_key(*key);
        let keys: Vec<Key> = queues.keys().filter(is_new).cloned().collect();
        if self.documents.len() + keys.len() > MOST_DOCUMENTS {
            self.is_full = true;
            return Ok(());
        }
        let found = patiently!(self.patience, self.store.load(&keys))?;
        for (key, document) in keys.into_iter().zip(found) {
            let document = document.unwrap_or_default();
            // What has waited may have come from anywhere.
            let comes_from = document.stamp.waiting.is_empty().then_some(None);
            let tidal = Tidal { document, comes_from, touched: BTreeSet::new(), in_work: false };
            self.documents.insert(key, tidal);
        }
        Ok(())
    }

    fn fold(&mut self, key: &Key, part: &Part<M>) {
        let Some(tidal) = self.documents.get_mut(key) else { return };
        let before = tidal.document.stamp.revision;
        take(&mut tidal.document, part, Moment { sent: Sent::EVERYTHING, now_ms: 0 });
        let Position { partition, offset } = &part.from;
        tidal.comes_from = tidal.comes_from.take().and_then(|known| {
            let same = known.is_none_or(|known| known == *partition);
            let alone =
                same && has_its_own(key, part) && is_of_one_topic(&tidal.document, partition);
            alone.then(|| Some(partition.clone()))
        });
        let settled = self.settled.get(partition).copied().unwrap_or(ResumeAt::START);
        tidal.in_work |= !settled.covers(*offset);
        let is_new = |output: &&Output| output.revision > before;
        for output in tidal.document.stamp.unsent.iter().filter(is_new) {
            if let What::Difference(difference) = &output.what {
                let prefix = add(&mut self.suspects, self.settled, key, (output, difference));
                tidal.touched.extend(prefix);
            }
        }
    }
}

/// Whether the record's own key has the document's in it: then all records of the document have the
/// same key, and come in the same partition of their topic.
fn has_its_own<M: ReadModel>(key: &Key, part: &Part<M>) -> bool {
    let Some(record_key) = &part.record.key else { return false };
    contains(record_key, key.as_str().as_bytes())
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    !part.is_empty() && text.windows(part.len()).any(|window| window == part)
}

/// Whether all lines of a document are those of one topic.
fn is_of_one_topic<M: ReadModel>(document: &Document<M>, partition: &Partition) -> bool {
    document.stamp.marks.iter().all(|(line, _)| {
        let topic = line.split_once(':').map_or("", |(_, topic)| topic);
        let rest = topic.strip_prefix(&*partition.topic);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '/']))
    })
}

/// Adds a difference where the partial group says that it was added. Answers its group, if it is
/// suspected.
fn add(
    suspects: &mut Suspects,
    settled: &Places,
    key: &Key,
    (output, difference): (&Output, &Difference),
) -> Option<String> {
    let (what, Position { partition, offset }) = (&difference.what, &output.from);
    let prefix = PartialName::of_group(&what.rollup, &what.group);
    let suspect = suspects.get_mut(&prefix)?;
    let beside = suspect.beside();
    let name = PartialName::key(&what.rollup, &what.group, partition, key);
    let part = suspect.parts.entry(name).or_default();
    let settled = settled.get(partition).is_some_and(|settled| settled.covers(*offset));
    let left = part.left.as_ref().and_then(|left| left.state.as_ref());
    if settled || left.is_some_and(|partial| partial.has_added(key, *offset)) {
        part.expected.add(difference, beside);
    }
    Some(prefix)
}

#[async_trait]
impl<M: ReadModel> Follows<M> for Tide<'_, M> {
    async fn take(&mut self, queues: Queues<M>) -> Result<(), Fault> {
        self.has_records |= !queues.is_empty();
        if self.is_full || M::EMBEDS {
            return Ok(());
        }
        self.load(&queues).await?;
        for (key, parts) in &queues {
            parts.iter().for_each(|part| self.fold(key, part));
        }
        Ok(())
    }
}
