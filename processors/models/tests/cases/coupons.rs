//! The traps and rules of tables that are replicated row by row out of one topic.

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::sample::Index;
use readmill_core::{
    Document, Identity, Incoming, Key, Offset, Outcome, Partition, Position, ReadModel, Record,
    SourcePosition,
};
use readmill_models::Coupons;
use readmill_models::coupons::Replica;
use readmill_schemas::coupons::{Coupon, CouponHistory, CouponsEvent};
use readmill_schemas::row::{Images, Large, RowChange, RowOp, TimestampMicros};
use readmill_schemas::semantic::RowReader;
use readmill_schemas::{Contract, Events, Shape, WriterSchema, encode};

/// What Debezium writes where PostgreSQL did not send a value.
const PLACEHOLDER: &str = "__debezium_unavailable_value";
const AT: &str = "2026-11-01T09:00:00.000001Z";

fn coupon(id: i64, status: &str, note: Large<Option<String>>) -> Coupon {
    Coupon {
        id,
        code: format!("C-{id}"),
        member_id: None,
        status: status.to_owned(),
        discount: "10.50".parse().unwrap(),
        valid_until: TimestampMicros::from_micros(1),
        note,
        updated_at: TimestampMicros::from_micros(0),
        channel: None,
    }
}

fn note(text: &str) -> Large<Option<String>> {
    Large::Now(Some(text.to_owned()))
}

fn written(op: RowOp, coupon: Coupon) -> CouponsEvent {
    RowChange { op, key: coupon.id, before: None, after: Some(coupon) }.into()
}

fn removed(id: i64) -> CouponsEvent {
    RowChange::<Coupon> { op: RowOp::Delete, key: id, before: None, after: None }.into()
}

/// A change with the LSN under which it was committed, or at which its snapshot stood.
type Change = (CouponsEvent, i64);

fn op(event: &CouponsEvent) -> RowOp {
    match event {
        CouponsEvent::Coupon(change) => change.op,
        CouponsEvent::CouponHistory(change) => change.op,
    }
}

fn row(event: &CouponsEvent) -> (&'static str, i64) {
    match event {
        CouponsEvent::Coupon(change) => ("coupon", change.key),
        CouponsEvent::CouponHistory(change) => ("coupon_history", change.key),
    }
}

/// Rows as they come to stand, and what became of each record.
fn replicate(changes: &[Change]) -> (BTreeMap<Key, Document<Coupons>>, Vec<Outcome>) {
    let mut documents: BTreeMap<Key, Document<Coupons>> = BTreeMap::new();
    let mut outcomes = Vec::new();
    for (at, (event, lsn)) in (0..).zip(changes) {
        let partition = Partition::new("shop.coupons", 0);
        let record = Record::at(Position { partition, offset: Offset(at) });
        let position = SourcePosition::Postgres { commit: Some(lsn - 1), lsn: *lsn };
        for key in Coupons::keys(event).into_vec() {
            let row = row(event).1.to_string();
            let identity = Identity::row("shop.coupons", &row, false, op(event), Some(position));
            let document = documents.entry(key).or_default();
            let taken = document.take(Incoming::straight(&identity, &record, event));
            outcomes.push(taken.outcome);
        }
    }
    (documents, outcomes)
}

fn status(documents: &BTreeMap<Key, Document<Coupons>>, key: &str) -> Option<String> {
    match documents.get(&Key::from(key))?.state.as_ref()? {
        Replica::Coupon(row) => Some(row.status.clone()),
        Replica::CouponHistory(line) => Some(line.action.clone()),
    }
}

fn stored_note(documents: &BTreeMap<Key, Document<Coupons>>, key: &str) -> Option<String> {
    match documents.get(&Key::from(key))?.state.as_ref()? {
        Replica::Coupon(row) => row.note.clone(),
        Replica::CouponHistory(_) => None,
    }
}

