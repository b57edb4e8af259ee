//! What follows from a change of a document: reactions, differences in roll-ups, and what it and
//! those that embed it must learn.

use super::{Document, Taken};
use crate::guard::{Guard, stands};
use crate::model::{Folded, Key, ReadModel};
use crate::outcome::Outcome;
use crate::position::Position;
use crate::rollup::{Contribution, Difference, differences};
use crate::stamp::{Output, Sent, What};

impl<M: ReadModel> Document<M> {
    /// Puts another state in place, and notes in the stamp what follows from that. It is owed to
    /// the record at `from`.
    pub(super) fn become_of(
        &mut self,
        from: &Position,
        make: impl FnOnce(Option<M::State>) -> Folded<M::State>,
    ) {
        let before = self.contributions();
        let mut is_embedded = self.is_embedded();
        let Folded { state, says, adds } = make(self.state.take());
        self.stamp.gone = state.is_none();
        self.state = state;
        is_embedded |= self.is_embedded();
        let mut follows: Vec<What> = says.into_iter().map(What::Reaction).collect();
        follows.extend(adds.into_iter().map(Difference::added).map(What::Difference));
        let differences = differences(before, self.contributions());
        follows.extend(differences.into_iter().map(What::Difference));
        follows.extend(self.follow_embeds());
        if is_embedded {
            self.forget_earlier_change(from);
            follows.push(What::Changed);
        }
        let revision = self.stamp.revision;
        let first = self.stamp.unsent.iter().filter(|output| output.revision == revision).count();
        let first = u32::try_from(first).unwrap_or(u32::MAX);
        self.stamp.unsent.extend((first..).zip(follows).map(|(n, what)| Output {
            revision,
            n,
            from: from.clone(),
            what,
        }));
    }

    fn contributions(&self) -> Vec<Contribution> {
        let state = self.state.as_ref().filter(|_| !M::ROLLUPS.is_empty());
        state.map(M::contributes).unwrap_or_default()
    }

    fn is_embedded(&self) -> bool {
        M::EMBEDS && self.state.as_ref().is_some_and(M::is_embedded)
    }

    /// Whoever is told of this change need not be told of one before it.
    fn forget_earlier_change(&mut self, from: &Position) {
        let earlier = |output: &Output| {
            output.what == What::Changed && output.from.partition == from.partition
        };
        self.stamp.unsent.retain(|output| !earlier(output));
    }

    /// Notes which documents this one embeds by now; answers what is to be told of that.
    fn follow_embeds(&mut self) -> Vec<What> {
        if !M::EMBEDS {
            return Vec::new();
        }
        let embeds = self.state.as_ref().map(M::embeds).unwrap_or_default();
        let (stay, leave): (Vec<_>, Vec<_>) = std::mem::take(&mut self.stamp.embedded)
            .into_iter()
            .partition(|(key, _)| embeds.contains(key));
        let is_new = |key: &Key| !stay.iter().any(|(other, _)| other == key);
        let new: Vec<Key> = embeds.into_iter().filter(is_new).collect();
        self.stamp.embedded = stay;
        self.stamp.embedded.extend(new.iter().map(|key| (key.clone(), 0)));
        let leaves = leave.into_iter().map(|(key, _)| What::Leaves(key));
        leaves.chain(new.into_iter().map(What::Embeds)).collect()
    }

    /// Whether this document embeds another.
    pub fn embeds(&self, key: &Key) -> bool {
        self.stamp.embedded.iter().any(|(other, _)| other == key)
    }

    /// The documents that this one embeds since a later revision than `loaded`, and of which it has
    /// taken over nothing yet.
    pub fn embeds_anew(&self, loaded: i64) -> impl Iterator<Item = &Key> {
        let new = self.stamp.unsent.iter().filter(move |output| output.revision > loaded);
        let keys = new.filter_map(|output| match &output.what {
            What::Embeds(key) => Some(key),
            What::Reaction(_) | What::Difference(_) | What::Leaves(_) | What::Changed => None,
        });
        keys.filter(|key| self.stamp.embedded.iter().any(|(other, at)| other == *key && *at == 0))
    }

    /// Takes over what stands in a document that this one embeds, if what it took over before is
    /// older than `since`. What was told before comes to nothing: to the record that it was owed
    /// to, which may be settled, nothing new must be owed.
    pub fn embed(
        &mut self,
        (key, of, since): (&Key, &Self, i64),
        from: &Position,
        sent: Sent<'_>,
    ) -> Taken {
        self.stamp.forget_sent(&from.partition, sent);
        let mut embedded = self.stamp.embedded.iter_mut();
        let Some((_, last)) = embedded.find(|(other, _)| other == key) else {
            return Taken::as_outcome(Outcome::Skipped);
        };
        let revision = of.stamp.revision;
        if *last >= since && stands(Guard::EmbedRevision) {
            return Taken::as_outcome(Outcome::Stale);
        }
        *last = revision;
        self.stamp.revision += 1;
        self.become_of(from, |state| match state {
            Some(mut state) => {
                M::embed(&mut state, key, of.state.as_ref());
                Folded::next(state)
            }
            None => Folded::gone(),
        });
        Taken::as_outcome(Outcome::Applied)
    }
}
