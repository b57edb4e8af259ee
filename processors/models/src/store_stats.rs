//! `store_stats`: how a store did in each of its last 14 days, and how the APIs of partners do.
//!
//! An order counts on the day on which it was offered, however late anything of it is told.

mod document;
pub mod ranks;

use readmill_core::Direction::{Ascending, Descending};
use readmill_core::{
    Admit, Contribution, Folded, GroupName, Index, Key, Keys, ReadModel, Rollup, Standing,
};
use readmill_schemas::Timestamp;
use readmill_schemas::store_stats::{ApiCalled, StoreStatsEvent};

pub use document::{
    ACCEPTANCE, API, API_FAILURES, Calls, Day, Document, SHOWN_DAYS, ZONE_MS, date_of, store_key,
};
use ranks::per_mille;

const DAY_MS: i64 = 24 * 3_600_000;

/// From 1971 to 9999: dates have four digits there, so that their texts have their order.
const KNOWN_MS: std::ops::Range<i64> = 365 * DAY_MS..253_370_764_800_000;

/// The read model.
#[derive(Debug)]
pub struct StoreStats;

impl ReadModel for StoreStats {
    const NAME: &'static str = "store_stats";
    const FOLD_VERSION: u32 = 1;
    const ABOUT: &'static str = "a store's last 14 days, and how the APIs of organisations do";
    const ROLLUPS: &'static [Rollup] = &[ACCEPTANCE, API, API_FAILURES];

    /// Readers look for stores that declined much on a day, and for organisations that went quiet.
    const INDEXES: &'static [Index] = &[
        Index::on("by_declined", &[("days.date", Ascending), ("days.declined", Descending)]),
        Index::on("by_latest_call", &[("calls.latest_at", Ascending)]),
    ];

    type Event = StoreStatsEvent;
    type State = Document;

    fn keys(event: &StoreStatsEvent) -> Keys {
        Keys::One(match event {
            StoreStatsEvent::OrderOffered(e) => store_key(&e.store_id),
            StoreStatsEvent::OrderAccepted(e) => store_key(&e.store_id),
            StoreStatsEvent::OrderDeclined(e) => store_key(&e.store_id),
            StoreStatsEvent::CookingFinished(e) => store_key(&e.store_id),
            StoreStatsEvent::ApiCalled(e) => Key(format!("organisation/{}", e.organisation_id)),
        })
    }

    /// A day that a store's document has left behind takes nothing any more.
    fn admit(standing: Standing<'_, Document>, event: &StoreStatsEvent) -> Admit {
        match (standing, day_of_order(event)) {
            (_, Some(at)) if !KNOWN_MS.contains(&at.as_millis()) => {
                Admit::Refuse("the order was offered at a time that no order has")
            }
            (Standing::Live(document), Some(at)) if document.is_past(at) => Admit::Stale,
            (Standing::Live(_) | Standing::Never | Standing::Gone, _) => Admit::Fold,
        }
    }

    fn fold(state: Option<Document>, event: &StoreStatsEvent) -> Folded<Document> {
        let mut document = state.unwrap_or_default();
        if let StoreStatsEvent::ApiCalled(e) = event {
            return document.called(e);
        }
        if let Some(day) = day_of_order(event).and_then(|at| document.day(at)) {
            day.add(event);
        }
        Folded::next(document)
    }

    /// A store is in one group for each of its days: the one of its rate.
    fn contributes(document: &Document) -> Vec<Contribution> {
        let rated = document.days.iter().filter_map(|day| {
            let rate = per_mille(day.accepted.min(day.offered), day.offered)?;
            let group = GroupName::of(&[&day.date, &format!("{rate:04}")]);
            Some(Contribution::one(&ACCEPTANCE, group))
        });
        rated.collect()
    }
}

/// When the order of an event was offered.
const fn day_of_order(event: &StoreStatsEvent) -> Option<Timestamp> {
    match event {
        StoreStatsEvent::OrderOffered(e) => Some(e.occurred_at),
        StoreStatsEvent::OrderAccepted(e) => Some(e.offered_at),
        StoreStatsEvent::OrderDeclined(e) => Some(e.offered_at),
        StoreStatsEvent::CookingFinished(e) => Some(e.offered_at),
        StoreStatsEvent::ApiCalled(_) => None,
    }
}

/// Clocks of different machines may say that something ended before it began.
fn took_ms(from: Timestamp, to: Timestamp) -> i64 {
    to.as_millis().saturating_sub(from.as_millis()).max(0)
}

impl Document {
    /// Whether the document's last day is so much later that it does not show this one.
    fn is_past(&self, at: Timestamp) -> bool {
        let last_shown = date_of(at.plus_millis((SHOWN_DAYS - 1) * DAY_MS));
        self.days.last().is_some_and(|last| last.date > last_shown)
    }

    /// The day of an instant, made if need be; days that are too old for it go.
    fn day(&mut self, at: Timestamp) -> Option<&mut Day> {
        let date = date_of(at);
        if let Err(place) = self.days.binary_search_by(|day| day.date.cmp(&date)) {
            self.days.insert(place, Day { date: date.clone(), ..Day::default() });
            if place + 1 == self.days.len() {
                let oldest = date_of(at.plus_millis((1 - SHOWN_DAYS) * DAY_MS));
                self.days.retain(|day| day.date >= oldest);
            }
        }
        self.days.iter_mut().find(|day| day.date == date)
    }

    fn called(mut self, e: &ApiCalled) -> Folded<Self> {
        let calls = self.calls.get_or_insert_default();
        calls.count += 1;
        calls.failed += i64::from(e.failed);
        calls.latest_at = calls.latest_at.max(e.occurred_at);
        let group = GroupName::of(&[&date_of(e.occurred_at), &e.organisation_id, &e.api]);
        let folded = Folded::next(self).adding(Contribution::of(&API, group.clone(), e.took_ms));
        if e.failed {
            folded.adding(Contribution::of(&API_FAILURES, group, e.took_ms))
        } else {
            folded
        }
    }
}

impl Day {
    /// Adds an order's event. All of it adds up, so the order of events does not matter.
    fn add(&mut self, event: &StoreStatsEvent) {
        match event {
            StoreStatsEvent::OrderOffered(_) => self.offered += 1,
            StoreStatsEvent::OrderDeclined(_) => self.declined += 1,
            StoreStatsEvent::OrderAccepted(e) => {
                self.accepted += 1;
                let took_ms = took_ms(e.offered_at, e.occurred_at);
                self.acceptance_sum_ms = self.acceptance_sum_ms.saturating_add(took_ms);
            }
            StoreStatsEvent::CookingFinished(e) => {
                self.cooked += 1;
                let took_ms = took_ms(e.accepted_at, e.occurred_at);
                self.cooking_sum_ms = self.cooking_sum_ms.saturating_add(took_ms);
                self.promised += i64::from(e.promised_at.is_some());
                self.kept += i64::from(e.promised_at.is_some_and(|by| e.occurred_at <= by));
            }
            StoreStatsEvent::ApiCalled(_) => {}
        }
    }
}
