//! Where a partition begins: what the group has committed, held against what the log still has.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use rdkafka::Offset as KafkaOffset;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use readmill_core::{Partition, ResumeAt};
use readmill_engine::Fault;

use super::config::OnLostRecords;
use super::lines::list_of;
use super::note::Note;

/// One question of several takes no longer than this, so that another can be tried.
const ASK_LIMIT: Duration = Duration::from_secs(3);

/// What is known of a partition before it begins.
#[derive(Debug, Clone, Copy)]
pub struct Known {
    /// What the group committed.
    pub committed: Option<ResumeAt>,
    /// How far this very process had come with it before.
    pub left_at: Option<ResumeAt>,
    /// The first offset that the log still has, and the one after its last.
    pub log: (i64, i64),
}

/// Records that were lost before they were read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// The log begins behind the place to resume at: retention or a person deleted records.
    Truncated,
    /// The log ends before the place to resume at: the topic was made anew, or lost its end.
    Shorter,
    /// The group has no offset any more where this process had committed one: brokers forget them
    /// with the topic.
    Forgotten,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Truncated => "records were deleted before they were read",
            Self::Shorter => "the topic was made anew, or lost its end",
            Self::Forgotten => "the topic was made anew, or the group's offsets were deleted",
        })
    }
}

/// Where to begin: at a place, or with the first record that there is; or what is missing.
pub fn judge(known: &Known) -> Result<Option<ResumeAt>, Loss> {
    let (first, end) = known.log;
    match (known.committed, known.left_at) {
        (None, None) => Ok(None),
        (None, Some(_)) => Err(Loss::Forgotten),
        (Some(at), _) if at.value() < first => Err(Loss::Truncated),
        (Some(at), _) if at.value() > end => Err(Loss::Shorter),
        (Some(at), _) => Ok(Some(at)),
    }
}

/// What follows from a loss: the model stops, or goes on with the first record that there is.
///
/// # Errors
/// What is missing, where, and what to do about it.
pub fn answer(
    loss: Loss,
    partition: &Partition,
    known: &Known,
    policy: OnLostRecords,
) -> Result<(), Fault> {
    let at = known.committed.or(known.left_at).map_or(0, ResumeAt::value);
    let (first, end) = known.log;
    let found = format!("committed is {at}, the log has {first} up to {end}");
    match policy {
        OnLostRecords::Stop => Err(Fault::Refused {
            service: "kafka",
            detail: format!("{partition}: {loss}; {found}"),
            hint: "rebuild the model from an archive or as a new generation; or set \
                   kafka.on_lost_records = \"earliest\" to go on without what is lost",
        }),
        OnLostRecords::Earliest => {
            tracing::error!(%partition, at, first, end, %loss, "going on without what is lost");
            Ok(())
        }
    }
}

/// Asks the brokers, within a limit for all questions together.
#[derive(Debug, Clone, Copy)]
pub struct Asking {
    until: Instant,
}

impl Asking {
    /// From now on for so long.
    pub fn within(limit: Duration) -> Self {
        Self { until: Instant::now() + limit }
    }

    /// What the group committed for partitions; `None` when nobody answers in time.
    pub fn committed<C: ConsumerContext>(
        self,
        consumer: &BaseConsumer<C>,
        partitions: &[Partition],
    ) -> Option<BTreeMap<Partition, (ResumeAt, Note)>> {
        self.committed_or_why(consumer, partitions).ok()
    }

    /// The same, or the brokers' refusal; without one nobody answered in time.
    pub fn committed_or_why<C: ConsumerContext>(
        self,
        consumer: &BaseConsumer<C>,
        partitions: &[Partition],
    ) -> Result<BTreeMap<Partition, (ResumeAt, Note)>, Option<KafkaError>> {
        let ask = |limit| consumer.committed_offsets(list_of(partitions), limit);
        let found = self.ask("offsets", ask)?;
        let mut committed = BTreeMap::new();
        for element in found.elements() {
            if let KafkaOffset::Offset(offset) = element.offset() {
                let at = ResumeAt::stored(offset);
                let note = Note::from_text(element.metadata(), at);
                let partition = Partition::new(element.topic(), element.partition());
                committed.insert(partition, (at, note));
            }
        }
        Ok(committed)
    }

    /// The first offset that the log still has, and the one after its last.
    pub fn log<C: ConsumerContext>(
        self,
        consumer: &BaseConsumer<C>,
        partition: &Partition,
    ) -> Option<(i64, i64)> {
        let ask = |limit| consumer.fetch_watermarks(&partition.topic, partition.index, limit);
        self.ask("watermarks", ask).ok()
    }

    /// How many partitions a topic has.
    pub fn partitions<C: ConsumerContext>(
        self,
        consumer: &BaseConsumer<C>,
        topic: &str,
    ) -> Option<i32> {
        let ask = |limit| consumer.fetch_metadata(Some(topic), limit);
        let metadata = self.ask("metadata", ask).ok()?;
        let found = metadata.topics().iter().find(|found| found.name() == topic)?;
        i32::try_from(found.partitions().len()).ok().filter(|partitions| *partitions > 0)
    }

    fn ask<T>(
        self,
        what: &str,
        ask: impl Fn(Duration) -> KafkaResult<T>,
    ) -> Result<T, Option<KafkaError>> {
        loop {
            let left = self.until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(None);
            }
            match ask(left.min(ASK_LIMIT)) {
                Ok(answer) => return Ok(answer),
                Err(error) if is_forbidden(&error) => {
                    tracing::error!(what, %error, "the brokers do not permit the question");
                    return Err(Some(error));
                }
                Err(error) => tracing::debug!(what, %error, "asked again"),
            }
            std::thread::sleep(left.min(Duration::from_millis(100)));
        }
    }
}

/// Whether it is no use to ask again.
fn is_forbidden(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::TopicAuthorizationFailed
                | RDKafkaErrorCode::GroupAuthorizationFailed
                | RDKafkaErrorCode::ClusterAuthorizationFailed
        )
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_partition_begins_where_the_log_still_has_what_comes_next() {
        let table = [
            // committed, left at, log, where it begins
            (None, None, (0, 10), Ok(None)),
            (None, None, (5, 10), Ok(None)),
            (None, Some(3), (0, 10), Err(Loss::Forgotten)),
            (Some(0), None, (0, 0), Ok(Some(0))),
            (Some(5), None, (5, 10), Ok(Some(5))),
            (Some(10), None, (5, 10), Ok(Some(10))),
            (Some(4), None, (5, 10), Err(Loss::Truncated)),
            (Some(11), None, (5, 10), Err(Loss::Shorter)),
            (Some(7), Some(9), (5, 10), Ok(Some(7))),
        ];
        for (committed, left_at, log, wanted) in table {
            let committed = committed.map(ResumeAt::stored);
            let known = Known { committed, left_at: left_at.map(ResumeAt::stored), log };
            assert_eq!(judge(&known), wanted.map(|at| at.map(ResumeAt::stored)), "{known:?}");
        }
    }

    #[test]
    fn a_loss_stops_the_model_unless_told_otherwise() {
        let partition = Partition::new("shop.points", 3);
        let known = Known { committed: Some(ResumeAt::stored(4)), left_at: None, log: (5, 10) };
        let told = answer(Loss::Truncated, &partition, &known, OnLostRecords::Stop);
        let told = told.unwrap_err().to_string();
        for word in ["shop.points", "3", "deleted", "committed is 4", "5 up to 10", "earliest"] {
            assert!(told.contains(word), "{word}: {told}");
        }
        assert!(answer(Loss::Truncated, &partition, &known, OnLostRecords::Earliest).is_ok());
    }
}
