//! An outbox row, as a service committed it.

use readmill_core::SourcePosition;
use readmill_schemas::deliveries::DeliveriesEvent;
use readmill_schemas::members::MembersEvent;
use readmill_schemas::orders::OrdersEvent;
use readmill_schemas::points::PointsEvent;
use readmill_schemas::tickets::TicketsEvent;
use readmill_schemas::{Contract, Events, WrittenEvents};

/// The outbox tables: each with its name, the kind of aggregate in it, and the read models that it
/// feeds.
macro_rules! tables {
    ($($(#[doc = $doc:literal])+ $table:ident = $name:literal of $aggregate:literal for $models:expr;)+) => {
        /// The outbox tables, one or more for each service.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Table {
            $($(#[doc = $doc])+ $table,)+
        }

        impl Table {
            /// All tables.
            pub const ALL: &'static [Self] = &[$(Self::$table),+];

            /// The table's name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$table => $name,)+ }
            }

            /// The topic that the relay publishes the table's rows to.
            pub const fn topic(self) -> &'static str {
                match self { $(Self::$table => concat!("shop.public.", $name),)+ }
            }

            /// The kind of aggregate in it.
            pub const fn aggregate_type(self) -> &'static str {
                match self { $(Self::$table => $aggregate,)+ }
            }

            /// Those that a read model reads.
            pub fn of_model(model: &str) -> impl Iterator<Item = Self> {
                Self::ALL.iter().copied().filter(move |table| table.models().contains(&model))
            }

            /// The read models that read it.
            pub const fn models(self) -> &'static [&'static str] {
                match self { $(Self::$table => &$models,)+ }
            }
        }
    };
}

tables! {
    /// The points ledger; its aggregate is the member.
    Points = "points_outbox" of "member" for ["points"];
    /// The deliveries of the mall; the aggregate is the delivery.
    DeliveriesA = "deliveries_outbox_a" of "delivery" for ["deliveries"];
    /// The deliveries of the food service.
    DeliveriesB = "deliveries_outbox_b" of "delivery" for ["deliveries"];
    /// The deliveries of the mart: a legacy service that keeps no versions.
    DeliveriesC = "deliveries_outbox_c" of "delivery" for ["deliveries"];
    /// The orders of the shop; the aggregate is the order, here and in the three tables below.
    Orders = "orders_outbox" of "order" for ["orders"];
    /// The payments for them.
    Payments = "payments_outbox" of "order" for ["orders"];
    /// Their way to the customer.
    OrderDeliveries = "order_deliveries_outbox" of "order" for ["orders"];
    /// Whether there was enough of everything.
    StockDecisions = "stock_decisions_outbox" of "order" for ["orders"];
    /// Dormant members; the aggregate is the member.
    Members = "members_outbox" of "member" for ["members"];
    /// Tickets; the aggregate is the concert.
    Tickets = "tickets_outbox" of "concert" for ["tickets"];
}

/// The subjects of events: each with its events, and what the services say about it.
macro_rules! subjects {
    ($($(#[doc = $doc:literal])+ $subject:ident($events:ty),)+) => {
        /// An event of any of the services.
        #[derive(Debug, Clone, PartialEq)]
        pub enum SourceEvent {
            $($(#[doc = $doc])+ $subject($events),)+
        }

        impl SourceEvent {
            /// The contracts of all of them.
            pub fn contracts() -> impl Iterator<Item = &'static Contract> {
                let all: &[&'static [Contract]] = &[$(<$events>::CONTRACTS),+];
                all.iter().copied().flatten()
            }

            /// The contract that it is written with.
            pub fn contract(&self) -> &'static Contract {
                match self { $(Self::$subject(event) => event.contract(),)+ }
            }

            /// Appends its Avro body.
            pub fn write(&self, out: &mut Vec<u8>) {
                match self { $(Self::$subject(event) => event.write(out),)+ }
            }
        }

        $(impl Subject for $events {
            fn of(event: &SourceEvent) -> Option<&Self> {
                if let SourceEvent::$subject(event) = event { Some(event) } else { None }
            }
        })+
    };
}

subjects! {
    /// Of the points ledger.
    Points(PointsEvent),
    /// Of an order service.
    Deliveries(DeliveriesEvent),
    /// Of the order services.
    Orders(OrdersEvent),
    /// Of the service that looks after dormant members.
    Members(MembersEvent),
    /// Of the ticket shop.
    Tickets(TicketsEvent),
}

/// The events of one subject among those of all services.
pub trait Subject: Events {
    /// The event, if it is of this subject.
    fn of(event: &SourceEvent) -> Option<&Self>;
}

/// A row of an outbox table. Rows come in the order in which their transactions committed.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceRow {
    /// The table.
    pub table: Table,
    /// The row's id, a UUID.
    pub event_id: String,
    /// The aggregate, by whose hash the relay partitions.
    pub aggregate_id: String,
    /// The aggregate's version, contiguous from 1; none from the legacy service.
    pub version: Option<i64>,
    /// The event.
    pub event: SourceEvent,
    /// When the transaction committed, in milliseconds since 1970.
    pub committed_ms: i64,
    /// The transaction; all its rows belong to one aggregate and come one after the other.
    pub tx: u64,
    /// The LSN of the row. It goes backwards when a transaction wrote before an earlier one
    /// committed.
    pub lsn: i64,
    /// The LSN of the commit before; unknown for the first transaction.
    pub last_commit_lsn: Option<i64>,
    /// Whether the payload is to be broken.
    pub poisoned: bool,
}

impl SourceRow {
    /// The event's name, which is its contract's without the namespace.
    pub fn event_type(&self) -> &'static str {
        let name = self.event.contract().name;
        name.rsplit_once('.').map_or(name, |(_, unqualified)| unqualified)
    }

    /// Where in the database's log it was committed.
    pub const fn position(&self) -> SourcePosition {
        SourcePosition::Postgres { commit: self.last_commit_lsn, lsn: self.lsn }
    }
}
