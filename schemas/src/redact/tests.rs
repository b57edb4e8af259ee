//! Records of every shape without one person, and every other byte as it was.
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::avro::{Role, Walk};
use super::*;
use crate::coupons::Coupon;
use crate::debezium::OutboxEnvelope;
use crate::members::{DormantMemberChanged, DormantState, MembersEvent};
use crate::points::{PointsEarned, PointsEvent};
use crate::row::TableRow as _;
use crate::semantic::{Row, RowReader, Semantic};
use crate::{Contract, Events, Plan, Timestamp, WrittenEvents as _};

type Schemas = BTreeMap<u32, Arc<WriterSchema>>;

const ALIAS: &str = "someone-7";

fn schema(text: &str) -> Arc<WriterSchema> {
    Arc::new(WriterSchema::parse(text).unwrap())
}

/// The contract, saying of some fields of whom they tell something.
fn annotated(contract: Contract, fields: &[(&str, &str)]) -> Contract {
    let mut json: Value = serde_json::from_str(contract.text).unwrap();
    for field in json["fields"].as_array_mut().unwrap() {
        let found = fields.iter().find(|(name, _)| field["name"] == *name);
        if let Some((_, whom)) = found {
            field["readmill.personal"] = (*whom).into();
        }
    }
    Contract { text: Box::leak(json.to_string().into_boxed_str()), ..contract }
}

fn redact(
    contracts: &[Contract],
    schemas: &Schemas,
    id: &str,
    parts: Parts<'_>,
) -> Result<Redacted, RedactError> {
    let annotations = Annotations::of(contracts).unwrap();
    let of = |id: SchemaId| schemas.get(&id.0).cloned();
    Redaction::new(Person { id, alias: ALIAS }, &annotations, &of).redact(parts)
}

fn only(value: &[u8]) -> Parts<'_> {
    Parts { key: None, value: Some(value), headers: &[] }
}

/// The value as it is afterwards, which must be another one.
#[track_caller]
fn anew(contracts: &[Contract], schemas: &Schemas, id: &str, value: &[u8]) -> Vec<u8> {
    match redact(contracts, schemas, id, only(value)).unwrap() {
        Redacted::Anew { value: Some(new), .. } => {
            assert!(!contains(&new, id.as_bytes()), "the id is there");
            let again = redact(contracts, schemas, id, only(&new)).unwrap();
            assert_eq!(again, Redacted::Untouched, "a second time");
            new
        }
        Redacted::Anew { value: None, .. } | Redacted::Untouched => panic!("nothing was changed"),
    }
}

fn base64(text: &str) -> Vec<u8> {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut bits, mut count) = (Vec::new(), 0_u32, 0);
    for letter in text.trim_end_matches('=').bytes() {
        let value = LETTERS.iter().position(|known| *known == letter).unwrap();
        bits = (bits << 6) | u32::try_from(value).unwrap();
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from((bits >> count) & 0xff).unwrap());
        }
    }
    bytes
}

fn golden(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    std::fs::read_to_string(folder.join(name)).unwrap()
}

/// What was captured of outboxes: the schemas, and the values.
fn outbox(database: &str) -> (Schemas, Vec<Vec<u8>>) {
    let id = if database == "postgres" { 5 } else { 9 };
    let envelope = schema(&golden(&format!("{database}.value.id{id}.avsc")));
    let payload = schema(&golden("payload.id3.avsc"));
    let lines = golden(&format!("{database}.jsonl"));
    let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let values = lines.filter_map(|line| line["value"].as_str().map(base64)).collect();
    ([(id, envelope), (3, payload)].into(), values)
}

/// What was captured of tables, by the file's name.
fn tables(name: &str) -> (Schemas, Vec<Vec<u8>>) {
    let text = golden(name);
    let mut lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let head = lines.next().unwrap();
    let schemas = head["schemas"].as_object().unwrap().iter();
    let schemas =
        schemas.map(|(id, text)| (id.parse().unwrap(), schema(text.as_str().unwrap()))).collect();
    (schemas, lines.filter_map(|line| line["value"].as_str().map(base64)).collect())
}

