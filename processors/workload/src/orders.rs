//! The order services: orders, payments, deliveries and stock, each with an outbox of its own.

use std::collections::VecDeque;

use readmill_schemas::Timestamp;
use readmill_schemas::orders::{
    OrderConfirmed, OrderDelivered, OrderItem, OrderPlaced, OrderRejected, OrderShipped,
    OrderValidated, OrdersEvent, PaymentApproved, PaymentCancelled, StockDenied, StockRestored,
    StockTaken,
};

use crate::journal::Draft;
use crate::knobs::Knobs;
use crate::member::order_no;
use crate::rng::Rng;
use crate::row::{SourceEvent, Table};
use crate::service::Service;
use crate::sheet::Sheets;

/// The most orders that are open at a time.
const MOST_OPEN: usize = 5_000;
const FEWEST_OPEN: usize = 8;
/// Steps that are committed before the one of another service that they follow.
const AHEAD_PER_MILLE: u32 = 80;
const SHEETS_PER_MILLE: u32 = 10;
const CHANNELS: [&str; 3] = ["app", "web", "partner"];
const METHODS: [&str; 3] = ["card", "transfer", "wallet"];
const CARRIERS: [&str; 3] = ["river", "mountain", "sea"];

/// The tables of the services.
const TABLES: [Table; 4] =
    [Table::Orders, Table::Payments, Table::OrderDeliveries, Table::StockDecisions];

/// What is still to happen to an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Place,
    WriteSheet,
    TakeStock,
    DenyStock,
    RestoreStock,
    Approve { payment: u8 },
    Cancel { payment: u8 },
    Validate,
    Confirm,
    Reject,
    Ship,
    Deliver,
}

impl Step {
    /// Which of the services takes it: the place of its table.
    const fn service(self) -> usize {
        match self {
            Self::Place | Self::WriteSheet | Self::Validate | Self::Confirm | Self::Reject => 0,
            Self::Approve { .. } | Self::Cancel { .. } => 1,
            Self::Ship | Self::Deliver => 2,
            Self::TakeStock | Self::DenyStock | Self::RestoreStock => 3,
        }
    }
}

/// An order that is not at its end.
#[derive(Debug)]
struct Open {
    order_no: String,
    customer_id: String,
    items: Vec<OrderItem>,
    total_won: i64,
    decision_no: i64,
    steps: VecDeque<Step>,
    /// The version of the last event in each of the services.
    versions: [i64; 4],
}

/// The services' state: the open orders, whatever the number of events.
#[derive(Debug)]
pub struct Orders {
    rng: Rng,
    open: Vec<Open>,
    most_open: usize,
    customers: u64,
    made: i64,
    sheets: Sheets,
}

impl Orders {
    /// Services without orders.
    pub fn new(knobs: &Knobs) -> Self {
        let members = usize::try_from(knobs.members).unwrap_or(usize::MAX);
        Self {
            rng: Rng::new(knobs.seed, 11),
            open: Vec::new(),
            most_open: members.clamp(FEWEST_OPEN, MOST_OPEN),
            customers: u64::from(knobs.members),
            made: 0,
            sheets: Sheets::new(),
        }
    }

    fn place(&mut self, now_ms: i64) {
        self.made += 1;
        let rng = &mut self.rng;
        let item = |rng: &mut Rng| OrderItem {
            product_id: format!("p-{:05}", rng.below(20_000)),
            quantity: rng.between(1, 5),
            price_won: 100 * rng.between(10, 900),
        };
        let items: Vec<OrderItem> = (0..rng.between(1, 4)).map(|_| item(rng)).collect();
        self.open.push(Open {
            order_no: unique(order_no(now_ms, rng), self.made),
            customer_id: format!("m-{:06}", rng.below(self.customers)),
            total_won: items.iter().map(|item| item.quantity * item.price_won).sum(),
            items,
            decision_no: self.made,
            steps: steps(rng),
            versions: [0; 4],
        });
    }
}

/// Two orders of one moment may draw the same digits: a number of their own tells them apart.
fn unique(order_no: String, made: i64) -> String {
    format!("{order_no}{made:010}")
}

/// How an order goes, which is decided when it is placed.
fn steps(rng: &mut Rng) -> VecDeque<Step> {
    let (first, second) = (Step::Approve { payment: 1 }, Step::Approve { payment: 2 });
    let cancel = Step::Cancel { payment: 1 };
    let mut steps = vec![Step::Place];
    if rng.chance(SHEETS_PER_MILLE) {
        steps.push(Step::WriteSheet);
    }
    steps.extend(match rng.below(20) {
        0 => vec![Step::DenyStock, first, Step::Reject, cancel],
        1 => vec![Step::TakeStock, first, Step::Validate, Step::Reject, Step::RestoreStock, cancel],
        2 => vec![Step::TakeStock, first, cancel, Step::Reject, Step::RestoreStock],
        3 => {
            vec![Step::TakeStock, first, cancel, second, Step::Validate, Step::Confirm, Step::Ship]
        }
        _ => {
            let usual = [Step::TakeStock, first, Step::Validate, Step::Confirm, Step::Ship];
            usual.into_iter().chain([Step::Deliver]).collect()
        }
    });
    for at in 1..steps.len() {
        if let [.., before, step] = steps.get_mut(..=at).unwrap_or_default()
            && before.service() != step.service()
            && rng.chance(AHEAD_PER_MILLE)
        {
            std::mem::swap(before, step);
        }
    }
    steps.into()
}

