//! Decimals of any length: exact text from unscaled two's complement bytes, by whole numbers alone.
use std::borrow::Cow;
use std::fmt;

use super::error::SemanticFault;

/// The most bytes of an unscaled value: more than PostgreSQL's longest numeric has.
pub const DECIMAL_BYTES_MAX: usize = 65_536;

/// The largest scale, and as a negative number the smallest: PostgreSQL's is 16,383.
pub const SCALE_MAX: u32 = 32_768;

/// A number `unscaled * 10^-scale`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decimal<'a> {
    unscaled: Cow<'a, [u8]>,
    scale: i32,
}

/// Nine decimal digits fit into a limb.
const LIMB: u64 = 1_000_000_000;

impl<'a> Decimal<'a> {
    /// Takes a big-endian two's complement number; no bytes at all are zero.
    pub fn new(unscaled: &'a [u8], scale: i32) -> Result<Self, SemanticFault> {
        let bounded = unscaled.len() <= DECIMAL_BYTES_MAX && scale.unsigned_abs() <= SCALE_MAX;
        if !bounded {
            return Err(SemanticFault::Range { kind: "a decimal" });
        }
        Ok(Self { unscaled: Cow::Borrowed(unscaled), scale })
    }

    /// The unscaled number in big-endian two's complement.
    pub fn unscaled(&self) -> &[u8] {
        &self.unscaled
    }

    /// How many digits are behind the point; negative for zeros in front of it.
    pub fn scale(&self) -> i32 {
        self.scale
    }

    /// The same number that owns its bytes.
    pub fn into_owned(self) -> Decimal<'static> {
        Decimal { unscaled: Cow::Owned(self.unscaled.into_owned()), scale: self.scale }
    }

    fn is_negative(&self) -> bool {
        self.unscaled.first().is_some_and(|byte| byte & 0x80 != 0)
    }

    /// The digits of the unscaled number without its sign.
    fn digits(&self) -> String {
        let mut limbs = self.magnitude();
        let mut groups = Vec::new();
        while !limbs.is_empty() {
            groups.push(divide(&mut limbs));
        }
        let mut digits = groups.pop().unwrap_or(0).to_string();
        for group in groups.iter().rev() {
            digits.push_str(&format!("{group:09}"));
        }
        digits
    }

    /// The absolute value in 32-bit limbs, the most significant first, without leading zeros.
    fn magnitude(&self) -> Vec<u32> {
        let negative = self.is_negative();
        let mut carry = negative;
        let mut limbs = Vec::with_capacity(self.unscaled.len() / 4 + 1);
        for chunk in self.unscaled.rchunks(4) {
            let mut bytes = [if negative { 0xff } else { 0 }; 4];
            if let Some(place) = bytes.get_mut(4 - chunk.len()..) {
                place.copy_from_slice(chunk);
            }
            let limb = u32::from_be_bytes(bytes);
            if negative {
                let (turned, over) = (!limb).overflowing_add(u32::from(carry));
                limbs.push(turned);
                carry = over;
            } else {
                limbs.push(limb);
            }
        }
        if negative && carry {
            limbs.push(1);
        }
        while limbs.last() == Some(&0) {
            limbs.pop();
        }
        limbs.reverse();
        limbs
    }
}

/// Divides by ten to the ninth, takes leading zeros off, and returns the remainder.
fn divide(limbs: &mut Vec<u32>) -> u64 {
    let mut rest = 0;
    for limb in limbs.iter_mut() {
        let part = rest << 32 | u64::from(*limb);
        // The rest is below the divisor, so the quotient fits a limb.
        *limb = u32::try_from(part / LIMB).unwrap_or(u32::MAX);
        rest = part % LIMB;
    }
    let zeros = limbs.iter().take_while(|limb| **limb == 0).count();
    limbs.drain(..zeros);
    rest
}

impl fmt::Display for Decimal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = self.digits();
        if self.is_negative() {
            f.write_str("-")?;
        }
        let scale = usize::try_from(self.scale.unsigned_abs()).unwrap_or(0);
        if self.scale <= 0 {
            let zeros = if digits == "0" { 0 } else { scale };
            return write!(f, "{digits}{:0<zeros$}", "");
        }
        match digits.len().checked_sub(scale).filter(|whole| *whole > 0) {
            Some(whole) => {
                let (whole, fraction) = digits.split_at(whole);
                write!(f, "{whole}.{fraction}")
            }
            None => write!(f, "0.{digits:0>scale$}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_exact() {
        let table: [(&[u8], i32, &str); 16] = [
            (&[], 0, "0"),
            (&[0], 2, "0.00"),
            (&[0], -2, "0"),
            (&[0x96], 2, "-1.06"),
            (&[0x00, 0x96], 2, "1.50"),
            (&[0xff], 0, "-1"),
            (&[0xff], 2, "-0.01"),
            (&[0x80], 0, "-128"),
            (&[0xff, 0x7f], 1, "-12.9"),
            (&[1], -3, "1000"),
            (&[0xff, 0xff, 0xff, 0xff], 0, "-1"),
            (&[0x80, 0, 0, 0], 0, "-2147483648"),
            (&[0xff, 0, 0, 0, 0], 0, "-4294967296"),
            (&[0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], 2, "92233720368547758.07"),
            (&[0, 0, 0, 0, 0, 7], 1, "0.7"),
            (&[0x3b, 0x9a, 0xca, 0x00], 0, "1000000000"),
        ];
        for (unscaled, scale, expected) in table {
            assert_eq!(Decimal::new(unscaled, scale).unwrap().to_string(), expected);
        }
    }

    #[test]
    fn beyond_128_bits() {
        let mut power = vec![1];
        power.extend([0; 32]);
        let text = Decimal::new(&power, 0).unwrap().to_string();
        assert_eq!(
            text,
            "115792089237316195423570985008687907853269984665640564039457584007913129639936"
        );
    }

    #[test]
    fn bounds_hold() {
        assert!(Decimal::new(&[0; DECIMAL_BYTES_MAX + 1], 0).is_err());
        assert!(Decimal::new(&[1], i32::MIN).is_err());
    }
}
