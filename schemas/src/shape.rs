//! What kind of record a writer's schema describes: told by the schema, not by configuration.

use apache_avro::Schema;

use crate::WriterSchema;

/// The kinds of records that come from Debezium into a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// A full change envelope of an outbox table.
    Envelope,
    /// An outbox row, flattened by the new-record-state transform.
    Flattened,
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

impl Shape {
    /// The shape of what a writer writes.
    pub fn of(writer: &WriterSchema) -> Self {
        let Schema::Record(record) = writer.schema() else { return Self::Event };
        let name = record.name.fullname(None);
        if let Some((_, what)) = HOUSEKEEPING.iter().find(|(end, _)| name.ends_with(end)) {
            return Self::Housekeeping(what);
        }
        let has = |fields: &[&str]| {
            fields.iter().all(|field| record.fields.iter().any(|known| known.name == *field))
        };
        if has(&["op", "after", "source"]) {
            Self::Envelope
        } else if has(&["id", "aggregate_id", "payload"]) {
            Self::Flattened
        } else {
            Self::Event
        }
    }
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
}
