//! A replica against the tables that it is of.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use readmill_connectors::kafka::{KafkaConfig, Producer};
use readmill_connectors::mongo::MongoStore;
use readmill_core::{Document, Key};
use readmill_engine::Store;
use readmill_models::Coupons;
use readmill_models::coupons::Replica;

use super::{LIMIT, Said, load, put, reconcile, wait_until_equal};
use crate::mill::{Mill, readmill, wait};
use crate::paths::stack;
use crate::real::Corner;
use crate::shop::Shop;

/// More rows than a page has.
pub const DDL: &str = "
create table coupon (
    id bigint primary key, code text not null, member_id text, status text not null,
    discount numeric(12, 2) not null, valid_until timestamptz not null, note text,
    updated_at timestamptz not null default clock_timestamp(), channel text);
create table coupon_history (
    id bigint primary key, coupon_id bigint not null, action text not null, at timestamp not null);
create table debezium_heartbeat (id integer primary key, beat timestamptz);
grant usage on schema public to debezium;
grant select on coupon, coupon_history to debezium;
grant select, insert, update on debezium_heartbeat to debezium;
create publication readmill_tables for table coupon, coupon_history, debezium_heartbeat;
insert into coupon select n, 'C' || n, case when n % 3 > 0 then 'm-' || n end, 'issued', n / 7.0,
    '2027-01-01', case when n % 2 > 0 then 'a note' end, clock_timestamp()
    from generate_series(1, 1200) n;
insert into coupon_history select n, n, 'issued', '2026-11-21 09:00:00.000001'
    from generate_series(1, 300) n;
";
const ROWS: u64 = 1_500;
/// So many rows are deleted and put back, again and again.
const PUT_BACK: u64 = 21;

/// Rows that the connector is not told of: what it has lost, it does not know.
const LOST: &str = "
alter publication readmill_tables drop table coupon;
delete from coupon where id = 11;
update coupon set status = 'lost', discount = 7 where id = 12;
insert into coupon values (5000, 'lost', null, 'issued', 1, '2027-01-01', null);
alter publication readmill_tables add table coupon;
";

/// An origin, its connector, and an instance behind it.
struct Place {
    corner: Corner,
    shop: Shop,
    mill: Option<Mill>,
    store: MongoStore,
}

impl Place {
    async fn open(name: &str) -> Self {
        Self::open_with(name, "").await
    }

    /// The same, with more settings of the model; its origin's address stands in for ORIGIN.
    async fn open_with(name: &str, settings: &str) -> Self {
        let corner = Corner::new(name);
        let topic = format!("{}.coupons", corner.name);
        let brokers = stack("KAFKA_BROKERS");
        let producer = Producer::new(&KafkaConfig { brokers, ..KafkaConfig::default() }).unwrap();
        producer.ensure_topics(&[&topic], 8).await.unwrap();
        let shop = Shop::open(&corner, DDL);
        shop.connect("tables.json");
        let whole = corner.configuration();
        let services = whole.split("[models.points]").next().unwrap();
        let model = format!("[models.coupons]\ntopics = [\"{topic}\"]\nstore = \"mongo\"\n");
        let model = model + &settings.replace("ORIGIN", &shop.url);
        let configuration = format!("{services}{model}");
        std::fs::write(corner.dir().join("readmill.toml"), &configuration).unwrap();
        let mill = Mill::start(corner.dir(), &configuration);
        mill.wait_for("/readyz", LIMIT);
        let store = corner.mongo().await.documents("coupons", 1).await.unwrap();
        let place = Self { corner, shop, mill: Some(mill), store };
        place.wait_until_equal(ROWS);
        place
    }

    fn path(&self, name: &str) -> String {
        self.corner.dir().join(name).to_str().unwrap().to_owned()
    }

    #[track_caller]
    fn stop(&mut self) {
        assert_eq!(self.mill.take().and_then(Mill::stop), Some(0));
    }

    #[track_caller]
    fn reconcile(&self, more: &[&str]) -> Said {
        reconcile("coupons", self.corner.dir(), &[&["--postgres", &self.shop.url], more].concat())
    }

    #[track_caller]
    fn wait_until_equal(&self, documents: u64) {
        let more = ["--postgres", &self.shop.url];
        wait_until_equal("coupons", self.corner.dir(), documents, &more);
    }

