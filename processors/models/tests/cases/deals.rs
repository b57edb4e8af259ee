//! The traps and rules of deals that are joined with their products.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::{Index, select};
use readmill_core::ReadModel;
use readmill_models::Deals;
use readmill_models::deals::{Deal, Document, Offer, Product, deal_key, offer_at, product_key};
use readmill_schemas::Timestamp;
use readmill_schemas::deals::{
    DealKind, DealMoved, DealRemoved, DealSold, DealStatus, DealWritten, DealsEvent,
    ProductRemoved, ProductStatus, ProductStocked, ProductWritten,
};

use crate::kit::{Line, Run, line};

const STARTS: i64 = 1_793_523_600_000;
const ENDS: i64 = STARTS + 3_600_000;

const fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn written(deal_id: &str, product_id: &str) -> DealWritten {
    DealWritten {
        deal_id: deal_id.to_owned(),
        occurred_at: Timestamp::EPOCH,
        kind: DealKind::Time,
        title: "A deal".to_owned(),
        product_id: product_id.to_owned(),
        price: 900,
        quantity: 3,
        starts_at: at(STARTS),
        ends_at: at(ENDS),
        badge: None,
    }
}

fn moved(deal_id: &str, status: DealStatus) -> DealMoved {
    DealMoved { deal_id: deal_id.to_owned(), occurred_at: Timestamp::EPOCH, status }
}

fn sold(deal_id: &str, quantity: i64) -> DealSold {
    DealSold { deal_id: deal_id.to_owned(), occurred_at: Timestamp::EPOCH, quantity }
}

fn product(product_id: &str, stock: i64) -> ProductWritten {
    let (name, price, status) = (format!("Tea {product_id}"), 1_000, ProductStatus::OnSale);
    let (product_id, occurred_at) = (product_id.to_owned(), Timestamp::EPOCH);
    ProductWritten { product_id, occurred_at, name, price, stock, status }
}

fn stocked(product_id: &str, stock: i64) -> ProductStocked {
    ProductStocked { product_id: product_id.to_owned(), occurred_at: Timestamp::EPOCH, stock }
}

/// Events as a log: each of its deal or product, with the versions that these have.
pub fn log(events: impl IntoIterator<Item = DealsEvent>) -> Vec<Line<DealsEvent>> {
    let mut versions: BTreeMap<String, i64> = BTreeMap::new();
    let numbered = |event: DealsEvent| {
        let aggregate = Deals::keys(&event).into_vec().remove(0).0;
        let version = versions.entry(aggregate.clone()).or_default();
        *version += 1;
        line(&aggregate, *version, event)
    };
    events.into_iter().map(numbered).collect()
}

/// The deal that stands in a run.
fn deal_in(run: &Run<Deals>, deal_id: &str) -> Deal {
    match run.state(deal_key(deal_id).as_str()) {
        Some(Document::Deal(deal)) => deal.clone(),
        other => panic!("{other:?}"),
    }
}

fn in_progress(deal_id: &str, product_id: &str) -> [DealsEvent; 2] {
    [written(deal_id, product_id).into(), moved(deal_id, DealStatus::InProgress).into()]
}

/// Looks the product up when the deal is written, and stores what it finds.
fn naive_copies(log: &[Line<DealsEvent>]) -> BTreeMap<String, Option<i64>> {
    let (mut stock, mut deals) = (BTreeMap::new(), BTreeMap::new());
    for line in log {
        match &line.event {
            DealsEvent::ProductWritten(e) => drop(stock.insert(e.product_id.clone(), e.stock)),
            DealsEvent::ProductStocked(e) => drop(stock.insert(e.product_id.clone(), e.stock)),
            DealsEvent::DealWritten(e) => {
                deals.insert(e.deal_id.clone(), stock.get(&e.product_id).copied());
            }
            _ => {}
        }
    }
    deals
}

#[test]
fn trap_the_copy_of_a_product_goes_stale_when_only_the_product_changes() {
    let mut events = vec![product("p-1", 10).into()];
    events.extend(in_progress("d-1", "p-1"));
    events.push(stocked("p-1", 0).into());
    let log = log(events);
    assert_eq!(naive_copies(&log)["d-1"], Some(10), "a page sells what is not there");
    let deal = deal_in(&Run::of(&log), "d-1");
    assert_eq!((deal.product.unwrap().stock, deal.offer), (0, Offer::ProductSoldOut));
}

