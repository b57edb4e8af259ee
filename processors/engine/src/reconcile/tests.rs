//! Whatever is on the way from the origin is no finding, and whatever is planted is one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use readmill_core::{Admit, Folded, Keys, Partition, ResumeAt, Stamp, Standing};
use readmill_schemas::points::PointsEvent;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::watch;

use super::*;
use crate::metrics::Metrics;
use crate::ports::{Log, Put, Write};
use crate::verify::Places;

const KEYS: u64 = 40;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Number {
    n: u64,
}

#[derive(Debug)]
struct Numbers;

impl ReadModel for Numbers {
    const NAME: &'static str = "numbers";
    const FOLD_VERSION: u32 = 1;
    const ABOUT: &'static str = "numbers";
    const REPLICATES: bool = true;
    type Event = PointsEvent;
    type State = Number;
    fn keys(_: &PointsEvent) -> Keys {
        Keys::None
    }
    fn admit(_: Standing<'_, Number>, _: &PointsEvent) -> Admit {
        Admit::Fold
    }
    fn fold(state: Option<Number>, _: &PointsEvent) -> Folded<Number> {
        Folded::next(state.unwrap_or_default())
    }
}

/// An origin, a log behind it, and the documents behind that. All go on whenever anybody looks.
#[derive(Debug, Default)]
struct World {
    seed: u64,
    rows: BTreeMap<u64, u64>,
    changes: Vec<(u64, Option<u64>)>,
    published: usize,
    folded: usize,
    documents: BTreeMap<Key, Document<Numbers>>,
    /// Neither written by the origin, nor folded.
    left_alone: BTreeSet<u64>,
    at: u64,
    is_stuck: bool,
    can_tell: bool,
    /// How many changes the origin still makes.
    restless: u64,
}

impl World {
    fn draw(&mut self, below: u64) -> u64 {
        self.seed = self.seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695);
        (self.seed >> 33) % below
    }

    fn change(&mut self) {
        let (key, n) = (self.draw(KEYS), self.draw(9));
        if self.left_alone.contains(&key) || self.restless == 0 {
            return;
        }
        self.restless -= 1;
        let row = (n > 1).then_some(n);
        match row {
            Some(n) => self.rows.insert(key, n),
            None => self.rows.remove(&key),
        };
        self.changes.push((key, row));
    }

    fn fold(&mut self) {
        if self.folded == self.published {
            return;
        }
        let (key, row) = self.changes[self.folded];
        self.folded += 1;
        let document = self.documents.entry(name(key)).or_default();
        document.stamp.revision += 1;
        document.state = row.map(|n| Number { n });
    }

    /// A little of everything happens.
    fn step(&mut self) {
        for _ in 0..self.draw(4) {
            match self.draw(4) {
                0 | 1 => self.change(),
                2 => self.publish(),
                _ => self.fold(),
            }
        }
    }

    fn publish(&mut self) {
        if self.published < self.changes.len() && !self.is_stuck {
            self.published += 1;
        }
    }
}

fn name(key: u64) -> Key {
    Key(format!("k{key:03}"))
}

#[derive(Debug, Clone)]
struct Shared(Arc<Mutex<World>>);

impl Shared {
    fn now(&self) -> MutexGuard<'_, World> {
        let mut world = self.0.lock().unwrap();
        world.step();
        world
    }
}

