//! Signals: a connector is told to read tables again, by a row in a table of its database.

use readmill_engine::Fault;
use serde_json::json;
use tokio_postgres::Client;

use super::faults::{fault, refused};
use super::relation::quoted;
use crate::outbox::{OutboxConfig, lane};

/// The name of a table with that of its schema, as connectors know it.
const NAMED: &str = "select n.nspname, c.relname from pg_class c \
                     join pg_namespace n on n.oid = c.relnamespace where c.oid = to_regclass($1)";

/// Where connectors of a database are told something.
#[derive(Debug)]
pub struct Signals {
    client: Client,
    table: String,
}

impl Signals {
    /// In a table, which connectors name in `signal.data.collection`.
    ///
    /// # Errors
    /// When the database does not answer, or has no such table.
    pub async fn open(url: &str, table: &str) -> Result<Self, Fault> {
        let client = lane::connect(&OutboxConfig::at(url)).await?;
        let signals = Self { client, table: table.to_owned() };
        signals.named(table).await?;
        Ok(signals)
    }

    /// Asks for these tables to be read again while all else goes on. What was asked for under the
    /// same id is not asked for again.
    ///
    /// # Errors
    /// When the database does not answer or refuses, or has no such table.
    pub async fn ask_for_snapshot(&self, id: &str, tables: &[String]) -> Result<(), Fault> {
        let mut collections = Vec::new();
        for table in tables {
            collections.push(self.named(table).await?);
        }
        let data = json!({ "type": "incremental", "data-collections": collections }).to_string();
        let place = self.table.split('.').map(quoted).collect::<Vec<_>>().join(".");
        let statement = format!(
            "insert into {place} (id, type, data) select $1, 'execute-snapshot', $2 \
             where not exists (select from {place} where id = $1)"
        );
        let asked = self.client.execute(&statement, &[&id, &data]).await;
        asked.map(drop).map_err(|error| fault(&error))
    }

    async fn named(&self, table: &str) -> Result<String, Fault> {
        let found = self.client.query_opt(NAMED, &[&table]).await.map_err(|error| fault(&error))?;
        let Some(row) = found else {
            let detail = format!("the database has no table {table}");
            let hint = "see connectors/debezium/postgres/signals.sql for the table of signals";
            return Err(refused(detail, hint));
        };
        Ok(format!("{}.{}", row.get::<_, String>(0), row.get::<_, String>(1)))
    }
}
