//! Tides: how it is noticed that a server has forgotten what it had acknowledged.
//!
//! A server forgets from the end: after a fail-over, a restart without its last writes or a
//! restored backup, what it has is what it had some time ago. So every writer raises a number of
//! its own behind its documents. As long as the number is no lower than was acknowledged, every
//! document that was acknowledged is there.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use readmill_core::Partition;
use readmill_engine::Fault;
use redis::Cmd;

use super::faults::forgotten;
use super::guard::RAISE;
use super::memory::Memory;
use super::slots::{Node, SLOTS, SlotMap, slot_of};

/// How long a tide stands after its writer's last write. A writer that was silent for longer would
/// take its own silence for a loss.
pub const LIFE_MS: i64 = 400 * 24 * 3_600_000;

/// So many tags are looked through for positions: each node of a cluster has some of them.
pub const TAGS: u16 = 128;

/// The tides of one writer: one for each node, in a slot that the node has.
#[derive(Debug)]
pub struct Tides {
    head: String,
    writer: String,
    /// What was acknowledged of single documents.
    pub memory: Memory,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The highest acknowledged number under each tag.
    acknowledged: BTreeMap<u16, i64>,
    /// How often the server was found to have forgotten something.
    losses: u64,
    /// Which loss each partition knows of.
    known: BTreeMap<Partition, u64>,
}

