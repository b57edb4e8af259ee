//! How fast a change is decoded: by hand, by a plan, and by other general decoders, in one run.
//!
//! `tools/bench-decode` runs it and prints the ratios; `docs/benchmarks/decode.md` explains them.
#![allow(clippy::unwrap_used, reason = "a benchmark fails by it")]
#![allow(missing_docs, reason = "criterion's macros make a function without a comment")]

mod hand;
mod order;
mod order_by_hand;
mod outbox;
mod outbox_by_hand;

use std::hint::black_box;

use apache_avro::reader::datum::GenericDatumReader;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use readmill_schemas::debezium::OutboxEnvelope;
use readmill_schemas::{Plan, WriterSchema};

/// A function to measure, on the body named `$body`.
macro_rules! measure {
    ($group:ident, $body:ident, $name:literal, $decode:expr) => {
        $group.bench_function($name, |bencher| {
            bencher.iter(|| {
                let $body = black_box(&$body[..]);
                black_box($decode.unwrap());
            });
        });
    };
}

fn plan(writer: &WriterSchema, reader: &str) -> Plan {
    Plan::between(writer, &WriterSchema::parse(reader).unwrap()).unwrap()
}

/// `serde_avro_fast` makes a text of a decimal; of a schema that keeps quiet about decimals, which
/// is not the writer's, it borrows their bytes.
fn without_decimals(schema: &str) -> serde_avro_fast::Schema {
    schema.replace(r#""logicalType": "decimal", "precision": 12, "scale": 2,"#, "").parse().unwrap()
}

fn orders(criterion: &mut Criterion) {
    let body = order::body();
    assert_eq!(body.len(), order::LENGTH);
    let writer = WriterSchema::parse(order::SCHEMA).unwrap();
    let (full, pruned) = (plan(&writer, order::SCHEMA), plan(&writer, order::PRUNED_SCHEMA));
    let reader = GenericDatumReader::builder(writer.schema()).build().unwrap();
    let fast: serde_avro_fast::Schema = order::SCHEMA.parse().unwrap();
    let quiet = without_decimals(order::SCHEMA);
    type Borrowed<'a> = order::Envelope<&'a str>;
    type Owned = order::Envelope<String>;
    type Few<'a> = order::Pruned<&'a str>;
    let value =
        |mut body: &[u8]| apache_avro::from_value::<Owned>(&reader.read_value(&mut body).unwrap());

    let expected = order_by_hand::read(&body).unwrap();
    assert_eq!(full.read::<Borrowed<'_>>(&body).unwrap(), expected);
    for schema in [&fast, &quiet] {
        let read = serde_avro_fast::from_datum_slice::<Borrowed<'_>>(&body, schema).unwrap();
        assert_eq!(read, expected);
    }
    let printed = format!("{expected:?}");
    assert_eq!(format!("{:?}", value(&body).unwrap()), printed);
    assert_eq!(format!("{:?}", reader.read_deser::<Owned>(&mut &body[..]).unwrap()), printed);
    let few = pruned.read::<Few<'_>>(&body).unwrap();
    let row = expected.after.as_ref().unwrap();
    let after = order::PrunedRow { id: row.id, status: row.status, total: row.total };
    let ts_ms = expected.ts_ms;
    assert_eq!(few, order::Pruned { after: Some(after), op: expected.op, ts_ms });

    let mut group = criterion.benchmark_group("order");
    group.throughput(Throughput::Elements(1));
    measure!(group, body, "handwritten", order_by_hand::read(body));
    measure!(group, body, "plan-full", full.read::<Borrowed<'_>>(body));
    measure!(group, body, "plan-pruned", pruned.read::<Few<'_>>(body));
    measure!(group, body, "apache-value", value(body));
    measure!(group, body, "apache-direct", reader.read_deser::<Owned>(&mut &body[..]));
    measure!(
        group,
        body,
        "serde-avro-fast",
        serde_avro_fast::from_datum_slice::<Borrowed<'_>>(body, &fast)
    );
    measure!(
        group,
        body,
        "serde-avro-fast-quiet",
        serde_avro_fast::from_datum_slice::<Borrowed<'_>>(body, &quiet)
    );
    group.finish();
}

fn outbox(criterion: &mut Criterion) {
    let body = outbox::body();
    let writer = WriterSchema::parse(outbox::SCHEMA).unwrap();
    let full = Plan::compile(&writer, &OutboxEnvelope::CONTRACT).unwrap();
    let pruned = plan(&writer, outbox::PRUNED_SCHEMA);
    let reader = GenericDatumReader::builder(writer.schema()).build().unwrap();
    let fast: serde_avro_fast::Schema = outbox::SCHEMA.parse().unwrap();
    type Borrowed<'a> = OutboxEnvelope<'a>;
    type Owned = outbox::Envelope;
    type Few<'a> = outbox::Pruned<'a>;
    let value =
        |mut body: &[u8]| apache_avro::from_value::<Owned>(&reader.read_value(&mut body).unwrap());

    let expected = outbox_by_hand::read(&body).unwrap();
    assert_eq!(full.read::<Borrowed<'_>>(&body).unwrap(), expected);
    assert_eq!(serde_avro_fast::from_datum_slice::<Borrowed<'_>>(&body, &fast).unwrap(), expected);
    let told = outbox::told(&expected);
    assert_eq!(outbox::told(&value(&body).unwrap()), told);
    assert_eq!(outbox::told(&reader.read_deser::<Owned>(&mut &body[..]).unwrap()), told);
    let few = pruned.read::<Few<'_>>(&body).unwrap();
    let row = expected.after.as_ref().unwrap();
    assert_eq!((few.op, few.after.unwrap().payload), (expected.op, row.payload.unwrap()));

    let mut group = criterion.benchmark_group("outbox");
    group.throughput(Throughput::Elements(1));
    measure!(group, body, "handwritten", outbox_by_hand::read(body));
    measure!(group, body, "plan-full", full.read::<Borrowed<'_>>(body));
    measure!(group, body, "plan-pruned", pruned.read::<Few<'_>>(body));
    measure!(group, body, "apache-value", value(body));
    measure!(group, body, "apache-direct", reader.read_deser::<Owned>(&mut &body[..]));
    measure!(
        group,
        body,
        "serde-avro-fast",
        serde_avro_fast::from_datum_slice::<Borrowed<'_>>(body, &fast)
    );
    group.finish();
}

criterion_group!(benches, orders, outbox);
criterion_main!(benches);
