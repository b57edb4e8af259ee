//! Avro's object-container format: a header, then blocks, each sealed by the file's marker.
//!
//! The files are plain Avro for every other tool. apache-avro's own reader and writer are not used:
//! they go through a tree of values, the writer's header differs from run to run, and a short
//! write is lost. Its compression is used.

use std::io::{self, Read};

use apache_avro::{Codec, Schema, ZstandardSettings};
use readmill_schemas::encode;
use xxhash_rust::xxh3::xxh3_64;

use super::record::{Broken, Cursor, SCHEMA};

const MAGIC: &[u8; 4] = b"Obj\x01";
/// The most that a header or a compressed block may claim to be long.
const LONGEST_BYTES: u64 = 64 * 1024 * 1024;
/// Zstandard has no checksum here, so each block ends in a *skippable frame* with the hash of the
/// frame before it: decompressors ignore it, and a flipped bit is found before it is folded.
const SEAL: [u8; 8] = [0x5e, 0x2a, 0x4d, 0x18, 8, 0, 0, 0];
const SEALED: &str = "readmill.sealed";

/// The marker between a file's blocks.
pub type Marker = [u8; 16];

/// Why a file cannot be read on.
#[derive(Debug)]
pub enum Unreadable {
    /// The bytes are not what was written.
    Broken(Broken),
    /// The file ends within a block.
    CutOff,
    /// The disk says so.
    Io(io::Error),
}

impl From<Broken> for Unreadable {
    fn from(broken: Broken) -> Self {
        Self::Broken(broken)
    }
}

impl From<io::Error> for Unreadable {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::UnexpectedEof { Self::CutOff } else { Self::Io(error) }
    }
}

/// A file's header.
pub fn header(marker: &Marker) -> Vec<u8> {
    let mut out = MAGIC.to_vec();
    encode::long(3, &mut out);
    let entries =
        [("avro.schema", SCHEMA), ("avro.codec", "zstandard"), (SEALED, "xxh3-64 skippable frame")];
    for (name, value) in entries {
        encode::text(name, &mut out);
        encode::text(value, &mut out);
    }
    out.push(0);
    out.extend_from_slice(marker);
    out
}

/// A block of `count` records, compressed and sealed.
pub fn block(count: u64, mut body: Vec<u8>, marker: &Marker) -> io::Result<Vec<u8>> {
    zstandard().compress(&mut body).map_err(io::Error::other)?;
    let seal = xxh3_64(&body).to_le_bytes();
    body.extend_from_slice(&SEAL);
    body.extend_from_slice(&seal);
    let mut out = Vec::with_capacity(body.len() + 36);
    encode::long(i64::try_from(count).unwrap_or(i64::MAX), &mut out);
    encode::bytes(&body, &mut out);
    out.extend_from_slice(marker);
    Ok(out)
}

fn zstandard() -> Codec {
    Codec::Zstandard(ZstandardSettings::new(1))
}

/// Reads a file block by block.
#[derive(Debug)]
pub struct Blocks<R> {
    input: R,
    marker: Marker,
    codec: Codec,
    sealed: bool,
}

impl<R: Read> Blocks<R> {
    /// Reads the header.
    pub fn open(mut input: R) -> Result<Self, Unreadable> {
        let mut magic = [0; 4];
        input.read_exact(&mut magic)?;
        if magic != *MAGIC {
            return Err("it is not an avro container file".into());
        }
        let meta = metadata(&mut input)?;
        let named = |name: &str| {
            meta.iter().find(|(known, _)| known == name.as_bytes()).map(|(_, v)| v.as_slice())
        };
        require_schema(named("avro.schema").unwrap_or_default())?;
        let codec = match named("avro.codec") {
            None | Some(b"null") => Codec::Null,
            Some(b"zstandard") => zstandard(),
            Some(_) => return Err("its compression is neither zstandard nor none".into()),
        };
        let sealed = named(SEALED).is_some();
        let mut marker = [0; 16];
        input.read_exact(&mut marker)?;
        Ok(Self { input, marker, codec, sealed })
    }

