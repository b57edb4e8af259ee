//! Redis, however many nodes it has: commands find their nodes, and what moved is asked again.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use readmill_engine::Fault;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, Pipeline, RedisResult, Value};

use super::config::RedisConfig;
use super::faults::{of_error, refused, silent};
use super::fleet::{Fleet, setting};
use super::mirror::{RedisMirror, SCRIPTS};
use super::plan::Naming;
use super::script::ALL;
use super::slots::{self, Node, Redo, SlotMap};
use super::store::RedisStore;
use crate::{address, life};

/// How many commands are sent before their answers are read.
pub const PIPELINE_COMMANDS: usize = 500;
pub const PIPELINE_BYTES: usize = 4 << 20;

/// How many pipelines of one batch may be under way.
pub const PARALLEL_PIPELINES: usize = 2;

/// How often a command may be sent on before its error is believed.
const ROUNDS: u32 = 6;
const FIRST_PAUSE_MS: u64 = 10;

/// A connected Redis. It is cheap to clone.
#[derive(Clone)]
pub struct Redis(Arc<Shared>);

struct Shared {
    fleet: Fleet,
    place: String,
    config: RedisConfig,
}

/// How far a walk over all keys has come.
#[derive(Debug, Clone)]
pub struct Cursor {
    nodes: Vec<Node>,
    at: u64,
}

impl Redis {
    /// Connects and says hello.
    ///
    /// # Errors
    /// When nobody answers, or not as Redis would.
    pub async fn connect(config: &RedisConfig) -> Result<Self, Fault> {
        let place = address::told(&config.uri);
        let fleet = Fleet::gather(config, &place).await?;
        let redis = Self(Arc::new(Shared { fleet, place, config: config.clone() }));
        redis.ask(redis::cmd("PING")).await?;
        Ok(redis)
    }

    /// The documents of one generation of a read model.
    ///
    /// # Errors
    /// When Redis does not answer, or would drop documents as it pleases.
    pub async fn documents(&self, model: &str, generation: u32) -> Result<RedisStore, Fault> {
        self.refuse_eviction(model).await?;
        let naming = Naming::new(&self.config().prefix, model, generation);
        RedisStore::open(self.clone(), naming).await
    }

    /// The mirror of this name; its keys begin with the prefix and it.
    pub fn mirror(&self, name: &str) -> RedisMirror {
        RedisMirror::new(self.clone(), format!("{}{name}", self.config().prefix))
    }

    /// Redis is as durable as it is told to be, and says how.
    async fn refuse_eviction(&self, model: &str) -> Result<(), Fault> {
        for node in self.map().await?.nodes() {
            let answer = self.ask_node(&node, redis::cmd("INFO")).await?;
            let info: String = redis::from_redis_value(answer).unwrap_or_default();
            let policy = setting(&info, "maxmemory_policy").unwrap_or("unknown");
            if policy.starts_with("allkeys") {
                let detail = format!("{node}: maxmemory-policy {policy} drops documents at will");
                return Err(refused(detail, "set maxmemory-policy to noeviction"));
            }
            if policy.starts_with("volatile") {
                tracing::warn!(%node, model, policy, "redis may drop tombstones: set noeviction");
            }
            if setting(&info, "aof_enabled") == Some("0") {
                let what = "appendonly is off: after a restart of redis much is read again";
                tracing::warn!(%node, model, what);
            }
        }
        Ok(())
    }

    pub(super) fn config(&self) -> &RedisConfig {
        &self.0.config
    }

    pub(super) fn place(&self) -> &str {
        &self.0.place
    }

    pub(super) fn tombstone_life_ms(&self) -> Option<i64> {
        life::millis(self.0.config.tombstone_life_hours)
    }

    /// Grows whenever a node behind the address turned out, when it was connected to, to be
    /// another process or to have another history.
    pub fn incarnation(&self) -> u64 {
        self.0.fleet.incarnation()
    }

    pub(super) async fn map(&self) -> Result<Arc<SlotMap>, Fault> {
        self.0.fleet.map().await
    }

