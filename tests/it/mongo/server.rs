//! Servers of a test's own: a set of one or of several nodes, started as the test wants them.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bson::{Document, doc};
use mongodb::Client;
use mongodb::options::ClientOptions;

use crate::mill::free_port;

const LIMIT: Duration = Duration::from_secs(30);

/// The server that the stack has fetched, unless `MONGOD` names another.
fn mongod() -> PathBuf {
    if let Some(binary) = std::env::var_os("MONGOD") {
        return binary.into();
    }
    let of = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let home = || of("HOME").unwrap_or_default().join(".cache");
    let cache = of("READMILL_CACHE")
        .unwrap_or_else(|| of("XDG_CACHE_HOME").unwrap_or_else(home).join("readmill"));
    let found = std::fs::read_dir(&cache).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> =
        found.map(|entry| entry.path().join("mongod")).filter(|path| path.is_file()).collect();
    found.sort();
    found.pop().unwrap_or_else(|| panic!("no mongod in {}: run `make up`", cache.display()))
}

/// A node; it is killed when it is dropped.
pub struct Node {
    child: Option<Child>,
    dir: PathBuf,
    args: Vec<String>,
    /// Where it listens.
    pub address: String,
}

impl Node {
    /// Starts one with its data in `dir`.
    pub fn start(dir: &Path, args: &[String]) -> Self {
        std::fs::create_dir_all(dir).unwrap();
        let address = format!("127.0.0.1:{}", free_port());
        let mut node = Self { child: None, dir: dir.to_owned(), args: args.to_vec(), address };
        node.revive();
        node
    }

    /// Starts it, also after it was killed.
    pub fn revive(&mut self) {
        let mut log = std::fs::OpenOptions::new();
        let log = log.create(true).append(true).open(self.dir.join("mongod.log")).unwrap();
        let port = self.address.split_once(':').unwrap().1;
        let child = Command::new(mongod())
            .args(["--port", port, "--bind_ip", "127.0.0.1", "--nounixsocket", "--replSet", "own"])
            .arg("--dbpath")
            .arg(&self.dir)
            .args(["--oplogSize", "64", "--wiredTigerCacheSizeGB", "0.25"])
            .args(["--enableFreeMonitoring", "off"])
            .args(["--wiredTigerEngineConfigString", "log=(prealloc=false,file_max=16MB)"])
            .args(["--setParameter", "diagnosticDataCollectionEnabled=false"])
            .args(["--setParameter", "enableTestCommands=1"])
            .args(&self.args)
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.child = Some(child);
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // Both fail when it has ended already, which is as good.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// A client of this node alone.
    pub async fn alone(&self, options: &str) -> Client {
        let uri = format!("mongodb://{}/?directConnection=true{options}", self.address);
        let mut options = ClientOptions::parse(&uri).await.unwrap();
        options.server_selection_timeout = Some(Duration::from_secs(2));
        Client::with_options(options).unwrap()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Makes a replica set of nodes, and waits until the first of them takes writes. `options` are
/// those of the connection strings of all.
pub async fn found(nodes: &[Node], options: &str) -> Client {
    let members = nodes.iter().enumerate().map(|(at, node)| {
        let priority = if at == 0 { 2 } else { 1 };
        let at = i32::try_from(at).unwrap();
        doc! {"_id": at, "host": &node.address, "priority": priority}
    });
    let members: Vec<Document> = members.collect();
    let settings = doc! {"electionTimeoutMillis": 2_000, "heartbeatIntervalMillis": 500};
    let config = doc! {"_id": "own", "members": members, "settings": settings};
    let first = nodes[0].alone(options).await;
    until("a node to answer", async || {
        first.database("admin").run_command(doc! {"replSetInitiate": &config}).await.is_ok()
    })
    .await;
    wait_for_primary(&first).await;
    first
}

/// Waits until a node takes writes.
pub async fn wait_for_primary(client: &Client) {
    until("a primary", async || {
        let hello = client.database("admin").run_command(doc! {"hello": 1}).await;
        hello.is_ok_and(|hello| hello.get_bool("isWritablePrimary").unwrap_or(false))
    })
    .await;
}

/// Waits until something is so.
pub async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let end = Instant::now() + LIMIT;
    while !is_so().await {
        assert!(Instant::now() < end, "waited {LIMIT:?} for {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
