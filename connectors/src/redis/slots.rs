//! Slots of a cluster: which a key is in, which node has it, and what nodes say of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use redis::{Cmd, ServerErrorKind, Value};

/// How many slots a cluster has.
pub const SLOTS: u16 = 16_384;

/// A node's address: `host:port`, or whatever the configuration says of a single one.
pub type Node = Arc<str>;

/// The slot of a key: that of what stands in its first braces, if anything does.
pub fn slot_of(key: &[u8]) -> u16 {
    crc16(tag(key)) % SLOTS
}

fn tag(key: &[u8]) -> &[u8] {
    let Some(open) = key.iter().position(|byte| *byte == b'{') else { return key };
    let inner = key.get(open + 1..).unwrap_or_default();
    match inner.iter().position(|byte| *byte == b'}') {
        Some(length @ 1..) => inner.get(..length).unwrap_or(key),
        Some(0) | None => key,
    }
}

/// CRC-16 as XMODEM computes it.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
        })
    })
}

/// The slot of a command's first key; none for those that have no key.
pub fn slot_of_command(command: &Cmd) -> Option<u16> {
    let mut arguments = command.args_iter().map(|argument| match argument {
        redis::Arg::Simple(bytes) => bytes,
        redis::Arg::Cursor | _ => &[],
    });
    let name = arguments.next()?;
    let first = match name {
        b"EVALSHA" | b"EVAL" | b"FCALL" => {
            let keys = arguments.nth(1)?;
            (keys != b"0").then(|| arguments.next())?
        }
        b"PING" | b"INFO" | b"SCRIPT" | b"CONFIG" | b"SCAN" | b"WAIT" | b"CLUSTER" | b"DBSIZE"
        | b"ROLE" | b"FLUSHALL" | b"FLUSHDB" | b"FUNCTION" => None,
        _ => arguments.next(),
    };
    first.map(slot_of)
}

/// The hash of the script that a command runs.
pub fn script_of(command: &Cmd) -> Option<&str> {
    let mut words = command.args_iter().filter_map(|argument| match argument {
        redis::Arg::Simple(bytes) => Some(bytes),
        redis::Arg::Cursor | _ => None,
    });
    (words.next()? == b"EVALSHA").then_some(())?;
    std::str::from_utf8(words.next()?).ok()
}

/// Who has which slots.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SlotMap {
    /// First slot, last slot and their node, ascending.
    ranges: Vec<(u16, u16, Node)>,
}

impl SlotMap {
    /// The map in which one node has everything.
    pub fn of_one(node: Node) -> Self {
        Self { ranges: vec![(0, SLOTS - 1, node)] }
    }

    /// Reads the answer to `CLUSTER SLOTS`. A node that does not know its own address has the one
    /// at which it was `asked`.
    pub fn read(answer: &Value, asked: &str) -> Option<Self> {
        let Value::Array(rows) = answer else { return None };
        let mut ranges = Vec::with_capacity(rows.len());
        for row in rows {
            let Value::Array(row) = row else { return None };
            let [Value::Int(first), Value::Int(last), Value::Array(primary), ..] = row.as_slice()
            else {
                return None;
            };
            let [host, Value::Int(port), ..] = primary.as_slice() else { return None };
            let asked_host = asked.rsplit_once(':').map_or(asked, |(host, _)| host);
            let host = text(host).unwrap_or_default();
            let host = if host.is_empty() || host == "?" { asked_host } else { host };
            let (first, last) = (u16::try_from(*first).ok()?, u16::try_from(*last).ok()?);
            ranges.push((first, last, format!("{host}:{port}").into()));
        }
        ranges.sort();
        Some(Self { ranges })
    }

    /// The node that has a slot.
    pub fn owner(&self, slot: u16) -> Option<&Node> {
        let after = self.ranges.partition_point(|(first, ..)| *first <= slot);
        let (_, last, node) = self.ranges.get(after.checked_sub(1)?)?;
        (slot <= *last).then_some(node)
    }

    /// Every node that has a slot.
    pub fn nodes(&self) -> BTreeSet<Node> {
        self.ranges.iter().map(|(.., node)| Arc::clone(node)).collect()
    }

