//! The shop's deals: products that are stocked and taken out, and deals that sell them.

use readmill_schemas::Timestamp;
use readmill_schemas::deals::{
    DealKind, DealMoved, DealRemoved, DealSold, DealStatus, DealWritten, DealsEvent,
    ProductRemoved, ProductStatus, ProductStocked, ProductWritten,
};

use crate::journal::Draft;
use crate::knobs::Knobs;
use crate::rng::Rng;
use crate::row::{SourceEvent, Table};
use crate::service::Service;

/// The most deals that are not taken out yet.
const MOST_DEALS: usize = 20_000;
const FEWEST_DEALS: usize = 8;
const MOST_PRODUCTS: usize = 5_000;
const FEWEST_PRODUCTS: usize = 4;
const HOUR_MS: i64 = 3_600_000;
const KINDS: [DealKind; 3] = [DealKind::Time, DealKind::Big, DealKind::Ordinary];
const BADGES: [&str; 3] = ["HOT", "NEW", "LAST"];
const NAMES: [&str; 6] = ["Tea", "Rice", "Apples", "Soap", "Honey", "Salt"];

/// The service: a fixed number of products, and the deals that are not taken out yet.
#[derive(Debug)]
pub struct Deals {
    rng: Rng,
    products: Vec<Product>,
    deals: Vec<Deal>,
    most_deals: usize,
    made: u64,
    skew_per_mille: u32,
}

/// A product, whether it is there or not: its versions go on when it comes again.
#[derive(Debug, Clone, Copy, Default)]
struct Product {
    version: i64,
    is_there: bool,
}

#[derive(Debug)]
struct Deal {
    version: i64,
    written: DealWritten,
    status: DealStatus,
    sold: i64,
}

impl Deals {
    /// A shop without products.
    pub fn new(knobs: &Knobs) -> Self {
        let members = usize::try_from(knobs.members).unwrap_or(usize::MAX);
        let products = (members / 4).clamp(FEWEST_PRODUCTS, MOST_PRODUCTS);
        Self {
            rng: Rng::new(knobs.seed, 40),
            products: vec![Product::default(); products],
            deals: Vec::new(),
            most_deals: members.clamp(FEWEST_DEALS, MOST_DEALS),
            made: 0,
            skew_per_mille: knobs.skew_per_mille,
        }
    }

    /// What becomes of a product, as often of one as of another: deals are not.
    fn stock(&mut self, now_ms: i64) -> Vec<Draft> {
        let at = self.rng.index(self.products.len());
        let Some(product) = self.products.get_mut(at) else { return Vec::new() };
        product.version += 1;
        let product_id = product_id(at);
        let occurred_at = Timestamp::from_millis(now_ms);
        let event: DealsEvent = if !product.is_there || self.rng.chance(200) {
            product.is_there = true;
            written(product_id.clone(), occurred_at, &mut self.rng).into()
        } else if self.rng.chance(100) {
            product.is_there = false;
            ProductRemoved { product_id: product_id.clone(), occurred_at }.into()
        } else {
            let stock = stock(&mut self.rng);
            ProductStocked { product_id: product_id.clone(), occurred_at, stock }.into()
        };
        vec![draft(Table::Products, product_id, product.version, event)]
    }

    fn make(&mut self, now_ms: i64) {
        self.made += 1;
        let kind = KINDS.get(self.rng.index(KINDS.len())).copied().unwrap_or(DealKind::Ordinary);
        let this_hour = now_ms - now_ms.rem_euclid(HOUR_MS);
        let starts_at = Timestamp::from_millis(this_hour + HOUR_MS * self.rng.between(-1, 2));
        let hours = match kind {
            DealKind::Time => self.rng.between(1, 3),
            DealKind::Big => 24 * self.rng.between(1, 3),
            DealKind::Ordinary | DealKind::Other => 24 * self.rng.between(7, 30),
        };
        let written = DealWritten {
            deal_id: format!("deal-{:08}", self.made),
            occurred_at: Timestamp::from_millis(now_ms),
            kind,
            title: format!("{} for less", self.rng.pick(&NAMES)),
            product_id: self.any_product(),
            price: 10 * self.rng.between(10, 2_000),
            quantity: self.rng.between(1, 40),
            starts_at,
            ends_at: starts_at.plus_millis(HOUR_MS * hours),
            badge: self.rng.chance(400).then(|| self.rng.pick(&BADGES).to_owned()),
        };
        self.deals.push(Deal { version: 0, written, status: DealStatus::Apply, sold: 0 });
    }

