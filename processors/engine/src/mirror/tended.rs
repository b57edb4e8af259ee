//! A mirror with the care that it is given: required or not, and how fast it is healed.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use readmill_core::Key;
use tokio::time::timeout;

use super::Heals;
use crate::fault::Fault;
use crate::ports::{Mirror, View};

/// A mirror that is not required may take so long for a batch; then it counts as down.
const BEST_EFFORT_LIMIT: Duration = Duration::from_millis(250);
/// So many keys are remembered that it has missed; beyond, it is healed as a whole.
const MISSED_LIMIT_KEYS: usize = 100_000;

/// How a mirror is treated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Care {
    /// Whether records wait until their documents are shown in it. Without, it misses what comes
    /// while it is down, and is healed afterwards.
    pub required: bool,
    /// At most so many documents a second are looked at by a heal.
    pub heal_limit_per_second: u32,
}

impl Default for Care {
    fn default() -> Self {
        Self { required: true, heal_limit_per_second: 5_000 }
    }
}

/// A mirror that is tended.
#[derive(Debug)]
pub struct Tended {
    mirror: Arc<dyn Heals>,
    care: Care,
    missed: Mutex<Missed>,
    /// Whether somebody tends it. Until then nothing may be missed, since nobody would heal it.
    begun: AtomicBool,
}

/// What a mirror that is not required has missed.
#[derive(Debug, Default)]
pub struct Missed {
    /// Nothing is shown until somebody has seen that it answers again.
    down: bool,
    /// The documents whose views it has missed.
    pub keys: BTreeSet<Key>,
    /// Whether there were more.
    pub and_more: bool,
}

impl Tended {
    /// Takes care of a mirror.
    pub fn new(mirror: Arc<dyn Heals>, care: Care) -> Self {
        Self { mirror, care, missed: Mutex::default(), begun: AtomicBool::new(false) }
    }

    /// From now on it is tended.
    pub(super) fn begin(&self) {
        self.begun.store(true, Ordering::Relaxed);
    }

    /// The mirror itself.
    pub fn mirror(&self) -> &dyn Heals {
        &*self.mirror
    }

    /// The care.
    pub const fn care(&self) -> Care {
        self.care
    }

    /// How many keys are remembered that it has missed.
    pub fn missed_keys(&self) -> usize {
        self.lock().keys.len()
    }

    /// What it has missed, now that it answers again: from now on views are shown, so that nothing
    /// falls between.
    pub fn take_missed(&self) -> Missed {
        std::mem::take(&mut *self.lock())
    }

    /// Remembers what could not be healed after all. It counts as down again.
    pub fn miss(&self, keys: impl IntoIterator<Item = Key>, and_more: bool) {
        let mut missed = self.lock();
        missed.down = true;
        missed.and_more |= and_more;
        missed.remember(keys);
    }

    fn lock(&self) -> MutexGuard<'_, Missed> {
        self.missed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it is down; then the views are remembered.
    fn is_missed(&self, views: &[View]) -> bool {
        let mut missed = self.lock();
        if missed.down {
            missed.remember(views.iter().map(|view| view.key.clone()));
        }
        missed.down
    }
}

impl Missed {
    fn remember(&mut self, keys: impl IntoIterator<Item = Key>) {
        for key in keys {
            if self.keys.len() < MISSED_LIMIT_KEYS {
                self.keys.insert(key);
            } else {
                self.and_more |= !self.keys.contains(&key);
            }
        }
    }
}

#[async_trait]
impl Mirror for Tended {
    async fn show(&self, views: &[View]) -> Result<(), Fault> {
        if self.care.required || !self.begun.load(Ordering::Relaxed) {
            return self.mirror.show(views).await;
        }
        if self.is_missed(views) {
            return Ok(());
        }
        let why = match timeout(BEST_EFFORT_LIMIT, self.mirror.show(views)).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(fault)) => fault.to_string(),
            Err(_) => "it takes too long".to_owned(),
        };
        tracing::warn!(why, "the mirror is down: what it misses is remembered");
        self.miss(views.iter().map(|view| view.key.clone()), false);
        Ok(())
    }

    fn tended(&self) -> Option<&Tended> {
        Some(self)
    }
}
