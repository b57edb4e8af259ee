//! A person in every kind of record of an archive, and nowhere afterwards.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use readmill_core::{Offset, Position, Record};
use readmill_engine::Fault;
use readmill_schemas::members::{DormantMemberChanged, DormantState, MembersEvent};
use readmill_schemas::{
    Annotations, Person, Plan, SchemaId, Timestamp, WriterSchema, WrittenEvents as _, framing,
};

use super::erase_tests::{files, remains_of};
use super::tests::topic;
use super::{
    Appender, ArchiveReader, LocalDir, PersonErased, Roll, Storage, Wanted, erase_person, verify,
};

const ID: &str = "person-4711";
const PHONE: &str = "0100-55";
const ALIAS: &str = "gone-1";

fn event(member_id: &str, phone_number: &str) -> DormantMemberChanged {
    DormantMemberChanged {
        member_id: member_id.to_owned(),
        occurred_at: Timestamp::from_millis(5),
        state: DormantState::Dormant,
        phone_number: phone_number.to_owned(),
        last_used_at: None,
    }
}

fn framed(schema: u32, member_id: &str) -> Vec<u8> {
    let mut value = Vec::new();
    let event = MembersEvent::from(event(member_id, PHONE));
    framing::write(SchemaId(schema), |out| event.write(out), &mut value);
    value
}

fn record(offset: i64, key: &str, value: Vec<u8>) -> Record {
    let position = Position { partition: topic(0), offset: Offset(offset) };
    let key = Some(key.as_bytes().to_vec());
    Record { timestamp_ms: 1_000 + offset, key, value: Some(value), ..Record::at(position) }
}

/// The person's own; one among another's; one that nobody can read; another's; one that has the
/// id within a text; a tombstone.
fn records() -> Vec<Record> {
    vec![
        record(0, ID, framed(4, ID)),
        record(1, "group-1", framed(4, ID)),
        record(2, "x", framed(9, ID)),
        record(3, "other", framed(4, "other")),
        record(4, "other", format!("{{\"words\": \"of {ID}\"}}").into_bytes()),
        Record { value: None, ..record(5, "group-1", Vec::new()) },
    ]
}

fn grown(dir: &Path) -> Arc<dyn Storage> {
    let storage = LocalDir::at(dir);
    let age = Duration::from_secs(900);
    let mut appender = Appender::open(Arc::clone(&storage), Roll::default(), age).unwrap();
    appender
        .keep(SchemaId(4), &WriterSchema::parse(DormantMemberChanged::CONTRACT.text).unwrap())
        .unwrap();
    appender.note_unknown(SchemaId(9));
    appender.begin(&topic(0), 0).unwrap();
    records().iter().for_each(|record| appender.append(record).unwrap());
    appender.seal_every().unwrap();
    appender.save().unwrap();
    storage
}

fn run(storage: &Arc<dyn Storage>) -> Result<PersonErased, Fault> {
    let annotations = Annotations::of(&[DormantMemberChanged::CONTRACT]).unwrap();
    let mut is_own = |record: &Record| record.key.as_deref() == Some(ID.as_bytes());
    erase_person(storage, Person { id: ID, alias: ALIAS }, &annotations, &mut is_own, &mut |_| {})
}

fn read(dir: &Path) -> Vec<Record> {
    let mut found = Vec::new();
    let mut visit = |record| {
        found.push(record);
        ControlFlow::Continue(())
    };
    let reader = ArchiveReader::open(dir).unwrap();
    reader.visit(&topic(0), &Wanted::default(), &mut visit).unwrap();
    found
}

#[test]
fn a_person_is_in_no_record_that_can_be_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let storage = grown(dir.path());
    assert_eq!(remains_of(dir.path(), PHONE), 1);
    let done = run(&storage).unwrap();
    let counts =
        PersonErased { files: 1, emptied: 1, redacted: 1, unreadable: 1, within: 1, ..done };
    assert_eq!(done, counts);
    assert!(!done.is_growing);
    let (old, new) = (records(), read(dir.path()));
    let emptied = |n: usize| Record {
        timestamp_ms: old[n].timestamp_ms,
        ..Record::at(old[n].position.clone())
    };
    assert_eq!((&new[0], &new[2]), (&emptied(0), &emptied(2)));
    assert_eq!(new[3..], old[3..]);
    let plan = Plan::compile(
        &WriterSchema::parse(DormantMemberChanged::CONTRACT.text).unwrap(),
        &DormantMemberChanged::CONTRACT,
    );
    let value = new[1].value.as_deref().unwrap();
    let (key, read) = (&new[1].key, plan.unwrap().read::<DormantMemberChanged>(&value[5..]));
    assert_eq!((key, read.unwrap()), (&old[1].key, event(ALIAS, "")));
    assert!(verify(&*storage, &mut |_| {}).unwrap().wrong.is_empty());
    // A second time all is as it is, and what stays within a text is told again.
    let again = PersonErased { within: 1, ..PersonErased::default() };
    assert_eq!(run(&storage).unwrap(), again);
}

/// Records must not be emptied since their schema was lost.
#[test]
fn a_schema_that_is_lost_stops_it_before_anything_is_emptied() {
    let dir = tempfile::tempdir().unwrap();
    let storage = grown(dir.path());
    let schema = dir.path().join("schemas/4.avsc");
    let text = fs::read(&schema).unwrap();
    let before = files(dir.path());
    fs::remove_file(&schema).unwrap();
    let told = run(&storage).unwrap_err().to_string();
    assert!(told.contains("schemas/4.avsc") && told.contains("does not exist"), "{told}");
    fs::write(&schema, b"{").unwrap();
    assert!(run(&storage).is_err());
    fs::write(&schema, text).unwrap();
    assert_eq!((files(dir.path()), read(dir.path())), (before, records()));
}
