//! What is taken out is nowhere afterwards, whatever happens on the way, and all else is there.

use std::collections::BTreeSet;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use readmill_core::{Partition, Record};
use readmill_engine::Fault;
use readmill_engine::reader::{Aside, wire};

use super::layout::{ERASER_LOCK, strangers};
use super::shaky::Shaky;
use super::tests::{Place, SMALL, read_through, record, topic};
use super::{
    Appender, ArchiveLog, ArchiveReader, ArchiveWriter, Erased, Fate, LocalDir, Manifest, Pruning,
    Roll, Storage, Wanted, erase, prune, verify,
};

const TINY: Roll = Roll { file_records: 8, block_bytes: 60, ..SMALL };
const ID: &str = "person-4711";

/// Records 9, 10 and 20 of each partition are of the person: a key of their own, one among
/// others', and a header.
fn with_person(partition: &Partition, offset: i64) -> Record {
    let mut record = record(partition, offset);
    match offset {
        9 => record.key = Some(ID.as_bytes().to_vec()),
        10 => record.value = Some(format!("shared with {ID}").into_bytes()),
        20 => record.headers.push(("of".to_owned(), ID.as_bytes().to_vec())),
        _ => {}
    }
    record
}

/// The same after the person is gone.
fn without(partition: &Partition, offset: i64) -> Record {
    let mut record = with_person(partition, offset);
    match offset {
        9 => (record.key, record.value, record.headers) = (None, None, Vec::new()),
        10 => record.value = Some(b"shared".to_vec()),
        20 => drop(record.headers.pop()),
        _ => {}
    }
    record
}

fn judge(record: &Record) -> Result<Fate, Fault> {
    let has = |bytes: &[u8]| bytes.windows(ID.len()).any(|part| part == ID.as_bytes());
    let is_concerned = record.key.as_deref().is_some_and(has)
        || record.value.as_deref().is_some_and(has)
        || record.headers.iter().any(|(_, value)| has(value));
    Ok(match (is_concerned, record.position.offset.0) {
        (false, _) => Fate::Keep,
        (true, 9) => Fate::Empty,
        (true, offset) => {
            // Neither its place nor its time can be changed.
            let new = without(&topic(7), offset);
            Fate::Replace(Record { timestamp_ms: 7, ..new })
        }
    })
}

fn run(storage: &Arc<dyn Storage>) -> Result<Erased, Fault> {
    erase(storage, &mut judge, &mut |_| {})
}

fn open(dir: &Path) -> Appender {
    Appender::open(LocalDir::at(dir), TINY, Duration::from_secs(900)).unwrap()
}

/// Four files of each of two partitions.
fn grown(dir: &Path) {
    let mut appender = open(dir);
    for index in 0..2 {
        appender.begin(&topic(index), 0).unwrap();
        (0..32).for_each(|n| appender.append(&with_person(&topic(index), n)).unwrap());
    }
    appender.seal_every().unwrap();
    appender.save().unwrap();
}

fn all(reader: &ArchiveReader, wanted: &Wanted) -> Vec<Record> {
    let mut found = Vec::new();
    let mut visit = |record| {
        found.push(record);
        ControlFlow::Continue(())
    };
    reader.visit_topic(&topic(0).topic, wanted, &mut visit).unwrap();
    found
}

fn read(dir: &Path) -> Vec<Record> {
    all(&ArchiveReader::open(dir).unwrap(), &Wanted::default())
}

fn wanted(record: fn(&Partition, i64) -> Record, to: i64) -> Vec<Record> {
    (0..2).flat_map(|index| (0..to).map(move |n| record(&topic(index), n))).collect()
}

pub fn files(dir: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.append(&mut files(&path));
        } else {
            found.insert(path);
        }
    }
    found.retain(|path| path.extension().is_none_or(|ending| ending != "lock"));
    found
}

/// How many files have the id: as they are, or in a block of theirs.
fn remains(dir: &Path) -> usize {
    remains_of(dir, ID)
}

