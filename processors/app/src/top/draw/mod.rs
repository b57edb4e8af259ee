//! What is shown, as lines: one screen of them, or all there is for `--once`.

mod chrome;
mod lists;
mod models;
mod river;
#[cfg(test)]
mod tests;

use super::shown::Shown;
use super::view::{Tab, View};
use crate::line::{Line, Tone};

/// Of rebuilds and of warnings so many are on the overview.
const MOST_BESIDE: usize = 3;
/// The list of an overview keeps at least so many lines.
const LEAST_LIST: usize = 4;

/// How large a screen is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Letters in a line.
    pub columns: usize,
    /// Lines.
    pub rows: usize,
}

/// What there is to show.
#[derive(Debug, Clone, Default)]
pub struct Scene {
    /// The instance, as it was seen last.
    pub shown: Option<Shown>,
    /// Where it is asked.
    pub instance: String,
    /// Why it does not answer now, and for how many seconds.
    pub silent: Option<(String, u64)>,
    /// It is asked again after so many seconds.
    pub every_seconds: f64,
}

/// One screen of it, and how far its list can be scrolled.
pub fn screen(scene: &Scene, view: &View, size: Size) -> (Vec<Line>, usize) {
    let Size { columns, rows } = size;
    let mut lines = vec![chrome::header(scene, view, columns)];
    lines.push(chrome::tabs(scene, view, columns));
    let room = rows.saturating_sub(lines.len() + 1);
    let Body { mut above, list, below } = body(scene, view, columns, room);
    if above.len() + below.len() + LEAST_LIST > room && !above.is_empty() {
        above.retain(|line| line.width() > 0);
    }
    let list_room = room.saturating_sub(above.len() + below.len());
    let most = list.len().saturating_sub(list_room);
    let scroll = view.scroll.min(most);
    let more = most - scroll;
    lines.append(&mut above);
    lines.extend(list.into_iter().skip(scroll).take(list_room));
    if more > 0 && list_room > 0 {
        let told = format!("… and {} more: ↓", more + 1);
        lines.pop();
        lines.push(Line::of(Tone::Soft, told));
    }
    lines.resize((rows.saturating_sub(1 + below.len())).max(2), Line::default());
    lines.extend(below);
    lines.push(chrome::footer(view, columns));
    lines.truncate(rows);
    if scene.silent.is_some() {
        // What is shown is old.
        let old = lines.iter_mut().skip(2).take(room);
        old.for_each(|line| *line = std::mem::take(line).all(Tone::Soft));
    }
    (lines.into_iter().map(|line| line.cut(columns)).collect(), most)
}

/// What is between the first lines and the last one.
#[derive(Default)]
struct Body {
    above: Vec<Line>,
    /// What is scrolled.
    list: Vec<Line>,
    below: Vec<Line>,
}

fn body(scene: &Scene, view: &View, columns: usize, room: usize) -> Body {
    if view.is_helping {
        return Body { list: chrome::help(), ..Body::default() };
    }
    let Some(shown) = &scene.shown else {
        let list = vec![Line::default(), Line::of(Tone::Soft, " Nothing is known yet.")];
        return Body { list, ..Body::default() };
    };
    let list = |list: Vec<Line>| {
        let mut lines = vec![Line::default()];
        lines.extend(list);
        Body { list: lines, ..Body::default() }
    };
    match view.tab {
        Tab::Overview => overview(shown, view, columns, room),
        Tab::Outcomes => list(models::outcomes(shown, view)),
        Tab::Generations => list(lists::generations(shown, view, columns)),
        Tab::Lanes => list(lists::lanes(shown, view)),
        Tab::Hot => list(lists::hot_keys(shown, view, columns)),
        Tab::Warnings => list(lists::warnings(shown, view, columns)),
    }
}

fn overview(shown: &Shown, view: &View, columns: usize, room: usize) -> Body {
    let mut above = vec![Line::default()];
    above.extend(river::river(shown, columns));
    above.push(Line::default());
    let mut table = models::models(shown, view).into_iter();
    above.extend(table.next());
    let list: Vec<Line> = table.collect();
    let mut below = lists::rebuilds(shown, view, columns, MOST_BESIDE);
    below.extend(lists::lanes_in_short(shown));
    let warnings = lists::warnings_in_short(shown, columns, MOST_BESIDE);
    below.extend(warnings);
    // The models come first: what is beside them takes what they leave, and has tabs of its own.
    let left = room.saturating_sub(above.len() + list.len().min(LEAST_LIST));
    below.truncate(left);
    if above.len() + list.len() + below.len() < room && !below.is_empty() {
        below.insert(0, Line::default());
    }
    Body { above, list, below }
}

/// All of it, one part below the other.
pub fn whole(scene: &Scene, columns: usize) -> Vec<Line> {
    let view = View::default();
    let mut lines = vec![chrome::header(scene, &view, columns)];
    let Some(shown) = &scene.shown else { return lines };
    let mut part = |part: Vec<Line>| {
        if !part.is_empty() {
            lines.push(Line::default());
            lines.extend(part);
        }
    };
    part(river::river(shown, columns));
    part(models::models(shown, &view));
    part(models::outcomes(shown, &view));
    if !shown.generations.is_empty() {
        part(lists::generations(shown, &view, columns));
    }
    if !shown.lanes.is_empty() {
        part(lists::lanes(shown, &view));
    }
    if shown.hot_keys.as_ref().is_some_and(|models| models.iter().any(|m| !m.keys.is_empty())) {
        part(lists::hot_keys(shown, &view, columns));
    }
    if !shown.warnings.is_empty() {
        part(lists::warnings(shown, &view, columns));
    }
    lines
}
