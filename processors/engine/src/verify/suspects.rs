//! Documents that differ at first sight: each side takes in what only the other has so far, and
//! then nothing but an error is left.

use std::collections::BTreeMap;

use async_trait::async_trait;
use readmill_core::{Document, Key, Outcome, Position, Reach, ReadModel, Sent};

use super::content::{Departure, Tolerances, departures};
use super::finding::{Kind, Undecided};
use super::pages::Pair;
use super::trail::{Follows, Places, Trail};
use crate::fault::Fault;
use crate::route::{Part, Queues, Task};
use crate::work::{Moment, take};

/// How two documents under a key stand to one another.
#[derive(Debug, Clone, PartialEq)]
pub enum Judgement {
    /// They are equal.
    Equal,
    /// The left one departs.
    Departs(Kind, Vec<Departure>),
    /// Nobody can tell.
    Undecided(Undecided),
}

/// What is compared how.
#[derive(Debug, Clone, Copy)]
pub struct Measure<'t> {
    /// What may differ.
    pub tolerances: &'t Tolerances,
    /// Whether the log has all that was ever folded.
    pub log_is_whole: bool,
    /// Whether the right side found records too late to tell from repeats.
    pub right_was_late: bool,
}

/// A key whose documents have not taken in the same.
#[derive(Debug)]
pub struct Suspect<M: ReadModel> {
    /// What stands on the left, with what only the right had taken in so far.
    pub left: Document<M>,
    /// The other way round.
    pub right: Document<M>,
    /// The revision at which the left one stands in its store; 0 if it does not.
    pub loaded: i64,
    /// Whether it stands at all.
    stands: bool,
    /// Whether nobody can tell what was taken in: too much has been since.
    is_unclear: bool,
}

impl<M: ReadModel> Suspect<M> {
    fn new(pair: Pair<M>) -> Self {
        let stands = pair.left.is_some();
        let left = pair.left.unwrap_or_default();
        let loaded = left.stamp.revision;
        let right = pair.right.unwrap_or_default();
        Self { left, right, loaded, stands, is_unclear: false }
    }

    fn take(&mut self, part: &Part<M>, begun: &Begun) {
        let known = (knows(&self.left, part), knows(&self.right, part));
        let (behind, settled) = match known {
            (true, false) => (&mut self.right, &begun.right),
            (false, true) => (&mut self.left, &begun.left),
            (true, true) => return,
            (false, false) => {
                let forgot = |document: &Document<M>| may_have_forgotten(document, part);
                self.is_unclear |= forgot(&self.left) || forgot(&self.right);
                return;
            }
        };
        self.is_unclear |= may_have_forgotten(behind, part);
        let Position { partition, offset } = &part.from;
        if settled.get(partition).is_some_and(|settled| settled.covers(*offset)) {
            // What it had settled before it was looked at, and lacks, it will not take in any more.
            return;
        }
        let taken = take(behind, part, Moment { sent: Sent::EVERYTHING, now_ms: 0 });
        // The other one may have taken it in before it was too late.
        self.is_unclear |= taken.outcome == Outcome::Stale && behind.stamp.has_forgotten();
    }

    /// What is left of the difference, once both have taken in the same.
    pub fn judge(&self, measure: Measure<'_>) -> Judgement {
        let judgement = judge(&self.left, &self.right, measure);
        match judgement {
            Judgement::Departs(..) if self.is_unclear => Judgement::Undecided(Undecided::Restless),
            // What it has taken in by now may not be all that was missing.
            Judgement::Departs(..) if !self.stands => Judgement::Departs(Kind::Missing, Vec::new()),
            Judgement::Equal | Judgement::Departs(..) | Judgement::Undecided(_) => judgement,
        }
    }
}

fn knows<M: ReadModel>(document: &Document<M>, part: &Part<M>) -> bool {
    match &part.task {
        Task::Take(told) => document.stamp.knows(&told.identity),
        Task::Hold { identity, .. } => {
            let known = identity.as_ref().is_some_and(|identity| document.stamp.knows(identity));
            known || document.stamp.has_queued(&part.from)
        }
        // Who is forgotten is heard of nowhere; none of the others comes from a log.
        Task::Retry { .. }
        | Task::GiveUp(_)
        | Task::Look { .. }
        | Task::Embed { .. }
        | Task::Forget { .. }
        | Task::HoldOverdue { .. } => true,
    }
}

fn may_have_forgotten<M: ReadModel>(document: &Document<M>, part: &Part<M>) -> bool {
    match &part.task {
        Task::Take(told) => document.stamp.may_have_forgotten(&told.identity),
        Task::Hold { identity, .. } => {
            identity.as_ref().is_some_and(|known| document.stamp.may_have_forgotten(known))
        }
        Task::Retry { .. }
        | Task::GiveUp(_)
        | Task::Look { .. }
        | Task::Embed { .. }
        | Task::Forget { .. }
        | Task::HoldOverdue { .. } => false,
    }
}

/// How far each side was settled before it was looked at.
#[derive(Debug, Clone, Default)]
pub struct Begun {
    /// The left one.
    pub left: Places,
    /// The right one.
    pub right: Places,
}

