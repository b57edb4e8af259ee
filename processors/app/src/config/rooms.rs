//! The stanzas that belong to the binary itself, as they are written.
//!
//! The rooms of services and stores are in `readmill_connectors`, one `config` each.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::path::PathBuf;

use readmill_connectors::registry::SubjectStrategy;
use readmill_engine::Limits;
use readmill_engine::mirror::Care;
use serde::Deserialize;

/// `[instance]`: this process.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct InstanceStanza {
    /// The older name of `listen` under `[http]`, still understood.
    pub http_listen: Option<String>,
    /// What this process keeps for itself on disk: where it stands in archives.
    pub state_dir: PathBuf,
    /// A loop that makes no progress for so long makes the process unhealthy.
    pub stall_limit_ms: u64,
    /// While live records are in hand for longer than this, a generation that is rebuilt here has
    /// less and less of its share, to a hundredth of it.
    pub rebuild_freshness_limit_ms: NonZeroU64,
}

/// Live records may be in hand for so long before a rebuild gives way further.
pub const REBUILD_FRESHNESS_LIMIT_MS: NonZeroU64 = NonZeroU64::new(1_000).unwrap();

impl Default for InstanceStanza {
    fn default() -> Self {
        Self {
            http_listen: None,
            state_dir: PathBuf::from("readmill-state"),
            stall_limit_ms: 60_000,
            rebuild_freshness_limit_ms: REBUILD_FRESHNESS_LIMIT_MS,
        }
    }
}

/// `[source]`: where records come from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SourceStanza {
    /// `kafka`, or `archive`: a directory of Avro object container files.
    pub kind: Option<SourceKind>,
    /// The directory of the archive.
    pub archive_dir: Option<PathBuf>,
}

/// The kinds of sources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SourceKind {
    /// Topics of Kafka.
    Kafka,
    /// An archive on disk.
    Archive,
}

/// `[models.<name>]`: a read model, and where it goes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelStanza {
    /// The topics that it is folded from.
    pub topics: Vec<String>,
    /// The lane of each topic that is in one, as `{ "<topic>" = "<lane>" }`.
    pub lanes: BTreeMap<String, String>,
    /// Topics whose versions continue those of another topic, as `{ "<topic>" = "<other topic>" }`:
    /// an outbox that is split over tables, for lanes, has one sequence of versions.
    pub versions_of: BTreeMap<String, String>,
    /// Where its documents are kept: `mongo`, `redis` or `embedded`.
    pub store: Option<StoreKind>,
    /// Where its small views for readers in a hurry are kept: `redis` or `embedded`. Without it
    /// there are none.
    pub mirror: Option<StoreKind>,
    /// Whether its records wait until their documents are shown in the mirror. Without, a mirror
    /// that is down never holds up the model: what it misses is shown to it afterwards.
    pub mirror_required: bool,
    /// At most so many documents a second are looked at to heal the mirror.
    pub mirror_heal_limit_per_second: u32,
    /// Roll-ups that are metrics, too, as `{ "<roll-up>" = n }`: the first n dimensions of their
    /// groups tell the series apart, up to 200 of them.
    pub rollup_gauges: BTreeMap<String, usize>,
    /// So often an instance compares its documents with a second fold of the log, which it keeps
    /// beside them, below its state_dir. Without it never.
    pub verify_every_seconds: Option<NonZeroU64>,
    /// The PostgreSQL that has the origin's tables, which `reconcile` compares the documents with.
    pub origin_url: Option<String>,
    /// The replication slot that the connector of these tables reads; without it the only one.
    pub origin_slot: Option<String>,
    /// The table by which that connector is told to read tables again (`signal.data.collection`).
    pub origin_signals: Option<String>,
    /// What the origin says, as a select with a column `key`; without it a replica is compared with
    /// the tables of its contracts.
    pub origin_query: Option<String>,
    /// The fields of documents that are compared, each with the query's column for it.
    pub origin_fields: BTreeMap<String, String>,
    /// Nobody can tell what of the origin is in the log: both sides must have rested for so long.
    pub origin_rest_seconds: Option<NonZeroU64>,
    /// So often an instance compares its documents with their origin. Without it never.
    pub reconcile_every_seconds: Option<NonZeroU64>,
    /// The topic that its reactions are sent to.
    pub reactions_topic: Option<String>,
    /// How those who write to the topics name their values' subjects in the registry.
    pub subject_strategy: SubjectStrategy,
    /// How the subjects of its reactions are named; `topic_record_name` without it, so that each
    /// evolves on its own.
    pub reactions_subject_strategy: Option<SubjectStrategy>,
    /// At most so many of its records may be held; then it stops, rather than fill the disk.
    pub held_limit_records: u64,
    /// The topic that each held record is copied to, for other tools; with a source of kind kafka.
    pub held_topic: Option<String>,
    /// At most about so many records go through the river together.
    pub batch_records: usize,
    /// Keys of one partition are folded and written in so many groups side by side.
    pub shards_per_partition: usize,
    /// So many documents of a partition are kept in memory.
    pub cached_documents_per_partition: usize,
    /// No more is taken in while so many records of a partition are not settled.
    pub open_records_per_partition: usize,
    /// No more is taken in while the unsettled records of a partition have so many bytes.
    pub open_bytes_per_partition: usize,
    /// An event that has waited for longer, for others that it needs, is held for a person.
    pub waiting_limit_ms: u64,
}

/// So many records of a model may be held unless configured.
pub const HELD_LIMIT_RECORDS: u64 = 100_000;

impl Default for ModelStanza {
    fn default() -> Self {
        let (limits, care) = (Limits::default(), Care::default());
        Self {
            topics: Vec::new(),
            lanes: BTreeMap::new(),
            versions_of: BTreeMap::new(),
            store: None,
            mirror: None,
            mirror_required: care.required,
            mirror_heal_limit_per_second: care.heal_limit_per_second,
            rollup_gauges: BTreeMap::new(),
            verify_every_seconds: None,
            origin_url: None,
            origin_slot: None,
            origin_signals: None,
            origin_query: None,
            origin_fields: BTreeMap::new(),
            origin_rest_seconds: None,
            reconcile_every_seconds: None,
            reactions_topic: None,
            subject_strategy: SubjectStrategy::default(),
            reactions_subject_strategy: None,
            held_limit_records: HELD_LIMIT_RECORDS,
            held_topic: None,
            batch_records: limits.batch_records,
            shards_per_partition: limits.shards_per_partition,
            cached_documents_per_partition: limits.cached_documents_per_partition,
            open_records_per_partition: limits.open_records_per_partition,
            open_bytes_per_partition: limits.open_bytes_per_partition,
            waiting_limit_ms: limits.waiting_limit_ms,
        }
    }
}

/// The kinds of stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StoreKind {
    /// `[mongo]`
    Mongo,
    /// `[redis]`
    Redis,
    /// `[embedded]`
    Embedded,
}

impl StoreKind {
    /// The name of its stanza.
    pub const fn stanza(self) -> &'static str {
        match self {
            Self::Mongo => "mongo",
            Self::Redis => "redis",
            Self::Embedded => "embedded",
        }
    }
}
