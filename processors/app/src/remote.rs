//! A running instance does what a command asks for.

use std::time::Duration;

use anyhow::Result;
use readmill_connectors::instance::{Answer, Instance, InstanceConfig};
use serde_json::Value;
use tokio::time::sleep;

use crate::cli::{Asking, OfInstance};
use crate::exit::{Exit, Failure};
use crate::out;

/// What goes on without us is looked at so often.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// A running instance.
#[derive(Debug)]
pub struct Remote(Instance);

impl Remote {
    /// The one that was named, if any was.
    ///
    /// # Errors
    /// When its address, the token or a file for TLS cannot be used.
    pub fn of(asking: &Asking) -> Result<Option<Self>> {
        let Some(config) = asking.config()? else { return Ok(None) };
        Ok(Some(Self::with(&config)?))
    }

    /// The one that is asked, where nobody else can be.
    ///
    /// # Errors
    /// When its address, the token or a file for TLS cannot be used.
    pub fn at(named: &OfInstance) -> Result<Self> {
        Self::with(&named.config()?)
    }

    fn with(config: &InstanceConfig) -> Result<Self> {
        let instance = Instance::new(config)?;
        if instance.is_overheard() {
            out::complain("warning: the token goes over the network as plain text: use https://\n");
        }
        Ok(Self(instance))
    }

    /// What it answers that is text.
    ///
    /// # Errors
    /// When it does not answer, or refuses.
    pub async fn text(&self, path: &[&str]) -> Result<String> {
        let (status, text) = self.0.text(path).await?;
        if (200..300).contains(&status) {
            return Ok(text);
        }
        let body = serde_json::from_str(&text).unwrap_or_default();
        judged(Answer { status, body }).map(|_| String::new())
    }

    /// Puts something in the place of what is there.
    ///
    /// # Errors
    /// When it does not answer, or refuses.
    pub async fn put(&self, path: &[&str], body: &Value) -> Result<Value> {
        judged(self.0.put(path, body).await?)
    }

    /// What it answers.
    ///
    /// # Errors
    /// When it does not answer, or refuses.
    pub async fn get(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Value> {
        judged(self.0.get(path, query).await?)
    }

    /// What it answers, whatever its status is.
    ///
    /// # Errors
    /// When it does not answer, or refuses.
    pub async fn look(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Answer> {
        let answer = self.0.get(path, query).await?;
        match answer.status {
            200 | 404 | 410 => Ok(answer),
            _ => judged(answer).map(|body| Answer { status: 200, body }),
        }
    }

    /// What it answers, or in words that there is nothing of the kind.
    ///
    /// # Errors
    /// When it does not answer, or refuses.
    pub async fn find(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<Result<Value, String>> {
        let answer = self.0.get(path, query).await?;
        if answer.status == 404 {
            return Ok(Err(answer.body["detail"].as_str().unwrap_or_default().to_owned()));
        }
        judged(answer).map(Ok)
    }

    /// Has it do something with a model, and waits until it is done.
    ///
    /// # Errors
    /// When it does not answer, refuses or fails.
    pub async fn act(
        &self,
        [about, model, verb]: [&str; 3],
        body: &Value,
        tell: &(dyn Fn(&str) + Sync),
    ) -> Result<Value> {
        let answer = self.0.post(&[about, model, verb], body).await?;
        if answer.status != 202 {
            return judged(answer);
        }
        let (mut shown, mut told) = (answer.body, String::new());
        while shown["state"] == "running" {
            if let Some(step) = shown["step"].as_str().filter(|step| *step != told) {
                tell(step);
                told = step.to_owned();
            }
            sleep(LOOK_EVERY).await;
            shown = self.get(&[about, model, "action"], &[]).await?;
        }
        let status = shown["status"].as_u64().and_then(|status| u16::try_from(status).ok());
        judged(Answer { status: status.unwrap_or(500), body: shown["result"].take() })
    }
}

/// An answer, or what its problem means for a command.
fn judged(answer: Answer) -> Result<Value> {
    let Answer { status, body } = answer;
    let (exit, remedy) = match status {
        200..=299 => return Ok(body),
        401 => (Exit::Service, "give it with --token-file, or in READMILL_TOKEN"),
        403 => (Exit::Service, "give a token of that role"),
        404 | 410 => (Exit::NotFound, "see what there is: GET /models"),
        429 | 503 | 504 => (Exit::Service, "try it again later"),
        400..=499 => (Exit::Usage, "see docs/http.md for what it takes"),
        _ => (Exit::Failed, "see the log of the instance"),
    };
    let detail = body["detail"].as_str().unwrap_or("it says nothing of why");
    let told = format!("the instance answers {status}: {detail}");
    let hint = body["hint"].as_str().unwrap_or(remedy);
    Err(Failure::new(exit, told, hint).into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn problems_are_told_with_their_remedy() {
        let table = [
            (200, json!({ "live": 2 }), None),
            (401, json!({ "detail": "a token is needed" }), Some(Exit::Service)),
            (409, json!({ "detail": "no", "hint": "wait" }), Some(Exit::Usage)),
            (404, json!({ "detail": "no" }), Some(Exit::NotFound)),
            (302, json!(null), Some(Exit::Failed)),
        ];
        for (status, body, wanted) in table {
            let found = judged(Answer { status, body });
            let exit = found.as_ref().err().map(crate::exit::code);
            assert_eq!(exit, wanted, "{found:?}");
        }
        let told = crate::exit::told(
            &judged(Answer { status: 409, body: json!({ "hint": "wait" }) }).unwrap_err(),
        );
        assert!(told.contains("answers 409") && told.contains("hint: wait"), "{told}");
    }
}
