//! The configuration: parsed once, every mistake named with its line, into types that are valid.

mod http;
mod lanes;
mod mistake;
mod models;
mod nearest;
mod origin;
mod reword;
mod rooms;
mod secret;
mod services;
mod stanza;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use readmill_connectors::connect::ConnectConfig;
use readmill_connectors::elsewhere::{Elsewhere, Here};
use readmill_connectors::embedded::EmbeddedConfig;
use readmill_connectors::kafka::KafkaConfig;
use readmill_connectors::mongo::MongoConfig;
use readmill_connectors::otlp::TracesConfig;
use readmill_connectors::redis::RedisConfig;
use readmill_connectors::registry::{RegistryConfig, SubjectStrategy};
use readmill_engine::mirror::Care;
use readmill_engine::{Gauged, LaneRule, Limits};
use readmill_models::Row;
use toml_edit::{Document, Table};

pub use http::{Http, TlsFiles, is_loopback_name};
pub use mistake::{Mistake, Mistakes};
pub use nearest::{misspelt, question};
pub use origin::Origin;
pub use rooms::REBUILD_FRESHNESS_LIMIT_MS;
pub use secret::fill_text;

use rooms::HELD_LIMIT_RECORDS;
use services::Services;
use stanza::{Reading, position, start};

/// A documented example, printed by `check --example`.
pub const EXAMPLE: &str = include_str!("../../example.toml");

/// The stanzas that a configuration may have.
const STANZAS: [&str; 12] = [
    "instance", "http", "source", "kafka", "registry", "connect", "mongo", "redis", "embedded",
    "lanes", "models", "traces",
];

/// A configuration without mistakes.
#[derive(Debug, Clone)]
pub struct Config {
    /// This process.
    pub instance: Instance,
    /// Where it is asked, and by whom.
    pub http: Http,
    /// Where records come from.
    pub source: Source,
    /// The lanes that topics may be in, by name.
    pub lanes: BTreeMap<String, LaneRule>,
    /// Kafka Connect, for `connectors`; nothing else asks it.
    pub connect: Option<Arc<ConnectConfig>>,
    /// Where spans of single records go, if anywhere.
    pub traces: Option<Arc<TracesConfig>>,
    /// The read models, by name; never none.
    pub models: Vec<Model>,
    /// Stanzas that nothing uses.
    pub unused: Vec<&'static str>,
}

/// This process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instance {
    /// What it keeps for itself on disk.
    pub state_dir: PathBuf,
    /// How long a loop may make no progress.
    pub stall_limit: Duration,
    /// How long live records may be in hand before a rebuild gives way further.
    pub rebuild_freshness_limit_ms: NonZeroU64,
}

/// Where records come from.
#[derive(Debug, Clone)]
pub enum Source {
    /// Topics of Kafka, whose schemas are in the registry.
    Kafka {
        /// The brokers.
        kafka: Arc<KafkaConfig>,
        /// The registry.
        registry: Arc<RegistryConfig>,
    },
    /// An archive, which brings its schemas along.
    Archive {
        /// Its directory.
        dir: PathBuf,
    },
}

/// A read model that runs.
#[derive(Debug, Clone)]
pub struct Model {
    /// Its row in the list of models.
    pub row: Row,
    /// The topics that it is folded from; never none, each once.
    pub topics: Vec<String>,
    /// The lane of each topic that has one.
    pub lane_of: BTreeMap<String, String>,
    /// Which topics continue the versions of which others.
    pub versions_of: BTreeMap<String, String>,
    /// How the subjects of their values are named.
    pub subjects: SubjectStrategy,
    /// Where its documents are kept.
    pub store: Store,
    /// Where its views are kept, if it is to have some.
    pub mirror: Option<Mirror>,
    /// How they are cared for.
    pub care: Care,
    /// The roll-ups that are metrics, too.
    pub gauged: Vec<Gauged>,
    /// How often its documents are compared with a second fold, if ever.
    pub verify_every: Option<Duration>,
    /// What its documents are compared with, if anything.
    pub origin: Option<Origin>,
    /// The generation that is meant: the first, unless somebody has looked which is.
    pub generation: u32,
    /// Where its reactions go.
    pub reactions: Reactions,
    /// How its records are held.
    pub held: Holding,
    /// Its bounds.
    pub limits: Limits,
}

impl Model {
    /// The consumer group of its generation.
    pub fn group(&self, kafka: &KafkaConfig) -> String {
        format!("{}.{}.g{}", kafka.group_prefix, self.row.name, self.generation)
    }
}

