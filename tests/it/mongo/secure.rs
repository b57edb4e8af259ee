//! TLS, passwords, certificates and rights on a server that demands them.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use bson::{Document, doc};
use mongodb::Client;
use readmill_connectors::conformance::Pebbles;
use readmill_connectors::mongo::Mongo;
use readmill_core::{Key, Partition, Position, Record};
use readmill_engine::{Fault, Held, HeldRecord, HeldStore as _, Store, Unfolded};

use super::server::{Node, found};
use super::{Place, keys, pebbles, put};
use crate::authority::{Authority, EXPIRED, GOOD};

const ADMIN: &str = "root:s3cret-admin@";
const SUBJECT: &str = "CN=mill,OU=workers,O=readmill";

/// What a worker does, and nothing else.
const ACTIONS: [&str; 8] = [
    "find",
    "insert",
    "update",
    "remove",
    "createIndex",
    "listIndexes",
    "dropIndex",
    "dropCollection",
];

/// A server that is reached over TLS alone, by users whom it knows.
struct Fortress {
    node: Node,
    ours: Authority,
    admin: Client,
}

impl Fortress {
    async fn build(dir: &Path) -> Self {
        let ours = Authority::new(dir, "ours");
        let key_file = dir.join("nodes.key");
        std::fs::write(&key_file, "bm9kZXMgb2YgYSB0ZXN0").unwrap();
        std::fs::set_permissions(&key_file, std::fs::Permissions::from_mode(0o600)).unwrap();
        let told = |name: &str, path: &Path| [format!("--{name}"), path.display().to_string()];
        let server = ours.pair("server", "servers", GOOD);
        let mut args = vec!["--tlsMode".to_owned(), "requireTLS".to_owned()];
        args.push("--tlsAllowConnectionsWithoutCertificates".to_owned());
        args.extend(told("tlsCertificateKeyFile", &server));
        args.extend(told("tlsCAFile", &ours.ca_file()));
        args.extend(told("keyFile", &key_file));
        let nodes = [Node::start(&dir.join("data"), &args)];
        let tls = format!("&tls=true&tlsCAFile={}", ours.ca_file().display());
        let first = found(&nodes, &tls).await;
        let root = doc! {"createUser": "root", "pwd": "s3cret-admin", "roles": ["root"]};
        first.database("admin").run_command(root).await.unwrap();
        let [node] = nodes;
        let mut fortress = Self { node, ours, admin: first };
        fortress.admin = Client::with_uri_str(fortress.uri(ADMIN, "")).await.unwrap();
        fortress
    }

    /// A connection string that trusts our authority.
    fn uri(&self, user: &str, more: &str) -> String {
        let (address, ca) = (&self.node.address, self.ours.ca_file());
        let ca = ca.display();
        format!("mongodb://{user}{address}/?replicaSet=own&tls=true&tlsCAFile={ca}{more}")
    }

    async fn run(&self, database: &str, command: Document) {
        self.admin.database(database).run_command(command).await.unwrap();
    }
}

fn at(uri: &str) -> Place {
    let mut place = Place::at(uri, "secure");
    place.config.database = "shop".to_owned();
    place.config.select_limit_ms = 2_000;
    place
}

async fn connect(uri: &str) -> Result<Mongo, Fault> {
    Mongo::connect(&at(uri).config).await
}

#[track_caller]
fn refused<T>(met: Result<T, Fault>, words: &str) {
    let fault = met.err().unwrap();
    assert!(matches!(fault, Fault::Refused { .. }), "{fault:?}");
    let told = fault.to_string();
    assert!(told.contains(words), "{told} does not tell of {words}");
    assert!(!told.contains("s3cret"), "{told}");
}

/// All that a worker and its desk ever ask of the server.
async fn day(mongo: &Mongo) -> Result<(), Fault> {
    let store = mongo.documents_of::<Pebbles>(1).await?;
    let keys = keys("k", 3);
    put(&store, &keys, &pebbles(3, 5, 1), |_| 0).await?;
    put(&store, &keys, &pebbles(3, 5, 2), |_| 1).await?;
    Store::<Pebbles>::load(&store, &keys).await?;
    Store::<Pebbles>::scan(&store, &mut |_, _| ()).await?;
    let held = mongo.held().await?;
    let position = Position { partition: Partition::new("t", 0), offset: readmill_core::Offset(1) };
    let record = HeldRecord::new::<Pebbles>(
        Some(Key::from("k0")),
        Unfolded::Part,
        "why".to_owned(),
        1,
        Record::at(position),
    );
    held.hold(std::slice::from_ref(&record)).await?;
    held.replace(std::slice::from_ref(&record)).await?;
    held.list("pebbles", &Held::All).await?;
    held.count("pebbles").await?;
    held.release(&[record]).await?;
    Store::<Pebbles>::erase(&store, &keys).await?;
    Store::<Pebbles>::drop_all(&store).await
}

