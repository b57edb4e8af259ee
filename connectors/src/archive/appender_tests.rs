//! Archives that grow: over crashes at every step, beside readers, with gaps that are recorded.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use readmill_core::ResumeAt;
use readmill_engine::Fault;
use readmill_schemas::{SchemaId, WriterSchema};

use super::shaky::Shaky;
use super::tests::{Place, SMALL, record, topic, write};
use super::{Appender, ArchiveLog, ArchiveReader, Gap, LocalDir, Manifest, Roll, Storage, Wanted};

const AGE: Duration = Duration::from_secs(900);
const TINY: Roll = Roll { file_records: 8, block_bytes: 60, ..SMALL };

fn open(dir: &Path) -> Appender {
    Appender::open(LocalDir::at(dir), TINY, AGE).unwrap()
}

/// Appends to both partitions up to `to`, from wherever they end, and saves after each `every`.
fn grow(storage: Arc<dyn Storage>, to: i64, every: i64) -> Result<(), Fault> {
    let mut appender = Appender::open(storage, TINY, AGE)?;
    appender.keep(SchemaId(7), &WriterSchema::parse(r#"{"type":"string"}"#).unwrap())?;
    for index in 0..2 {
        appender.begin(&topic(index), 0)?;
        appender.save()?;
        for offset in appender.end(&topic(index)).unwrap().value()..to {
            appender.append(&record(&topic(index), offset))?;
            if offset % every == 0 {
                appender.save()?;
            }
        }
    }
    appender.seal_every()?;
    appender.save().map(drop)
}

fn offsets(dir: &Path, index: i32) -> Vec<i64> {
    let reader = ArchiveReader::open(dir).unwrap();
    let mut found = Vec::new();
    let mut visit = |read: readmill_engine::Record| {
        assert_eq!(read, record(&topic(index), read.position.offset.0));
        found.push(read.position.offset.0);
        std::ops::ControlFlow::Continue(())
    };
    reader.visit(&topic(index), &Wanted::default(), &mut visit).unwrap();
    found
}

#[tokio::test]
async fn it_goes_on_where_it_ended_and_readers_go_on_where_they_were() {
    let place = Place::empty();
    grow(LocalDir::at(&place.config.dir), 20, 3).unwrap();
    assert_eq!(place.read().await.0.len(), 40);
    assert_eq!(place.read().await.0.len(), 0);
    grow(LocalDir::at(&place.config.dir), 33, 3).unwrap();
    let (records, fault) = place.read().await;
    assert!(fault.is_none());
    let wanted = (0..2).flat_map(|index| (20..33).map(move |n| record(&topic(index), n)));
    assert_eq!(records, wanted.collect::<Vec<_>>());
    let settled = ArchiveLog::settled(&place.config).unwrap();
    let settled: Vec<i64> = settled.into_values().map(|at| at.value()).collect();
    assert_eq!(settled, [33, 33], "asked from outside, it is the same archive");
    let files = Manifest::read(&place.config.dir).unwrap().topics;
    let files = files.values().flat_map(|topic| topic.values()).map(|entry| entry.files.len());
    assert_eq!(files.collect::<Vec<_>>(), [5, 5], "8, 8, 4, and then 8, 5");
}

/// A crash between any two steps leaves an archive from the beginning to some place, and the next
/// writer completes it.
#[test]
fn a_crash_at_any_step_leaves_no_gap_and_no_repeat() {
    let mut crashes = 0;
    for steps in 0.. {
        let dir = tempfile::tempdir().unwrap();
        grow(LocalDir::at(dir.path()), 5, 100).unwrap();
        let crashed = grow(Shaky::at(dir.path(), steps), 20, 6).is_err();
        for index in 0..2 {
            let found = offsets(dir.path(), index);
            assert!(found.len() >= 5, "{steps}: what was there is there");
            let wanted: Vec<i64> = (0..).take(found.len()).collect();
            assert_eq!(found, wanted, "{steps}");
        }
        grow(LocalDir::at(dir.path()), 24, 100).unwrap();
        for index in 0..2 {
            assert_eq!(offsets(dir.path(), index), (0..24).collect::<Vec<_>>(), "{steps}");
        }
        let report = super::verify(&*LocalDir::at(dir.path()), &mut |_| {}).unwrap();
        assert!(report.wrong.is_empty(), "{steps}: {:?}", report.wrong);
        if !crashed {
            break;
        }
        crashes += 1;
    }
    assert!(crashes > 60, "{crashes}");
}

/// Whoever meets a fault finishes what is sound, as a copy does when it ends.
fn grow_and_finish(storage: Arc<dyn Storage>, to: i64) -> Result<(), Fault> {
    let mut appender = Appender::open(storage, TINY, AGE)?;
    let first = appender.end(&topic(0)).unwrap().value();
    let mut append = |offset| appender.append(&record(&topic(0), offset));
    let appended = (first..to).try_for_each(&mut append);
    if appended.is_err() {
        assert!(append(to).is_err(), "nothing comes behind a file that could not be written");
        appender.looked_up_to(&topic(0), to + 5);
    }
    let finished = appender.seal(&topic(0));
    appended.and(finished).and(appender.save().map(drop))
}

#[test]
fn a_single_fault_spoils_nothing_that_is_listed() {
    let mut faults = 0;
    for steps in 0.. {
        let dir = tempfile::tempdir().unwrap();
        grow(LocalDir::at(dir.path()), 0, 100).unwrap();
        let failed = grow_and_finish(Shaky::once(dir.path(), steps), 30).is_err();
        let report = super::verify(&*LocalDir::at(dir.path()), &mut |_| {}).unwrap();
        assert!(report.wrong.is_empty(), "{steps}: {:?}", report.wrong);
        if !failed {
            break;
        }
        faults += 1;
        let offsets = offsets(dir.path(), 0);
        let to = Manifest::read(dir.path()).unwrap().partition(&topic(0)).unwrap().to;
        assert_eq!(offsets, (0..to).collect::<Vec<_>>(), "{steps}");
    }
    assert!(faults > 30, "{faults}");
}

#[test]
fn files_of_which_no_manifest_knows_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    grow(LocalDir::at(dir.path()), 20, 100).unwrap();
    std::fs::remove_file(dir.path().join("archive.json")).unwrap();
    let mut appender = open(dir.path());
    let told = appender.begin(&topic(0), 0).unwrap_err().to_string();
    assert!(told.contains("the manifest does not list it"), "{told}");
    assert!(dir.path().join(super::layout::file_path(&topic(0), 0, 0)).exists());
}

#[test]
fn what_is_not_saved_is_not_there() {
    let dir = tempfile::tempdir().unwrap();
    let mut appender = open(dir.path());
    appender.begin(&topic(0), 5).unwrap();
    appender.save().unwrap();
    (5..25).for_each(|n| appender.append(&record(&topic(0), n)).unwrap());
    assert_eq!(Manifest::read(dir.path()).unwrap().records(), 0);
    assert_eq!(appender.save().unwrap(), 2);
    assert_eq!(offsets(dir.path(), 0), (5..21).collect::<Vec<_>>());
    drop(appender);
    let appender = open(dir.path());
    assert_eq!(appender.end(&topic(0)), Some(ResumeAt::stored(21)));
    let left = std::fs::read_dir(dir.path().join(&*topic(0).topic).join("0")).unwrap().count();
    assert_eq!(left, 4, "two files and their indexes: what was not finished is removed");
}

#[test]
fn files_end_by_age() {
    let dir = tempfile::tempdir().unwrap();
    let mut appender = open(dir.path());
    appender.begin(&topic(0), 0).unwrap();
    appender.append(&record(&topic(0), 0)).unwrap();
    appender.seal_old(Instant::now()).unwrap();
    assert_eq!(appender.save().unwrap(), 0);
    appender.seal_old(Instant::now() + AGE).unwrap();
    assert_eq!(appender.save().unwrap(), 1);
}

#[test]
fn one_writer_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let first = open(dir.path());
    let told = Appender::open(LocalDir::at(dir.path()), TINY, AGE).unwrap_err().to_string();
    assert!(told.contains("another process appends"), "{told}");
    drop(first);
    open(dir.path());
}