/// Every record that Debezium wrote passes the walk, and comes out as it went in.
#[test]
fn what_has_nothing_to_do_with_the_person_keeps_every_byte() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let mut captures = vec![outbox("postgres"), outbox("mariadb")];
    for kind in ["rows", "types"] {
        for entry in std::fs::read_dir(folder.join(kind)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            captures.extend(name.ends_with(".jsonl").then(|| tables(&format!("{kind}/{name}"))));
        }
    }
    let annotations = Annotations::of(&[Coupon::CONTRACT]).unwrap();
    let (person, none) = (Person { id: "nobody", alias: "no one" }, |_| None);
    let redaction = Redaction::new(person, &annotations, &none);
    let marked = annotations.which(|_| true).next().unwrap();
    let mut count = 0;
    for (schemas, values) in &captures {
        for value in values {
            let framed = framing::read(value).unwrap();
            let writer = &schemas[&framed.schema.0];
            for role in [Role::Plain, Role::Envelope(Some(marked)), Role::Envelope(None)] {
                let out = Walk::new(&redaction, writer).body(writer.schema(), role, framed.body);
                assert_eq!(out.unwrap(), framed.body);
            }
            count += 1;
        }
    }
    assert!(count > 200, "{count}");
}

#[test]
fn an_outbox_row_loses_the_aggregate_and_the_payloads_person_in_both_images() {
    let earned = annotated(
        PointsEarned::CONTRACT,
        &[("lot_id", "member_id"), ("points", "member_id"), ("order_no", "member_id")],
    );
    for database in ["postgres", "mariadb"] {
        let (schemas, values) = outbox(database);
        let id = if database == "postgres" { 5 } else { 9 };
        let plan = Plan::compile(&schemas[&id], &OutboxEnvelope::CONTRACT).unwrap();
        let payloads = Plan::compile(&schemas[&3], &PointsEarned::CONTRACT).unwrap();
        let read = |value: &[u8]| {
            let envelope: OutboxEnvelope<'_> = plan.read(&value[5..]).unwrap();
            let images = [envelope.before, envelope.after].into_iter().flatten();
            let of = |payload: Option<&[u8]>| {
                let payload = payload.filter(|payload| payload.first() == Some(&0));
                payload.map(|payload| payloads.read::<PointsEarned>(&payload[5..]).unwrap())
            };
            let image = |row: crate::debezium::Value<'_>| {
                (row.id.to_owned(), row.aggregate_id.to_owned(), of(row.payload))
            };
            images.map(image).collect::<Vec<_>>()
        };
        let (mut aggregates, mut persons) = (0, 0);
        for value in &values {
            let before = read(value);
            if before.iter().any(|(_, aggregate, _)| aggregate == "member-1") {
                let wanted = before.iter().map(|(id, aggregate, event)| {
                    let alias = if aggregate == "member-1" { ALIAS } else { aggregate };
                    (id.clone(), alias.to_owned(), event.clone())
                });
                let new = anew(std::slice::from_ref(&earned), &schemas, "member-1", value);
                assert_eq!(read(&new), wanted.collect::<Vec<_>>());
                aggregates += 1;
            }
            for (_, _, event) in &before {
                let Some(event) = event else { continue };
                let new = anew(std::slice::from_ref(&earned), &schemas, &event.member_id, value);
                let wanted = PointsEarned {
                    member_id: ALIAS.to_owned(),
                    lot_id: String::new(),
                    points: 0,
                    ..event.clone()
                };
                assert!(read(&new).iter().any(|(_, _, event)| event.as_ref() == Some(&wanted)));
                persons += 1;
            }
        }
        assert!(aggregates >= 4 && persons >= 8, "{aggregates} {persons}");
    }
}

/// The images of a coupon that are whole.
fn images(schemas: &Schemas, value: &[u8]) -> [Option<Coupon>; 2] {
    let framed = framing::read(value).unwrap();
    let writer = &schemas[&framed.schema.0];
    let reader = RowReader::of(writer).unwrap();
    let Semantic::Row(read) = reader.read(framed.body).unwrap() else { panic!("no row") };
    // PostgreSQL's default identity tells no more than the key of a row that was.
    let row = |image: Option<&Row<'_>>| Coupon::of(image?, None).ok();
    if let Shape::TableRow { .. } = Shape::of(writer) {
        return [None, row(Some(&read))];
    }
    ["before", "after"].map(|name| row(read.get(name).and_then(Semantic::row)))
}

