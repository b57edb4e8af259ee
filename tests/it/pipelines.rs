//! Sinks of Kafka Connect beside Readmill, on the real Connect: what they write, and what becomes
//! of repeats.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use readmill_connectors::kafka::producer::Outgoing;
use readmill_connectors::kafka::{KafkaConfig, Producer};
use readmill_engine::Record;
use tokio_postgres::Client;

use crate::connectors::Bench;
use crate::held_edges::{poisoned, read};
use crate::mill::{free_port, readmill, succeed, wait};
use crate::paths::{root, stack};
use crate::real::{Corner, wait_until_quiet};
use crate::shop::Shop;

const LIMIT: Duration = Duration::from_secs(120);
const TABLE: &str = include_str!("../../connectors/connect/deliveries_out.sql");
const HELD: [&str; 12] = [
    "value_base64",
    "header_id",
    "topic",
    "partition",
    "offset",
    "held_by",
    "stage",
    "reason",
    "key_base64",
    "copy_partition",
    "copy_offset",
    "copied_at",
];
const ARCHIVED: [&str; 6] =
    ["value_base64", "key_base64", "topic", "partition", "offset", "timestamp"];

/// A sink of this test, which goes with it.
struct Sink<'b> {
    bench: &'b Bench,
    name: String,
    file: &'static str,
    variables: Vec<(&'static str, String)>,
}

impl<'b> Sink<'b> {
    fn apply(
        bench: &'b Bench,
        name: &str,
        file: &'static str,
        variables: &[(&'static str, &str)],
    ) -> Self {
        let name = format!("{name}-sink");
        let mut owned = vec![("NAME", name.clone())];
        owned.extend(variables.iter().map(|(variable, value)| (*variable, (*value).to_owned())));
        let sink = Self { bench, name, file, variables: owned };
        sink.begin();
        sink
    }

    /// Applies it; without a place of its own it begins with the first record.
    fn begin(&self) {
        let variables: Vec<(&str, &str)> =
            self.variables.iter().map(|(variable, value)| (*variable, value.as_str())).collect();
        let said = self.bench.applied(&format!("../connect/{}", self.file), &variables);
        assert!(said.contains("runs"), "{said}");
    }

    /// Takes it away with its place in the topics.
    fn forget(&self) {
        let args = ["connector", "delete", &self.name];
        let done = Command::new(root().join("compose/stack")).args(args).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
}

impl Drop for Sink<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.forget();
        }
    }
}

/// A file's lines, once so many are there.
fn lines(file: &Path, wanted: usize) -> Vec<String> {
    let text = || std::fs::read_to_string(file).unwrap_or_default();
    wait(LIMIT, &format!("{wanted} lines"), || text().lines().count() >= wanted);
    text().lines().map(str::to_owned).collect()
}

