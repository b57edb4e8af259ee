//! What can go wrong outside the fold; every fault knows its remedy.

use thiserror::Error;

/// A fault of a service, a store or a log.
#[derive(Debug, Error)]
pub enum Fault {
    /// A service that is down, slow or overloaded: it will be asked again.
    #[error("{service} does not answer: {detail}")]
    Silent {
        /// Which service.
        service: &'static str,
        /// What it or the network said.
        detail: String,
    },
    /// A service that answers no, and will go on doing so: credentials, rights, wrong address.
    #[error("{service} refused: {detail} ({hint})")]
    Refused {
        /// Which service.
        service: &'static str,
        /// What it said.
        detail: String,
        /// What to do about it.
        hint: &'static str,
    },
    /// A schema id that the registry does not know, after asking again for a while.
    #[error("schema id {id} is unknown to the registry")]
    UnknownSchema {
        /// The id in the record's framing.
        id: u32,
    },
    /// A schema that is known but cannot be used.
    #[error("schema id {id} cannot be used: {detail}")]
    UnusableSchema {
        /// The id in the record's framing.
        id: u32,
        /// Why.
        detail: String,
    },
    /// Stored data that is not what was written: another program, another version, a broken disk.
    #[error("{what} is damaged: {detail} ({hint})")]
    Damaged {
        /// Which file, collection or key.
        what: String,
        /// What was found.
        detail: String,
        /// What to do about it.
        hint: &'static str,
    },
    /// A store that has lost what it had acknowledged: a fail-over, a restored copy.
    #[error("{service} has lost writes that it had acknowledged: {detail}")]
    RolledBack {
        /// Which service.
        service: &'static str,
        /// What tells.
        detail: String,
    },
    /// The process slept through a forgetting: what it has in hand may tell of the person.
    #[error("this process slept while a person was forgotten: what it had in hand is read again")]
    Overslept,
    /// The partition was taken away, or the process stops: work in flight is given up harmlessly.
    #[error("the partition was given up")]
    Abandoned,
}

/// What follows from a fault. There is no "log and carry on".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// Ask again, with back-off, while the partition waits.
    Retry,
    /// Hold the record.
    Hold,
    /// Stop the process with the message: only a person can mend it.
    Stop,
    /// Let go of the partition.
    LetGo,
    /// Begin the partition anew where the store says that it stands.
    GoBack,
    /// Begin the partition anew where it was settled last.
    ReadAgain,
}

impl Fault {
    /// Something of ours ended as it never should: a task that panicked.
    pub fn defect(what: &str, detail: &impl ToString) -> Self {
        Self::Damaged {
            what: what.to_owned(),
            detail: detail.to_string(),
            hint: "this is a defect of readmill: keep the log, restart, and report it",
        }
    }

    /// What to do.
    pub const fn remedy(&self) -> Remedy {
        match self {
            Self::Silent { .. } => Remedy::Retry,
            Self::UnknownSchema { .. } | Self::UnusableSchema { .. } => Remedy::Hold,
            Self::Refused { .. } | Self::Damaged { .. } => Remedy::Stop,
            Self::Abandoned => Remedy::LetGo,
            Self::RolledBack { .. } => Remedy::GoBack,
            Self::Overslept => Remedy::ReadAgain,
        }
    }
}
