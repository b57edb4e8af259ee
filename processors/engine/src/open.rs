//! The records of a partition that are taken in and not settled yet.

use std::collections::BTreeMap;

use readmill_core::{Entered, Finished, Ledger, Offset, Outcome, Record, ResumeAt};

/// Open records: their places in the ledger, and what became of their parts so far.
#[derive(Debug)]
pub struct Open {
    ledger: Ledger,
    records: BTreeMap<Offset, Entry>,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    bytes: usize,
    /// How many of its parts have not ended.
    parts: usize,
    /// How many of its parts wait in their documents.
    waits: u32,
    /// The weightiest end of the others.
    end: Outcome,
}

/// A record that has come to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// What became of it.
    pub outcome: Outcome,
    /// In how many documents it waits.
    pub waits: u32,
}

impl Open {
    /// Nothing is open in a partition that is read from `resume_at` on.
    pub const fn starting_at(resume_at: ResumeAt, known: Finished) -> Self {
        let ledger = Ledger::starting_at(resume_at, known);
        Self { ledger, records: BTreeMap::new(), bytes: 0 }
    }

    /// Takes a record in.
    pub fn enter(&mut self, record: &Record) -> Entered {
        let offset = record.position.offset;
        let entered = self.ledger.enter(offset);
        if entered == Entered::Open {
            let bytes = record.bytes();
            self.bytes += bytes;
            let entry = Entry { bytes, parts: 0, waits: 0, end: Outcome::Skipped };
            self.records.insert(offset, entry);
        }
        entered
    }

    /// Whether the record at `offset`, or one behind it, was taken in before.
    pub fn has_met(&self, offset: Offset) -> bool {
        self.ledger.has_met(offset)
    }

    /// Notes how many parts a record has. One without any has come to `end` itself.
    pub fn expect(&mut self, offset: Offset, parts: usize, end: Outcome) -> Option<Ended> {
        let entry = self.records.get_mut(&offset)?;
        entry.parts = parts;
        entry.end = end;
        self.finish(offset)
    }

    /// Notes the end of a part; answers with the record's own if that was the last.
    pub fn part_ended(&mut self, offset: Offset, outcome: Outcome) -> Option<Ended> {
        let entry = self.records.get_mut(&offset)?;
        entry.parts = entry.parts.saturating_sub(1);
        if outcome == Outcome::Waiting {
            entry.waits += 1;
        } else {
            entry.end = outcome.max(entry.end);
        }
        self.finish(offset)
    }

    /// Notes that a waiting part of a record has come to its end. Answers false if the record is
    /// not open any more.
    pub fn released(&mut self, offset: Offset, outcome: Outcome) -> bool {
        let Some(entry) = self.records.get_mut(&offset) else { return false };
        entry.waits = entry.waits.saturating_sub(1);
        entry.end = outcome.max(entry.end);
        true
    }

    fn finish(&mut self, offset: Offset) -> Option<Ended> {
        let Entry { bytes, waits, end, .. } =
            *self.records.get(&offset).filter(|entry| entry.parts == 0)?;
        self.records.remove(&offset);
        self.bytes -= bytes;
        self.ledger.finish(offset);
        let waiting = waits > 0 && end != Outcome::Held;
        Some(if waiting {
            Ended { outcome: Outcome::Waiting, waits }
        } else {
            Ended { outcome: end, waits: 0 }
        })
    }

    /// Where reading would go on.
    pub const fn resume_at(&self) -> ResumeAt {
        self.ledger.resume_at()
    }

    /// What is finished beyond that.
    pub fn finished(&self) -> Finished {
        self.ledger.finished()
    }

    /// How many records are open.
    pub fn records(&self) -> usize {
        self.records.len()
    }

    /// How many bytes they have.
    pub const fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use readmill_core::{Partition, Position};

    use super::*;

    fn open() -> Open {
        let mut open = Open::starting_at(ResumeAt::stored(5), Finished::default());
        for offset in [5, 6] {
            let position = Position { partition: Partition::new("t", 0), offset: Offset(offset) };
            let value = Some(vec![0; 10]);
            let record = Record { position, timestamp_ms: 0, key: None, value, headers: vec![] };
            assert_eq!(open.enter(&record), Entered::Open);
        }
        open
    }

    #[test]
    fn a_record_ends_with_its_last_part_as_its_weightiest() {
        let mut open = open();
        assert_eq!(open.expect(Offset(5), 2, Outcome::Skipped), None);
        assert_eq!(open.part_ended(Offset(5), Outcome::Applied), None);
        let ended = open.part_ended(Offset(5), Outcome::Duplicate);
        assert_eq!(ended, Some(Ended { outcome: Outcome::Applied, waits: 0 }));
        assert_eq!((open.resume_at().value(), open.records(), open.bytes()), (6, 1, 10));
        let skipped = open.expect(Offset(6), 0, Outcome::Skipped);
        assert_eq!(skipped, Some(Ended { outcome: Outcome::Skipped, waits: 0 }));
        assert_eq!((open.resume_at().value(), open.records(), open.bytes()), (7, 0, 0));
    }

    #[test]
    fn a_part_may_be_released_before_the_record_has_ended() {
        let mut open = open();
        open.expect(Offset(5), 2, Outcome::Skipped);
        assert_eq!(open.part_ended(Offset(5), Outcome::Waiting), None);
        assert!(open.released(Offset(5), Outcome::Applied));
        let ended = open.part_ended(Offset(5), Outcome::Duplicate);
        assert_eq!(ended, Some(Ended { outcome: Outcome::Applied, waits: 0 }));
        assert!(!open.released(Offset(5), Outcome::Applied));
    }

    #[test]
    fn a_record_that_waits_in_two_documents_says_so() {
        let mut open = open();
        open.expect(Offset(6), 3, Outcome::Skipped);
        open.part_ended(Offset(6), Outcome::Waiting);
        open.part_ended(Offset(6), Outcome::Waiting);
        let ended = open.part_ended(Offset(6), Outcome::Applied);
        assert_eq!(ended, Some(Ended { outcome: Outcome::Waiting, waits: 2 }));
    }
}
