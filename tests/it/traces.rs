//! Traces on the real stack: a collector is sent every station of a record, below its header's
//! span; one that takes nothing holds nobody up.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use readmill_workload::Knobs;
use serde_json::Value;

use crate::faults::shipment::Shipment;
use crate::mill::{Mill, wait};
use crate::real::{Corner, wait_until_quiet};

const LIMIT: Duration = Duration::from_secs(60);
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";
const RECORDS: usize = 40;

/// A collector that keeps what it is sent.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<Value>>>);

impl Collector {
    /// Listens, and answers where.
    fn start(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let kept = Arc::clone(&self.0);
        // It ends with the tests.
        drop(std::thread::spawn(move || {
            for stream in listener.incoming() {
                for body in bodies(stream.unwrap()) {
                    let spans = &body["resourceSpans"][0]["scopeSpans"][0]["spans"];
                    kept.lock().unwrap().extend(spans.as_array().unwrap().iter().cloned());
                }
            }
        }));
        format!("http://{address}/v1/traces")
    }

    fn spans(&self) -> Vec<Value> {
        self.0.lock().unwrap().clone()
    }
}

/// The bodies of a connection's requests, each of which is answered.
fn bodies(mut stream: TcpStream) -> Vec<Value> {
    stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    let (mut said, mut bodies) = (Vec::new(), Vec::new());
    let mut some = [0; 65_536];
    while let Ok(read @ 1..) = stream.read(&mut some) {
        said.extend(&some[..read]);
        let text = String::from_utf8_lossy(&said).into_owned();
        let Some((_, body)) = text.split_once("\r\n\r\n") else { continue };
        if let Ok(body) = serde_json::from_str(body) {
            bodies.push(body);
            said.clear();
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").unwrap();
        }
    }
    bodies
}

fn configuration(corner: &Corner, endpoint: &str) -> String {
    format!("{}\n[traces]\nendpoint = \"{endpoint}\"\nqueue_spans = 4096\n", corner.configuration())
}

async fn send(corner: &Corner, records: usize) {
    let knobs = Knobs { deliveries_per_mille: 0, ..Knobs::default() };
    let mut shipment = Shipment::of(corner, &knobs, 1).await;
    let header = format!("00-{TRACE}-{PARENT}-01");
    shipment.headers = vec![("traceparent".to_owned(), header.into_bytes())];
    shipment.send(records, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_station_of_a_record_is_a_span_below_its_headers() {
    let corner = Corner::new("traces");
    corner.make_topics_of(1).await;
    let collector = Collector::default();
    let mill = Mill::start(corner.dir(), &configuration(&corner, &collector.start()));
    mill.wait_for("/readyz", LIMIT);
    send(&corner, RECORDS).await;
    wait_until_quiet(&[&mill], LIMIT);
    assert_eq!(mill.stop(), Some(0), "what is queued goes before the process ends");
    let spans = collector.spans();
    assert!(spans.iter().all(|span| span["traceId"] == TRACE), "{spans:#?}");
    let wholes: Vec<&Value> =
        spans.iter().filter(|span| span["name"] == "readmill record").collect();
    assert_eq!(wholes.len(), RECORDS);
    for whole in wholes {
        assert_eq!(whole["parentSpanId"], PARENT);
        let below = spans.iter().filter(|span| span["parentSpanId"] == whole["spanId"]);
        let below: BTreeMap<&str, &Value> =
            below.map(|span| (span["name"].as_str().unwrap(), span)).collect();
        let stations = ["intake", "wire", "envelope", "event", "route", "fold", "write", "settle"];
        let at = |span: &Value, end: &str| span[end].as_str().unwrap().parse::<u64>().unwrap();
        let mut before = at(whole, "startTimeUnixNano");
        for station in stations {
            let name = format!("readmill {station}");
            let span = below.get(name.as_str()).unwrap_or_else(|| panic!("no {name}: {below:#?}"));
            let (began, ended) = (at(span, "startTimeUnixNano"), at(span, "endTimeUnixNano"));
            assert!(before <= ended && began <= ended, "{name} in {below:#?}");
            before = began;
        }
        assert!(before <= at(whole, "endTimeUnixNano"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_takes_nothing_holds_nobody_up() {
    let corner = Corner::new("untraced");
    corner.make_topics_of(1).await;
    // Somebody listens there, and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}/v1/traces", silent.local_addr().unwrap());
    let mill = Mill::start(corner.dir(), &configuration(&corner, &endpoint));
    mill.wait_for("/readyz", LIMIT);
    send(&corner, 3_000).await;
    wait(LIMIT, "all to be settled", || {
        mill.metric("readmill_consumed_total").is_some_and(|n| n >= 3_000.0)
    });
    let dropped = mill.metric_of("readmill_spans_total", "fate=\"dropped\"");
    assert!(dropped > Some(0.0), "{dropped:?}");
    assert_eq!(mill.stop(), Some(0));
}
