//! The scripts of a mirror: each guards what it writes by the revision of the document.
//!
//! In each the first write is one that a server without memory refuses, before anything is changed.

use std::sync::LazyLock;

use redis::Script;

macro_rules! scripts {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal;)+) => {
        $($(#[doc = $doc])+
        pub static $name: LazyLock<Script> = LazyLock::new(|| Script::new($text));)+

        /// All of them.
        pub static ALL: [&LazyLock<Script>; [$(stringify!($name)),+].len()] = [$(&$name),+];
    };
}

scripts! {
    /// Writes a document's hash, which is also the record of where else it shows.
    ///
    /// - `KEYS[1]` the hash
    /// - `ARGV[1]` the revision
    /// - `ARGV[2]` the life in milliseconds of what shows nothing any more; 0 is for ever
    /// - `ARGV[3]` where else it shows, a JSON list
    /// - `ARGV[4]`… fields and values, in pairs
    ///
    /// Answers 0 if a newer revision stands, 1 if it is written, or where the document still
    /// stands and does not show any more. That stays in the record until [`SETTLE`].
    SHOW = r"
local stored = redis.call('HMGET', KEYS[1], '_revision', '_in')
if tonumber(stored[1] or '0') > tonumber(ARGV[1]) then return 0 end
local places, left = ARGV[3], {}
if stored[2] then
  local all, shown = cjson.decode(places), {}
  for _, place in ipairs(all) do shown[place] = true end
  for _, place in ipairs(cjson.decode(stored[2])) do
    if not shown[place] then
      left[#left + 1] = place
      all[#all + 1] = place
    end
  end
  if #left > 0 then places = cjson.encode(all) end
end
redis.call('HSET', KEYS[1], '_revision', ARGV[1])
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], '_revision', ARGV[1])
if places ~= '[]' then redis.call('HSET', KEYS[1], '_in', places) end
for at = 4, #ARGV, 1000 do
  redis.call('HSET', KEYS[1], unpack(ARGV, at, math.min(at + 999, #ARGV)))
end
if #left > 0 then return left end
if ARGV[2] ~= '0' then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 1
";

    /// Notes that a document has left what it was to leave, unless a newer revision stands.
    ///
    /// - `KEYS[1]`, `ARGV[1]`, `ARGV[2]`, `ARGV[3]` as for [`SHOW`]
    SETTLE = r"
if redis.call('HGET', KEYS[1], '_revision') ~= ARGV[1] then return 0 end
if ARGV[3] == '[]' then
  redis.call('HDEL', KEYS[1], '_in')
else
  redis.call('HSET', KEYS[1], '_in', ARGV[3])
end
if ARGV[2] ~= '0' then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 1
";

    /// Writes a document's JSON text, which begins with its revision.
    ///
    /// - `KEYS[1]` the text
    /// - `ARGV[1]` the revision
    /// - `ARGV[2]` the life in milliseconds; 0 is for ever
    /// - `ARGV[3]` the text
    JSON = r#"
local begin = redis.call('GETRANGE', KEYS[1], 0, 63)
local stored = string.match(begin, '^{"_revision":(%d+)[,}]') or '0'
if tonumber(stored) > tonumber(ARGV[1]) then return 0 end
if ARGV[2] == '0' then
  redis.call('SET', KEYS[1], ARGV[3])
else
  redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[2])
end
return 1
"#;

    /// Puts a document into a collection, or takes it out. Whoever has left is remembered for a
    /// while, so that an older word does not bring it back.
    ///
    /// - `KEYS[1]` the collection
    /// - `KEYS[2]` the hash of its members' revisions
    /// - `KEYS[3]` the sorted set of those who have left, by the time
    /// - `ARGV[1]` `set` or `sorted`
    /// - `ARGV[2]` `in` or `out`
    /// - `ARGV[3]` the member
    /// - `ARGV[4]` the revision
    /// - `ARGV[5]` the score
    /// - `ARGV[6]` for how many milliseconds it is remembered who has left; 0 is for ever
    MEMBER = r"
local stored = redis.call('HGET', KEYS[2], ARGV[3])
if stored and tonumber(stored) > tonumber(ARGV[4]) then return 0 end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('HSET', KEYS[2], ARGV[3], ARGV[4])
if ARGV[2] == 'out' then
  redis.call(ARGV[1] == 'set' and 'SREM' or 'ZREM', KEYS[1], ARGV[3])
  redis.call('ZADD', KEYS[3], now, ARGV[3])
else
  if ARGV[1] == 'set' then
    redis.call('SADD', KEYS[1], ARGV[3])
  else
    redis.call('ZADD', KEYS[1], ARGV[5], ARGV[3])
  end
  redis.call('ZREM', KEYS[3], ARGV[3])
end
if ARGV[6] ~= '0' then
  local before = string.format('(%.0f', now - ARGV[6])
  local old = redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', before, 'LIMIT', 0, 16)
  for _, member in ipairs(old) do
    redis.call('HDEL', KEYS[2], member)
    redis.call('ZREM', KEYS[3], member)
  end
end
return 1
";

    /// Takes out a hash that no document explains, if it stands as it was seen.
    ///
    /// - `KEYS[1]` the hash
    /// - `ARGV[1]` the revision that was seen; 0 if it had none
    TAKE_OUT = r"
if (redis.call('HGET', KEYS[1], '_revision') or '0') ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
";

    /// Takes out a JSON text that no document explains, if it stands as it was seen.
    ///
    /// - `KEYS[1]` the text
    /// - `ARGV[1]` the revision that was seen; 0 if it had none
    TAKE_OUT_JSON = r#"
local begin = redis.call('GETRANGE', KEYS[1], 0, 63)
if (string.match(begin, '^{"_revision":(%d+)[,}]') or '0') ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
"#;

    /// Takes out a member that no document explains, if it stands as it was seen.
    ///
    /// - `KEYS[1]`… as for [`MEMBER`]
    /// - `ARGV[1]` `set` or `sorted`
    /// - `ARGV[2]` the member
    /// - `ARGV[3]` the revision that was seen; 0 if it had none
    /// - `ARGV[4]` the revision at which its document stands; 0 if there is none
    TAKE_OUT_MEMBER = r"
if (redis.call('HGET', KEYS[2], ARGV[2]) or '0') ~= ARGV[3] then return 0 end
if ARGV[4] == '0' then
  redis.call('HDEL', KEYS[2], ARGV[2])
  redis.call('ZREM', KEYS[3], ARGV[2])
else
  redis.call('HSET', KEYS[2], ARGV[2], ARGV[4])
  local time = redis.call('TIME')
  redis.call('ZADD', KEYS[3], time[1] * 1000, ARGV[2])
end
redis.call(ARGV[1] == 'set' and 'SREM' or 'ZREM', KEYS[1], ARGV[2])
return 1
";

    /// Leaves a marker, if what is there is what was seen.
    ///
    /// - `KEYS[1]` the marker
    /// - `ARGV[1]` what was seen; empty if nothing was
    /// - `ARGV[2]` the new one; empty takes it away
    MARK = r"
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
if ARGV[2] == '' then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], ARGV[2])
end
return 1
";
}
