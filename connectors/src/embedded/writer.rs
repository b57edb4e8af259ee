//! The one thread that writes: it compares, groups what has piled up, and syncs once a group.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::sync::Mutex;
use std::thread::{self, JoinHandle};

use fjall::{Database, Keyspace, PersistMode, Slice};
use readmill_engine::Fault;
use tokio::sync::{mpsc, oneshot};

use super::faults::{of_io, of_store, refused};
use super::plan::{Cell, revision_of};

/// How many puts may stand in the queue; more wait outside.
const MAX_QUEUED_PUTS: usize = 256;

/// A group is closed when it has this many bytes, so that one sync stays short.
const MAX_GROUP_BYTES: usize = 8 << 20;

/// The way to the writing thread. One thread is the compare-and-set's lock, keeps waiting for the
/// disk off the runtime, and lets all puts that came during one sync share the next.
pub struct Writer {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

struct Job {
    space: Keyspace,
    cells: Vec<Cell>,
    done: oneshot::Sender<Result<Vec<bool>, Fault>>,
}

impl Writer {
    /// Starts the thread.
    pub fn start(db: Database, directory: &Path) -> Result<Self, Fault> {
        let (jobs, queue) = mpsc::channel(MAX_QUEUED_PUTS);
        let owned = directory.to_owned();
        let thread = thread::Builder::new()
            .name("embedded-writer".to_owned())
            .spawn(move || write(&db, &owned, queue))
            .map_err(|error| of_io(directory, &error))?;
        Ok(Self { jobs: Some(jobs), thread: Mutex::new(Some(thread)) })
    }

    /// Writes the cells whose guards allow it, and answers for each, when all of them are durable.
    pub async fn put(&self, space: &Keyspace, cells: Vec<Cell>) -> Result<Vec<bool>, Fault> {
        if cells.is_empty() {
            return Ok(Vec::new());
        }
        let (done, verdicts) = oneshot::channel();
        let job = Job { space: space.clone(), cells, done };
        let gone =
            || refused("its writing thread has stopped", "look in the log, then start again");
        let jobs = self.jobs.as_ref().ok_or_else(gone)?;
        jobs.send(job).await.map_err(|_| gone())?;
        verdicts.await.map_err(|_| gone())?
    }
}

/// The thread holds the directory's lock: who has dropped a store may open it again.
impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.jobs.take());
        let thread = self.thread.lock().map(|mut thread| thread.take());
        if let Ok(Some(thread)) = thread
            && thread.join().is_err()
        {
            tracing::error!("the embedded store's writing thread has panicked");
        }
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

fn write(db: &Database, directory: &Path, mut queue: mpsc::Receiver<Job>) {
    while let Some(first) = queue.blocking_recv() {
        let mut bytes = weight(&first);
        let mut group = vec![first];
        while bytes < MAX_GROUP_BYTES
            && let Ok(next) = queue.try_recv()
        {
            bytes += weight(&next);
            group.push(next);
        }
        commit(db, directory, group);
    }
}

fn weight(job: &Job) -> usize {
    job.cells.iter().map(|cell| cell.key.len() + cell.value.as_ref().map_or(0, |v| v.len())).sum()
}

/// What the group itself has made of keys so far, by space and key: a revision, or nothing.
type Ahead = HashMap<(u64, Slice), Option<i64>>;

fn commit(db: &Database, directory: &Path, group: Vec<Job>) {
    // Synced before it is visible: nobody can build on a write that a power cut takes back.
    let mut batch = db.batch().durability(Some(PersistMode::SyncData));
    let mut ahead = Ahead::new();
    let mut judged = Vec::with_capacity(group.len());
    for job in group {
        let verdicts = judge(&job, &ahead, directory);
        if let Ok(verdicts) = &verdicts {
            let allowed = job.cells.into_iter().zip(verdicts).filter(|(_, allowed)| **allowed);
            for (cell, _) in allowed {
                let made = cell.value.as_ref().map(|_| cell.revision);
                ahead.insert((job.space.id(), cell.key.clone()), made);
                match cell.value {
                    Some(value) => batch.insert(&job.space, cell.key, value),
                    None => batch.remove(&job.space, cell.key),
                }
            }
        }
        judged.push((job.done, verdicts));
    }
    let committed = batch.commit();
    for (done, verdicts) in judged {
        let answer = match &committed {
            Ok(()) => verdicts,
            Err(error) => Err(of_store(directory, error)),
        };
        // Whoever asked may have been given up meanwhile; the write stands all the same.
        drop(done.send(answer));
    }
}

fn judge(job: &Job, ahead: &Ahead, directory: &Path) -> Result<Vec<bool>, Fault> {
    job.cells
        .iter()
        .map(|cell| {
            if let Some(revision) = ahead.get(&(job.space.id(), cell.key.clone())) {
                return Ok(cell.guard.allows(*revision));
            }
            let stored = job.space.get(&cell.key).map_err(|error| of_store(directory, &error))?;
            let revision = stored.map(|value| revision_of(job.space.name(), &value)).transpose()?;
            Ok(cell.guard.allows(revision))
        })
        .collect()
}
