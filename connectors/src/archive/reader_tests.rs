//! Looking for single records: what is found is what a whole reading finds, and most is skipped.

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use readmill_core::{Offset, Position};
use readmill_engine::Record;
use tempfile::TempDir;

use super::layout::{MANIFEST, file_path, index_path};
use super::tests::{SMALL, topic};
use super::{ArchiveReader, ArchiveWriter, LocalDir, Manifest, Roll, Skimmed, Wanted};

/// Records of 500 keys, a millisecond apart, but for one in a hundred that is late.
fn record(offset: i64) -> Record {
    let late = if offset % 100 == 99 { 3_000 } else { 0 };
    Record {
        position: Position { partition: topic(0), offset: Offset(offset) },
        timestamp_ms: 1_000_000 + offset - late,
        key: Some(format!("k{}", offset * 7 % 500).into_bytes()),
        value: Some(format!("value {offset}").repeat(3).into_bytes()),
        headers: Vec::new(),
    }
}

/// Twenty thousand records in ten files of about eighty blocks.
fn archive() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    let roll = Roll { file_records: 2_000, block_bytes: 1_000, ..SMALL };
    let mut writer = ArchiveWriter::create(dir.path(), roll).unwrap();
    (0..20_000).for_each(|n| writer.append_record(&record(n)).unwrap());
    writer.finish().unwrap();
    dir
}

fn look(dir: &Path, wanted: &Wanted) -> (Vec<Record>, Skimmed) {
    let reader = ArchiveReader::open(dir).unwrap();
    let mut found = Vec::new();
    let mut visit = |record| {
        found.push(record);
        ControlFlow::Continue(())
    };
    let skimmed = reader.visit_topic(&topic(0).topic, wanted, &mut visit).unwrap();
    (found, skimmed)
}

fn all_that(is: impl Fn(&Record) -> bool) -> Vec<Record> {
    (0..20_000).map(record).filter(is).collect()
}

#[test]
fn the_records_of_a_key_are_found_in_few_blocks() {
    let dir = archive();
    let key = Some(b"k77".to_vec());
    let wanted = Wanted { key: key.clone(), ..Wanted::default() };
    let (found, skimmed) = look(dir.path(), &wanted);
    assert_eq!(found, all_that(|record| record.key == key));
    assert_eq!(found.len(), 40);
    let blocks = skimmed.blocks_read + skimmed.blocks_skipped;
    assert!(blocks > 700, "{skimmed:?}");
    assert!((40..60).contains(&skimmed.blocks_read), "{skimmed:?}");
    let nobody = Wanted { key: Some(b"nobody".to_vec()), ..Wanted::default() };
    let (found, skimmed) = look(dir.path(), &nobody);
    assert!(found.is_empty() && skimmed.blocks_read < 20, "{skimmed:?}");
}

#[test]
fn records_from_a_time_on_are_found_behind_what_is_skipped() {
    let dir = archive();
    let from_ms = 1_000_000 + 15_500;
    let (found, skimmed) =
        look(dir.path(), &Wanted { from_ms: Some(from_ms), ..Wanted::default() });
    assert_eq!(found, all_that(|record| record.timestamp_ms >= from_ms));
    assert_eq!(skimmed.files_skipped, 7, "{skimmed:?}");
    let (read, skipped) = (skimmed.blocks_read, skimmed.blocks_skipped);
    assert!(skipped > 50 && read < 230, "{skimmed:?}");
}

