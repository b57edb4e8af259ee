//! The doctor's rules: pure functions over what was seen, so that each can be shown to fire.

pub mod clocks;
pub mod connect;
pub mod groups;
pub mod order;
pub mod origin;
pub mod schemas;
pub mod stores;
pub mod topics;
#[cfg(test)]
mod topics_tests;

/// A duration as people say it.
pub fn span(ms: i64) -> String {
    let seconds = ms / 1000;
    match seconds {
        ..=0 => format!("{ms} ms"),
        1..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => format!("{} h", seconds / 3_600),
        172_800.. => format!("{} days", seconds / 86_400),
    }
}

/// A number of bytes as people say it.
pub fn bytes(bytes: u64) -> String {
    match bytes {
        ..1024 => format!("{bytes} bytes"),
        1024..1_048_576 => format!("{} KiB", bytes >> 10),
        1_048_576..1_073_741_824 => format!("{} MiB", bytes >> 20),
        1_073_741_824.. => format!("{} GiB", bytes >> 30),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_bytes_are_told_in_units_that_fit() {
        let spans = [(5, "5 ms"), (61_000, "61 s"), (600_000, "10 min"), (7_200_000, "2 h")];
        for (ms, wanted) in spans.into_iter().chain([(604_800_000, "7 days")]) {
            assert_eq!(span(ms), wanted);
        }
        let sizes = [(5, "5 bytes"), (2048, "2 KiB"), (3 << 20, "3 MiB"), (4 << 30, "4 GiB")];
        for (size, wanted) in sizes {
            assert_eq!(bytes(size), wanted);
        }
    }
}
