//! What must come out: the model's own fold over the committed rows in the order of their
//! commits, without a log, a stamp, a store or the river.

use std::collections::{BTreeMap, BTreeSet};

use readmill_core::rollup::{Difference, Totals, differences};
use readmill_core::{Admit, Contribution, GroupName, ReadModel, Standing};
use readmill_schemas::RowChange;
use readmill_schemas::row::RowOp;

use crate::event::{Card, TrailEvent};
use crate::model::{SEEN, Sight, Trail, Trails};
use crate::source::{Row, What};

/// What must come of one document.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Expected {
    /// Its state; none if it never was or has ended.
    pub state: Option<Trail>,
    /// Whether it has ended.
    pub gone: bool,
    /// What it told others.
    pub told: BTreeSet<String>,
    /// The rows, by number, that were never folded: they wait, or are held.
    pub unfolded: BTreeSet<usize>,
    /// Whether it is held.
    pub held: bool,
    waiting: Vec<(usize, TrailEvent)>,
    /// What its folds added to roll-ups and took back.
    adds: Vec<Difference>,
}

/// A group of a roll-up.
pub type Group = (String, GroupName);

/// What must come of every document.
pub fn expected(rows: &[Row], poison_is_dropped: bool) -> BTreeMap<String, Expected> {
    let mut all: BTreeMap<String, Expected> = BTreeMap::new();
    for row in rows {
        let document = all.entry(row.key.clone()).or_default();
        match event(row) {
            Read::Event(event) => document.take(row.number, event, poison_is_dropped),
            Read::Poison if poison_is_dropped => {}
            Read::Poison => document.hold(row.number),
            Read::Nothing => {}
        }
    }
    look_around(&mut all);
    all
}

/// Documents see others as these are in the end. They point at those before them alone.
fn look_around(all: &mut BTreeMap<String, Expected>) {
    let mut sights: BTreeMap<String, Sight> = BTreeMap::new();
    for (key, document) in all {
        let Some(trail) = &mut document.state else { continue };
        let seen = trail.targets().into_iter().filter_map(|key| sights.get_key_value(key));
        trail.copies = seen.map(|(key, sight)| (key.clone(), sight.clone())).collect();
        sights.extend(trail.sight().map(|sight| (key.clone(), sight)));
    }
}

/// What must be added up in every group. What documents see of others on their way is not told:
/// for that roll-up alone what they see in the end counts.
pub fn totals(all: &BTreeMap<String, Expected>) -> BTreeMap<Group, Totals> {
    let mut totals = BTreeMap::new();
    for document in all.values() {
        document.adds.iter().for_each(|difference| add(&mut totals, difference));
        let ends_as = document.state.as_ref().map(Trails::contributes).unwrap_or_default();
        let seen = ends_as.into_iter().filter(|what| what.rollup == SEEN.name);
        seen.map(Difference::added).for_each(|difference| add(&mut totals, &difference));
    }
    totals
}

fn add(totals: &mut BTreeMap<Group, Totals>, difference: &Difference) {
    let Contribution { rollup, group, .. } = &difference.what;
    let declared = Trails::ROLLUPS.iter().find(|declared| declared.name == rollup.as_str());
    let beside = declared.map(|declared| declared.beside).unwrap_or_default();
    totals.entry((rollup.clone(), group.clone())).or_default().add(difference, beside);
}

enum Read {
    Event(TrailEvent),
    Poison,
    Nothing,
}

fn event(row: &Row) -> Read {
    match &row.what {
        What::Step(step) => Read::Event(TrailEvent::Step(step.clone())),
        What::Poison => Read::Poison,
        What::Foreign => Read::Nothing,
        What::Card { op, mark } => {
            let card = Card { id: row.key.clone(), mark: *mark };
            let after = (*op != RowOp::Delete).then_some(card);
            let key = row.key.clone();
            Read::Event(TrailEvent::Card(RowChange { op: *op, key, before: None, after }))
        }
    }
}

impl Expected {
    /// Whether an event waits for good: for how long it may, is the limits' to say.
    pub const fn waits(&self) -> bool {
        !self.waiting.is_empty()
    }

    fn hold(&mut self, number: usize) {
        self.held = true;
        self.unfolded.insert(number);
    }

    fn take(&mut self, number: usize, event: TrailEvent, refused_is_dropped: bool) {
        if self.held {
            self.hold(number);
            return;
        }
        match Trails::admit(self.standing(), &event) {
            Admit::Fold => {
                self.fold(&event);
                self.release();
            }
            Admit::Wait(_) => {
                self.unfolded.insert(number);
                self.waiting.push((number, event));
            }
            Admit::Refuse(_) if !refused_is_dropped => self.hold(number),
            Admit::Stale | Admit::Refuse(_) => {}
        }
    }

    fn standing(&self) -> Standing<'_, Trail> {
        match &self.state {
            Some(state) => Standing::Live(state),
            None if self.gone => Standing::Gone,
            None => Standing::Never,
        }
    }

    fn fold(&mut self, event: &TrailEvent) {
        let contributions =
            |state: &Option<Trail>| state.as_ref().map(Trails::contributes).unwrap_or_default();
        let before = contributions(&self.state);
        let folded = Trails::fold(self.state.take(), event);
        self.gone = folded.state.is_none();
        self.state = folded.state;
        self.adds.extend(differences(before, contributions(&self.state)));
        self.adds.extend(folded.adds.into_iter().map(Difference::added));
        let told = folded.says.into_iter().map(|said| String::from_utf8_lossy(&said.body).into());
        self.told.extend(told);
    }

    fn release(&mut self) {
        while let Some(at) = self.waiting.iter().position(|(_, event)| self.admits(event)) {
            let (number, event) = self.waiting.remove(at);
            self.unfolded.remove(&number);
            self.fold(&event);
        }
    }

    fn admits(&self, event: &TrailEvent) -> bool {
        Trails::admit(self.standing(), event) == Admit::Fold
    }
}
