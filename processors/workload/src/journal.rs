//! The database's log: transaction numbers, row ids and LSNs as PostgreSQL hands them out.

use readmill_schemas::row::RowOp;

use crate::rng::Rng;
use crate::row::{SourceEvent, SourceRow, Table};

/// Where the log begins.
const FIRST_LSN: i64 = 24_023_000;
/// Transactions in a thousand whose first row is written before the rows of the one ahead of them.
const CONCURRENT_PER_MILLE: u32 = 120;

/// What one service wrote, before the database gave it a place.
#[derive(Debug)]
pub struct Draft {
    /// The table.
    pub table: Table,
    /// The aggregate.
    pub aggregate_id: String,
    /// Its version.
    pub version: Option<i64>,
    /// The event.
    pub event: SourceEvent,
}

/// Gives transactions their places.
#[derive(Debug)]
pub struct Journal {
    rng: Rng,
    lsn: i64,
    tx: u64,
    last_commit: Option<i64>,
    /// A place that the next transaction took before the present one wrote its rows.
    taken_early: Option<i64>,
    poison_per_mille: u32,
}

impl Journal {
    /// An empty log.
    pub fn new(seed: u64, poison_per_mille: u32) -> Self {
        Self {
            rng: Rng::new(seed, 1),
            lsn: FIRST_LSN,
            tx: 700,
            last_commit: None,
            taken_early: None,
            poison_per_mille,
        }
    }

    /// Commits the rows of one transaction.
    pub fn commit(&mut self, drafts: Vec<Draft>, at_ms: i64, out: &mut impl Extend<SourceRow>) {
        self.tx += 1;
        let mut early = self.taken_early.take();
        if self.rng.chance(CONCURRENT_PER_MILLE) {
            self.taken_early = Some(self.advance());
        }
        let mut rows = Vec::with_capacity(drafts.len());
        for draft in drafts {
            let lsn = early.take().unwrap_or_else(|| self.advance());
            rows.push(self.row(draft, lsn, at_ms));
        }
        self.last_commit = Some(self.advance());
        out.extend(rows);
    }

    /// Only payloads are ever poisoned, and other tables have none. A snapshot knows of no commit
    /// before what it reads.
    fn row(&mut self, draft: Draft, lsn: i64, committed_ms: i64) -> SourceRow {
        let event_id = self.rng.uuid();
        let poisoned = self.rng.chance(self.poison_per_mille) && draft.table.is_outbox();
        let is_read = draft.event.change().is_some_and(|change| change.op == RowOp::Read);
        SourceRow {
            table: draft.table,
            event_id,
            aggregate_id: draft.aggregate_id,
            version: draft.version,
            event: draft.event,
            committed_ms,
            tx: self.tx,
            lsn,
            last_commit_lsn: self.last_commit.filter(|_| !is_read),
            poisoned,
        }
    }

    fn advance(&mut self) -> i64 {
        self.lsn += 8 * self.rng.between(7, 120);
        self.lsn
    }
}
