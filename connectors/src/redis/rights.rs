//! What the user must be allowed to do, tried without doing it.
//!
//! A server that is asked to queue a command for a transaction says at once whether the user may
//! run it, and names it; an error within a script names nothing. So everything is queued, on a
//! connection of its own, and the transaction is left to end with it.

use readmill_engine::Fault;
use redis::{Pipeline, RedisResult, Value};

use super::config::{Mode, RedisConfig};
use super::connect::Redis;
use super::faults::{PERMISSIONS, of_error, refused};
use super::slots::Node;

/// What documents and held records need everywhere. `KEY` stands for a key under the prefix.
const ALWAYS: [&str; 22] = [
    "PING",
    "INFO",
    "SCAN 0",
    "SCRIPT LOAD x",
    "EVALSHA x 1 KEY",
    "GET KEY",
    "SET KEY x",
    "DEL KEY",
    "UNLINK KEY",
    "PEXPIRE KEY 1",
    "HGETALL KEY",
    "HMGET KEY x",
    "HSET KEY x x",
    "HSETNX KEY x x",
    "HDEL KEY x",
    "HEXISTS KEY x",
    "HLEN KEY",
    "HSCAN KEY 0",
    "SADD KEY x",
    "SREM KEY x",
    "SMEMBERS KEY",
    "EXISTS KEY",
];
/// What documents need beside it where one node has them all.
const TOGETHER: [&str; 4] = ["EVAL x 1 KEY", "RPUSH KEY x", "LRANGE KEY 0 0", "RENAME KEY KEY"];
/// What a cluster needs beside it.
const CLUSTER: [&str; 2] = ["CLUSTER SLOTS", "ASKING"];
/// What is needed to wait for replicas.
const REPLICAS: [&str; 1] = ["WAIT 0 0"];
/// What is needed to keep keys in order.
pub const ORDER: [&str; 3] = ["ZADD KEY 0 x", "ZREM KEY x", "ZRANGEBYLEX KEY - +"];

/// The commands that a configuration needs.
fn needed(config: &RedisConfig) -> Vec<&'static str> {
    let cluster = config.mode == Mode::Cluster;
    let more: &[&str] = if cluster { &CLUSTER } else { &TOGETHER };
    let replicas: &[&str] = if config.replicas > 0 { &REPLICAS } else { &[] };
    [&ALWAYS[..], more, replicas].concat()
}

impl Redis {
    /// Tries everything that documents and held records need; `key` is at the node.
    pub(super) async fn try_rights(&self, node: &Node, key: &str) -> Result<(), Fault> {
        self.try_commands(node, key, &needed(self.config())).await
    }

    /// Tries commands.
    ///
    /// # Errors
    /// With all that the user may not run.
    pub(super) async fn try_commands(
        &self,
        node: &Node,
        key: &str,
        commands: &[&str],
    ) -> Result<(), Fault> {
        let fault = |error: redis::RedisError| of_error(node, &error);
        let mut connection = self.open(node).await?;
        // Alone: without it the others would be run.
        redis::cmd("MULTI").exec_async(&mut connection).await.map_err(fault)?;
        let mut missing = Vec::new();
        for command in commands {
            let mut pipeline = Pipeline::with_capacity(1);
            let mut words = command.split(' ');
            pipeline.ignore_errors().cmd(words.next().unwrap_or_default());
            for word in words {
                pipeline.arg(if word == "KEY" { key } else { word });
            }
            let answers: Vec<RedisResult<Value>> =
                pipeline.query_async(&mut connection).await.map_err(fault)?;
            match answers.into_iter().next() {
                Some(Err(error)) if names_right(&error) => missing.push(name(command)),
                Some(Err(error)) if is_key(&error) => return Err(fault(error)),
                Some(_) | None => {}
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        let what = format!("{node}: the user may not run {}", missing.join(", "));
        Err(refused(what, PERMISSIONS))
    }
}

fn names_right(error: &redis::RedisError) -> bool {
    error.code() == Some("NOPERM") && !is_key(error)
}

fn is_key(error: &redis::RedisError) -> bool {
    error.detail().is_some_and(|detail| detail.contains("access"))
}

/// A command as rights name it.
fn name(command: &str) -> String {
    let mut words = command.split(' ');
    let first = words.next().unwrap_or_default().to_owned();
    match (first.as_str(), words.next()) {
        ("SCRIPT" | "CLUSTER", Some(second)) => format!("{first}|{second}"),
        _ => first,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_configuration_needs_its_own() {
        let mut config = RedisConfig::at("redis://h");
        let plain = needed(&config);
        assert!(plain.contains(&"RENAME KEY KEY") && !plain.contains(&"ASKING"));
        config.mode = Mode::Cluster;
        config.replicas = 1;
        let cluster = needed(&config);
        assert!(cluster.contains(&"WAIT 0 0") && !cluster.contains(&"RENAME KEY KEY"));
        assert_eq!(name("CLUSTER SLOTS"), "CLUSTER|SLOTS");
        assert_eq!(name("HDEL KEY x"), "HDEL");
    }
}
