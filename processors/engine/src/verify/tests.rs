//! Whatever is only lag is no finding, and whatever is planted is one.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use proptest::prelude::*;
use readmill_core::marks::REMEMBERED_EVENTS;
use readmill_core::rollup::{Added, Difference, Partial, PartialName, Partials};
use readmill_core::{
    Admit, Contribution, Document, Folded, GroupName, Identity, Incoming, Key, Keys, Offset,
    Partition, Position, Reach, ReadModel, Record, ResumeAt, Rollup, Sent, SourcePosition,
    Standing, What,
};
use readmill_schemas::Timestamp;
use readmill_schemas::points::{EarnCancelled, PointsEvent};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::groups;
use super::pages::Pair;
use super::suspects::{Judgement, Measure, Suspects, at_sight};
use super::tide::Tide;
use super::trail::{Follows as _, Places};
use super::{Kind, Tolerances, Undecided};
use crate::fault::Fault;
use crate::metrics::Metrics;
use crate::patience::Patience;
use crate::ports::{Put, Store, Write};
use crate::route::{Part, Queues, Task, Told};

use side::{Partitioned, Shelf, patience, suspecting, tell};

mod side;

const SUMS: Rollup = Rollup::of_documents("sums", "what documents come to");

/// How many events a key has seen, and their sum: in any order the same.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
struct Seen {
    count: i64,
    sum: i64,
}

#[derive(Debug)]
struct Sums;

impl ReadModel for Sums {
    const NAME: &'static str = "sums";
    const FOLD_VERSION: u32 = 1;
    const ABOUT: &'static str = "sums";
    const ROLLUPS: &'static [Rollup] = &[SUMS];
    type Event = PointsEvent;
    type State = Seen;

    fn keys(event: &PointsEvent) -> Keys {
        Keys::one(&cancelled(event).member_id)
    }

    fn admit(_: Standing<'_, Seen>, _: &PointsEvent) -> Admit {
        Admit::Fold
    }

    fn fold(state: Option<Seen>, event: &PointsEvent) -> Folded<Seen> {
        let Seen { count, sum } = state.unwrap_or_default();
        let more: i64 = cancelled(event).ledger_id.parse().unwrap();
        Folded::next(Seen { count: count + 1, sum: sum + more })
    }

    fn contributes(state: &Seen) -> Vec<Contribution> {
        vec![Contribution::of(&SUMS, GroupName::of(&[&(state.count % 2).to_string()]), state.sum)]
    }
}

fn cancelled(event: &PointsEvent) -> &EarnCancelled {
    let PointsEvent::EarnCancelled(event) = event else { panic!("{event:?}") };
    event
}

/// How changes are known.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Known {
    Version,
    Place,
    Id,
}

/// One record of the log.
#[derive(Debug, Clone)]
struct Line {
    key: Key,
    position: Position,
    identity: Identity,
    event: PointsEvent,
    /// Whether it is keyed by its document.
    keyed: bool,
}

impl Line {
    fn part(&self) -> Part<Sums> {
        let told =
            Told { identity: self.identity.clone(), committed_ms: 0, event: self.event.clone() };
        let record_key = self.keyed.then(|| self.key.as_str().as_bytes().to_vec());
        let record = Record { key: record_key, ..Record::at(self.position.clone()) };
        let record = Arc::new(record);
        Part { record, from: self.position.clone(), task: Task::Take(told) }
    }

    fn fold(&self, into: &mut Document<Sums>) {
        let record = Record::at(self.position.clone());
        into.take(Incoming::straight(&self.identity, &record, &self.event));
    }
}

/// A log, how far each side has come with each key in each partition, and where the trail begins.
#[derive(Debug, Clone)]
struct Scene {
    known: Known,
    lines: Vec<Line>,
    begins: [i64; PARTITIONS],
    left: Vec<[i64; PARTITIONS]>,
    right: Vec<[i64; PARTITIONS]>,
    /// Which partition each side reads first.
    turned: bool,
}

