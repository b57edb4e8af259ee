//! A person erased from an archive, by what the bundled models' contracts call personal.

use std::path::Path;

use indicatif::ProgressBar;
use readmill_connectors::archive::{LocalDir, Manifest, PersonErased, erase_person};
use readmill_core::Record;
use readmill_engine::Fault;
use readmill_models::ALL;
use readmill_schemas::{Annotations, Person};

/// Takes a person out of the archive in `dir`. `is_own` says of a record whether every document
/// that it is folded into is the person's own: such a record is emptied, and any other only loses
/// what tells of the person. The bar grows by the archive's bytes, and goes on as they are read.
///
/// # Errors
/// When there is no sound archive, or it cannot be written. What was erased before stays erased.
pub fn erase_from_archive(
    dir: &Path,
    person: Person<'_>,
    is_own: &mut dyn FnMut(&Record) -> bool,
    bar: &ProgressBar,
) -> Result<PersonErased, Fault> {
    let annotations = Annotations::of(ALL.iter().flat_map(|row| row.reads))
        .map_err(|error| Fault::defect("the contracts of the bundled models", &error))?;
    let storage = LocalDir::at(dir);
    let manifest = Manifest::of(&*storage)?;
    bar.inc_length(manifest.partitions().map(|(_, entry)| entry.bytes()).sum());
    erase_person(&storage, person, &annotations, is_own, &mut |read| bar.inc(read))
}

#[cfg(test)]
mod tests {
    use indicatif::ProgressDrawTarget;
    use readmill_connectors::archive::{ArchiveReader, ArchiveWriter, Roll, Wanted};
    use readmill_core::Partition;
    use readmill_schemas::members::{MemberWithdrawn, MembersEvent};
    use readmill_schemas::{Contract, Plan, SchemaId, WriterSchema, WrittenEvents as _, framing};

    use super::*;

    const CONTRACT: Contract = MemberWithdrawn::CONTRACT;

    #[test]
    fn a_person_is_erased_by_the_contracts_of_all_models() {
        let writer = WriterSchema::parse(CONTRACT.text).unwrap();
        let event = |text: &str| serde_json::from_str::<MemberWithdrawn>(text).unwrap();
        let text = r#"{"member_id": "m-4711", "occurred_at": "2026-01-02T03:04:05Z"}"#;
        let (dir, at) = (tempfile::tempdir().unwrap(), Partition::new("members", 0));
        let mut archive = ArchiveWriter::create(dir.path(), Roll::default()).unwrap();
        archive.schema(SchemaId(4), CONTRACT.text).unwrap();
        let mut value = Vec::new();
        let written = MembersEvent::from(event(text));
        framing::write(SchemaId(4), |out| written.write(out), &mut value);
        archive.append(&at, 7, Some(b"m-4711"), Some(&value)).unwrap();
        archive.append(&at, 8, Some(b"group"), Some(&value)).unwrap();
        archive.finish().unwrap();
        let person = Person { id: "m-4711", alias: "gone" };
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::hidden());
        let mut is_own = |record: &Record| record.key.as_deref() == Some(b"m-4711");
        let done = erase_from_archive(dir.path(), person, &mut is_own, &bar).unwrap();
        let wanted = PersonErased { files: 1, emptied: 1, redacted: 1, ..PersonErased::default() };
        assert_eq!((done, Some(bar.position())), (wanted, bar.length()));
        let mut found = Vec::new();
        let mut visit = |record: Record| {
            found.push(record);
            std::ops::ControlFlow::Continue(())
        };
        let reader = ArchiveReader::open(dir.path()).unwrap();
        reader.visit(&at, &Wanted::default(), &mut visit).unwrap();
        assert_eq!((&found[0].key, &found[0].value), (&None, &None));
        let value = found[1].value.as_deref().unwrap();
        let plan = Plan::compile(&writer, &CONTRACT).unwrap();
        let read: MemberWithdrawn = plan.read(&value[5..]).unwrap();
        assert_eq!(read, event(&text.replace("m-4711", "gone")));
    }
}
