//! What an error of Redis means: ask again, or stop with a remedy.

use readmill_engine::Fault;
use redis::{ErrorKind, RedisError};

/// The name under which the service appears in errors.
pub const SERVICE: &str = "Redis";

/// A refusal in the service's name.
pub fn refused(detail: impl Into<String>, hint: &'static str) -> Fault {
    Fault::Refused { service: SERVICE, detail: detail.into(), hint }
}

/// Silence in the service's name.
pub fn silent(detail: impl Into<String>) -> Fault {
    Fault::Silent { service: SERVICE, detail: detail.into() }
}

/// Something that is not as it was written.
pub fn damaged(what: impl Into<String>, detail: impl Into<String>) -> Fault {
    Fault::Damaged {
        what: what.into(),
        detail: detail.into(),
        hint: "another program or another version wrote there: remove it, or open a new \
               generation and rebuild",
    }
}

/// Acknowledged writes that are not there any more.
pub fn forgotten(detail: impl Into<String>) -> Fault {
    Fault::RolledBack { service: SERVICE, detail: detail.into() }
}

/// A document that stands lower than it was acknowledged, though the server has forgotten nothing.
pub fn set_back(place: &str) -> Fault {
    let what = "a document stands at a lower revision than was acknowledged";
    tracing::error!(place, what);
    Fault::Damaged {
        what: format!("the store in {SERVICE} at {place}"),
        detail: what.to_owned(),
        hint: "somebody has set single documents back, such as from a copy: open a new generation \
               and rebuild",
    }
}

/// What an error means. The server's texts may quote data: only their codes are told, and which
/// command is not permitted.
pub fn of_error(place: &str, error: &RedisError) -> Fault {
    if error.kind() == ErrorKind::AuthenticationFailed {
        return refused(format!("{place}: authentication failed"), CREDENTIALS);
    }
    if error.kind() == ErrorKind::InvalidClientConfig {
        return refused(format!("{place}: not a usable address"), ADDRESS);
    }
    if let Some((what, hint)) = handshake(&error.to_string()) {
        return refused(format!("{place}: {what}"), hint);
    }
    let what = error.detail().and_then(not_permitted);
    match (error.code(), what) {
        (Some("NOPERM" | "EXECABORT" | "ERR"), Some(what)) => {
            refused(format!("{place}: the user may not {what}"), PERMISSIONS)
        }
        (Some(code), _) => of_code(place, code),
        (None, _) if error.is_io_error() => silent(format!("{place}: {error}")),
        (None, _) => silent(format!("{place}: {}", error.category())),
    }
}

/// The command, or that it is the key, that a refusal of rights is about.
fn not_permitted(detail: &str) -> Option<String> {
    if detail.contains("can't run this command") {
        return Some("run a command that a script needs".to_owned());
    }
    if !detail.contains("permission") && !detail.contains("ACL failure") {
        return None;
    }
    if let Some((_, rest)) = detail.split_once("run the '") {
        let (command, _) = rest.split_once('\'')?;
        return Some(format!("run the command {}", command.to_uppercase()));
    }
    let keys = detail.contains("access") && detail.contains("key");
    keys.then(|| "use one of the keys: allow all that begin with the prefix".to_owned())
}

/// What a code of the server means.
pub fn of_code(place: &str, code: &str) -> Fault {
    let detail = format!("{place}: {code}");
    match code {
        "NOAUTH" | "WRONGPASS" => refused(detail, CREDENTIALS),
        "NOPERM" => refused(detail, PERMISSIONS),
        "WRONGTYPE" => damaged(format!("a key in {SERVICE}"), "it is not a hash"),
        "MOVED" | "ASK" => refused(
            format!("{detail}: it is a node of a cluster"),
            "set `mode` under [redis] to \"cluster\"",
        ),
        "CROSSSLOT" => refused(detail, "report this: keys of one command are in several slots"),
        "OOM" => silent(format!(
            "{detail}: its memory is full: raise maxmemory, or make room; nothing is lost meanwhile"
        )),
        "MISCONF" => silent(format!("{detail}: it cannot write to its own disk")),
        "NOREPLICAS" => silent(format!("{detail}: too few replicas follow it")),
        "READONLY" => silent(format!("{detail}: a replica answers, which passes with a fail-over")),
        "BUSY" => silent(format!("{detail}: a script of somebody is running")),
        "CLUSTERDOWN" => silent(format!("{detail}: a slot has no node, until one is elected")),
        "ERR" => refused(detail, "is this Redis 6.2 or newer, with scripts?"),
        // Loading, waiting for a primary, a slot on its way: it will pass.
        _ => silent(detail),
    }
}

