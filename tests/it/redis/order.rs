//! Pages in the order of keys, documents that expire, and generations that are dropped.

use readmill_connectors::conformance::{Pebble, Pebbles};
use readmill_connectors::redis::{Redis, RedisStore};
use readmill_core::{Admit, Folded, Key, Keys, ReadModel, Standing};
use readmill_engine::{Put, Store, Write};
use readmill_schemas::points::PointsEvent;

use super::server::Server;
use super::{all_done, config, documents, key, put};

async fn page(store: &RedisStore, prefix: &str, after: Option<&Key>, limit: usize) -> Vec<String> {
    let page = Store::<Pebbles>::scan_range(store, prefix, after, limit).await.unwrap();
    page.into_iter().map(|(key, _)| key.0).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_are_in_order_with_the_sorted_set_and_without_it() {
    let server = Server::start(&[]);
    let plain = documents(&config(&server.uri())).await;
    all_done(put(&plain, 0..30, 0).await);
    let ordered = plain.clone().in_order().await.unwrap();
    all_done(put(&ordered, 30..120, 0).await);
    assert_eq!(server.ask(&["ZCARD", "rm:pebbles:1:~order"]), ":120");
    let mut all: Vec<String> = (0..120).map(|number| key(number).0).collect();
    all.sort();
    for store in [&plain, &ordered] {
        let mut found = Vec::new();
        loop {
            let after = found.last().cloned().map(Key);
            let next = page(store, "", after.as_ref(), 7).await;
            found.extend(next.clone());
            if next.len() < 7 {
                break;
            }
        }
        assert_eq!(found, all);
        assert_eq!(page(store, "p-11", None, 99).await.len(), 11);
        assert_eq!(page(store, "p-11", Some(&Key::from("a")), 2).await, ["p-11", "p-110"]);
        assert_eq!(page(store, "p-11", Some(&key(118)), 9).await, ["p-119"]);
        assert!(page(store, "q", None, 9).await.is_empty());
    }
    // A key whose document is not there is passed over, and a page is full all the same.
    server.ask(&["UNLINK", "rm:pebbles:1:{p-0}", "rm:pebbles:1:{p-10}"]);
    assert_eq!(page(&ordered, "", None, 3).await, ["p-1", "p-100", "p-101"]);
    Store::<Pebbles>::erase(&ordered, &[key(100)]).await.unwrap();
    assert_eq!(server.ask(&["ZSCORE", "rm:pebbles:1:~order", "p-100"]), "$-1");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_generation_is_dropped_whole_and_no_other_is() {
    let server = Server::start(&[]);
    let redis = Redis::connect(&config(&server.uri())).await.unwrap();
    let mut stores = Vec::new();
    for generation in [1, 2, 11] {
        let store = redis.documents("pebbles", generation).await.unwrap();
        let store = store.in_order().await.unwrap();
        all_done(put(&store, 0..700, 0).await);
        stores.push(store);
    }
    Store::<Pebbles>::drop_all(&stores[0]).await.unwrap();
    assert!(server.ask(&["KEYS", "rm:pebbles:1:*"]).is_empty());
    for generation in [2, 11] {
        let keys = server.ask(&["KEYS", &format!("rm:pebbles:{generation}:*")]);
        assert_eq!(keys.lines().count(), 702, "documents, their order, and a tide");
    }
}

/// Pebbles that are forgotten after two hours.
#[derive(Debug)]
struct Fleeting;

impl ReadModel for Fleeting {
    const NAME: &'static str = "fleeting";
    const FOLD_VERSION: u32 = 1;
    const ABOUT: &'static str = "documents that expire";
    const IDLE_LIFE_HOURS: Option<u32> = Some(2);

    type Event = PointsEvent;
    type State = Pebble;

    fn keys(_event: &PointsEvent) -> Keys {
        Keys::None
    }

    fn admit(_standing: Standing<'_, Pebble>, _event: &PointsEvent) -> Admit {
        Admit::Stale
    }

    fn fold(state: Option<Pebble>, _event: &PointsEvent) -> Folded<Pebble> {
        state.map_or_else(Folded::gone, Folded::next)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_documents_of_a_model_that_says_so_expire_and_others_do_not() {
    let server = Server::start(&[]);
    let redis = Redis::connect(&config(&server.uri())).await.unwrap();
    let store = redis.documents("fleeting", 1).await.unwrap();
    let life = || {
        let left = server.ask(&["PTTL", "rm:fleeting:1:{f}"]);
        left.trim_start_matches(':').parse::<i64>().unwrap()
    };
    let key = Key::from("f");
    let write = async |expected, held: bool| {
        let document = Pebble::number(1).at_revision(expected + 1);
        let mut document = readmill_core::Document::<Fleeting> {
            state: document.state,
            stamp: readmill_core::Stamp { revision: expected + 1, ..Default::default() },
        };
        if held {
            let partition = readmill_core::Partition::new("t", 0);
            let offset = readmill_core::Offset(1);
            document.stamp.held.push(readmill_core::Position { partition, offset });
        }
        let put = store.put(&[Write { key: &key, expected, document: &document }]).await.unwrap();
        assert_eq!(put, [Put::Done]);
    };
    write(0, false).await;
    assert!((7_100_000..=7_200_000).contains(&life()), "{}", life());
    // One that is held must not be forgotten.
    write(1, true).await;
    assert_eq!(life(), -1);
    write(2, false).await;
    assert!(life() > 7_100_000);
    let plain = documents(&config(&server.uri())).await;
    all_done(put(&plain, 0..1, 0).await);
    assert_eq!(server.ask(&["PTTL", "rm:pebbles:1:{p-0}"]), ":-1");
}
