//! Roll-ups: each group, merged, against what the log comes to as far as its partial groups have
//! added it up.
//!
//! A partial group remembers what it has added. So what the right side lacks, since it stands where
//! the trail begins, is found in the trail, difference by difference, and counts exactly if the
//! partial group says that it has it. Only where a document's records come in several partitions is
//! it not told to which of them a difference is owed; then a group is judged when nothing of the
//! kind is under way.

use std::collections::BTreeMap;
use std::time::Duration;

use readmill_core::rollup::{Partial, PartialName, Partials, Totals};
use readmill_core::{AddedBy, Beside, Document, GroupName, Key, ReadModel, Rollup};

use super::content::{Departure, value};
use super::pages::{Joined, Pair};
use super::tide::Tide;
use super::trail::{Places, follow};
use super::{Doing, Finding, Kind, Subject, Told, Undecided, Verification};
use crate::fault::Fault;
use crate::patience::patiently;
use crate::ports::{Put, Store, Write};

/// So many partial groups that are not decided at sight are in memory at a time.
const MOST_SUSPECTS: usize = 8_192;
/// A group in which something is under way is looked at so often.
const ROUNDS: u32 = 6;
const PAUSE_BETWEEN_ROUNDS: Duration = Duration::from_millis(500);

/// One partial group on both sides.
#[derive(Debug, Default)]
pub struct Part {
    /// What stands on the left.
    pub left: Option<Document<Partials>>,
    /// What it must come to, as far as it says that it was added.
    pub expected: Totals,
}

/// A group that differs at first sight.
#[derive(Debug)]
pub struct Suspect {
    rollup: &'static Rollup,
    group: GroupName,
    /// Its partial groups.
    pub parts: BTreeMap<Key, Part>,
    /// Whether something is under way of which nobody can tell where it is added.
    pub is_unclear: bool,
}

impl Suspect {
    pub(super) fn new(rollup: &'static Rollup, group: GroupName) -> Self {
        Self { rollup, group, parts: BTreeMap::new(), is_unclear: false }
    }

    pub(super) fn push(&mut self, Pair { key, left, right }: Pair<Partials>) {
        let expected = right.and_then(|right| right.state).map(|partial| partial.totals);
        self.parts.insert(key, Part { left, expected: expected.unwrap_or_default() });
    }

    /// What is kept beside the sums.
    pub const fn beside(&self) -> Beside {
        self.rollup.beside
    }

    /// What stands on the left, and what must.
    fn totals(&self) -> (Totals, Totals) {
        let (mut stands, mut expected) = (Totals::default(), Totals::default());
        for part in self.parts.values() {
            let left = part.left.as_ref().and_then(|left| left.state.clone());
            stands
                .merge(left.map(|partial| partial.totals).unwrap_or_default(), self.rollup.beside);
            expected.merge(part.expected.clone(), self.rollup.beside);
        }
        (stands, expected)
    }

    pub(super) fn departs(&self) -> Option<(Kind, Vec<Departure>)> {
        let (stands, expected) = self.totals();
        let departures = departures(&stands, &expected);
        if departures.is_empty() {
            return None;
        }
        let is_empty = |totals: &Totals| departures_of_sums(totals, &Totals::default()).is_empty();
        let kind = match stands.count.cmp(&expected.count) {
            _ if is_empty(&expected) => Kind::Unintended,
            std::cmp::Ordering::Less => Kind::Missing,
            std::cmp::Ordering::Greater => Kind::Duplicate,
            std::cmp::Ordering::Equal => Kind::Changed,
        };
        Some((kind, departures))
    }

    /// Whether a desk has added something: what a person has changed is in no log.
    pub(super) fn has_held(&self) -> bool {
        self.parts.keys().any(|key| key.as_str().contains("|held:"))
    }

    pub(super) fn subject(&self) -> Subject {
        Subject::Group { rollup: self.rollup.name, group: self.group.clone() }
    }
}

fn departures_of_sums(left: &Totals, right: &Totals) -> Vec<Departure> {
    let all = [
        ("count", value(&left.count), value(&right.count)),
        ("sum", value(&left.sum), value(&right.sum)),
        ("squares", value(&left.squares), value(&right.squares)),
    ];
    named(all)
}

/// Where totals differ. What cannot take anything back depends on the order in which topics were
/// read, once something was taken back.
fn departures(left: &Totals, right: &Totals) -> Vec<Departure> {
    let mut found = departures_of_sums(left, right);
    if left.withdrawn == 0 && right.withdrawn == 0 {
        found.extend(named([
            ("least", value(&left.least), value(&right.least)),
            ("greatest", value(&left.greatest), value(&right.greatest)),
            ("top", value(&left.top), value(&right.top)),
            ("distinct", value(&left.distinct), value(&right.distinct)),
        ]));
    }
    found
}

fn named<const N: usize>(all: [(&str, serde_json::Value, serde_json::Value); N]) -> Vec<Departure> {
    let differ = all.into_iter().filter(|(_, left, right)| left != right);
    differ
        .map(|(path, left, right)| Departure {
            path: path.to_owned(),
            left: Some(left),
            right: Some(right),
        })
        .collect()
}

/// Suspects by the beginning of their partial groups' keys.
pub type Suspects = BTreeMap<String, Suspect>;

