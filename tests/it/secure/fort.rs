//! The secured stack as one test sees it: names of its own, and the configuration with everything
//! that each service wants to see.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use readmill_connectors::kafka::{KafkaConfig, Producer, SaslMechanism};
use readmill_connectors::secret::Secret;

use crate::end_to_end::DELIVERIES;
use crate::paths::root;
use crate::real::Corner;

/// An address or a secret of the running secured stack, such as `MONGO_URI`.
#[track_caller]
pub fn secured(name: &str) -> String {
    static ADDRESSES: OnceLock<BTreeMap<String, String>> = OnceLock::new();
    let addresses = ADDRESSES.get_or_init(|| {
        let run = std::env::var("READMILL_RUN").map(|run| PathBuf::from(format!("{run}-secure")));
        let file = run.unwrap_or(root().join("compose/.run-secure")).join("stack.env");
        let text = std::fs::read_to_string(&file).unwrap_or_else(|error| {
            panic!(
                "the secured stack is not up ({}: {error}): run `make up-secure`",
                file.display()
            )
        });
        let pair = |line: &str| {
            let (name, value) = line.split_once('=')?;
            Some((name.to_owned(), value.trim_matches('\'').to_owned()))
        };
        text.lines().filter_map(pair).collect()
    });
    addresses.get(name).unwrap_or_else(|| panic!("the secured stack has no {name}")).clone()
}

/// A file of the stack's authority.
pub fn tls_file(name: &str) -> PathBuf {
    Path::new(&secured("TLS_FOLDER")).join(name)
}

/// The corner of one test.
pub struct Fort {
    pub corner: Corner,
    /// The prefix of its source topics, and the name of its database and connector.
    pub shop: String,
}

impl Fort {
    /// Takes up names that begin as the users' rights want it, and makes the topics.
    pub async fn build() -> Self {
        let corner = Corner::new("mill");
        let shop = corner.name.replace("mill", "shop");
        let fort = Self { corner, shop };
        let secrets = [
            ("kafka.password", "KAFKA_PASSWORD"),
            ("http.password", "HTTP_PASSWORD"),
            ("oauth.secret", "OAUTH_SECRET"),
        ];
        for (file, name) in secrets {
            std::fs::write(fort.file(file), secured(name) + "\n").unwrap();
        }
        let app = Producer::new(&app()).unwrap();
        let topics = [vec![fort.points(), fort.reactions()], fort.deliveries()].concat();
        let topics: Vec<&str> = topics.iter().map(String::as_str).collect();
        app.ensure_topics(&topics, 4).await.unwrap();
        fort
    }

    /// A file of its own.
    pub fn file(&self, name: &str) -> PathBuf {
        self.corner.dir().join(name)
    }

    pub fn points(&self) -> String {
        format!("{}.public.points_outbox", self.shop)
    }

    pub fn deliveries(&self) -> Vec<String> {
        DELIVERIES.map(|table| format!("{}.public.{table}", self.shop)).to_vec()
    }

    pub fn reactions(&self) -> String {
        format!("{}.integrated", self.corner.name)
    }

    /// An instance's configuration, to which nobody objects.
    pub fn configuration(&self) -> String {
        format!(
            r#"
[source]
kind = "kafka"

[kafka]
brokers = "{brokers}"
group_prefix = "{name}"
connect_timeout_ms = 5000
tls = true
ca_file = "{ca}"
sasl_mechanism = "SCRAM-SHA-512"
username = "mill"
password = "${{file:{kafka_password}}}"

[registry]
urls = ["{registry}"]
username = "mill"
password = "${{file:{http_password}}}"
ca_file = "{ca}"

[connect]
url = "{connect}"
username = "mill"
password = "${{file:{http_password}}}"
ca_file = "{ca}"

[mongo]
uri = "{mongo}"
database = "mill"

[redis]
uri = "{redis}"
prefix = "mill:{name}:"
ca_file = "{ca}"

[models.points]
topics = ["{points}"]
store = "mongo"
mirror = "redis"

[models.deliveries]
topics = {deliveries:?}
store = "redis"
reactions_topic = "{reactions}"
"#,
            name = self.corner.name,
            brokers = secured("KAFKA_BROKERS"),
            registry = secured("REGISTRY_URL"),
            connect = secured("CONNECT_URL"),
            mongo = secured("MONGO_URI"),
            redis = secured("REDIS_URL"),
            ca = tls_file("ca.pem").display(),
            kafka_password = self.file("kafka.password").display(),
            http_password = self.file("http.password").display(),
            points = self.points(),
            deliveries = self.deliveries(),
            reactions = self.reactions(),
        )
    }
}

/// Who may write what the tests read.
fn app() -> KafkaConfig {
    KafkaConfig {
        brokers: secured("KAFKA_BROKERS"),
        tls: true,
        ca_file: Some(tls_file("ca.pem")),
        sasl_mechanism: Some(SaslMechanism::ScramSha256),
        username: Some(secured("KAFKA_APP_USER")),
        password: Some(Secret::from(secured("KAFKA_APP_PASSWORD").as_str())),
        ..KafkaConfig::default()
    }
}
