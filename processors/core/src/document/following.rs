//! What follows from a change of a document: reactions, differences in roll-ups, and what it and
//! those that embed it must learn.

use super::{Document, Taken};
use crate::guard::{Guard, stands};
use crate::model::{Folded, Key, ReadModel};
use crate::outcome::Outcome;
use crate::position::Position;
use crate::rollup::{AddedBy, Contribution, Difference, differences};
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
        debug_assert!(adds.iter().all(|what| Self::is_added_by(what, AddedBy::Events)));
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
        self.stamp.unsent.extend((0..).zip(follows).map(|(n, what)| Output {
            revision,
            n,
            from: from.clone(),
            what,
        }));
    }

    fn contributions(&self) -> Vec<Contribution> {
        let state = self.state.as_ref().filter(|_| !M::ROLLUPS.is_empty());
        let all = state.map(M::contributes).unwrap_or_default();
        debug_assert!(all.iter().all(|what| Self::is_added_by(what, AddedBy::Documents)));
        all
    }

    /// Whether a roll-up is declared to be added to so: verifications after a forgetting go by it.
    fn is_added_by(what: &Contribution, by: AddedBy) -> bool {
        M::ROLLUPS.iter().any(|it| it.name == what.rollup && it.added_by == by)
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
        let comes_to_nothing =
            |output: &Output| leave.iter().any(|(key, _)| output.what.embeds(key));
        self.stamp.unsent.retain(|output| !comes_to_nothing(output));
        self.stamp.embedded = stay;
        self.stamp.embedded.extend(new.iter().map(|key| (key.clone(), 0)));
        let leaves = leave.into_iter().map(|(key, _)| What::Leaves(key));
        leaves.chain(new.into_iter().map(What::Embeds)).collect()
    }

    /// Whether this document embeds another.
    pub fn embeds(&self, key: &Key) -> bool {
        self.taken_over(key).is_some()
    }

    /// The documents that this one embeds since a later revision than `loaded`, and of which it has
    /// taken over nothing yet.
    pub fn embeds_anew(&self, loaded: i64) -> impl Iterator<Item = &Key> {
        let new = self.stamp.unsent.iter().filter(move |output| output.revision > loaded);
        let keys = new.filter_map(|output| match &output.what {
            What::Embeds(key) => Some(key),
            What::Reaction(_) | What::Difference(_) | What::Leaves(_) | What::Changed => None,
        });
        keys.filter(|key| self.taken_over(key) == Some(0))
    }

    /// Takes over what has changed in a document that this one embeds, if what it took over before
    /// is older than `since`. What was told before comes to nothing: to the record that it was owed
    /// to, which may be settled, nothing new must be owed. Before this document has looked for
    /// itself, what follows is owed to the record for which it is to look: that one is not settled.
    pub fn embed(
        &mut self,
        (key, of, since): (&Key, &Self, i64),
        from: &Position,
        sent: Sent<'_>,
    ) -> Taken {
        self.stamp.forget_sent(&from.partition, sent);
        let Some(last) = self.taken_over(key) else {
            return Taken::as_outcome(Outcome::Skipped);
        };
        if last >= since && stands(Guard::EmbedRevision) {
            return Taken::as_outcome(Outcome::Stale);
        }
        let to_look = self.stamp.unsent.iter().rfind(|output| output.what.embeds(key));
        let from = to_look.map_or(from, |output| &output.from).clone();
        self.take_over(key, of, &from);
        Taken::as_outcome(Outcome::Applied)
    }

    /// Has looked what stands in a document that it embeds since a revision and is registered with:
    /// from now on it is told of changes only. Whoever comes when this was seen to already comes
    /// too late: the record to which it is owed may be settled.
    pub fn look(&mut self, (key, of): (&Key, Option<&Self>), since: i64) -> Taken {
        let mut unsent = self.stamp.unsent.iter();
        let looks = |output: &Output| output.revision == since && output.what.embeds(key);
        let Some(at) = unsent.position(looks) else {
            return Taken::as_outcome(Outcome::Stale);
        };
        let Output { from, .. } = self.stamp.unsent.remove(at);
        let last = self.taken_over(key);
        match of.filter(|of| last.is_some_and(|last| last < of.stamp.revision)) {
            Some(of) => self.take_over(key, of, &from),
            None => self.stamp.revision += 1,
        }
        Taken::as_outcome(Outcome::Applied)
    }

    /// The revision of a document that this one embeds, as which it does.
    fn taken_over(&self, key: &Key) -> Option<i64> {
        let mut embedded = self.stamp.embedded.iter();
        embedded.find(|(other, _)| other == key).map(|(_, revision)| *revision)
    }

    fn take_over(&mut self, key: &Key, of: &Self, from: &Position) {
        for (_, last) in self.stamp.embedded.iter_mut().filter(|(other, _)| other == key) {
            *last = of.stamp.revision;
        }
        self.stamp.revision += 1;
        self.become_of(from, |state| match state {
            Some(mut state) => {
                M::embed(&mut state, key, of.state.as_ref());
                Folded::next(state)
            }
            None => Folded::gone(),
        });
    }
}