/// How records are held that cannot be folded.
#[derive(Debug, Clone)]
pub struct Holding {
    /// At most so many; then the model stops.
    pub limit_records: u64,
    /// Where each is copied to.
    pub topic: Option<HeldTopic>,
}

impl Default for Holding {
    fn default() -> Self {
        Self { limit_records: HELD_LIMIT_RECORDS, topic: None }
    }
}

/// A topic for copies of held records.
#[derive(Debug, Clone)]
pub struct HeldTopic {
    /// Its name.
    pub topic: String,
    /// Its brokers.
    pub kafka: Arc<KafkaConfig>,
}

/// A place for documents.
#[derive(Debug, Clone)]
pub enum Store {
    /// MongoDB.
    Mongo(Arc<MongoConfig>),
    /// Redis.
    Redis(Arc<RedisConfig>),
    /// A directory of this machine.
    Embedded(Arc<EmbeddedConfig>),
}

impl Store {
    /// The name of its stanza.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Mongo(_) => "mongo",
            Self::Redis(_) => "redis",
            Self::Embedded(_) => "embedded",
        }
    }
}

/// A place for views.
#[derive(Debug, Clone)]
pub enum Mirror {
    /// Redis.
    Redis(Arc<RedisConfig>),
    /// A directory of this machine.
    Embedded(Arc<EmbeddedConfig>),
}

/// Where reactions go.
#[derive(Debug, Clone)]
pub enum Reactions {
    /// The model says nothing.
    None,
    /// To a topic, under schemas that are registered.
    Topic {
        /// The topic.
        topic: String,
        /// Its brokers.
        kafka: Arc<KafkaConfig>,
        /// The registry of its schemas.
        registry: Arc<RegistryConfig>,
        /// How their subjects are named.
        subjects: SubjectStrategy,
    },
    /// Beside the documents of the embedded store.
    Embedded(Arc<EmbeddedConfig>),
}

impl Config {
    /// Reads and checks a file, filling in `${env:…}` and `${file:…}`, and the certificates that
    /// it names. It touches nothing else.
    ///
    /// # Errors
    /// All mistakes that it has.
    pub fn load(path: &Path) -> Result<Self, Mistakes> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| {
            let what = format!("the configuration cannot be read: {error}");
            Mistakes::of_file(name.clone(), what)
        })?;
        Self::parse(&name, &text, &Here)
    }

    /// Checks a text.
    ///
    /// # Errors
    /// All mistakes that it has.
    pub fn parse(file: &str, text: &str, elsewhere: &dyn Elsewhere) -> Result<Self, Mistakes> {
        let document = Document::parse(text).map_err(|error| malformed(file, text, &error))?;
        let mut reading = Reading::new(text, elsewhere);
        let config = assemble(&mut reading, document.as_table());
        let mut list = reading.found;
        match config {
            Some(config) if list.is_empty() => Ok(config),
            _ => {
                // A mistake without a line concerns the whole file, and comes last.
                list.sort_by_key(|mistake| mistake.line.unwrap_or(usize::MAX));
                Err(Mistakes { file: file.to_owned(), list })
            }
        }
    }
}

/// A text that is no TOML: only the first place is known.
fn malformed(file: &str, text: &str, error: &toml_edit::TomlError) -> Mistakes {
    let place = error.span().map(|span| position(text, span.start));
    let what = error.message().replace('\n', ", ");
    let mistake = Mistake {
        line: place.map(|(line, _)| line),
        column: place.map(|(_, column)| column),
        at: String::new(),
        what: format!("this is not TOML: {what}"),
    };
    Mistakes { file: file.to_owned(), list: vec![mistake] }
}

/// Reads all stanzas, so that all mistakes are found; `None` if there is no valid whole.
fn assemble(reading: &mut Reading<'_>, root: &Table) -> Option<Config> {
    refuse_strangers(reading, root);
    let instance = services::instance(reading, root);
    let services = Services::read(reading, root);
    let source = services::source(reading, root, &services);
    let lanes = lanes::read(reading, root);
    let models = models::read(reading, root, &services, source.kind(), &lanes);
    let unused = services.unused(source.kind(), &models);
    let (connect, traces) = (services.connect.get(), services.traces.get());
    let (instance, http) = instance?;
    Some(Config { instance, http, source: source.get()?, lanes, connect, traces, models, unused })
}

fn refuse_strangers(reading: &mut Reading<'_>, root: &Table) {
    let entries = root.iter().filter_map(|(name, _)| root.get_key_value(name));
    for (key, item) in entries.filter(|(key, _)| !STANZAS.contains(&key.get())) {
        let what = format!("there is no such stanza; {}", question(key.get(), &STANZAS));
        reading.note(start(key, item), key.get().to_owned(), what);
    }
}
