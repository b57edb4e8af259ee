//! The note that is committed beside an offset: what is finished beyond it, and how many partitions
//! the topic had.

use readmill_core::{Finished, ResumeAt};

/// The most that a note has; brokers take 4096 bytes unless they are told otherwise.
pub const NOTE_BYTES: usize = 2048;
/// What a note begins with; another version begins otherwise.
const VERSION: &str = "rk1;";
const PARTITIONS: &str = "n=";

/// A note.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Note {
    /// The number of the topic's partitions that the group had taken in.
    pub partitions: Option<i32>,
    /// What is finished beyond the offset.
    pub finished: Finished,
}

impl Note {
    /// As the metadata of a commit at `resume_at`. What does not fit is left out.
    pub fn to_text(&self, resume_at: ResumeAt) -> String {
        let mut text = VERSION.to_owned();
        if let Some(partitions) = self.partitions {
            text += &format!("{PARTITIONS}{partitions:x};");
        }
        text.push('|');
        text += &self.finished.to_text(resume_at, NOTE_BYTES - text.len());
        text
    }

    /// Reads what [`Self::to_text`] wrote, and of fields that it does not know nothing; other texts
    /// say nothing at all.
    pub fn from_text(text: &str, resume_at: ResumeAt) -> Self {
        let parts = text.strip_prefix(VERSION).and_then(|rest| rest.split_once('|'));
        let Some((fields, finished)) = parts else { return Self::default() };
        let mut note =
            Self { finished: Finished::from_text(finished, resume_at), ..Self::default() };
        for field in fields.split_terminator(';') {
            if let Some(number) = field.strip_prefix(PARTITIONS) {
                note.partitions = i32::from_str_radix(number, 16).ok().filter(|n| *n > 0);
            }
        }
        note
    }
}

#[cfg(test)]
mod tests {
    use readmill_core::Offset;

    use super::*;

    fn finished(every: i64, records: i64) -> Finished {
        Finished::beyond((0..records).map(|n| (Offset(100 + n), n % every != 0)))
    }

    #[test]
    fn a_note_reads_back() {
        let table = [
            Note::default(),
            Note { partitions: Some(8), finished: Finished::default() },
            Note { partitions: None, finished: finished(3, 30) },
            Note { partitions: Some(1), finished: finished(2, 4) },
        ];
        for note in table {
            let text = note.to_text(ResumeAt::stored(100));
            assert_eq!(Note::from_text(&text, ResumeAt::stored(100)), note, "{text}");
        }
    }

    #[test]
    fn fields_of_other_builds_are_passed_over() {
        let finished = finished(3, 30);
        let tail = finished.to_text(ResumeAt::stored(100), NOTE_BYTES);
        for fields in ["n=8;w=63@18bcfe56800;", "w=63@18bcfe56800;n=8;", "n=8;w=-1@2;zz=9;"] {
            let read = Note::from_text(&format!("rk1;{fields}|{tail}"), ResumeAt::stored(100));
            assert_eq!(read, Note { partitions: Some(8), finished: finished.clone() }, "{fields}");
        }
    }

    #[test]
    fn a_note_is_bounded_whatever_is_finished() {
        let note = Note { finished: finished(2, 100_000), ..Note::default() };
        let text = note.to_text(ResumeAt::stored(100));
        assert!(text.len() <= NOTE_BYTES && text.len() > NOTE_BYTES - 20, "{}", text.len());
        let read = Note::from_text(&text, ResumeAt::stored(100)).finished;
        assert!(read.covers(Offset(101)) && !read.covers(Offset(100)));
    }

    #[test]
    fn what_another_program_wrote_says_nothing() {
        let strange = ["", "rk1", "rk1;", "rk2;n=8;|", "{\"a\":1}", "\u{0}\u{fffd}|", "rm1;2+2,"];
        for text in strange {
            assert_eq!(Note::from_text(text, ResumeAt::stored(7)), Note::default(), "{text}");
        }
        let spoilt = ["rk1;n=-8;|x", "rk1;n=;|rm1;x", "rk1;zz=9;n=99999999999;|"];
        for text in spoilt {
            assert_eq!(Note::from_text(text, ResumeAt::stored(7)), Note::default(), "{text}");
        }
    }
}
