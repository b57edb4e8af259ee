//! `orders`: one wide document per order, out of four topics that each fill sections of their own.

mod document;

use readmill_core::Direction::{Ascending, Descending};
use readmill_core::{
    Admit, Contribution, Folded, GroupName, Index, Keys, Person, ReadModel, Rollup, Standing,
};
use readmill_schemas::orders::{OrderPlaced, OrdersEvent};
use readmill_schemas::orders_out::{OrdersOutEvent, PaymentRefundAsked, StockRestoreAsked};
use readmill_schemas::{Contract, Events, Personal as _};

pub use document::{OWED, Order, SHOWN_ITEMS, STATUSES, Status};

/// The read model.
#[derive(Debug)]
pub struct Orders;

impl ReadModel for Orders {
    const NAME: &'static str = "orders";
    const FOLD_VERSION: u32 = 1;
    const ABOUT: &'static str = "an order with its payment, its stock and its delivery, in one";
    const SAYS: &'static [Contract] = OrdersOutEvent::CONTRACTS;
    const ROLLUPS: &'static [Rollup] = &[STATUSES, OWED];

    /// Readers list what a customer ordered, the latest first, and what stands at a status.
    const INDEXES: &'static [Index] = &[
        Index::on(
            "by_customer",
            &[("placed.customer_id", Ascending), ("placed.occurred_at", Descending)],
        ),
        Index::on("by_status", &[("status", Ascending), ("placed.occurred_at", Ascending)]),
    ];

    type Event = OrdersEvent;
    type State = Order;

    fn keys(event: &OrdersEvent) -> Keys {
        Keys::one(event.order_no())
    }

    /// Nothing waits: topics are independent, so each fills its sections as it comes. An event is
    /// judged by its own topic's sections alone, or interleavings would differ.
    fn admit(standing: Standing<'_, Order>, event: &OrdersEvent) -> Admit {
        let Standing::Live(order) = standing else { return Admit::Fold };
        let is_repeat = match event {
            OrdersEvent::OrderPlaced(e) => match &order.placed {
                Some(placed) if placed.customer_id != e.customer_id => return Admit::Refuse(TWICE),
                placed => placed.is_some(),
            },
            OrdersEvent::OrderRejected(_) if order.confirmed_at.is_some() => {
                return Admit::Refuse("a confirmed order was rejected");
            }
            OrdersEvent::OrderRejected(_) => order.rejected.is_some(),
            OrdersEvent::OrderValidated(_) => order.validated_at.is_some() || order.is_decided(),
            OrdersEvent::OrderConfirmed(_) => order.is_decided(),
            OrdersEvent::PaymentApproved(e) => {
                let cancelled = order.payment_cancelled.as_ref();
                order.payment.as_ref().is_some_and(|known| known.payment_id == e.payment_id)
                    || cancelled.is_some_and(|known| known.payment_id == e.payment_id)
            }
            OrdersEvent::StockTaken(e) => {
                let restored = order.stock_restored.as_ref();
                order.stock_taken.as_ref().is_some_and(|known| known.decision_no == e.decision_no)
                    || restored.is_some_and(|known| known.decision_no == e.decision_no)
            }
            OrdersEvent::OrderSheetWritten(_)
            | OrdersEvent::PaymentCancelled(_)
            | OrdersEvent::OrderShipped(_)
            | OrdersEvent::OrderDelivered(_)
            | OrdersEvent::StockDenied(_)
            | OrdersEvent::StockRestored(_) => false,
        };
        if is_repeat { Admit::Stale } else { Admit::Fold }
    }

    /// A compensation is asked for by the event that makes it due, whichever topic that is of.
    fn fold(state: Option<Order>, event: &OrdersEvent) -> Folded<Order> {
        let mut order = state.unwrap_or_default();
        let (stock, payment) = (order.stock_owed(), order.payment_owed());
        order.take(event);
        order.status = order.stands();
        let (restore, refund) = (order.stock_owed(), order.payment_owed());
        let restore =
            restore.filter(|now| stock.is_none_or(|was| was.decision_no != now.decision_no));
        let refund =
            refund.filter(|now| payment.is_none_or(|was| was.payment_id != now.payment_id));
        let mut folded = Folded::next(order);
        if let Some(asked) = restore {
            folded = folded.saying(&OrdersOutEvent::from(asked));
        }
        if let Some(asked) = refund {
            folded = folded.saying(&OrdersOutEvent::from(asked));
        }
        folded
    }

    /// Where to it went, and whatever else the shop knew of who ordered it, goes with them.
    fn forget(mut state: Order, person: &Person) -> Option<Order> {
        if let Some(sheet) = &mut state.sheet {
            sheet.forget(&person.id, &person.alias);
        }
        person.replaced_in(&state)
    }

    fn contributes(order: &Order) -> Vec<Contribution> {
        let total_won = order.placed.as_ref().map_or(0, |placed| placed.total_won);
        let status = GroupName::of(&[order.status.name()]);
        let stock = order.stock_owed();
        let stock = stock.map(|_| Contribution::one(&OWED, GroupName::of(&["stock"])));
        let payment = order.payment_owed();
        let payment = payment
            .map(|asked| Contribution::of(&OWED, GroupName::of(&["payment"]), asked.amount_won));
        let stands = Contribution::of(&STATUSES, status, total_won);
        [Some(stands), stock, payment].into_iter().flatten().collect()
    }
}