    /// What is read from.
    pub const fn input(&self) -> &R {
        &self.input
    }

    /// Goes on with the block at the front of `input`: the same file, from another place on.
    pub fn jump(&mut self, input: R) {
        self.input = input;
    }

    /// The next block: how many records it has, and their bytes. `None` at the end of the file.
    pub fn next_block(&mut self) -> Result<Option<(u64, Vec<u8>)>, Unreadable> {
        let Some(count) = first_long(&mut self.input)? else {
            return Ok(None);
        };
        let count = u64::try_from(count).map_err(|_| "a block has a negative count")?;
        let mut body = sized(&mut self.input)?;
        let mut marker = [0; 16];
        self.input.read_exact(&mut marker)?;
        if marker != self.marker {
            return Err("a block does not end in the file's marker".into());
        }
        if self.sealed {
            unseal(&mut body)?;
        }
        self.codec.decompress(&mut body).map_err(|_| "a block cannot be decompressed")?;
        Ok(Some((count, body)))
    }
}

fn require_schema(text: &[u8]) -> Result<(), Unreadable> {
    let canonical = |text: &str| Schema::parse_str(text).ok().map(|known| known.canonical_form());
    let found = str::from_utf8(text).ok().and_then(canonical);
    if found.is_some() && found == canonical(SCHEMA) {
        return Ok(());
    }
    Err("its schema is not that of an archive's records".into())
}

/// Checks the hash at a block's end and takes it off.
fn unseal(body: &mut Vec<u8>) -> Result<(), Unreadable> {
    let end = body.len().checked_sub(16).ok_or("a block has no seal")?;
    let (frame, seal) = body.split_at_checked(end).ok_or("a block has no seal")?;
    let (head, hash) = seal.split_at_checked(8).ok_or("a block has no seal")?;
    if head != SEAL || hash != xxh3_64(frame).to_le_bytes() {
        return Err("a block does not match its checksum".into());
    }
    body.truncate(end);
    Ok(())
}

type Metadata = Vec<(Vec<u8>, Vec<u8>)>;

fn metadata(input: &mut impl Read) -> Result<Metadata, Unreadable> {
    let mut entries = Vec::new();
    loop {
        let count = long(input)?;
        if count == 0 {
            return Ok(entries);
        }
        if count < 0 {
            long(input)?;
        }
        for _ in 0..count.unsigned_abs() {
            if entries.len() >= 64 {
                return Err("its header has too many entries".into());
            }
            entries.push((sized(input)?, sized(input)?));
        }
    }
}

/// Bytes with their length in front. The buffer grows with what is really there: a length is not
/// believed beforehand.
fn sized(input: &mut impl Read) -> Result<Vec<u8>, Unreadable> {
    let length = u64::try_from(long(input)?).map_err(|_| "a length is negative")?;
    if length > LONGEST_BYTES {
        return Err("a block claims to be longer than any that is written".into());
    }
    let mut bytes = Vec::new();
    let read = input.take(length).read_to_end(&mut bytes)?;
    if read as u64 == length { Ok(bytes) } else { Err(Unreadable::CutOff) }
}

fn long(input: &mut impl Read) -> Result<i64, Unreadable> {
    first_long(input)?.ok_or(Unreadable::CutOff)
}

/// A number, or `None` where the file ends in front of it.
fn first_long(input: &mut impl Read) -> Result<Option<i64>, Unreadable> {
    let mut bytes = Vec::with_capacity(10);
    loop {
        let mut byte = [0];
        if let Err(error) = input.read_exact(&mut byte) {
            let at_end = bytes.is_empty() && error.kind() == io::ErrorKind::UnexpectedEof;
            return if at_end { Ok(None) } else { Err(error.into()) };
        }
        bytes.extend_from_slice(&byte);
        if byte[0] & 0x80 == 0 {
            return Ok(Some(Cursor(&bytes).long()?));
        }
        if bytes.len() >= 10 {
            return Err("a number is too long".into());
        }
    }
}
