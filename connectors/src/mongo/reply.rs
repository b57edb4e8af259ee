//! What the answer to a command says about each of its writes.

use bson::{Bson, Document};
use readmill_engine::{Fault, Put};

use super::faults::{of_code, silent};
use super::plan::Kind;

/// The key exists already.
const DUPLICATE_KEY: i32 = 11_000;

/// Reads an answer in the one right order: errors of single writes first, then the write concern's,
/// which comes with `ok: 1`, and only then the count.
pub fn verdicts(
    place: &str,
    kind: Kind,
    statements: usize,
    reply: &Document,
) -> Result<Vec<Put>, Fault> {
    let refused = refused_writes(place, reply)?;
    if let Some(concern) = document(reply, "writeConcernError") {
        // The writes were made but may be rolled back. Nothing of them is known for sure.
        return Err(of_code(place, integer(concern, "code"), text(concern, "codeName")));
    }
    let written = usize::try_from(integer(reply, "n")).unwrap_or_default();
    if written > statements {
        return Err(silent(format!("{place}: an answer counts more writes than were asked for")));
    }
    // An update says how many documents matched, not which: with one missing, all are unsure. An
    // insert names those that it did not make.
    let known = match kind {
        Kind::Replace => written == statements,
        Kind::Insert => written + refused.len() == statements,
    };
    let verdict = |number: &usize| {
        if known && !refused.contains(number) { Put::Done } else { Put::Unsure }
    };
    Ok((0..statements).map(|number| verdict(&number)).collect())
}

/// The numbers of the statements that the server refused because another writer came first.
fn refused_writes(place: &str, reply: &Document) -> Result<Vec<usize>, Fault> {
    let Some(Bson::Array(errors)) = reply.get("writeErrors") else {
        return Ok(Vec::new());
    };
    let mut refused = Vec::with_capacity(errors.len());
    for error in errors.iter().filter_map(Bson::as_document) {
        let code = integer(error, "code");
        if code != DUPLICATE_KEY {
            return Err(of_code(place, code, text(error, "codeName")));
        }
        refused.extend(usize::try_from(integer(error, "index")));
    }
    Ok(refused)
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

    const D: Put = Put::Done;
    const U: Put = Put::Unsure;

    #[test]
    fn an_answer_tells_as_much_as_is_sure() {
        let duplicate = |index: i32| doc! {"index": index, "code": 11_000};
        let table = [
            (Kind::Replace, doc! {"ok": 1, "n": 3, "nModified": 2}, [D, D, D]),
            (Kind::Replace, doc! {"ok": 1, "n": 2_i64}, [U, U, U]),
            (Kind::Replace, doc! {"ok": 1}, [U, U, U]),
            (Kind::Insert, doc! {"ok": 1, "n": 3}, [D, D, D]),
            (Kind::Insert, doc! {"ok": 1, "n": 2, "writeErrors": [duplicate(1)]}, [D, U, D]),
            (Kind::Insert, doc! {"ok": 1, "n": 1, "writeErrors": [duplicate(1)]}, [U, U, U]),
        ];
        for (kind, reply, wanted) in table {
            assert_eq!(verdicts("host", kind, 3, &reply).unwrap(), wanted, "{reply}");
        }
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