#[test]
fn trap_a_product_that_comes_behind_its_deal_is_not_missed() {
    let mut events = Vec::from(in_progress("d-1", "p-1"));
    events.push(product("p-1", 10).into());
    let log = log(events);
    assert_eq!(naive_copies(&log)["d-1"], None, "the page has no product for ever");
    assert_eq!(deal_in(&Run::of(&log), "d-1").offer, Offer::OnSale);
}

/// One flag for all that keeps a deal from being bought, set and taken back as events come.
fn naive_flag(log: &[Line<DealsEvent>]) -> BTreeMap<String, bool> {
    let (mut flags, mut left, mut sells) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for line in log {
        match &line.event {
            DealsEvent::DealWritten(e) => {
                left.insert(e.deal_id.clone(), e.quantity);
                sells.insert(e.deal_id.clone(), e.product_id.clone());
                flags.insert(e.deal_id.clone(), false);
            }
            DealsEvent::DealSold(e) => {
                let left = left.get_mut(&e.deal_id).unwrap();
                *left -= e.quantity;
                flags.insert(e.deal_id.clone(), *left <= 0);
            }
            DealsEvent::DealMoved(e) if e.status == DealStatus::End => {
                flags.insert(e.deal_id.clone(), true);
            }
            DealsEvent::ProductStocked(e) => {
                let of_product = sells.iter().filter(|(_, product)| **product == e.product_id);
                flags.extend(of_product.map(|(deal, _)| (deal.clone(), e.stock == 0)));
            }
            _ => {}
        }
    }
    flags
}

#[test]
fn trap_ended_and_deal_sold_out_and_product_sold_out_are_told_apart() {
    let mut events = vec![product("p-1", 10).into()];
    events.extend(["over", "sold", "waits"].iter().flat_map(|deal| in_progress(deal, "p-1")));
    events.push(moved("over", DealStatus::End).into());
    events.push(sold("sold", 3).into());
    events.push(stocked("p-1", 0).into());
    let empty = log(events.clone());
    events.push(stocked("p-1", 5).into());
    let restocked = log(events);
    let flags = |log| naive_flag(log).into_values().collect::<Vec<_>>();
    assert_eq!(flags(&empty), [true; 3], "nobody knows which of them may come back");
    assert_eq!(flags(&restocked), [false; 3], "what is over, and what is sold, is sold again");
    let offers = |log: &[_]| {
        let run = Run::of(log);
        ["over", "sold", "waits"].map(|deal| deal_in(&run, deal).offer)
    };
    assert_eq!(offers(&empty), [Offer::Ended, Offer::DealSoldOut, Offer::ProductSoldOut]);
    assert_eq!(offers(&restocked), [Offer::Ended, Offer::DealSoldOut, Offer::OnSale]);
}

#[test]
fn trap_a_time_deal_that_waits_for_its_event_begins_and_ends_late() {
    let confirmed: [DealsEvent; 3] = [
        product("p-1", 10).into(),
        written("d-1", "p-1").into(),
        moved("d-1", DealStatus::Confirm).into(),
    ];
    // The event that it is in progress comes two minutes behind the hour.
    let before = deal_in(&Run::of(&log(confirmed.clone())), "d-1");
    let naive = |deal: &Deal| deal.status == DealStatus::InProgress;
    assert!(!naive(&before), "until then nobody can buy");
    assert_eq!(offer_at(&before, at(STARTS)), Offer::OnSale);
    let begun = confirmed.into_iter().chain([moved("d-1", DealStatus::InProgress).into()]);
    let after = deal_in(&Run::of(&log(begun)), "d-1");
    assert!(naive(&after), "nor does it end, until that is told");
    assert_eq!(offer_at(&after, at(ENDS)), Offer::Ended);
    for deal in [before, after] {
        assert_eq!(offer_at(&deal, at(STARTS - 120_000)), Offer::Upcoming);
    }
}

