//! The tables of requests that stores make: entered, assigned, completed, opened again, deleted.

use readmill_schemas::notices::{IntroductionEditRequest, LogoEditRequest, NoticesEvent};
use readmill_schemas::row::{RowChange, RowOp, TimestampMicros};

use crate::journal::Draft;
use crate::knobs::Knobs;
use crate::rng::Rng;
use crate::row::{SourceEvent, Table};
use crate::service::Service;

/// What a snapshot reads of both tables, before anything is streamed.
const READ_ROWS: i64 = 30;
const MOST_REQUESTS: usize = 3_000;
const FEWEST_REQUESTS: usize = 4;
const MANAGERS: u64 = 25;
const STORES: u64 = 2_000;

/// A request as its row stands, in either table: those for logos have odd numbers.
#[derive(Debug, Clone)]
struct Request {
    id: i64,
    store: u64,
    status: &'static str,
    creator: u64,
    manager: Option<u64>,
    completed_ms: Option<i64>,
    updated_ms: i64,
}

/// The service's state: the requests that may still change, whatever the number of events.
#[derive(Debug)]
pub struct Notices {
    rng: Rng,
    requests: Vec<Request>,
    last: i64,
}

impl Notices {
    /// A service whose tables a snapshot is about to read.
    pub fn new(knobs: &Knobs) -> Self {
        Self { rng: Rng::new(knobs.seed, 34), requests: Vec::new(), last: 0 }
    }

    fn enter(&mut self, op: RowOp, now_ms: i64) -> Draft {
        self.last += 1;
        let rng = &mut self.rng;
        let is_complete = op == RowOp::Read && rng.chance(500);
        let request = Request {
            id: self.last,
            store: rng.below(STORES),
            status: if is_complete { "COMPLETE" } else { "PENDING" },
            creator: rng.below(MANAGERS),
            manager: None,
            completed_ms: is_complete.then_some(now_ms),
            updated_ms: now_ms,
        };
        self.requests.push(request.clone());
        changed(op, None, Some(&request))
    }
}

impl Service for Notices {
    fn transact(&mut self, now_ms: i64, room: u64) -> Vec<Draft> {
        if self.last < READ_ROWS {
            return vec![self.enter(RowOp::Read, now_ms)];
        }
        let full = self.requests.len() >= MOST_REQUESTS;
        if self.requests.len() < FEWEST_REQUESTS || !full && self.rng.chance(200) {
            return vec![self.enter(RowOp::Create, now_ms)];
        }
        let at = self.rng.index(self.requests.len());
        if self.rng.chance(if full { 300 } else { 50 }) {
            let request = self.requests.swap_remove(at);
            return vec![changed(RowOp::Delete, Some(&request), None)];
        }
        let many = if self.rng.chance(125) { room.min(2) } else { 1 };
        let mut drafts = Vec::new();
        for _ in 0..many {
            let Some(request) = self.requests.get_mut(at) else { break };
            let before = request.clone();
            request.go_on(now_ms, &mut self.rng);
            drafts.push(changed(RowOp::Update, Some(&before), Some(request)));
        }
        drafts
    }
}

impl Request {
    /// Assigned, completed or rejected; complete ones are edited, and now and then opened again.
    fn go_on(&mut self, now_ms: i64, rng: &mut Rng) {
        self.updated_ms = now_ms;
        let roll = rng.below(100);
        self.status = match (self.status, roll) {
            ("COMPLETE", 0..80) => "COMPLETE",
            ("PENDING" | "REJECTED", 0..60) => "IN_REVIEW",
            ("IN_REVIEW", 0..80) => "COMPLETE",
            ("IN_REVIEW", _) => "REJECTED",
            (_, _) => "PENDING",
        };
        if self.manager.is_none() && self.status == "IN_REVIEW" || roll.is_multiple_of(10) {
            self.manager = Some(rng.below(MANAGERS));
        }
        let is_complete = self.status == "COMPLETE";
        self.completed_ms = is_complete.then(|| self.completed_ms.unwrap_or(now_ms));
    }

    fn columns(&self) -> LogoEditRequest {
        let micros = |ms: i64| TimestampMicros::from_micros(ms.saturating_mul(1_000));
        let manager = |number: u64| format!("sm-{number:02}");
        LogoEditRequest {
            id: self.id,
            store_id: format!("s-{:05}", self.store),
            status: self.status.to_owned(),
            creator_id: manager(self.creator),
            manager_id: self.manager.map(manager),
            completed_at: self.completed_ms.map(micros),
            updated_at: micros(self.updated_ms),
            channel: if self.store.is_multiple_of(3) { "app" } else { "web" }.to_owned(),
        }
    }
}

fn introduction(row: LogoEditRequest) -> IntroductionEditRequest {
    let LogoEditRequest { id, store_id, status, creator_id, manager_id, .. } = row;
    let (completed_at, updated_at) = (row.completed_at, row.updated_at);
    IntroductionEditRequest {
        id,
        store_id,
        status,
        creator_id,
        manager_id,
        completed_at,
        updated_at,
    }
}

fn changed(op: RowOp, before: Option<&Request>, after: Option<&Request>) -> Draft {
    let key = before.or(after).map_or(0, |request| request.id);
    let [before, after] = [before, after].map(|image| image.map(Request::columns));
    let event = if key % 2 == 1 {
        NoticesEvent::LogoEditRequest(RowChange { op, key, before, after })
    } else {
        let [before, after] = [before, after].map(|image| image.map(introduction));
        NoticesEvent::IntroductionEditRequest(RowChange { op, key, before, after })
    };
    let event = SourceEvent::Notices(event);
    Draft { table: Table::Notices, aggregate_id: key.to_string(), version: None, event }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_change_of_every_table_happens_and_the_memory_is_bounded() {
        let mut notices = Notices::new(&Knobs::default());
        let (mut seen, mut edges) = (BTreeSet::new(), 0);
        for n in 0..60_000 {
            let drafts = notices.transact(n, 2);
            assert!((1..=2).contains(&drafts.len()));
            for draft in drafts {
                let change = draft.event.change().unwrap();
                let complete = |row: &serde_json::Value| row["status"] == "COMPLETE";
                let was = change.before.as_ref().is_some_and(complete);
                edges += usize::from(!was && change.after.as_ref().is_some_and(complete));
                seen.insert((draft.event.contract().name, change.op));
            }
            assert!(notices.requests.len() <= MOST_REQUESTS);
        }
        assert!(seen.len() == 8 && edges > 5_000, "{edges} {seen:?}");
    }
}
