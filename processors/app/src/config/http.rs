//! `[http]`: where the API listens, to whom it answers, and how much it takes.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use readmill_connectors::tls::server::ServerFiles;
use serde::Deserialize;
use toml_edit::Table;

use super::rooms::InstanceStanza;
use super::stanza::{Reading, Stanza};
use crate::http::{Keys, Role};

const LISTEN: &str = "127.0.0.1:9464";

/// A text that is never told.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Hidden(String);

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hidden(…)")
    }
}

/// `[http]`: metrics, health, documents, and what may be changed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct HttpStanza {
    /// Where it listens. On loopback alone unless there are tokens.
    pub listen: Option<String>,
    /// Tokens that may see.
    pub read_tokens: Vec<Hidden>,
    /// A file with more of them, one a line; it is read again when it changes.
    pub read_token_file: Option<PathBuf>,
    /// Tokens that may do everything.
    pub operate_tokens: Vec<Hidden>,
    /// A file with more of them.
    pub operate_token_file: Option<PathBuf>,
    /// Whether metrics need no token.
    pub open_metrics: bool,
    /// The server's certificates, in PEM, its own first. Read again when it changes.
    pub certificate_file: Option<PathBuf>,
    /// Its key, in PEM and not encrypted.
    pub key_file: Option<PathBuf>,
    /// Who must have issued the certificates of those who ask; without it they need none.
    pub client_ca_file: Option<PathBuf>,
    /// Whether it may answer to a network without TLS, because a proxy before it has it.
    pub plain_text: bool,
    /// Names, beside localhost and loopback addresses, under which it is asked without tokens.
    pub host_names: Vec<String>,
    /// A request's body may be so large.
    pub limit_body_kib: u32,
    /// So many connections are open at a time; others wait.
    pub limit_connections: NonZeroU32,
    /// So many requests are answered in a second, and as many at once.
    pub limit_requests_per_second: NonZeroU32,
    /// A request may take so long.
    pub request_timeout_ms: u64,
}

impl Default for HttpStanza {
    fn default() -> Self {
        let limits = HttpLimits::default();
        Self {
            listen: None,
            read_tokens: Vec::new(),
            read_token_file: None,
            operate_tokens: Vec::new(),
            operate_token_file: None,
            open_metrics: false,
            certificate_file: None,
            key_file: None,
            client_ca_file: None,
            plain_text: false,
            host_names: Vec::new(),
            limit_body_kib: u32::try_from(limits.body_bytes / 1024).unwrap_or(u32::MAX),
            limit_connections: limits.connections,
            limit_requests_per_second: limits.requests_per_second,
            request_timeout_ms: 30_000,
        }
    }
}

/// Where the API listens, to whom it answers, and how much it takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Http {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Which tokens it knows.
    pub tokens: Tokens,
    /// Whether metrics need no token.
    pub open_metrics: bool,
    /// TLS, if it has it.
    pub tls: Option<TlsFiles>,
    /// Under which further names it is asked without tokens.
    pub host_names: Vec<String>,
    /// How much it takes.
    pub limits: HttpLimits,
}

impl Http {
    /// For this machine alone, and without tokens.
    pub fn at(listen: SocketAddr) -> Self {
        Self {
            listen,
            tokens: Tokens::default(),
            open_metrics: false,
            tls: None,
            host_names: Vec::new(),
            limits: HttpLimits::default(),
        }
    }
}

/// Which tokens there are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tokens {
    /// Those that stand in the configuration.
    pub given: Keys,
    /// Where those are that may see.
    pub read_file: Option<PathBuf>,
    /// Where those are that may do everything.
    pub operate_file: Option<PathBuf>,
}

impl Tokens {
    /// The files, with what their tokens may do and the settings that name them.
    pub fn files(&self) -> impl Iterator<Item = (Role, &'static str, &Path)> {
        let reads = self.read_file.iter().map(|file| (Role::Read, "read_token_file", &**file));
        let operates = self.operate_file.iter();
        reads.chain(operates.map(|file| (Role::Operate, "operate_token_file", &**file)))
    }
}

