//! Rows of ordinary tables → Debezium → one topic with several schemas → readmill → MongoDB: the
//! copy is the source's tables, whatever was done to their rows.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use readmill_connectors::kafka::{KafkaConfig, Producer};
use readmill_core::{Document, Key};
use readmill_engine::{Held, HeldRecord, HeldStore as _, Store};
use readmill_models::Coupons;
use readmill_models::coupons::{CouponRow, Replica};
use readmill_schemas::coupons::CouponHistory;
use readmill_schemas::row::TimestampMicros;

use crate::mill::Mill;
use crate::paths::stack;
use crate::real::Corner;
use crate::shop::Shop;

const LIMIT: Duration = Duration::from_secs(120);

/// The tables, and rows that a snapshot finds there.
pub const DDL: &str = "
create table coupon (
    id bigint primary key, code text not null, member_id text, status text not null,
    discount numeric(12, 2) not null, valid_until timestamptz not null, note text,
    updated_at timestamptz not null default clock_timestamp());
create table coupon_history (
    id bigint primary key, coupon_id bigint not null, action text not null, at timestamp not null);
create table debezium_heartbeat (id integer primary key, beat timestamptz);
grant usage on schema public to debezium;
grant select on coupon, coupon_history to debezium;
grant select, insert, update on debezium_heartbeat to debezium;
create publication readmill_tables for table coupon, coupon_history, debezium_heartbeat;
alter table coupon alter column note set storage external;
insert into coupon select n, 'C' || n, case when n % 3 > 0 then 'm-' || n end, 'issued', n / 7.0,
    '2027-01-01', repeat('long ', 4000) || n, clock_timestamp() from generate_series(1, 200) n;
";

/// What the service does while it is captured.
const LIFE: &str = "
insert into coupon_history select n, n % 50, 'issued', '2026-11-21 09:00:00.000001'
    from generate_series(1, 300) n;
update coupon set status = 'used' where id % 2 = 0;
update coupon set note = 'short' where id % 10 = 0;
delete from coupon where id % 5 = 0;
insert into coupon values (5, 'again', null, 'issued', -0.01, '2027-01-01', null);
update coupon set note = 'brief' where id between 11 and 14;
update coupon set id = id + 1000 where id between 11 and 14;
update coupon set id = 1021 where id = 21;
begin; update coupon set status = 'lost'; rollback;
begin; update coupon set code = 'twice' where id = 1; update coupon set status = 'x' where id = 1;
commit;
delete from coupon_history where id > 290;
alter table coupon add column channel text;
update coupon set channel = 'app' where id between 31 and 60;
update coupon set status = 'kept' where id between 51 and 70;
insert into coupon values (2001, 'new', null, 'issued', 1, '2027-01-01', null, now(), 'web');
";

#[tokio::test(flavor = "multi_thread")]
async fn full_envelopes_of_tables_are_replicated() {
    replicate("tables", "tables.json").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn flattened_rows_of_tables_are_replicated() {
    replicate("flattables", "tables_flattened.json").await;
}

async fn replicate(name: &str, definition: &str) {
    let corner = Corner::new(name);
    let topic = format!("{}.coupons", corner.name);
    let brokers = stack("KAFKA_BROKERS");
    let producer = Producer::new(&KafkaConfig { brokers, ..KafkaConfig::default() }).unwrap();
    producer.ensure_topics(&[&topic], 8).await.unwrap();
    let shop = Shop::open(&corner, DDL);
    shop.connect(definition);
    let mill = Mill::start(corner.dir(), &configuration(&corner, &topic));
    mill.wait_for("/readyz", LIMIT);
    let store = corner.mongo().await.documents("coupons", 1).await.unwrap();
    assert_eq!(settled(&store, &expected(&shop).await).await, expected(&shop).await, "snapshot");
    shop.sql(LIFE);
    let mut wanted = expected(&shop).await;
    // Its note did not change, so it was not sent, and it stands under another key.
    let unsent = Key::from("coupon/1021");
    assert!(wanted.remove(&unsent).is_some() && wanted.len() > 400);
    let found = settled(&store, &wanted).await;
    for (key, replica) in &wanted {
        assert_eq!(found.get(key), Some(replica), "{key}");
    }
    assert_eq!(found.len(), wanted.len(), "what is gone in the source is gone here");
    let mut held = Vec::new();
    let mut visit = |record: HeldRecord| held.push((record.key, record.reason));
    let store = corner.mongo().await.held().await.unwrap();
    store.visit("coupons", &Held::All, &mut visit).await.unwrap();
    let [(Some(key), reason)] = &held[..] else { panic!("held: {held:?}") };
    assert!(*key == unsent && reason.contains("replica identity"), "{reason}");
    assert_eq!(mill.stop(), Some(0));
}

/// The configuration of an instance that replicates the tables.
pub fn configuration(corner: &Corner, topic: &str) -> String {
    let whole = corner.configuration();
    let services = whole.split("[models.points]").next().unwrap();
    format!("{services}[models.coupons]\ntopics = [\"{topic}\"]\nstore = \"mongo\"\n")
}

/// Rows by their keys.
pub type Replicas = BTreeMap<Key, Replica>;

/// Reads the store until it holds what is expected, or the time is up.
pub async fn settled(store: &impl Store<Coupons>, wanted: &Replicas) -> Replicas {
    let until = Instant::now() + LIMIT;
    loop {
        let mut found = Replicas::new();
        let mut visit = |key: Key, document: Document<Coupons>| {
            found.extend(document.state.map(|state| (key, state)));
        };
        store.scan(&mut visit).await.unwrap();
        if found == *wanted || Instant::now() > until {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
}

/// What the source's tables say, the column that comes later included.
pub async fn expected(shop: &Shop) -> Replicas {
    let client = shop.client().await;
    let micros = |column: &str| format!("(extract(epoch from {column}) * 1000000)::bigint");
    let coupons = format!(
        "select id, code, member_id, status, discount::text, {}, note, {},
            to_jsonb(coupon) ->> 'channel' from coupon",
        micros("valid_until"),
        micros("updated_at")
    );
    let mut replicas = Replicas::new();
    for row in client.query(&coupons, &[]).await.unwrap() {
        let coupon = CouponRow {
            id: row.get(0),
            code: row.get(1),
            member_id: row.get(2),
            status: row.get(3),
            discount: row.get::<_, String>(4).parse().unwrap(),
            valid_until: TimestampMicros::from_micros(row.get(5)),
            note: row.get(6),
            updated_at: TimestampMicros::from_micros(row.get(7)),
            channel: row.get(8),
        };
        replicas.insert(Key(format!("coupon/{}", coupon.id)), Replica::Coupon(coupon));
    }
    let history = format!("select id, coupon_id, action, {} from coupon_history", micros("at"));
    for row in client.query(&history, &[]).await.unwrap() {
        let line = CouponHistory {
            id: row.get(0),
            coupon_id: row.get(1),
            action: row.get(2),
            at: TimestampMicros::from_micros(row.get(3)),
        };
        let key = Key(format!("coupon_history/{}", line.id));
        replicas.insert(key, Replica::CouponHistory(line));
    }
    replicas
}
