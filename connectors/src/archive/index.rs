//! The index beside a file: where each block lies, what times and offsets it has, and which keys.

use readmill_schemas::encode;
use xxhash_rust::xxh3::xxh3_64;

use super::record::{Broken, Cursor, Parts};

const MAGIC: &[u8; 4] = b"RMI\x01";
/// With so many bits a key, one block in a hundred is read in vain.
const BITS_PER_KEY: usize = 10;
const PROBES: u64 = 7;

/// One block of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockEntry {
    /// Where it begins in the file.
    pub at: u64,
    /// How many records it has.
    pub records: u64,
    /// The offset of its first record.
    pub first_offset: i64,
    /// One past the offset of its last record.
    pub next_offset: i64,
    /// The earliest time of a record.
    pub oldest_ms: i64,
    /// The latest time of a record.
    pub newest_ms: i64,
    /// Which keys it may have.
    keys: Vec<u8>,
}

impl BlockEntry {
    /// Whether the block may have a record with this key. A key that it has is never denied.
    pub fn may_have(&self, key: &[u8]) -> bool {
        let bits = self.keys.len() as u64 * 8;
        bits > 0
            && probes(xxh3_64(key), bits).all(|bit| {
                let byte = usize::try_from(bit / 8).ok().and_then(|at| self.keys.get(at));
                byte.is_some_and(|byte| byte & (1 << (bit % 8)) != 0)
            })
    }
}

/// What is known of a block while it grows.
#[derive(Debug, Default)]
pub struct GrowingBlock {
    offsets: Option<(i64, i64)>,
    times: Option<(i64, i64)>,
    records: u64,
    keys: Vec<u64>,
}

impl GrowingBlock {
    /// Takes note of a record.
    pub fn note(&mut self, offset: i64, parts: Parts<'_>) {
        let at = parts.timestamp_ms;
        self.records += 1;
        self.offsets = Some((self.offsets.map_or(offset, |(first, _)| first), offset + 1));
        self.times = Some(self.times.map_or((at, at), |(old, new)| (old.min(at), new.max(at))));
        self.keys.extend(parts.key.map(xxh3_64));
    }

    /// How many records it has.
    pub const fn records(&self) -> u64 {
        self.records
    }

    /// The entry of the block that begins at `at`; nothing for an empty one.
    pub fn end(self, at: u64) -> Option<BlockEntry> {
        let ((first_offset, next_offset), (oldest_ms, newest_ms)) = self.offsets.zip(self.times)?;
        let (records, keys) = (self.records, filter(self.keys));
        Some(BlockEntry { at, records, first_offset, next_offset, oldest_ms, newest_ms, keys })
    }
}

/// A Bloom filter of hashes.
fn filter(mut hashes: Vec<u64>) -> Vec<u8> {
    hashes.sort_unstable();
    hashes.dedup();
    let mut filter = vec![0_u8; (hashes.len() * BITS_PER_KEY).div_ceil(8)];
    let bits = filter.len() as u64 * 8;
    for hash in hashes {
        for bit in probes(hash, bits) {
            let byte = usize::try_from(bit / 8).ok().and_then(|at| filter.get_mut(at));
            byte.into_iter().for_each(|byte| *byte |= 1 << (bit % 8));
        }
    }
    filter
}

/// The bits that stand for a hash: two halves make as many as are wanted.
fn probes(hash: u64, bits: u64) -> impl Iterator<Item = u64> {
    let (start, step) = (hash & 0xffff_ffff, (hash >> 32) | 1);
    (0..PROBES).map(move |n| (start + n * step) % bits)
}

/// The bytes of an index.
pub fn write(blocks: &[BlockEntry]) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    encode::items(blocks, &mut out, |block, out| {
        let counts = [block.at, block.records];
        counts.iter().for_each(|n| encode::long(i64::try_from(*n).unwrap_or(i64::MAX), out));
        let places = [block.first_offset, block.next_offset, block.oldest_ms, block.newest_ms];
        places.iter().for_each(|n| encode::long(*n, out));
        encode::bytes(&block.keys, out);
    });
    out
}

/// Reads the bytes of an index back.
pub fn read(bytes: &[u8]) -> Result<Vec<BlockEntry>, Broken> {
    let rest = bytes.strip_prefix(MAGIC).ok_or("it is not an index")?;
    let mut cursor = Cursor(rest);
    let mut blocks = Vec::new();
    let mut left = cursor.items()?;
    while left > 0 {
        blocks.push(block(&mut cursor)?);
        left -= 1;
        if left == 0 {
            left = cursor.items()?;
        }
    }
    if cursor.0.is_empty() { Ok(blocks) } else { Err("it has bytes left over") }
}

fn block(cursor: &mut Cursor<'_>) -> Result<BlockEntry, Broken> {
    let mut count = || u64::try_from(cursor.long()?).map_err(|_| "a count is negative");
    let (at, records) = (count()?, count()?);
    Ok(BlockEntry {
        at,
        records,
        first_offset: cursor.long()?,
        next_offset: cursor.long()?,
        oldest_ms: cursor.long()?,
        newest_ms: cursor.long()?,
        keys: cursor.bytes()?.to_vec(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(key: &[u8], timestamp_ms: i64) -> Parts<'_> {
        Parts { timestamp_ms, key: Some(key), value: None, headers: &[] }
    }

    #[test]
    fn a_block_denies_most_keys_that_it_has_not_and_none_that_it_has() {
        let mut growing = GrowingBlock::default();
        for n in 0..1000_i64 {
            growing.note(n * 2, parts(format!("k{}", n % 400).as_bytes(), 9_000 - n));
        }
        let block = growing.end(77).unwrap();
        assert!((0..400).all(|n| block.may_have(format!("k{n}").as_bytes())));
        let wrong = (0..10_000).filter(|n| block.may_have(format!("x{n}").as_bytes())).count();
        assert!(wrong < 200, "{wrong} of 10000");
        assert_eq!((block.at, block.records), (77, 1000));
        assert_eq!((block.first_offset, block.next_offset), (0, 1999));
        assert_eq!((block.oldest_ms, block.newest_ms), (8_001, 9_000));
        assert_eq!(block.keys.len(), 500, "ten bits a key");
        let without = GrowingBlock::default();
        assert!(without.end(0).is_none());
        assert_eq!(read(&write(std::slice::from_ref(&block))).unwrap(), [block]);
        assert_eq!(read(&write(&[])).unwrap(), []);
    }

    #[test]
    fn a_block_of_records_without_keys_has_none() {
        let mut growing = GrowingBlock::default();
        growing.note(0, Parts { timestamp_ms: 1, key: None, value: None, headers: &[] });
        assert!(!growing.end(0).unwrap().may_have(b""));
    }

    #[test]
    fn an_index_that_is_cut_or_changed_is_no_index() {
        let mut growing = GrowingBlock::default();
        growing.note(0, parts(b"k", 1));
        let whole = write(&[growing.end(5).unwrap()]);
        for length in 0..whole.len() {
            assert!(read(whole.get(..length).unwrap()).is_err(), "{length}");
        }
    }
}
