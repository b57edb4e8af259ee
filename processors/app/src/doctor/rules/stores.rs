//! Rules about stores: who keeps documents and views, and whether there is room.

use readmill_connectors::embedded::look::DirectoryLook;
use readmill_connectors::mongo::MongoLook;
use readmill_connectors::redis::RedisLook;

use super::bytes;
use crate::doctor::finding::Findings;
use crate::doctor::table;

/// A disk with less room than this, in percent, and in bytes, is told.
const LOW_PERCENT: u64 = 10;
const LOW_BYTES: u64 = 20 << 30;
/// A memory that is used by more is told, in percent.
const FULL_PERCENT: u64 = 90;

/// What a Redis is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RedisUse {
    /// Whether documents are there.
    pub documents: bool,
    /// How many replicas a write waits for.
    pub replicas: u32,
    /// Whether tombstones end by themselves.
    pub tombstones_end: bool,
}

/// Judges a MongoDB.
pub fn judge_mongo(place: &str, look: &MongoLook, found: &mut Findings) {
    if is_older(&look.version, (5, 0)) {
        let what = format!("its version is {}", look.version);
        found.note(&table::MONGO_OLD, place, what, "upgrade it, one major version at a time");
    }
    if look.keepers == Some(1) {
        let mend = "add two members: rs.add(\"host:27017\")";
        found.note(&table::MONGO_ALONE, place, "one member keeps the data", mend);
    }
    if look.arbiters > 0 {
        let what = format!("its set has {} arbiter", look.arbiters);
        let mend = "replace the arbiter by a member that keeps data: rs.remove, rs.add";
        found.note(&table::MONGO_ARBITER, place, what, mend);
    }
    for member in &look.away {
        let what = format!("the member {member} cannot be reached");
        found.note(&table::MONGO_AWAY, place, what, "start it, or see rs.status()");
    }
    if let Some(disk) = look.disk {
        judge_disk(place, disk, found);
    }
}

/// Judges which indexes of a collection there are not.
pub fn judge_indexes(place: &str, collection: &str, lacks: &[String], found: &mut Findings) {
    if !lacks.is_empty() {
        let what = format!("{collection} has no index {}", lacks.join(", "));
        let mend = "start an instance of this binary, which builds them";
        found.note(&table::INDEX_MISSING, place, what, mend);
    }
}

fn judge_disk(place: &str, (free, all): (u64, u64), found: &mut Findings) {
    let is_low = free < LOW_BYTES && free.saturating_mul(100) < all.saturating_mul(LOW_PERCENT);
    if is_low && all > 0 {
        let what = format!("{} of {} are free on its disk", bytes(free), bytes(all));
        let mend = "make room, or give it a larger disk, before it is full";
        found.note(&table::DISK_LOW, place, what, mend);
    }
}

/// Judges a node of Redis.
pub fn judge_redis(look: &RedisLook, of: RedisUse, found: &mut Findings) {
    let node = format!("redis {}", look.node);
    if is_older(&look.version, (6, 2)) {
        let what = format!("its version is {}", look.version);
        found.note(&table::REDIS_OLD, &node, what, "upgrade it");
    }
    evicts(&node, look, of, found);
    if of.documents && !look.appends {
        let mend = "CONFIG SET appendonly yes, and in its file, too";
        found.note(&table::REDIS_FORGETS, &node, "appendonly is off", mend);
    }
    for what in &look.unsaved {
        let mend = "see its log, and its disk: df, and the rights of its directory";
        found.note(&table::REDIS_UNSAVED, &node, format!("{what} is not ok"), mend);
    }
    let (used, most) = look.memory;
    if most > 0 && used.saturating_mul(100) > most.saturating_mul(FULL_PERCENT) {
        let what = format!("{} of {} are used (maxmemory)", bytes(used), bytes(most));
        found.note(&table::REDIS_FULL, &node, what, "raise maxmemory, or add memory");
    }
    for replica in &look.late {
        let what = format!("the replica {replica}");
        let mend = "see the replica's log, and the network between the two";
        found.note(&table::REDIS_REPLICA_LATE, &node, what, mend);
    }
    if of.documents && (look.replicas as u64) < u64::from(of.replicas) {
        let what =
            format!("{} replicas are in line, and `replicas` is {}", look.replicas, of.replicas);
        let mend = "start the replica that is missing, or lower redis.replicas";
        found.note(&table::REDIS_REPLICAS_FEW, &node, what, mend);
    }
}

fn evicts(node: &str, look: &RedisLook, of: RedisUse, found: &mut Findings) {
    let is_full_use = look.policy.starts_with("allkeys");
    let is_part = look.policy.starts_with("volatile");
    let rule = match (of.documents, is_full_use, is_part) {
        (true, true, _) => &table::REDIS_EVICTS_DOCUMENTS,
        (true, false, true) if of.tombstones_end => &table::REDIS_EVICTS_TOMBSTONES,
        (false, true, _) => &table::REDIS_EVICTS_VIEWS,
        (true | false, false, _) => return,
    };
    let what = format!("maxmemory-policy is {}, {} keys were dropped", look.policy, look.evicted);
    let mend = "CONFIG SET maxmemory-policy noeviction, and in its file, too";
    found.note(rule, node, what, mend);
}

