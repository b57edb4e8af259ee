//! The interface of a read model: which keys an event touches, when it may be folded, and the fold.

use std::fmt;

use readmill_schemas::{Contract, Events, WrittenEvents};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::forgotten::Person;
use crate::rollup::{Contribution, Rollup};
use crate::shows::Shows;

/// The key of a document.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Key(pub String);

impl Key {
    /// The key's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Key {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The keys that one event touches; nearly always one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keys {
    /// The event is of no interest here.
    None,
    /// It touches one document.
    One(Key),
    /// It touches several documents, each once.
    Many(Vec<Key>),
}

impl Keys {
    /// The one document that an event touches.
    pub fn one(key: impl AsRef<str>) -> Self {
        Self::One(Key(key.as_ref().to_owned()))
    }

    /// All keys, as a list.
    pub fn into_vec(self) -> Vec<Key> {
        match self {
            Self::None => Vec::new(),
            Self::One(key) => vec![key],
            Self::Many(keys) => keys,
        }
    }
}

/// What stands under a key when an event comes.
#[derive(Debug, PartialEq, Eq)]
pub enum Standing<'a, S> {
    /// Nothing was ever folded there.
    Never,
    /// A document that ended: its tombstone stands.
    Gone,
    /// A living document.
    Live(&'a S),
}

impl<S> Clone for Standing<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for Standing<'_, S> {}

impl<'a, S> Standing<'a, S> {
    /// The document, if it lives.
    pub const fn live(self) -> Option<&'a S> {
        match self {
            Self::Live(state) => Some(state),
            Self::Never | Self::Gone => None,
        }
    }
}

/// Whether an event may be folded into what stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admit {
    /// Yes, now.
    Fold,
    /// Not yet: it waits in the document until another event of the key is folded.
    Wait(&'static str),
    /// Never again: the document is beyond it.
    Stale,
    /// Never: a person must look; the record and its key are held.
    Refuse(&'static str),
}

/// What a fold makes: the next state (or the end of the document) and what it tells others.
#[derive(Debug, Clone, PartialEq)]
pub struct Folded<S> {
    /// The next state; `None` ends the document and leaves its tombstone.
    pub state: Option<S>,
    /// Reactions, sent after the document is durable.
    pub says: Vec<Reaction>,
    /// What the event itself adds to roll-ups, whatever becomes of the document.
    pub adds: Vec<Contribution>,
}

impl<S> Folded<S> {
    /// The document goes on in this state.
    pub const fn next(state: S) -> Self {
        Self { state: Some(state), says: Vec::new(), adds: Vec::new() }
    }

    /// The document ends.
    pub const fn gone() -> Self {
        Self { state: None, says: Vec::new(), adds: Vec::new() }
    }

    /// And others are told.
    #[must_use]
    pub fn saying<E: WrittenEvents>(mut self, event: &E) -> Self {
        self.says.push(Reaction::of(event));
        self
    }

    /// And something is added to a roll-up.
    #[must_use]
    pub fn adding(mut self, what: Contribution) -> Self {
        self.adds.push(what);
        self
    }
}

/// An event that a fold publishes, written under its own contract.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reaction {
    /// The full name of the contract.
    pub contract: String,
    /// The Avro body, without framing: which id the schema has is the shell's knowledge.
    #[serde(with = "crate::bytes")]
    pub body: Vec<u8>,
}

impl Reaction {
    /// Writes `event` under its contract.
    pub fn of<E: WrittenEvents>(event: &E) -> Self {
        let mut body = Vec::new();
        event.write(&mut body);
        Self { contract: event.contract().name.to_owned(), body }
    }
}

/// An index that the readers of a model's documents need, in stores that have indexes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Index {
    /// Its name, once in a model: what a store makes of it begins with a prefix of ours.
    pub name: &'static str,
    /// The paths of the state's fields, such as `owner.name`, each with its direction.
    pub fields: &'static [(&'static str, Direction)],
    /// Whether documents that have none of the fields are left out of it, such as tombstones.
    pub sparse: bool,
}

impl Index {
    /// An index that leaves out documents which have none of the fields.
    pub const fn on(name: &'static str, fields: &'static [(&'static str, Direction)]) -> Self {
        Self { name, fields, sparse: true }
    }
}

/// In which direction an index has a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// The least first.
    Ascending,
    /// The greatest first.
    Descending,
}

/// A projection: its keys, its admission and its fold, all total and deterministic.
pub trait ReadModel: fmt::Debug + Send + Sync + 'static {
    /// The name in configuration, metrics and stores.
    const NAME: &'static str;
    /// Raised whenever the fold means something else: part of a generation's fingerprint.
    const FOLD_VERSION: u32;
    /// What the documents are for, in one line.
    const ABOUT: &'static str;
    /// The name of the small views kept beside the documents for readers in a hurry, if any.
    const MIRROR: Option<&'static str> = None;

    /// The contracts of the reactions that its fold says.
    const SAYS: &'static [Contract] = &[];

    /// The roll-ups to which its documents or its events contribute.
    const ROLLUPS: &'static [Rollup] = &[];

    /// Whether some of its documents embed others.
    const EMBEDS: bool = false;

    /// Whether each document is a row of a table as its contract describes it, and nothing else.
    const REPLICATES: bool = false;

    /// The indexes that readers of the documents need.
    const INDEXES: &'static [Index] = &[];

    /// How long a document stands after its last event, in hours, in stores that let documents
    /// expire; without it for ever. What has expired is forgotten, stamp and all: an event that
    /// comes later, or again, begins a new document.
    const IDLE_LIFE_HOURS: Option<u32> = None;

    /// The typed events of the subject.
    type Event: Events;
    /// The document's state.
    type State: Clone
        + PartialEq
        + fmt::Debug
        + Serialize
        + DeserializeOwned
        + Send
        + Sync
        + 'static;

    /// Events with equal keys fold in the source's order; others in any order.
    fn keys(event: &Self::Event) -> Keys;

    /// Whether `event` may be folded now. Asked before every fold, so a fold itself cannot fail.
    fn admit(standing: Standing<'_, Self::State>, event: &Self::Event) -> Admit;

    /// Folds an admitted event.
    fn fold(state: Option<Self::State>, event: &Self::Event) -> Folded<Self::State>;

    /// How a living document shows in the mirror.
    fn mirror(_state: &Self::State) -> Shows {
        Shows::default()
    }

    /// What a living document contributes to roll-ups as it stands. When it changes, what it
    /// contributed before is taken back.
    fn contributes(_state: &Self::State) -> Vec<Contribution> {
        Vec::new()
    }

    /// The documents of this model of which a living one embeds a copy: each once, and none that
    /// embeds this one. A fold keeps the copies of those that its result still embeds.
    fn embeds(_state: &Self::State) -> Vec<Key> {
        Vec::new()
    }

    /// Takes over what stands under a key that it embeds; nothing if that document has ended or was
    /// never there.
    /// Which documents it embeds must not change by that.
    fn embed(_state: &mut Self::State, _key: &Key, _stands: Option<&Self::State>) {}

    /// What is left of a living document, which is not the person's own, once a person is
    /// forgotten: the same as if its events had been told without them. The id gives way to the
    /// alias wherever it stands; whatever else is personal is the model's to empty. None ends the
    /// document.
    fn forget(state: Self::State, person: &Person) -> Option<Self::State> {
        person.replaced_in(&state)
    }

    /// Whether other documents may embed this one.
    fn is_embedded(_state: &Self::State) -> bool {
        Self::EMBEDS
    }
}
