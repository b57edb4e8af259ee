//! What is sent by whoever means no good: web pages, odd paths, and requests without measure.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::{Instant, sleep, timeout};

use super::super::*;
use super::world::{Raw, World, locked, world};

async fn put(world: &World, headers: &str, body: &str) -> Raw {
    let length = body.len();
    let request = format!(
        "PUT /lanes/batch HTTP/1.1\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n{headers}\r\n{body}"
    );
    world.send(request.as_bytes()).await
}

const OWN_PAGE: &str =
    "Host: localhost:9464\r\nOrigin: http://localhost:9464\r\nSec-Fetch-Site: same-origin\r\n";
/// A page that another server of this machine has made.
const OTHER_PORT: &str =
    "Host: localhost:9464\r\nOrigin: http://localhost:8080\r\nSec-Fetch-Site: same-site\r\n";
/// A page under a name that was made to lead here while it was open.
const OTHER_NAME: &str =
    "Host: evil.example\r\nOrigin: http://evil.example\r\nSec-Fetch-Site: same-origin\r\n";

#[tokio::test]
async fn no_web_page_but_our_own_changes_anything_where_there_are_no_tokens() {
    let world = locked(tempfile::tempdir().unwrap(), "host_names = [\"mill.example\"]").await;
    let table = [
        ("Host: localhost\r\n", 200),
        ("Host: 127.0.0.1:9464\r\n", 200),
        ("Host: mill.example\r\n", 200),
        ("Host: localhost\r\nSec-Fetch-Site: none\r\n", 200),
        // This server's own page, as a browser says it.
        (OWN_PAGE, 200),
        ("Host: localhost:9464\r\nOrigin: http://localhost:9464\r\n", 403),
        ("Host: localhost:9464\r\nSec-Fetch-Site: same-origin\r\n", 403),
        (OTHER_PORT, 403),
        (OTHER_NAME, 421),
        // A name of somebody else that leads here.
        ("Host: rebound.example\r\n", 421),
        // A page of somebody else, and one of another port of this machine.
        ("Host: localhost\r\nOrigin: https://evil.example\r\n", 403),
        ("Host: localhost\r\nOrigin: http://localhost:8080\r\n", 403),
        ("Host: localhost\r\nOrigin: null\r\n", 403),
        ("Host: localhost\r\nSec-Fetch-Site: cross-site\r\n", 403),
    ];
    for (headers, wanted) in table {
        let found = put(&world, headers, "{}").await;
        assert_eq!(found.status, wanted, "{headers}: {}", found.body);
    }
    for verb in ["pause", "swap", "rollback", "cancel"] {
        let path = format!("/generations/points/{verb}");
        let found = world.asked("POST", &path, &["Origin: https://evil.example"]).await;
        assert_eq!(found.status, 403, "{verb}");
        // A form of a page is no JSON either.
        let form = ["Content-Type: text/plain", "Content-Length: 0"];
        assert_eq!(world.asked("POST", &path, &form).await.status, 415, "{verb}");
    }
    assert!(world.refused("web_page") >= 5 && world.refused("foreign_name") == 2);
}

#[tokio::test]
async fn odd_paths_lead_nowhere() {
    let world = world(ModelState::Running).await;
    let table = [
        ("/../../etc/passwd", 404),
        ("/models/../../../etc/passwd", 404),
        ("/models/points/..%2f..%2fetc%2fpasswd", 404),
        ("/models/points/..", 404),
        ("/models/points/%2e%2e", 404),
        ("/models/points/%00", 404),
        ("/models/points/a%0D%0ASet-Cookie:%20x=1", 404),
        ("/models/points/%ZZ", 400),
        ("/models/points/%C3%28", 400),
        ("/lanes/%FF", 400),
        ("/generations/%FF", 400),
        ("/generations/..%2fpoints", 404),
        ("/held/points?limit=0", 400),
        ("/held/points?limit=99999999999999999999", 400),
        ("/held/points?key=%ZZ", 400),
        ("/held/points?file=/etc/passwd", 400),
        ("//models", 404),
        ("/models/points/rollups/%2e%2e/x", 404),
    ];
    for (path, wanted) in table {
        let found = world.asked("GET", path, &[]).await;
        assert_eq!(found.status, wanted, "{path}: {}", found.body);
        assert!(!found.body.contains("root:"), "{path}");
        assert!(!found.head.contains("set-cookie"), "{path}: {}", found.head);
    }
}

