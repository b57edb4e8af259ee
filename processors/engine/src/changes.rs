//! What this process has written of a model's documents, told to whoever listens.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use readmill_core::{Document, Key, ReadModel};
use tokio::sync::Notify;
use tokio::time::Instant;

/// So many changes are remembered for those who come back.
pub const REMEMBERED_CHANGES: usize = 10_000;
/// And no more bytes of them.
pub const REMEMBERED_BYTES: usize = 16 << 20;
/// A state that is larger is not told with its change.
pub const TOLD_STATE_BYTES: usize = 256 << 10;
/// What is remembered is kept for so long after the last listener has gone.
pub const REMEMBERED_FOR: Duration = Duration::from_secs(120);

/// A document that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its key.
    pub key: Key,
    /// The revision that is durable.
    pub revision: i64,
    /// What stands there.
    pub stands: Stands,
}

/// What stands under a key after a write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stands {
    /// A state, as JSON.
    State(String),
    /// A state that is too large to be told here.
    TooLarge,
    /// The document has ended.
    Gone,
}

/// A place in what is told: of no use to any other process, nor after a break.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// Between two breaks.
    pub epoch: u64,
    /// The last change that was told.
    pub number: u64,
}

/// What one generation of a model tells; cheap to clone.
#[derive(Debug, Clone)]
pub struct Changes(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Whether anybody listens, or did lately: all that a writer looks at if nobody does.
    recording: AtomicBool,
    ring: Mutex<Ring>,
    woken: Notify,
}

#[derive(Debug)]
struct Ring {
    epoch: u64,
    /// The number of the next change.
    next: u64,
    /// The latest ones, each with its number and its bytes; the numbers have no holes.
    kept: VecDeque<(u64, usize, Arc<Change>)>,
    bytes: usize,
    /// The latest revision of each key in `kept`.
    latest: BTreeMap<Key, i64>,
    listeners: usize,
    /// When the last listener went.
    quiet_since: Option<Instant>,
}

impl Default for Changes {
    fn default() -> Self {
        Self::beginning(0)
    }
}

impl Changes {
    /// Nothing is told yet. `epoch` must be one that no other process and no other generation has
    /// begun with.
    pub fn beginning(epoch: u64) -> Self {
        let ring = Ring {
            epoch,
            next: 1,
            kept: VecDeque::new(),
            bytes: 0,
            latest: BTreeMap::new(),
            listeners: 0,
            quiet_since: None,
        };
        let recording = AtomicBool::new(false);
        Self(Arc::new(Inner { recording, ring: Mutex::new(ring), woken: Notify::new() }))
    }

