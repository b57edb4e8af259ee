//! The read model of the simulation, nastier than any real one: its documents are lists in the
//! order of folding, so that every change that is lost, doubled or out of order shows.

use std::collections::BTreeMap;
use std::fmt;

use readmill_core::{Admit, Folded, Keys, Reaction, ReadModel, Standing};
use readmill_schemas::row::{Columns, FromColumn};
use readmill_schemas::semantic::Row;
use readmill_schemas::{
    Contract, Events, Images, Plan, ReadError, RowChange, RowError, RowOp, TableRow, Wire, encode,
};
use serde::{Deserialize, Serialize};

/// The read model: under each key a trail of what was folded.
#[derive(Debug)]
pub struct Trails;

/// A trail.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trail {
    /// The numbers of the steps, per lane, in the order in which they were folded.
    pub lanes: BTreeMap<String, Vec<i64>>,
    /// The card of this key as its table has it.
    pub card: Option<i64>,
}

/// One step: an event of an outbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The document.
    pub key: String,
    /// The lane: the aggregate that it belongs to.
    pub lane: String,
    /// Its number in the lane, from 1.
    pub n: i64,
    /// What it does; see [`Deed`].
    pub deed: i64,
    /// How much of which lanes must be there before.
    pub needs: Vec<Need>,
}

/// What a step waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Need {
    /// The lane.
    pub lane: String,
    /// So many steps of it are in the document.
    pub count: i64,
}

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    /// It is appended.
    Append,
    /// It is appended, and others are told.
    Say,
    /// The document ends, and others are told what it was.
    End,
    /// It comes too late to mean anything.
    Obsolete,
    /// The fold refuses it.
    Refuse,
}

impl Deed {
    const ALL: [Self; 5] = [Self::Append, Self::Say, Self::End, Self::Obsolete, Self::Refuse];

    /// Its number on the wire.
    pub const fn number(self) -> i64 {
        self as i64
    }

    fn of(number: i64) -> Self {
        let found = Self::ALL.into_iter().find(|deed| deed.number() == number);
        found.unwrap_or(Self::Refuse)
    }
}

/// A row of the table of cards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    /// The document.
    pub id: String,
    /// What the row says.
    pub mark: i64,
}

/// An event of the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum TrailEvent {
    /// From an outbox.
    Step(Step),
    /// From the table.
    Card(RowChange<Card>),
}

/// The contract of [`Step`].
pub const STEP: Contract = Contract {
    name: "readmill.sim.Step",
    version: 1,
    table: None,
    text: r#"{"type": "record", "name": "Step", "namespace": "readmill.sim", "fields": [
        {"name": "key", "type": "string"},
        {"name": "lane", "type": "string"},
        {"name": "n", "type": "long"},
        {"name": "deed", "type": "long"},
        {"name": "needs", "type": {"type": "array", "items": {
            "type": "record", "name": "Need", "fields": [
                {"name": "lane", "type": "string"},
                {"name": "count", "type": "long"}]}}}]}"#,
};

/// The contract of [`Card`].
pub const CARD: Contract = Contract {
    name: "readmill.sim.Card",
    version: 1,
    table: Some("card"),
    text: r#"{"type": "record", "name": "Card", "namespace": "readmill.sim", "fields": [
        {"name": "id", "type": "string"},
        {"name": "mark", "type": "long"}]}"#,
};

impl TableRow for Card {
    type Key = String;

    const KEY: &'static [&'static str] = &["id"];

    fn key(&self) -> String {
        self.id.clone()
    }

    fn key_of(image: &Row<'_>) -> Result<String, RowError> {
        Columns::new(image, None).value("id", &[], String::of, None)
    }

    fn of(image: &Row<'_>, before: Option<&Row<'_>>) -> Result<Self, RowError> {
        let columns = Columns::new(image, before);
        Ok(Self {
            id: columns.value("id", &[], String::of, None)?,
            mark: columns.value("mark", &[], i64::of, None)?,
        })
    }
}

