//! Times and spans of time on the command line.

use std::time::Duration;

use readmill_engine::Clock as _;
use readmill_schemas::Timestamp;

use crate::ports::SystemClock;

/// A span such as 90s, 10m, 2h or 7d.
pub fn span(text: &str) -> Result<Duration, String> {
    let units = [('s', 1), ('m', 60), ('h', 3_600), ('d', 86_400)];
    let seconds = units.iter().find_map(|(unit, seconds)| {
        let number: u64 = text.strip_suffix(*unit)?.parse().ok()?;
        number.checked_mul(*seconds)
    });
    let wrong = || "must be a number with s, m, h or d, such as 90s or 10m".to_owned();
    seconds.map(Duration::from_secs).ok_or_else(wrong)
}

/// A time, or an age that is subtracted from now.
pub fn since(text: &str) -> Result<Timestamp, String> {
    if let Ok(at) = Timestamp::parse(text) {
        return Ok(at);
    }
    let age = span(text).ok().and_then(|age| i64::try_from(age.as_millis()).ok());
    let age = age.ok_or("must be a time such as 2026-11-21T06:50:00Z, or an age such as 10m")?;
    Ok(Timestamp::from_millis(SystemClock.now_ms().saturating_sub(age)))
}
