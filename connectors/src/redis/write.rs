//! Guarded writes of documents: many in one transaction where one node has them all, each by a
//! script of its own in a cluster.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use readmill_engine::{Fault, Put};
use redis::{Cmd, Pipeline, RedisResult, Value};

use super::config::Mode;
use super::connect::{PARALLEL_PIPELINES, Redis, split};
use super::faults::{damaged, of_code, of_error, set_back, silent};
use super::guard::{GUARD, REPLACE_ONE, RESTORE};
use super::plan::Planned;
use super::slots::Node;
use super::tide::{LIFE_MS, Tides, slot_of_tag};

/// What a refused write found.
enum Found {
    /// The revision that stands there.
    Revision(i64),
    /// Something that is no document.
    Strange,
}

impl Redis {
    /// Writes documents, and answers for each.
    pub(super) async fn write(&self, tides: &Tides, all: &[Planned]) -> Result<Vec<Put>, Fault> {
        let many = self.together();
        let chunks = split(all, Planned::bytes).into_iter();
        let chunks: Vec<_> = chunks.map(|chunk| self.write_chunk(tides, chunk, many)).collect();
        let answers = stream::iter(chunks).buffered(PARALLEL_PIPELINES);
        let answers: Vec<Vec<Put>> = answers.try_collect().await?;
        Ok(answers.into_iter().flatten().collect())
    }

    /// Whether documents are written together: one node has them all.
    fn together(&self) -> bool {
        self.config().mode != Mode::Cluster
    }

    /// Makes a transaction without any document: whoever may not do what belongs to it is refused
    /// before there is anything to lose.
    pub(super) async fn try_transaction(&self, tides: &Tides) -> Result<(), Fault> {
        if self.together() {
            self.write_together(tides, &[]).await?;
        }
        Ok(())
    }

    async fn write_chunk(
        &self,
        tides: &Tides,
        chunk: &[Planned],
        together: bool,
    ) -> Result<Vec<Put>, Fault> {
        if together {
            return self.write_together(tides, chunk).await;
        }
        self.write_each(tides, chunk).await
    }

    /// One transaction: the guard, the fields as they are, and what puts back those refused.
    async fn write_together(&self, tides: &Tides, chunk: &[Planned]) -> Result<Vec<Put>, Fault> {
        let tags = tides.tags(&*self.map().await?);
        let (node, tag) = tags.first_key_value().ok_or_else(|| silent("no node is known"))?;
        let tag = *tag;
        let before = tides.acknowledged(tag);
        let aside = format!("{}~aside", self.config().prefix);
        let mut pipeline = transaction(chunk, &aside, (&tides.key(tag), before));
        self.add_wait(&mut pipeline);
        let mut answers = self.send(node, &pipeline).await?;
        let wait = (self.config().replicas > 0).then(|| answers.pop()).flatten();
        let done = match answers.pop() {
            Some(Ok(Value::Array(done))) => done,
            Some(Ok(_)) | None => return Err(silent(format!("{node}: no answer"))),
            Some(Err(error)) => return Err(self.refusal(node, &answers, &error).await),
        };
        let [.., Value::Int(tide)] = done.as_slice() else { return Err(of_code(node, "ERR")) };
        tides.raised(tag, before, *tide, node)?;
        let Some(Value::Array(refused)) = done.get(PROBES) else {
            return Err(damaged(format!("the guard at {node}"), "it did not run"));
        };
        let rest = done.get(PROBES + 1..).unwrap_or_default();
        if rest.iter().any(|answer| matches!(answer, Value::ServerError(_))) {
            return Err(damaged(format!("a document at {node}"), "a write failed half-way"));
        }
        self.received(node, wait)?;
        self.judge(tides, chunk, &refused_of(refused))
    }

    /// Why a transaction was not made: the first error among its parts tells.
    async fn refusal(
        &self,
        node: &Node,
        answers: &[RedisResult<Value>],
        error: &redis::RedisError,
    ) -> Fault {
        let first = answers.iter().find_map(|answer| answer.as_ref().err()).unwrap_or(error);
        if first.code() == Some("READONLY") {
            self.forget(node).await;
        }
        of_error(node, first)
    }

