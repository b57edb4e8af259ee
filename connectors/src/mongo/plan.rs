//! The commands that put a batch of documents, each by compare-and-set.

use bson::raw::{CStr, cstr};
use bson::{DateTime, RawArrayBuf, RawDocumentBuf, rawdoc};
use readmill_core::ReadModel;
use readmill_engine::{Fault, Write};

use super::row;

const MAX_STATEMENTS: usize = 1_000;
const MAX_COMMAND_BYTES: usize = 8 << 20;

/// What a command does for all its documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Makes documents that must not exist. An existing one answers with a duplicate key.
    Insert,
    /// Replaces documents that must have the expected revision. Another one matches nothing.
    Replace,
}

/// One command and the numbers of the writes that it makes, in the order of its statements.
#[derive(Debug)]
pub struct Command {
    /// What it does.
    pub kind: Kind,
    /// The command as it is sent.
    pub body: RawDocumentBuf,
    /// The numbers of the writes.
    pub writes: Vec<usize>,
}

/// Splits a batch into commands. New documents and changed ones go apart: an insert cannot
/// overwrite, and its answer tells exactly which documents it made.
pub fn commands<M: ReadModel>(
    collection: &str,
    limit_ms: u32,
    writes: &[Write<'_, M>],
    expire_at: Option<DateTime>,
) -> Result<Vec<Command>, Fault> {
    let mut inserts = Filling::new(Kind::Insert, collection, limit_ms);
    let mut replacements = Filling::new(Kind::Replace, collection, limit_ms);
    for (number, write) in writes.iter().enumerate() {
        let row = row::of_document(write.key, write.document, expire_at)?;
        if write.expected == 0 {
            inserts.add(number, row);
        } else {
            replacements.add(number, replace(write, &row));
        }
    }
    let mut commands = inserts.finish();
    commands.extend(replacements.finish());
    Ok(commands)
}

fn replace<M: ReadModel>(write: &Write<'_, M>, row: &RawDocumentBuf) -> RawDocumentBuf {
    let mut filter = rawdoc! {"_id": write.key.as_str()};
    filter.append(row::REVISION, write.expected);
    let mut statement = RawDocumentBuf::new();
    statement.append(cstr!("q"), &filter);
    statement.append(cstr!("u"), row);
    statement
}

/// Commands of one kind while they are filled.
struct Filling<'a> {
    kind: Kind,
    collection: &'a str,
    limit_ms: u32,
    statements: RawArrayBuf,
    bytes: usize,
    writes: Vec<usize>,
    full: Vec<Command>,
}

impl<'a> Filling<'a> {
    fn new(kind: Kind, collection: &'a str, limit_ms: u32) -> Self {
        Self {
            kind,
            collection,
            limit_ms,
            statements: RawArrayBuf::new(),
            bytes: 0,
            writes: Vec::new(),
            full: Vec::new(),
        }
    }

    fn add(&mut self, number: usize, statement: RawDocumentBuf) {
        let bytes = statement.as_bytes().len();
        let too_many = self.writes.len() >= MAX_STATEMENTS;
        if too_many || (!self.writes.is_empty() && self.bytes + bytes > MAX_COMMAND_BYTES) {
            self.close();
        }
        self.bytes += bytes;
        self.writes.push(number);
        self.statements.push(statement);
    }

    fn close(&mut self) {
        let (verb, list): (&CStr, &CStr) = match self.kind {
            Kind::Insert => (cstr!("insert"), cstr!("documents")),
            Kind::Replace => (cstr!("update"), cstr!("updates")),
        };
        let mut body = RawDocumentBuf::new();
        body.append(verb, self.collection);
        body.append(list, std::mem::take(&mut self.statements));
        body.append(cstr!("ordered"), false);
        body.append(cstr!("writeConcern"), durably(self.limit_ms));
        let writes = std::mem::take(&mut self.writes);
        self.bytes = 0;
        self.full.push(Command { kind: self.kind, body, writes });
    }

    fn finish(mut self) -> Vec<Command> {
        if !self.writes.is_empty() {
            self.close();
        }
        self.full
    }
}

/// A majority has it, each in its journal. Anything less lost acknowledged documents in trials.
pub fn durably(limit_ms: u32) -> RawDocumentBuf {
    rawdoc! {"w": "majority", "j": true, "wtimeout": i64::from(limit_ms)}
}

#[cfg(test)]
mod tests {
    use readmill_core::Key;

    use super::*;
    use crate::conformance::{Pebble, Pebbles};

    fn planned(sizes: &[usize], expected: impl Fn(usize) -> i64) -> Vec<(Kind, usize)> {
        let keys: Vec<Key> = (0..sizes.len()).map(|number| Key(number.to_string())).collect();
        let documents: Vec<_> = sizes
            .iter()
            .map(|size| Pebble { title: "x".repeat(*size), ..Pebble::number(1) }.at_revision(9))
            .collect();
        let writes: Vec<Write<'_, Pebbles>> = keys
            .iter()
            .zip(&documents)
            .enumerate()
            .map(|(number, (key, document))| Write { key, expected: expected(number), document })
            .collect();
        let commands = commands("c", 100, &writes, None).unwrap();
        commands.into_iter().map(|command| (command.kind, command.writes.len())).collect()
    }

    #[test]
    fn new_and_changed_documents_go_in_commands_of_their_own() {
        let alternating = |number| i64::try_from(number % 2).unwrap();
        assert_eq!(planned(&[1; 5], alternating), [(Kind::Insert, 3), (Kind::Replace, 2)]);
        assert_eq!(planned(&[], |_| 0), []);
    }

    #[test]
    fn commands_are_bounded_by_statements_and_by_bytes() {
        let full = (Kind::Replace, 1_000);
        assert_eq!(planned(&[1; 2_001], |_| 3), [full, full, (Kind::Replace, 1)]);
        let megabytes = planned(&[1 << 20; 10], |_| 0);
        assert_eq!(megabytes, [(Kind::Insert, 7), (Kind::Insert, 3)]);
        let huge = planned(&[12 << 20, 12 << 20], |_| 0);
        assert_eq!(huge, [(Kind::Insert, 1), (Kind::Insert, 1)]);
    }

    #[test]
    fn a_change_filters_on_the_revision_and_asks_for_a_durable_majority() {
        let document = Pebble::number(1).at_revision(5);
        let key = Key::from("$k");
        let write = Write::<Pebbles> { key: &key, expected: 4, document: &document };
        let commands = commands("c", 100, &[write], None).unwrap();
        let body = &commands.first().unwrap().body;
        let updates = body.get_array("updates").unwrap();
        let statement = updates.get_document(0).unwrap();
        assert!(statement.get("upsert").unwrap().is_none());
        let filter = statement.get_document("q").unwrap();
        assert_eq!(filter.get_str("_id").unwrap(), "$k");
        assert_eq!(filter.get_i64("_readmill.revision").unwrap(), 4);
        let concern = body.get_document("writeConcern").unwrap();
        assert_eq!(concern.get_str("w").unwrap(), "majority");
        assert!(concern.get_bool("j").unwrap());
    }
}
