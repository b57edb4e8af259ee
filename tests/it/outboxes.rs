//! The shipped definitions on the real Connect, over the shipped tables: rows become records, under
//! the key and in the place that the definition promises.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;

use crate::connectors::{Bench, OUTBOX_SQL};
use crate::paths::{root, stack};
use crate::real::Corner;
use crate::shop::Shop;

const LIMIT: Duration = Duration::from_secs(60);
const SIGNALS_SQL: &str = include_str!("../../connectors/debezium/postgres/signals.sql");
const SPLIT_SQL: &str = include_str!("../../connectors/debezium/postgres/split.sql");
const VERSIONS_SQL: &str = include_str!("../../connectors/debezium/postgres/versions.sql");
const PARTITIONS_SQL: &str = include_str!("../../connectors/debezium/postgres/partitions.sql");

/// A row for an outbox, of this aggregate and with this version.
pub fn row(table: &str, aggregate: &str, version: &str) -> String {
    format!(
        "insert into {table} (id, aggregate_type, aggregate_id, version, type, payload) values \
         (gen_random_uuid(), 'member', '{aggregate}', {version}, 'Points', '\\x00');"
    )
}

/// The partition and the key of a topic's records, until there are so many.
#[track_caller]
fn records(topic: &str, wanted: usize) -> Vec<(i32, Vec<u8>)> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", stack("KAFKA_BROKERS"))
        .set("group.id", format!("{topic}.look"))
        .set("auto.offset.reset", "earliest")
        .set("isolation.level", "read_committed")
        .set("topic.metadata.refresh.interval.ms", "500")
        .create()
        .unwrap();
    consumer.subscribe(&[topic]).unwrap();
    let until = Instant::now() + LIMIT;
    let mut found = Vec::new();
    while found.len() < wanted && Instant::now() < until {
        // A topic that is not there yet is an error, and then it is there.
        if let Some(Ok(record)) = consumer.poll(Duration::from_millis(200)) {
            found.push((record.partition(), record.key().unwrap_or_default().to_vec()));
        }
    }
    assert_eq!(found.len(), wanted, "{topic}: {found:?}");
    found
}

/// All are under one key, in one partition.
#[track_caller]
fn one_place(records: &[(i32, Vec<u8>)]) {
    assert!(records.iter().all(|record| *record == records[0]), "{records:?}");
}

/// A connector that is deleted with its slot in the end.
struct Deleted(String);

