//! Rows of ordinary tables, in the schemas and the bytes in which Debezium writes their changes.
//!
//! A table is told by its columns. Its images are taken from the typed change as serde shows it, so
//! that no type of a row needs a writer of its own.

use readmill_schemas::encode;
use readmill_schemas::row::{Decimal, RowOp, TimestampMicros};
use readmill_schemas::semantic::UNAVAILABLE;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A column's name, and what it is in the database.
pub type Column = (&'static str, Kind);

/// What a column is in the database, and by that how Debezium writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `bigint not null`
    Long,
    /// `text not null`
    Text,
    /// `text`
    OptionalText,
    /// `text`, of which only a placeholder is sent while it is large and does not change.
    LargeText,
    /// `numeric(precision, scale) not null`
    Decimal(u32, u32),
    /// `timestamptz not null`: a text.
    Zoned,
    /// `timestamp not null`: microseconds.
    Micros,
    /// `timestamp`
    OptionalMicros,
}

/// An ordinary table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Its name.
    pub table: &'static str,
    /// Its columns; the first one, `id`, is the primary key.
    pub columns: &'static [Column],
    /// So many of them, the last ones, were added while it was captured.
    pub added: usize,
}

/// Coupons and their history. Their replica identity is the default one: no images before.
pub const COUPONS: &[Layout] = &[
    Layout {
        table: "coupon",
        columns: &[
            ("id", Kind::Long),
            ("code", Kind::Text),
            ("member_id", Kind::OptionalText),
            ("status", Kind::Text),
            ("discount", Kind::Decimal(12, 2)),
            ("valid_until", Kind::Zoned),
            ("note", Kind::LargeText),
            ("updated_at", Kind::Zoned),
            ("channel", Kind::OptionalText),
        ],
        added: 1,
    },
    Layout {
        table: "coupon_history",
        columns: &[
            ("id", Kind::Long),
            ("coupon_id", Kind::Long),
            ("action", Kind::Text),
            ("at", Kind::Micros),
        ],
        added: 0,
    },
];

/// Requests of stores; the replica identity is the full one.
pub const REQUESTS: &[Layout] = &[
    Layout {
        table: "introduction_edit_request",
        columns: &[
            ("id", Kind::Long),
            ("store_id", Kind::Text),
            ("status", Kind::Text),
            ("creator_id", Kind::Text),
            ("manager_id", Kind::OptionalText),
            ("completed_at", Kind::OptionalMicros),
            ("updated_at", Kind::Micros),
        ],
        added: 0,
    },
    Layout {
        table: "logo_edit_request",
        columns: &[
            ("id", Kind::Long),
            ("store_id", Kind::Text),
            ("status", Kind::Text),
            ("creator_id", Kind::Text),
            ("manager_id", Kind::OptionalText),
            ("completed_at", Kind::OptionalMicros),
            ("updated_at", Kind::Micros),
            ("channel", Kind::Text),
        ],
        added: 0,
    },
];

impl Layout {
    /// The table before columns were added to it.
    pub fn elder(&self) -> Option<Self> {
        let before = self.columns.len().saturating_sub(self.added);
        let columns = self.columns.get(..before)?;
        (self.added > 0).then_some(Self { columns, added: 0, ..*self })
    }

    /// What the names of the schemas of its records begin with.
    pub fn record_name(&self) -> String {
        format!("shop.public.{}", self.table)
    }

    /// The schema of a record's key: the primary key.
    pub fn key_schema(&self) -> String {
        let name = self.record_name();
        let key = json!({
            "type": "record", "name": "Key", "namespace": name,
            "fields": [{ "name": "id", "type": "long" }],
            "connect.name": format!("{name}.Key"),
        });
        key.to_string()
    }

    /// The schema of an image; its namespace is the envelope's.
    pub fn image_schema(&self) -> Value {
        let field = |(name, kind): &Column| {
            let mut field = json!({ "name": name, "type": kind.schema() });
            if kind.schema().is_array() {
                field["default"] = Value::Null;
            }
            field
        };
        let fields: Vec<Value> = self.columns.iter().map(field).collect();
        let name = format!("{}.Value", self.record_name());
        json!({ "type": "record", "name": "Value", "fields": fields, "connect.name": name })
    }
}