impl<M: ReadModel> Verification<'_, M> {
    /// Compares all groups.
    pub(super) async fn groups(&mut self) -> Result<(), Fault> {
        if !self.right_stands {
            return self.groups_at_rest().await;
        }
        let mut left_open = Some(self.look_at_groups(None).await?);
        for _ in 0..ROUNDS {
            let Some(open) = left_open.take().filter(|open| !open.is_empty()) else { break };
            tokio::time::sleep(PAUSE_BETWEEN_ROUNDS).await;
            left_open = Some(self.look_at_groups(Some(&open)).await?);
        }
        for (_, suspect) in left_open.into_iter().flatten() {
            let why = match (suspect.has_held(), self.trail.is_whole()) {
                (true, _) => Undecided::Held,
                (false, false) => Undecided::NoHistory,
                (false, true) => Undecided::Restless,
            };
            self.leave_open(&suspect.subject(), why);
        }
        Ok(())
    }

    /// Looks at all groups, or at some again; answers those that are still open.
    pub(super) async fn look_at_groups(
        &mut self,
        again: Option<&Suspects>,
    ) -> Result<Suspects, Fault> {
        let (left, right) = (&self.left.side, &self.right.side);
        let (Some(left), Some(right)) = (left.partials.clone(), right.partials.clone()) else {
            return Err(Fault::defect("roll-ups", &"their partial groups have no store"));
        };
        let settled = self.trail.settled().await?;
        let (mut open, mut suspects, mut many) = (Suspects::new(), Suspects::new(), 0);
        for (rollup, prefix) in self.places_of_groups(again) {
            let mut joined = Joined::new(&*left, &*right, &prefix);
            let mut group: Option<Suspect> = None;
            loop {
                let pair = joined.next(&mut self.patience).await?;
                let name =
                    pair.as_ref().and_then(|pair| PartialName::group(rollup.name, &pair.key));
                if group.as_ref().is_some_and(|group| name.as_ref() != Some(&group.group))
                    && let Some(done) = group.take()
                {
                    self.summary.groups += u64::from(again.is_none());
                    if done.departs().is_some() {
                        many += done.parts.len();
                        suspects.insert(PartialName::of_group(rollup.name, &done.group), done);
                    }
                }
                let Some(pair) = pair else { break };
                if let Some(name) = name {
                    group.get_or_insert_with(|| Suspect::new(rollup, name)).push(pair);
                }
                if many >= MOST_SUSPECTS {
                    open.extend(self.decide_groups(std::mem::take(&mut suspects), &settled).await?);
                    many = 0;
                }
            }
        }
        open.extend(self.decide_groups(suspects, &settled).await?);
        Ok(open)
    }

    fn places_of_groups(&self, again: Option<&Suspects>) -> Vec<(&'static Rollup, String)> {
        match again {
            None => M::ROLLUPS
                .iter()
                .map(|rollup| (rollup, PartialName::within(rollup.name, None)))
                .collect(),
            Some(open) => {
                open.iter().map(|(prefix, suspect)| (suspect.rollup, prefix.clone())).collect()
            }
        }
    }

    /// Adds what the trail has of the suspects; answers those of which that tells nothing.
    async fn decide_groups(
        &mut self,
        suspects: Suspects,
        settled: &Places,
    ) -> Result<Suspects, Fault> {
        // What one is ahead with, nothing here tells.
        if suspects.is_empty() || !self.right_stands {
            return Ok(suspects);
        }
        let log = self.trail.open(self.trail.begins()).await?;
        let store = self.right.store.clone();
        let mut tide = Tide::<M>::new(store, self.patience.clone(), suspects, settled);
        follow(log, &self.script, &self.patience, &mut tide).await?;
        let may_tell = self.trail.is_whole();
        let mut open = Suspects::new();
        for (prefix, suspect) in tide.into_suspects() {
            match suspect.departs() {
                None => {}
                Some(_) if !may_tell || suspect.is_unclear || suspect.has_held() => {
                    open.insert(prefix, suspect);
                }
                Some((kind, departures)) => {
                    self.tell_group(&suspect, kind, departures);
                    if self.doing == Doing::Repair {
                        self.mend_group(&suspect).await?;
                    }
                }
            }
        }
        (self.told)(Told::Progress(&self.summary));
        Ok(open)
    }

    /// What a side counts too much may be what somebody did who is forgotten since.
    pub(super) fn tell_group(&mut self, suspect: &Suspect, kind: Kind, departures: Vec<Departure>) {
        let has_forgotten = match kind {
            Kind::Duplicate | Kind::Unintended => self.left.counts_forgotten,
            Kind::Missing => self.right.counts_forgotten,
            Kind::Changed | Kind::Stale => false,
        };
        let subject = suspect.subject();
        if has_forgotten && suspect.rollup.added_by == AddedBy::Events {
            self.leave_open(&subject, Undecided::Forgotten);
        } else {
            self.find(&Finding { kind, subject, departures });
        }
    }

    /// Writes what each partial group must have come to, by its own memory of what was added. One
    /// to which was added meanwhile is left as it is.
    async fn mend_group(&mut self, suspect: &Suspect) -> Result<(), Fault> {
        let Some(store) = self.left.side.partials.clone() else { return Ok(()) };
        let mut all_done = true;
        for (key, part) in &suspect.parts {
            let mut document = part.left.clone().unwrap_or_default();
            let expected = document.stamp.revision;
            let partial = document.state.get_or_insert_with(Partial::default);
            if partial.totals == part.expected {
                continue;
            }
            if part.left.is_none() {
                // It has forgotten what it added: only its partition's worker could tell.
                all_done = false;
                continue;
            }
            partial.totals = part.expected.clone();
            document.stamp.revision += 1;
            all_done &= write(&*store, key, expected, &document, &mut self.patience).await?;
        }
        self.mended(&suspect.subject(), all_done);
        Ok(())
    }
}

async fn write(
    store: &dyn Store<Partials>,
    key: &Key,
    expected: i64,
    document: &Document<Partials>,
    patience: &mut crate::patience::Patience,
) -> Result<bool, Fault> {
    let writes = [Write { key, expected, document }];
    let puts = patiently!(patience, store.put(&writes))?;
    Ok(puts.first() == Some(&Put::Done))
}
