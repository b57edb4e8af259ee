//! The traps of one document per order out of four topics: interleavings, compensations, repeats.
//!
//! The kit has one topic, so here the aggregates have the topics' names in front: each topic counts
//! the versions of an order for itself.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::subsequence;
use readmill_models::Orders;
use readmill_models::orders::{Order, SHOWN_ITEMS, Status};
use readmill_schemas::orders::{
    OrderConfirmed, OrderDelivered, OrderItem, OrderPlaced, OrderRejected, OrderShipped,
    OrderValidated, OrdersEvent, PaymentApproved, PaymentCancelled, StockRestored, StockTaken,
};
use readmill_schemas::orders_out::{OrdersOutEvent, StockRestoreAsked};
use readmill_schemas::{Timestamp, WrittenEvents};

use crate::kit::{Line, Run, line};

pub const ORDER: &str = "2026110112304517384920";
const RESTORE: &str = "readmill.orders_out.StockRestoreAsked";
const REFUND: &str = "readmill.orders_out.PaymentRefundAsked";

/// The events of one topic, in their order.
fn topic(name: &str, events: Vec<OrdersEvent>) -> Vec<Line<OrdersEvent>> {
    let aggregate = format!("{name}/{ORDER}");
    (1..).zip(events).map(|(version, event)| line(&aggregate, version, event)).collect()
}

pub fn head() -> (String, Timestamp) {
    (ORDER.to_owned(), Timestamp::from_millis(1_793_535_045_000))
}

pub fn placed() -> OrdersEvent {
    let (order_no, occurred_at) = head();
    let items = vec![OrderItem { product_id: "p-1".to_owned(), quantity: 2, price_won: 500 }];
    let (customer_id, channel) = ("c-1".to_owned(), "app".to_owned());
    let (total_won, deliver_by) = (1_000, None);
    OrderPlaced { order_no, occurred_at, customer_id, items, total_won, channel, deliver_by }.into()
}

fn validated() -> OrdersEvent {
    let (order_no, occurred_at) = head();
    OrderValidated { order_no, occurred_at }.into()
}

fn confirmed() -> OrdersEvent {
    let (order_no, occurred_at) = head();
    OrderConfirmed { order_no, occurred_at }.into()
}

fn rejected() -> OrdersEvent {
    let (order_no, occurred_at) = head();
    OrderRejected { order_no, occurred_at, reason: "ADDRESS".to_owned() }.into()
}

fn approved(payment: &str) -> OrdersEvent {
    let (order_no, occurred_at) = head();
    let (payment_id, method) = (payment.to_owned(), "card".to_owned());
    PaymentApproved { order_no, occurred_at, payment_id, method, amount_won: 1_000 }.into()
}

fn cancelled(payment: &str) -> OrdersEvent {
    let (order_no, occurred_at) = head();
    let (payment_id, reason) = (payment.to_owned(), "LIMIT".to_owned());
    PaymentCancelled { order_no, occurred_at, payment_id, reason }.into()
}

fn shipped() -> OrdersEvent {
    let (order_no, occurred_at) = head();
    let (carrier, tracking_no) = ("river".to_owned(), "R-1".to_owned());
    OrderShipped { order_no, occurred_at, carrier, tracking_no }.into()
}

fn delivered() -> OrdersEvent {
    let (order_no, occurred_at) = head();
    OrderDelivered { order_no, occurred_at }.into()
}

fn taken(decision_no: i64) -> OrdersEvent {
    let (order_no, occurred_at) = head();
    StockTaken { order_no, occurred_at, decision_no }.into()
}

fn restored(decision_no: i64) -> OrdersEvent {
    let (order_no, occurred_at) = head();
    StockRestored { order_no, occurred_at, decision_no }.into()
}

/// The events of all topics, and every order of them that keeps the order within each.
fn interleaved(topics: [Vec<OrdersEvent>; 4]) -> (Vec<Line<OrdersEvent>>, Vec<Vec<usize>>) {
    let names = ["orders", "payments", "deliveries", "stock"];
    let mut next = Vec::new();
    let mut log = Vec::new();
    for (name, events) in names.into_iter().zip(topics) {
        next.push(log.len()..log.len() + events.len());
        log.extend(topic(name, events));
    }
    let mut orders = Vec::new();
    go_on(&mut next, &mut Vec::new(), &mut orders);
    (log, orders)
}

fn go_on(
    next: &mut Vec<std::ops::Range<usize>>,
    so_far: &mut Vec<usize>,
    all: &mut Vec<Vec<usize>>,
) {
    if next.iter().all(|topic| topic.is_empty()) {
        all.push(so_far.clone());
    }
    for topic in 0..next.len() {
        if !next[topic].is_empty() {
            so_far.push(next[topic].start);
            next[topic].start += 1;
            go_on(next, so_far, all);
            next[topic].start -= 1;
            so_far.pop();
        }
    }
}

fn order(run: &Run<Orders>) -> &Order {
    assert_eq!((run.waiting(ORDER), run.is_held(ORDER)), (0, false));
    run.state(ORDER).unwrap()
}

