//! Whether records are settled in a generation, whoever works on their partitions.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use readmill_connectors::archive::ArchiveLog;
use readmill_connectors::kafka::Places;
use readmill_core::{Partition, Position, ResumeAt};
use readmill_engine::{Fault, Reached};
use tokio::sync::{Mutex, MutexGuard};
use tokio::time::{Instant, sleep_until, timeout_at};

use crate::config::{self, Config, question};
use crate::standing::Standing;

/// The group is asked so often at most, for all who wait together.
const ASK_EVERY: Duration = Duration::from_millis(100);
/// Partitions move: who works on them is looked at anew so often.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Which partitions there are is asked again so often at most.
const COUNT_EVERY: Duration = Duration::from_secs(5);

/// What is known of a generation's positions; cheap to clone.
#[derive(Debug, Clone)]
pub struct Reach(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: Arc<Config>,
    model: config::Model,
    /// What this process works on.
    reached: Reached,
    /// All else, as the group has committed it.
    others: Mutex<Others>,
}

#[derive(Debug, Default)]
struct Others {
    standing: Option<Standing>,
    partitions: Vec<Partition>,
    counted_at: Option<Instant>,
    places: Places,
    asked_at: Option<Instant>,
}

/// How far it has come with the records that were asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reaching {
    /// They are settled, and all before them.
    Settled,
    /// Not yet: where their partitions would be resumed, as far as that is known.
    NotYet(BTreeMap<Partition, Option<ResumeAt>>),
    /// Their partitions are none of the model's.
    NotOurs(String),
}

impl Reach {
    /// Of the generation that `model` means, which this process folds.
    pub fn of(config: Arc<Config>, model: config::Model, reached: Reached) -> Self {
        Self(Arc::new(Inner { config, model, reached, others: Mutex::default() }))
    }

    /// Waits until all of these records are settled, at most until then.
    ///
    /// A worker of this process knows it at once. Of partitions that others work on, it is known
    /// once their group has committed it, which is later, and never too early.
    ///
    /// # Errors
    /// When nobody says how far the group has come.
    pub async fn settled(&self, wanted: &[Position], until: Instant) -> Result<Reaching, Fault> {
        if let Some(stranger) = self.stranger(wanted) {
            return Ok(Reaching::NotOurs(stranger));
        }
        let mut known = BTreeMap::new();
        loop {
            let here = |record: &Position| self.0.reached.place(&record.partition);
            let open = wanted.iter().filter(|record| !covers(here(record), record));
            let (ours, others): (Vec<&Position>, Vec<&Position>) =
                open.partition(|record| here(record).is_some());
            let mut open = ours.first().copied();
            if !others.is_empty() {
                match timeout_at(until, self.of_others(&others)).await {
                    Ok(Ok(Some(missing))) => return Ok(Reaching::NotOurs(missing)),
                    Ok(told) => drop(told?),
                    Err(_) => return Ok(self.not_yet(wanted, &known)),
                }
                known = self.others().await.places.clone();
                let place = |record: &Position| known.get(&record.partition).copied();
                let behind = others.into_iter().find(|record| !covers(place(record), record));
                open = open.or(behind);
            }
            let Some(open) = open else { return Ok(Reaching::Settled) };
            let now = Instant::now();
            if now >= until {
                return Ok(self.not_yet(wanted, &known));
            }
            let pause = if here(open).is_some() { LOOK_EVERY } else { ASK_EVERY };
            tokio::select! {
                () = self.0.reached.settled(open) => {}
                () = sleep_until(until.min(now + pause)) => {}
            }
        }
    }

    /// Why a record is none of the model's, if one is not.
    fn stranger(&self, wanted: &[Position]) -> Option<String> {
        let topics = &self.0.model.topics;
        let stranger = wanted.iter().map(|record| &*record.partition.topic);
        let stranger =
            stranger.into_iter().find(|topic| !topics.iter().any(|ours| ours == topic))?;
        let known: Vec<&str> = topics.iter().map(String::as_str).collect();
        let name = self.0.model.row.name;
        Some(format!("{name} is not folded from \"{stranger}\"; {}", question(stranger, &known)))
    }

    /// Asks how far others have come. Answers why, if there is no such partition.
    async fn of_others(&self, wanted: &[&Position]) -> Result<Option<String>, Fault> {
        let mut others = self.others().await;
        let Others { standing, partitions, counted_at, places, asked_at } = &mut *others;
        let standing = match standing {
            Some(standing) => standing,
            None => standing.insert(Standing::of(&self.0.config, &self.0.model)?),
        };
        let group = match standing {
            Standing::Kafka(group) => group,
            Standing::Archive(archive) => {
                *places = ArchiveLog::settled(archive)?;
                return Ok(None);
            }
        };
        let is_known =
            |partitions: &[Partition], record: &&&Position| partitions.contains(&record.partition);
        if let Some(unknown) = wanted.iter().find(|record| !is_known(partitions, record)) {
            if counted_at.is_none_or(|at| at.elapsed() > COUNT_EVERY) {
                *partitions = group.ask(|group| group.partitions()).await?;
                *counted_at = Some(Instant::now());
                *asked_at = None;
            }
            if !is_known(partitions, &unknown) {
                let topic = &unknown.partition.topic;
                let many = partitions.iter().filter(|known| known.topic == *topic).count();
                return Ok(Some(format!("topic {topic} has partitions 0 to {}", many.max(1) - 1)));
            }
        }
        if asked_at.is_none_or(|at| at.elapsed() >= ASK_EVERY) {
            let all = partitions.clone();
            *places = group.ask(move |group| group.committed(&all)).await?;
            *asked_at = Some(Instant::now());
        }
        Ok(None)
    }

    async fn others(&self) -> MutexGuard<'_, Others> {
        self.0.others.lock().await
    }

    fn not_yet(&self, wanted: &[Position], known: &Places) -> Reaching {
        let place = |partition: &Partition| {
            self.0.reached.place(partition).or_else(|| known.get(partition).copied())
        };
        let partitions = wanted.iter().map(|record| &record.partition);
        Reaching::NotYet(partitions.map(|one| (one.clone(), place(one))).collect())
    }
}

fn covers(place: Option<ResumeAt>, record: &Position) -> bool {
    place.is_some_and(|at| at.covers(record.offset))
}
