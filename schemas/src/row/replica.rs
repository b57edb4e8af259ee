//! What a replica of tables asks of their rows; implemented by the types of domains that are of
//! tables alone.
use std::fmt::{Debug, Display, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;
use thiserror::Error;

use super::{Decimal, RowChange, TableRow, TimestampMicros, Uuid};
use crate::semantic::{Date, Time};
use crate::{Events, Timestamp};

/// A value that was not sent, since it did not change, and that stands nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("{told}")]
pub struct NotSent {
    /// The column.
    pub column: &'static str,
    /// What is wrong, and what to do.
    pub told: &'static str,
}

/// A row that a replica can store.
pub trait Replicated: TableRow {
    /// The row with every value in it, whether it was sent or stood.
    type Stored: Stored;

    /// The table and the key of the row in it, as one text: no two rows have the same.
    fn key_text(key: &Self::Key) -> String;

    /// The first value that was not sent.
    fn not_sent(&self) -> Option<NotSent>;

    /// The row to be stored over the one that stood; none if what was not sent does not stand.
    fn over(self, stood: Option<Self::Stored>) -> Option<Self::Stored>;
}

/// What can be the state of a document.
pub trait Stored:
    Clone + PartialEq + Debug + Serialize + DeserializeOwned + Send + Sync + 'static
{
}

impl<T> Stored for T where
    T: Clone + PartialEq + Debug + Serialize + DeserializeOwned + Send + Sync + 'static
{
}

/// The changes of a domain that is of tables alone.
pub trait Tables: Events {
    /// A row of any of the tables.
    type Row: Stored;

    /// The table and the key of the row in it, as one text.
    fn key_text(&self) -> String;

    /// What was not sent although it does not stand: nothing can be stored then.
    fn missing(&self, stood: Option<&Self::Row>) -> Option<NotSent>;

    /// The row that is to stand now; none if it is gone.
    fn stored(&self, stood: Option<Self::Row>) -> Option<Self::Row>;
}

impl<T: Replicated> RowChange<T> {
    /// The table and the key of the row in it, as one text.
    pub fn key_text(&self) -> String {
        T::key_text(&self.key)
    }

    /// What was not sent, if the row does not stand.
    pub fn missing(&self, stands: bool) -> Option<NotSent> {
        self.after.as_ref().filter(|_| !stands).and_then(T::not_sent)
    }

    /// The row that is to stand now; none if it is gone.
    pub fn stored(&self, stood: Option<T::Stored>) -> Option<T::Stored> {
        self.after.clone().and_then(|row| row.over(stood))
    }
}

/// A column of a primary key, as a part of a text.
pub trait KeyPart {
    /// Appends it. Equal values have equal texts, and none has a slash in it.
    fn write(&self, out: &mut String);
}

/// A table and a key's columns, with slashes between them.
pub fn key_text(table: &str, parts: &[&dyn KeyPart]) -> String {
    let mut out = table.to_owned();
    for part in parts {
        out.push('/');
        part.write(&mut out);
    }
    out
}

impl KeyPart for String {
    /// With its slashes and percent signs escaped, so that no other key comes to the same text.
    fn write(&self, out: &mut String) {
        for letter in self.chars() {
            match letter {
                '/' => out.push_str("%2F"),
                '%' => out.push_str("%25"),
                letter => out.push(letter),
            }
        }
    }
}

impl KeyPart for Vec<u8> {
    /// In hexadecimal digits.
    fn write(&self, out: &mut String) {
        self.iter().for_each(|byte| shown(format_args!("{byte:02x}"), out));
    }
}

impl KeyPart for Decimal {
    /// Without zeros at its end: 1.5 and 1.50 are one key.
    fn write(&self, out: &mut String) {
        let text = self.to_string();
        out.push_str(match text.split_once('.') {
            Some(_) => text.trim_end_matches('0').trim_end_matches('.'),
            None => text.as_str(),
        });
    }
}

macro_rules! as_shown {
    ($($kind:ty),+) => {
        $(impl KeyPart for $kind {
            fn write(&self, out: &mut String) {
                shown(self, out);
            }
        })+
    };
}

as_shown!(bool, i32, i64, Timestamp, TimestampMicros, Date, Time, Uuid);

/// Writing to a text cannot fail.
fn shown(value: impl Display, out: &mut String) {
    let written = write!(out, "{value}");
    debug_assert!(written.is_ok());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(parts: &[&dyn KeyPart]) -> String {
        key_text("t", parts)
    }

    #[test]
    fn no_two_keys_have_one_text() {
        let word = |word: &str| word.to_owned();
        assert_eq!(text(&[&word("a/b"), &word("c")]), "t/a%2Fb/c");
        assert_eq!(text(&[&word("a"), &word("b/c")]), "t/a/b%2Fc");
        assert_eq!(text(&[&word("a%2Fb")]), "t/a%252Fb");
        assert_eq!(text(&[&word(""), &word("")]), "t//");
    }

    #[test]
    fn one_key_has_one_text() {
        let decimal = |text: &str| text.parse::<Decimal>().unwrap();
        for (number, wanted) in [
            ("1.50", "t/1.5"),
            ("100", "t/100"),
            ("0.00", "t/0"),
            ("-0.0", "t/0"),
            ("-2.0", "t/-2"),
        ] {
            assert_eq!(text(&[&decimal(number)]), wanted);
        }
    }

    #[test]
    fn every_kind_of_column_has_a_text() {
        let parts: [(&dyn KeyPart, &str); 7] = [
            (&true, "true"),
            (&-7_i64, "-7"),
            (&vec![0_u8, 255], "00ff"),
            (&Timestamp::EPOCH, "1970-01-01T00:00:00.000Z"),
            (&TimestampMicros::from_micros(1), "1970-01-01T00:00:00.000001Z"),
            (&Date { days: 1 }, "1970-01-02"),
            (&Uuid([1; 16]), "01010101-0101-0101-0101-010101010101"),
        ];
        for (part, wanted) in parts {
            assert_eq!(text(&[part]), format!("t/{wanted}"));
        }
    }
}
