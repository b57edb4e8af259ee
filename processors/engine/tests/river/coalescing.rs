//! Many events of a key folded at once, and documents kept in memory, make what one event after the
//! other makes, each read from the store and written to it.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use readmill_core::{Counts, Key, Marks, Offset, Partition, Position, ReadModel};
use readmill_engine::{Limits, Record};
use readmill_models::{Deliveries, Points};

use crate::world::{Trouble, World, worker_within};
use crate::{delivery, earned, earned_lot};

/// What must not depend on how events are taken together.
#[derive(Debug, PartialEq)]
struct Truth<S> {
    documents: BTreeMap<Key, Standing<S>>,
    said: BTreeSet<String>,
    held: BTreeSet<(Option<Key>, i64)>,
}

#[derive(Debug, PartialEq)]
struct Standing<S> {
    state: Option<S>,
    /// None of a key that is held: what is held and comes again joins its queue again.
    revision: Option<i64>,
    marks: Vec<(String, Marks)>,
    queued: Vec<Position>,
    waiting: Vec<Position>,
}

/// How a log is taken in.
#[derive(Debug, Clone)]
struct Way {
    /// How many records come together, again and again.
    batches: Vec<usize>,
    shards: usize,
    cached: usize,
    troubles: Vec<Trouble>,
    /// After so many batches, in turns, the worker dies and the next one begins so much earlier.
    lives: Vec<(usize, usize)>,
}

impl Way {
    /// One after the other, and nothing in memory.
    fn plain() -> Self {
        let (batches, troubles, lives) = (vec![1], Vec::new(), Vec::new());
        Self { batches, shards: 1, cached: 1, troubles, lives }
    }

    fn limits(&self) -> Limits {
        let batch_records = self.batches.iter().copied().max().unwrap_or(1);
        Limits {
            batch_records,
            shards_per_partition: self.shards,
            cached_documents_per_partition: self.cached,
            ..Limits::default()
        }
    }
}

/// Takes a log in, and looks at what has come of it. Whoever keeps nothing in memory is another
/// worker for each record.
fn taken<M: ReadModel>(log: &[Record], way: &Way, forgets: bool) -> (Truth<M::State>, Counts) {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(async {
        let world = World::<M>::new();
        world.trouble(&way.troubles);
        let ports = world.ports();
        let mut live = worker_within(&ports, way.limits());
        let (mut at, mut batches) = (0, way.batches.iter().cycle());
        let (mut lives, mut lived) = (way.lives.iter(), 0);
        let mut next_death = lives.next();
        while at < log.len() {
            let end = log.len().min(at + batches.next().copied().unwrap_or(1).max(1));
            live.flow(log[at..end].to_vec()).await.unwrap();
            (at, lived) = (end, lived + 1);
            let dies = next_death.filter(|(after, _)| lived >= *after);
            if forgets || dies.is_some() {
                live = worker_within(&ports, way.limits());
            }
            if let Some((_, back)) = dies {
                (at, lived, next_death) = (at - back.min(&at), 0, lives.next());
            }
        }
        (truth(&world), live.tally.counts())
    })
}

fn truth<M: ReadModel>(world: &World<M>) -> Truth<M::State> {
    let standing = |key: Key| {
        let document = world.document(key.as_str()).unwrap();
        let stamp = document.stamp;
        let waiting = stamp.waiting.iter().map(|waiting| waiting.from.clone()).collect();
        let (marks, queued) = (stamp.marks, stamp.held);
        let (state, revision) = (document.state, queued.is_empty().then_some(stamp.revision));
        (key, Standing { state, revision, marks, queued, waiting })
    };
    Truth {
        documents: world.states().into_keys().map(standing).collect(),
        said: world.said().into_iter().collect(),
        held: world.held().into_iter().collect(),
    }
}

fn ways() -> impl Strategy<Value = Way> {
    let trouble = prop_oneof![Just(Trouble::Down), Just(Trouble::LostAnswer)];
    let batches = prop::collection::vec(1..40_usize, 1..6);
    let lives = prop::collection::vec((1..4_usize, 0..30_usize), 0..4);
    let troubles = prop::collection::vec(trouble, 0..5);
    (batches, 1..5_usize, 1..8_usize, troubles, lives).prop_map(
        |(batches, shards, cached, troubles, lives)| Way {
            batches,
            shards,
            cached,
            troubles,
            lives,
        },
    )
}

fn moved(mut record: Record, offset: usize) -> Record {
    let partition = Partition::new("t", 0);
    record.position = Position { partition, offset: Offset(i64::try_from(offset).unwrap()) };
    record
}

/// A few members whose versions come in about their order, with gaps, repeats, and lots that were
/// earned before, which are refused.
fn points_logs() -> impl Strategy<Value = Vec<Record>> {
    let entry = (0..3_usize, 0..4_i64, 0..12_u8);
    prop::collection::vec(entry, 1..60).prop_map(|entries| {
        let mut versions = [0_i64; 3];
        let record = |(offset, (member, ahead, kind)): (usize, (usize, i64, u8))| {
            let name = format!("m-{member}");
            let version = if ahead < 3 { versions[member] + 1 } else { versions[member] + 2 };
            versions[member] = if kind == 0 { versions[member] } else { version };
            let at = i64::try_from(offset).unwrap();
            if kind == 1 {
                earned_lot(at, &name, version, &format!("lot-{name}-1"))
            } else {
                earned(at, &name, version)
            }
        };
        entries.into_iter().enumerate().map(record).collect()
    })
}

/// A few deliveries, each in its order, with records that come twice.
fn delivery_logs() -> impl Strategy<Value = Vec<Record>> {
    let draws = prop::collection::vec((0..4_usize, any::<bool>()), 1..60);
    draws.prop_map(|draws| {
        let mut lives: Vec<_> =
            (0..4).map(|n| delivery(n * 100, &format!("d-{n}")).into_iter()).collect();
        let mut log = Vec::new();
        for (which, twice) in draws {
            let Some(record) = lives[which].next() else { continue };
            let times = if twice { 2 } else { 1 };
            log.extend(std::iter::repeat_n(record, times));
        }
        (0..).zip(log).map(|(offset, record)| moved(record, offset)).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn points_are_those_of_one_event_after_the_other(log in points_logs(), way in ways()) {
        let (alone, counts) = taken::<Points>(&log, &Way::plain(), true);
        prop_assert!(counts.consumed <= 1);
        let (together, counts) = taken::<Points>(&log, &way, false);
        prop_assert!(counts.add_up(), "{counts:?}");
        prop_assert_eq!(alone, together);
    }

    #[test]
    fn deliveries_and_what_they_say_are_those_of_one_event_after_the_other(
        log in delivery_logs(),
        way in ways(),
    ) {
        let (alone, _) = taken::<Deliveries>(&log, &Way::plain(), true);
        let (together, counts) = taken::<Deliveries>(&log, &way, false);
        prop_assert!(counts.add_up(), "{counts:?}");
        prop_assert_eq!(alone, together);
    }
}