#[test]
fn offsets_bound_a_look_and_a_visitor_may_have_enough() {
    let dir = archive();
    let wanted = Wanted { from: Some(4_990), until: Some(5_020), ..Wanted::default() };
    let (found, skimmed) = look(dir.path(), &wanted);
    assert_eq!(found, (4_990..5_020).map(record).collect::<Vec<_>>());
    assert_eq!((skimmed.files_read, skimmed.files_skipped), (1, 9));
    assert!(skimmed.blocks_read < 5, "{skimmed:?}");
    let reader = ArchiveReader::open(dir.path()).unwrap();
    let mut first = None;
    let mut visit = |record: Record| {
        first = Some(record.position.offset.0);
        ControlFlow::Break(())
    };
    let skimmed = reader.visit(&topic(0), &Wanted::default(), &mut visit).unwrap();
    assert_eq!((first, skimmed.records, skimmed.blocks_read), (Some(0), 1, 1));
    assert_eq!(reader.last(&topic(0)).unwrap(), Some(record(19_999)));
    assert!(reader.visit(&topic(3), &Wanted::default(), &mut |_| ControlFlow::Break(())).is_err());
}

#[test]
fn a_damaged_index_makes_a_look_slower_and_not_wrong() {
    let dir = archive();
    fs::write(dir.path().join(index_path(&topic(0), 2_000, 0)), b"RMI").unwrap();
    let wanted = Wanted { key: Some(b"k77".to_vec()), ..Wanted::default() };
    let (found, skimmed) = look(dir.path(), &wanted);
    assert_eq!(found.len(), 40);
    assert!((100..200).contains(&skimmed.blocks_read), "{skimmed:?}");
}

#[test]
fn an_index_of_another_file_is_told() {
    let dir = archive();
    let mut manifest = Manifest::read(dir.path()).unwrap();
    let entry = manifest.partition_mut(&topic(0)).unwrap();
    entry.files[1].index = entry.files[2].index.clone();
    manifest.write(&*LocalDir::at(dir.path())).unwrap();
    let [one, other] = [2_000, 4_000].map(|first| dir.path().join(index_path(&topic(0), first, 0)));
    fs::copy(other, one).unwrap();
    let reader = ArchiveReader::open(dir.path()).unwrap();
    let wanted = Wanted { key: Some(b"k77".to_vec()), ..Wanted::default() };
    let told = reader.visit(&topic(0), &wanted, &mut |_| ControlFlow::Continue(()));
    assert!(told.unwrap_err().to_string().contains("00002000.avro is damaged"));
}

/// As archives were written before they had indexes, times and gaps.
fn make_first_format(dir: &Path) {
    let mut manifest = Manifest::read(dir).unwrap();
    manifest.format = 1;
    for entry in manifest.topics.values_mut().flat_map(BTreeMap::values_mut) {
        for file in &mut entry.files {
            (file.after, file.times_ms) = (None, None);
            file.index = None;
        }
    }
    manifest.id = manifest.hash();
    let mut text = serde_json::to_value(&manifest).unwrap();
    for entry in text["topics"].as_object_mut().unwrap().values_mut() {
        for entry in entry.as_object_mut().unwrap().values_mut() {
            let entry = entry.as_object_mut().unwrap();
            entry.remove("from").unwrap();
            entry.remove("to").unwrap();
        }
    }
    fs::write(dir.join(MANIFEST), text.to_string()).unwrap();
    for first in (0..20_000).step_by(2_000) {
        fs::remove_file(dir.join(index_path(&topic(0), first, 0))).unwrap();
        assert!(dir.join(file_path(&topic(0), first, 0)).exists());
    }
}

#[test]
fn archives_of_the_first_format_are_read() {
    let dir = archive();
    make_first_format(dir.path());
    let manifest = Manifest::read(dir.path()).unwrap();
    assert_eq!((manifest.format, manifest.records()), (1, 20_000));
    assert_eq!(manifest.partition(&topic(0)).unwrap().to, 20_000);
    let wanted = Wanted { key: Some(b"k77".to_vec()), ..Wanted::default() };
    let (found, skimmed) = look(dir.path(), &wanted);
    assert_eq!((found.len(), skimmed.blocks_skipped), (40, 0));
    let report = super::verify(&*LocalDir::at(dir.path()), &mut |_| {}).unwrap();
    assert_eq!((report.wrong, report.records), (Vec::<String>::new(), 20_000));
}
