//! Rows in a database become documents, over links all of which are secured.

use std::process::Command;
use std::time::Duration;

use mongodb::Client;
use readmill_connectors::mongo::{Mongo, MongoConfig};
use readmill_connectors::outbox::{self, OutboxConfig};
use readmill_connectors::redis::{Redis, RedisConfig};
use readmill_models::{Deliveries, Points};

use super::fort::{Fort, secured, tls_file};
use super::refusal::swapped;
use crate::end_to_end::{DELIVERIES, check_mirror, digest, expected};
use crate::mill::{Mill, succeed, wait};
use crate::paths::root;
use crate::real::{consumed, settled};
use crate::shop::psql;

const EVENTS: u32 = 2000;
const LIMIT: Duration = Duration::from_secs(120);
/// What a comparison with a table needs.
const BALANCES: &str = "create table points_balance (member_id text primary key, balance bigint); \
                        grant usage on schema public to reader; \
                        grant select on points_balance to reader;";

/// An address in the database of the corner.
pub fn in_shop(fort: &Fort, name: &str) -> String {
    secured(name).replace("/shop?", &format!("/{}?", fort.shop))
}

/// The stack's own command.
pub fn stack(args: &[&str]) {
    stack_says(args);
}

/// What it says.
pub fn stack_says(args: &[&str]) -> String {
    let done = Command::new(root().join("compose/stack"))
        .args(args)
        .arg("--secure")
        .current_dir(root())
        .output()
        .unwrap();
    assert!(done.status.success(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
    String::from_utf8(done.stdout).unwrap()
}

/// A database of the corner's own, with a connector that captures it.
pub struct Shop {
    pub url: String,
    _connector: Connector,
}

impl Shop {
    pub fn open(fort: &Fort) -> Self {
        let url = database(fort);
        Self { url, _connector: Connector::apply(&fort.shop) }
    }
}

/// The database of the corner, with its tables; how a service connects to it.
fn database(fort: &Fort) -> String {
    let name = &fort.shop;
    psql(&secured("POSTGRES_ADMIN_URL"), &format!("create database {name} owner app"));
    psql(&in_shop(fort, "POSTGRES_ADMIN_URL"), "grant all on schema public to app");
    let url = in_shop(fort, "POSTGRES_URL");
    let ddl = std::fs::read_to_string(root().join("connectors/debezium/postgres/outbox.sql"));
    psql(&url, &(ddl.unwrap() + BALANCES));
    url
}

/// Takes the connector away in the end.
struct Connector(String);

impl Connector {
    fn apply(name: &str) -> Self {
        let own = ["NAME", "DATABASE", "TOPIC_PREFIX", "SLOT"].map(|word| format!("{word}={name}"));
        let own: Vec<&str> = own.iter().map(String::as_str).collect();
        let file = "connectors/debezium/postgres/outbox.json";
        stack(&[&["connector", "apply", file], &own[..]].concat());
        Self(name.to_owned())
    }
}

impl Drop for Connector {
    fn drop(&mut self) {
        stack(&["connector", "delete", &self.0]);
    }
}

/// From the rows to what the stores hold.
pub async fn become_documents(fort: &Fort) {
    let name = &fort.shop;
    let url = database(fort);
    let file = fort.file("readmill.toml");
    std::fs::write(&file, fort.configuration()).unwrap();
    let file = file.to_str().unwrap();
    let events = EVENTS.to_string();
    let workload = ["--events", &events, "--seed", "1", "--keys", "200"];
    succeed(&[&["produce", "--postgres", &url, "-c", file], &workload[..]].concat());
    println!("link PostgreSQL: rows are written under TLS");
    let admin = Client::with_uri_str(secured("MONGO_ADMIN_URI")).await.unwrap();
    admin.database(&secured("MONGO_DATABASE")).drop().await.unwrap();
    let connector = Connector::apply(name);
    let said = succeed(&["connectors", "status", "-c", file]);
    assert!(said.contains(name.as_str()), "{said}");
    println!("link Connect: the connector's status is told");
    let mill = Mill::start(fort.corner.dir(), &fort.configuration());
    mill.wait_for("/readyz", LIMIT);
    wait(LIMIT, "all rows to arrive", || consumed(&[&mill]) >= f64::from(EVENTS));
    compare(fort, &url, &secured("MONGO_DATABASE")).await;
    assert_eq!(mill.stop(), Some(0));
    let origin = in_shop(fort, "POSTGRES_READER_URL");
    let query = "select member_id as key, balance from points_balance";
    let what = ["--query", query, "--field", "available=balance", "--slot", name, "--one-way"];
    succeed(&[&["reconcile", "points", "-c", file, "--postgres", &origin], &what[..]].concat());
    println!("link PostgreSQL: the origin is read by one who may only read");
    by_certificate(fort);
    drop(connector);
}

pub async fn compare(fort: &Fort, url: &str, database: &str) {
    let client = outbox::connect(&OutboxConfig::at(url)).await.unwrap();
    let points = expected::<Points>(&client, &["points_outbox"]).await;
    let deliveries = expected::<Deliveries>(&client, &DELIVERIES).await;
    assert!(points.len() > 100 && deliveries.len() > 10);
    let mut config = MongoConfig::at(secured("MONGO_ADMIN_URI"));
    config.database = database.to_owned();
    let store = Mongo::connect(&config).await.unwrap().documents("points", 1).await.unwrap();
    let (all, living) = digest(&points);
    let found = settled::<Points>(&store, living, all, LIMIT).await;
    assert_eq!((found.digest, found.living), (all, living), "points differ from their table");
    println!("link MongoDB: {living} documents are those of the table");
    let mut config = RedisConfig::at(secured("REDIS_URL"));
    config.prefix = format!("mill:{}:", fort.corner.name);
    config.ca_file = Some(tls_file("ca.pem"));
    let redis = Redis::connect(&config).await.unwrap();
    let (all, living) = digest(&deliveries);
    let store = redis.documents("deliveries", 1).await.unwrap();
    let found = settled::<Deliveries>(&store, living, all, LIMIT).await;
    assert_eq!((found.digest, found.living), (all, living), "deliveries differ");
    check_mirror(&redis, &points).await;
    println!("link Redis: {living} documents and the view are those of the tables");
    println!("link registry: all schemas were found");
}

/// MongoDB knows the same user by certificate, too.
fn by_certificate(fort: &Fort) {
    let (there, instead) = (secured("MONGO_URI"), secured("MONGO_X509_URI"));
    let mill =
        Mill::start(fort.corner.dir(), &swapped(&fort.configuration(), &[(&there, instead)]));
    mill.wait_for("/readyz", LIMIT);
    assert_eq!(mill.stop(), Some(0));
    println!("link MongoDB: let in by a certificate");
}
