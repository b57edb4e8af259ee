//! A document as MongoDB keeps it: the state's fields on top, the stamp under one reserved name.

use bson::raw::{CStr, CString, cstr};
use bson::{DateTime, RawDocument, RawDocumentBuf};
use readmill_core::{Document, Key, ReadModel, Stamp};
use readmill_engine::Fault;
use serde::Serialize;

use super::faults::{TOO_LARGE, refused};
use crate::life;

/// The only name that a state may not use, beside `_id`.
pub const STAMP: &CStr = cstr!("_readmill");

/// Where the revision stands, for filters.
pub const REVISION: &CStr = cstr!("_readmill.revision");

/// Where a tombstone's end stands, for the index that removes it.
pub const EXPIRES_AT: &str = "_readmill.expires_at";

/// Since when events wait in a document, for the index by which such documents are found.
pub const WAITING_SINCE: &str = "_readmill.waiting.since_ms";

const ID: &CStr = cstr!("_id");

const MAX_DOCUMENT_BYTES: usize = 16 << 20;

/// The stamp with what MongoDB needs beside it.
#[derive(Serialize)]
#[serde(bound = "Stamp<E>: Serialize")]
struct StampRow<'a, E> {
    #[serde(flatten)]
    stamp: &'a Stamp<E>,
    /// There is no state: not even one without any fields.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    bare: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<DateTime>,
}

/// Lays out a document. `expire_at` is when a tombstone written now may go.
pub fn of_document<M: ReadModel>(
    key: &Key,
    document: &Document<M>,
    expire_at: Option<DateTime>,
) -> Result<RawDocumentBuf, Fault> {
    let mut row = RawDocumentBuf::new();
    row.append(ID, key.as_str());
    if let Some(state) = &document.state {
        let state = bson::serialize_to_raw_document_buf(state).map_err(|e| unfit(M::NAME, &e))?;
        for element in state.iter_elements() {
            let element = element.map_err(|error| unfit(M::NAME, &error))?;
            let name = element.key();
            if name == STAMP || name == ID || name.as_str().starts_with('$') {
                return Err(reserved(M::NAME, name));
            }
            row.append(name, element.value().map_err(|error| unfit(M::NAME, &error))?);
        }
    }
    let stamp = &document.stamp;
    let expires_at = expire_at.filter(|_| life::may_expire(stamp));
    let stamp = StampRow { stamp, bare: document.state.is_none(), expires_at };
    let stamp = bson::serialize_to_raw_document_buf(&stamp).map_err(|e| unfit(M::NAME, &e))?;
    row.append(STAMP, &stamp);
    let bytes = row.as_bytes().len();
    if bytes > MAX_DOCUMENT_BYTES {
        let model = M::NAME;
        return Err(refused(format!("a document of {model} has {bytes} bytes"), TOO_LARGE));
    }
    Ok(row)
}

/// Reads a row back.
pub fn into_document<M: ReadModel>(row: &RawDocument) -> Result<(Key, Document<M>), Fault> {
    let damage = |error: bson::error::Error| damaged(M::NAME, &error);
    let mut key = None;
    let mut stamp = None;
    let mut state = RawDocumentBuf::new();
    for element in row.iter_elements() {
        let element = element.map_err(damage)?;
        let (name, value) = (element.key(), element.value().map_err(damage)?);
        if name == ID {
            key = value.as_str().map(Key::from);
        } else if name == STAMP {
            stamp = value.as_document();
        } else {
            state.append(name, value);
        }
    }
    let (Some(key), Some(stamp)) = (key, stamp) else {
        return Err(foreign(M::NAME));
    };
    let bare = stamp.get_bool("bare").unwrap_or(false);
    let state = if bare {
        None
    } else {
        Some(bson::deserialize_from_slice(state.as_bytes()).map_err(damage)?)
    };
    let stamp = bson::deserialize_from_slice(stamp.as_bytes()).map_err(damage)?;
    Ok((key, Document { state, stamp }))
}

/// A name as BSON spells it.
pub fn name(text: &str) -> Result<CString, Fault> {
    CString::try_from(text)
        .map_err(|_| refused("a name contains a NUL", "take it out of the configuration"))
}

fn unfit(model: &str, error: &bson::error::Error) -> Fault {
    refused(
        format!("a document of {model} cannot be written as BSON: {}", error.kind),
        "the state of a read model must be a structure, without numbers beyond 63 bits",
    )
}

fn reserved(model: &str, name: &CStr) -> Fault {
    refused(
        format!("the state of {model} has a field named {}", name.as_str()),
        "_id, _readmill and names that begin with $ are reserved: rename the field",
    )
}

fn foreign(model: &str) -> Fault {
    Fault::Damaged {
        what: format!("a document of {model} in MongoDB"),
        detail: "its _id is no text or its _readmill is missing".to_owned(),
        hint: "another program wrote into the collection: remove what is not readmill's",
    }
}

/// The driver's words may quote values: only the kind of the error is told.
fn damaged(model: &str, error: &bson::error::Error) -> Fault {
    let at = error.key.as_deref().unwrap_or("its top level");
    Fault::Damaged {
        what: format!("a document of {model} in MongoDB"),
        detail: format!("it does not fit the read model at {at}"),
        hint: "the state has changed since it was written: open a new generation and rebuild",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::{Pebble, Pebbles};

    #[test]
    fn the_state_is_on_top_and_the_stamp_under_its_name() {
        let document = Pebble::number(4).at_revision(6);
        let row = of_document(&Key::from("k"), &document, Some(DateTime::now())).unwrap();
        assert_eq!(row.get_str("_id").unwrap(), "k");
        assert_eq!(row.get_i64("count").unwrap(), 4);
        let stamp = row.get_document("_readmill").unwrap();
        assert_eq!(stamp.get_i64("revision").unwrap(), 6);
        assert_eq!(stamp.iter().count(), 1, "{stamp:?}");
        let back = into_document::<Pebbles>(&row).unwrap();
        assert_eq!(back, (Key::from("k"), document));
    }

    #[test]
    fn a_tombstone_is_its_key_and_its_stamp_with_an_end() {
        let stamp = Stamp { revision: 7, gone: true, ..Stamp::default() };
        let mut document = Document::<Pebbles> { state: None, stamp };
        let end = Some(DateTime::from_millis(5));
        let row = of_document(&Key::from("k"), &document, end).unwrap();
        assert_eq!(row.iter().count(), 2);
        let stamp = row.get_document("_readmill").unwrap();
        assert_eq!(stamp.get_datetime("expires_at").unwrap().timestamp_millis(), 5);
        assert_eq!(into_document::<Pebbles>(&row).unwrap().1, document);
        document.stamp.held = crate::conformance::somewhere();
        let row = of_document(&Key::from("k"), &document, end).unwrap();
        assert!(row.get_document("_readmill").unwrap().get("expires_at").unwrap().is_none());
    }

    #[test]
    fn a_row_of_another_program_is_damage_and_is_not_quoted() {
        let row = bson::rawdoc! {"_id": 7, "name": "secret"};
        let text = into_document::<Pebbles>(&row).unwrap_err().to_string();
        assert!(text.contains("another program") && !text.contains("secret"), "{text}");
        let row =
            bson::rawdoc! {"_id": "secret", "count": "secret", "_readmill": {"revision": 1_i64}};
        let text = into_document::<Pebbles>(&row).unwrap_err().to_string();
        assert!(text.contains("rebuild") && !text.contains("secret"), "{text}");
    }
}