/// Creates, updates and deletes in the order in which they come.
fn naive(changes: &[Change]) -> BTreeMap<i64, Coupon> {
    let mut rows = BTreeMap::new();
    for (event, _) in changes {
        if let CouponsEvent::Coupon(change) = event {
            match change.after.clone() {
                Some(row) => rows.insert(change.key, row),
                None => rows.remove(&change.key),
            };
        }
    }
    rows
}

#[test]
fn trap_an_older_image_never_replaces_a_newer_one() {
    let issued = || written(RowOp::Create, coupon(7, "issued", note("n")));
    let used = || written(RowOp::Update, coupon(7, "used", note("n")));
    let read = || written(RowOp::Read, coupon(7, "issued", note("n")));
    // A relay that publishes again from where it was, and a snapshot that stood before the change.
    let logs = [
        vec![(issued(), 10), (used(), 20), (issued(), 10)],
        vec![(used(), 20), (read(), 15)],
        vec![(issued(), 10), (used(), 20), (removed(7), 30), (used(), 20)],
    ];
    let naively = logs.each_ref().map(|log| naive(log).remove(&7).map(|row| row.status));
    assert_eq!(
        naively.each_ref().map(|status| status.as_deref().unwrap()),
        ["issued", "issued", "used"]
    );
    let ours = logs.map(|log| status(&replicate(&log).0, "coupon/7"));
    assert_eq!(ours, [Some("used".to_owned()), Some("used".to_owned()), None]);
}

#[test]
fn a_snapshot_that_has_seen_the_change_is_taken_over() {
    let used = written(RowOp::Update, coupon(7, "used", note("n")));
    let read = written(RowOp::Read, coupon(7, "expired", note("n")));
    assert_eq!(status(&replicate(&[(used, 20), (read, 25)]).0, "coupon/7").unwrap(), "expired");
}

/// Skips what was committed at or below the position that it has seen last.
fn naive_by_lsn(changes: &[Change]) -> BTreeMap<i64, Coupon> {
    let (mut seen, mut new) = (0, Vec::new());
    for (event, lsn) in changes {
        if *lsn > seen {
            seen = *lsn;
            new.push((event.clone(), *lsn));
        }
    }
    naive(&new)
}

#[test]
fn trap_a_key_change_is_a_deletion_and_a_creation_under_one_position() {
    let log = [
        (written(RowOp::Create, coupon(7, "issued", note("n"))), 10),
        (removed(7), 20),
        (written(RowOp::Create, coupon(8, "issued", note("n"))), 20),
        (removed(7), 20),
    ];
    assert_eq!(naive_by_lsn(&log).len(), 0, "the row is lost");
    let (documents, outcomes) = replicate(&log);
    assert_eq!(outcomes.last(), Some(&Outcome::Duplicate), "and a repeat is still known as one");
    assert_eq!(status(&documents, "coupon/8").unwrap(), "issued");
    assert!(documents[&Key::from("coupon/7")].stamp.gone);
}

/// A whole row of `coupon`, as the wire has it.
fn wire(status: &str, note: &str) -> Vec<u8> {
    let mut body = Vec::new();
    encode::long(7, &mut body);
    for text in ["C-7", status, "10.50", AT, note, AT] {
        encode::text(text, &mut body);
    }
    body
}

#[test]
fn trap_a_value_that_was_not_sent_never_replaces_what_stands() {
    let reader = RowReader::of(&schema("coupon", &WHOLE)).unwrap();
    let bodies = [wire("issued", "a long note"), wire("used", PLACEHOLDER)];
    // What stands in the record goes into the document.
    let text = String::from_utf8_lossy(&bodies[1]).into_owned();
    assert!(text.contains(PLACEHOLDER), "a text that nobody wrote over one that somebody did");
    let log = bodies.each_ref().map(|body| {
        let read = reader.read(body).unwrap();
        let images = Images { op: RowOp::Update, before: None, after: read.row() };
        CouponsEvent::read_row(0, images).unwrap()
    });
    let log = Vec::from_iter(log.into_iter().zip([10, 20]));
    let null = naive(&log).remove(&7).unwrap().note.now().cloned().flatten();
    assert_eq!(null, None, "or null, where the placeholder is known");
    let (documents, _) = replicate(&log);
    assert_eq!(status(&documents, "coupon/7").unwrap(), "used");
    assert_eq!(stored_note(&documents, "coupon/7").unwrap(), "a long note");
    let emptied = (written(RowOp::Update, coupon(7, "used", Large::Now(None))), 30);
    let log: Vec<Change> = log.into_iter().chain([emptied]).collect();
    assert_eq!(stored_note(&replicate(&log).0, "coupon/7"), None, "a null that was sent is one");
}

