//! Whatever is done to the rows of a database, and whatever becomes of the connector that captures
//! them: the documents are the source's tables in the end.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use readmill_connectors::kafka::{KafkaConfig, Producer};
use readmill_connectors::mongo::MongoStore;
use readmill_core::Key;
use readmill_engine::{Held, HeldRecord, HeldStore as _, Store};
use readmill_models::Coupons;
use readmill_models::coupons::{CouponRow, Replica};
use readmill_schemas::coupons::CouponHistory;
use readmill_schemas::row::TimestampMicros;

use crate::mill::{Mill, readmill};
use crate::outboxes::{mariadb, mariadb_rows};
use crate::paths::{root, stack};
use crate::real::Corner;
use crate::shop::Shop;
use crate::tables::{DDL, Replicas, configuration, expected, settled};

const LIMIT: Duration = Duration::from_secs(120);

/// What is done to the rows of PostgreSQL, step by step.
const ROWS_OF_POSTGRES: [(&str, &str); 5] = [
    (
        "transactions, rollbacks and many rows at once",
        "begin;
         insert into coupon select n, 'D' || n, null, 'issued', 1, '2027-01-01', repeat('x', 9000)
             from generate_series(301, 340) n;
         update coupon set status = 'paid' where id between 301 and 320;
         delete from coupon where id between 335 and 340;
         commit;
         begin; delete from coupon;
         insert into coupon_history values (1, 1, 'lost', now()); rollback;
         begin; savepoint before; update coupon set status = 'undone'; rollback to before;
         update coupon set status = 'done' where id = 1; commit;
         insert into coupon_history select n, n % 50, 'issued', '2026-11-21 09:00:00.000001'
             from generate_series(1, 300) n;",
    ),
    (
        "large values that do not change",
        "update coupon set status = 'seen' where id <= 150;
         update coupon set note = 'small' where id between 10 and 20;
         update coupon set status = 'seen again' where id <= 150;",
    ),
    (
        "keys that change",
        "alter table coupon replica identity full;
         update coupon set id = id + 5000 where id between 100 and 120;
         begin; delete from coupon where id = 7;
         update coupon set id = 7, code = 'moved' where id = 5101; commit;",
    ),
    (
        "deletes, and rows that come back",
        "delete from coupon where id % 5 = 0;
         insert into coupon select n, 'again', null, 'issued', -0.01, '2027-01-01', null
             from generate_series(5, 50, 5) n;
         delete from coupon where id = 5;",
    ),
    (
        "another column",
        "alter table coupon add column channel text;
         update coupon set channel = 'app' where id between 31 and 60;",
    ),
];

/// The tables in MariaDB, and what is done to their rows.
const DDL_OF_MARIADB: &str = "
create table coupon (
    id bigint primary key, code varchar(40) not null, member_id varchar(40),
    status varchar(40) not null, discount decimal(12, 2) not null,
    valid_until timestamp(6) not null default '2027-01-01', note longtext,
    updated_at timestamp(6) not null default current_timestamp(6), channel varchar(40));
create table coupon_history (
    id bigint primary key, coupon_id bigint not null, action varchar(40) not null,
    at datetime(6) not null);
insert into coupon (id, code, status, discount, note)
    select seq, concat('C', seq), 'issued', seq / 7, repeat('long ', 4000) from seq_1_to_200;
";
const ROWS_OF_MARIADB: [(&str, &str); 3] = [
    (
        "transactions, rollbacks and many rows at once",
        "start transaction;
         insert into coupon (id, code, status, discount)
             select seq, 'D', 'issued', 1 from seq_301_to_340;
         update coupon set status = 'paid' where id between 301 and 320;
         delete from coupon where id between 335 and 340;
         commit;
         start transaction; delete from coupon; rollback;
         insert into coupon_history
             select seq, seq % 50, 'issued', '2026-11-21 09:00:00.000001' from seq_1_to_300;",
    ),
    (
        "keys and large values",
        "update coupon set status = 'seen' where id <= 150;
         update coupon set id = id + 5000 where id between 100 and 120;
         update coupon set note = null where id between 10 and 20;",
    ),
    (
        "deletes, and rows that come back",
        "delete from coupon where id % 5 = 0;
         insert into coupon (id, code, status, discount)
             select seq * 5, 'again', 'issued', -0.01 from seq_1_to_10;
         delete from coupon where id = 5;",
    ),
];

/// Replicas of tables, and what they are compared with.
struct Stand {
    corner: Corner,
    store: MongoStore,
    mill: Mill,
}

