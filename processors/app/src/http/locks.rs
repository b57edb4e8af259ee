//! What opens the API: tokens and certificates, read from their files, and again when these change.

use std::convert::Infallible;
use std::fmt;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::keys::Keys;
use crate::config::{Http, TlsFiles};
use crate::exit::{Exit, Failure};

/// Files are looked at so often.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// What everybody on a machine may do with a file.
const OTHERS_READ: u32 = 0o004;

/// Tokens and certificates as they are valid now.
#[derive(Debug, Clone)]
pub struct Locks {
    /// The tokens.
    pub keys: watch::Receiver<Arc<Keys>>,
    /// TLS, if there is to be any.
    pub tls: Option<watch::Receiver<Arc<ServerConfig>>>,
}

/// Reads the files again when they change.
pub struct Rotation {
    http: Http,
    keys: watch::Sender<Arc<Keys>>,
    tls: Option<watch::Sender<Arc<ServerConfig>>>,
    seen: Contents,
}

/// The hashes of what stood in the files when they were last looked at; of what cannot be read
/// there is none.
type Contents = Vec<Option<[u8; 32]>>;

/// Without what stands in the files.
impl fmt::Debug for Rotation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rotation").field("keys", &self.keys.borrow()).finish_non_exhaustive()
    }
}

impl Locks {
    /// Reads the files, which must be sound.
    ///
    /// # Errors
    /// What is wrong with one of them.
    pub fn open(http: &Http) -> Result<(Self, Rotation), Failure> {
        let failed = |told: String| {
            let hint = "mend the file, or the setting under [http] that names it";
            Failure::new(Exit::Usage, told, hint)
        };
        // Looked at first: what changes in between is read once more.
        let seen = contents(http);
        let (keys, known) = watch::channel(Arc::new(keys(http).map_err(failed)?));
        let tls = http.tls.as_ref().map(|files| config(files).map(watch::channel)).transpose();
        let (tls, shown) = tls.map_err(failed)?.unzip();
        for file in open_to_all(http) {
            tracing::warn!(file, "everybody on this machine can read it: take that right away");
        }
        Ok((Self { keys: known, tls: shown }, Rotation { http: http.clone(), keys, tls, seen }))
    }
}

impl Rotation {
    /// Looks at the files again and again.
    pub async fn go_on(mut self) -> Infallible {
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            look.tick().await;
            let http = self.http.clone();
            // A file system that hangs is to hold up nobody else.
            let Ok(now) = tokio::task::spawn_blocking(move || contents(&http)).await else {
                continue;
            };
            if now != self.seen {
                self.seen = now;
                self.read_again();
            }
        }
    }

    /// Takes over what is sound. Until somebody mends the rest, it stays as it was: a file that is
    /// half written is no reason to lock everybody out.
    fn read_again(&self) {
        match keys(&self.http) {
            Ok(keys) => {
                let is_new = |old: &mut Arc<Keys>| {
                    let is_new = **old != keys;
                    *old = Arc::new(keys);
                    is_new
                };
                if self.keys.send_if_modified(is_new) {
                    tracing::info!(keys = ?self.keys.borrow(), "tokens were read again");
                }
            }
            Err(why) => tracing::warn!(%why, "the tokens stay as they were"),
        }
        let Some((files, tls)) = self.http.tls.as_ref().zip(self.tls.as_ref()) else { return };
        match config(files) {
            Ok(config) => {
                tls.send_replace(config);
                tracing::info!("the certificate was read again");
            }
            Err(why) => tracing::warn!(%why, "the certificate stays as it was"),
        }
    }
}

/// All tokens that are valid.
fn keys(http: &Http) -> Result<Keys, String> {
    let mut keys = http.tokens.given.clone();
    for (role, _, file) in http.tokens.files() {
        let text = std::fs::read_to_string(file);
        let text = text.map_err(|error| format!("{} cannot be read: {error}", file.display()))?;
        keys.add_lines(role, &text).map_err(|why| format!("{} {why}", file.display()))?;
    }
    Ok(keys)
}

fn config(files: &TlsFiles) -> Result<Arc<ServerConfig>, String> {
    let read = |path: &Path| std::fs::read_to_string(path);
    files.files().load(read).map_err(|unfit| {
        let told = unfit.into_iter().map(|unfit| unfit.what);
        told.collect::<Vec<_>>().join("; ")
    })
}

fn paths(http: &Http) -> impl Iterator<Item = &Path> {
    let tls = http.tls.iter().flat_map(|tls| {
        [Some(&tls.key), Some(&tls.certificate), tls.client_ca.as_ref()].into_iter().flatten()
    });
    http.tokens.files().map(|(_, _, file)| file).chain(tls.map(|path| &**path))
}

fn contents(http: &Http) -> Contents {
    let hash = |bytes: Vec<u8>| Sha256::digest(bytes).into();
    paths(http).map(|path| std::fs::read(path).ok().map(hash)).collect()
}

/// Which files with secrets everybody on the machine can read.
pub fn open_to_all(http: &Http) -> Vec<String> {
    let key = http.tls.as_ref().map(|tls| &*tls.key);
    let secrets = http.tokens.files().map(|(_, _, file)| file).chain(key);
    let is_open = |path: &&Path| {
        std::fs::metadata(path).is_ok_and(|file| file.permissions().mode() & OTHERS_READ != 0)
    };
    secrets.filter(is_open).map(|path| path.display().to_string()).collect()
}
