//! Stores that may forget what they have acknowledged: they note, behind the documents, how far
//! partitions are settled. What such a store forgets, it forgets with the note, so that the note
//! tells from where its documents are to be folded again.

use std::sync::Arc;

use readmill_core::{Finished, Partition, ReadModel, ResumeAt};
use tokio::sync::{OwnedRwLockReadGuard, RwLock, watch};

use crate::fault::Fault;
use crate::feed::{Back, Feed};
use crate::metrics::Meter;
use crate::patience::{Patience, patiently};
use crate::ports::Ports;

/// The most that a note has of what is finished beyond its position.
const FINISHED_BYTES: usize = 2048;

/// What all rivers of a model know together of a store that may forget: when one of them finds that
/// it was rolled back, all let go of their partitions before any begins anew. Otherwise one would
/// fold later records into documents that have lost earlier ones.
#[derive(Debug, Clone)]
pub struct Memory {
    epoch: Arc<watch::Sender<u64>>,
    rivers: Arc<RwLock<()>>,
}

impl Default for Memory {
    fn default() -> Self {
        Self { epoch: Arc::new(watch::Sender::new(0)), rivers: Arc::default() }
    }
}

/// A river's part in it.
#[derive(Debug)]
pub struct Remembering {
    memory: Memory,
    epoch: u64,
    seen: watch::Receiver<u64>,
    _flows: OwnedRwLockReadGuard<()>,
}

impl Memory {
    /// A river begins, once none flows that is to let go.
    pub async fn begin(&self) -> Remembering {
        let flows = Arc::clone(&self.rivers).read_owned().await;
        let seen = self.epoch.subscribe();
        let epoch = *seen.borrow();
        Remembering { memory: self.clone(), epoch, seen, _flows: flows }
    }
}

impl Remembering {
    /// Waits until another river finds that the store was rolled back.
    pub async fn lost(&mut self) -> Fault {
        let epoch = self.epoch;
        // The sender lives as long as this.
        let _ = self.seen.wait_for(|now| *now != epoch).await;
        Fault::RolledBack { service: "the store", detail: "another partition found it".to_owned() }
    }

    /// Lets go, lets all others go, and waits until they have.
    async fn all_let_go(self) {
        let Self { memory, epoch, seen, _flows } = self;
        memory.epoch.send_if_modified(|now| {
            let first = *now == epoch;
            *now += u64::from(first);
            first
        });
        drop((seen, _flows));
        drop(memory.rivers.write().await);
    }
}

/// What the notes of a partition are good for.
#[derive(Debug)]
pub struct Notes {
    kept: bool,
    last: Option<String>,
}

impl Notes {
    /// Compares what the store has noted with where the log begins.
    ///
    /// # Errors
    /// `RolledBack` when the store is behind the log; a fault that does not pass.
    pub async fn compare<M: ReadModel>(
        patience: &mut Patience,
        ports: &Ports<M>,
        feed: &Feed,
    ) -> Result<Self, Fault> {
        let Some(noted) = read(patience, ports, &feed.partition).await? else {
            return Ok(Self { kept: false, last: None });
        };
        let begins = feed.begins().unwrap_or(ResumeAt::START);
        let at = noted.map_or(ResumeAt::START, |noted| noted.to);
        if at < begins {
            let (at, begins) = (at.value(), begins.value());
            return Err(Fault::RolledBack {
                service: "the store",
                detail: format!("it stands at {at} where {begins} was settled"),
            });
        }
        Ok(Self { kept: true, last: None })
    }

    /// Notes how far the partition is settled, where the store needs it: before the log learns.
    ///
    /// # Errors
    /// `RolledBack` when the store has forgotten something; a fault that does not pass.
    pub async fn note<M: ReadModel>(
        &mut self,
        patience: &mut Patience,
        ports: &Ports<M>,
        partition: &Partition,
        (resume_at, finished): (ResumeAt, &Finished),
    ) -> Result<(), Fault> {
        if !self.kept {
            return Ok(());
        }
        let text = to_text(resume_at, finished);
        if self.last.as_ref() != Some(&text) {
            let note = [(partition.clone(), text)];
            patiently!(patience, ports.store.note_settled(&note))?;
            self.last = note.into_iter().next().map(|(_, text)| text);
        }
        Ok(())
    }
}

/// Lets go of a partition whose store was rolled back: it begins anew where the store stands.
///
/// # Errors
/// When the log only goes forward; a fault that does not pass.
pub async fn go_back<M: ReadModel>(
    patience: &mut Patience,
    ports: &Ports<M>,
    (feed, remembering): (Feed, Remembering),
    because: &Fault,
) -> Result<(), Fault> {
    let partition = feed.partition.clone();
    remembering.all_let_go().await;
    let noted = read(patience, ports, &partition).await?.flatten();
    let back = noted.unwrap_or(Back { to: ResumeAt::START, finished: Finished::default() });
    tracing::error!(model = M::NAME, %partition, resume_at = back.to.value(), %because,
        "what is lost is folded again from the log");
    ports.metrics.add(Meter::RolledBack, &[M::NAME], 1);
    if feed.go_back(back) {
        return Ok(());
    }
    Err(Fault::Damaged {
        what: format!("the store of {}", M::NAME),
        detail: because.to_string(),
        hint: "this source only goes forward: rebuild the model into a new generation",
    })
}

/// What is noted of a partition; none at all from a store that forgets nothing.
async fn read<M: ReadModel>(
    patience: &mut Patience,
    ports: &Ports<M>,
    partition: &Partition,
) -> Result<Option<Option<Back>>, Fault> {
    let noted = patiently!(patience, ports.store.noted(std::slice::from_ref(partition)))?;
    let Some(texts) = noted else { return Ok(None) };
    let text = texts.into_iter().next().flatten();
    Ok(Some(text.and_then(|text| from_text(&text))))
}

fn to_text(resume_at: ResumeAt, finished: &Finished) -> String {
    format!("{}|{}", resume_at.value(), finished.to_text(resume_at, FINISHED_BYTES))
}

fn from_text(text: &str) -> Option<Back> {
    let (to, finished) = text.split_once('|')?;
    let to = ResumeAt::stored(to.parse().ok()?);
    Some(Back { to, finished: Finished::from_text(finished, to) })
}

#[cfg(test)]
mod tests {
    use readmill_core::Offset;

    use super::*;

    #[test]
    fn a_note_reads_back_and_another_text_is_none() {
        let to = ResumeAt::stored(40);
        let finished = Finished::beyond((0..9).map(|n| (Offset(40 + n), n % 3 != 0)));
        assert_eq!(from_text(&to_text(to, &finished)), Some(Back { to, finished }));
        for other in ["", "40", "x|y", "rk1;|"] {
            assert_eq!(from_text(other), None, "{other}");
        }
    }
}
