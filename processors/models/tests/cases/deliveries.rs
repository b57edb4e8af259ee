//! The traps and rules of deliveries under way.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use readmill_core::{ReadModel, What};
use readmill_models::Deliveries;
use readmill_models::deliveries::Status;
use readmill_schemas::deliveries::{
    DeliveriesEvent, DeliveryCancelled, DeliveryCompleted, DeliveryCreated, Dispatched,
    OrderService, PickedUp, PickupRequested,
};
use readmill_schemas::{Events, Timestamp};

use crate::kit::{Line, Run, line};

const DELIVERY: &str = "d-1";

/// A delivery from its creation to its completion, each step a minute behind the one before.
fn life(delivery_id: &str) -> Vec<Line<DeliveriesEvent>> {
    let id = || delivery_id.to_owned();
    let at = |minute: i64| Timestamp::from_millis(minute * 60_000);
    let created = DeliveryCreated {
        delivery_id: id(),
        occurred_at: at(0),
        order_no: format!("o-{delivery_id}"),
        service: OrderService::Food,
        region: "north".to_owned(),
    };
    let (store_id, rider_id) = ("s-1".to_owned(), "r-1".to_owned());
    let events: [DeliveriesEvent; 5] = [
        created.into(),
        PickupRequested { delivery_id: id(), occurred_at: at(1), store_id }.into(),
        Dispatched { delivery_id: id(), occurred_at: at(2), rider_id }.into(),
        PickedUp { delivery_id: id(), occurred_at: at(3) }.into(),
        DeliveryCompleted { delivery_id: id(), occurred_at: at(4) }.into(),
    ];
    (1..).zip(events).map(|(version, event)| line(delivery_id, version, event)).collect()
}

/// The same from a service that keeps no versions: nothing tells that a step is missing.
fn legacy(delivery_id: &str) -> Vec<Line<DeliveriesEvent>> {
    life(delivery_id).into_iter().map(|line| Line { version: None, ..line }).collect()
}

fn is_completed(event: &DeliveriesEvent) -> bool {
    matches!(event, DeliveriesEvent::DeliveryCompleted(_))
}

/// Entries in a cache, removed at the end; what a delivery came to is published behind that.
#[derive(Default)]
struct Naive {
    entries: BTreeMap<String, Vec<&'static str>>,
    published: Vec<Vec<&'static str>>,
}

impl Naive {
    fn take(&mut self, event: &DeliveriesEvent, crashes_between: bool) {
        let key = Deliveries::keys(event).into_vec().remove(0).0;
        let step = event.contract().name;
        if is_completed(event) {
            let Some(steps) = self.entries.remove(&key) else { return };
            if !crashes_between {
                self.published.push(steps);
            }
        } else {
            self.entries.entry(key).or_default().push(step);
        }
    }

    fn of(log: &[Line<DeliveriesEvent>], order: &[usize]) -> Self {
        let mut naive = Self::default();
        order.iter().for_each(|which| naive.take(&log[*which].event, false));
        naive
    }
}

#[test]
fn trap_a_crash_between_delete_and_publish_loses_no_integrated_event() {
    let log = life(DELIVERY);
    let mut naive = Naive::default();
    log.iter().for_each(|line| naive.take(&line.event, true));
    // It starts again, and the completion comes once more: what it was to tell is gone.
    naive.take(&log[4].event, false);
    assert_eq!((naive.entries.len(), naive.published.len()), (0, 0), "lost for good");

    let mut run = Run::<Deliveries>::new();
    (0..5).for_each(|at| run.take(&log[at], at, at, 0));
    let document = &run.documents[&DELIVERY.into()];
    assert!(document.state.is_none() && document.stamp.gone);
    let unsent: Vec<_> = document.stamp.unsent.iter().map(|output| &output.what).collect();
    assert!(unsent.iter().any(|what| matches!(what, What::Reaction(_))));
    // A crash before it was sent: nobody else was told, and the completion comes once more.
    let document = run.documents.remove(&DELIVERY.into()).unwrap();
    let mut again = Run::<Deliveries>::new();
    again.documents.insert(DELIVERY.into(), document);
    again.take(&log[4], 4, 4, 0);
    assert_eq!(again.said.len(), 1, "the document still knows what it has to tell");
    let wanted = Run::<Deliveries>::of(&log).said;
    assert_eq!(again.said, wanted, "under the same id");
}

