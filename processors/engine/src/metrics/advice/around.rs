//! The rooms of what stands beside the river: members, schemas, generations, truth, the process.

use super::Room;
use crate::metrics::Meter;

/// In the order of the page.
pub const ROOMS: &[Room] = &[MEMBERS, LOOPS, REGISTRY, GENERATIONS, TRUTH, KEYS, ORIGIN, PROCESS];

const MEMBERS: Room = Room {
    title: "Groups and partitions",
    advice: &[
        (Meter::Partitions, "0 everywhere: nobody works (`NoPartitions`)."),
        (
            Meter::Rebalances,
            "Each costs a drain. Many an hour: instances come and go, or polling takes too \
             long. `lost` means that the session ended first: raise `session_timeout_ms`.",
        ),
        (Meter::Drain, "How long a rebalance waits for us. Bounded by `drain_limit_ms`."),
        (
            Meter::DrainGivenUp,
            "What was in hand is folded again by whoever has the partition now. Harmless, and \
             dear: the store is slow.",
        ),
        (
            Meter::CommitFailures,
            "Harmless one by one: it is committed again. All the time: the group's coordinator.",
        ),
    ],
};

const LOOPS: Room = Room {
    title: "The watchdog",
    advice: &[
        (
            Meter::StalledLoops,
            "The instance calls itself unhealthy (`/healthz`), and an orchestrator restarts it. \
             `LoopStuck` pages if that does not help.",
        ),
        (Meter::StalledSeconds, "Against `stall_limit_ms`: how near it is."),
    ],
};

const REGISTRY: Room = Room {
    title: "The schema registry",
    advice: &[
        (
            Meter::RegistryAnswers,
            "`known` needed no question. `silent`: the registry is away, and partitions with \
             new schemas wait (`RegistryFails`). `unknown` and `unusable`: those records are \
             held.",
        ),
        (Meter::RegistrySeconds, "Only what was asked; in running use there is hardly any."),
        (Meter::RegistrySchemas, "How many different schemas the topics carry."),
    ],
};

const GENERATIONS: Room = Room {
    title: "Generations",
    advice: &[
        (Meter::LiveGeneration, "Each step is a swap or a rollback; dashboards mark them."),
        (Meter::RebuildDone, "How far a rebuild has come here. Its rate is its speed."),
        (Meter::RebuildLag, "What is left. Divided by how fast it falls: the time that it takes."),
        (
            Meter::RebuildState,
            "`failed`: `readmill generations MODEL` tells why (`RebuildFailed`). `resting`: \
             somebody has paused it, or a swap is under way.",
        ),
        (Meter::RebuildShare, "Low: live streams are late, and the rebuild gives way to them."),
    ],
};

const TRUTH: Room = Room {
    title: "Whether it is right",
    advice: &[
        (
            Meter::VerifiedThrough,
            "Subtract it from the time: the age of the last proof. `VerificationStale` pages \
             after an hour.",
        ),
        (Meter::VerifyFindings, "Anything but 0 is an error: docs/verify.md."),
        (Meter::VerifyRounds, "No rate: nobody verifies. `failed`: the log tells why."),
        (Meter::VerifyDocuments, "How far the present round is, against the last one."),
        (
            Meter::VerifySeconds,
            "Longer than `verify_every_seconds`: rounds follow one another without rest.",
        ),
        (Meter::ReconciledThrough, "The same for a comparison with the origin: docs/reconcile.md."),
        (Meter::ReconcileFindings, "Rows that did not come, or should not have."),
    ],
};

const KEYS: Room = Room {
    title: "Hot keys",
    advice: &[(
        Meter::HottestShare,
        "A key is folded by one shard at a time. High: `GET /hot/MODEL` says which key, by a \
         sketch of 64 counters whose counts are halved every minute. Keys never are labels.",
    )],
};

const ORIGIN: Room = Room {
    title: "The origin's replication slots",
    advice: &[
        (
            Meter::SlotRetained,
            "Growing: the connector does not read, and the database's disk fills \
             (`SlotGrowing`). Only of models that are reconciled by themselves \
             (`reconcile_every_seconds`).",
        ),
        (Meter::SlotActive, "0: nobody reads it. `readmill connectors status`, or drop the slot."),
    ],
};

const PROCESS: Room = Room {
    title: "The process",
    advice: &[
        (Meter::ProcessMemory, "Against the limit: `MemoryNearLimit`."),
        (
            Meter::MemoryLimit,
            "Of the control group, as a container has it; else what the machine has.",
        ),
        (Meter::ProcessFiles, "Against how many it may have."),
        (Meter::ProcessFilesLimit, "`ulimit -n`; a few hundred are enough."),
        (
            Meter::ProcessThreads,
            "One a Kafka client and one a processor, and some that librdkafka has.",
        ),
        (Meter::ProcessCpu, "Its rate is the processors in use."),
        (Meter::ProcessStart, "Each step is a start; dashboards mark them."),
        (Meter::HttpRefused, "`wrong_token` and `guesses` from nowhere: somebody tries doors."),
        (
            Meter::Spans,
            "`dropped`: the queue was full, take fewer in samples or raise `queue_spans`. \
             `failed`: the collector does not take them. Records are folded all the same.",
        ),
        (Meter::Build, "Which builds run. `commit` is `unknown` unless the build was told it."),
    ],
};