    fn judge(
        &self,
        tides: &Tides,
        chunk: &[Planned],
        refused: &BTreeMap<usize, Found>,
    ) -> Result<Vec<Put>, Fault> {
        let verdict = |(at, planned): (usize, &Planned)| match refused.get(&at) {
            None => {
                tides.memory.acknowledged(&planned.key, planned.stands());
                Ok(Put::Done)
            }
            Some(Found::Strange) => Err(of_code(self.place(), "WRONGTYPE")),
            Some(Found::Revision(stored)) => {
                if tides.memory.was_set_back(&planned.key, planned.expected, *stored) {
                    return Err(set_back(self.place()));
                }
                Ok(Put::Unsure)
            }
        };
        chunk.iter().enumerate().map(verdict).collect()
    }

    /// A script for each document. The tides of their nodes are raised before, too: a connection
    /// that is new may be to a node that has forgotten something.
    async fn write_each(&self, tides: &Tides, chunk: &[Planned]) -> Result<Vec<Put>, Fault> {
        let nodes = self.nodes_of(chunk).await?;
        self.raise(tides, &nodes).await?;
        let mut pipeline = Pipeline::with_capacity(chunk.len());
        pipeline.ignore_errors();
        for planned in chunk {
            pipeline.add_command(alone(planned));
        }
        let answers = self.ask_each(&pipeline).await?;
        self.raise(tides, &nodes).await?;
        let mut refused = BTreeMap::new();
        for (at, answer) in answers.into_iter().enumerate() {
            match answer {
                Ok(Value::BulkString(stored)) if stored.is_empty() => {}
                Ok(Value::BulkString(stored)) => {
                    refused.insert(at, found(&stored));
                }
                Ok(_) => return Err(of_code(self.place(), "ERR")),
                Err(error) => return Err(of_error(self.place(), &error)),
            }
        }
        self.judge(tides, chunk, &refused)
    }

    async fn nodes_of(&self, chunk: &[Planned]) -> Result<Vec<Node>, Fault> {
        let map = self.map().await?;
        let mut nodes: Vec<Node> = chunk
            .iter()
            .filter_map(|planned| map.owner(super::slots::slot_of(planned.key.as_bytes())))
            .map(Arc::clone)
            .collect();
        nodes.sort();
        nodes.dedup();
        Ok(nodes)
    }

    /// Raises the tides of nodes, and waits until their replicas have all that came before.
    pub(super) async fn raise(&self, tides: &Tides, nodes: &[Node]) -> Result<(), Fault> {
        let map = self.map().await?;
        for (node, tag) in tides.tags(&map) {
            if !nodes.contains(&node) || map.owner(slot_of_tag(tag)) != Some(&node) {
                continue;
            }
            let before = tides.acknowledged(tag);
            let now = self.ask_tide(&node, tides.raise(tag, before)).await?;
            tides.raised(tag, before, now, &node)?;
        }
        Ok(())
    }

    /// Asks for a tide, behind which the replicas have everything.
    pub(super) async fn ask_tide(&self, node: &Node, raise: Cmd) -> Result<i64, Fault> {
        let tide = self.ask(raise).await?;
        if self.config().replicas > 0 {
            let mut pipeline = Pipeline::with_capacity(1);
            pipeline.ignore_errors();
            self.add_wait(&mut pipeline);
            let wait = self.send(node, &pipeline).await?.pop();
            self.received(node, wait)?;
        }
        redis::from_redis_value(tide).map_err(|_| of_code(node, "ERR"))
    }

    /// Adds the question how many replicas have it, if that matters.
    pub(super) fn add_wait(&self, pipeline: &mut Pipeline) {
        let config = self.config();
        if config.replicas > 0 {
            let limit_ms = config.response_limit_ms / 2;
            pipeline.cmd("WAIT").arg(config.replicas).arg(limit_ms.max(1));
        }
    }