#[test]
fn rule_a_period_begins_with_its_first_millisecond_and_ends_before_its_last() {
    let events = [product("p-1", 10).into()].into_iter().chain(in_progress("d-1", "p-1"));
    let deal = deal_in(&Run::of(&log(events)), "d-1");
    let of = |status| Deal { status, ..deal.clone() };
    let table = [
        (DealStatus::Confirm, STARTS - 1, Offer::Upcoming),
        (DealStatus::InProgress, STARTS - 1, Offer::Upcoming),
        (DealStatus::Approve, STARTS, Offer::Upcoming),
        (DealStatus::Confirm, STARTS, Offer::OnSale),
        (DealStatus::InProgress, STARTS, Offer::OnSale),
        (DealStatus::InProgress, ENDS - 1, Offer::OnSale),
        (DealStatus::InProgress, ENDS, Offer::Ended),
        (DealStatus::Apply, ENDS, Offer::Ended),
        (DealStatus::End, STARTS, Offer::Ended),
        (DealStatus::Other, STARTS, Offer::Upcoming),
    ];
    for (status, now, wanted) in table {
        assert_eq!(offer_at(&of(status), at(now)), wanted, "{status:?} {}", now - STARTS);
    }
    let nothing = Deal { ends_at: at(STARTS), ..deal };
    assert_eq!(offer_at(&nothing, at(STARTS)), Offer::Ended, "a period without an instant");
}

#[test]
fn rule_what_a_page_says_of_a_deal_is_told_apart() {
    let on_sale = |stock| Some(tea(stock, ProductStatus::OnSale));
    let paused = Some(tea(5, ProductStatus::Paused));
    let table = [
        // status, sold of three, product, offer
        (DealStatus::End, 3, None, Offer::Ended),
        (DealStatus::InProgress, 3, None, Offer::DealSoldOut),
        (DealStatus::InProgress, 2, None, Offer::NoProduct),
        (DealStatus::InProgress, 3, on_sale(0), Offer::DealSoldOut),
        (DealStatus::InProgress, 2, paused, Offer::ProductPaused),
        (DealStatus::InProgress, 2, on_sale(0), Offer::ProductSoldOut),
        (DealStatus::InProgress, 2, on_sale(1), Offer::OnSale),
        (DealStatus::Confirm, 0, on_sale(1), Offer::Upcoming),
        (DealStatus::End, 0, on_sale(1), Offer::Ended),
    ];
    for (status, sold, product, offer) in table {
        let made = deal_of(&Deals::fold(None, &written("d-1", "p-1").into()).state.unwrap());
        let mut state = Document::Deal(Deal { status, sold, ..made });
        Deals::embed(&mut state, &product_key("p-1"), product.map(Document::Product).as_ref());
        let found = deal_of(&state);
        assert_eq!(found.offer, offer, "{found:?}");
        assert_eq!(offer.name(), serde_json::to_value(offer).unwrap());
    }
}

fn tea(stock: i64, status: ProductStatus) -> Product {
    Product { name: "Tea".to_owned(), price: 1_000, stock, status }
}

fn deal_of(state: &Document) -> Deal {
    let Document::Deal(deal) = state else { panic!("{state:?}") };
    deal.clone()
}

#[test]
fn rule_a_fold_keeps_the_copy_of_what_is_still_embedded_and_drops_another() {
    let mut state = Deals::fold(None, &written("d-1", "p-1").into()).state.unwrap();
    let tea = Document::Product(tea(5, ProductStatus::OnSale));
    Deals::embed(&mut state, &product_key("p-2"), Some(&tea));
    assert_eq!(deal_of(&state).product, None, "it is none of its products");
    Deals::embed(&mut state, &product_key("p-1"), Some(&tea));
    let events: [(DealsEvent, bool); 3] = [
        (moved("d-1", DealStatus::InProgress).into(), true),
        (written("d-1", "p-1").into(), true),
        (written("d-1", "p-2").into(), false),
    ];
    for (event, stays) in events {
        let folded = deal_of(&Deals::fold(Some(state.clone()), &event).state.unwrap());
        assert_eq!(folded.product.is_some(), stays, "{event:?}");
        assert_eq!(folded.offer == Offer::NoProduct, !stays, "{event:?}");
    }
}

