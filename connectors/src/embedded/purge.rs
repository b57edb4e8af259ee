//! Taking the bytes of erased values from the disk, where they stand in journals and old tables.

use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use fjall::{Database, Keyspace, PersistMode};
use readmill_engine::Fault;

use super::faults::{SERVICE, of_io, of_store};
use super::store::keyspace;

/// A space that has nothing in it but what pushes the journal on.
const FILLER: &str = "purge";

/// The engine begins a new journal once one is larger than 64 MB. It writes values as they are: see
/// how the directory is opened.
const FILLER_VALUES: u8 = 17;
const FILLER_VALUE_BYTES: usize = 4_000_000;

const PURGE_LIMIT: Duration = Duration::from_secs(120);
const LOOK: Duration = Duration::from_millis(10);

/// Lets everything that was erased disappear from a space's tables and from the journals.
///
/// Its tables are merged into new ones without it; the old ones go when anything is moved to a
/// table next. A journal goes once all that is in it stands in tables, and the engine begins a new
/// one only when the last is full: so it is filled, and all spaces are moved to tables.
pub fn purge(db: &Database, directory: &Path, erased: &Keyspace) -> Result<(), Fault> {
    let told = |error: fjall::Error| of_store(directory, &error);
    let old = journals(directory).map_err(|error| of_io(directory, &error))?;
    let until = Instant::now() + PURGE_LIMIT;
    let to_tables = |space: &Keyspace| {
        space.rotate_memtable().map_err(told)?;
        wait(db, directory, until, || space.sealed_memtable_count() == 0)
    };
    to_tables(erased)?;
    erased.major_compact().map_err(told)?;
    let filler = keyspace(db, directory, FILLER)?;
    fill(db, &filler).map_err(told)?;
    for name in db.list_keyspace_names() {
        if &*name != FILLER {
            to_tables(&keyspace(db, directory, &name)?)?;
        }
    }
    to_tables(&filler)?;
    db.delete_keyspace(filler).map_err(told)?;
    wait(db, directory, until, || !old.iter().any(|journal| journal.exists()))
}

fn fill(db: &Database, filler: &Keyspace) -> fjall::Result<()> {
    for number in 0..FILLER_VALUES {
        let mut batch = db.batch();
        batch.insert(filler, [number], vec![0; FILLER_VALUE_BYTES]);
        batch.commit()?;
    }
    Ok(())
}

fn journals(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "jnl") {
            found.push(path);
        }
    }
    Ok(found)
}

/// Waits for the engine's own threads, as long as they live.
fn wait(
    db: &Database,
    directory: &Path,
    until: Instant,
    is_done: impl Fn() -> bool,
) -> Result<(), Fault> {
    while !is_done() {
        db.persist(PersistMode::Buffer).map_err(|error| of_store(directory, &error))?;
        if Instant::now() >= until {
            let detail = "it has not taken all erased bytes from the disk in time".to_owned();
            return Err(Fault::Silent { service: SERVICE, detail });
        }
        thread::sleep(LOOK);
    }
    Ok(())
}