    /// Whether enough replicas have it.
    pub(super) fn received(
        &self,
        node: &Node,
        answer: Option<RedisResult<Value>>,
    ) -> Result<(), Fault> {
        let wanted = self.config().replicas;
        match answer {
            None => Ok(()),
            Some(Ok(Value::Int(have))) if have >= i64::from(wanted) => Ok(()),
            Some(Ok(Value::Int(have))) => {
                Err(silent(format!("{node}: {have} of {wanted} replicas have received it")))
            }
            Some(Ok(_)) => Err(of_code(node, "ERR")),
            Some(Err(error)) => Err(of_error(node, &error)),
        }
    }
}

/// How many commands stand in a transaction before its guard.
const PROBES: usize = 8;

/// The transaction of some documents.
///
/// If the guard failed, the fields would be written all the same. So what it does is done before
/// it, to nothing: a user who may not do it is refused then, and the whole transaction with it. The
/// guard is sent as a text, since one called by its hash may not be known.
fn transaction(chunk: &[Planned], aside: &str, (tide, before): (&str, i64)) -> Pipeline {
    let mut pipeline = Pipeline::with_capacity(chunk.len() + PROBES + 5);
    pipeline.ignore_errors();
    pipeline.cmd("MULTI");
    let other = format!("{aside}:");
    pipeline.cmd("RPUSH").arg(aside).arg("");
    pipeline.cmd("LRANGE").arg(aside).arg(0).arg(0);
    pipeline.cmd("RENAME").arg(aside).arg(&other);
    pipeline.cmd("SET").arg(&other).arg("");
    pipeline.cmd("DEL").arg(&other);
    pipeline.cmd("EXISTS").arg(aside);
    pipeline.cmd("HMGET").arg(aside).arg("");
    pipeline.cmd("GET").arg(tide);
    let words = 5 + chunk.len() * 3;
    let mut guard = Cmd::with_capacity(words, GUARD.len() + words * 24);
    guard.arg("EVAL").arg(GUARD).arg(chunk.len() + 2).arg(aside).arg(tide);
    for planned in chunk {
        guard.arg(&planned.key);
    }
    guard.arg(before);
    for planned in chunk {
        guard.arg(planned.expected).arg(&planned.shape);
    }
    pipeline.add_command(guard);
    for planned in chunk {
        let words = 2 + planned.fields.len() * 2;
        let mut write = Cmd::with_capacity(words, planned.bytes());
        write.arg("HSET").arg(&planned.key);
        planned.write(&mut write);
        pipeline.add_command(write);
        if planned.life_ms > 0 {
            pipeline.cmd("PEXPIRE").arg(&planned.key).arg(planned.life_ms);
        }
    }
    pipeline.cmd("EVAL").arg(RESTORE).arg(2).arg(aside).arg(tide).arg(before).arg(LIFE_MS);
    pipeline.cmd("EXEC");
    pipeline
}

/// One document by its own script.
fn alone(planned: &Planned) -> Cmd {
    let words = 7 + planned.fields.len() * 2;
    let mut command = Cmd::with_capacity(words, planned.bytes() + 80);
    command.arg("EVALSHA").arg(REPLACE_ONE.get_hash()).arg(1).arg(&planned.key);
    command.arg(planned.expected).arg(&planned.shape).arg(planned.life_ms);
    planned.write(&mut command);
    command
}

/// The refused writes by their numbers.
fn refused_of(answer: &[Value]) -> BTreeMap<usize, Found> {
    let pairs = answer.chunks_exact(2).filter_map(|pair| match pair {
        [Value::BulkString(at), Value::BulkString(revision)] => {
            let at = std::str::from_utf8(at).ok()?.parse().ok()?;
            Some((at, found(revision)))
        }
        _ => None,
    });
    pairs.collect()
}

fn found(revision: &[u8]) -> Found {
    let number = std::str::from_utf8(revision).ok().and_then(|text| text.parse().ok());
    number.map_or(Found::Strange, Found::Revision)
}
