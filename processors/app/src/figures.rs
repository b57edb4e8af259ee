//! Figures for people: counts, rates and times in few columns, and bars of parts of a whole.

use std::time::Duration;

/// What stands where nothing is known.
pub const UNKNOWN: &str = "–";
/// The bound of what is measured of freshness, in seconds.
const LATEST_SECONDS: f64 = 60.0;
/// A whole count that is shorter stands there digit by digit.
const SPELT_BELOW: u64 = 100_000;

/// A number in at most five columns: 0.4, 950, 12.3k, 4.56M.
pub fn short(value: f64) -> String {
    for (unit, letter) in [(1e9, 'G'), (1e6, 'M'), (1e3, 'k')] {
        if value >= unit * 0.9995 {
            let many = value / unit;
            let digits = if many < 9.995 {
                2
            } else if many < 99.95 {
                1
            } else {
                0
            };
            return format!("{many:.digits$}{letter}");
        }
    }
    let digits = usize::from(value > 0.0 && value < 9.95);
    format!("{value:.digits$}")
}

/// A whole count: digit by digit while that is short.
pub fn count(many: u64) -> String {
    if many < SPELT_BELOW { many.to_string() } else { short(many as f64) }
}

/// How many a second.
pub fn rate(per_second: Option<f64>) -> String {
    per_second.map_or_else(|| UNKNOWN.to_owned(), |value| format!("{}/s", short(value)))
}

/// For how long something took, or is old: 3.2 ms, 45 ms, 1.2 s.
pub fn seconds(value: Option<f64>) -> String {
    match value {
        None => UNKNOWN.to_owned(),
        Some(value) if value >= LATEST_SECONDS => "≥ 60 s".to_owned(),
        Some(value) if value >= 0.9995 => format!("{value:.1} s"),
        Some(value) if value >= 0.009_95 => format!("{:.0} ms", value * 1_000.0),
        Some(value) => format!("{:.1} ms", value * 1_000.0),
    }
}

/// A time in its two largest units: 3 d 4 h, 2 h 5 min, 3 min 12 s, 9 s.
pub fn span(seconds: f64) -> String {
    let whole = Duration::try_from_secs_f64(seconds).unwrap_or_default().as_secs();
    let (days, hours) = (whole / 86_400, whole / 3_600 % 24);
    let (minutes, rest) = (whole / 60 % 60, whole % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{rest} s"),
        (0, 0, _) => format!("{minutes} min {rest} s"),
        (0, ..) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

/// A bar of so many columns, and of what is left of them.
pub fn bar(done: u64, of: u64, columns: usize) -> (String, String) {
    const PARTS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let eighths = u128::from(done.min(of)) * columns as u128 * 8 / u128::from(of.max(1));
    let eighths = if of == 0 { columns * 8 } else { usize::try_from(eighths).unwrap_or(0) };
    let part = PARTS.get(eighths % 8).copied().unwrap_or_default();
    let full = eighths / 8;
    let left = columns.saturating_sub(full + usize::from(!part.is_empty()));
    ("█".repeat(full) + part, " ".repeat(left))
}

/// What rose and fell lately, a column for each value, the highest as high as a column can be.
pub fn trend(values: impl Iterator<Item = f64> + Clone) -> String {
    const LEVELS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let most = values.clone().fold(0.0, f64::max);
    let level = |value: f64| {
        let parts = (1_u8..).zip(LEVELS);
        let mut fits = parts.filter(|(n, _)| value <= most * f64::from(*n) / 8.0);
        if value <= 0.0 { '▁' } else { fits.next().map_or('█', |(_, letter)| letter) }
    };
    values.map(level).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_within_five_columns() {
        let table = [
            (0.0, "0"),
            (0.42, "0.4"),
            (9.96, "10"),
            (950.0, "950"),
            (999.6, "1.00k"),
            (12_345.0, "12.3k"),
            (999_600.0, "1.00M"),
            (4.56e6, "4.56M"),
            (1e12, "1000G"),
        ];
        for (value, wanted) in table {
            assert_eq!(short(value), wanted, "{value}");
        }
        assert_eq!((count(99_999), count(100_000)), ("99999".to_owned(), "100k".to_owned()));
        assert_eq!((rate(None), rate(Some(1.5))), ("–".to_owned(), "1.5/s".to_owned()));
    }

    #[test]
    fn times_are_told_in_their_units() {
        let table = [
            (None, "–"),
            (Some(0.0004), "0.4 ms"),
            (Some(0.045), "45 ms"),
            (Some(0.9999), "1.0 s"),
            (Some(60.0), "≥ 60 s"),
        ];
        for (value, wanted) in table {
            assert_eq!(seconds(value), wanted, "{value:?}");
        }
        let spans = [(-1.0, "0 s"), (75.9, "1 min 15 s"), (7_500.0, "2 h 5 min"), (2e5, "2 d 7 h")];
        for (value, wanted) in spans {
            assert_eq!(span(value), wanted, "{value}");
        }
    }

    #[test]
    fn bars_and_trends_have_the_columns_that_they_are_given() {
        for (done, wanted) in [(0, "    "), (3, "█▌  "), (8, "████"), (9, "████")]
        {
            let (full, left) = bar(done, 8, 4);
            assert_eq!(full + &left, wanted, "{done}");
        }
        assert_eq!(bar(0, 0, 2).0, "██");
        assert_eq!(trend([0.0, 1.0, 4.0, 8.0].into_iter()), "▁▁▄█");
        assert_eq!(trend([0.0, 0.0].into_iter()), "▁▁");
    }
}
