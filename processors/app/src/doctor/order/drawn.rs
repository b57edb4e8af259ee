//! Ids that tell when they were drawn: numbers of a sequence, UUIDs of version 7, ULIDs.

/// When an id was drawn, among others of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drawn {
    /// The number of a sequence.
    Number(u128),
    /// A time, in milliseconds since 1970.
    Time(u64),
}

/// The letters of a ULID.
const LETTERS: &str = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// So many of them are its time.
const TIME_LETTERS: usize = 10;
/// So many hexadecimal digits of a UUID are its time.
const TIME_DIGITS: usize = 12;

impl Drawn {
    /// Of an id; none if it does not tell.
    pub fn of(id: &str) -> Option<Self> {
        if !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_digit()) {
            return id.parse().ok().map(Self::Number);
        }
        uuid(id).or_else(|| ulid(id))
    }

    /// Whether it was drawn before the other: of two times within one millisecond, nobody knows.
    pub const fn is_before(self, other: Self) -> bool {
        match (self, other) {
            (Self::Number(one), Self::Number(other)) => one < other,
            (Self::Time(one), Self::Time(other)) => one < other,
            (Self::Number(_), Self::Time(_)) | (Self::Time(_), Self::Number(_)) => false,
        }
    }
}

fn uuid(id: &str) -> Option<Drawn> {
    let digits: String = id.chars().filter(|letter| *letter != '-').collect();
    let is_uuid = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_uuid || digits.get(TIME_DIGITS..=TIME_DIGITS) != Some("7") {
        return None;
    }
    u64::from_str_radix(digits.get(..TIME_DIGITS)?, 16).ok().map(Drawn::Time)
}

fn ulid(id: &str) -> Option<Drawn> {
    if id.len() != 26 {
        return None;
    }
    let mut time = 0_u64;
    for (at, letter) in id.chars().enumerate() {
        let value = LETTERS.find(letter.to_ascii_uppercase())?;
        if at < TIME_LETTERS {
            time = time.checked_mul(32)?.checked_add(value as u64)?;
        }
    }
    Some(Drawn::Time(time))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_tell_when_they_were_drawn_are_understood() {
        let v7 = "01932c07-209c-7bb6-8f1d-111111111111";
        let table = [
            ("17", Some(Drawn::Number(17))),
            (v7, Some(Drawn::Time(0x0193_2c07_209c))),
            ("01932c07-209c-4bb6-8f1d-111111111111", None),
            ("01ARZ3NDEKTSV4RRFFQ69G5FAV", Some(Drawn::Time(1_469_922_850_259))),
            ("01ARZ3NDEKTSV4RRFFQ69G5FAU", None),
            ("e-1", None),
            ("", None),
        ];
        for (id, wanted) in table {
            assert_eq!(Drawn::of(id), wanted, "{id}");
        }
        assert!(Drawn::Number(1).is_before(Drawn::Number(2)));
        assert!(!Drawn::Time(2).is_before(Drawn::Time(2)));
        assert!(!Drawn::Number(1).is_before(Drawn::Time(2)));
    }
}
