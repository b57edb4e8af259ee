//! Rows that we write ourselves, where a log lacks what its database had: in the form that the
//! new-record-state transform gives them, with everything that tells their place.
use serde_json::{Value, json};

use super::{ColumnKind, Decimal, Layout, LayoutColumn, RowOp, TimestampMicros};
use crate::semantic::{Date, Time};
use crate::{Timestamp, encode};

/// What the names of their schemas begin with.
const NAMESPACE: &str = "readmill.corrections";

/// Where a correction stands in its database's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CorrectionPlace {
    /// The LSN of the commit before it.
    pub commit: i64,
    /// Its own LSN.
    pub lsn: i64,
    /// When it is made, in milliseconds since 1970.
    pub at_ms: i64,
}

impl Layout {
    /// What rows of the table are called in a log, without `Key` or `Value`.
    pub fn correction_name(&self) -> String {
        format!("{NAMESPACE}.{}", self.table)
    }

    /// Whether corrections of its rows can be written: all columns have a form, and the texts of
    /// its keys are the same whoever writes them.
    pub fn is_correctable(&self) -> bool {
        use ColumnKind::{Boolean, Int, Long, Text, Uuid};
        let has_form = self.columns.iter().all(|column| schema(column.kind).is_some());
        let is_plain =
            |column: &LayoutColumn| matches!(column.kind, Boolean | Int | Long | Text | Uuid);
        has_form && !self.key.is_empty() && self.key_columns().all(is_plain)
    }

    /// The schema of a correction's key.
    pub fn correction_key_schema(&self) -> String {
        let field = |column: &LayoutColumn| {
            let kind = schema(column.kind).unwrap_or_default();
            json!({ "name": column.name, "type": kind })
        };
        let fields: Vec<Value> = self.key_columns().map(field).collect();
        let namespace = self.correction_name();
        let key = json!({
            "type": "record", "name": "Key", "namespace": namespace, "fields": fields,
        });
        key.to_string()
    }

    /// The schema of a correction's value.
    pub fn correction_schema(&self) -> String {
        let optional = |name: &str, kind: Value| {
            let kind = json!(["null", kind]);
            json!({ "name": name, "type": kind, "default": null })
        };
        let column =
            |column: &LayoutColumn| optional(&column.name, schema(column.kind).unwrap_or_default());
        let mut fields: Vec<Value> = self.columns.iter().map(column).collect();
        fields.push(json!({ "name": "__op", "type": "string" }));
        fields.push(json!({ "name": "__source_ts_ms", "type": "long" }));
        fields.push(optional("__source_lsn", json!("long")));
        fields.push(optional("__source_sequence", json!("string")));
        let namespace = self.correction_name();
        let value = json!({
            "type": "record", "name": "Value", "namespace": namespace, "fields": fields,
        });
        value.to_string()
    }

    /// Appends the key of a row, given as documents show it. None if a column is missing.
    pub fn write_correction_key(&self, row: &Value, out: &mut Vec<u8>) -> Option<()> {
        self.key_columns().try_for_each(|column| write(column.kind, &row[&column.name], out))
    }

    /// Appends a row as it is to stand, or the key of one that is to go. None if a value is none
    /// of its column's kind.
    pub fn write_correction(
        &self,
        row: &Value,
        op: RowOp,
        place: CorrectionPlace,
        out: &mut Vec<u8>,
    ) -> Option<()> {
        for column in &self.columns {
            let value = &row[&column.name];
            encode::long(i64::from(!value.is_null()), out);
            if !value.is_null() {
                write(column.kind, value, out)?;
            }
        }
        encode::text(op.letter(), out);
        encode::long(place.at_ms, out);
        encode::long(1, out);
        encode::long(place.lsn, out);
        encode::long(1, out);
        encode::text(&format!("[\"{}\",\"{}\"]", place.commit, place.lsn), out);
        Some(())
    }

    fn key_columns(&self) -> impl Iterator<Item = &LayoutColumn> {
        self.key.iter().filter_map(|at| self.columns.get(*at))
    }
}

/// The schema of a column, as a connector would have it.
fn schema(kind: ColumnKind) -> Option<Value> {
    let named = |kind: &str, name: &str| json!({ "type": kind, "connect.name": name });
    Some(match kind {
        ColumnKind::Boolean => json!("boolean"),
        ColumnKind::Int => json!("int"),
        ColumnKind::Long => json!("long"),
        ColumnKind::Double => json!("double"),
        ColumnKind::Text => json!("string"),
        ColumnKind::Decimal(scale) => json!({
            "type": "bytes", "connect.name": "org.apache.kafka.connect.data.Decimal",
            "connect.parameters": { "scale": scale?.to_string() },
        }),
        ColumnKind::Millis => named("long", "io.debezium.time.Timestamp"),
        ColumnKind::Micros => named("long", "io.debezium.time.MicroTimestamp"),
        ColumnKind::Date => named("int", "io.debezium.time.Date"),
        ColumnKind::Time => named("long", "io.debezium.time.MicroTime"),
        ColumnKind::Uuid => named("string", "io.debezium.data.Uuid"),
        ColumnKind::Json => return None,
    })
}