#[test]
fn trap_a_late_duplicate_does_not_bring_back_what_has_ended() {
    for log in [life(DELIVERY), legacy(DELIVERY)] {
        let order = [0, 1, 2, 3, 4, 2];
        let naive = Naive::of(&log, &order);
        assert_eq!(naive.entries.len(), 1, "a ghost that nobody ever removes");
        let run = Run::<Deliveries>::in_order(&log, order);
        assert!(run.state(DELIVERY).is_none());
        assert_eq!((run.waiting(DELIVERY), run.said.len()), (0, 1));
        assert_eq!(under_way(&run), 0);
    }
}

/// How many deliveries are under way, by the roll-up that a gauge asks.
fn under_way(run: &Run<Deliveries>) -> i64 {
    let groups = run.rollups().into_iter();
    groups.filter(|(group, _)| group.starts_with("under_way/")).map(|(_, total)| total.count).sum()
}

#[test]
fn trap_two_events_that_arrive_swapped_are_both_told() {
    for log in [life(DELIVERY), legacy(DELIVERY)] {
        let order = [0, 1, 2, 4, 3];
        let naive = Naive::of(&log, &order);
        assert_eq!(naive.published[0].len(), 3, "told without the step that came a moment later");
        assert_eq!(naive.entries.len(), 1, "and that one is a ghost");
        let run = Run::<Deliveries>::in_order(&log, order);
        assert!(run.state(DELIVERY).is_none());
        assert_eq!((run.waiting(DELIVERY), run.said.len()), (0, 1));
        assert_eq!(run.seen()["rollups"], Run::<Deliveries>::of(&log).seen()["rollups"]);
    }
}

#[test]
fn rule_the_status_is_the_furthest_step_whatever_comes_last() {
    let log = legacy(DELIVERY);
    let run = Run::<Deliveries>::in_order(&log, [0, 3, 1, 2]);
    let delivery = run.state(DELIVERY).unwrap();
    assert_eq!(delivery.status, Status::PickedUp);
    assert_eq!(delivery.pickup_requested_at, Some(Timestamp::from_millis(60_000)));
    assert_eq!(delivery.rider_id.as_deref(), Some("r-1"));
}

#[test]
fn rule_a_cancelled_delivery_is_told_with_the_steps_that_it_took() {
    let mut log = life(DELIVERY);
    log.truncate(2);
    let (delivery_id, reason) = (DELIVERY.to_owned(), "no_rider".to_owned());
    let occurred_at = Timestamp::from_millis(90_000);
    log.push(line(DELIVERY, 3, DeliveryCancelled { delivery_id, occurred_at, reason }));
    let run = Run::<Deliveries>::of(&log);
    assert_eq!((run.state(DELIVERY), run.said.len(), under_way(&run)), (None, 1, 0));
    let ended: BTreeSet<String> = run.rollups().into_keys().collect();
    assert!(ended.contains("ended/CANCELLED/north/1970-01-01T00"), "{ended:?}");
}

/// Any order in which each of two deliveries may come, with anything repeated at any time.
fn orders() -> impl Strategy<Value = (Vec<usize>, Vec<usize>)> {
    let order = Just((0..10).collect::<Vec<_>>()).prop_shuffle();
    (order, proptest::collection::vec(0..10_usize, 0..8))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// With or without versions, each delivery is told once, and nothing is left.
    #[test]
    fn rule_in_any_order_each_delivery_ends_and_is_told_once(
        (order, again) in orders(),
        has_versions: bool,
    ) {
        let of = if has_versions { life } else { legacy };
        let log: Vec<_> = of("d-1").into_iter().chain(of("d-2")).collect();
        let run = Run::<Deliveries>::in_order(&log, order.into_iter().chain(again));
        prop_assert_eq!(run.said.len(), 2);
        prop_assert_eq!(under_way(&run), 0);
        for delivery in ["d-1", "d-2"] {
            prop_assert!(run.state(delivery).is_none() && run.waiting(delivery) == 0);
        }
    }
}
