//! How often something may be: a bucket that fills again, and one for each address that guesses.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lru::LruCache;
use tokio::time::Instant;

/// So many wrong tokens may come from an address at once,
const GUESSES: f64 = 10.0;
/// and then so many a second.
const GUESSES_PER_SECOND: f64 = 1.0;
/// So many addresses are remembered that have guessed; the one that has not for longest goes.
const MOST_ADDRESSES: NonZeroUsize = NonZeroUsize::MIN.saturating_add(1023);

/// A bucket of things that may be done at once; it fills again at its rate.
#[derive(Debug, Clone, Copy)]
struct Level {
    left: f64,
    at: Instant,
}

/// How large a bucket is, and how fast it fills.
#[derive(Debug, Clone, Copy)]
struct Measure {
    most: f64,
    per_second: f64,
}

impl Measure {
    fn full(self, now: Instant) -> Level {
        Level { left: self.most, at: now }
    }

    fn fill(self, level: &mut Level, now: Instant) {
        let passed = now.saturating_duration_since(level.at).as_secs_f64();
        *level = Level { left: (level.left + passed * self.per_second).min(self.most), at: now };
    }

    /// How long it takes until there is one again.
    fn wait(self, level: Level) -> Option<Duration> {
        let missing = 1.0 - level.left;
        (missing > 0.0).then(|| Duration::from_secs_f64(missing / self.per_second))
    }
}

/// So many a second, and as many at once.
#[derive(Debug)]
pub struct Bucket {
    measure: Measure,
    level: Mutex<Level>,
}

impl Bucket {
    /// So many a second.
    pub fn of(per_second: u32) -> Self {
        let per_second = f64::from(per_second.max(1));
        let measure = Measure { most: per_second, per_second };
        Self { measure, level: Mutex::new(measure.full(Instant::now())) }
    }

    /// Takes one.
    ///
    /// # Errors
    /// How long it takes until there is one again.
    pub fn take(&self) -> Result<(), Duration> {
        self.take_at(Instant::now())
    }

    fn take_at(&self, now: Instant) -> Result<(), Duration> {
        let mut level = locked(&self.level);
        self.measure.fill(&mut level, now);
        match self.measure.wait(*level) {
            Some(wait) => Err(wait),
            None => {
                level.left -= 1.0;
                Ok(())
            }
        }
    }
}

/// Who has shown wrong tokens, by address.
#[derive(Debug)]
pub struct Guesses(Mutex<LruCache<IpAddr, Level>>);

impl Default for Guesses {
    fn default() -> Self {
        Self(Mutex::new(LruCache::new(MOST_ADDRESSES)))
    }
}

const GUESSING: Measure = Measure { most: GUESSES, per_second: GUESSES_PER_SECOND };

impl Guesses {
    /// Whether tokens from an address are looked at.
    ///
    /// # Errors
    /// How long it takes until they are again.
    pub fn may(&self, from: IpAddr) -> Result<(), Duration> {
        self.may_at(from, Instant::now())
    }

    fn may_at(&self, from: IpAddr, now: Instant) -> Result<(), Duration> {
        let mut known = locked(&self.0);
        let Some(level) = known.get_mut(&household(from)) else { return Ok(()) };
        GUESSING.fill(level, now);
        GUESSING.wait(*level).map_or(Ok(()), Err)
    }

    /// Notes that one was wrong.
    pub fn note(&self, from: IpAddr) {
        self.note_at(from, Instant::now());
    }

    fn note_at(&self, from: IpAddr, now: Instant) {
        let mut known = locked(&self.0);
        let level = known.get_or_insert_mut(household(from), || GUESSING.full(now));
        GUESSING.fill(level, now);
        // However many came at once, the next one is looked at in a second.
        level.left = (level.left - 1.0).max(0.0);
    }
}

/// An IPv6 client has a network of 64 bits to take addresses from.
fn household(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => {
            let mut octets = v6.octets();
            octets[8..].fill(0);
            v6.to_ipv4_mapped().map_or_else(|| Ipv6Addr::from(octets).into(), IpAddr::V4)
        }
    }
}

/// Nothing here can be left half done, so a panic elsewhere spoils nothing.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_empties_and_fills_again() {
        let (bucket, now) = (Bucket::of(4), Instant::now());
        let at = |ms| now + Duration::from_millis(ms);
        let taken = |ms| (0..9).filter(|_| bucket.take_at(at(ms)).is_ok()).count();
        assert_eq!(taken(0), 4);
        let wait = bucket.take_at(now).unwrap_err();
        assert!(wait <= Duration::from_millis(250), "{wait:?}");
        assert_eq!(taken(600), 2);
        assert_eq!(taken(60_000), 4);
    }

    #[test]
    fn whoever_guesses_has_to_wait_and_nobody_else() {
        let (guesses, now) = (Guesses::default(), Instant::now());
        let (one, other) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        (0..10).for_each(|_| guesses.note_at(one, now));
        assert!(guesses.may_at(one, now).is_err() && guesses.may_at(other, now).is_ok());
        let later = now + Duration::from_secs(1);
        assert!(guesses.may_at(one, later).is_ok());
        guesses.note_at(one, later);
        assert!(guesses.may_at(one, later).is_err());
    }

    #[test]
    fn addresses_of_one_network_are_one_and_few_are_remembered() {
        let (guesses, now) = (Guesses::default(), Instant::now());
        for n in 0..10 {
            guesses.note_at(format!("2001:db8::{n}").parse().unwrap(), now);
        }
        assert!(guesses.may_at("2001:db8::ffff".parse().unwrap(), now).is_err());
        assert!(guesses.may_at("2001:db8:0:1::1".parse().unwrap(), now).is_ok());
        for n in 0..5000_u32 {
            guesses.note_at(IpAddr::V4((0x0a00_0000 + n).into()), now);
        }
        assert_eq!(locked(&guesses.0).len(), MOST_ADDRESSES.get());
    }
}
