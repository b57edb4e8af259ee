//! A row as a service committed it: of an outbox, or a change of a row of an ordinary table.

use readmill_core::SourcePosition;
use readmill_schemas::chats::ChatsEvent;
use readmill_schemas::coupons::CouponsEvent;
use readmill_schemas::deals::DealsEvent;
use readmill_schemas::deliveries::DeliveriesEvent;
use readmill_schemas::holdings::HoldingsEvent;
use readmill_schemas::members::MembersEvent;
use readmill_schemas::notices::NoticesEvent;
use readmill_schemas::orders::OrdersEvent;
use readmill_schemas::points::PointsEvent;
use readmill_schemas::reviews::ReviewsEvent;
use readmill_schemas::stock::StockEvent;
use readmill_schemas::store_stats::StoreStatsEvent;
use readmill_schemas::tickets::TicketsEvent;
use readmill_schemas::{Contract, Events, WrittenEvents};

use crate::table_rows::{self, Change, Layout};

/// The outbox tables: each with its name, the kind of aggregate in it, and the read models that it
/// feeds. Ordinary tables that share a topic are one of them, under the topic's name.
macro_rules! tables {
    ($(
        $(#[doc = $doc:literal])+
        $table:ident = $name:literal of $aggregate:literal for $models:expr
        $(, rows of $layouts:expr)?;
    )+) => {
        /// The outbox tables, one or more for each service, and topics of ordinary tables.
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

            /// The ordinary tables whose rows are in the topic; none of an outbox.
            pub const fn layouts(self) -> &'static [Layout] {
                let layouts: &[Layout] = &[];
                match self { $(Self::$table => {
                    $(let layouts: &[Layout] = $layouts;)?
                    layouts
                })+ }
            }

            /// The kind of aggregate in it.
            pub const fn aggregate_type(self) -> &'static str {
                match self { $(Self::$table => $aggregate,)+ }
            }

            /// Whether it is an outbox: the others are ordinary tables that share a topic.
            pub const fn is_outbox(self) -> bool {
                self.layouts().is_empty()
            }

            /// The outboxes.
            pub fn outboxes() -> impl Iterator<Item = Self> {
                Self::ALL.iter().copied().filter(|table| table.is_outbox())
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
    /// Deals; the aggregate is the deal.
    Deals = "deals_outbox" of "deal" for ["deals"];
    /// The products that deals sell; the aggregate is the product.
    Products = "products_outbox" of "product" for ["deals"];
    /// Chats, their members and their messages; the aggregate is the chat.
    Chats = "chats_outbox" of "chat" for ["chats"];
    /// What devices have seen; the aggregate is the chat and the device.
    ChatReads = "chat_reads_outbox" of "chat_read" for ["chats"];
    /// Reviews; the aggregate is the review.
    Reviews = "reviews_outbox" of "review" for ["reviews"];
    /// The products that are reviewed, and their catalogs; the aggregate is the product.
    ReviewProducts = "review_products_outbox" of "product" for ["reviews"];
    /// Coupons and their history, row by row.
    Coupons = "coupons" of "coupon" for ["coupons"], rows of table_rows::COUPONS;
    /// Requests that stores make, in a table for each kind.
    Notices = "notices" of "request" for ["notices"], rows of table_rows::REQUESTS;
    /// The history of the voucher shop's stock; the aggregate is the purchase.
    StockHistory = "stock_history_outbox" of "purchase" for ["stock"];
    /// What the voucher shop offers; the aggregate is the product at a price.
    StockOffers = "stock_offers_outbox" of "offer" for ["stock"];
    /// The ledgers of a broker's accounts; its service keeps no versions.
    Holdings = "holdings_outbox" of "account" for ["holdings"];
    /// How those accounts stood, as a backfill writes it.
    HoldingsImport = "holdings_import_outbox" of "account" for ["holdings"];
    /// The orders that stores are offered; the aggregate is the store, of which alone its document
    /// has to know the version.
    StoreOrders = "store_orders_outbox" of "store" for ["store_stats"];
    /// The calls that partners make; their service keeps no versions.
    ApiCalls = "api_calls_outbox" of "organisation" for ["store_stats"];
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

/// The subjects: those of events, and those of rows of ordinary tables, which connectors write.
macro_rules! subjects {
    (
        $($(#[doc = $doc:literal])+ $subject:ident($events:ty),)+
        rows: $($(#[doc = $row_doc:literal])+ $rows:ident($changes:ty),)+
    ) => {
        /// An event of any of the services, or a change of a row.
        #[derive(Debug, Clone, PartialEq)]
        pub enum SourceEvent {
            $($(#[doc = $doc])+ $subject($events),)+
            $($(#[doc = $row_doc])+ $rows($changes),)+
        }

        impl SourceEvent {
            /// The contracts of all events: what is written into outboxes.
            pub fn contracts() -> impl Iterator<Item = &'static Contract> {
                let all: &[&'static [Contract]] = &[$(<$events>::CONTRACTS),+];
                all.iter().copied().flatten()
            }

            /// Reads an event under the name of its contract, as in `{"PointsEarned": …}`, with the
            /// domain that it is of; none where no domain of events has one of that name.
            pub fn read(
                name: &str,
                event: &serde_json::Value,
            ) -> Option<(&'static str, Result<Self, serde_json::Error>)> {
                let domain = |contract: &Contract| {
                    let (before, own) = contract.name.rsplit_once('.')?;
                    (own == name).then(|| before.rsplit('.').next().unwrap_or_default())
                };
                $(if let Some(domain) = <$events>::CONTRACTS.iter().find_map(domain) {
                    let read = <$events as serde::Deserialize>::deserialize(event);
                    return Some((domain, read.map(Self::$subject)));
                })+
                None
            }

            /// The contract that it is written with.
            pub fn contract(&self) -> &'static Contract {
                match self {
                    $(Self::$subject(event) => event.contract(),)+
                    $(Self::$rows(change) => change.contract(),)+
                }
            }

            /// Appends its Avro body; nothing for a row, which its table's schema writes.
            pub fn write(&self, out: &mut Vec<u8>) {
                match self {
                    $(Self::$subject(event) => event.write(out),)+
                    $(Self::$rows(_) => {})+
                }
            }

            /// The change of a row, if it is one.
            pub fn change(&self) -> Option<Change> {
                match self {
                    $(Self::$subject(_) => None,)+
                    $(Self::$rows(change) => Change::of(change),)+
                }
            }
        }

        $(impl Subject for $events {
            fn of(event: &SourceEvent) -> Option<&Self> {
                if let SourceEvent::$subject(event) = event { Some(event) } else { None }
            }
        })+

        $(impl Subject for $changes {
            fn of(event: &SourceEvent) -> Option<&Self> {
                if let SourceEvent::$rows(change) = event { Some(change) } else { None }
            }
        })+
    };
}

subjects! {
    /// Of the points ledger.
    Points(PointsEvent),
    /// Of an order service.
    Deliveries(DeliveriesEvent),
    /// Of deals and products.
    Deals(DealsEvent),
    /// Of the chat service.
    Chats(ChatsEvent),
    /// Of the review service.
    Reviews(ReviewsEvent),
    /// Of the voucher shop.
    Stock(StockEvent),
    /// Of a broker's accounts.
    Holdings(HoldingsEvent),
    /// Of stores and partners.
    StoreStats(StoreStatsEvent),
    /// Of the order services.
    Orders(OrdersEvent),
    /// Of the service that looks after dormant members.
    Members(MembersEvent),
    /// Of the ticket shop.
    Tickets(TicketsEvent),
    rows:
    /// Of the coupon tables.
    Coupons(CouponsEvent),
    /// Of the tables of requests.
    Notices(NoticesEvent),
}

/// The events of one subject among those of all services.
pub trait Subject: Events {
    /// The event, if it is of this subject.
    fn of(event: &SourceEvent) -> Option<&Self>;
}

/// A row of an outbox table, or a change of a row of another. Rows come in the order in which their
/// transactions committed.
#[derive(Debug, Clone, PartialEq)]
pub struct SourceRow {
    /// The table.
    pub table: Table,
    /// The row's id, a UUID; of no use for the rows of other tables.
    pub event_id: String,
    /// The aggregate, by whose hash the relay partitions; a row's key, where it is of no outbox.
    pub aggregate_id: String,
    /// The aggregate's version, contiguous from 1; none from the legacy service, and of no row of
    /// another table.
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
    /// The LSN of the commit before; unknown for the first transaction, and for what a snapshot
    /// reads.
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
