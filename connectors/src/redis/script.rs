//! The scripts that write: a guarded replacement of a whole hash, and what is done to held records.

use std::sync::LazyLock;

use redis::Script;

/// Replaces a hash if its revision allows it.
///
/// - `KEYS[1]` the hash
/// - `ARGV[1]` `exactly` or `no newer than`: how the stored revision is compared
/// - `ARGV[2]` the revision to compare with; 0 is nothing stored
/// - `ARGV[3]` the new revision
/// - `ARGV[4]` the life in milliseconds; 0 is for ever
/// - `ARGV[5]`… the new fields and values, in pairs
///
/// Answers 1 if it replaced, 0 if not. The first write is an `HSET`, since a server without memory
/// refuses that before anything is changed; after a `DEL` it would be too late to refuse.
pub const TEXT: &str = r"
local stored = redis.call('HGET', KEYS[1], '_revision') or '0'
if ARGV[1] == 'exactly' then
  if stored ~= ARGV[2] then return 0 end
elseif tonumber(stored) > tonumber(ARGV[2]) then
  return 0
end
redis.call('HSET', KEYS[1], '_revision', ARGV[3])
redis.call('DEL', KEYS[1])
for at = 5, #ARGV, 1000 do
  redis.call('HSET', KEYS[1], unpack(ARGV, at, math.min(at + 999, #ARGV)))
end
if ARGV[4] ~= '0' then redis.call('PEXPIRE', KEYS[1], ARGV[4]) end
return 1
";

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

/// The script and its hash.
pub static REPLACE: LazyLock<Script> = LazyLock::new(|| Script::new(TEXT));
