//! Every kind of value against every type of a contract: the same value exactly, or an error.
use std::borrow::Cow;
use std::fmt::Debug;

use proptest::prelude::*;
use readmill_schemas::Timestamp;
use readmill_schemas::row::{
    Decimal, FromColumn, RowFault, TimestampMicros, Uuid, items, nullable,
};
use readmill_schemas::semantic::{self, Date, Infinity, Moment, Semantic, Span, Time, Zone};
use serde::Serialize;
use serde::de::DeserializeOwned;

fn at(seconds: i64, nanos: u32, zone: Zone) -> Semantic<'static> {
    Semantic::Timestamp(Moment { seconds, nanos, zone })
}

fn decimal(unscaled: &[u8], scale: i32) -> Semantic<'_> {
    Semantic::Decimal(semantic::Decimal::new(unscaled, scale).unwrap())
}

fn text(text: &str) -> Semantic<'_> {
    Semantic::Text(Cow::Borrowed(text))
}

#[track_caller]
fn check<T: FromColumn + Debug>(table: &[(Semantic<'_>, Result<&str, RowFault>)]) {
    for (value, expected) in table {
        let found = T::of(value).map(|read| format!("{read:?}"));
        assert_eq!(found.as_deref(), expected.as_ref().copied(), "{value:?}");
    }
}

fn range<T>(kind: &'static str) -> Result<T, RowFault> {
    Err(RowFault::Range { kind })
}

#[test]
fn whole_numbers_are_kept_within_their_range() {
    let (of_32, of_64) = ("a whole number of 32 bits", "a whole number of 64 bits");
    check::<i32>(&[
        (Semantic::Int(i64::from(i32::MIN)), Ok("-2147483648")),
        (Semantic::Int(i64::from(i32::MAX) + 1), range(of_32)),
        (Semantic::Year(2155), Ok("2155")),
        (Semantic::Null, Err(RowFault::Null)),
        (Semantic::Unavailable, Err(RowFault::Unavailable)),
    ]);
    check::<i64>(&[
        (decimal(&[0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], 0), Ok("9223372036854775807")),
        (decimal(&[0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], 0), range(of_64)),
        (decimal(&[10], 1), Ok("1")),
        (decimal(&[15], 1), range(of_64)),
        (
            Semantic::Double(1.0),
            Err(RowFault::Kind { expected: "a whole number", found: "a floating-point number" }),
        ),
    ]);
    check::<bool>(&[
        (Semantic::Bool(true), Ok("true")),
        (Semantic::Int(1), Ok("true")),
        (Semantic::Int(2), range("a boolean")),
    ]);
}

#[test]
fn decimals_are_exact_in_every_mode() {
    check::<Decimal>(&[
        (decimal(&[0x00, 0x96], 2), Ok("1.50")),
        (decimal(&[0xff], 20), Ok("-0.00000000000000000001")),
        (decimal(&[1], -3), Ok("1000")),
        (text("-0.010"), Ok("-0.010")),
        (text("-0.00"), Ok("0.00")),
        (text("00012"), Ok("12")),
        (Semantic::Int(-7), Ok("-7")),
        (Semantic::Double(1.5), Err(RowFault::Inexact)),
        (Semantic::Float(1.5), Err(RowFault::Inexact)),
        (text("NAN"), Err(RowFault::Form { kind: "a decimal" })),
        (text("POSITIVE_INFINITY"), Err(RowFault::Form { kind: "a decimal" })),
        (text("1e3"), Err(RowFault::Form { kind: "a decimal" })),
        (text(".5"), Err(RowFault::Form { kind: "a decimal" })),
        (text("5."), Err(RowFault::Form { kind: "a decimal" })),
        (text("-"), Err(RowFault::Form { kind: "a decimal" })),
        (text(""), Err(RowFault::Form { kind: "a decimal" })),
        (text("+1"), Err(RowFault::Form { kind: "a decimal" })),
    ]);
}

#[test]
fn instants_are_exact_or_refused() {
    let (millis, micros) = ("a timestamp in milliseconds", "a timestamp in microseconds");
    check::<TimestampMicros>(&[
        (at(-1, 999_999_000, Zone::Local), Ok("TimestampMicros(-1)")),
        (at(0, 1, Zone::Utc), range(micros)),
        (at(i64::MAX, 0, Zone::Utc), range(micros)),
        (Semantic::Zoned("1970-01-01T01:00:00.000001+01:00"), Ok("TimestampMicros(1)")),
        (Semantic::Zoned("1969-12-31T23:00:00-01:00"), Ok("TimestampMicros(0)")),
        (Semantic::Infinite(Infinity::Positive), Err(RowFault::Infinite { kind: micros })),
        (
            Semantic::Date(Date { days: 0 }),
            Err(RowFault::Kind { expected: micros, found: "a date" }),
        ),
    ]);
    check::<Timestamp>(&[
        (at(1, 2_000_000, Zone::Local), Ok("Timestamp(1002)")),
        (at(1, 2_000_001, Zone::Local), range(millis)),
        (Semantic::Zoned("1970-01-01T00:00:00.123456Z"), range(millis)),
        (Semantic::Infinite(Infinity::Negative), Err(RowFault::Infinite { kind: millis })),
    ]);
    check::<Date>(&[
        (Semantic::Date(Date { days: -1 }), Ok("Date { days: -1 }")),
        (Semantic::Infinite(Infinity::Positive), Err(RowFault::Infinite { kind: "a date" })),
    ]);
}

#[test]
fn texts_bytes_uuids_and_lists_are_taken() {
    check::<String>(&[
        (text("é"), Ok("\"é\"")),
        (Semantic::Json("{}"), Ok("\"{}\"")),
        (Semantic::Xml("<a/>"), Ok("\"<a/>\"")),
        (Semantic::Enum("sad"), Ok("\"sad\"")),
        (Semantic::Interval("P1D"), Ok("\"P1D\"")),
        (Semantic::Span(Span { days: 1, ..Span::default() }), Ok("\"P1D\"")),
        (Semantic::Uuid([0; 16]), Ok("\"00000000-0000-0000-0000-000000000000\"")),
    ]);
    check::<Uuid>(&[
        (Semantic::Uuid([255; 16]), Ok("ffffffff-ffff-ffff-ffff-ffffffffffff")),
        (text("0123ABCD-0000-0000-0000-000000000000"), Ok("0123abcd-0000-0000-0000-000000000000")),
        (text("x"), Err(RowFault::Form { kind: "a uuid" })),
    ]);
    check::<Vec<u8>>(&[(Semantic::Bytes(Cow::Borrowed(&[0, 255])), Ok("[0, 255]"))]);
    check::<f64>(&[
        (Semantic::Float(0.1), Ok("0.1")),
        (Semantic::Double(-0.0), Ok("-0.0")),
        (Semantic::Double(f64::NAN), range("the finite numbers")),
        (Semantic::Float(f32::INFINITY), range("the finite numbers")),
    ]);
    let list = Semantic::Array(vec![Semantic::Int(1), Semantic::Null]);
    let read = |item: &Semantic<'_>| nullable(item, i64::of);
    assert_eq!(items(&list, read), Ok(vec![Some(1), None]));
    assert_eq!(items(&list, i64::of), Err(RowFault::Null));
    let part = Semantic::Array(vec![Semantic::Unavailable]);
    assert_eq!(items(&part, read), Err(RowFault::Unavailable));
    let set = Semantic::EnumSet(vec!["a", "c d"]);
    assert_eq!(items(&set, String::of), Ok(vec!["a".to_owned(), "c d".to_owned()]));
}

/// Values that a reader can make, of every kind that holds anything.
fn values() -> impl Strategy<Value = Semantic<'static>> {
    let moment = (any::<i64>(), 0u32..1_000_000_000, any::<bool>());
    let leaf = prop_oneof![
        Just(Semantic::Null),
        Just(Semantic::Unavailable),
        any::<bool>().prop_map(Semantic::Bool),
        any::<i64>().prop_map(Semantic::Int),
        any::<f32>().prop_map(Semantic::Float),
        any::<f64>().prop_map(Semantic::Double),
        "[-0-9.a-z]{0,12}".prop_map(|text| Semantic::Text(Cow::Owned(text))),
        proptest::collection::vec(any::<u8>(), 0..9)
            .prop_map(|bytes| Semantic::Bytes(Cow::Owned(bytes))),
        (proptest::collection::vec(any::<u8>(), 0..20), -40i32..40).prop_map(|(bytes, scale)| {
            Semantic::Decimal(semantic::Decimal::new(&bytes, scale).unwrap().into_owned())
        }),
        any::<i32>().prop_map(|days| Semantic::Date(Date { days: i64::from(days) })),
        (-10_000_000_000i64..10_000_000_000, 0u32..1_000_000_000)
            .prop_map(|(seconds, nanos)| Semantic::Time(Time { seconds, nanos })),
        moment.prop_map(|(seconds, nanos, utc)| {
            let zone = if utc { Zone::Utc } else { Zone::Local };
            // What 64 bits of milliseconds can hold; each third is a whole millisecond.
            let nanos = if seconds % 3 == 0 { nanos / 1_000_000 * 1_000_000 } else { nanos };
            at(seconds / 1_000, nanos, zone)
        }),
        Just(Semantic::Infinite(Infinity::Negative)),
        any::<i32>().prop_map(Semantic::Year),
        any::<[u8; 16]>().prop_map(Semantic::Uuid),
    ];
    leaf.prop_recursive(2, 8, 4, |inner| {
        proptest::collection::vec(inner, 0..4).prop_map(Semantic::Array)
    })
}

/// What is read has the document that the value has, but for how exact numbers are spelled.
fn exact<T>(value: &Semantic<'_>, shown: impl Fn(&T) -> serde_json::Value)
where
    T: FromColumn + Serialize + DeserializeOwned + PartialEq + Debug,
{
    let Ok(read) = T::of(value) else { return };
    let (document, shown) = (serde_json::to_value(value).unwrap(), shown(&read));
    assert_eq!(shown, document, "{value:?}");
    let stored = serde_json::to_string(&read).unwrap();
    assert_eq!(serde_json::from_str::<T>(&stored).unwrap(), read, "{value:?}");
}

fn json<T: Serialize>(read: &T) -> serde_json::Value {
    serde_json::to_value(read).unwrap()
}

proptest! {
    #[test]
    fn every_value_is_read_exactly_or_refused(value in values()) {
        let is_local = matches!(&value, Semantic::Timestamp(at) if at.zone == Zone::Local);
        let instant = |shown: String| {
            serde_json::Value::from(if is_local { shown.replace('Z', "") } else { shown })
        };
        if let Ok(number) = Decimal::of(&value) {
            let document = serde_json::to_value(&value).unwrap();
            let told = document.as_str().map_or_else(|| document.to_string(), str::to_owned);
            prop_assert_eq!(told.parse::<Decimal>().unwrap(), number);
        }
        if matches!(value, Semantic::Int(_) | Semantic::Year(_)) {
            exact::<i64>(&value, json);
            exact::<i32>(&value, json);
        } else if let Ok(number) = i64::of(&value) {
            prop_assert_eq!(Decimal::of(&value).unwrap(), Decimal::of_units(number.into(), 0));
        }
        if !matches!(value, Semantic::Int(_)) {
            exact::<bool>(&value, json);
        }
        exact::<f64>(&value, json);
        exact::<String>(&value, json);
        exact::<Uuid>(&value, json);
        exact::<Date>(&value, json);
        exact::<Time>(&value, json);
        exact::<TimestampMicros>(&value, |at| instant(at.to_string()));
        let millis = |at: &Timestamp| {
            instant(TimestampMicros::from_micros(at.as_millis().saturating_mul(1_000)).to_string())
        };
        if TimestampMicros::of(&value).is_ok() {
            exact::<Timestamp>(&value, millis);
        }
        let _ = (f32::of(&value), Vec::<u8>::of(&value), items(&value, Decimal::of));
    }

    #[test]
    fn decimals_are_ordered_and_counted_like_numbers(
        a in any::<i64>(), b in any::<i64>(), scale in 0u32..20, more in 0u32..10,
    ) {
        let (x, y) = (Decimal::of_units(a.into(), scale), Decimal::of_units(b.into(), scale));
        prop_assert_eq!(x.cmp(&y), a.cmp(&b));
        prop_assert_eq!(x.to_string().parse::<Decimal>().unwrap().to_string(), x.to_string());
        prop_assert_eq!(x.units(scale), Some(i128::from(a)));
        let wider = usize::try_from(scale + more).unwrap();
        let same = x.with_scale(wider).unwrap();
        prop_assert_eq!(&same, &x);
        prop_assert_eq!(same.units(scale), Some(i128::from(a)));
        let factor = 10i128.pow(more);
        prop_assert_eq!(x.units(scale + more), i128::from(a).checked_mul(factor));
        let cut = x.with_scale(usize::try_from(scale.saturating_sub(1)).unwrap());
        prop_assert_eq!(cut.is_some(), scale == 0 || a % 10 == 0);
    }

    #[test]
    fn instants_come_back_from_their_texts(micros in any::<i64>()) {
        let at = TimestampMicros::from_micros(micros);
        prop_assert_eq!(at.to_string().parse::<TimestampMicros>(), Ok(at));
        prop_assert_eq!(at.to_millis().as_millis(), micros.div_euclid(1_000));
    }
}
