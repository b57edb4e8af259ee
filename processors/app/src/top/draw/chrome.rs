//! What is around it: who is looked at and how it is, the tabs, the keys, and their explanation.

use super::Scene;
use crate::figures::span;
use crate::line::{Line, Tone};
use crate::top::view::{Sort, Tab, View};

/// Who is looked at, and how it is.
pub fn header(scene: &Scene, view: &View, columns: usize) -> Line {
    let mut line = Line::of(Tone::Plain, " ").and(Tone::Title, "Readmill");
    if let Some(shown) = &scene.shown {
        line = line.and(Tone::Soft, format!(" {}", shown.version));
    }
    let address = scene.instance.trim_start_matches("http://").trim_end_matches('/');
    line = line.and(Tone::Plain, format!("  {address}  "));
    if let Some((why, seconds)) = &scene.silent {
        let told = format!("● silent for {seconds} s: {why}");
        return line.and(Tone::Bad, told);
    }
    let Some(shown) = &scene.shown else { return line.and(Tone::Soft, "● asking…") };
    line = match (shown.stopping, shown.healthy, shown.ready) {
        (true, ..) => line.and(Tone::Warn, "● stopping"),
        (_, false, _) => line.and(Tone::Bad, "● not healthy"),
        (_, true, true) => line.and(Tone::Good, "● healthy, ready"),
        (_, true, false) => line.and(Tone::Warn, "● healthy, not ready"),
    };
    line = line.and(Tone::Soft, format!("  up {}", span(shown.uptime_seconds)));
    if view.is_paused {
        return line.right(columns, Tone::Chosen, " paused ");
    }
    line.right(columns.saturating_sub(1), Tone::Soft, &format!("every {} s", scene.every_seconds))
}

/// The tabs, and what is chosen among the models.
pub fn tabs(scene: &Scene, view: &View, columns: usize) -> Line {
    let warnings = scene.shown.as_ref().map_or(0, |shown| shown.warnings.len());
    let mut line = Line::of(Tone::Plain, "");
    for tab in Tab::ALL {
        let many = match (tab, warnings) {
            (Tab::Warnings, 1..) => format!(" {warnings}"),
            _ => String::new(),
        };
        let tone = if tab == view.tab && !view.is_helping { Tone::Chosen } else { Tone::Soft };
        line = line.and(tone, format!(" {}{many} ", tab.title()));
    }
    let sorted = format!("by {}", view.sort.word());
    if view.sort == Sort::Order {
        line
    } else {
        line.right(columns.saturating_sub(1), Tone::Soft, &sorted)
    }
}

/// The keys that there are; or the filter, while it is typed or set.
pub fn footer(view: &View, columns: usize) -> Line {
    if view.is_typing {
        let line = Line::of(Tone::Title, " /").and(Tone::Plain, &view.filter);
        return line.and(Tone::Chosen, " ").right(
            columns,
            Tone::Soft,
            "return keeps, escape clears ",
        );
    }
    let mut line = Line::default();
    let keys = [
        ("q", "quit"),
        ("tab", "next"),
        ("s", "sort"),
        ("/", "filter"),
        ("p", "pause"),
        ("?", "help"),
    ];
    for (key, what) in keys {
        line = line.and(Tone::Title, format!(" {key}")).and(Tone::Soft, format!(" {what} "));
    }
    if view.filter.is_empty() {
        return line;
    }
    line.right(columns, Tone::Warn, &format!("only \"{}\" ", view.filter))
}

/// What the keys and the columns mean.
pub fn help() -> Vec<Line> {
    let mut lines = vec![Line::default()];
    let keys = [
        ("q, ctrl-c", "ends it"),
        ("tab, ← →, 1 … 6", "show another part"),
        ("↑ ↓, page up, down", "scroll"),
        ("s", "sorts models: as configured, by rate, p99, lag, held"),
        ("/", "only what has this in its name; escape shows all"),
        ("p", "pauses: nothing new is asked for"),
        ("ctrl-l", "draws it all again"),
    ];
    for (key, what) in keys {
        lines.push(Line::of(Tone::Title, format!(" {key}")).to(20).and(Tone::Plain, what));
    }
    lines.push(Line::default());
    let words = [
        ("REC/S", "records taken in a second, over the last looks"),
        ("P50, P99", "from source commit to durable document, of those records"),
        ("LAG", "records of the log beyond what is settled; – for an archive"),
        ("HELD", "records that could not be folded, held for a person"),
        ("WAITING", "records that came before what they need"),
        ("GEN", "the generation that readers see"),
    ];
    for (word, what) in words {
        lines.push(Line::of(Tone::Soft, format!(" {word}")).to(20).and(Tone::Plain, what));
    }
    lines
}