    /// Begins to write. Whatever ends before it says that all is told breaks off what is told: then
    /// nobody knows what has become durable.
    pub fn writing(&self) -> Writing<'_> {
        Writing { changes: self, all_is_told: false }
    }

    /// Tells of a durable document. Of one that has been overtaken already, nothing is told.
    pub fn tell<M: ReadModel>(&self, key: &Key, document: &Document<M>) {
        if !self.is_recording() {
            return;
        }
        let stands = match &document.state {
            // It was written for what waits in it: readers see nothing there.
            None if !document.stamp.gone => return,
            None => Stands::Gone,
            Some(state) => match serde_json::to_string(state) {
                Ok(text) if text.len() <= TOLD_STATE_BYTES => Stands::State(text),
                Ok(_) | Err(_) => Stands::TooLarge,
            },
        };
        let revision = document.stamp.revision;
        let told = self.with(|ring| {
            if ring.is_forgotten() {
                ring.forget();
                self.0.recording.store(false, Ordering::Release);
                return false;
            }
            ring.push(Change { key: key.clone(), revision, stands });
            true
        });
        if told {
            self.0.woken.notify_waiters();
        }
    }

    /// Breaks off: whoever listens is told to read again, and nobody resumes across it.
    pub fn break_off(&self) {
        if self.is_recording() {
            self.with(Ring::forget);
            self.0.woken.notify_waiters();
        }
    }

    /// Listens from now on.
    pub fn listen(&self) -> Listener {
        self.listen_from(None).unwrap_or_else(|| self.listen())
    }

    /// Listens from a place on; none if something that was told since is not remembered any more.
    pub fn resume(&self, from: Told) -> Option<Listener> {
        self.listen_from(Some(from))
    }

    fn listen_from(&self, from: Option<Told>) -> Option<Listener> {
        let at = self.with(|ring| {
            let at = from.unwrap_or_else(|| ring.now());
            ring.remembers(at).then(|| {
                self.0.recording.store(true, Ordering::Release);
                ring.listeners += 1;
                ring.quiet_since = None;
                at
            })
        });
        at.map(|at| Listener { of: self.clone(), at })
    }

    /// How many listen.
    pub fn listeners(&self) -> usize {
        self.with(|ring| ring.listeners)
    }

    fn is_recording(&self) -> bool {
        self.0.recording.load(Ordering::Acquire)
    }

    fn with<T>(&self, look: impl FnOnce(&mut Ring) -> T) -> T {
        look(&mut self.0.ring.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Ring {
    fn now(&self) -> Told {
        Told { epoch: self.epoch, number: self.next - 1 }
    }

    /// Whether everything that was told since a place is still there.
    fn remembers(&self, from: Told) -> bool {
        let first = self.kept.front().map_or(self.next, |(number, ..)| *number);
        from.epoch == self.epoch && from.number < self.next && from.number + 1 >= first
    }

    fn is_forgotten(&self) -> bool {
        self.listeners == 0 && self.quiet_since.is_none_or(|since| since.elapsed() > REMEMBERED_FOR)
    }

    fn forget(&mut self) {
        self.epoch = self.epoch.wrapping_add(1);
        self.kept.clear();
        self.latest.clear();
        self.bytes = 0;
    }

    /// Two writers of one key may tell in another order than they wrote.
    fn push(&mut self, change: Change) {
        if self.latest.get(&change.key).is_some_and(|latest| *latest >= change.revision) {
            return;
        }
        let state = match &change.stands {
            Stands::State(text) => text.len(),
            Stands::TooLarge | Stands::Gone => 0,
        };
        let bytes = state + 2 * change.key.as_str().len() + size_of::<Change>();
        self.latest.insert(change.key.clone(), change.revision);
        self.kept.push_back((self.next, bytes, Arc::new(change)));
        self.next += 1;
        self.bytes += bytes;
        while self.kept.len() > REMEMBERED_CHANGES || self.bytes > REMEMBERED_BYTES {
            let Some((_, bytes, oldest)) = self.kept.pop_front() else { break };
            self.bytes -= bytes;
            if self.latest.get(&oldest.key) == Some(&oldest.revision) {
                self.latest.remove(&oldest.key);
            }
        }
    }

    /// What was told since a place, at most so many.
    fn since(&self, from: Told, most: usize) -> Vec<(u64, Arc<Change>)> {
        let first = self.kept.front().map_or(self.next, |(number, ..)| *number);
        let skipped = usize::try_from((from.number + 1).saturating_sub(first)).unwrap_or(0);
        let rest = self.kept.iter().skip(skipped).take(most);
        rest.map(|(number, _, change)| (*number, Arc::clone(change))).collect()
    }
}

/// A write that is under way.
#[derive(Debug)]
#[must_use = "dropped, it breaks off what is told"]
pub struct Writing<'a> {
    changes: &'a Changes,
    all_is_told: bool,
}

impl Writing<'_> {
    /// All that became durable is told.
    pub fn all_is_told(mut self) {
        self.all_is_told = true;
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        if !self.all_is_told {
            self.changes.break_off();
        }
    }
}

/// What a listener hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// Changes, in order, each with its number.
    Changes(Vec<(u64, Arc<Change>)>),
    /// What is told was broken off: something may have been written that it has not heard of.
    BrokenOff,
    /// It was too slow: what it has not heard of is not remembered any more.
    Behind,
}

/// Somebody who listens.
#[derive(Debug)]
pub struct Listener {
    of: Changes,
    at: Told,
}

impl Listener {
    /// Up to where it has heard.
    pub const fn at(&self) -> Told {
        self.at
    }

    /// What comes next, at most so many changes at once.
    pub async fn next(&mut self, most: usize) -> Heard {
        let of = self.of.clone();
        loop {
            // Told of what comes between the look and the wait, too.
            let mut woken = std::pin::pin!(of.0.woken.notified());
            woken.as_mut().enable();
            if let Some(heard) = self.look(most) {
                return heard;
            }
            woken.await;
        }
    }

    fn look(&mut self, most: usize) -> Option<Heard> {
        let at = self.at;
        let (heard, now) = self.of.with(|ring| {
            if at.epoch != ring.epoch {
                return (Some(Heard::BrokenOff), ring.now());
            }
            if !ring.remembers(at) {
                return (Some(Heard::Behind), at);
            }
            let changes = ring.since(at, most);
            let last = changes.last().map(|(number, _)| Told { number: *number, ..at });
            (last.map(|_| Heard::Changes(changes)), last.unwrap_or(at))
        });
        self.at = now;
        heard
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.of.with(|ring| {
            ring.listeners -= 1;
            if ring.listeners == 0 {
                ring.quiet_since = Some(Instant::now());
            }
        });
    }
}

#[cfg(test)]
mod tests;
