//! The traps of stock that is sold by its history.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use readmill_core::{Collection, ReadModel};
use readmill_models::Stock;
use readmill_models::stock::{Document, member_set, used_set};
use readmill_schemas::Timestamp;
use readmill_schemas::stock::{
    StockEvent, StockHistoryAdded, StockMovement, StockOffered, StockWithdrawn,
};

use crate::kit::{Line, Run, line};

const PRODUCT: &str = "v-1";
const PRICE: i64 = 10_000;
use StockMovement::{Minus, Plus};

fn row(purchase: usize, version: i64, member: usize, movement: StockMovement) -> Line<StockEvent> {
    let purchase_no = format!("p-{purchase}");
    let event = StockHistoryAdded {
        purchase_no: purchase_no.clone(),
        occurred_at: Timestamp::from_millis(version),
        product_id: PRODUCT.to_owned(),
        price_won: PRICE,
        member_id: format!("m-{member}"),
        movement,
        reason: "purchase".to_owned(),
    };
    line(&purchase_no, version, event)
}

fn offered(version: i64, total: i64, member_limit: i64) -> Line<StockEvent> {
    let (product_id, occurred_at) = (PRODUCT.to_owned(), Timestamp::EPOCH);
    let price_won = PRICE;
    let offered = StockOffered { product_id, price_won, occurred_at, total, member_limit };
    line("v-1/10000", version, offered)
}

fn withdrawn(version: i64) -> Line<StockEvent> {
    let (product_id, occurred_at) = (PRODUCT.to_owned(), Timestamp::EPOCH);
    line("v-1/10000", version, StockWithdrawn { product_id, price_won: PRICE, occurred_at })
}

/// The sets of a mirror that was shown all documents.
fn sets(run: &Run<Stock>) -> BTreeMap<String, BTreeSet<String>> {
    let mut sets: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (key, document) in &run.documents {
        for place in document.state.as_ref().map(Stock::mirror).unwrap_or_default().places {
            let Collection::Set(name) = place.collection else { panic!("{place:?}") };
            sets.entry(name).or_default().insert(key.to_string());
        }
    }
    sets
}

fn size(sets: &BTreeMap<String, BTreeSet<String>>, name: &str) -> i64 {
    i64::try_from(sets.get(name).map_or(0, BTreeSet::len)).unwrap()
}

/// What is used by the mirror, which is what is used by the roll-up.
#[track_caller]
fn used(run: &Run<Stock>) -> i64 {
    let used = size(&sets(run), &used_set(PRODUCT, PRICE));
    let rolled_up = run.rollups().get("used/v-1/10000").map_or(0, |totals| totals.count);
    assert_eq!(used, rolled_up);
    used
}

/// A counter that goes up and down with the rows as they come.
fn counted(log: &[Line<StockEvent>], order: &[usize]) -> i64 {
    let change = |at: &usize| match &log[*at].event {
        StockEvent::StockHistoryAdded(e) if e.movement == Plus => 1,
        StockEvent::StockHistoryAdded(_) => -1,
        _ => 0,
    };
    order.iter().map(change).sum()
}

/// A set of purchases to which PLUS adds, and from which MINUS takes if it is there.
fn set_without_marks(log: &[Line<StockEvent>], order: &[usize]) -> BTreeSet<String> {
    let mut set = BTreeSet::new();
    for at in order {
        let StockEvent::StockHistoryAdded(e) = &log[*at].event else { continue };
        match e.movement {
            Plus => set.insert(e.purchase_no.clone()),
            Minus => set.remove(&e.purchase_no),
        };
    }
    set
}

fn of(log: &[Line<StockEvent>], order: &[usize]) -> Run<Stock> {
    Run::in_order(log, order.iter().copied())
}

#[test]
fn trap_a_minus_that_comes_again_makes_a_counter_wrong_and_a_set_not() {
    // The second row of the ledger is a change of its own: no identity tells that it is a repeat.
    let log = [row(1, 1, 1, Plus), row(2, 1, 2, Plus), row(1, 2, 1, Minus), row(1, 3, 1, Minus)];
    let order = [0, 1, 2, 3];
    assert_eq!(counted(&log, &order), 0, "a piece seems free that is not");
    assert_eq!(used(&of(&log, &order)), 1);
    // The relay publishes it again as well.
    assert_eq!(counted(&log, &[0, 1, 2, 2, 3, 2]), -2);
    assert_eq!(used(&of(&log, &[0, 1, 2, 2, 3, 2])), 1);
}