    /// A document that is missing, one that says something else, and two that no row led to.
    async fn plant(&self) {
        erase(&self.store, "coupon/3").await;
        let mut changed = load::<Coupons>(&self.store, &Key::from("coupon/5")).await;
        let Some(Replica::Coupon(row)) = &mut changed.state else { panic!("no coupon") };
        row.status = "planted".to_owned();
        row.note = None;
        put::<Coupons>(&self.store, "coupon/5", &changed).await;
        put::<Coupons>(&self.store, "coupon/70000", &changed).await;
        put::<Coupons>(&self.store, "coupon/nobody", &changed).await;
        let mut line = load::<Coupons>(&self.store, &Key::from("coupon_history/300")).await;
        let Some(Replica::CouponHistory(row)) = &mut line.state else { panic!("no line") };
        row.coupon_id = -1;
        put::<Coupons>(&self.store, "coupon_history/300", &line).await;
    }

    /// The service goes on with other rows.
    fn load(&self) -> Load {
        let (stop, url) = (Arc::new(AtomicBool::new(false)), self.shop.url.clone());
        let stopping = Arc::clone(&stop);
        let work = std::thread::spawn(move || {
            let mut rounds = 0;
            while !stopping.load(Ordering::Relaxed) {
                let sql = format!(
                    "update coupon set status = 's{rounds}', updated_at = clock_timestamp()
                     where id between 200 and 400; delete from coupon where id between 500 and 520;
                     insert into coupon select n, 'again', null, 'issued', 0, '2027-01-01', null
                     from generate_series(500, 520) n;"
                );
                crate::shop::psql(&url, &sql);
                rounds += 1;
            }
            rounds
        });
        Load { stop, work }
    }
}

async fn erase(store: &impl Store<Coupons>, key: &str) {
    store.erase(&[Key::from(key)]).await.unwrap();
}

struct Load {
    stop: Arc<AtomicBool>,
    work: JoinHandle<u64>,
}

impl Load {
    fn end(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        self.work.join().unwrap()
    }
}