impl Wire<'_> for Step {}

impl Events for TrailEvent {
    const CONTRACTS: &'static [Contract] = &[STEP, CARD];

    fn read(which: usize, plan: &Plan, body: &[u8]) -> Result<Self, ReadError> {
        match which {
            0 => plan.read(body).map(Self::Step),
            other => Err(ReadError::no_contract(other)),
        }
    }

    fn read_row(which: usize, images: Images<'_>) -> Result<Self, RowError> {
        match which {
            1 => RowChange::read(images).map(Self::Card),
            other => Err(RowError::NoTable { which: other }),
        }
    }

    fn contract(&self) -> &'static Contract {
        match self {
            Self::Step(_) => &STEP,
            Self::Card(_) => &CARD,
        }
    }
}

impl Step {
    /// Appends the Avro body.
    pub fn write(&self, out: &mut Vec<u8>) {
        encode::text(&self.key, out);
        encode::text(&self.lane, out);
        encode::long(self.n, out);
        encode::long(self.deed, out);
        encode::items(&self.needs, out, |need, out| {
            encode::text(&need.lane, out);
            encode::long(need.count, out);
        });
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", Deed::of(self.deed), self.n)?;
        self.needs.iter().try_for_each(|need| write!(f, ", after {} of {}", need.count, need.lane))
    }
}

impl ReadModel for Trails {
    const NAME: &'static str = "trails";
    const FOLD_VERSION: u32 = 1;
    const ABOUT: &'static str = "what was folded, in its order";
    const MIRROR: Option<&'static str> = Some("trails");

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
            Deed::Append | Deed::Say | Deed::End => {
                let ready = step.needs.iter().all(|need| count(&need.lane) >= need.count);
                if ready { Admit::Fold } else { Admit::Wait("steps of other lanes") }
            }
        }
    }

    fn fold(state: Option<Trail>, event: &TrailEvent) -> Folded<Trail> {
        let mut trail = state.unwrap_or_default();
        match event {
            TrailEvent::Step(step) => {
                trail.lanes.entry(step.lane.clone()).or_default().push(step.n);
                match Deed::of(step.deed) {
                    Deed::End => Folded { state: None, says: vec![said(step, &trail.told())] },
                    Deed::Say => {
                        let told = trail.told_of(&step.lane);
                        Folded { state: Some(trail), says: vec![said(step, &told)] }
                    }
                    Deed::Append | Deed::Obsolete | Deed::Refuse => Folded::next(trail),
                }
            }
            TrailEvent::Card(change) => {
                let gone = change.op == RowOp::Delete;
                trail.card = change.after.as_ref().map(|card| card.mark);
                if gone && trail.lanes.is_empty() { Folded::gone() } else { Folded::next(trail) }
            }
        }
    }

    fn mirror(trail: &Trail) -> Vec<(&'static str, String)> {
        vec![("told", trail.told())]
    }
}

impl Trail {
    /// How many steps of a lane it has.
    pub fn count(&self, lane: &str) -> i64 {
        self.lanes.get(lane).map_or(0, |steps| i64::try_from(steps.len()).unwrap_or(i64::MAX))
    }

    /// Everything in it, as text.
    pub fn told(&self) -> String {
        let lanes = self.lanes.keys().map(|lane| self.told_of(lane));
        format!("{} card {:?}", lanes.collect::<Vec<_>>().join(" "), self.card)
    }

    fn told_of(&self, lane: &str) -> String {
        format!("{lane}{:?}", self.lanes.get(lane).map_or(&[][..], Vec::as_slice))
    }
}

/// A step's reaction. It names the step, so that no two have equal contents.
fn said(step: &Step, told: &str) -> Reaction {
    let body = format!("{}/{} {told}", step.lane, step.n).into_bytes();
    Reaction { contract: "readmill.sim.Said".to_owned(), body }
}