#[test]
fn a_tables_row_stays_readable_when_its_person_is_gone() {
    let about = [("note", "member_id"), ("discount", "member_id"), ("updated_at", "member_id")];
    let coupon = [annotated(Coupon::CONTRACT, &about)];
    let mut count = 0;
    for entry in
        std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/rows")).unwrap()
    {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if !name.ends_with(".jsonl") {
            continue;
        }
        let (schemas, values) = tables(&format!("rows/{name}"));
        for value in &values {
            let writer = &schemas[&framing::read(value).unwrap().schema.0];
            let (Shape::TableEnvelope { table } | Shape::TableRow { table }) = Shape::of(writer)
            else {
                continue;
            };
            if !Shape::is_table(&table, "coupon") || !contains(value, b"\x04m1") {
                continue;
            }
            let Ok(Redacted::Anew { value: Some(new), .. }) =
                redact(&coupon, &schemas, "m1", only(value))
            else {
                panic!("{name}: nothing was changed");
            };
            let both = images(&schemas, &new).into_iter().zip(images(&schemas, value));
            count += both.filter(|(new, old)| is_erased(&name, new, old)).count();
        }
    }
    assert!(count >= 16, "{count}");
}

/// An image of the person has lost what was theirs; any other is as it was.
fn is_erased(name: &str, new: &Option<Coupon>, old: &Option<Coupon>) -> bool {
    let (Some(new), Some(old)) = (new, old) else { return false };
    if old.member_id.as_deref() != Some("m1") {
        assert_eq!(new, old, "{name}");
        return false;
    }
    assert_eq!(new.member_id.as_deref(), Some(ALIAS), "{name}");
    assert_eq!(new.note.now(), Some(&None), "{name}");
    assert_eq!(new.discount.to_string().trim_end_matches(['0', '.']), "", "{name}");
    assert_eq!(new.updated_at.as_micros(), 0, "{name}");
    assert_eq!((&new.code, new.id, new.valid_until), (&old.code, old.id, old.valid_until));
    true
}

fn dormant() -> Contract {
    annotated(
        DormantMemberChanged::CONTRACT,
        &[("phone_number", "member_id"), ("state", "member_id"), ("last_used_at", "member_id")],
    )
}

fn changed(member_id: &str) -> DormantMemberChanged {
    DormantMemberChanged {
        member_id: member_id.to_owned(),
        occurred_at: Timestamp::from_millis(5),
        state: DormantState::Dormant,
        phone_number: "0100".to_owned(),
        last_used_at: Some(Timestamp::from_millis(4)),
    }
}

fn framed(id: u32, event: &DormantMemberChanged) -> Vec<u8> {
    let mut value = Vec::new();
    let event = MembersEvent::from(event.clone());
    framing::write(SchemaId(id), |out| event.write(out), &mut value);
    value
}

fn erased() -> DormantMemberChanged {
    DormantMemberChanged {
        member_id: ALIAS.to_owned(),
        state: DormantState::PreDormant,
        phone_number: String::new(),
        last_used_at: None,
        ..changed("")
    }
}