const PARTITIONS: usize = 2;
const KEYS: usize = 3;

fn partition(index: usize) -> Partition {
    Partition::new("t", i32::try_from(index).unwrap())
}

fn key(number: usize) -> Key {
    Key(format!("k{number}"))
}

/// Each key is in one partition, or in both.
fn log(known: Known, drawn: &[(usize, usize, i64, bool)], spread: bool) -> Vec<Line> {
    let mut next = [0; PARTITIONS];
    let mut versions = [0; KEYS];
    let mut lines: Vec<Line> = Vec::new();
    for (n, (number, place, amount, again)) in drawn.iter().enumerate() {
        let own = lines.iter().filter(|line| line.key == key(*number)).count();
        if spread && known != Known::Version && own >= REMEMBERED_EVENTS {
            // What comes in two partitions, and too far apart, is too late in one order alone.
            continue;
        }
        let place = if spread { *place } else { number % PARTITIONS };
        let offset = Offset(next[place]);
        next[place] += 1;
        let position = Position { partition: partition(place), offset };
        let mut repeats = lines.iter().rev().filter(|line| line.key == key(*number));
        if let Some(before) = repeats.next().filter(|_| *again).cloned() {
            // A relay publishes it again, in whichever partition its key is.
            lines.push(Line { position, ..before });
            continue;
        }
        versions[*number] += 1;
        let at = i64::try_from(n).unwrap();
        let source = SourcePosition::Postgres { commit: Some(at), lsn: at };
        let id = n.to_string();
        let identity = match known {
            Known::Version => Identity::version("t", "a", true, versions[*number]),
            Known::Place => Identity::event("t", Some(source), &id),
            Known::Id => Identity::event("t", None, &id),
        };
        let event = PointsEvent::EarnCancelled(EarnCancelled {
            ledger_id: amount.to_string(),
            member_id: key(*number).0,
            occurred_at: Timestamp::from_millis(0),
            lot_id: String::new(),
        });
        lines.push(Line { key: key(*number), position, identity, event, keyed: !spread });
    }
    lines
}

impl Scene {
    fn ordered(&self, second_first: bool) -> Vec<&Line> {
        let mut lines: Vec<&Line> = self.lines.iter().collect();
        lines.sort_by_key(|line| line.position.partition.index == i32::from(!second_first));
        lines
    }

    /// What a side has folded of a key, in its order.
    fn folded(&self, number: usize, cuts: &[i64; PARTITIONS], turned: bool) -> Vec<&Line> {
        let is_folded = |line: &&Line| {
            let place = usize::try_from(line.position.partition.index).unwrap();
            line.key == key(number) && line.position.offset.0 < cuts[place]
        };
        self.ordered(turned).into_iter().filter(is_folded).collect()
    }

    fn document(&self, number: usize, cuts: &[i64; PARTITIONS], turned: bool) -> Document<Sums> {
        let mut document = Document::default();
        let lines = self.folded(number, cuts, turned);
        lines.into_iter().for_each(|line| line.fold(&mut document));
        document
    }

    fn pair(&self, number: usize) -> Pair<Sums> {
        let some = |document: Document<Sums>| (document.stamp.revision > 0).then_some(document);
        Pair {
            key: key(number),
            left: some(self.document(number, &self.left[number], self.turned)),
            right: some(self.document(number, &self.right[number], false)),
        }
    }

    fn queues(&self) -> Queues<Sums> {
        let mut queues = Queues::<Sums>::new();
        for line in self.ordered(false) {
            let place = usize::try_from(line.position.partition.index).unwrap();
            if line.position.offset.0 >= self.begins[place] {
                queues.entry(line.key.clone()).or_default().push(line.part());
            }
        }
        queues
    }