impl Tides {
    /// The tides of a new writer of a store.
    pub fn new(head: String) -> Self {
        static WRITERS: AtomicU64 = AtomicU64::new(0);
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let (process, number) = (std::process::id(), WRITERS.fetch_add(1, Ordering::SeqCst));
        let writer = format!("{:x}-{process:x}-{number:x}", since.as_millis());
        Self { head, writer, memory: Memory::default(), state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The key of a tide.
    pub fn key(&self, tag: u16) -> String {
        format!("{}~tide:{{{tag}}}:{}", self.head, self.writer)
    }

    /// The key of the positions beside it.
    pub fn settled(&self, tag: u16) -> String {
        format!("{}~settled:{{{tag}}}", self.head)
    }

    /// The tag for each node: the one that stands for its documents already, wherever its slot went
    /// since, or the first that the node has.
    pub fn tags(&self, map: &SlotMap) -> BTreeMap<Node, u16> {
        let state = self.state();
        let mut tags = BTreeMap::new();
        for tag in state.acknowledged.keys().copied().chain(0..SLOTS) {
            if let Some(node) = map.owner(slot_of_tag(tag)) {
                tags.entry(Node::clone(node)).or_insert(tag);
            }
            if tags.len() == map.nodes().len() {
                break;
            }
        }
        tags
    }

    /// What was acknowledged under a tag.
    pub fn acknowledged(&self, tag: u16) -> i64 {
        self.state().acknowledged.get(&tag).copied().unwrap_or_default()
    }

    /// The command that raises a tide, unless it has fallen.
    pub fn raise(&self, tag: u16, before: i64) -> Cmd {
        let mut command = redis::cmd("EVALSHA");
        command.arg(RAISE.get_hash()).arg(1).arg(self.key(tag)).arg(before).arg(LIFE_MS);
        command
    }

    /// Takes what a tide stands at now, which had been acknowledged up to `before`.
    ///
    /// # Errors
    /// When the server has forgotten something.
    pub fn raised(&self, tag: u16, before: i64, now: i64, place: &str) -> Result<(), Fault> {
        let mut state = self.state();
        let acknowledged = state.acknowledged.entry(tag).or_default();
        if now > before {
            *acknowledged = (*acknowledged).max(now);
            return Ok(());
        }
        // After a new beginning it is a loss that is known by now.
        if *acknowledged >= before {
            state.losses += 1;
        }
        drop(state);
        let batches = before - now;
        tracing::error!(place, batches, "redis has forgotten acknowledged batches of documents");
        Err(forgotten(format!("{place}: {batches} batches of this process are gone")))
    }

    /// Takes a tide as it is, after which lower ones are losses again.
    pub fn accept(&self, tag: u16, now: i64) {
        self.state().acknowledged.insert(tag, now);
    }

    /// A partition begins where the store stands: it knows of all losses so far.
    pub fn begin(&self, partitions: &[Partition]) {
        let mut state = self.state();
        let losses = state.losses;
        for partition in partitions {
            state.known.insert(partition.clone(), losses);
        }
    }

    /// Whether a partition has begun anew since the last loss.
    ///
    /// # Errors
    /// When it has not.
    pub fn check(&self, partition: &Partition, place: &str) -> Result<(), Fault> {
        let state = self.state();
        let knows = state.known.get(partition).copied().unwrap_or(state.losses);
        if knows == state.losses {
            return Ok(());
        }
        Err(forgotten(format!("{place}: this partition has not been read again since")))
    }
}

/// The slot of a tag.
pub fn slot_of_tag(tag: u16) -> u16 {
    slot_of(tag.to_string().as_bytes())
}

/// Of the notes of one partition on all nodes the one that holds everywhere: the least. Each node
/// may have several, of which its latest holds. A node that has none has forgotten everything.
pub fn least(nodes: Vec<Vec<Option<String>>>) -> Option<String> {
    let offset = |text: &String| {
        let end = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
        text.get(..end).and_then(|digits| digits.parse::<i64>().ok()).unwrap_or_default()
    };
    let latest = nodes.into_iter().map(|notes| notes.into_iter().flatten().max_by_key(offset));
    latest.collect::<Option<Vec<String>>>()?.into_iter().min_by_key(offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tide_that_falls_is_a_loss_for_every_partition() {
        let tides = Tides::new("rm:m:1:".to_owned());
        let partitions = [Partition::new("t", 0), Partition::new("t", 1)];
        tides.begin(&partitions);
        for (before, now) in [(0, 1), (1, 2), (0, 4), (4, 5)] {
            tides.raised(7, before, now, "here").unwrap();
        }
        assert_eq!(tides.acknowledged(7), 5);
        tides.check(&partitions[0], "here").unwrap();
        // Two writes under way at once: the earlier one's answer may come later.
        tides.raised(7, 3, 4, "here").unwrap();
        assert_eq!(tides.acknowledged(7), 5);
        assert!(tides.raised(7, 5, 3, "here").is_err());
        assert_eq!(tides.acknowledged(7), 5, "every other writer must meet it, too");
        for partition in &partitions {
            assert!(tides.check(partition, "here").is_err());
        }
        tides.begin(&partitions[..1]);
        assert!(tides.check(&partitions[0], "here").is_ok());
        assert!(tides.check(&partitions[1], "here").is_err());
        tides.accept(7, 4);
        assert!(tides.raised(7, 5, 3, "here").is_err());
        assert!(tides.check(&partitions[0], "here").is_ok(), "that loss is known");
        tides.raised(7, 4, 5, "here").unwrap();
    }

    #[test]
    fn a_tide_goes_with_its_slot() {
        let tides = Tides::new("rm:m:1:".to_owned());
        let one = SlotMap::of_one("a:1".into());
        assert_eq!(tides.tags(&one), BTreeMap::from([("a:1".into(), 0)]));
        tides.raised(9, 0, 1, "here").unwrap();
        let other = SlotMap::of_one("b:2".into());
        assert_eq!(tides.tags(&other), BTreeMap::from([("b:2".into(), 9)]));
        assert_eq!(slot_of_tag(9), slot_of(tides.key(9).as_bytes()));
        assert_eq!(slot_of_tag(9), slot_of(tides.settled(9).as_bytes()));
    }

    #[test]
    fn a_position_holds_where_every_node_has_it() {
        let note = |text: &str| Some(text.to_owned());
        let table = [
            (vec![vec![note("12|x")]], Some("12|x")),
            (vec![vec![None, note("9|")], vec![note("100|a"), note("7|")]], Some("9|")),
            (vec![vec![note("12|x")], vec![None]], None),
            (vec![], None),
        ];
        for (nodes, wanted) in table {
            assert_eq!(least(nodes.clone()).as_deref(), wanted, "{nodes:?}");
        }
    }
}
