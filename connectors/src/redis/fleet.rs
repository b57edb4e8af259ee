//! The nodes of one configuration: who is primary, who has which slots, and a connection to each.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use readmill_engine::Fault;
use redis::aio::MultiplexedConnection;
use redis::{Pipeline, RedisError, RedisResult, Value};

use super::config::{Mode, RedisConfig};
use super::door::Door;
use super::faults::{of_error, refused, silent};
use super::slots::{Node, SlotMap};

/// All nodes.
pub struct Fleet {
    door: Door,
    mode: Mode,
    primary: String,
    place: String,
    map: RwLock<Arc<SlotMap>>,
    stale: AtomicBool,
    /// Whom to ask next where the nodes are: another one each time, since one may be cut off.
    turn: AtomicUsize,
    links: Mutex<BTreeMap<Node, Arc<Link>>>,
    incarnation: AtomicU64,
}

/// The connection to one node, made when it is needed.
#[derive(Default)]
struct Link {
    open: tokio::sync::Mutex<Option<Open>>,
    line: Mutex<Option<String>>,
}

struct Open {
    number: u64,
    connection: MultiplexedConnection,
}

impl Fleet {
    /// Finds the nodes.
    pub async fn gather(config: &RedisConfig, place: &str) -> Result<Self, Fault> {
        let door = Door::new(config)?;
        let first = door.seeds().into_iter().next().unwrap_or_else(|| Node::from(""));
        let fleet = Self {
            door,
            mode: config.mode,
            primary: config.primary.clone(),
            place: place.to_owned(),
            map: RwLock::new(Arc::new(SlotMap::of_one(first))),
            stale: AtomicBool::new(config.mode != Mode::Single),
            turn: AtomicUsize::new(0),
            links: Mutex::default(),
            incarnation: AtomicU64::new(0),
        };
        fleet.map().await?;
        Ok(fleet)
    }

    /// Grows whenever a node turned out to be another process, or to have another history.
    pub fn incarnation(&self) -> u64 {
        self.incarnation.load(Ordering::SeqCst)
    }

    /// The map must be looked at anew before it is used again.
    pub fn doubt(&self) {
        self.stale.store(self.mode != Mode::Single, Ordering::SeqCst);
    }

    /// What an error at a node means.
    pub fn fault(&self, node: &Node, error: &RedisError) -> Fault {
        let dropped = error.is_connection_dropped() && !error.is_connection_refusal();
        if dropped && self.door.is_secured() {
            // With TLS 1.3 a server learns of a client's certificate when the client is done.
            let hint = "a server that demands certificates does so to whom it does not trust, see \
                        `client_cert_file`";
            return silent(format!("{node}: {error} ({hint})"));
        }
        self.door.pardon(error, of_error(node, error))
    }

    /// Who has which slots, as far as is known.
    pub async fn map(&self) -> Result<Arc<SlotMap>, Fault> {
        if self.stale.swap(false, Ordering::SeqCst) {
            let found = match self.mode {
                Mode::Single => return Ok(self.known()),
                Mode::Sentinel => self.ask_sentinels().await,
                Mode::Cluster => self.ask_cluster().await,
            };
            match found {
                Ok(map) => {
                    // Nodes that did not answer may have raised the doubt again.
                    self.stale.store(false, Ordering::SeqCst);
                    if *self.known() != map {
                        self.incarnation.fetch_add(1, Ordering::SeqCst);
                    }
                    *self.map.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(map);
                }
                Err(fault) => {
                    self.doubt();
                    return Err(fault);
                }
            }
        }
        Ok(self.known())
    }

