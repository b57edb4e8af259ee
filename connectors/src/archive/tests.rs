//! Archives written, read, resumed and damaged.

use std::fs;
use std::path::{Path, PathBuf};

use readmill_core::{Finished, Offset, Partition, Position, ResumeAt};
use readmill_engine::{Fault, Feed, Log, Record, SchemaBook, Since, Until};
use readmill_schemas::SchemaId;
use tempfile::TempDir;

use super::layout::{file_name, partition_dir};
use super::reading::Reading;
use super::{ArchiveBook, ArchiveConfig, ArchiveLog, ArchiveWriter, LocalDir, Manifest, Roll};

pub const SMALL: Roll = Roll { file_bytes: 1 << 20, file_records: 40, block_bytes: 300 };

pub fn topic(index: i32) -> Partition {
    Partition::new("shop.public.points_outbox", index)
}

pub fn record(partition: &Partition, offset: i64) -> Record {
    let n = offset.to_string();
    Record {
        position: Position { partition: partition.clone(), offset: Offset(offset) },
        timestamp_ms: 1_000 + offset,
        key: (offset % 5 != 0).then(|| n.clone().into_bytes()),
        value: (offset % 7 != 0).then(|| n.repeat(9).into_bytes()),
        headers: vec![("n".to_owned(), n.into_bytes())],
    }
}

