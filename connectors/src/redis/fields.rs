//! A state as the fields of a hash, and back into its type.
//!
//! Texts stand as they are, so that a reader need not know JSON; everything else is JSON: digits,
//! `true`, lists. A text that could be taken for JSON, such as `123`, is remembered as one.

use std::borrow::Cow;

use serde::de::value::{MapAccessDeserializer, MapDeserializer, StrDeserializer};
use serde::de::{DeserializeOwned, Deserializer, Error as _, IntoDeserializer, Visitor};
use serde::{Serialize, forward_to_deserialize_any};
use serde_json::{Error, Value};

use super::apart::Apart;

/// The name of a field.
pub type Name = Cow<'static, str>;

/// The fields of a state.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fields {
    /// Names and values.
    pub values: Vec<(Name, String)>,
    /// The names of the fields whose texts look like something else.
    pub texts: Vec<String>,
}

/// Takes a state apart. What is absent has no field.
pub fn of_state(state: &impl Serialize) -> Result<Fields, Error> {
    let mut fields = Fields::default();
    if state.serialize(Apart(&mut fields)).is_ok() {
        return Ok(fields);
    }
    // Whatever is no plain structure goes by way of a tree.
    let Value::Object(object) = serde_json::to_value(state)? else {
        return Err(Error::custom("it is not a structure"));
    };
    let mut fields = Fields::default();
    for (name, value) in object {
        fields.add(Cow::Owned(name), &value)?;
    }
    Ok(fields)
}

impl Fields {
    /// Adds a field, unless there is nothing in it.
    pub fn add<T: Serialize + ?Sized>(&mut self, name: Name, value: &T) -> Result<(), Error> {
        let text = serde_json::to_string(value)?;
        let Some(quoted) = text.strip_prefix('"') else {
            if text != "null" {
                self.values.push((name, text));
            }
            return Ok(());
        };
        let plain = quoted.strip_suffix('"').filter(|plain| !plain.contains('\\'));
        let plain = match plain {
            Some(plain) => plain.to_owned(),
            None => serde_json::from_str(&text)?,
        };
        if looks_like_json(&plain) {
            self.texts.push(name.clone().into_owned());
        }
        self.values.push((name, plain));
        Ok(())
    }
}

/// Puts a state together again.
pub fn into_state<S: DeserializeOwned>(fields: &Fields) -> Result<S, Error> {
    let values = fields.values.iter().map(|(name, text)| {
        let is_text = fields.texts.iter().any(|text| text == name) || !looks_like_json(text);
        (&**name, if is_text { Field::Text(text) } else { Field::Json(text) })
    });
    S::deserialize(MapAccessDeserializer::new(MapDeserializer::new(values)))
}

fn looks_like_json(text: &str) -> bool {
    let begins = |byte: &u8| matches!(byte, b'"' | b'{' | b'[' | b'-' | b'0'..=b'9' | b't' | b'f');
    let begins = |byte: &u8| begins(byte) || matches!(byte, b'n' | b' ' | b'\t' | b'\n' | b'\r');
    text.as_bytes().first().is_some_and(begins) && serde_json::from_str::<Value>(text).is_ok()
}

/// The value of one field.
#[derive(Debug, Clone, Copy)]
enum Field<'a> {
    Text(&'a str),
    Json(&'a str),
}

impl<'a> IntoDeserializer<'a, Error> for Field<'a> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Field<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Self::Text(text) => visitor.visit_borrowed_str(text),
            Self::Json(text) => serde_json::Deserializer::from_str(text).deserialize_any(visitor),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self {
            Self::Text(text) => visitor.visit_enum(StrDeserializer::<Error>::new(text)),
            Self::Json(text) => {
                serde_json::Deserializer::from_str(text).deserialize_enum(name, variants, visitor)
            }
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[test]
    fn readers_see_plain_values() {
        let state = json!({
            "id": "d-1", "number": 12, "late": false, "missing": null, "postcode": "01234",
            "house": "12", "share": 0.5, "tags": ["a"], "place": {"city": "Busan"},
        });
        let fields = of_state(&state).unwrap();
        let wanted = [
            ("house", "12"),
            ("id", "d-1"),
            ("late", "false"),
            ("number", "12"),
            ("place", r#"{"city":"Busan"}"#),
            ("postcode", "01234"),
            ("share", "0.5"),
            ("tags", r#"["a"]"#),
        ];
        let wanted = wanted.map(|(name, value)| (Cow::Borrowed(name), value.to_owned()));
        assert_eq!(fields.values, wanted);
        assert_eq!(fields.texts, ["house"]);
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Word {
        Plain,
        True,
        With(Option<String>),
        Of { words: Vec<Self> },
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct State {
        text: String,
        maybe: Option<String>,
        number: Option<i64>,
        big: u64,
        share: f64,
        letter: char,
        word: Word,
        wrapped: Wrapped,
        any: Value,
        counted: BTreeMap<i32, bool>,
        unit: (),
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Wrapped(String);

    /// A tag makes serde ask for whatever stands there, without saying what it needs.
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(tag = "status")]
    enum Tagged {
        Open { text: String, maybe: Option<String>, number: i64 },
    }

    const TEXTS: [&str; 14] = [
        "",
        "null",
        "true",
        "false",
        "0",
        "-1.5e3",
        " 7 ",
        "\"q\"",
        "{}",
        "[1]",
        "{",
        "plain",
        "9999999999999999999999",
        "배달",
    ];

    fn states() -> impl Iterator<Item = State> {
        TEXTS.into_iter().enumerate().map(|(at, text)| State {
            text: text.to_owned(),
            maybe: (at % 2 == 0).then(|| text.to_owned()),
            number: (at % 3 == 0).then_some(-7),
            big: u64::MAX,
            share: 1.0,
            letter: '1',
            word: match at % 4 {
                0 => Word::Plain,
                1 => Word::True,
                2 => Word::With(Some(text.to_owned())),
                _ => Word::Of { words: vec![Word::Plain, Word::With(None)] },
            },
            wrapped: Wrapped(text.to_owned()),
            any: if at % 2 == 0 { json!(text) } else { json!([text, 1, null]) },
            counted: BTreeMap::from([(-1, true)]),
            unit: (),
        })
    }

    #[test]
    fn every_state_comes_back_whatever_its_texts_look_like() {
        for state in states() {
            let mut fields = of_state(&state).unwrap();
            // The unit is a null, which is absent: only an option may be.
            fields.values.push((Cow::Borrowed("unit"), "null".to_owned()));
            assert_eq!(into_state::<State>(&fields).unwrap(), state, "{fields:?}");
        }
        for text in TEXTS.map(str::to_owned) {
            let tagged = Tagged::Open { maybe: Some(text.clone()), text, number: 5 };
            let fields = of_state(&tagged).unwrap();
            assert_eq!(into_state::<Tagged>(&fields).unwrap(), tagged, "{fields:?}");
        }
    }

    #[test]
    fn what_is_no_structure_is_refused() {
        assert!(of_state(&"text").is_err());
        assert!(of_state(&[1]).is_err());
    }
}