    fn known(&self) -> Arc<SlotMap> {
        Arc::clone(&self.map.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// The nodes to ask, another one first each time.
    fn in_turn(&self, mut nodes: Vec<Node>) -> Vec<Node> {
        let turn = self.turn.fetch_add(1, Ordering::SeqCst) % nodes.len().max(1);
        nodes.rotate_left(turn);
        nodes
    }

    async fn ask_sentinels(&self) -> Result<SlotMap, Fault> {
        let mut last = silent(format!("{}: no sentinel answers", self.place));
        for sentinel in self.in_turn(self.door.seeds()) {
            match self.ask_sentinel(&sentinel).await {
                Ok(Some(primary)) => match self.connection(&primary).await {
                    Ok(_) => return Ok(SlotMap::of_one(primary)),
                    Err(error) => last = self.fault(&primary, &error),
                },
                Ok(None) => {
                    let detail = format!("{}: {} is not known", self.place, self.primary);
                    last = refused(detail, "set `primary` under [redis] to the sentinels' name");
                }
                Err(error) => last = self.fault(&sentinel, &error),
            }
        }
        Err(last)
    }

    async fn ask_sentinel(&self, sentinel: &Node) -> RedisResult<Option<Node>> {
        let mut connection = self.door.open_sentinel(sentinel).await?;
        let mut question = redis::cmd("SENTINEL");
        question.arg("GET-MASTER-ADDR-BY-NAME").arg(&self.primary);
        let answer: Option<(String, String)> = question.query_async(&mut connection).await?;
        Ok(answer.map(|(host, port)| format!("{host}:{port}").into()))
    }

    async fn ask_cluster(&self) -> Result<SlotMap, Fault> {
        let mut nodes = self.known().nodes();
        nodes.extend(self.door.seeds());
        let mut last = silent(format!("{}: no node answers", self.place));
        for node in self.in_turn(nodes.into_iter().collect()) {
            let mut question = Pipeline::new();
            question.ignore_errors().cmd("CLUSTER").arg("SLOTS");
            match self.send(&node, &question).await.map(|mut answers| answers.pop()) {
                Ok(Some(Ok(answer))) => match SlotMap::read(&answer, &node) {
                    Some(map) if map.is_whole() => return Ok(map),
                    Some(_) | None => {
                        last = silent(format!("{node}: some slots have no node"));
                    }
                },
                Ok(Some(Err(error))) if error.code() == Some("ERR") => {
                    return Err(refused(
                        format!("{node}: it is no node of a cluster"),
                        "set `mode` under [redis] to \"single\"",
                    ));
                }
                Ok(Some(Err(error))) | Err(error) => last = self.fault(&node, &error),
                Ok(None) => {}
            }
        }
        Err(last)
    }

    /// Sends commands to one node; each has an answer or an error of its own.
    pub async fn send(
        &self,
        node: &Node,
        pipeline: &Pipeline,
    ) -> RedisResult<Vec<RedisResult<Value>>> {
        let connected = self.connection(node).await;
        let (number, mut connection) = connected.inspect_err(|_| self.doubt())?;
        let answers: RedisResult<Vec<RedisResult<Value>>> =
            pipeline.query_async(&mut connection).await;
        if answers.is_err() {
            // Whatever it was, a link that failed is made anew: one that is cut never tells.
            self.forget(node, Some(number)).await;
        }
        answers
    }

    /// A connection to a node that nobody else uses.
    pub async fn open(&self, node: &Node) -> RedisResult<MultiplexedConnection> {
        self.door.open(node).await
    }

    /// Ends the connection to a node: it is not what it was.
    pub async fn forget(&self, node: &Node, number: Option<u64>) {
        let link = self.link(node);
        let mut open = link.open.lock().await;
        if number.is_none() || open.as_ref().map(|open| open.number) == number {
            *open = None;
        }
        self.doubt();
    }

    fn link(&self, node: &Node) -> Arc<Link> {
        let mut links = self.links.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(links.entry(Arc::clone(node)).or_default())
    }

    async fn connection(&self, node: &Node) -> RedisResult<(u64, MultiplexedConnection)> {
        static NUMBERS: AtomicU64 = AtomicU64::new(0);
        let link = self.link(node);
        let mut open = link.open.lock().await;
        if let Some(Open { number, connection }) = open.as_ref() {
            return Ok((*number, connection.clone()));
        }
        let mut connection = self.door.open(node).await?;
        let info: String = redis::cmd("INFO").query_async(&mut connection).await?;
        if self.mode == Mode::Sentinel && setting(&info, "role") != Some("master") {
            // A sentinel may lag behind.
            let what = "not the primary any more";
            return Err(RedisError::from((redis::ErrorKind::Io, what)));
        }
        self.recognise(&link, &info, node);
        let number = NUMBERS.fetch_add(1, Ordering::SeqCst);
        *open = Some(Open { number, connection: connection.clone() });
        Ok((number, connection))
    }

    /// Compares who answers with who answered before.
    fn recognise(&self, link: &Link, info: &str, node: &Node) {
        let part = |name| setting(info, name).unwrap_or_default();
        let line = format!("{} {}", part("run_id"), part("master_replid"));
        let mut known = link.line.lock().unwrap_or_else(PoisonError::into_inner);
        if known.as_ref().is_some_and(|known| *known != line) {
            tracing::warn!(%node, "another process, or one with another history, answers there");
            self.incarnation.fetch_add(1, Ordering::SeqCst);
        }
        *known = Some(line);
    }
}

/// What an answer to `INFO` says of a name.
pub fn setting<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::setting;

    #[test]
    fn what_a_server_says_of_itself_is_found() {
        let info = "# Server\r\nrun_id:abc\r\nrun:x\r\n# Memory\r\nmaxmemory_policy:noeviction\r\n";
        assert_eq!(setting(info, "run_id"), Some("abc"));
        assert_eq!(setting(info, "maxmemory_policy"), Some("noeviction"));
        assert_eq!(setting(info, "maxmemory"), None);
    }
}
