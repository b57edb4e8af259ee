//! An outbox row, as a service committed it.

use readmill_core::SourcePosition;
use readmill_schemas::deliveries::DeliveriesEvent;
use readmill_schemas::points::PointsEvent;
use readmill_schemas::{Contract, Events, WrittenEvents};

/// The outbox tables, one for each service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Table {
    /// The points ledger; its aggregate is the member.
    Points,
    /// The deliveries of the mall; the aggregate is the delivery.
    DeliveriesA,
    /// The deliveries of the food service.
    DeliveriesB,
    /// The deliveries of the mart: a legacy service that keeps no versions.
    DeliveriesC,
}

impl Table {
    /// All tables.
    pub const ALL: [Self; 4] =
        [Self::Points, Self::DeliveriesA, Self::DeliveriesB, Self::DeliveriesC];

    /// The table's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Points => "points_outbox",
            Self::DeliveriesA => "deliveries_outbox_a",
            Self::DeliveriesB => "deliveries_outbox_b",
            Self::DeliveriesC => "deliveries_outbox_c",
        }
    }

    /// The topic that the relay publishes the table's rows to.
    pub const fn topic(self) -> &'static str {
        match self {
            Self::Points => "shop.public.points_outbox",
            Self::DeliveriesA => "shop.public.deliveries_outbox_a",
            Self::DeliveriesB => "shop.public.deliveries_outbox_b",
            Self::DeliveriesC => "shop.public.deliveries_outbox_c",
        }
    }

    /// The kind of aggregate in it.
    pub const fn aggregate_type(self) -> &'static str {
        match self {
            Self::Points => "member",
            Self::DeliveriesA | Self::DeliveriesB | Self::DeliveriesC => "delivery",
        }
    }
}

/// An event of any of the services.
#[derive(Debug, Clone, PartialEq)]
pub enum SourceEvent {
    /// Of the points ledger.
    Points(PointsEvent),
    /// Of an order service.
    Deliveries(DeliveriesEvent),
}

impl SourceEvent {
    /// The contract that it is written with.
    pub fn contract(&self) -> &'static Contract {
        match self {
            Self::Points(event) => event.contract(),
            Self::Deliveries(event) => event.contract(),
        }
    }

    /// Appends its Avro body.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Points(event) => event.write(out),
            Self::Deliveries(event) => event.write(out),
        }
    }
}

/// The events of one subject among those of all services.
pub trait Subject: Events {
    /// The event, if it is of this subject.
    fn of(event: &SourceEvent) -> Option<&Self>;
}

impl Subject for PointsEvent {
    fn of(event: &SourceEvent) -> Option<&Self> {
        match event {
            SourceEvent::Points(event) => Some(event),
            SourceEvent::Deliveries(_) => None,
        }
    }
}

impl Subject for DeliveriesEvent {
    fn of(event: &SourceEvent) -> Option<&Self> {
        match event {
            SourceEvent::Deliveries(event) => Some(event),
            SourceEvent::Points(_) => None,
        }
    }
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
