//! What must hold, each invariant by its name: some at every write and commit, some at rest.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use readmill_core::rollup::Totals;
use readmill_core::{
    Counts, Document, Finished, Key, Marks, Partition, Position, ResumeAt, Verdict,
};

use crate::event::TrailEvent;
use crate::faults::Kind;
use crate::follow;
use crate::model::{Trail, Trails};
use crate::oracle::{self, Expected};
use crate::relay::About;
use crate::scenario::Operator;
use crate::source::Row;
use crate::world::{Inner, Who, World};

/// Something that must never be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Finding {
    /// I1: a document is not what the oracle says.
    NotTheOracle { key: String, is: String, should: String },
    /// I1: a document that must have ended, or must not, is otherwise.
    NotGone { key: String, gone: bool },
    /// I2: a revision or a mark went backwards.
    Backwards { key: Key, what: String },
    /// I3: a step is in its list twice.
    Twice { key: Key, what: String },
    /// I4: an offset was committed whose effect is nowhere.
    CommittedTooFar { position: Position, row: String },
    /// I5: a write took away what another writer had written.
    Overwritten { key: Key, what: String },
    /// I7: other rows are unfolded than those that must be.
    Unfolded { key: String, is: BTreeSet<usize>, should: BTreeSet<usize> },
    /// I7: a key is held that must not be, or is not.
    Held { key: String, held: bool },
    /// I8: an instance's outcomes do not add up to what it consumed.
    NotConserved { who: Who, counts: String },
    /// I8: more was applied than there is.
    AppliedTooOften { applied: u64, parts: u64 },
    /// I9: the lag did not return to nothing.
    NoRest { lagging: Vec<String> },
    /// A reaction was never sent, or was sent without a reason.
    Reactions { key: String, missing: Vec<String>, extra: Vec<String> },
    /// One reaction was sent under several ids.
    OneReactionTwoIds { key: String, content: String },
    /// One id was used for several reactions.
    OneIdTwoReactions { id: String },
    /// What is added up in a group is not what documents and events contributed.
    Totals { group: oracle::Group, is: Box<Totals>, should: Box<Totals> },
    /// A document sees others as they are not.
    Copies { key: String, is: String, should: String },
    /// A document embeds another, and it is nowhere written down.
    NoEdge { key: Key, embedded: Key },
    /// The mirror does not show its document.
    Mirror { key: Key },
    /// An orderly release left something unsettled that its worker had written.
    NotDrained { position: Position },
    /// A document cannot be read back as it was written.
    NotReadBack { key: Key },
    /// Something of the engine failed that never may.
    Failed { what: String },
}

impl Finding {
    /// The invariant that it breaks.
    pub const fn invariant(&self) -> &'static str {
        match self {
            Self::NotTheOracle { .. } | Self::NotGone { .. } => "I1",
            Self::Backwards { .. } => "I2",
            Self::Twice { .. } => "I3",
            Self::CommittedTooFar { .. } => "I4",
            Self::Overwritten { .. } => "I5",
            Self::Unfolded { .. } | Self::Held { .. } => "I7",
            Self::NotConserved { .. } | Self::AppliedTooOften { .. } => "I8",
            Self::NoRest { .. } => "I9",
            Self::Reactions { .. }
            | Self::OneReactionTwoIds { .. }
            | Self::OneIdTwoReactions { .. } => "reactions",
            Self::Totals { .. } => "roll-ups",
            Self::Copies { .. } | Self::NoEdge { .. } => "joins",
            Self::Mirror { .. } => "mirror",
            Self::NotDrained { .. } => "drain",
            Self::NotReadBack { .. } => "serde",
            Self::Failed { .. } => "engine",
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {self:?}", self.invariant())
    }
}

/// I2, I3 and I5, at every accepted write.
pub fn write(world: &World, key: &Key, old: Option<&Document<Trails>>, new: &Document<Trails>) {
    let nothing = Document::default();
    let old = old.unwrap_or(&nothing);
    let findings = [goes_back(key, old, new), doubled(key, new), overwritten(key, old, new)];
    findings.into_iter().flatten().for_each(|finding| world.find(finding));
}