/// Suspects by their keys.
#[derive(Debug)]
pub struct Suspects<M: ReadModel>(pub BTreeMap<Key, Suspect<M>>, pub Begun);

impl<M: ReadModel> Default for Suspects<M> {
    fn default() -> Self {
        Self(BTreeMap::new(), Begun::default())
    }
}

impl<M: ReadModel> Suspects<M> {
    /// None yet, on the way along a trail.
    pub fn along(trail: &dyn Trail) -> Self {
        let (left, right) = trail.begun();
        let (left, right) = (left.clone(), right.clone());
        Self(BTreeMap::new(), Begun { left, right })
    }

    /// One more.
    pub fn suspect(&mut self, pair: Pair<M>) {
        self.0.insert(pair.key.clone(), Suspect::new(pair));
    }
}

#[async_trait]
impl<M: ReadModel> Follows<M> for Suspects<M> {
    async fn take(&mut self, queues: Queues<M>) -> Result<(), Fault> {
        let Self(suspects, begun) = self;
        for (key, parts) in queues {
            if let Some(suspect) = suspects.get_mut(&key) {
                parts.iter().for_each(|part| suspect.take(part, begun));
            }
        }
        Ok(())
    }
}

/// Judges a pair at once, where both remember the very same; none where one may be ahead.
pub fn at_sight<M: ReadModel>(pair: &Pair<M>, measure: Measure<'_>) -> Option<Judgement> {
    match (&pair.left, &pair.right) {
        (Some(left), Some(right)) if left.stamp.remembers_as(&right.stamp) => {
            Some(judge(left, right, measure))
        }
        (Some(one), None) | (None, Some(one)) if is_none(one) => Some(Judgement::Equal),
        (None, None) => Some(Judgement::Equal),
        (Some(_), _) | (_, Some(_)) => None,
    }
}

/// A document that says nothing and has taken in nothing is as good as none.
fn is_none<M: ReadModel>(document: &Document<M>) -> bool {
    document.state.is_none() && document.stamp.is_blank()
}

fn judge<M: ReadModel>(left: &Document<M>, right: &Document<M>, how: Measure<'_>) -> Judgement {
    use Judgement::{Departs, Equal};
    let mut found = departures(how.tolerances, left, right);
    let reach = left.stamp.reach(&right.stamp);
    let same = left.stamp.remembers_as(&right.stamp);
    let holds = left.stamp.is_held() || right.stamp.is_held();
    match (is_none(left), is_none(right)) {
        (true, true) => return Equal,
        (true, false) | (false, true) if holds => {}
        // Stores let go of the tombstones of what ended long ago.
        (true, false) if right.state.is_none() && right.stamp.gone => {
            return Judgement::Undecided(Undecided::Expired);
        }
        (true, false) => return doubt::<M>(left, right, how, Departs(Kind::Missing, Vec::new())),
        (false, true) => {
            return doubt::<M>(left, right, how, Departs(Kind::Unintended, Vec::new()));
        }
        (false, false) => {}
    }
    if holds && !same {
        return Judgement::Undecided(Undecided::Held);
    }
    if found.is_empty() && reach == Reach::Same {
        return Equal;
    }
    let kind = match reach {
        // A document that began anew lets wait what comes.
        Reach::Behind if left.stamp.marks.is_empty() => Kind::Missing,
        Reach::Behind => Kind::Stale,
        Reach::Ahead => Kind::Unintended,
        Reach::Same | Reach::Apart => Kind::Changed,
    };
    if reach != Reach::Same {
        found.push(Departure { path: "stamp.marks".to_owned(), left: None, right: None });
    }
    doubt::<M>(left, right, how, Departs(kind, found))
}

/// What speaks against an error.
fn doubt<M: ReadModel>(
    left: &Document<M>,
    right: &Document<M>,
    how: Measure<'_>,
    judgement: Judgement,
) -> Judgement {
    let reach = left.stamp.reach(&right.stamp);
    if M::IDLE_LIFE_HOURS.is_some() && (is_none(left) || reach != Reach::Same) {
        return Judgement::Undecided(Undecided::Expired);
    }
    let is_whole = right.stamp.is_whole() && left.stamp.is_whole();
    let is_told = is_whole && matches!(reach, Reach::Same | Reach::Behind);
    if !how.log_is_whole && !is_told {
        return Judgement::Undecided(Undecided::NoHistory);
    }
    // Read in another order, what comes in several partitions may have come too late.
    let has_forgotten = left.stamp.has_forgotten() || right.stamp.has_forgotten();
    if how.right_was_late && has_forgotten {
        return Judgement::Undecided(Undecided::Unordered);
    }
    // What waits for ever in a fresh fold, a person may have dropped, or let pass.
    let waits = right.stamp.waiting_names();
    let has_waited = !waits.is_subset(&left.stamp.waiting_names());
    if has_waited && matches!(reach, Reach::Same | Reach::Ahead) {
        return Judgement::Undecided(Undecided::Held);
    }
    judgement
}
