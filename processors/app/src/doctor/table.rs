//! All rules of the doctor: what each is called, how grave it is, and why it is there.

use std::fmt;

use clap::ValueEnum;

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Severity {
    /// Changes are lost or taken for others, or will be.
    Loses,
    /// Something stands still, is late or unreadable, or will be.
    Hurts,
    /// It works; whoever operates it should know.
    Notes,
}

impl Severity {
    /// As it is told to scripts.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Loses => "loses",
            Self::Hurts => "hurts",
            Self::Notes => "notes",
        }
    }

    /// As it is told to people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Loses => "loses data",
            Self::Hurts => "will hurt",
            Self::Notes => "worth knowing",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A rule.
#[derive(Debug, PartialEq, Eq)]
pub struct Rule {
    /// Its name, for scripts and for the documentation.
    pub id: &'static str,
    /// How grave it is.
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
        #[cfg(test)]
        pub static RULES: &[&Rule] = &[$(&$name),*];
    };
}

rules! {
    SERVICE_SILENT = "service-silent", Hurts,
        "models wait for it, too, and what it would say was not judged";
    SERVICE_REFUSES = "service-refuses", Hurts,
        "models that need it stop with the same words, and what it would say was not judged";

    TOPIC_MISSING = "topic-missing", Hurts,
        "a model does not start before all of its topics are there";
    TOPIC_UNMADE = "topic-unmade", Notes,
        "the first instance makes it, with the brokers' own defaults";
    TOPIC_COMPACTED = "topic-compacted", Loses,
        "compaction keeps the last event of each key alone: no rebuild, explanation or \
         verification has the others";
    DELETES_SHORT = "deletes-short", Hurts,
        "whoever reads for longer than that misses deletes, and keeps rows that are gone";
    TOMBSTONES_SHORT = "tombstones-short", Loses,
        "a record that is read again when its document's tombstone has gone raises the document";
    LOG_TRUNCATED = "log-truncated", Notes,
        "a rebuild from the log alone would begin in the middle: it needs an archive";
    RETENTION_SHORT = "retention-short", Hurts,
        "an instance that is down for longer has lost what it did not read";
    REPLICAS_FEW = "replicas-few", Loses,
        "with one broker's disk the records on it are gone";
    BROKERS_ONE = "brokers-one", Notes,
        "no topic has a second copy";
    IN_SYNC_FEW = "in-sync-few", Loses,
        "a record may be acknowledged that one broker alone has";
    IN_SYNC_LACKS = "in-sync-lacks", Hurts,
        "a copy is missing: the next broker that fails may take writes or records with it";
    PARTITION_UNLED = "partition-unled", Hurts,
        "nobody can read it or write to it";
    ELECTION_UNCLEAN = "election-unclean", Loses,
        "a copy that lags may become the log, and what it lacks is gone";
    MESSAGES_LARGE = "messages-large", Hurts,
        "a batch larger than the client's buffer is never received, and its partition stands still";
    HELD_TOPIC_SMALL = "held-topic-small", Hurts,
        "a record that is too large to be copied stops the model";
    TIMES_OF_ARRIVAL = "times-of-arrival", Notes,
        "a record's time is then when this cluster got it: a topic that was copied looks new";
    TOPICS_AUTOMATIC = "topics-automatic", Notes,
        "a misspelt name becomes an empty topic, with the brokers' defaults";
    OFFSETS_SHORT = "offsets-short", Notes,
        "a group that was away for longer reads all again: nothing is folded twice, but it takes \
         long";

    GROUP_UNBEGUN = "group-unbegun", Notes,
        "the model was never run here, or its group has another name";
    GROUP_LOST = "group-lost", Loses,
        "records that were never folded are not in the log any more";
    GROUP_NEAR_LOSS = "group-near-loss", Loses,
        "the log will soon drop records that were never folded";
    GROUP_ALONE = "group-alone", Hurts,
        "records wait, and no instance is there to fold them";
    GROUP_LATE = "group-late", Hurts,
        "readers see documents as they were then";
    GROUP_LEFT = "group-left", Notes,
        "monitors of lag go on to warn of a generation that does not exist";

    SCHEMA_BREAKS = "schema-breaks", Hurts,
        "every record that is written with it is held, and its key with it";
    SUBJECT_MISSING = "subject-missing", Notes,
        "nobody has written there yet, or subjects are named otherwise than subject_strategy says";
    COMPATIBILITY_NONE = "compatibility-none", Notes,
        "anybody can register a schema that the models cannot read";

    CONNECTOR_FAILED = "connector-failed", Hurts,
        "nothing comes from its source, which keeps its log meanwhile";
    CONNECTOR_RESTS = "connector-rests", Hurts,
        "nothing comes from its source, which keeps its log meanwhile";
    TOPIC_UNFED = "topic-unfed", Notes,
        "no connector of this Connect has written to it";
    DEFINITION_UNSAFE = "definition-unsafe", Loses,
        "`connectors check` calls it an error: events get lost, out of order or unreadable, or \
         the source suffers";
    DEFINITION_WEAK = "definition-weak", Notes,
        "`connectors check` warns of it";

    MONGO_OLD = "mongo-old", Hurts,
        "Readmill needs 5.0 or newer";
    MONGO_ALONE = "mongo-alone", Notes,
        "a majority of one is one disk";
    MONGO_ARBITER = "mongo-arbiter", Notes,
        "when a member is away a majority of disks is not there, and writes wait";
    MONGO_AWAY = "mongo-away", Hurts,
        "the next one that fails may take the majority with it";
    INDEX_MISSING = "index-missing", Hurts,
        "readers' queries, and looks for what waits, read the whole collection";
    DISK_LOW = "disk-low", Hurts,
        "a store whose disk is full takes no writes";
    REDIS_OLD = "redis-old", Hurts,
        "Readmill needs 6.2 or newer";
    REDIS_EVICTS_DOCUMENTS = "redis-evicts-documents", Loses,
        "it drops documents at will; models do not start on it";
    REDIS_EVICTS_TOMBSTONES = "redis-evicts-tombstones", Loses,
        "it drops what is to expire, and a record that is read again raises the dead";
    REDIS_EVICTS_VIEWS = "redis-evicts-views", Hurts,
        "readers miss views until they are healed, which costs a pass over all documents";
    REDIS_FORGETS = "redis-forgets", Hurts,
        "a restart forgets documents, and all since the last snapshot is read again";
    REDIS_UNSAVED = "redis-unsaved", Hurts,
        "what it acknowledges is in memory alone";
    REDIS_FULL = "redis-full", Hurts,
        "when it is full it refuses writes, or drops keys";
    REDIS_REPLICA_LATE = "redis-replica-late", Hurts,
        "a fail-over to it forgets what it has not got";
    REDIS_REPLICAS_FEW = "redis-replicas-few", Hurts,
        "a write waits for as many replicas as the setting says, and fails without them";
    DIRECTORY_OPEN = "directory-open", Notes,
        "every user of this machine may read documents there";

    CLOCK_DIFFERS = "clock-differs", Hurts,
        "ages, tombstones and what is overdue are judged by clocks, and leave is given by them";
    RECORDS_AHEAD = "records-ahead", Hurts,
        "whoever stamped them has a clock that is ahead of this machine's: lag looks less than \
         it is";

    SLOT_UNREAD = "slot-unread", Hurts,
        "the server keeps its log for it until the disk is full";
    SLOT_STUCK = "slot-stuck", Hurts,
        "the server keeps its log for it until the disk is full";
    SLOT_GONE = "slot-gone", Loses,
        "what was not read from it is gone";
    SLOT_UNBOUNDED = "slot-unbounded", Notes,
        "a slot that nobody reads fills the server's disk";
    TRANSACTION_LONG = "transaction-long", Hurts,
        "no slot passes it: the server keeps its log from there on";
    IDENTITY_MISSING = "identity-missing", Loses,
        "the log does not say which row was changed or deleted";

    ORDER_INVERTED = "order-inverted", Hurts,
        "a later change of an aggregate came first: models wait for versions, others do not";
    ORDER_GAP = "order-gap", Hurts,
        "documents wait for versions that did not come, and then hold what waited";
    VERSION_SHARED = "version-shared", Loses,
        "the second of two changes with one version is taken for a repeat of the first";
    ORDER_CONCURRENT = "order-concurrent", Hurts,
        "two transactions changed one aggregate at once: neither saw the other's change";
    IDS_BACK = "ids-back", Notes,
        "transactions drew their ids in another order than they committed: a relay that asks for \
         larger ids skips rows";
    SOURCE_BACK = "source-back", Hurts,
        "something other than one connector wrote them, and what came before was overtaken";
    ORDER_SCATTERED = "order-scattered", Loses,
        "partitions have no order among themselves";
    UNVERSIONED = "unversioned", Notes,
        "a gap, or neighbours that were swapped, cannot be seen";
    REPEATED = "repeated", Notes,
        "each is known by its stamp and folded once; other readers may not be so careful";
    UNREADABLE = "unreadable", Hurts,
        "models hold such records";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_page_about_the_doctor_names_every_rule() {
        let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/doctor.md");
        let page = std::fs::read_to_string(page).unwrap();
        for rule in RULES {
            let row = format!("| `{}` | {} |", rule.id, rule.severity);
            assert!(page.contains(&row), "docs/doctor.md lacks {row}");
        }
        let ids: BTreeSet<&str> = RULES.iter().map(|rule| rule.id).collect();
        assert_eq!(ids.len(), RULES.len(), "two rules have one name");
        let graves = [Severity::Loses, Severity::Hurts, Severity::Notes];
        let marks = graves.map(|severity| format!("` | {severity} |"));
        let is_row = |line: &&str| marks.iter().any(|mark| line.contains(mark));
        let rows = page.lines().filter(is_row).count();
        assert_eq!(rows, RULES.len(), "docs/doctor.md has rows that are no rules");
    }
}
