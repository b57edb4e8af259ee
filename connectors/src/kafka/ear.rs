//! What the client library says aside: why brokers do not let us in.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::client::OAuthToken;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use readmill_engine::Fault;

use super::config::KafkaConfig;
use super::handshake;
use super::security::SaslMechanism;
use super::token::Tokens;

pub const SERVICE: &str = "kafka";
/// What was said longer ago need not be why something fails now.
const MEMORY: Duration = Duration::from_secs(60);
/// Who hangs up within this time has seen who we are, and no more.
const AT_ONCE_MS: u64 = 2_000;

/// A client's ear. All of its copies hear the same.
#[derive(Debug, Clone)]
pub struct Ear(Arc<Heard>);

#[derive(Debug)]
struct Heard {
    /// On what the client works, to be told with its errors.
    place: String,
    mechanism: Option<SaslMechanism>,
    ca: Option<PathBuf>,
    tokens: Option<Tokens>,
    last: Mutex<Option<(Instant, Complaint)>>,
}

/// How much a complaint says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Weight {
    /// It is as when something is set wrongly, or when a broker ends.
    Suspected,
    /// It passes by itself.
    Passing,
    /// It will be said again until a person does something.
    Lasting,
}

/// Something that keeps us from a broker.
#[derive(Debug, Clone)]
pub struct Complaint {
    weight: Weight,
    detail: String,
    hint: &'static str,
    /// The broker whose certificate is refused, for a closer look.
    broker: Option<String>,
}

impl Complaint {
    /// One that only a person can end.
    pub const fn lasting(detail: String, hint: &'static str) -> Self {
        Self { weight: Weight::Lasting, detail, hint, broker: None }
    }

    /// One that ends by itself.
    pub const fn passing(detail: String) -> Self {
        Self { weight: Weight::Passing, detail, hint: "", broker: None }
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}

impl Error for Complaint {}

impl Ear {
    /// Of a client that works on something, which its errors are to tell.
    pub fn new(config: &KafkaConfig, place: impl Into<String>) -> Self {
        Self(Arc::new(Heard {
            place: place.into(),
            mechanism: config.sasl_mechanism,
            ca: config.ca_file.clone(),
            tokens: Tokens::of(config),
            last: Mutex::default(),
        }))
    }

    /// Why we are kept out, if only a person can end that.
    pub fn lasting(&self) -> Option<Fault> {
        self.heard().filter(|heard| heard.weight == Weight::Lasting).map(|heard| self.fault(heard))
    }

    /// Why nobody may have answered from the start on.
    pub fn suspected(&self) -> Option<Fault> {
        self.heard().map(|heard| self.fault(heard))
    }

    /// A refusal: of what was said aside, or else of what an error says.
    pub fn refused(&self, error: &KafkaError) -> Fault {
        self.lasting().unwrap_or_else(|| refusal(error, &self.0.place))
    }

    fn heard(&self) -> Option<Complaint> {
        let last = self.0.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().filter(|(at, _)| at.elapsed() < MEMORY).map(|(_, heard)| heard.clone())
    }

    fn note(&self, complaint: Complaint) {
        // Whoever is refused is hung up on, too.
        let heavier = self.heard().is_some_and(|heard| heard.weight > complaint.weight);
        if !heavier {
            let mut last = self.0.last.lock().unwrap_or_else(PoisonError::into_inner);
            *last = Some((Instant::now(), complaint));
        }
    }

    fn fault(&self, heard: Complaint) -> Fault {
        let Complaint { weight, mut detail, mut hint, broker } = heard;
        if weight == Weight::Passing {
            return Fault::Silent { service: SERVICE, detail };
        }
        if let Some((words, remedy)) =
            broker.and_then(|broker| handshake::look(&broker, self.0.ca.as_deref()))
        {
            detail = format!("{detail}: {words}");
            hint = remedy;
        }
        Fault::Refused { service: SERVICE, detail, hint }
    }
}

impl ClientContext for Ear {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        tracing::debug!(target: "librdkafka", ?level, facility, "{text}");
        // A broker that hangs up is no error for the library, and is only logged.
        let code = RDKafkaErrorCode::BrokerTransportFailure;
        if facility == "FAIL"
            && let Some(complaint) = complaint(code, text, self.0.mechanism)
        {
            self.note(complaint);
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(target: "librdkafka", %error, "{reason}");
        let Some(code) = error.rdkafka_error_code() else { return };
        // The library says only once that a group is kept from us.
        let kept = right(code).map(|hint| {
            let reason = reason.trim_end_matches('.');
            Complaint::lasting(format!("{}: {reason}", self.0.place), hint)
        });
        if let Some(complaint) = kept.or_else(|| complaint(code, reason, self.0.mechanism)) {
            self.note(complaint);
        }
    }

