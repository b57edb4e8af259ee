//! A mirror loses views in every way that Redis knows; afterwards every view equals its document.

use std::time::{Duration, Instant};

use readmill_connectors::redis::{Mode, RedisConfig};
use readmill_engine::mirror::{Care, Doing, How, Spot};

use super::stand::{LIMIT, Stand};
use crate::mill::wait;
use crate::redis::config;
use crate::redis::server::Server;

const BEST_EFFORT: Care = Care { required: false, heal_limit_per_second: 5_000 };

async fn tended(config: RedisConfig) -> Stand {
    let mut stand = Stand::new(config, Care::default());
    stand.write(0..200, 1).await;
    stand.tend();
    stand.settled().await;
    stand
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_emptied_or_restarted_without_its_file_comes_back() {
    let mut server = Server::start(&[]);
    let stand = tended(config(&server.uri())).await;
    stand.write(0..150, 2).await;
    server.ask(&["FLUSHALL"]);
    stand.whole().await;
    assert!(stand.metric("readmill_mirror_healed_total") >= 200.0);
    stand.settled().await;
    server.kill();
    server.revive();
    assert_ne!(stand.wrong().await, (0, 0), "it was to forget");
    stand.whole().await;
    // The revision still guards: what is shown late is not shown.
    stand.write(0..150, 3).await;
    stand.whole().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_restarted_with_an_older_file_is_brought_up_to_date() {
    let mut server = Server::start(&[]);
    let stand = tended(config(&server.uri())).await;
    assert_eq!(server.ask(&["SAVE"]), "OK");
    for revision in 2..=5 {
        stand.write(0..100, revision).await;
    }
    server.kill();
    server.revive();
    let (missing, too_many) = stand.wrong().await;
    assert!(missing > 0 || too_many > 0, "its file was to be older");
    stand.whole().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_evicted_comes_back_once_there_is_room() {
    let server = Server::start(&["--maxmemory-policy", "allkeys-lru"]);
    let stand = tended(config(&server.uri())).await;
    let used: u64 = server.info("used_memory").parse().unwrap();
    server.ask(&["CONFIG", "SET", "maxmemory", &(used - 20_000).to_string()]);
    wait(LIMIT, "views to be evicted", || server.info("evicted_keys") != "0");
    server.ask(&["CONFIG", "SET", "maxmemory", "0"]);
    stand.whole().await;
    stand.settled().await;
    stand.whole().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_replica_did_not_have_comes_back_after_a_fail_over() {
    let (mut primary, replica) = (Server::start(&[]), Server::start(&[]));
    replica.follow(&primary);
    let sentinel = Server::sentinel(primary.port);
    wait(LIMIT, "the sentinel to know the replica", || {
        sentinel.ask(&["SENTINEL", "REPLICAS", "docs"]).contains(&replica.port.to_string())
    });
    let mut config = config(&sentinel.uri());
    config.mode = Mode::Sentinel;
    config.primary = "docs".to_owned();
    let stand = tended(config).await;
    wait(LIMIT, "the replica to be in step", || {
        replica.info("slave_repl_offset") == primary.info("master_repl_offset")
    });
    replica.signal("-STOP");
    for revision in 2..=5 {
        stand.write(0..100, revision).await;
    }
    primary.kill();
    replica.signal("-CONT");
    wait(LIMIT, "the replica to be the primary", || replica.info("role") == "master");
    stand.whole().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn live_writes_and_heals_race_and_the_newest_wins() {
    let server = Server::start(&[]);
    let stand = tended(config(&server.uri())).await;
    for revision in 2..=12 {
        stand.write(0..200, revision).await;
        if revision % 4 == 0 {
            server.ask(&["FLUSHALL"]);
            tokio::time::sleep(Duration::from_millis(700)).await;
        }
    }
    stand.whole().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_that_is_not_required_never_holds_up_and_gets_what_it_missed() {
    let mut server = Server::stopped(&[]);
    let mut stand = Stand::new(config(&server.uri()), BEST_EFFORT);
    stand.tend();
    let began = Instant::now();
    stand.write(0..100, 1).await;
    stand.write(0..100, 2).await;
    assert!(began.elapsed() < Duration::from_secs(3), "it was held up: {:?}", began.elapsed());
    server.revive();
    stand.whole().await;
    stand.settled().await;
    // It stands still, so that it forgets nothing itself.
    server.signal("-STOP");
    stand.write(0..100, 3).await;
    stand.write(50..100, 4).await;
    server.signal("-CONT");
    stand.whole().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_process_missed_and_took_to_its_grave_is_healed_by_the_next() {
    let server = Server::start(&[]);
    let mut stand = Stand::new(config(&server.uri()), BEST_EFFORT);
    stand.write(0..100, 1).await;
    stand.tend();
    stand.settled().await;
    stand.whole().await;
    server.signal("-STOP");
    stand.write(0..100, 2).await;
    assert_eq!(stand.tended.missed_keys(), 100);
    stand.die(BEST_EFFORT).await;
    server.signal("-CONT");
    assert_ne!(stand.wrong().await, (0, 0), "it was to miss something");
    stand.tend();
    stand.whole().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn views_of_documents_that_are_lost_go() {
    let server = Server::start(&[]);
    let stand = Stand::new(config(&server.uri()), Care::default());
    for revision in 1..=3 {
        stand.write(0..60, revision).await;
    }
    stand.forget(0..20).await;
    // They begin anew, and what is shown of them is newer than they are.
    stand.write(0..10, 1).await;
    let (found, tally) = stand.pass(Doing::Check).await;
    assert_eq!((tally.differed, tally.documents), (10, 50));
    assert!(found.iter().any(|found| found.how == How::Newer(3)));
    let strays = found.iter().filter(|found| found.how == How::Stray).count();
    assert!(strays >= 30, "{strays}");
    assert!(found.iter().any(|found| found.spot == Spot::Own && found.how == How::Stray));
    assert_ne!(stand.wrong().await, (0, 0), "a check changes nothing");
    stand.pass(Doing::Heal).await;
    assert_eq!(stand.wrong().await, (0, 0));
    stand.write(0..10, 2).await;
    assert_eq!(stand.wrong().await, (0, 0));
}
