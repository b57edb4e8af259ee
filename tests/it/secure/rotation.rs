//! Passwords are changed while records flow: nothing is lost, and nobody starts anything again.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bson::doc;
use mongodb::Client;
use readmill_connectors::origin::{PostgresOrigin, Publishing};
use readmill_connectors::outbox::OutboxConfig;
use readmill_connectors::renewed::Written;
use readmill_engine::reconcile::Origin as _;

use super::fort::{Fort, secured, tls_file};
use super::refusal::swapped;
use super::rows::{Shop, compare, in_shop, stack};
use crate::mill::{Mill, wait};
use crate::paths::readmill;
use crate::real::consumed;
use crate::shop::psql;

const EVENTS: u32 = 2000;
const RATE: u32 = 25;
const LIMIT: Duration = Duration::from_secs(120);
/// How long a service and a file may differ.
const APART: Duration = Duration::from_secs(3);

/// A user whose password changes, and the file that has it.
struct Turn {
    user: String,
    file: PathBuf,
    round: u32,
}

impl Turn {
    fn new(fort: &Fort, name: &str, user: &str) -> Self {
        let turn = Self { user: user.to_owned(), file: fort.file(name), round: 0 };
        turn.write();
        turn
    }

    fn password(&self) -> String {
        format!("turn-{}-{}", self.user, self.round)
    }

    /// In one step, as whoever mounts secrets does.
    fn write(&self) {
        let draft = self.file.with_extension("draft");
        std::fs::write(&draft, self.password() + "\n").unwrap();
        std::fs::rename(&draft, &self.file).unwrap();
    }

    fn placeholder(&self) -> String {
        format!("${{file:{}}}", self.file.display())
    }

    /// The next password, into the file and then to the service.
    fn file_first(&mut self, tell: impl FnOnce(&str)) {
        self.round += 1;
        self.write();
        std::thread::sleep(APART);
        tell(&self.password());
    }

    /// The other way round: for a while nobody is let in.
    fn service_first(&mut self, tell: impl FnOnce(&str)) {
        self.round += 1;
        tell(&self.password());
        std::thread::sleep(APART);
        self.write();
    }
}

/// Whoever may do everything at MongoDB and Redis.
struct Admin {
    mongo: Client,
    redis: redis::Client,
}

impl Admin {
    async fn new() -> Self {
        let ca = std::fs::read(tls_file("ca.pem")).unwrap();
        let certificates = redis::TlsCertificates { client_tls: None, root_cert: Some(ca) };
        let redis = redis::Client::build_with_tls(secured("REDIS_ADMIN_URL"), certificates);
        let mongo = Client::with_uri_str(secured("MONGO_ADMIN_URI")).await.unwrap();
        Self { mongo, redis: redis.unwrap() }
    }

    fn at_mongo(&self, command: bson::Document, database: &str) {
        let database = self.mongo.database(database);
        let ask = database.run_command(command);
        tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(ask.into_future())
        })
        .unwrap();
    }

    /// A user has a database of the same name.
    fn user_at_mongo(&self, verb: &str, user: &str, password: &str) {
        let command = doc! {verb: user, "pwd": password, "roles": ["readWrite"]};
        self.at_mongo(command, user);
    }

    /// Every connection of an instance ends with its next command.
    fn cut_mongo(&self) {
        let commands = ["update", "find"];
        let data = doc! {"failCommands": commands, "closeConnection": true, "appName": "readmill"};
        let times = doc! {"times": 4};
        self.at_mongo(
            doc! {"configureFailPoint": "failCommand", "mode": times, "data": data},
            "admin",
        );
    }

    fn user_at_redis(&self, user: &str, password: &str) {
        let mut link = self.redis.get_connection().unwrap();
        let secret = format!(">{password}");
        let rights = ["resetpass", &secret, "on", "~mill:*", "+@all"];
        redis::cmd("ACL").arg("SETUSER").arg(user).arg(&rights).exec(&mut link).unwrap();
    }

    fn cut_redis(&self, user: &str) {
        let mut link = self.redis.get_connection().unwrap();
        redis::cmd("CLIENT").arg("KILL").arg("USER").arg(user).exec(&mut link).unwrap();
    }
}

/// Rows that come while everything else happens.
struct Flow(Child);

impl Flow {
    fn begin(fort: &Fort, url: &str) -> Self {
        let file = fort.file("readmill.toml");
        let (events, rate) = (EVENTS.to_string(), RATE.to_string());
        let workload = ["--events", &events, "--rate", &rate, "--seed", "5", "--keys", "200"];
        let flow = Command::new(readmill())
            .args(["produce", "--postgres", url, "-c", file.to_str().unwrap()])
            .args(workload)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn();
        Self(flow.unwrap())
    }