/// Judges a directory of this machine.
pub fn judge_directory(look: &DirectoryLook, found: &mut Findings) {
    let place = format!("directory {}", look.directory.display());
    judge_disk(&place, look.disk, found);
    if look.is_open {
        let mend = format!("chmod o-rwx {}", look.directory.display());
        found.note(&table::DIRECTORY_OPEN, &place, "others may look into it", mend);
    }
}

/// Whether a version is older; one that is not understood is not.
fn is_older(version: &str, than: (u32, u32)) -> bool {
    let mut parts = version.split('.').map(str::parse::<u32>);
    let (Some(Ok(major)), Some(Ok(minor))) = (parts.next(), parts.next()) else { return false };
    (major, minor) < than
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(judge: impl FnOnce(&mut Findings)) -> Vec<&'static str> {
        let mut found = Findings::default();
        judge(&mut found);
        found.ids()
    }

    fn mongo() -> MongoLook {
        let version = "6.0.5".to_owned();
        MongoLook {
            version,
            keepers: Some(3),
            disk: Some((50 << 30, 100 << 30)),
            ..MongoLook::default()
        }
    }

    fn redis() -> RedisLook {
        RedisLook {
            version: "7.0.15".to_owned(),
            policy: "noeviction".to_owned(),
            memory: (10, 0),
            appends: true,
            replicas: 1,
            ..RedisLook::default()
        }
    }

    #[test]
    fn each_rule_about_mongodb_fires_alone() {
        type Change = fn(&mut MongoLook);
        let table: [(Change, &[&str]); 8] = [
            (|_| {}, &[]),
            (|look| look.version = "4.4.29".to_owned(), &["mongo-old"]),
            (|look| look.version = String::new(), &[]),
            (|look| look.keepers = Some(1), &["mongo-alone"]),
            (|look| look.keepers = None, &[]),
            (|look| look.arbiters = 1, &["mongo-arbiter"]),
            (|look| look.away = vec!["b:2".to_owned()], &["mongo-away"]),
            (|look| look.disk = Some((5 << 30, 100 << 30)), &["disk-low"]),
        ];
        for (change, wanted) in table {
            let mut look = mongo();
            change(&mut look);
            assert_eq!(ids(|found| judge_mongo("m", &look, found)), wanted);
        }
        assert_eq!(ids(|found| judge_indexes("m", "a.g1", &[], found)), [] as [&str; 0]);
        let lacks = ["readmill:by_age".to_owned()];
        assert_eq!(ids(|found| judge_indexes("m", "a.g1", &lacks, found)), ["index-missing"]);
    }

    #[test]
    fn each_rule_about_redis_fires_alone_and_only_where_it_matters() {
        type Change = fn(&mut RedisLook, &mut RedisUse);
        let table: [(Change, &[&str]); 13] = [
            (|_, _| {}, &[]),
            (|look, _| look.version = "6.0.16".to_owned(), &["redis-old"]),
            (|look, _| look.policy = "allkeys-lru".to_owned(), &["redis-evicts-documents"]),
            (|look, _| look.policy = "volatile-lru".to_owned(), &["redis-evicts-tombstones"]),
            (
                |look, of| {
                    look.policy = "volatile-lru".to_owned();
                    of.tombstones_end = false;
                },
                &[],
            ),
            (
                |look, of| {
                    look.policy = "allkeys-lru".to_owned();
                    of.documents = false;
                },
                &["redis-evicts-views"],
            ),
            (|look, _| look.appends = false, &["redis-forgets"]),
            (
                |look, of| {
                    look.appends = false;
                    of.documents = false;
                },
                &[],
            ),
            (|look, _| look.unsaved = vec!["aof_last_write_status".to_owned()], &["redis-unsaved"]),
            (|look, _| look.memory = (91, 100), &["redis-full"]),
            (|look, _| look.memory = (90, 100), &[]),
            (
                |look, _| look.late = vec!["a:1 online, 90 s late".to_owned()],
                &["redis-replica-late"],
            ),
            (|_, of| of.replicas = 2, &["redis-replicas-few"]),
        ];
        for (change, wanted) in table {
            let (mut look, mut of) =
                (redis(), RedisUse { documents: true, replicas: 1, tombstones_end: true });
            change(&mut look, &mut of);
            assert_eq!(ids(|found| judge_redis(&look, of, found)), wanted, "{look:?}");
        }
    }

    #[test]
    fn a_directory_is_judged_by_its_room_and_its_rights() {
        let well = DirectoryLook { directory: "/d".into(), disk: (90, 100), is_open: false };
        let table = [
            (well.clone(), &[][..]),
            (DirectoryLook { disk: (9, 100), ..well.clone() }, &["disk-low"][..]),
            (DirectoryLook { disk: (30 << 30, 999 << 30), ..well.clone() }, &[]),
            (DirectoryLook { is_open: true, ..well }, &["directory-open"]),
        ];
        for (look, wanted) in table {
            assert_eq!(ids(|found| judge_directory(&look, found)), wanted, "{look:?}");
        }
    }
}
