//! Whoever has written reads what it wrote, of each instance, whoever folds the partition.

use super::*;
use crate::real::wait_until_quiet;

const ROUNDS: usize = 100;
const MEMBERS: u32 = 200;

/// The revision that an instance shows; none for no document.
fn shown(mill: &Mill, sent: &Sent, query: &str) -> i64 {
    let (status, body) = mill.ask(&format!("/models/points/{}{query}", sent.key)).unwrap();
    match status {
        200 => serde_json::from_str::<Value>(&body).unwrap()["revision"].as_i64().unwrap(),
        404 => 0,
        _ => panic!("{status}: {body}"),
    }
}

/// Of all entries of the ledger, how many an instance counts.
fn counted(mill: &Mill, query: &str) -> i64 {
    let groups = json(mill, &format!("/models/points/rollups/ledger?limit=1000{query}"));
    let groups = groups["groups"].as_array().unwrap();
    groups.iter().map(|group| group["count"].as_i64().unwrap()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_has_written_reads_it_of_each_instance_under_load() {
    let corner = Corner::new("atleast");
    corner.make_topics_of(4).await;
    let writer = Writer::of(&corner).await;
    let mills = [corner.start(), corner.start()];
    for mill in &mills {
        mill.wait_for("/readyz", LIMIT);
    }
    let load = writer.press(rows(false, MEMBERS), 5);
    let mut own = rows(true, MEMBERS);
    let (mut missed, mut too_early) = (0, 0);
    for round in 0..ROUNDS {
        let mill = &mills[round % 2];
        let sent = writer.send(&own.next().unwrap()).await;
        too_early += usize::from(shown(mill, &sent, "") < sent.revision);
        let query = format!("?at_least={}&wait_ms=20000", sent.position);
        missed += usize::from(shown(mill, &sent, &query) < sent.revision);
    }
    assert_eq!(missed, 0);
    assert!(too_early > 0, "nobody would have missed anything: the test sees nothing");
    println!("reads={ROUNDS} too_early_without={too_early} missed={missed}");
    for mill in &mills {
        let sent = writer.send(&own.next().unwrap()).await;
        let query = format!("prefix={}&at_least={}&wait_ms=20000", sent.key, sent.position);
        assert!(revisions(mill, &query)[&sent.key] >= sent.revision);
    }
    load.end().await;
    let quiet: Vec<&Mill> = mills.iter().collect();
    wait_until_quiet(&quiet, LIMIT);
    let before = counted(&mills[0], "");
    let mut last = writer.send(&own.next().unwrap()).await;
    for _ in 0..9 {
        last = writer.send(&own.next().unwrap()).await;
        let query = format!("&at_least={}&wait_ms=20000", last.position);
        counted(&mills[0], &query);
    }
    let query = format!("&at_least={}&wait_ms=20000", last.position);
    let now = counted(&mills[1], &query);
    assert!(now > before, "{now} entries are counted, and {before} were before");
    what_is_not_there(&mills, &writer, &last);
}

/// What never comes, and what is none of the model's.
fn what_is_not_there(mills: &[Mill; 2], writer: &Writer, last: &Sent) {
    let (at, _) = last.position.rsplit_once('@').unwrap();
    let topic = &writer.topic;
    let table = [
        (format!("{at}@999999&wait_ms=300"), 504, "\"resume_at\""),
        (format!("{topic}/77@0"), 422, "has partitions 0 to 3"),
        ("elsewhere/0@0".to_owned(), 422, "is not folded from"),
        (format!("{topic}/0"), 400, "topic, partition and offset"),
    ];
    for mill in mills {
        for (wanted, status, part) in &table {
            let path = format!("/models/points/{}?at_least={wanted}", last.key);
            let (found, body) = mill.ask(&path).unwrap();
            assert_eq!(found, *status, "{path}: {body}");
            assert!(body.contains(part), "{path}: {body}");
        }
    }
}
