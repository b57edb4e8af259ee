//! The read model of the simulation, nastier than any real one: its documents are lists in the
//! order of folding, so that every change that is lost, doubled or out of order shows; they add to
//! roll-ups by what they are and by what happens to them, and embed one another.

use std::collections::{BTreeMap, BTreeSet};

use readmill_core::{
    Admit, Contribution, Folded, GroupName, Key, Keys, Reaction, ReadModel, Rollup, Shows, Standing,
};
use readmill_schemas::RowOp;
use serde::{Deserialize, Serialize};

use crate::event::{Deed, Step, TrailEvent};

/// How long lanes are, by their place in their documents: what documents are.
pub const LENGTHS: Rollup =
    Rollup::of_documents("lengths", "steps per lane").with_extremes().with_top(3).with_distinct();
/// The deeds that were folded, by kind: what happened to documents.
pub const DEEDS: Rollup =
    Rollup::of_events("deeds", "folded steps by deed").with_extremes().with_top(3).with_distinct();
/// The cards that are seen from other documents: what documents embed.
pub const SEEN: Rollup = Rollup::of_documents("seen", "cards seen from elsewhere");

/// The read model: under each key a trail of what was folded.
#[derive(Debug)]
pub struct Trails;

/// A trail.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trail {
    /// The document that it is.
    pub key: String,
    /// The numbers of the steps, per lane, in the order in which they were folded.
    pub lanes: BTreeMap<String, Vec<i64>>,
    /// The card of this key as its table has it.
    pub card: Option<i64>,
    /// The document at which each lane points.
    pub points: BTreeMap<String, String>,
    /// What is seen of these documents, where there is anything to see.
    pub copies: BTreeMap<String, Sight>,
}

/// What others see of a trail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sight {
    /// Its card.
    pub card: Option<i64>,
    /// What it sees of others.
    pub beyond: String,
}

impl ReadModel for Trails {
    const NAME: &'static str = "trails";
    const FOLD_VERSION: u32 = 1;
    const ABOUT: &'static str = "what was folded, in its order";
    const MIRROR: Option<&'static str> = Some("trails");
    const ROLLUPS: &'static [Rollup] = &[LENGTHS, DEEDS, SEEN];
    const EMBEDS: bool = true;

    type Event = TrailEvent;
    type State = Trail;

    fn keys(event: &TrailEvent) -> Keys {
        match event {
            TrailEvent::Step(step) => Keys::one(&step.key),
            TrailEvent::Card(change) => Keys::one(&change.key),
        }
    }

    fn admit(standing: Standing<'_, Trail>, event: &TrailEvent) -> Admit {
        let TrailEvent::Step(step) = event else { return Admit::Fold };
        let count = |lane: &str| match standing {
            Standing::Live(trail) => trail.count(lane),
            Standing::Never | Standing::Gone => 0,
        };
        match Deed::of(step.deed) {
            Deed::Refuse => Admit::Refuse("the step is refused"),
            Deed::Obsolete => Admit::Stale,
            Deed::Append | Deed::Say | Deed::End | Deed::Point => {
                let ready = step.needs.iter().all(|need| count(&need.lane) >= need.count);
                if ready { Admit::Fold } else { Admit::Wait("steps of other lanes") }
            }
        }
    }

    fn fold(state: Option<Trail>, event: &TrailEvent) -> Folded<Trail> {
        let mut trail = state.unwrap_or_default();
        match event {
            TrailEvent::Step(step) => {
                trail.key.clone_from(&step.key);
                trail.lanes.entry(step.lane.clone()).or_default().push(step.n);
                trail.follow(step).adding(done(step))
            }
            TrailEvent::Card(change) => {
                trail.key.clone_from(&change.key);
                let gone = change.op == RowOp::Delete;
                trail.card = change.after.as_ref().map(|card| card.mark);
                if gone && trail.lanes.is_empty() { Folded::gone() } else { Folded::next(trail) }
            }
        }
    }

    fn mirror(trail: &Trail) -> Shows {
        Shows::hash([("told", trail.told()), ("seen", trail.beyond())])
    }

