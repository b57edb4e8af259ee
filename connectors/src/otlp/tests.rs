//! What a small collector is sent, and what becomes of spans that nobody takes.

use readmill_core::{Offset, Partition, Position, Record};
use readmill_engine::station::Station;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::*;

const HEADER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn record() -> Record {
    let partition = Partition::new("t", 3);
    let mut record = Record::at(Position { partition, offset: Offset(7) });
    record.headers = vec![("traceparent".to_owned(), HEADER.as_bytes().to_vec())];
    record
}

fn spans(metrics: &Metrics) -> Vec<(String, u64)> {
    let text = metrics.render().unwrap();
    let its = |line: &str| {
        let rest = line.strip_prefix("readmill_spans_total{fate=\"")?;
        let (fate, count) = rest.split_once("\"} ")?;
        Some((fate.to_owned(), count.parse().unwrap()))
    };
    text.lines().filter_map(its).filter(|(_, count)| *count > 0).collect()
}

/// Answers one request with a status; gives back its head and body.
async fn collect(listener: TcpListener, status: &str) -> (String, Value) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut said = Vec::new();
    let body = loop {
        let mut some = [0; 4096];
        let read = stream.read(&mut some).await.unwrap();
        said.extend(&some[..read]);
        let text = String::from_utf8_lossy(&said).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        if let Ok(body) = serde_json::from_str::<Value>(body) {
            break (head.to_owned(), body);
        }
    };
    let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 2\r\n\r\n{{}}");
    stream.write_all(answer.as_bytes()).await.unwrap();
    body
}

#[tokio::test]
async fn a_collector_is_sent_the_spans_of_a_record_below_its_header() {
    for (status, fate) in [("200 OK", "sent"), ("503 Service Unavailable", "failed")] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let endpoint = format!("http://{}/v1/traces", listener.local_addr().unwrap());
        let (tracer, exporter) = Exporter::new(&TracesConfig::at(endpoint), "here").unwrap();
        let metrics = Metrics::new().unwrap();
        let exporting = tokio::spawn(exporter.run(metrics.clone()));
        let traced = tracer.of("points", &record()).unwrap();
        let now = std::time::Instant::now();
        metrics.note_span(traced.passed(Station::Fold, (now, now)));
        metrics.note_span(traced.ended((now, now), "applied"));
        drop((tracer, traced));
        let (head, body) = collect(listener, status).await;
        exporting.await.unwrap();
        assert!(head.starts_with("POST /v1/traces"), "{head}");
        let spans_sent = &body["resourceSpans"][0]["scopeSpans"][0]["spans"];
        let (fold, whole) = (&spans_sent[0], &spans_sent[1]);
        assert_eq!(whole["traceId"], "4bf92f3577b34da6a3ce929d0e0e4736", "{body}");
        assert_eq!(whole["parentSpanId"], "00f067aa0ba902b7", "{body}");
        assert_eq!(
            (&fold["parentSpanId"], &fold["name"]),
            (&whole["spanId"], &"readmill fold".into())
        );
        assert!(
            whole.to_string().contains("applied") && !body.to_string().contains("null"),
            "{body}"
        );
        assert_eq!(spans(&metrics), [(fate.to_owned(), 2)]);
    }
}

#[tokio::test]
async fn what_the_queue_has_no_room_for_is_dropped_and_counted() {
    let config =
        TracesConfig { queue_spans: 2, ..TracesConfig::at("http://127.0.0.1:1/v1/traces") };
    let (tracer, _exporter) = Exporter::new(&config, "here").unwrap();
    let metrics = Metrics::new().unwrap();
    let traced = tracer.of("points", &record()).unwrap();
    let now = std::time::Instant::now();
    for _ in 0..5 {
        metrics.note_span(traced.passed(Station::Fold, (now, now)));
    }
    assert_eq!(spans(&metrics), [("dropped".to_owned(), 3)]);
}
