//! The scripts that guard documents: one for many in a transaction, one for a single document, and
//! the one for the positions up to which they are settled.

use std::sync::LazyLock;

use redis::Script;

/// Looks at the revisions of many documents, before plain `HSET`s in the same transaction write
/// them. That costs a third of what it does when the fields themselves pass through a script.
///
/// - `KEYS[1]` where it notes those whose revision is another one
/// - `KEYS[2]` the writer's tide
/// - `KEYS[3]`… the documents
/// - `ARGV[1]` the tide that was acknowledged
/// - `ARGV[2]`… of each document the expected revision, and the shape that it is going to have
///
/// A document with another revision is moved aside, so that what follows writes into nothing;
/// [`RESTORE`] puts it back. All are, if the tide has fallen. One with fields that the next one may
/// not have is removed. Answers the numbers of those that were moved, each with its revision; `x`
/// is what is no document.
pub const GUARD: &str = r"
local aside, refused = KEYS[1], {}
local fallen = tonumber(redis.call('GET', KEYS[2]) or '0') < tonumber(ARGV[1])
for at = 3, #KEYS do
  local key, n = KEYS[at], at * 2 - 4
  local stored = redis.pcall('HMGET', key, '_revision', '_shape')
  local revision = stored.err and 'x' or stored[1] or '0'
  if fallen or revision ~= ARGV[n] then
    refused[#refused + 1] = tostring(at - 3)
    refused[#refused + 1] = revision
    redis.call('RPUSH', aside, at, key)
    if redis.call('EXISTS', key) == 1 then redis.call('RENAME', key, aside .. ':' .. at) end
  elseif stored[2] ~= ARGV[n + 1] then
    redis.call('DEL', key)
  end
end
return refused
";

/// Puts back what [`GUARD`] moved aside, and raises the tide as [`RAISE`] does.
///
/// - `KEYS[1]` where the guard noted that
/// - `KEYS[2]`, `ARGV` as of [`RAISE`]
pub const RESTORE: &str = r"
local moved = redis.call('LRANGE', KEYS[1], 0, -1)
for n = 1, #moved, 2 do
  local aside, key = KEYS[1] .. ':' .. moved[n], moved[n + 1]
  redis.call('DEL', key)
  if redis.call('EXISTS', aside) == 1 then redis.call('RENAME', aside, key) end
end
if #moved > 0 then redis.call('DEL', KEYS[1]) end
local tide = tonumber(redis.call('GET', KEYS[2]) or '0')
if tide < tonumber(ARGV[1]) then return tide end
redis.call('SET', KEYS[2], tide + 1, 'PX', ARGV[2])
return tide + 1
";

/// Raises a tide, unless it has fallen.
///
/// - `KEYS[1]` the tide
/// - `ARGV[1]` what was acknowledged
/// - `ARGV[2]` its life in milliseconds
///
/// Answers what it stands at afterwards: more than was acknowledged, or the loss is told.
pub static RAISE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local tide = tonumber(redis.call('GET', KEYS[1]) or '0')
if tide < tonumber(ARGV[1]) then return tide end
redis.call('SET', KEYS[1], tide + 1, 'PX', ARGV[2])
return tide + 1
",
    )
});

/// Replaces one document if its revision is the expected one.
///
/// - `KEYS[1]` the document
/// - `ARGV[1]` the expected revision; 0 is nothing stored
/// - `ARGV[2]` the shape
/// - `ARGV[3]` the life in milliseconds; 0 is for ever
/// - `ARGV[4]`… the new fields and values, in pairs
///
/// Answers an empty text if it replaced, else the revision that stands there. The first write is an
/// `HSET`, since a server without memory refuses that before anything is changed; after a `DEL` it
/// would be too late to refuse.
pub static REPLACE_ONE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
local stored = redis.call('HMGET', KEYS[1], '_revision', '_shape')
if (stored[1] or '0') ~= ARGV[1] then return stored[1] or '0' end
redis.call('HSET', KEYS[1], unpack(ARGV, 4, 5))
if stored[2] ~= ARGV[2] then redis.call('DEL', KEYS[1]) end
for at = 4, #ARGV, 1000 do
  redis.call('HSET', KEYS[1], unpack(ARGV, at, math.min(at + 999, #ARGV)))
end
if ARGV[3] ~= '0' then redis.call('PEXPIRE', KEYS[1], ARGV[3]) end
return ''
",
    )
});

/// Notes how far partitions are settled, unless the server has forgotten what it had acknowledged.
///
/// - `KEYS[1]` the writer's tide
/// - `KEYS[2]` the positions
/// - `ARGV[1]` the tide that was acknowledged
/// - `ARGV[2]`… partitions and positions, in pairs
///
/// A note never goes back: whoever comes late, frozen for a while, knows less.
///
/// Answers 1 if it noted, 0 if not.
pub static NOTE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
if tonumber(redis.call('GET', KEYS[1]) or '0') < tonumber(ARGV[1]) then return 0 end
for at = 2, #ARGV, 2 do
  local old = redis.call('HMGET', KEYS[2], ARGV[at])[1]
  local was = tonumber(old and string.match(old, '^%d+') or '-1')
  if was <= tonumber(string.match(ARGV[at + 1], '^%d+')) then
    redis.call('HSET', KEYS[2], ARGV[at], ARGV[at + 1])
  end
end
return 1
",
    )
});
