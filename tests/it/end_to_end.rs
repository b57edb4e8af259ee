//! Rows in PostgreSQL → Debezium → Kafka → registry → readmill → MongoDB and Redis, compared with
//! what the source tables say.

use std::collections::BTreeMap;
use std::time::Duration;

use readmill_core::digest::Digest;
use readmill_core::{
    Document, Identity, Incoming, Key, Offset, Partition, Position, ReadModel, Record,
};
use readmill_models::{Deliveries, Points};
use readmill_schemas::{Events, Plan, SchemaId, WriterSchema, framing};
use readmill_workload::written_schemas;

use crate::mill::{Mill, succeed, wait};
use crate::paths::{root, stack};
use crate::real::{Corner, consumed, settled};
use crate::shop::Shop;

const EVENTS: &str = "4000";
const LIMIT: Duration = Duration::from_secs(120);

/// Folds the committed rows of a database's tables, aggregate by aggregate in their order.
pub async fn expected<M: ReadModel>(
    client: &tokio_postgres::Client,
    tables: &[&str],
) -> BTreeMap<Key, M::State> {
    let mut documents: BTreeMap<Key, Document<M>> = BTreeMap::new();
    for table in tables {
        // Without versions, only the order of writing tells the order of an aggregate's rows.
        let rows = format!(
            "select id::text, aggregate_id, version, type, payload from public.{table} \
             order by version nulls last, created_at, ctid"
        );
        for (row, offset) in client.query(&rows, &[]).await.unwrap().iter().zip(0..) {
            let event = read::<M::Event>(row.get(3), row.get(4));
            let partition = Partition::new(*table, 0);
            let record = Record::at(Position { partition, offset: Offset(offset) });
            for key in M::keys(&event).into_vec() {
                let identity = match row.get::<_, Option<i64>>(2) {
                    Some(version) => Identity::version(table, row.get(1), true, version),
                    None => Identity::event(table, None, row.get(0)),
                };
                let incoming = Incoming::straight(&identity, &record, &event);
                documents.entry(key).or_default().take(incoming);
            }
        }
    }
    documents.into_iter().filter_map(|(key, doc)| doc.state.map(|s| (key, s))).collect()
}

fn produce(shop: &Shop, seed: &str) {
    let registry = stack("REGISTRY_URL");
    let target = ["produce", "--postgres", &shop.url, "--registry", &registry];
    let workload = ["--events", EVENTS, "--seed", seed, "--keys", "300"];
    succeed(&[&target[..], &workload[..]].concat());
}

/// An event by its type's name, read with the schema that it was written with.
fn read<E: Events>(event_type: &str, payload: &[u8]) -> E {
    let framed = framing::read(payload).unwrap();
    assert_ne!(framed.schema, SchemaId(0));
    let which = E::CONTRACTS.iter().position(|c| c.name.ends_with(&format!(".{event_type}")));
    let contract = &E::CONTRACTS[which.unwrap()];
    let written = written_schemas().into_iter().find(|schema| schema.name == contract.name);
    let writer = WriterSchema::parse(&written.unwrap().text).unwrap();
    E::read(which.unwrap(), &Plan::compile(&writer, contract).unwrap(), framed.body).unwrap()
}

/// The tables of deliveries.
pub const DELIVERIES: [&str; 3] =
    ["deliveries_outbox_a", "deliveries_outbox_b", "deliveries_outbox_c"];

#[tokio::test(flavor = "multi_thread")]
async fn committed_rows_become_documents_in_mongodb_and_redis() {
    let corner = Corner::new("e2e");
    corner.make_topics().await;
    from_rows_to_documents(&corner, "outbox.json", &corner.configuration()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_the_outbox_router_become_the_same_documents() {
    let corner = Corner::new("routed");
    let [members, deliveries] =
        ["member", "delivery"].map(|kind| format!("\"{}.events.{kind}\"", corner.name));
    let configuration = corner
        .configuration()
        .replace(&corner.topics("points"), &members)
        .replace(&corner.topics("deliveries"), &deliveries);
    from_rows_to_documents(&corner, "router.json", &configuration).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn flattened_rows_become_the_same_documents() {
    let corner = Corner::new("flat");
    corner.make_topics().await;
    from_rows_to_documents(&corner, "flattened.json", &corner.configuration()).await;
}

async fn from_rows_to_documents(corner: &Corner, definition: &str, configuration: &str) {
    let ddl = root().join("connectors/debezium/postgres/outbox.sql");
    let shop = Shop::open(corner, &std::fs::read_to_string(ddl).unwrap());
    // Some rows are there before the connector: it reads them by a snapshot.
    produce(&shop, "1");
    shop.connect(definition);
    let mill = Mill::start(corner.dir(), configuration);
    mill.wait_for("/readyz", LIMIT);
    let client = shop.client().await;
    let points = expected::<Points>(&client, &["points_outbox"]).await;
    let deliveries = expected::<Deliveries>(&client, &DELIVERIES).await;
    assert!(points.len() > 100 && deliveries.len() > 10);
    let (mongo, redis) = (corner.mongo().await, corner.redis().await);
    let points_store = mongo.documents("points", 1).await.unwrap();
    let deliveries_store = redis.documents("deliveries", 1).await.unwrap();
    let rows = EVENTS.parse::<f64>().unwrap();
    wait(LIMIT, "all rows to arrive", || consumed(&[&mill]) >= rows);
    let (all, living) = digest(&points);
    let found = settled::<Points>(&points_store, living, all, LIMIT).await;
    assert_eq!((found.digest, found.living), (all, living), "points differ from their tables");
    let (all, living) = digest(&deliveries);
    let found = settled::<Deliveries>(&deliveries_store, living, all, LIMIT).await;
    assert_eq!((found.digest, found.living), (all, living), "deliveries differ");
    check_mirror(&redis, &points).await;
    assert_eq!(mill.metric("readmill_waiting"), Some(0.0));
    assert_eq!(mill.stop(), Some(0));
}

/// What stores have to hold, and how many.
pub fn digest<S: serde::Serialize>(states: &BTreeMap<Key, S>) -> (Digest, usize) {
    let mut digest = Digest::default();
    for (key, state) in states {
        digest.add(key, state).unwrap();
    }
    (digest, states.len())
}

/// The available points in Redis are those of the documents.
pub async fn check_mirror(
    redis: &readmill_connectors::redis::Redis,
    points: &BTreeMap<Key, readmill_models::points::Member>,
) {
    let mirror = redis.mirror("points:available");
    for (key, member) in points {
        let shown = mirror.get(key).await.unwrap();
        assert_eq!(shown.get("available"), Some(&member.available.to_string()), "{key}");
    }
}
