//! Columns that were not sent, that are missing, and images that have not all of a row.
use readmill_schemas::coupons::{Coupon, CouponsEvent};
use readmill_schemas::row::{
    Columns, FromColumn, Images, Large, RowChange, RowError, RowFault, RowOp,
};
use readmill_schemas::semantic::{Decimal, Row, Semantic};
use readmill_schemas::{Contract, Events};

fn coupon<'a>(status: &'a str, note: Semantic<'a>) -> Row<'a> {
    Row::new(vec![
        ("id", Semantic::Int(7)),
        ("code", Semantic::Text("SPRING".into())),
        ("status", Semantic::Text(status.into())),
        ("discount", Semantic::Decimal(Decimal::new(&[15], 1).unwrap())),
        ("valid_until", Semantic::Zoned("2027-01-01T00:00:00Z")),
        ("note", note),
        ("updated_at", Semantic::Zoned("2026-11-21T03:20:36.000001Z")),
        (
            "unknown",
            Semantic::Geometry(readmill_schemas::semantic::Geometry { wkb: &[1], srid: None }),
        ),
    ])
}

fn read(
    op: RowOp,
    before: Option<&Row<'_>>,
    after: Option<&Row<'_>>,
) -> Result<RowChange<Coupon>, RowError> {
    RowChange::read(Images { op, before, after })
}

fn set<'a>(mut row: Row<'a>, column: &str, value: Semantic<'a>) -> Row<'a> {
    row.columns.iter_mut().find(|(name, _)| *name == column).unwrap().1 = value;
    row
}

#[test]
fn a_large_value_is_what_was_sent_or_stands_before() {
    let (new, old) = (coupon("used", Semantic::Unavailable), coupon("issued", Semantic::Null));
    let change = read(RowOp::Update, None, Some(&new)).unwrap();
    assert_eq!(change.after.unwrap().note, Large::Unchanged);
    let change = read(RowOp::Update, Some(&old), Some(&new)).unwrap();
    assert_eq!(change.after.unwrap().note, Large::Now(None));
    assert_eq!(change.before.unwrap().status, "issued");
    // Neither image has it.
    let unsent = coupon("issued", Semantic::Unavailable);
    let change = read(RowOp::Update, Some(&unsent), Some(&new)).unwrap();
    assert_eq!(change.after.unwrap().note, Large::Unchanged);
    assert_eq!(change.before.unwrap().note, Large::Unchanged);
    // What stands in an image that has the key alone is no value.
    let key = Row::new(vec![("id", Semantic::Int(7)), ("note", Semantic::Null)]);
    let change = read(RowOp::Update, Some(&key), Some(&new)).unwrap();
    assert_eq!((change.after.unwrap().note, change.before), (Large::Unchanged, None));
    // Nor in an image of another row.
    let other = set(old, "id", Semantic::Int(0));
    let change = read(RowOp::Update, Some(&other), Some(&new)).unwrap();
    assert_eq!((change.after.unwrap().note, change.before), (Large::Unchanged, None));
    assert_eq!(Large::Unchanged.or(5), 5);
    assert_eq!(Large::Now(6).or(5), 6);
    assert_eq!((Large::Now(6).now(), Large::<i32>::Unchanged.now()), (Some(&6), None));
}

#[test]
fn a_value_that_was_not_sent_is_never_let_through() {
    let new = set(coupon("used", Semantic::Null), "code", Semantic::Unavailable);
    let error = read(RowOp::Update, None, Some(&new)).unwrap_err();
    assert_eq!(error, RowFault::Unavailable.of("code"));
    assert!(error.to_string().contains("replica identity to full"), "{error}");
    let old = coupon("issued", Semantic::Null);
    let change = read(RowOp::Update, Some(&old), Some(&new)).unwrap();
    assert_eq!(change.after.unwrap().code, "SPRING");
    let key = set(new.clone(), "id", Semantic::Unavailable);
    let error = read(RowOp::Update, Some(&old), Some(&key)).unwrap_err();
    assert_eq!(error, RowFault::Unavailable.of("id"));
}

#[test]
fn a_deletion_has_its_key_and_the_row_if_it_was_sent() {
    let whole = coupon("used", Semantic::Null);
    let change = read(RowOp::Delete, Some(&whole), None).unwrap();
    assert_eq!((change.op, change.key, change.after), (RowOp::Delete, 7, None));
    // By the contract's scale, however the writer spelled it.
    assert_eq!(change.before.unwrap().discount.to_string(), "1.50");
    let key = Row::new(vec![("id", Semantic::Int(7)), ("uses", Semantic::Int(0))]);
    let change = read(RowOp::Delete, Some(&key), None).unwrap();
    assert_eq!((change.key, change.before), (7, None));
    // A row that no longer is what the contract says can go all the same.
    let unfit = set(whole, "discount", Semantic::Double(1.5));
    assert_eq!(read(RowOp::Delete, Some(&unfit), None).unwrap().before, None);
}