    fn contributes(trail: &Trail) -> Vec<Contribution> {
        let lengths = trail.lanes.iter().map(|(lane, steps)| {
            let place = lane.rsplit_once('.').map_or("own", |(_, place)| place);
            let length = i64::try_from(steps.len()).unwrap_or(i64::MAX);
            Contribution::of(&LENGTHS, GroupName::of(&[place]), length).about(&trail.key)
        });
        let seen = trail.copies.iter().map(|(key, sight)| {
            Contribution::of(&SEEN, GroupName::of(&[key]), sight.card.unwrap_or(0))
        });
        lengths.chain(seen).collect()
    }

    fn embeds(trail: &Trail) -> Vec<Key> {
        trail.targets().into_iter().map(Key::from).collect()
    }

    fn embed(trail: &mut Trail, key: &Key, stands: Option<&Trail>) {
        match stands.and_then(Trail::sight) {
            Some(sight) => drop(trail.copies.insert(key.0.clone(), sight)),
            None => drop(trail.copies.remove(key.as_str())),
        }
    }

    fn is_embedded(trail: &Trail) -> bool {
        trail.sight().is_some()
    }
}

impl Trail {
    /// How many steps of a lane it has.
    pub fn count(&self, lane: &str) -> i64 {
        self.lanes.get(lane).map_or(0, |steps| i64::try_from(steps.len()).unwrap_or(i64::MAX))
    }

    /// Everything in it that is its own, as text.
    pub fn told(&self) -> String {
        let lanes = self.lanes.keys().map(|lane| self.told_of(lane));
        format!("{} card {:?}", lanes.collect::<Vec<_>>().join(" "), self.card)
    }

    fn told_of(&self, lane: &str) -> String {
        format!("{lane}{:?}", self.lanes.get(lane).map_or(&[][..], Vec::as_slice))
    }

    /// What it sees of others, as text.
    pub fn beyond(&self) -> String {
        let copies = self.copies.iter();
        copies.map(|(key, seen)| format!("{key}={:?}({})", seen.card, seen.beyond)).collect()
    }

    /// What others see of it, if there is anything to see.
    pub fn sight(&self) -> Option<Sight> {
        let is_seen = self.card.is_some() || !self.points.is_empty();
        is_seen.then(|| Sight { card: self.card, beyond: self.beyond() })
    }

    /// The documents at which its lanes point, each once.
    pub fn targets(&self) -> BTreeSet<&str> {
        self.points.values().map(String::as_str).collect()
    }

    /// What a step leads to that has been appended.
    fn follow(mut self, step: &Step) -> Folded<Self> {
        match Deed::of(step.deed) {
            Deed::End => telling(None, said(step, &self.told())),
            Deed::Say => {
                let told = self.told_of(&step.lane);
                telling(Some(self), said(step, &told))
            }
            Deed::Point => {
                self.point(step);
                Folded::next(self)
            }
            Deed::Append | Deed::Obsolete | Deed::Refuse => Folded::next(self),
        }
    }

    fn point(&mut self, step: &Step) {
        if step.to.is_empty() {
            self.points.remove(&step.lane);
        } else {
            self.points.insert(step.lane.clone(), step.to.clone());
        }
        let Self { points, copies, .. } = self;
        copies.retain(|key, _| points.values().any(|target| target == key));
    }
}

/// What a step itself adds to a roll-up.
fn done(step: &Step) -> Contribution {
    let deed = format!("{:?}", Deed::of(step.deed));
    Contribution::of(&DEEDS, GroupName::of(&[&deed]), step.n).about(&step.key)
}

fn telling(state: Option<Trail>, says: Reaction) -> Folded<Trail> {
    Folded { state, says: vec![says], adds: Vec::new() }
}

/// A step's reaction. It names the step, so that no two have equal contents.
fn said(step: &Step, told: &str) -> Reaction {
    let body = format!("{}/{} {told}", step.lane, step.n).into_bytes();
    Reaction { contract: "readmill.sim.Said".to_owned(), body }
}