/// Gives the worker's role these rights, and no others.
async fn grant(fortress: &Fortress, verb: &str, actions: &[&str]) {
    let resource = doc! {"db": "shop", "collection": ""};
    let command = doc! {
        verb: "worker", "roles": [],
        "privileges": [{"resource": resource, "actions": actions}],
    };
    fortress.run("shop", command).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_certificates_and_rights_are_asked_for_and_their_lack_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let fortress = Fortress::build(dir.path()).await;
    grant(&fortress, "createRole", &ACTIONS).await;
    let user = doc! {
        "createUser": "mill", "pwd": "s3cret", "roles": ["worker"],
        "mechanisms": ["SCRAM-SHA-256"],
    };
    fortress.run("shop", user).await;
    let user = doc! {"createUser": SUBJECT, "roles": [{"role": "worker", "db": "shop"}]};
    fortress.run("$external", user).await;

    // By password.
    let scram = "&authSource=shop&authMechanism=SCRAM-SHA-256";
    let mongo = connect(&fortress.uri("mill:s3cret@", scram)).await.unwrap();
    day(&mongo).await.unwrap();
    let look = "look at user, password, authSource";
    for wrong in ["mill:s3cret-not@", "nobody:s3cret@"] {
        refused(open(&fortress.uri(wrong, scram)).await, look);
    }
    refused(open(&fortress.uri("mill:s3cret@", "&authSource=admin")).await, look);
    refused(open(&fortress.uri("", "")).await, "readWrite");

    // By certificate.
    let x509 = |file: &Path| {
        let file = file.display();
        let more = format!("&authMechanism=MONGODB-X509&tlsCertificateKeyFile={file}");
        fortress.uri("", &more)
    };
    let ours = &fortress.ours;
    let mill = ours.pair("mill", "workers", GOOD);
    day(&connect(&x509(&mill)).await.unwrap()).await.unwrap();
    refused(open(&x509(&ours.pair("stranger", "workers", GOOD))).await, look);
    // The server hangs up without a word, as it does when it ends: that may pass, and is told.
    let theirs = Authority::new(dir.path(), "theirs");
    let unwelcome = [ours.pair("old", "workers", EXPIRED), theirs.pair("mill", "workers", GOOD)];
    for certificate in unwelcome {
        let fault = open(&x509(&certificate)).await.unwrap_err();
        assert!(matches!(fault, Fault::Silent { .. }), "{fault:?}");
        let told = fault.to_string();
        assert!(told.contains("it refuses the certificate in tlsCertificateKeyFile"), "{told}");
    }

    // Whom we trust.
    let ca = |path: &Path| {
        let (ours, path) = (ours.ca_file().display().to_string(), path.display().to_string());
        fortress.uri("mill:s3cret@", scram).replace(&ours, &path)
    };
    refused(open(&ca(&theirs.ca_file())).await, "set tlsCAFile");
    refused(open(&ca(Path::new("/nowhere.pem"))).await, "/nowhere.pem");
    let expired = fortress.uri("mill:s3cret@", scram);
    let expired = expired.replace(&fortress.node.address, &ours.expired_server());
    refused(open(&expired).await, "renew the certificate of the server");

    // With one right fewer.
    for missing in ACTIONS {
        let others: Vec<&str> = ACTIONS.into_iter().filter(|right| *right != missing).collect();
        grant(&fortress, "updateRole", &others).await;
        let old = doc! {
            "createIndexes": "pebbles.g1",
            "indexes": [{"key": {"share": 1}, "name": "readmill:old"}],
        };
        fortress.run("shop", old).await;
        let met = day(&mongo).await;
        assert!(met.is_err(), "all went well without {missing}");
        refused(met, "grant the user readWrite on the database");
    }
    grant(&fortress, "updateRole", &ACTIONS).await;
    day(&mongo).await.unwrap();
}

async fn open(uri: &str) -> Result<(), Fault> {
    connect(uri).await?.documents("pebbles", 1).await.map(drop)
}
