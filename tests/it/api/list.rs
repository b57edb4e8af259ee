//! Documents page by page, while they change, and those that an index leads to.

use std::collections::BTreeSet;

use super::*;
use crate::mill::{succeed, wait};
use crate::real::wait_until_quiet;

const MEMBERS: u32 = 300;

/// The same models, each in another store.
fn configuration(corner: &Corner, points: &str, deliveries: &str) -> String {
    let embedded =
        format!("[embedded]\ndirectory = \"{}/store\"\n\n[redis]", corner.dir().display());
    let models = corner.configuration();
    let models = models.replace("store = \"redis\"", &format!("store = \"{deliveries}\""));
    models
        .replace("store = \"mongo\"", &format!("store = \"{points}\""))
        .replace("[redis]", &embedded)
}

/// Pages while members change and new ones come: every one that was there is listed, once.
async fn pages_while_they_change(mill: &Mill, writer: &Writer) {
    let load = writer.press(rows(false, MEMBERS), 10);
    wait(LIMIT, "some documents", || revisions(mill, "limit=1000").len() > 50);
    let late = writer.press(rows(true, MEMBERS), 3);
    for limit in [1, 7, 50] {
        let before: BTreeSet<String> = revisions(mill, "limit=1000").into_keys().collect();
        let found = revisions(mill, &format!("limit={limit}"));
        let lost: Vec<&String> = before.iter().filter(|key| !found.contains_key(*key)).collect();
        assert!(lost.is_empty(), "pages of {limit} lack {lost:?}");
    }
    load.end().await;
    late.end().await;
    wait_until_quiet(&[mill], LIMIT);
    let all = revisions(mill, "limit=1000");
    assert_eq!(all, revisions(mill, "limit=3"));
    let some: BTreeMap<String, i64> = all
        .iter()
        .filter(|(key, _)| key.starts_with("m-00000"))
        .map(|(k, r)| (k.clone(), *r))
        .collect();
    assert!(!some.is_empty() && some.len() < all.len());
    assert_eq!(some, revisions(mill, "limit=2&prefix=m-00000"));
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_an_embedded_store_lack_nothing_and_repeat_nothing() {
    let corner = Corner::new("pagesembedded");
    corner.make_topics_of(2).await;
    let writer = Writer::of(&corner).await;
    let configuration = configuration(&corner, "embedded", "redis");
    let mill = Mill::start(corner.dir(), &configuration);
    mill.wait_for("/readyz", LIMIT);
    pages_while_they_change(&mill, &writer).await;
    let table = [
        ("/models/points?index=by_tier&where=tier:1", "the model declares none"),
        ("/models/deliveries", "has no order of keys"),
        ("/models/deliveries?index=by_rider&where=rider_id:r", "has no indexes"),
    ];
    for (path, part) in table {
        let (status, body) = mill.ask(path).unwrap();
        assert!(status == 422 && body.contains(part), "{path}: {status} {body}");
    }
    let url = format!("http://127.0.0.1:{}", mill.port());
    let told = succeed(&["list", "points", "--limit", "3", "--json", "--instance", &url]);
    let keys: Vec<String> = told
        .lines()
        .map(|line| {
            serde_json::from_str::<Value>(line).unwrap()["key"].as_str().unwrap().to_owned()
        })
        .collect();
    assert_eq!(keys, revisions(&mill, "limit=1000").into_keys().take(3).collect::<Vec<_>>());
}

/// All living deliveries.
fn deliveries(mill: &Mill, query: &str) -> BTreeMap<String, Value> {
    let (mut all, mut after) = (BTreeMap::new(), String::new());
    loop {
        let mut page = json(mill, &format!("/models/deliveries?{query}{after}"));
        for one in page["documents"].as_array_mut().unwrap() {
            let key = one["key"].as_str().unwrap().to_owned();
            assert!(all.insert(key.clone(), one["state"].take()).is_none(), "{key} comes twice");
        }
        let Some(more) = page["more_after"].as_str() else { return all };
        after = format!("&after={more}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_leads_to_those_and_no_others_and_what_has_ended_is_not_listed() {
    let corner = Corner::new("pagesmongo");
    corner.make_topics_of(2).await;
    let writer = Writer::of(&corner).await;
    let configuration = configuration(&corner, "mongo", "mongo");
    let file = corner.dir().join("both.toml");
    std::fs::write(&file, &configuration).unwrap();
    let file = file.to_str().unwrap();
    succeed(&[
        "produce",
        "--kafka",
        "-c",
        file,
        "--events",
        "6000",
        "--deliveries-per-mille",
        "800",
    ]);
    let mill = Mill::start(corner.dir(), &configuration);
    mill.wait_for("/readyz", LIMIT);
    wait_until_quiet(&[&mill], LIMIT);
    let all = deliveries(&mill, "limit=100");
    let mut fields: BTreeMap<(String, String), BTreeSet<&String>> = BTreeMap::new();
    for (key, state) in &all {
        let text = |name: &str| state[name].as_str().unwrap_or_default().to_owned();
        fields.entry((text("rider_id"), text("status"))).or_default().insert(key);
    }
    let ((rider, status), wanted) = fields
        .iter()
        .filter(|((rider, _), _)| !rider.is_empty())
        .max_by_key(|(_, keys)| keys.len())
        .unwrap();
    assert!(wanted.len() > 1, "{fields:?}");
    let by_both = format!("index=by_rider&where=rider_id:{rider}&where=status:{status}&limit=1");
    let found = deliveries(&mill, &by_both);
    assert_eq!(&found.keys().collect::<BTreeSet<_>>(), wanted);
    let riders =
        fields.iter().filter(|((one, _), _)| one == rider).flat_map(|(_, keys)| keys.iter());
    let by_rider = deliveries(&mill, &format!("index=by_rider&where=rider_id:{rider}"));
    assert_eq!(by_rider.keys().collect::<BTreeSet<_>>(), riders.copied().collect());
    let told = succeed(&[
        "list",
        "deliveries",
        "-c",
        file,
        "--index",
        "by_rider",
        "--where",
        &format!("rider_id:{rider}"),
        "--json",
    ]);
    assert_eq!(told.lines().count(), by_rider.len());
    // As many documents have ended as there are tombstones, and none of them is listed.
    let ended = all.keys().all(|key| {
        mill.ask(&format!("/models/deliveries/{key}")).is_some_and(|(status, _)| status == 200)
    });
    assert!(ended, "one is listed that is not there");
    pages_while_they_change(&mill, &writer).await;
}