fn write(kind: ColumnKind, value: &Value, out: &mut Vec<u8>) -> Option<()> {
    let text = || value.as_str();
    match kind {
        ColumnKind::Boolean => encode::boolean(value.as_bool()?, out),
        ColumnKind::Int | ColumnKind::Long => encode::long(value.as_i64()?, out),
        ColumnKind::Double => encode::double(value.as_f64()?, out),
        ColumnKind::Text | ColumnKind::Uuid => encode::text(text()?, out),
        ColumnKind::Decimal(scale) => {
            let number: Decimal = text()?.parse().ok()?;
            let units = number.units(u32::try_from(scale?).ok()?)?;
            encode::bytes(&units.to_be_bytes(), out);
        }
        ColumnKind::Millis => encode::long(text()?.parse::<Timestamp>().ok()?.as_millis(), out),
        ColumnKind::Micros => {
            encode::long(text()?.parse::<TimestampMicros>().ok()?.as_micros(), out);
        }
        ColumnKind::Date => encode::long(Date::try_from(text()?.to_owned()).ok()?.days, out),
        ColumnKind::Time => {
            let Time { seconds, nanos } = Time::try_from(text()?.to_owned()).ok()?;
            encode::long(seconds * 1_000_000 + i64::from(nanos / 1_000), out);
        }
        ColumnKind::Json => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Events as _;
    use crate::coupons::{CouponRow, CouponsEvent, CouponsRow};
    use crate::debezium::FlatTableRow;
    use crate::row::{Images, Tables as _};
    use crate::semantic::{RowReader, Semantic};
    use crate::{Plan, Shape, WriterSchema};

    const PLACE: CorrectionPlace = CorrectionPlace { commit: 5, lsn: 8, at_ms: 9 };

    fn coupons() -> Layout {
        Layout::of(&CouponsEvent::CONTRACTS[0]).unwrap().unwrap()
    }

    /// Reads a correction as the engine reads a flattened row.
    fn read(row: &Value, op: RowOp) -> CouponsEvent {
        let layout = coupons();
        let writer = WriterSchema::parse(&layout.correction_schema()).unwrap();
        let Shape::TableRow { table } = Shape::of(&writer) else { panic!("no row") };
        assert!(Shape::is_table(&table, "coupon"), "{table}");
        let mut body = Vec::new();
        layout.write_correction(row, op, PLACE, &mut body).unwrap();
        let plan = Plan::compile(&writer, &FlatTableRow::CONTRACT).unwrap();
        let told: FlatTableRow<'_> = plan.read(&body).unwrap();
        assert_eq!((told.__op, told.__source_lsn), (Some(op.letter()), Some(8)));
        assert_eq!(told.__source_sequence, Some(r#"["5","8"]"#));
        let rows = RowReader::of(&writer).unwrap();
        let Semantic::Row(image) = rows.read(&body).unwrap() else { panic!("no row") };
        let (before, after) = match op {
            RowOp::Delete => (Some(&image), None),
            RowOp::Create | RowOp::Update | RowOp::Read => (None, Some(&image)),
        };
        CouponsEvent::read_row(0, Images { op, before, after }).unwrap()
    }

    #[test]
    fn a_correction_is_read_back_as_the_row_that_it_is_of() {
        assert!(coupons().is_correctable());
        let stored = CouponRow {
            id: 7,
            code: "WINTER".to_owned(),
            member_id: None,
            status: "issued".to_owned(),
            discount: "-10.50".parse().unwrap(),
            valid_until: TimestampMicros::from_micros(1_806_364_800_000_000),
            note: Some("of any length".to_owned()),
            updated_at: TimestampMicros::from_micros(1),
            channel: None,
        };
        let row = serde_json::to_value(&stored).unwrap();
        let change = read(&row, RowOp::Read);
        assert_eq!(change.key_text(), "coupon/7");
        assert_eq!(change.stored(None), Some(CouponsRow::Coupon(stored)));
        let gone = read(&json!({ "id": 7 }), RowOp::Delete);
        assert_eq!((gone.key_text().as_str(), gone.stored(None)), ("coupon/7", None));
    }

    #[test]
    fn the_key_of_a_correction_is_read_as_a_connectors() {
        let layout = coupons();
        let writer = WriterSchema::parse(&layout.correction_key_schema()).unwrap();
        let mut body = Vec::new();
        layout.write_correction_key(&json!({ "id": -7 }), &mut body).unwrap();
        let reader = RowReader::of(&writer).unwrap();
        let Semantic::Row(key) = reader.read(&body).unwrap() else { panic!("no row") };
        assert!(matches!(key.get("id"), Some(Semantic::Int(-7))));
        assert_eq!(layout.write_correction_key(&json!({}), &mut body), None);
    }
}
