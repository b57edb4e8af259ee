//! The traps and the rules of reviews: the best of each catalog, however products move.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use readmill_core::{Collection, ReadModel};
use readmill_models::Reviews;
use readmill_models::reviews::Document;
use readmill_schemas::Timestamp;
use readmill_schemas::reviews::{
    ProductCatalogued, ProductWithdrawn, ReviewHidden, ReviewRemoved, ReviewScored, ReviewWritten,
    ReviewsEvent,
};

use crate::kit::{Line, Run, line};

const AT: Timestamp = Timestamp::EPOCH;

/// A log, with a version for each event of an aggregate.
fn log(events: impl IntoIterator<Item = ReviewsEvent>) -> Vec<Line<ReviewsEvent>> {
    let mut versions: BTreeMap<String, i64> = BTreeMap::new();
    let mut versioned = |event: ReviewsEvent| {
        let [key] = &Reviews::keys(&event).into_vec()[..] else { panic!("one key") };
        let (_, aggregate) = key.as_str().split_once('/').unwrap();
        let version = versions.entry(aggregate.to_owned()).or_default();
        *version += 1;
        line(aggregate, *version, event)
    };
    events.into_iter().map(&mut versioned).collect()
}

fn written(n: i64, product: i64, stars: i64) -> ReviewsEvent {
    let (review_id, product_id) = (format!("r-{n}"), format!("p-{product}"));
    ReviewWritten { review_id, occurred_at: AT, product_id, stars, photos: 0 }.into()
}

fn scored(n: i64, points: i64) -> ReviewsEvent {
    ReviewScored { review_id: format!("r-{n}"), occurred_at: AT, points }.into()
}

fn hidden(n: i64) -> ReviewsEvent {
    let (review_id, reason) = (format!("r-{n}"), "complaint".to_owned());
    ReviewHidden { review_id, occurred_at: AT, reason }.into()
}

fn removed(n: i64) -> ReviewsEvent {
    ReviewRemoved { review_id: format!("r-{n}"), occurred_at: AT }.into()
}

fn catalogued(product: i64, catalog: i64) -> ReviewsEvent {
    let (product_id, catalog_id) = (format!("p-{product}"), format!("c-{catalog}"));
    ProductCatalogued { product_id, occurred_at: AT, catalog_id, name: "Tea".to_owned() }.into()
}

fn withdrawn(product: i64) -> ReviewsEvent {
    ProductWithdrawn { product_id: format!("p-{product}"), occurred_at: AT }.into()
}

/// The best of a catalog, as a reader of the mirror takes them: `ZREVRANGE … 0 149`.
fn top(run: &Run<Reviews>, catalog: i64) -> Vec<(i64, String)> {
    let collection = Collection::Sorted(format!("catalog:c-{catalog}"));
    let mut all = Vec::new();
    for (key, document) in &run.documents {
        let places = document.state.as_ref().map(|state| Reviews::mirror(state).places);
        let found = places.into_iter().flatten().find(|place| place.collection == collection);
        all.extend(found.map(|place| (place.score.to_string().parse().unwrap(), key.to_string())));
    }
    all.sort();
    all.into_iter().rev().take(150).collect()
}

fn names(top: &[(i64, String)]) -> BTreeSet<&str> {
    top.iter().map(|(_, name)| name.as_str()).collect()
}

/// A list of the best 150: what comes is put in its place, what falls off the end is forgotten.
#[derive(Default)]
struct Bounded(BTreeSet<(i64, String)>);

impl Bounded {
    fn take(&mut self, event: &ReviewsEvent) {
        match event {
            ReviewsEvent::ReviewScored(e) => {
                self.0.insert((e.points, format!("review/{}", e.review_id)));
                if self.0.len() > 150 {
                    self.0.pop_first();
                }
            }
            ReviewsEvent::ReviewRemoved(e) => {
                self.0.retain(|(_, name)| *name != format!("review/{}", e.review_id));
            }
            _ => {}
        }
    }
}

