//! What the answer to a command says about each of its writes.

use bson::{Bson, Document};
use readmill_engine::Fault;

use super::faults::{foreign_index, is_too_large, of_code, silent};
use super::plan::Kind;

/// The key exists already.
const DUPLICATE_KEY: i32 = 11_000;

/// What a computed replacement of a document with another revision fails with: a text has no size.
const NO_SIZE: i32 = 17_124;

/// What is known of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// It was made, and a majority has it.
    Made,
    /// It was not made: another writer came first.
    Refused,
    /// It was not made: the document is too large.
    TooLarge,
    /// The count leaves open whether it was made.
    Unknown,
}

/// Reads an answer in the one right order: errors of single writes first, then the write concern's,
/// which comes with `ok: 1`, and only then the count.
pub fn verdicts(
    place: &str,
    kind: Kind,
    statements: usize,
    reply: &Document,
) -> Result<Vec<Heard>, Fault> {
    let refused = refused_writes(place, kind, reply)?;
    if let Some(concern) = document(reply, "writeConcernError") {
        // The writes were made but may be rolled back. Nothing of them is known for sure.
        return Err(of_code(place, integer(concern, "code"), text(concern, "codeName")));
    }
    let written = usize::try_from(integer(reply, "n")).unwrap_or_default();
    if written + refused.len() > statements {
        return Err(silent(format!("{place}: an answer counts more writes than were asked for")));
    }
    // The server counts the documents that matched, and does not say which: with one missing,
    // each may be the one.
    let rest = if written + refused.len() == statements { Heard::Made } else { Heard::Unknown };
    let mut heard = vec![rest; statements];
    for (number, why) in refused {
        if let Some(place) = heard.get_mut(number) {
            *place = why;
        }
    }
    Ok(heard)
}

/// The numbers of the statements that the server refused, and why.
fn refused_writes(place: &str, kind: Kind, reply: &Document) -> Result<Vec<(usize, Heard)>, Fault> {
    let Some(Bson::Array(errors)) = reply.get("writeErrors") else {
        return Ok(Vec::new());
    };
    let mut refused = Vec::with_capacity(errors.len());
    for error in errors.iter().filter_map(Bson::as_document) {
        let why = match (integer(error, "code"), kind) {
            (DUPLICATE_KEY, _) if !is_by_id(error) => return Err(foreign_index(place)),
            (DUPLICATE_KEY, Kind::Insert) | (NO_SIZE, Kind::Replace) => Heard::Refused,
            (code, _) if is_too_large(code) => Heard::TooLarge,
            (code, _) => return Err(of_code(place, code, text(error, "codeName"))),
        };
        refused.extend(usize::try_from(integer(error, "index")).map(|number| (number, why)));
    }
    Ok(refused)
}

/// Whether it is the `_id` that stands already. Old servers do not tell.
fn is_by_id(error: &Document) -> bool {
    document(error, "keyPattern").is_none_or(|pattern| pattern.keys().eq(["_id"]))
}

fn document<'a>(of: &'a Document, name: &str) -> Option<&'a Document> {
    of.get(name).and_then(Bson::as_document)
}

fn integer(of: &Document, name: &str) -> i32 {
    let value = of.get(name);
    let long = || i32::try_from(value.and_then(Bson::as_i64)?).ok();
    value.and_then(Bson::as_i32).or_else(long).unwrap_or(-1)
}

fn text<'a>(of: &'a Document, name: &str) -> &'a str {
    of.get(name).and_then(Bson::as_str).unwrap_or("a write error")
}

#[cfg(test)]
mod tests {
    use bson::doc;
    use readmill_engine::Remedy;

    use super::*;

    const M: Heard = Heard::Made;
    const R: Heard = Heard::Refused;
    const U: Heard = Heard::Unknown;
    const L: Heard = Heard::TooLarge;

    #[test]
    fn an_answer_tells_as_much_as_is_sure() {
        let duplicate = |index: i32| doc! {"index": index, "code": 11_000};
        let other = |index: i32| doc! {"index": index, "code": 17_124};
        let large = |index: i32| doc! {"index": index, "code": 17_419};
        let table = [
            (Kind::Replace, doc! {"ok": 1, "n": 3, "nModified": 2}, [M, M, M]),
            (Kind::Replace, doc! {"ok": 1, "n": 2_i64}, [U, U, U]),
            (Kind::Replace, doc! {"ok": 1}, [U, U, U]),
            (Kind::Replace, doc! {"ok": 1, "n": 2, "writeErrors": [other(1)]}, [M, R, M]),
            (Kind::Replace, doc! {"ok": 1, "n": 1, "writeErrors": [other(1)]}, [U, R, U]),
            (Kind::Replace, doc! {"n": 1, "writeErrors": [large(0), other(2)]}, [L, M, R]),
            (Kind::Insert, doc! {"ok": 1, "n": 3}, [M, M, M]),
            (Kind::Insert, doc! {"ok": 1, "n": 2, "writeErrors": [duplicate(1)]}, [M, R, M]),
            (Kind::Insert, doc! {"ok": 1, "n": 1, "writeErrors": [duplicate(1)]}, [U, R, U]),
        ];
        for (kind, reply, wanted) in table {
            assert_eq!(verdicts("host", kind, 3, &reply).unwrap(), wanted, "{reply}");
        }
        let too_many = doc! {"ok": 1, "n": 3, "writeErrors": [other(1)]};
        assert!(verdicts("host", Kind::Replace, 3, &too_many).is_err());
    }

    #[test]
    fn a_unique_index_of_others_is_told_of() {
        let by = |path: &str| {
            let error = doc! {"index": 0, "code": 11_000, "keyPattern": {path: 1}};
            verdicts("host", Kind::Insert, 1, &doc! {"ok": 1, "n": 0, "writeErrors": [error]})
        };
        assert_eq!(by("_id").unwrap(), [R]);
        let fault = by("email").unwrap_err();
        assert_eq!(fault.remedy(), Remedy::Stop);
        assert!(fault.to_string().contains("unique index"), "{fault}");
    }

    #[test]
    fn an_error_of_the_write_concern_hides_behind_ok_and_makes_all_of_it_unknown() {
        let timeout = doc! {"ok": 1, "n": 3, "writeConcernError": {"code": 64}};
        let fault = verdicts("host", Kind::Replace, 3, &timeout).unwrap_err();
        assert_eq!(fault.remedy(), Remedy::Retry);
        let alone = doc! {"ok": 1, "n": 3, "writeConcernError": {"code": 100}};
        let fault = verdicts("host", Kind::Insert, 3, &alone).unwrap_err();
        assert_eq!(fault.remedy(), Remedy::Stop);
    }

    #[test]
    fn another_error_of_a_write_is_told_by_its_code_and_never_by_its_text() {
        let error = doc! {"index": 0, "code": 121, "errmsg": "secret"};
        let reply = doc! {"ok": 1, "n": 2, "writeErrors": [error]};
        let text = verdicts("host", Kind::Insert, 3, &reply).unwrap_err().to_string();
        assert!(text.contains("(121)") && !text.contains("secret"), "{text}");
    }
}
