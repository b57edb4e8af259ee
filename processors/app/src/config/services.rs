//! The stanzas of the process, the source and the services: read, and checked beyond their types.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use readmill_connectors::connect::ConnectConfig;
use readmill_connectors::embedded::EmbeddedConfig;
use readmill_connectors::kafka::KafkaConfig;
use readmill_connectors::mongo::MongoConfig;
use readmill_connectors::otlp::TracesConfig;
use readmill_connectors::redis::RedisConfig;
use readmill_connectors::registry::RegistryConfig;
use readmill_connectors::renewed::Written;
use serde::de::DeserializeOwned;
use toml_edit::Table;

use super::rooms::{InstanceStanza, SourceKind, SourceStanza};
use super::stanza::{Reading, Stanza};
use super::{Http, Instance, Mirror, Model, Reactions, Source, Store, http};

/// The least that the embedded store's journals can work with.
const LEAST_JOURNAL_MIB: u64 = 64;

/// A service's stanza.
#[derive(Debug)]
pub enum Service<T> {
    /// There is none.
    Missing,
    /// There is one, with mistakes that are noted.
    Spoiled,
    /// There is one.
    Given(Arc<T>),
}

impl<T> Service<T> {
    /// The stanza, if it is there and valid.
    pub fn get(&self) -> Option<Arc<T>> {
        match self {
            Self::Given(config) => Some(Arc::clone(config)),
            Self::Missing | Self::Spoiled => None,
        }
    }

    /// Whether there is no stanza at all.
    pub const fn is_missing(&self) -> bool {
        matches!(self, Self::Missing)
    }
}

/// The stanzas of all services.
#[derive(Debug)]
pub struct Services {
    /// `[kafka]`
    pub kafka: Service<KafkaConfig>,
    /// `[registry]`
    pub registry: Service<RegistryConfig>,
    /// `[connect]`
    pub connect: Service<ConnectConfig>,
    /// `[traces]`
    pub traces: Service<TracesConfig>,
    /// `[mongo]`
    pub mongo: Service<MongoConfig>,
    /// `[redis]`
    pub redis: Service<RedisConfig>,
    /// `[embedded]`
    pub embedded: Service<EmbeddedConfig>,
}

impl Services {
    /// Reads them.
    pub fn read(reading: &mut Reading<'_>, root: &Table) -> Self {
        Self {
            kafka: service(reading, root, "kafka", kafka, |it, written| it.written = written),
            registry: service(reading, root, "registry", registry, |it, written| {
                it.written = written
            }),
            connect: service(reading, root, "connect", connect, |_, _| ()),
            traces: service(reading, root, "traces", traces, |_, _| ()),
            mongo: service(reading, root, "mongo", mongo, |it, written| it.written = written),
            redis: service(reading, root, "redis", redis, |it, written| it.written = written),
            embedded: service(reading, root, "embedded", embedded, |_, _| ()),
        }
    }

    /// Stanzas that are there and that nothing uses.
    pub fn unused(&self, source: Option<SourceKind>, models: &[Model]) -> Vec<&'static str> {
        let live = source == Some(SourceKind::Kafka);
        let tells = models.iter().any(|m| matches!(m.reactions, Reactions::Topic { .. }));
        let kept = |m: &Model| matches!(m.reactions, Reactions::Embedded(_));
        let mongo = models.iter().any(|m| matches!(m.store, Store::Mongo(_)));
        let redis = models.iter().any(|m| {
            matches!(m.store, Store::Redis(_)) || matches!(m.mirror, Some(Mirror::Redis(_)))
        });
        let embedded = models.iter().any(|m| {
            matches!(m.store, Store::Embedded(_))
                || matches!(m.mirror, Some(Mirror::Embedded(_)))
                || kept(m)
        });
        let table = [
            ("kafka", self.kafka.is_missing(), live || tells),
            ("registry", self.registry.is_missing(), live || tells),
            ("mongo", self.mongo.is_missing(), mongo),
            ("redis", self.redis.is_missing(), redis),
            ("embedded", self.embedded.is_missing(), embedded),
        ];
        table
            .into_iter()
            .filter(|(_, missing, used)| !missing && !used)
            .map(|(name, ..)| name)
            .collect()
    }
}

