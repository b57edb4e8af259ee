//! Joins: the copies in documents against the documents that they are of, on the left side alone,
//! and the edges by which those who embed are found.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use readmill_core::{Document, Edge, Edges, Key, ReadModel};

use super::trail::settled_to_the_end;
use super::{Finding, Kind, Subject, Undecided, Verification};
use crate::fault::Fault;
use crate::patience::patiently;
use crate::ports::Store;

const PAGE_DOCUMENTS: usize = 256;
/// A join that changes from look to look is looked at so often.
const LOOKS: u32 = 6;
/// So many that differ at first sight are in memory at a time.
const MOST_SUSPECTS: usize = 8_192;

/// A document, and one that it embeds or by its edge says to embed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Join {
    of: Key,
    embedded: Key,
}

/// What is wrong with a join, and at which revisions of its two documents it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wrong {
    subject: Subject,
    kind: Kind,
    of: i64,
    embedded: i64,
}

impl Wrong {
    /// Whether what was seen before, and should have been told since, is still so.
    fn stands(&self, before: &Self) -> bool {
        let same = self.subject == before.subject && self.embedded == before.embedded;
        // Whoever embeds anew is about to have an edge.
        let is_copy = matches!(self.subject, Subject::Copy { .. });
        same && (is_copy || self.of == before.of)
    }
}