impl Drop for Deleted {
    fn drop(&mut self) {
        let delete = ["connector", "delete", &self.0];
        let _ = Command::new(root().join("compose/stack")).args(delete).output();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn definitions_for_postgres_run_and_keep_an_aggregate_in_one_partition() {
    let corner = Corner::new("outboxes");
    let name = corner.name.clone();
    let shop = Shop::open(&corner, &[OUTBOX_SQL, SPLIT_SQL].concat());
    let bench = Bench::new(corner);
    shop.sql(&row("points_outbox", "m-1", "1").repeat(4));
    let own = |part: &str| format!("{name}_{part}");
    for (part, file) in [
        ("online", "postgres/outbox_online.json"),
        ("batch", "postgres/outbox_batch.json"),
        ("router", "postgres/router.json"),
        ("flat", "postgres/flattened.json"),
    ] {
        let own = own(part);
        let names =
            [("NAME", own.as_str()), ("TOPIC_PREFIX", own.as_str()), ("SLOT", own.as_str())];
        let _deleted = Deleted(own.clone());
        bench.applied(file, &names);
        match part {
            "batch" => {
                shop.sql(&row("points_batch_outbox", "m-2", "1"));
                records(&format!("{own}.public.points_batch_outbox"), 1);
            }
            "router" => {
                let found = records(&format!("{own}.events.member"), 4);
                assert!(found.iter().all(|(_, key)| key == b"m-1"), "{found:?}");
            }
            _ => one_place(&records(&format!("{own}.public.points_outbox"), 4)),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_are_counted_in_the_order_of_commits() {
    let corner = Corner::new("versions");
    let shop = Shop::open(&corner, &[OUTBOX_SQL, SPLIT_SQL].concat());
    shop.sql(VERSIONS_SQL);
    shop.sql(VERSIONS_SQL);
    let clients = [shop.client().await, shop.client().await];
    let write = async |at: usize| {
        let client = &clients[at];
        for turn in 0..40 {
            // Two tables of one outbox; one aggregate that both write, and one of each.
            let table = ["points_outbox", "points_batch_outbox"][turn % 2];
            let many = row(table, "both", "null") + &row(table, &format!("own-{at}"), "null");
            client.batch_execute(&format!("begin; {many} select pg_sleep(0.001); commit")).await?;
        }
        Ok::<_, tokio_postgres::Error>(())
    };
    let (one, two) = tokio::join!(write(0), write(1));
    one.and(two).unwrap();
    shop.sql(&row("points_outbox", "given", "7"));
    // A later number is not given out before the earlier one is committed, so none commits first.
    let [first, second] = &clients;
    let both = row("points_outbox", "both", "null");
    first.batch_execute(&format!("begin; {both}")).await.unwrap();
    let hurry = format!("set lock_timeout = '200ms'; {both}");
    let refused = second.batch_execute(&hurry).await.unwrap_err();
    assert_eq!(refused.code().unwrap().code(), "55P03", "{refused}");
    first.batch_execute("rollback").await.unwrap();
    let told = first
        .query(
            "select aggregate_id, array_agg(version order by version) from (select * from \
             points_outbox union all select * from points_batch_outbox) rows group by 1",
            &[],
        )
        .await
        .unwrap();
    for line in told {
        let (aggregate, versions): (String, Vec<i64>) = (line.get(0), line.get(1));
        let most = if aggregate == "both" { 80 } else { 40 };
        let wanted: Vec<i64> = if aggregate == "given" { vec![7] } else { (1..=most).collect() };
        assert_eq!(versions, wanted, "{aggregate}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partitioned_outbox_is_one_topic_and_is_cleaned_without_deletes() {
    let corner = Corner::new("partitioned");
    let name = corner.name.clone();
    let shop = Shop::open(&corner, PARTITIONS_SQL);
    shop.sql(PARTITIONS_SQL);
    let bench = Bench::new(corner);
    bench.applied("postgres/outbox.json", &[("TABLES", "public.points_outbox")]);
    shop.sql(&row("points_outbox", "m-1", "1"));
    // Rows of an old day, which is dropped at once.
    shop.sql(
        "create table points_outbox_20260101 partition of points_outbox for values from \
         ('2026-01-01 00:00:00+00') to ('2026-01-02 00:00:00+00');
         insert into points_outbox (id, aggregate_type, aggregate_id, version, type, payload, \
         created_at) select gen_random_uuid(), 'member', 'm-1', 2, 'Points', '\\x00', \
         '2026-01-01 12:00:00+00'; select turn_points_outbox(3, 7)",
    );
    shop.sql(&row("points_outbox", "m-1", "3"));
    let client = shop.client().await;
    let left = client.query_one("select count(*) from points_outbox", &[]).await.unwrap();
    assert_eq!(left.get::<_, i64>(0), 2, "the old day is gone");
    let days = "select count(*) from pg_inherits where inhparent = 'points_outbox'::regclass";
    assert_eq!(client.query_one(days, &[]).await.unwrap().get::<_, i64>(0), 5);
    // All three are on the topic, and nothing else: the third came after whatever the drop wrote.
    let found = records(&format!("{name}.public.points_outbox"), 3);
    one_place(&found);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_read_again_when_a_signal_says_so() {
    let corner = Corner::new("signals");
    let name = corner.name.clone();
    let tables = "create table coupon (id bigint primary key, code text);
        create table debezium_heartbeat (id integer primary key, beat timestamptz);
        grant select on coupon to debezium;
        grant select, insert, update on debezium_heartbeat to debezium;
        create publication readmill_tables for table coupon, debezium_heartbeat;
        insert into coupon select n, 'c' from generate_series(1, 5000) n;";
    let shop = Shop::open(&corner, &[tables, SIGNALS_SQL, SIGNALS_SQL].concat());
    let bench = Bench::new(corner);
    let unread = [("SNAPSHOT_MODE", "no_data"), ("TABLES", "public.coupon")];
    bench.applied("postgres/tables.json", &unread);
    shop.sql("insert into coupon values (5001, 'later')");
    shop.sql(
        "insert into debezium_signal (id, type, data) values ('s', 'execute-snapshot', \
         '{\"type\": \"incremental\", \"data-collections\": [\"public.coupon\"]}')",
    );
    let found = records(&format!("{name}.coupons"), 5002);
    let keys: std::collections::BTreeSet<&[u8]> = found.iter().map(|(_, key)| &key[..]).collect();
    assert_eq!(keys.len(), 5001, "each row, and one of them twice");
}

#[test]
fn definitions_for_mariadb_run() {
    let corner = Corner::new("malls");
    let name = corner.name.clone();
    let mall = |database: &str, statements: &str| mariadb(database, statements);
    let folder = root().join("connectors/debezium/mariadb");
    let ddl = |file: &str| std::fs::read_to_string(folder.join(file)).unwrap();
    let grant = format!("grant select, lock tables, show view on {name}.* to debezium@'%'");
    mall("", &format!("create database {name}; {grant}"));
    mall(&name, &(ddl("outbox.sql") + &ddl("versions.sql")));
    mall(
        &name,
        "create table coupon (id bigint primary key, code text not null);
         create table coupon_history (id bigint primary key, coupon_id bigint);
         insert into coupon values (1, 'a')",
    );
    let row = "insert into points_outbox (id, aggregate_type, aggregate_id, type, payload) values \
               (uuid(), 'member', 'm-1', 'Points', 'x');";
    mall(&name, &row.repeat(3));
    mall(
        &name,
        "select if(group_concat(version order by version) = '1,2,3', 1, exp(9999)) \
         from points_outbox",
    );
    let bench = Bench::new(corner);
    let tables = format!("{name}.points_outbox");
    let coupons = format!("{name}.coupon,{name}.coupon_history");
    let id = std::process::id() % 10_000 * 10 + 60_000;
    for (n, part, topic, wanted) in [
        (0, "outbox", format!("{name}_outbox.{name}.points_outbox"), 3),
        (1, "router", format!("{name}_router.events.member"), 3),
        (2, "tables", format!("{name}_tables.coupons"), 1),
    ] {
        let own = format!("{name}_{part}");
        let _deleted = Deleted(own.clone());
        let names = [
            ("NAME", own.as_str()),
            ("TOPIC_PREFIX", own.as_str()),
            ("SERVER_ID", &(id + n).to_string()),
            ("TABLES", if part == "tables" { &coupons } else { &tables }),
        ];
        bench.applied(&format!("mariadb/{part}.json"), &names);
        one_place(&records(&topic, wanted));
    }
    let plain = ddl("partitions.sql").replace("points_outbox", "daily_outbox");
    let turn = "alter table daily_outbox reorganize partition other into (
            partition d20261201 values less than ('2026-12-02'),
            partition other values less than (maxvalue));
        alter table daily_outbox drop partition d20261201;";
    mall(&name, &format!("{plain} {turn} drop database {name}"));
}

/// Runs statements in MariaDB.
#[track_caller]
pub fn mariadb(database: &str, statements: &str) {
    mariadb_rows(database, statements);
}

/// The rows that they select, each column as a text; what is null is `NULL`.
#[track_caller]
pub fn mariadb_rows(database: &str, statements: &str) -> Vec<Vec<String>> {
    use std::io::Write as _;
    let mut client = Command::new("mariadb")
        .args(["--batch", "--skip-column-names", "--quick"])
        .args(["-h", &stack("MARIADB_HOST"), "-P", &stack("MARIADB_PORT"), "-u", "root"])
        .arg(format!("-p{}", stack("STACK_PASSWORD")))
        .args(Some(database).filter(|database| !database.is_empty()))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    client.stdin.take().unwrap().write_all(statements.as_bytes()).unwrap();
    let done = client.wait_with_output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let rows = String::from_utf8(done.stdout).unwrap();
    rows.lines().map(|row| row.split('\t').map(str::to_owned).collect()).collect()
}
