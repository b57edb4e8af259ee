//! Whoever listens to changes, over cut connections and over a swap, knows all of them.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::sync::Mutex;

use super::*;
use crate::mill::succeed;
use crate::real::wait_until_quiet;

const MEMBERS: u32 = 400;

/// What a reader knows of the documents.
#[derive(Debug, Default)]
struct Known {
    revisions: BTreeMap<String, i64>,
    last_id: Option<String>,
    resets: usize,
    resumed: usize,
    heard: usize,
    /// The last revision of each key that came since the last reset.
    told: BTreeMap<String, i64>,
}

/// Listens until its connection is cut off after so many events.
fn listen(mill: &Mill, known: &Mutex<Known>, events: usize, stop: &AtomicBool) {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", mill.port())) else { return };
    stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    let last = known.lock().unwrap().last_id.clone();
    let last = last.map(|id| format!("Last-Event-ID: {id}\r\n")).unwrap_or_default();
    // Without chunks.
    let head = "GET /models/points/changes HTTP/1.0\r\nHost: localhost\r\n";
    write!(stream, "{head}{last}\r\n").unwrap();
    let (mut lines, mut line) = (BufReader::new(stream), String::new());
    let (mut kind, mut id, mut seen) = (String::new(), None, 0);
    while seen < events && !stop.load(Ordering::SeqCst) {
        match lines.read_line(&mut line) {
            Ok(0) => return,
            Ok(_) => {}
            // What was read of a line so far stays in it.
            Err(_) => continue,
        }
        let whole = std::mem::take(&mut line);
        let mut known = known.lock().unwrap();
        match whole.trim_end().split_once(": ") {
            _ if whole.starts_with(": resumed") => known.resumed += 1,
            Some(("event", value)) => value.clone_into(&mut kind),
            Some(("id", value)) => id = Some(value.to_owned()),
            Some(("data", value)) => {
                seen += 1;
                let data: Value = serde_json::from_str(value).unwrap();
                match kind.as_str() {
                    "change" => known.take(&data),
                    "start" | "reset" => {
                        known.resets += usize::from(kind == "reset");
                        known.revisions = revisions(mill, "limit=1000");
                        known.told.clear();
                    }
                    "end" | "behind" => return,
                    other => panic!("{other}: {value}"),
                }
                // Only what is dealt with is not told again.
                if let Some(id) = id.take() {
                    known.last_id = Some(id);
                }
            }
            _ => {}
        }
    }
}

impl Known {
    fn take(&mut self, change: &Value) {
        self.heard += 1;
        let key = change["key"].as_str().unwrap().to_owned();
        let revision = change["revision"].as_i64().unwrap();
        assert!(change["state"].is_object(), "{change}");
        let before = self.told.insert(key.clone(), revision);
        assert!(before.is_none_or(|before| before < revision), "{key}: {before:?}, {revision}");
        // What was read after the feed began may be ahead of what it tells next.
        let known = self.revisions.entry(key).or_default();
        *known = revision.max(*known);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_listens_knows_all_changes_over_cut_connections_and_a_swap() {
    let corner = Corner::new("feed");
    corner.make_topics_of(4).await;
    let writer = Writer::of(&corner).await;
    let mill = Arc::new(corner.start());
    mill.wait_for("/readyz", LIMIT);
    let load = writer.press(rows(false, MEMBERS), 3);
    let stop = Arc::<AtomicBool>::default();
    let known: Vec<Arc<Mutex<Known>>> = (0..3).map(|_| Arc::default()).collect();
    let readers: Vec<_> = known
        .iter()
        .zip([1, 40, 100_000])
        .map(|(known, events)| {
            let (known, stop, mill) = (Arc::clone(known), Arc::clone(&stop), Arc::clone(&mill));
            std::thread::spawn(move || {
                while !stop.load(Ordering::SeqCst) {
                    listen(&mill, &known, events, &stop);
                }
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_secs(6)).await;
    let url = format!("http://127.0.0.1:{}", mill.port());
    succeed(&["rebuild", "points", "--instance", &url]);
    succeed(&["swap", "points", "--unverified", "--instance", &url]);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let written = load.end().await;
    wait_until_quiet(&[&*mill], LIMIT);
    tokio::time::sleep(Duration::from_secs(2)).await;
    stop.store(true, Ordering::SeqCst);
    readers.into_iter().for_each(|reader| reader.join().unwrap());
    let truth = revisions(&mill, "limit=1000");
    for (known, events) in known.iter().zip(["each", "forty", "all"]) {
        let Known { revisions, resets, resumed, heard, .. } = &*known.lock().unwrap();
        println!("cut after {events}: heard={heard} resumed={resumed} resets={resets}");
        assert_eq!(*revisions, truth, "who was cut off after {events}");
        assert!(*resets >= 1, "nobody told of the swap");
    }
    let first = known[0].lock().unwrap();
    assert!(first.resumed > 20, "it was cut off {} times", first.resumed);
    println!("written={written} documents={}", truth.len());
}
