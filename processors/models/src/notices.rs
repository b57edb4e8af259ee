//! `notices`: requests of stores as their tables' rows stand, and a notice for each completion.

mod document;
mod rows;

use readmill_core::Direction::{Ascending, Descending};
use readmill_core::{Admit, Folded, Index, Keys, ReadModel, Shows, Standing};
use readmill_schemas::notices::NoticesEvent;
use readmill_schemas::notices_out::{NoticesOutEvent, RequestCompleted};
use readmill_schemas::{Contract, Events};

pub use document::{Feed, Request};
use rows::{COMPLETE, Change};

/// The read model.
#[derive(Debug)]
pub struct Notices;

impl ReadModel for Notices {
    const NAME: &'static str = "notices";
    const FOLD_VERSION: u32 = 1;
    const ABOUT: &'static str =
        "requests of stores by sales manager, and a notice when one is done";
    const MIRROR: Option<&'static str> = Some("notices:feed");
    const SAYS: &'static [Contract] = NoticesOutEvent::CONTRACTS;

    /// A feed is no document of its own: it would have to know of each request whether it was
    /// complete, in order to tell an edge, and could not be bounded then.
    const INDEXES: &'static [Index] = &[Index::on(
        "by_manager_and_completed_at",
        &[("feed.manager_id", Ascending), ("feed.completed_at", Descending)],
    )];

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
