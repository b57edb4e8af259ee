//! The source: rows in the order of their commits, in every style that a document can be fed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use readmill_core::{Identity, Key, SourcePosition};
use readmill_schemas::row::RowOp;
use readmill_workload::Rng;

use crate::event::{Deed, Need, Step};
use crate::faults::{Fates, Kind};

/// The outbox topics.
pub const OUTBOXES: [&str; 2] = ["shop.public.outbox_a", "shop.public.outbox_b"];
/// The topic of the table of cards.
pub const CARDS: &str = "shop.public.card";

/// A committed row.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its number in the order of commits, whatever is cut away.
    pub number: usize,
    /// The topic that it is published to.
    pub topic: &'static str,
    /// The document.
    pub key: String,
    /// The aggregate, or the row's own key.
    pub aggregate: String,
    /// The aggregate's version.
    pub version: Option<i64>,
    /// Where it was committed.
    pub at: SourcePosition,
    /// What was committed.
    pub what: What,
}

/// What a row says.
#[derive(Debug, Clone)]
pub enum What {
    /// An event.
    Step(Step),
    /// An event that cannot be read.
    Poison,
    /// An event of no interest.
    Foreign,
    /// A change of the card.
    Card {
        /// The operation.
        op: RowOp,
        /// What the card says afterwards.
        mark: i64,
    },
}

impl Row {
    /// The event's id.
    pub fn event_id(&self) -> String {
        format!("e-{}", self.number)
    }

    /// How the row is known in its document.
    pub fn identity(&self) -> Identity {
        let own = self.key == self.aggregate;
        match (&self.what, self.version) {
            (What::Card { op, .. }, _) => {
                Identity::row(self.topic, &self.aggregate, own, *op, Some(self.at))
            }
            (What::Step(_) | What::Poison | What::Foreign, Some(version)) => {
                Identity::version(self.topic, &self.aggregate, own, version)
            }
            (What::Step(_) | What::Poison | What::Foreign, None) => {
                Identity::event(self.topic, Some(self.at), &self.event_id())
            }
        }
    }

    /// The document, as the engine names it.
    pub fn document(&self) -> Key {
        Key(self.key.clone())
    }

    /// Whether its place is known however it comes.
    pub const fn may_swap(&self) -> bool {
        self.version.is_some()
    }

    /// The line in which its order is kept.
    fn line(&self) -> (&'static str, String) {
        (self.topic, self.aggregate.clone())
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.topic, self.key)?;
        if self.aggregate != self.key {
            write!(f, " by {}", self.aggregate)?;
        }
        if let Some(version) = self.version {
            write!(f, " version {version}")?;
        }
        if let SourcePosition::Postgres { commit, lsn } = self.at {
            write!(f, " at {commit:?}/{lsn}")?;
        }
        match &self.what {
            What::Step(step) => write!(f, ": {step}"),
            What::Poison => write!(f, ": poison"),
            What::Foreign => write!(f, ": of no interest"),
            What::Card { op, mark } => write!(f, ": {op:?} {mark}"),
        }
    }
}

/// How a document is fed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    /// By one aggregate; it may end, begin anew, and be poisoned.
    Single { versioned: bool },
    /// By one aggregate without versions, for longer than a stamp remembers.
    Deep,
    /// By several aggregates, of one topic or of two, which wait for one another.
    Lanes { ends: bool },
    /// By a row of a table.
    Card,
    /// By a row of a table and an aggregate.
    CardAndLane,
    /// By nothing: its events are of no interest.
    Foreign,
}

/// An aggregate or a row.
#[derive(Debug, Clone)]
struct Lane {
    topic: &'static str,
    aggregate: String,
    versioned: bool,
    /// Longer than a stamp remembers.
    deep: bool,
}

/// A row before it has its place.
#[derive(Debug)]
struct Draft {
    key: String,
    lane: Lane,
    what: What,
}

impl Lane {
    /// A connector that starts does not say what came before; a document that remembers all of its
    /// line does not need to know.
    const fn may_hide(&self) -> bool {
        !self.deep
    }
}

/// The rows of one life, in the order of their commits.
pub fn rows(seed: u64, fates: &mut Fates, cut: &BTreeSet<usize>) -> Vec<Row> {
    let mut rng = Rng::new(seed, 1);
    let keys = 1 + rng.index(5);
    let mut drafts: Vec<Vec<Draft>> = (0..keys).map(|n| document(n, &mut rng, fates)).collect();
    drafts.iter_mut().for_each(|drafts| drafts.reverse());
    let mut journal = Journal::default();
    let mut rows = Vec::new();
    while drafts.iter().any(|drafts| !drafts.is_empty()) {
        let at = rng.index(keys);
        let Some(drafts) = drafts.get_mut(at) else { continue };
        journal.begin(&mut rng, fates);
        let shared = fates.strikes(Kind::SharedPosition);
        for n in 0..=rng.below(3) {
            let Some(draft) = drafts.pop() else { break };
            let same = shared && n > 0 && draft.lane.topic != CARDS;
            rows.push(journal.row(draft, same, &mut rng));
        }
    }
    rows.retain(|row| !cut.contains(&row.number));
    number(&mut rows);
    rows
}