impl Stand {
    async fn open(corner: Corner, topic: &str) -> Self {
        let brokers = stack("KAFKA_BROKERS");
        let producer = Producer::new(&KafkaConfig { brokers, ..KafkaConfig::default() }).unwrap();
        producer.ensure_topics(&[topic], 8).await.unwrap();
        let configuration = configuration(&corner, topic);
        std::fs::write(corner.dir().join("readmill.toml"), &configuration).unwrap();
        let mill = Mill::start(corner.dir(), &configuration);
        mill.wait_for("/readyz", LIMIT);
        let store = corner.mongo().await.documents("coupons", 1).await.unwrap();
        Self { corner, store, mill }
    }

    /// The documents are these rows, after a while.
    async fn are(&self, scenario: &str, wanted: Replicas) {
        let found = settled(&self.store, &wanted).await;
        let differ = wanted.iter().filter(|(key, row)| found.get(key) != Some(row));
        let differ: Vec<&Key> = differ.map(|(key, _)| key).collect();
        let beyond: Vec<&Key> = found.keys().filter(|key| !wanted.contains_key(key)).collect();
        assert!(differ.is_empty() && beyond.is_empty(), "{scenario}: {differ:?} {beyond:?}");
        println!("scenario {scenario}: {} documents", wanted.len());
    }

    /// Has what the log does not tell put right by the tables.
    fn put_right(&self, shop: &Shop) {
        let file = self.corner.dir().join("readmill.toml");
        let args = ["reconcile", "coupons", "-c", file.to_str().unwrap(), "--repair"];
        let done = readmill(&[&args[..], &["--postgres", &shop.url]].concat());
        let said = String::from_utf8_lossy(&done.stdout);
        assert_eq!(done.status.code(), Some(0), "{said}{}", String::from_utf8_lossy(&done.stderr));
    }

    /// What a document says.
    async fn row(&self, key: &Key) -> Replica {
        let found = Store::<Coupons>::load(&self.store, std::slice::from_ref(key)).await.unwrap();
        found.into_iter().next().flatten().unwrap().state.unwrap()
    }

