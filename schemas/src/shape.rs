//! What kind of record a writer's schema describes: told by the schema, not by configuration.

use apache_avro::Schema;
use apache_avro::schema::RecordSchema;

use crate::WriterSchema;

/// The kinds of records that come from Debezium into a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    /// A full change envelope of an outbox table.
    Envelope,
    /// An outbox row, flattened by the new-record-state transform.
    Flattened,
    /// A full change envelope of any other table.
    TableEnvelope {
        /// The table as the record's name has it; [`Shape::is_table`] compares it.
        table: String,
    },
    /// A row of any other table, flattened by the new-record-state transform.
    TableRow {
        /// The table as the record's name has it; [`Shape::is_table`] compares it.
        table: String,
    },
    /// Debezium's own business, and which.
    Housekeeping(&'static str),
    /// Anything else: an event itself, as the outbox event router passes it on.
    Event,
}

/// Records that Debezium writes for itself, by the end of their names.
const HOUSEKEEPING: [(&str, &str); 3] = [
    ("common.Heartbeat", "a heartbeat of the connector"),
    (".SchemaChangeValue", "a change of the database's schema"),
    (".TransactionMetadataValue", "the beginning or the end of a transaction"),
];

/// What every outbox table has.
const OUTBOX: [&str; 3] = ["id", "aggregate_id", "payload"];

impl Shape {
    /// The shape of what a writer writes.
    pub fn of(writer: &WriterSchema) -> Self {
        let Schema::Record(record) = writer.schema() else { return Self::Event };
        let name = record.name.fullname(None);
        if let Some((_, what)) = HOUSEKEEPING.iter().find(|(end, _)| name.ends_with(end)) {
            return Self::Housekeeping(what);
        }
        if has(record, &["op", "after", "source"]) {
            return match row_of(record, writer) {
                Some(row) if !has(row, &OUTBOX) => Self::TableEnvelope { table: table_of(&name) },
                Some(_) | None => Self::Envelope,
            };
        }
        if has(record, &OUTBOX) {
            Self::Flattened
        } else if name.ends_with(".Value") {
            Self::TableRow { table: table_of(&name) }
        } else {
            Self::Event
        }
    }