#[test]
fn columns_are_named_and_values_are_not() {
    let row = coupon("used", Semantic::Null);
    let cut = |name: &str| {
        let kept = row.columns.iter().filter(|(column, _)| *column != name).cloned();
        Row::new(kept.collect())
    };
    let wide = Decimal::new(&[0x7f; 9], 2).unwrap();
    let fine = Decimal::new(&[15], 3).unwrap();
    let digits = "the contract's decimal, by its precision and scale";
    let table = [
        (cut("status"), RowFault::Missing.of("status")),
        (set(row.clone(), "status", Semantic::Null), RowFault::Null.of("status")),
        (
            set(row.clone(), "status", Semantic::Int(70_123)),
            RowFault::Kind { expected: "a text", found: "a whole number" }.of("status"),
        ),
        (
            set(row.clone(), "discount", Semantic::Decimal(wide)),
            RowFault::Range { kind: digits }.of("discount"),
        ),
        (
            set(row.clone(), "discount", Semantic::Decimal(fine)),
            RowFault::Range { kind: digits }.of("discount"),
        ),
        (
            set(row.clone(), "id", Semantic::Text("70123".into())),
            RowFault::Kind { expected: "a whole number", found: "a text" }.of("id"),
        ),
    ];
    for (row, expected) in table {
        let error = read(RowOp::Create, None, Some(&row)).unwrap_err();
        assert_eq!(error, expected);
        assert!(!error.to_string().contains("70123"), "{error}");
    }
    let missing = read(RowOp::Update, Some(&row), None).unwrap_err();
    assert_eq!(missing, RowError::NoKey { op: "u", image: "after" });
    let missing = read(RowOp::Delete, None, Some(&row)).unwrap_err();
    assert_eq!(missing, RowError::NoKey { op: "d", image: "before" });
    // The default of the contract stands where the writer has no such column.
    let change = read(RowOp::Read, None, Some(&cut("note"))).unwrap();
    assert_eq!(change.after.map(|row| (row.note, row.member_id)), Some((Large::Now(None), None)));
}

#[test]
fn elder_names_and_defaults_stand_in() {
    let row = Row::new(vec![("old", Semantic::Int(3)), ("gone", Semantic::Unavailable)]);
    let columns = Columns::new(&row, None);
    assert_eq!(columns.value("new", &["elder", "old"], i64::of, None), Ok(3));
    assert_eq!(columns.value("other", &[], i64::of, Some(|| 9)), Ok(9));
    let unsent = columns.value("gone", &[], i64::of, Some(|| 9));
    assert_eq!(unsent, Err(RowFault::Unavailable.of("gone")));
    assert_eq!(columns.large("gone", &[], i64::of, Some(|| 9)), Ok(Large::Unchanged));
}

#[test]
fn contracts_say_whether_they_are_of_tables() {
    let tables: Vec<_> = CouponsEvent::CONTRACTS.iter().map(|contract| contract.table).collect();
    assert_eq!(tables, [Some("coupon"), Some("coupon_history")]);
    let row = coupon("used", Semantic::Null);
    let images = Images { op: RowOp::Create, before: None, after: Some(&row) };
    let read = readmill_schemas::points::PointsEvent::read_row(0, images);
    assert_eq!(read, Err(RowError::NoTable { which: 0 }));
    let read = CouponsEvent::read_row(2, images);
    assert_eq!(read, Err(RowError::NoTable { which: 2 }));
    let Contract { text, .. } = Coupon::CONTRACT;
    let writer = readmill_schemas::WriterSchema::parse(text).unwrap();
    let plan = readmill_schemas::Plan::compile(&writer, &Coupon::CONTRACT).unwrap();
    assert!(CouponsEvent::read(0, &plan, &[]).is_err());
}

#[test]
fn operations_have_letters() {
    for (op, letter) in
        [(RowOp::Create, "c"), (RowOp::Update, "u"), (RowOp::Delete, "d"), (RowOp::Read, "r")]
    {
        assert_eq!((RowOp::of(letter), op.letter()), (Some(op), letter));
        assert_eq!(serde_json::to_value(op).unwrap(), letter);
    }
    assert_eq!(RowOp::of("t"), None);
}
