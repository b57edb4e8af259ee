//! Spans on their way to a collector, by OTLP over HTTP, in JSON: what cannot be sent is counted
//! and forgotten.

mod body;
mod config;
#[cfg(test)]
mod tests;

use std::time::Duration;

use readmill_engine::traces::{Span, Tracer};
use readmill_engine::{Fault, Meter, Metrics};
use reqwest::Url;
use reqwest::header::CONTENT_TYPE;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use crate::tls;

pub use config::TracesConfig;

const SERVICE: &str = "the collector of traces";
/// So many spans are sent together.
const BATCH_SPANS: usize = 512;
/// The first span of a batch waits for others so long.
const GATHER_LIMIT: Duration = Duration::from_secs(1);
/// When the process ends, what is queued has so long to go.
const LAST_WORDS_LIMIT: Duration = Duration::from_secs(2);

/// Sends spans.
#[derive(Debug)]
pub struct Exporter {
    url: Url,
    http: reqwest::Client,
    instance: String,
    queue: mpsc::Receiver<Span>,
}

impl Exporter {
    /// A tracer, and who sends its spans; nothing is asked yet.
    ///
    /// # Errors
    /// When the address or a file for TLS cannot be used.
    pub fn new(config: &TracesConfig, instance: &str) -> Result<(Tracer, Self), Fault> {
        let url = Url::parse(&config.endpoint).map_err(|_| {
            let hint = "set `endpoint` under [traces] to an address like \
                        http://127.0.0.1:4318/v1/traces";
            refused("its address is none".to_owned(), hint)
        })?;
        let trust = config.files().load(|path| std::fs::read_to_string(path)).map_err(|unfit| {
            let told = unfit.iter().map(|unfit| format!("`{}`: {}", unfit.setting, unfit.what));
            refused(told.collect::<Vec<_>>().join("; "), "mend the file under [traces]")
        })?;
        tls::install();
        let builder = reqwest::Client::builder().timeout(config.request_limit());
        let http = trust
            .give(builder, config.is_protected())
            .and_then(reqwest::ClientBuilder::build)
            .map_err(|error| refused(error.to_string(), "mend the files under [traces]"))?;
        let (sender, queue) = mpsc::channel(config.queue_spans());
        let tracer = Tracer::new(config.sampling(), sender);
        Ok((tracer, Self { url, http, instance: instance.to_owned(), queue }))
    }

    /// Sends until all tracers are gone. Nobody waits for it.
    pub async fn run(mut self, metrics: Metrics) {
        let mut is_well = true;
        loop {
            let batch = self.gather().await;
            if batch.is_empty() {
                return;
            }
            let sent = self.send(&batch).await;
            let fate = if sent.is_ok() { "sent" } else { "failed" };
            metrics.add(Meter::Spans, &[fate], batch.len() as u64);
            match &sent {
                Err(why) if is_well => tracing::warn!(why, "spans are not taken, and forgotten"),
                Ok(()) if !is_well => tracing::info!("spans are taken again"),
                Ok(()) | Err(_) => {}
            }
            is_well = sent.is_ok();
        }
    }

    /// The next spans: the first one waits a while for others. None once all tracers are gone.
    async fn gather(&mut self) -> Vec<Span> {
        let mut batch = Vec::new();
        if self.queue.recv_many(&mut batch, BATCH_SPANS).await == 0 {
            return batch;
        }
        let until = Instant::now() + GATHER_LIMIT;
        while batch.len() < BATCH_SPANS {
            let room = BATCH_SPANS - batch.len();
            match timeout_at(until, self.queue.recv_many(&mut batch, room)).await {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
        }
        batch
    }

    /// Whatever an answer says beside its status is not told: it may repeat what was sent.
    async fn send(&self, batch: &[Span]) -> Result<(), String> {
        let body = body::of(batch, &self.instance).to_string();
        let request = self.http.post(self.url.clone()).header(CONTENT_TYPE, "application/json");
        let answer = request.body(body).send().await;
        let answer = answer.map_err(|error| error.without_url().to_string())?;
        let status = answer.status();
        if status.is_success() { Ok(()) } else { Err(format!("it answers {status}")) }
    }
}

/// Waits a moment for what is queued when a process ends.
pub async fn last_words(exporting: tokio::task::JoinHandle<()>) {
    if tokio::time::timeout(LAST_WORDS_LIMIT, exporting).await.is_err() {
        tracing::debug!("spans were left behind");
    }
}

const fn refused(detail: String, hint: &'static str) -> Fault {
    Fault::Refused { service: SERVICE, detail, hint }
}
