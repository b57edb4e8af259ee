//! The body being read: Avro's primitives off the front of it, every length and count checked.
use super::IDLE_VALUES_MAX;
use super::error::SemanticFault;

type Read<T> = Result<T, SemanticFault>;

/// What is left of a body, and how many values without content it may still have.
pub(super) struct Body<'a> {
    rest: &'a [u8],
    idle: usize,
}

impl<'a> Body<'a> {
    pub(super) fn new(rest: &'a [u8]) -> Self {
        Self { rest, idle: IDLE_VALUES_MAX }
    }

    /// What is not read yet.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(super) fn remaining(&self) -> usize {
        self.rest.len()
    }

    pub(super) fn long(&mut self) -> Read<i64> {
        let mut zigzag = 0;
        for (place, &byte) in self.rest.iter().enumerate().take(10) {
            // The tenth byte holds the one bit that is left of 64.
            if place == 9 && byte > 1 {
                return Err(SemanticFault::Overlong);
            }
            zigzag |= u64::from(byte & 0x7f) << (7 * place);
            if byte < 0x80 {
                self.rest = self.rest.get(place + 1..).unwrap_or_default();
                return Ok((zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed());
            }
        }
        Err(self.truncated(1))
    }

    pub(super) fn int(&mut self) -> Read<i32> {
        i32::try_from(self.long()?).map_err(|_| SemanticFault::Range { kind: "an int" })
    }

    pub(super) fn boolean(&mut self) -> Read<bool> {
        match self.array()? {
            [0] => Ok(false),
            [1] => Ok(true),
            [found] => Err(SemanticFault::Boolean { found }),
        }
    }

    pub(super) fn float(&mut self) -> Read<f32> {
        self.array().map(f32::from_le_bytes)
    }

    pub(super) fn double(&mut self) -> Read<f64> {
        self.array().map(f64::from_le_bytes)
    }

    fn array<const N: usize>(&mut self) -> Read<[u8; N]> {
        let Some((chunk, rest)) = self.rest.split_first_chunk() else {
            return Err(self.truncated(N as u64));
        };
        self.rest = rest;
        Ok(*chunk)
    }

    pub(super) fn take(&mut self, length: usize) -> Read<&'a [u8]> {
        let Some((taken, rest)) = self.rest.split_at_checked(length) else {
            return Err(self.truncated(length as u64));
        };
        self.rest = rest;
        Ok(taken)
    }

    pub(super) fn bytes(&mut self) -> Read<&'a [u8]> {
        let length = self.long()?;
        let length = u64::try_from(length).map_err(|_| SemanticFault::NegativeLength)?;
        self.take(usize::try_from(length).map_err(|_| self.truncated(length))?)
    }

    pub(super) fn text(&mut self) -> Read<&'a str> {
        std::str::from_utf8(self.bytes()?).map_err(|_| SemanticFault::Utf8)
    }

    /// A place in a list of `count`.
    pub(super) fn place(&mut self, count: usize) -> Read<usize> {
        let found = self.long()?;
        let place = usize::try_from(found).ok().filter(|place| *place < count);
        place.ok_or(SemanticFault::Branch { found, branches: count })
    }

    /// The count of a block's items; the byte size that a negative count brings is not needed.
    pub(super) fn block(&mut self) -> Read<u64> {
        let count = self.long()?;
        if count < 0 {
            self.long()?;
        }
        Ok(count.unsigned_abs())
    }

    /// Tells of an item or a field that began with `before` bytes left; those without content are
    /// counted, since nothing else bounds their number.
    pub(super) fn ended(&mut self, before: usize) -> Read<()> {
        if self.rest.len() == before {
            let fault = SemanticFault::Idle { limit: IDLE_VALUES_MAX };
            self.idle = self.idle.checked_sub(1).ok_or(fault)?;
        }
        Ok(())
    }

    #[cold]
    fn truncated(&self, needed: u64) -> SemanticFault {
        SemanticFault::Truncated { needed, remaining: self.rest.len() }
    }
}