#[test]
fn trap_a_bounded_list_does_not_fill_up_again_when_one_is_removed() {
    let mut events = vec![catalogued(1, 1)];
    events.extend((0..200).flat_map(|n| [written(n, 1, 5), scored(n, 1_000 - n)]));
    events.extend((0..10).map(removed));
    let log = log(events);
    let mut naive = Bounded::default();
    log.iter().for_each(|line| naive.take(&line.event));
    assert_eq!(naive.0.len(), 140, "ten places stay empty, though sixty reviews are left");
    let top = top(&Run::of(&log), 1);
    assert_eq!((top.len(), &top[0].1[..], &top[149].1[..]), (150, "review/r-10", "review/r-159"));
}

#[test]
fn trap_a_product_that_moves_leaves_no_copies_behind() {
    let log = log([catalogued(1, 1), written(1, 1, 5), written(2, 1, 4), catalogued(1, 2)]);
    // The catalog is looked up once, when the review comes.
    let (mut catalog, mut naive) = (String::new(), BTreeMap::<String, Vec<String>>::new());
    for line in &log {
        match &line.event {
            ReviewsEvent::ProductCatalogued(e) => catalog.clone_from(&e.catalog_id),
            ReviewsEvent::ReviewWritten(e) => {
                naive.entry(catalog.clone()).or_default().push(e.review_id.clone());
            }
            _ => {}
        }
    }
    assert_eq!((naive["c-1"].len(), naive.contains_key("c-2")), (2, false), "where it was");
    let run = Run::of(&log);
    assert_eq!((top(&run, 1).len(), top(&run, 2).len()), (0, 2));
    let rollups = run.rollups();
    assert!(!rollups.contains_key("catalogs/c-1"));
    let moved = &rollups["catalogs/c-2"];
    assert_eq!((moved.count, moved.sum.0, moved.squares.0), (2, 9, 41));
}

#[test]
fn trap_a_score_or_stars_that_come_again_are_not_added_twice() {
    let log = log([catalogued(1, 1), written(1, 1, 5), scored(1, 3), written(1, 1, 2)]);
    let order = [0, 1, 2, 2, 3, 1, 3, 2];
    let (mut score, mut count, mut sum) = (0, 0, 0);
    for at in order {
        match &log[at].event {
            ReviewsEvent::ReviewScored(e) => score += e.points,
            ReviewsEvent::ReviewWritten(e) => (count, sum) = (count + 1, sum + e.stars),
            _ => {}
        }
    }
    assert_eq!((score, count, sum), (9, 4, 14), "of one review with two stars and three points");
    let run = Run::in_order(&log, order);
    assert_eq!(top(&run, 1), [(3, "review/r-1".to_owned())]);
    let stars = &run.rollups()["products/p-1"];
    assert_eq!((stars.count, stars.sum.0, stars.squares.0), (1, 2, 4));
}

#[test]
fn rule_a_hidden_review_is_listed_nowhere_until_it_is_written_anew() {
    let events = [catalogued(1, 1), written(1, 1, 5), hidden(1), scored(1, 4), written(1, 1, 4)];
    let log = log(events);
    assert_eq!(top(&Run::of(&log[..4]), 1), []);
    assert!(Run::<Reviews>::of(&log[..4]).rollups().is_empty());
    assert_eq!(top(&Run::of(&log), 1), [(4, "review/r-1".to_owned())]);
}

#[test]
fn rule_what_comes_before_its_review_waits_and_what_was_removed_stays_out() {
    let log = log([written(1, 1, 5), scored(1, 4), removed(1), written(1, 1, 5)]);
    let run = Run::<Reviews>::in_order(&log, [1]);
    assert_eq!(run.waiting("review/r-1"), 1);
    let run = Run::<Reviews>::in_order(&log, [3, 2, 1, 0]);
    assert_eq!((run.waiting("review/r-1"), run.state("review/r-1")), (0, None));
}