/// Two partitions of 100 records, the second with gaps, in files of 40.
pub fn write(dir: &Path) -> Manifest {
    let mut writer = ArchiveWriter::create(dir, SMALL).unwrap();
    writer.schema(SchemaId(7), r#"{"type":"string"}"#).unwrap();
    for n in 0..100 {
        writer.append_record(&record(&topic(0), n)).unwrap();
        writer.append_record(&record(&topic(1), 3 * n + 1)).unwrap();
    }
    writer.finish().unwrap()
}

pub struct Place {
    _root: TempDir,
    pub config: ArchiveConfig,
}

impl Place {
    pub fn new() -> Self {
        let place = Self::empty();
        write(&place.config.dir);
        place
    }

    /// One without an archive.
    pub fn empty() -> Self {
        let root = tempfile::tempdir().unwrap();
        let (dir, state_dir) = (root.path().join("archive"), root.path().join("state"));
        let topics = vec![topic(0).topic.to_string()];
        Self { _root: root, config: ArchiveConfig { dir, state_dir, topics } }
    }

    pub fn file(&self, index: i32, first: i64) -> PathBuf {
        let dir = self.config.dir.join(&*topic(index).topic).join(index.to_string());
        dir.join(format!("{first:020}.avro"))
    }

    /// Reads all there is, settling everything; the records by partition, and the fault.
    pub async fn read(&self) -> (Vec<Record>, Option<Fault>) {
        read_through(ArchiveLog::open(&self.config).unwrap()).await
    }
}

/// The same, of a log that was opened before.
pub async fn read_through(mut log: ArchiveLog) -> (Vec<Record>, Option<Fault>) {
    let mut workers = tokio::task::JoinSet::new();
    let fault = loop {
        match log.assigned().await {
            Ok(Some(feed)) => drop(workers.spawn(drain(feed))),
            Ok(None) => break None,
            Err(fault) => break Some(fault),
        }
    };
    log.stop().await.unwrap();
    let mut records: Vec<Record> = workers.join_all().await.into_iter().flatten().collect();
    records.sort_by(|a, b| a.position.cmp(&b.position));
    (records, fault)
}

async fn drain(mut feed: Feed) -> Vec<Record> {
    let mut all = Vec::new();
    while let Some(records) = feed.next(64).await {
        if let Some(last) = records.last() {
            feed.settle(ResumeAt::stored(last.position.offset.0 + 1), Finished::default());
        }
        all.extend(records);
    }
    all
}

fn expected(index: i32, offsets: impl Iterator<Item = i64>) -> Vec<Record> {
    offsets.map(|offset| record(&topic(index), offset)).collect()
}

#[tokio::test]
async fn what_is_written_is_read_once_and_then_resumed_behind() {
    let place = Place::new();
    let (records, fault) = place.read().await;
    assert!(fault.is_none());
    let mut wanted = expected(0, 0..100);
    wanted.extend(expected(1, (0..100).map(|n| 3 * n + 1)));
    assert_eq!(records, wanted);
    assert_eq!(place.read().await.0, Vec::new());
}

#[tokio::test]
async fn reading_resumes_in_the_middle_of_a_file() {
    let place = Place::new();
    let id = Manifest::read(&place.config.dir).unwrap().id;
    fs::create_dir_all(&place.config.state_dir).unwrap();
    let positions = serde_json::json!({
        "archive": id, "resume_at": {"shop.public.points_outbox": {"0": 57, "1": 299}}
    });
    fs::write(place.config.state_dir.join("positions.json"), positions.to_string()).unwrap();
    // A file before the position is not even opened.
    fs::write(place.file(0, 0), b"").unwrap();
    let (records, fault) = place.read().await;
    assert!(fault.is_none());
    assert_eq!(records, expected(0, 57..100));
}

#[tokio::test]
async fn positions_of_another_archive_are_refused() {
    let place = Place::new();
    place.read().await;
    fs::write(place.config.state_dir.join("positions.json"), "{").unwrap();
    assert!(matches!(ArchiveLog::open(&place.config), Err(Fault::Damaged { .. })));
    let other = r#"{"archive":"x","resume_at":{}}"#;
    fs::write(place.config.state_dir.join("positions.json"), other).unwrap();
    let fault = ArchiveLog::open(&place.config).unwrap_err().to_string();
    assert!(fault.contains("another archive"), "{fault}");
}

#[tokio::test]
async fn stopping_early_keeps_what_is_settled() {
    let place = Place::new();
    let mut log = ArchiveLog::open(&place.config).unwrap();
    let mut feed = log.assigned().await.unwrap().unwrap();
    let first = feed.next(1).await.unwrap();
    feed.settle(ResumeAt::stored(first[9].position.offset.0 + 1), Finished::default());
    drop(feed);
    log.stop().await.unwrap();
    assert_eq!(place.read().await.0.first(), Some(&record(&topic(0), 10)));
}

#[tokio::test]
async fn what_is_finished_beyond_the_position_is_kept_too() {
    let place = Place::new();
    let mut log = ArchiveLog::open(&place.config).unwrap();
    let mut feed = log.assigned().await.unwrap().unwrap();
    feed.next(1).await.unwrap();
    let open = (10..20).map(|offset| (Offset(offset), offset != 10));
    feed.settle(ResumeAt::stored(10), Finished::beyond(open));
    drop(feed);
    log.stop().await.unwrap();
    let mut log = ArchiveLog::open(&place.config).unwrap();
    let mut feed = log.assigned().await.unwrap().unwrap();
    let known = feed.take_known();
    let covered = |offset: &i64| known.covers(Offset(*offset));
    assert_eq!((0..100).filter(covered).collect::<Vec<i64>>(), (11..20).collect::<Vec<_>>());
    // Read to its end, nothing is finished beyond any more.
    drop(feed);
    log.stop().await.unwrap();
    place.read().await;
    let positions = fs::read_to_string(place.config.state_dir.join("positions.json")).unwrap();
    assert!(!positions.contains("rm1"), "{positions}");
}

/// Reads the second of three small files, whose bytes `spoil` has changed.
fn read_spoilt(spoil: impl Fn(&[u8], &mut dyn FnMut(&[u8], usize))) -> usize {
    let dir = tempfile::tempdir().unwrap();
    let tiny = Roll { file_records: 8, block_bytes: 60, ..SMALL };
    let mut writer = ArchiveWriter::create(dir.path(), tiny).unwrap();
    (0..24).for_each(|n| writer.append_record(&record(&topic(0), n)).unwrap());
    let manifest = writer.finish().unwrap();
    let (partition, entry) = manifest.partitions().next().unwrap();
    let path = dir.path().join(partition_dir(&partition)).join(file_name(Offset(8)));
    let whole = fs::read(&path).unwrap();
    let mut faults = 0;
    spoil(&whole, &mut |bytes, at| {
        fs::write(&path, bytes).unwrap();
        let (sender, mut receiver) = tokio::sync::mpsc::channel(64);
        let storage = LocalDir::at(dir.path());
        let ended = Reading::new(&storage, &partition, entry, ResumeAt::START).run(&sender);
        drop(sender);
        let records: Vec<Record> =
            std::iter::from_fn(|| receiver.try_recv().ok()).flatten().collect();
        let read = i64::try_from(records.len()).unwrap();
        assert_eq!(records, expected(0, 0..read), "byte {at}");
        assert_eq!(ended.next.value(), read);
        if let Some(fault) = ended.fault {
            let told = fault.to_string();
            assert!(told.contains("00000008.avro is damaged"), "byte {at}: {told}");
            assert!((8..16).contains(&read), "byte {at}: {read}");
            faults += 1;
        }
    });
    faults
}

#[test]
fn a_file_cut_anywhere_is_told_and_what_is_before_is_read() {
    let faults = read_spoilt(|whole, check| {
        (0..whole.len()).for_each(|length| check(whole.get(..length).unwrap(), length));
        check(whole, whole.len());
    });
    assert!(faults > 500, "every cut but the last: {faults}");
}

#[test]
fn a_flipped_bit_anywhere_in_a_file_is_never_folded() {
    read_spoilt(|whole, check| {
        for at in 0..whole.len() {
            let mut bytes = whole.to_vec();
            bytes[at] ^= 0x10;
            check(&bytes, at);
        }
    });
}

#[tokio::test]
async fn a_missing_file_is_told_after_all_before_it_are_read() {
    let place = Place::new();
    fs::remove_file(place.file(0, 80)).unwrap();
    let (records, fault) = place.read().await;
    let told = fault.unwrap().to_string();
    assert!(told.contains("does not exist"), "{told}");
    let here = records.into_iter().filter(|r| r.position.partition == topic(0));
    assert_eq!(here.collect::<Vec<_>>(), expected(0, 0..80));
}

#[test]
fn what_does_not_belong_is_refused() {
    let place = Place::new();
    fs::write(place.file(0, 77), b"x").unwrap();
    let told = ArchiveLog::open(&place.config).unwrap_err().to_string();
    assert!(told.contains("the manifest does not list it"), "{told}");
    let nowhere = ArchiveConfig { dir: PathBuf::from("/nowhere"), ..place.config.clone() };
    let told = ArchiveLog::open(&nowhere).unwrap_err().to_string();
    assert!(told.contains("there is no finished archive here"), "{told}");
    let missing = ArchiveConfig { topics: vec!["x".to_owned()], ..place.config.clone() };
    let told = ArchiveLog::open(&missing).unwrap_err().to_string();
    assert!(told.contains("has no topic x"), "{told}");
    let nothing = ArchiveConfig { topics: Vec::new(), ..place.config.clone() };
    let told = ArchiveLog::open(&nothing).unwrap_err().to_string();
    assert!(told.contains("no topic of") && told.contains("name topics"), "{told}");
}

#[test]
fn equal_records_make_equal_archives_and_a_finished_one_is_not_written_over() {
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // What an interrupted writer left is written over.
    let mut interrupted = ArchiveWriter::create(a.path(), SMALL).unwrap();
    for n in 0..90 {
        interrupted.append(&topic(0), n, None, Some(b"other")).unwrap();
    }
    drop(interrupted);
    assert_eq!(write(a.path()), write(b.path()));
    assert_eq!(write_error(a.path()), "holds a finished archive");
}

fn write_error(dir: &Path) -> &'static str {
    let told = ArchiveWriter::create(dir, SMALL).unwrap_err().to_string();
    if told.contains("holds a finished archive") { "holds a finished archive" } else { "?" }
}

