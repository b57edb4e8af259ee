//! Held records in MongoDB: whole, where a person can look at them.

use async_trait::async_trait;
use bson::raw::cstr;
use bson::spec::BinarySubtype;
use bson::{DateTime, RawArrayBuf, RawBinaryRef, RawDocumentBuf, doc, rawdoc};
use readmill_engine::{Fault, HeldRecord, HeldStore};

use super::connect::Mongo;
use super::plan::{Kind, durably};
use super::reply;
use crate::held;

const COLLECTION: &str = "readmill_held";

/// Few, since each may be as large as a record can be.
const MAX_STATEMENT_BYTES: usize = 8 << 20;

#[async_trait]
impl HeldStore for Mongo {
    async fn hold(&self, records: &[HeldRecord]) -> Result<(), Fault> {
        let mut from = 0;
        while from < records.len() {
            let (rows, taken) = fill(records.get(from..).unwrap_or_default());
            let mut command = rawdoc! {"insert": COLLECTION};
            command.append(cstr!("documents"), rows);
            command.append(cstr!("ordered"), false);
            command.append(cstr!("writeConcern"), durably(self.config().command_limit_ms));
            let answer = self.ask(self.db().run_raw_command(command)).await?;
            // A record that is kept already answers as a duplicate, and stays as it is.
            reply::verdicts(self.place(), Kind::Insert, taken, &answer)?;
            from += taken;
        }
        Ok(())
    }

    async fn count(&self, model: &str) -> Result<u64, Fault> {
        let records = self.db().collection::<bson::Document>(COLLECTION);
        self.ask(records.count_documents(doc! {"model": model})).await
    }
}

/// As many rows as one command takes, at least one.
fn fill(records: &[HeldRecord]) -> (RawArrayBuf, usize) {
    let (mut rows, mut bytes, mut taken) = (RawArrayBuf::new(), 0, 0);
    for record in records {
        let row = row(record);
        bytes += row.as_bytes().len();
        if taken > 0 && bytes > MAX_STATEMENT_BYTES {
            break;
        }
        rows.push(row);
        taken += 1;
    }
    (rows, taken)
}

fn row(held: &HeldRecord) -> RawDocumentBuf {
    let position = held.position();
    let mut headers = RawArrayBuf::new();
    for (name, value) in &held.record.headers {
        let mut header = rawdoc! {"name": name.as_str()};
        header.append(cstr!("value"), binary(value));
        headers.push(header);
    }
    let mut row = rawdoc! {
        "_id": held::id(held),
        "model": held.model,
        "reason": held.reason.as_str(),
        "held_at": DateTime::from_millis(held.held_at_ms),
        "topic": position.partition.topic.as_ref(),
        "partition": position.partition.index,
        "offset": position.offset.0,
        "timestamp": DateTime::from_millis(held.record.timestamp_ms),
        "headers": headers,
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
    row
}

const fn binary(bytes: &[u8]) -> RawBinaryRef<'_> {
    RawBinaryRef { subtype: BinarySubtype::Generic, bytes }
}
