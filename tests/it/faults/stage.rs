//! Services that belong to one test, so that they can be killed, frozen and started again.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::mill::free_port;
use crate::paths::root;
use crate::proxy::Link;

/// A service of the stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Service {
    /// The broker.
    Kafka,
    /// The store of points.
    Mongo,
    /// The store of deliveries and the mirror of points.
    Redis,
    /// The schemas.
    Registry,
}

impl Service {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Kafka, Self::Mongo, Self::Redis, Self::Registry];

    /// Its name in the stack.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kafka => "kafka",
            Self::Mongo => "mongo",
            Self::Redis => "redis",
            Self::Registry => "registry",
        }
    }
}

/// What a stack asks a port for.
const PORTS: [&str; 9] = [
    "KAFKA",
    "KAFKA_CONTROLLER",
    "REGISTRY",
    "CONNECT",
    "MONGO",
    "REDIS",
    "POSTGRES",
    "MARIADB",
    "PROMETHEUS",
];

/// A second stack, of some services, with ports and data of its own. It goes when it is dropped.
#[derive(Debug)]
pub struct Stage {
    run: PathBuf,
    settings: Vec<(&'static str, String)>,
    addresses: BTreeMap<String, String>,
}

impl Stage {
    /// Starts services in `dir`. Each of `kafka_links` gets a listener of the broker's own.
    pub fn up(dir: &Path, services: &[Service], redis: &str, kafka_links: &[KafkaLink]) -> Self {
        let pair = |link: &KafkaLink| format!("{}:{}", link.listens, link.link.address.port());
        let links = kafka_links.iter().map(pair).collect::<Vec<_>>().join(" ");
        let settings = [("READMILL_REDIS_ARGS", redis.to_owned()), ("READMILL_KAFKA_LINKS", links)];
        Self::with(dir, services, &settings, None)
    }

    /// Starts one node of a replica set of several in `dir`. Their addresses are the same for all
    /// nodes; it is ready once the set is founded, which needs all of them.
    pub fn mongo_node(dir: &Path, nodes: &[SocketAddr], node: usize) -> Self {
        let members: Vec<String> = nodes.iter().map(ToString::to_string).collect();
        let settings = [("READMILL_MONGO_MEMBERS", members.join(" "))];
        Self::with(dir, &[Service::Mongo], &settings, Some(nodes[node].port()))
    }

    fn with(
        dir: &Path,
        services: &[Service],
        settings: &[(&'static str, String)],
        mongo: Option<u16>,
    ) -> Self {
        let run = dir.join("run");
        std::fs::create_dir_all(&run).unwrap();
        // Ports that no other stage takes while a service of this one is down.
        let port = |name: &str| {
            let given = mongo.filter(|_| name == "MONGO");
            format!("{name}_PORT={}\n", given.unwrap_or_else(free_port))
        };
        std::fs::write(run.join("stack.env"), PORTS.map(port).concat()).unwrap();
        let own = ("READMILL_RUN", run.to_str().unwrap().to_owned());
        let settings = settings.iter().cloned().chain([own]).collect();
        let mut stage = Self { run, settings, addresses: BTreeMap::new() };
        let names: Vec<&str> = services.iter().map(|service| service.name()).collect();
        stage.stack(&[&["up"], &names[..]].concat());
        let text = std::fs::read_to_string(stage.run.join("stack.env")).unwrap();
        let pair = |line: &str| line.split_once('=').map(|(k, v)| (k.to_owned(), v.to_owned()));
        stage.addresses = text.lines().filter_map(pair).collect();
        stage
    }

    /// An address, such as `MONGO_URI`.
    pub fn address(&self, name: &str) -> &str {
        &self.addresses[name]
    }

    /// SIGKILL.
    pub fn kill(&self, service: Service) {
        self.stack(&["kill", service.name()]);
    }

    /// Starts what was killed, and waits until it answers.
    pub fn revive(&self, service: Service) {
        self.stack(&["up", service.name()]);
    }

    /// Sends a signal to a service.
    #[track_caller]
    pub fn signal(&self, service: Service, signal: &str) {
        let record = std::fs::read_to_string(self.run.join(service.name()).join("pid")).unwrap();
        let pid = record.split(' ').next().unwrap();
        let sent = Command::new("kill").args([&format!("-{signal}"), pid]).status().unwrap();
        assert!(sent.success(), "{} does not run", service.name());
    }

    fn stack(&self, args: &[&str]) {
        let (done, said) = self.try_stack(args);
        assert!(done, "compose/stack {args:?}: {said}");
    }

    fn try_stack(&self, args: &[&str]) -> (bool, String) {
        let done = Command::new(root().join("compose/stack"))
            .args(args)
            .envs(self.settings.clone())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        (done.status.success(), String::from_utf8_lossy(&done.stderr).into_owned())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // Whoever looks into a failure wants the services' logs too.
        let keep: &[&str] = if std::thread::panicking() { &["--keep"] } else { &[] };
        let (done, said) = self.try_stack(&[&["down"], keep].concat());
        if !done {
            println!("the stage was not taken down: {said}");
        }
        if keep.is_empty() {
            // The folder above goes too, if nothing else is in it.
            let _ = std::fs::remove_dir_all(&self.run);
            let _ = self.run.parent().map(std::fs::remove_dir);
        }
    }
}

/// A way to the broker by a proxy, which the broker itself tells of: clients stay on it.
#[derive(Debug)]
pub struct KafkaLink {
    /// The proxy.
    pub link: Link,
    listens: u16,
}

impl KafkaLink {
    /// A proxy before a listener that the broker opens when it starts.
    pub fn new() -> Self {
        let listens = free_port();
        Self { link: Link::to(&format!("127.0.0.1:{listens}")), listens }
    }
}