fn document(n: usize, rng: &mut Rng, fates: &mut Fates) -> Vec<Draft> {
    let key = format!("k{n}");
    let style = match rng.below(14) {
        0..=3 => Style::Single { versioned: true },
        4..=5 => Style::Single { versioned: false },
        6 => Style::Deep,
        7..=9 => Style::Lanes { ends: rng.chance(500) },
        10 => Style::Card,
        11..=12 => Style::CardAndLane,
        _ => Style::Foreign,
    };
    let aim = Aim { n };
    let outbox = OUTBOXES.get(rng.index(2)).copied().unwrap_or_default();
    let own = |versioned| Lane { topic: outbox, aggregate: key.clone(), versioned, deep: false };
    let few = 2 + rng.index(9);
    match style {
        Style::Single { versioned } => single(&key, &own(versioned), few, aim, rng, fates),
        Style::Deep => {
            let deep = Lane { deep: true, ..own(false) };
            single(&key, &deep, 34 + few, aim, rng, fates)
        }
        Style::Lanes { ends } => lanes(&key, few, ends, aim, rng),
        Style::Card => cards(&key, few, rng),
        Style::CardAndLane => {
            let mut all = cards(&key, few / 2 + 1, rng);
            let steps = steps(&key, &[own(rng.chance(500))], few, aim, rng);
            for step in steps {
                all.insert(rng.index(all.len() + 1).max(place_after_steps(&all)), step);
            }
            all
        }
        Style::Foreign => {
            fates.note(Kind::Foreign);
            let draft = |_| Draft { key: key.clone(), lane: own(false), what: What::Foreign };
            (0..few).map(draft).collect()
        }
    }
}

/// The steps of a lane stay in their order.
fn place_after_steps(drafts: &[Draft]) -> usize {
    let is_step = |draft: &Draft| matches!(draft.what, What::Step(_));
    drafts.iter().rposition(is_step).map_or(0, |at| at + 1)
}

/// One lane that does everything.
fn single(
    key: &str,
    lane: &Lane,
    count: usize,
    aim: Aim,
    rng: &mut Rng,
    fates: &mut Fates,
) -> Vec<Draft> {
    let mut living = 0;
    let mut drafts = Vec::with_capacity(count);
    for _ in 0..count {
        let deed = match rng.below(24) {
            0..=13 => Deed::Append,
            14..=17 => Deed::Point,
            18..=20 => Deed::Say,
            21..=22 => Deed::End,
            _ => Deed::Obsolete,
        };
        let what = if fates.strikes(Kind::Poison) {
            What::Poison
        } else if fates.strikes(Kind::Refusal) {
            What::Step(step(key, lane, Deed::Refuse, Vec::new()))
        } else if deed == Deed::Point {
            What::Step(Step { to: aim.at(rng), ..step(key, lane, deed, Vec::new()) })
        } else {
            let waits = deed == Deed::Append && rng.chance(80);
            let need = Need { lane: lane.aggregate.clone(), count: living + rng.between(1, 2) };
            What::Step(step(key, lane, deed, if waits { vec![need] } else { Vec::new() }))
        };
        living = if deed == Deed::End { 0 } else { living + 1 };
        drafts.push(Draft { key: key.to_owned(), lane: lane.clone(), what });
    }
    drafts
}

/// Two or three aggregates in one document; where it ends, the end needs all that came before.
fn lanes(key: &str, count: usize, ends: bool, aim: Aim, rng: &mut Rng) -> Vec<Draft> {
    let lanes: Vec<Lane> = (0..2 + rng.index(2))
        .map(|n| Lane {
            topic: OUTBOXES.get(rng.index(2)).copied().unwrap_or_default(),
            aggregate: if n == 0 { key.to_owned() } else { format!("{key}.{n}") },
            versioned: rng.chance(600),
            deep: false,
        })
        .collect();
    let mut drafts = steps(key, &lanes, count * 2, aim, rng);
    if let Some(last) = lanes.first().filter(|_| ends) {
        let needs = lanes.iter().map(|lane| {
            let of_lane = drafts.iter().filter(|draft| draft.lane.aggregate == lane.aggregate);
            Need {
                lane: lane.aggregate.clone(),
                count: i64::try_from(of_lane.count()).unwrap_or(i64::MAX),
            }
        });
        let what = What::Step(step(key, last, Deed::End, needs.collect()));
        drafts.push(Draft { key: key.to_owned(), lane: last.clone(), what });
    }
    drafts
}

