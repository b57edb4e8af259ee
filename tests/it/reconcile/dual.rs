//! Two systems that keep the same figures: the documents of one against the table of the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use readmill_core::Key;
use readmill_models::Points;

use super::{LIMIT, Said, load, put, reconcile, wait_until_equal};
use crate::mill::Mill;
use crate::paths::root;
use crate::real::Corner;
use crate::shop::{Shop, psql};

/// The old system keeps one number for each member, and writes the new one's outbox beside it.
const OLD_SYSTEM: &str = r#"
create table points_balance (member_id text primary key, balance bigint not null);
create sequence lots;
create function earn(member text, points bigint) returns void language plpgsql as $$
declare next bigint;
begin
    insert into points_balance values (member, points) on conflict (member_id)
        do update set balance = points_balance.balance + points;
    select coalesce(max(version), 0) + 1 into next from points_outbox where aggregate_id = member;
    insert into points_outbox (id, aggregate_type, aggregate_id, version, type, payload) values (
        gen_random_uuid(), 'member', member, next, 'PointsEarned',
        convert_to(json_build_object('ledger_id', member || next, 'member_id', member,
            'occurred_at', 1793500000000, 'lot_id', 'lot-' || nextval('lots'),
            'points', points, 'expires_at', 1893500000000)::text, 'UTF8'));
end $$;
create index on points_outbox (aggregate_id, version);
select earn('m-' || n, n) from generate_series(1, 700) n;
"#;
const MEMBERS: u64 = 700;
const BALANCES: &str = "select member_id as key, balance from points_balance";

fn compared(corner: &Corner, shop: &Shop, more: &[&str]) -> Said {
    let origin = ["--postgres", &shop.url, "--query", BALANCES, "--field", "available=balance"];
    reconcile("points", corner.dir(), &[&origin[..], more].concat())
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_that_differ_between_two_systems_are_named_while_both_run() {
    let corner = Corner::new("dual");
    corner.make_topics().await;
    let ddl = std::fs::read_to_string(root().join("connectors/debezium/postgres/outbox.sql"));
    let shop = Shop::open(&corner, &(ddl.unwrap() + OLD_SYSTEM));
    shop.connect("outbox.json");
    corner.configuration_file();
    let mill = Mill::start(corner.dir(), &corner.configuration());
    mill.wait_for("/readyz", LIMIT);
    let origin = ["--postgres", &shop.url, "--query", BALANCES, "--field", "available=balance"];
    wait_until_equal("points", corner.dir(), MEMBERS, &origin);
    // The old system is wrong about one, lacks one, and knows one that nobody else does; and one
    // document is wrong.
    shop.sql(
        "update points_balance set balance = balance + 1 where member_id = 'm-1';
         delete from points_balance where member_id = 'm-2';
         insert into points_balance values ('nobody', 5);",
    );
    let store = corner.mongo().await.documents("points", 1).await.unwrap();
    let mut document = load::<Points>(&store, &Key::from("m-3")).await;
    document.state.as_mut().unwrap().available -= 2;
    put::<Points>(&store, "m-3", &document).await;
    let stop = Arc::new(AtomicBool::new(false));
    let (url, stopping) = (shop.url.clone(), Arc::clone(&stop));
    let load = std::thread::spawn(move || {
        let mut rounds = 0;
        while !stopping.load(Ordering::Relaxed) {
            let some = format!("where n % 40 = {}", rounds % 40);
            psql(
                &url,
                &format!("select earn('m-' || n, 1) from generate_series(10, 600) n {some}"),
            );
            rounds += 1;
        }
        rounds
    });
    let said = compared(&corner, &shop, &["--values", "--rest-limit", "120"]);
    let loose = compared(&corner, &shop, &["--tolerance", "available=1", "--one-way"]);
    stop.store(true, Ordering::Relaxed);
    let rounds = load.join().unwrap();
    println!("{rounds} rounds, {} moved, {} open", said.number("moved"), said.number("open"));
    said.finds(&[
        ("changed", "m-1", "available"),
        ("changed", "m-3", "available"),
        ("missing", "nobody", ""),
        ("unintended", "m-2", ""),
    ]);
    let values = said.lines.iter().find(|line| line["key"] == "m-1").unwrap();
    assert_eq!(
        (&values["values"][0]["is"], &values["values"][0]["should_be"]),
        (&1.into(), &2.into())
    );
    loose.finds(&[("changed", "m-3", "available"), ("missing", "nobody", "")]);
    // The same figures from a file, once both systems rest.
    let file = corner.dir().join("balances.jsonl");
    let mut lines = String::new();
    for row in shop.client().await.query(BALANCES, &[]).await.unwrap() {
        let (key, balance): (String, i64) = (row.get(0), row.get(1));
        lines += &format!("{{\"key\":\"{key}\",\"balance\":\"{balance}.0\"}}\n");
    }
    std::fs::write(&file, lines).unwrap();
    crate::mill::wait(LIMIT, "the load to be folded", || {
        let args = ["--lines", file.to_str().unwrap(), "--field", "available=balance"];
        let said = reconcile("points", corner.dir(), &[&args[..], &["--rest", "1"]].concat());
        said.findings().len() == 4
    });
    assert_eq!(mill.stop(), Some(0));
}
