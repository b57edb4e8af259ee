//! Losing a person: a document of their own ends, any other goes on without them.

use super::{Document, Taken};
use crate::forgotten::{Person, is_anybody_in, is_anybody_told_of_by, without};
use crate::model::{Folded, ReadModel};
use crate::position::Position;
use crate::record::Record;
use crate::stamp::Output;

/// Who is to be lost, and how far whatever the document owed to others is surely told.
#[derive(Debug, Clone, Copy)]
pub struct Loss<'a> {
    /// The persons.
    pub persons: &'a [Person],
    /// Whether the document is their own.
    pub is_own: bool,
    /// What it owes to readers since a later revision may not be told yet, and stays.
    pub told: i64,
}

impl<M: ReadModel> Document<M> {
    /// Whether it tells of any of these persons, in its state or in its stamp.
    pub fn tells_of(&self, persons: &[Person]) -> bool {
        let waits = |record: &Record| is_anybody_told_of_by(persons, record);
        let said = |bytes: &[u8]| persons.iter().any(|person| person.is_told_of_in(bytes));
        is_anybody_in(persons, self)
            || self.stamp.waiting.iter().any(|waiting| waits(&waiting.record))
            || self.stamp.unsent.iter().any(|output| output.what.body().is_some_and(said))
    }

    /// Loses persons. What follows from that is owed to the record at `from`, which by itself comes
    /// to nothing.
    pub fn lose(&mut self, loss: Loss<'_>, from: &Position) -> Taken {
        let Loss { persons, is_own, told } = loss;
        let before = self.stamp.clone();
        let is_told = |output: &Output| output.revision <= told && output.what.is_said_or_added();
        self.stamp.unsent.retain(|output| !is_told(output));
        if is_own {
            self.stamp.waiting.clear();
            self.stamp.held.clear();
        } else {
            self.lose_in_stamp(persons);
        }
        let left = if is_own { None } else { self.without(persons) };
        let changes = left != self.state;
        if changes || before != self.stamp {
            self.stamp.revision += 1;
        }
        if changes {
            self.become_of(from, |_| left.map_or_else(Folded::gone, Folded::next));
        }
        Taken::nothing()
    }

    fn without(&self, persons: &[Person]) -> Option<M::State> {
        let lose = |state: Option<M::State>, person: &Person| {
            state.and_then(|state| {
                if person.is_in(&state) { M::forget(state, person) } else { Some(state) }
            })
        };
        persons.iter().fold(self.state.clone(), lose)
    }

    /// What waits is folded without them in its turn. The record that brought it tells of them, and
    /// cannot be written anew here: should it be held, its place is all that is left of it.
    fn lose_in_stamp(&mut self, persons: &[Person]) {
        for Person { id, alias } in persons {
            let renamed = |line: &str| {
                line.strip_suffix(id.as_str())
                    .filter(|rest| rest.ends_with(':'))
                    .map(|rest| format!("{rest}{alias}"))
            };
            let lines = self.stamp.marks.iter_mut().map(|(line, _)| line);
            let waiting = self.stamp.waiting.iter_mut().map(|waiting| &mut waiting.identity.line);
            for line in lines.chain(waiting) {
                if let Some(renamed) = renamed(line) {
                    *line = renamed;
                }
            }
        }
        self.stamp.marks.sort_by(|(one, _), (other, _)| one.cmp(other));
        for waiting in &mut self.stamp.waiting {
            let heard = without::<M>(waiting.event.clone(), persons);
            if heard != waiting.event {
                waiting.event = heard;
                waiting.record = Record::at(waiting.record.position.clone());
            }
        }
    }
}
