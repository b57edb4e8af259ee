//! A look at consumer groups from outside: who is in them, and how far behind they are.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::admin::AdminOptions;
use rdkafka::consumer::Consumer;
use rdkafka::types::RDKafkaErrorCode;
use readmill_core::{Partition, ResumeAt};
use readmill_engine::Fault;
use tokio::time::sleep;

use super::begin::{Asking, Known, Loss, judge};
use super::config::KafkaConfig;
use super::door::{administrator, reader, why};
use super::ear::Ear;
use super::growth::{Probe, Seen};

/// Of so many partitions that are behind, it is looked for how old the next record is.
const LOOKED_AT: usize = 4;
/// Members that have left are in their group for a moment still.
const TRIES_TO_FORGET: u32 = 20;
const BETWEEN_TRIES: Duration = Duration::from_millis(500);

/// A group that the brokers know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// How many members it has.
    pub members: usize,
}

/// How far a group is behind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Behind {
    /// Whether it has committed anything at all.
    pub has_begun: bool,
    /// How many records it has not settled: an offset need not be a record.
    pub records: u64,
    /// When the oldest of those was written that were looked at, in milliseconds since 1970.
    pub oldest_ms: Option<i64>,
    /// Where the log has not what comes next: the partition, what is committed, and what is wrong.
    pub lost: Vec<(Partition, i64, String)>,
}

/// All groups whose names begin so.
///
/// # Errors
/// When no broker answers.
pub fn groups(config: &KafkaConfig, prefix: &str) -> Result<Vec<Group>, Fault> {
    let consumer = reader(config, &config.client(), format!("groups {prefix}…"))?;
    let listed = consumer.fetch_group_list(None, config.connect_timeout());
    let silent = |error| {
        let detail = format!("nobody lists the groups: {error}");
        why(&consumer, consumer.context()).unwrap_or(Fault::Silent { service: "kafka", detail })
    };
    let listed = listed.map_err(silent)?;
    let own = listed.groups().iter().filter(|group| group.name().starts_with(prefix));
    Ok(own
        .map(|group| Group { name: group.name().to_owned(), members: group.members().len() })
        .collect())
}

/// Has the brokers forget a group, positions and all, once nobody is in it.
///
/// # Errors
/// When no broker answers, the right to delete it is missing, or somebody stays in it.
pub async fn forget(config: &KafkaConfig, group: &str) -> Result<(), Fault> {
    let refused = |detail: String, hint| Fault::Refused { service: "kafka", detail, hint };
    let Some(admin) = administrator(config, &Ear::new(config, format!("group {group}")))? else {
        let detail = format!("group {group} is not deleted with OAUTHBEARER");
        return Err(refused(detail, BY_HAND));
    };
    let options = AdminOptions::new().request_timeout(Some(config.connect_timeout()));
    for _ in 0..TRIES_TO_FORGET {
        let answer = admin.delete_groups(&[group], &options).await;
        let answer = answer.map_err(|error| Fault::Silent {
            service: "kafka",
            detail: format!("nobody deletes group {group}: {error}"),
        })?;
        match answer.into_iter().next() {
            None | Some(Ok(_) | Err((_, RDKafkaErrorCode::GroupIdNotFound))) => return Ok(()),
            Some(Err((_, RDKafkaErrorCode::NonEmptyGroup))) => sleep(BETWEEN_TRIES).await,
            Some(Err((_, code))) => {
                return Err(refused(format!("group {group} cannot be deleted: {code}"), BY_HAND));
            }
        }
    }
    Err(refused(format!("group {group} cannot be deleted: it has a member"), BY_HAND))
}

const BY_HAND: &str = "give the client the right Delete on it, or use kafka-consumer-groups.sh \
                       --delete; it does no harm meanwhile";

/// How far a group is behind in partitions, each with the first offset that its log still has and
/// the one after its last.
///
/// # Errors
/// When no broker answers.
pub fn behind(
    config: &KafkaConfig,
    group: &str,
    logs: &BTreeMap<Partition, (i64, i64)>,
) -> Result<Behind, Fault> {
    let consumer = reader(config, &config.reader(group), format!("group {group}"))?;
    let partitions: Vec<Partition> = logs.keys().cloned().collect();
    let committed = Asking::within(config.connect_timeout()).committed(&consumer, &partitions);
    let committed = committed.ok_or_else(|| Fault::Silent {
        service: "kafka",
        detail: format!("nobody says how far the group {group} has come"),
    })?;
    let mut behind = Behind { has_begun: !committed.is_empty(), ..Behind::default() };
    let mut late: Vec<(u64, Partition, ResumeAt)> = Vec::new();
    for (partition, log) in logs {
        let at = committed.get(partition).map(|(at, _)| *at);
        match judge(&Known { committed: at, left_at: None, log: *log }) {
            Ok(at) => {
                let at = at.unwrap_or(ResumeAt::stored(log.0));
                let left = log.1.saturating_sub(at.value()).max(0).cast_unsigned();
                behind.records += left;
                late.push((left, partition.clone(), at));
            }
            Err(loss) => {
                let committed = at.map_or(0, ResumeAt::value);
                behind.lost.push((partition.clone(), committed, told(loss, *log)));
            }
        }
    }
    late.retain(|(left, ..)| *left > 0);
    late.sort_by(|one, other| other.cmp(one));
    behind.oldest_ms = oldest(config, group, &late)?;
    Ok(behind)
}

fn told(loss: Loss, (first, end): (i64, i64)) -> String {
    format!("{loss}: the log has {first} up to {end}")
}

fn oldest(
    config: &KafkaConfig,
    group: &str,
    late: &[(u64, Partition, ResumeAt)],
) -> Result<Option<i64>, Fault> {
    if late.is_empty() {
        return Ok(None);
    }
    let probe = Probe::new(config, group)?;
    let next = |(_, partition, at): &(u64, Partition, ResumeAt)| match probe.next(partition, *at) {
        Seen::Record(record) => Some(record.timestamp_ms),
        Seen::End | Seen::Unknown => None,
    };
    Ok(late.iter().take(LOOKED_AT).filter_map(next).min())
}
