//! What an error of MongoDB means: ask again, or stop with a remedy.

use mongodb::error::{Error, ErrorKind};
use readmill_engine::Fault;

use super::handshake;

/// The name under which the service appears in errors.
pub const SERVICE: &str = "MongoDB";

/// What to do when there is no majority to write to.
pub const REPLICA_SET: &str = "run it as a replica set (one node will do) and initiate it: \
                               a majority's journals are what makes a write durable";

/// A refusal in the service's name.
pub fn refused(detail: impl Into<String>, hint: &'static str) -> Fault {
    Fault::Refused { service: SERVICE, detail: detail.into(), hint }
}

/// Silence in the service's name.
pub fn silent(detail: impl Into<String>) -> Fault {
    Fault::Silent { service: SERVICE, detail: detail.into() }
}

/// What an error of the driver means. The server's texts may quote data, so that of its answers
/// only the codes are told.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the driver may add kinds; those that are not named come and go with connections"
)]
pub fn of_driver(place: &str, error: &Error) -> Fault {
    match error.kind.as_ref() {
        ErrorKind::Authentication { .. } => {
            refused(format!("{place}: authentication failed"), CREDENTIALS)
        }
        ErrorKind::Command(error) => of_code(place, error.code, &error.code_name),
        ErrorKind::InvalidArgument { message, .. }
        | ErrorKind::InvalidTlsConfig { message, .. } => refused(
            format!("{place}: {message}"),
            "write it as mongodb://user:password@host:port,…/?replicaSet=name",
        ),
        ErrorKind::IncompatibleServer { message, .. } => {
            refused(format!("{place}: {message}"), "run MongoDB 5.0 or newer")
        }
        ErrorKind::Bson(_) | ErrorKind::InvalidResponse { .. } => refused(
            format!("{place}: an answer cannot be read"),
            "is this really a MongoDB server?",
        ),
        ErrorKind::Io(error) => match handshake::refusal(&error.to_string()) {
            Some((what, hint)) => refused(format!("{place}: {what}"), hint),
            None => silent(format!("{place}: {}", error.kind())),
        },
        ErrorKind::ServerSelection { message, .. } => of_selection(place, message),
        ErrorKind::ConnectionPoolCleared { .. } => silent(format!("{place}: connection lost")),
        ErrorKind::DnsResolve { message, .. } => silent(format!("{place}: {message}")),
        _ => silent(format!("{place}: the connection failed")),
    }
}

/// What it means that no primary was found. The driver describes its whole view of the servers;
/// the first trouble in it is what helps. If every server is in trouble about a certificate, only a
/// person can mend it.
fn of_selection(place: &str, message: &str) -> Fault {
    let causes = causes(message);
    let refusals: Vec<_> = causes.iter().filter_map(|cause| handshake::refusal(cause)).collect();
    match (refusals.first(), causes.first()) {
        (Some((what, hint)), _) if refusals.len() == causes.len() => {
            refused(format!("{place}: {what}"), hint)
        }
        (_, Some(cause)) => {
            silent(format!("{place}: no primary in time: {}", handshake::told(cause)))
        }
        (_, None) => silent(format!("{place}: no primary in time")),
    }
}

/// The troubles that a description of servers tells of.
fn causes(message: &str) -> Vec<&str> {
    let causes = message.split("Error: Kind: ").skip(1);
    causes.map(|cause| cause.split_once(", labels:").map_or("", |(cause, _)| cause)).collect()
}

/// What a code of the server means.
pub fn of_code(place: &str, code: i32, name: &str) -> Fault {
    let detail = format!("{place}: {name} ({code})");
    match code {
        18 => refused(detail, CREDENTIALS),
        13 | 8_000 => refused(detail, GRANTS),
        // No replica set: IllegalOperation, NoReplicationEnabled, UnsatisfiableWriteConcern,
        // CannotSatisfyWriteConcern's name of old, NotAReplicaSet.
        20 | 76 | 100 | 123 => refused(detail, REPLICA_SET),
        121 => refused(detail, "take the validation rule off the collection: readmill owns it"),
        code if is_too_large(code) => refused(detail, TOO_LARGE),
        // Bad commands and indexes in the way: asking again changes nothing.
        2 | 9 | 14 | 52 | 59 | 67 | 72 | 73 | 85 | 86 => {
            refused(detail, "the collection or the server is not as readmill made or expects it")
        }
        // Not primary, stepping down, shutting down, out of time, busy: it will pass.
        _ => silent(detail),
    }
}

/// What an index of others means that readmill's writes cannot fulfil.
pub fn foreign_index(place: &str) -> Fault {
    refused(
        format!("{place}: a unique index refuses a document"),
        "take the unique index off the collection: readmill owns it, and a read model declares its \
         own indexes",
    )
}

/// Whether a code says that a document is beyond the limit.
pub const fn is_too_large(code: i32) -> bool {
    matches!(code, 10_334 | 17_280 | 17_419 | 17_420)
}

/// What to do about a user who is not known.
const CREDENTIALS: &str = "look at user, password, authSource and authMechanism in the connection \
                           string, or at the certificate's subject";

/// What to do about a right that is missing.
const GRANTS: &str = "grant the user readWrite on the database, or a role with find, insert, \
                      update, remove, createIndex, listIndexes, dropIndex and dropCollection there";

/// What to do about a document beyond the limit.
pub const TOO_LARGE: &str = "MongoDB takes documents of up to 16 MiB: bound the lists in the read \
                             model's state";

#[cfg(test)]
mod tests {
    use readmill_engine::Remedy;

    use super::*;

    fn described(troubles: &[&str]) -> String {
        let server = |trouble: &&str| {
            format!("{{ Address: a:1, Error: Kind: {trouble}, labels: {{\"x\"}}, source: None }}")
        };
        let servers: Vec<String> = troubles.iter().map(server).collect();
        format!("Server selection timeout. Topology: {{ Servers: [ {} ] }}", servers.join(", "))
    }

    #[test]
    fn of_a_long_description_the_cause_is_told() {
        let refused = "I/O error: Connection refused (os error 111)";
        let expired = "I/O error: invalid peer certificate: Expired";
        let table: [(&[&str], Remedy, &str); 4] = [
            (&[], Remedy::Retry, "host: no primary in time"),
            (&[refused], Remedy::Retry, "host: no primary in time: I/O error: Connection refused"),
            (&[expired, refused], Remedy::Retry, "host: no primary in time: I/O error: invalid"),
            (&[expired, expired], Remedy::Stop, "renew the certificate"),
        ];
        for (troubles, remedy, words) in table {
            let fault = of_selection("host", &described(troubles));
            assert_eq!(fault.remedy(), remedy, "{fault}");
            assert!(fault.to_string().contains(words), "{fault}");
        }
    }

    #[test]
    fn codes_have_remedies() {
        let table = [
            (18, Remedy::Stop),
            (13, Remedy::Stop),
            (20, Remedy::Stop),
            (100, Remedy::Stop),
            (10_107, Remedy::Retry),
            (11_602, Remedy::Retry),
            (64, Remedy::Retry),
            (91, Remedy::Retry),
            (50, Remedy::Retry),
            (112, Remedy::Retry),
        ];
        for (code, remedy) in table {
            assert_eq!(of_code("host", code, "Name").remedy(), remedy, "{code}");
        }
    }
}