/// A change of a row, whichever the table.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Change {
    /// What happened.
    pub op: RowOp,
    /// The row's key.
    pub key: i64,
    /// The row before the change, where the replica identity is full.
    pub before: Option<Value>,
    /// The row after it.
    pub after: Option<Value>,
}

impl Change {
    /// What serde shows of a subject's change: an object of one member, named after the table.
    pub fn of(event: &impl Serialize) -> Option<Self> {
        let Value::Object(shown) = serde_json::to_value(event).ok()? else { return None };
        let (_, change) = shown.into_iter().next()?;
        serde_json::from_value(change).ok()
    }

    /// The table as it was before columns were added of which this change says nothing.
    pub fn before_columns_of(&self, layout: &Layout) -> Option<Layout> {
        let elder = layout.elder()?;
        let added = layout.columns.get(elder.columns.len()..)?;
        let images = self.before.iter().chain(&self.after);
        let says = |image: &Value| added.iter().any(|(name, _)| !image[*name].is_null());
        (!images.into_iter().any(says)).then_some(elder)
    }

    /// The record's key.
    pub fn write_key(&self, out: &mut Vec<u8>) {
        encode::long(self.key, out);
    }

    /// The images before and after. Of what is deleted the key is sent at the least, and the
    /// other columns without a value.
    pub fn write_images(&self, columns: &[Column], out: &mut Vec<u8>) {
        let key_alone = json!({ "id": self.key });
        let deleted = (self.op == RowOp::Delete).then_some(&key_alone);
        for image in [self.before.as_ref().or(deleted), self.after.as_ref()] {
            encode::long(i64::from(image.is_some()), out);
            if let Some(image) = image {
                for (name, kind) in columns {
                    kind.write(&image[*name], out);
                }
            }
        }
    }
}

impl Kind {
    /// The schema of the column.
    fn schema(self) -> Value {
        let optional = |kind: Value| json!(["null", kind]);
        match self {
            Self::Long => json!("long"),
            Self::Text => json!("string"),
            Self::OptionalText | Self::LargeText => optional(json!("string")),
            Self::Decimal(precision, scale) => json!({
                "type": "bytes", "logicalType": "decimal", "precision": precision, "scale": scale,
                "connect.version": 1, "connect.name": "org.apache.kafka.connect.data.Decimal",
                "connect.parameters": {
                    "scale": scale.to_string(), "connect.decimal.precision": precision.to_string(),
                },
            }),
            Self::Zoned => json!({
                "type": "string", "connect.version": 1,
                "connect.name": "io.debezium.time.ZonedTimestamp",
            }),
            Self::Micros => json!({
                "type": "long", "connect.version": 1,
                "connect.name": "io.debezium.time.MicroTimestamp",
            }),
            Self::OptionalMicros => optional(Self::Micros.schema()),
        }
    }

    /// A value as serde shows it; without one, nothing, or a zero where there must be a value.
    fn write(self, value: &Value, out: &mut Vec<u8>) {
        match self {
            Self::Long => encode::long(value.as_i64().unwrap_or(0), out),
            Self::Text => encode::text(value.as_str().unwrap_or(""), out),
            Self::OptionalText => optional_text(value.as_str(), out),
            Self::LargeText if value.as_str() == Some("unchanged") => {
                optional_text(Some(UNAVAILABLE), out);
            }
            Self::LargeText => optional_text(value["now"].as_str(), out),
            Self::Decimal(_, scale) => encode::bytes(&unscaled(value, scale), out),
            Self::Zoned => encode::text(value.as_str().unwrap_or("1970-01-01T00:00:00Z"), out),
            Self::Micros => encode::long(micros(value).unwrap_or(0), out),
            Self::OptionalMicros => {
                let micros = micros(value);
                encode::long(i64::from(micros.is_some()), out);
                if let Some(micros) = micros {
                    encode::long(micros, out);
                }
            }
        }
    }
}

