//! Rules about the bytes of records: converters, registries, framing, repeats.

use super::sight::{Shape, Sight};
use super::{Findings, set, table};

const CONFLUENT: &str = "io.confluent.connect.avro.AvroConverter";
const APICURIO: &str = "io.apicurio.registry.utils.converter.AvroConverter";
const STRING: &str = "org.apache.kafka.connect.storage.StringConverter";
const BINARY: &str = "io.debezium.converters.BinaryDataConverter";
/// Those that pass bytes on as they are.
const PASSING: [&str; 3] = [
    BINARY,
    "io.debezium.converters.ByteArrayConverter",
    "org.apache.kafka.connect.converters.ByteArrayConverter",
];
/// What makes Apicurio's converter frame records as Confluent's does.
const FRAMING: [(&str, &[&str]); 4] = [
    ("apicurio.registry.as-confluent", &["true"]),
    ("apicurio.registry.headers.enabled", &["false"]),
    (
        "apicurio.registry.id-handler",
        &[
            "io.apicurio.registry.serde.Legacy4ByteIdHandler",
            "io.apicurio.registry.serde.Default4ByteIdHandler",
        ],
    ),
    ("apicurio.registry.use-id", &["contentId"]),
];

pub fn judge(sight: &Sight<'_>, found: &mut Findings) {
    match sight.shape() {
        Shape::Routed(_) => {
            routed(sight, found);
        }
        Shape::Envelope | Shape::Flattened(_) => {
            avro(sight, "key.converter", found);
            avro(sight, "value.converter", found);
            names(sight, found);
        }
    }
    if !sight.is("exactly.once.support", "required") {
        let what = "exactly.once.support is not required";
        found.note(&table::EXACTLY_ONCE_OFF, what, set("exactly.once.support", "required"));
    }
}

fn routed(sight: &Sight<'_>, found: &mut Findings) {
    match sight.get("key.converter") {
        Some(STRING) => {}
        Some(CONFLUENT | APICURIO) => avro(sight, "key.converter", found),
        Some(other) => {
            let what = format!("key.converter is {other}");
            found.note(&table::CONVERTER_UNFIT, what, set("key.converter", STRING));
        }
        None => {
            let mend = set("key.converter", STRING);
            found.note(&table::CONVERTER_MISSING, "key.converter is not set", mend);
        }
    }
    match sight.get("value.converter") {
        Some(passing) if PASSING.contains(&passing) => {}
        Some(other) => {
            let what = format!("value.converter is {other}");
            found.note(&table::ROUTER_PAYLOAD_WRAPPED, what, set("value.converter", BINARY));
        }
        None => {
            let mend = set("value.converter", BINARY);
            found.note(&table::CONVERTER_MISSING, "value.converter is not set", mend);
        }
    }
}

/// A key or a value that must be framed Avro.
pub fn avro(sight: &Sight<'_>, converter: &str, found: &mut Findings) {
    match sight.get(converter) {
        None => {
            let what = format!("{converter} is not set");
            found.note(&table::CONVERTER_MISSING, what, set(converter, CONFLUENT));
        }
        Some(CONFLUENT) => confluent(sight, converter, found),
        Some(APICURIO) => apicurio(sight, converter, found),
        Some(other) => {
            let what = format!("{converter} is {other}");
            let mend = set(converter, CONFLUENT) + ", or Apicurio's " + APICURIO;
            found.note(&table::CONVERTER_UNFIT, what, mend);
        }
    }
}

fn is_address(url: &str) -> bool {
    url.split(',').all(|url| {
        let rest = url.trim().strip_prefix("http://").or(url.trim().strip_prefix("https://"));
        rest.is_some_and(|rest| !rest.is_empty())
    })
}

fn confluent(sight: &Sight<'_>, converter: &str, found: &mut Findings) {
    let option = format!("{converter}.schema.registry.url");
    let mend = set(&option, "http://registry:8081");
    match sight.get(&option) {
        None => found.note(&table::REGISTRY_MISSING, format!("{option} is not set"), mend),
        Some(url) if !is_address(url) || url.contains("/apis/registry/") => {
            let what = format!("{option} is no address of Confluent's protocol");
            let mend = mend + ", or http://registry:8080/apis/ccompat/v7 of Apicurio's registry";
            found.note(&table::REGISTRY_UNFIT, what, mend);
        }
        Some(_) => {}
    }
    for side in ["key", "value"] {
        let option = format!("{converter}.{side}.schema.id.serializer");
        if let Some(class) = sight.get(&option).filter(|class| class.contains("Header")) {
            let what = format!("{option} is {class}");
            found.note(&table::FRAMING_UNFIT, what, format!("take {option} out"));
        }
    }
}

fn apicurio(sight: &Sight<'_>, converter: &str, found: &mut Findings) {
    let option = format!("{converter}.apicurio.registry.url");
    let mend = set(&option, "http://registry:8080/apis/registry/v2");
    match sight.get(&option) {
        None => found.note(&table::REGISTRY_MISSING, format!("{option} is not set"), mend),
        Some(url) if !is_address(url) || url.contains("/ccompat/") => {
            let what = format!("{option} is no address of Apicurio's own protocol");
            found.note(&table::REGISTRY_UNFIT, what, mend);
        }
        Some(_) => {}
    }
    for (name, wanted) in FRAMING {
        let option = format!("{converter}.{name}");
        let fits = sight.get(&option).is_some_and(|value| wanted.contains(&value));
        let mend = wanted.first().map(|value| set(&option, value)).unwrap_or_default();
        if !fits {
            let value = sight.get(&option).unwrap_or("not set");
            found.note(&table::FRAMING_UNFIT, format!("{option} is {value}"), mend);
        }
    }
}

fn names(sight: &Sight<'_>, found: &mut Findings) {
    for option in ["schema.name.adjustment.mode", "field.name.adjustment.mode"] {
        let mode = sight.get(option).unwrap_or("none");
        if !mode.to_ascii_lowercase().starts_with("avro") {
            found.note(&table::NAMES_UNFIT, format!("{option} is {mode}"), set(option, "avro"));
        }
    }
}
