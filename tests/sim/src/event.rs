//! The events of the simulation: steps of an outbox, and cards, the rows of a table.

use std::fmt;

use readmill_schemas::row::{Columns, FromColumn};
use readmill_schemas::semantic::Row;
use readmill_schemas::{
    Contract, Events, Images, Personal, Plan, ReadError, RowChange, RowError, TableRow, Wire,
    encode,
};
use serde::{Deserialize, Serialize};

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
    /// The document at which its lane points from now on, if that is what it does; none if empty.
    pub to: String,
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
    /// It is appended, and its lane points at another document.
    Point,
}

impl Deed {
    const ALL: [Self; 6] =
        [Self::Append, Self::Say, Self::End, Self::Obsolete, Self::Refuse, Self::Point];

    /// Its number on the wire.
    pub const fn number(self) -> i64 {
        self as i64
    }

    /// The deed of a number.
    pub fn of(number: i64) -> Self {
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
        {"name": "to", "type": "string"},
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

impl Personal for TrailEvent {
    fn persons<'e>(&'e self, _: &mut dyn FnMut(&'e str)) {}

    fn forget(&mut self, _: &str, _: &str) {}
}

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
        encode::text(&self.to, out);
        encode::items(&self.needs, out, |need, out| {
            encode::text(&need.lane, out);
            encode::long(need.count, out);
        });
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", Deed::of(self.deed), self.n)?;
        if Deed::of(self.deed) == Deed::Point {
            write!(f, " at {:?}", self.to)?;
        }
        self.needs.iter().try_for_each(|need| write!(f, ", after {} of {}", need.count, need.lane))
    }
}