    /// Asks one thing.
    pub(super) async fn ask(&self, command: Cmd) -> Result<Value, Fault> {
        let mut pipeline = Pipeline::with_capacity(1);
        pipeline.ignore_errors().add_command(command);
        let answer = self.ask_each(&pipeline).await?.pop();
        let answer = answer.ok_or_else(|| silent(format!("{}: no answer", self.place())))?;
        answer.map_err(|error| of_error(self.place(), &error))
    }

    /// Asks one node.
    pub(super) async fn ask_node(&self, node: &Node, command: Cmd) -> Result<Value, Fault> {
        let mut pipeline = Pipeline::with_capacity(1);
        pipeline.ignore_errors().add_command(command);
        let answer = self.send(node, &pipeline).await?.pop();
        let answer = answer.ok_or_else(|| silent(format!("{node}: no answer")))?;
        answer.map_err(|error| of_error(node, &error))
    }

    /// Sends commands to one node, as they are, and sends none of them on.
    pub(super) async fn send(
        &self,
        node: &Node,
        pipeline: &Pipeline,
    ) -> Result<Vec<RedisResult<Value>>, Fault> {
        let answers = self.0.fleet.send(node, pipeline).await;
        let answers = answers.map_err(|error| self.0.fleet.fault(node, &error))?;
        if answers.len() == pipeline.len() {
            return Ok(answers);
        }
        Err(silent(format!("{node}: some answers are missing")))
    }

    /// A connection to a node that nobody else uses.
    pub(super) async fn open(&self, node: &Node) -> Result<MultiplexedConnection, Fault> {
        let connection = self.0.fleet.open(node).await;
        connection.map_err(|error| self.0.fleet.fault(node, &error))
    }

    /// A node is not what it was: it is looked for anew.
    pub(super) async fn forget(&self, node: &Node) {
        self.0.fleet.forget(node, None).await;
    }

    /// Sends commands together, each to the node that has its first key; each has an answer or an
    /// error of its own. A command that was refused because it is at the wrong node, or because its
    /// script is not known, is sent again.
    pub(super) async fn ask_each(
        &self,
        pipeline: &Pipeline,
    ) -> Result<Vec<RedisResult<Value>>, Fault> {
        let commands: Vec<&Cmd> = pipeline.cmd_iter().collect();
        let mut answers: Vec<Option<RedisResult<Value>>> = commands.iter().map(|_| None).collect();
        let mut open: Vec<Open> =
            (0..commands.len()).map(|at| Open { at, sent_on: None }).collect();
        let mut pause = Duration::from_millis(FIRST_PAUSE_MS);
        for round in 1.. {
            let map = self.map().await?;
            let groups = group(&commands, &open, &map, self.place())?;
            open.clear();
            let asking = groups.iter().map(|(to, at)| {
                let commands = commands_of(&commands, at);
                async move { (to, at, self.ask_group(to, &commands).await) }
            });
            for (to, at, sent) in join_all(asking).await {
                for (at, answer) in at.iter().zip(sent?) {
                    let again =
                        answer.as_ref().err().and_then(|error| slots::redo(error, &to.node));
                    match again {
                        Some(again) if round < ROUNDS => {
                            let sent_on = self.prepare(&to.node, again, commands.get(*at)).await?;
                            open.push(Open { at: *at, sent_on });
                        }
                        Some(_) | None => {
                            if let Some(place) = answers.get_mut(*at) {
                                *place = Some(answer);
                            }
                        }
                    }
                }
            }
            if open.is_empty() {
                break;
            }
            if round > 1 {
                tokio::time::sleep(pause).await;
                pause *= 2;
            }
        }
        let answers: Option<Vec<_>> = answers.into_iter().collect();
        answers.ok_or_else(|| silent(format!("{}: some answers are missing", self.place())))
    }

    async fn ask_group(
        &self,
        to: &To,
        commands: &[&Cmd],
    ) -> Result<Vec<RedisResult<Value>>, Fault> {
        let mut pipeline = Pipeline::with_capacity(commands.len());
        pipeline.ignore_errors();
        for command in commands {
            if to.asking {
                pipeline.cmd("ASKING");
            }
            pipeline.add_command((*command).clone());
        }
        let answers = self.send(&to.node, &pipeline).await?;
        if to.asking {
            return Ok(answers.into_iter().skip(1).step_by(2).collect());
        }
        Ok(answers)
    }

