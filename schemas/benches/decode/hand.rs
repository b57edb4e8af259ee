//! Decoding by hand, in safe Rust and with every check that a plan makes: the limit.
//!
//! It knows one schema, keeps no path, and its error is one byte.

/// Why a body cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    Truncated,
    Overlong,
    Range,
    Length,
    Utf8,
    Branch,
    Decimal,
    Trailing,
}

/// What is left of a body.
pub struct Bytes<'a>(pub &'a [u8]);

impl<'a> Bytes<'a> {
    #[inline]
    pub fn long(&mut self) -> Result<i64, Fault> {
        let zigzag = match self.0 {
            [first, rest @ ..] if *first < 0x80 => {
                self.0 = rest;
                u64::from(*first)
            }
            [first, second, rest @ ..] if *second < 0x80 => {
                self.0 = rest;
                u64::from(*first & 0x7f) | (u64::from(*second) << 7)
            }
            _ => self.varint()?,
        };
        Ok((zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed())
    }

    #[inline(never)]
    fn varint(&mut self) -> Result<u64, Fault> {
        if let Some((chunk, rest)) = self.0.split_first_chunk::<8>() {
            let word = u64::from_le_bytes(*chunk);
            let ends = !word & 0x8080_8080_8080_8080;
            if ends != 0 {
                let within = ends ^ (ends - 1);
                let length = within.count_ones() as usize / 8;
                self.0 = self.0.get(length..).unwrap_or_default();
                return Ok(packed(word & within));
            }
            if let [ninth, rest @ ..] = rest
                && *ninth < 0x80
            {
                self.0 = rest;
                return Ok(packed(word) | (u64::from(*ninth) << 56));
            }
        }
        self.varint_by_byte()
    }

    #[cold]
    fn varint_by_byte(&mut self) -> Result<u64, Fault> {
        let mut value = 0;
        for (place, &byte) in self.0.iter().enumerate().take(10) {
            if place == 9 && byte > 1 {
                return Err(Fault::Overlong);
            }
            value |= u64::from(byte & 0x7f) << (7 * place);
            if byte < 0x80 {
                self.0 = self.0.get(place + 1..).unwrap_or_default();
                return Ok(value);
            }
        }
        Err(Fault::Truncated)
    }

    #[inline]
    pub fn int(&mut self) -> Result<i32, Fault> {
        i32::try_from(self.long()?).map_err(|_| Fault::Range)
    }

    #[inline]
    pub fn bytes(&mut self) -> Result<&'a [u8], Fault> {
        let length = usize::try_from(self.long()?).map_err(|_| Fault::Length)?;
        let (taken, rest) = self.0.split_at_checked(length).ok_or(Fault::Truncated)?;
        self.0 = rest;
        Ok(taken)
    }

    #[inline]
    pub fn text(&mut self) -> Result<&'a str, Fault> {
        utf8(self.bytes()?).ok_or(Fault::Utf8)
    }

    /// A value of a union of null, at place `null`, and one other type.
    #[inline]
    pub fn option<T>(
        &mut self,
        null: i64,
        read: impl FnOnce(&mut Self) -> Result<T, Fault>,
    ) -> Result<Option<T>, Fault> {
        match self.long()? {
            branch if branch == null => Ok(None),
            0 | 1 => read(self).map(Some),
            _ => Err(Fault::Branch),
        }
    }

    /// The items of an array, each of which has content.
    #[inline]
    pub fn items<T>(
        &mut self,
        read: impl Fn(&mut Self) -> Result<T, Fault>,
    ) -> Result<Vec<T>, Fault> {
        let mut items = Vec::new();
        loop {
            let mut count = self.long()?;
            if count == 0 {
                return Ok(items);
            }
            if count < 0 {
                self.long()?;
                count = count.checked_neg().ok_or(Fault::Length)?;
            }
            let count = usize::try_from(count).map_err(|_| Fault::Length)?;
            if count > self.0.len() {
                return Err(Fault::Truncated);
            }
            items.reserve(count);
            for _ in 0..count {
                items.push(read(self)?);
            }
        }
    }

    pub fn end(&self) -> Result<(), Fault> {
        if self.0.is_empty() { Ok(()) } else { Err(Fault::Trailing) }
    }
}

fn packed(word: u64) -> u64 {
    let pairs = (word & 0x007f_007f_007f_007f) | ((word & 0x7f00_7f00_7f00_7f00) >> 1);
    let fours = (pairs & 0x0000_3fff_0000_3fff) | ((pairs & 0x3fff_0000_3fff_0000) >> 2);
    (fours & 0x0fff_ffff) | ((fours & 0x0fff_ffff_0000_0000) >> 4)
}

#[inline(never)]
fn utf8(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}
