//! `tickets`: who has which ticket of a concert, and which reservations break the rules.

use std::collections::VecDeque;

use readmill_core::{
    Admit, Contribution, Direction, Folded, GroupName, Index, Keys, ReadModel, Rollup, Standing,
};
use readmill_schemas::Timestamp;
use readmill_schemas::tickets::{TicketReserved, TicketsEvent};
use serde::{Deserialize, Serialize};

/// The most tickets of one document: a concert with more is offered block by block.
pub const MOST_TICKETS: i64 = 20_000;
/// The most conflicts that a document lists. Those beyond are counted only.
pub const LISTED_CONFLICTS: usize = 100;
/// How many cancels a document remembers, so that what is told again of them is known.
pub const REMEMBERED_CANCELS: usize = 100;

/// The check whether what was reserved is what there was.
pub const CONFLICTS: Rollup = Rollup::of_documents(
    "conflicts",
    "concerts that keep the rules and concerts that do not, with their conflicts",
);

/// The read model.
#[derive(Debug)]
pub struct Tickets;

/// A concert.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Concert {
    /// How many tickets there are, numbered from 1 on.
    pub total: i64,
    /// When the sale ends, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sale_ends_at: Option<Timestamp>,
    /// How many of them are reserved.
    pub reserved_count: i64,
    /// Who has which: each number once, by number.
    pub reserved: Vec<Reservation>,
    /// How many reservations stand that break a rule.
    pub conflict_count: i64,
    /// Those of them that came first, in the order in which they came.
    pub conflicts: Vec<Reservation>,
    /// The reservations given up last, by id.
    pub cancelled: VecDeque<String>,
}

/// A reservation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// The ticket's number.
    pub number: i64,
    /// Who reserved it.
    pub member_id: String,
    /// The reservation.
    pub reservation_id: String,
    /// When.
    pub at: Timestamp,
}

impl ReadModel for Tickets {
    const NAME: &'static str = "tickets";
    const FOLD_VERSION: u32 = 1;
    const ABOUT: &'static str =
        "the tickets of a concert: who has which, and what breaks the rules";
    const ROLLUPS: &'static [Rollup] = &[CONFLICTS];

    /// Readers look for concerts with conflicts, the worst first, and for what a member has.
    const INDEXES: &'static [Index] = &[
        Index {
            name: "by_conflicts",
            fields: &[("conflict_count", Direction::Descending)],
            sparse: true,
        },
        Index {
            name: "by_member",
            fields: &[("reserved.member_id", Direction::Ascending)],
            sparse: true,
        },
    ];

    type Event = TicketsEvent;
    type State = Concert;

    fn keys(event: &TicketsEvent) -> Keys {
        Keys::one(match event {
            TicketsEvent::TicketsOffered(e) => &e.concert_id,
            TicketsEvent::TicketReserved(e) => &e.concert_id,
            TicketsEvent::ReservationCancelled(e) => &e.concert_id,
        })
    }

    /// A reservation is known by its id: one that is told again changes nothing, and a cancel takes
    /// back its own and no other of the same number.
    fn admit(standing: Standing<'_, Concert>, event: &TicketsEvent) -> Admit {
        let concert = match standing {
            Standing::Live(concert) => Some(concert),
            Standing::Never | Standing::Gone => None,
        };
        match (concert, event) {
            (_, TicketsEvent::TicketsOffered(e)) if e.total > MOST_TICKETS => {
                Admit::Refuse("more tickets than a document holds: offer them block by block")
            }
            (Some(concert), TicketsEvent::TicketsOffered(e)) if e.total < concert.total => {
                Admit::Refuse("fewer tickets than were on sale before")
            }
            (Some(concert), TicketsEvent::TicketReserved(e))
                if concert.knows(&e.reservation_id) =>
            {
                Admit::Stale
            }
            (Some(concert), TicketsEvent::ReservationCancelled(e))
                if concert.cancelled.contains(&e.reservation_id) =>
            {
                Admit::Stale
            }
            (Some(concert), TicketsEvent::ReservationCancelled(e))
                if !concert.knows(&e.reservation_id) && concert.lists_all() =>
            {
                Admit::Wait("the reservation that it cancels")
            }
            (None, TicketsEvent::TicketReserved(_) | TicketsEvent::ReservationCancelled(_)) => {
                Admit::Wait("the tickets on sale")
            }
            (_, TicketsEvent::TicketsOffered(_)) | (Some(_), _) => Admit::Fold,
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

    /// Whether every conflict that stands is listed.
    fn lists_all(&self) -> bool {
        i64::try_from(self.conflicts.len()) == Ok(self.conflict_count)
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
