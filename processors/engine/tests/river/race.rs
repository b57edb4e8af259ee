//! Joins and roll-ups in every order in which their steps can fall between one another.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use proptest::prelude::*;
use readmill_core::rollup::Partials;
use readmill_core::{Document, Edges, Key, ReadModel};
use readmill_engine::{Fault, Ports, Put, Record, Side, Store, Write};

use crate::purses::{Around, Purse, Purses, SEEN, flow, put, records};
use crate::world::World;

/// Parents, and children that look at parents or at one another: never at those before them.
const KEYS: [&str; 5] = ["c-0", "c-1", "c-2", "p-0", "p-1"];
const PARENTS: usize = 3;

/// How long each call lets the others go first.
#[derive(Debug, Clone)]
struct Turns(Arc<Mutex<VecDeque<u8>>>);

impl Turns {
    async fn pass(&self) {
        let turns = self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        for _ in 0..turns.unwrap_or(0) {
            tokio::task::yield_now().await;
        }
    }
}

/// A store whose calls take their turns before and after they take effect.
#[derive(Debug)]
struct InTurns<M: ReadModel> {
    inner: World<M>,
    turns: Turns,
}

#[async_trait]
impl<M: ReadModel> Store<M> for InTurns<M> {
    async fn load(&self, keys: &[Key]) -> Result<Vec<Option<Document<M>>>, Fault> {
        self.turns.pass().await;
        let found = self.inner.load(keys).await;
        self.turns.pass().await;
        found
    }

    async fn put(&self, writes: &[Write<'_, M>]) -> Result<Vec<Put>, Fault> {
        self.turns.pass().await;
        let puts = self.inner.put(writes).await;
        self.turns.pass().await;
        puts
    }

    async fn scan(&self, visit: &mut (dyn FnMut(Key, Document<M>) + Send)) -> Result<(), Fault> {
        self.turns.pass().await;
        self.inner.scan(visit).await
    }

    async fn scan_range(
        &self,
        prefix: &str,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<(Key, Document<M>)>, Fault> {
        self.turns.pass().await;
        let page = self.inner.scan_range(prefix, after, limit).await;
        self.turns.pass().await;
        page
    }

    async fn erase(&self, keys: &[Key]) -> Result<(), Fault> {
        self.inner.erase(keys).await
    }

    async fn drop_all(&self) -> Result<(), Fault> {
        self.inner.drop_all().await
    }
}

fn ports(around: &Around, turns: Vec<u8>) -> Arc<Ports<Purses>> {
    let turns = Turns(Arc::new(Mutex::new(turns.into())));
    let partials = InTurns { inner: around.partials.clone(), turns: turns.clone() };
    let edges = InTurns { inner: around.edges.clone(), turns: turns.clone() };
    let partials: Arc<dyn Store<Partials>> = Arc::new(partials);
    let edges: Arc<dyn Store<Edges>> = Arc::new(edges);
    let side = Side { partials: Some(partials), edges: Some(edges) };
    let store = Arc::new(InTurns { inner: around.world.clone(), turns });
    Arc::new(Ports { side, store, ..Arc::into_inner(around.world.ports()).unwrap() })
}

/// What happens to one of the keys: it has so much, or ends with less than nothing, and looks at
/// one of those behind it.
type Happening = (usize, i64, usize);

fn happenings() -> impl Strategy<Value = Vec<Happening>> {
    prop::collection::vec((0..KEYS.len(), -1..9_i64, 0..8_usize), 1..14)
}

/// The records of each of three partitions: a key is always in the same one.
fn logs(happenings: &[Happening]) -> [Vec<Record>; 3] {
    let mut puts = [const { Vec::new() }; 3];
    let mut versions = [0; KEYS.len()];
    for (key, points, look) in happenings {
        versions[*key] += 1;
        let later = &KEYS[key + 1..];
        let target = if *key < PARENTS { later.get(*look).copied() } else { None };
        puts[key % 3].push(put(KEYS[*key], versions[*key], *points, target.unwrap_or_default()));
    }
    [0, 1, 2].map(|at| records(i32::try_from(at).unwrap(), 0, &puts[at]))
}

fn stands(around: &Around, key: &str) -> Option<Purse> {
    around.purse(key)
}

#[track_caller]
fn check(around: &Around) {
    let mut sum = (0, 0);
    for key in KEYS {
        let Some(purse) = stands(around, key) else { continue };
        let target = (!purse.target.is_empty()).then(|| stands(around, &purse.target)).flatten();
        assert_eq!(purse.seen, target.map(|target| target.sight()), "{key} at {}", purse.target);
        if let Some(seen) = purse.seen {
            sum = (sum.0 + 1, sum.1 + i128::from(seen));
        }
    }
    assert_eq!(around.total(&SEEN), sum);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whoever registers, writes, reads and looks in between: no copy stays behind, and what
    /// copies add to a roll-up is added once.
    #[test]
    fn no_copy_stays_behind(
        happenings in happenings(),
        turns in prop::collection::vec(0..6_u8, 0..400),
        size in 1..4_usize,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let around = Around::new();
            let batches = |log: &Vec<Record>| log.chunks(size).map(<[_]>::to_vec).collect();
            let logs = logs(&happenings);
            let [one, two, three] = [0, 1, 2].map(|at| (at, batches(&logs[at])));
            let ports = ports(&around, turns);
            let flow = |(at, batches)| flow(&ports, i32::try_from(at).unwrap(), batches);
            let (one, two, three) = tokio::join!(flow(one), flow(two), flow(three));
            one.and(two).and(three).unwrap();
            check(&around);
        });
    }
}