/// The same of any text.
pub fn remains_of(dir: &Path, text: &str) -> usize {
    let has = |bytes: &[u8]| bytes.windows(text.len()).any(|part| part == text.as_bytes());
    let in_blocks = |path: &PathBuf| {
        let file = fs::File::open(path).unwrap();
        let Ok(mut blocks) = super::container::Blocks::open(file) else { return false };
        std::iter::from_fn(|| blocks.next_block().ok().flatten()).any(|(_, body)| has(&body))
    };
    let found = files(dir);
    found.iter().filter(|path| has(&fs::read(path).unwrap()) || in_blocks(path)).count()
}

#[track_caller]
fn assert_sound(dir: &Path, at: i64) {
    let report = verify(&*LocalDir::at(dir), &mut |_| {}).unwrap();
    assert_eq!(report.wrong, Vec::<String>::new(), "{at}");
}

#[test]
fn what_is_taken_out_is_nowhere_and_all_else_is_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    grown(dir.path());
    assert!(remains(dir.path()) > 0);
    let before = files(dir.path());
    let done = run(&LocalDir::at(dir.path())).unwrap();
    let wanted_done = Erased { files: 4, emptied: 2, replaced: 4, is_growing: false };
    assert_eq!(done, wanted_done);
    assert_eq!(read(dir.path()), wanted(without, 32));
    assert_eq!(remains(dir.path()), 0);
    assert_sound(dir.path(), 0);
    // Two files of each partition are new ones, in place of the old ones.
    let after = files(dir.path());
    assert_eq!((after.len(), after.intersection(&before).count()), (before.len(), 1 + 8));
    // Nobody finds the key, and not even a block may have it.
    let key = Wanted { key: Some(ID.as_bytes().to_vec()), ..Wanted::default() };
    assert_eq!(all(&ArchiveReader::open(dir.path()).unwrap(), &key), []);
    let other = Wanted { key: Some(b"13".to_vec()), ..Wanted::default() };
    assert_eq!(all(&ArchiveReader::open(dir.path()).unwrap(), &other).len(), 2);
    // A second time there is nothing to do, and nothing is written.
    assert_eq!(run(&LocalDir::at(dir.path())).unwrap(), Erased::default());
    assert_eq!(files(dir.path()), after);
    // And files may be written anew again.
    let mut nobody = |_: &Record| Ok(Fate::Empty);
    let done = erase(&LocalDir::at(dir.path()), &mut nobody, &mut |_| {}).unwrap();
    assert_eq!((done.files, done.emptied), (8, 62));
    assert_sound(dir.path(), 0);
    assert!(files(dir.path()).iter().any(|path| path.ends_with("00000000000000000008.2.avro")));
}

#[test]
fn an_emptied_record_is_skipped_as_a_tombstone_is() {
    let dir = tempfile::tempdir().unwrap();
    grown(dir.path());
    run(&LocalDir::at(dir.path())).unwrap();
    let emptied = read(dir.path()).into_iter().nth(9).unwrap();
    assert_eq!(emptied, Record { timestamp_ms: 1_009, ..Record::at(emptied.position.clone()) });
    assert!(matches!(wire(&emptied), Err(Aside::Skip(rule)) if rule.contains("tombstone")));
}

/// The same without waiting for the disk.
fn copied(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let (path, to) = (entry.as_ref().unwrap().path(), to.join(entry.unwrap().file_name()));
        if path.is_dir() {
            copied(&path, &to);
        } else {
            fs::copy(path, to).unwrap();
        }
    }
}

/// A crash between any two steps leaves each record as it was or as it is to be, and whoever comes
/// next, to erase, to append or to prune, deletes what it left.
#[test]
fn a_crash_at_any_step_leaves_a_sound_archive() {
    let whole = tempfile::tempdir().unwrap();
    grown(whole.path());
    for steps in 0.. {
        let dir = tempfile::tempdir().unwrap();
        copied(whole.path(), dir.path());
        let crashed = run(&Shaky::at(dir.path(), steps)).is_err();
        assert_sound(dir.path(), steps);
        let either = wanted(with_person, 32).into_iter().zip(wanted(without, 32));
        let found = read(dir.path()).into_iter();
        assert!(found.zip(either).all(|(found, (old, new))| found == old || found == new));
        match steps % 3 {
            0 => {}
            1 => drop(open(dir.path())),
            _ => {
                let none = Pruning { before_ms: 0, keep_last: 1, dry: false };
                prune(&*LocalDir::at(dir.path()), none).unwrap();
            }
        }
        // The next manifest replaces one that was not finished.
        let mut left = files(dir.path());
        left.remove(&dir.path().join("archive.json.partial"));
        assert!(steps % 3 == 0 || left.len() == 17, "{steps}: {left:?}");
        run(&LocalDir::at(dir.path())).unwrap();
        assert_eq!(read(dir.path()), wanted(without, 32), "{steps}");
        assert_eq!((files(dir.path()).len(), remains(dir.path())), (17, 0), "{steps}");
        assert_sound(dir.path(), steps);
        if !crashed {
            assert!(steps > 60, "{steps}");
            break;
        }
    }
}

