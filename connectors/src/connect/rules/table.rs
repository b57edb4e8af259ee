//! All rules: what each is called, how grave it is to break it, and why it is there.

use serde::Serialize;

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Events would be lost, out of order or unreadable, or the source would suffer.
    Error,
    /// It works, but something is worse than it need be.
    Warning,
}

impl Severity {
    /// As it is told.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// A rule.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its name, for scripts and for the documentation.
    pub id: &'static str,
    /// How grave it is to break it.
    pub severity: Severity,
    /// Why it is there.
    pub why: &'static str,
}

macro_rules! rules {
    ($($name:ident = $id:literal, $severity:ident, $why:literal;)*) => {
        $(
            #[doc = $why]
            pub static $name: Rule =
                Rule { id: $id, severity: Severity::$severity, why: $why };
        )*
        /// All of them.
        pub static RULES: &[&Rule] = &[$(&$name),*];
    };
}

rules! {
    PLACEHOLDER_UNSET = "placeholder-unset", Error,
        "the connector would be given the placeholder, or nothing, instead of a value";
    SECRET_IN_FILE = "secret-in-file", Warning,
        "whoever reads the definition, or its history, has the secret";
    CLASS_UNJUDGED = "class-unjudged", Warning,
        "only Debezium's connectors for PostgreSQL, MariaDB and MySQL, its sink into databases, \
         and Kafka's sink into a file are known here";
    NAME_SHARED = "name-shared", Error,
        "the second definition would replace the first one";
    PREFIX_MISSING = "prefix-missing", Error,
        "topics, and the source's place in its log, are named by it";
    PREFIX_SHARED = "prefix-shared", Error,
        "connectors with one prefix take each other's topics and places for their own";
    TABLES_OPEN = "tables-open", Warning,
        "every table that is made later would be captured, too, whatever is in it";
    TASKS_MANY = "tasks-many", Error,
        "a source's log has one order, and only one task can keep it";
    KEY_NOT_AGGREGATE = "key-not-aggregate", Error,
        "the key decides the partition: events of an aggregate under several keys lose their order";
    KEY_PER_TABLE = "key-per-table", Error,
        "the table becomes part of the key, so an aggregate's events from two tables lose \
         their order";
    PARTITION_OVERRIDDEN = "partition-overridden", Error,
        "where the key does not choose the partition, an aggregate's events lose their order";
    PRODUCER_UNORDERED = "producer-unordered", Error,
        "a batch that is sent again would come after a later one of the same partition";
    SIGNALS_LOSE_ROWS = "signals-lose-rows", Error,
        "of the rows that have one key, an incremental snapshot sends the last of a chunk alone";
    RECORDS_DROPPED = "records-dropped", Error,
        "what cannot be written would be left out without a word, and never be missed";
    HEARTBEAT_MISSING = "heartbeat-missing", Error,
        "while its tables are quiet, a source keeps its log for the connector until the disk \
         is full";
    HEARTBEAT_PASSIVE = "heartbeat-passive", Warning,
        "in a quiet database beside busy ones the slot moves on only if the heartbeat writes a row";
    WAL_KEPT = "wal-kept", Error,
        "a slot that is never told what was read keeps the write-ahead log for ever";
    PLUGIN_NOT_PGOUTPUT = "plugin-not-pgoutput", Error,
        "the default needs an extension that most servers do not have";
    SLOT_MISSING = "slot-missing", Error,
        "the default is one name for all: a second connector would take the first one's changes";
    SLOT_UNFIT = "slot-unfit", Error,
        "PostgreSQL takes small letters, digits and underscores, up to 63 of them";
    SLOT_SHARED = "slot-shared", Error,
        "two readers of one slot each get a part of the changes";
    SLOT_DROPPED = "slot-dropped", Error,
        "what changes while the connector is stopped would be lost with the slot";
    PUBLICATION_MISSING = "publication-missing", Error,
        "the default is one name for all, whatever tables each connector needs";
    PUBLICATION_OPEN = "publication-open", Warning,
        "the connector would publish every table, for which it must be superuser";
    SERVER_ID_MISSING = "server-id-missing", Error,
        "a random one may be another reader's, whom the server then turns away";
    SERVER_ID_SHARED = "server-id-shared", Error,
        "the server turns a reader away when another one comes with its id";
    HISTORY_MISSING = "history-missing", Error,
        "the binary log has rows without names; those are in the history of the tables";
    HISTORY_SHARED = "history-shared", Error,
        "a connector would read the tables of another one out of the history";
    BEFORE_MISSING = "before-missing", Error,
        "a delete then carries the primary key alone, and cannot be keyed by its aggregate";
    COLUMN_MISSING = "column-missing", Error,
        "an outbox row without it tells no event, or not whose it is";
    TOMBSTONES_OFF = "tombstones-off", Warning,
        "a compacted topic would keep deleted rows for ever";
    EVENTS_COMPACTED = "events-compacted", Error,
        "compaction keeps the last event of each aggregate alone, and a rebuild would miss \
         all others";
    DELETES_DROPPED = "deletes-dropped", Error,
        "of a deleted row only a tombstone is left, which names no row, and its document stays";
    COORDINATES_MISSING = "coordinates-missing", Error,
        "without them a repeat by the connector is not told from a change";
    OPERATIONS_SKIPPED = "operations-skipped", Error,
        "changes that are skipped here never reach a document";
    TRUNCATE_SKIPPED = "truncate-skipped", Warning,
        "a truncated table leaves its documents as they were, and nobody is told";
    PLACEHOLDER_CHANGED = "placeholder-changed", Error,
        "a large value that did not change is known by Debezium's own placeholder alone";
    DECIMAL_INEXACT = "decimal-inexact", Error,
        "a double cannot hold most decimals, and sums of money come out wrong";
    TIME_COARSE = "time-coarse", Warning,
        "microseconds are cut off, and rows that changed within one millisecond look the same";
    PAYLOAD_TEXT = "payload-text", Error,
        "a payload is framed Avro, and is read as the bytes that it is";
    SNAPSHOT_ONLY = "snapshot-only", Error,
        "the connector would stop after the snapshot";
    SNAPSHOT_NONE = "snapshot-none", Warning,
        "rows that are there before the connector starts are never read";
    SNAPSHOT_ALWAYS = "snapshot-always", Warning,
        "every restart reads all tables again";
    CONVERTER_MISSING = "converter-missing", Error,
        "without it the worker's default decides, which is another one on another worker";
    CONVERTER_UNFIT = "converter-unfit", Error,
        "envelopes and rows are read as Avro, framed with the id of their schema";
    REGISTRY_MISSING = "registry-missing", Error,
        "the converter has nowhere to register its schemas";
    REGISTRY_UNFIT = "registry-unfit", Error,
        "each converter speaks the protocol of its own registry";
    FRAMING_UNFIT = "framing-unfit", Error,
        "a record begins with a zero and the id of its schema in four bytes; else it is held";
    NAMES_UNFIT = "names-unfit", Warning,
        "names with dashes or blanks are none in Avro, and the converter fails at the first \
         of them";
    ROUTER_VERSION_MISSING = "router-version-missing", Warning,
        "without versions a gap, or neighbours that a relay swapped, cannot be seen";
    ROUTER_PAYLOAD_WRAPPED = "router-payload-wrapped", Error,
        "the payload is framed Avro already, and must be passed on as it is";
    WAL_NOT_LOGICAL = "wal-not-logical", Error,
        "rows are in the server's log only if it is told to write them there";
    ROLE_UNFIT = "role-unfit", Error,
        "only who may replicate can read the server's log";
    TABLE_ABSENT = "table-absent", Error,
        "a table under another name is captured by nobody, and nobody is told";
    TABLE_UNREADABLE = "table-unreadable", Error,
        "the snapshot fails at the first table that may not be read";
    IDENTITY_NOT_FULL = "identity-not-full", Error,
        "a delete carries the primary key alone, and cannot be keyed by its aggregate";
    PUBLICATION_ABSENT = "publication-absent", Error,
        "the connector is told not to make one, and fails";
    TABLE_UNPUBLISHED = "table-unpublished", Error,
        "a snapshot reads the table, and no change of it comes afterwards";
    HEARTBEAT_UNPUBLISHED = "heartbeat-unpublished", Warning,
        "a heartbeat that the connector does not see lets no slot move on";
    SIGNALS_UNPUBLISHED = "signals-unpublished", Error,
        "a connector that does not see its signals obeys none";
    OPERATIONS_UNPUBLISHED = "operations-unpublished", Error,
        "changes that are not published never reach a document";
    SLOT_LOST = "slot-lost", Error,
        "what was not read is gone, and the connector cannot go on";
    SLOT_FOREIGN = "slot-foreign", Error,
        "the connector cannot read it, or would read another one's changes";
    SLOT_BEHIND = "slot-behind", Warning,
        "the server keeps its log until its disk is full, or until it gives the slot up";
    EXACTLY_ONCE_OFF = "exactly-once-off", Warning,
        "after a crash changes come twice: known by their ids, but where these are old it is \
         undecided";
    SINK_DROPS = "sink-drops", Error,
        "what cannot be written would be left out, and nobody would have it";
    SINK_LETTERS_BARE = "sink-letters-bare", Warning,
        "a dead letter without its headers says neither where it is from nor why";
    SINK_LETTERS_RETURN = "sink-letters-return", Error,
        "what cannot be written would be read again, and never be written";
    SINK_UNCOMMITTED = "sink-uncommitted", Error,
        "what a source wrote and took back would be written, too";
    SINK_BEGINS_LATE = "sink-begins-late", Error,
        "of a topic that is new to the sink all that is there already would be left out";
    SINK_DOUBLES = "sink-doubles", Error,
        "what is delivered again, as after a restart, would be a second row or stop the sink";
    SINK_KEYLESS = "sink-keyless", Error,
        "without a key no row can be told from another, and a repeat is one more";
    SINK_KEYED_BY_PLACE = "sink-keyed-by-place", Error,
        "what is told again has another offset, and would be a second row";
    FILE_MISSING = "file-missing", Error,
        "without it everything goes to the worker's own output";
    FILE_ON_A_WORKER = "file-on-a-worker", Warning,
        "when the task moves to another worker, the file goes on there, and the first one stays \
         as it was";
    FILE_TORN = "file-torn", Error,
        "each task opens the file for itself, and their lines come between one another";
    FILE_UNREADABLE = "file-unreadable", Error,
        "what is decoded is written as a text that nobody can decode again";
    FILE_SHARED = "file-shared", Error,
        "the lines of two sinks come between one another";
}