/// The files for TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The server's certificates.
    pub certificate: PathBuf,
    /// Its key.
    pub key: PathBuf,
    /// Who must have issued the certificates of those who ask.
    pub client_ca: Option<PathBuf>,
}

impl TlsFiles {
    /// As they are read.
    pub fn files(&self) -> ServerFiles<'_> {
        ServerFiles {
            certificate: &self.certificate,
            key: &self.key,
            client_ca: self.client_ca.as_deref(),
        }
    }
}

/// How much the API takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpLimits {
    /// A request's body may have so many bytes.
    pub body_bytes: usize,
    /// So many connections are open at a time.
    pub connections: NonZeroU32,
    /// So many requests are answered in a second.
    pub requests_per_second: NonZeroU32,
    /// A request may take so long.
    pub request: Duration,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            body_bytes: 64 * 1024,
            connections: NonZeroU32::MIN.saturating_add(255),
            requests_per_second: NonZeroU32::MIN.saturating_add(1999),
            request: Duration::from_secs(30),
        }
    }
}

/// Reads `[http]`; without the stanza everything is as by default. The address may still stand
/// under its older name, `http_listen` of `[instance]`.
pub fn read(
    reading: &mut Reading<'_>,
    root: &Table,
    older: Option<(&Stanza, &InstanceStanza)>,
) -> Option<Http> {
    let mut stanza = reading.stanza(root, "", "http");
    let raw = match &mut stanza {
        Some(stanza) => reading.read::<HttpStanza>(stanza)?,
        None if root.contains_key("http") => return None,
        None => HttpStanza::default(),
    };
    let older = older.and_then(|(stanza, raw)| Some((stanza, raw.http_listen.as_deref()?)));
    let listen = match (raw.listen.as_deref(), older) {
        (None, Some((stanza, text))) => address(reading, Some((stanza, "http_listen")), text),
        (given, older) => {
            if let (Some(_), Some((stanza, _))) = (given, older) {
                let what = "is the older name of `listen` under [http], which is given, too";
                reading.blame(stanza, "http_listen", what);
            }
            let at = stanza.as_ref().map(|stanza| (stanza, "listen"));
            address(reading, at, given.unwrap_or(LISTEN))
        }
    };
    let Some(stanza) = &stanza else {
        let (stanza, _) = older.unzip();
        let listen = listen.filter(|listen| is_for_here(reading, stanza, *listen))?;
        return Some(Http::at(listen));
    };
    let tokens = tokens(reading, stanza, &raw);
    let tls = tls(reading, stanza, &raw);
    let listen = listen?;
    let http = Http {
        listen,
        tokens: tokens?,
        open_metrics: raw.open_metrics,
        tls: tls?,
        limits: HttpLimits {
            body_bytes: usize::try_from(raw.limit_body_kib).unwrap_or(usize::MAX) * 1024,
            connections: raw.limit_connections,
            requests_per_second: raw.limit_requests_per_second,
            request: Duration::from_millis(raw.request_timeout_ms),
        },
        host_names: raw.host_names,
    };
    refuse_the_open(reading, stanza, &http, raw.plain_text);
    Some(http)
}

fn address(
    reading: &mut Reading<'_>,
    at: Option<(&Stanza, &str)>,
    text: &str,
) -> Option<SocketAddr> {
    let address = text.parse().ok();
    if let (None, Some((stanza, key))) = (address, at) {
        let what = format!("must be an IP address and a port, such as {LISTEN}");
        reading.blame(stanza, key, what);
    }
    address
}

/// Without `[http]` there are no tokens.
fn is_for_here(reading: &mut Reading<'_>, stanza: Option<&Stanza>, listen: SocketAddr) -> bool {
    if let (false, Some(stanza)) = (listen.ip().is_loopback(), stanza) {
        reading.blame(stanza, "http_listen", without_tokens(listen));
        return false;
    }
    true
}

