//! The models: how fast, how fresh and how far they are, and what became of their records.

use std::cmp::Reverse;

use crate::figures::{UNKNOWN, count, seconds, short};
use crate::line::{Line, Tone};
use crate::table::{Cell, Table, cell, numbers, words};
use crate::top::shown::{Model, Shown};
use crate::top::view::{Sort, View};

/// How fast, how fresh, how far.
pub fn models(shown: &Shown, view: &View) -> Vec<Line> {
    let mut table = Table::new([
        words("MODEL"),
        words("STATE"),
        numbers("GEN"),
        numbers("REC/S"),
        numbers("P50"),
        numbers("P99"),
        numbers("LAG"),
        numbers("HELD"),
        numbers("WAITING"),
    ]);
    for model in chosen(shown, view) {
        let generation = model.generation.map_or_else(|| UNKNOWN.to_owned(), |n| n.to_string());
        table.row([
            model.model.as_str().into(),
            state(model),
            cell(Tone::Soft, generation),
            rate(model),
            seconds(model.freshness_p50_seconds).into(),
            seconds(model.freshness_p99_seconds).into(),
            known(model.lag_records, Tone::Plain),
            known(model.held_records, Tone::Warn),
            known(Some(model.waiting_records), Tone::Plain),
        ]);
    }
    or_nobody(table.lines(), shown)
}

/// What became of the records.
pub fn outcomes(shown: &Shown, view: &View) -> Vec<Line> {
    let mut table = Table::new([
        words("MODEL"),
        numbers("CONSUMED"),
        numbers("APPLIED"),
        numbers("DUPL."),
        numbers("STALE"),
        numbers("WAITING"),
        numbers("HELD"),
        numbers("SKIPPED"),
        numbers("WRITTEN"),
    ]);
    for model in chosen(shown, view) {
        let counts = &model.counts;
        let tone = if model.add_up { Tone::Plain } else { Tone::Bad };
        let some = |many: u64| known(Some(many), Tone::Plain);
        table.row([
            cell(tone, &model.model),
            some(counts.consumed),
            some(counts.applied),
            some(counts.duplicate),
            some(counts.stale),
            some(counts.waiting),
            some(counts.held),
            some(counts.skipped),
            some(model.documents_written),
        ]);
    }
    or_nobody(table.lines(), shown)
}

/// The models that are to be shown, in their order.
fn chosen<'s>(shown: &'s Shown, view: &View) -> Vec<&'s Model> {
    let named = shown.models.iter().filter(|model| view.lets(&model.model));
    let mut models: Vec<&Model> = named.collect();
    let by = |value: Option<f64>| value.unwrap_or(-1.0);
    match view.sort {
        Sort::Order => {}
        Sort::Rate => {
            models.sort_by(|a, b| by(b.records_per_second).total_cmp(&by(a.records_per_second)))
        }
        Sort::Freshness => models
            .sort_by(|a, b| by(b.freshness_p99_seconds).total_cmp(&by(a.freshness_p99_seconds))),
        Sort::Lag => models.sort_by_key(|model| Reverse(model.lag_records)),
        Sort::Held => models.sort_by_key(|model| Reverse(model.held_records)),
    }
    models
}

fn or_nobody(lines: Vec<Line>, shown: &Shown) -> Vec<Line> {
    let mut lines: Vec<Line> = lines.into_iter().map(Line::indented).collect();
    if lines.len() == 1 {
        let told =
            if shown.models.is_empty() { "no model runs here" } else { "no model is named so" };
        lines.push(Line::of(Tone::Soft, format!(" {told}")));
    }
    lines
}

fn state(model: &Model) -> Cell {
    let tone = match model.state.as_str() {
        "running" => Tone::Good,
        "failed" => Tone::Bad,
        _ => Tone::Soft,
    };
    cell(tone, &model.state)
}

fn rate(model: &Model) -> Cell {
    match model.records_per_second {
        None => cell(Tone::Soft, UNKNOWN),
        Some(rate) if rate > 0.0 => cell(Tone::Water, short(rate)),
        Some(_) => cell(Tone::Soft, "0"),
    }
}

/// A count in this tone; none, or nothing, is beside the point.
fn known(many: Option<u64>, tone: Tone) -> Cell {
    match many {
        None => cell(Tone::Soft, UNKNOWN),
        Some(0) => cell(Tone::Soft, "0"),
        Some(many) => cell(tone, count(many)),
    }
}
