//! What a verification finds: anomalies by their kinds, and what cannot be decided.

use std::collections::BTreeMap;

use readmill_core::{GroupName, Key};

use super::content::Departure;
use crate::mirror::Spot;

/// How what is checked departs from what is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// It is not there.
    Missing,
    /// It has taken in the same, and says something else.
    Changed,
    /// It lacks something that was settled: an older one stands there.
    Stale,
    /// It has something twice.
    Duplicate,
    /// It is there, and nothing in the log led to it.
    Unintended,
}

impl Kind {
    /// All, in the order in which they are reported.
    pub const ALL: [Self; 5] =
        [Self::Missing, Self::Changed, Self::Stale, Self::Duplicate, Self::Unintended];

    /// The name in reports and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Changed => "changed",
            Self::Stale => "stale",
            Self::Duplicate => "duplicate",
            Self::Unintended => "unintended",
        }
    }
}

/// What is found to depart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A document.
    Document(Key),
    /// The copy in a document of one that it embeds.
    Copy {
        /// The document.
        of: Key,
        /// What it embeds.
        embedded: Key,
    },
    /// The edge by which a document is found that embeds another.
    Edge {
        /// The document.
        of: Key,
        /// What it embeds.
        embedded: Key,
    },
    /// A group of a roll-up.
    Group {
        /// The roll-up.
        rollup: &'static str,
        /// The group.
        group: GroupName,
    },
    /// What a mirror shows of a document.
    View {
        /// The document.
        key: Key,
        /// Where.
        spot: Spot,
    },
}

impl Subject {
    /// What sort of thing it is.
    pub const fn sort(&self) -> &'static str {
        match self {
            Self::Document(_) => "document",
            Self::Copy { .. } => "copy",
            Self::Edge { .. } => "edge",
            Self::Group { .. } => "roll-up",
            Self::View { .. } => "view",
        }
    }

    /// The key of the document, for what is a document's.
    pub const fn key(&self) -> Option<&Key> {
        match self {
            Self::Document(key) | Self::View { key, .. } => Some(key),
            Self::Copy { of, .. } | Self::Edge { of, .. } => Some(of),
            Self::Group { .. } => None,
        }
    }
}

/// Something that departs.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// How.
    pub kind: Kind,
    /// What.
    pub subject: Subject,
    /// In which places; none where the whole is missing or too much.
    pub departures: Vec<Departure>,
}

/// Why something is not decided. It is no finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Undecided {
    /// Its key is held on one side: a person has changed, or may yet change, what is folded.
    Held,
    /// Its history is not in the log any more, or not whole.
    NoHistory,
    /// Its documents expire, and this one may have.
    Expired,
    /// The fold that it is compared with found records too late, and this may have lacked some.
    Unordered,
    /// It did not come to rest in time.
    Restless,
    /// The model has not folded in time what its origin had.
    Behind,
    /// It counts what somebody did who was forgotten later.
    Forgotten,
}

impl Undecided {
    /// All, in the order in which they are reported.
    pub const ALL: [Self; 7] = [
        Self::Held,
        Self::NoHistory,
        Self::Expired,
        Self::Unordered,
        Self::Restless,
        Self::Behind,
        Self::Forgotten,
    ];

    /// The name in reports and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Held => "held",
            Self::NoHistory => "no_history",
            Self::Expired => "expired",
            Self::Unordered => "unordered",
            Self::Restless => "restless",
            Self::Behind => "behind",
            Self::Forgotten => "forgotten",
        }
    }
}

/// How many documents differ at first sight, by what lives where. Most of it is lag.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sight {
    /// On the left alone.
    pub only_left: u64,
    /// On the right alone.
    pub only_right: u64,
    /// On both or neither, and they have not taken in the same, or say something else.
    pub other: u64,
}

impl Sight {
    pub(super) const fn note(&mut self, left: bool, right: bool) {
        let count = match (left, right) {
            (true, false) => &mut self.only_left,
            (false, true) => &mut self.only_right,
            (true, true) | (false, false) => &mut self.other,
        };
        *count += 1;
    }
}

/// What a verification has come to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Keys that were compared.
    pub documents: u64,
    /// Those of them under which a document lives on the left.
    pub left: u64,
    /// The same on the right.
    pub right: u64,
    /// Those that differ at first sight.
    pub at_sight: Sight,
    /// Those of them that were decided by folding further, since one side had taken in more.
    pub moved: u64,
    /// Groups of roll-ups that were compared.
    pub groups: u64,
    /// Edges that were compared.
    pub edges: u64,
    /// Views that were compared.
    pub views: u64,
    /// What was mended.
    pub mended: u64,
    /// What was not, since another writer came first, or nothing says how.
    pub not_mended: u64,
    /// What departs, by its sort and kind.
    pub found: BTreeMap<(&'static str, Kind), u64>,
    /// What is not decided, by its sort and reason.
    pub undecided: BTreeMap<(&'static str, Undecided), u64>,
}

impl Summary {
    /// How many findings there are.
    pub fn findings(&self) -> u64 {
        self.found.values().sum()
    }

    /// How many are of one kind.
    pub fn of_kind(&self, kind: Kind) -> u64 {
        self.found.iter().filter(|((_, found), _)| *found == kind).map(|(_, many)| many).sum()
    }

    /// How many are not decided.
    pub fn open(&self) -> u64 {
        self.undecided.values().sum()
    }
}
