//! The password of a client that lives for long, and whether another one is good by now.

use std::fmt;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer;
use readmill_engine::Fault;

use super::config::KafkaConfig;
use super::door::reader;
use super::ear::CREDENTIALS;
use crate::renewed::{LOOK_STEP, Renewed};

/// A broker that has let us in says so within this time.
const ANSWER_LIMIT: Duration = Duration::from_secs(1);

/// What one client has logged in with. The client library takes no other password for a client that
/// there is: another client takes its place.
pub struct Login {
    config: KafkaConfig,
    used: Option<String>,
    renewed: Renewed,
    looked: Instant,
    asking: Option<JoinHandle<bool>>,
}

impl Login {
    /// Of a client that is made now, and that the brokers let in.
    pub fn new(config: &KafkaConfig) -> Self {
        let given = config.password.as_ref().map(|password| password.reveal().to_owned());
        let renewed = Renewed::new(&config.written, "password", &given.unwrap_or_default());
        let used = config.password_now();
        if let Some(used) = &used {
            renewed.was_good(used);
        }
        Self { config: config.clone(), used, renewed, looked: Instant::now(), asking: None }
    }

    /// Whether the brokers let us in with another password by now. It never blocks: they are asked
    /// aside.
    pub fn has_changed(&mut self) -> bool {
        if let Some(asked) = self.asking.take_if(|asking| asking.is_finished()) {
            return asked.join().unwrap_or(false);
        }
        let is_early = self.looked.elapsed() < LOOK_STEP;
        if is_early || self.asking.is_some() || !self.renewed.can_change() {
            return false;
        }
        self.looked = Instant::now();
        if self.used.as_deref() != Some(&self.renewed.newest()) {
            let config = self.config.clone();
            let asking = thread::Builder::new().name("kafka-password".to_owned());
            self.asking = asking.spawn(move || lets_in(&config)).ok();
        }
        false
    }

    /// What a fault means: who was let in before waits for another password.
    pub fn pardon(&self, fault: Fault) -> Fault {
        let is_ours = matches!(&fault, Fault::Refused { hint, .. } if *hint == CREDENTIALS);
        if is_ours { self.renewed.pardon(fault) } else { fault }
    }
}

/// Whether the brokers let us in with what the file has now.
fn lets_in(config: &KafkaConfig) -> bool {
    let greeted = reader(config, &config.client(), "a password that was read again");
    let greeted = greeted.map(|reader| reader.client().fetch_cluster_id(ANSWER_LIMIT).is_some());
    greeted.unwrap_or_else(|fault| {
        tracing::debug!(%fault, "a new password is not good yet");
        false
    })
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("renewed", &self.renewed).finish_non_exhaustive()
    }
}
