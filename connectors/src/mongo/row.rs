//! A document as MongoDB keeps it: the state's fields on top, the stamp under one reserved name.

use bson::raw::{CStr, CString, cstr};
use bson::{DateTime, RawDocument, RawDocumentBuf};
use readmill_core::{Document, Key, ReadModel, Stamp};
use readmill_engine::Fault;
use serde::{Deserialize, Serialize};

use super::faults::refused;
use super::form::{self, Fields, FormError, Open, Wrong};
use crate::life;

/// The only name that a state may not use, beside `_id`.
pub const STAMP: &str = "_readmill";

/// Where the revision stands, for filters.
pub const REVISION: &CStr = cstr!("_readmill.revision");

/// Where a tombstone's end stands, for the index that removes it.
pub const EXPIRES_AT: &str = "_readmill.expires_at";

/// Since when events wait in a document, for the index by which such documents are found.
pub const WAITING_SINCE: &str = "_readmill.waiting.since_ms";

const ID: &str = "_id";

const MAX_DOCUMENT_BYTES: usize = 16 << 20;

/// What is kept free in a document whose key is free: room for the queue's places, so that a
/// document that fitted can always be held.
const HOLDING_RESERVE_BYTES: usize = 64 << 10;

/// How large a document may be as long as its key is free.
pub const FREE_DOCUMENT_BYTES: usize = MAX_DOCUMENT_BYTES - HOLDING_RESERVE_BYTES;

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
    expires_at: Option<End>,
}

/// When a tombstone may go.
struct End(DateTime);

impl Serialize for End {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        readmill_schemas::Timestamp::from_millis(self.0.timestamp_millis()).serialize(to)
    }
}

/// Lays out a document. `expire_at` is when a tombstone written now may go.
pub fn of_document<M: ReadModel>(
    key: &Key,
    document: &Document<M>,
    expire_at: Option<DateTime>,
) -> Result<RawDocumentBuf, Fault> {
    let lay_out = || {
        let mut row = Open::row();
        row.field(ID, key.as_str())?;
        if let Some(state) = &document.state {
            row.state(state)?;
        }
        row.field(STAMP, &stamp_row(document, expire_at))?;
        row.close()
    };
    lay_out().map_err(|error| unfit(M::NAME, &error))
}

/// The stamp alone, as it stands in the row of the document.
pub fn of_stamp<M: ReadModel>(
    document: &Document<M>,
    expire_at: Option<DateTime>,
) -> Result<RawDocumentBuf, Fault> {
    let mut row = Open::row();
    let laid_out = row.state(&stamp_row(document, expire_at)).and_then(|()| row.close());
    laid_out.map_err(|error| unfit(M::NAME, &error))
}

fn stamp_row<M: ReadModel>(
    document: &Document<M>,
    expire_at: Option<DateTime>,
) -> StampRow<'_, M::Event> {
    let stamp = &document.stamp;
    let expires_at = expire_at.filter(|_| life::may_expire(stamp)).map(End);
    StampRow { stamp, bare: document.state.is_none(), expires_at }
}

/// Whether MongoDB takes a document of so many bytes.
pub const fn fits<E>(bytes: usize, stamp: &Stamp<E>) -> bool {
    bytes <= if stamp.is_held() { MAX_DOCUMENT_BYTES } else { FREE_DOCUMENT_BYTES }
}

/// Reads a row back.
pub fn into_document<M: ReadModel>(row: &RawDocument) -> Result<(Key, Document<M>), Fault> {
    let damage = |error: FormError| damaged(M::NAME, &error);
    let no_bson = |_| damage(Wrong::NotBson.somewhere());
    let mut key = None;
    let mut stamp = None;
    for element in row.iter_elements() {
        let element = element.map_err(no_bson)?;
        if element.key() == ID {
            key = element.value().map_err(no_bson)?.as_str().map(Key::from);
        } else if element.key() == STAMP {
            stamp = element.value().map_err(no_bson)?.as_document();
        }
    }
    let (Some(key), Some(stamp)) = (key, stamp) else {
        return Err(foreign(M::NAME));
    };
    let bare = stamp.get_bool("bare").unwrap_or(false);
    let state = || M::State::deserialize(Fields::of_state(row)).map_err(damage);
    let state = if bare { None } else { Some(state()?) };
    let stamp = form::from_document(stamp).map_err(damage)?;
    Ok((key, Document { state, stamp }))
}

/// A name as BSON spells it.
pub fn name(text: &str) -> Result<CString, Fault> {
    CString::try_from(text)
        .map_err(|_| refused("a name contains a NUL", "take it out of the configuration"))
}

fn unfit(model: &str, error: &FormError) -> Fault {
    if error.what == Wrong::Reserved {
        return refused(
            format!("the state of {model} has a reserved name: {error}"),
            "_id, _readmill and names that begin with $ are reserved: rename the field",
        );
    }
    refused(
        format!("a document of {model} cannot be written as BSON: {error}"),
        "the state of a read model must be a structure, without numbers beyond 63 bits",
    )
}

fn foreign(model: &str) -> Fault {
    Fault::Damaged {
        what: format!("a document of {model} in MongoDB"),
        detail: "its _id is no text or its _readmill is missing".to_owned(),
        hint: "another program wrote into the collection: remove what is not readmill's",
    }
}

fn damaged(model: &str, error: &FormError) -> Fault {
    Fault::Damaged {
        what: format!("a document of {model} in MongoDB"),
        detail: format!("it does not fit the read model: {error}"),
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
    fn the_stamp_alone_has_the_bytes_that_it_has_in_the_row() {
        let end = Some(DateTime::from_millis(9));
        let dead = Stamp { revision: 2, gone: true, ..Stamp::default() };
        let dead = Document::<Pebbles> { state: None, stamp: dead };
        for document in [Pebble::number(4).at_revision(6), dead] {
            let row = of_document(&Key::from("k"), &document, end).unwrap();
            let alone = of_stamp(&document, end).unwrap();
            assert_eq!(row.get_document("_readmill").unwrap(), &*alone);
        }
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
    fn a_free_document_leaves_room_for_being_held() {
        let free = Stamp::<()>::default();
        let held = Stamp::<()> { held: crate::conformance::somewhere(), ..Stamp::default() };
        assert!(fits(FREE_DOCUMENT_BYTES, &free) && !fits(FREE_DOCUMENT_BYTES + 1, &free));
        assert!(fits(MAX_DOCUMENT_BYTES, &held) && !fits(MAX_DOCUMENT_BYTES + 1, &held));
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