const CREDENTIALS: &str = "look at user and password in the address";
/// Which rights are needed.
pub const PERMISSIONS: &str = "give the user the rights that docs/stores/redis.md lists";
/// How an address is written.
pub const ADDRESS: &str = "write it as redis://user:password@host:port/database, with rediss:// \
                           for TLS";

/// What was refused in a handshake, if a person must mend it. The client hides the library's own
/// error, so that only its words can be looked at.
fn handshake(words: &str) -> Option<(String, &'static str)> {
    let hints = [
        ("UnknownIssuer", ISSUER),
        ("BadSignature", ISSUER),
        ("NotValidForName", NAME),
        ("not valid for name", NAME),
        ("Expired", EXPIRED),
        ("expired", EXPIRED),
        ("NotValidYet", EXPIRED),
        ("not valid yet", EXPIRED),
        ("CertificateRequired", CLIENT),
        ("certificate required", CLIENT),
        ("received fatal alert", CLIENT),
    ];
    let tls = words.contains("peer certificate") || words.contains("received fatal alert");
    let (_, hint) = hints.iter().find(|(sign, _)| words.contains(sign)).filter(|_| tls)?;
    Some((words.to_owned(), hint))
}

const ISSUER: &str = "set `ca_file` under [redis] to the certificate of the authority that issued \
                      the server's";
const NAME: &str = "name the server in `uri` under [redis] as its certificate does";
const EXPIRED: &str = "renew the server's certificate, and see that this machine's clock is right";
const CLIENT: &str = "set `client_cert_file` and `client_key_file` under [redis] to a certificate \
                      that the server accepts";

#[cfg(test)]
mod tests {
    use readmill_engine::Remedy;

    use super::*;

    #[test]
    fn codes_have_remedies() {
        let table = [
            ("NOAUTH", Remedy::Stop),
            ("WRONGTYPE", Remedy::Stop),
            ("MOVED", Remedy::Stop),
            ("OOM", Remedy::Retry),
            ("LOADING", Remedy::Retry),
            ("READONLY", Remedy::Retry),
            ("NOSCRIPT", Remedy::Retry),
            ("BUSY", Remedy::Retry),
            ("MASTERDOWN", Remedy::Retry),
            ("CLUSTERDOWN", Remedy::Retry),
            ("TRYAGAIN", Remedy::Retry),
            ("NOREPLICAS", Remedy::Retry),
            ("MISCONF", Remedy::Retry),
        ];
        for (code, remedy) in table {
            assert_eq!(of_code("host", code).remedy(), remedy, "{code}");
        }
    }

    #[test]
    fn the_command_that_is_not_permitted_is_named() {
        let table = [
            (
                "this user has no permissions to run the 'unlink' command",
                Some("run the command UNLINK"),
            ),
            (
                "ACL failure in script: User me has no permissions to run the 'del' command",
                Some("run the command DEL"),
            ),
            (
                "this user has no permissions to access one of the keys used as arguments",
                Some("use one of the keys: allow all that begin with the prefix"),
            ),
            ("value is not an integer", None),
        ];
        for (detail, wanted) in table {
            assert_eq!(not_permitted(detail).as_deref(), wanted, "{detail}");
        }
    }

    #[test]
    fn refused_certificates_have_hints() {
        let table = [
            ("invalid peer certificate: UnknownIssuer", Some(ISSUER)),
            ("invalid peer certificate: certificate not valid for name \"x\"", Some(NAME)),
            ("invalid peer certificate: certificate expired: verification time", Some(EXPIRED)),
            ("received fatal alert: CertificateRequired", Some(CLIENT)),
            ("connection reset by peer", None),
        ];
        for (words, wanted) in table {
            assert_eq!(handshake(words).map(|(_, hint)| hint), wanted, "{words}");
        }
    }
}
