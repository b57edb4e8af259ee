//! All bundled read models at once, from rows of outbox tables in PostgreSQL to documents in
//! MongoDB: each must be what the source's rows fold to.

use std::fmt::Write as _;
use std::time::Duration;

use readmill_connectors::kafka::{KafkaConfig, Producer};
use readmill_core::ReadModel;
use readmill_models::{ALL, Row};
use readmill_workload::{Knobs, Source, Subject, Table, oracle};

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

/// The models that are fed by outbox tables.
fn fed() -> impl Iterator<Item = Row> {
    ALL.iter().copied().filter(|row| Table::of_model(row.name).next().is_some())
}

/// The outbox tables of the shop beside those that the project's own script makes.
fn more_tables() -> String {
    let mut ddl = String::new();
    for name in Table::ALL.iter().map(|table| table.name()) {
        let _ = writeln!(
            ddl,
            "create table if not exists {name} (like points_outbox including all);
             alter table {name} replica identity full;
             grant select on {name} to debezium;"
        );
    }
    let names: Vec<&str> = Table::ALL.iter().map(|table| table.name()).collect();
    let all = names.join(", ");
    ddl + &format!("alter publication readmill_outbox set table {all}, debezium_heartbeat;")
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

/// Waits until the documents of a model are what its rows fold to.
async fn check<M: ReadModel<Event: Subject>>(corner: &Corner) {
    let expected = oracle::fold::<M>(Source::new(knobs()).unwrap());
    assert!(expected.states.len() as u64 + expected.gone > 5, "{}: {expected:?}", M::NAME);
    let store = corner.mongo().await.documents(M::NAME, 1).await.unwrap();
    let (digest, living) = (expected.digest().unwrap(), expected.states.len());
    let found = settled::<M>(&store, living, digest, LIMIT).await;
    let (found, wanted) = ((found.living, found.digest, found.waiting), (living, digest, 0));
    assert_eq!(found, wanted, "{} is not what its rows fold to", M::NAME);
}

/// Does it for every model that outbox tables feed, and answers which those are.
macro_rules! check_all {
    ($corner:expr, $($model:ident),+) => {{
        $(check::<readmill_models::$model>($corner).await;)+
        [$(<readmill_models::$model as ReadModel>::NAME),+]
    }};
}

#[tokio::test(flavor = "multi_thread")]
async fn every_model_becomes_what_its_rows_in_postgresql_fold_to() {
    let corner = Corner::new("cases");
    let brokers = stack("KAFKA_BROKERS");
    let producer = Producer::new(&KafkaConfig { brokers, ..KafkaConfig::default() }).unwrap();
    let topics: Vec<String> = fed().flat_map(|row| topics(&corner, row)).collect();
    let names: Vec<&str> = topics.iter().map(String::as_str).collect();
    producer.ensure_topics(&names, 4).await.unwrap();
    let ddl = root().join("connectors/debezium/postgres/outbox.sql");
    let shop = Shop::open(&corner, &(std::fs::read_to_string(ddl).unwrap() + &more_tables()));
    let tables: Vec<String> = Table::ALL.iter().map(|t| format!("public.{}", t.name())).collect();
    shop.connect_with("outbox.json", &[&format!("TABLES={}", tables.join(","))]);
    let mill = Mill::start(corner.dir(), &configuration(&corner));
    mill.wait_for("/readyz", LIMIT);
    let registry = stack("REGISTRY_URL");
    let (events, others) = (EVENTS.to_string(), OTHERS_PER_MILLE.to_string());
    let target = ["produce", "--postgres", &shop.url, "--registry", &registry];
    let workload = ["--events", &events, "--seed", "3", "--keys", "300"];
    succeed(&[&target[..], &workload[..], &["--others-per-mille", &others]].concat());
    let checked = check_all!(&corner, Points, Deliveries);
    assert_eq!(checked.to_vec(), fed().map(|row| row.name).collect::<Vec<_>>());
    assert_eq!(mill.stop(), Some(0));
}
