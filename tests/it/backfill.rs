//! What is older than its capture: tables that an incremental snapshot reads while their rows
//! change, and accounts whose past comes from a file while their ledgers go on. Nothing of it is
//! lost, and nothing comes twice.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use readmill_connectors::kafka::{KafkaConfig, Producer};
use readmill_core::{Document, Key};
use readmill_engine::{Held, HeldRecord, HeldStore as _, Store as _};
use readmill_models::Holdings;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::mill::{Mill, succeed, wait};
use crate::paths::{root, stack};
use crate::real::Corner;
use crate::shop::Shop;
use crate::tables::{DDL, Replicas, configuration, expected, settled};

const LIMIT: Duration = Duration::from_secs(120);

/// Beside the tables: where the connector is told to read one, and rows that are there before.
pub const BEFORE: &str = "
alter table coupon replica identity full;
create table debezium_signal (id text primary key, type text not null, data text);
grant select, insert, update, delete on debezium_signal to debezium;
alter publication readmill_tables add table debezium_signal;
insert into coupon select n, 'C' || n, null, 'issued', n / 7.0, '2027-01-01', null,
    clock_timestamp() from generate_series(201, 3000) n;
insert into coupon_history select n, n % 50, 'issued', '2026-11-21 09:00:00.000001'
    from generate_series(1, 1500) n;
";

/// Asks the connector to read both tables, in chunks, between the changes that it streams.
const FILL: &str = r#"
insert into debezium_signal values ('fill', 'execute-snapshot', '{"type": "incremental",
    "data-collections": ["public.coupon", "public.coupon_history"]}');
"#;

/// The topic of the tables.
pub async fn topic(corner: &Corner) -> String {
    let topic = format!("{}.coupons", corner.name);
    let brokers = stack("KAFKA_BROKERS");
    let producer = Producer::new(&KafkaConfig { brokers, ..KafkaConfig::default() }).unwrap();
    producer.ensure_topics(&[&topic], 8).await.unwrap();
    topic
}

/// Waits until the connector streams what is committed from now on.
pub async fn is_captured(shop: &Shop) {
    let client = shop.client().await;
    let active = "select 1 from pg_replication_slots where slot_name = $1 and active";
    for _ in 0..LIMIT.as_millis() / 200 {
        if !client.query(active, &[&shop.name]).await.unwrap().is_empty() {
            return;
        }
        sleep(Duration::from_millis(200)).await;
    }
    panic!("the slot is not active");
}

