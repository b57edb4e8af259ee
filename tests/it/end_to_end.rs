//! Rows in PostgreSQL → Debezium → Kafka → registry → readmill → MongoDB and Redis, compared with
//! what the source tables say.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use readmill_core::digest::Digest;
use readmill_core::{Document, Identity, Incoming, Key, Offset, Partition, Position, ReadModel};
use readmill_models::{Deliveries, Points};
use readmill_schemas::{Events, Plan, SchemaId, WriterSchema, framing};
use readmill_workload::written_schemas;

use crate::mill::{Mill, succeed, wait};
use crate::paths::{root, stack};
use crate::real::{Corner, consumed, settled};

const EVENTS: &str = "4000";
const LIMIT: Duration = Duration::from_secs(120);

/// A database of its own, with outbox tables and a connector.
struct Shop {
    name: String,
    url: String,
}

impl Shop {
    fn open(corner: &Corner) -> Self {
        let name = corner.name.clone();
        let admin = stack("POSTGRES_ADMIN_URL");
        psql(&admin, &["-c", &format!("create database {name} owner app")]);
        let url = |address: String| address.replace("/shop", &format!("/{name}"));
        let ddl = root().join("connectors/debezium/postgres/outbox.sql");
        let shop = Self { url: url(stack("POSTGRES_URL")), name: name.clone() };
        psql(&url(admin), &["-c", "grant all on schema public to app"]);
        psql(&shop.url, &["-f", ddl.to_str().unwrap()]);
        shop
    }

    /// Applies one of the project's own connector definitions to this database.
    fn connect(&self, definition: &str) {
        let name = &self.name;
        self.stack(&[
            "connector",
            "apply",
            &format!("connectors/debezium/postgres/{definition}"),
            &format!("NAME={name}"),
            &format!("DATABASE={name}"),
            &format!("TOPIC_PREFIX={name}"),
            &format!("SLOT={name}"),
        ]);
    }

    fn stack(&self, args: &[&str]) {
        let done = Command::new(root().join("compose/stack"))
            .args(args)
            .current_dir(root())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "compose/stack {args:?}: {said}");
    }

    fn produce(&self, seed: &str) {
        let registry = stack("REGISTRY_URL");
        let target = ["produce", "--postgres", &self.url, "--registry", &registry];
        let workload = ["--events", EVENTS, "--seed", seed, "--keys", "300"];
        succeed(&[&target[..], &workload[..]].concat());
    }

    /// Folds the committed rows of its tables, aggregate by aggregate in their order.
    async fn expected<M: ReadModel>(&self, tables: &[&str]) -> BTreeMap<Key, M::State> {
        let config: tokio_postgres::Config = self.url.parse().unwrap();
        let (client, connection) = config.connect(tokio_postgres::NoTls).await.unwrap();
        let connection = tokio::spawn(connection);
        let mut documents: BTreeMap<Key, Document<M>> = BTreeMap::new();
        for table in tables {
            // Without versions, only the order of writing tells the order of an aggregate's rows.
            let rows = format!(
                "select id::text, aggregate_id, version, type, payload from public.{table} \
                 order by version nulls last, created_at, ctid"
            );
            for (row, offset) in client.query(&rows, &[]).await.unwrap().iter().zip(0..) {
                let event = read::<M::Event>(row.get(3), row.get(4));
                let from =
                    Position { partition: Partition::new(*table, 0), offset: Offset(offset) };
                for key in M::keys(&event).into_vec() {
                    let identity = match row.get::<_, Option<i64>>(2) {
                        Some(version) => Identity::version(table, row.get(1), true, version),
                        None => Identity::event(table, None, row.get(0)),
                    };
                    documents.entry(key).or_default().take(Incoming {
                        identity: &identity,
                        from: &from,
                        sent_below: from.offset,
                        event: &event,
                    });
                }
            }
        }
        connection.abort();
        documents.into_iter().filter_map(|(key, doc)| doc.state.map(|s| (key, s))).collect()
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        let deleted = Command::new(root().join("compose/stack"))
            .args(["connector", "delete", &self.name])
            .output();
        if let Ok(deleted) = deleted
            && !deleted.status.success()
        {
            eprintln!("{}", String::from_utf8_lossy(&deleted.stderr));
        }
    }
}

fn psql(url: &str, args: &[&str]) {
    let done = Command::new("psql")
        .args(["-q", "-v", "ON_ERROR_STOP=1", "-d", url])
        .args(args)
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
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

const DELIVERIES: [&str; 3] = ["deliveries_outbox_a", "deliveries_outbox_b", "deliveries_outbox_c"];

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
    let shop = Shop::open(corner);
    // Some rows are there before the connector: it reads them by a snapshot.
    shop.produce("1");
    shop.connect(definition);
    let mill = Mill::start(corner.dir(), configuration);
    mill.wait_for("/readyz", LIMIT);
    let points = shop.expected::<Points>(&["points_outbox"]).await;
    let deliveries = shop.expected::<Deliveries>(&DELIVERIES).await;
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

fn digest<S: serde::Serialize>(states: &BTreeMap<Key, S>) -> (Digest, usize) {
    let mut digest = Digest::default();
    for (key, state) in states {
        digest.add(key, state).unwrap();
    }
    (digest, states.len())
}

/// The available points in Redis are those of the documents.
async fn check_mirror(
    redis: &readmill_connectors::redis::Redis,
    points: &BTreeMap<Key, readmill_models::points::Member>,
) {
    let mirror = redis.mirror("points:available");
    for (key, member) in points {
        let shown = mirror.get(key).await.unwrap();
        assert_eq!(shown.get("available"), Some(&member.available.to_string()), "{key}");
    }
}
