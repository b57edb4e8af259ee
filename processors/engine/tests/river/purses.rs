//! A small model whose documents add to roll-ups and embed one another, and a world for it.

use std::collections::BTreeMap;
use std::sync::Arc;

use readmill_core::rollup::{PartialName, Partials, Totals};
use readmill_core::{
    Admit, Contribution, Edges, Folded, GroupName, Key, Keys, Partition, Reaction, ReadModel,
    Rollup, Standing, Window,
};
use readmill_engine::feed::feed;
use readmill_engine::patience::Patience;
use readmill_engine::river::River;
use readmill_engine::{Fault, Limits, Ports, Pulse, Record, Side, Store, Tally, Watch};
use readmill_schemas::Timestamp;
use readmill_schemas::points::{PointsEarned, PointsEvent};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::world::{World, record};

/// What purses have: of the documents.
pub const HELD: Rollup = Rollup::of_documents("held", "points in purses");
/// What purses see: of the copies in them.
pub const SEEN: Rollup = Rollup::of_documents("seen", "points seen elsewhere");
/// What was put in, by day: of the events.
pub const EARNED: Rollup = Rollup::of_events("earned", "points by day");

#[derive(Debug)]
pub struct Purses;

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Purse {
    pub points: i64,
    /// The purse at which it looks; none if empty.
    pub target: String,
    /// What is to be seen there.
    pub seen: Option<i64>,
}

impl Purse {
    /// What others see of it.
    pub fn sight(&self) -> i64 {
        self.points * 1_000 + self.seen.unwrap_or(0)
    }
}

impl ReadModel for Purses {
    const NAME: &'static str = "purses";
    const FOLD_VERSION: u32 = 1;
    const ABOUT: &'static str = "points, and those seen elsewhere";
    const ROLLUPS: &'static [Rollup] = &[HELD, SEEN, EARNED];
    const EMBEDS: bool = true;

    type Event = PointsEvent;
    type State = Purse;

    fn keys(event: &PointsEvent) -> Keys {
        earned(event).map_or(Keys::None, |earned| Keys::one(&earned.member_id))
    }

    fn admit(_: Standing<'_, Purse>, _: &PointsEvent) -> Admit {
        Admit::Fold
    }

    fn fold(state: Option<Purse>, event: &PointsEvent) -> Folded<Purse> {
        let Some(earned) = earned(event) else { return Folded::gone() };
        let before = state.unwrap_or_default();
        let target = earned.reason.clone();
        let seen = before.seen.filter(|_| before.target == target);
        let next = Purse { points: earned.points, target, seen };
        let mut folded = if earned.points < 0 { Folded::gone() } else { Folded::next(next) };
        if let Some(order) = &earned.order_no {
            let contract = "readmill.test.Ordered".to_owned();
            folded.says.push(Reaction { contract, body: order.clone().into_bytes() });
        }
        let day = GroupName::of(&["all"]).within(Window::Day, earned.occurred_at);
        folded.adding(Contribution::of(&EARNED, day, earned.points))
    }

    fn contributes(purse: &Purse) -> Vec<Contribution> {
        let of = |rollup, value| Contribution::of(rollup, GroupName::of(&["all"]), value);
        let seen = purse.seen.map(|seen| of(&SEEN, seen));
        std::iter::once(of(&HELD, purse.points)).chain(seen).collect()
    }

    fn embeds(purse: &Purse) -> Vec<Key> {
        let target = (!purse.target.is_empty()).then(|| Key::from(purse.target.as_str()));
        target.into_iter().collect()
    }

    fn embed(purse: &mut Purse, _: &Key, stands: Option<&Purse>) {
        purse.seen = stands.map(Purse::sight);
    }
}

fn earned(event: &PointsEvent) -> Option<&PointsEarned> {
    if let PointsEvent::PointsEarned(earned) = event { Some(earned) } else { None }
}

/// An event of a purse; with less than nothing it ends.
#[derive(Debug, Clone)]
pub struct Put<'a> {
    pub key: &'a str,
    /// The aggregate by whose versions it is known.
    pub by: &'a str,
    pub version: i64,
    pub points: i64,
    pub target: &'a str,
    pub day: i64,
    /// What it tells others.
    pub order: Option<&'a str>,
}