/// Rows change, go and come again all over the tables, until it is told to stop.
pub async fn churn(client: tokio_postgres::Client, stop: Arc<AtomicBool>) -> u64 {
    let mut many = 0;
    while !stop.load(Ordering::Relaxed) {
        let id = i64::try_from(many * 7919 % 3000).unwrap() + 1;
        let line = i64::try_from(many * 7 % 1500).unwrap() + 1;
        let statements = match many % 10 {
            0 => format!("delete from coupon where id = {id}"),
            1 => format!("delete from coupon_history where id = {line}"),
            2 => format!(
                "insert into coupon values ({id}, 'again', null, 'issued', 1, '2027-01-01', null)
                    on conflict (id) do update set status = 'again'"
            ),
            3 => format!(
                "update coupon set id = id + 10000 where id = {id}
                    and not exists (select from coupon where id = {id} + 10000)"
            ),
            4 => "begin; update coupon set status = 'never' where id < 100; rollback".to_owned(),
            _ => format!(
                "update coupon set status = 'n{many}', updated_at = clock_timestamp()
                    where id = {id}"
            ),
        };
        client.batch_execute(&statements).await.unwrap();
        many += 1;
        sleep(Duration::from_millis(1)).await;
    }
    many
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_filled_by_an_incremental_snapshot_while_its_rows_change() {
    let corner = Corner::new("filled");
    let topic = topic(&corner).await;
    let shop = Shop::open(&corner, &(DDL.to_owned() + BEFORE));
    shop.connect_with("tables.json", &["SNAPSHOT_MODE=no_data", "SNAPSHOT_CHUNK_ROWS=100"]);
    let mill = Mill::start(corner.dir(), &configuration(&corner, &topic));
    mill.wait_for("/readyz", LIMIT);
    is_captured(&shop).await;
    shop.sql("update coupon set status = 'first' where id in (1, 3000)");
    let consumed = || mill.metric("readmill_consumed_total").unwrap_or(0.0);
    wait(LIMIT, "what is streamed to be folded", || consumed() >= 2.0);
    let stop = Arc::new(AtomicBool::new(false));
    let churning = tokio::spawn(churn(shop.client().await, Arc::clone(&stop)));
    let before = expected(&shop).await.len();
    assert!(before > 4_000 && consumed() < 2_000.0, "the rows are older than their capture");
    shop.sql(FILL);
    wait(LIMIT, "most rows to be read", || consumed() >= 4_500.0);
    let store = corner.mongo().await.documents("coupons", 1).await.unwrap();
    let is_read = || async {
        let client = shop.client().await;
        // The connector closes the window of each chunk; the last one is of the second table.
        let closed = "select count(*) from debezium_signal where type = 'snapshot-window-close'";
        client.query_one(closed, &[]).await.unwrap().get::<_, i64>(0)
    };
    let chunks = 2 + (before / 100);
    for _ in 0..LIMIT.as_millis() / 200 {
        if is_read().await >= i64::try_from(chunks - 4).unwrap() {
            break;
        }
        sleep(Duration::from_millis(200)).await;
    }
    sleep(Duration::from_secs(1)).await;
    stop.store(true, Ordering::Relaxed);
    let changes = churning.await.unwrap();
    println!("{changes} changes while {before} rows were read, {} windows", is_read().await);
    let wanted: Replicas = expected(&shop).await;
    let found = settled(&store, &wanted).await;
    for (key, replica) in &wanted {
        assert_eq!(found.get(key), Some(replica), "{key}");
    }
    assert_eq!(found.len(), wanted.len(), "what is gone in the source is gone here");
    let mut held = Vec::new();
    let mut visit = |record: HeldRecord| held.push((record.key, record.reason));
    let desk = corner.mongo().await.held().await.unwrap();
    desk.visit("coupons", &Held::All, &mut visit).await.unwrap();
    assert!(held.is_empty(), "{held:?}");
    assert_eq!(mill.stop(), Some(0));
}

const ACCOUNTS: i64 = 40;
const ENTRIES: i64 = 100;

const fn amount(account: i64, entry: i64) -> i64 {
    entry * 7 + account
}

fn balance(account: i64, through: i64) -> i64 {
    (1..=through).map(|entry| amount(account, entry)).sum()
}

/// Writes a file of rows; answers its name.
fn rows(corner: &Corner, name: &str, events: impl Iterator<Item = (i64, Value)>) -> String {
    let file = corner.dir().join(name);
    let row = |(account, event)| json!({ "aggregate": format!("a-{account}"), "event": event });
    let lines: String = events.map(row).map(|row| format!("{row}\n")).collect();
    std::fs::write(&file, lines).unwrap();
    file.to_str().unwrap().to_owned()
}

/// Some entries of all ledgers, in turn.
fn ledger(corner: &Corner, name: &str, entries: std::ops::RangeInclusive<i64>) -> String {
    let entry = |entry: i64, account: i64| {
        let moved = json!({ "account_id": format!("a-{account}"), "entry_no": entry,
            "occurred_at": "2026-11-20T09:00:00.000Z", "currency": "KRW",
            "amount_minor": amount(account, entry), "reason": "DEPOSIT" });
        (account, json!({ "CashMoved": moved }))
    };
    rows(corner, name, entries.flat_map(|no| (0..ACCOUNTS).map(move |account| entry(no, account))))
}

/// How some accounts stood behind an entry.
fn import(corner: &Corner, name: &str, through: i64, step: usize) -> String {
    let stood = |account: i64| {
        let cash = [json!({ "currency": "KRW", "amount_minor": balance(account, through) })];
        let imported = json!({ "account_id": format!("a-{account}"), "through_entry_no": through,
            "extracted_at": "2026-11-20T02:00:00.000Z", "cash": cash, "positions": [],
            "reserved": [] });
        (account, json!({ "AccountImported": imported }))
    };
    rows(corner, name, (0..ACCOUNTS).step_by(step).map(stood))
}

/// The past of the ledgers, up to entry 40, is in a file alone; the outbox began with entry 31.
#[tokio::test(flavor = "multi_thread")]
async fn the_past_of_a_ledger_comes_from_a_file_while_the_ledger_goes_on() {
    let corner = Corner::new("imported");
    let name = &corner.name;
    let topics = ["holdings_outbox", "holdings_import_outbox"];
    let topics = topics.map(|table| format!("{name}.public.{table}"));
    let brokers = stack("KAFKA_BROKERS");
    let producer = Producer::new(&KafkaConfig { brokers, ..KafkaConfig::default() }).unwrap();
    producer.ensure_topics(&topics.each_ref().map(String::as_str), 4).await.unwrap();
    let scripts = ["outbox.sql", "cases.sql"].map(|script| {
        std::fs::read_to_string(root().join("connectors/debezium/postgres").join(script)).unwrap()
    });
    let shop = Shop::open(&corner, &scripts.concat());
    shop.connect_with("outbox.json", &["TABLES=public.holdings_outbox"]);
    let whole = corner.configuration();
    let services = whole.split("[models.points]").next().unwrap();
    let model = format!("[models.holdings]\ntopics = {topics:?}\nstore = \"mongo\"\n");
    let configuration = format!("{services}{model}");
    let file = corner.dir().join("readmill.toml");
    std::fs::write(&file, &configuration).unwrap();
    let mill = Mill::start(corner.dir(), &configuration);
    mill.wait_for("/readyz", LIMIT);
    let (url, registry, file) = (&shop.url, stack("REGISTRY_URL"), file.to_str().unwrap());
    let to_outbox = |rows: &str, more: &[&str]| {
        let from = ["produce", "--rows", rows, "--table", "holdings_outbox"];
        let to = ["--postgres", url, "--registry", &registry];
        succeed(&[&from[..], &to, more].concat());
    };
    let to_topic = |rows: &str| {
        let from = ["produce", "--rows", rows, "--table", "holdings_import_outbox"];
        succeed(&[&from[..], &["--kafka", "-c", file]].concat());
    };
    to_outbox(&ledger(&corner, "first", 31..=50), &[]);
    let consumed = || mill.metric("readmill_consumed_total").unwrap_or(0.0);
    wait(LIMIT, "the ledgers to wait for their past", || consumed() >= 800.0);
    let later = ledger(&corner, "later", 51..=ENTRIES);
    std::thread::scope(|scope| {
        let going_on = scope.spawn(|| to_outbox(&later, &["--rate", "400"]));
        to_topic(&import(&corner, "past", 40, 1));
        // In doubt it is imported again: of some accounts the tail is behind that by now, or ahead.
        to_topic(&import(&corner, "again", 60, 3));
        to_topic(&import(&corner, "past", 40, 1));
        assert!(!going_on.is_finished(), "the ledgers went on meanwhile");
    });
    let store = corner.mongo().await.documents("holdings", 1).await.unwrap();
    let mut found = BTreeMap::new();
    let wanted: BTreeMap<String, Value> = (0..ACCOUNTS)
        .map(|account| {
            let cash = json!({ "currency": "KRW", "amount_minor": balance(account, ENTRIES) });
            (format!("a-{account}"), json!({ "entry_no": ENTRIES, "cash": [cash] }))
        })
        .collect();
    for _ in 0..LIMIT.as_millis() / 300 {
        found.clear();
        let mut visit = |key: Key, document: Document<Holdings>| {
            found.extend(document.state.map(|state| (key.0, serde_json::to_value(state).unwrap())));
        };
        store.scan(&mut visit).await.unwrap();
        if found == wanted {
            break;
        }
        sleep(Duration::from_millis(300)).await;
    }
    assert_eq!(found, wanted);
    assert_eq!(mill.stop(), Some(0));
}