/// I2.
fn goes_back(key: &Key, old: &Document<Trails>, new: &Document<Trails>) -> Option<Finding> {
    let what = if new.stamp.revision <= old.stamp.revision {
        format!("revision {} after {}", new.stamp.revision, old.stamp.revision)
    } else {
        let line = old.stamp.marks.iter().find(|(line, mark)| {
            let after = new.stamp.marks.iter().find(|(known, _)| known == line);
            after.is_none_or(|(_, after)| is_before(after, mark))
        })?;
        format!("mark of {}", line.0)
    };
    Some(Finding::Backwards { key: key.clone(), what })
}

fn is_before(after: &Marks, before: &Marks) -> bool {
    match (after, before) {
        (Marks::Version(after), Marks::Version(before)) => after < before,
        (Marks::Log(after), Marks::Log(before)) => after < before,
        // Memory may shrink, since all of one position is forgotten together; its bound may not.
        (Marks::Events { forgotten: after, .. }, Marks::Events { forgotten: before, .. }) => {
            before.is_some_and(|before| after.is_none_or(|after| after < before))
        }
        (Marks::Version(_) | Marks::Log(_) | Marks::Events { .. }, _) => true,
    }
}

/// I3.
fn doubled(key: &Key, new: &Document<Trails>) -> Option<Finding> {
    let lanes = new.state.iter().flat_map(|trail| &trail.lanes);
    for (lane, steps) in lanes {
        let mut seen = BTreeSet::new();
        if let Some(twice) = steps.iter().find(|step| !seen.insert(**step)) {
            return Some(Finding::Twice { key: key.clone(), what: format!("{lane} {twice}") });
        }
    }
    None
}

/// I5: whatever stood before stands at the beginning of what stands now, unless it ended.
fn overwritten(key: &Key, old: &Document<Trails>, new: &Document<Trails>) -> Option<Finding> {
    let Some(before) = &old.state else { return None };
    let lost = |after: &Trail| {
        let is_kept = |lane: &String, steps: &Vec<i64>| {
            after.lanes.get(lane).is_some_and(|now| now.starts_with(steps))
        };
        before
            .lanes
            .iter()
            .find(|(lane, steps)| !is_kept(lane, steps))
            .map(|(lane, _)| lane.clone())
    };
    // A trail that ended and began anew in one batch says nothing of what was before.
    let began_anew = |after: &Trail| {
        after.lanes.iter().any(|(lane, steps)| {
            let first = steps.first().copied().unwrap_or(0);
            before.lanes.get(lane).is_some_and(|was| was.iter().all(|step| *step < first))
        })
    };
    let after = new.state.as_ref().filter(|after| !began_anew(after))?;
    lost(after).map(|what| Finding::Overwritten { key: key.clone(), what })
}

/// I4, at every commit: everything below the offset, and everything that is said to be finished
/// beyond it, is in a document, held, or skipped by rule.
pub fn commit(
    world: &World,
    partition: &Partition,
    from: i64,
    resume_at: ResumeAt,
    finished: &Finished,
) {
    let rows = &world.rows;
    let missing: Vec<(Position, String)> = world.look(|world| {
        let nowhere = world.topics.between(partition, from, i64::MAX).filter(|published| {
            let position = &published.record.position;
            let done = resume_at.covers(position.offset) || finished.covers(position.offset);
            done && !is_durable(world, rows, published.about, position)
        });
        nowhere.map(|p| (p.record.position.clone(), format!("{:?}", p.about))).collect()
    });
    for (position, row) in missing {
        world.find(Finding::CommittedTooFar { position, row });
    }
}

/// At an orderly release in a life without failures: whatever the worker has written is settled, so
/// that the next one has nothing to do again.
pub fn drained(world: &World, partition: &Partition, progress: Option<(ResumeAt, Finished)>) {
    let Some((resume_at, finished)) = progress else { return };
    let unsettled = world.look(|world_now| {
        let mut open = world_now.topics.between(partition, resume_at.value(), i64::MAX);
        let is_written = |about| match about {
            About::Row(at) => world.rows.get(at).is_some_and(|row| {
                let document = world_now.documents.get(&row.document());
                document.is_some_and(|document| has_taken(document, row))
            }),
            About::Snapshot(_) | About::Nothing | About::Junk => false,
        };
        let left = open.find(|published| {
            !finished.covers(published.record.position.offset) && is_written(published.about)
        });
        left.filter(|_| world_now.fates.are_calm()).map(|left| left.record.position.clone())
    });
    if let Some(position) = unsettled {
        world.find(Finding::NotDrained { position });
    }
}

