//! How long a tombstone stands, in the stores that let them expire.

use readmill_core::Stamp;

/// The life of a tombstone unless configured: 30 days.
pub const DEFAULT_HOURS: u32 = 720;

/// Whether a document is a tombstone that may go when its time has come. One that still holds its
/// key, or has events waiting in it, may not: they would be lost with it.
pub const fn may_expire<E>(stamp: &Stamp<E>) -> bool {
    stamp.gone && !stamp.is_held() && stamp.waiting.is_empty()
}

/// The life in milliseconds; none is for ever.
pub fn millis(hours: u32) -> Option<i64> {
    (hours > 0).then(|| i64::from(hours) * 3_600_000)
}

#[cfg(test)]
mod tests {
    use readmill_core::{Offset, Partition, Position};

    use super::*;

    #[test]
    fn only_a_quiet_tombstone_may_expire() {
        let position = Position { partition: Partition::new("t", 0), offset: Offset(1) };
        let stamp = |gone, held| Stamp::<()> { gone, held, ..Stamp::default() };
        assert!(may_expire(&stamp(true, vec![])));
        assert!(!may_expire(&stamp(true, vec![position])));
        assert!(!may_expire(&stamp(false, vec![])));
        assert_eq!((millis(0), millis(2)), (None, Some(7_200_000)));
    }
}
