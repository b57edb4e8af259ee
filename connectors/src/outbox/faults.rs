//! What PostgreSQL's errors mean, and what to do about them.

use std::error::Error as _;

use readmill_engine::Fault;
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

const SERVICE: &str = "postgresql";

/// The fault behind an error. A server's detail is left out: it quotes rows.
pub fn fault(error: &Error) -> Fault {
    let Some(told) = error.as_db_error() else {
        return without_answer(error);
    };
    let state = told.code();
    let detail = format!("{} (sqlstate {})", told.message(), state.code());
    let hint = match *state {
        SqlState::INVALID_PASSWORD | SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
            "put the right user and password into the url, and TLS if the server wants it: sslmode"
        }
        SqlState::INVALID_CATALOG_NAME => "name a database that exists, or create it",
        SqlState::UNIQUE_VIOLATION => {
            "these rows are there already: use another seed, or empty the outbox tables"
        }
        SqlState::INSUFFICIENT_PRIVILEGE => {
            "connect as the owner of the tables, or run connectors/debezium/postgres/outbox.sql"
        }
        SqlState::UNDEFINED_OBJECT => "create the role `debezium` first: LOGIN REPLICATION",
        SqlState::DISK_FULL => "free some space on the database's disk",
        SqlState::TOO_MANY_CONNECTIONS
        | SqlState::CANNOT_CONNECT_NOW
        | SqlState::ADMIN_SHUTDOWN
        | SqlState::CRASH_SHUTDOWN => {
            return Fault::Silent { service: SERVICE, detail };
        }
        _ => "look at the database's log",
    };
    Fault::Refused { service: SERVICE, detail, hint }
}

/// What is wrong with a certificate, and what to do about it.
const HANDSHAKE: [(&str, &str); 7] = [
    ("UnknownIssuer", ISSUER),
    ("BadSignature", ISSUER),
    ("NotValidForName", NAME),
    ("not valid for name", NAME),
    ("xpired", CLOCK),
    ("NotValidYet", CLOCK),
    ("not valid yet", CLOCK),
];
const ISSUER: &str = "set sslrootcert to the certificate of the authority that issued the server's";
const NAME: &str = "name the server in the url as its certificate does";
const CLOCK: &str = "renew the server's certificate, and see that this machine's clock is right";

/// No answer from a server: the network, a malformed address, or a demand for TLS.
fn without_answer(error: &Error) -> Fault {
    let mut detail = error.to_string();
    if let Some(source) = error.source().map(ToString::to_string)
        && !detail.contains(&source)
    {
        detail = format!("{detail}: {source}");
    }
    if let Some((_, hint)) = HANDSHAKE.iter().find(|(sign, _)| detail.contains(sign)) {
        return Fault::Refused { service: SERVICE, detail, hint };
    }
    if detail.contains("TLS")
        || detail.contains("configuration")
        || detail.contains("connection string")
    {
        let hint = "write the url as postgresql://user:password@host:port/database, with \
                    ?sslmode=disable where the server has no tls";
        return Fault::Refused { service: SERVICE, detail, hint };
    }
    Fault::Silent { service: SERVICE, detail }
}

/// Nobody answered in time.
pub fn late(limit_ms: u64) -> Fault {
    Fault::Silent { service: SERVICE, detail: format!("no connection within {limit_ms} ms") }
}

/// A row that cannot be meant.
pub const fn refused(detail: String, hint: &'static str) -> Fault {
    Fault::Refused { service: SERVICE, detail, hint }
}
