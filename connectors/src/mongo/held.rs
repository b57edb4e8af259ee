//! Held records in MongoDB: whole, where a person can look at them.

use std::time::Duration;

use async_trait::async_trait;
use bson::raw::cstr;
use bson::spec::BinarySubtype;
use bson::{Binary, DateTime, RawArrayBuf, RawBinaryRef, RawDocumentBuf, doc, rawdoc};
use mongodb::options::{CollectionOptions, ReadConcern, ReadPreference, SelectionCriteria};
use mongodb::{Collection, IndexModel};
use readmill_core::{Key, Offset, Partition, Position};
use readmill_engine::{Fault, Held, HeldRecord, HeldStore, Original, Record, Unfolded};
use serde::Deserialize;

use super::connect::Mongo;
use super::faults::refused;
use super::plan::{Kind, durably};
use super::reply::{self, Heard};
use crate::held;

const COLLECTION: &str = "readmill_held";

/// Few, since each may be as large as a record can be.
const MAX_COMMAND_BYTES: usize = 8 << 20;
const MAX_STATEMENTS: usize = 1_000;
const LIST_BATCH_RECORDS: u32 = 100;

/// What to do about a record that cannot be kept.
const LIMIT: &str = "MongoDB keeps records of up to 16 MiB: bound what the topic takes by its \
                     max.message.bytes, or keep this model's documents in another store";

/// The held records of all models in one database.
#[derive(Debug, Clone)]
pub struct MongoHeld(Mongo);

impl Mongo {
    /// Held records, and the index by which those of a key are found.
    pub async fn held(&self) -> Result<MongoHeld, Fault> {
        let index = IndexModel::builder().keys(doc! {"model": 1, "key": 1}).build();
        let rows = self.db().collection::<bson::Document>(COLLECTION);
        self.ask(rows.create_index(index)).await?;
        Ok(MongoHeld(self.clone()))
    }
}

impl MongoHeld {
    /// What a majority has, asked of the primary, as documents are.
    fn rows<T: Send + Sync>(&self) -> Collection<T> {
        let options = CollectionOptions::builder()
            .read_concern(ReadConcern::majority())
            .selection_criteria(SelectionCriteria::ReadPreference(ReadPreference::Primary))
            .build();
        self.0.db().collection_with_options(COLLECTION, options)
    }

    fn limit(&self) -> Duration {
        Duration::from_millis(self.0.config().command_limit_ms.into())
    }

    /// Runs a command for as many of the records at a time as it takes.
    async fn run(&self, verb: Verb, records: &[HeldRecord]) -> Result<(), Fault> {
        let mut rest = records;
        while !rest.is_empty() {
            let (list, taken) = verb.fill(rest);
            rest = rest.get(taken..).unwrap_or_default();
            let (name, argument, kind) = verb.words();
            let mut command = RawDocumentBuf::new();
            command.append(name, COLLECTION);
            command.append(argument, list);
            command.append(cstr!("ordered"), false);
            command.append(cstr!("writeConcern"), durably(self.0.config().command_limit_ms));
            let answer = self.0.ask(self.0.db().run_raw_command(command)).await?;
            // What is kept already answers as a duplicate, what is not kept matches nothing: both
            // are as they should be.
            let heard = reply::verdicts(self.0.place(), kind, taken, &answer)?;
            if heard.contains(&Heard::TooLarge) {
                return Err(refused(
                    format!("{}: a held record is too large", self.0.place()),
                    LIMIT,
                ));
            }
        }
        Ok(())
    }
}

/// What is done to rows.
#[derive(Clone, Copy)]
enum Verb {
    Insert,
    Replace,
    Delete,
}

impl Verb {
    const fn words(self) -> (&'static bson::raw::CStr, &'static bson::raw::CStr, Kind) {
        match self {
            Self::Insert => (cstr!("insert"), cstr!("documents"), Kind::Insert),
            Self::Replace => (cstr!("update"), cstr!("updates"), Kind::Replace),
            Self::Delete => (cstr!("delete"), cstr!("deletes"), Kind::Replace),
        }
    }

    fn statement(self, record: &HeldRecord) -> RawDocumentBuf {
        match self {
            Self::Insert => row(record),
            Self::Replace => {
                let mut statement = RawDocumentBuf::new();
                statement.append(cstr!("q"), rawdoc! {"_id": held::id(record)});
                statement.append(cstr!("u"), row(record));
                statement
            }
            Self::Delete => rawdoc! {"q": {"_id": held::id(record)}, "limit": 1},
        }
    }

    /// The statements of as many records as one command takes, at least one.
    fn fill(self, records: &[HeldRecord]) -> (RawArrayBuf, usize) {
        let (mut list, mut bytes, mut taken) = (RawArrayBuf::new(), 0, 0);
        for record in records.iter().take(MAX_STATEMENTS) {
            let statement = self.statement(record);
            bytes += statement.as_bytes().len();
            if taken > 0 && bytes > MAX_COMMAND_BYTES {
                break;
            }
            list.push(statement);
            taken += 1;
        }
        (list, taken)
    }
}

#[async_trait]
impl HeldStore for MongoHeld {
    async fn hold(&self, records: &[HeldRecord]) -> Result<(), Fault> {
        self.run(Verb::Insert, records).await
    }

