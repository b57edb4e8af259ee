//! What is shown of long work: bars and spinners, silent when nobody watches.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::figures;

const TICK: Duration = Duration::from_millis(200);

/// A bar with rate and remaining time.
pub fn progress(length: u64, what: &'static str) -> ProgressBar {
    let bar = ProgressBar::new(length);
    style(&bar, "{bar:30} {human_pos} of {human_len} {msg}  {per_sec}  {eta} left");
    bar.set_message(what);
    bar
}

/// The same for bytes, in their units.
pub fn bytes(length: u64, what: &'static str) -> ProgressBar {
    let bar = progress(length, what);
    style(&bar, "{bar:30} {bytes} of {total_bytes} {msg}  {bytes_per_sec}  {eta} left");
    bar
}

/// So many in so long a time, for the words of a spinner: no end is known that it could name.
pub fn pace(many: u64, since: Instant) -> String {
    let seconds = since.elapsed().as_secs_f64();
    let rate = (seconds > 0.0).then(|| many as f64 / seconds);
    format!("{} in {}, {}", figures::count(many), figures::span(seconds), figures::rate(rate))
}

/// A spinner beside words; there is none for a script.
pub fn spinner(for_script: bool) -> ProgressBar {
    let shown = std::io::stderr().is_terminal() && !for_script;
    let bar = if shown { ProgressBar::new_spinner() } else { ProgressBar::hidden() };
    style(&bar, "{spinner} {msg}");
    bar.enable_steady_tick(TICK);
    bar
}

fn style(bar: &ProgressBar, template: &str) {
    // Templates are constants, and right.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
}
