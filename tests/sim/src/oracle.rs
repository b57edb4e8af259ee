//! What must come out: the model's own fold over the committed rows in the order of their
//! commits, without a log, a stamp, a store or the river.

use std::collections::{BTreeMap, BTreeSet};

use readmill_core::{Admit, ReadModel, Standing};
use readmill_schemas::RowChange;
use readmill_schemas::row::RowOp;

use crate::model::{Card, Trail, TrailEvent, Trails};
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
}

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
    all
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
        let folded = Trails::fold(self.state.take(), event);
        self.gone = folded.state.is_none();
        self.state = folded.state;
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
