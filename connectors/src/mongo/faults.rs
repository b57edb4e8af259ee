//! What an error of MongoDB means: ask again, or stop with a remedy.

use mongodb::error::{Error, ErrorKind};
use readmill_engine::Fault;

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
        ErrorKind::Authentication { .. } => refused(
            format!("{place}: authentication failed"),
            "look at user, password and authSource in the connection string",
        ),
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
        ErrorKind::Io(error) => silent(format!("{place}: {}", error.kind())),
        ErrorKind::ServerSelection { message, .. } => {
            silent(format!("{place}: no primary in time{}", first_cause(message)))
        }
        ErrorKind::ConnectionPoolCleared { .. } => silent(format!("{place}: connection lost")),
        ErrorKind::DnsResolve { message, .. } => silent(format!("{place}: {message}")),
        _ => silent(format!("{place}: the connection failed")),
    }
}

/// The driver describes its whole view of the servers; the first trouble in it is what helps.
fn first_cause(message: &str) -> String {
    let cause = message.split_once("Error: Kind: ").map(|(_, cause)| cause);
    let cause = cause.and_then(|cause| cause.split_once(", labels:")).map(|(cause, _)| cause);
    cause.map(|cause| format!(": {cause}")).unwrap_or_default()
}

/// What a code of the server means.
pub fn of_code(place: &str, code: i32, name: &str) -> Fault {
    let detail = format!("{place}: {name} ({code})");
    match code {
        18 => refused(detail, "look at user, password and authSource in the connection string"),
        13 | 8_000 => refused(detail, "grant the user readWrite on the database"),
        // No replica set: IllegalOperation, NoReplicationEnabled, UnsatisfiableWriteConcern,
        // CannotSatisfyWriteConcern's name of old, NotAReplicaSet.
        20 | 76 | 100 | 123 => refused(detail, REPLICA_SET),
        121 => refused(detail, "take the validation rule off the collection: readmill owns it"),
        10_334 | 17_280 | 17_419 | 17_420 => refused(detail, TOO_LARGE),
        // Bad commands and indexes in the way: asking again changes nothing.
        2 | 9 | 14 | 52 | 59 | 67 | 72 | 73 | 85 | 86 => {
            refused(detail, "the collection or the server is not as readmill made or expects it")
        }
        // Not primary, stepping down, shutting down, out of time, busy: it will pass.
        _ => silent(detail),
    }
}

/// What to do about a document beyond the limit.
pub const TOO_LARGE: &str = "MongoDB takes documents of up to 16 MiB: bound the lists in the read \
                             model's state";

#[cfg(test)]
mod tests {
    use readmill_engine::Remedy;

    use super::*;

    #[test]
    fn of_a_long_description_the_cause_is_told() {
        let message = "Server selection timeout: No available servers. Topology: { Type: Unknown, \
                       Servers: [ { Address: a:1, Error: Kind: I/O error: Connection refused (os \
                       error 111), labels: {\"x\"}, source: None } ] }";
        assert_eq!(first_cause(message), ": I/O error: Connection refused (os error 111)");
        assert_eq!(first_cause("something else"), "");
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
