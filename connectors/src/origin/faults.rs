//! What a database's errors mean for whoever only asks it, and what to do about them.

use readmill_engine::Fault;
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

use crate::outbox::faults;

pub const SERVICE: &str = "postgresql";

/// The fault behind an error. A server's detail is left out: it quotes rows.
pub fn fault(error: &Error) -> Fault {
    let known = faults::fault(error);
    let hint = match error.as_db_error().map(|told| told.code()) {
        Some(state) if *state == SqlState::INSUFFICIENT_PRIVILEGE => {
            "grant the user select on the tables that are compared"
        }
        Some(state) if [SqlState::UNDEFINED_TABLE, SqlState::UNDEFINED_COLUMN].contains(state) => {
            "see that the url names the database of the origin, and that the contract's tables and \
             columns are there"
        }
        Some(state) if *state == SqlState::SYNTAX_ERROR => {
            "give one select without a semicolon, with a column named key"
        }
        Some(_) | None => return known,
    };
    match known {
        Fault::Refused { service, detail, .. } => Fault::Refused { service, detail, hint },
        Fault::Silent { .. }
        | Fault::UnknownSchema { .. }
        | Fault::UnusableSchema { .. }
        | Fault::Damaged { .. }
        | Fault::RolledBack { .. }
        | Fault::Overslept
        | Fault::Abandoned => known,
    }
}

/// Something that is asked of an origin, and that it cannot answer.
pub const fn refused(detail: String, hint: &'static str) -> Fault {
    Fault::Refused { service: SERVICE, detail, hint }
}
