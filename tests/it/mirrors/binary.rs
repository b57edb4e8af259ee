//! The binary and its mirrors: from an archive to collections in Redis, and `readmill heal`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use readmill_connectors::redis::{Redis, RedisMirror};
use readmill_core::{Collection, Key, ReadModel};
use readmill_engine::mirror::{Heals, Spot, Trace};
use readmill_models::Deliveries;
use readmill_workload::{Knobs, Source, oracle};

use super::stand::NAME;
use crate::mill::{readmill, succeed};
use crate::redis::config;
use crate::redis::server::Server;

const EVENTS: u64 = 3000;

fn configuration(dir: &Path, redis: &str, required: bool) -> PathBuf {
    let topics = ["a", "b", "c"].map(|t| format!("\"shop.public.deliveries_outbox_{t}\""));
    let text = format!(
        r#"
[instance]
state_dir = "{dir}/state"
http_listen = "127.0.0.1:0"

[source]
kind = "archive"
archive_dir = "{dir}/archive"

[embedded]
directory = "{dir}/store"

[redis]
uri = "{redis}"

[models.deliveries]
topics = [{topics}]
store = "embedded"
mirror = "redis"
mirror_required = {required}
"#,
        dir = dir.display(),
        topics = topics.join(", ")
    );
    let file = dir.join("readmill.toml");
    std::fs::write(&file, text).unwrap();
    file
}

/// What the collections are to be, as the source says.
fn expected() -> BTreeMap<Collection, BTreeMap<Key, f64>> {
    let knobs = Knobs { events: EVENTS, ..Knobs::default() };
    let mut all: BTreeMap<Collection, BTreeMap<Key, f64>> = BTreeMap::new();
    for (key, state) in oracle::fold::<Deliveries>(Source::new(knobs).unwrap()).states {
        for place in Deliveries::mirror(&state).places {
            all.entry(place.collection).or_default().insert(key.clone(), place.score);
        }
    }
    assert!(all.len() > 3, "the workload leaves too little under way");
    all
}

async fn shown(mirror: &RedisMirror) -> BTreeMap<Collection, BTreeMap<Key, f64>> {
    let mut collections = BTreeSet::new();
    let mut visit = |trace: Trace| match trace.spot {
        Spot::In(collection) if trace.shown => drop(collections.insert(collection)),
        Spot::In(_) | Spot::Own | Spot::Json => {}
    };
    mirror.traces(&mut visit).await.unwrap();
    let mut all = BTreeMap::new();
    for collection in collections {
        let members = mirror.members(&collection).await.unwrap();
        assert!(members.is_sorted_by(|(_, a), (_, b)| a <= b));
        all.insert(collection, members.into_iter().collect());
    }
    all
}

fn heal(file: &Path, more: &[&str]) -> (i32, String) {
    let heal = ["heal", "deliveries", "-c", file.to_str().unwrap()];
    let done = readmill(&[&heal[..], more].concat());
    let said = [done.stdout, done.stderr].concat();
    (done.status.code().unwrap(), String::from_utf8(said).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_becomes_collections_and_heal_mends_what_was_deleted_by_hand() {
    let (dir, server) = (tempfile::tempdir().unwrap(), Server::start(&[]));
    let file = configuration(dir.path(), &server.uri(), true);
    let (archive, events) = (dir.path().join("archive"), EVENTS.to_string());
    succeed(&["produce", "--archive", archive.to_str().unwrap(), "--events", &events]);
    succeed(&["run", "-c", file.to_str().unwrap()]);
    let mirror = Redis::connect(&config(&server.uri())).await.unwrap().mirror(NAME);
    let expected = expected();
    assert_eq!(shown(&mirror).await, expected);
    let (code, said) = heal(&file, &["--check"]);
    assert_eq!(code, 0, "{said}");
    // Something is deleted by hand, and something is added.
    let ranked = expected.keys().find(|name| matches!(name, Collection::Sorted(_))).unwrap();
    let Collection::Sorted(name) = ranked else { unreachable!() };
    let place = format!("rm:{NAME}.sorted:{{{name}}}");
    let member = expected[ranked].keys().next().unwrap();
    assert_eq!(server.ask(&["ZREM", &place, member.as_str()]), ":1");
    assert_eq!(server.ask(&["ZADD", &place, "7", "nobody"]), ":1");
    let (code, said) = heal(&file, &["--check"]);
    assert_eq!(code, 7, "{said}");
    for part in [format!("{member}  sorted {name}  missing"), "nobody".to_owned()] {
        assert!(said.contains(&part), "{part} is not in {said}");
    }
    assert_ne!(shown(&mirror).await, expected, "a check changes nothing");
    let (code, said) = heal(&file, &["--json"]);
    assert_eq!(code, 0, "{said}");
    assert!(said.contains(r#""differed":1"#) && said.contains(r#""strays":1"#), "{said}");
    assert_eq!(shown(&mirror).await, expected);
    assert_eq!(heal(&file, &["--check"]).0, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_that_is_down_holds_nothing_up_if_it_is_not_required() {
    let (dir, mut server) = (tempfile::tempdir().unwrap(), Server::stopped(&[]));
    let file = configuration(dir.path(), &server.uri(), false);
    let (archive, events) = (dir.path().join("archive"), EVENTS.to_string());
    succeed(&["produce", "--archive", archive.to_str().unwrap(), "--events", &events]);
    succeed(&["run", "-c", file.to_str().unwrap()]);
    server.revive();
    let (code, said) = heal(&file, &["--check"]);
    assert_eq!(code, 7, "{said}");
    let (code, said) = heal(&file, &[]);
    assert_eq!(code, 0, "{said}");
    let mirror = Redis::connect(&config(&server.uri())).await.unwrap().mirror(NAME);
    assert_eq!(shown(&mirror).await, expected());
    // A configuration in which it is required does not even begin without it.
    server.kill();
    let file = configuration(dir.path(), &server.uri(), true);
    assert_eq!(readmill(&["run", "-c", file.to_str().unwrap()]).status.code(), Some(3));
}
