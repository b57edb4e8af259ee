//! The server as a client sees it, over a real loopback socket.

mod hostile;
mod locked;
mod openapi;
mod reading;
mod tls;
mod world;

use readmill_core::Partition;
use tokio::net::TcpStream;

use self::world::world;
use super::*;

#[tokio::test]
async fn documents_are_served_and_problems_are_named() {
    let world = world(ModelState::Running).await;
    let table = [
        ("/models/points/m-1", 200, "\"state\":{\"available\":5}"),
        ("/models/points/m-1", 200, "\"revision\":2"),
        ("/models/points/m-1", 200, "\"shows\":{\"hash\":{\"available\":\"5\"}}"),
        ("/models/points/a%2Fb%20%C3%BC", 200, "\"key\":\"a/b ü\""),
        ("/models/points/d-1", 410, "\"gone\":true"),
        ("/models/points/no", 404, "there is no such document"),
        ("/models/point/m-1", 404, "did you mean \\\"points\\\"?"),
        ("/models/points/%FF", 400, "percent-encoded UTF-8"),
        ("/models/points/down", 503, "MongoDB does not answer"),
        ("/nothing", 404, "/models/{model}/{key}"),
    ];
    for (path, status, part) in table {
        let (found, body) = world.get(path).await;
        assert_eq!(found, status, "{path}: {body}");
        assert!(body.contains(part), "{path}: {body}");
        world.json(&body);
    }
}