fn is_durable(world: &Inner, rows: &[Row], about: About, position: &Position) -> bool {
    let held = || world.held.all().iter().any(|held| held.record.position == *position);
    let (About::Row(at) | About::Snapshot(at)) = about else {
        return about == About::Nothing || held() || world.given_up.contains(position);
    };
    let Some(row) = rows.get(at) else { return false };
    if held() || matches!(about, About::Snapshot(_)) {
        return true;
    }
    let skipped = matches!(row.what, crate::source::What::Foreign);
    let document = world.documents.get(&row.document());
    skipped || document.is_some_and(|document| has_taken(document, row))
}

fn has_taken(document: &Document<Trails>, row: &Row) -> bool {
    let identity = row.identity();
    let waits = document.stamp.waiting.iter().any(|waiting| waiting.identity == identity);
    let judged = document.stamp.judge(&identity);
    waits || matches!(judged, Verdict::Repeat | Verdict::Stale)
}

/// I1, I7, reactions and mirrors: what the life came to.
pub fn end(world: &World, operator: Operator) {
    let all = oracle::expected(&world.rows, operator == Operator::GivesUp);
    let unfolded = unfolded(world);
    for (key, expected) in &all {
        document(world, key, expected);
        let is = unfolded.get(key).cloned().unwrap_or_default();
        let should = expected.unfolded.clone();
        if is != should {
            world.find(Finding::Unfolded { key: key.clone(), is, should });
        }
        reactions(world, key, expected);
    }
    follow::totals(world, oracle::totals(&all));
    follow::edges(world);
    mirrors(world);
}

/// I1 and I7 for one document.
fn document(world: &World, key: &str, expected: &Expected) {
    let found = world.look(|world| world.documents.get(&Key::from(key)).cloned());
    let found = found.unwrap_or_default();
    let told = |trail: &Option<Trail>| trail.as_ref().map_or_else(String::new, Trail::told);
    let own = |trail: &Option<Trail>| {
        trail.clone().map(|trail| Trail { copies: BTreeMap::new(), ..trail })
    };
    if own(&found.state) != own(&expected.state) {
        let (is, should) = (told(&found.state), told(&expected.state));
        world.find(Finding::NotTheOracle { key: key.to_owned(), is, should });
    } else if found.state != expected.state {
        let beyond = |trail: &Option<Trail>| trail.as_ref().map(Trail::beyond).unwrap_or_default();
        let (is, should) = (beyond(&found.state), beyond(&expected.state));
        world.find(Finding::Copies { key: key.to_owned(), is, should });
    } else if found.stamp.gone != expected.gone {
        world.find(Finding::NotGone { key: key.to_owned(), gone: found.stamp.gone });
    }
    let waits_too_long = expected.waits() && found.stamp.is_held();
    if found.stamp.is_held() != expected.held && !waits_too_long {
        world.find(Finding::Held { key: key.to_owned(), held: found.stamp.is_held() });
    }
}

/// The rows that wait in documents or are held and not folded from a copy, by document.
fn unfolded(world: &World) -> BTreeMap<String, BTreeSet<usize>> {
    let rows = &world.rows;
    let mut all: BTreeMap<String, BTreeSet<usize>> = BTreeMap::new();
    world.look(|world| {
        for held in world.held.all() {
            if let Some(About::Row(at)) = world.topics.about(&held.record.position)
                && let Some(row) = rows.get(at)
                && !world.documents.get(&row.document()).is_some_and(|d| has_taken(d, row))
            {
                all.entry(row.key.clone()).or_default().insert(row.number);
            }
        }
        for (key, document) in world.documents.all() {
            let waiting = document.stamp.waiting.iter();
            let waiting = waiting.filter_map(|waiting| number_of(rows, &waiting.event));
            let waiting: Vec<usize> = waiting.collect();
            if !waiting.is_empty() {
                all.entry(key.0.clone()).or_default().extend(waiting);
            }
        }
    });
    all
}

fn number_of(rows: &[Row], event: &TrailEvent) -> Option<usize> {
    let TrailEvent::Step(step) = event else { return None };
    let is_it = |row: &&Row| matches!(&row.what, crate::source::What::Step(s) if s == step);
    rows.iter().find(is_it).map(|row| row.number)
}

