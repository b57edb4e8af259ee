//! A coupon's life in every mode and under every replica identity, as typed changes.
use readmill_schemas::coupons::{Coupon, CouponHistory, CouponsEvent};
use readmill_schemas::row::{Images, Large, RowChange, RowError, RowFault, RowOp, TimestampMicros};
use readmill_schemas::semantic::{Row, Semantic};
use readmill_schemas::{Events, Shape};

use crate::golden::{Capture, captures};

const COUPON: usize = 0;
const HISTORY: usize = 1;

/// The change that a record tells of, in an envelope or flattened.
fn change(which: usize, shape: &Shape, row: &Row<'_>) -> Result<CouponsEvent, RowError> {
    let part = |name: &str| row.get(name).and_then(Semantic::row);
    let op = |name: &str| match row.get(name) {
        Some(Semantic::Text(op)) => RowOp::of(op).unwrap(),
        other => panic!("{other:?}"),
    };
    let images = if matches!(shape, Shape::TableEnvelope { .. }) {
        Images { op: op("op"), before: part("before"), after: part("after") }
    } else {
        assert!(matches!(shape, Shape::TableRow { .. }), "{shape:?}");
        let op = op("__op");
        let gone = op == RowOp::Delete;
        Images { op, before: gone.then_some(row), after: (!gone).then_some(row) }
    };
    CouponsEvent::read_row(which, images)
}

/// A record's change in a line: the columns that tell something.
fn line(change: &RowChange<Coupon>) -> String {
    let shown = |coupon: &Option<Coupon>| {
        let Some(coupon) = coupon else { return "-".to_owned() };
        let note = match &coupon.note {
            Large::Now(note) => note.as_ref().map_or("null".to_owned(), |n| n.len().to_string()),
            Large::Unchanged => "unchanged".to_owned(),
        };
        let member = coupon.member_id.as_deref().unwrap_or("null");
        format!("{} {} {member} {note}", coupon.status, coupon.discount)
    };
    let (before, after) = (shown(&change.before), shown(&change.after));
    format!("{} {}: {before} -> {after}", change.op.letter(), change.key)
}

fn lines(capture: &Capture, table: &str) -> Vec<String> {
    let mut lines = Vec::new();
    capture.each(|known, shape, row| {
        if known == table {
            let Ok(CouponsEvent::Coupon(change)) = change(COUPON, shape, row) else { panic!() };
            for coupon in change.before.iter().chain(&change.after) {
                let until = coupon.valid_until;
                assert_eq!(until.to_string(), "2027-01-01T00:00:00.123456Z", "{}", capture.name);
                assert_eq!(coupon.updated_at.to_millis().as_millis(), 1_795_231_236_500);
            }
            let stored = serde_json::to_string(&change).unwrap();
            assert_eq!(serde_json::from_str::<RowChange<Coupon>>(&stored).unwrap(), change);
            lines.push(line(&change));
        }
    });
    lines
}

/// By default PostgreSQL tells no row before its change, and not what is large and stayed.
const DEFAULT: [&str; 8] = [
    "r 1: - -> issued 10.50 m1 5",
    "c 10: - -> issued 10.50 m1 2100",
    "u 10: - -> used -0.01 m1 unchanged",
    "u 10: - -> used -0.01 null null",
    "u 10: - -> used -0.01 null 2100",
    "d 10: - -> -",
    "c 11: - -> used -0.01 null unchanged",
    "d 11: - -> -",
];

const FULL: [&str; 8] = [
    "r 1: - -> issued 10.50 m1 5",
    "c 10: - -> issued 10.50 m1 2100",
    "u 10: issued 10.50 m1 2100 -> used -0.01 m1 2100",
    "u 10: used -0.01 m1 2100 -> used -0.01 null null",
    "u 10: used -0.01 null null -> used -0.01 null 2100",
    "d 10: used -0.01 null 2100 -> -",
    "c 11: - -> used -0.01 null 2100",
    "d 11: used -0.01 null 2100 -> -",
];

/// Without the images that a flattened row has not.
fn flat(lines: &[&str]) -> Vec<String> {
    let flat = |line: &&str| match (line.split_once(": "), line.split_once(" -> ")) {
        (Some((head, _)), Some((_, after))) if !line.starts_with('d') => {
            format!("{head}: - -> {after}")
        }
        _ => (*line).to_owned(),
    };
    lines.iter().map(flat).collect()
}

