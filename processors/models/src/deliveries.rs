//! `deliveries`: the steps of each delivery while it is under way; when it ends, its document goes
//! and one integrated event tells the rest of the company.

mod document;

use readmill_core::Direction::Ascending;
use readmill_core::{
    Admit, Contribution, Folded, GroupName, Index, Keys, ReadModel, Rollup, Shows, Standing, Window,
};
use readmill_schemas::deliveries::{DeliveriesEvent, DeliveryCreated, OrderService};
use readmill_schemas::deliveries_out::{
    DeliveriesOutEvent, IntegratedDelivery, OrderService as OutService, Outcome,
};
use readmill_schemas::{Contract, Events, Timestamp};

pub use document::{Delivery, ENDED, INFLOW, RIDERS, Status, UNDER_WAY};

/// The read model.
#[derive(Debug)]
pub struct Deliveries;

impl ReadModel for Deliveries {
    const NAME: &'static str = "deliveries";
    const FOLD_VERSION: u32 = 1;
    const ABOUT: &'static str = "a delivery under way: the time of each step, until it ends";
    const MIRROR: Option<&'static str> = Some("deliveries:under-way");

    const SAYS: &'static [Contract] = DeliveriesOutEvent::CONTRACTS;

    /// Readers look for the delivery of an order, and for what a rider has before them.
    const INDEXES: &'static [Index] = &[
        Index::on("by_order", &[("order_no", Ascending)]),
        Index::on("by_rider", &[("rider_id", Ascending), ("status", Ascending)]),
    ];
    const ROLLUPS: &'static [Rollup] = &[UNDER_WAY, INFLOW, RIDERS, ENDED];

    type Event = DeliveriesEvent;
    type State = Delivery;

    fn keys(event: &DeliveriesEvent) -> Keys {
        Keys::one(event.delivery_id())
    }

    /// Steps that arrive swapped wait for their creation, the completion for every step before it.
    /// Once a delivery has ended nothing raises it again.
    fn admit(standing: Standing<'_, Delivery>, event: &DeliveriesEvent) -> Admit {
        match (standing, event) {
            (Standing::Gone, _) => Admit::Stale,
            (Standing::Live(_), DeliveriesEvent::DeliveryCreated(_)) => Admit::Stale,
            (Standing::Never, DeliveriesEvent::DeliveryCreated(_)) => Admit::Fold,
            (Standing::Never, _) => Admit::Wait("the creation of the delivery"),
            (Standing::Live(delivery), DeliveriesEvent::DeliveryCompleted(_)) => {
                if delivery.all_steps_known() {
                    Admit::Fold
                } else {
                    Admit::Wait("the steps before completion")
                }
            }
            (Standing::Live(_), _) => Admit::Fold,
        }
    }

    fn fold(state: Option<Delivery>, event: &DeliveriesEvent) -> Folded<Delivery> {
        match (state, event) {
            (None, DeliveriesEvent::DeliveryCreated(e)) => {
                let hour = GroupName::of(&[e.service.symbol()]).within(Window::Hour, e.occurred_at);
                Folded::next(Delivery::created(e)).adding(Contribution::one(&INFLOW, hour))
            }
            (Some(delivery), DeliveriesEvent::DeliveryCompleted(e)) => {
                delivery.end(&e.delivery_id, Outcome::Completed, e.occurred_at)
            }
            (Some(delivery), DeliveriesEvent::DeliveryCancelled(e)) => {
                delivery.end(&e.delivery_id, Outcome::Cancelled, e.occurred_at)
            }
            (Some(delivery), DeliveriesEvent::Dispatched(e)) => {
                let hour = GroupName::of(&[&delivery.region]).within(Window::Hour, e.occurred_at);
                let sent = Contribution::one(&RIDERS, hour).about(&e.rider_id);
                Folded::next(delivery.step(event)).adding(sent)
            }
            (Some(delivery), event) => Folded::next(delivery.step(event)),
            // Not admitted: kept total all the same.
            (None, _) => Folded::gone(),
        }
    }

    /// The deliveries of each status, those created first at the front, and those of each region.
    fn mirror(delivery: &Delivery) -> Shows {
        Shows::default()
            .ranked(format!("status:{}", delivery.status.name()), delivery.created_at.as_millis())
            .in_set(format!("region:{}", delivery.region))
    }

    fn contributes(delivery: &Delivery) -> Vec<Contribution> {
        let stands = GroupName::of(&[delivery.status.name(), &delivery.region]);
        vec![Contribution::one(&UNDER_WAY, stands)]
    }
}

impl Delivery {
    fn created(e: &DeliveryCreated) -> Self {
        Self {
            order_no: e.order_no.clone(),
            service: e.service,
            region: e.region.clone(),
            status: Status::Created,
            rider_id: None,
            created_at: e.occurred_at,
            pickup_requested_at: None,
            dispatched_at: None,
            picked_up_at: None,
        }
    }

    fn step(mut self, event: &DeliveriesEvent) -> Self {
        let status = match event {
            DeliveriesEvent::PickupRequested(e) => {
                self.pickup_requested_at = Some(e.occurred_at);
                Status::PickupRequested
            }
            DeliveriesEvent::Dispatched(e) => {
                self.dispatched_at = Some(e.occurred_at);
                self.rider_id = Some(e.rider_id.clone());
                Status::Dispatched
            }
            DeliveriesEvent::PickedUp(e) => {
                self.picked_up_at = Some(e.occurred_at);
                Status::PickedUp
            }
            DeliveriesEvent::DeliveryCreated(_)
            | DeliveriesEvent::DeliveryCompleted(_)
            | DeliveriesEvent::DeliveryCancelled(_) => self.status,
        };
        self.status = self.status.max(status);
        self
    }

    /// The document goes; what it knew goes out in one event, decided by the same write.
    fn end(self, delivery_id: &str, outcome: Outcome, ended_at: Timestamp) -> Folded<Self> {
        let hour = GroupName::of(&[outcome.symbol(), &self.region]).within(Window::Hour, ended_at);
        let took_ms = ended_at.as_millis().saturating_sub(self.created_at.as_millis());
        let took = Contribution::of(&ENDED, hour, took_ms).about(delivery_id);
        let told = DeliveriesOutEvent::IntegratedDelivery(IntegratedDelivery {
            delivery_id: delivery_id.to_owned(),
            order_no: self.order_no,
            service: told_service(self.service),
            region: self.region,
            rider_id: self.rider_id,
            outcome,
            created_at: Some(self.created_at),
            pickup_requested_at: self.pickup_requested_at,
            dispatched_at: self.dispatched_at,
            picked_up_at: self.picked_up_at,
            ended_at: Some(ended_at),
        });
        Folded::gone().saying(&told).adding(took)
    }
}

const fn told_service(service: OrderService) -> OutService {
    match service {
        OrderService::Mall => OutService::Mall,
        OrderService::Food => OutService::Food,
        OrderService::Mart => OutService::Mart,
        OrderService::Other => OutService::Other,
    }
}