#[test]
fn trap_a_minus_before_its_plus_leaves_a_mark() {
    let log = [row(1, 1, 1, Minus), row(1, 2, 1, Plus)];
    let order = [0, 1];
    assert_eq!(set_without_marks(&log, &order).len(), 1, "it stays used for ever");
    let run = of(&log, &order);
    assert_eq!(used(&run), 0);
    assert_eq!(run.waiting("purchase/p-1"), 0, "nothing has to wait");
    let Some(Document::Purchase(purchase)) = run.state("purchase/p-1") else { panic!() };
    assert!(purchase.taken_at.is_some() && purchase.given_back_at.is_some() && !purchase.counts);
}

#[test]
fn trap_a_set_that_was_written_before_a_rollback_is_repaired_by_folding_anew() {
    let log = [row(1, 1, 1, Plus), row(2, 1, 1, Plus), row(2, 2, 1, Minus)];
    // The shop adds a purchase as it is asked for, and then its transaction is rolled back.
    let mut leaky = set_without_marks(&log, &[0, 1, 2]);
    leaky.insert("p-3".to_owned());
    assert_eq!(leaky.len(), 2, "a piece is lost for good");
    let folded = of(&log, &[0, 1, 2]);
    let rebuilt = of(&log, &[1, 2, 0]);
    assert_eq!(used(&folded), 1);
    assert_eq!(sets(&folded), sets(&rebuilt), "the ledger explains every member");
    for (key, document) in &folded.documents {
        let shows = |state: &Option<Document>| state.as_ref().map(Stock::mirror);
        assert_eq!(shows(&document.state), shows(&rebuilt.documents[key].state));
    }
}

#[test]
fn trap_denominations_of_one_product_are_not_one_stock() {
    let mut dear = row(2, 1, 1, Plus);
    let StockEvent::StockHistoryAdded(e) = &mut dear.event else { panic!() };
    e.price_won = 50_000;
    let log = [row(1, 1, 1, Plus), dear];
    assert_eq!(set_without_marks(&log, &[0, 1]).len(), 2, "by product alone");
    let sets = sets(&of(&log, &[0, 1]));
    assert_eq!(size(&sets, &used_set(PRODUCT, PRICE)), 1);
    assert_eq!(size(&sets, &used_set(PRODUCT, 50_000)), 1);
}

#[test]
fn rule_a_purchase_is_of_one_piece_and_another_is_looked_at_by_a_person() {
    let log = [row(1, 1, 1, Plus), row(1, 2, 2, Minus)];
    let run = of(&log, &[0, 1]);
    assert!(run.is_held("purchase/p-1"));
    assert_eq!(used(&run), 1);
}

#[test]
fn rule_an_offer_ends_and_its_purchases_stand() {
    let log = [offered(1, 2, 2), row(1, 1, 1, Plus), withdrawn(2), offered(3, 5, 1)];
    assert!(of(&log, &[0, 1, 2]).state("offer/v-1/10000").is_none());
    assert_eq!(used(&of(&log, &[0, 1, 2])), 1);
    let Some(Document::Offer(offer)) = of(&log, &[2, 1, 3, 0]).state("offer/v-1/10000").cloned()
    else {
        panic!("versions tell which offer is the last")
    };
    assert_eq!((offer.total, offer.member_limit), (5, 1));
}

#[test]
fn rule_no_key_and_no_set_is_mistaken_for_another() {
    let names = [
        used_set("v", 1),
        used_set("v/1", 1),
        member_set("v", 1, "1"),
        member_set("v/1", 1, "1"),
        member_set("v", 1, "1/1"),
    ];
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "{names:?}");
}

/// A wish to buy: by whom, and whether it is given back after so many more, how often, and before
/// its own row.
type Wish = (usize, Option<usize>, usize, bool);

fn wishes() -> impl Strategy<Value = Vec<Wish>> {
    let back = prop::option::weighted(0.3, 0_usize..6);
    prop::collection::vec((0_usize..5, back, 1_usize..3, any::<bool>()), 1..60)
}