    async fn judge(&self, pair: Pair<Sums>) -> Judgement {
        let tolerances = Tolerances::default();
        let measure =
            Measure { tolerances: &tolerances, log_is_whole: true, right_was_late: false };
        if let Some(judgement @ Judgement::Departs(..)) = at_sight(&pair, measure) {
            return judgement;
        }
        let mut suspects = Suspects::default();
        let key = pair.key.clone();
        suspects.suspect(pair);
        suspects.take(self.queues()).await.unwrap();
        suspects.0[&key].judge(measure)
    }
}

fn scenes() -> impl Strategy<Value = Scene> {
    let known = prop_oneof![Just(Known::Version), Just(Known::Place), Just(Known::Id)];
    let drawn = (0..KEYS, 0..PARTITIONS, -5..50_i64, prop::bool::weighted(0.15));
    let log_of = (known, prop::collection::vec(drawn, 1..260), any::<bool>());
    let cut = || prop::array::uniform2(0.0..1.0_f64);
    let cuts = move || prop::collection::vec(cut(), KEYS);
    (log_of, cut(), cuts(), cuts(), any::<bool>()).prop_map(
        |((known, drawn, spread), begins, left, right, turned)| {
            let lines = log(known, &drawn, spread);
            let ends = [0, 1].map(|place| {
                lines.iter().filter(|line| line.position.partition == partition(place)).count()
            });
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_precision_loss,
                reason = "small"
            )]
            let at = |from: i64, place: usize, part: f64| {
                from + ((ends[place] as f64 + 0.9 - from as f64) * part) as i64
            };
            let begins = [at(0, 0, begins[0]), at(0, 1, begins[1])];
            let side = |cuts: Vec<[f64; 2]>| {
                let cut = |[one, other]: [f64; 2]| [at(begins[0], 0, one), at(begins[1], 1, other)];
                cuts.into_iter().map(cut).collect::<Vec<_>>()
            };
            Scene { known, begins, left: side(left), right: side(right), turned, lines }
        },
    )
}

fn run<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(work)
}

