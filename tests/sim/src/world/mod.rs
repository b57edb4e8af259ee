//! The world outside the engine, in memory and in virtual time: everything that outlives a process.

pub mod book;
pub mod clock;
pub mod group;
pub mod held;
pub mod log;
pub mod member;
pub mod mirror;
pub mod outlet;
pub mod store;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use readmill_core::rollup::Partials;
use readmill_core::{Edges, Position};
use readmill_engine::Fault;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::check::Finding;
use crate::faults::{Fates, Kind};
use crate::history::History;
use crate::model::Trails;
use crate::source::Row;

use self::group::Group;
use self::held::HeldRecords;
use self::log::Topics;
use self::mirror::Views;
use self::outlet::Told;
use self::store::Documents;

/// The number of an instance: a process that is started again is another one.
pub type Who = u32;

/// The world; cheap to clone.
#[derive(Debug, Clone)]
pub struct World {
    inner: Arc<Mutex<Inner>>,
    began: Instant,
    doom: mpsc::UnboundedSender<Who>,
    /// The committed rows.
    pub rows: Arc<[Row]>,
}

/// What the world is made of.
#[derive(Debug)]
pub struct Inner {
    /// The faults.
    pub fates: Fates,
    /// What has happened.
    pub history: History,
    /// The topics.
    pub topics: Topics,
    /// The consumer group.
    pub group: Group,
    /// The documents.
    pub documents: Documents<Trails>,
    /// What was added up of their contributions.
    pub partials: Documents<Partials>,
    /// Which of them embed which.
    pub edges: Documents<Edges>,
    /// The held records.
    pub held: HeldRecords,
    /// Records that the operator gave up. A log that goes back brings them again.
    pub given_up: BTreeSet<Position>,
    /// The topic of reactions.
    pub told: Told,
    /// The mirror.
    pub views: Views,
    /// How far the clocks are off.
    pub clock_ms: i64,
    /// Until when the world stands still for an instance.
    pub frozen: BTreeMap<Who, Instant>,
    /// Writes of dead or impatient writers that are still on their way.
    pub late: usize,
    /// What went wrong.
    pub findings: Vec<Finding>,
}

impl World {
    /// A world at its beginning.
    ///
    /// What comes out of the second end are the instances that die in a call of theirs.
    pub fn new(
        rows: Arc<[Row]>,
        fates: Fates,
        history: History,
        group: Group,
    ) -> (Self, mpsc::UnboundedReceiver<Who>) {
        let (doom, doomed) = mpsc::unbounded_channel();
        let in_text = fates.are_in_text();
        let inner = Inner {
            fates,
            history,
            topics: Topics::default(),
            group,
            documents: Documents::new(in_text),
            partials: Documents::new(in_text),
            edges: Documents::new(in_text),
            held: HeldRecords::default(),
            given_up: BTreeSet::new(),
            told: Told::default(),
            views: Views::default(),
            clock_ms: 0,
            frozen: BTreeMap::new(),
            late: 0,
            findings: Vec::new(),
        };
        let inner = Arc::new(Mutex::new(inner));
        (Self { inner, began: Instant::now(), doom, rows }, doomed)
    }

    /// Looks at the world, or changes it.
    pub fn look<T>(&self, look: impl FnOnce(&mut Inner) -> T) -> T {
        look(&mut self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Virtual milliseconds since the beginning.
    pub fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Whether a fault strikes now.
    pub fn strikes(&self, kind: Kind) -> bool {
        self.look(|world| world.fates.strikes(kind))
    }

    /// Notes what `who` did.
    pub fn note(&self, who: Who, what: impl FnOnce() -> String) {
        let now_ms = self.now_ms();
        self.look(|world| world.history.note(now_ms, who, what));
    }

    /// Notes what went wrong.
    pub fn find(&self, finding: Finding) {
        self.note(0, || format!("VIOLATION {finding}"));
        self.look(|world| world.findings.push(finding));
    }

    /// Waits as long as the world stands still for `who`.
    pub async fn gate(&self, who: Who) {
        while let Some(until) = self.look(|world| world.frozen.get(&who).copied()) {
            if until <= Instant::now() {
                return;
            }
            tokio::time::sleep_until(until).await;
        }
    }

    /// The way of a call to a service, or of its answer back.
    pub async fn way(&self, who: Who) {
        self.gate(who).await;
        let ms =
            self.look(|world| if world.fates.healed() { 1 } else { world.fates.between(0, 6) });
        if ms > 0 {
            tokio::time::sleep(Duration::from_millis(ms)).await;
        }
        self.gate(who).await;
    }

    /// Dies here, if that is the fate of `who`.
    pub async fn perhaps_die(&self, who: Who) {
        if self.strikes(Kind::CrashInCall) {
            self.note(who, || "dies in its call".to_owned());
            // Once the life is over nobody listens.
            let _ = self.doom.send(who);
            std::future::pending::<()>().await;
        }
    }
}

/// A service that does not answer.
pub fn silent(service: &'static str) -> Fault {
    Fault::Silent { service, detail: "by the seed".to_owned() }
}

/// A service that refuses, so that the process stops.
pub fn refused(service: &'static str) -> Fault {
    Fault::Refused { service, detail: "by the seed".to_owned(), hint: "start again" }
}
