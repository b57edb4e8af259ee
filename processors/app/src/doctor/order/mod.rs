//! The detector of order: what the versions, ids and source positions of outbox rows tell of how
//! they were written and published. Pure; keys go in, and only counts and positions come out.

mod drawn;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use readmill_core::{Partition, Position, SourcePosition};

use drawn::Drawn;

/// Where an outbox is in several topics, what is younger may still be on its way by another one.
const ON_ITS_WAY_MS: i64 = 60_000;

/// What is looked at of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glance {
    /// Its record.
    pub position: Position,
    /// The topic whose versions it continues: its own, unless several share theirs.
    pub family: String,
    /// The aggregate.
    pub aggregate: String,
    /// The aggregate's version.
    pub version: Option<i64>,
    /// The event's id.
    pub event: String,
    /// Where it was committed.
    pub source: Option<SourcePosition>,
    /// When it was committed, in milliseconds since 1970.
    pub committed_ms: i64,
}

/// Something that is wrong with the order of an outbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Trouble {
    /// A later version came before an earlier one.
    Inverted,
    /// Versions between others did not come.
    Gap,
    /// Two changes have one version.
    Shared,
    /// A row that was written earlier was committed later, by another transaction.
    Concurrent,
    /// An id was drawn before that of the change before it.
    IdBack,
    /// A row stands before the one before it in the source's log.
    SourceBack,
    /// An aggregate is in several partitions of a topic.
    Scattered,
    /// It has no version.
    Unversioned,
    /// It came before.
    Repeated,
}

/// How often something was found, and where first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Count {
    /// How often.
    pub count: u64,
    /// Where first.
    pub first: Position,
}

/// What was found in each topic.
pub type Troubles = BTreeMap<(String, Trouble), Count>;

/// What is known of an aggregate, over all topics of its family.
#[derive(Debug, Default)]
struct Line {
    /// Each version with its event, its record and when it was committed.
    versions: BTreeMap<i64, (String, Position, i64)>,
    topics: BTreeMap<String, Stretch>,
}

/// What is known of it in one topic.
#[derive(Debug, Default)]
struct Stretch {
    partitions: BTreeSet<i32>,
    events: BTreeSet<(String, Option<i64>)>,
    highest: Option<i64>,
    source: Option<SourcePosition>,
    drawn: Option<Drawn>,
}

/// Examines rows, of each partition in its order. `cut` are the partitions that were not read from
/// their first record on.
pub fn examine(glances: &[Glance], cut: &BTreeSet<Partition>, now_ms: i64) -> Troubles {
    let mut lines: BTreeMap<(&str, &str), Line> = BTreeMap::new();
    let mut troubles = Troubles::new();
    for glance in glances {
        let line = lines.entry((&glance.family, &glance.aggregate)).or_default();
        line.take(glance, &mut troubles);
    }
    let families = Families::of(glances, cut);
    for ((family, _), line) in &lines {
        line.gaps(families.window(family, now_ms), &mut troubles);
    }
    troubles
}

fn note(troubles: &mut Troubles, at: &Position, trouble: Trouble, count: u64) {
    let topic = at.partition.topic.to_string();
    let known = troubles.entry((topic, trouble));
    known.or_insert_with(|| Count { count: 0, first: at.clone() }).count += count;
}

impl Line {
    fn take(&mut self, glance: &Glance, troubles: &mut Troubles) {
        let Glance { position, version, event, source, .. } = glance;
        let topic = position.partition.topic.to_string();
        let stretch = self.topics.entry(topic).or_default();
        let mut found = |trouble| note(troubles, position, trouble, 1);
        if !event.is_empty() && !stretch.events.insert((event.clone(), *version)) {
            return found(Trouble::Repeated);
        }
        let partition = position.partition.index;
        if stretch.partitions.insert(partition) && stretch.partitions.len() > 1 {
            found(Trouble::Scattered);
        }
        match stretch.moves(source.as_ref()) {
            Some(trouble) => found(trouble),
            None if stretch.draws(event) => found(Trouble::IdBack),
            None => {}
        }
        let Some(version) = *version else { return found(Trouble::Unversioned) };
        if stretch.highest.is_some_and(|highest| version < highest) {
            found(Trouble::Inverted);
        }
        stretch.highest = stretch.highest.max(Some(version));
        let told = (event.clone(), position.clone(), glance.committed_ms);
        let known = self.versions.entry(version).or_insert(told);
        if known.0 != *event {
            found(Trouble::Shared);
        }
    }

    /// Counts versions that are missing between others, each gap at the record behind it.
    fn gaps(&self, window: Option<(i64, i64)>, troubles: &mut Troubles) {
        let pairs = self.versions.iter().zip(self.versions.iter().skip(1));
        for ((before, (.., since_ms)), (after, (_, at, until_ms))) in pairs {
            let missing = after.saturating_sub(*before) - 1;
            let is_seen =
                window.is_none_or(|(from_ms, to_ms)| *since_ms >= from_ms && *until_ms <= to_ms);
            if missing > 0 && is_seen {
                note(troubles, at, Trouble::Gap, missing.cast_unsigned());
            }
        }
    }
}

impl Stretch {
    /// How a row stands in the source's log to the one before it.
    fn moves(&mut self, source: Option<&SourcePosition>) -> Option<Trouble> {
        let before = self.source.replace(*source?)?;
        let source = source?;
        if source.partial_cmp(&before).is_some_and(std::cmp::Ordering::is_lt) {
            return Some(Trouble::SourceBack);
        }
        match (before, source) {
            (
                SourcePosition::Postgres { commit: Some(commit_before), lsn: lsn_before },
                SourcePosition::Postgres { commit: Some(commit), lsn },
            ) => {
                let is_behind = *commit > commit_before && *lsn < lsn_before;
                is_behind.then_some(Trouble::Concurrent)
            }
            (SourcePosition::Postgres { .. } | SourcePosition::Binlog { .. }, _) => None,
        }
    }

    /// Whether an id was drawn before the one before it.
    fn draws(&mut self, event: &str) -> bool {
        let Some(drawn) = Drawn::of(event) else { return false };
        let before = self.drawn.replace(drawn);
        before.is_some_and(|before| drawn.is_before(before))
    }
}

/// Families of several topics, and from when to when all of each was read.
struct Families(BTreeMap<String, i64>);

impl Families {
    fn of(glances: &[Glance], cut: &BTreeSet<Partition>) -> Self {
        let mut topics: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        let mut begun: BTreeMap<(&str, &Partition), i64> = BTreeMap::new();
        for Glance { family, position, committed_ms, .. } in glances {
            let partition = &position.partition;
            topics.entry(family).or_default().insert(&partition.topic);
            let since = begun.entry((family, partition)).or_insert(*committed_ms);
            *since = (*since).min(*committed_ms);
        }
        let split = topics.iter().filter(|(_, topics)| topics.len() > 1).map(|(family, _)| *family);
        let from = split.map(|family| {
            let own = begun.iter().filter(|((of, at), _)| *of == family && cut.contains(*at));
            (family.to_owned(), own.map(|(_, since_ms)| *since_ms).max().unwrap_or(i64::MIN))
        });
        Self(from.collect())
    }

    /// From when to when a missing version would have been seen; none if always.
    fn window(&self, family: &str, now_ms: i64) -> Option<(i64, i64)> {
        self.0.get(family).map(|from_ms| (*from_ms, now_ms - ON_ITS_WAY_MS))
    }
}
