//! Whatever is not as it was written is named; what is pruned leaves no hole, not even by a crash.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use readmill_core::{Position, Record};
use readmill_schemas::{SchemaId, WriterSchema, framing};

use super::shaky::Shaky;
use super::tests::{Place, SMALL, record, topic};
use super::{Appender, LocalDir, Manifest, Pruned, Pruning, Report, Roll, prune, verify};

const TINY: Roll = Roll { file_records: 8, block_bytes: 60, ..SMALL };
const TEXT: &str = r#"{"type":"string"}"#;

/// A record whose value has this schema.
fn framed(position: Position, schema: u32) -> Record {
    let mut value = Vec::new();
    framing::write(SchemaId(schema), |out| out.extend_from_slice(b"\x02a"), &mut value);
    Record { timestamp_ms: 1_500, value: Some(value), ..Record::at(position) }
}

/// Four files of partition 0, and one of partition 1.
fn grown(dir: &Path) {
    let mut appender = open(dir);
    appender.keep(SchemaId(7), &WriterSchema::parse(TEXT).unwrap()).unwrap();
    appender.note_unknown(SchemaId(8));
    for index in 0..2 {
        appender.begin(&topic(index), 0).unwrap();
    }
    (0..32).for_each(|n| appender.append(&record(&topic(0), n)).unwrap());
    for offset in 0..2 {
        let position = Position { partition: topic(1), offset: readmill_core::Offset(offset) };
        appender.append(&framed(position, if offset == 0 { 7 } else { 8 })).unwrap();
    }
    appender.seal_every().unwrap();
    appender.save().unwrap();
}

fn open(dir: &Path) -> Appender {
    Appender::open(LocalDir::at(dir), TINY, Duration::from_secs(900)).unwrap()
}

fn report(dir: &Path) -> Report {
    verify(&*LocalDir::at(dir), &mut |_| {}).unwrap()
}

fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files(&path, found) } else { found.push(path) }
    }
}

#[test]
fn a_sound_archive_is_proven() {
    let dir = tempfile::tempdir().unwrap();
    grown(dir.path());
    let mut read = 0;
    let found = verify(&*LocalDir::at(dir.path()), &mut |bytes| read += bytes).unwrap();
    assert_eq!(found.wrong, Vec::<String>::new());
    assert_eq!((found.files, found.records, found.bytes), (5, 34, read));
    assert!(found.gaps.is_empty());
}

/// A flipped bit anywhere, in any file of an archive, is told with the file's name.
#[test]
fn a_flipped_bit_anywhere_is_named() {
    let dir = tempfile::tempdir().unwrap();
    grown(dir.path());
    let mut all = Vec::new();
    files(dir.path(), &mut all);
    all.retain(|path| path.extension().is_none_or(|ending| ending != "lock"));
    assert_eq!(all.len(), 1 + 1 + 5 * 2, "manifest, schema, files and indexes");
    for path in all {
        let whole = fs::read(&path).unwrap();
        let name = path.file_stem().unwrap().to_str().unwrap();
        for at in (0..whole.len()).step_by(3) {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x10;
            fs::write(&path, &bytes).unwrap();
            match verify(&*LocalDir::at(dir.path()), &mut |_| {}) {
                Ok(report) => {
                    let told = report.wrong.join("\n");
                    assert!(told.contains(name), "{}: byte {at}: {told}", path.display());
                }
                Err(fault) => assert!(fault.to_string().contains("archive.json"), "{fault}"),
            }
        }
        fs::write(&path, &whole).unwrap();
    }
    assert!(report(dir.path()).wrong.is_empty());
}

#[test]
fn what_is_missing_and_what_is_too_much_is_named() {
    let place = Place::empty();
    let dir = &place.config.dir;
    let table = [
        (place.file(0, 8), "00000008.avro: it does not exist"),
        (place.file(0, 16).with_extension("index"), "00000016.index: it does not exist"),
        (dir.join("schemas/7.avsc"), "schemas/7.avsc: it does not exist"),
    ];
    for (path, wanted) in table {
        let _ = fs::remove_dir_all(dir);
        grown(dir);
        fs::remove_file(path).unwrap();
        assert!(told(dir).contains(wanted), "{wanted}: {}", told(dir));
    }
    fs::write(place.file(0, 12), b"x").unwrap();
    assert!(told(dir).contains("00000012.avro: the manifest does not list it"));
}

fn told(dir: &Path) -> String {
    report(dir).wrong.join("\n")
}

#[test]
fn a_schema_that_records_name_and_nobody_kept_is_named_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut appender = open(dir.path());
    appender.begin(&topic(0), 0).unwrap();
    for offset in 0..20 {
        let position = Position { partition: topic(0), offset: readmill_core::Offset(offset) };
        appender.append(&framed(position, 9)).unwrap();
    }
    appender.seal_every().unwrap();
    appender.save().unwrap();
    let found = report(dir.path()).wrong;
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("schemas/9.avsc: it does not exist, and"), "{found:?}");
    assert!(found[0].contains("points_outbox/0@0 names it"), "{found:?}");
}