    /// Whether the `full` name of a table, such as `public.coupon`, is that of a contract's
    /// `table`, such as `coupon`: the same, or the end of it at a dot.
    ///
    /// Debezium replaces what Avro's names cannot have by `_`, or by `_u` and the character's
    /// number (`schema.name.adjustment.mode`).
    pub fn is_table(full: &str, table: &str) -> bool {
        let ends = |table: &str| {
            let rest = full.strip_suffix(table);
            !table.is_empty() && rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        ends(table)
            || ends(&adjusted(table, |_| "_".to_owned()))
            || ends(&adjusted(table, |unit| format!("_u{unit:04x}")))
    }
}

/// The name with `other` for each UTF-16 unit that Avro's names cannot have.
fn adjusted(table: &str, other: impl Fn(u16) -> String) -> String {
    let mut name = String::with_capacity(table.len());
    for letter in table.chars() {
        if letter.is_ascii_alphanumeric() || matches!(letter, '_' | '.') {
            name.push(letter);
        } else {
            name.extend(letter.encode_utf16(&mut [0; 2]).iter().map(|unit| other(*unit)));
        }
    }
    name
}

fn has(record: &RecordSchema, fields: &[&str]) -> bool {
    fields.iter().all(|field| record.fields.iter().any(|known| known.name == *field))
}

/// The record of an envelope's row, which is defined where it is named first.
fn row_of<'a>(envelope: &'a RecordSchema, writer: &'a WriterSchema) -> Option<&'a RecordSchema> {
    let images = envelope.fields.iter().filter(|field| matches!(&*field.name, "before" | "after"));
    let branches = images.flat_map(|field| {
        if let Schema::Union(union) = &field.schema {
            union.variants()
        } else {
            std::slice::from_ref(&field.schema)
        }
    });
    let mut named = None;
    for branch in branches {
        if let Schema::Record(row) = branch {
            return Some(row);
        }
        if let Schema::Ref { name } = branch {
            named = Some(name);
        }
    }
    writer.references().iter().find_map(|known| {
        if let Schema::Record(row) = known {
            named.is_some_and(|n| *n == row.name).then_some(row)
        } else {
            None
        }
    })
}

/// What stands between the topic's prefix and the last part of a record's name.
fn table_of(name: &str) -> String {
    let table = name.rsplit_once('.').map_or(name, |(table, _)| table);
    table.split_once('.').map_or(table, |(_, table)| table).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, fields: &[&str], shape: Shape) {
        let fields: Vec<String> = fields
            .iter()
            .map(|field| format!(r#"{{"name": "{field}", "type": "string"}}"#))
            .collect();
        let fields = fields.join(", ");
        let text = format!(r#"{{"type": "record", "name": "{name}", "fields": [{fields}]}}"#);
        assert_eq!(Shape::of(&WriterSchema::parse(&text).unwrap()), shape, "{name}");
    }

    #[test]
    fn the_schema_tells_the_shape() {
        check("shop.points_outbox.Envelope", &["before", "after", "source", "op"], Shape::Envelope);
        check("shop.points_outbox.Value", &["id", "aggregate_id", "payload"], Shape::Flattened);
        check("readmill.points.PointsEarned", &["lot_id", "points"], Shape::Event);
        let beat = Shape::Housekeeping("a heartbeat of the connector");
        check("io.debezium.connector.common.Heartbeat", &["ts_ms"], beat);
        let text = WriterSchema::parse(r#""string""#).unwrap();
        assert_eq!(Shape::of(&text), Shape::Event);
    }

    /// An envelope whose row is defined in `before` and named in `after`, as Debezium's is.
    fn envelope(name: &str, columns: &[&str]) -> String {
        let column = |column: &&str| format!(r#"{{"name": "{column}", "type": "string"}}"#);
        let columns: Vec<String> = columns.iter().map(column).collect();
        let row =
            format!(r#"{{"type": "record", "name": "Value", "fields": [{}]}}"#, columns.join(", "));
        format!(
            r#"{{"type": "record", "name": "{name}.Envelope", "fields": [
            {{"name": "before", "type": ["null", {row}]}},
            {{"name": "after", "type": ["null", "Value"]}},
            {{"name": "source", "type": "string"}}, {{"name": "op", "type": "string"}}]}}"#
        )
    }

    #[test]
    fn the_row_tells_a_table_from_an_outbox() {
        let of = |text: &str| Shape::of(&WriterSchema::parse(text).unwrap());
        let outbox = ["id", "aggregate_type", "aggregate_id", "type", "payload"];
        assert_eq!(of(&envelope("shop.public.points_outbox", &outbox)), Shape::Envelope);
        let table = |name: &str| Shape::TableEnvelope { table: name.to_owned() };
        assert_eq!(of(&envelope("shop.public.coupon", &["id", "code"])), table("public.coupon"));
        assert_eq!(of(&envelope("mall.shop.coupon", &["id", "payload"])), table("shop.coupon"));
        assert_eq!(of(&envelope("coupon", &["id"])), table("coupon"));
        check("a.b.coupon.Value", &["id"], Shape::TableRow { table: "b.coupon".to_owned() });
        check("a.b.points_outbox.Value", &outbox, Shape::Flattened);
        let row = r#"{"type": "record", "name": "a.t.Value", "fields": []}"#;
        let referring = envelope("a.t", &[])
            .replace(r#"{"type": "record", "name": "Value", "fields": []}"#, r#""Value""#);
        let writer = WriterSchema::parse_with(&referring, &[row]).unwrap();
        assert_eq!(Shape::of(&writer), table("t"));
    }

    #[test]
    fn a_table_is_known_by_the_end_of_its_name() {
        let same = [
            ("public.coupon", "coupon"),
            ("public.coupon", "public.coupon"),
            ("coupon", "coupon"),
            ("b.public.coupon", "public.coupon"),
            ("public.my_table", "my-table"),
            ("public.my_u002dtable", "my-table"),
            ("public._u8868_ud834_udd1e", "表𝄞"),
            ("public.___", "表𝄞"),
        ];
        for (full, table) in same {
            assert!(Shape::is_table(full, table), "{full} {table}");
        }
        let other = [
            ("public.old_coupon", "coupon"),
            ("public.coupon_history", "coupon"),
            ("coupon", "public.coupon"),
            ("public.coupon", ""),
            ("public.Coupon", "coupon"),
        ];
        for (full, table) in other {
            assert!(!Shape::is_table(full, table), "{full} {table}");
        }
    }
}