    /// A few products are in many deals. Some are in deals before they are there.
    fn any_product(&mut self) -> String {
        product_id(self.rng.skewed(self.products.len(), self.skew_per_mille))
    }

    /// One step in the life of a deal, or two.
    fn deal(&mut self, now_ms: i64, room: u64) -> Vec<Draft> {
        let few = self.deals.len() < FEWEST_DEALS;
        let at = if few || (self.deals.len() < self.most_deals && self.rng.chance(150)) {
            self.make(now_ms);
            self.deals.len() - 1
        } else {
            self.rng.index(self.deals.len())
        };
        let elsewhere = self.any_product();
        let steps = if self.rng.chance(125) { room.min(2) } else { 1 };
        let mut drafts = Vec::new();
        for _ in 0..steps {
            let Some(deal) = self.deals.get_mut(at) else { break };
            let event = deal.step(now_ms, &elsewhere, &mut self.rng);
            let is_over = matches!(event, DealsEvent::DealRemoved(_));
            let deal_id = deal.written.deal_id.clone();
            drafts.push(draft(Table::Deals, deal_id, deal.version, event));
            if is_over {
                self.deals.swap_remove(at);
                break;
            }
        }
        drafts
    }
}

impl Service for Deals {
    fn transact(&mut self, now_ms: i64, room: u64) -> Vec<Draft> {
        if self.rng.chance(300) { self.stock(now_ms) } else { self.deal(now_ms, room) }
    }
}

impl Deal {
    fn step(&mut self, now_ms: i64, elsewhere: &str, rng: &mut Rng) -> DealsEvent {
        self.version += 1;
        if self.version == 1 {
            return self.written.clone().into();
        }
        if rng.chance(60) {
            elsewhere.clone_into(&mut self.written.product_id);
            return self.write(now_ms);
        }
        let deal_id = self.written.deal_id.clone();
        let occurred_at = Timestamp::from_millis(now_ms);
        if rng.chance(15) {
            return DealRemoved { deal_id, occurred_at }.into();
        }
        match self.status {
            DealStatus::Apply => self.go_to(DealStatus::Approve, occurred_at),
            DealStatus::Approve => self.go_to(DealStatus::Confirm, occurred_at),
            // A short run would never see it begin: it is brought forward.
            DealStatus::Confirm if occurred_at < self.written.starts_at => {
                self.written.starts_at = Timestamp::from_millis(now_ms - now_ms % HOUR_MS);
                self.write(now_ms)
            }
            DealStatus::Confirm => self.go_to(DealStatus::InProgress, occurred_at),
            DealStatus::InProgress => self.sell(occurred_at, rng),
            DealStatus::End | DealStatus::Other => DealRemoved { deal_id, occurred_at }.into(),
        }
    }

    /// Now and then something is given back. A deal that is sold out is shown for a while.
    fn sell(&mut self, occurred_at: Timestamp, rng: &mut Rng) -> DealsEvent {
        let left = self.written.quantity - self.sold;
        let quantity = if self.sold > 0 && rng.chance(80) {
            -1
        } else if left > 0 && rng.chance(950) {
            rng.between(1, left.min(10))
        } else {
            return self.go_to(DealStatus::End, occurred_at);
        };
        self.sold += quantity;
        DealSold { deal_id: self.written.deal_id.clone(), occurred_at, quantity }.into()
    }

    fn go_to(&mut self, status: DealStatus, occurred_at: Timestamp) -> DealsEvent {
        self.status = status;
        DealMoved { deal_id: self.written.deal_id.clone(), occurred_at, status }.into()
    }

    fn write(&mut self, now_ms: i64) -> DealsEvent {
        self.written.occurred_at = Timestamp::from_millis(now_ms);
        self.written.clone().into()
    }
}

