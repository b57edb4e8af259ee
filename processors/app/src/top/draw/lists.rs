//! What is shown beside the models: generations and rebuilds, lanes, hot keys, warnings.

use crate::figures::{UNKNOWN, bar, count, short, span};
use crate::lanes::{now, table};
use crate::line::{Line, Tone};
use crate::table::{Table, cell, numbers, words};
use crate::top::shown::{Generation, Shown, Warning};
use crate::top::told::{HotKey, HotModel};
use crate::top::view::View;

/// A bar is as wide, where there is room.
const BAR: usize = 24;
/// A longer key is cut.
const WIDEST_KEY: usize = 36;

/// All generations; below each that is being made, how far it is.
pub fn generations(shown: &Shown, view: &View, columns: usize) -> Vec<Line> {
    let mut table = Table::new([
        words("MODEL"),
        numbers("GEN"),
        words("READERS"),
        words("BEGUN"),
        words("VERIFIED"),
        numbers("BEHIND"),
        numbers("INSTANCES"),
    ]);
    let chosen: Vec<&Generation> =
        shown.generations.iter().filter(|one| view.lets(&one.model)).collect();
    for one in &chosen {
        let (tone, seen) = match (one.live, one.swapping) {
            (_, true) => (Tone::Warn, "next"),
            (true, false) => (Tone::Good, "live"),
            (false, false) => (Tone::Soft, "beside"),
        };
        table.row([
            one.model.as_str().into(),
            one.generation.to_string().into(),
            cell(tone, seen),
            minute(&one.begun).into(),
            one.verified.as_deref().map_or("no", minute).into(),
            one.behind_records.map_or_else(|| UNKNOWN.to_owned(), count).into(),
            one.instances.to_string().into(),
        ]);
    }
    let mut rows = table.lines().into_iter().map(Line::indented);
    let mut lines: Vec<Line> = rows.next().into_iter().collect();
    for (one, row) in chosen.iter().zip(rows) {
        lines.push(row);
        if !one.live {
            lines.push(progress(one, columns));
        }
    }
    if chosen.is_empty() {
        lines.push(Line::of(Tone::Soft, " none is known"));
    }
    lines
}

/// A time without its seconds.
fn minute(time: &str) -> &str {
    time.get(..16).unwrap_or(time)
}

/// The generations that are being made, for the overview.
pub fn rebuilds(shown: &Shown, view: &View, columns: usize, most: usize) -> Vec<Line> {
    let made = shown.generations.iter().filter(|one| !one.live && view.lets(&one.model));
    made.take(most).map(|one| progress(one, columns)).collect()
}

/// How far a generation is: a bar, its pace, and when it will be done.
fn progress(one: &Generation, columns: usize) -> Line {
    let line = Line::of(Tone::Plain, format!(" {} gen {} ", one.model, one.generation));
    let Some((read, of)) = one.read() else {
        return line.and(Tone::Soft, "is folded from an archive");
    };
    let (full, left) = bar(read, of, BAR.min(columns / 5));
    let percent = if of == 0 { 100 } else { u128::from(read) * 100 / u128::from(of) };
    let mut line = line
        .and(Tone::Soft, "│")
        .and(Tone::Water, full)
        .and(Tone::Plain, left)
        .and(Tone::Soft, "│")
        .and(Tone::Title, format!(" {percent} %"));
    if one.paused {
        return line.and(Tone::Warn, "  paused");
    }
    if let Some(rate) = one.records_per_second {
        line = line.and(Tone::Plain, format!("  {}/s", short(rate)));
    }
    line = match (one.behind_records, one.eta_seconds) {
        (Some(0), _) => line.and(Tone::Good, "  caught up"),
        (_, Some(eta)) => line.and(Tone::Plain, format!("  {} left", span(eta))),
        (_, None) => line,
    };
    match one.share_percent {
        Some(share) if share < 100 => line.and(Tone::Soft, format!("  held back to {share} %")),
        Some(_) | None => line,
    }
}