/// What became of sales: the run, the log, and how much was used at most.
struct Sold {
    run: Run<Stock>,
    log: Vec<Line<StockEvent>>,
    most_used: i64,
}

/// Sells to those who ask, as long as the model lets; what is given back comes later.
fn sell(total: i64, limit: i64, wishes: &[Wish]) -> Sold {
    let mut log = vec![offered(1, total, limit)];
    let mut run = Run::of(&log);
    let mut due: BTreeMap<usize, Vec<Line<StockEvent>>> = BTreeMap::new();
    let mut most_used = 0;
    let take = |run: &mut Run<Stock>, log: &mut Vec<_>, row: Line<StockEvent>| {
        let at = log.len();
        run.take(&row, at, at, at);
        log.push(row);
    };
    for (purchase, (member, back, times, first)) in wishes.iter().enumerate() {
        for row in due.remove(&purchase).unwrap_or_default() {
            take(&mut run, &mut log, row);
        }
        let sets = sets(&run);
        let of_member = size(&sets, &member_set(PRODUCT, PRICE, &format!("m-{member}")));
        let Some(Document::Offer(offer)) = run.state("offer/v-1/10000") else { panic!() };
        if !offer.may_buy(size(&sets, &used_set(PRODUCT, PRICE)), of_member) {
            continue;
        }
        let early = i64::from(*first && back.is_some());
        if early == 1 {
            take(&mut run, &mut log, row(purchase, 1, *member, Minus));
        }
        take(&mut run, &mut log, row(purchase, 1 + early, *member, Plus));
        for time in 0..back.map_or(0, |_| *times) {
            let version = 2 + early + i64::try_from(time).unwrap();
            let at = purchase + 1 + back.unwrap_or(0) + time;
            due.entry(at).or_default().push(row(purchase, version, *member, Minus));
        }
        most_used = most_used.max(used(&run));
    }
    Sold { run, log, most_used }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whoever asks before each sale never sells more than there is, nor more to one member.
    #[test]
    fn rule_nothing_is_ever_oversold(wishes in wishes(), total in 1_i64..12, limit in 1_i64..4) {
        let sold = sell(total, limit, &wishes);
        prop_assert!(sold.most_used <= total, "{} of {total}", sold.most_used);
        for (name, members) in sets(&sold.run) {
            let most = if name.matches('/').count() == 2 { limit } else { total };
            prop_assert!(i64::try_from(members.len()).unwrap() <= most, "{name}");
        }
    }

    /// In any order and however often rows come, what is used are the purchases with a PLUS and
    /// without a MINUS.
    #[test]
    fn rule_used_is_what_the_ledger_says(
        wishes in wishes(),
        order in prop::collection::vec(any::<prop::sample::Index>(), 0..200),
    ) {
        let log = sell(1_000, 2, &wishes).log;
        let (mut plus, mut minus) = (BTreeSet::new(), BTreeSet::new());
        for line in &log {
            let StockEvent::StockHistoryAdded(e) = &line.event else { continue };
            if e.movement == Plus { &mut plus } else { &mut minus }.insert(&line.aggregate);
        }
        let wanted = i64::try_from(plus.difference(&minus).count()).unwrap();
        let straight = Run::<Stock>::of(&log);
        prop_assert_eq!(used(&straight), wanted);
        let order = order.iter().map(|at| at.index(log.len())).chain(0..log.len());
        let shuffled = Run::<Stock>::in_order(&log, order.collect::<Vec<_>>());
        prop_assert_eq!(sets(&shuffled), sets(&straight));
        prop_assert_eq!(used(&shuffled), wanted);
    }
}

#[test]
fn rule_a_total_of_a_thousand_and_a_limit_of_two_let_a_hundred_be_used_and_no_more_than_two_each() {
    let wishes: Vec<Wish> = (0..150).map(|wish| (wish / 3, None, 1, false)).collect();
    let sold = sell(1_000, 2, &wishes);
    assert_eq!(used(&sold.run), 100, "fifty members asked three times each");
    let Some(Document::Offer(offer)) = sold.run.state("offer/v-1/10000") else { panic!() };
    assert!(!offer.is_sold_out(used(&sold.run)) && offer.is_sold_out(1_000));
}