const TWICE: &str = "another customer's order has this number already";

impl Order {
    const fn is_decided(&self) -> bool {
        self.confirmed_at.is_some() || self.rejected.is_some()
    }

    fn take(&mut self, event: &OrdersEvent) {
        match event {
            OrdersEvent::OrderPlaced(e) => {
                let items = e.items.iter().take(SHOWN_ITEMS).cloned().collect();
                self.placed = Some(OrderPlaced { items, ..e.clone() });
            }
            OrdersEvent::OrderValidated(e) => self.validated_at = Some(e.occurred_at),
            OrdersEvent::OrderConfirmed(e) => self.confirmed_at = Some(e.occurred_at),
            OrdersEvent::OrderRejected(e) => self.rejected = Some(e.clone()),
            OrdersEvent::OrderSheetWritten(e) => self.sheet = Some(e.clone()),
            OrdersEvent::PaymentApproved(e) => self.payment = Some(e.clone()),
            OrdersEvent::PaymentCancelled(e) => self.payment_cancelled = Some(e.clone()),
            OrdersEvent::OrderShipped(e) => self.shipped = Some(e.clone()),
            OrdersEvent::OrderDelivered(e) => self.delivered_at = Some(e.occurred_at),
            OrdersEvent::StockTaken(e) => self.stock_taken = Some(e.clone()),
            OrdersEvent::StockDenied(e) => self.stock_denied = Some(e.clone()),
            OrdersEvent::StockRestored(e) => self.stock_restored = Some(e.clone()),
        }
    }

    const fn stands(&self) -> Status {
        match self {
            Self { rejected: Some(_), .. } => Status::Rejected,
            Self { confirmed_at: Some(_), delivered_at: Some(_), .. } => Status::Delivered,
            Self { confirmed_at: Some(_), shipped: Some(_), .. } => Status::Shipped,
            Self { confirmed_at: Some(_), .. } => Status::Confirmed,
            Self { validated_at: Some(_), .. } => Status::Validated,
            Self { placed: Some(_), .. } => Status::Provisional,
            Self { .. } => Status::Expected,
        }
    }

    /// What is taken for an order that is known to be rejected, and not put back.
    fn stock_owed(&self) -> Option<StockRestoreAsked> {
        let (rejected, taken) = self.rejected.as_ref().zip(self.stock_taken.as_ref())?;
        let restored = self.stock_restored.as_ref();
        if restored.is_some_and(|restored| restored.decision_no == taken.decision_no) {
            return None;
        }
        Some(StockRestoreAsked {
            order_no: rejected.order_no.clone(),
            rejected_at: rejected.occurred_at,
            reason: rejected.reason.clone(),
            taken_at: taken.occurred_at,
            decision_no: taken.decision_no,
        })
    }

    /// What is paid for an order that is known to be rejected, and not cancelled.
    fn payment_owed(&self) -> Option<PaymentRefundAsked> {
        let (rejected, paid) = self.rejected.as_ref().zip(self.payment.as_ref())?;
        let cancelled = self.payment_cancelled.as_ref();
        if cancelled.is_some_and(|cancelled| cancelled.payment_id == paid.payment_id) {
            return None;
        }
        Some(PaymentRefundAsked {
            order_no: rejected.order_no.clone(),
            rejected_at: rejected.occurred_at,
            reason: rejected.reason.clone(),
            approved_at: paid.occurred_at,
            payment_id: paid.payment_id.clone(),
            amount_won: paid.amount_won,
        })
    }
}
