//! Ranges of keys. MongoDB compares texts byte by byte, as we do.

use bson::{Document, doc};
use readmill_core::Key;

/// The filter for the keys that begin with `prefix` and come after `after`.
pub fn of(prefix: &str, after: Option<&Key>) -> Document {
    let mut range = doc! {"$gte": prefix};
    if let Some(end) = end_of(prefix) {
        range.insert("$lt", end);
    }
    if let Some(after) = after {
        range.insert("$gt", after.as_str());
    }
    doc! {"_id": range}
}

/// The first text behind all that begin with `prefix`; none if there is no such text. Letters have
/// the order of their bytes.
fn end_of(prefix: &str) -> Option<String> {
    let mut letters: Vec<char> = prefix.chars().collect();
    while let Some(last) = letters.pop() {
        if let Some(next) = (last..=char::MAX).nth(1) {
            letters.push(next);
            return Some(letters.into_iter().collect());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_behind_all_that_begins_so_and_before_everything_else() {
        let table = [
            ("a", Some("b")),
            ("", None),
            ("az", Some("a{")),
            ("a\u{7f}", Some("a\u{80}")),
            ("배", Some("백")),
            ("\u{d7ff}", Some("\u{e000}")),
            ("a\u{10ffff}", Some("b")),
            ("\u{10ffff}", None),
        ];
        for (prefix, end) in table {
            assert_eq!(end_of(prefix).as_deref(), end, "{prefix}");
            if let Some(end) = end {
                let last = format!("{prefix}\u{10ffff}\u{10ffff}");
                assert!(last.as_str() < end && !end.starts_with(prefix), "{prefix}");
            }
        }
    }

    #[test]
    fn a_page_begins_behind_the_one_before() {
        let after = Key::from("a5");
        let wanted = doc! {"_id": {"$gte": "a", "$lt": "b", "$gt": "a5"}};
        assert_eq!(of("a", Some(&after)), wanted);
        assert_eq!(of("", None), doc! {"_id": {"$gte": ""}});
    }
}
