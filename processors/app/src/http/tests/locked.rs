//! Tokens and roles: what is opened by which, what is told to whom, and how they are changed.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::super::*;
use super::world::{World, locked};

const READS: &str = "Authorization: Bearer reads-reads-reads-1";
const OPERATES: &str = "Authorization: Bearer operates-operates-1";
const WRONG: &str = "Authorization: Bearer nobody-knows-this-1";
const SETTINGS: &str = "read_tokens = [\"reads-reads-reads-1\"]\n\
                        operate_tokens = [\"operates-operates-1\"]";

async fn both() -> World {
    locked(tempfile::tempdir().unwrap(), SETTINGS).await
}

#[tokio::test]
async fn roles_open_what_they_are_for() {
    let world = both().await;
    let table = [
        // method, path; nobody, the reader and the operator are answered so
        ("GET", "/healthz", [200, 200, 200]),
        ("GET", "/readyz", [200, 200, 200]),
        ("GET", "/", [200, 200, 200]),
        ("GET", "/page/main.js", [200, 200, 200]),
        ("GET", "/page/nothing.js", [404, 404, 404]),
        ("GET", "/history.json", [401, 200, 200]),
        ("GET", "/events.json", [401, 200, 200]),
        ("GET", "/events.json?after=x", [401, 400, 400]),
        ("GET", "/models/point/m-1/explain", [401, 404, 404]),
        ("GET", "/models/points/m-1/explain?file=x", [401, 400, 400]),
        ("GET", "/metrics", [401, 200, 200]),
        ("GET", "/status.json", [401, 200, 200]),
        ("GET", "/lanes", [401, 200, 200]),
        ("GET", "/models", [401, 200, 200]),
        ("GET", "/models/points/m-1", [401, 200, 200]),
        ("GET", "/models/points/rollups", [401, 200, 200]),
        ("GET", "/generations/points/action", [401, 404, 404]),
        ("GET", "/held/points", [401, 200, 200]),
        ("GET", "/held/points?values=true", [401, 403, 200]),
        ("GET", "/nothing", [401, 404, 404]),
        ("HEAD", "/models", [401, 200, 200]),
        ("PUT", "/lanes/batch", [401, 403, 415]),
        ("POST", "/generations/points/pause", [401, 403, 409]),
        ("POST", "/generations/points/swap", [401, 403, 409]),
        ("POST", "/held/points/retry", [401, 403, 409]),
        ("POST", "/nothing", [401, 403, 404]),
        ("DELETE", "/models", [401, 403, 405]),
        ("OPTIONS", "/models", [401, 403, 405]),
        ("BREW", "/models", [401, 403, 405]),
        ("POST", "/healthz", [405, 405, 405]),
    ];
    for (method, path, wanted) in table {
        for (header, wanted) in [&[][..], &[READS], &[OPERATES]].into_iter().zip(wanted) {
            let found = world.asked(method, path, header).await;
            assert_eq!(found.status, wanted, "{method} {path} {header:?}: {}", found.body);
        }
    }
}

#[tokio::test]
async fn who_is_refused_is_told_how_to_be_let_in() {
    let world = both().await;
    let found = world.asked("GET", "/models", &[]).await;
    assert!(found.head.contains("www-authenticate: bearer realm=\"readmill\""), "{}", found.head);
    assert!(found.head.contains("content-type: application/problem+json"), "{}", found.head);
    assert!(found.body.contains("Authorization: Bearer <token>"), "{}", found.body);
    let found = world.asked("GET", "/models", &[WRONG]).await;
    assert!(found.head.contains("error=\"invalid_token\""), "{}", found.head);
    let found = world.asked("POST", "/generations/points/swap", &[READS]).await;
    assert!(found.head.contains("error=\"insufficient_scope\""), "{}", found.head);
    assert!(found.body.contains("the role operate"), "{}", found.body);
    let refused = ["no_token", "wrong_token", "role"].map(|reason| world.refused(reason));
    assert_eq!(refused, [1, 1, 1]);
    for text in [found.body, found.head, world.metrics.render().unwrap()] {
        assert!(!text.contains("reads-reads") && !text.contains("nobody-knows"), "{text}");
    }
}

#[tokio::test]
async fn whoever_guesses_is_not_listened_to_for_a_while() {
    let world = both().await;
    let mut statuses = Vec::new();
    for _ in 0..12 {
        statuses.push(world.asked("GET", "/models", &[WRONG]).await.status);
    }
    assert_eq!(statuses[..10], [401; 10]);
    assert_eq!(statuses[11], 429);
    // Not even with the right one: it would tell which of many guesses was right.
    let found = world.asked("GET", "/models", &[READS]).await;
    assert_eq!(found.status, 429, "{}", found.body);
    assert!(found.head.contains("retry-after: 1"), "{}", found.head);
    // Who shows none has not guessed.
    assert_eq!(world.asked("GET", "/models", &[]).await.status, 401);
    let until = Instant::now() + Duration::from_secs(10);
    while world.asked("GET", "/models", &[READS]).await.status != 200 {
        assert!(Instant::now() < until, "nobody is ever listened to again");
        sleep(Duration::from_millis(200)).await;
    }
}

#[tokio::test]
async fn tokens_take_anothers_place_without_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("operate");
    std::fs::write(&file, "the-first-token-1\n").unwrap();
    let world = locked(dir, "operate_token_file = \"$DIR/operate\"").await;
    let status = async |token: &str| {
        let header = format!("Authorization: Bearer {token}");
        world.asked("GET", "/models", &[&header]).await.status
    };
    assert_eq!(status("the-first-token-1").await, 200);
    // Both are valid while everybody changes over; what is no token changes nothing.
    let steps = [
        ("the-first-token-1\nthe-second-token\n", [200, 200]),
        ("short\n", [200, 200]),
        ("the-second-token\n", [401, 200]),
    ];
    for (text, wanted) in steps {
        std::fs::write(&file, text).unwrap();
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            let found = [status("the-first-token-1").await, status("the-second-token").await];
            if found == wanted {
                break;
            }
            assert!(Instant::now() < until, "{text}: {found:?}");
            sleep(Duration::from_secs(1)).await;
        }
        sleep(Duration::from_secs(3)).await;
    }
}

#[tokio::test]
async fn metrics_are_open_to_everybody_where_that_is_said() {
    let settings = format!("open_metrics = true\n{SETTINGS}");
    let world = locked(tempfile::tempdir().unwrap(), &settings).await;
    assert_eq!(world.asked("GET", "/metrics", &[]).await.status, 200);
    assert_eq!(world.asked("GET", "/status.json", &[]).await.status, 401);
}

#[tokio::test]
async fn a_network_address_without_tokens_is_not_taken() {
    let error = bind(&Http::at("0.0.0.0:0".parse().unwrap())).await.unwrap_err();
    assert_eq!(crate::exit::code(&error), Exit::Usage);
    let told = crate::exit::told(&error);
    assert!(told.contains("there are no tokens"), "{told}");
}

#[tokio::test]
async fn what_comes_too_often_is_put_off() {
    let world = locked(tempfile::tempdir().unwrap(), "limit_requests_per_second = 3").await;
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(world.asked("GET", "/models", &[]).await.status);
    }
    assert_eq!(statuses[..3], [200; 3]);
    assert!(statuses.contains(&429), "{statuses:?}");
    // Who asks for health is never put off.
    for _ in 0..9 {
        assert_eq!(world.asked("GET", "/healthz", &[]).await.status, 200);
    }
}
