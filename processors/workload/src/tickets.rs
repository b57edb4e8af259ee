//! The ticket shop: concerts on sale, whose tickets are reserved and given up again.

use readmill_schemas::Timestamp;
use readmill_schemas::tickets::{
    ReservationCancelled, TicketReserved, TicketsEvent, TicketsOffered,
};

use crate::journal::Draft;
use crate::knobs::Knobs;
use crate::rng::Rng;
use crate::row::{SourceEvent, Table};
use crate::service::Service;

/// The most concerts on sale at a time.
const MOST_ON_SALE: usize = 50;
/// The most tickets of a concert.
const MOST_TICKETS: i64 = 200;
/// Reservations that are made without asking whether the ticket is free.
const UNASKED_PER_MILLE: u32 = 5;
/// A day.
const SALE_MS: i64 = 86_400_000;

/// A concert on sale.
#[derive(Debug)]
struct OnSale {
    number: u64,
    version: i64,
    total: i64,
    /// How often the shop has tried to sell a ticket.
    tried: i64,
    made: u64,
    /// Free numbers, in no order.
    free: Vec<i64>,
    /// The reservations that stand, each with its number, unless somebody else has that.
    stand: Vec<(String, Option<i64>)>,
}

/// The shop's state: the concerts on sale, whatever the number of events.
#[derive(Debug)]
pub struct Tickets {
    rng: Rng,
    on_sale: Vec<OnSale>,
    members: u64,
    made: u64,
}

impl Tickets {
    /// A shop that sells nothing yet.
    pub fn new(knobs: &Knobs) -> Self {
        let (rng, members) = (Rng::new(knobs.seed, 13), u64::from(knobs.members));
        Self { rng, on_sale: Vec::new(), members, made: 0 }
    }
}

impl Service for Tickets {
    fn transact(&mut self, now_ms: i64, _room: u64) -> Vec<Draft> {
        let at = Timestamp::from_millis(now_ms);
        let on_sale = self.on_sale.len();
        if on_sale == 0 || (on_sale < MOST_ON_SALE && self.rng.chance(20)) {
            self.made += 1;
            let total = self.rng.between(1, MOST_TICKETS);
            let mut concert = OnSale::new(self.made);
            let draft = concert.offer(total, at);
            self.on_sale.push(concert);
            return vec![draft];
        }
        let which = self.rng.index(on_sale);
        let Some(concert) = self.on_sale.get_mut(which) else { return Vec::new() };
        let draft = concert.act(at, self.members, &mut self.rng);
        if concert.tried > 2 * concert.total {
            self.on_sale.swap_remove(which);
        }
        vec![draft]
    }
}

impl OnSale {
    const fn new(number: u64) -> Self {
        let (total, tried) = (0, 0);
        Self { number, version: 0, total, tried, made: 0, free: Vec::new(), stand: Vec::new() }
    }

    fn id(&self) -> String {
        format!("show-{:06}", self.number)
    }

    fn draft(&mut self, event: TicketsEvent) -> Draft {
        self.version += 1;
        Draft {
            table: Table::Tickets,
            aggregate_id: self.id(),
            version: Some(self.version),
            event: SourceEvent::Tickets(event),
        }
    }

    fn act(&mut self, at: Timestamp, members: u64, rng: &mut Rng) -> Draft {
        self.tried += 1;
        match rng.below(100) {
            _ if self.free.is_empty() && self.total < MOST_TICKETS && rng.chance(30) => {
                self.offer(self.total + 1, at)
            }
            _ if rng.chance(UNASKED_PER_MILLE) => {
                self.reserve(rng.between(1, self.total + 1), None, at, members, rng)
            }
            0..20 if !self.stand.is_empty() => self.cancel(at, rng),
            _ if self.free.is_empty() && !self.stand.is_empty() => self.cancel(at, rng),
            _ => {
                let number = self.free.swap_remove(rng.index(self.free.len()));
                self.reserve(number, Some(number), at, members, rng)
            }
        }
    }

    fn offer(&mut self, total: i64, occurred_at: Timestamp) -> Draft {
        self.free.extend(self.total + 1..=total);
        self.total = total;
        let sale_ends_at = (total % 2 == 0).then(|| occurred_at.plus_millis(SALE_MS));
        let concert_id = self.id();
        self.draft(TicketsOffered { concert_id, occurred_at, total, sale_ends_at }.into())
    }

    fn reserve(
        &mut self,
        number: i64,
        own: Option<i64>,
        occurred_at: Timestamp,
        members: u64,
        rng: &mut Rng,
    ) -> Draft {
        self.made += 1;
        let (concert_id, reservation_id) = (self.id(), format!("r-{}-{}", self.number, self.made));
        self.stand.push((reservation_id.clone(), own));
        let member_id = format!("m-{:06}", rng.below(members));
        let reserved =
            TicketReserved { concert_id, occurred_at, reservation_id, number, member_id };
        self.draft(reserved.into())
    }

    fn cancel(&mut self, occurred_at: Timestamp, rng: &mut Rng) -> Draft {
        let (reservation_id, own) = self.stand.swap_remove(rng.index(self.stand.len()));
        self.free.extend(own);
        let concert_id = self.id();
        self.draft(ReservationCancelled { concert_id, occurred_at, reservation_id }.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oracle::tests::check_service;

    #[test]
    fn tickets_wait_for_nothing_and_are_as_they_were_however_they_were_published() {
        let expected = check_service::<readmill_models::Tickets>(3);
        let concerts = || expected.states.values();
        assert!(concerts().all(|concert| concert.reserved_count <= concert.total));
        assert!(concerts().any(|concert| concert.reserved_count == concert.total), "sold out");
        assert!(concerts().any(|concert| concert.conflict_count > 0), "sold without being asked");
        assert!(concerts().any(|concert| concert.conflict_count == 0));
    }

    #[test]
    fn the_shop_is_bounded() {
        let mut tickets = Tickets::new(&Knobs::default());
        for n in 0..50_000 {
            assert_eq!(tickets.transact(n, 1).len(), 1);
            assert!(tickets.on_sale.len() <= MOST_ON_SALE);
        }
        let held = tickets.on_sale.iter().map(|concert| concert.free.len() + concert.stand.len());
        assert!(held.sum::<usize>() < 50 * 400);
    }
}
