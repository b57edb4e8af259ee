//! The rows of the tables of requests, as far as all of them are alike.

use readmill_schemas::Events as _;
use readmill_schemas::notices::{IntroductionEditRequest, LogoEditRequest, NoticesEvent};
use readmill_schemas::row::{RowChange, RowOp, TableRow, TimestampMicros};

use super::Request;

/// The status of a request that is done.
pub const COMPLETE: &str = "COMPLETE";

/// A change of a row of any of the tables.
pub struct Change<'a> {
    /// The request, as `<table>/<id>`.
    pub request: String,
    /// What was done to the row.
    pub op: RowOp,
    /// How it stood before, where the change says so.
    pub status_before: Option<&'a str>,
    /// The row as it stands; nothing of one that was deleted.
    pub after: Option<Row<'a>>,
}

/// What the tables' rows have in common.
pub struct Row<'a> {
    /// The store that asks.
    pub store_id: &'a str,
    /// How it stands.
    pub status: &'a str,
    /// Who entered it.
    pub creator_id: &'a str,
    /// Whom it was assigned to.
    pub manager_id: Option<&'a str>,
    /// When it was completed.
    pub completed_at: Option<TimestampMicros>,
    /// When the row was changed last.
    pub updated_at: TimestampMicros,
}

macro_rules! rows {
    ($($table:ty),+) => {
        $(impl<'a> From<&'a $table> for Row<'a> {
            fn from(row: &'a $table) -> Self {
                Self {
                    store_id: &row.store_id,
                    status: &row.status,
                    creator_id: &row.creator_id,
                    manager_id: row.manager_id.as_deref(),
                    completed_at: row.completed_at,
                    updated_at: row.updated_at,
                }
            }
        })+
    };
}

rows!(LogoEditRequest, IntroductionEditRequest);

impl<'a> Change<'a> {
    /// The change that an event is.
    pub fn of(event: &'a NoticesEvent) -> Self {
        let table = event.contract().table.unwrap_or_default();
        match event {
            NoticesEvent::LogoEditRequest(change) => Self::in_table(table, change),
            NoticesEvent::IntroductionEditRequest(change) => Self::in_table(table, change),
        }
    }

    fn in_table<T: TableRow<Key = i64>>(table: &str, change: &'a RowChange<T>) -> Self
    where
        Row<'a>: From<&'a T>,
    {
        Self {
            request: format!("{table}/{}", change.key),
            op: change.op,
            status_before: change.before.as_ref().map(|before| Row::from(before).status),
            after: change.after.as_ref().map(Row::from),
        }
    }

    /// Whether the request was complete before, as far as anyone knows: what was folded last knows
    /// best, and a row that was just created was not. Of a row that a snapshot read nobody does.
    pub fn was_complete(&self, state: Option<&Request>) -> Option<bool> {
        match (state, self.op) {
            (Some(request), _) => Some(request.status == COMPLETE),
            (None, RowOp::Create) => Some(false),
            (None, RowOp::Update | RowOp::Delete | RowOp::Read) => {
                self.status_before.map(|status| status == COMPLETE)
            }
        }
    }
}
