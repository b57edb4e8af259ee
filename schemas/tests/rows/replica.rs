//! What a replica has of the types of a domain that is of tables alone.
use readmill_schemas::Events;
use readmill_schemas::row::{Images, NotSent, RowOp, Tables};
use readmill_schemas::semantic::{Row, Semantic};

use crate::yard::{CrateRow, Gate, Mark, YardEvent, YardRow};

const CRATE: usize = 0;
const GATE: usize = 1;

fn a_crate<'a>(list: Semantic<'a>, remark: Semantic<'a>) -> Row<'a> {
    Row::new(vec![
        ("owner", Semantic::Text("a/b".into())),
        ("no", Semantic::Int(7)),
        ("mark", Semantic::Enum("BLUE")),
        ("list", list),
        ("remark", remark),
    ])
}

fn text(text: &str) -> Semantic<'_> {
    Semantic::Text(text.into())
}

fn read(which: usize, op: RowOp, row: &Row<'_>) -> YardEvent {
    let gone = op == RowOp::Delete;
    let images = Images { op, before: gone.then_some(row), after: (!gone).then_some(row) };
    YardEvent::read_row(which, images).unwrap()
}

fn stored(event: &YardEvent, stood: Option<YardRow>) -> CrateRow {
    match event.stored(stood) {
        Some(YardRow::Crate(row)) => row,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_key_with_columns_has_one_text_of_its_table() {
    let sent = read(CRATE, RowOp::Create, &a_crate(text("l"), Semantic::Null));
    assert_eq!(sent.key_text(), "yard.crate/a%2Fb/7/BLUE");
    let gone = read(CRATE, RowOp::Delete, &a_crate(text("l"), Semantic::Null));
    assert_eq!((gone.key_text(), gone.stored(None)), (sent.key_text(), None));
    let gate = Row::new(vec![("id", Semantic::Int(7)), ("is_open", Semantic::Int(1))]);
    assert_eq!(read(GATE, RowOp::Read, &gate).key_text(), "gate/7");
}

#[test]
fn what_was_not_sent_is_as_it_stood_value_by_value() {
    let first = read(CRATE, RowOp::Create, &a_crate(text("l"), text("r")));
    assert_eq!(first.missing(None), None);
    let stood = stored(&first, None);
    assert_eq!(
        (stood.list.as_str(), stood.remark.as_deref(), stood.mark),
        ("l", Some("r"), Mark::Blue)
    );
    assert_eq!(stood.r#type, "plain", "the contract's default");
    let unsent = read(CRATE, RowOp::Update, &a_crate(Semantic::Unavailable, Semantic::Null));
    let over = Some(YardRow::Crate(stood.clone()));
    assert_eq!(unsent.missing(over.as_ref()), None);
    let now = stored(&unsent, over.clone());
    assert_eq!((now.list.as_str(), now.remark), ("l", None));
    let unsent = read(CRATE, RowOp::Update, &a_crate(text("n"), Semantic::Unavailable));
    let now = stored(&unsent, over);
    assert_eq!((now.list.as_str(), now.remark.as_deref()), ("n", Some("r")));
}

#[test]
fn what_was_not_sent_and_does_not_stand_is_told_and_never_made_up() {
    let unsent = read(CRATE, RowOp::Update, &a_crate(text("l"), Semantic::Unavailable));
    let NotSent { column, told } = unsent.missing(None).unwrap();
    assert_eq!(column, "remark");
    assert!(told.contains("the remark was not sent, and none is stored"), "{told}");
    assert_eq!(unsent.stored(None), None);
    let gate = YardRow::Gate(Gate { id: 7, is_open: true });
    assert!(unsent.missing(Some(&gate)).is_some(), "what stands is of another table");
    let gone = read(CRATE, RowOp::Delete, &a_crate(Semantic::Unavailable, Semantic::Null));
    assert_eq!(gone.missing(None), None, "nothing is needed of what is gone");
}

#[test]
fn a_row_is_read_back_as_it_was_written_and_is_of_one_table() {
    let crate_row = stored(&read(CRATE, RowOp::Create, &a_crate(text("l"), Semantic::Null)), None);
    for row in [YardRow::Crate(crate_row), YardRow::Gate(Gate { id: 7, is_open: false })] {
        let written = serde_json::to_string(&row).unwrap();
        assert_eq!(serde_json::from_str::<YardRow>(&written).unwrap(), row, "{written}");
    }
    for text in ["{}", r#"{"gate": {"id": 1, "is_open": true}, "crate": null, "other": 1}"#] {
        let read = serde_json::from_str::<YardRow>(text);
        assert_eq!(read.is_ok(), text.contains("gate"), "{text}");
    }
}
