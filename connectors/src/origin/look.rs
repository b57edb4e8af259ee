//! A look at a PostgreSQL from outside: the slots of a database, what holds them back, its time.

use std::time::Duration;

use readmill_engine::Fault;
use tokio::time::sleep;
use tokio_postgres::{Client, Row};

use super::faults::fault;
use super::postgres::session;
use crate::connect::Definition;
use crate::outbox::OutboxConfig;

const SERVER: &str = "select (extract(epoch from clock_timestamp()) * 1000)::bigint, \
                      current_database()::text, \
                      coalesce(current_setting('max_slot_wal_keep_size', true), '-1')";
const SLOTS: &str = "select slot_name::text, active, coalesce(wal_status, ''), \
                     coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn), 0)::bigint, \
                     coalesce(restart_lsn::text, '') from pg_replication_slots \
                     where slot_type = 'logical' and database = current_database() order by 1";
const TRANSACTIONS: &str = "select pid::bigint, extract(epoch from now() - xact_start)::bigint, \
                            coalesce(state, '') from pg_stat_activity where datname = \
                            current_database() and pid <> pg_backend_pid() and xact_start < now() \
                            - make_interval(secs => $1) and backend_type = 'client backend' \
                            order by 2 desc limit 20";
const IDENTITY: &str = "select c.relreplident = 'n' or (c.relreplident = 'd' and not exists \
                        (select from pg_index i where i.indrelid = c.oid and i.indisprimary)) \
                        from pg_class c where c.oid = to_regclass($1)";

/// A transaction that is open for longer is told, in seconds.
const LONG_SECONDS: f64 = 600.0;

/// What a database says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OriginLook {
    /// The database.
    pub database: String,
    /// Its logical replication slots.
    pub slots: Vec<SlotLook>,
    /// Whether the server gives a slot up rather than let its disk run full.
    pub has_slot_limit: bool,
    /// Long transactions: the process, for how many seconds, and what it does.
    pub transactions: Vec<(i64, i64, String)>,
    /// Tables whose changed and deleted rows nobody can name.
    pub nameless: Vec<String>,
    /// The server's time, in milliseconds since 1970.
    pub now_ms: i64,
}

/// A replication slot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SlotLook {
    /// Its name.
    pub name: String,
    /// Whether somebody reads it.
    pub is_read: bool,
    /// Whether what it was to have is still there, in the server's word.
    pub status: String,
    /// How many bytes of its log the server keeps for it.
    pub kept_bytes: i64,
    /// By how much that has grown between two looks.
    pub grown_bytes: i64,
    /// Whether it has moved on between them.
    pub has_moved: bool,
}

/// Where a database is.
#[derive(Debug, Clone)]
pub enum OriginPlace {
    /// At this address.
    Url(String),
    /// Where a connector reads it.
    Of(Box<Definition>),
}

/// Looks at a database twice, with a pause between; at the identities of some tables, too.
///
/// # Errors
/// When it does not answer or refuses.
pub async fn look(
    place: &OriginPlace,
    tables: &[String],
    pause: Duration,
) -> Result<OriginLook, Fault> {
    let client = match place {
        OriginPlace::Url(url) => session(&OutboxConfig::at(url)).await?,
        OriginPlace::Of(definition) => crate::connect::session(definition).await?,
    };
    ask(&client, tables, pause).await.map_err(|error| fault(&error))
}

async fn ask(
    client: &Client,
    tables: &[String],
    pause: Duration,
) -> Result<OriginLook, tokio_postgres::Error> {
    let server = client.query_one(SERVER, &[]).await?;
    let mut look = OriginLook {
        now_ms: server.get(0),
        database: server.get(1),
        has_slot_limit: server.get::<_, String>(2) != "-1",
        ..OriginLook::default()
    };
    let first = client.query(SLOTS, &[]).await?;
    for row in client.query(TRANSACTIONS, &[&LONG_SECONDS]).await? {
        look.transactions.push((row.get(0), row.get(1), row.get(2)));
    }
    for table in tables {
        let row = client.query_opt(IDENTITY, &[table]).await?;
        if row.is_some_and(|row| row.get(0)) {
            look.nameless.push(table.clone());
        }
    }
    if !first.is_empty() {
        sleep(pause).await;
        let second = client.query(SLOTS, &[]).await?;
        look.slots = second.iter().map(|row| slot(row, &first)).collect();
    }
    Ok(look)
}

fn slot(row: &Row, first: &[Row]) -> SlotLook {
    let name: String = row.get(0);
    let before = first.iter().find(|before| before.get::<_, String>(0) == name);
    let kept_bytes: i64 = row.get(3);
    SlotLook {
        is_read: row.get(1),
        status: row.get(2),
        kept_bytes,
        grown_bytes: before.map_or(0, |before| kept_bytes - before.get::<_, i64>(3)),
        has_moved: before.is_none_or(|b| b.get::<_, String>(4) != row.get::<_, String>(4)),
        name,
    }
}
