//! Where in its database's log a change stands, by the best that the connector gives.

use readmill_schemas::debezium::{FlatTableRow, Source};

use crate::identity::SourcePosition;

/// What a connector tells of a place, in a source block or beside a flattened row.
pub struct Coordinates<'a> {
    lsn: Option<i64>,
    sequence: Option<&'a str>,
    server_id: Option<i64>,
    file: Option<&'a str>,
    pos: Option<i64>,
    row: Option<i32>,
}

impl<'a> From<&Source<'a>> for Coordinates<'a> {
    fn from(source: &Source<'a>) -> Self {
        let Source { lsn, sequence, server_id, file, pos, row, .. } = *source;
        Self { lsn, sequence, server_id, file, pos, row }
    }
}

impl<'a> From<&FlatTableRow<'a>> for Coordinates<'a> {
    fn from(row: &FlatTableRow<'a>) -> Self {
        Self {
            lsn: row.__source_lsn,
            sequence: row.__source_sequence,
            server_id: row.__source_server_id,
            file: row.__source_file,
            pos: row.__source_pos,
            row: row.__source_row,
        }
    }
}

impl Coordinates<'_> {
    /// The position, by the best that is told.
    pub fn position(&self) -> Option<SourcePosition> {
        if let Some(lsn) = self.lsn {
            let (commit, row) = self.sequence.and_then(sequence).unwrap_or((None, None));
            return Some(SourcePosition::Postgres { commit, lsn: row.unwrap_or(lsn) });
        }
        let file = self.file?.rsplit_once('.')?.1.parse().ok()?;
        Some(SourcePosition::Binlog {
            server: self.server_id.unwrap_or(0),
            file,
            pos: self.pos?,
            row: self.row.unwrap_or(0),
        })
    }
}

/// Debezium's `sequence` of a PostgreSQL change: the last commit's LSN, if known, and the row's.
fn sequence(text: &str) -> Option<(Option<i64>, Option<i64>)> {
    let (commit, row): (Option<&str>, Option<&str>) = serde_json::from_str(text).ok()?;
    let number = |text: Option<&str>| text.and_then(|digits| digits.parse().ok());
    Some((number(commit), number(row)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sequence_may_lack_its_first_part() {
        let table = [
            (r#"["24023128","24023136"]"#, Some((Some(24_023_128), Some(24_023_136)))),
            (r#"[null,"24023136"]"#, Some((None, Some(24_023_136)))),
            (r#"["24023128"]"#, None),
            ("", None),
            ("[1,2]", None),
        ];
        for (text, pair) in table {
            assert_eq!(sequence(text), pair, "{text}");
        }
    }
}
