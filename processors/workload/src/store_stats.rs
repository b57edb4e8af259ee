//! Stores that are offered orders, and partners that call APIs; some of it is told a day late.

use readmill_schemas::Timestamp;
use readmill_schemas::store_stats::{
    ApiCalled, CookingFinished, OrderAccepted, OrderDeclined, OrderOffered, StoreStatsEvent,
};

use crate::journal::Draft;
use crate::knobs::Knobs;
use crate::rng::Rng;
use crate::row::{SourceEvent, Table};
use crate::service::Service;

/// The most stores: the version of each is kept in memory.
const MOST_STORES: usize = 3_000;
const FEWEST_STORES: usize = 4;
/// The most orders that are open at a time.
const MOST_OPEN: usize = 2_000;
const ORGANISATIONS: u64 = 40;
const APIS: [&str; 5] =
    ["orders.accept", "orders.list", "menus.write", "stores.open", "stores.close"];
const REASONS: [&str; 3] = ["closed", "sold_out", "lapsed"];
/// In a thousand: those that a device or a gateway kept to itself for up to a day.
const LATE_PER_MILLE: u32 = 20;
const LATEST_MS: i64 = 86_400_000;

/// The services' state: the versions of stores, and open orders.
#[derive(Debug)]
pub struct StoreStats {
    rng: Rng,
    versions: Vec<i64>,
    open: Vec<Open>,
    orders_made: u64,
}

/// An order under way.
#[derive(Debug)]
struct Open {
    order_no: String,
    store: usize,
    offered_at: Timestamp,
    accepted_at: Option<Timestamp>,
}

impl StoreStats {
    /// Stores without orders.
    pub fn new(knobs: &Knobs) -> Self {
        let members = usize::try_from(knobs.members).unwrap_or(usize::MAX);
        let stores = (members / 10).clamp(FEWEST_STORES, MOST_STORES);
        let (rng, versions) = (Rng::new(knobs.seed, 23), vec![0; stores]);
        Self { rng, versions, open: Vec::new(), orders_made: 0 }
    }

    /// When something happened of which is told now.
    fn happened(&mut self, now_ms: i64) -> Timestamp {
        let late = if self.rng.chance(LATE_PER_MILLE) { LATEST_MS } else { 1_000 };
        Timestamp::from_millis(now_ms - self.rng.between(0, late))
    }

    fn call(&mut self, now_ms: i64) -> Draft {
        let organisation_id = format!("org-{:03}", self.rng.below(ORGANISATIONS));
        let slow = self.rng.chance(30);
        let called = ApiCalled {
            organisation_id: organisation_id.clone(),
            api: self.rng.pick(&APIS).to_owned(),
            occurred_at: self.happened(now_ms),
            took_ms: if slow { self.rng.between(400, 30_000) } else { self.rng.between(3, 90) },
            failed: self.rng.chance(if slow { 500 } else { 10 }),
        };
        let event = SourceEvent::StoreStats(called.into());
        Draft { table: Table::ApiCalls, aggregate_id: organisation_id, version: None, event }
    }

    fn offer(&mut self, now_ms: i64) -> Draft {
        self.orders_made += 1;
        let order_no = format!("so-{:09}", self.orders_made);
        let (store, offered_at) = (self.rng.index(self.versions.len()), self.happened(now_ms));
        let open = Open { order_no: order_no.clone(), store, offered_at, accepted_at: None };
        self.open.push(open);
        let (store_id, occurred_at) = (store_id(store), offered_at);
        self.draft(store, OrderOffered { order_no, store_id, occurred_at }.into())
    }

