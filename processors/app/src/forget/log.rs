//! What the log still says of persons: it is not ours to change, but to be told of.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Result;
use readmill_core::forgotten::is_anybody_told_of_by;
use readmill_core::{Finished, Person, ResumeAt};
use readmill_engine::{Fault, Feed, Since, Until};
use readmill_schemas::Timestamp;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::bars::progress;
use crate::config::Config;
use crate::ports::Opening;
use crate::scratch::Excerpt;
use crate::services::Services;

const BATCH_RECORDS: usize = 1000;

/// What one topic says of them.
#[derive(Debug, Default)]
pub struct OfTopic {
    /// The topic.
    pub topic: String,
    /// How many records tell of them.
    pub records: u64,
    /// When the first of those was written, in milliseconds since 1970.
    first_ms: Option<i64>,
    /// When the last of those was.
    last_ms: Option<i64>,
}

impl OfTopic {
    /// In words.
    pub fn words(&self) -> String {
        let time = |ms: Option<i64>| Timestamp::from_millis(ms.unwrap_or(0));
        format!(
            "{}: {} records tell of them, written from {} to {}",
            self.topic,
            self.records,
            time(self.first_ms),
            time(self.last_ms)
        )
    }

    /// For a receipt.
    pub fn written(&self) -> Value {
        let time = |ms: Option<i64>| ms.map(|ms| Timestamp::from_millis(ms).to_string());
        json!({
            "topic": self.topic, "records": self.records,
            "first": time(self.first_ms), "last": time(self.last_ms),
        })
    }

    fn note(&mut self, at_ms: i64) {
        self.records += 1;
        self.first_ms = Some(self.first_ms.map_or(at_ms, |first| first.min(at_ms)));
        self.last_ms = self.last_ms.max(Some(at_ms));
    }
}

/// Looks through all that the log has of the models' topics.
///
/// # Errors
/// When the log cannot be read.
pub async fn look(
    config: &Config,
    services: &Services,
    persons: &Arc<[Person]>,
) -> Result<Vec<OfTopic>> {
    let mut found: BTreeMap<String, OfTopic> = BTreeMap::new();
    for model in &config.models {
        let mut model = model.clone();
        model.topics.retain(|topic| !found.contains_key(topic));
        if model.topics.is_empty() {
            continue;
        }
        for topic in &model.topics {
            let of = OfTopic { topic: topic.clone(), ..OfTopic::default() };
            found.insert(topic.clone(), of);
        }
        let opening = Opening { config, model: &model, services };
        let excerpt = Excerpt::open(opening, Since::Beginning, Until::Now).await?;
        let bar = progress(excerpt.most_records(), "records of the log looked at");
        let Excerpt { mut log, .. } = excerpt;
        let mut workers: JoinSet<Result<Vec<(String, i64)>, Fault>> = JoinSet::new();
        while let Some(feed) = log.assigned().await? {
            workers.spawn(tells(feed, Arc::clone(persons), bar.clone()));
        }
        while let Some(worker) = workers.join_next().await {
            for (topic, at_ms) in worker?? {
                if let Some(of) = found.get_mut(&topic) {
                    of.note(at_ms);
                }
            }
        }
        log.stop().await?;
        bar.finish_and_clear();
    }
    Ok(found.into_values().collect())
}

async fn tells(
    mut feed: Feed,
    persons: Arc<[Person]>,
    bar: indicatif::ProgressBar,
) -> Result<Vec<(String, i64)>, Fault> {
    let mut found = Vec::new();
    while let Some(records) = feed.next(BATCH_RECORDS).await {
        bar.inc(records.len() as u64);
        let next = records.last().map(|last| ResumeAt::stored(last.position.offset.0 + 1));
        let told = records.iter().filter(|record| is_anybody_told_of_by(&persons, record));
        found.extend(
            told.map(|record| (record.position.partition.topic.to_string(), record.timestamp_ms)),
        );
        if let Some(next) = next {
            feed.settle(next, Finished::default());
        }
    }
    Ok(found)
}