fn without_tokens(listen: SocketAddr) -> String {
    format!(
        "{} is not a loopback address: documents would be open to the network; set \
         `operate_token_file` or `read_token_file` under [http], or use 127.0.0.1:{}",
        listen.ip(),
        listen.port()
    )
}

/// Refuses what would be open to a network.
fn refuse_the_open(reading: &mut Reading<'_>, stanza: &Stanza, http: &Http, plain_text: bool) {
    let has_tokens = !http.tokens.given.is_empty() || http.tokens.files().next().is_some();
    let key = if stanza.has("listen") { "listen" } else { "plain_text" };
    if plain_text && http.tls.is_some() {
        let what = "says that there is no TLS, and there is a certificate: leave one of them out";
        reading.blame(stanza, "plain_text", what);
    }
    if http.listen.ip().is_loopback() {
        return;
    }
    if !has_tokens {
        reading.blame(stanza, key, without_tokens(http.listen));
    }
    if http.tls.is_none() && !plain_text {
        let what = format!(
            "{} is not a loopback address, and tokens would be sent over the network as plain \
             text: set `certificate_file` and `key_file`, or plain_text = true where a proxy \
             before it has TLS",
            http.listen.ip()
        );
        reading.blame(stanza, key, what);
    }
}

fn tokens(reading: &mut Reading<'_>, stanza: &Stanza, raw: &HttpStanza) -> Option<Tokens> {
    let mut fit = true;
    let mut given = Keys::default();
    let table = [
        ("read_tokens", Role::Read, &raw.read_tokens),
        ("operate_tokens", Role::Operate, &raw.operate_tokens),
    ];
    for (key, role, tokens) in table {
        let added = tokens.iter().try_for_each(|Hidden(token)| given.add(role, token));
        if let Err(why) = added {
            fit = false;
            reading.blame(stanza, key, why.to_string());
        }
    }
    let tokens = Tokens {
        given,
        read_file: raw.read_token_file.clone(),
        operate_file: raw.operate_token_file.clone(),
    };
    for (role, key, file) in tokens.files() {
        let told = match reading.file(file) {
            Err(error) => Some(format!("cannot be read: {}", error.kind())),
            Ok(text) => Keys::default().add_lines(role, &text).err().map(|why| why.to_string()),
        };
        if let Some(told) = told {
            fit = false;
            reading.blame(stanza, key, format!("{} {told}", file.display()));
        }
    }
    fit.then_some(tokens)
}

/// The files for TLS, which must fit together; `None` in it says that there is to be none.
fn tls(reading: &mut Reading<'_>, stanza: &Stanza, raw: &HttpStanza) -> Option<Option<TlsFiles>> {
    let (certificate, key) = (raw.certificate_file.clone(), raw.key_file.clone());
    let lonely = match (&certificate, &key, &raw.client_ca_file) {
        (Some(_), None, _) => Some(("certificate_file", "key_file")),
        (None, Some(_), _) => Some(("key_file", "certificate_file")),
        (None, None, Some(_)) => Some(("client_ca_file", "certificate_file")),
        (Some(_), Some(_), _) | (None, None, None) => None,
    };
    if let Some((given, other)) = lonely {
        let what = format!("means nothing without the server's own: `{other}` is missing");
        reading.blame(stanza, given, what);
        return None;
    }
    let Some((certificate, key)) = certificate.zip(key) else { return Some(None) };
    let files = TlsFiles { certificate, key, client_ca: raw.client_ca_file.clone() };
    let unfit = files.files().load(|path| reading.file(path)).err().unwrap_or_default();
    let fit = unfit.is_empty();
    for unfit in unfit {
        reading.blame(stanza, unfit.setting, unfit.what);
    }
    fit.then_some(Some(files))
}

/// A name of this machine, as a request's `Host` has it.
pub fn is_loopback_name(name: &str) -> bool {
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}