#[test]
fn a_coupon_lives_the_same_life_in_every_mode() {
    let all = captures();
    assert_eq!(all.len(), 8);
    for capture in all.iter().filter(|capture| !capture.name.ends_with("double")) {
        let tables: &[(&str, Vec<String>)] = match capture.name.as_str() {
            "mariadb.flat" => &[("coupon", flat(&FULL))],
            "postgres.flat" => &[("coupon", flat(&DEFAULT)), ("coupon_full", flat(&FULL))],
            name if name.starts_with("mariadb") => &[("coupon", FULL.map(Into::into).into())],
            _ => &[
                ("coupon", DEFAULT.map(Into::into).into()),
                ("coupon_full", FULL.map(Into::into).into()),
            ],
        };
        for (table, expected) in tables {
            let size = if capture.name.starts_with("mariadb") { "4" } else { "2100" };
            let expected: Vec<String> = expected.iter().map(|l| l.replace("2100", size)).collect();
            assert_eq!(&lines(capture, table), &expected, "{} {table}", capture.name);
        }
    }
}

#[test]
fn money_that_came_as_a_float_is_refused() {
    for capture in captures().iter().filter(|capture| capture.name.ends_with("double")) {
        capture.each(|table, shape, row| {
            // PostgreSQL's deletion by default tells no money.
            let says = |name| row.get(name).and_then(Semantic::row).is_some();
            if table == "coupon" && says("after") {
                let error = change(COUPON, shape, row).unwrap_err();
                assert_eq!(error, RowFault::Inexact.of("discount"));
            }
        });
    }
}

#[test]
fn a_line_of_history_is_made_and_deleted() {
    for capture in captures() {
        let mut seen = Vec::new();
        capture.each(|table, shape, row| {
            if table == "coupon_history" {
                let read = change(HISTORY, shape, row).unwrap();
                assert_eq!(read.contract(), &CouponHistory::CONTRACT);
                let CouponsEvent::CouponHistory(change) = read else { panic!() };
                seen.push(change);
            }
        });
        let [made, deleted] = seen.as_slice() else { panic!("{seen:?}") };
        let at = TimestampMicros::from_micros(1_795_231_236_000_000);
        let line = CouponHistory { id: 5, coupon_id: 10, action: "issue".to_owned(), at };
        assert_eq!(made.after.as_ref(), Some(&line), "{}", capture.name);
        assert_eq!((deleted.op, deleted.key), (RowOp::Delete, 5));
        let whole = capture.name.starts_with("mariadb").then_some(line);
        assert_eq!(deleted.before, whole, "{}", capture.name);
    }
}

/// Of a row without any null, a deletion has a zero or a default in each column but the key.
#[test]
fn a_key_alone_is_told_from_a_row() {
    let mut seen = 0;
    for capture in captures().iter().filter(|capture| capture.name.starts_with("postgres")) {
        capture.each(|table, shape, row| {
            let flattened = matches!(shape, Shape::TableRow { .. });
            let image =
                if flattened { Some(row) } else { row.get("before").and_then(Semantic::row) };
            let gone = row.get("__deleted") == Some(&Semantic::Text("true".into())) || !flattened;
            if let (Some(image), true) = (image, gone) {
                let whole = table == "coupon_full";
                assert_eq!(image.says_more_than(&["id"]), whole, "{} {table}", capture.name);
                seen += 1;
            }
        });
    }
    assert!(seen >= 30, "{seen}");
}

#[test]
fn flattened_rows_say_where_they_stand() {
    for capture in captures().iter().filter(|capture| capture.name.ends_with("flat")) {
        let own: &[&str] = match capture.name.as_str() {
            "postgres.flat" => &["__source_lsn", "__source_sequence"],
            _ => &["__source_server_id", "__source_file", "__source_pos", "__source_row"],
        };
        capture.each(|table, shape, row| {
            let Shape::TableRow { table: full } = shape else { panic!("{shape:?}") };
            assert!(Shape::is_table(full, table), "{full} {table}");
            for name in ["__deleted", "__op", "__source_ts_ms", "__source_snapshot"] {
                assert!(row.get(name).is_some(), "{name}");
            }
            for name in own {
                assert!(!matches!(row.get(name), None | Some(Semantic::Null)), "{name}");
            }
        });
    }
}
