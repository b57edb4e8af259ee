//! The body being read: Avro's primitives off the front of it, every length checked.
use std::fmt;
use std::marker::PhantomData;

use super::error::{Failure, ReadError, ReadFault, Untold};
use super::{DEPTH_MAX, IDLE_ITEMS_MAX};

/// What is left of a body, and the bounds that reading it must keep; `F` is how it fails.
pub struct Cursor<'de, F = ReadError> {
    rest: &'de [u8],
    depth: usize,
    idle: u32,
    failure: PhantomData<F>,
}

/// The payload stays untold.
impl<F> fmt::Debug for Cursor<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cursor").field("remaining", &self.rest.len()).finish_non_exhaustive()
    }
}

impl<'de, F: Failure> Cursor<'de, F> {
    #[inline]
    pub(crate) fn new(body: &'de [u8]) -> Self {
        Self { rest: body, depth: 0, idle: IDLE_ITEMS_MAX, failure: PhantomData }
    }

    /// What is not read yet.
    pub(crate) fn rest(&self) -> &'de [u8] {
        self.rest
    }

    #[inline]
    pub(crate) fn remaining(&self) -> usize {
        self.rest.len()
    }

    #[inline(always)]
    pub(crate) fn long(&mut self) -> Result<i64, F> {
        let zigzag = match self.rest {
            [first, rest @ ..] if *first < 0x80 => {
                self.rest = rest;
                u64::from(*first)
            }
            [first, second, rest @ ..] if *second < 0x80 => {
                self.rest = rest;
                u64::from(*first & 0x7f) | (u64::from(*second) << 7)
            }
            _ => self.varint()?,
        };
        Ok((zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed())
    }

    /// A number of more than two bytes, eight at a time where there are as many: instants have
    /// six to nine.
    #[inline(never)]
    fn varint(&mut self) -> Result<u64, F> {
        if let Some((chunk, rest)) = self.rest.split_first_chunk::<8>() {
            let word = u64::from_le_bytes(*chunk);
            let ends = !word & 0x8080_8080_8080_8080;
            if ends != 0 {
                // All bits up to the top one of the last byte.
                let within = ends ^ (ends - 1);
                let length = within.count_ones() as usize / 8;
                self.rest = self.rest.get(length..).unwrap_or_default();
                return Ok(packed(word & within));
            }
            if let [ninth, rest @ ..] = rest
                && *ninth < 0x80
            {
                self.rest = rest;
                return Ok(packed(word) | (u64::from(*ninth) << 56));
            }
        }
        self.varint_by_byte()
    }

    #[cold]
    fn varint_by_byte(&mut self) -> Result<u64, F> {
        let mut value = 0;
        for (place, &byte) in self.rest.iter().enumerate().take(10) {
            // The tenth byte holds the one bit that is left of 64.
            if place == 9 && byte > 1 {
                return Err(ReadFault::Overlong.into());
            }
            value |= u64::from(byte & 0x7f) << (7 * place);
            if byte < 0x80 {
                self.rest = self.rest.get(place + 1..).unwrap_or_default();
                return Ok(value);
            }
        }
        Err(truncated(1, 0).into())
    }

    #[inline]
    pub(super) fn int(&mut self) -> Result<i32, F> {
        i32::try_from(self.long()?).map_err(|_| ReadFault::Range.into())
    }

    #[inline]
    pub(crate) fn boolean(&mut self) -> Result<bool, F> {
        match self.array()? {
            [0] => Ok(false),
            [1] => Ok(true),
            [found] => Err(ReadFault::Boolean { found }.into()),
        }
    }

    pub(super) fn float(&mut self) -> Result<f32, F> {
        self.array().map(f32::from_le_bytes)
    }

    pub(super) fn double(&mut self) -> Result<f64, F> {
        self.array().map(f64::from_le_bytes)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], F> {
        match self.rest.split_first_chunk() {
            Some((chunk, rest)) => {
                self.rest = rest;
                Ok(*chunk)
            }
            None => Err(truncated(N as u64, self.rest.len()).into()),
        }
    }

    #[inline(always)]
    pub(crate) fn take(&mut self, length: usize) -> Result<&'de [u8], F> {
        match self.rest.split_at_checked(length) {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
            None => Err(truncated(length as u64, self.rest.len()).into()),
        }
    }

    #[inline(always)]
    pub(crate) fn bytes(&mut self) -> Result<&'de [u8], F> {
        let length = self.long()?;
        let length = u64::try_from(length).map_err(|_| ReadFault::NegativeLength)?;
        let fits = usize::try_from(length).map_err(|_| truncated(length, self.rest.len()))?;
        self.take(fits)
    }

    #[inline(always)]
    pub(crate) fn text(&mut self) -> Result<&'de str, F> {
        utf8(self.bytes()?).ok_or_else(|| ReadFault::Utf8.into())
    }

    /// A place in a list of `count`; `None` with the number read if there is no such place.
    #[inline]
    pub(crate) fn place(&mut self, count: usize) -> Result<Result<usize, i64>, F> {
        let number = self.long()?;
        Ok(usize::try_from(number).ok().filter(|place| *place < count).ok_or(number))
    }

    #[inline]
    pub(crate) fn enter(&mut self) -> Result<(), F> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(ReadFault::Deep { limit: DEPTH_MAX }.into());
        }
        Ok(())
    }

    #[inline]
    pub(crate) fn leave(&mut self) {
        self.depth = self.depth.saturating_sub(1);
    }

    /// Tells of an item that began with `before` bytes left; those without content are counted,
    /// since nothing else bounds their number.
    #[inline]
    pub(crate) fn item_ended(&mut self, before: usize) -> Result<(), F> {
        if self.rest.len() < before {
            return Ok(());
        }
        match self.idle.checked_sub(1) {
            Some(idle) => self.idle = idle,
            None => {
                return Err(ReadFault::Idle { limit: IDLE_ITEMS_MAX }.into());
            }
        }
        Ok(())
    }
}

