//! Older versions of contracts, in which services still write that run on as before.

use readmill_schemas::deals::DealsEvent;

use crate::row::SourceEvent;

/// An older version of a contract. What the latest one has more stands at the end of a body.
#[derive(Debug, PartialEq, Eq)]
pub struct Elder {
    /// The record's full name: the subject, as of the latest version.
    pub subject: &'static str,
    /// The name by which its id is asked for.
    pub name: &'static str,
    /// The schema.
    pub text: &'static str,
    /// So many bytes does a body of the latest version have more, where that says nothing more.
    pub more_bytes: usize,
}

/// Deals without a badge.
const DEAL_WRITTEN: Elder = Elder {
    subject: "readmill.deals.DealWritten",
    name: "readmill.deals.DealWritten.v1",
    text: include_str!("../../../schemas/avro/deals/DealWritten.v1.avsc"),
    more_bytes: 1,
};

/// All that are still written.
pub const ALL: &[Elder] = &[DEAL_WRITTEN];

/// The older version in which an event is written: it has nothing of what that lacks.
pub const fn of(event: &SourceEvent) -> Option<&'static Elder> {
    if let SourceEvent::Deals(DealsEvent::DealWritten(deal)) = event
        && deal.badge.is_none()
    {
        return Some(&DEAL_WRITTEN);
    }
    None
}
