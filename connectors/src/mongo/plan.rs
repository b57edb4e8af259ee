//! The commands that put a batch of documents, each by compare-and-set.

use bson::raw::{CStr, cstr};
use bson::{DateTime, RawArrayBuf, RawDocumentBuf, rawdoc};
use readmill_core::ReadModel;
use readmill_engine::{Fault, Write};

use super::row;

const MAX_STATEMENTS: usize = 1_000;
const MAX_COMMAND_BYTES: usize = 8 << 20;

/// What one statement may have: a command has up to 16 MiB and 16 KiB, with its other words.
const MAX_STATEMENT_BYTES: usize = (16 << 20) + (14 << 10);

/// Up to this size a replacement is computed: measured in `docs/benchmarks/mongo.md`.
const MAX_COMPUTED_BYTES: usize = 1 << 10;

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

/// What becomes of a batch.
#[derive(Debug)]
pub struct Planned {
    /// The commands that make the writes.
    pub commands: Vec<Command>,
    /// The numbers of the writes whose documents are larger than MongoDB takes.
    pub too_large: Vec<usize>,
}

/// Splits a batch into commands. New documents and changed ones go apart: an insert cannot
/// overwrite, and its answer tells exactly which documents it made.
pub fn commands<M: ReadModel>(
    collection: &str,
    limit_ms: u32,
    writes: &[Write<'_, M>],
    expire_at: Option<DateTime>,
) -> Result<Planned, Fault> {
    let mut inserts = Filling::new(Kind::Insert, collection, limit_ms);
    let mut replacements = Filling::new(Kind::Replace, collection, limit_ms);
    let mut too_large = Vec::new();
    for (number, write) in writes.iter().enumerate() {
        let row = row::of_document(write.key, write.document, expire_at)?;
        let fits = row::fits(row.as_bytes().len(), &write.document.stamp);
        let statement = if write.expected == 0 { row } else { replace(write, &row) };
        if fits && statement.as_bytes().len() <= MAX_STATEMENT_BYTES {
            let filling = if write.expected == 0 { &mut inserts } else { &mut replacements };
            filling.add(number, statement);
        } else {
            too_large.push(number);
        }
    }
    let mut commands = inserts.finish();
    commands.extend(replacements.finish());
    Ok(Planned { commands, too_large })
}

/// A replacement of a document that has the expected revision, in the form that costs the server
/// least. A small one names the document by its `_id` alone, which needs no query plan, and looks
/// at the revision while it makes the new document; that form costs more with each byte.
fn replace<M: ReadModel>(write: &Write<'_, M>, row: &RawDocumentBuf) -> RawDocumentBuf {
    if row.as_bytes().len() <= MAX_COMPUTED_BYTES {
        computed(write, row)
    } else {
        filtered(write, row)
    }
}

fn filtered<M: ReadModel>(write: &Write<'_, M>, row: &RawDocumentBuf) -> RawDocumentBuf {
    let mut filter = rawdoc! {"_id": write.key.as_str()};
    filter.append(row::REVISION, write.expected);
    let mut statement = RawDocumentBuf::new();
    statement.append(cstr!("q"), &filter);
    statement.append(cstr!("u"), row);
    statement
}

/// With another revision it fails, and the answer names it: a text has no size. The server's words
/// for that quote nothing.
fn computed<M: ReadModel>(write: &Write<'_, M>, row: &RawDocumentBuf) -> RawDocumentBuf {
    let mut as_it_is = RawDocumentBuf::new();
    as_it_is.append(cstr!("$literal"), row);
    let mut choice = RawArrayBuf::new();
    choice.push(rawdoc! {"$eq": ["$_readmill.revision", write.expected]});
    choice.push(as_it_is);
    choice.push(rawdoc! {"$size": "$_id"});
    let mut stages = RawArrayBuf::new();
    stages.push(rawdoc! {"$replaceWith": {"$cond": choice}});
    let mut statement = RawDocumentBuf::new();
    statement.append(cstr!("q"), rawdoc! {"_id": write.key.as_str()});
    statement.append(cstr!("u"), stages);
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
        let planned = commands("c", 100, &writes, None).unwrap();
        assert_eq!(planned.too_large, [] as [usize; 0]);
        let kinds = planned.commands.iter().map(|command| (command.kind, command.writes.len()));
        kinds.collect()
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

    /// The only statement of the only command for a change, and the command.
    fn changed(title: &str) -> (RawDocumentBuf, RawDocumentBuf) {
        let pebble = Pebble { title: title.to_owned(), ..Pebble::number(1) };
        let (key, document) = (Key::from("$k"), pebble.at_revision(5));
        let write = Write::<Pebbles> { key: &key, expected: 4, document: &document };
        let planned = commands("c", 100, &[write], None).unwrap();
        let body = planned.commands.into_iter().next().unwrap().body;
        let statement = body.get_array("updates").unwrap().get_document(0).unwrap().to_owned();
        (statement, body)
    }

    #[test]
    fn a_large_change_filters_on_the_revision_and_asks_for_a_durable_majority() {
        let (statement, body) = changed(&"x".repeat(MAX_COMPUTED_BYTES));
        assert!(statement.get("upsert").unwrap().is_none());
        let filter = statement.get_document("q").unwrap();
        assert_eq!(filter.get_str("_id").unwrap(), "$k");
        assert_eq!(filter.get_i64("_readmill.revision").unwrap(), 4);
        assert_eq!(statement.get_document("u").unwrap().get_str("_id").unwrap(), "$k");
        let concern = body.get_document("writeConcern").unwrap();
        assert_eq!(concern.get_str("w").unwrap(), "majority");
        assert!(concern.get_bool("j").unwrap());
    }

    #[test]
    fn a_small_change_looks_at_the_revision_while_it_is_made() {
        let (statement, _) = changed("x");
        assert!(statement.get("upsert").unwrap().is_none());
        assert_eq!(statement.get_document("q").unwrap(), &*rawdoc! {"_id": "$k"});
        let stage = statement.get_array("u").unwrap().get_document(0).unwrap();
        let choice = stage.get_document("$replaceWith").unwrap().get_array("$cond").unwrap();
        let revision = rawdoc! {"$eq": ["$_readmill.revision", 4_i64]};
        assert_eq!(choice.get_document(0).unwrap(), &*revision);
        let literal = choice.get_document(1).unwrap().get_document("$literal").unwrap();
        assert_eq!(literal.get_str("_id").unwrap(), "$k");
    }

    #[test]
    fn what_is_too_large_is_named_and_the_others_go_on() {
        let sized = |size| Pebble { title: "x".repeat(size), ..Pebble::number(1) };
        let documents = [16 << 20, 1, row::FREE_DOCUMENT_BYTES - 1_000, row::FREE_DOCUMENT_BYTES]
            .map(|size| sized(size).at_revision(1));
        let keys = [0, 1, 2, 3].map(|number: usize| Key(number.to_string()));
        let writes = keys.iter().zip(&documents);
        let writes: Vec<Write<'_, Pebbles>> =
            writes.map(|(key, document)| Write { key, expected: 0, document }).collect();
        let planned = commands("c", 100, &writes, None).unwrap();
        assert_eq!(planned.too_large, [0, 3]);
        let made: Vec<usize> =
            planned.commands.iter().flat_map(|command| command.writes.clone()).collect();
        assert_eq!(made, [1, 2]);
    }

    #[test]
    fn a_document_that_stands_can_be_held() {
        let title = "x".repeat(row::FREE_DOCUMENT_BYTES - 1_000);
        let mut document = Pebble { title, ..Pebble::number(1) }.at_revision(7);
        document.stamp.held = crate::conformance::somewhere();
        let state = document.state.as_mut().unwrap();
        state.title.push_str(&"x".repeat(2_000));
        let key = Key::from("k");
        let write = Write::<Pebbles> { key: &key, expected: 6, document: &document };
        let planned = commands("c", 100, &[write], None).unwrap();
        assert_eq!((planned.commands.len(), planned.too_large.len()), (1, 0));
    }
}