    /// Makes ready what a command needs before it is sent again; answers where to, if that is not
    /// what the map says.
    async fn prepare(
        &self,
        node: &Node,
        redo: Redo,
        command: Option<&&Cmd>,
    ) -> Result<Option<To>, Fault> {
        match redo {
            Redo::Moved(node) => {
                self.0.fleet.doubt();
                Ok(Some(To { node, asking: false }))
            }
            Redo::Ask(node) => Ok(Some(To { node, asking: true })),
            Redo::LookAgain => {
                self.forget(node).await;
                Ok(None)
            }
            Redo::Wait => Ok(None),
            Redo::Load => {
                let hash = command.and_then(|command| slots::script_of(command));
                let script =
                    ALL.iter().chain(&SCRIPTS).find(|script| hash == Some(script.get_hash()));
                let mut pipeline = Pipeline::with_capacity(1);
                if let Some(script) = script {
                    pipeline.ignore_errors().load_script(script);
                    let loaded = self.send(node, &pipeline).await?.pop();
                    loaded.transpose().map_err(|error| of_error(node, &error))?;
                }
                Ok(Some(To { node: Arc::clone(node), asking: false }))
            }
        }
    }

    /// The next keys that match, of all nodes; none is left when there is no cursor. A key may come
    /// more than once.
    pub(super) async fn scan_page(
        &self,
        cursor: Option<Cursor>,
        pattern: &str,
    ) -> Result<(Option<Cursor>, Vec<String>), Fault> {
        let mut cursor = match cursor {
            Some(cursor) => cursor,
            None => Cursor { nodes: self.map().await?.nodes().into_iter().collect(), at: 0 },
        };
        let Some(node) = cursor.nodes.last() else { return Ok((None, Vec::new())) };
        let mut command = redis::cmd("SCAN");
        command.arg(cursor.at).arg("MATCH").arg(pattern).arg("COUNT").arg(PIPELINE_COMMANDS);
        let answer = self.ask_node(node, command).await?;
        let (next, keys): (u64, Vec<String>) = redis::from_redis_value(answer)
            .map_err(|_| silent(format!("{node}: the answer to a scan cannot be read")))?;
        cursor.at = next;
        if next == 0 {
            cursor.nodes.pop();
        }
        let more = !cursor.nodes.is_empty();
        Ok((more.then_some(cursor), keys))
    }
}

/// A command that has no answer yet.
struct Open {
    at: usize,
    /// Where it was sent on to, against the map.
    sent_on: Option<To>,
}

/// Whom to ask, and whether for a slot that is on its way there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct To {
    node: Node,
    asking: bool,
}

fn commands_of<'a>(commands: &[&'a Cmd], at: &[usize]) -> Vec<&'a Cmd> {
    at.iter().filter_map(|at| commands.get(*at).copied()).collect()
}

/// Shares commands out among the nodes; each node has its own in the order in which they came.
fn group(
    commands: &[&Cmd],
    open: &[Open],
    map: &SlotMap,
    place: &str,
) -> Result<BTreeMap<To, Vec<usize>>, Fault> {
    let mut groups: BTreeMap<To, Vec<usize>> = BTreeMap::new();
    for Open { at, sent_on } in open {
        let to = match sent_on {
            Some(to) => to.clone(),
            None => {
                let slot = commands.get(*at).and_then(|command| slots::slot_of_command(command));
                let node = map.owner(slot.unwrap_or_default());
                let node = node.ok_or_else(|| silent(format!("{place}: a slot has no node")))?;
                To { node: Arc::clone(node), asking: false }
            }
        };
        groups.entry(to).or_default().push(*at);
    }
    Ok(groups)
}

/// Cuts a batch into pipelines, by number and by weight.
pub fn split<T>(all: &[T], weigh: impl Fn(&T) -> usize) -> Vec<&[T]> {
    let mut bytes = 0;
    let mut count = 0;
    let fits = |_: &T, next: &T| {
        bytes += weigh(next);
        count += 1;
        let fits = count < PIPELINE_COMMANDS && bytes < PIPELINE_BYTES;
        if !fits {
            (bytes, count) = (weigh(next), 0);
        }
        fits
    };
    all.chunk_by(fits).collect()
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis").field("config", &self.0.config).finish_non_exhaustive()
    }
}