#[test]
fn an_archive_that_was_written_at_once_does_not_grow() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path());
    let told = Appender::open(LocalDir::at(dir.path()), TINY, AGE).unwrap_err().to_string();
    assert!(told.contains("written at once"), "{told}");
}

#[tokio::test]
async fn a_gap_is_recorded_and_a_hole_that_is_not_is_refused() {
    let place = Place::empty();
    let dir = &place.config.dir;
    grow(LocalDir::at(dir), 10, 100).unwrap();
    let mut appender = open(dir);
    // The log had nothing more up to 12: the gap begins there.
    appender.looked_up_to(&topic(0), 12);
    appender.leave_gap(&topic(0), 30).unwrap();
    (31..40).for_each(|n| appender.append(&record(&topic(0), n)).unwrap());
    appender.seal_every().unwrap();
    appender.save().unwrap();
    drop(appender);
    let manifest = Manifest::read(dir).unwrap();
    let gap = Gap { from: 12, to: 30 };
    assert_eq!(manifest.partition(&topic(0)).unwrap().gaps, [gap]);
    let wanted: Vec<i64> = (0..10).chain(31..40).collect();
    assert_eq!(offsets(dir, 0), wanted);
    // Intake reads on behind it.
    let (records, fault) = place.read().await;
    assert!(fault.is_none());
    assert_eq!(records.len(), 10 + 19);
    // Whoever looks is told.
    let reader = ArchiveReader::open(dir).unwrap();
    let told = |from| {
        let wanted = Wanted { from: Some(from), ..Wanted::default() };
        let mut visit = |_| std::ops::ControlFlow::Continue(());
        reader.visit(&topic(0), &wanted, &mut visit).unwrap().gaps
    };
    assert_eq!((told(0), told(30)), (vec![(topic(0), gap)], Vec::new()));
    // The same files without the record of the gap contradict themselves.
    let storage = LocalDir::at(dir);
    let mut spoilt = manifest;
    spoilt.topics.get_mut(&*topic(0).topic).unwrap().get_mut(&0).unwrap().gaps.clear();
    spoilt.write(&*storage).unwrap();
    let told = Manifest::read(dir).unwrap_err().to_string();
    assert!(told.contains("/0 has a hole from 10 to 30 that is not recorded"), "{told}");
}