#[test]
fn a_single_fault_is_told_and_spoils_nothing() {
    let whole = tempfile::tempdir().unwrap();
    grown(whole.path());
    for steps in 0.. {
        let dir = tempfile::tempdir().unwrap();
        copied(whole.path(), dir.path());
        let failed = run(&Shaky::once(dir.path(), steps)).is_err();
        assert_sound(dir.path(), steps);
        run(&LocalDir::at(dir.path())).unwrap();
        assert_eq!((files(dir.path()).len(), remains(dir.path())), (17, 0), "{steps}");
        if !failed {
            break;
        }
    }
}

#[test]
fn a_writer_goes_on_beside_it_and_what_a_dead_one_left_is_deleted() {
    let dir = tempfile::tempdir().unwrap();
    grown(dir.path());
    let mut appender = open(dir.path());
    let late = |offset| Record { key: Some(ID.as_bytes().to_vec()), ..record(&topic(0), offset) };
    (32..45).for_each(|n| appender.append(&late(n)).unwrap());
    let done = run(&LocalDir::at(dir.path())).unwrap();
    assert_eq!((done.files, done.is_growing), (4, true), "its files are not listed yet");
    appender.save().unwrap();
    let mut nobody =
        |record: &Record| Ok(if record.position.offset.0 < 32 { Fate::Keep } else { Fate::Empty });
    let done = erase(&LocalDir::at(dir.path()), &mut nobody, &mut |_| {}).unwrap();
    assert_eq!((done.files, done.emptied), (1, 8), "the one that is listed now");
    (45..50).for_each(|n| appender.append(&record(&topic(0), n)).unwrap());
    appender.seal(&topic(0)).unwrap();
    // It dies before it has listed what it has finished.
    drop(appender);
    assert_sound(dir.path(), 0);
    assert!(remains(dir.path()) > 0);
    run(&LocalDir::at(dir.path())).unwrap();
    assert_eq!((remains(dir.path()), read(dir.path()).len()), (0, 64 + 8));
    assert_eq!(open(dir.path()).end(&topic(0)).unwrap().value(), 40);
}

#[test]
fn what_an_eraser_is_about_to_list_is_left_to_it() {
    let dir = tempfile::tempdir().unwrap();
    grown(dir.path());
    let storage = LocalDir::at(dir.path());
    let sibling = dir.path().join(&*topic(0).topic).join("0/00000000000000000008.1.avro");
    fs::write(&sibling, b"x").unwrap();
    let lock = storage.lock(ERASER_LOCK, false).unwrap();
    open(dir.path());
    prune(&*storage, Pruning { before_ms: 0, keep_last: 1, dry: false }).unwrap();
    assert!(sibling.exists());
    drop(lock);
    open(dir.path());
    assert!(!sibling.exists());
    // Any other name is a stranger's.
    for name in ["8.1.avro", "00000000000000000008.x.avro", "00000000000000000003.1.avro"] {
        fs::write(sibling.with_file_name(name), b"x").unwrap();
        let manifest = Manifest::read(dir.path()).unwrap();
        let entry = manifest.partition(&topic(0)).unwrap();
        let strangers = strangers(&*storage, &topic(0), entry).unwrap();
        assert!(strangers.iter().all(|it| !it.is_edition && !it.passes), "{name}");
        fs::remove_file(sibling.with_file_name(name)).unwrap();
    }
}