/// What the router passes on: the event, its aggregate as the key, and columns as headers.
#[test]
fn a_routed_event_loses_its_key_its_headers_and_what_it_tells() {
    let key = r#"{"type":"record","name":"Key","fields":[{"name":"id","type":"string"}]}"#;
    let schemas = [(4, schema(dormant().text)), (6, schema(key))].into();
    let headers = [("aggregate", "m-1"), ("quoted", "\"m-1\""), ("id", "e-1"), ("x", "m-12")]
        .map(|(name, value)| (name.to_owned(), value.as_bytes().to_vec()));
    let value = framed(4, &changed("m-1"));
    for (key, wanted) in [
        (&b"m-1"[..], ALIAS.as_bytes()),
        (b"\0\0\0\0\x06\x06m-1", b"\0\0\0\0\x06\x12someone-7"),
        (br#"{"id": "m-1"}"#, br#"{"id": "someone-7"}"#),
        (b"m-12", b"m-12"),
    ] {
        let parts = Parts { key: Some(key), value: Some(&value), headers: &headers };
        let done = redact(&[dormant()], &schemas, "m-1", parts).unwrap();
        let Redacted::Anew { key: Some(key), value: Some(value), headers } = done else {
            panic!("nothing was changed");
        };
        assert_eq!(key, wanted);
        assert_eq!(value, framed(4, &erased()));
        let values: Vec<_> = headers.iter().map(|(_, value)| value.as_slice()).collect();
        assert_eq!(values, [ALIAS.as_bytes(), b"\"someone-7\"", b"e-1", b"m-12"]);
    }
    let other = redact(&[dormant()], &schemas, "m-2", only(&value)).unwrap();
    assert_eq!(other, Redacted::Untouched);
    // The value may have its schema in a header; then it has no frame.
    let headers = [("__value_schema_id".to_owned(), vec![0, 0, 0, 0, 4])];
    let parts = Parts { key: None, value: Some(&value[5..]), headers: &headers };
    let done = redact(&[dormant()], &schemas, "m-1", parts).unwrap();
    let value = framed(4, &erased())[5..].to_vec();
    let wanted = Redacted::Anew { key: None, value: Some(value), headers: headers.to_vec() };
    assert!(done == wanted);
}

/// An elder writer had another name for the field, and may write null where we do not.
#[test]
fn fields_are_known_by_the_names_that_they_had() {
    let text = r#"{"type":"record","name":"Note","namespace":"readmill.notes","fields":[
        {"name":"author","type":"string","aliases":["writer"]},
        {"name":"words","type":"string","aliases":["text"],"readmill.personal":"author"},
        {"name":"marks","type":{"type":"array","items":"long"},"readmill.personal":"author"},
        {"name":"place","type":{"type":"record","name":"Place","fields":[
            {"name":"street","type":["null","string"]},{"name":"number","type":"int"}]},
            "readmill.personal":"author"},
        {"name":"replies","type":{"type":"array","items":{"type":"record","name":"Reply",
            "fields":[{"name":"by","type":"string"},
                      {"name":"said","type":"bytes","readmill.personal":"by"}]}}}]}"#;
    let contract = Contract { name: "readmill.notes.Note", version: 1, text, table: None };
    let writer = r#"{"type":"record","name":"Note","namespace":"readmill.notes","fields":[
        {"name":"text","type":["null","string"]},{"name":"writer","type":["string","null"]},
        {"name":"marks","type":{"type":"array","items":"long"}},
        {"name":"place","type":{"type":"record","name":"Place","fields":[
            {"name":"street","type":["null","string"]},{"name":"number","type":"int"}]}},
        {"name":"replies","type":{"type":"array","items":{"type":"record","name":"Reply",
            "fields":[{"name":"by","type":"string"},{"name":"said","type":"bytes"}]}}},
        {"name":"seen","type":{"type":"map","values":"boolean"}}]}"#;
    let schemas = [(9, schema(writer))].into();
    let frame = |body: &[u8]| [b"\0\0\0\0\x09", body].concat();
    // The replies have a block with its size, and one without.
    let old = frame(
        b"\x02\x08said\0\x06m-1\x02\x05\0\x02\x02s\x09\
          \x01\x0e\x06m-1\x04hi\x02\x06m-2\x04ho\0\x02\x06m-1\x01\0",
    );
    let new = frame(
        b"\x02\0\0\x12someone-7\0\0\0\
          \x01\x16\x12someone-7\0\x02\x06m-2\x04ho\0\x02\x12someone-7\x01\0",
    );
    assert_eq!(anew(&[contract], &schemas, "m-1", &old), new);
    // Another's words stay; of them alone the one reply goes.
    let done = anew(&[contract], &schemas, "m-2", &old);
    assert!(done.starts_with(&old[..24]) && contains(&done, b"\x12someone-7\0\0\x02\x06m-1\x01"));
}

