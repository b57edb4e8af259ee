//! The faults: every kind by name, how often each strikes, and whether it ever did.

use std::fmt;

use readmill_workload::Rng;

use crate::cut::Cut;

/// Defines [`Kind`] together with the names that reports and commands use.
macro_rules! kinds {
    ($($(#[doc = $doc:literal])+ $kind:ident = $name:literal,)+) => {
        /// What can go wrong.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Kind {
            $($(#[doc = $doc])+ $kind,)+
        }

        impl Kind {
            /// Every kind.
            pub const ALL: &'static [Self] = &[$(Self::$kind,)+];

            /// Its name.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)+
                }
            }
        }
    };
}

kinds! {
    /// An instance dies wherever it is.
    Crash = "crash",
    /// An instance dies in the middle of one of its calls, before or after it took effect.
    CrashInCall = "crash-in-call",
    /// The world stops for an instance, for longer than its session lasts; then it goes on.
    Zombie = "zombie",
    /// The world stops for an instance, briefly.
    Hiccup = "hiccup",
    /// An instance stops polling for longer than its session lasts; its workers go on.
    Stall = "stall",
    /// An instance is stopped as it should be, and started again.
    Restart = "restart",
    /// One more instance comes.
    Join = "join",
    /// Every member gives everything up, and partitions move.
    Eager = "rebalance-eager",
    /// Some partitions move.
    Cooperative = "rebalance-cooperative",
    /// A drain takes longer than its limit: the worker is left behind at work.
    DrainCutShort = "drain-cut-short",
    /// A commit of offsets is lost on the way.
    CommitLost = "commit-lost",
    /// A partition is read again from an earlier offset.
    Rewind = "rewind",
    /// The store takes long.
    StoreSlow = "store-slow",
    /// The store does not answer a read.
    LoadDown = "load-down",
    /// The store does not take a write.
    StoreDown = "store-down",
    /// The store takes a write, and its answer is lost.
    StoreLostAck = "store-lost-ack",
    /// The store takes some documents of a write, not others, and answers nothing.
    StorePartial = "store-partial",
    /// A write is given up by its writer, and lands all the same, later.
    StoreLate = "store-late",
    /// The store takes a write and does not know it.
    StoreUnsure = "store-unsure",
    /// The store refuses, so that the instance stops.
    StoreRefused = "store-refused",
    /// The store of partial groups and edges takes long.
    SideSlow = "side-slow",
    /// It does not answer a read.
    SideLoadDown = "side-load-down",
    /// It does not take a write.
    SideDown = "side-down",
    /// It takes a write, and its answer is lost.
    SideLostAck = "side-lost-ack",
    /// It takes some of a write, not the rest, and answers nothing.
    SidePartial = "side-partial",
    /// A write to it is given up by its writer, and lands all the same, later.
    SideLate = "side-late",
    /// It takes a write and does not know it.
    SideUnsure = "side-unsure",
    /// It refuses, so that the instance stops.
    SideRefused = "side-refused",
    /// The held store does not answer.
    HeldDown = "held-down",
    /// The held store takes it, and its answer is lost.
    HeldLostAck = "held-lost-ack",
    /// The held store takes some records, not others, and answers nothing.
    HeldPartial = "held-partial",
    /// The outlet takes nothing.
    OutletDown = "outlet-down",
    /// The outlet takes it, and its answer is lost.
    OutletLostAck = "outlet-lost-ack",
    /// The outlet takes some reactions, not others, and answers nothing.
    OutletPartial = "outlet-partial",
    /// The mirror does not answer.
    MirrorDown = "mirror-down",
    /// The mirror takes it, and its answer is lost.
    MirrorLostAck = "mirror-lost-ack",
    /// A view is given up by its writer, and is shown all the same, later.
    MirrorLate = "mirror-late",
    /// The registry does not answer.
    BookSilent = "registry-silent",
    /// The registry does not know an event's schema yet.
    BookUnknown = "registry-unknown",
    /// The registry has garbage for an event's schema.
    BookUnusable = "registry-unusable",
    /// The registry refuses, so that the instance stops.
    BookRefused = "registry-refused",
    /// The clock jumps.
    ClockJump = "clock-jump",
    /// A row is published again at once.
    Repeat = "repeat",
    /// A row is published again, long after.
    LateRepeat = "late-repeat",
    /// A row is overtaken by those behind it.
    Swap = "swap",
    /// A whole stretch of a topic is published again.
    Replay = "replay",
    /// Rows share one source position.
    SharedPosition = "shared-position",
    /// A row comes without what was committed before it.
    NoCommit = "no-commit",
    /// A lane runs ahead of another lane of its document.
    LaneAhead = "lane-ahead",
    /// A row is in no snapshot, and is read by one after it changed.
    LateSnapshot = "late-snapshot",
    /// A record without a value.
    Tombstone = "tombstone",
    /// Offsets that never existed.
    Hole = "offset-hole",
    /// A record that nobody can read.
    Junk = "junk",
    /// A row whose event cannot be read.
    Poison = "poison",
    /// An event that the fold refuses.
    Refusal = "refusal",
    /// An event of no interest.
    Foreign = "foreign",
    /// An outbox row is cleaned away.
    Cleanup = "cleanup",
    /// Positions are set back by hand.
    Reset = "reset",
    /// The held store takes long.
    HeldSlow = "held-slow",
    /// The mirror is emptied.
    MirrorEmptied = "mirror-emptied",
    /// The mirror is what it was some time ago.
    MirrorRolledBack = "mirror-rolled-back",
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How often each kind strikes, in a thousand chances.
#[derive(Debug, Clone)]
pub struct Rates {
    of: Vec<u32>,
    calm: bool,
}

/// What may be in a calm life: no failure, and no row twice.
const CALM: [Kind; 10] = [
    Kind::Swap,
    Kind::SharedPosition,
    Kind::NoCommit,
    Kind::LaneAhead,
    Kind::Tombstone,
    Kind::Hole,
    Kind::Junk,
    Kind::Poison,
    Kind::Refusal,
    Kind::Cleanup,
];

impl Rates {
    /// Half of the kinds never strike in one life, some do now and then, a few often: mixtures
    /// find what an even rain of all of them would hide.
    pub fn drawn(rng: &mut Rng) -> Self {
        let rate = |_| match rng.below(10) {
            0..=4 => 0,
            5..=6 => 15,
            7..=8 => 60,
            _ => 250,
        };
        Self { of: (0..Kind::ALL.len()).map(rate).collect(), calm: false }
    }

    /// The same, but for all that would be a failure.
    #[must_use]
    pub fn calmed(mut self) -> Self {
        for (kind, rate) in Kind::ALL.iter().zip(&mut self.of) {
            if !CALM.contains(kind) {
                *rate = 0;
            }
        }
        Self { calm: true, ..self }
    }

    fn of(&self, kind: Kind) -> u32 {
        self.of.get(kind as usize).copied().unwrap_or(0)
    }
}

/// How often each kind has struck.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Strikes(Vec<u64>);

impl Default for Strikes {
    fn default() -> Self {
        Self(vec![0; Kind::ALL.len()])
    }
}

impl Strikes {
    /// Notes one.
    pub fn note(&mut self, kind: Kind) {
        if let Some(count) = self.0.get_mut(kind as usize) {
            *count += 1;
        }
    }

    /// Adds those of another life.
    pub fn add(&mut self, other: &Self) {
        self.0.iter_mut().zip(&other.0).for_each(|(sum, more)| *sum += more);
    }

    /// All kinds with their counts.
    pub fn counts(&self) -> impl Iterator<Item = (Kind, u64)> {
        Kind::ALL.iter().copied().zip(self.0.iter().copied())
    }

    /// How often a kind has struck.
    pub fn of(&self, kind: Kind) -> u64 {
        self.0.get(kind as usize).copied().unwrap_or(0)
    }
}

/// Draws the faults of one life.
#[derive(Debug)]
pub struct Fates {
    seed: u64,
    rng: Rng,
    rates: Rates,
    cut: Cut,
    /// How many chances each kind has had.
    chances: Strikes,
    strikes: Strikes,
    struck: usize,
    healed: bool,
}

impl Fates {
    /// The fates that a seed decides, but for what is cut away.
    pub fn new(seed: u64, rates: Rates, cut: Cut) -> Self {
        let (chances, strikes) = (Strikes::default(), Strikes::default());
        let rng = Rng::new(seed, 3);
        Self { seed, rng, rates, cut, chances, strikes, struck: 0, healed: false }
    }

    /// Whether `kind` strikes now. Kinds do not depend on one another, so that cutting one away
    /// leaves the others where they were, as far as they can be.
    pub fn strikes(&mut self, kind: Kind) -> bool {
        let chance = self.chances.of(kind);
        self.chances.note(kind);
        self.strikes_at(kind, chance)
    }

    /// Whether `kind` strikes at a place of its own.
    pub fn strikes_at(&mut self, kind: Kind, place: u64) -> bool {
        let rate = self.rates.of(kind);
        if rate == 0 || self.healed || self.cut.without.contains(&kind) {
            return false;
        }
        let stream = (kind as u64 + 1) << 32 | place;
        if !Rng::new(self.seed, stream).chance(rate) {
            return false;
        }
        self.struck += 1;
        if self.cut.quiet.contains(&self.struck) {
            return false;
        }
        self.strikes.note(kind);
        true
    }

    /// Notes a fault that was decided elsewhere.
    pub fn note(&mut self, kind: Kind) {
        self.strikes.note(kind);
    }

    /// A number of `from..=to`.
    pub fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.rng.below(to.saturating_sub(from) + 1)
    }

    /// Whether nothing fails in this life.
    pub const fn are_calm(&self) -> bool {
        self.rates.calm
    }

    /// Whether documents pass through text in this life: in one of eight, since it takes long.
    pub const fn are_in_text(&self) -> bool {
        self.seed.is_multiple_of(8)
    }

    /// Whether the mirror is required in this life: in three of four.
    pub const fn mirror_is_required(&self) -> bool {
        !self.seed.is_multiple_of(4)
    }

    /// From now on nothing strikes.
    pub const fn heal(&mut self) {
        self.healed = true;
    }

    /// Whether everything is healed.
    pub const fn healed(&self) -> bool {
        self.healed
    }

    /// How many faults have struck, numbered from 1.
    pub const fn struck(&self) -> usize {
        self.struck
    }

    /// What has struck.
    pub const fn so_far(&self) -> &Strikes {
        &self.strikes
    }
}