/// What was asked for.
fn asked(run: &Run<Orders>) -> Vec<&str> {
    let mut asked: Vec<&str> = run.said.values().map(String::as_str).collect();
    asked.sort_unstable();
    asked
}

/// A status that each event sets as it comes.
fn naive_status(log: &[Line<OrdersEvent>], order: &[usize]) -> &'static str {
    let status = |at: &usize| match &log[*at].event {
        OrdersEvent::OrderPlaced(_) => Some("PROVISIONAL"),
        OrdersEvent::OrderValidated(_) => Some("VALIDATED"),
        OrdersEvent::OrderConfirmed(_) => Some("CONFIRMED"),
        OrdersEvent::OrderRejected(_) => Some("REJECTED"),
        OrdersEvent::OrderShipped(_) => Some("SHIPPED"),
        OrdersEvent::OrderDelivered(_) => Some("DELIVERED"),
        _ => None,
    };
    order.iter().rev().find_map(status).unwrap()
}

#[test]
fn trap_eight_kinds_from_four_topics_are_one_document_in_any_interleaving() {
    let (log, orders) = interleaved([
        vec![placed(), validated(), confirmed()],
        vec![approved("a"), cancelled("a"), approved("b")],
        vec![shipped(), delivered()],
        vec![taken(1)],
    ]);
    assert_eq!(orders.len(), 5_040);
    let naive: BTreeSet<&str> = orders.iter().map(|order| naive_status(&log, order)).collect();
    assert!(naive.contains("CONFIRMED") && naive.contains("DELIVERED"), "{naive:?}");
    let straight = Run::<Orders>::of(&log);
    assert_eq!(order(&straight).status, Status::Delivered);
    for interleaving in orders {
        let run = Run::<Orders>::in_order(&log, interleaving.iter().copied());
        assert_eq!(order(&run), order(&straight), "{interleaving:?}");
        assert_eq!(asked(&run), [""; 0]);
    }
}

/// Asks when both are known, as often as it hears of one of them.
fn naive_asks(log: &[Line<OrdersEvent>], order: &[usize]) -> usize {
    let (mut rejected, mut taken, mut asks) = (false, false, 0);
    for at in order {
        match &log[*at].event {
            OrdersEvent::OrderRejected(_) => rejected = true,
            OrdersEvent::StockTaken(_) => taken = true,
            _ => continue,
        }
        asks += usize::from(rejected && taken);
    }
    asks
}

#[test]
fn trap_a_compensation_is_asked_for_once_although_records_repeat() {
    let (log, orders) = interleaved([
        vec![placed(), validated(), rejected()],
        vec![approved("a")],
        vec![],
        vec![taken(1)],
    ]);
    for interleaving in orders {
        let doubled = || interleaving.iter().flat_map(|at| [*at, *at]).chain(0..log.len());
        assert!(naive_asks(&log, &doubled().collect::<Vec<_>>()) > 1);
        let run = Run::<Orders>::in_order(&log, doubled());
        assert_eq!(asked(&run), [REFUND, RESTORE], "{interleaving:?}");
        assert_eq!(order(&run).status, Status::Rejected);
    }
}

#[test]
fn trap_a_confirmation_told_again_after_the_rejection_does_not_revive_the_order() {
    let events = vec![placed(), validated(), rejected(), confirmed(), validated(), placed()];
    let log = topic("orders", events);
    assert_eq!(naive_status(&log, &[0, 1, 2, 3]), "CONFIRMED");
    let run = Run::<Orders>::of(&log);
    assert_eq!((order(&run).status, order(&run).confirmed_at), (Status::Rejected, None));
    let again = Run::<Orders>::in_order(&log, (0..log.len()).chain(0..log.len()));
    assert_eq!(order(&again), order(&run));
}

#[test]
fn trap_a_second_row_of_an_approval_does_not_pay_what_was_cancelled() {
    let payments = vec![approved("a"), cancelled("a"), approved("a")];
    let (log, orders) = interleaved([vec![placed(), rejected()], payments, vec![], vec![]]);
    let naive = log.iter().rev().find_map(|line| match &line.event {
        OrdersEvent::PaymentApproved(_) => Some(true),
        OrdersEvent::PaymentCancelled(_) => Some(false),
        _ => None,
    });
    assert_eq!(naive, Some(true), "the last row says that it is paid");
    for interleaving in orders {
        let run = Run::<Orders>::in_order(&log, interleaving.iter().copied());
        assert!(run.rollups().get("owed/payment").is_none_or(|owed| owed.count == 0));
        assert!(asked(&run).len() <= 1, "{interleaving:?}");
    }
}

