//! Rules about brokers and topics.

use readmill_connectors::kafka::{Cluster, Settings, Topic};

use super::span;
use crate::doctor::finding::Findings;
use crate::doctor::table;

/// A log that is kept for less has little room for a bad night.
const SHORT_MS: i64 = 24 * 3_600_000;
/// The client receives no larger answer (`receive.message.max.bytes`).
const RECEIVED_BYTES: i64 = 100_000_000;

/// What a topic is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Models are folded from it.
    Read,
    /// Reactions are told there.
    Reactions,
    /// Held records are copied there.
    Held,
}

/// How a configuration uses a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Used {
    /// Its name.
    pub topic: String,
    /// What it is for.
    pub role: Role,
    /// The models that use it.
    pub models: Vec<&'static str>,
    /// Whether all of them are replicas of tables, which need the last image of each row alone.
    pub is_replicated: bool,
    /// The shortest life of their tombstones, in milliseconds; none if all stand for ever.
    pub tombstone_life_ms: Option<i64>,
}

/// Judges a cluster by how its topics are used.
pub fn judge(cluster: &Cluster, used: &[Used], found: &mut Findings) {
    brokers(cluster, found);
    for used in used {
        match cluster.topics.get(&used.topic) {
            None => missing(used, found),
            Some(topic) => {
                kept(used, topic, cluster.brokers, found);
                cleaned(used, topic, found);
                sized(used, topic, found);
            }
        }
    }
    held_topics(cluster, used, found);
}

fn alter(topic: &str, setting: &str) -> String {
    format!(
        "kafka-configs.sh --alter --entity-type topics --entity-name {topic} --add-config {setting}"
    )
}

fn brokers(cluster: &Cluster, found: &mut Findings) {
    if cluster.brokers == 1 {
        let mend = "run three brokers, and give topics three replicas";
        found.note(&table::BROKERS_ONE, "the brokers", "there is one broker", mend);
    }
    let settings = &cluster.settings;
    if settings.get("auto.create.topics.enable") == Some("true") {
        let what = "auto.create.topics.enable is true";
        let mend = "set auto.create.topics.enable=false on the brokers";
        found.note(&table::TOPICS_AUTOMATIC, "the brokers", what, mend);
    }
    let longest = cluster.topics.values().filter_map(|topic| retention(&topic.settings)).max();
    let offsets = settings.number("offsets.retention.minutes").map(|minutes| minutes * 60_000);
    if let Some((kept_ms, longest)) = offsets.zip(longest).filter(|(kept, log)| kept < log) {
        let (kept, log) = (span(kept_ms), span(longest));
        let what = format!("offsets of groups without members are kept for {kept}, records {log}");
        let minutes = longest / 60_000;
        let mend = format!("set offsets.retention.minutes={minutes} on the brokers, or more");
        found.note(&table::OFFSETS_SHORT, "the brokers", what, mend);
    }
}

/// How long a log is kept, in milliseconds; none if that is not known, or nothing ends it.
pub fn retention(settings: &Settings) -> Option<i64> {
    let deletes = settings.get("cleanup.policy")?.split(',').any(|word| word.trim() == "delete");
    settings.number("retention.ms").filter(|ms| deletes && *ms >= 0)
}

fn is_compacted(settings: &Settings) -> bool {
    let policy = settings.get("cleanup.policy").unwrap_or_default();
    policy.split(',').any(|word| word.trim() == "compact")
}

fn missing(used: &Used, found: &mut Findings) {
    let Used { topic, models, .. } = used;
    let of = format!("topic {topic} of {}", models.join(", "));
    match used.role {
        Role::Read => {
            let mend = "apply the connector that fills it, or name it right under [models]";
            found.note(&table::TOPIC_MISSING, of, "it does not exist", mend);
        }
        Role::Reactions | Role::Held => {
            let mend = "make it by hand, with the partitions and replicas that it is to have";
            found.note(&table::TOPIC_UNMADE, of, "it does not exist yet", mend);
        }
    }
}

/// Who has copies of it.
fn kept(used: &Used, topic: &Topic, brokers: usize, found: &mut Findings) {
    let name = &used.topic;
    let about = || format!("topic {name}");
    let all = topic.partitions.len();
    let fewest = topic.partitions.iter().map(|kept| kept.replicas).min().unwrap_or(0);
    if fewest < 2 && brokers > 1 {
        let mend = format!("kafka-reassign-partitions.sh: give {name} three replicas");
        found.note(&table::REPLICAS_FEW, about(), format!("it has {fewest} replica"), mend);
    }
    let least = topic.settings.number("min.insync.replicas").unwrap_or(2);
    if fewest > 2 && least < 2 {
        let what = format!("min.insync.replicas is {least}, of {fewest} replicas");
        found.note(&table::IN_SYNC_FEW, about(), what, alter(name, "min.insync.replicas=2"));
    }
    let lacking = topic.partitions.iter().filter(|kept| kept.in_sync < kept.replicas).count();
    if lacking > 0 {
        let what = format!("{lacking} of {all} partitions lack replicas in sync");
        let mend = "see which broker is away or slow: kafka-topics.sh --describe \
                    --under-replicated-partitions";
        found.note(&table::IN_SYNC_LACKS, about(), what, mend);
    }
    let unled = topic.partitions.iter().filter(|kept| !kept.is_led).count();
    if unled > 0 {
        let what = format!("{unled} of {all} partitions have no leader");
        let mend = "start the broker that has them: kafka-topics.sh --describe \
                    --unavailable-partitions";
        found.note(&table::PARTITION_UNLED, about(), what, mend);
    }
    if topic.settings.get("unclean.leader.election.enable") == Some("true") && fewest > 1 {
        let what = "unclean.leader.election.enable is true";
        let mend = alter(name, "unclean.leader.election.enable=false");
        found.note(&table::ELECTION_UNCLEAN, about(), what, mend);
    }
}

