//! Three order services: deliveries from their creation to their completion or cancellation.

use readmill_schemas::Timestamp;
use readmill_schemas::deliveries::{
    DeliveriesEvent, DeliveryCancelled, DeliveryCompleted, DeliveryCreated, Dispatched,
    OrderService, PickedUp, PickupRequested,
};

use crate::journal::Draft;
use crate::knobs::Knobs;
use crate::member::order_no;
use crate::rng::Rng;
use crate::row::{SourceEvent, Table};

/// The most deliveries that are open at a time.
const MOST_OPEN: usize = 20_000;
const FEWEST_OPEN: usize = 8;
const CANCELLED_PER_MILLE: u32 = 30;
const REGIONS: [&str; 8] =
    ["gangnam", "mapo", "songpa", "jongno", "bundang", "haeundae", "suseong", "yuseong"];
const CANCEL_REASONS: [&str; 4] = ["customer", "store_closed", "no_rider", "out_of_stock"];

/// The next step of an open delivery.
#[derive(Debug, Clone, Copy)]
enum Next {
    Create,
    RequestPickup,
    Dispatch,
    PickUp,
    Complete,
}

#[derive(Debug)]
struct Open {
    id: String,
    table: Table,
    service: OrderService,
    version: i64,
    next: Next,
}

/// The services' state: the open deliveries, whatever the number of events.
#[derive(Debug)]
pub struct Deliveries {
    rng: Rng,
    open: Vec<Open>,
    most_open: usize,
    made: u64,
    unversioned_per_mille: u32,
}

impl Deliveries {
    /// Services without deliveries.
    pub fn new(knobs: &Knobs) -> Self {
        let members = usize::try_from(knobs.members).unwrap_or(usize::MAX);
        Self {
            rng: Rng::new(knobs.seed, 3),
            open: Vec::new(),
            most_open: members.clamp(FEWEST_OPEN, MOST_OPEN),
            made: 0,
            unversioned_per_mille: knobs.unversioned_per_mille,
        }
    }

    /// One transaction of at most `room` events of one delivery.
    pub fn transact(&mut self, now_ms: i64, room: u64) -> Vec<Draft> {
        let few = self.open.len() < FEWEST_OPEN;
        let at = if few || (self.open.len() < self.most_open && self.rng.chance(250)) {
            self.create();
            self.open.len() - 1
        } else {
            self.rng.index(self.open.len())
        };
        let wanted = if self.rng.chance(125) { 2 } else { 1 };
        let mut drafts = Vec::new();
        for _ in 0..wanted.min(room) {
            let Some(delivery) = self.open.get_mut(at) else {
                break;
            };
            let (draft, ended) = delivery.step(now_ms, &mut self.rng);
            drafts.push(draft);
            if ended {
                self.open.swap_remove(at);
                break;
            }
        }
        drafts
    }

    fn create(&mut self) {
        self.made += 1;
        let (table, service) = if self.rng.chance(self.unversioned_per_mille) {
            (Table::DeliveriesC, OrderService::Mart)
        } else if self.rng.chance(500) {
            (Table::DeliveriesA, OrderService::Mall)
        } else {
            (Table::DeliveriesB, OrderService::Food)
        };
        let id = format!("d-{:09}", self.made);
        self.open.push(Open { id, table, service, version: 0, next: Next::Create });
    }
}

impl Open {
    /// The delivery's next event, and whether it is the last.
    fn step(&mut self, now_ms: i64, rng: &mut Rng) -> (Draft, bool) {
        self.version += 1;
        let created = !matches!(self.next, Next::Create);
        let cancelled = created && rng.chance(CANCELLED_PER_MILLE);
        let ended = cancelled || matches!(self.next, Next::Complete);
        let event = if cancelled { self.cancel(now_ms, rng) } else { self.go_on(now_ms, rng) };
        let draft = Draft {
            table: self.table,
            aggregate_id: self.id.clone(),
            version: (self.table != Table::DeliveriesC).then_some(self.version),
            event: SourceEvent::Deliveries(event),
        };
        (draft, ended)
    }

    fn cancel(&self, now_ms: i64, rng: &mut Rng) -> DeliveriesEvent {
        let reason = rng.pick(&CANCEL_REASONS).to_owned();
        let occurred_at = Timestamp::from_millis(now_ms);
        DeliveryCancelled { delivery_id: self.id.clone(), occurred_at, reason }.into()
    }

    fn go_on(&mut self, now_ms: i64, rng: &mut Rng) -> DeliveriesEvent {
        let delivery_id = self.id.clone();
        let occurred_at = Timestamp::from_millis(now_ms);
        let (event, next) = match self.next {
            Next::Create => {
                let order_no = order_no(now_ms, rng);
                let region = rng.pick(&REGIONS).to_owned();
                let service = self.service;
                let created =
                    DeliveryCreated { delivery_id, occurred_at, order_no, service, region };
                (created.into(), Next::RequestPickup)
            }
            Next::RequestPickup => {
                let store_id = format!("s-{:05}", rng.below(3_000));
                (PickupRequested { delivery_id, occurred_at, store_id }.into(), Next::Dispatch)
            }
            Next::Dispatch => {
                let rider_id = format!("r-{:05}", rng.below(800));
                (Dispatched { delivery_id, occurred_at, rider_id }.into(), Next::PickUp)
            }
            Next::PickUp => (PickedUp { delivery_id, occurred_at }.into(), Next::Complete),
            Next::Complete => {
                (DeliveryCompleted { delivery_id, occurred_at }.into(), Next::Complete)
            }
        };
        self.next = next;
        event
    }
}
