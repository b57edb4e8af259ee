//! The traps of a ticket sale: too many for one seat, cancels that come first, rows told twice.

use std::collections::BTreeMap;

use proptest::prelude::*;
use readmill_models::Tickets;
use readmill_models::tickets::{Concert, LISTED_CONFLICTS, MOST_TICKETS};
use readmill_schemas::Timestamp;
use readmill_schemas::tickets::{
    ReservationCancelled, TicketReserved, TicketsEvent, TicketsOffered,
};

use crate::kit::{Line, Run, line};

const CONCERT: &str = "show-1";

fn head() -> (String, Timestamp) {
    (CONCERT.to_owned(), Timestamp::from_millis(0))
}

fn offered(total: i64) -> TicketsEvent {
    let (concert_id, occurred_at) = head();
    TicketsOffered { concert_id, occurred_at, total, sale_ends_at: None }.into()
}

fn reserved(id: &str, number: i64, member: &str) -> TicketsEvent {
    let (concert_id, occurred_at) = head();
    let (reservation_id, member_id) = (id.to_owned(), member.to_owned());
    TicketReserved { concert_id, occurred_at, reservation_id, number, member_id }.into()
}

fn cancelled(id: &str) -> TicketsEvent {
    let (concert_id, occurred_at) = head();
    ReservationCancelled { concert_id, occurred_at, reservation_id: id.to_owned() }.into()
}

fn log(events: Vec<TicketsEvent>) -> Vec<Line<TicketsEvent>> {
    (1..).zip(events).map(|(version, event)| line(CONCERT, version, event)).collect()
}

fn concert(run: &Run<Tickets>) -> &Concert {
    assert_eq!((run.waiting(CONCERT), run.is_held(CONCERT)), (0, false));
    run.state(CONCERT).unwrap()
}

/// Who has which ticket, by number.
fn holders(concert: &Concert) -> Vec<(i64, &str)> {
    concert.reserved.iter().map(|one| (one.number, one.member_id.as_str())).collect()
}

#[test]
fn trap_thirty_users_on_ten_tickets_get_ten_and_the_check_tells() {
    // All of them read before any of them writes, and each finds that there is room.
    let (total, mut sold) = (10, 0);
    let read: Vec<i64> = (0..30).map(|_| sold).collect();
    read.into_iter().filter(|seen| *seen < total).for_each(|_| sold += 1);
    assert_eq!(sold, 30);

    let users = (0..30)
        .map(|user| reserved(&format!("r-{user}"), i64::from(user) % 10 + 1, &format!("m-{user}")));
    let run = Run::<Tickets>::of(&log(std::iter::once(offered(10)).chain(users).collect()));
    let concert = concert(&run);
    assert_eq!((concert.reserved_count, concert.conflict_count), (10, 20));
    let numbers: Vec<i64> = concert.reserved.iter().map(|one| one.number).collect();
    assert_eq!(numbers, (1..=10).collect::<Vec<_>>());
    let check = &run.rollups()["conflicts/broken"];
    assert_eq!((check.count, i64::try_from(check.sum.0)), (1, Ok(20)));
}

/// A map from numbers to members, in which a cancel removes what is there.
fn naive<'a>(log: &'a [Line<TicketsEvent>], order: &[usize]) -> BTreeMap<i64, &'a str> {
    let (mut seats, mut numbers) = (BTreeMap::new(), BTreeMap::new());
    for at in order {
        match &log[*at].event {
            TicketsEvent::TicketReserved(e) => {
                numbers.insert(&e.reservation_id, e.number);
                seats.insert(e.number, e.member_id.as_str());
            }
            TicketsEvent::ReservationCancelled(e) => {
                numbers.get(&e.reservation_id).map(|number| seats.remove(number));
            }
            TicketsEvent::TicketsOffered(_) => {}
        }
    }
    seats
}

#[test]
fn trap_a_cancel_that_comes_before_its_reservation_is_not_lost() {
    let committed_so = log(vec![offered(2), cancelled("r-1"), reserved("r-1", 1, "m-1")]);
    assert_eq!(naive(&committed_so, &[0, 1, 2]), [(1, "m-1")].into());
    assert_eq!(holders(concert(&Run::of(&committed_so))), []);

    let swapped_by_a_relay = log(vec![offered(2), reserved("r-1", 1, "m-1"), cancelled("r-1")]);
    assert_eq!(naive(&swapped_by_a_relay, &[0, 2, 1]), [(1, "m-1")].into());
    let run = Run::in_order(&swapped_by_a_relay, [0, 2, 1]);
    assert_eq!(holders(concert(&run)), []);
}

