//! The one thread that writes: it compares, groups what has piled up, and syncs once a group.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use fjall::{Database, Keyspace, PersistMode};
use readmill_engine::Fault;
use tokio::sync::{mpsc, oneshot};

use super::faults::{of_io, of_store, refused};
use super::plan::{Cell, revision_of};
use super::revisions::{Revisions, Standing};
use super::store::keyspace;

/// How many puts may stand in the queue; more wait outside.
const MAX_QUEUED_PUTS: usize = 256;

/// A group is closed when it has this many bytes, so that one sync stays short.
const MAX_GROUP_BYTES: usize = 8 << 20;

/// For the revisions of two million keys.
const MAX_REVISION_BYTES: usize = 32 << 20;

/// The way to the writing thread. One thread is the compare-and-set's lock, keeps waiting for the
/// disk off the runtime, and lets all puts that came during one sync share the next.
pub struct Writer {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

enum Job {
    Put(PutJob),
    /// Takes a whole space away. It comes in its turn, so that nothing is written into a space that
    /// is gone.
    Drop {
        space: Arc<str>,
        done: oneshot::Sender<Result<(), Fault>>,
    },
}

struct PutJob {
    space: Arc<str>,
    cells: Vec<Cell>,
    done: oneshot::Sender<Result<Vec<bool>, Fault>>,
}

impl Writer {
    /// Starts the thread.
    pub fn start(db: Database, directory: &Path) -> Result<Self, Fault> {
        let (jobs, queue) = mpsc::channel(MAX_QUEUED_PUTS);
        let revisions = Revisions::within(MAX_REVISION_BYTES);
        let desk = Desk { db, directory: directory.to_owned(), revisions };
        let thread = thread::Builder::new()
            .name("embedded-writer".to_owned())
            .spawn(move || desk.work(queue))
            .map_err(|error| of_io(directory, &error))?;
        Ok(Self { jobs: Some(jobs), thread: Mutex::new(Some(thread)) })
    }

    /// Writes the cells whose guards allow it, and answers for each, when all of them are durable.
    pub async fn put(&self, space: &Arc<str>, cells: Vec<Cell>) -> Result<Vec<bool>, Fault> {
        if cells.is_empty() {
            return Ok(Vec::new());
        }
        let (done, verdicts) = oneshot::channel();
        self.give(Job::Put(PutJob { space: Arc::clone(space), cells, done })).await?;
        verdicts.await.map_err(|_| gone())?
    }

    /// Takes away a space with all that is in it; durable when it answers.
    pub async fn drop_space(&self, space: &Arc<str>) -> Result<(), Fault> {
        let (done, dropped) = oneshot::channel();
        self.give(Job::Drop { space: Arc::clone(space), done }).await?;
        dropped.await.map_err(|_| gone())?
    }

    async fn give(&self, job: Job) -> Result<(), Fault> {
        let jobs = self.jobs.as_ref().ok_or_else(gone)?;
        jobs.send(job).await.map_err(|_| gone())
    }
}

fn gone() -> Fault {
    refused("its writing thread has stopped", "look in the log, then start again")
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

/// The thread's own things.
struct Desk {
    db: Database,
    directory: PathBuf,
    revisions: Revisions,
}

impl Desk {
    fn work(mut self, mut queue: mpsc::Receiver<Job>) {
        let mut next = None;
        while let Some(job) = next.take().or_else(|| queue.blocking_recv()) {
            match job {
                Job::Drop { space, done } => drop(done.send(self.drop_space(&space))),
                Job::Put(first) => {
                    let mut bytes = weight(&first);
                    let mut group = vec![first];
                    while bytes < MAX_GROUP_BYTES
                        && let Ok(job) = queue.try_recv()
                    {
                        match job {
                            Job::Put(put) => {
                                bytes += weight(&put);
                                group.push(put);
                            }
                            other @ Job::Drop { .. } => {
                                next = Some(other);
                                break;
                            }
                        }
                    }
                    self.commit(group);
                }
            }
        }
    }

    fn drop_space(&self, space: &str) -> Result<(), Fault> {
        let keyspace = keyspace(&self.db, &self.directory, space)?;
        let dropped = self.db.delete_keyspace(keyspace);
        dropped.map_err(|error| of_store(&self.directory, &error))
    }

    fn commit(&mut self, group: Vec<PutJob>) {
        // Synced before it is visible: nobody can build on a write that a power cut takes back.
        let mut batch = self.db.batch().durability(Some(PersistMode::SyncData));
        let mut made = Standing::new();
        let mut judged = Vec::with_capacity(group.len());
        for PutJob { space, cells, done } in group {
            let verdicts = keyspace(&self.db, &self.directory, &space)
                .and_then(|space| Ok((self.judge(&space, &cells, &mut made)?, space)));
            let verdicts = verdicts.map(|(verdicts, space)| {
                let allowed = cells.into_iter().zip(&verdicts).filter(|(_, allowed)| **allowed);
                for (cell, _) in allowed {
                    match cell.value {
                        Some(value) => batch.insert(&space, cell.key, value),
                        None => batch.remove(&space, cell.key),
                    }
                }
                verdicts
            });
            judged.push((done, verdicts));
        }
        let committed = batch.commit();
        self.remember(made, committed.is_ok());
        for (done, verdicts) in judged {
            let answer = match &committed {
                Ok(()) => verdicts,
                Err(error) => Err(of_store(&self.directory, error)),
            };
            // Whoever asked may have been given up meanwhile; the write stands all the same.
            drop(done.send(answer));
        }
    }

    /// A verdict for each cell, and what the group has made of their keys so far.
    fn judge(
        &mut self,
        space: &Keyspace,
        cells: &[Cell],
        made: &mut Standing,
    ) -> Result<Vec<bool>, Fault> {
        let mut verdicts = Vec::with_capacity(cells.len());
        let mut made_here = Vec::with_capacity(cells.len());
        for cell in cells {
            let name = self.revisions.name(space.id(), &cell.key);
            let stands = match made.get(&name) {
                Some(stands) => *stands,
                None => match self.revisions.get(name) {
                    Some(revision) => Some(revision),
                    None => self.stored(space, cell)?,
                },
            };
            let allowed = cell.guard.allows(stands);
            verdicts.push(allowed);
            if allowed {
                made_here.push((name, cell.value.as_ref().map(|_| cell.revision)));
            }
        }
        made.extend(made_here);
        Ok(verdicts)
    }

    fn stored(&self, space: &Keyspace, cell: &Cell) -> Result<Option<i64>, Fault> {
        let stored = space.get(&cell.key).map_err(|error| of_store(&self.directory, &error))?;
        stored.map(|value| revision_of(space.name(), &value)).transpose()
    }

    fn remember(&mut self, made: Standing, committed: bool) {
        if !committed {
            self.revisions.forget_all();
            return;
        }
        for (name, stands) in made {
            match stands {
                Some(revision) => self.revisions.set(name, revision),
                None => self.revisions.forget(name),
            }
        }
    }
}

fn weight(job: &PutJob) -> usize {
    job.cells.iter().map(|cell| cell.key.len() + cell.value.as_ref().map_or(0, |v| v.len())).sum()
}