    fn generate_oauth_token(&self, _: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        let tokens = self.0.tokens.as_ref().ok_or("no tokens are configured")?;
        tokens.ask().map_err(|complaint| {
            tracing::warn!(%complaint, "there is no token for the brokers");
            self.note(complaint.clone());
            complaint.into()
        })
    }
}

impl ConsumerContext for Ear {}

/// What a broker's or the library's words mean, if they are about letting us in.
fn complaint(
    code: RDKafkaErrorCode,
    reason: &str,
    mechanism: Option<SaslMechanism>,
) -> Option<Complaint> {
    let (broker, words) = parted(reason);
    let say = |weight, what: &str, hint| {
        let detail = broker.map_or_else(|| what.to_owned(), |broker| format!("{broker}: {what}"));
        Some(Complaint { weight, detail, hint, broker: None })
    };
    let has = |signs: &[&str]| signs.iter().any(|sign| words.contains(sign));
    if code == RDKafkaErrorCode::Authentication {
        return if reason.contains("OAUTHBEARER token: ") {
            None // The one who asked for it has said more.
        } else if has(&["mechanism handshake failed"]) {
            say(Weight::Lasting, words, MECHANISM)
        } else if mechanism == Some(SaslMechanism::OauthBearer) {
            say(Weight::Lasting, words, TOKEN)
        } else {
            say(Weight::Lasting, words, CREDENTIALS)
        };
    }
    if has(&["certificate verify failed", "could not be verified", "Failed to verify broker"]) {
        let (what, broker) = ("its certificate is refused", broker.map(str::to_owned));
        return say(Weight::Lasting, what, ISSUER).map(|said| Complaint { broker, ..said });
    }
    if has(&["alert"]) && has(&["certificate", "unknown ca", "unknown CA"]) {
        return say(Weight::Lasting, &alert(words), CLIENT);
    }
    if code == RDKafkaErrorCode::SSL {
        let what = alert(words);
        let what = if has(&NOT_TLS) { "it does not answer by TLS" } else { &what };
        return say(Weight::Suspected, what, OPEN);
    }
    if has(&["PLAINTEXT broker listener"]) {
        return say(Weight::Suspected, "it hangs up in the handshake", OPEN);
    }
    if hangs_up_at_once(reason) { say(Weight::Suspected, "it hangs up on us", SHUT) } else { None }
}

/// The broker that something is said of, and what is said, without how long it took.
fn parted(reason: &str) -> (Option<&str>, &str) {
    let whole = reason.rsplit_once(" (after ").map_or(reason, |(words, _)| words);
    let inner = whole.strip_prefix("[thrd:").and_then(|rest| rest.split_once("]: "));
    let reason = inner.map_or(whole, |(_, rest)| rest);
    let Some((name, words)) = reason.split_once(": ") else { return (None, reason) };
    let address = name.split_once("://").map_or(name, |(_, address)| address);
    let address = address.split('/').next().unwrap_or(address);
    let is_one = !address.contains(' ') && address.contains(':');
    if is_one { (Some(address), words) } else { (None, reason) }
}

/// Whether a broker was there and did not want us: another one that ends does so at any time.
fn hangs_up_at_once(reason: &str) -> bool {
    let after = reason.rsplit_once(" (after ").map_or("", |(_, after)| after);
    let after_ms = after.split_once("ms in state ").and_then(|(ms, _)| ms.parse::<u64>().ok());
    reason.contains("Disconnected") && after_ms.is_some_and(|ms| ms < AT_ONCE_MS)
}

/// What an alert says, without where in the library it was met.
fn alert(words: &str) -> String {
    let said = words.split_once(" alert ").map(|(_, said)| said);
    let said = said.map(|said| said.split(": ").next().unwrap_or(said).trim());
    said.map_or_else(|| words.to_owned(), |said| format!("it ends the handshake: {said}"))
}

/// What is to be granted after a refusal, if it is one.
fn right(code: RDKafkaErrorCode) -> Option<&'static str> {
    let table = [
        (RDKafkaErrorCode::TopicAuthorizationFailed, TOPIC),
        (RDKafkaErrorCode::GroupAuthorizationFailed, GROUP),
        (RDKafkaErrorCode::ClusterAuthorizationFailed, CLUSTER),
    ];
    table.iter().find(|(refusal, _)| *refusal == code).map(|(_, hint)| *hint)
}

