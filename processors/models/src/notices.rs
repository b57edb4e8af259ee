//! `notices`: requests of stores as their tables' rows stand, and a notice for each completion.

use readmill_core::{Admit, Direction, Folded, Index, Keys, ReadModel, Shows, Standing};
use readmill_schemas::notices::{IntroductionEditRequest, LogoEditRequest, NoticesEvent};
use readmill_schemas::notices_out::{NoticesOutEvent, RequestCompleted};
use readmill_schemas::row::{RowChange, RowOp, TableRow, TimestampMicros};
use readmill_schemas::{Contract, Events, Timestamp};
use serde::{Deserialize, Serialize};

const COMPLETE: &str = "COMPLETE";

/// The read model.
#[derive(Debug)]
pub struct Notices;

/// A request, under `request/<table>/<id>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The store that asks for it.
    pub store_id: String,
    /// How it stands.
    pub status: String,
    /// The sales manager whom it concerns: whom it was assigned to, or else who entered it.
    pub manager_id: String,
    /// How many notices were given of it: one each time it became complete.
    pub notices: i64,
    /// Its place in the manager's feed, while it is complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feed: Option<Feed>,
}

/// A place in a feed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Feed {
    /// Whose feed.
    pub manager_id: String,
    /// When the request was completed, to the millisecond.
    pub completed_at: Timestamp,
}

impl ReadModel for Notices {
    const NAME: &'static str = "notices";
    const FOLD_VERSION: u32 = 1;
    const ABOUT: &'static str =
        "requests of stores by sales manager, and a notice when one is done";
    const MIRROR: Option<&'static str> = Some("notices:feed");
    const SAYS: &'static [Contract] = NoticesOutEvent::CONTRACTS;

    /// A feed is no document of its own: it would have to know of each request whether it was
    /// complete, in order to tell an edge, and could not be bounded then.
    const INDEXES: &'static [Index] = &[Index {
        name: "by_manager_and_completed_at",
        fields: &[
            ("feed.manager_id", Direction::Ascending),
            ("feed.completed_at", Direction::Descending),
        ],
        sparse: true,
    }];

    type Event = NoticesEvent;
    type State = Request;

    fn keys(event: &NoticesEvent) -> Keys {
        Keys::one(format!("request/{}", Change::of(event).request))
    }

    /// Which image is newer is the stamp's to say.
    fn admit(_: Standing<'_, Request>, _: &NoticesEvent) -> Admit {
        Admit::Fold
    }

    /// A notice is given when a request becomes complete, and not because it is.
    fn fold(state: Option<Request>, event: &NoticesEvent) -> Folded<Request> {
        let change = Change::of(event);
        let was_complete = change.was_complete(state.as_ref());
        let Some(row) = change.after else { return Folded::gone() };
        let is_complete = row.status == COMPLETE;
        let is_edge = is_complete && was_complete == Some(false);
        let completed_at = row.completed_at.unwrap_or(row.updated_at).to_millis();
        let manager_id = row.manager_id.unwrap_or(row.creator_id).to_owned();
        let before = state.map_or(0, |request| request.notices);
        let next = Request {
            store_id: row.store_id.to_owned(),
            status: row.status.to_owned(),
            notices: before.saturating_add(i64::from(is_edge)),
            feed: is_complete.then(|| Feed { manager_id: manager_id.clone(), completed_at }),
            manager_id,
        };
        let told = is_edge.then(|| RequestCompleted {
            request: change.request,
            completion: next.notices,
            store_id: next.store_id.clone(),
            manager_id: next.manager_id.clone(),
            completed_at,
        });
        let folded = Folded::next(next);
        match told {
            Some(told) => folded.saying(&NoticesOutEvent::RequestCompleted(told)),
            None => folded,
        }
    }

    /// The complete requests of each manager, the latest with the highest score.
    fn mirror(request: &Request) -> Shows {
        let Some(feed) = &request.feed else { return Shows::default() };
        let collection = format!("manager:{}", feed.manager_id);
        Shows::default().ranked(collection, feed.completed_at.as_millis())
    }
}

/// A change of a row of any of the tables.
struct Change<'a> {
    request: String,
    op: RowOp,
    status_before: Option<&'a str>,
    after: Option<Row<'a>>,
}

/// What the tables' rows have in common.
struct Row<'a> {
    store_id: &'a str,
    status: &'a str,
    creator_id: &'a str,
    manager_id: Option<&'a str>,
    completed_at: Option<TimestampMicros>,
    updated_at: TimestampMicros,
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
    fn of(event: &'a NoticesEvent) -> Self {
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
    fn was_complete(&self, state: Option<&Request>) -> Option<bool> {
        match (state, self.op) {
            (Some(request), _) => Some(request.status == COMPLETE),
            (None, RowOp::Create) => Some(false),
            (None, RowOp::Update | RowOp::Delete | RowOp::Read) => {
                self.status_before.map(|status| status == COMPLETE)
            }
        }
    }
}