fn written(product_id: String, occurred_at: Timestamp, rng: &mut Rng) -> ProductWritten {
    let status = if rng.chance(150) { ProductStatus::Paused } else { ProductStatus::OnSale };
    let (name, price) = (rng.pick(&NAMES).to_owned(), 10 * rng.between(20, 3_000));
    ProductWritten { product_id, occurred_at, name, price, stock: stock(rng), status }
}

fn stock(rng: &mut Rng) -> i64 {
    if rng.chance(150) { 0 } else { rng.between(1, 500) }
}

fn product_id(at: usize) -> String {
    format!("p-{:06}", at + 1)
}

const fn draft(table: Table, aggregate_id: String, version: i64, event: DealsEvent) -> Draft {
    let event = SourceEvent::Deals(event);
    Draft { table, aggregate_id, version: Some(version), event }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use readmill_models::deals::Document;
    use readmill_schemas::{Plan, SchemaId, WriterSchema, framing};

    use super::*;
    use crate::oracle;
    use crate::row::SourceRow;
    use crate::source::Source;
    use crate::wire::{Payloads, written_schemas};

    fn rows() -> impl Iterator<Item = SourceRow> {
        let knobs = Knobs { events: 60_000, others_per_mille: 1000, ..Knobs::default() };
        Source::new(Knobs { members: 300, ..knobs }).unwrap()
    }

    #[test]
    fn every_kind_of_event_and_deal_happens() {
        let of_deals =
            rows().filter(|row| Table::of_model("deals").any(|table| table == row.table));
        let kinds: BTreeSet<&str> = of_deals.map(|row| row.event_type()).collect();
        assert_eq!(kinds.len(), 7, "{kinds:?}");
    }

    /// Services that were not deployed anew write the first version.
    #[test]
    fn both_versions_of_a_contract_are_written_and_read_as_what_was_committed() {
        let schemas = written_schemas();
        let id = |name: &str| {
            let at = schemas.iter().position(|schema| schema.name == name)?;
            u32::try_from(at).ok().map(SchemaId)
        };
        let (payloads, mut seen) = (Payloads::new(&id).unwrap(), BTreeMap::new());
        for row in rows().filter(|row| row.event_type() == "DealWritten") {
            let payload = payloads.payload(&row);
            let body = framing::read(&payload).unwrap();
            let writer = &schemas[usize::try_from(body.schema.0).unwrap()];
            let writer_schema = WriterSchema::parse(&writer.text).unwrap();
            let plan = Plan::compile(&writer_schema, &DealWritten::CONTRACT).unwrap();
            let read: DealWritten = plan.read(body.body).unwrap();
            assert_eq!(SourceEvent::Deals(read.into()), row.event);
            *seen.entry(writer.name.clone()).or_insert(0) += 1;
        }
        assert!(seen.len() == 2 && seen.values().all(|many| *many > 100), "{seen:?}");
    }

    #[test]
    fn memory_is_bounded_whatever_the_number_of_events() {
        let mut service = Deals::new(&Knobs { members: 100, ..Knobs::default() });
        for now_ms in 0..50_000 {
            let drafts = service.transact(now_ms, 1);
            assert_eq!(drafts.len(), 1);
            assert!(service.deals.len() <= 100);
        }
        assert!(service.made > 2_000, "{}", service.made);
    }

    #[test]
    fn deals_come_to_everything_that_a_page_may_say() {
        let deals = oracle::fold::<readmill_models::Deals>(rows());
        assert_eq!((deals.held, deals.waiting), (0, 0), "{deals:?}");
        assert!(deals.gone > 10, "{deals:?}");
        let (mut offers, mut kinds) = (BTreeSet::new(), BTreeSet::new());
        for state in deals.states.values() {
            if let Document::Deal(deal) = state {
                offers.insert(deal.offer);
                kinds.insert(deal.kind);
                assert!((0..=deal.quantity).contains(&deal.sold), "{deal:?}");
                assert!(deal.starts_at < deal.ends_at, "{deal:?}");
                assert_eq!(deal.starts_at.as_millis() % HOUR_MS, 0, "{deal:?}");
            }
        }
        assert_eq!((offers.len(), kinds.len()), (7, 3), "{offers:?} {kinds:?}");
    }
}