#[test]
fn offsets_must_rise_and_topics_must_be_names() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = ArchiveWriter::create(dir.path(), SMALL).unwrap();
    writer.append_record(&record(&topic(0), 5)).unwrap();
    assert!(writer.append_record(&record(&topic(0), 5)).is_err());
    assert_eq!(writer.append(&topic(0), 0, None, None).unwrap(), Offset(6));
    assert!(writer.partition(&Partition::new("../x", 0)).is_err());
}

#[test]
fn every_avro_reader_can_read_the_files() {
    let place = Place::new();
    let file = fs::File::open(place.file(0, 0)).unwrap();
    let values: Vec<_> = apache_avro::Reader::new(file).unwrap().map(Result::unwrap).collect();
    assert_eq!(values.len(), 40);
    let apache_avro::types::Value::Record(fields) = &values[3] else { panic!("not a record") };
    assert_eq!(fields[0].1, apache_avro::types::Value::Long(3));
}

#[tokio::test]
async fn the_book_reads_schemas_and_knows_what_it_has_not() {
    let place = Place::new();
    let book = ArchiveBook::new(&place.config.dir);
    assert_eq!(book.schema(SchemaId(7)).await.unwrap().text(), r#"{"type":"string"}"#);
    let unknown = book.schema(SchemaId(8)).await;
    assert!(matches!(unknown, Err(Fault::UnknownSchema { id: 8 })));
}

#[tokio::test]
async fn an_archive_is_read_aside_between_its_bounds_without_positions() {
    let place = Place::new();
    let ArchiveConfig { dir, state_dir, topics } = &place.config;
    let at = |index, at| [(topic(index), ResumeAt::stored(at))].into();
    for (since, until, first, end) in [
        (Since::Beginning, Until::Now, [0, 1], [100, 299]),
        (Since::Time(1_050), Until::Now, [50, 52], [100, 299]),
        (Since::Time(9_999), Until::Now, [100, 299], [100, 299]),
        (Since::Places(at(1, 297)), Until::Now, [0, 297], [100, 299]),
        (Since::Beginning, Until::Places(at(1, 50)), [0, 1], [0, 50]),
        (Since::Places(at(1, 20)), Until::Places(at(1, 20)), [0, 20], [0, 20]),
    ] {
        let mut log = ArchiveLog::aside(dir, topics, &since, &until).await.unwrap();
        let bounds: Vec<(i32, i64, i64)> = log
            .bounds()
            .iter()
            .map(|(partition, b)| (partition.index, b.from.value(), b.to.value()))
            .collect();
        assert_eq!(bounds, [(0, first[0], end[0]), (1, first[1], end[1])], "{since:?}");
        let mut workers = tokio::task::JoinSet::new();
        while let Some(feed) = log.assigned().await.unwrap() {
            workers.spawn(drain(feed));
        }
        let records: Vec<Record> = workers.join_all().await.into_iter().flatten().collect();
        assert!(records.iter().all(|record| {
            let index = usize::try_from(record.position.partition.index).unwrap();
            (first[index]..end[index]).contains(&record.position.offset.0)
        }));
        let threes = (0..100).map(|n| 3 * n + 1).filter(|n| (first[1]..end[1]).contains(n));
        let many = usize::try_from(end[0] - first[0]).unwrap() + threes.count();
        assert_eq!(records.len(), many, "{since:?} {until:?}");
        log.stop().await.unwrap();
    }
    assert!(!state_dir.exists());
}
