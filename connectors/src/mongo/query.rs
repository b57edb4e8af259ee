//! What readers ask of an index: fields that are equal to what they have written.

use bson::{Bson, DateTime, Document, doc};
use mongodb::options::Hint;
use readmill_core::Index;
use readmill_engine::Equal;
use readmill_schemas::Timestamp;

use super::indexes;

/// The index, by its name: a search that cannot use it fails, and does not look at everything.
pub fn hint(index: &Index) -> Hint {
    Hint::Name(indexes::name_of(index))
}

/// The filter for documents of a range of keys whose fields are equal to these.
pub fn of(equal: &[Equal], mut range: Document) -> Document {
    for Equal { path, value } in equal {
        let values = meant(value);
        range.insert(*path, doc! {"$in": values});
    }
    range
}

/// What a written value may stand for. A document's field has one type, so it is equal to one of
/// them at most; numbers of all sizes are compared by their value.
fn meant(text: &str) -> Vec<Bson> {
    let mut meant = vec![Bson::String(text.to_owned())];
    if let Ok(number) = text.parse::<i64>() {
        meant.push(Bson::Int64(number));
    } else if let Ok(number) = text.parse::<bson::Decimal128>()
        && text.starts_with(|first: char| first.is_ascii_digit() || first == '-')
    {
        meant.push(Bson::Decimal128(number));
    }
    if let Ok(truth) = text.parse::<bool>() {
        meant.push(Bson::Boolean(truth));
    }
    if let Ok(time) = text.parse::<Timestamp>() {
        meant.push(Bson::DateTime(DateTime::from_millis(time.as_millis())));
    }
    meant
}