#[tokio::test]
async fn intake_reads_beside_a_writer_and_refuses_what_is_no_writers() {
    let place = Place::empty();
    grow(LocalDir::at(&place.config.dir), 16, 100).unwrap();
    let mut appender = open(&place.config.dir);
    (16..30).for_each(|n| appender.append(&record(&topic(0), n)).unwrap());
    assert!(place.file(0, 16).exists(), "a file that has ended, and is not listed yet");
    assert!(place.file(0, 24).with_extension("avro.partial").exists(), "one that grows");
    assert_eq!(place.read().await.0.len(), 32);
    std::fs::write(place.file(0, 3), b"x").unwrap();
    let told = ArchiveLog::open(&place.config).unwrap_err().to_string();
    assert!(told.contains("the manifest does not list it"), "{told}");
}

#[test]
fn a_schema_that_has_changed_under_its_id_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let mut appender = open(dir.path());
    let [text, bytes] = [r#"{"type":"string"}"#, r#"{"type":"bytes"}"#]
        .map(|text| WriterSchema::parse(text).unwrap());
    appender.note_unknown(SchemaId(3));
    appender.save().unwrap();
    assert_eq!(Manifest::read(dir.path()).unwrap().unknown_schemas, [3].into());
    appender.keep(SchemaId(3), &text).unwrap();
    appender.keep(SchemaId(3), &text).unwrap();
    appender.save().unwrap();
    assert!(Manifest::read(dir.path()).unwrap().unknown_schemas.is_empty());
    let told = appender.keep(SchemaId(3), &bytes).unwrap_err().to_string();
    assert!(told.contains("another schema under id 3"), "{told}");
}

#[tokio::test]
async fn a_schema_that_refers_to_others_is_kept_with_them() {
    use readmill_engine::SchemaBook as _;
    let dir = tempfile::tempdir().unwrap();
    let mut appender = open(dir.path());
    let part = r#"{"type":"record","name":"Part","fields":[{"name":"n","type":"long"}]}"#;
    let whole = r#"{"type":"record","name":"Whole","fields":[{"name":"part","type":"Part"}]}"#;
    appender.keep(SchemaId(4), &WriterSchema::parse_with(whole, &[part]).unwrap()).unwrap();
    let read = super::ArchiveBook::new(dir.path()).schema(SchemaId(4)).await.unwrap();
    assert_eq!((read.text(), read.reference_texts()), (whole, &[part.to_owned()][..]));
    assert_eq!(read.references().len(), 1);
}