#[async_trait]
impl Store<Numbers> for Shared {
    async fn load(&self, keys: &[Key]) -> Result<Vec<Option<Document<Numbers>>>, Fault> {
        Ok(keys.iter().map(|key| self.now().documents.get(key).cloned()).collect())
    }
    async fn put(&self, _: &[Write<'_, Numbers>]) -> Result<Vec<Put>, Fault> {
        Ok(Vec::new())
    }
    async fn scan(
        &self,
        visit: &mut (dyn FnMut(Key, Document<Numbers>) + Send),
    ) -> Result<(), Fault> {
        let all = self.now().documents.clone();
        all.into_iter().for_each(|(key, document)| visit(key, document));
        Ok(())
    }
    async fn erase(&self, _: &[Key]) -> Result<(), Fault> {
        Ok(())
    }
    async fn drop_all(&self) -> Result<(), Fault> {
        Ok(())
    }
}

#[async_trait]
impl Origin for Shared {
    async fn page(&mut self) -> Result<Vec<Told>, Fault> {
        let mut world = self.now();
        let from = world.at;
        let told = |(key, n): (&u64, &u64)| Told { key: name(*key), fields: json!({ "n": n }) };
        let page: Vec<Told> = world.rows.range(from..).take(7).map(told).collect();
        world.at = world.rows.range(from..).take(7).last().map_or(KEYS, |(key, _)| key + 1);
        Ok(page)
    }
    async fn look(&mut self, keys: &[Key]) -> Result<BTreeMap<Key, Value>, Fault> {
        let world = self.now();
        let said = world.rows.iter().map(|(key, n)| (name(*key), json!({ "n": n })));
        Ok(said.filter(|(key, _)| keys.contains(key)).collect())
    }
    fn prefixes(&self) -> Vec<String> {
        vec!["k".to_owned()]
    }
    async fn place(&mut self) -> Result<Option<Place>, Fault> {
        let world = self.now();
        Ok(world.can_tell.then(|| Place(world.changes.len().to_string())))
    }
    async fn has_published(&mut self, place: &Place) -> Result<bool, Fault> {
        let mut world = self.now();
        world.publish();
        Ok(world.published >= place.0.parse().unwrap())
    }
    async fn stands(&mut self) -> Result<Option<SourcePosition>, Fault> {
        Ok(None)
    }
}

#[async_trait]
impl Trail for Shared {
    async fn open(&self, _: &Places) -> Result<Box<dyn Log>, Fault> {
        Err(Fault::Abandoned)
    }
    fn begins(&self) -> &Places {
        const { &Places::new() }
    }
    async fn ends(&self) -> Result<Places, Fault> {
        Ok(places(self.now().published))
    }
    async fn settled(&self) -> Result<Places, Fault> {
        let mut world = self.now();
        world.fold();
        Ok(places(world.folded))
    }
    fn is_whole(&self) -> bool {
        true
    }
}

fn places(at: usize) -> Places {
    Places::from([(Partition::new("t", 0), ResumeAt::stored(i64::try_from(at).unwrap()))])
}

fn world(seed: u64) -> World {
    let mut world = World { seed, can_tell: true, restless: 400, ..World::default() };
    for _ in 0..200 {
        world.change();
        world.step();
    }
    world
}

type Found = (Summary, BTreeMap<Key, &'static str>);

async fn reconcile(world: World) -> Found {
    let shared = Shared(Arc::new(Mutex::new(world)));
    let mut found = BTreeMap::new();
    let mut told = |told: Report<'_>| {
        if let Report::Found(Finding { kind, subject, .. }) = told {
            found.insert(subject.key().unwrap().clone(), kind.name());
        }
    };
    let (_stop, stopping) = watch::channel(false);
    let mut origin = shared.clone();
    let mut reconciliation = Reconciliation::<Numbers> {
        store: Arc::new(shared.clone()),
        origin: &mut origin,
        trail: &shared,
        measure: Measure::Whole,
        tolerances: Tolerances::default(),
        one_way: false,
        corrections: None,
        patience: Patience::new(stopping, Metrics::new().unwrap(), Numbers::NAME),
        rest: Duration::from_secs(60),
        rest_limit: Duration::from_secs(600),
        limit_per_second: u32::MAX,
        began: Instant::now(),
        summary: Summary::default(),
        told: &mut told,
    };
    reconciliation.run().await.unwrap();
    let summary = std::mem::take(&mut reconciliation.summary);
    drop(reconciliation);
    (summary, found)
}

#[tokio::test(start_paused = true)]
async fn what_is_on_the_way_is_no_finding() {
    let mut moved = 0;
    for seed in 0..300 {
        let (summary, found) = reconcile(world(seed)).await;
        assert_eq!(found, BTreeMap::new(), "seed {seed}");
        moved += summary.moved;
    }
    assert!(moved > 500, "there was too little on the way: {moved}");
}

#[tokio::test(start_paused = true)]
async fn what_is_planted_is_found_and_named_and_nothing_else() {
    for seed in 0..300 {
        let mut world = world(seed);
        while world.folded < world.changes.len() {
            world.publish();
            world.fold();
        }
        world.left_alone = [3, 5, 7].into();
        let stamp = Stamp { revision: 9, ..Stamp::default() };
        let plant = |n| Document { state: Some(Number { n }), stamp: stamp.clone() };
        world.rows.extend([(3, 4), (5, 4)]);
        world.rows.remove(&7);
        world.documents.remove(&name(3));
        world.documents.insert(name(5), plant(5));
        world.documents.insert(name(7), plant(4));
        let wanted = [(3, Kind::Missing), (5, Kind::Changed), (7, Kind::Unintended)];
        let wanted = wanted.map(|(key, kind)| (name(key), kind.name()));
        let (summary, found) = reconcile(world).await;
        assert_eq!(found, BTreeMap::from(wanted), "seed {seed}");
        assert_eq!(summary.findings(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn a_log_that_does_not_go_on_leaves_open_what_differs() {
    let mut left = 0;
    for seed in 0..50 {
        let mut world = world(seed);
        world.is_stuck = true;
        (0..5).for_each(|_| world.change());
        let (summary, found) = reconcile(world).await;
        assert_eq!(found, BTreeMap::new(), "seed {seed}");
        left += summary.undecided.get(&("document", Undecided::Behind)).copied().unwrap_or(0);
    }
    assert!(left > 50, "{left}");
}

#[tokio::test(start_paused = true)]
async fn an_origin_that_cannot_tell_is_believed_once_both_have_rested() {
    for seed in 0..50 {
        let mut world = world(seed);
        world.restless = 0;
        while world.folded < world.changes.len() {
            world.publish();
            world.fold();
        }
        world.can_tell = false;
        world.rows.insert(3, 77);
        let (_, found) = reconcile(world).await;
        assert_eq!(found.keys().collect::<Vec<_>>(), [&name(3)], "seed {seed}");
    }
}

#[test]
fn a_row_is_not_sent_over_a_change_that_it_may_not_have_seen() {
    let at = |commit, lsn| SourcePosition::Postgres { commit: Some(commit), lsn };
    let pair = |known: &[SourcePosition], told: Option<Value>| {
        let tag = readmill_core::EventTag::of("a change");
        let recent = known.iter().map(|position| (Some(*position), tag)).collect();
        let marks = Marks::Events { forgotten: None, recent };
        let stamp = Stamp { marks: vec![("r:t:1".to_owned(), marks)], ..Stamp::default() };
        Pair { key: name(1), document: Document::<Numbers> { state: None, stamp }, told }
    };
    let row = || Some(json!({ "n": 4 }));
    let stood = at(100, 100);
    assert!(correction(pair(&[], row()), stood).is_some());
    assert!(correction(pair(&[at(80, 90), at(90, 95)], row()), stood).is_some());
    // Written, or committed, behind the place at which the origin was asked.
    assert_eq!(correction(pair(&[at(80, 90), at(90, 101)], row()), stood), None);
    assert_eq!(correction(pair(&[at(100, 95)], row()), stood), None);
    // A deletion stands at the last change that is known, wherever that is.
    let gone = correction(pair(&[at(120, 130), at(80, 90)], None), stood).unwrap();
    assert_eq!((gone.fields, gone.last), (None, Some(at(120, 130))));
}
