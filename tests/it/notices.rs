//! Rows of requests → Debezium, with the images before → readmill: a notice for each time that a
//! request became complete, counted by the database itself.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use readmill_connectors::kafka::{KafkaConfig, Producer};
use readmill_core::{Document, Key};
use readmill_engine::Store as _;
use readmill_models::Notices;

use crate::faults::topics::reactions;
use crate::mill::{Mill, wait};
use crate::paths::stack;
use crate::real::Corner;
use crate::shop::Shop;

const LIMIT: Duration = Duration::from_secs(120);
const TABLES: [&str; 2] = ["introduction_edit_request", "logo_edit_request"];

/// The tables, rows that a snapshot finds there, and then a trigger that counts the edges.
const DDL: &str = "
create table introduction_edit_request (
    id bigint primary key, store_id text not null, status text not null, creator_id text not null,
    manager_id text, completed_at timestamptz, updated_at timestamptz not null default now());
create table logo_edit_request (
    like introduction_edit_request including all, channel text not null default 'web');
create table debezium_heartbeat (id integer primary key, beat timestamptz);
alter table introduction_edit_request replica identity full;
alter table logo_edit_request replica identity full;
grant usage on schema public to debezium;
grant select on introduction_edit_request, logo_edit_request to debezium;
grant select, insert, update on debezium_heartbeat to debezium;
create publication readmill_tables for table introduction_edit_request, logo_edit_request,
    debezium_heartbeat;
insert into logo_edit_request (id, store_id, status, creator_id)
    select n, 's-' || n, case when n % 3 = 0 then 'COMPLETE' else 'PENDING' end, 'mgr-' || n % 5
    from generate_series(1, 60) n;
create table edge (request text not null);
create function count_edge() returns trigger language plpgsql as $$
begin
    if new.status = 'COMPLETE' and (tg_op = 'INSERT' or old.status <> 'COMPLETE') then
        insert into edge values ('request/' || tg_table_name || '/' || new.id);
    end if;
    return new;
end $$;
create trigger counted after insert or update on introduction_edit_request
    for each row execute function count_edge();
create trigger counted after insert or update on logo_edit_request
    for each row execute function count_edge();
";

/// What the service does while it is captured.
const LIFE: &str = "
insert into introduction_edit_request (id, store_id, status, creator_id)
    select n, 's-' || n, 'PENDING', 'mgr-' || n % 5 from generate_series(1, 80) n;
update introduction_edit_request set status = 'IN_REVIEW', manager_id = 'mgr-9' where id % 2 = 0;
update introduction_edit_request set status = 'COMPLETE', completed_at = now() where id % 4 = 0;
update introduction_edit_request set updated_at = now() where id % 4 = 0;
update logo_edit_request set status = 'COMPLETE', completed_at = now() where id % 2 = 0;
update logo_edit_request set channel = 'app' where id % 3 = 0;
begin; update logo_edit_request set status = 'COMPLETE'; rollback;
update introduction_edit_request set status = 'PENDING', completed_at = null where id % 8 = 0;
update introduction_edit_request set status = 'COMPLETE', completed_at = now() where id % 8 = 0;
insert into logo_edit_request (id, store_id, status, creator_id)
    select n, 's-' || n, 'COMPLETE', 'mgr-1' from generate_series(100, 104) n;
delete from logo_edit_request where id % 10 = 0;
delete from introduction_edit_request where id > 70;
";

fn configuration(corner: &Corner) -> String {
    let whole = corner.configuration();
    let services = whole.split("[models.points]").next().unwrap();
    let topics = TABLES.map(|table| format!("\"{}.public.{table}\"", corner.name)).join(", ");
    format!(
        "{services}[models.notices]\ntopics = [{topics}]\nstore = \"mongo\"\nmirror = \"redis\"\n\
         reactions_topic = \"{}.said\"\n",
        corner.name
    )
}

/// How often each request became complete, as the database counted.
async fn edges(shop: &Shop) -> BTreeMap<String, i64> {
    let client = shop.client().await;
    let rows = client.query("select request, count(*) from edge group by 1", &[]).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

/// The status of every request that there is.
async fn rows(shop: &Shop) -> BTreeMap<String, String> {
    let client = shop.client().await;
    let mut all = BTreeMap::new();
    for table in TABLES {
        let select = format!("select 'request/{table}/' || id, status from {table}");
        let rows = client.query(&select, &[]).await.unwrap();
        all.extend(rows.iter().map(|row| (row.get(0), row.get(1))));
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_notice_is_given_on_each_edge_of_real_rows_and_only_there() {
    let corner = Corner::new("notices");
    let brokers = stack("KAFKA_BROKERS");
    let producer = Producer::new(&KafkaConfig { brokers, ..KafkaConfig::default() }).unwrap();
    let topics = TABLES.map(|table| format!("{}.public.{table}", corner.name));
    producer.ensure_topics(&topics.each_ref().map(String::as_str), 4).await.unwrap();
    let shop = Shop::open(&corner, DDL);
    let tables = TABLES.map(|table| format!("public.{table}")).join(",");
    shop.connect_with("tables.json", &[&format!("TABLES={tables}")]);
    let first = Mill::start(corner.dir(), &configuration(&corner));
    first.wait_for("/readyz", LIMIT);
    let consumed = || first.metric("readmill_consumed_total").unwrap_or(0.0);
    wait(LIMIT, "the snapshot to be folded", || consumed() >= 60.0);
    shop.sql(LIFE);
    // It is killed somewhere in the middle: what it gave may be given again, under the same ids.
    wait(LIMIT, "some changes to be folded", || consumed() >= 160.0);
    first.kill();
    let second = Mill::start(corner.dir(), &configuration(&corner));
    let (edges, wanted) = (edges(&shop).await, rows(&shop).await);
    let store = corner.mongo().await.documents("notices", 1).await.unwrap();
    let until = Instant::now() + LIMIT;
    loop {
        let (mut found, mut notices) = (BTreeMap::new(), BTreeMap::new());
        let mut visit = |key: Key, document: Document<Notices>| {
            if let Some(request) = document.state {
                found.insert(key.0.clone(), request.status);
                notices.insert(key.0, request.notices);
            }
        };
        store.scan(&mut visit).await.unwrap();
        if found == wanted || Instant::now() > until {
            assert_eq!(found, wanted);
            let counted = |key: &String| (key.clone(), edges.get(key).copied().unwrap_or(0));
            assert_eq!(notices, found.keys().map(counted).collect());
            break;
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    let all: i64 = edges.values().sum();
    let said = format!("{}.said", corner.name);
    let given = || -> BTreeSet<String> {
        reactions(&stack("KAFKA_BROKERS"), &said).into_iter().map(|(id, _)| id).collect()
    };
    // A notice is given once its document is durable.
    wait(LIMIT, "all notices to be given", || given().len() as i64 >= all);
    let given = given();
    assert_eq!(given.len() as i64, all, "each edge has a notice of its own, and nothing else has");
    assert!(all > 50, "{all}");
    assert_eq!(second.stop(), Some(0));
}
