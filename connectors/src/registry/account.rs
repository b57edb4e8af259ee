//! As whom the registry is asked: looked up for each request, so that a file may be written anew.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use http::Extensions;
use readmill_engine::Fault;
use reqwest::{Client, Request, RequestBuilder, Response, StatusCode};
use reqwest_middleware::{Error, Middleware, Next, Result};
use thiserror::Error as ThisError;

use super::config::RegistryConfig;
use crate::renewed::Renewed;

/// As whom the registry is asked.
#[derive(Clone)]
pub struct Account(Arc<Who>);

enum Who {
    Nobody,
    User(String, Renewed),
    Bearer(Renewed),
}

/// Whoever was let in before waits for another secret.
#[derive(Debug, ThisError)]
#[error("{0}")]
struct Waits(Fault);

impl Account {
    pub fn of(config: &RegistryConfig) -> Self {
        let renewed = |setting, given: &str| Renewed::new(&config.written, setting, given);
        Self(Arc::new(match (&config.token, &config.username) {
            (Some(token), _) => Who::Bearer(renewed("token", token)),
            (None, Some(name)) => {
                let password = config.password.as_deref().unwrap_or_default();
                Who::User(name.clone(), renewed("password", password))
            }
            (None, None) => Who::Nobody,
        }))
    }

    /// Says in a request who we are.
    pub fn say(&self, request: RequestBuilder) -> RequestBuilder {
        match self.secret() {
            Some(secret) => self.say_with(request, &secret.newest()),
            None => request,
        }
    }

    /// Notes that somebody was let in.
    pub fn was_good(&self) {
        if let Some(secret) = self.secret() {
            secret.was_good(&secret.newest());
        }
    }

    fn secret(&self) -> Option<&Renewed> {
        match &*self.0 {
            Who::Nobody => None,
            Who::User(_, secret) | Who::Bearer(secret) => Some(secret),
        }
    }

    fn say_with(&self, request: RequestBuilder, secret: &str) -> RequestBuilder {
        match &*self.0 {
            Who::Nobody => request,
            Who::User(name, _) => request.basic_auth(name, Some(secret)),
            Who::Bearer(_) => request.bearer_auth(secret),
        }
    }
}

/// Each request says who we are: with what the file has now, or else with what was good before.
#[derive(Debug, Clone)]
pub struct Showing {
    pub account: Account,
    pub client: Client,
}

#[async_trait]
impl Middleware for Showing {
    async fn handle(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<Response> {
        let Some(secret) = self.account.secret() else {
            return next.run(request, extensions).await;
        };
        let mut refused = None;
        for candidate in secret.candidates() {
            let Some(bare) = request.try_clone() else { break };
            let bare = RequestBuilder::from_parts(self.client.clone(), bare);
            let said = self.account.say_with(bare, &candidate).build().map_err(Error::from)?;
            let answer = next.clone().run(said, extensions).await?;
            if answer.status() != StatusCode::UNAUTHORIZED {
                secret.was_good(&candidate);
                return Ok(answer);
            }
            refused = refused.or(Some(answer));
        }
        let Some(refused) = refused else { return next.run(request, extensions).await };
        let detail = format!("it answers {}", refused.status());
        let fault = Fault::Refused { service: "schema registry", detail, hint: "" };
        let pardoned = secret.pardon(fault);
        if matches!(pardoned, Fault::Silent { .. }) {
            return Err(Error::middleware(Waits(pardoned)));
        }
        Ok(refused)
    }
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Account(…)")
    }
}
