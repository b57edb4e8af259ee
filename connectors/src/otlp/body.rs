//! Spans as OTLP has them in JSON. Positions are told, and never keys or payloads.

use readmill_engine::traces::Span;
use serde_json::{Value, json};

/// A span of this kind takes in what somebody has sent; the others are internal.
const CONSUMER: u8 = 5;
const INTERNAL: u8 = 1;

/// The body of a request with these spans.
pub fn of(spans: &[Span], instance: &str) -> Value {
    let spans: Vec<Value> = spans.iter().map(span).collect();
    let resource = [
        text("service.name", "readmill"),
        text("service.version", env!("CARGO_PKG_VERSION")),
        text("service.instance.id", instance),
    ];
    json!({ "resourceSpans": [{
        "resource": { "attributes": resource },
        "scopeSpans": [{ "scope": { "name": "readmill" }, "spans": spans }],
    }] })
}

fn span(span: &Span) -> Value {
    let mut attributes = vec![
        text("readmill.model", span.model),
        text("messaging.system", "kafka"),
        text("messaging.destination.name", &span.topic),
        text("messaging.destination.partition.id", &span.partition.to_string()),
        whole("messaging.kafka.offset", span.offset),
    ];
    attributes.extend(span.outcome.map(|outcome| text("readmill.outcome", outcome)));
    let is_whole = span.outcome.is_some();
    json!({
        "traceId": format!("{:032x}", span.trace),
        "spanId": format!("{:016x}", span.id),
        "parentSpanId": span.parent.map_or_else(String::new, |id| format!("{id:016x}")),
        "name": format!("readmill {}", span.name),
        "kind": if is_whole { CONSUMER } else { INTERNAL },
        "startTimeUnixNano": span.began_ns.to_string(),
        "endTimeUnixNano": span.ended_ns.to_string(),
        "attributes": attributes,
    })
}

fn text(key: &str, value: &str) -> Value {
    json!({ "key": key, "value": { "stringValue": value } })
}

fn whole(key: &str, value: i64) -> Value {
    json!({ "key": key, "value": { "intValue": value.to_string() } })
}