/// Steps that wait for other lanes, each for no less than the one before it in its lane: then
/// there is one order for each lane, however the lanes interleave.
fn steps(key: &str, lanes: &[Lane], count: usize, aim: Aim, rng: &mut Rng) -> Vec<Draft> {
    let mut wanted: BTreeMap<usize, BTreeMap<String, i64>> = BTreeMap::new();
    let mut counts = vec![0_i64; lanes.len()];
    let mut drafts = Vec::with_capacity(count);
    for _ in 0..count {
        let at = rng.index(lanes.len());
        let other = rng.index(lanes.len());
        let wants = wanted.entry(at).or_default();
        if other != at && rng.chance(250) {
            let (Some(lane), Some(count)) = (lanes.get(other), counts.get(other)) else { continue };
            let need = wants.entry(lane.aggregate.clone()).or_default();
            *need = (*need).max(count + rng.between(0, 1));
        }
        let needs = wants.iter().map(|(lane, count)| Need { lane: lane.clone(), count: *count });
        let deed = match rng.below(20) {
            0..=2 => Deed::Say,
            3..=6 => Deed::Point,
            _ => Deed::Append,
        };
        let Some(lane) = lanes.get(at) else { continue };
        let to = if deed == Deed::Point { aim.at(rng) } else { String::new() };
        let what = What::Step(Step { to, ..step(key, lane, deed, needs.collect()) });
        drafts.push(Draft { key: key.to_owned(), lane: lane.clone(), what });
        if let Some(count) = counts.get_mut(at) {
            *count += 1;
        }
    }
    drafts
}

fn step(key: &str, lane: &Lane, deed: Deed, needs: Vec<Need>) -> Step {
    let (deed, to) = (deed.number(), String::new());
    Step { key: key.to_owned(), lane: lane.aggregate.clone(), n: 0, deed, to, needs }
}

/// At which documents one may point: at those before it, so that there is no circle.
#[derive(Debug, Clone, Copy)]
struct Aim {
    n: usize,
}

impl Aim {
    /// Draws one; one that never comes, or none at all, now and then.
    fn at(self, rng: &mut Rng) -> String {
        match rng.below(8) {
            0 => String::new(),
            1 => "nowhere".to_owned(),
            _ if self.n == 0 => "nowhere".to_owned(),
            _ => format!("k{}", rng.index(self.n)),
        }
    }
}

/// A row's life: created, updated, deleted, created again.
fn cards(key: &str, count: usize, rng: &mut Rng) -> Vec<Draft> {
    let lane = Lane { topic: CARDS, aggregate: key.to_owned(), versioned: false, deep: false };
    let mut stands = false;
    let change = |mark| {
        let op = match (stands, rng.below(4)) {
            (false, _) => RowOp::Create,
            (true, 0) => RowOp::Delete,
            (true, _) => RowOp::Update,
        };
        stands = op != RowOp::Delete;
        Draft { key: key.to_owned(), lane: lane.clone(), what: What::Card { op, mark } }
    };
    (1..=i64::try_from(count).unwrap_or(1)).map(change).collect()
}

/// The database's log.
#[derive(Debug, Default)]
struct Journal {
    lsn: i64,
    committed: Option<i64>,
    rows: usize,
    hidden: bool,
}

impl Journal {
    /// A transaction begins. The first after a connector starts does not say what came before.
    fn begin(&mut self, rng: &mut Rng, fates: &mut Fates) {
        self.lsn += rng.between(3, 60);
        self.committed = Some(self.lsn);
        self.hidden = fates.strikes(Kind::NoCommit);
    }

    fn row(&mut self, draft: Draft, same_position: bool, rng: &mut Rng) -> Row {
        if !same_position {
            self.lsn += rng.between(3, 60);
        }
        // A row that was written before the transaction ahead of it committed.
        let early = if draft.lane.topic != CARDS && rng.chance(120) { 90 } else { 0 };
        let commit = self.committed.filter(|_| !self.hidden || !draft.lane.may_hide());
        let row = Row {
            number: self.rows,
            topic: draft.lane.topic,
            key: draft.key,
            aggregate: draft.lane.aggregate,
            version: draft.lane.versioned.then_some(0),
            at: SourcePosition::Postgres { commit, lsn: self.lsn - early },
            what: draft.what,
        };
        self.rows += 1;
        row
    }
}

/// Numbers what was not cut away: versions have no gaps, and nothing needs what never comes.
fn number(rows: &mut [Row]) {
    let mut places: BTreeMap<(&'static str, String), usize> = BTreeMap::new();
    let mut steps: BTreeMap<String, i64> = BTreeMap::new();
    for row in rows.iter_mut() {
        let place = places.entry(row.line()).or_default();
        *place += 1;
        let nth = i64::try_from(*place).unwrap_or(i64::MAX);
        if let Some(version) = &mut row.version {
            *version = nth;
        }
        if let What::Step(step) = &mut row.what {
            step.n = nth;
            *steps.entry(step.lane.clone()).or_default() += 1;
        }
    }
    for row in rows {
        if let What::Step(step) = &mut row.what {
            for need in &mut step.needs {
                need.count = need.count.min(steps.get(&need.lane).copied().unwrap_or(0));
            }
        }
    }
}