    /// The reason of the one record that is held.
    async fn one_held(&self) -> String {
        let store = self.corner.mongo().await.held().await.unwrap();
        for _ in 0..LIMIT.as_secs() {
            let mut held = Vec::new();
            let mut visit = |record: HeldRecord| held.push(record.reason);
            store.visit("coupons", &Held::All, &mut visit).await.unwrap();
            if let [reason] = &held[..] {
                return reason.clone();
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        panic!("nothing is held");
    }
}

/// Has Connect begin a connector and its tasks anew, in the midst of their work.
fn restart(name: &str) {
    let url = stack("CONNECT_URL");
    let place = url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(place).unwrap();
    let path = format!("/connectors/{name}/restart?includeTasks=true");
    let head = format!("POST {path} HTTP/1.1\r\nHost: {place}\r\nContent-Length: 0\r\n");
    stream.write_all(format!("{head}Connection: close\r\n\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 20"), "{answer}");
}

/// Changes rows while a connector is begun anew, again and again.
fn churn(connector: &str, change: impl Fn(usize) + Send + 'static) {
    let stop = Arc::new(AtomicBool::new(false));
    let stopping = Arc::clone(&stop);
    let changing = std::thread::spawn(move || {
        let mut rounds = 0;
        while !stopping.load(Ordering::Relaxed) {
            change(rounds);
            rounds += 1;
        }
        rounds
    });
    for _ in 0..3 {
        std::thread::sleep(Duration::from_millis(1_500));
        restart(connector);
    }
    std::thread::sleep(Duration::from_millis(500));
    stop.store(true, Ordering::Relaxed);
    assert!(changing.join().unwrap() > 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_are_the_tables_of_postgres_whatever_happens() {
    let corner = Corner::new("sourcespg");
    let topic = format!("{}.coupons", corner.name);
    let shop = Shop::open(&corner, DDL);
    let stand = Stand::open(corner, &topic).await;
    shop.connect("tables.json");
    stand.are("postgres: a snapshot", expected(&shop).await).await;
    for (scenario, statements) in ROWS_OF_POSTGRES {
        shop.sql(statements);
        stand.are(&format!("postgres: {scenario}"), expected(&shop).await).await;
    }
    let url = shop.url.clone();
    churn(&shop.name, move |round| {
        let sql = format!(
            "update coupon set status = 'r{round}' where id between 40 and 90;
             insert into coupon_history values ({}, 1, 'r', now());",
            10_000 + round
        );
        crate::shop::psql(&url, &sql);
    });
    stand.are("postgres: a connector begun anew under load", expected(&shop).await).await;
    shop.forget_connector();
    shop.sql(
        "update coupon set status = 'away' where id between 60 and 80;
         delete from coupon where id between 81 and 85;
         insert into coupon values (9001, 'away', null, 'issued', 2, '2027-01-01', null);",
    );
    shop.connect("tables.json");
    let gone: Vec<Key> = (81..=84).map(|id| Key(format!("coupon/{id}"))).collect();
    let mut wanted = expected(&shop).await;
    // Nobody told that these are gone: a snapshot has the rows that there are.
    for key in gone {
        wanted.insert(key.clone(), stand.row(&key).await);
    }
    stand.are("postgres: a lost slot, and a snapshot again", wanted).await;
    stand.put_right(&shop);
    stand.are("postgres: what was deleted meanwhile", expected(&shop).await).await;
    shop.sql("truncate coupon_history;");
    let held = stand.one_held().await;
    assert!(held.contains("truncated"), "{held}");
    stand.put_right(&shop);
    stand.are("postgres: a truncated table", expected(&shop).await).await;
    assert_eq!(stand.mill.stop(), Some(0));
}

/// A database of MariaDB, with a connector that is forgotten in the end.
struct Mall(String);

impl Mall {
    fn connect(&self) {
        let Self(name) = self;
        let id = (std::process::id() % 10_000 + 20_000).to_string();
        let settings = [
            format!("NAME={name}"),
            format!("DATABASE={name}"),
            format!("TOPIC_PREFIX={name}"),
            format!("SERVER_ID={id}"),
            format!("TABLES={name}.coupon,{name}.coupon_history"),
        ];
        let done = Command::new(root().join("compose/stack"))
            .args(["connector", "apply", "connectors/debezium/mariadb/tables.json"])
            .args(settings)
            .current_dir(root())
            .output()
            .unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }

    /// What its tables say.
    fn expected(&self) -> Replicas {
        let text = |column: &str| (column != "NULL").then(|| column.to_owned());
        let micros = |column: &str| TimestampMicros::from_micros(column.parse().unwrap());
        let since = |column: &str| format!("timestampdiff(microsecond, '1970-01-01', {column})");
        let coupons = format!(
            "set time_zone = '+00:00';
             select id, code, member_id, status, discount, {}, note, {}, channel from coupon",
            since("valid_until"),
            since("updated_at")
        );
        let coupons = mariadb_rows(&self.0, &coupons).into_iter().map(|row| {
            let coupon = CouponRow {
                id: row[0].parse().unwrap(),
                code: row[1].clone(),
                member_id: text(&row[2]),
                status: row[3].clone(),
                discount: row[4].parse().unwrap(),
                valid_until: micros(&row[5]),
                note: text(&row[6]),
                updated_at: micros(&row[7]),
                channel: text(&row[8]),
            };
            (Key(format!("coupon/{}", coupon.id)), Replica::Coupon(coupon))
        });
        let history = format!("select id, coupon_id, action, {} from coupon_history", since("at"));
        let history = mariadb_rows(&self.0, &history).into_iter().map(|row| {
            let line = CouponHistory {
                id: row[0].parse().unwrap(),
                coupon_id: row[1].parse().unwrap(),
                action: row[2].clone(),
                at: micros(&row[3]),
            };
            (Key(format!("coupon_history/{}", line.id)), Replica::CouponHistory(line))
        });
        coupons.chain(history).collect()
    }
}

impl Drop for Mall {
    fn drop(&mut self) {
        let stack = root().join("compose/stack");
        let _ = Command::new(stack).args(["connector", "delete", &self.0]).output();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn documents_are_the_tables_of_mariadb_whatever_happens() {
    let corner = Corner::new("sourcesmy");
    let name = corner.name.clone();
    let topic = format!("{name}.coupons");
    let grant = format!("grant select, lock tables, show view on {name}.* to debezium@'%'");
    mariadb("", &format!("create database {name}; {grant}"));
    mariadb(&name, DDL_OF_MARIADB);
    let mall = Mall(name.clone());
    let stand = Stand::open(corner, &topic).await;
    mall.connect();
    stand.are("mariadb: a snapshot", mall.expected()).await;
    for (scenario, statements) in ROWS_OF_MARIADB {
        mariadb(&name, statements);
        stand.are(&format!("mariadb: {scenario}"), mall.expected()).await;
    }
    let database = name.clone();
    churn(&name, move |round| {
        let sql = format!(
            "update coupon set status = 'r{round}' where id between 40 and 90;
             insert into coupon_history values ({}, 1, 'r', now(6));",
            10_000 + round
        );
        mariadb(&database, &sql);
    });
    stand.are("mariadb: a connector begun anew under load", mall.expected()).await;
    assert_eq!(stand.mill.stop(), Some(0));
    mariadb("", &format!("drop database {name}"));
}