fn optional_text(text: Option<&str>, out: &mut Vec<u8>) {
    encode::long(i64::from(text.is_some()), out);
    if let Some(text) = text {
        encode::text(text, out);
    }
}

fn micros(value: &Value) -> Option<i64> {
    let instant: TimestampMicros = value.as_str()?.parse().ok()?;
    Some(instant.as_micros())
}

/// A decimal's digits as a number in two's complement, in as few bytes as it needs.
fn unscaled(value: &Value, scale: u32) -> Vec<u8> {
    let decimal = value.as_str().and_then(|digits| digits.parse::<Decimal>().ok());
    let units = decimal.and_then(|decimal| decimal.units(scale)).unwrap_or(0);
    let bytes = units.to_be_bytes();
    let sign = if units < 0 { 0xff } else { 0 };
    let is_spare =
        |pair: &[u8]| matches!(pair, [first, second] if *first == sign && (first ^ second) < 0x80);
    let spare = bytes.windows(2).take_while(|pair| is_spare(pair)).count();
    bytes.get(spare..).unwrap_or_default().to_vec()
}

#[cfg(test)]
pub mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use readmill_core::envelope::{self, Reading};
    use readmill_schemas::coupons::CouponsEvent;
    use readmill_schemas::debezium::TableEnvelope;
    use readmill_schemas::notices::NoticesEvent;
    use readmill_schemas::semantic::{RowReader, Semantic};
    use readmill_schemas::{Events, Images, Plan, SchemaId, Shape, WriterSchema, framing};

    use super::*;
    use crate::knobs::Knobs;
    use crate::relay::{Emission, Relay};
    use crate::row::{SourceEvent, Table};
    use crate::source::Source;
    use crate::wire::written_schemas;

    /// Reads the rows of a subject's tables as the engine does, from what was published.
    pub struct Reader {
        keys: BTreeMap<SchemaId, RowReader>,
        tables: BTreeMap<SchemaId, (usize, Plan, RowReader)>,
    }

    impl Reader {
        pub fn of<E: Events>(ids: &dyn Fn(&str) -> Option<SchemaId>) -> Self {
            let mut reader = Self { keys: BTreeMap::new(), tables: BTreeMap::new() };
            for schema in written_schemas() {
                let id = ids(&schema.name).unwrap();
                let writer = WriterSchema::parse(&schema.text).unwrap();
                let rows = || RowReader::of(&writer).unwrap();
                if schema.name.ends_with(".Key") {
                    reader.keys.insert(id, rows());
                }
                let Shape::TableEnvelope { table } = Shape::of(&writer) else { continue };
                let is_it = |wanted: &str| Shape::is_table(&table, wanted);
                let which = E::CONTRACTS.iter().position(|c| c.table.is_some_and(is_it));
                let plan = Plan::compile(&writer, &TableEnvelope::CONTRACT).unwrap();
                reader.tables.extend(which.map(|which| (id, (which, plan, rows()))));
            }
            reader
        }

        /// The change and its event, if it is of one of the subject's tables.
        pub fn read<'e, E: Events>(
            &self,
            emission: &'e Emission,
        ) -> Option<(envelope::Change<'e>, E)> {
            let body = framing::read(&emission.value).unwrap();
            let (which, plan, rows) = self.tables.get(&body.schema)?;
            let key = framing::read(&emission.key).unwrap();
            let key = serde_json::to_value(self.keys[&key.schema].read(key.body).unwrap()).unwrap();
            let row = envelope::Row { key: key["id"].to_string().into(), body, timestamp_ms: 0 };
            let told: TableEnvelope<'_> = plan.read(body.body).unwrap();
            let Reading::Row(change) = envelope::read_row(&told, row) else { panic!("no row") };
            let Semantic::Row(read) = rows.read(body.body).unwrap() else { panic!("no row") };
            let image = |name| match read.get(name) {
                Some(Semantic::Row(image)) => Some(image),
                Some(_) | None => None,
            };
            let op = RowOp::of(told.op).unwrap();
            let images = Images { op, before: image("before"), after: image("after") };
            Some((change, E::read_row(*which, images).unwrap()))
        }
    }

    fn ids(name: &str) -> Option<SchemaId> {
        let at = written_schemas().iter().position(|schema| schema.name == name)?;
        u32::try_from(at).ok().map(SchemaId)
    }

    #[test]
    fn what_is_read_back_is_what_was_committed() {
        let knobs = Knobs {
            events: 8_000,
            others_per_mille: 1_000,
            duplicates_per_mille: 0,
            swaps_per_mille: 0,
            ..Knobs::default()
        };
        let (coupons, notices) =
            (Reader::of::<CouponsEvent>(&ids), Reader::of::<NoticesEvent>(&ids));
        let source = || Source::new(knobs.clone()).unwrap();
        let relay = Relay::new(source(), &knobs, 3, &ids).unwrap();
        let (mut seen, mut schemas) = (BTreeSet::new(), BTreeSet::new());
        for (row, emission) in source().zip(relay) {
            let Some(change) = row.event.change() else { continue };
            let (told, event) = if row.table == Table::Coupons {
                let (told, event) = coupons.read(&emission).unwrap();
                (told, SourceEvent::Coupons(event))
            } else {
                let (told, event) = notices.read(&emission).unwrap();
                (told, SourceEvent::Notices(event))
            };
            assert_eq!(event, row.event);
            schemas.insert(framing::read(&emission.value).unwrap().schema);
            assert_eq!((told.aggregate.as_ref(), told.version), (&row.aggregate_id[..], None));
            assert_eq!(told.position, Some(row.position()));
            let unsent = change.after.is_some_and(|row| row["note"] == "unchanged");
            seen.insert((row.event.contract().name, change.op, change.before.is_some(), unsent));
        }
        // Of coupons: four operations, and updates without a note; of lines: all but updates.
        assert_eq!(seen.len(), 5 + 3 + 4 + 4, "{seen:?}");
        // Of four tables, and of coupons as they were before a column was added.
        assert_eq!(schemas.len(), 5);
    }

    #[test]
    fn columns_have_the_schemas_that_the_real_connector_wrote() {
        let captured = include_str!("../../../schemas/golden/rows/postgres.precise.jsonl");
        let head: Value = serde_json::from_str(captured.lines().next().unwrap()).unwrap();
        let real = |table: &str| -> Value {
            let schemas = head["schemas"].as_object().unwrap().values();
            let schemas = schemas.map(|text| serde_json::from_str::<Value>(text.as_str().unwrap()));
            let namespace = format!("rows_postgres_precise.public.{table}");
            let mut found = schemas.flatten().filter(|schema| schema["namespace"] == namespace);
            found.find(|schema| schema["name"] == "Envelope").unwrap()["fields"][0]["type"][1]
                .clone()
        };
        for layout in COUPONS {
            // They were captured before a column was added.
            let layout = layout.elder().unwrap_or(*layout);
            let (ours, real) = (layout.image_schema(), real(layout.table));
            for column in ours["fields"].as_array().unwrap() {
                let mut real = real["fields"].as_array().unwrap().iter();
                let mut real = real.find(|known| known["name"] == column["name"]).unwrap().clone();
                // The captured tables have defaults, which ours have not.
                let is_optional = column["type"].is_array();
                if !is_optional && real.as_object_mut().unwrap().remove("default").is_some() {
                    real["type"].as_object_mut().unwrap().remove("connect.default");
                    if real["type"] == json!({ "type": "string" }) {
                        real["type"] = json!("string");
                    }
                }
                assert_eq!(*column, real);
            }
        }
    }

    #[test]
    fn a_decimal_has_as_few_bytes_as_it_needs() {
        let table = [
            ("0.00", vec![0]),
            ("1.27", vec![0x7f]),
            ("1.28", vec![0, 0x80]),
            ("-1.28", vec![0x80]),
            ("-1.29", vec![0xff, 0x7f]),
            ("1500", vec![0x02, 0x49, 0xf0]),
        ];
        for (text, bytes) in table {
            assert_eq!(unscaled(&json!(text), 2), bytes, "{text}");
        }
    }
}
