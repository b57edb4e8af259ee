//! The judgement of one document: equal, different and how, or not comparable.

use readmill_core::{Document, ReadModel};
use readmill_engine::Fault;
use serde_json::Value as Json;

use crate::fields::{Changed, changes};

/// How the stored document and the folded one compare.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// They are equal, or neither has a state.
    Equal,
    /// They have taken in the same, and differ in these fields: stored, folded.
    Differs(Vec<Changed>),
    /// Only the stored one lives.
    OnlyStored,
    /// Only the folded one lives.
    OnlyFolded,
    /// The fold holds the key, which is not held where it is stored.
    HeldByFold,
    /// The stored one is held, and the fold holds nothing.
    HeldWhereStored,
    /// The fold has not taken in what the stored one has, although it is in the log.
    TakesInLess,
    /// The fold takes in what the stored one has not, although it was settled.
    TakesInMore,
    /// Both are held, and have not taken in the same: what of several topics came before the record
    /// that holds the key depends on how they were read.
    Held,
    /// The stored one has events that are not in the window, or may have.
    BeginsBefore,
    /// The stored one has taken in more than was folded.
    MovedOn,
}

/// How to judge.
#[derive(Debug, Clone, Copy)]
pub struct Judge {
    /// Whether everything that ever was in the log was folded.
    pub whole: bool,
    /// Whether the log has nothing that was not folded: then nothing has moved on.
    pub quiet: bool,
}

impl Judge {
    /// Judges what stands under one key.
    ///
    /// # Errors
    /// When a state cannot be written as JSON.
    pub fn judge<M: ReadModel>(
        self,
        stored: Option<&Document<M>>,
        folded: Option<&Document<M>>,
    ) -> Result<Verdict, Fault> {
        let empty = Document::default();
        let Some(folded) = folded else {
            return Ok(self.unfolded(stored.unwrap_or(&empty)));
        };
        let stored = stored.unwrap_or(&empty);
        let (ours, theirs) = (&folded.stamp, &stored.stamp);
        if ours.is_held() && !theirs.is_held() {
            let begins_before = !self.whole && theirs.knows_beyond(ours);
            return Ok(if begins_before { Verdict::BeginsBefore } else { Verdict::HeldByFold });
        }
        let both_held = ours.is_held() && theirs.is_held();
        if both_held && (theirs.knows_beyond(ours) || ours.knows_beyond(theirs)) {
            return Ok(Verdict::Held);
        }
        let copies_differ = ours.embedded != theirs.embedded;
        let is_beyond = theirs.knows_beyond(ours);
        if is_beyond || (copies_differ && folded.state != stored.state && !self.quiet) {
            return Ok(self.beyond(Verdict::TakesInLess));
        }
        if !self.whole && !theirs.knows_all() {
            return Ok(Verdict::BeginsBefore);
        }
        if theirs.is_held() && !ours.is_held() {
            return Ok(Verdict::HeldWhereStored);
        }
        let known_to_fold_alone = ours.knows_beyond(theirs);
        Ok(match (&stored.state, &folded.state) {
            (Some(_), None) => Verdict::OnlyStored,
            (None, Some(_)) => Verdict::OnlyFolded,
            _ if known_to_fold_alone => Verdict::TakesInMore,
            (stored, folded) if stored == folded => Verdict::Equal,
            (stored, folded) => {
                let (stored, folded) = (json::<M>(stored.as_ref())?, json::<M>(folded.as_ref())?);
                Verdict::Differs(changes(stored.as_ref(), folded.as_ref()))
            }
        })
    }

    /// Of a document for which the fold has nothing at all.
    fn unfolded<M: ReadModel>(self, stored: &Document<M>) -> Verdict {
        if self.whole && stored.state.is_none() {
            return Verdict::Equal;
        }
        self.beyond(Verdict::OnlyStored)
    }

    /// Of a document that has taken in more than was folded.
    fn beyond(self, if_quiet: Verdict) -> Verdict {
        match (self.whole, self.quiet) {
            (false, _) => Verdict::BeginsBefore,
            (true, false) => Verdict::MovedOn,
            (true, true) => if_quiet,
        }
    }
}

fn json<M: ReadModel>(state: Option<&M::State>) -> Result<Option<Json>, Fault> {
    let json = state.map(serde_json::to_value).transpose();
    json.map_err(|error| Fault::defect(M::NAME, &error))
}