proptest! {
    /// However far each side is with each key, in whatever order, with whatever repeats.
    #[test]
    fn lag_is_no_finding(scene in scenes()) {
        for number in 0..KEYS {
            let judgement = run(scene.judge(scene.pair(number)));
            let unclear = Judgement::Undecided(Undecided::Restless);
            let allowed = scene.known == Known::Id && judgement == unclear;
            prop_assert!(judgement == Judgement::Equal || allowed, "{judgement:?}");
        }
    }

    /// Each fault is found for what it is, also under load; by ids alone at the latest at rest.
    #[test]
    fn a_planted_fault_is_found(
        mut scene in scenes(),
        number in 0..KEYS,
        at_rest in any::<bool>(),
    ) {
        if at_rest || scene.known == Known::Id {
            let ends = [0, 1].map(|place| {
                let own = scene.lines.iter().filter(|l| l.position.partition == partition(place));
                i64::try_from(own.count()).unwrap()
            });
            scene.begins = ends;
            scene.left = vec![ends; KEYS];
            scene.right = vec![ends; KEYS];
        }
        let pair = scene.pair(number);
        let found = |left: Option<Document<Sums>>| {
            let pair = Pair { key: pair.key.clone(), left, right: pair.right.clone() };
            match run(scene.judge(pair)) {
                Judgement::Departs(kind, _) => Some(kind),
                Judgement::Equal | Judgement::Undecided(_) => None,
            }
        };
        if let Some(mut left) = pair.left.clone() {
            left.state.get_or_insert_default().sum += 1;
            prop_assert_eq!(found(Some(left)), Some(Kind::Changed));
        }
        let settled = scene.document(number, &scene.begins, false);
        // What comes again puts right what was wrong.
        let is_before = |line: &&Line| {
            let place = usize::try_from(line.position.partition.index).unwrap();
            line.position.offset.0 < scene.begins[place]
        };
        let own = scene.lines.iter().filter(|line| line.key == key(number));
        let (settled_lines, rest): (Vec<&Line>, Vec<&Line>) = own.partition(is_before);
        let comes_again = rest.iter().any(|line| {
            settled_lines.iter().any(|before| before.identity == line.identity)
        });
        // As it was before its last event that is settled.
        if settled.stamp.revision > 0 && !comes_again {
            prop_assert_eq!(found(None), Some(Kind::Missing));
        }
        let mut older = scene.begins;
        while !comes_again && older != [0; PARTITIONS] {
            let place = usize::from(older[0] < older[1]);
            older[place] -= 1;
            let stale = scene.document(number, &older, scene.turned);
            if stale.stamp.revision == 0 || stale.stamp.reach(&settled.stamp) != Reach::Behind {
                continue;
            }
            // One in which everything waits is as good as missing; and once events are forgotten,
            // nothing tells whether a line lacks some.
            let kind = found(Some(stale));
            let kinds = [Kind::Stale, Kind::Missing, Kind::Changed];
            prop_assert!(kind.is_some_and(|kind| kinds.contains(&kind)), "{kind:?}");
            break;
        }
    }

    /// A document that no event led to, under whatever marks.
    #[test]
    fn an_unintended_document_is_found(scene in scenes(), version in 0..9_i64) {
        let mut left = Document::<Sums> { state: Some(Seen::default()), ..Document::default() };
        for version in 1..=version {
            left.stamp.mark(&Identity::version("t", "a", true, version));
        }
        let pair = Pair { key: Key::from("nobody"), left: Some(left), right: None };
        let judgement = run(scene.judge(pair));
        prop_assert!(matches!(judgement, Judgement::Departs(Kind::Unintended, _)), "{judgement:?}");
    }

    /// Groups are what the log comes to, as far as each partial group says, and nothing else.
    #[test]
    fn groups_under_load_are_exact(
        mut scene in scenes(),
        floors in any::<[bool; 4]>(),
        planted in prop::option::of(-3..3_i64),
    ) {
        scene.right = vec![scene.begins; KEYS];
        let shelf = Shelf::default();
        let (mut left, mut right) = (Partitioned::new(), Partitioned::new());
        for number in 0..KEYS {
            tell(&scene, number, &scene.right[number], false, &mut right);
            let document = scene.document(number, &scene.right[number], false);
            shelf.0.lock().unwrap().insert(key(number), document);
            tell(&scene, number, &scene.left[number], scene.turned, &mut left);
        }
        let places = (0..PARTITIONS).map(|at| (partition(at), ResumeAt::stored(scene.begins[at])));
        let places: Places = places.collect();
        for (place, (_, partial)) in left.iter_mut().enumerate() {
            if floors[place % floors.len()] {
                let partition = partition(usize::from(place % 2 == 1));
                let begins = scene.begins[0].min(scene.begins[1]);
                let below = Offset(places[&partition].value().min(begins));
                partial.raise_floor(Sent { below, unread: &BTreeSet::new() });
            }
        }
        let planted = planted.filter(|more| *more != 0);
        if let (Some(more), Some((_, partial))) = (planted, left.iter_mut().next()) {
            partial.totals.count += more;
        }
        let any_left = !left.is_empty();
        let suspects = suspecting::all(left, right);
        let mut tide = Tide::<Sums>::new(Arc::new(shelf), patience(), suspects, &places);
        let suspects = run(async {
            tide.take(scene.queues()).await.unwrap();
            tide.into_suspects()
        });
        let is_found = |s: &&groups::Suspect| !s.is_unclear && s.departs().is_some();
        let departing = suspects.values().filter(is_found).count();
        let unclear = suspects.values().any(|suspect| suspect.is_unclear);
        match planted.filter(|_| any_left) {
            None => prop_assert_eq!(departing, 0),
            Some(_) => prop_assert!(departing == 1 || (departing == 0 && unclear)),
        }
    }
}
