//! An exact number of any length, kept as its digits: money never passes through a float.
use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize, Serializer};

use super::RowFault;
use super::column::{Column, FromColumn, other};
use crate::semantic::{self, Semantic};

/// The most digits of a decimal: more than a [`semantic::Decimal`] of the greatest length has.
pub const DIGITS_MAX: usize = 262_144;

/// An exact number.
///
/// Equal numbers are equal (`1.5` and `1.50`), and their texts keep the digits they came with.
#[derive(Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct Decimal {
    negative: bool,
    /// Without zeros in front, but for one where there is no other digit before the point.
    digits: String,
    /// How many of the digits are behind the point.
    scale: usize,
}

impl Decimal {
    /// The name by which serializers know an exact number: a store that has such numbers writes
    /// the text as one.
    pub const FORM: &'static str = "readmill.decimal";

    /// A number of so many units of which one has so many digits behind the point.
    pub fn of_units(units: i128, scale: u32) -> Self {
        let scale = usize::try_from(scale).unwrap_or(DIGITS_MAX).min(DIGITS_MAX);
        let digits = format!("{:0>width$}", units.unsigned_abs(), width = scale + 1);
        Self { negative: units < 0, digits, scale }
    }

    /// The number in units with so many digits behind the point, such as cents for 2; nothing if
    /// it has more digits that say something, or is beyond 128 bits.
    pub fn units(&self, scale: u32) -> Option<i128> {
        let exact = self.with_scale(usize::try_from(scale).ok()?)?;
        let digits = exact.digits.trim_start_matches('0');
        let sign = if self.negative { "-" } else { "" };
        if digits.is_empty() { Some(0) } else { format!("{sign}{digits}").parse().ok() }
    }

    /// How many digits are behind the point.
    pub const fn scale(&self) -> usize {
        self.scale
    }

    /// The same number with so many digits behind the point, unless that would cut some off.
    pub fn with_scale(&self, scale: usize) -> Option<Self> {
        let mut digits = self.digits.clone();
        if scale >= self.scale {
            let more = scale - self.scale;
            if digits.len() + more > DIGITS_MAX {
                return None;
            }
            digits.extend(std::iter::repeat_n('0', more));
        } else {
            let kept = digits.len() - (self.scale - scale);
            if digits.split_off(kept).bytes().any(|digit| digit != b'0') {
                return None;
            }
        }
        Some(Self { negative: self.negative, digits, scale })
    }

    /// A column of so many digits, so many of them behind the point, however it was written.
    pub fn within(value: &Semantic<'_>, precision: usize, scale: usize) -> Column<Self> {
        let fault = RowFault::Range { kind: "the contract's decimal, by its precision and scale" };
        let exact = Self::of(value)?.with_scale(scale);
        let said = |number: &Self| number.digits.trim_start_matches('0').len() <= precision;
        exact.filter(said).ok_or(fault)
    }

    fn is_zero(&self) -> bool {
        self.digits.bytes().all(|digit| digit == b'0')
    }

    /// The digits before and behind the point.
    fn parts(&self) -> (&str, &str) {
        self.digits.split_at_checked(self.digits.len() - self.scale).unwrap_or((&self.digits, ""))
    }

    /// Compares without the sign.
    fn magnitude(&self, other: &Self) -> Ordering {
        let ((whole, fraction), (others, others_fraction)) = (self.parts(), other.parts());
        let fraction = fraction.trim_end_matches('0');
        (whole.len().cmp(&others.len()))
            .then_with(|| whole.cmp(others))
            .then_with(|| fraction.cmp(others_fraction.trim_end_matches('0')))
    }
}

impl TryFrom<&semantic::Decimal<'_>> for Decimal {
    type Error = RowFault;

    fn try_from(value: &semantic::Decimal<'_>) -> Result<Self, RowFault> {
        value.to_string().parse()
    }
}

impl FromColumn for Decimal {
    fn of(value: &Semantic<'_>) -> Column<Self> {
        if let Semantic::Decimal(value) = value {
            return value.try_into();
        }
        if let Semantic::Int(value) = value {
            return Ok(Self::of_units(i128::from(*value), 0));
        }
        if matches!(value, Semantic::Float(_) | Semantic::Double(_)) {
            return Err(RowFault::Inexact);
        }
        let Semantic::Text(text) = value else { return other("a decimal", value) };
        text.parse()
    }
}

impl FromStr for Decimal {
    type Err = RowFault;

    fn from_str(text: &str) -> Result<Self, RowFault> {
        let fault = RowFault::Form { kind: "a decimal" };
        let (minus, rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (whole, fraction) = rest.split_once('.').unwrap_or((rest, "0"));
        let are_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        if rest.len() > DIGITS_MAX || !are_digits(whole) || !are_digits(fraction) {
            return Err(fault);
        }
        let fraction = if rest.contains('.') { fraction } else { "" };
        let whole = match whole.trim_start_matches('0') {
            "" => "0",
            whole => whole,
        };
        let number =
            Self { negative: minus, digits: format!("{whole}{fraction}"), scale: fraction.len() };
        Ok(Self { negative: minus && !number.is_zero(), ..number })
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.negative { "-" } else { "" };
        match self.parts() {
            (whole, "") => write!(f, "{sign}{whole}"),
            (whole, fraction) => write!(f, "{sign}{whole}.{fraction}"),
        }
    }
}

impl fmt::Debug for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.negative, other.negative) {
            (false, false) => self.magnitude(other),
            (true, true) => other.magnitude(self),
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
        }
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Decimal {}

impl Default for Decimal {
    fn default() -> Self {
        Self::of_units(0, 0)
    }
}

impl TryFrom<String> for Decimal {
    type Error = RowFault;

    fn try_from(text: String) -> Result<Self, RowFault> {
        text.parse()
    }
}

impl Serialize for Decimal {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(Self::FORM, &self.to_string())
    }
}

impl From<Decimal> for String {
    fn from(number: Decimal) -> Self {
        number.to_string()
    }
}
