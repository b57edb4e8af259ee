//! How values become BSON, and BSON values: by serde, with dates and decimals as MongoDB's tools
//! know them, and with errors that name the place and never the value.

mod decimal;
mod name;
mod read;
mod write;

use std::fmt::{self, Display};

pub use read::{Fields, from_document};
pub use write::Open;

/// Why a value cannot be written, or BSON cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormError {
    /// The outermost field that is concerned, where one is known.
    pub field: Option<String>,
    /// What is wrong, without any value.
    pub what: Wrong,
}

/// What is wrong with a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wrong {
    /// It is not a structure, where only one can stand.
    NoStructure,
    /// A name has a NUL, or is no text.
    Name,
    /// A name on top that the store keeps for itself.
    Reserved,
    /// A whole number beyond 63 bits.
    Number,
    /// It is longer than BSON can say.
    Length,
    /// The bytes are not BSON, or of a type that nothing here writes.
    NotBson,
    /// It has not the type that is wanted there.
    Type,
    /// A field that is wanted is missing.
    Missing(&'static str),
    /// A field or a word that nobody knows.
    Unknown,
    /// The type that reads or writes it says no. Its words may quote the value.
    Refused,
}

impl Wrong {
    /// Without a place.
    pub const fn somewhere(self) -> FormError {
        FormError { field: None, what: self }
    }
}

impl FormError {
    /// Names the field, unless one within it is named already: the outermost name is written last.
    fn in_field(self, name: &str) -> Self {
        Self { field: Some(name.to_owned()), ..self }
    }
}

