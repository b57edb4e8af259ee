//! One record in a file's block: its schema, how it is written, how it is read back.

use readmill_core::{Offset, Partition, Position};
use readmill_engine::Record;
use readmill_schemas::encode;

/// The schema of the files.
pub const SCHEMA: &str = r#"{"type":"record","name":"Record","namespace":"readmill.archive",
"fields":[
{"name":"offset","type":"long"},
{"name":"timestamp_ms","type":"long"},
{"name":"key","type":["null","bytes"]},
{"name":"value","type":["null","bytes"]},
{"name":"headers","type":{"type":"array","items":{"type":"record","name":"Header","fields":[
{"name":"name","type":"string"},{"name":"value","type":"bytes"}]}}}]}"#;

/// A record's parts, borrowed from whoever has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parts<'a> {
    /// When it was stamped.
    pub timestamp_ms: i64,
    /// The key's bytes.
    pub key: Option<&'a [u8]>,
    /// The value's bytes.
    pub value: Option<&'a [u8]>,
    /// The headers.
    pub headers: &'a [(String, Vec<u8>)],
}

impl<'a> Parts<'a> {
    /// Those of a record.
    pub fn of(record: &'a Record) -> Self {
        Self {
            timestamp_ms: record.timestamp_ms,
            key: record.key.as_deref(),
            value: record.value.as_deref(),
            headers: &record.headers,
        }
    }
}

/// Appends a record.
pub fn write(offset: Offset, parts: Parts<'_>, out: &mut Vec<u8>) {
    encode::long(offset.0, out);
    encode::long(parts.timestamp_ms, out);
    optional(parts.key, out);
    optional(parts.value, out);
    encode::items(parts.headers, out, |(name, value), out| {
        encode::text(name, out);
        encode::bytes(value, out);
    });
}

fn optional(bytes: Option<&[u8]>, out: &mut Vec<u8>) {
    match bytes {
        None => encode::long(0, out),
        Some(bytes) => {
            encode::long(1, out);
            encode::bytes(bytes, out);
        }
    }
}

/// Why bytes are not what was written.
pub type Broken = &'static str;

/// Reads Avro's primitives off the front of a block.
#[derive(Debug)]
pub struct Cursor<'a>(pub &'a [u8]);

impl<'a> Cursor<'a> {
    /// A zigzag varint.
    pub fn long(&mut self) -> Result<i64, Broken> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let (&byte, rest) = self.0.split_first().ok_or("a number is cut off")?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed());
            }
        }
        Err("a number is too long")
    }

    /// Bytes with their length.
    pub fn bytes(&mut self) -> Result<&'a [u8], Broken> {
        let length = usize::try_from(self.long()?).map_err(|_| "a length is negative")?;
        let (bytes, rest) = self.0.split_at_checked(length).ok_or("a value is cut off")?;
        self.0 = rest;
        Ok(bytes)
    }

    fn optional(&mut self) -> Result<Option<Vec<u8>>, Broken> {
        match self.long()? {
            0 => Ok(None),
            1 => Ok(Some(self.bytes()?.to_vec())),
            _ => Err("a union has no such branch"),
        }
    }

    /// How many items an array's or a map's block has; a negative count is followed by a size.
    pub fn items(&mut self) -> Result<u64, Broken> {
        let count = self.long()?;
        if count < 0 {
            self.long()?;
        }
        Ok(count.unsigned_abs())
    }

    fn headers(&mut self) -> Result<Vec<(String, Vec<u8>)>, Broken> {
        let mut headers = Vec::new();
        loop {
            let count = self.items()?;
            if count == 0 {
                return Ok(headers);
            }
            for _ in 0..count {
                let name = str::from_utf8(self.bytes()?).map_err(|_| "a name is not utf-8")?;
                headers.push((name.to_owned(), self.bytes()?.to_vec()));
            }
        }
    }

    /// A record of `partition`.
    pub fn record(&mut self, partition: &Partition) -> Result<Record, Broken> {
        let offset = Offset(self.long()?);
        Ok(Record {
            position: Position { partition: partition.clone(), offset },
            timestamp_ms: self.long()?,
            key: self.optional()?,
            value: self.optional()?,
            headers: self.headers()?,
        })
    }
}

/// The records of a block, in their order. A block has them all, and nothing else.
pub fn block(
    body: &[u8],
    count: u64,
    partition: &Partition,
    mut take: impl FnMut(Record) -> Result<(), Broken>,
) -> Result<(), Broken> {
    let mut cursor = Cursor(body);
    for _ in 0..count {
        take(cursor.record(partition)?)?;
    }
    if cursor.0.is_empty() { Ok(()) } else { Err("a block has bytes left over") }
}
