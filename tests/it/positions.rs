//! The positions of a model are carried over to another cluster: by time, by the record itself, by
//! offsets; and not while anybody is at work.

use std::time::Duration;

use readmill_workload::Knobs;
use serde_json::Value;

use crate::faults::shipment::Shipment;
use crate::faults::topics::Group;
use crate::faults::verdict::Verdict;
use crate::mill::{Mill, readmill, succeed, wait};
use crate::paths::stack;
use crate::real::Corner;

const LIMIT: Duration = Duration::from_secs(60);
const PARTITIONS: i32 = 3;

fn group(corner: &Corner, prefix: &str, shipment: &Shipment) -> Group {
    let its = |partition: &readmill_core::Partition| partition.topic.contains("points_");
    let partitions = shipment.partitions().into_iter().filter(its).collect();
    let name = format!("{}{prefix}.points.g1", corner.name);
    Group::new(&stack("KAFKA_BROKERS"), &name, partitions)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_begins_in_another_cluster_where_it_stood_and_nobody_may_be_at_work() {
    let corner = Corner::new("positions");
    corner.make_topics_of(PARTITIONS).await;
    let old = corner.configuration_file();
    let old = old.to_str().unwrap();
    let knobs = Knobs { events: 6_000, members: 400, ..Knobs::default() };
    let mut shipment = Shipment::of(&corner, &knobs, 3).await;
    shipment.send(2_500, PARTITIONS).await;
    let mill = corner.start();
    let before = group(&corner, "", &shipment);
    wait(LIMIT, "all to be committed", || before.lag() == Some(0));
    let stands = before.committed();
    let file = corner.dir().join("positions.json");
    let file = file.to_str().unwrap();
    succeed(&["positions", "export", "points", "-c", old, "--to", file]);
    // The other cluster is the same one under another group: what its logs say is known.
    let configuration = corner.configuration().replace(
        &format!("group_prefix = \"{}\"", corner.name),
        &format!("group_prefix = \"{}-new\"", corner.name),
    );
    let new = corner.dir().join("new.toml");
    std::fs::write(&new, &configuration).unwrap();
    let new = new.to_str().unwrap();
    let import = |by: &str, more: &[&str]| {
        let args =
            ["positions", "import", "points", "-c", new, "--from", file, "--by", by, "--json"];
        readmill(&[&args[..], more].concat())
    };
    let refused = import("offset", &["--other-config", old]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("1 members are in group") && said.contains("stop them"), "{said}");
    assert_eq!(mill.stop(), Some(0));
    shipment.send(500, PARTITIONS).await;
    let place = |told: &Value, at: usize| told["places"][at]["offset"].as_i64().unwrap();
    for by in ["offset", "record", "time"] {
        let done = import(by, &["--dry-run", "--other-config", old]);
        assert!(done.status.success(), "{by}: {}", String::from_utf8_lossy(&done.stderr));
        let told: Value = serde_json::from_slice(&done.stdout).unwrap();
        assert_eq!(told["committed"], false);
        for (at, (_, stood, _)) in stands.iter().enumerate() {
            let found = place(&told, at);
            // By time it begins earlier, by as much as it was rewound, and never later.
            assert!(found == *stood || (by == "time" && found < *stood), "{by}: {told}");
        }
    }
    assert!(group(&corner, "-new", &shipment).committed().is_empty(), "dry runs commit nothing");
    let done = import("record", &["--other-config", old]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    let mill = Mill::start(corner.dir(), &configuration);
    let after = group(&corner, "-new", &shipment);
    wait(LIMIT, "all to be committed", || after.lag() == Some(0));
    let records: i64 = after.ends().iter().map(|(_, end)| end).sum();
    let stood: i64 = stands.iter().map(|(_, stood, _)| stood).sum();
    let consumed = mill.metric_of("readmill_consumed_total", "model=\"points\"");
    assert_eq!(consumed, Some((records - stood) as f64), "it began where it stood");
    let mut verdict = Verdict::default();
    let store = corner.mongo().await.documents("points", 1).await.unwrap();
    verdict.documents(&store, &shipment.points).await;
    verdict.check();
    assert_eq!(mill.stop(), Some(0));
}

#[test]
fn a_file_that_holds_no_positions_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("p.json");
    std::fs::write(&file, "{}").unwrap();
    let file = file.to_str().unwrap();
    let told = readmill(&["positions", "import", "points", "-c", "nowhere", "--from", file]);
    let said = String::from_utf8_lossy(&told.stderr).into_owned();
    assert!(said.contains("holds no positions") && said.contains("positions export"), "{said}");
}
