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
            "put the right user and password into the url"
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

/// No answer from a server: the network, a malformed address, or a demand for TLS.
fn without_answer(error: &Error) -> Fault {
    let mut detail = error.to_string();
    if let Some(source) = error.source().map(ToString::to_string)
        && !detail.contains(&source)
    {
        detail = format!("{detail}: {source}");
    }
    if detail.contains("TLS")
        || detail.contains("configuration")
        || detail.contains("connection string")
    {
        let hint = "write the url as postgresql://user:password@host:port/database, without tls";
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
