//! The outbox row's change of the golden records, decoded by hand.
use readmill_schemas::debezium::{Block, OutboxEnvelope, Source, Value};

use crate::hand::{Bytes, Fault};

pub fn read(body: &[u8]) -> Result<OutboxEnvelope<'_>, Fault> {
    let mut bytes = Bytes(body);
    let before = bytes.option(0, row)?;
    let after = bytes.option(0, row)?;
    let source = source(&mut bytes)?;
    let transaction = bytes.option(0, block)?;
    let op = bytes.text()?;
    let ts_ms = bytes.option(0, Bytes::long)?;
    bytes.option(0, Bytes::long)?;
    bytes.option(0, Bytes::long)?;
    bytes.end()?;
    Ok(OutboxEnvelope { before, after, source, op, ts_ms, transaction })
}

fn row<'a>(bytes: &mut Bytes<'a>) -> Result<Value<'a>, Fault> {
    let row = Value {
        id: bytes.text()?,
        aggregate_type: bytes.text()?,
        aggregate_id: bytes.text()?,
        version: bytes.option(0, Bytes::long)?,
        r#type: bytes.text()?,
        payload: Some(bytes.bytes()?),
    };
    bytes.bytes()?;
    Ok(row)
}

fn source<'a>(bytes: &mut Bytes<'a>) -> Result<Source<'a>, Fault> {
    let version = bytes.text()?;
    let connector = bytes.text()?;
    let name = bytes.text()?;
    let ts_ms = bytes.long()?;
    let snapshot = bytes.option(1, Bytes::text)?;
    let db = Some(bytes.text()?);
    let sequence = bytes.option(0, Bytes::text)?;
    bytes.option(0, Bytes::long)?;
    bytes.option(0, Bytes::long)?;
    let schema = Some(bytes.text()?);
    let table = Some(bytes.text()?);
    let tx_id = bytes.option(0, Bytes::long)?;
    let lsn = bytes.option(0, Bytes::long)?;
    bytes.option(0, Bytes::long)?;
    bytes.option(0, Bytes::bytes)?;
    bytes.option(0, Bytes::long)?;
    Ok(Source {
        version,
        connector,
        name,
        ts_ms,
        snapshot,
        db,
        schema,
        table,
        tx_id,
        lsn,
        sequence,
        server_id: None,
        gtid: None,
        file: None,
        pos: None,
        row: None,
    })
}

fn block<'a>(bytes: &mut Bytes<'a>) -> Result<Block<'a>, Fault> {
    Ok(Block {
        id: bytes.text()?,
        total_order: bytes.long()?,
        data_collection_order: bytes.long()?,
    })
}
