//! All bundled read models at once, from rows of outbox tables in PostgreSQL to documents in
//! MongoDB: each must be what the source's rows fold to.

use std::fmt::Write as _;
use std::time::Duration;

use async_trait::async_trait;
use readmill_connectors::kafka::{KafkaConfig, Producer};
use readmill_core::ReadModel;
use readmill_models::{ALL, Row};
use readmill_workload::{Knobs, Source, Subject, Table, oracle};

use crate::everything::{Each, each};
use crate::mill::{Mill, succeed};
use crate::paths::{root, stack};
use crate::real::{Corner, settled};
use crate::shop::Shop;

const EVENTS: u64 = 12_000;
const OTHERS_PER_MILLE: u32 = 800;
const LIMIT: Duration = Duration::from_secs(240);

fn knobs() -> Knobs {
    let others_per_mille = OTHERS_PER_MILLE;
    Knobs { events: EVENTS, others_per_mille, members: 300, seed: 3, ..Knobs::default() }
}

/// The models that outboxes feed; ordinary tables have tests of their own.
fn fed() -> impl Iterator<Item = Row> {
    let is_fed = |row: &Row| Table::outboxes().any(|table| table.models().contains(&row.name));
    ALL.iter().copied().filter(is_fed)
}

fn configuration(corner: &Corner) -> String {
    let whole = corner.configuration();
    let mut text = whole.split("[models.points]").next().unwrap().to_owned();
    for row in fed() {
        let topics: Vec<String> = topics(corner, row).map(|t| format!("{t:?}")).collect();
        let topics = topics.join(", ");
        let _ = writeln!(text, "[models.{}]\ntopics = [{topics}]\nstore = \"mongo\"", row.name);
        if row.mirror.is_some() {
            text += "mirror = \"redis\"\n";
        }
        if !row.says.is_empty() {
            let _ = writeln!(text, "reactions_topic = \"{}.{}.said\"", corner.name, row.name);
        }
    }
    text
}

fn topics(corner: &Corner, row: Row) -> impl Iterator<Item = String> {
    Table::of_model(row.name).map(|table| format!("{}.public.{}", corner.name, table.name()))
}

/// What must stand in the end, model by model.
#[derive(Default)]
struct Wanted(Vec<Box<dyn Check>>);

/// Looks whether the documents of a model are what its rows fold to.
#[async_trait]
trait Check: Send + Sync {
    async fn check(&self, corner: &Corner);
}

struct Of<M: ReadModel>(oracle::Expected<M>);

#[async_trait]
impl<M: ReadModel> Check for Of<M> {
    async fn check(&self, corner: &Corner) {
        let Self(expected) = self;
        assert!(expected.states.len() as u64 + expected.gone > 5, "{}: {expected:?}", M::NAME);
        let store = corner.mongo().await.documents(M::NAME, 1).await.unwrap();
        let (digest, living) = (expected.digest().unwrap(), expected.states.len());
        let found = settled::<M>(&store, living, digest, LIMIT).await;
        let (found, wanted) = ((found.living, found.digest, found.waiting), (living, digest, 0));
        assert_eq!(found, wanted, "{} is not what its rows fold to", M::NAME);
    }
}

impl Each for Wanted {
    fn with<M: ReadModel<Event: Subject>>(&mut self) {
        if fed().any(|row| row.name == M::NAME) {
            self.0.push(Box::new(Of(oracle::fold::<M>(Source::new(knobs()).unwrap()))));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_model_becomes_what_its_rows_in_postgresql_fold_to() {
    let corner = Corner::new("cases");
    let brokers = stack("KAFKA_BROKERS");
    let producer = Producer::new(&KafkaConfig { brokers, ..KafkaConfig::default() }).unwrap();
    let topics: Vec<String> = fed().flat_map(|row| topics(&corner, row)).collect();
    let names: Vec<&str> = topics.iter().map(String::as_str).collect();
    producer.ensure_topics(&names, 4).await.unwrap();
    let script = |name: &str| {
        std::fs::read_to_string(root().join("connectors/debezium/postgres").join(name)).unwrap()
    };
    let shop = Shop::open(&corner, &(script("outbox.sql") + &script("cases.sql")));
    let tables: Vec<String> = Table::outboxes().map(|t| format!("public.{}", t.name())).collect();
    shop.connect_with("outbox.json", &[&format!("TABLES={}", tables.join(","))]);
    let mill = Mill::start(corner.dir(), &configuration(&corner));
    mill.wait_for("/readyz", LIMIT);
    let registry = stack("REGISTRY_URL");
    let (events, others) = (EVENTS.to_string(), OTHERS_PER_MILLE.to_string());
    let target = ["produce", "--postgres", &shop.url, "--registry", &registry];
    let workload = ["--events", &events, "--seed", "3", "--keys", "300"];
    succeed(&[&target[..], &workload[..], &["--others-per-mille", &others]].concat());
    let mut wanted = Wanted::default();
    each(&mut wanted);
    assert_eq!(wanted.0.len(), fed().count());
    for model in &wanted.0 {
        model.check(&corner).await;
    }
    assert_eq!(mill.stop(), Some(0));
}

/// The page lists every trap that is a test, and no other.
#[test]
fn the_page_of_the_cases_names_every_trap() {
    let page = std::fs::read_to_string(root().join("docs/cases/README.md")).unwrap();
    let mut named: Vec<&str> = page.split('`').filter(|word| word.starts_with("trap_")).collect();
    let folder = root().join("processors/models/tests/cases");
    let mut texts = String::new();
    for file in std::fs::read_dir(folder).unwrap() {
        texts += &std::fs::read_to_string(file.unwrap().path()).unwrap();
    }
    let tests = texts.lines().filter_map(|line| line.strip_prefix("fn ")?.split('(').next());
    let mut tests: Vec<&str> = tests.filter(|name| name.starts_with("trap_")).collect();
    named.sort_unstable();
    tests.sort_unstable();
    assert_eq!(named, tests);
    for row in ALL {
        let page = root().join(format!("docs/cases/{}.md", row.name));
        assert!(page.is_file(), "{} has no page", row.name);
    }
}