impl Service for Orders {
    fn transact(&mut self, now_ms: i64, room: u64) -> Vec<Draft> {
        let few = self.open.len() < FEWEST_OPEN;
        let at = if few || (self.open.len() < self.most_open && self.rng.chance(200)) {
            self.place(now_ms);
            self.open.len() - 1
        } else {
            self.rng.index(self.open.len())
        };
        let Some(order) = self.open.get_mut(at) else { return Vec::new() };
        let mut drafts = Vec::new();
        let wanted = if self.rng.chance(150) { 2 } else { 1 };
        let service = order.steps.front().map(|step| step.service());
        while (drafts.len() as u64) < room.min(wanted)
            && let Some(step) = order.steps.pop_front_if(|step| Some(step.service()) == service)
        {
            drafts.extend(order.step(step, now_ms, &self.sheets, &mut self.rng));
        }
        if order.steps.is_empty() {
            self.open.swap_remove(at);
        }
        drafts
    }
}

impl Open {
    /// The order's next event.
    fn step(&mut self, step: Step, now_ms: i64, sheets: &Sheets, rng: &mut Rng) -> Option<Draft> {
        let event = self.event(step, now_ms, sheets, rng)?;
        let table = *TABLES.get(step.service())?;
        let version = self.versions.get_mut(step.service())?;
        *version += 1;
        let (aggregate_id, event) = (self.order_no.clone(), SourceEvent::Orders(event));
        Some(Draft { table, aggregate_id, version: Some(*version), event })
    }

    fn event(
        &self,
        step: Step,
        now_ms: i64,
        sheets: &Sheets,
        rng: &mut Rng,
    ) -> Option<OrdersEvent> {
        let order_no = self.order_no.clone();
        let (occurred_at, decision_no) = (Timestamp::from_millis(now_ms), self.decision_no);
        let payment_id = |payment: u8| format!("{}-{payment}", self.order_no);
        Some(match step {
            Step::Place => self.placed(occurred_at, rng).into(),
            Step::WriteSheet => sheets.sheet(&self.order_no, now_ms, rng)?.into(),
            Step::Validate => OrderValidated { order_no, occurred_at }.into(),
            Step::Confirm => OrderConfirmed { order_no, occurred_at }.into(),
            Step::Reject => {
                let reason = "SHOP_DECLINED".to_owned();
                OrderRejected { order_no, occurred_at, reason }.into()
            }
            Step::Approve { payment } => {
                let (payment_id, method) = (payment_id(payment), rng.pick(&METHODS).to_owned());
                let amount_won = self.total_won;
                PaymentApproved { order_no, occurred_at, payment_id, method, amount_won }.into()
            }
            Step::Cancel { payment } => {
                let (payment_id, reason) = (payment_id(payment), "CARD_LIMIT".to_owned());
                PaymentCancelled { order_no, occurred_at, payment_id, reason }.into()
            }
            Step::Ship => {
                let carrier = rng.pick(&CARRIERS).to_owned();
                let tracking_no = format!("{:012}", rng.below(1_000_000_000_000));
                OrderShipped { order_no, occurred_at, carrier, tracking_no }.into()
            }
            Step::Deliver => OrderDelivered { order_no, occurred_at }.into(),
            Step::TakeStock => StockTaken { order_no, occurred_at, decision_no }.into(),
            Step::DenyStock => {
                let product_id = self.items.first().map(|item| item.product_id.clone());
                let product_id = product_id.unwrap_or_default();
                StockDenied { order_no, occurred_at, decision_no, product_id }.into()
            }
            Step::RestoreStock => StockRestored { order_no, occurred_at, decision_no }.into(),
        })
    }

    fn placed(&self, occurred_at: Timestamp, rng: &mut Rng) -> OrderPlaced {
        OrderPlaced {
            order_no: self.order_no.clone(),
            occurred_at,
            customer_id: self.customer_id.clone(),
            items: self.items.clone(),
            total_won: self.total_won,
            channel: rng.pick(&CHANNELS).to_owned(),
            deliver_by: rng.chance(200).then(|| occurred_at.plus_millis(86_400_000)),
        }
    }
}

#[cfg(test)]
mod tests {
    use readmill_models::orders::Status;

    use super::*;
    use crate::oracle::tests::check_service;

    #[test]
    fn orders_wait_for_nothing_and_are_as_they_were_however_they_were_published() {
        let expected = check_service::<readmill_models::Orders>(12);
        let stands =
            |status| expected.states.values().filter(|order| order.status == status).count();
        assert!(stands(Status::Delivered) > 50 && stands(Status::Rejected) > 5, "{expected:?}");
        assert!(expected.states.values().any(|order| order.sheet.is_some()));
        assert!(expected.states.keys().all(|key| key.as_str().len() <= 40));
    }

    #[test]
    fn open_orders_are_bounded_and_every_transaction_says_something() {
        let mut orders = Orders::new(&Knobs { members: 20, ..Knobs::default() });
        for n in 0..20_000 {
            let drafts = orders.transact(n * 700, 1 + n.unsigned_abs() % 2);
            assert!((1..=2).contains(&drafts.len()));
            assert!(orders.open.len() <= 20);
        }
    }
}
