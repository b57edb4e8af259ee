//! The scripts that keep held records, and the list of all scripts.

use std::sync::LazyLock;

use redis::Script;

use super::guard::{NOTE, RAISE, REPLACE_ONE};

/// What is done to one held record.
///
/// - `KEYS[1]` the hash of the model's held records, by id
/// - `KEYS[2]` the set of the ids that hold the same key
/// - `ARGV[1]` the id
/// - `ARGV[2]` the record; not for [`RELEASE`]
///
/// The set is filled first: an id in it without a record is none, a record that no set names would
/// never be found.
pub static HOLD: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
redis.call('SADD', KEYS[2], ARGV[1])
return redis.call('HSETNX', KEYS[1], ARGV[1], ARGV[2])
",
    )
});

/// Writes a held record anew; one that has been released does not come back.
pub static REWRITE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
return 1
",
    )
});

/// Lets a held record go.
pub static RELEASE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local gone = redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('SREM', KEYS[2], ARGV[1])
return gone
",
    )
});

/// Every script that is called by its hash: one that a server has forgotten is loaded again.
pub static ALL: [&LazyLock<Script>; 6] = [&HOLD, &REWRITE, &RELEASE, &REPLACE_ONE, &RAISE, &NOTE];