fn service<T: DeserializeOwned>(
    reading: &mut Reading<'_>,
    root: &Table,
    name: &str,
    check: impl FnOnce(&mut Reading<'_>, &Stanza, &T),
    remember: impl FnOnce(&mut T, Written),
) -> Service<T> {
    if !root.contains_key(name) {
        return Service::Missing;
    }
    let Some(mut stanza) = reading.stanza(root, "", name) else { return Service::Spoiled };
    let Some(mut config) = reading.read::<T>(&mut stanza) else { return Service::Spoiled };
    check(reading, &stanza, &config);
    remember(&mut config, stanza.written());
    Service::Given(Arc::new(config))
}

fn kafka(reading: &mut Reading<'_>, stanza: &Stanza, config: &KafkaConfig) {
    let address = |broker: &str| {
        broker.trim().rsplit_once(':').is_some_and(|(host, port)| {
            !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0)
        })
    };
    if !config.brokers.split(',').all(address) {
        reading.blame(stanza, "brokers", "must be host:port, or several of them after commas");
    }
    if !topic_like(&config.group_prefix) {
        let what = "must be letters, digits, `.`, `_` and `-`";
        reading.blame(stanza, "group_prefix", what);
    }
    let unfit = config.unfit(|path| reading.file(path));
    for unfit in unfit {
        reading.blame(stanza, unfit.setting, unfit.what);
    }
}

fn registry(reading: &mut Reading<'_>, stanza: &Stanza, config: &RegistryConfig) {
    if config.urls.is_empty() {
        reading.blame(stanza, "urls", "names no registry");
    }
    if !config.urls.iter().all(|url| begins(url, &["http://", "https://"])) {
        reading.blame(stanza, "urls", "must begin with http:// or https://");
    }
    if config.username.is_some() != config.password.is_some() {
        let given = if config.username.is_some() { "username" } else { "password" };
        reading.blame(stanza, given, "a user and a password belong together");
    }
    if config.token.is_some() && config.username.is_some() {
        reading.blame(stanza, "token", "stands for a user and a password: leave one of them out");
    }
    let files = config.files();
    let read = |path: &Path| reading.file(path);
    let unfit = files.load(read).err().unwrap_or_default();
    for unfit in unfit {
        reading.blame(stanza, unfit.setting, unfit.what);
    }
    if let Some(open) = config.open_urls().first().filter(|_| files.any()) {
        let what = format!("{open} is not https://, and certificates would protect nothing there");
        reading.blame(stanza, "urls", what);
    }
}

fn connect(reading: &mut Reading<'_>, stanza: &Stanza, config: &ConnectConfig) {
    if !begins(&config.url, &["http://", "https://"]) {
        reading.blame(stanza, "url", "must begin with http:// or https://");
    }
    if config.username.is_some() != config.password.is_some() {
        let given = if config.username.is_some() { "username" } else { "password" };
        reading.blame(stanza, given, "a user and a password belong together");
    }
    let files = config.files();
    let unfit = files.load(|path| reading.file(path)).err().unwrap_or_default();
    for unfit in unfit {
        reading.blame(stanza, unfit.setting, unfit.what);
    }
    if files.any() && !config.is_protected() {
        let what = "is not https://, and certificates would protect nothing there";
        reading.blame(stanza, "url", what);
    }
}

fn traces(reading: &mut Reading<'_>, stanza: &Stanza, config: &TracesConfig) {
    if !begins(&config.endpoint, &["http://", "https://"]) {
        reading.blame(stanza, "endpoint", "must begin with http:// or https://");
    }
    let shares = [
        ("sampled_per_mille", config.sampled_per_mille),
        ("others_per_mille", config.others_per_mille),
    ];
    for (setting, _) in shares.into_iter().filter(|(_, share)| *share > 1000) {
        reading.blame(stanza, setting, "must be from 0 to 1000");
    }
    if config.queue_spans == 0 {
        reading.blame(stanza, "queue_spans", "must be at least 1");
    }
    let files = config.files();
    for unfit in files.load(|path| reading.file(path)).err().unwrap_or_default() {
        reading.blame(stanza, unfit.setting, unfit.what);
    }
    if files.any() && !config.is_protected() {
        let what = "is not https://, and certificates would protect nothing there";
        reading.blame(stanza, "endpoint", what);
    }
}

fn mongo(reading: &mut Reading<'_>, stanza: &Stanza, config: &MongoConfig) {
    if !begins(&config.uri, &["mongodb://", "mongodb+srv://"]) {
        reading.blame(stanza, "uri", "must begin with mongodb:// or mongodb+srv://");
    }
    if config.database.is_empty() || config.database.contains(['/', '\\', '.', ' ', '"', '$']) {
        reading.blame(stanza, "database", "is no name that MongoDB allows");
    }
}

