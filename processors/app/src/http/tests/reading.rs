//! Reading page by page, reading what was written, and listening, as a client sees it.

use readmill_core::Stamp;
use readmill_models::Points;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;

#[tokio::test]
async fn documents_are_listed_page_by_page() {
    let world = world(ModelState::Running).await;
    let (status, body) = world.get("/models/points?limit=1").await;
    assert_eq!(status, 200, "{body}");
    let page = world.json(&body);
    assert_eq!(page["documents"][0]["key"], "a/b ü");
    let cursor = page["more_after"].as_str().unwrap();
    let (_, body) = world.get(&format!("/models/points?limit=5&after={cursor}")).await;
    let page = world.json(&body);
    assert_eq!(
        page["documents"],
        json!([{
            "key": "m-1", "revision": 2, "state": { "available": 5 },
        }])
    );
    assert_eq!(page["more_after"], Value::Null);
    let table = [
        (format!("/models/points?prefix=m&after={cursor}"), 400, "more_after"),
        ("/models/points?after=abc".to_owned(), 400, "more_after"),
        ("/models/points?limit=0".to_owned(), 400, "from 1 to 1000"),
        ("/models/points?wher=a".to_owned(), 400, "to ask by"),
        ("/models/points?index=by_x&where=a:1".to_owned(), 422, "declares none"),
        ("/models/point".to_owned(), 404, "did you mean"),
    ];
    for (path, status, part) in table {
        let (found, body) = world.get(&path).await;
        assert_eq!(found, status, "{path}: {body}");
        assert!(body.contains(part), "{path}: {body}");
    }
}

#[tokio::test]
async fn what_must_be_settled_is_waited_for_and_else_it_is_said_how_far_it_is() {
    let world = world(ModelState::Running).await;
    let places = [
        "/models/points/m-1",
        "/models/points",
        "/models/points/rollups",
        "/models/points/rollups/tiers",
    ];
    for place in places {
        let table = [
            ("at_least=t/0@9", 200, "points"),
            ("at_least=t/0@9,t/1@3&wait_ms=0", 200, "points"),
            ("at_least=t/0@9,t/0@10&wait_ms=1", 504, r#""resume_at":{"t/0":10}"#),
            ("at_least=t/0@10&wait_ms=1", 504, r#""wanted":["t/0@10"]"#),
            ("at_least=u/0@1", 422, "not folded from u"),
            ("at_least=t", 400, "topic, partition and offset"),
            ("at_least=t/0@1&wait_ms=x", 400, "from 0 to 60000"),
            ("at_last=t/0@1", 400, "to ask by"),
        ];
        for (query, status, part) in table {
            let (found, body) = world.get(&format!("{place}?{query}")).await;
            assert_eq!(found, status, "{place}?{query}: {body}");
            assert!(body.contains(part), "{place}?{query}: {body}");
        }
    }
}

/// An open feed, and what came of it so far.
struct Ears {
    stream: TcpStream,
    heard: String,
}

impl Ears {
    async fn open(world: &world::World, path: &str, last: Option<&str>) -> Self {
        let mut stream = TcpStream::connect(world.address).await.unwrap();
        let last = last.map(|id| format!("Last-Event-ID: {id}\r\n")).unwrap_or_default();
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{last}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        Self { stream, heard: String::new() }
    }

    /// Hears until a text has come.
    async fn until(&mut self, text: &str) -> String {
        let hearing = async {
            while !self.heard.contains(text) {
                let mut bytes = [0; 4096];
                let many = self.stream.read(&mut bytes).await.unwrap();
                assert!(many > 0, "it has ended before {text:?}: {}", self.heard);
                self.heard += &String::from_utf8_lossy(&bytes[..many]);
            }
        };
        let limit = Duration::from_secs(10);
        let ended = tokio::time::timeout(limit, hearing).await;
        assert!(ended.is_ok(), "no {text:?} came: {}", self.heard);
        std::mem::take(&mut self.heard)
    }
}

fn tell(world: &world::World, key: &str, revision: i64) {
    let stamp = Stamp { revision, gone: true, ..Stamp::default() };
    world.changes.tell(&Key::from(key), &Document::<Points> { state: None, stamp });
}

/// The id of the last event.
fn last_id(heard: &str) -> String {
    let id = heard.lines().rev().find_map(|line| line.strip_prefix("id: ")).unwrap();
    id.to_owned()
}

#[tokio::test]
async fn changes_are_heard_and_gone_on_with() {
    let world = world(ModelState::Running).await;
    let mut ears = Ears::open(&world, "/models/points/changes?prefix=m", None).await;
    let heard = ears.until("event: start").await;
    assert!(heard.contains("content-type: text/event-stream"), "{heard}");
    tell(&world, "m-1", 3);
    tell(&world, "n-1", 4);
    let heard = ears.until("true}\n\n").await;
    assert!(heard.contains(r#"data: {"key":"m-1","revision":3,"gone":true}"#), "{heard}");
    assert!(!heard.contains("n-1"), "{heard}");
    let id = last_id(&heard);
    drop(ears);
    tell(&world, "m-2", 5);
    let mut ears = Ears::open(&world, "/models/points/changes?prefix=m", Some(&id)).await;
    let heard = ears.until(r#""m-2""#).await;
    assert!(!heard.contains("reset") && !heard.contains(r#""m-1""#), "{heard}");
    for strange in ["0-1", "nothing", "ffffffffffffffff-99"] {
        let mut ears = Ears::open(&world, "/models/points/changes", Some(strange)).await;
        ears.until("event: reset").await;
    }
    world.changes.break_off();
    ears.until("event: reset").await;
    world.stop.send(true).unwrap();
    ears.until("event: end").await;
}

#[tokio::test]
async fn only_so_many_listen() {
    let world = world(ModelState::Running).await;
    let (mut one, mut other) = (
        Ears::open(&world, "/models/points/changes", None).await,
        Ears::open(&world, "/models/points/changes", None).await,
    );
    one.until("event: start").await;
    other.until("event: start").await;
    let (status, body) = world.get("/models/points/changes").await;
    assert_eq!(status, 429, "{body}");
    assert_eq!(world.get("/models/points/changes?x=1").await.0, 400);
    assert_eq!(world.get("/models/points/m-1").await.0, 200);
}
