//! What readers of `deliveries` get: deliveries under way, and what they come to.

use readmill_core::Rollup;
use readmill_schemas::Timestamp;
use readmill_schemas::deliveries::OrderService;
use serde::{Deserialize, Serialize};

/// Where deliveries stand now.
pub const UNDER_WAY: Rollup =
    Rollup::of_documents("under_way", "deliveries under way by step and region");

/// What came in.
pub const INFLOW: Rollup =
    Rollup::of_events("inflow", "deliveries created by order service and hour");

/// Who rode where.
pub const RIDERS: Rollup = Rollup::of_events(
    "riders",
    "deliveries that riders were sent for by region and hour, and about how many riders",
)
.with_distinct();

/// How long they took.
pub const ENDED: Rollup = Rollup::of_events(
    "ended",
    "deliveries that ended by outcome, region and hour: how long they took, in milliseconds",
)
.with_extremes()
.with_top(5);

/// A delivery under way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Delivery {
    /// The order that is delivered.
    pub order_no: String,
    /// The service that took the order.
    pub service: OrderService,
    /// Where it goes.
    pub region: String,
    /// The furthest step so far.
    pub status: Status,
    /// Who brings it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rider_id: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// When the store was asked to hand it over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pickup_requested_at: Option<Timestamp>,
    /// When a rider was sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dispatched_at: Option<Timestamp>,
    /// When the rider had it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picked_up_at: Option<Timestamp>,
}

/// The steps, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Status {
    /// Created by an order service.
    Created,
    /// The store is asked.
    PickupRequested,
    /// A rider is on the way to the store.
    Dispatched,
    /// The rider is on the way to the customer.
    PickedUp,
}

impl Status {
    /// Its name, as documents and roll-ups have it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Created => "CREATED",
            Self::PickupRequested => "PICKUP_REQUESTED",
            Self::Dispatched => "DISPATCHED",
            Self::PickedUp => "PICKED_UP",
        }
    }
}

impl Delivery {
    /// Whether it has the time of every step before its end.
    pub const fn all_steps_known(&self) -> bool {
        self.pickup_requested_at.is_some()
            && self.dispatched_at.is_some()
            && self.picked_up_at.is_some()
    }
}
