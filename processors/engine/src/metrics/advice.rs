//! What each metric is good for: the rooms of the documented page, and what to do with each.

mod around;

use super::Meter;

/// Metrics that are read together, with what to do with each.
#[derive(Debug)]
pub struct Room {
    /// What they are about.
    pub title: &'static str,
    /// Each with what to do.
    pub advice: &'static [(Meter, &'static str)],
}

/// All rooms, in the order of the page.
pub fn rooms() -> impl Iterator<Item = &'static Room> {
    [&RIVER, &FRESHNESS, &LAG, &ASIDE, &WRITES].into_iter().chain(around::ROOMS)
}

const RIVER: Room = Room {
    title: "The river",
    advice: &[
        (
            Meter::Consumed,
            "Its rate is the throughput. consumed = ended + waiting, per partition: \
             `RecordsUnaccounted` alerts if not.",
        ),
        (Meter::Ended, "`applied` is work done. A rising `held` needs a person: docs/holding.md."),
        (
            Meter::Station,
            "Its rate times its mean is the time spent there. The longest one is the \
             bottleneck: `write` is the store, `envelope` and `event` are the processor. \
             Stations 1 and 6 to 8 are timed by batches, 2 to 5 by one record in 64.",
        ),
        (
            Meter::Batch,
            "Small batches with high lag: records come one by one, look at the brokers. Large \
             ones: the river is the slower part, and folds many events in one write.",
        ),
        (Meter::OpenRecords, "The queue of stations 2 to 8. At its bound no more is taken in."),
        (Meter::OpenBytes, "The same in bytes: of what the process holds in memory."),
        (Meter::QueuedBytes, "The queue before station 1, bounded by `queued_kib_per_partition`."),
        (Meter::Paused, "1 for long: the worker or its lane is slower than what comes."),
        (
            Meter::Undecided,
            "Records folded on the benefit of the doubt. A few after a connector's start are \
             normal; more need versions in the outbox.",
        ),
    ],
};

const FRESHNESS: Room = Room {
    title: "Freshness",
    advice: &[
        (
            Meter::Freshness,
            "The promise to readers, in buckets, of applied events. `StaleFreshness` looks at \
             the 99th percentile.",
        ),
        (
            Meter::LaneFreshness,
            "Whether a flood in one lane makes another one late: give that one a lower \
             priority, or a rate (docs/scaling.md).",
        ),
        (Meter::LaneRecords, "The rate of each lane, against its limit."),
    ],
};

const LAG: Room = Room {
    title: "Lag and positions",
    advice: &[
        (
            Meter::LagRecords,
            "How far a partition is behind its log. Growing for long (`LagGrowing`): more \
             instances, or a faster store.",
        ),
        (
            Meter::LagSeconds,
            "The same in time, by the record's own timestamp in Kafka. It grows with the clock \
             where a partition stands still.",
        ),
        (
            Meter::ResumeAt,
            "Moves while records are settled. One that stands still with lag is a dead \
             partition (`PartitionStands`).",
        ),
        (
            Meter::TopicPartitions,
            "Compared with the partitions that anybody has: fewer means that records of some \
             are read by nobody (`PartitionOrphaned`).",
        ),
        (Meter::LogGaps, "Records were lost before they were read: rebuild, docs/scaling.md."),
    ],
};

const ASIDE: Room = Room {
    title: "Held and waiting",
    advice: &[
        (
            Meter::Held,
            "Their keys stand still. `readmill held list -m MODEL`; docs/holding.md. Every \
             instance shows the same number: take the greatest.",
        ),
        (Meter::Waiting, "Events that came before what they need. They fold by themselves."),
        (
            Meter::WaitingSince,
            "Subtract it from the time: how long the oldest has waited. `readmill waiting` \
             lists them.",
        ),
    ],
};

const WRITES: Room = Room {
    title: "Documents and stores",
    advice: &[
        (Meter::Written, "The rate of writes that the store takes."),
        (
            Meter::Conflicts,
            "A few at a rebalance are normal. Many all the time: two groups, or something else, \
             write the same documents.",
        ),
        (
            Meter::Store,
            "The store's own share of freshness, call by call: `load` and `put` of documents, \
             `hold` of records, `show` of a mirror, `say` of reactions. Failed calls are in it.",
        ),
        (
            Meter::Retries,
            "A service does not answer, and its partitions wait: `RetriesRising`. The log says \
             which.",
        ),
        (Meter::Loaded, "Reads of the store; with the next one, the share of the cache."),
        (
            Meter::CacheHits,
            "A low share: raise `cached_documents_per_partition`, if memory allows.",
        ),
        (Meter::SavedWrites, "What coalescing saves: events of a key that were written together."),
        (Meter::SavedBytes, "The same in bytes; an estimate."),
        (Meter::Tombstones, "Documents that ended. Their stamps are kept for a while."),
        (Meter::PartialsWritten, "What roll-ups cost in writes."),
        (Meter::Embedded, "What joins cost: copies told of a change."),
        (Meter::Said, "Reactions on the topic, repeats included."),
        (
            Meter::RolledBack,
            "The store lost acknowledged writes, and was healed: docs/stores/redis.md.",
        ),
        (Meter::MirrorMissed, "Views that are late: the mirror is away. It heals itself."),
        (Meter::MirrorHealing, "A heal is under way; its rate is bounded by the configuration."),
        (
            Meter::MirrorHealed,
            "What heals had to do. All the time: the mirror evicts, give it memory.",
        ),
        (Meter::MirrorStrays, "Somebody else writes into the mirror's keys."),
        (Meter::RollupCount, "For dashboards of the business: how many."),
        (Meter::RollupSum, "And how much."),
        (Meter::RollupTooLarge, "1: take fewer dimensions in `rollup_gauges`."),
    ],
};
