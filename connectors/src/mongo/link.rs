//! The client behind a connected MongoDB, and another one in its place when a secret has changed.

use std::mem::ManuallyDrop;
use std::sync::{Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use bson::doc;
use mongodb::error::{Error, ErrorKind};
use mongodb::options::ClientOptions;
use mongodb::{Client, Database};
use readmill_engine::Fault;
use tokio::time::timeout;

use super::config::MongoConfig;
use super::faults::{of_driver, silent};
use crate::renewed::{LOOK_STEP, Renewed};

/// The server's code for who is not let in.
const AUTHENTICATION_FAILED: i32 = 18;

/// One client after the other: the driver's own cannot be given other credentials.
pub struct Link {
    now: RwLock<Current>,
    renewed: Renewed,
    looked: Mutex<Instant>,
    renewing: tokio::sync::Mutex<()>,
}

struct Current {
    /// Never dropped: when its last handle goes, the driver spawns a farewell to the server, which
    /// panics if the runtime ends meanwhile. The end of the process closes the connections too.
    db: ManuallyDrop<Database>,
    uri: String,
}

impl Link {
    /// A client that has not asked anything yet.
    pub async fn open(config: &MongoConfig, place: &str) -> Result<Self, Fault> {
        let renewed = Renewed::new(&config.written, "uri", &config.uri);
        let uri = config.uri.clone();
        let db = ManuallyDrop::new(client(config, &uri, place).await?);
        let now = RwLock::new(Current { db, uri });
        let looked = Mutex::new(Instant::now());
        Ok(Self { now, renewed, looked, renewing: tokio::sync::Mutex::default() })
    }

    /// The database, by the client that is good now.
    pub fn db(&self) -> Database {
        Database::clone(&self.now.read().unwrap_or_else(PoisonError::into_inner).db)
    }

    /// The server has let us in.
    pub fn was_good(&self) {
        self.renewed.was_good(&self.uri());
    }

    /// Whether it is time to look whether the secret has changed.
    pub fn is_due(&self) -> bool {
        if !self.renewed.can_change() {
            return false;
        }
        let mut looked = self.looked.lock().unwrap_or_else(PoisonError::into_inner);
        let due = looked.elapsed() >= LOOK_STEP;
        if due {
            *looked = Instant::now();
        }
        due && self.renewed.newest() != self.uri()
    }

    /// Puts another client in the place of this one, if the secret has changed and the server lets
    /// us in with it; the old one goes on until then. Says whether it did.
    pub async fn renew(&self, config: &MongoConfig, place: &str) -> bool {
        let before = self.uri();
        let _alone = self.renewing.lock().await;
        let uri = self.renewed.newest();
        if self.uri() != before {
            return true;
        }
        if uri == before {
            return false;
        }
        let greeted = async {
            let db = client(config, &uri, place).await?;
            let hello = db.run_command(doc! {"ping": 1}).await;
            hello.map(|_| db).map_err(|error| of_driver(place, &error))
        };
        let limit = Duration::from_millis(config.select_limit_ms * 2);
        let greeted = timeout(limit, greeted).await;
        let db = match greeted.unwrap_or_else(|_| Err(silent(format!("{place}: no answer")))) {
            Ok(db) => db,
            Err(fault) => {
                tracing::debug!(place, %fault, "a new secret is not good yet");
                return false;
            }
        };
        let next = Current { db: ManuallyDrop::new(db), uri: uri.clone() };
        let mut now = self.now.write().unwrap_or_else(PoisonError::into_inner);
        let old = std::mem::replace(&mut *now, next);
        drop(now);
        self.renewed.was_good(&uri);
        retire(&old.db, config);
        true
    }

    /// What an error means: who is not let in any more may be let in with another secret.
    pub async fn judge(&self, config: &MongoConfig, place: &str, error: &Error) -> Fault {
        let fault = of_driver(place, error);
        if !is_about_secrets(error) || !self.renewed.can_change() {
            return fault;
        }
        if self.renew(config, place).await {
            return silent(format!("{place}: the secret was read again"));
        }
        self.renewed.pardon(fault)
    }

    fn uri(&self) -> String {
        self.now.read().unwrap_or_else(PoisonError::into_inner).uri.clone()
    }
}

async fn client(config: &MongoConfig, uri: &str, place: &str) -> Result<Database, Fault> {
    let mut options = ClientOptions::parse(uri).await.map_err(|error| of_driver(place, &error))?;
    let select_limit = Duration::from_millis(config.select_limit_ms);
    options.server_selection_timeout = Some(select_limit);
    options.connect_timeout.get_or_insert(select_limit);
    options.app_name.get_or_insert_with(|| "readmill".to_owned());
    let client = Client::with_options(options).map_err(|error| of_driver(place, &error))?;
    Ok(client.database(&config.database))
}

/// Closes a client once nothing can be under way with it.
fn retire(db: &Database, config: &MongoConfig) {
    let client = db.client().clone();
    let limit_ms = u64::from(config.command_limit_ms) + config.select_limit_ms;
    // Nobody waits for it: with the process it ends, too.
    drop(tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(limit_ms)).await;
        client.shutdown().immediate(true).await;
    }));
}

fn is_about_secrets(error: &Error) -> bool {
    if let ErrorKind::Command(told) = error.kind.as_ref() {
        return told.code == AUTHENTICATION_FAILED;
    }
    matches!(error.kind.as_ref(), ErrorKind::Authentication { .. })
}