/// A refusal of the brokers or of the library, of a client that works on something.
fn refusal(error: &KafkaError, place: &str) -> Fault {
    let hint = error.rdkafka_error_code().and_then(right);
    let hint =
        hint.unwrap_or("check kafka.brokers and the rights of the client on topics and group");
    let detail = if place.is_empty() { error.to_string() } else { format!("{place}: {error}") };
    Fault::Refused { service: SERVICE, detail, hint }
}

const NOT_TLS: [&str; 4] =
    ["wrong version number", "packet length too long", "http request", "unexpected eof"];
pub const CREDENTIALS: &str = "look at kafka.username and kafka.password, and that the brokers \
                               know the user for this mechanism";
const MECHANISM: &str = "set kafka.sasl_mechanism to one that the brokers offer here";
const TOKEN: &str = "see that the brokers trust the issuer of the token, and take its audience \
                     and scope";
const ISSUER: &str = "set kafka.ca_file to the certificate of the authority that issued the \
                      brokers'";
const CLIENT: &str = "set kafka.client_cert_file and kafka.client_key_file to a certificate that \
                      the brokers accept";
const OPEN: &str = "set kafka.tls to false, or kafka.brokers to a listener with TLS";
const SHUT: &str = "if it wants TLS, set kafka.tls; if it wants a user, set kafka.sasl_mechanism; \
                    or name another listener in kafka.brokers";
/// Which rights on topics are needed.
pub const TOPIC: &str = "grant the user Read and Describe on each topic that it reads, and Write \
                         on each that it writes; docs/security.md lists all grants";
const GROUP: &str = "grant the user Read on groups that begin with kafka.group_prefix; \
                     docs/security.md lists all grants";
const CLUSTER: &str = "grant the user Write on the topics that it writes; docs/security.md lists \
                       all grants";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_library_have_remedies() {
        let (auth, ssl, lost) = (
            RDKafkaErrorCode::Authentication,
            RDKafkaErrorCode::SSL,
            RDKafkaErrorCode::BrokerTransportFailure,
        );
        let table = [
            (
                auth,
                "sasl_ssl://k:1/bootstrap: SASL authentication error: Authentication failed \
                 during authentication due to invalid credentials (after 5ms in state AUTH_REQ)",
                "k:1: SASL authentication error: Authentication failed during authentication due \
                 to invalid credentials",
                CREDENTIALS,
            ),
            (
                auth,
                "sasl_ssl://k:1/1: SASL PLAIN mechanism handshake failed: Broker: Unsupported \
                 SASL mechanism: broker's supported mechanisms: SCRAM-SHA-512",
                "k:1: SASL PLAIN mechanism handshake failed: Broker: Unsupported SASL mechanism: \
                 broker's supported mechanisms: SCRAM-SHA-512",
                MECHANISM,
            ),
            (
                ssl,
                "ssl://k:1/bootstrap: SSL handshake failed: error:0A000086:SSL \
                 routines::certificate verify failed: broker certificate could not be verified, \
                 verify that ssl.ca.location is correctly configured (after 3ms in state \
                 SSL_HANDSHAKE)",
                "k:1: its certificate is refused",
                ISSUER,
            ),
            (
                lost,
                "ssl://k:1/bootstrap: Receive failed: error:0A00045C:SSL routines::tlsv13 alert \
                 certificate required: SSL alert number 116 (after 3ms in state APIVERSION_QUERY)",
                "k:1: it ends the handshake: certificate required",
                CLIENT,
            ),
            (
                ssl,
                "ssl://k:1/bootstrap: SSL handshake failed: error:0A00010B:SSL routines::wrong \
                 version number (after 1ms in state SSL_HANDSHAKE)",
                "k:1: it does not answer by TLS",
                OPEN,
            ),
            (lost, "k:1/bootstrap: Disconnected (after 70000ms in state UP)", "", ""),
        ];
        for (code, reason, detail, hint) in table {
            let found = complaint(code, reason, None);
            let found = found.map_or((String::new(), ""), |found| (found.detail, found.hint));
            assert_eq!(found, (detail.to_owned(), hint), "{reason}");
        }
    }
}