impl Display for FormError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.what {
            Wrong::NoStructure => f.write_str("it is not a structure"),
            Wrong::Name => f.write_str("a name is no text or contains a NUL"),
            Wrong::Reserved => f.write_str("a name is reserved"),
            Wrong::Number => f.write_str("a whole number is beyond 63 bits"),
            Wrong::Length => f.write_str("it is too long"),
            Wrong::NotBson => f.write_str("it holds what readmill does not write"),
            Wrong::Type => f.write_str("it has another type"),
            Wrong::Missing(name) => write!(f, "`{name}` is missing"),
            Wrong::Unknown => f.write_str("it has a name or a word that is not known"),
            Wrong::Refused => f.write_str("its value is not possible"),
        }?;
        match &self.field {
            Some(field) => write!(f, " (in `{field}`)"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for FormError {}

impl serde::ser::Error for FormError {
    fn custom<T: Display>(_quotes_values: T) -> Self {
        Wrong::Refused.somewhere()
    }
}

impl serde::de::Error for FormError {
    fn custom<T: Display>(_quotes_values: T) -> Self {
        Wrong::Refused.somewhere()
    }

    fn invalid_type(_: serde::de::Unexpected<'_>, _: &dyn serde::de::Expected) -> Self {
        Wrong::Type.somewhere()
    }

    fn missing_field(field: &'static str) -> Self {
        Wrong::Missing(field).somewhere()
    }

    fn unknown_field(_: &str, _: &'static [&'static str]) -> Self {
        Wrong::Unknown.somewhere()
    }

    fn unknown_variant(_: &str, _: &'static [&'static str]) -> Self {
        Wrong::Unknown.somewhere()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use bson::spec::ElementType;
    use bson::{RawDocument, RawDocumentBuf};
    use readmill_schemas::Timestamp;
    use readmill_schemas::row::{Decimal, TimestampMicros};
    use serde::{Deserialize, Serialize};

    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Shape {
        Dot,
        Line(i64),
        Pair(u8, String),
        Box { wide: f32, high: Option<u32> },
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Everything {
        at: Timestamp,
        until: Option<Timestamp>,
        never: Option<Timestamp>,
        price: Decimal,
        prices: Vec<Decimal>,
        row_at: TimestampMicros,
        shapes: Vec<Shape>,
        by_name: BTreeMap<String, Shape>,
        by_number: BTreeMap<i64, bool>,
        small: (i8, u16, char),
        unit: (),
        text: String,
    }

    fn everything() -> Everything {
        let price: Decimal = "-1200.50".parse().unwrap();
        let shapes = vec![
            Shape::Dot,
            Shape::Line(i64::MIN),
            Shape::Pair(255, "$a.b".to_owned()),
            Shape::Box { wide: 0.5, high: None },
        ];
        Everything {
            at: Timestamp::from_millis(1_700_000_000_123),
            until: Some(Timestamp::from_millis(-62_135_596_800_000)),
            never: None,
            prices: vec![price.clone(), Decimal::default()],
            price,
            row_at: TimestampMicros::from_micros(1_700_000_000_123_456),
            by_name: [("a.$b".to_owned(), Shape::Line(3)), (String::new(), Shape::Dot)].into(),
            shapes,
            by_number: [(-7, true), (9, false)].into(),
            small: (-3, 65_535, 'é'),
            unit: (),
            text: "{}".to_owned(),
        }
    }

    fn written<T: Serialize>(value: &T) -> Result<RawDocumentBuf, FormError> {
        let mut row = Open::row();
        row.state(value)?;
        row.close()
    }

    fn read<'a, T: Deserialize<'a>>(row: &'a RawDocument) -> Result<T, FormError> {
        T::deserialize(Fields::of_state(row))
    }

    #[test]
    fn every_shape_of_a_value_comes_back() {
        let row = written(&everything()).unwrap();
        assert_eq!(read::<Everything>(&row).unwrap(), everything());
        // It is BSON by the book.
        assert!(bson::Document::try_from(row.as_ref() as &RawDocument).is_ok(), "{row:?}");
    }

    #[test]
    fn dates_and_decimals_have_the_types_that_tools_know() {
        let row = written(&everything()).unwrap();
        let kind = |name: &str| row.get(name).unwrap().unwrap().element_type();
        assert_eq!(kind("at"), ElementType::DateTime);
        assert_eq!(kind("until"), ElementType::DateTime);
        assert_eq!(kind("never"), ElementType::Null);
        assert_eq!(kind("price"), ElementType::Decimal128);
        assert_eq!(kind("row_at"), ElementType::String);
        let first = row.get_array("prices").unwrap().get(0).unwrap().unwrap();
        assert_eq!(first.element_type(), ElementType::Decimal128);
    }

    #[test]
    fn what_was_written_before_there_were_dates_and_decimals_is_read() {
        #[derive(Debug, PartialEq, Deserialize)]
        struct Old {
            at: Timestamp,
            price: Decimal,
        }
        let row = bson::rawdoc! {"at": 5_i64, "price": "1.50"};
        let price = "1.50".parse().unwrap();
        assert_eq!(read::<Old>(&row).unwrap(), Old { at: Timestamp::from_millis(5), price });
    }

    #[test]
    fn a_state_that_is_a_word_with_fields_is_a_structure() {
        let row = written(&Shape::Line(4)).unwrap();
        assert_eq!(row, bson::rawdoc! {"line": 4_i64});
        assert_eq!(read::<Shape>(&row).unwrap(), Shape::Line(4));
        assert_eq!(written(&Shape::Dot).unwrap_err().what, Wrong::NoStructure);
        assert_eq!(written(&[1, 2]).unwrap_err().what, Wrong::NoStructure);
        assert_eq!(read::<Shape>(&bson::rawdoc! {}).unwrap_err().what, Wrong::Type);
    }

    #[test]
    fn what_bson_cannot_say_is_refused_at_its_field() {
        let named = |name: &str| BTreeMap::from([(name.to_owned(), 1)]);
        for name in ["_id", "_readmill", "$set", "$"] {
            let error = written(&named(name)).unwrap_err();
            assert_eq!((error.what, error.field.as_deref()), (Wrong::Reserved, Some(name)));
        }
        assert_eq!(written(&named("a\0b")).unwrap_err().what, Wrong::Name);
        let big = BTreeMap::from([("n".to_owned(), BTreeMap::from([("m".to_owned(), u64::MAX)]))]);
        let error = written(&big).unwrap_err();
        assert_eq!((error.what, error.field.as_deref()), (Wrong::Number, Some("n")));
        // Deeper down every name will do.
        let within = BTreeMap::from([("a".to_owned(), named("$set"))]);
        assert!(written(&within).is_ok());
    }

    #[test]
    fn an_error_names_the_field_and_not_the_value() {
        let row = bson::rawdoc! {"at": {"secret": "secret"}};
        let error = read::<BTreeMap<String, Timestamp>>(&row).unwrap_err();
        assert_eq!(error.to_string(), "it has another type (in `at`)");
        let row = bson::rawdoc! {"at": bson::oid::ObjectId::new()};
        let error = read::<BTreeMap<String, Timestamp>>(&row).unwrap_err();
        assert_eq!((error.what, error.field.as_deref()), (Wrong::NotBson, Some("at")));
    }
}