#[test]
fn a_json_payload_keeps_its_form() {
    let writer = r#"{"type":"record","name":"Value","namespace":"s.p.o","fields":[
        {"name":"id","type":"string"},{"name":"aggregate_id","type":"string"},
        {"name":"payload","type":["null","string"]},{"name":"type","type":"string"},
        {"name":"also","type":"bytes"}]}"#;
    let schemas = [(2, schema(writer))].into();
    let value = |aggregate: &str, payload: &str, also: &[u8]| {
        let mut out = b"\0\0\0\0\x02\x02e".to_vec();
        crate::encode::text(aggregate, &mut out);
        out.push(2);
        crate::encode::text(payload, &mut out);
        crate::encode::text("DormantMemberChanged", &mut out);
        crate::encode::bytes(also, &mut out);
        out
    };
    let old = value(
        "m-1",
        r#" { "phone_number":"01\"00", "amount": 1.50,"member_id" : "\u006d-1",
          "last_used_at": 7,
          "more": [{"m-1": "m-12"}, "{\"who\":\"m-1\"}" , []],
          "state":"CLEAR"} "#,
        br#"{"of": "m-1"}"#,
    );
    let new = value(
        ALIAS,
        r#" { "phone_number":"", "amount": 1.50,"member_id" : "someone-7",
          "last_used_at": null,
          "more": [{"someone-7": "m-12"}, "{\"who\":\"someone-7\"}" , []],
          "state":"PRE_DORMANT"} "#,
        br#"{"of": "someone-7"}"#,
    );
    let Ok(Redacted::Anew { value: Some(done), .. }) =
        redact(&[dormant()], &schemas, "m-1", only(&old))
    else {
        panic!("nothing was changed");
    };
    assert_eq!(String::from_utf8_lossy(&done), String::from_utf8_lossy(&new));
    let again = redact(&[dormant()], &schemas, "m-1", only(&new)).unwrap();
    assert_eq!(again, Redacted::Untouched);
}

#[test]
fn what_cannot_be_read_and_has_the_id_is_told_without_it() {
    let (mut schemas, values) = outbox("postgres");
    let cut = |value: &[u8]| value[..value.len() - 9].to_vec();
    let told = |schemas: &Schemas, id: &str, value: &[u8]| {
        redact(&[], schemas, id, only(value)).map_err(|error| error.to_string())
    };
    let error = told(&schemas, "member-1", &cut(&values[0])).unwrap_err();
    assert!(error.starts_with("the value cannot be read: ") && !error.contains("member"));
    assert_eq!(told(&schemas, "member-9", &cut(&values[0])), Ok(Redacted::Untouched));
    let text = b"\xffmember-1";
    assert_eq!(
        told(&schemas, "member-1", text).unwrap_err(),
        "the value is neither framed Avro nor JSON"
    );
    schemas.remove(&3);
    let error = told(&schemas, "member_id-1", &values[0]).unwrap_err();
    assert_eq!(error, "the value names schema 3, which nobody knows");
    schemas.remove(&5);
    let error = told(&schemas, "member-1", &values[0]).unwrap_err();
    assert_eq!(error, "the value names schema 5, which nobody knows");
    // Nobody is known by no name.
    assert_eq!(told(&schemas, "", &values[0]), Ok(Redacted::Untouched));
    let whom = annotated(PointsEarned::CONTRACT, &[("points", "whoever")]);
    let error = Annotations::of(&[whom]).unwrap_err().to_string();
    assert!(error.contains("PointsEarned: points is about \"whoever\""), "{error}");
}

/// Whatever the bytes are, there is an answer.
#[test]
fn damaged_bodies_are_answered() {
    let (schemas, values) = outbox("mariadb");
    let contracts: Vec<Contract> =
        PointsEvent::CONTRACTS.iter().map(|c| annotated(*c, &[("points", "member_id")])).collect();
    let value = &values[0];
    for at in 0..value.len() {
        for bit in 0..8 {
            let mut spoilt = value.clone();
            spoilt[at] ^= 1 << bit;
            let _ = redact(&contracts, &schemas, "member_id-1", only(&spoilt));
        }
        let _ = redact(&contracts, &schemas, "member_id-1", only(&value[..at]));
    }
    let json = br#"{"a": ["member_id-1", {"b": "\"member_id-1\""}], "c": "\\"}"#;
    for at in 0..json.len() {
        let _ = redact(&contracts, &schemas, "member_id-1", only(&json[..at]));
    }
}