#[test]
fn rule_a_document_is_read_back_as_it_was_written_and_is_one_thing() {
    let deal = Deals::fold(None, &written("d-1", "p-1").into()).state.unwrap();
    let product = Document::Product(tea(5, ProductStatus::OnSale));
    for state in [&deal, &product] {
        let text = serde_json::to_string(state).unwrap();
        assert_eq!(serde_json::from_str::<Document>(&text).unwrap(), *state);
    }
    let nothing = serde_json::from_str::<Document>("{}").unwrap_err().to_string();
    assert!(nothing.contains("only one: deal, product"), "{nothing}");
    let both = [deal.clone(), product.clone()].map(|one| serde_json::to_value(one).unwrap());
    let [mut both, other] = both;
    both.as_object_mut().unwrap().extend(other.as_object().unwrap().clone());
    assert!(serde_json::from_value::<Document>(both).is_err(), "it is both");
}

/// What a reader does who has the document alone, and no function of ours.
fn last_step(deal: &Deal, now: Timestamp) -> Offer {
    let confirmed = matches!(deal.status, DealStatus::Confirm | DealStatus::InProgress);
    match deal.offer {
        _ if now >= deal.ends_at => Offer::Ended,
        Offer::Upcoming | Offer::OnSale if confirmed && now >= deal.starts_at => Offer::OnSale,
        Offer::Upcoming | Offer::OnSale => Offer::Upcoming,
        known => known,
    }
}

/// An event of one of three deals or two products.
fn event() -> impl Strategy<Value = DealsEvent> {
    let (deal, product_id) = (select(vec!["d-1", "d-2", "d-3"]), select(vec!["p-1", "p-2"]));
    let stock = prop_oneof![Just(0), 1..9_i64];
    (0..10, deal, product_id, stock, select(DealStatus::ALL)).prop_map(|(what, deal, p, n, s)| {
        let occurred_at = Timestamp::EPOCH;
        match what {
            0 | 1 => written(deal, p).into(),
            2 | 3 => moved(deal, s).into(),
            4 | 5 => sold(deal, n.min(2)).into(),
            6 | 7 => product(p, n).into(),
            8 => stocked(p, n).into(),
            _ if n > 4 => ProductRemoved { product_id: p.to_owned(), occurred_at }.into(),
            _ => DealRemoved { deal_id: deal.to_owned(), occurred_at }.into(),
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Each topic and each deal or product in its own order, anything between.
    #[test]
    fn rule_every_interleaving_ends_in_the_same_documents(
        events in proptest::collection::vec(event(), 1..24),
        picks in proptest::collection::vec(any::<Index>(), 24),
    ) {
        let log = log(events);
        let straight = Run::<Deals>::of(&log);
        let (deals, products): (Vec<usize>, Vec<usize>) =
            (0..log.len()).partition(|which| log[*which].aggregate.starts_with("deal/"));
        let mut topics = [deals.into_iter().peekable(), products.into_iter().peekable()];
        let mut order = Vec::new();
        for pick in picks.iter().take(log.len()) {
            let [first, second] = [pick.index(2), 1 - pick.index(2)];
            order.extend(topics[first].next().or_else(|| topics[second].next()));
        }
        let other = Run::<Deals>::in_order(&log, order);
        prop_assert_eq!(&straight.seen()["documents"], &other.seen()["documents"]);
        prop_assert_eq!(&straight.seen()["rollups"], &other.seen()["rollups"]);
        for (key, document) in &straight.documents {
            prop_assert_eq!(document.stamp.waiting.len(), other.waiting(key.as_str()));
        }
    }

    /// The last step is all that a reader has to do, and the same as ours, at any instant.
    #[test]
    fn rule_readers_compute_the_last_step_only(
        events in proptest::collection::vec(event(), 1..24),
        from_starts in prop_oneof![-2..=2_i64, (ENDS - STARTS - 2)..=(ENDS - STARTS + 2)],
    ) {
        let run = Run::<Deals>::of(&log(events));
        let now = at(STARTS + from_starts);
        for document in run.documents.values() {
            if let Some(Document::Deal(deal)) = &document.state {
                prop_assert_eq!(last_step(deal, now), offer_at(deal, now), "{:?}", deal);
            }
        }
    }
}