#[tokio::test]
async fn bodies_have_a_measure() {
    let world = locked(tempfile::tempdir().unwrap(), "limit_body_kib = 1").await;
    let large = " ".repeat(2048);
    let found = put(&world, "Host: localhost\r\n", &large).await;
    assert_eq!(found.status, 413, "{}", found.body);
    assert_eq!(world.refused("body_size"), 1);
    // One that does not say how long it is, and goes on and on.
    let mut request = b"PUT /lanes/batch HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
                        Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        .to_vec();
    (0..8).for_each(|_| request.extend(format!("200\r\n{}\r\n", " ".repeat(512)).bytes()));
    request.extend(b"0\r\n\r\n");
    assert_eq!(world.send(&request).await.status, 413);
    // One that nobody reads.
    let request = format!(
        "GET /models HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: \
         2048\r\n\r\n{large}"
    );
    assert_eq!(world.send(request.as_bytes()).await.status, 413);
    let bad = ["{", "\"\"", "7", "{\"priority\":-1}", "{\"priority\":1}}"];
    for body in bad {
        let found = put(&world, "Host: localhost\r\n", body).await;
        assert!((400..500).contains(&found.status), "{body}: {}", found.status);
    }
}

#[tokio::test]
async fn heads_have_a_measure() {
    let world = world(ModelState::Running).await;
    let long = format!("X-Long: {}", "x".repeat(64 * 1024));
    assert_eq!(world.asked("GET", "/models", &[&long]).await.status, 431);
    let many: Vec<String> = (0..100).map(|n| format!("X-{n}: x")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(world.asked("GET", "/models", &many).await.status, 431);
    let long = format!("/models/points/{}", "k".repeat(64 * 1024));
    let found = world.asked("GET", &long, &[]).await.status;
    assert!([414, 431].contains(&found), "{found}");
    for garbage in ["\u{1}\u{2}\u{3}\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n"] {
        assert_eq!(world.send(garbage.as_bytes()).await.status, 400, "{garbage:?}");
    }
    assert_eq!(world.get("/healthz").await.0, 200);
}

#[tokio::test]
async fn whoever_does_not_end_a_request_keeps_nobody_out_for_long() {
    let world = locked(tempfile::tempdir().unwrap(), "limit_connections = 2").await;
    let mut slow = Vec::new();
    for _ in 0..2 {
        let mut stream = tokio::net::TcpStream::connect(world.address).await.unwrap();
        stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: loc").await.unwrap();
        slow.push(stream);
    }
    sleep(Duration::from_millis(300)).await;
    let since = Instant::now();
    // A third one waits until a place is free.
    let healthy = timeout(Duration::from_secs(60), world.get("/healthz")).await.unwrap();
    let waited = since.elapsed();
    assert_eq!(healthy.0, 200);
    assert!(waited > Duration::from_secs(5) && waited < Duration::from_secs(30), "{waited:?}");
    for mut stream in slow {
        let mut rest = Vec::new();
        timeout(Duration::from_secs(30), stream.read_to_end(&mut rest)).await.unwrap().ok();
    }
}

#[tokio::test]
async fn what_takes_too_long_is_answered_in_time() {
    let world = locked(tempfile::tempdir().unwrap(), "request_timeout_ms = 300").await;
    let mut stream = tokio::net::TcpStream::connect(world.address).await.unwrap();
    let head = "PUT /lanes/batch HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
                Content-Type: application/json\r\nContent-Length: 9\r\n\r\n{";
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = String::new();
    let read = stream.read_to_string(&mut answer);
    timeout(Duration::from_secs(20), read).await.unwrap().unwrap();
    let found = Raw::of(&answer);
    assert_eq!(found.status, 503, "{answer}");
    assert!(found.body.contains("request_timeout_ms"), "{answer}");
}