#[test]
fn rule_what_was_not_sent_and_does_not_stand_is_held_and_nothing_is_made_up() {
    let unsent = || written(RowOp::Update, coupon(7, "used", Large::Unchanged));
    for log in [vec![(unsent(), 20)], vec![(removed(7), 10), (unsent(), 20)]] {
        let (documents, outcomes) = replicate(&log);
        assert_eq!(outcomes.last(), Some(&Outcome::Held));
        assert_eq!(status(&documents, "coupon/7"), None);
    }
    let told = Coupons::admit(readmill_core::Standing::Never, &unsent());
    let wanted = "the note was not sent, and none is stored: set the table's replica identity to \
                  full, and write the row again";
    assert_eq!(told, readmill_core::Admit::Refuse(wanted));
}

/// The schema of a table's flattened rows.
fn schema(table: &str, columns: &[(&str, &str)]) -> WriterSchema {
    let column = |(name, kind): &(&str, &str)| format!(r#"{{"name":"{name}","type":{kind}}}"#);
    let columns: Vec<String> = columns.iter().map(column).collect();
    let name = format!("shop.public.{table}.Value");
    let columns = columns.join(",");
    let text = format!(r#"{{"type":"record","name":"{name}","fields":[{columns}]}}"#);
    WriterSchema::parse(&text).unwrap()
}

const LONG: &str = r#""long""#;
const TEXT: &str = r#""string""#;
const ZONED: &str = r#"{"type":"string","connect.name":"io.debezium.time.ZonedTimestamp"}"#;
const COUPON: [(&str, &str); 4] =
    [("id", LONG), ("uses", LONG), ("status", TEXT), ("updated_at", ZONED)];
const HISTORY: [(&str, &str); 4] =
    [("id", LONG), ("coupon_id", LONG), ("action", TEXT), ("at", ZONED)];

/// All of a coupon that the first version of its contract needs.
const WHOLE: [(&str, &str); 7] = [
    ("id", LONG),
    ("code", TEXT),
    ("status", TEXT),
    ("discount", TEXT),
    ("valid_until", ZONED),
    ("note", TEXT),
    ("updated_at", ZONED),
];

/// A column was added while the table was captured: both kinds of rows are in the topic.
#[test]
fn rule_a_row_without_a_new_column_and_one_with_it_stand_side_by_side() {
    let more: Vec<(&str, &str)> =
        WHOLE.into_iter().chain([("channel", r#"["null","string"]"#)]).collect();
    let (old, new) = (schema("coupon", &WHOLE), schema("coupon", &more));
    let with = |channel: Option<&str>| {
        let mut body = wire("used", "n");
        encode::long(i64::from(channel.is_some()), &mut body);
        channel.into_iter().for_each(|channel| encode::text(channel, &mut body));
        body
    };
    let table = [
        (&old, wire("issued", "n"), None),
        (&new, with(Some("app")), Some("app")),
        // A connector that was set back writes as before: nobody knows any more.
        (&old, wire("issued", "n"), None),
        (&new, with(None), None),
    ];
    let mut log: Vec<Change> = Vec::new();
    for ((schema, body, channel), lsn) in table.into_iter().zip([10, 20, 30, 40]) {
        let reader = RowReader::of(schema).unwrap();
        let read = reader.read(&body).unwrap();
        let images = Images { op: RowOp::Update, before: None, after: read.row() };
        log.push((CouponsEvent::read_row(0, images).unwrap(), lsn));
        let (documents, _) = replicate(&log);
        let stands = documents[&Key::from("coupon/7")].state.as_ref();
        let Some(Replica::Coupon(row)) = stands else { panic!("{stands:?}") };
        assert_eq!(row.channel.as_deref(), channel, "at {lsn}");
    }
}

/// A row of either table, as the wire has it.
fn body(id: i64, number: i64, text: &str) -> Vec<u8> {
    let mut body = Vec::new();
    encode::long(id, &mut body);
    encode::long(number, &mut body);
    encode::text(text, &mut body);
    encode::text(AT, &mut body);
    body
}

#[test]
fn trap_rows_of_several_schemas_are_each_read_by_their_own() {
    // The schema that came first reads all of the topic, and the primary key is the document's.
    let first = RowReader::of(&schema("coupon", &COUPON)).unwrap();
    let mut naive = BTreeMap::new();
    for body in [body(7, 1, "used"), body(7, 5, "issued")] {
        let read = first.read(&body).unwrap();
        let row = read.row().unwrap();
        naive.insert(format!("{:?}", row.get("id")), format!("{:?}", row.get("status")));
    }
    assert_eq!(naive.len(), 1, "a line of history has become the coupon of its number");
    assert!(naive.into_values().all(|status| status.contains("issued")), "and can be used again");

    let own = schema("coupon_history", &HISTORY);
    let Shape::TableRow { table } = Shape::of(&own) else { panic!() };
    let is_own = |contract: &Contract| contract.table.is_some_and(|it| Shape::is_table(&table, it));
    let which = CouponsEvent::CONTRACTS.iter().position(is_own).unwrap();
    let (reader, body) = (RowReader::of(&own).unwrap(), body(7, 5, "issued"));
    let read = reader.read(&body).unwrap();
    let images = Images { op: RowOp::Create, before: None, after: read.row() };
    let line = CouponsEvent::read_row(which, images).unwrap();
    let coupon = written(RowOp::Create, coupon(7, "used", note("n")));
    let (documents, _) = replicate(&[(coupon, 10), (line, 20)]);
    assert_eq!(status(&documents, "coupon/7").as_deref(), Some("used"));
    let line =
        CouponHistory { id: 7, coupon_id: 5, action: "issued".to_owned(), at: AT.parse().unwrap() };
    let stands = documents[&Key::from("coupon_history/7")].state.as_ref();
    assert_eq!(stands, Some(&Replica::CouponHistory(line)));
}

/// A change of one of three coupons: each whole, since rows may go in between.
fn change() -> impl Strategy<Value = CouponsEvent> {
    (0..3_i64, 0..4_u8, "[a-z]{1,3}").prop_map(|(id, what, status)| match what {
        0 => removed(id),
        1 => written(RowOp::Create, coupon(id, &status, note("n"))),
        _ => written(RowOp::Update, coupon(id, &status, Large::Now(None))),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// However often a relay begins again at an earlier change, rows stand as the source has them.
    #[test]
    fn rule_rows_stand_as_the_source_has_them_whatever_comes_again(
        changes in proptest::collection::vec(change(), 1..60),
        rewinds in proptest::collection::vec((any::<Index>(), any::<Index>()), 0..4),
    ) {
        let log: Vec<Change> = changes.into_iter().zip((1..).map(|n| n * 10)).collect();
        let mut published: Vec<Change> = Vec::new();
        for (to, from) in rewinds {
            let to = to.index(log.len());
            published.extend_from_slice(&log[from.index(to + 1)..=to]);
        }
        published.splice(..0, log.clone());
        let (documents, _) = replicate(&published);
        let wanted: BTreeMap<i64, String> =
            naive(&log).into_iter().map(|(id, row)| (id, row.status)).collect();
        for id in 0..3 {
            let found = status(&documents, &format!("coupon/{id}"));
            prop_assert_eq!(found.as_ref(), wanted.get(&id));
        }
    }
}