    fn ends_well(mut self) {
        assert!(self.0.wait().unwrap().success(), "rows could not be written");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn passwords_change_while_records_flow_and_nobody_starts_anything_again() {
    let fort = Fort::build().await;
    let shop = Shop::open(&fort);
    let admin = Admin::new().await;
    let own = format!("turn{}", fort.corner.name);
    let mut kafka = Turn::new(&fort, "turn.kafka", "turn");
    let mut registry = Turn::new(&fort, "turn.registry", "turn");
    let mut mongo = Turn::new(&fort, "turn.mongo", &own);
    let mut redis = Turn::new(&fort, "turn.redis", &own);
    let at_brokers = |word: &str| stack(&["password", "kafka", "turn", word]);
    let at_registry = |word: &str| stack(&["password", "gate", "turn", word]);
    let at_mongo = |word: &str| {
        admin.user_at_mongo("updateUser", &own, word);
        admin.cut_mongo();
    };
    let at_redis = |word: &str| {
        admin.user_at_redis(&own, word);
        admin.cut_redis(&own);
    };
    at_brokers(&kafka.password());
    at_registry(&registry.password());
    admin.user_at_mongo("createUser", &own, &mongo.password());
    admin.user_at_redis(&own, &redis.password());

    let configuration = configuration(&fort, &own, [&kafka, &registry, &mongo, &redis]);
    std::fs::write(fort.file("readmill.toml"), fort.configuration()).unwrap();
    let mut mill = Mill::start(fort.corner.dir(), &configuration);
    mill.wait_for("/readyz", LIMIT);
    let log = fort.file(&format!("{}.log", mill.port()));
    let said = |words: &str| std::fs::read_to_string(&log).unwrap().matches(words).count();

    // No record is there yet: its schemas are asked for with another password than the start's.
    registry.file_first(at_registry);
    let flow = Flow::begin(&fort, &shop.url);
    let further = |mill: &mut Mill, what: &str| {
        let before = consumed(&[&*mill]);
        wait(LIMIT, &format!("records to flow on: {what}"), || {
            assert!(mill.ended().is_none(), "{what}: {}", std::fs::read_to_string(&log).unwrap());
            consumed(&[&*mill]) > before + 100.0
        });
        println!("rotated {what}");
    };
    further(&mut mill, "registry, the file first");
    kafka.file_first(at_brokers);
    wait(LIMIT, "both models to join anew", || said("joining anew") == 2);
    further(&mut mill, "Kafka, the file first");
    mongo.file_first(at_mongo);
    further(&mut mill, "MongoDB, the file first");
    redis.file_first(at_redis);
    further(&mut mill, "Redis, the file first");
    mongo.service_first(at_mongo);
    further(&mut mill, "MongoDB, the service first");
    redis.service_first(at_redis);
    further(&mut mill, "Redis, the service first");
    kafka.service_first(at_brokers);
    wait(LIMIT, "both models to join anew", || said("joining anew") == 4);
    further(&mut mill, "Kafka, the service first");

    flow.ends_well();
    wait(LIMIT, "all rows to arrive", || consumed(&[&mill]) >= f64::from(EVENTS));
    compare(&fort, &shop.url, &own).await;
    for turn in [&kafka, &registry, &mongo, &redis] {
        for round in 0..=turn.round {
            assert_eq!(said(&format!("turn-{}-{round}", turn.user)), 0, "a secret is told");
        }
    }
    assert_eq!(mill.stop(), Some(0));
    origin(&fort).await;
}

/// An instance's configuration, with users whose passwords change.
fn configuration(fort: &Fort, own: &str, turns: [&Turn; 4]) -> String {
    let [kafka, registry, mongo, redis] = turns;
    let account = format!("mill:{}@", secured("KAFKA_PASSWORD"));
    let user = |name: &str| {
        format!("username = \"mill\"\npassword = \"${{file:{}}}\"", fort.file(name).display())
    };
    let turned =
        |turn: &Turn| format!("username = \"turn\"\npassword = \"{}\"", turn.placeholder());
    swapped(
        &fort.configuration(),
        &[
            (&user("kafka.password"), turned(kafka)),
            (&user("http.password"), turned(registry)),
            (&account, format!("{own}:{}@", mongo.placeholder())),
            ("authSource=mill", format!("authSource={own}")),
            ("database = \"mill\"", format!("database = \"{own}\"")),
            (&account, format!("{own}:{}@", redis.placeholder())),
        ],
    )
}

/// A connection to the origin that is made again asks its file again.
async fn origin(fort: &Fort) {
    let admin = in_shop(fort, "POSTGRES_ADMIN_URL");
    let role = fort.corner.name.replace("mill", "turn");
    let mut turn = Turn::new(fort, "turn.origin", &role);
    psql(&admin, &format!("create role {role} login password '{}'", turn.password()));
    let url = in_shop(fort, "POSTGRES_READER_URL");
    let (_, rest) = url.split_once('@').unwrap();
    let text = |secret: &str| format!("postgresql://{role}:{secret}@{rest}");
    let mut config = OutboxConfig::at(text(&turn.password()));
    config.written = Written::default();
    config.written.keep("url", &text(&turn.placeholder()));
    let mut origin = PostgresOrigin::connect(config, Publishing::Unknown).await.unwrap();
    origin.with_query("select 'k' as key, 1 as n").await.unwrap();
    assert_eq!(origin.page().await.unwrap().len(), 1);
    turn.service_first(|word| {
        psql(
            &admin,
            &format!(
                "alter role {role} password '{word}'; select pg_terminate_backend(pid) \
                 from pg_stat_activity where usename = '{role}'"
            ),
        );
    });
    assert!(origin.look(&["k".into()]).await.is_ok(), "the file was not read again");
    psql(&admin, &format!("drop role {role}"));
    println!("rotated PostgreSQL");
}
