//! A checkout whose Redis is lost: the document answers in its place, and the mirror comes back
//! with nothing stale in it.

use std::time::Duration;

use readmill_connectors::redis::{Redis, RedisMirror};
use readmill_core::Key;
use readmill_engine::Store as _;
use readmill_models::Points;
use serde_json::Value;

use crate::mill::{Mill, succeed};
use crate::paths::stack;
use crate::real::{Corner, wait_until_quiet};
use crate::redis::server::Server;

const LIMIT: Duration = Duration::from_secs(90);

/// What a checkout asks while Redis is away.
fn asked(mill: &Mill, key: &Key) -> Value {
    let (status, body) = mill.ask(&format!("/models/points/{key}")).unwrap();
    assert_eq!(status, 200, "{body}");
    let document: Value = serde_json::from_str(&body).unwrap();
    let available = document["state"]["available"].as_i64().unwrap().to_string();
    assert_eq!(document["shows"]["hash"]["available"], available, "{document}");
    document["shows"]["hash"]["available"].clone()
}

async fn shown(mirror: &RedisMirror, key: &Key) -> Option<String> {
    mirror.get(key).await.ok()?.remove("available")
}

fn produce(file: &str, events: &str) {
    succeed(&["produce", "--kafka", "-c", file, "--events", events, "--keys", "100"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn points_are_answered_from_the_document_while_redis_is_lost() {
    let (corner, mut server) = (Corner::new("checkout"), Server::start(&[]));
    corner.make_topics().await;
    let configuration = corner.configuration().replace(&stack("REDIS_URL"), &server.uri());
    let configuration = configuration.split("[models.deliveries]").next().unwrap().to_owned();
    // A mirror that is required would hold the documents up as well.
    let configuration = configuration + "mirror_required = false\n";
    let path = corner.dir().join("readmill.toml");
    std::fs::write(&path, &configuration).unwrap();
    let file = path.to_str().unwrap();
    let mill = Mill::start(corner.dir(), &configuration);
    mill.wait_for("/readyz", LIMIT);
    produce(file, "1500");
    wait_until_quiet(&[&mill], LIMIT);
    let store = corner.mongo().await.documents("points", 1).await.unwrap();
    let mut keys = Vec::new();
    let mut visit = |key: Key, document: readmill_core::Document<Points>| {
        keys.extend(document.state.map(|_| key));
    };
    store.scan(&mut visit).await.unwrap();
    assert!(keys.len() > 50, "{}", keys.len());
    let before: Vec<Value> = keys.iter().map(|key| asked(&mill, key)).collect();
    // Redis is gone with all that it had, and points are earned and used meanwhile.
    server.kill();
    produce(file, "4000");
    wait_until_quiet(&[&mill], LIMIT);
    let now: Vec<Value> = keys.iter().map(|key| asked(&mill, key)).collect();
    let moved = before.iter().zip(&now).filter(|(before, now)| before != now).count();
    assert!(moved > 20, "{moved} of {} have moved on", keys.len());
    server.revive();
    let mut config = readmill_connectors::redis::RedisConfig::at(server.uri());
    config.prefix = format!("{}:", corner.name);
    let mirror = Redis::connect(&config).await.unwrap().mirror("points:available");
    let until = std::time::Instant::now() + LIMIT;
    let mut older = 0;
    for key in &keys {
        loop {
            let (shown, now) = (shown(&mirror, key).await, asked(&mill, key));
            if shown.as_deref() == now.as_str() {
                break;
            }
            older += usize::from(shown.is_some());
            assert!(std::time::Instant::now() < until, "{shown:?} is shown for {now}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    assert_eq!(older, 0, "what comes back is as the document says");
    assert_eq!(mill.stop(), Some(0));
}
