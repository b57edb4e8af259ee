//! Timestamps against known values of the calendar.
use proptest::prelude::*;
use readmill_schemas::{Timestamp, TimestampError};

#[test]
fn known_instants() {
    let table = [
        (0, "1970-01-01T00:00:00.000Z"),
        (-1, "1969-12-31T23:59:59.999Z"),
        (1_795_231_236_123, "2026-11-21T03:20:36.123Z"),
        (951_782_400_000, "2000-02-29T00:00:00.000Z"),
        (951_868_800_000, "2000-03-01T00:00:00.000Z"),
        (4_107_456_000_000, "2100-02-28T00:00:00.000Z"),
        (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        (253_402_300_800_000, "+10000-01-01T00:00:00.000Z"),
        (-62_135_596_800_000, "0001-01-01T00:00:00.000Z"),
        (-62_167_219_200_000, "0000-01-01T00:00:00.000Z"),
        (-62_167_219_200_001, "-0001-12-31T23:59:59.999Z"),
        (i64::MAX, "+292278994-08-17T07:12:55.807Z"),
        (i64::MIN, "-292275055-05-16T16:47:04.192Z"),
    ];
    for (millis, text) in table {
        assert_eq!(Timestamp::from_millis(millis).to_string(), text);
        assert_eq!(Timestamp::parse(text), Ok(Timestamp::from_millis(millis)), "{text}");
    }
}

#[test]
fn other_forms_are_read() {
    let table = [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01 00:00:00.1Z", 100),
        ("1970-01-01T00:00:00.123456789Z", 123),
        ("1970-01-01T09:00:00+09:00", 0),
        ("1969-12-31T19:00:00.5-05:00", 500),
        ("1972-06-30T23:59:60Z", 78_796_800_000),
    ];
    for (text, millis) in table {
        assert_eq!(Timestamp::parse(text).map(Timestamp::as_millis), Ok(millis), "{text}");
    }
}

#[test]
fn wrong_texts_are_refused() {
    let range = |part| TimestampError::Range { part };
    let table = [
        ("", TimestampError::Form),
        ("2026-11-21", TimestampError::Form),
        ("2026-11-21T03:20:36", TimestampError::Form),
        ("2026-11-21T03:20Z", TimestampError::Form),
        ("2026-1-21T03:20:36Z", TimestampError::Form),
        ("26-11-21T03:20:36Z", TimestampError::Form),
        ("2026-11-21T03:20:36.Z", TimestampError::Form),
        ("2026-11-21T03:20:36.12aZ", TimestampError::Form),
        ("2026-11-21T03:20:36+09", TimestampError::Form),
        ("２０２６-11-21T03:20:36Z", TimestampError::Form),
        ("2026-13-21T03:20:36Z", range("the month")),
        ("2026-02-29T03:20:36Z", range("the day")),
        ("1900-02-29T03:20:36Z", range("the day")),
        ("2026-11-21T24:00:00Z", range("the hour")),
        ("999999999-01-01T00:00:00Z", range("the year")),
    ];
    for (text, expected) in table {
        assert_eq!(Timestamp::parse(text), Err(expected), "{text}");
    }
}

#[test]
fn json_has_the_text() {
    let instant = Timestamp::from_millis(1_795_231_236_123);
    let json = serde_json::to_string(&instant).unwrap();
    assert_eq!(json, "\"2026-11-21T03:20:36.123Z\"");
    assert_eq!(serde_json::from_str::<Timestamp>(&json).unwrap(), instant);
}

proptest! {
    #[test]
    fn text_and_back(millis: i64) {
        let instant = Timestamp::from_millis(millis);
        prop_assert_eq!(instant.to_string().parse(), Ok(instant));
    }

    #[test]
    fn any_text_is_answered(text in "[-+0-9TZ:. é]{0,30}") {
        let _ = Timestamp::parse(&text);
    }
}