fn reactions(world: &World, key: &str, expected: &Expected) {
    let sent: Vec<String> = world.look(|world| {
        let of_key = world.told.all().filter(|(known, _)| known.as_str() == key);
        of_key.map(|(_, content)| content.clone()).collect()
    });
    let contents: BTreeSet<String> = sent.iter().cloned().collect();
    let missing: Vec<String> = expected.told.difference(&contents).cloned().collect();
    let extra: Vec<String> = contents.difference(&expected.told).cloned().collect();
    let key = key.to_owned();
    if !missing.is_empty() || !extra.is_empty() {
        world.find(Finding::Reactions { key, missing, extra });
    } else if sent.len() > contents.len() {
        let mut seen = BTreeSet::new();
        let twice = sent.into_iter().find(|content| !seen.insert(content.clone()));
        let content = twice.unwrap_or_default();
        world.find(Finding::OneReactionTwoIds { key, content });
    }
}

fn mirrors(world: &World) {
    let wrong: Vec<Key> = world.look(|world| mirror_differs(world));
    wrong.into_iter().for_each(|key| world.find(Finding::Mirror { key }));
}

/// The documents whose views are not what they say.
fn mirror_differs(world: &Inner) -> Vec<Key> {
    let shown = |key: &Key, document: &Document<Trails>| {
        let fields = document.state.as_ref().map(<Trails as readmill_core::ReadModel>::mirror);
        world.views.get(key).and_then(|view| view.fields.clone()) == fields
    };
    let wrong = world.documents.all().filter(|(key, document)| !shown(key, document));
    wrong.map(|(key, _)| key.clone()).collect()
}

/// I8, when all instances have ended: outcomes add up; and where every record was consumed once,
/// no more was applied than was committed.
pub fn counts(world: &World, counts: &[(Who, Counts)]) {
    for (who, counts) in counts.iter().filter(|(_, counts)| !counts.add_up()) {
        world.find(Finding::NotConserved { who: *who, counts: format!("{counts:?}") });
    }
    let sum = |of: fn(&Counts) -> u64| counts.iter().map(|(_, counts)| of(counts)).sum::<u64>();
    let (applied, consumed) = (sum(|counts| counts.applied), sum(|counts| counts.consumed));
    let (published, snapshots) = world.look(|world| {
        let read = world.topics.all().filter(|p| matches!(p.about, About::Snapshot(_))).count();
        (world.topics.all().count() as u64, read as u64)
    });
    let parts = world.rows.len() as u64 + snapshots;
    if consumed == published && !shared(world) && applied > parts {
        world.find(Finding::AppliedTooOften { applied, parts });
    }
}

/// Whether two workers may have written the very same document, so that each counts it as its own.
fn shared(world: &World) -> bool {
    const SHARING: [Kind; 4] = [Kind::Zombie, Kind::Stall, Kind::DrainCutShort, Kind::Hiccup];
    world.look(|world| SHARING.iter().any(|kind| world.fates.so_far().of(*kind) > 0))
}

/// I9: the partitions that are not settled to their end.
pub fn lagging(world: &World) -> Vec<String> {
    world.look(|world| {
        let behind = world.topics.partitions().filter_map(|partition| {
            let (at, end) = (world.group.committed(partition), world.topics.end(partition));
            (at < end).then(|| format!("{partition} at {at} of {end}"))
        });
        let mut behind: Vec<String> = behind.collect();
        if world.late > 0 {
            behind.push(format!("{} writes on their way", world.late));
        }
        behind
    })
}

/// How many views are behind, and how many of them must not be for long: a mirror heals by itself,
/// but what a desk has folded that died is shown by the next one, and owed to held records until
/// then.
pub fn views_behind(world: &World) -> (usize, usize) {
    world.look(|world| {
        let behind = mirror_differs(world);
        let is_a_desks = |key: &&Key| {
            world.documents.get(key).is_some_and(|Document { stamp, .. }| {
                let is_owed_to_held = |from: &Position| {
                    let mut held = world.held.all().iter();
                    from.partition.is_held() || held.any(|held| held.record.position == *from)
                };
                let mut unsent = stamp.unsent.iter();
                stamp.is_held() || unsent.any(|output| is_owed_to_held(&output.from))
            })
        };
        (behind.len(), behind.iter().filter(|key| !is_a_desks(key)).count())
    })
}