/// What goes from it, and when.
fn cleaned(used: &Used, topic: &Topic, found: &mut Findings) {
    let (name, settings) = (&used.topic, &topic.settings);
    let about = format!("topic {name}");
    if is_compacted(settings) && !used.is_replicated {
        let policy = settings.get("cleanup.policy").unwrap_or_default();
        let mend = alter(name, "cleanup.policy=delete") + ", then rebuild from an archive";
        found.note(&table::TOPIC_COMPACTED, &about, format!("cleanup.policy is {policy}"), mend);
    }
    if used.role != Role::Read {
        return;
    }
    let deletes = settings.number("delete.retention.ms").unwrap_or(i64::MAX);
    if is_compacted(settings) && used.is_replicated && deletes < SHORT_MS {
        let what = format!("it forgets deletes after {} (delete.retention.ms)", span(deletes));
        let mend = alter(name, "delete.retention.ms=86400000");
        found.note(&table::DELETES_SHORT, &about, what, mend);
    }
    let kept_ms = retention(settings);
    if let Some(kept_ms) = kept_ms.filter(|kept_ms| *kept_ms < SHORT_MS) {
        let what = format!("it keeps records for {} (retention.ms)", span(kept_ms));
        found.note(&table::RETENTION_SHORT, &about, what, alter(name, "retention.ms=604800000"));
    }
    let is_for_ever = settings.number("retention.ms") == Some(-1) && !is_compacted(settings);
    let kept_ms = if is_for_ever { Some(i64::MAX) } else { kept_ms };
    if let Some((life_ms, kept_ms)) = used.tombstone_life_ms.zip(kept_ms)
        && life_ms < kept_ms
    {
        let kept =
            if is_for_ever { "for ever".to_owned() } else { format!("for {}", span(kept_ms)) };
        let what = format!("tombstones stand for {}, its records {kept}", span(life_ms));
        let mend = "set tombstone_life_hours = 0 in the store's stanza, or more than the topic's \
                    retention.ms";
        found.note(&table::TOMBSTONES_SHORT, &about, what, mend);
    }
    let begun = topic.partitions.iter().filter_map(|kept| kept.log);
    let cut = begun.filter(|(first, _)| *first > 0).count();
    if cut > 0 {
        let what =
            format!("{cut} of {} partitions have lost their first records", topic.partitions.len());
        let mend = "readmill archive -c FILE --to DIR --follow keeps what the log drops";
        found.note(&table::LOG_TRUNCATED, &about, what, mend);
    }
    if settings.get("message.timestamp.type") == Some("LogAppendTime") {
        let what = "message.timestamp.type is LogAppendTime";
        let mend = alter(name, "message.timestamp.type=CreateTime");
        found.note(&table::TIMES_OF_ARRIVAL, &about, what, mend);
    }
}

fn sized(used: &Used, topic: &Topic, found: &mut Findings) {
    let name = &used.topic;
    let most = topic.settings.number("max.message.bytes").unwrap_or(0);
    if used.role == Role::Read && most > RECEIVED_BYTES {
        let what = format!("max.message.bytes is {most}, and {RECEIVED_BYTES} can be received");
        let mend = alter(name, "max.message.bytes=67108864");
        found.note(&table::MESSAGES_LARGE, format!("topic {name}"), what, mend);
    }
}

/// A topic of held records takes whatever its models read.
fn held_topics(cluster: &Cluster, all: &[Used], found: &mut Findings) {
    let most = |used: &Used| cluster.topics.get(&used.topic)?.settings.number("max.message.bytes");
    for held in all.iter().filter(|used| used.role == Role::Held) {
        let Some(bound) = most(held) else { continue };
        let shares = |used: &&Used| used.models.iter().any(|model| held.models.contains(model));
        let read = all.iter().filter(|used| used.role == Role::Read).filter(shares);
        let Some(needed) = read.filter_map(most).max().filter(|needed| bound < *needed) else {
            continue;
        };
        let what = format!("max.message.bytes is {bound}, and {needed} of what is read");
        let mend = alter(&held.topic, &format!("max.message.bytes={needed}"));
        found.note(&table::HELD_TOPIC_SMALL, format!("topic {}", held.topic), what, mend);
    }
}