impl<'de> Cursor<'de, Untold> {
    #[inline(always)]
    pub(super) fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*byte)
    }

    /// Reads on with a cursor that tells what fails.
    pub(super) fn told<T>(
        &mut self,
        read: impl FnOnce(&mut Cursor<'de>) -> Result<T, ReadError>,
    ) -> Option<T> {
        let Self { rest, depth, idle, .. } = *self;
        let mut told = Cursor { rest, depth, idle, failure: PhantomData };
        let value = read(&mut told).ok()?;
        (self.rest, self.depth, self.idle) = (told.rest, told.depth, told.idle);
        Some(value)
    }
}

/// The text that bytes are, handed back in registers: inlined, std's result would be copied out of
/// the memory it has just been written to, with a wider load than its stores, and that stalls for
/// longer than a short text takes to check.
#[inline(never)]
fn utf8(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// Eight groups of seven bits put together, without the top bit of each byte.
#[inline]
fn packed(word: u64) -> u64 {
    let pairs = (word & 0x007f_007f_007f_007f) | ((word & 0x7f00_7f00_7f00_7f00) >> 1);
    let fours = (pairs & 0x0000_3fff_0000_3fff) | ((pairs & 0x3fff_0000_3fff_0000) >> 2);
    (fours & 0x0fff_ffff) | ((fours & 0x0fff_ffff_0000_0000) >> 4)
}

fn truncated(needed: u64, remaining: usize) -> ReadFault {
    ReadFault::Truncated { needed, remaining }
}

/// The blocks of an array or a map.
pub(super) struct Blocks {
    left: u64,
    ended: bool,
    /// How many bytes must be left behind the block, if the writer said.
    behind: Option<usize>,
}

/// The start of a block.
pub(crate) struct Block {
    /// How many items it has; none ends the array.
    pub(crate) count: u64,
    /// How many bytes it has, if the writer says.
    pub(crate) size: Option<usize>,
}

impl Blocks {
    /// Reads the start of the first block.
    pub(super) fn open<F: Failure>(cursor: &mut Cursor<'_, F>) -> Result<Self, F> {
        let mut blocks = Self { left: 0, ended: false, behind: None };
        blocks.start(cursor)?;
        Ok(blocks)
    }

    /// Whether there is one more item.
    pub(super) fn next<F: Failure>(&mut self, cursor: &mut Cursor<'_, F>) -> Result<bool, F> {
        if self.left == 0 && !self.ended {
            self.start(cursor)?;
        }
        let more = self.left > 0;
        self.left = self.left.saturating_sub(1);
        Ok(more)
    }

    /// Ends a block, where its size must be what it said, since skipping goes by it; and reads the
    /// start of the next.
    fn start<F: Failure>(&mut self, cursor: &mut Cursor<'_, F>) -> Result<(), F> {
        if self.behind.is_some_and(|behind| behind != cursor.remaining()) {
            return Err(ReadFault::BlockSize.into());
        }
        let block = cursor.block()?;
        self.left = block.count;
        self.ended = block.count == 0;
        self.behind = block.size.map(|size| cursor.remaining().saturating_sub(size));
        Ok(())
    }

    /// How many items are known to follow: a hint, and no more than there can be.
    pub(super) fn hint<F: Failure>(&self, cursor: &Cursor<'_, F>) -> usize {
        usize::try_from(self.left).unwrap_or(usize::MAX).min(cursor.remaining())
    }
}

impl<F: Failure> Cursor<'_, F> {
    #[inline]
    pub(crate) fn block(&mut self) -> Result<Block, F> {
        let count = self.long()?;
        let mut size = None;
        if count < 0 {
            let bytes = self.long()?;
            let bytes = u64::try_from(bytes).map_err(|_| ReadFault::NegativeLength)?;
            let fits = usize::try_from(bytes).ok().filter(|bytes| *bytes <= self.rest.len());
            size = Some(fits.ok_or_else(|| truncated(bytes, self.rest.len()))?);
        }
        let count = count.unsigned_abs();
        // Every item has at least a byte, but for the idle ones.
        if count > self.rest.len() as u64 + u64::from(self.idle) {
            return Err(truncated(count, self.rest.len()).into());
        }
        Ok(Block { count, size })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_length_are_read_alike_at_once_and_by_byte() {
        for bits in 0..64 {
            for value in [1_i64 << bits, (1_i64 << bits).wrapping_sub(1), -(1_i64 << (bits / 2))] {
                let mut body = Vec::new();
                crate::encode::long(value, &mut body);
                body.extend([0xff; 9]);
                let (mut at_once, mut by_byte) =
                    (Cursor::<ReadError>::new(&body), Cursor::<ReadError>::new(&body));
                assert_eq!(at_once.long(), Ok(value));
                assert!(by_byte.varint_by_byte().is_ok());
                assert_eq!(at_once.remaining(), by_byte.remaining(), "{value}");
            }
        }
    }
}