/// Whether a connector reads the log, as the connect cluster is told.
fn connector(name: &str, verb: &str) {
    let url = stack("CONNECT_URL");
    let place = url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(place).unwrap();
    let request = format!(
        "PUT /connectors/{name}/{verb} HTTP/1.1\r\nHost: {place}\r\nContent-Length: 0\r\n\
         Connection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_differ_are_named_under_load_and_nothing_else_is() {
    let mut place = Place::open("reconcile").await;
    place.plant().await;
    place.shop.sql(LOST);
    let load = place.load();
    let said = place.reconcile(&["--rest-limit", "120"]);
    let rounds = load.end();
    said.finds(&[
        ("missing", "coupon/3", ""),
        ("missing", "coupon/5000", ""),
        ("changed", "coupon/5", "coupon.note,coupon.status"),
        ("changed", "coupon/12", "coupon.discount,coupon.status"),
        ("changed", "coupon_history/300", "coupon_history.coupon_id"),
        ("unintended", "coupon/11", ""),
        ("unintended", "coupon/70000", ""),
        ("unintended", "coupon/nobody", ""),
    ]);
    assert_eq!(said.code, Some(7));
    println!(
        "{rounds} rounds of load, {} moved, {} open",
        said.number("moved"),
        said.number("open")
    );
    // Rows that are put back a moment later may be away when their page is read.
    let documents = said.number("documents");
    assert!(rounds > 0 && documents > ROWS - PUT_BACK, "{rounds} rounds, {documents} documents");
    let one_way = place.reconcile(&["--one-way", "--ignore", "coupon.status"]);
    assert!(one_way.findings().iter().all(|(kind, ..)| kind != "unintended"), "{one_way:#?}");
    place.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_on_the_way_from_the_origin_is_no_finding() {
    let mut place = Place::open("reconcilelag").await;
    connector(&place.shop.name, "pause");
    place.shop.sql(
        "update coupon set status = 'used' where id <= 50; delete from coupon where id > 1190;
         insert into coupon_history values (301, 1, 'used', '2026-11-21 09:00:00');",
    );
    let said = place.reconcile(&["--rest-limit", "3"]);
    assert_eq!((said.number("findings"), said.code), (0, Some(0)), "{said:#?}");
    assert_eq!(said.summary["undecided"]["document"]["behind"], 61, "{said:#?}");
    connector(&place.shop.name, "resume");
    place.wait_until_equal(ROWS - 10 + 1);
    // The same where the log has it all, and the model is what is behind.
    place.stop();
    place.shop.sql("update coupon set status = 'late' where id <= 20;");
    let said = place.reconcile(&["--rest-limit", "12"]);
    assert_eq!((said.number("findings"), said.code), (0, Some(0)), "{said:#?}");
    assert_eq!(said.summary["undecided"]["document"]["behind"], 20, "{said:#?}");
}

/// Every living document with the revision that it is at.
async fn states(store: &MongoStore) -> BTreeMap<Key, Replica> {
    let mut found = BTreeMap::new();
    let mut visit = |key: Key, document: Document<Coupons>| {
        found.extend(document.state.map(|state| (key, state)));
    };
    store.scan(&mut visit).await.unwrap();
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn what_differs_is_put_right_through_the_log() {
    let mut place = Place::open("reconcilerepair").await;
    // Changes whose places in the log the documents know.
    place.shop.sql("update coupon set status = 'known' where id between 600 and 610;");
    place.wait_until_equal(ROWS);
    place.plant().await;
    place.shop.sql(LOST);
    let mut known = load::<Coupons>(&place.store, &Key::from("coupon/605")).await;
    let Some(Replica::Coupon(row)) = &mut known.state else { panic!("no coupon") };
    row.code = "planted".to_owned();
    put::<Coupons>(&place.store, "coupon/605", &known).await;
    put::<Coupons>(&place.store, "coupon/70605", &known).await;
    let load = place.load();
    let said = place.reconcile(&["--repair", "--rest-limit", "120"]);
    load.end();
    println!("{} mended, {} not", said.number("mended"), said.number("not_mended"));
    // No row can have the key `nobody`, so no record can tell that it is gone.
    assert_eq!((said.number("mended"), said.number("not_mended")), (9, 1), "{said:#?}");
    assert_eq!(said.code, Some(7));
    erase(&place.store, "coupon/nobody").await;
    place.wait_until_equal(ROWS);
    // The documents are a fold of the log still: it can be folded again. What the store alone had
    // lost or made up says what is right, but not which records led there: verify mends that.
    let before = states(&place.store).await;
    let (file, report) = (place.path("readmill.toml"), place.path("verified.jsonl"));
    let dir = place.corner.dir().to_str().unwrap();
    let args = ["verify", "coupons", "-c", &file, "--report", &report, "--dir", dir];
    readmill(&[&args[..], &["--repair"]].concat());
    let verified = std::fs::read_to_string(&report).unwrap();
    let lines = verified.lines().map(serde_json::from_str::<serde_json::Value>);
    for line in lines.map(Result::unwrap).filter(|line| line["paths"].is_array()) {
        let (key, paths) = (line["key"].as_str().unwrap(), &line["paths"]);
        assert!(["coupon/3", "coupon/70000", "coupon/70605"].contains(&key), "{verified}");
        assert_eq!(*paths, serde_json::json!(["stamp.marks"]), "{verified}");
    }
    let again = readmill(&args);
    assert_eq!(again.status.code(), Some(0), "{}", String::from_utf8_lossy(&again.stdout));
    assert_eq!(states(&place.store).await, before);
    place.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_compares_with_the_origin_by_itself() {
    let settings = "origin_url = \"ORIGIN\"\nreconcile_every_seconds = 2\n";
    let mut place = Place::open_with("reconcileself", settings).await;
    let mill = place.mill.as_ref().unwrap();
    let through = || mill.metric("readmill_reconciled_through_seconds").unwrap_or(0.0);
    wait(LIMIT, "all to be found equal", || through() > 0.0);
    let findings =
        |kind: &str| mill.metric_of("readmill_reconcile_findings", &format!("kind=\"{kind}\""));
    assert_eq!(findings("missing"), Some(0.0));
    erase(&place.store, "coupon/3").await;
    wait(LIMIT, "what is missing to be found", || findings("missing") == Some(1.0));
    let before = through();
    // The command finds the same, and asks whom the stanza names.
    let file = place.corner.dir().join("readmill.toml");
    let args = ["reconcile", "coupons", "-c", file.to_str().unwrap()];
    let said = readmill(&args);
    let told = String::from_utf8(said.stdout).unwrap();
    assert_eq!(said.status.code(), Some(7), "{told}");
    assert!(told.contains("missing     document coupon/3"), "{told}");
    assert_eq!(before, through(), "it is not found equal any more");
    let mended = readmill(&[&args[..], &["--repair"]].concat());
    assert_eq!(mended.status.code(), Some(0), "{}", String::from_utf8_lossy(&mended.stdout));
    wait(LIMIT, "it to be well again", || findings("missing") == Some(0.0));
    wait(LIMIT, "all to be found equal again", || through() > before);
    let logs = std::fs::read_dir(place.corner.dir()).unwrap().map(|entry| entry.unwrap().path());
    let logs = logs.filter(|path| path.extension().is_some_and(|end| end == "log"));
    let log: String = logs.map(|path| std::fs::read_to_string(path).unwrap()).collect();
    assert!(log.contains("the origin says otherwise") && !log.contains("coupon/3"), "{log}");
    assert!(!log.contains(&place.shop.url), "an address with a password is not told");
    place.stop();
}