/// The fields of a line, in their order; one that is null is left out. A reason may have commas.
fn fields<'l>(line: &'l str, names: &[&'static str]) -> BTreeMap<&'static str, &'l str> {
    let mut rest = line.strip_prefix("Struct{").and_then(|rest| rest.strip_suffix('}')).unwrap();
    let mut found = BTreeMap::new();
    for (at, name) in names.iter().enumerate() {
        let Some(value) = rest.strip_prefix(&format!("{name}=")) else { continue };
        let ends = names[at + 1..].iter().filter_map(|next| value.find(&format!(",{next}=")));
        let end = ends.min().unwrap_or(value.len());
        found.insert(*name, &value[..end]);
        rest = value[end..].trim_start_matches(',');
    }
    found
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte));
        let bits = bits << (8 * (3 - chunk.len()));
        for at in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * at)) as usize & 63];
            text.push(if at <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

fn header(record: &Record, name: &str) -> String {
    let header = record.headers.iter().find(|(header, _)| header == name);
    header.map(|(_, value)| String::from_utf8(value.clone()).unwrap()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn held_records_are_lines_that_a_person_can_read() {
    let (corner, mill, file) = poisoned("heldfile").await;
    let topic = format!("{}.dead", corner.name);
    let held = succeed(&["held", "list", "-c", &file, "--model", "points", "--json"]);
    let letters = read(&corner, &topic, held.lines().count()).await;
    let out = corner.dir().join("held.lines");
    let name = corner.name.clone();
    let bench = Bench::new(corner);
    let variables = [("HELD_TOPIC", topic.as_str()), ("FILE", out.to_str().unwrap())];
    let _sink = Sink::apply(&bench, &name, "held_file.json", &variables);
    let lines = lines(&out, letters.len());
    assert_eq!(lines.len(), letters.len());
    let mut told: BTreeMap<(String, String), BTreeMap<&str, &str>> = BTreeMap::new();
    for line in &lines {
        let fields = fields(line, &HELD);
        let place = (fields["copy_partition"].to_owned(), fields["copy_offset"].to_owned());
        told.insert(place, fields);
    }
    for letter in &letters {
        let place = &letter.position;
        let place = (place.partition.index.to_string(), place.offset.0.to_string());
        let line = &told[&place];
        let said = |name: &str| header(letter, &format!("__connect.errors.{name}"));
        assert_eq!(line["topic"], said("topic"));
        assert_eq!(line["partition"], said("partition"));
        assert_eq!(line["offset"], said("offset"));
        assert_eq!(line["held_by"], "readmill.points");
        assert_eq!(line["stage"], said("stage"));
        assert_eq!(line["reason"], said("exception.message"));
        assert_eq!(line["value_base64"], base64(letter.value.as_deref().unwrap()));
        assert_eq!(line["key_base64"], base64(letter.key.as_deref().unwrap()));
    }
    assert_eq!(mill.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_archives_every_record_but_it_is_no_archive_of_readmill() {
    let corner = Corner::new("sinkarchive");
    corner.make_topics_of(2).await;
    let file = corner.configuration_file();
    let events = ["--events", "3000", "--keys", "80"];
    succeed(&[&["produce", "--kafka", "-c", file.to_str().unwrap()][..], &events].concat());
    let topic = format!("{}.public.points_outbox", corner.name);
    // A tombstone, and a record without a key.
    let producer =
        Producer::new(&KafkaConfig { brokers: stack("KAFKA_BROKERS"), ..KafkaConfig::default() });
    let outgoing = |key: Option<&[u8]>, value: Option<&[u8]>| Outgoing {
        topic: topic.clone(),
        partition: Some(0),
        key: key.map(<[u8]>::to_vec),
        value: value.map(<[u8]>::to_vec),
        headers: vec![("own".to_owned(), vec![0, 255])],
    };
    let odd = vec![outgoing(Some(b"k"), None), outgoing(None, Some(&[0, 1, 255]))];
    producer.unwrap().send(odd).await.unwrap();
    let ends = ends(&topic, 2);
    let wanted: i64 = ends.iter().sum();
    let records = read(&corner, &topic, usize::try_from(wanted).unwrap()).await;
    let dir = corner.dir().join("sunk");
    std::fs::create_dir(&dir).unwrap();
    let out = dir.join("lines");
    let (name, configuration) = (corner.name.clone(), corner.configuration());
    let bench = Bench::new(corner);
    let variables = [("TOPICS", topic.as_str()), ("FILE", out.to_str().unwrap())];
    let sink = Sink::apply(&bench, &name, "archive_file.json", &variables);
    let lines = lines(&out, records.len());
    let mut told = BTreeMap::new();
    for line in &lines {
        let fields = fields(line, &ARCHIVED);
        assert_eq!(fields["topic"], topic);
        let place = (fields["partition"].to_owned(), fields["offset"].to_owned());
        assert_eq!(told.insert(place, fields), None, "a record stands there twice");
    }
    for record in &records {
        let place = &record.position;
        let place = (place.partition.index.to_string(), place.offset.0.to_string());
        let line = &told[&place];
        let text = |bytes: &Option<Vec<u8>>| bytes.as_deref().map(base64);
        let written = |name| line.get(name).map(|text| (*text).to_owned());
        assert_eq!(written("value_base64"), text(&record.value));
        assert_eq!(written("key_base64"), text(&record.key));
    }
    assert_eq!(told.len(), records.len());

    // Begun anew it writes all of it again, behind what is there: nothing says where it was.
    sink.forget();
    sink.begin();
    let twice = self::lines(&out, 2 * records.len());
    assert_eq!(twice.len(), 2 * records.len());

    // Nobody takes it for an archive that a model could be folded from.
    let from = format!("kind = \"archive\"\narchive_dir = \"{}\"\n", dir.display());
    let rebuilt = configuration.replacen("kind = \"kafka\"\n", &from, 1);
    let file = dir.join("rebuild.toml");
    let listen = format!("[instance]\nhttp_listen = \"127.0.0.1:{}\"\n", free_port());
    std::fs::write(&file, listen + &rebuilt).unwrap();
    let file = file.to_str().unwrap();
    for args in [&["archive", "verify", "--dir", dir.to_str().unwrap()][..], &["run", "-c", file]] {
        let done = readmill(args);
        let said = String::from_utf8_lossy(&done.stderr).into_owned();
        assert!(!done.status.success(), "{args:?}: {said}");
        assert!(said.contains("there is no finished archive here"), "{args:?}: {said}");
    }
}

/// Where the partitions of a topic end.
fn ends(topic: &str, partitions: i32) -> Vec<i64> {
    let consumer: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", stack("KAFKA_BROKERS")).create().unwrap();
    let end = |partition| consumer.fetch_watermarks(topic, partition, LIMIT).unwrap().1;
    (0..partitions).map(end).collect()
}

/// The rows of the table: the outcome of each reaction.
async fn rows(client: &Client) -> BTreeMap<String, String> {
    let query = "select reaction_id, outcome from deliveries_out";
    let rows = client.query(query, &[]).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn reactions_are_each_one_row_whatever_is_killed_or_begun_anew() {
    let corner = Corner::new("reactionsink");
    corner.make_topics().await;
    let shop = Shop::open(&corner, TABLE);
    let (name, topic) = (corner.name.clone(), format!("{}.integrated", corner.name));
    let file = corner.configuration_file();
    let events = ["--events", "20000", "--keys", "400"];
    succeed(&[&["produce", "--kafka", "-c", file.to_str().unwrap()][..], &events].concat());
    // Killed in the midst of it, again and again.
    for _ in 0..4 {
        let mill = corner.start();
        wait(LIMIT, "some records", || mill.metric("readmill_consumed_total") > Some(1000.0));
        mill.kill();
    }
    let mill = corner.start();
    mill.wait_for("/readyz", LIMIT);
    wait_until_quiet(&[&mill], LIMIT);
    assert_eq!(mill.stop(), Some(0));
    let told: i64 = ends(&topic, 8).iter().sum();
    let records = read(&corner, &topic, usize::try_from(told).unwrap()).await;
    let ids: BTreeSet<String> = records.iter().map(|r| header(r, "readmill-id")).collect();
    println!("reactions={} records={}", ids.len(), records.len());
    assert!(ids.len() > 100, "{} reactions", ids.len());

    let bench = Bench::new(corner);
    let variables = [
        ("REACTIONS_TOPIC", topic.as_str()),
        ("DATABASE", &name),
        ("SINK_PASSWORD", &stack("STACK_PASSWORD")),
    ];
    let sink = Sink::apply(&bench, &name, "reactions_jdbc.json", &variables);
    let client = shop.client().await;
    let found = settled(&client, ids.len()).await;
    assert_eq!(found.keys().cloned().collect::<BTreeSet<_>>(), ids);
    // All of them again: what a killed instance does to some of them, to all.
    let before = seen(&client).await;
    sink.forget();
    sink.begin();
    let until = Instant::now() + LIMIT;
    while seen(&client).await == before {
        assert!(Instant::now() < until, "nothing was written again");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    assert_eq!(rows(&client).await, found, "a repeat is no other row");
}

/// Until so many rows are there.
async fn settled(client: &Client, wanted: usize) -> BTreeMap<String, String> {
    let until = Instant::now() + LIMIT;
    loop {
        let found = rows(client).await;
        if found.len() >= wanted || Instant::now() >= until {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Which transaction wrote the rows last.
async fn seen(client: &Client) -> i64 {
    let query = "select max(xmin::text::bigint) from deliveries_out";
    client.query_one(query, &[]).await.unwrap().get(0)
}