#[test]
fn what_is_pruned_meanwhile_stays_away() {
    let dir = tempfile::tempdir().unwrap();
    grown(dir.path());
    let mut pruned = 0;
    let mut judge = |record: &Record| {
        if record.position.offset.0 == 10 {
            // All but the last file, among them the one that is looked at.
            let old = Pruning { before_ms: 9_999, keep_last: 1, dry: false };
            pruned += prune(&*LocalDir::at(dir.path()), old)?.len();
        }
        judge(record)
    };
    let done = erase(&LocalDir::at(dir.path()), &mut judge, &mut |_| {}).unwrap();
    assert_eq!((pruned, done), (2, Erased::default()));
    assert_sound(dir.path(), 0);
    assert_eq!((files(dir.path()).len(), remains(dir.path())), (2 * 2 + 1, 0));
}

#[tokio::test]
async fn who_reads_meanwhile_goes_on_in_what_is_there_now() {
    let place = Place::empty();
    let dir = &place.config.dir;
    grown(dir);
    let reader = ArchiveReader::open(dir).unwrap();
    let log = ArchiveLog::open(&place.config).unwrap();
    // One look is in the middle of a file when that is written anew.
    let mut found = Vec::new();
    let jumps = Wanted { key: Some(b"12".to_vec()), ..Wanted::default() };
    let mut visit = |record: Record| {
        if found.is_empty() {
            run(&LocalDir::at(dir)).unwrap();
        }
        found.push(record);
        ControlFlow::Continue(())
    };
    reader.visit_topic(&topic(0).topic, &Wanted::default(), &mut visit).unwrap();
    assert_eq!(found, wanted(without, 32));
    assert_eq!(all(&reader, &jumps).len(), 2);
    let (records, fault) = read_through(log).await;
    assert!(fault.is_none());
    assert_eq!(records, wanted(without, 32));
    // A verification sees the files change behind the first one.
    let mut round = 0;
    let mut told = |_| {
        round += 1;
        let mut nobody = |record: &Record| {
            Ok(if record.position.offset.0 < 8 { Fate::Keep } else { Fate::Empty })
        };
        erase(&LocalDir::at(dir), &mut nobody, &mut |_| {}).unwrap();
    };
    let report = verify(&*LocalDir::at(dir), &mut told).unwrap();
    assert_eq!((report.wrong, report.files, report.records), (Vec::new(), 8, 64));
}

#[tokio::test]
async fn positions_in_an_archive_that_was_written_at_once_hold() {
    let place = Place::empty();
    let dir = &place.config.dir;
    let mut writer = ArchiveWriter::create(dir, TINY).unwrap();
    (0..32).for_each(|n| writer.append_record(&with_person(&topic(0), n)).unwrap());
    let before = writer.finish().unwrap();
    assert_eq!(place.read().await.0.len(), 32);
    assert_eq!(run(&LocalDir::at(dir)).unwrap().files, 2);
    let after = Manifest::read(dir).unwrap();
    assert_eq!(after.name(), before.name());
    assert_ne!(after.id, before.id);
    assert_eq!(place.read().await.0.len(), 0, "all was read already");
    // What an interrupted erasing left is no stranger.
    let sibling = place.file(0, 8).with_file_name("00000000000000000008.avro.partial");
    fs::write(&sibling, b"x").unwrap();
    assert_eq!(place.read().await.0.len(), 0);
    run(&LocalDir::at(dir)).unwrap();
    assert!(!sibling.exists());
    assert_sound(dir, 0);
}

#[test]
fn a_damaged_file_is_told_and_the_others_are_as_they_were() {
    let dir = tempfile::tempdir().unwrap();
    grown(dir.path());
    let path = dir.path().join(&*topic(0).topic).join("0/00000000000000000008.avro");
    let mut bytes = fs::read(&path).unwrap();
    let last = bytes.len() - 30;
    bytes[last] ^= 1;
    fs::write(&path, bytes).unwrap();
    let told = run(&LocalDir::at(dir.path())).unwrap_err().to_string();
    assert!(told.contains("00000008.avro is damaged") && !told.contains(ID), "{told}");
    let nowhere = dir.path().join("nowhere");
    assert!(run(&LocalDir::at(&nowhere)).is_err() && !nowhere.exists());
}
