//! An archive that belongs to one test, the configuration that it is copied by, and the log itself.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{Headers, Message};
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};
use readmill_connectors::archive::{ArchiveReader, Manifest, Wanted};
use readmill_connectors::kafka::KafkaConfig;
use readmill_core::{Offset, Partition, Position, Record};
use serde_json::Value;
use tempfile::TempDir;

use crate::mill::{readmill, succeed};
use crate::paths::{self, stack};

const LIMIT: Duration = Duration::from_secs(20);

/// The records of each partition, in their order.
pub type Log = BTreeMap<Partition, Vec<Record>>;

/// An archive that is copied by a configuration.
pub struct Place {
    dir: TempDir,
    config: PathBuf,
}

impl Place {
    /// By a configuration of one model on these topics.
    pub fn of(topics: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let config = format!(
            "[source]\nkind = \"kafka\"\n\n[kafka]\nbrokers = \"{}\"\nmetadata_refresh_ms = 300\n\n\
             [registry]\nurls = [\"{}\"]\n\n[embedded]\ndirectory = \"{}\"\n\n\
             [models.points]\ntopics = {topics:?}\nstore = \"embedded\"\n",
            stack("KAFKA_BROKERS"),
            stack("REGISTRY_URL"),
            dir.path().join("store").display(),
        );
        Self::by(dir, &config)
    }

    /// By the text of a configuration.
    pub fn by(dir: TempDir, configuration: &str) -> Self {
        let config = dir.path().join("archive.toml");
        std::fs::write(&config, configuration).unwrap();
        Self { dir, config }
    }

    /// A directory for whatever else there is.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The archive's directory.
    pub fn archive(&self) -> PathBuf {
        self.dir.path().join("archive")
    }

    fn args<'a>(&'a self, archive: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        let config = self.config.to_str().unwrap();
        [&["archive", "-c", config, "--to", archive][..], more].concat()
    }

    /// Copies what there is, and answers what was said of it.
    #[track_caller]
    pub fn copy(&self, more: &[&str]) -> Value {
        let archive = self.archive();
        let args = self.args(archive.to_str().unwrap(), &[more, &["--json"]].concat());
        serde_json::from_str(&succeed(&args)).unwrap()
    }

    /// Copies in vain: the exit code, and what was said of it.
    pub fn refused(&self, more: &[&str]) -> (i32, String) {
        let archive = self.archive();
        let output: Output = readmill(&self.args(archive.to_str().unwrap(), more));
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    }

    /// Begins to copy, and does not wait for its end.
    pub fn begin(&self, more: &[&str]) -> Child {
        let archive = self.archive();
        Command::new(paths::readmill())
            .args(self.args(archive.to_str().unwrap(), more))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(self.dir().join("copy.log")).unwrap())
            .spawn()
            .unwrap()
    }

    /// Does something with the archive; the exit code, and what was printed.
    pub fn with(&self, verb: &str, more: &[&str]) -> (i32, String) {
        let archive = self.archive();
        let args = ["archive", verb, "--dir", archive.to_str().unwrap()];
        let output = readmill(&[&args[..], more].concat());
        let said = [output.stdout, output.stderr].concat();
        (output.status.code().unwrap(), String::from_utf8(said).unwrap())
    }

    /// What is in it.
    pub fn manifest(&self) -> Option<Manifest> {
        Manifest::read(&self.archive()).ok()
    }

    /// All its records.
    pub fn records(&self) -> Log {
        let reader = ArchiveReader::open(&self.archive()).unwrap();
        let mut log = Log::new();
        for (partition, _) in reader.manifest().partitions() {
            let records = log.entry(partition.clone()).or_default();
            let mut take = |record| {
                records.push(record);
                ControlFlow::Continue(())
            };
            reader.visit(&partition, &Wanted::default(), &mut take).unwrap();
        }
        log
    }
}

/// What the brokers have of some topics.
pub fn log_of(topics: &[&str]) -> Log {
    let config = KafkaConfig { brokers: stack("KAFKA_BROKERS"), ..KafkaConfig::default() };
    let consumer: BaseConsumer =
        config.consumer("nobody").set("enable.partition.eof", "true").create().unwrap();
    let mut log = Log::new();
    let mut list = TopicPartitionList::new();
    for topic in topics {
        let metadata = consumer.fetch_metadata(Some(topic), LIMIT).unwrap();
        for partition in metadata.topics()[0].partitions() {
            list.add_partition_offset(topic, partition.id(), KafkaOffset::Beginning).unwrap();
            log.insert(Partition::new(*topic, partition.id()), Vec::new());
        }
    }
    consumer.assign(&list).unwrap();
    let mut open = log.len();
    while open > 0 {
        match consumer.poll(LIMIT).expect("the topics can be read") {
            Ok(message) => {
                let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
                let headers = headers.map(|h| (h.key.to_owned(), h.value.unwrap().to_vec()));
                let partition = Partition::new(message.topic(), message.partition());
                let record = Record {
                    position: Position {
                        partition: partition.clone(),
                        offset: Offset(message.offset()),
                    },
                    timestamp_ms: message.timestamp().to_millis().unwrap(),
                    key: message.key().map(<[u8]>::to_vec),
                    value: message.payload().map(<[u8]>::to_vec),
                    headers: headers.collect(),
                };
                log.entry(partition).or_default().push(record);
            }
            Err(KafkaError::PartitionEOF(_)) => open -= 1,
            Err(error) => panic!("{error}"),
        }
    }
    log
}

/// Compares two logs without printing them whole.
#[track_caller]
pub fn assert_same(found: &Log, wanted: &Log) {
    let partitions = |log: &Log| log.keys().cloned().collect::<Vec<_>>();
    assert_eq!(partitions(found), partitions(wanted));
    for (partition, wanted) in wanted {
        let found = &found[partition];
        let first = found.iter().zip(wanted).position(|(a, b)| a != b);
        if let Some(at) = first {
            panic!("{partition}: {:?} instead of {:?}", found[at], wanted[at]);
        }
        assert_eq!(found.len(), wanted.len(), "{partition}");
    }
}
