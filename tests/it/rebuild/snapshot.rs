//! A replica is rebuilt from its origin's tables, since its log has forgotten them: a snapshot that
//! the connector reads, joined to what is streamed meanwhile.

use super::*;
use crate::backfill::{BEFORE, churn, is_captured, topic};
use crate::excerpt::truncate;
use crate::shop::Shop;
use crate::tables::{DDL, configuration, expected, settled};

/// The ends of a topic's partitions.
fn ends(topic: &str) -> Vec<(i32, i64)> {
    let partitions = (0..8).map(|index| readmill_core::Partition::new(topic, index)).collect();
    let group = Group::new(&stack("KAFKA_BROKERS"), "nobody", partitions);
    group.ends().into_iter().map(|(partition, end)| (partition.index, end)).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_is_rebuilt_from_its_tables_while_their_rows_change() {
    let corner = Corner::new("snapshot");
    let topic = topic(&corner).await;
    let channel = "alter table coupon add column channel text;";
    let shop = Shop::open(&corner, &[DDL, BEFORE, channel].concat());
    shop.connect_with("tables.json", &["SNAPSHOT_CHUNK_ROWS=100"]);
    let origin = format!("origin_url = \"{}\"\norigin_slot = \"{}\"\n", shop.url, shop.name);
    let configuration = configuration(&corner, &topic) + &origin;
    let file = corner.dir().join("readmill.toml");
    std::fs::write(&file, &configuration).unwrap();
    let file = file.to_str().unwrap().to_owned();
    let mill = Mill::start(corner.dir(), &configuration);
    mill.wait_for("/readyz", LIMIT);
    is_captured(&shop).await;
    let live = corner.mongo().await.documents("coupons", 1).await.unwrap();
    let wanted = expected(&shop).await;
    assert!(wanted.len() > 4_000);
    assert_eq!(settled(&live, &wanted).await.len(), wanted.len(), "the first snapshot");
    // What made these documents is in no log any more.
    sleep(Duration::from_secs(2)).await;
    truncate(&topic, &ends(&topic)).await;

    let stop = Arc::new(AtomicBool::new(false));
    let churning = tokio::spawn(churn(shop.client().await, Arc::clone(&stop)));
    let args = ["--snapshot", "--snapshot-limit", "100s"];
    let args = [&["rebuild", "coupons", "-c", file.as_str(), "--json"][..], &args].concat();
    let mut rebuilding = Command::new(paths::readmill());
    rebuilding.args(args).stdout(std::process::Stdio::piped());
    let rebuilding = rebuilding.spawn().unwrap();
    sleep(Duration::from_secs(8)).await;
    stop.store(true, Ordering::Relaxed);
    let changes = churning.await.unwrap();
    let done = rebuilding.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success(), "{told}");
    let last: Value = serde_json::from_str(told.lines().last().unwrap()).unwrap();
    assert_eq!((&last["generation"], &last["whole"]), (&2.into(), &true.into()), "{told}");

    // Both generations are what the tables say: the live one took no harm from reading them again.
    let wanted = expected(&shop).await;
    println!("{changes} changes while {} rows were read", wanted.len());
    let next = corner.mongo().await.documents("coupons", 2).await.unwrap();
    for (generation, store) in [(1, &live), (2, &next)] {
        let found = settled(store, &wanted).await;
        let wrong = wanted.iter().find(|(key, replica)| found.get(key) != Some(replica));
        assert!(wrong.is_none() && found.len() == wanted.len(), "{generation}: {wrong:?}");
    }
    assert_eq!(command("swap", "coupons", &file, &[])["live"], 2);
    assert_eq!(mill.stop(), Some(0));
}

#[test]
fn what_is_no_replica_of_tables_is_not_rebuilt_from_a_snapshot() {
    let corner = Corner::new("nosnapshot");
    let file = corner.configuration_file();
    let refused = readmill(&["rebuild", "points", "-c", file.to_str().unwrap(), "--snapshot"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("signals-lose-rows"), "{said}");
}
