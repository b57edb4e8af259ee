//! The eight stations, with what passes them.

use unicode_width::UnicodeWidthStr as _;

use crate::figures::{rate, trend};
use crate::line::{Line, Tone};
use crate::top::shown::{Shown, Station};

/// A rate and what leads on to the next station take at least so many columns.
const NARROWEST: usize = 8;
/// A station takes no more columns than it needs and these.
const MOST_SPARE: usize = 6;

/// Their names, their rates, and how much came of late.
pub fn river(shown: &Shown, columns: usize) -> Vec<Line> {
    if shown.river.is_empty() {
        return Vec::new();
    }
    let needed = |station: &Station| (station.name.width() + 3).max(NARROWEST);
    let all: usize = shown.river.iter().map(needed).sum();
    let spare = (columns.saturating_sub(1 + all) / shown.river.len()).min(MOST_SPARE);
    let (mut names, mut rates) = (Line::of(Tone::Plain, " "), Line::of(Tone::Plain, " "));
    let mut begin = 1;
    for (at, station) in shown.river.iter().enumerate() {
        let width = needed(station) + spare;
        let flows = station.per_second.is_some_and(|rate| rate > 0.0);
        let (water, weight) =
            if flows { (Tone::Water, Tone::Title) } else { (Tone::Soft, Tone::Soft) };
        names = names.to(begin).and(Tone::Soft, station.number.to_string());
        let tone = if flows { Tone::Water } else { Tone::Plain };
        names = names.and(tone, format!(" {}", station.name));
        let told = rate(station.per_second);
        rates = rates.to(begin).and(weight, &told);
        let room = width.saturating_sub(told.width() + 2);
        if at + 1 < shown.river.len() && room > 0 {
            rates = rates.and(Tone::Plain, " ").and(water, arrow(room));
        }
        begin += width;
    }
    vec![names, rates, lately(shown, columns)]
}

fn arrow(columns: usize) -> String {
    "─".repeat(columns.saturating_sub(1)) + "▶"
}

/// The rate of late, look by look.
fn lately(shown: &Shown, columns: usize) -> Line {
    let line = Line::of(Tone::Plain, " ").and(Tone::Soft, "records/s ");
    let room = columns.saturating_sub(line.width() + 1);
    let values = &shown.trend[shown.trend.len().saturating_sub(room)..];
    line.and(Tone::Water, trend(values.iter().copied()))
}
