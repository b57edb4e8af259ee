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

/// What an error means. The server's texts may quote data: only their codes are told.
pub fn of_error(place: &str, error: &RedisError) -> Fault {
    if error.kind() == ErrorKind::AuthenticationFailed {
        return refused(format!("{place}: authentication failed"), CREDENTIALS);
    }
    if error.kind() == ErrorKind::InvalidClientConfig {
        return refused(format!("{place}: not a usable address"), ADDRESS);
    }
    match error.code() {
        Some(code) => of_code(place, code),
        None if error.is_io_error() => silent(format!("{place}: {error}")),
        None => silent(format!("{place}: {}", error.category())),
    }
}

/// What a code of the server means.
pub fn of_code(place: &str, code: &str) -> Fault {
    let detail = format!("{place}: {code}");
    match code {
        "NOAUTH" | "WRONGPASS" => refused(detail, CREDENTIALS),
        "NOPERM" => refused(detail, "allow the user hashes, scripts, scans and expiry on the keys"),
        "WRONGTYPE" => damaged(format!("a key in {SERVICE}"), "it is not a hash"),
        "MOVED" | "ASK" | "CROSSSLOT" => {
            refused(detail, "a cluster is not supported: name a single primary")
        }
        "OOM" => silent(format!("{detail}: its memory is full, see maxmemory")),
        "MISCONF" => silent(format!("{detail}: it cannot write to its own disk")),
        "READONLY" => silent(format!("{detail}: a replica answers, which passes with a fail-over")),
        "ERR" => refused(detail, "is this Redis 6 or newer, with scripts?"),
        // Loading, busy, waiting for a primary or for replicas: it will pass.
        _ => silent(detail),
    }
}

const CREDENTIALS: &str = "look at user and password in the address";
const ADDRESS: &str = "write it as redis://user:password@host:port/database; TLS is not built in";

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
        ];
        for (code, remedy) in table {
            assert_eq!(of_code("host", code).remedy(), remedy, "{code}");
        }
    }
}
