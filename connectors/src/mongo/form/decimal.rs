//! Exact numbers as Decimal128, digit by digit: a sign, up to 34 digits, and where the point is.

/// The exponent that stands for 0.
const BIAS: u32 = 6_176;

/// How many digits fit.
const DIGITS: usize = 34;

/// The bits of the digits.
const COEFFICIENT: u128 = (1 << 113) - 1;

/// The bits of the exponent.
const EXPONENT: u128 = (1 << 14) - 1;

/// The form of a decimal number such as `-12.50`, with its zeros; nothing if it has more digits
/// than fit, or is not such a number.
pub fn pack(text: &str) -> Option<[u8; 16]> {
    let (negative, rest) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (whole, fraction) = rest.split_once('.').unwrap_or((rest, ""));
    let scale = u32::try_from(fraction.len()).ok().filter(|scale| *scale <= BIAS)?;
    let mut coefficient = 0_u128;
    let mut counted = 0;
    for byte in whole.bytes().chain(fraction.bytes()) {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit <= 9)?;
        counted += usize::from(counted > 0 || digit > 0);
        if counted > DIGITS {
            return None;
        }
        coefficient = coefficient * 10 + u128::from(digit);
    }
    let sign = u128::from(negative) << 127;
    Some((sign | u128::from(BIAS - scale) << 113 | coefficient).to_le_bytes())
}

/// The number as a text without an exponent; nothing if it is none, or not in its normal form.
pub fn unpack(bytes: [u8; 16]) -> Option<String> {
    let bits = u128::from_le_bytes(bytes);
    // Infinities, what is no number, and forms with more digits than there can be.
    if (bits >> 125) & 0b11 == 0b11 {
        return None;
    }
    let digits = (bits & COEFFICIENT).to_string();
    if digits.len() > DIGITS {
        return None;
    }
    let biased = u32::try_from((bits >> 113) & EXPONENT).ok()?;
    let text = if biased >= BIAS {
        let zeros = if digits == "0" { 0 } else { biased - BIAS };
        digits + &"0".repeat(usize::try_from(zeros).ok()?)
    } else {
        let scale = usize::try_from(BIAS - biased).ok()?;
        let digits = format!("{digits:0>width$}", width = scale + 1);
        let (whole, fraction) = digits.split_at_checked(digits.len() - scale)?;
        format!("{whole}.{fraction}")
    };
    Some(if bits >> 127 == 1 { format!("-{text}") } else { text })
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use bson::Decimal128;

    use super::*;

    #[test]
    fn numbers_are_as_the_driver_has_them_and_come_back_with_their_zeros() {
        let long = "9".repeat(34);
        let small = format!("0.{}1", "0".repeat(60));
        let table = ["0", "1", "-1", "1.50", "-0.05", "0.00", "1200.00", "123.456", &long, &small];
        for text in table {
            let bytes = pack(text).unwrap();
            assert_eq!(Decimal128::from_str(text).unwrap().bytes(), bytes, "{text}");
            assert_eq!(unpack(bytes).as_deref(), Some(text));
        }
        assert_eq!(unpack(pack("007.5").unwrap()).as_deref(), Some("7.5"));
    }

    #[test]
    fn what_does_not_fit_is_not_packed_and_what_is_no_number_not_unpacked() {
        let long = "1".repeat(35);
        let far = format!("0.{}", "0".repeat(6_177));
        for text in [&long, &far, "1e5", "NaN", "١"] {
            assert_eq!(pack(text), None, "{text}");
        }
        for text in ["NaN", "Infinity", "-Infinity"] {
            assert_eq!(unpack(Decimal128::from_str(text).unwrap().bytes()), None, "{text}");
        }
        let thousands = Decimal128::from_str("12E+3").unwrap().bytes();
        assert_eq!(unpack(thousands).as_deref(), Some("12000"));
    }
}
