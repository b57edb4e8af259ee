//! Each rule about brokers and topics fires alone, and a cluster as it should be breaks none.

use readmill_connectors::kafka::{Cluster, Kept, Settings, Topic};

use super::topics::{Role, Used, judge};
use crate::doctor::finding::Findings;

const WEEK_MS: i64 = 7 * 24 * 3_600_000;

fn settings(all: &[(&str, &str)]) -> Settings {
    Settings(all.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
}

fn topic() -> Topic {
    let kept = Kept { replicas: 3, in_sync: 3, is_led: true, log: Some((0, 10)) };
    let settings = settings(&[
        ("cleanup.policy", "delete"),
        ("retention.ms", &WEEK_MS.to_string()),
        ("min.insync.replicas", "2"),
        ("unclean.leader.election.enable", "false"),
        ("max.message.bytes", "1048588"),
        ("message.timestamp.type", "CreateTime"),
        ("delete.retention.ms", "86400000"),
    ]);
    Topic { partitions: vec![kept; 4], settings }
}

fn used(topic: &str, role: Role) -> Used {
    let tombstone_life_ms = Some(4 * WEEK_MS);
    let models = vec!["points"];
    Used { topic: topic.to_owned(), role, models, is_replicated: false, tombstone_life_ms }
}

struct World {
    cluster: Cluster,
    used: Vec<Used>,
}

impl World {
    fn new() -> Self {
        let topics = ["read", "said", "held"].map(|name| (name.to_owned(), topic())).into();
        let settings = settings(&[
            ("auto.create.topics.enable", "false"),
            ("offsets.retention.minutes", "10080"),
        ]);
        let roles = [("read", Role::Read), ("said", Role::Reactions), ("held", Role::Held)];
        let used = roles.map(|(name, role)| used(name, role)).into();
        Self { cluster: Cluster { brokers: 3, settings, topics }, used }
    }

    fn topic(&mut self, name: &str) -> &mut Topic {
        self.cluster.topics.get_mut(name).unwrap()
    }

    fn set(&mut self, topic: &str, setting: &str, value: &str) {
        self.topic(topic).settings.0.insert(setting.to_owned(), value.to_owned());
    }
}

type Change = fn(&mut World);

/// What is changed, and what is found then.
const CASES: &[(Change, &[&str])] = &[
    (|_| {}, &[]),
    (|w| drop(w.cluster.topics.remove("read")), &["topic-missing"]),
    (|w| drop(w.cluster.topics.remove("said")), &["topic-unmade"]),
    (|w| drop(w.cluster.topics.remove("held")), &["topic-unmade"]),
    (|w| w.set("read", "cleanup.policy", "compact"), &["topic-compacted"]),
    (|w| w.set("said", "cleanup.policy", "compact"), &["topic-compacted"]),
    (|w| w.set("read", "cleanup.policy", "compact,delete"), &["topic-compacted"]),
    (
        |w| {
            w.set("read", "cleanup.policy", "compact");
            w.used[0].is_replicated = true;
        },
        &[],
    ),
    (
        |w| {
            w.set("read", "cleanup.policy", "compact");
            w.set("read", "delete.retention.ms", "60000");
            w.used[0].is_replicated = true;
        },
        &["deletes-short"],
    ),
    (|w| w.used[0].tombstone_life_ms = Some(WEEK_MS / 2), &["tombstones-short"]),
    (|w| w.set("read", "retention.ms", "-1"), &["tombstones-short"]),
    (
        |w| {
            w.set("read", "retention.ms", "-1");
            w.used[0].tombstone_life_ms = None;
        },
        &[],
    ),
    (|w| w.topic("read").partitions[2].log = Some((5, 10)), &["log-truncated"]),
    (|w| w.topic("said").partitions[2].log = Some((5, 10)), &[]),
    (|w| w.set("read", "retention.ms", "3600000"), &["retention-short"]),
    (|w| w.topic("read").partitions[0] = one(1, 1), &["replicas-few"]),
    (|w| w.cluster.brokers = 1, &["brokers-one"]),
    (|w| w.set("read", "min.insync.replicas", "1"), &["in-sync-few"]),
    (|w| w.topic("read").partitions[0] = one(3, 2), &["in-sync-lacks"]),
    (|w| w.topic("read").partitions[0].is_led = false, &["partition-unled"]),
    (|w| w.set("read", "unclean.leader.election.enable", "true"), &["election-unclean"]),
    (
        |w| {
            w.set("read", "max.message.bytes", "200000000");
            w.set("held", "max.message.bytes", "200000000");
        },
        &["messages-large"],
    ),
    (|w| w.set("held", "max.message.bytes", "1000"), &["held-topic-small"]),
    (|w| w.set("read", "message.timestamp.type", "LogAppendTime"), &["times-of-arrival"]),
    (
        |w| drop(w.cluster.settings.0.insert("auto.create.topics.enable".into(), "true".into())),
        &["topics-automatic"],
    ),
    (
        |w| drop(w.cluster.settings.0.insert("offsets.retention.minutes".into(), "60".into())),
        &["offsets-short"],
    ),
];

fn one(replicas: usize, in_sync: usize) -> Kept {
    Kept { replicas, in_sync, is_led: true, log: Some((0, 1)) }
}

#[test]
fn each_rule_about_topics_fires_alone() {
    for (at, (change, wanted)) in CASES.iter().enumerate() {
        let mut world = World::new();
        change(&mut world);
        let mut found = Findings::default();
        judge(&world.cluster, &world.used, &mut found);
        assert_eq!(found.ids(), *wanted, "case {at}: {found:?}");
    }
}

#[test]
fn what_brokers_keep_to_themselves_is_not_judged() {
    let mut world = World::new();
    world.cluster.settings = Settings::default();
    for topic in world.cluster.topics.values_mut() {
        topic.settings = Settings::default();
        topic.partitions.iter_mut().for_each(|kept| kept.log = None);
    }
    let mut found = Findings::default();
    judge(&world.cluster, &world.used, &mut found);
    assert_eq!(found, Findings::default());
}