/// All lanes.
pub fn lanes(shown: &Shown, view: &View) -> Vec<Line> {
    let chosen = shown.lanes.iter().filter(|lane| view.lets(&lane.name));
    table(chosen).lines().into_iter().map(Line::indented).collect()
}

/// The lanes in a line.
pub fn lanes_in_short(shown: &Shown) -> Option<Line> {
    if shown.lanes.len() < 2 {
        return None;
    }
    let mut line = Line::of(Tone::Soft, " lanes");
    for lane in &shown.lanes {
        let (tone, now) = now(lane);
        line = line.and(Tone::Plain, format!("  {} ", lane.name)).and(tone, now);
        if lane.share_percent < 100 {
            line = line.and(Tone::Warn, format!(" {} %", lane.share_percent));
        }
    }
    Some(line)
}

/// The hot keys, model by model.
pub fn hot_keys(shown: &Shown, view: &View, columns: usize) -> Vec<Line> {
    let Some(models) = &shown.hot_keys else {
        return vec![Line::of(Tone::Soft, " this instance does not look for hot keys")];
    };
    let mut table =
        Table::new([words("MODEL"), words("KEY"), numbers("SHARE"), numbers("EVENTS"), words("")]);
    let of = |model: &HotModel, key: &HotKey| view.lets(&model.model) || view.lets(&key.key);
    let all = models.iter().flat_map(|model| model.keys.iter().map(move |key| (model, key)));
    for (model, key) in all.filter(|(model, key)| of(model, key)) {
        // A sketch counts too much at most.
        let events = match key.at_most_over_by {
            0 => count(key.count),
            over => format!("{} to {}", count(key.count.saturating_sub(over)), count(key.count)),
        };
        let part = format!("{:.0}", key.share_percent.clamp(0.0, 100.0) * 10.0);
        let (full, _) = bar(part.parse().unwrap_or(0), 1_000, BAR.min(columns / 4));
        table.row([
            model.model.as_str().into(),
            crate::line::cut(&key.key, WIDEST_KEY.min(columns / 3)).into(),
            format!("{:.1} %", key.share_percent).into(),
            events.into(),
            cell(Tone::Water, full),
        ]);
    }
    let mut lines: Vec<Line> = table.lines().into_iter().map(Line::indented).collect();
    if lines.len() == 1 {
        lines.push(Line::of(Tone::Soft, " no key is hotter than others"));
    }
    lines
}

/// All warnings, wrapped.
pub fn warnings(shown: &Shown, view: &View, columns: usize) -> Vec<Line> {
    let named = shown.warnings.iter().filter(|warning| view.lets(&warning.what));
    let lines: Vec<Line> = named.flat_map(|warning| wrapped(warning, columns)).collect();
    if lines.is_empty() {
        vec![Line::of(Tone::Good, " ● nothing is out of the ordinary")]
    } else {
        lines
    }
}

/// The first of them, for the overview.
pub fn warnings_in_short(shown: &Shown, columns: usize, most: usize) -> Vec<Line> {
    shown.warnings.iter().take(most).map(|warning| marked(warning).cut(columns)).collect()
}

fn marked(warning: &Warning) -> Line {
    let tone = if warning.minor { Tone::Warn } else { Tone::Bad };
    Line::of(tone, " ● ").and(Tone::Plain, &warning.what)
}

fn wrapped(warning: &Warning, columns: usize) -> Vec<Line> {
    let room = columns.saturating_sub(4).max(20);
    let (mut lines, mut text): (Vec<Line>, String) = (Vec::new(), String::new());
    let mut end = |text: &mut String| {
        let what = std::mem::take(text);
        let minor = warning.minor;
        lines.push(if lines.is_empty() {
            marked(&Warning { minor, what })
        } else {
            Line::of(Tone::Plain, "   ").and(Tone::Plain, what)
        });
    };
    for word in warning.what.split(' ') {
        if !text.is_empty() && text.chars().count() + 1 + word.chars().count() > room {
            end(&mut text);
        }
        if !text.is_empty() {
            text.push(' ');
        }
        text += word;
    }
    end(&mut text);
    lines
}
