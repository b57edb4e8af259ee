//! A look at the source database of a definition, as the connector would see it: PostgreSQL's.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use readmill_engine::Fault;
use tokio::time::timeout;
use tokio_postgres::{Client, Row};

use super::definition::Definition;
use super::pattern;
use super::rules::{Facts, Publication, Slot, Table};
use crate::outbox::address::Protection;
use crate::outbox::tls::Tls;

const SERVICE: &str = "PostgreSQL";
const LIMIT: Duration = Duration::from_secs(10);
const HINT: &str = "see database.hostname, database.user and the like of the definition";

const SERVER: &str = "select current_setting('wal_level'), coalesce((select rolreplication or \
                      rolsuper from pg_roles where rolname = current_user), false)";
const TABLE: &str = "select has_table_privilege(c.oid, 'select'), c.relreplident = 'f' or \
                     c.relkind = 'p' from pg_class c join pg_namespace n on n.oid = c.relnamespace \
                     where n.nspname = $1 and c.relname = $2 and c.relkind in ('r', 'p')";
const PUBLICATION: &str =
    "select pubinsert, pubupdate, pubdelete from pg_publication where pubname = $1";
const PUBLISHED: &str = "select schemaname || '.' || tablename from pg_publication_tables where \
                         pubname = $1";
const SLOT: &str = "select coalesce(wal_status, '') = 'lost', plugin = 'pgoutput' and database = \
                    current_database(), pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::bigint \
                    from pg_replication_slots where slot_name = $1";

/// Looks at the database of a definition; `None` if it is none of PostgreSQL's.
///
/// # Errors
/// When the database does not answer, or refuses.
pub async fn look(definition: &Definition) -> Result<Option<Facts>, Fault> {
    let option = |name: &str| definition.options.get(name).map(String::as_str);
    if definition.class() != Some(super::rules::POSTGRES) {
        return Ok(None);
    }
    let client = connect(definition).await?;
    let ask = async {
        let server = client.query_one(SERVER, &[]).await?;
        let mut tables = BTreeMap::new();
        let listed = option("table.include.list").unwrap_or_default().split(',');
        for name in listed.filter_map(pattern::plain) {
            let Some((schema, table)) = name.split_once('.') else { continue };
            let found = client.query_opt(TABLE, &[&schema, &table]).await?;
            let told = |row: Row| Table { is_readable: row.get(0), keeps_rows: row.get(1) };
            tables.insert(name.clone(), found.map(told));
        }
        Ok(Facts {
            wal_level: server.get(0),
            may_replicate: server.get(1),
            tables,
            publication: publication(&client, option("publication.name")).await?,
            slot: slot(&client, option("slot.name")).await?,
        })
    };
    let answered = timeout(LIMIT, ask).await.map_err(|_| late())?;
    answered.map(Some).map_err(|error| fault(&error))
}

/// A session with the database of a definition.
pub async fn connect(definition: &Definition) -> Result<Client, Fault> {
    let option = |name: &str| definition.options.get(name).map(String::as_str).unwrap_or_default();
    let password = option("database.password");
    if password.contains("${") {
        let detail = "its password is left for Connect to fill in".to_owned();
        return Err(Fault::Refused { service: SERVICE, detail, hint: HINT });
    }
    let words = |name: &str| definition.options.get(name).map(String::as_str);
    let root = words("database.sslrootcert").map(PathBuf::from);
    let protection = Protection::of(words("database.sslmode"), root)?;
    let mut config = tokio_postgres::Config::new();
    config
        .host(option("database.hostname"))
        .port(option("database.port").parse().unwrap_or(5432))
        .user(option("database.user"))
        .password(password)
        .dbname(option("database.dbname"))
        .application_name("readmill")
        .ssl_mode(protection.mode.driver())
        .connect_timeout(LIMIT);
    let tls = Tls::new(&protection)?;
    let connecting = timeout(LIMIT, config.connect(tls)).await.map_err(|_| late())?;
    let (client, connection) = connecting.map_err(|error| fault(&error))?;
    // It ends with the client; what goes wrong on it is answered to the client's calls, too.
    drop(tokio::spawn(connection));
    Ok(client)
}

async fn publication(
    client: &Client,
    name: Option<&str>,
) -> Result<Option<Publication>, tokio_postgres::Error> {
    let name = name.unwrap_or_default();
    let Some(row) = client.query_opt(PUBLICATION, &[&name]).await? else { return Ok(None) };
    let tables: BTreeSet<String> =
        client.query(PUBLISHED, &[&name]).await?.iter().map(|row| row.get(0)).collect();
    Ok(Some(Publication { tables, inserts: row.get(0), updates: row.get(1), deletes: row.get(2) }))
}

async fn slot(client: &Client, name: Option<&str>) -> Result<Option<Slot>, tokio_postgres::Error> {
    let row = client.query_opt(SLOT, &[&name.unwrap_or_default()]).await?;
    Ok(row.map(|row| Slot {
        is_lost: row.get(0),
        is_ours: row.get::<_, Option<bool>>(1).unwrap_or(false),
        kept_bytes: row.get::<_, Option<i64>>(2).unwrap_or(0),
    }))
}

fn late() -> Fault {
    Fault::Silent { service: SERVICE, detail: format!("no answer within {} s", LIMIT.as_secs()) }
}

/// A server's detail is left out: it may quote rows.
fn fault(error: &tokio_postgres::Error) -> Fault {
    match error.as_db_error() {
        Some(told) => {
            let detail = format!("{} (sqlstate {})", told.message(), told.code().code());
            Fault::Refused { service: SERVICE, detail, hint: HINT }
        }
        None => Fault::Silent { service: SERVICE, detail: super::faults::innermost(error) },
    }
}
