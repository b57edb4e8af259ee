//! The one place that writes to stdout and stderr; everything else logs or returns.

use std::io::{self, Write as _};

/// Writes a line to stdout. A reader that has gone away, as `head` does, is no failure of ours.
pub fn line(text: impl AsRef<str>) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_ref().as_bytes()).and_then(|()| out.write_all(b"\n"));
}

/// Writes text to stderr as it is.
pub fn complain(text: impl AsRef<str>) {
    let _ = io::stderr().lock().write_all(text.as_ref().as_bytes());
}

/// Writes to stdout as it is, at once: what a terminal is told.
pub fn screen(text: impl AsRef<str>) {
    let mut out = io::stdout().lock();
    let _ = out.write_all(text.as_ref().as_bytes()).and_then(|()| out.flush());
}
