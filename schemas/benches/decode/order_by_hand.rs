//! The order's change, decoded by hand.
use crate::hand::{Bytes, Fault};
use crate::order::{Block, Envelope, Item, Money, Row, Source};

pub fn read(body: &[u8]) -> Result<Envelope<&str>, Fault> {
    let mut bytes = Bytes(body);
    let envelope = Envelope {
        before: bytes.option(0, row)?,
        after: bytes.option(0, row)?,
        source: source(&mut bytes)?,
        transaction: bytes.option(0, block)?,
        op: bytes.text()?,
        ts_ms: bytes.option(0, Bytes::long)?,
        ts_us: bytes.option(0, Bytes::long)?,
        ts_ns: bytes.option(0, Bytes::long)?,
    };
    bytes.end()?;
    Ok(envelope)
}

fn row<'a>(bytes: &mut Bytes<'a>) -> Result<Row<&'a str>, Fault> {
    Ok(Row {
        id: bytes.long()?,
        customer_id: bytes.text()?,
        status: bytes.text()?,
        total: money(bytes)?,
        placed_at: bytes.long()?,
        updated_at: bytes.text()?,
        note: bytes.option(0, Bytes::text)?,
        items: bytes.items(item)?,
    })
}

fn item<'a>(bytes: &mut Bytes<'a>) -> Result<Item<&'a str>, Fault> {
    Ok(Item { sku: bytes.text()?, quantity: bytes.int()?, price: money(bytes)? })
}

fn money(bytes: &mut Bytes<'_>) -> Result<Money, Fault> {
    Money::of_bytes(bytes.bytes()?).ok_or(Fault::Decimal)
}

fn source<'a>(bytes: &mut Bytes<'a>) -> Result<Source<&'a str>, Fault> {
    Ok(Source {
        version: bytes.text()?,
        connector: bytes.text()?,
        name: bytes.text()?,
        ts_ms: bytes.long()?,
        snapshot: bytes.option(1, Bytes::text)?,
        db: bytes.text()?,
        sequence: bytes.option(0, Bytes::text)?,
        ts_us: bytes.option(0, Bytes::long)?,
        ts_ns: bytes.option(0, Bytes::long)?,
        schema: bytes.text()?,
        table: bytes.text()?,
        tx_id: bytes.option(0, Bytes::long)?,
        lsn: bytes.option(0, Bytes::long)?,
        xmin: bytes.option(0, Bytes::long)?,
    })
}

fn block<'a>(bytes: &mut Bytes<'a>) -> Result<Block<&'a str>, Fault> {
    Ok(Block {
        id: bytes.text()?,
        total_order: bytes.long()?,
        data_collection_order: bytes.long()?,
    })
}