impl<M: ReadModel> Verification<'_, M> {
    /// Compares all copies and edges.
    pub(super) async fn edges(&mut self) -> Result<(), Fault> {
        let Some(edges) = self.left.side.edges.clone() else {
            return Err(Fault::defect("joins", &"their edges have no store"));
        };
        self.joins_of_documents(&edges).await?;
        self.joins_of_edges(&edges).await
    }

    async fn joins_of_documents(&mut self, edges: &Arc<dyn Store<Edges>>) -> Result<(), Fault> {
        let (mut after, mut suspects) = (None, BTreeMap::new());
        loop {
            let page = || self.left.store.scan_range("", after.as_ref(), PAGE_DOCUMENTS);
            let page = patiently!(self.patience, page())?;
            let is_last = page.len() < PAGE_DOCUMENTS;
            after = page.last().map(|(key, _)| key.clone());
            let mut joins = BTreeSet::new();
            for (of, document) in &page {
                let embeds = document.state.as_ref().map(M::embeds).unwrap_or_default();
                let join = |embedded| Join { of: of.clone(), embedded };
                joins.extend(embeds.into_iter().map(join));
            }
            self.summary.edges += joins.len() as u64;
            suspects.extend(self.wrong(edges, &joins).await?);
            if is_last || suspects.len() >= MOST_SUSPECTS {
                self.decide_joins(edges, std::mem::take(&mut suspects)).await?;
            }
            if is_last {
                return Ok(());
            }
        }
    }

    /// Edges of documents that do not embed.
    async fn joins_of_edges(&mut self, edges: &Arc<dyn Store<Edges>>) -> Result<(), Fault> {
        let (mut after, mut suspects) = (None, BTreeMap::new());
        loop {
            let page = || edges.scan_range("", after.as_ref(), PAGE_DOCUMENTS);
            let page = patiently!(self.patience, page())?;
            let is_last = page.len() < PAGE_DOCUMENTS;
            after = page.last().map(|(key, _)| key.clone());
            let standing = page.iter().filter(|(_, edge)| edge.state.is_some());
            let joins: BTreeSet<Join> = standing.filter_map(|(key, _)| join_of(key)).collect();
            suspects.extend(self.wrong(edges, &joins).await?);
            if is_last || suspects.len() >= MOST_SUSPECTS {
                // What is wrong with a document that embeds was found with that one.
                suspects.retain(|_, wrong: &mut Wrong| wrong.kind == Kind::Unintended);
                self.decide_joins(edges, std::mem::take(&mut suspects)).await?;
            }
            if is_last {
                return Ok(());
            }
        }
    }

    /// What was about to be told is told once all that was in the log is settled.
    async fn decide_joins(
        &mut self,
        edges: &Arc<dyn Store<Edges>>,
        mut suspects: BTreeMap<Join, Wrong>,
    ) -> Result<(), Fault> {
        for _ in 0..LOOKS {
            if suspects.is_empty() {
                return Ok(());
            }
            if !settled_to_the_end(self.trail, self.rest_limit).await? {
                break;
            }
            let joins: BTreeSet<Join> = suspects.keys().cloned().collect();
            let mut again = self.wrong(edges, &joins).await?;
            again.retain(|join, wrong| {
                let stands = suspects.get(join).is_some_and(|before| wrong.stands(before));
                if stands {
                    let Wrong { subject, kind, .. } = wrong.clone();
                    self.find(&Finding { kind, subject, departures: Vec::new() });
                }
                !stands
            });
            suspects = again;
        }
        for wrong in suspects.values() {
            self.leave_open(&wrong.subject, Undecided::Restless);
        }
        Ok(())
    }

    /// Those of some joins that are not as they should be now.
    async fn wrong(
        &mut self,
        edges: &Arc<dyn Store<Edges>>,
        joins: &BTreeSet<Join>,
    ) -> Result<BTreeMap<Join, Wrong>, Fault> {
        let all: Vec<&Join> = joins.iter().collect();
        let mut found = BTreeMap::new();
        for joins in all.chunks(PAGE_DOCUMENTS) {
            // The embedded ones last: a copy is never newer than what is loaded after it.
            let of = self.load(joins.iter().map(|join| &join.of)).await?;
            let embedded = self.load(joins.iter().map(|join| &join.embedded)).await?;
            let names: Vec<Key> =
                joins.iter().map(|join| Edge::key(&join.embedded, &join.of)).collect();
            let edges = patiently!(self.patience, edges.load(&names))?;
            for (join, edge) in joins.iter().zip(edges) {
                let has_edge = edge.is_some_and(|edge| edge.state.is_some());
                let both = (of.get(&join.of), embedded.get(&join.embedded));
                if let Some(wrong) = self.look_at_join(join, both, has_edge) {
                    found.insert((*join).clone(), wrong);
                }
            }
        }
        Ok(found)
    }

    async fn load<'k>(
        &mut self,
        keys: impl Iterator<Item = &'k Key>,
    ) -> Result<BTreeMap<Key, Document<M>>, Fault> {
        let keys: BTreeSet<Key> = keys.cloned().collect();
        let keys: Vec<Key> = keys.into_iter().collect();
        let found = patiently!(self.patience, self.left.store.load(&keys))?;
        let found = keys.into_iter().zip(found);
        Ok(found.filter_map(|(key, document)| Some((key, document?))).collect())
    }

    fn look_at_join(
        &self,
        join: &Join,
        (of, embedded): (Option<&Document<M>>, Option<&Document<M>>),
        has_edge: bool,
    ) -> Option<Wrong> {
        let Join { of: key, embedded: other } = join;
        // A document that departs itself was found already.
        if self.departed.contains(key) || self.departed.contains(other) {
            return None;
        }
        let revision = |document: &Document<M>| document.stamp.revision;
        let revisions = (of.map_or(0, revision), embedded.map_or(0, revision));
        let wrong = |is_edge: bool, kind| {
            let (of, embedded) = (key.clone(), other.clone());
            let subject = if is_edge {
                Subject::Edge { of, embedded }
            } else {
                Subject::Copy { of, embedded }
            };
            let (of, embedded) = revisions;
            Some(Wrong { subject, kind, of, embedded })
        };
        let state = of.and_then(|of| of.state.as_ref());
        let embeds = state.is_some_and(|state| M::embeds(state).contains(other));
        match (embeds, has_edge) {
            (false, false) => return None,
            (false, true) => return wrong(true, Kind::Unintended),
            (true, false) => return wrong(true, Kind::Missing),
            (true, true) => {}
        }
        let (of, embedded, state) = (of?, embedded?, state?);
        let mut right = state.clone();
        M::embed(&mut right, other, embedded.state.as_ref());
        if right == *state {
            return None;
        }
        let taken_over = of.stamp.embedded.iter().find(|(key, _)| key == other);
        let is_latest = taken_over.is_some_and(|(_, last)| *last >= embedded.stamp.revision);
        wrong(false, if is_latest { Kind::Changed } else { Kind::Stale })
    }
}

/// The two documents of an edge, by its key.
fn join_of(edge: &Key) -> Option<Join> {
    let (length, rest) = edge.as_str().split_once(':')?;
    let length: usize = length.parse().ok()?;
    let embedded = Key::from(rest.get(..length)?);
    let of = Edge::dependent(&embedded, edge)?;
    Some(Join { of, embedded })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documents_of_an_edge_are_read_from_its_key() {
        for (embedded, of) in [("p", "d"), ("p>", "d:1"), ("", ""), ("1:p", ">")] {
            let join = Join { of: Key::from(of), embedded: Key::from(embedded) };
            assert_eq!(join_of(&Edge::key(&join.embedded, &join.of)), Some(join));
        }
        assert_eq!(join_of(&Key::from("9:p>d")), None);
    }
}
