//! The scenario of one life: what the seed decides before anything happens.

use std::sync::Arc;
use std::time::Duration;

use readmill_core::Partition;
use readmill_engine::Limits;
use readmill_workload::Rng;

use crate::cut::Cut;
use crate::faults::{Fates, Kind, Rates};
use crate::relay::{self, Pace, Publication};
use crate::source::{self, Row};
use crate::world::group::Protocol;

/// How a member of the group reads.
#[derive(Debug, Clone, Copy)]
pub struct Consumer {
    /// From one poll to the next.
    pub poll_interval: Duration,
    /// From one commit to the next.
    pub commit_interval: Duration,
    /// A member that is silent for so long is expelled.
    pub session: Duration,
    /// Work in hand has so long when its partition is taken away.
    pub drain_limit: Duration,
    /// So many records are fetched ahead.
    pub fetch_records: usize,
}

/// What can happen to an instance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Happening {
    /// It dies.
    #[default]
    Crash,
    /// The world stands still for it, for longer than its session lasts.
    Zombie,
    /// The world stands still for it, briefly.
    Hiccup,
    /// It is stopped and started again.
    Restart,
    /// Another one comes.
    Join,
    /// Partitions are dealt anew.
    Rebalance,
}

impl Happening {
    /// The fault that it is.
    pub const fn kind(self, protocol: Protocol) -> Kind {
        match (self, protocol) {
            (Self::Crash, _) => Kind::Crash,
            (Self::Zombie, _) => Kind::Zombie,
            (Self::Hiccup, _) => Kind::Hiccup,
            (Self::Restart, _) => Kind::Restart,
            (Self::Join, _) => Kind::Join,
            (Self::Rebalance, Protocol::Eager) => Kind::Eager,
            (Self::Rebalance, Protocol::Cooperative) => Kind::Cooperative,
        }
    }
}

/// Something that happens to an instance at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Act {
    /// When.
    pub at_ms: u64,
    /// To which of the instances.
    pub slot: usize,
    /// What.
    pub what: Happening,
}

/// What a person does with held records in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// Tries them again; what cannot be folded stays.
    Retries,
    /// Gives up what cannot be folded, and tries the rest again.
    GivesUp,
}

/// A scenario.
#[derive(Debug)]
pub struct Scenario {
    /// The committed rows.
    pub rows: Arc<[Row]>,
    /// What will be published.
    pub publications: Vec<Publication>,
    /// The partitions.
    pub partitions: Vec<Partition>,
    /// Instances at the beginning.
    pub instances: usize,
    /// The bounds of the engine.
    pub limits: Limits,
    /// How members read.
    pub consumer: Consumer,
    /// How partitions change hands.
    pub protocol: Protocol,
    /// What happens to instances, in order.
    pub acts: Vec<Act>,
    /// When all faults end.
    pub healed_ms: u64,
    /// What is done with held records.
    pub operator: Operator,
    /// Whether the operator comes while the faults last, too.
    pub hasty: bool,
}

impl Scenario {
    /// The scenario of a seed, but for what is cut away, and the fates that go with it.
    pub fn new(seed: u64, cut: &Cut) -> (Self, Fates) {
        let mut rng = Rng::new(seed, 0);
        let calm = Rng::new(seed, 4).chance(60);
        let rates = Rates::drawn(&mut Rng::new(seed, 2));
        let rates = if calm { rates.calmed() } else { rates };
        let mut fates = Fates::new(seed, rates, cut.clone());
        let rows = source::rows(seed, &mut fates, &cut.rows);
        let pace = Pace {
            row_ms: 10 + rng.below(150),
            partitions: 1 + i32::try_from(rng.below(3)).unwrap_or(0),
        };
        let publications = relay::publications(seed, &rows, pace, &mut fates);
        let published_ms = publications.last().map_or(0, |last| last.at_ms);
        let healed_ms = published_ms.min(12_000) + rng.below(3_000);
        let instances = (1 + rng.index(3)).min(cut.instances.unwrap_or(usize::MAX)).max(1);
        let eager = rng.chance(400);
        let protocol = if eager { Protocol::Eager } else { Protocol::Cooperative };
        let scenario = Self {
            partitions: relay::partitions(&rows, pace),
            rows: rows.into(),
            publications,
            instances,
            limits: limits(&mut rng),
            consumer: consumer(&mut rng),
            protocol,
            acts: acts(&mut rng, calm, healed_ms, protocol, cut),
            healed_ms,
            operator: if rng.chance(500) { Operator::Retries } else { Operator::GivesUp },
            hasty: rng.chance(300),
        };
        (scenario, fates)
    }
}

/// Nothing waits for so long.
const NEVER_MS: u64 = 24 * 60 * 60 * 1000;

fn limits(rng: &mut Rng) -> Limits {
    Limits {
        batch_records: 1 + rng.index(16),
        shards_per_partition: 1 + rng.index(3),
        cached_documents_per_partition: rng.index(6),
        open_records_per_partition: 1 + rng.index(24),
        waiting_limit_ms: if rng.chance(200) { 500 + rng.below(4_000) } else { NEVER_MS },
        ..Limits::default()
    }
}

fn consumer(rng: &mut Rng) -> Consumer {
    let ms = Duration::from_millis;
    Consumer {
        poll_interval: ms(60 + rng.below(200)),
        commit_interval: ms(100 + rng.below(1_500)),
        session: ms(1_500 + rng.below(2_000)),
        drain_limit: ms(100 + rng.below(900)),
        fetch_records: 1 + rng.index(12),
    }
}

fn acts(rng: &mut Rng, calm: bool, healed_ms: u64, protocol: Protocol, cut: &Cut) -> Vec<Act> {
    use Happening::{Crash, Hiccup, Join, Rebalance, Restart, Zombie};
    const ALL: [Happening; 8] = [Crash, Crash, Zombie, Hiccup, Restart, Join, Rebalance, Zombie];
    const ORDERLY: [Happening; 3] = [Restart, Join, Rebalance];
    let all: &[Happening] = if calm { &ORDERLY } else { &ALL };
    let act = |rng: &mut Rng| Act {
        at_ms: rng.below(healed_ms.max(1)),
        slot: rng.index(4),
        what: rng.pick(all),
    };
    let count = rng.below(7);
    let mut acts: Vec<Act> = (0..count).map(|_| act(rng)).collect();
    acts.sort_by_key(|act| act.at_ms);
    let kept = acts.into_iter().enumerate().filter(|(n, _)| !cut.acts.contains(n));
    kept.map(|(_, act)| act).filter(|act| !cut.without.contains(&act.what.kind(protocol))).collect()
}
