//! Looks at an instance, one after the other, and what they come to: rates, and how far it is.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use super::shown::{Generation, Model, Shown, Station};
use super::told::{GenerationTold, Generations, HotModel, Measured, ModelTold, Status};
use super::warnings::warnings;
use crate::http::Histogram;

/// A rate is that between the oldest look that is kept and the newest.
const LOOKS: usize = 5;
/// Of so many looks it is remembered how much came.
const TREND: usize = 240;
/// The pace of a rebuild is that of so much time.
const PACE: Duration = Duration::from_secs(30);

/// What was seen at one time.
#[derive(Debug, Clone, Default)]
pub struct Look {
    /// The status.
    pub status: Status,
    /// What the metrics say of each model.
    pub measured: BTreeMap<String, Measured>,
    /// The generations of the models that were asked for now.
    pub generations: BTreeMap<String, Generations>,
    /// Hot keys, where the instance knows of any.
    pub hot: Option<Vec<HotModel>>,
}

/// How far a generation was at a time.
#[derive(Debug, Clone, Copy)]
struct Mark {
    at: Instant,
    behind: u64,
    of: u64,
}

/// What was seen of an instance so far.
#[derive(Debug, Default)]
pub struct Watch {
    looks: VecDeque<Look>,
    generations: BTreeMap<String, Generations>,
    paces: BTreeMap<(String, u32), VecDeque<Mark>>,
    trend: VecDeque<f64>,
}

impl Watch {
    /// Takes in another look.
    pub fn take(&mut self, look: Look, now: Instant) {
        if let Some(last) = self.looks.back() {
            let same = last.status.models.len() == look.status.models.len();
            if last.status.uptime_seconds > look.status.uptime_seconds || !same {
                // Another process: its counts began anew.
                *self = Self::default();
            }
        }
        for (model, told) in &look.generations {
            self.note(model, told, now);
            self.generations.insert(model.clone(), told.clone());
        }
        if let Some(last) = self.looks.back() {
            let came = per_second(last, &look, intake);
            self.trend.push_back(came.unwrap_or(0.0));
        }
        self.looks.push_back(look);
        while self.looks.len() > LOOKS {
            self.looks.pop_front();
        }
        while self.trend.len() > TREND {
            self.trend.pop_front();
        }
    }

    fn note(&mut self, model: &str, told: &Generations, now: Instant) {
        let is_there = |number: u32| told.generations.iter().any(|one| one.generation == number);
        self.paces.retain(|(of, number), _| of.as_str() != model || is_there(*number));
        for one in &told.generations {
            let Some((behind, of)) = one.behind_records.zip(one.of_records) else { continue };
            let marks = self.paces.entry((model.to_owned(), one.generation)).or_default();
            marks.push_back(Mark { at: now, behind, of });
            while marks.len() > 2 && marks.front().is_some_and(|mark| now - mark.at > PACE) {
                marks.pop_front();
            }
        }
    }

    /// The models of which generations are on their way: they are looked at again.
    pub fn busy(&self) -> Vec<String> {
        let is_busy = |told: &Generations| {
            told.swapping_to.is_some() || told.generations.iter().any(|one| !one.live)
        };
        let busy = self.generations.iter().filter(|(_, told)| is_busy(told));
        busy.map(|(model, _)| model.clone()).collect()
    }

    /// What it comes to; nothing before the first look.
    pub fn shown(&self, instance: &str) -> Option<Shown> {
        let (first, last) = (self.looks.front()?, self.looks.back()?);
        let status = &last.status;
        let station = |at: usize, told: &super::told::StationTold| Station {
            number: told.number,
            name: told.name.clone(),
            unit: told.unit.clone(),
            total: told.total,
            per_second: per_second(first, last, |s| s.stations.get(at).map_or(0, |s| s.total)),
        };
        let mut shown = Shown {
            instance: instance.to_owned(),
            version: status.version.clone(),
            uptime_seconds: status.uptime_seconds,
            window_seconds: status.uptime_seconds - first.status.uptime_seconds,
            healthy: status.healthy,
            ready: status.ready,
            stopping: status.stopping,
            river: status.stations.iter().enumerate().map(|(at, one)| station(at, one)).collect(),
            models: status.models.iter().map(|told| model(told, first, last)).collect(),
            lanes: status.lanes.clone(),
            generations: self.generations(),
            hot_keys: last.hot.clone(),
            warnings: Vec::new(),
            trend: self.trend.iter().copied().collect(),
        };
        shown.warnings = warnings(status, &shown);
        Some(shown)
    }