    /// Whether every slot has a node.
    pub fn is_whole(&self) -> bool {
        let covered: u32 =
            self.ranges.iter().map(|(first, last, _)| u32::from(last - first) + 1).sum();
        covered == u32::from(SLOTS)
    }
}

fn text(value: &Value) -> Option<&str> {
    if let Value::BulkString(bytes) = value {
        return std::str::from_utf8(bytes).ok();
    }
    if let Value::SimpleString(text) = value { Some(text) } else { None }
}

/// What is to be done about an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Redo {
    /// Ask that node, and remember that the slot is there now.
    Moved(Node),
    /// Ask that node this once: the slot is on its way there.
    Ask(Node),
    /// Find out anew who has what: the node is no primary any more.
    LookAgain,
    /// Ask again in a moment.
    Wait,
    /// Load the scripts first.
    Load,
}

/// What is to be done about an error, if asking again may help at once. The command was not run.
pub fn redo(error: &redis::RedisError, asked: &str) -> Option<Redo> {
    let redis::ErrorKind::Server(kind) = error.kind() else { return None };
    let node = || {
        let (node, _) = error.redirect_node()?;
        // A node that knows no address of its own leaves the host out.
        let host = asked.rsplit_once(':').map_or(asked, |(host, _)| host);
        let node = if node.starts_with(':') { format!("{host}{node}") } else { node.to_owned() };
        Some(Node::from(node))
    };
    let table = [
        (ServerErrorKind::Moved, node().map(Redo::Moved)),
        (ServerErrorKind::Ask, node().map(Redo::Ask)),
        (ServerErrorKind::TryAgain, Some(Redo::Wait)),
        (ServerErrorKind::ReadOnly, Some(Redo::LookAgain)),
        (ServerErrorKind::NoScript, Some(Redo::Load)),
    ];
    table.into_iter().find(|(other, _)| *other == kind)?.1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_those_of_the_servers() {
        // From `CLUSTER KEYSLOT`.
        let table = [
            ("123456789", 12_739),
            ("foo", 12_182),
            ("{foo}bar", 12_182),
            ("a{foo}{bar}", 12_182),
            ("rm:deliveries:1:{d-1}", slot_of(b"d-1")),
        ];
        for (key, slot) in table {
            assert_eq!(slot_of(key.as_bytes()), slot, "{key}");
        }
        assert_eq!(slot_of(b"{}a"), crc16(b"{}a") % SLOTS);
        assert_eq!(slot_of(b"{a"), crc16(b"{a") % SLOTS);
    }

    #[test]
    fn commands_are_where_their_keys_are() {
        let command = |words: &[&str]| {
            let mut command = Cmd::new();
            words.iter().for_each(|word| {
                command.arg(*word);
            });
            slot_of_command(&command)
        };
        assert_eq!(command(&["HGETALL", "foo"]), Some(12_182));
        assert_eq!(command(&["EVALSHA", "sha", "1", "foo", "x"]), Some(12_182));
        assert_eq!(command(&["EVALSHA", "sha", "0", "foo"]), None);
        assert_eq!(command(&["SCAN", "0"]), None);
        assert_eq!(command(&["PING"]), None);
    }

    #[test]
    fn a_map_is_read_and_knows_its_holes() {
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let row = |first, last, host: &str, port| {
            let node = Value::Array(vec![text(host), Value::Int(port), text("id")]);
            Value::Array(vec![Value::Int(first), Value::Int(last), node])
        };
        let all = Value::Array(vec![row(8_192, 16_383, "b", 2), row(0, 8_191, "", 1)]);
        let map = SlotMap::read(&all, "a:7").unwrap();
        assert!(map.is_whole());
        assert_eq!(map.owner(8_191).map(|node| &**node), Some("a:1"));
        assert_eq!(map.owner(8_192).map(|node| &**node), Some("b:2"));
        let part = Value::Array(vec![row(5, 6, "b", 2)]);
        let map = SlotMap::read(&part, "a:7").unwrap();
        assert!(!map.is_whole() && map.owner(4).is_none() && map.owner(7).is_none());
        assert_eq!(SlotMap::read(&Value::Int(3), "a"), None);
    }
}