    /// The next step of an open order; it lasts at least until the step before.
    fn go_on(&mut self, now_ms: i64) -> Option<Draft> {
        let at = self.rng.index(self.open.len());
        let told_at = self.happened(now_ms);
        let declined = self.rng.chance(80);
        let reason = self.rng.pick(&REASONS).to_owned();
        let promised_ms = self.rng.chance(900).then(|| 60_000 * self.rng.between(5, 40));
        let open = self.open.get_mut(at)?;
        let (order_no, offered_at) = (open.order_no.clone(), open.offered_at);
        let (store, store_id) = (open.store, store_id(open.store));
        let occurred_at = told_at.max(open.accepted_at.unwrap_or(offered_at));
        let event: StoreStatsEvent = match open.accepted_at {
            None if declined => {
                OrderDeclined { order_no, store_id, occurred_at, offered_at, reason }.into()
            }
            None => {
                open.accepted_at = Some(occurred_at);
                let accepted = OrderAccepted { order_no, store_id, occurred_at, offered_at };
                return Some(self.draft(store, accepted.into()));
            }
            Some(accepted_at) => {
                let promised_at =
                    promised_ms.map(|promised_ms| accepted_at.plus_millis(promised_ms));
                CookingFinished {
                    order_no,
                    store_id,
                    occurred_at,
                    offered_at,
                    accepted_at,
                    promised_at,
                }
                .into()
            }
        };
        self.open.swap_remove(at);
        Some(self.draft(store, event))
    }

    fn draft(&mut self, store: usize, event: StoreStatsEvent) -> Draft {
        let version = self.versions.get_mut(store).map(|version| {
            *version += 1;
            *version
        });
        let event = SourceEvent::StoreStats(event);
        Draft { table: Table::StoreOrders, aggregate_id: store_id(store), version, event }
    }
}

fn store_id(store: usize) -> String {
    format!("s-{store:05}")
}

impl Service for StoreStats {
    fn transact(&mut self, now_ms: i64, room: u64) -> Vec<Draft> {
        if room == 0 {
            return Vec::new();
        }
        let draft = match self.rng.below(100) {
            0..40 => self.call(now_ms),
            40..65 if self.open.len() < MOST_OPEN => self.offer(now_ms),
            _ => self.go_on(now_ms).unwrap_or_else(|| self.offer(now_ms)),
        };
        vec![draft]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use readmill_models::store_stats::{Day, SHOWN_DAYS};

    use super::*;
    use crate::oracle;
    use crate::row::SourceRow;
    use crate::source::Source;

    #[test]
    fn stores_live_through_weeks_of_which_fourteen_days_are_shown() {
        let mut stats = StoreStats::new(&Knobs { members: 40, ..Knobs::default() });
        let mut journal = crate::journal::Journal::new(1, 0);
        let mut rows: Vec<SourceRow> = Vec::new();
        for minute in 0..30_000 {
            let now_ms = Knobs::default().start_ms + minute * 60_000;
            journal.commit(stats.transact(now_ms, 2), now_ms, &mut rows);
            assert!(stats.open.len() <= MOST_OPEN);
        }
        let kinds: BTreeSet<_> = rows.iter().map(SourceRow::event_type).collect();
        assert_eq!(kinds.len(), 5, "{kinds:?}");
        let found = oracle::fold::<readmill_models::StoreStats>(rows);
        assert_eq!((found.held, found.waiting, found.gone), (0, 0, 0), "{found:?}");
        let stores = found.states.values().filter(|document| document.calls.is_none());
        for days in stores.map(|store| &store.days) {
            assert_eq!(days.len() as i64, SHOWN_DAYS, "{days:?}");
            let possible =
                |day: &Day| day.accepted + day.declined <= day.offered && day.kept <= day.cooked;
            assert!(days.iter().all(possible), "{days:?}");
        }
    }

    #[test]
    fn nothing_waits_wherever_the_stream_is_cut() {
        for events in [1, 7, 500] {
            let knobs = Knobs { events, others_per_mille: 1_000, ..Knobs::default() };
            let rows = Source::new(knobs).unwrap();
            let found = oracle::fold::<readmill_models::StoreStats>(rows);
            assert_eq!((found.held, found.waiting), (0, 0), "{found:?}");
        }
    }
}
