//! What is being done for whoever asked over HTTP: it goes on without them, one at a time, and what
//! came of it can be looked up.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Result;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use readmill_engine::Clock as _;
use readmill_schemas::Timestamp;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::timeout;

use super::answer::{json as answer_json, problem};
use super::failure::told;
use crate::ports::SystemClock;

/// Whoever asks is kept waiting for so long at most, or for half of what a request may take; then
/// it goes on without them.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is dealt with; the two do not wait for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum About {
    /// The generations of a model.
    Generations,
    /// Its held records.
    Held,
}

impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Generations => "generations",
            Self::Held => "held",
        })
    }
}

/// How an action stands.
#[derive(Debug, Clone)]
enum State {
    Running { step: Option<String> },
    Ended { status: StatusCode, body: Value },
}

#[derive(Debug, Clone)]
struct Action {
    verb: &'static str,
    begun_ms: i64,
    state: watch::Receiver<State>,
}

impl Action {
    fn is_running(&self) -> bool {
        matches!(*self.state.borrow(), State::Running { .. })
    }

    fn shown(&self) -> Value {
        let begun = Timestamp::from_millis(self.begun_ms).to_string();
        let (state, step, status, result) = match &*self.state.borrow() {
            State::Running { step } => ("running", step.clone(), None, None),
            State::Ended { status, body } => {
                let state = if status.is_success() { "done" } else { "failed" };
                (state, None, Some(status.as_u16()), Some(body.clone()))
            }
        };
        json!({
            "verb": self.verb, "begun": begun, "state": state, "step": step, "status": status,
            "result": result,
        })
    }
}

/// By what they are about, and the model: the last one of each.
type Known = BTreeMap<(About, &'static str), Action>;

/// The actions of a process; cheap to clone.
#[derive(Debug, Clone)]
pub struct Actions {
    known: Arc<Mutex<Known>>,
    patience: Duration,
}

/// Where an action tells its steps.
#[derive(Debug, Clone)]
pub struct Steps(watch::Sender<State>);

impl Steps {
    /// Tells one.
    pub fn tell(&self, step: &str) {
        self.0.send_replace(State::Running { step: Some(step.to_owned()) });
    }
}

impl Actions {
    /// None yet, where a request may take so long.
    pub fn new(request_limit: Duration) -> Self {
        Self { known: Arc::default(), patience: PATIENCE.min(request_limit / 2) }
    }

    /// Begins one, unless one of its kind is under way, and waits for it for a while.
    pub async fn begin<F>(
        &self,
        about: About,
        model: &'static str,
        verb: &'static str,
        work: impl FnOnce(Steps) -> F,
    ) -> Response
    where
        F: Future<Output = Result<Value>> + Send + 'static,
    {
        let (sender, state) = watch::channel(State::Running { step: None });
        let action = Action { verb, begun_ms: SystemClock.now_ms(), state };
        {
            let mut known = self.known();
            if let Some(other) = known.get(&(about, model)).filter(|other| other.is_running()) {
                let detail = format!("{} is under way for {model}: wait for its end", other.verb);
                return problem(StatusCode::CONFLICT, detail, json!({ "model": model }));
            }
            known.insert((about, model), action.clone());
        }
        tracing::info!(model, verb, "begun for somebody who asked over HTTP");
        let work = tokio::spawn(work(Steps(sender.clone())));
        tokio::spawn(async move {
            let ended = work.await.unwrap_or_else(|error| {
                Err(readmill_engine::Fault::defect("what was asked for over HTTP", &error).into())
            });
            let (status, body) = match ended {
                Ok(body) => {
                    tracing::info!(model, verb, "done for somebody who asked over HTTP");
                    (StatusCode::OK, body)
                }
                Err(error) => {
                    let (status, body) = told(&error);
                    // Why is for whoever asked: it may name a key.
                    tracing::warn!(model, verb, %status, "it was not done");
                    (status, body)
                }
            };
            sender.send_replace(State::Ended { status, body });
        });
        answer_of(about, model, action, self.patience).await
    }

    /// The last one.
    pub fn look(&self, about: About, model: &'static str) -> Response {
        match self.known().get(&(about, model)) {
            Some(action) => answer_json(StatusCode::OK, &action.shown()),
            None => {
                let detail = "nobody has asked this process for anything of the kind";
                problem(StatusCode::NOT_FOUND, detail, json!({ "model": model }))
            }
        }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What came of it, or where that will be found.
async fn answer_of(about: About, model: &str, mut action: Action, patience: Duration) -> Response {
    let ended = async {
        let ended = action.state.wait_for(|state| matches!(state, State::Ended { .. })).await;
        ended.map(|state| state.clone())
    };
    match timeout(patience, ended).await {
        Ok(Ok(State::Ended { status, body })) if status.is_success() => answer_json(status, &body),
        Ok(Ok(State::Ended { status, body })) => {
            let detail = body["detail"].as_str().unwrap_or_default().to_owned();
            problem(status, detail, body)
        }
        Ok(Ok(State::Running { .. }) | Err(_)) | Err(_) => {
            let place = format!("/{about}/{model}/action");
            let mut shown = action.shown();
            shown["look_at"] = place.clone().into();
            let mut response = answer_json(StatusCode::ACCEPTED, &shown);
            if let Ok(place) = HeaderValue::try_from(place) {
                response.headers_mut().insert(header::LOCATION, place);
            }
            response
        }
    }
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn one_is_done_at_a_time_and_goes_on_without_whoever_asked() {
        let actions = Actions::new(Duration::from_secs(30));
        let (go, wait) = oneshot::channel::<()>();
        let asked = actions.begin(About::Generations, "points", "swap", |steps| async move {
            steps.tell("halfway");
            wait.await?;
            Ok(json!({ "live": 2 }))
        });
        // Whoever asked hangs up.
        assert!(timeout(Duration::from_millis(50), asked).await.is_err());
        let shown = actions.known()[&(About::Generations, "points")].shown();
        assert_eq!((&shown["state"], &shown["step"]), (&"running".into(), &"halfway".into()));
        let never = |_| async { Ok(Value::Null) };
        let other = actions.begin(About::Generations, "points", "retire", never).await;
        assert_eq!(other.status(), StatusCode::CONFLICT);
        let held = actions.begin(About::Held, "points", "retry", never).await;
        assert_eq!(held.status(), StatusCode::OK);
        go.send(()).unwrap();
        let mut state = actions.known()[&(About::Generations, "points")].state.clone();
        state.wait_for(|state| matches!(state, State::Ended { .. })).await.unwrap();
        let shown = actions.known()[&(About::Generations, "points")].shown();
        assert_eq!((&shown["state"], &shown["result"]["live"]), (&"done".into(), &2.into()));
        let failed = actions.begin(About::Held, "points", "drop", |_| async { Err(anyhow!("no")) });
        assert_eq!(failed.await.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(actions.look(About::Held, "deals").status(), StatusCode::NOT_FOUND);
    }

    #[tokio::test]
    async fn what_takes_long_is_answered_with_where_to_look() {
        let actions = Actions::new(Duration::from_millis(100));
        let never = |_| async {
            std::future::pending::<()>().await;
            Ok(Value::Null)
        };
        let answer = actions.begin(About::Held, "points", "retry", never).await;
        assert_eq!(answer.status(), StatusCode::ACCEPTED);
        assert_eq!(answer.headers()[header::LOCATION], "/held/points/action");
    }
}
