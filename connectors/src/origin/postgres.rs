//! An origin in PostgreSQL: tables or a query, and the slot by which a connector reads the log.

use std::collections::BTreeMap;

use async_trait::async_trait;
use readmill_core::{Key, SourcePosition};
use readmill_engine::Fault;
use readmill_engine::reconcile::{Origin, Place, Told};
use readmill_schemas::row::{ColumnKind, LayoutColumn};
use serde_json::Value;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, SimpleQueryMessage};

use super::faults::{fault, refused};
use super::relation::Relation;
use crate::outbox::{OutboxConfig, lane};

/// Texts as they are read here, whatever the database's defaults; and nothing is ever written.
const SESSION: &str = "set timezone = 'UTC'; set datestyle = 'ISO'; \
                       set extra_float_digits = 1; set default_transaction_read_only = on; \
                       set application_name = 'readmill reconcile'";
const ALONE: &str = "select slot_name from pg_replication_slots \
                     where slot_type = 'logical' and database = current_database()";
/// Behind every commit that anybody can have seen.
const PLACE: &str = "select pg_current_wal_insert_lsn()::text";

/// How it is known what of the origin is in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Publishing {
    /// By the replication slot that a connector confirms once its records are in the log; without
    /// a name, by the only one that the database has.
    Slot(Option<String>),
    /// It is not known.
    Unknown,
}

/// Rows in PostgreSQL.
#[derive(Debug)]
pub struct PostgresOrigin {
    config: OutboxConfig,
    client: Client,
    slot: Option<String>,
    relations: Vec<Relation>,
    at: usize,
    after: Option<Vec<String>>,
}

impl PostgresOrigin {
    /// Connects.
    ///
    /// # Errors
    /// When the database does not answer or refuses, or nobody says which slot is meant.
    pub async fn connect(config: OutboxConfig, publishing: Publishing) -> Result<Self, Fault> {
        let client = session(&config).await?;
        let (relations, slot) = (Vec::new(), None);
        let mut origin = Self { config, client, slot, relations, at: 0, after: None };
        if let Publishing::Slot(name) = publishing {
            origin.slot = Some(origin.slot_of(name).await?);
        }
        Ok(origin)
    }

    /// Compares a relation, too.
    pub fn with(&mut self, relation: Relation) {
        self.relations.push(relation);
    }

    /// Compares what a query says of documents, too.
    ///
    /// # Errors
    /// When it is none, or has no column `key`.
    pub async fn with_query(&mut self, query: &str) -> Result<(), Fault> {
        let query = query.trim().trim_end_matches(';');
        let statement = self.client.prepare(query).await.map_err(|error| fault(&error))?;
        let columns: Vec<LayoutColumn> = statement
            .columns()
            .iter()
            .map(|column| LayoutColumn {
                name: column.name().to_owned(),
                kind: kind_of(column.type_()),
            })
            .collect();
        let Some(key) = columns.iter().position(|column| column.name == "key") else {
            let hint = "name the column with the documents' keys: select member_id as key, …";
            return Err(refused("the query has no column key".to_owned(), hint));
        };
        self.with(Relation::of_query(query, columns, key));
        Ok(())
    }

    async fn slot_of(&mut self, name: Option<String>) -> Result<String, Fault> {
        let rows = self.ask(ALONE).await?;
        let mut known: Vec<String> =
            rows.into_iter().filter_map(|row| row.into_iter().next().flatten()).collect();
        match name {
            Some(name) if known.contains(&name) => Ok(name),
            Some(name) => {
                let detail = format!("there is no logical slot {name} of this database");
                Err(refused(detail, "name the slot.name of the connector that reads the tables"))
            }
            None if known.len() == 1 => Ok(known.remove(0)),
            None => {
                let detail = format!("{} logical slots read this database", known.len());
                let hint =
                    "name the connector's slot.name, or how long both sides must have rested";
                Err(refused(detail, hint))
            }
        }
    }

    /// The rows of an answer, as texts. A connection that was lost is made anew.
    async fn ask(&mut self, statement: &str) -> Result<Vec<Vec<Option<String>>>, Fault> {
        if self.client.is_closed() {
            self.client = session(&self.config).await?;
        }
        let answer = self.client.simple_query(statement).await.map_err(|error| fault(&error))?;
        let rows = answer.into_iter().filter_map(|message| {
            // Whatever else is told is of no interest, such as how many rows there are.
            let SimpleQueryMessage::Row(row) = message else { return None };
            Some((0..row.len()).map(|at| row.get(at).map(str::to_owned)).collect())
        });
        Ok(rows.collect())
    }

