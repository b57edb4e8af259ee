//! `tickets`: who has which ticket of a concert, and which reservations break the rules.

mod document;

use readmill_core::Direction::{Ascending, Descending};
use readmill_core::{
    Admit, Contribution, Folded, GroupName, Index, Keys, ReadModel, Rollup, Standing,
};
use readmill_schemas::tickets::{TicketReserved, TicketsEvent};

pub use document::{
    CONFLICTS, Concert, LISTED_CONFLICTS, MOST_TICKETS, REMEMBERED_CANCELS, Reservation,
};

/// The read model.
#[derive(Debug)]
pub struct Tickets;

impl ReadModel for Tickets {
    const NAME: &'static str = "tickets";
    const FOLD_VERSION: u32 = 1;
    const ABOUT: &'static str =
        "the tickets of a concert: who has which, and what breaks the rules";
    const ROLLUPS: &'static [Rollup] = &[CONFLICTS];

    /// Readers look for concerts with conflicts, the worst first, and for what a member has.
    const INDEXES: &'static [Index] = &[
        Index::on("by_conflicts", &[("conflict_count", Descending)]),
        Index::on("by_member", &[("reserved.member_id", Ascending)]),
    ];

    type Event = TicketsEvent;
    type State = Concert;

    fn keys(event: &TicketsEvent) -> Keys {
        Keys::one(event.concert_id())
    }

    /// A reservation is known by its id: one that is told again changes nothing, and a cancel takes
    /// back its own and no other of the same number.
    fn admit(standing: Standing<'_, Concert>, event: &TicketsEvent) -> Admit {
        use TicketsEvent as E;
        match (event, standing.live()) {
            (E::TicketsOffered(e), _) if e.total > MOST_TICKETS => {
                Admit::Refuse("more tickets than a document holds: offer them block by block")
            }
            (E::TicketsOffered(e), Some(concert)) if e.total < concert.total => {
                Admit::Refuse("fewer tickets than were on sale before")
            }
            (E::TicketsOffered(_), _) => Admit::Fold,
            (_, None) => Admit::Wait("the tickets on sale"),
            (E::TicketReserved(e), Some(concert)) if concert.knows(&e.reservation_id) => {
                Admit::Stale
            }
            (E::TicketReserved(_), Some(_)) => Admit::Fold,
            (E::ReservationCancelled(e), Some(concert)) => concert.admits_cancel(&e.reservation_id),
        }
    }

    fn fold(state: Option<Concert>, event: &TicketsEvent) -> Folded<Concert> {
        let mut concert = state.unwrap_or_default();
        match event {
            TicketsEvent::TicketsOffered(e) => {
                (concert.total, concert.sale_ends_at) = (e.total, e.sale_ends_at);
                concert.settle();
            }
            TicketsEvent::TicketReserved(e) => concert.reserve(Reservation::of(e)),
            TicketsEvent::ReservationCancelled(e) => concert.cancel(&e.reservation_id),
        }
        concert.reserved_count = i64::try_from(concert.reserved.len()).unwrap_or(i64::MAX);
        Folded::next(concert)
    }

    fn contributes(concert: &Concert) -> Vec<Contribution> {
        let stands = if concert.conflict_count == 0 { "kept" } else { "broken" };
        vec![Contribution::of(&CONFLICTS, GroupName::of(&[stands]), concert.conflict_count)]
    }
}

impl Reservation {
    fn of(e: &TicketReserved) -> Self {
        let (member_id, reservation_id) = (e.member_id.clone(), e.reservation_id.clone());
        Self { number: e.number, member_id, reservation_id, at: e.occurred_at }
    }
}

impl Concert {
    /// Whether a reservation stands, or was given up lately.
    fn knows(&self, id: &str) -> bool {
        let mut stand = self.reserved.iter().chain(&self.conflicts);
        stand.any(|known| known.reservation_id == id)
            || self.cancelled.iter().any(|known| known == id)
    }

    fn admits_cancel(&self, id: &str) -> Admit {
        let lists_all = i64::try_from(self.conflicts.len()) == Ok(self.conflict_count);
        match self.cancelled.iter().any(|known| known == id) {
            true => Admit::Stale,
            false if lists_all && !self.knows(id) => Admit::Wait("the reservation that it cancels"),
            false => Admit::Fold,
        }
    }

    /// Numbers are 1 to the total, each once; so there are never more than the total either.
    fn reserve(&mut self, new: Reservation) {
        let at = self.reserved.binary_search_by_key(&new.number, |known| known.number);
        match at {
            Err(at) if (1..=self.total).contains(&new.number) => self.reserved.insert(at, new),
            Ok(_) | Err(_) => {
                self.conflict_count += 1;
                if self.conflicts.len() < LISTED_CONFLICTS {
                    self.conflicts.push(new);
                }
            }
        }
    }

    /// One that is not listed can only be one of those that are counted.
    fn cancel(&mut self, id: &str) {
        self.cancelled.push_back(id.to_owned());
        if self.cancelled.len() > REMEMBERED_CANCELS {
            self.cancelled.pop_front();
        }
        let before = self.reserved.len();
        self.reserved.retain(|known| known.reservation_id != id);
        if self.reserved.len() == before {
            self.conflicts.retain(|known| known.reservation_id != id);
            self.conflict_count -= 1;
        } else {
            self.settle();
        }
    }

    /// A conflict that is none any more becomes a reservation, the earliest first.
    fn settle(&mut self) {
        let listed = std::mem::take(&mut self.conflicts);
        self.conflict_count -= i64::try_from(listed.len()).unwrap_or(i64::MAX);
        listed.into_iter().for_each(|conflict| self.reserve(conflict));
    }
}