#[tokio::test]
async fn roll_ups_are_served_group_by_group() {
    let world = world(ModelState::Running).await;
    let table = [
        ("/models/points/rollups", 200, r#""name":"ledger""#),
        ("/models/points/rollups", 200, r#""measures":["count","sum","mean","deviation","least""#),
        ("/models/points/rollups/ledger/earned/2026-11-21", 200, r#""count":2"#),
        ("/models/points/rollups/ledger/earned/2026-11-21", 200, r#""mean":25.0"#),
        ("/models/points/rollups/ledger/earned/2026-11-21", 200, r#""deviation":15.0"#),
        ("/models/points/rollups/ledger/earned/2026-11-21", 200, r#""greatest":40"#),
        ("/models/points/rollups/ledger/earned/", 200, r#""within":"earned""#),
        ("/models/points/rollups/ledger?limit=2", 200, r#""more_after":"earned/2026-11-21""#),
        ("/models/points/rollups/ledger/earned/2026-11-2", 404, "in earned: earned/2026-11-20"),
        ("/models/points/rollups/ledger/spent", 404, "there are: earned/2026-11-20, earned/2026"),
        ("/models/points/rollups/tiers/0", 404, "it has no groups yet"),
        ("/models/points/rollups/ledge/x", 404, "did you mean \\\"ledger\\\"?"),
        ("/models/points/rollups/sales", 404, "known: ledger, tiers"),
        ("/models/point/rollups", 404, "did you mean \\\"points\\\"?"),
        ("/models/points/rollups/ledger?limit=x", 400, "from 1 to 1000"),
        ("/models/points/rollups/%FF/x", 400, "percent-encoded UTF-8"),
        // A document's key may be any text: an escape tells it from the word.
        ("/models/points/%72ollups", 404, "there is no such document"),
    ];
    for (path, status, part) in table {
        let (found, body) = world.get(path).await;
        assert_eq!(found, status, "{path}: {body}");
        assert!(body.contains(part), "{path}: {body}");
        world.json(&body);
    }
    let (_, body) = world.get("/models/points/rollups/ledger?after=earned%2F2026-11-20").await;
    let groups = world.json(&body)["groups"].clone();
    let names: Vec<&str> =
        groups.as_array().unwrap().iter().filter_map(|group| group["group"].as_str()).collect();
    assert_eq!(names, ["earned/2026-11-21", "used/2026-11-21"]);
}

#[tokio::test]
async fn health_sees_stuck_loops_and_failed_models() {
    let running = world(ModelState::Running).await;
    assert_eq!(running.get("/healthz").await.0, 200);
    running.pulse.busy("points", &Partition::new("t", 0));
    let (status, body) = running.get("/healthz").await;
    assert_eq!(status, 503);
    assert!(body.contains("has made no progress"), "{body}");
    let failed = world(ModelState::Failed("the disk is full".to_owned())).await;
    let (status, body) = failed.get("/healthz").await;
    assert_eq!(status, 503);
    assert!(body.contains("points stopped: the disk is full"), "{body}");
}

#[tokio::test]
async fn readiness_comes_with_partitions_and_goes_with_the_stop() {
    let starting = world(ModelState::Starting).await;
    assert_eq!(starting.get("/readyz").await.0, 503);
    let ended = world(ModelState::Ended).await;
    assert_eq!(ended.get("/readyz").await.0, 200);
    ended.stop.send(true).unwrap();
    let (status, body) = ended.get("/readyz").await;
    assert_eq!(status, 503);
    assert!(body.contains("the process is stopping"), "{body}");
    assert_eq!(ended.get("/healthz").await.0, 200);
}

#[tokio::test]
async fn the_page_and_its_numbers_are_there() {
    let world = world(ModelState::Running).await;
    let (status, page) = world.get("/").await;
    assert_eq!(status, 200);
    assert!(page.starts_with("<!doctype html>") && !page.contains("http://"), "{page}");
    let (_, body) = world.get("/status.json").await;
    let status = world.json(&body);
    let model = &status["models"][0];
    assert_eq!(model["counts"]["applied"], 1);
    assert_eq!(model["add_up"], true);
    assert_eq!(model["written"], 3);
    assert!(model["freshness"]["p99_seconds"].as_f64().unwrap() > 0.1);
    assert_eq!(status["stations"].as_array().unwrap().len(), 8);
    assert_eq!(status["stations"][7]["total"], 2);
    let (_, metrics) = world.get("/metrics").await;
    assert!(metrics.contains("readmill_written_total{model=\"points\"} 3"), "{metrics}");
    let (_, models) = world.get("/models").await;
    assert_eq!(world.json(&models)[0]["counts"]["consumed"], 2);
}

#[tokio::test]
async fn a_foreign_name_is_not_answered() {
    let world = world(ModelState::Running).await;
    assert_eq!(world.get_as("evil.example", "/models/points/m-1").await.0, 421);
    assert_eq!(world.get_as("127.0.0.1:9464", "/models/points/m-1").await.0, 200);
}

#[tokio::test]
async fn a_port_in_use_is_named_with_its_remedy() {
    let world = world(ModelState::Running).await;
    let error = bind(&Http::at(world.address)).await.unwrap_err();
    assert_eq!(crate::exit::code(&error), Exit::Service);
    let told = crate::exit::told(&error);
    assert!(told.contains(&format!("{} is in use", world.address)), "{told}");
    assert!(told.contains("hint: stop that process, or choose another address"), "{told}");
}

#[tokio::test]
async fn closing_does_not_wait_for_a_silent_connection() {
    let world = world(ModelState::Running).await;
    let _silent = TcpStream::connect(world.address).await.unwrap();
    assert_eq!(world.get("/healthz").await.0, 200);
    world.close.send(true).unwrap();
    let limit = doors::CLOSE_LIMIT * 5;
    tokio::time::timeout(limit, world.serving).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn lanes_are_seen_and_changed() {
    let world = world(ModelState::Running).await;
    let (json, rule) = ("application/json", r#"{"priority":2,"rate_records_per_s":9}"#);
    let table = [
        // lane, content type, body, status, part of the answer
        ("batch", json, rule, 200, r#""priority":2,"rate_records_per_s":9"#),
        ("batch", json, "{}", 200, r#""priority":0,"rate_records_per_s":null"#),
        ("batch", json, r#"{"least_share_percent":0}"#, 422, "from 1 to 100"),
        ("batch", json, r#"{"rate_records_per_s":0}"#, 422, "nonzero"),
        ("batch", json, r#"{"speed":1}"#, 422, "unknown field"),
        ("batch", "text/plain", rule, 415, "application/json"),
        ("bulk", json, rule, 404, r#""known":["batch","online"]"#),
    ];
    for (lane, content_type, body, status, part) in table {
        let (found, answer) = world.put(&format!("/lanes/{lane}"), content_type, body).await;
        assert_eq!(found, status, "{body}: {answer}");
        assert!(answer.contains(part), "{body}: {answer}");
    }
    let (_, status) = world.get("/status.json").await;
    assert!(status.contains(r#""name":"online""#), "{status}");
    assert!(world.get("/lanes").await.1.contains(r#""gives_way":false"#));
}