#[test]
fn rule_what_was_given_back_before_the_rejection_was_known_is_not_asked_for() {
    let (log, orders) = interleaved([
        vec![placed(), rejected()],
        vec![approved("a"), cancelled("a")],
        vec![],
        vec![taken(1), restored(1)],
    ]);
    let straight = Run::<Orders>::of(&log);
    for interleaving in orders {
        let run = Run::<Orders>::in_order(&log, interleaving.iter().copied());
        assert_eq!(order(&run), order(&straight), "however it came about");
        let at = |which: usize| interleaving.iter().position(|at| *at == which).unwrap();
        // The rejection is 1, the payment 2 and 3, the stock 4 and 5.
        let refund = at(1) < at(3);
        let restore = at(1) < at(5);
        let wanted = [(refund, REFUND), (restore, RESTORE)];
        let wanted: Vec<&str> =
            wanted.iter().filter(|(due, _)| *due).map(|(_, what)| *what).collect();
        assert_eq!(asked(&run), wanted, "{interleaving:?}");
        let owed = run.rollups();
        assert!(owed.iter().all(|(group, totals)| !group.starts_with("owed") || totals.count == 0));
    }
}

#[test]
fn rule_what_is_taken_or_paid_anew_for_a_rejected_order_is_asked_for_anew() {
    let log: Vec<Line<OrdersEvent>> = [
        topic("orders", vec![placed(), rejected()]),
        topic("payments", vec![approved("a"), cancelled("a"), approved("b")]),
        topic("stock", vec![taken(1), restored(1), taken(2)]),
    ]
    .into_iter()
    .flatten()
    .collect();
    let run = Run::<Orders>::of(&log);
    assert_eq!(asked(&run), [REFUND, REFUND, RESTORE, RESTORE]);
    assert_eq!(run.rollups()["owed/payment"].count, 1);
}

#[test]
fn rule_what_must_never_happen_is_held_for_a_person() {
    let of_another = match placed() {
        OrdersEvent::OrderPlaced(e) => OrderPlaced { customer_id: "c-2".to_owned(), ..e }.into(),
        other => other,
    };
    for events in [vec![placed(), confirmed(), rejected()], vec![placed(), of_another]] {
        let run = Run::<Orders>::of(&topic("orders", events));
        assert!(run.is_held(ORDER));
    }
}

#[test]
fn rule_the_items_shown_are_bounded_and_the_total_is_of_all() {
    let many = match placed() {
        OrdersEvent::OrderPlaced(e) => {
            let items = vec![e.items[0].clone(); SHOWN_ITEMS + 1];
            OrderPlaced { items, total_won: 201_000, ..e }.into()
        }
        other => other,
    };
    let run = Run::<Orders>::of(&topic("orders", vec![many]));
    let placed = order(&run).placed.as_ref().unwrap();
    assert_eq!((placed.items.len(), placed.total_won), (SHOWN_ITEMS, 201_000));
}

/// The four topics, of each of which some events in their order happen.
fn topics() -> impl Strategy<Value = [Vec<OrdersEvent>; 4]> {
    let some = |events: Vec<OrdersEvent>| {
        let most = events.len();
        subsequence(events, 0..=most)
    };
    let decided = prop_oneof![
        some(vec![placed(), validated(), confirmed(), confirmed()]),
        some(vec![placed(), validated(), rejected(), rejected(), confirmed()]),
    ];
    let payments = vec![approved("a"), cancelled("a"), approved("b"), cancelled("a")];
    let stock = vec![taken(1), restored(1), taken(2), taken(2)];
    let all = (decided, some(payments), some(vec![shipped(), delivered()]), some(stock));
    all.prop_map(|(orders, payments, deliveries, stock)| [orders, payments, deliveries, stock])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn rule_an_interleaving_and_its_repeats_end_as_any_other(
        topics in topics(),
        which in any::<prop::sample::Index>(),
        again in any::<prop::sample::Index>(),
    ) {
        let (log, orders) = interleaved(topics);
        let straight = Run::<Orders>::of(&log);
        let chosen = which.get(&orders);
        let until = if log.is_empty() { 0 } else { again.index(log.len()) };
        let repeated = chosen.iter().chain(&chosen[..until]).copied();
        let run = Run::<Orders>::in_order(&log, repeated);
        prop_assert_eq!(run.state(ORDER), straight.state(ORDER));
        prop_assert_eq!((run.waiting(ORDER), run.is_held(ORDER)), (0, false));
    }
}

#[test]
fn rule_a_reaction_names_what_is_to_be_given_back() {
    let (log, _) =
        interleaved([vec![placed(), rejected()], vec![approved("a")], vec![], vec![taken(7)]]);
    let run = Run::<Orders>::of(&log);
    let document = &run.documents[&ORDER.into()];
    let mut wanted = Vec::new();
    let (order_no, at) = head();
    let asked = StockRestoreAsked {
        order_no,
        rejected_at: at,
        reason: "ADDRESS".to_owned(),
        taken_at: at,
        decision_no: 7,
    };
    OrdersOutEvent::from(asked).write(&mut wanted);
    let told = document.stamp.unsent.iter().any(|output| match &output.what {
        readmill_core::What::Reaction(reaction) => reaction.body == wanted,
        _ => false,
    });
    assert!(told);
}