fn redis(reading: &mut Reading<'_>, stanza: &Stanza, config: &RedisConfig) {
    if !begins(&config.uri, &["redis://", "rediss://", "redis+unix://", "unix://"]) {
        reading.blame(stanza, "uri", "must begin with redis:// or rediss://");
    }
    if let Some((setting, what)) = config.unfit() {
        reading.blame(stanza, setting, what);
    }
    let unfit = config.files().load(|path| reading.file(path)).err().unwrap_or_default();
    for unfit in unfit {
        reading.blame(stanza, unfit.setting, unfit.what);
    }
}

fn embedded(reading: &mut Reading<'_>, stanza: &Stanza, config: &EmbeddedConfig) {
    if config.directory.as_os_str().is_empty() {
        reading.blame(stanza, "directory", "is empty");
    }
    if config.journal_mib < LEAST_JOURNAL_MIB {
        let what = format!("must be at least {LEAST_JOURNAL_MIB}");
        reading.blame(stanza, "journal_mib", what);
    }
}

fn begins(url: &str, schemes: &[&str]) -> bool {
    schemes.iter().any(|scheme| url.strip_prefix(scheme).is_some_and(|rest| !rest.is_empty()))
}

/// Whether Kafka takes it as the name of a topic or a group.
pub fn topic_like(name: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    (1..=249).contains(&name.len()) && name.chars().all(letter) && name != "." && name != ".."
}

/// Reads `[instance]`, and `[http]`, whose address may stand there; without the stanzas everything
/// is as by default.
pub fn instance(reading: &mut Reading<'_>, root: &Table) -> Option<(Instance, Http)> {
    let given = root.contains_key("instance");
    let mut stanza = reading.stanza(root, "", "instance");
    let raw = match &mut stanza {
        Some(stanza) => reading.read::<InstanceStanza>(stanza),
        None if given => None,
        None => Some(InstanceStanza::default()),
    };
    let http = http::read(reading, root, stanza.as_ref().zip(raw.as_ref()));
    let InstanceStanza { state_dir, stall_limit_ms, rebuild_freshness_limit_ms, .. } = raw?;
    let stall_limit = Duration::from_millis(stall_limit_ms);
    Some((Instance { state_dir, stall_limit, rebuild_freshness_limit_ms }, http?))
}

/// The source, as far as it could be read.
#[derive(Debug)]
pub struct Found {
    kind: Option<SourceKind>,
    source: Option<Source>,
}

impl Found {
    /// The kind, if it is known.
    pub const fn kind(&self) -> Option<SourceKind> {
        self.kind
    }

    /// The source, if it is valid.
    pub fn get(self) -> Option<Source> {
        self.source
    }
}

/// Reads `[source]`, which must be there.
pub fn source(reading: &mut Reading<'_>, root: &Table, services: &Services) -> Found {
    let nothing = Found { kind: None, source: None };
    if !root.contains_key("source") {
        let what = "is missing: say kind = \"kafka\", or kind = \"archive\" and archive_dir";
        reading.note(None, "source".to_owned(), what);
        return nothing;
    }
    let Some(mut stanza) = reading.stanza(root, "", "source") else { return nothing };
    let Some(raw) = reading.read::<SourceStanza>(&mut stanza) else { return nothing };
    let source = match raw.kind {
        None => {
            reading.blame(&stanza, "kind", "is missing: \"kafka\" or \"archive\"");
            None
        }
        Some(SourceKind::Kafka) => live(reading, &stanza, services, raw.archive_dir.is_some()),
        Some(SourceKind::Archive) => archive(reading, &stanza, raw.archive_dir),
    };
    Found { kind: raw.kind, source }
}

fn live(
    reading: &mut Reading<'_>,
    stanza: &Stanza,
    services: &Services,
    has_dir: bool,
) -> Option<Source> {
    if has_dir {
        reading.blame(stanza, "archive_dir", "is only for kind = \"archive\"");
    }
    let table =
        [("kafka", services.kafka.is_missing()), ("registry", services.registry.is_missing())];
    for (name, missing) in table {
        if missing {
            let what = format!("a source of kind \"kafka\" needs a [{name}] stanza");
            reading.blame(stanza, "kind", what);
        }
    }
    Some(Source::Kafka { kafka: services.kafka.get()?, registry: services.registry.get()? })
}

fn archive(reading: &mut Reading<'_>, stanza: &Stanza, dir: Option<PathBuf>) -> Option<Source> {
    let dir = dir.filter(|dir| !dir.as_os_str().is_empty());
    if dir.is_none() {
        reading.blame(stanza, "archive_dir", "is missing: the directory of the archive");
    }
    dir.map(|dir| Source::Archive { dir })
}