/// The records of `grown` are a millisecond apart from 1000 on.
fn pruning(before_ms: i64) -> Pruning {
    Pruning { before_ms, keep_last: 1, dry: false }
}

fn begins(pruned: &[Pruned]) -> Vec<(usize, i64)> {
    pruned.iter().map(|pruned| (pruned.files.len(), pruned.from)).collect()
}

#[tokio::test]
async fn whole_files_go_from_the_front_and_who_has_not_read_them_is_told() {
    let place = Place::empty();
    let dir = &place.config.dir;
    grown(dir);
    let storage = LocalDir::at(dir);
    assert!(prune(&*storage, pruning(1_007)).unwrap().is_empty(), "one record is not older");
    let dry = Pruning { dry: true, ..pruning(1_016) };
    assert_eq!(begins(&prune(&*storage, dry).unwrap()), [(2, 16)]);
    assert!(place.file(0, 0).exists() && Manifest::read(dir).unwrap().records() == 34);
    assert_eq!(begins(&prune(&*storage, pruning(1_008)).unwrap()), [(1, 8)]);
    assert!(!place.file(0, 0).exists() && !place.file(0, 0).with_extension("index").exists());
    assert_eq!(place.read().await.0.len(), 26);
    // The latest files stay.
    let two = Pruning { keep_last: 2, ..pruning(9_999) };
    assert_eq!(begins(&prune(&*storage, two).unwrap()), [(1, 16)]);
    let none = Pruning { keep_last: 0, ..pruning(9_999) };
    assert_eq!(begins(&prune(&*storage, none).unwrap()), [(1, 24)]);
    assert!(report(dir).wrong.is_empty());
    // It goes on behind the end, and a model that was before the beginning is stopped.
    let mut appender = open(dir);
    (32..40).for_each(|n| appender.append(&record(&topic(0), n)).unwrap());
    appender.save().unwrap();
    let positions = place.config.state_dir.join("positions.json");
    let text = fs::read_to_string(&positions).unwrap().replace(":32", ":20");
    fs::write(&positions, text).unwrap();
    let told = super::ArchiveLog::open(&place.config).unwrap_err().to_string();
    assert!(told.contains("the next record is at 20, and the archive begins at 24"), "{told}");
}

#[test]
fn what_stands_behind_younger_records_stays() {
    let dir = tempfile::tempdir().unwrap();
    let mut appender = open(dir.path());
    appender.begin(&topic(0), 0).unwrap();
    for n in 0..40 {
        let mut record = record(&topic(0), n);
        record.timestamp_ms += if n == 12 { 5_000 } else { 0 };
        appender.append(&record).unwrap();
    }
    appender.save().unwrap();
    let pruned = prune(&*LocalDir::at(dir.path()), pruning(2_000)).unwrap();
    assert_eq!(begins(&pruned), [(1, 8)]);
    assert_eq!(pruned[0].behind_younger, 2, "and the last one stays anyway");
}

#[test]
fn a_crash_while_pruning_leaves_a_sound_archive() {
    for steps in 0.. {
        let dir = tempfile::tempdir().unwrap();
        grown(dir.path());
        let crashed = prune(&*Shaky::at(dir.path(), steps), pruning(1_016)).is_err();
        assert_eq!(told(dir.path()), "", "{steps}");
        prune(&*LocalDir::at(dir.path()), pruning(1_016)).unwrap();
        let mut left = Vec::new();
        files(&dir.path().join(&*topic(0).topic).join("0"), &mut left);
        assert_eq!(left.len(), 4, "{steps}: two files and their indexes: {left:?}");
        if !crashed {
            assert!(steps > 5);
            break;
        }
    }
}

#[test]
fn pruning_beside_a_writer_takes_nothing_from_it() {
    let place = Place::empty();
    let dir = &place.config.dir;
    grown(dir);
    let mut appender = open(dir);
    (32..45).for_each(|n| appender.append(&record(&topic(0), n)).unwrap());
    assert_eq!(begins(&prune(&*LocalDir::at(dir), pruning(1_016)).unwrap()), [(2, 16)]);
    appender.seal_every().unwrap();
    appender.save().unwrap();
    let manifest = Manifest::read(dir).unwrap();
    let entry = manifest.partition(&topic(0)).unwrap();
    assert_eq!((entry.from, entry.to, entry.records), (16, 45, 29));
    assert_eq!(told(dir), "");
}

#[test]
fn an_archive_that_was_written_at_once_is_not_pruned() {
    let place = Place::new();
    let told = prune(&*LocalDir::at(&place.config.dir), pruning(9_999)).unwrap_err().to_string();
    assert!(told.contains("written at once"), "{told}");
}
