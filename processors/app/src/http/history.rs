//! `/history.json`: how the last hour went, from samples that the instance takes of its own totals.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::Response;
use readmill_core::Counts;
use readmill_engine::{Clock as _, Meter};
use serde_json::{Value, json};
use tokio::time::{MissedTickBehavior, interval};

use super::Served;
use super::answer::{json as answer_json, problem};
use super::events::after;
use super::exposition::{Exposition, Histogram};
use crate::ports::SystemClock;

/// So often a sample is taken,
const EVERY: Duration = Duration::from_secs(10);
/// and so many are kept: an hour.
const MOST_POINTS: usize = 360;

/// The samples of the last hour; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct History(Arc<Mutex<VecDeque<Point>>>);

/// What happened between two samples.
#[derive(Debug, Clone, PartialEq)]
struct Point {
    /// When it ended.
    at_ms: i64,
    /// In the order of the models.
    models: Vec<ModelPoint>,
    /// Records a second that were handed on in each lane.
    lanes: BTreeMap<String, f64>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct ModelPoint {
    records_per_s: f64,
    applied_per_s: f64,
    /// None if nothing was written.
    p50_seconds: Option<f64>,
    p99_seconds: Option<f64>,
    /// None where the log does not tell.
    lag_records: Option<i64>,
}

/// What there is at one time.
#[derive(Debug, Clone)]
struct Sample {
    at: Instant,
    models: Vec<(Counts, Histogram, Option<i64>)>,
    lanes: BTreeMap<String, i64>,
}

impl Sample {
    fn of(served: &Served, text: &str) -> Self {
        let exposition = Exposition::read(text);
        let model = |model: &Arc<dyn super::ServedModel>| {
            let name = model.row().name;
            let freshness = exposition.histogram(Meter::Freshness, name);
            (model.counts(), freshness, exposition.known(Meter::LagRecords, name))
        };
        Self {
            at: Instant::now(),
            models: served.models.iter().map(model).collect(),
            lanes: exposition.by_label(Meter::LaneRecords, "lane"),
        }
    }

    /// What has happened since another one.
    fn since(&self, before: &Self, at_ms: i64) -> Point {
        let seconds = self.at.saturating_duration_since(before.at).as_secs_f64().max(0.001);
        // After a swap another generation is counted, from its own beginning.
        let rate = |now: u64, before: u64| now.saturating_sub(before) as f64 / seconds;
        let models = self.models.iter().zip(&before.models).map(|(now, before)| {
            let (counts, freshness, lag_records) = now;
            let lately = freshness.since(&before.1);
            ModelPoint {
                records_per_s: rate(counts.consumed, before.0.consumed),
                applied_per_s: rate(counts.applied, before.0.applied),
                p50_seconds: lately.quantile(0.5),
                p99_seconds: lately.quantile(0.99),
                lag_records: *lag_records,
            }
        });
        let lanes = self.lanes.iter().map(|(name, now)| {
            let before = before.lanes.get(name).copied().unwrap_or(0);
            (name.clone(), (now - before).max(0) as f64 / seconds)
        });
        Point { at_ms, models: models.collect(), lanes: lanes.collect() }
    }
}

impl History {
    fn note(&self, point: Point) {
        let mut points = self.points();
        points.push_back(point);
        if points.len() > MOST_POINTS {
            points.pop_front();
        }
    }