    fn generations(&self) -> Vec<Generation> {
        let all = self.generations.iter().flat_map(|(model, told)| {
            told.generations.iter().map(move |one| (model, one, told.swapping_to))
        });
        all.map(|(model, one, swapping)| self.generation(model, one, swapping)).collect()
    }

    fn generation(&self, model: &str, told: &GenerationTold, swapping: Option<u32>) -> Generation {
        let key = (model.to_owned(), told.generation);
        let marks = self.paces.get(&key).and_then(|marks| marks.front().zip(marks.back()));
        let pace = marks.and_then(|(first, last)| Pace::between(*first, *last));
        Generation {
            model: model.to_owned(),
            generation: told.generation,
            live: told.live,
            begun: told.begun.clone(),
            from: told.from.clone(),
            paused: told.paused,
            verified: told.verified.as_ref().map(|verified| verified.at.clone()),
            swapping: swapping == Some(told.generation),
            behind_records: told.behind_records,
            of_records: told.of_records,
            records_per_second: pace.as_ref().map(|pace| pace.records_per_second),
            eta_seconds: pace.and_then(|pace| pace.eta_seconds),
            instances: told.instances,
            share_percent: told.share_percent,
            failed: told.failed.clone(),
        }
    }
}

/// How fast a generation goes.
struct Pace {
    records_per_second: f64,
    eta_seconds: Option<f64>,
}

impl Pace {
    fn between(first: Mark, last: Mark) -> Option<Self> {
        let seconds = (last.at - first.at).as_secs_f64();
        if seconds <= 0.0 {
            return None;
        }
        // What came meanwhile was read, too, or is still to be read.
        let closed = first.behind as f64 - last.behind as f64;
        let read = (closed + last.of as f64 - first.of as f64).max(0.0);
        let eta = (closed > 0.0).then(|| last.behind as f64 * seconds / closed);
        Some(Self { records_per_second: read / seconds, eta_seconds: eta })
    }
}

fn intake(status: &Status) -> u64 {
    status.stations.first().map_or(0, |station| station.total)
}

/// How fast something went up between two looks; unknown with one look alone.
fn per_second(first: &Look, last: &Look, of: impl Fn(&Status) -> u64) -> Option<f64> {
    let seconds = last.status.uptime_seconds - first.status.uptime_seconds;
    let more = of(&last.status).saturating_sub(of(&first.status));
    (seconds > 0.0).then(|| more as f64 / seconds)
}

fn model(told: &ModelTold, first: &Look, last: &Look) -> Model {
    let name = told.name.as_str();
    let consumed = |status: &Status| {
        let own = status.models.iter().find(|model| model.name == name);
        own.map_or(0, |model| model.counts.consumed)
    };
    let unmeasured = Measured::default();
    let measured = last.measured.get(name).unwrap_or(&unmeasured);
    let before = first.measured.get(name).map(|measured| &measured.freshness);
    let lately = measured.freshness.since(before.unwrap_or(&Histogram::default()));
    Model {
        model: name.to_owned(),
        state: told.state.clone(),
        why: told.why.clone(),
        generation: told.generation,
        records_per_second: per_second(first, last, consumed),
        freshness_p50_seconds: lately.quantile(0.5),
        freshness_p99_seconds: lately.quantile(0.99),
        lag_records: measured.lag_records,
        held_records: measured.held,
        waiting_records: measured.waiting,
        findings: measured.findings,
        losses: measured.losses,
        counts: told.counts,
        add_up: told.add_up,
        documents_written: told.written,
        partitions: told.partitions,
    }
}