    async fn one(&mut self, statement: &str) -> Result<Option<String>, Fault> {
        let rows = self.ask(statement).await?;
        Ok(rows.into_iter().next().and_then(|row| row.into_iter().next().flatten()))
    }

    fn slot_quoted(&self) -> Option<String> {
        self.slot.as_ref().map(|slot| format!("'{}'", slot.replace('\'', "''")))
    }
}

pub(super) async fn session(config: &OutboxConfig) -> Result<Client, Fault> {
    let client = lane::connect(config).await?;
    client.batch_execute(SESSION).await.map_err(|error| fault(&error))?;
    Ok(client)
}

fn kind_of(told: &Type) -> ColumnKind {
    match *told {
        Type::BOOL => ColumnKind::Boolean,
        Type::INT2 | Type::INT4 => ColumnKind::Int,
        Type::INT8 => ColumnKind::Long,
        Type::FLOAT4 | Type::FLOAT8 => ColumnKind::Double,
        Type::NUMERIC => ColumnKind::Decimal(None),
        Type::TIMESTAMP | Type::TIMESTAMPTZ => ColumnKind::Millis,
        Type::DATE => ColumnKind::Date,
        Type::TIME => ColumnKind::Time,
        Type::UUID => ColumnKind::Uuid,
        Type::JSON | Type::JSONB => ColumnKind::Json,
        _ => ColumnKind::Text,
    }
}

fn told(relation: &Relation, row: &[Option<String>]) -> Result<Told, Fault> {
    let told = relation.told(row.iter().map(Option::as_deref));
    told.map_err(|detail| refused(detail, "leave such rows out of the query"))
}

#[async_trait]
impl Origin for PostgresOrigin {
    async fn page(&mut self) -> Result<Vec<Told>, Fault> {
        while let Some(relation) = self.relations.get(self.at).cloned() {
            let rows = self.ask(&relation.page(self.after.as_deref())).await?;
            let page: Vec<Told> =
                rows.iter().map(|row| told(&relation, row)).collect::<Result<_, _>>()?;
            if let Some(last) = page.last() {
                self.after = relation.literals(last.key.as_str());
                return Ok(page);
            }
            (self.at, self.after) = (self.at + 1, None);
        }
        Ok(Vec::new())
    }

    async fn look(&mut self, keys: &[Key]) -> Result<BTreeMap<Key, Value>, Fault> {
        let mut found = BTreeMap::new();
        for relation in self.relations.clone() {
            let Some(statement) = relation.look(keys.iter()) else { continue };
            for row in self.ask(&statement).await? {
                let Told { key, fields } = told(&relation, &row)?;
                found.insert(key, fields);
            }
        }
        Ok(found)
    }

    fn prefixes(&self) -> Vec<String> {
        self.relations.iter().map(Relation::prefix).collect()
    }

    async fn place(&mut self) -> Result<Option<Place>, Fault> {
        if self.slot.is_none() {
            return Ok(None);
        }
        Ok(self.one(PLACE).await?.map(Place))
    }

    async fn has_published(&mut self, place: &Place) -> Result<bool, Fault> {
        let Some(slot) = self.slot_quoted() else { return Ok(false) };
        let statement = format!(
            "select confirmed_flush_lsn >= '{}' from pg_replication_slots where slot_name = {slot}",
            place.0
        );
        Ok(self.one(&statement).await?.as_deref() == Some("t"))
    }

    async fn stands(&mut self) -> Result<Option<SourcePosition>, Fault> {
        let Some(slot) = self.slot_quoted() else { return Ok(None) };
        // No change of a transaction that is not confirmed yet is older than what the slot needs.
        let statement = format!(
            "select (restart_lsn - '0/0')::bigint from pg_replication_slots \
             where slot_name = {slot}"
        );
        let lsn = self.one(&statement).await?.and_then(|lsn| lsn.parse().ok());
        Ok(lsn.map(|lsn| SourcePosition::Postgres { commit: Some(lsn), lsn }))
    }
}