    /// Column by column, what came after a time.
    fn shown(&self, names: &[&'static str], after_ms: i64) -> Value {
        let all = self.points();
        let points: Vec<&Point> = all.iter().filter(|point| point.at_ms > after_ms).collect();
        let column = |pick: &dyn Fn(&Point) -> Value| -> Value {
            points.iter().map(|point| pick(point)).collect::<Vec<_>>().into()
        };
        let models: Vec<Value> = (names.iter().enumerate())
            .map(|(at, name)| {
                let of = |pick: &dyn Fn(&ModelPoint) -> Value| {
                    column(&|point| point.models.get(at).map_or(Value::Null, pick))
                };
                json!({
                    "name": name,
                    "records_per_s": of(&|model| round(model.records_per_s)),
                    "applied_per_s": of(&|model| round(model.applied_per_s)),
                    "p50_seconds": of(&|model| model.p50_seconds.map_or(Value::Null, round)),
                    "p99_seconds": of(&|model| model.p99_seconds.map_or(Value::Null, round)),
                    "lag_records": of(&|model| model.lag_records.into()),
                })
            })
            .collect();
        let lanes: BTreeSet<&String> = points.iter().flat_map(|point| point.lanes.keys()).collect();
        let lane = |name: &String| {
            let rate =
                |point: &Point| point.lanes.get(name).map_or(Value::Null, |rate| round(*rate));
            json!({ "name": name, "records_per_s": column(&rate) })
        };
        json!({
            "interval_seconds": EVERY.as_secs(),
            "most_points": MOST_POINTS,
            "at_ms": column(&|point| point.at_ms.into()),
            "models": models,
            "lanes": lanes.into_iter().map(lane).collect::<Vec<_>>(),
        })
    }

    fn points(&self) -> MutexGuard<'_, VecDeque<Point>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Four digits behind the point are more than any chart shows.
fn round(value: f64) -> Value {
    ((value * 10_000.0).round() / 10_000.0).into()
}

/// Takes samples for ever.
pub async fn keep(served: Served) -> Infallible {
    let mut before: Option<Sample> = None;
    let mut tick = interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    loop {
        tick.tick().await;
        let now = match served.metrics.render() {
            Ok(text) => Sample::of(&served, &text),
            Err(error) => {
                tracing::debug!(%error, "no sample of the metrics was taken");
                continue;
            }
        };
        if let Some(before) = &before {
            served.history.note(now.since(before, SystemClock.now_ms()));
        }
        before = Some(now);
    }
}

/// `GET /history.json?after={milliseconds since 1970}`
pub async fn history(State(served): State<Served>, uri: Uri) -> Response {
    let after_ms = match after(uri.query().unwrap_or_default()) {
        Ok(after) => i64::try_from(after).unwrap_or(i64::MAX),
        Err(detail) => return problem(StatusCode::BAD_REQUEST, detail, json!({})),
    };
    let names: Vec<&'static str> = served.models.iter().map(|model| model.row().name).collect();
    answer_json(StatusCode::OK, &served.history.shown(&names, after_ms))
}

#[cfg(test)]
mod tests {
    use readmill_core::Outcome;
    use readmill_engine::Metrics;

    use super::*;

    fn sample(metrics: &Metrics, at: Instant, applied: u64) -> Sample {
        let text = metrics.render().unwrap();
        let exposition = Exposition::read(&text);
        let mut counts = Counts::default();
        (0..applied).for_each(|_| counts.count(Outcome::Applied));
        let freshness = exposition.histogram(Meter::Freshness, "points");
        let lag = exposition.known(Meter::LagRecords, "points");
        let lanes = exposition.by_label(Meter::LaneRecords, "lane");
        Sample { at, models: vec![(counts, freshness, lag)], lanes }
    }

    #[test]
    fn a_point_says_what_happened_between_two_samples_and_not_before() {
        let metrics = Metrics::new().unwrap();
        for _ in 0..1_000 {
            metrics.observe(Meter::Freshness, &["points"], 30.0);
        }
        metrics.add(Meter::LaneRecords, &["points", "online"], 1_000);
        let begin = Instant::now();
        let before = sample(&metrics, begin, 1_000);
        assert_eq!(before.models[0].2, None);
        for _ in 0..50 {
            metrics.observe(Meter::Freshness, &["points"], 0.07);
        }
        metrics.add(Meter::LaneRecords, &["points", "online"], 20);
        metrics.add(Meter::LaneRecords, &["deals", "online"], 30);
        metrics.set(Meter::LagRecords, &["points", "t", "0"], 4);
        metrics.set(Meter::LagRecords, &["points", "t", "1"], 5);
        let now = sample(&metrics, begin + EVERY, 1_050);
        let point = now.since(&before, 7);
        assert_eq!(point.lanes, BTreeMap::from([("online".to_owned(), 5.0)]));
        let model = point.models[0];
        assert_eq!((model.records_per_s, model.applied_per_s), (5.0, 5.0));
        assert_eq!(model.lag_records, Some(9));
        assert!((0.05..=0.1).contains(&model.p99_seconds.unwrap()), "{model:?}");
        // Another generation begins at nought: that is no negative rate.
        let next = sample(&metrics, begin + 2 * EVERY, 10).since(&now, 8);
        assert_eq!((next.models[0].records_per_s, next.models[0].p50_seconds), (0.0, None));
    }

    #[test]
    fn an_hour_is_kept_and_what_is_new_is_told() {
        let history = History::default();
        for at_ms in 1..=400 {
            let lanes = BTreeMap::from([("online".to_owned(), 1.0 / 3.0)]);
            history.note(Point { at_ms, models: Vec::new(), lanes });
        }
        let all = history.shown(&["points"], 0);
        assert_eq!(all["at_ms"].as_array().unwrap().len(), MOST_POINTS);
        assert_eq!(
            (&all["at_ms"][0], &all["lanes"][0]["records_per_s"][0]),
            (&41.into(), &0.3333.into())
        );
        assert_eq!(history.shown(&["points"], 399)["at_ms"], json!([400]));
        assert_eq!(history.shown(&["points"], 400)["lanes"], json!([]));
    }
}