#[test]
fn trap_a_reservation_that_is_told_twice_is_one() {
    // As a record that comes again, and as a second row of the outbox.
    let twice = log(vec![offered(2), reserved("r-1", 1, "m-1"), reserved("r-1", 1, "m-1")]);
    let counted = twice.iter().filter(|l| matches!(l.event, TicketsEvent::TicketReserved(_)));
    assert_eq!(counted.count(), 2, "a counter says that the concert is sold out");
    let run = Run::<Tickets>::in_order(&twice, [0, 1, 1, 2, 2, 1]);
    assert_eq!((concert(&run).reserved_count, concert(&run).conflict_count), (1, 0));
}

#[test]
fn trap_a_cancel_that_is_told_twice_frees_nothing_else_and_waits_for_nothing() {
    let mut events = vec![offered(1), reserved("r-1", 1, "m-1"), cancelled("r-1")];
    events.extend([reserved("r-2", 1, "m-2"), cancelled("r-1"), reserved("r-1", 1, "m-1")]);
    let log = log(events);
    assert_eq!(naive(&log, &[0, 1, 2, 3, 4]), BTreeMap::new(), "m-2 has lost the ticket");
    assert_eq!(naive(&log, &[0, 1, 2, 5]), [(1, "m-1")].into(), "m-1 has it back");
    let run = Run::of(&log);
    assert_eq!(holders(concert(&run)), [(1, "m-2")]);
    assert_eq!(concert(&run).conflict_count, 0);
}

#[test]
fn trap_who_gives_up_a_ticket_that_was_sold_twice_does_not_free_it_for_the_other() {
    let log = log(vec![
        offered(2),
        reserved("r-1", 1, "m-1"),
        reserved("r-2", 1, "m-2"),
        cancelled("r-2"),
    ]);
    assert_eq!(naive(&log, &[0, 1, 2, 3]), BTreeMap::new(), "m-1 has lost the ticket");
    let run = Run::of(&log);
    assert_eq!(holders(concert(&run)), [(1, "m-1")]);
    assert_eq!(concert(&run).conflict_count, 0);
}

#[test]
fn rule_a_conflict_that_is_none_any_more_becomes_a_reservation_the_earliest_first() {
    let mut events = vec![offered(1), reserved("r-1", 1, "m-1"), reserved("r-2", 2, "m-2")];
    events.extend([reserved("r-3", 1, "m-3"), reserved("r-4", 1, "m-4"), cancelled("r-1")]);
    let run = Run::of(&log(events.clone()));
    assert_eq!(holders(concert(&run)), [(1, "m-3")]);
    assert_eq!(concert(&run).conflict_count, 2);
    events.push(offered(2));
    let run = Run::of(&log(events));
    assert_eq!(holders(concert(&run)), [(1, "m-3"), (2, "m-2")]);
    assert_eq!(concert(&run).conflict_count, 1);
}

#[test]
fn rule_conflicts_beyond_the_list_are_counted() {
    let many = i64::try_from(LISTED_CONFLICTS).unwrap() + 50;
    let mut events = vec![offered(1)];
    events.extend((0..=many).map(|n| reserved(&format!("r-{n}"), 1, "m")));
    let run = Run::of(&log(events.clone()));
    let listed = concert(&run).conflicts.len();
    assert_eq!((concert(&run).conflict_count, listed), (many, LISTED_CONFLICTS));
    events.extend((1..=many).map(|n| cancelled(&format!("r-{n}"))));
    let run = Run::of(&log(events));
    assert_eq!((concert(&run).conflict_count, concert(&run).conflicts.len()), (0, 0));
    assert_eq!(holders(concert(&run)), [(1, "m")]);
}

#[test]
fn rule_what_must_never_happen_is_held_for_a_person() {
    for events in [vec![offered(MOST_TICKETS + 1)], vec![offered(3), offered(2)]] {
        assert!(Run::<Tickets>::of(&log(events)).is_held(CONCERT));
    }
}

proptest! {
    /// Reservations of numbers that may be wrong, of which some are given up, early or late.
    #[test]
    fn rule_every_ticket_has_one_holder_and_nobody_is_forgotten(
        total in 0_i64..8,
        made in prop::collection::vec((-1_i64..10, any::<bool>(), any::<bool>()), 0..40),
    ) {
        let mut events = vec![offered(total)];
        let mut late = Vec::new();
        let mut stand = 0;
        for (n, (number, given_up, early)) in made.into_iter().enumerate() {
            let id = format!("r-{n}");
            match (given_up, early) {
                (true, true) => events.push(cancelled(&id)),
                (true, false) => late.push(cancelled(&id)),
                (false, _) => stand += 1,
            }
            events.push(reserved(&id, number, &format!("m-{n}")));
        }
        events.extend(late);
        let run = Run::<Tickets>::of(&log(events));
        let concert = concert(&run);
        prop_assert!(concert.reserved.windows(2).all(|pair| pair[0].number < pair[1].number));
        prop_assert!(concert.reserved.iter().all(|one| (1..=total).contains(&one.number)));
        prop_assert!(concert.reserved_count <= total);
        prop_assert_eq!(concert.reserved_count + concert.conflict_count, stand);
    }
}
