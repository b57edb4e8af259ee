//! Courtesy: an address that asks to be left alone for a while is left alone.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use http::Extensions;
use reqwest::header::RETRY_AFTER;
use reqwest::{Request, Response, StatusCode};
use reqwest_middleware::{Error, Middleware, Next, Result};
use thiserror::Error as ThisError;
use tokio::time::Instant;

/// However long it asks for: a registry must not be able to stop everything for a day.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// Looks at the answers of all addresses for a `Retry-After`.
#[derive(Debug, Clone, Default)]
pub struct Courtesy {
    until: Arc<Mutex<BTreeMap<String, Instant>>>,
}

/// An address that is not asked.
#[derive(Debug, ThisError)]
#[error("it asked to be left alone, for another {} ms", .0.as_millis())]
struct LeftAlone(Duration);

impl Courtesy {
    fn rest(&self, origin: &str) -> Option<Duration> {
        let until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        let rest = until.get(origin)?.saturating_duration_since(Instant::now());
        (!rest.is_zero()).then_some(rest)
    }

    fn note(&self, origin: String, pause: Duration) {
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        until.insert(origin, Instant::now() + pause.min(LONGEST_PAUSE));
    }
}

#[async_trait]
impl Middleware for Courtesy {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<Response> {
        let origin = request.url().origin().ascii_serialization();
        if let Some(rest) = self.rest(&origin) {
            return Err(Error::middleware(LeftAlone(rest)));
        }
        let answer = next.run(request, extensions).await?;
        if let Some(pause) = pause(&answer) {
            self.note(origin, pause);
        }
        Ok(answer)
    }
}

/// How long an overloaded server wants to be left alone. A date instead of seconds is not
/// understood: clocks differ, and the engine's own back-off is there anyway.
fn pause(answer: &Response) -> Option<Duration> {
    let busy = [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE];
    let value = answer.headers().get(RETRY_AFTER).filter(|_| busy.contains(&answer.status()))?;
    value.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}
