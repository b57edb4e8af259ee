//! Bytes that no writer would write are told, and cost no more than they weigh.
use proptest::collection::vec;
use proptest::prelude::*;
use readmill_schemas::debezium::OutboxEnvelope;
use readmill_schemas::points::{LotUse, PointsUsed};
use readmill_schemas::{ReadFault, Timestamp, Wire};
use serde_json::Value;

use crate::{between, debezium, own};

fn field(kind: &str) -> String {
    format!(r#"{{"type":"record","name":"R","fields":[{{"name":"f","type":{kind}}}]}}"#)
}

const OVERLONG: [u8; 10] = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2];
const MOST: [u8; 10] = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];
const LEAST: [u8; 10] = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1];

#[track_caller]
fn check(kind: &str, body: &[u8], expected: &ReadFault) {
    let plan = between(&field(kind), &field(kind)).unwrap();
    let error = plan.read::<Value>(body).unwrap_err();
    assert_eq!((error.fault(), error.path().as_str()), (expected, "f"), "{kind} {body:?}");
}

fn truncated(needed: u64, remaining: usize) -> ReadFault {
    ReadFault::Truncated { needed, remaining }
}

#[test]
fn faulty_numbers_and_texts_are_told() {
    let table: [(&str, &[u8], ReadFault); 9] = [
        ("long", &[], truncated(1, 0)),
        ("long", &[0x80], truncated(1, 0)),
        ("long", &OVERLONG, ReadFault::Overlong),
        ("int", &MOST, ReadFault::Range),
        ("double", &[1, 2], truncated(8, 2)),
        ("boolean", &[2], ReadFault::Boolean { found: 2 }),
        ("string", &[1], ReadFault::NegativeLength),
        ("bytes", &MOST, truncated(i64::MAX as u64, 0)),
        ("string", &[2, 0xff], ReadFault::Utf8),
    ];
    for (kind, body, expected) in table {
        check(&format!("\"{kind}\""), body, &expected);
    }
}

#[test]
fn faulty_choices_and_lists_are_told() {
    let nulls = r#"{"type":"array","items":"null"}"#;
    let ints = r#"{"type":"array","items":"int"}"#;
    let symbols = r#"{"type":"enum","name":"E","symbols":["A"]}"#;
    let union = r#"["null","int"]"#;
    let branch = |found| ReadFault::Branch { found, branches: 2 };
    let table: [(&str, &[u8], ReadFault); 7] = [
        (union, &[4], branch(2)),
        (union, &[1], branch(-1)),
        (symbols, &[2], ReadFault::Symbol { found: 1, symbols: 1 }),
        (nulls, &MOST, truncated(i64::MAX as u64, 0)),
        (ints, &LEAST, truncated(1, 0)),
        (ints, &[1, 1], ReadFault::NegativeLength),
        (ints, &[1, 8, 2], truncated(4, 1)),
    ];
    for (kind, body, expected) in table {
        check(kind, body, &expected);
    }
}

#[test]
fn items_without_content_are_bounded_when_read_and_when_skipped() {
    let writer = field(r#"{"type":"array","items":"null"}"#);
    let nothing = r#"{"type":"record","name":"R","fields":[]}"#;
    let mut body = Vec::new();
    for _ in 0..5 {
        readmill_schemas::encode::long(1_000, &mut body);
    }
    body.push(0);
    for reader in [writer.as_str(), nothing] {
        let error = between(&writer, reader).unwrap().read::<Value>(&body).unwrap_err();
        assert!(matches!(error.fault(), ReadFault::Idle { .. } | ReadFault::Truncated { .. }));
    }
}

#[test]
fn no_message_quotes_a_value() {
    let plan = between(&field(r#""string""#), &field(r#""string""#)).unwrap();
    #[derive(serde::Deserialize, Debug)]
    #[allow(dead_code, reason = "only its reading matters")]
    struct Wrong {
        f: u8,
    }
    impl Wire<'_> for Wrong {}
    let error = plan.read::<Wrong>(b"\x0csecret").unwrap_err();
    assert_eq!(error.to_string(), "f: a text where u8 is expected");
}

fn used() -> Vec<u8> {
    let lot = |lot_id: &str| LotUse { lot_id: lot_id.to_owned(), points: 300 };
    let mut body = Vec::new();
    PointsUsed {
        ledger_id: "l1".to_owned(),
        member_id: "m1".to_owned(),
        occurred_at: Timestamp::from_millis(1_795_231_236_123),
        use_id: "u1".to_owned(),
        points: 600,
        order_no: Some("o1".to_owned()),
        lots: vec![lot("a"), lot("b")],
    }
    .write(&mut body);
    body
}

#[test]
fn an_item_is_named_by_its_place() {
    let mut body = used();
    body.truncate(body.len() - 2);
    let error = own(&PointsUsed::CONTRACT).read::<PointsUsed>(&body).unwrap_err();
    assert_eq!(error.path(), "lots[1].points");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn changed_bytes_never_panic(
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        length: prop::sample::Index,
        cut: bool,
    ) {
        let plans = [debezium::plan(), own(&PointsUsed::CONTRACT)];
        for (mut body, plan) in [debezium::create(b"payload"), used()].into_iter().zip(plans) {
            for (place, byte) in &changes {
                let place = place.index(body.len());
                body[place] = *byte;
            }
            if cut {
                body.truncate(length.index(body.len()));
            }
            let _ = plan.read::<OutboxEnvelope<'_>>(&body);
            let _ = plan.read::<PointsUsed>(&body);
            let _ = plan.read::<Value>(&body);
        }
    }

    #[test]
    fn any_bytes_never_panic(body in vec(any::<u8>(), 0..200)) {
        let _ = debezium::plan().read::<OutboxEnvelope<'_>>(&body);
        let _ = own(&PointsUsed::CONTRACT).read::<PointsUsed>(&body);
    }
}