    async fn visit(
        &self,
        model: &'static str,
        which: &Held,
        visit: &mut (dyn FnMut(HeldRecord) + Send),
    ) -> Result<(), Fault> {
        let filter = match which {
            Held::All => doc! {"model": model},
            Held::Keyless => doc! {"model": model, "key": {"$exists": false}},
            Held::Key(key) => doc! {"model": model, "key": key.as_str()},
            Held::Unread(Partition { topic, index }) => doc! {
                "model": model, "unfolded": unfolded(Unfolded::All),
                "topic": topic.as_ref(), "partition": index,
            },
        };
        let rows = self.rows::<Row>();
        let find = rows.find(filter).batch_size(LIST_BATCH_RECORDS).max_time(self.limit());
        let mut cursor = self.0.ask(find).await?;
        while self.0.ask(cursor.advance()).await? {
            let row = cursor.deserialize_current();
            visit(row.map_err(|_| damaged())?.into_held(model));
        }
        Ok(())
    }

    async fn replace(&self, records: &[HeldRecord]) -> Result<(), Fault> {
        self.run(Verb::Replace, records).await
    }

    async fn release(&self, records: &[HeldRecord]) -> Result<(), Fault> {
        self.run(Verb::Delete, records).await
    }

    async fn count(&self, model: &str) -> Result<u64, Fault> {
        let rows = self.rows::<RawDocumentBuf>();
        self.0.ask(rows.count_documents(doc! {"model": model}).max_time(self.limit())).await
    }
}

fn damaged() -> Fault {
    Fault::Damaged {
        what: format!("a held record in MongoDB, collection {COLLECTION}"),
        detail: "its fields are not those of a held record".to_owned(),
        hint: "another program or another version wrote there: look at it, and mend or remove it",
    }
}

/// A held record as it is stored.
#[derive(Deserialize)]
struct Row {
    key: Option<Key>,
    unfolded: Unfolded,
    reason: String,
    #[serde(default)]
    tries: i64,
    held_at: DateTime,
    topic: String,
    partition: i32,
    offset: i64,
    timestamp: DateTime,
    headers: Vec<Header>,
    record_key: Option<Binary>,
    value: Option<Binary>,
    original: Option<OriginalRow>,
}

#[derive(Deserialize)]
struct OriginalRow {
    value: Option<Binary>,
    headers: Vec<Header>,
}

#[derive(Deserialize)]
struct Header {
    name: String,
    value: Binary,
}

fn headers_of(rows: Vec<Header>) -> Vec<(String, Vec<u8>)> {
    rows.into_iter().map(|Header { name, value }| (name, value.bytes)).collect()
}

impl Row {
    fn into_held(self, model: &'static str) -> HeldRecord {
        let partition = Partition::new(self.topic, self.partition);
        let record = Record {
            position: Position { partition, offset: Offset(self.offset) },
            timestamp_ms: self.timestamp.timestamp_millis(),
            key: self.record_key.map(|key| key.bytes),
            value: self.value.map(|value| value.bytes),
            headers: headers_of(self.headers),
        };
        HeldRecord {
            model,
            key: self.key,
            unfolded: self.unfolded,
            reason: self.reason,
            held_at_ms: self.held_at.timestamp_millis(),
            tries: u32::try_from(self.tries).unwrap_or(u32::MAX),
            record,
            original: self.original.map(|OriginalRow { value, headers }| Original {
                value: value.map(|value| value.bytes),
                headers: headers_of(headers),
            }),
        }
    }
}

const fn unfolded(unfolded: Unfolded) -> &'static str {
    match unfolded {
        Unfolded::All => "all",
        Unfolded::Part => "part",
    }
}

fn row(held: &HeldRecord) -> RawDocumentBuf {
    let position = held.position();
    let mut row = rawdoc! {
        "_id": held::id(held),
        "model": held.model,
        "unfolded": unfolded(held.unfolded),
        "reason": held.reason.as_str(),
        "tries": i64::from(held.tries),
        "held_at": DateTime::from_millis(held.held_at_ms),
        "topic": position.partition.topic.as_ref(),
        "partition": position.partition.index,
        "offset": position.offset.0,
        "timestamp": DateTime::from_millis(held.record.timestamp_ms),
        "headers": headers(&held.record.headers),
    };
    if let Some(key) = &held.key {
        row.append(cstr!("key"), key.as_str());
    }
    if let Some(key) = &held.record.key {
        row.append(cstr!("record_key"), binary(key));
    }
    if let Some(value) = &held.record.value {
        row.append(cstr!("value"), binary(value));
    }
    if let Some(original) = &held.original {
        let mut kept = rawdoc! {"headers": headers(&original.headers)};
        if let Some(value) = &original.value {
            kept.append(cstr!("value"), binary(value));
        }
        row.append(cstr!("original"), kept);
    }
    row
}

fn headers(headers: &[(String, Vec<u8>)]) -> RawArrayBuf {
    let mut rows = RawArrayBuf::new();
    for (name, value) in headers {
        let mut header = rawdoc! {"name": name.as_str()};
        header.append(cstr!("value"), binary(value));
        rows.push(header);
    }
    rows
}

const fn binary(bytes: &[u8]) -> RawBinaryRef<'_> {
    RawBinaryRef { subtype: BinarySubtype::Generic, bytes }
}