/// An event of a purse that is known by its own versions.
pub fn put<'a>(key: &'a str, version: i64, points: i64, target: &'a str) -> Put<'a> {
    Put { key, by: key, version, points, target, day: 0, order: None }
}

impl Put<'_> {
    pub fn at(&self, partition: i32, offset: i64) -> Record {
        let event = PointsEvent::PointsEarned(PointsEarned {
            ledger_id: "l".to_owned(),
            member_id: self.key.to_owned(),
            occurred_at: Timestamp::from_millis(self.day * 86_400_000),
            lot_id: "lot".to_owned(),
            points: self.points,
            expires_at: Timestamp::from_millis(1),
            reason: self.target.to_owned(),
            order_no: self.order.map(str::to_owned),
        });
        let mut record = record(offset, self.by, Some(self.version), &event);
        record.position.partition = Partition::new("t", partition);
        record
    }
}

/// A world with what is kept beside its documents.
#[derive(Debug)]
pub struct Around {
    pub world: World<Purses>,
    pub partials: World<Partials>,
    pub edges: World<Edges>,
}

impl Around {
    pub fn new() -> Self {
        Self { world: World::new(), partials: World::new(), edges: World::new() }
    }

    pub fn ports(&self) -> Arc<Ports<Purses>> {
        let partials: Arc<dyn Store<Partials>> = Arc::new(self.partials.clone());
        let edges: Arc<dyn Store<Edges>> = Arc::new(self.edges.clone());
        let side = Side { partials: Some(partials), edges: Some(edges) };
        Arc::new(Ports { side, ..Arc::into_inner(self.world.ports()).unwrap() })
    }

    pub fn purse(&self, key: &str) -> Option<Purse> {
        self.world.document(key)?.state
    }

    /// Of each group of a roll-up how many contributions there are, and their sum.
    pub fn totals(&self, rollup: &Rollup) -> BTreeMap<String, (i64, i128)> {
        let mut all: BTreeMap<String, Totals> = BTreeMap::new();
        for (key, partial) in self.partials.states() {
            let Some(group) = PartialName::group(rollup.name, &key) else { continue };
            let totals = partial.map(|partial| partial.totals).unwrap_or_default();
            all.entry(group.to_string()).or_default().merge(totals, rollup.beside);
        }
        all.into_iter().map(|(group, sum)| (group, (sum.count, sum.sum.0))).collect()
    }

    /// The only group of a roll-up.
    pub fn total(&self, rollup: &Rollup) -> (i64, i128) {
        self.totals(rollup).remove("all").unwrap_or_default()
    }

    /// How many edges there are.
    pub fn edges(&self) -> usize {
        self.edges.states().into_values().flatten().count()
    }
}

/// Takes batches through a river of their own, of one partition.
pub async fn flow(
    ports: &Arc<Ports<Purses>>,
    partition: i32,
    batches: Vec<Vec<Record>>,
) -> Result<(), Fault> {
    let partition = Partition::new("t", partition);
    let (_close, closing) = watch::channel(false);
    let tally = Tally::new(Purses::NAME, ports.metrics.clone());
    let patience = Patience::new(closing.clone(), ports.metrics.clone(), Purses::NAME);
    let watch = Watch::new(tally, Pulse::default(), closing);
    let mut river = River::new(Arc::clone(ports), &partition, Limits::default(), &watch, patience);
    let (line, mut feed) = feed(partition, 1);
    let sending = async move {
        for batch in batches {
            if line.batches.send(batch).await.is_err() {
                return;
            }
        }
    };
    let ((), flowed) = tokio::join!(sending, river.flow(&mut feed));
    flowed
}

/// Records of one partition, from an offset on.
pub fn records(partition: i32, first: i64, puts: &[Put<'_>]) -> Vec<Record> {
    (first..).zip(puts).map(|(offset, put)| put.at(partition, offset)).collect()
}