/// What a query over all rows would say: catalog 1:N product 1:N review.
fn query(log: &[Line<ReviewsEvent>]) -> BTreeMap<String, BTreeSet<(i64, String)>> {
    let mut catalogs: BTreeMap<&str, &str> = BTreeMap::new();
    let mut reviews: BTreeMap<&str, (&str, i64, bool)> = BTreeMap::new();
    for line in log {
        match &line.event {
            ReviewsEvent::ProductCatalogued(e) => {
                catalogs.insert(&e.product_id, &e.catalog_id);
            }
            ReviewsEvent::ProductWithdrawn(e) => {
                catalogs.remove(&e.product_id[..]);
            }
            ReviewsEvent::ReviewWritten(e) => {
                let score = reviews.get(&e.review_id[..]).map_or(0, |(_, score, _)| *score);
                reviews.insert(&e.review_id, (&e.product_id, score, true));
            }
            ReviewsEvent::ReviewScored(e) => {
                if let Some((_, score, _)) = reviews.get_mut(&e.review_id[..]) {
                    *score += e.points;
                }
            }
            ReviewsEvent::ReviewHidden(e) => {
                if let Some((_, _, shown)) = reviews.get_mut(&e.review_id[..]) {
                    *shown = false;
                }
            }
            ReviewsEvent::ReviewRemoved(e) => {
                reviews.remove(&e.review_id[..]);
            }
        }
    }
    let mut found: BTreeMap<String, BTreeSet<(i64, String)>> = BTreeMap::new();
    for (review, (product, score, _)) in reviews.into_iter().filter(|(_, (_, _, shown))| *shown) {
        if let Some(catalog) = catalogs.get(product) {
            let place = (score, format!("review/{review}"));
            found.entry((*catalog).to_owned()).or_default().insert(place);
        }
    }
    found
}

/// Valid business: nothing follows what was removed or what is in no catalog.
fn business(what: &[(u8, i64, i64, i64)]) -> Vec<Line<ReviewsEvent>> {
    let (mut alive, mut gone, mut listed) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    let mut events = Vec::new();
    for &(kind, n, product, other) in what {
        match kind {
            0..4 if !gone.contains(&n) => {
                alive.insert(n);
                events.push(written(n, product, other + 1));
            }
            4..7 if alive.contains(&n) => events.push(scored(n, other * 10 - 15)),
            7 if alive.contains(&n) => events.push(hidden(n)),
            8 if alive.remove(&n) => {
                gone.insert(n);
                events.push(removed(n));
            }
            9 if listed.remove(&product) => events.push(withdrawn(product)),
            10.. => {
                listed.insert(product);
                events.push(catalogued(product, other));
            }
            _ => {}
        }
    }
    log(events)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn rule_every_interleaving_of_the_topics_ends_as_a_query_over_all_rows_says(
        what in prop::collection::vec((0..13_u8, 0..9_i64, 0..4_i64, 0..4_i64), 0..120),
        picks in prop::collection::vec(any::<bool>(), 120),
    ) {
        let log = business(&what);
        let (mut products, mut reviews): (Vec<usize>, Vec<usize>) =
            (0..log.len()).rev().partition(|at| log[*at].aggregate.starts_with("p-"));
        let mut order = Vec::new();
        for pick in picks {
            let (first, second) =
                if pick { (&mut products, &mut reviews) } else { (&mut reviews, &mut products) };
            order.extend(first.pop().or_else(|| second.pop()));
        }
        let run = Run::<Reviews>::in_order(&log, order);
        run.seen();
        let wanted = query(&log);
        for catalog in 0..4 {
            let found: BTreeSet<(i64, String)> = top(&run, catalog).into_iter().collect();
            let wanted = wanted.get(&format!("c-{catalog}")).cloned().unwrap_or_default();
            prop_assert_eq!(names(&Vec::from_iter(found.clone())).len(), found.len());
            prop_assert_eq!(found, wanted);
        }
    }
}

#[test]
fn rule_a_document_is_one_thing() {
    assert!(serde_json::from_str::<Document>("{}").is_err());
}
