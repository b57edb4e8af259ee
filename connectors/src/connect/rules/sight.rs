//! A definition as the rules look at it: which database, which tables, in which shape.

use crate::connect::definition::Definition;
use crate::connect::pattern;

/// Debezium's connector for PostgreSQL.
pub const POSTGRES: &str = "io.debezium.connector.postgresql.PostgresConnector";
const MARIADB: &str = "io.debezium.connector.mariadb.MariaDbConnector";
const MYSQL: &str = "io.debezium.connector.mysql.MySqlConnector";
const FILE_SINK: &str = "org.apache.kafka.connect.file.FileStreamSinkConnector";
const JDBC_SINK: &str = "io.debezium.connector.jdbc.JdbcSinkConnector";
const ROUTER: &str = "io.debezium.transforms.outbox.EventRouter";
const FLATTENER: &str = "io.debezium.transforms.ExtractNewRecordState";

/// What is captured, or written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// PostgreSQL.
    Postgres,
    /// MariaDB.
    MariaDb,
    /// MySQL.
    MySql,
    /// Topics are written to a file.
    FileSink,
    /// Topics are written to tables.
    JdbcSink,
    /// Something that is not known here.
    Other,
}

/// In which shape records leave the connector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shape {
    /// Full envelopes.
    Envelope,
    /// Events, by the outbox event router of this alias.
    Routed(String),
    /// Rows, flattened by the transform of this alias.
    Flattened(String),
}

/// A table to capture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// As it is written, perhaps a pattern.
    pub written: String,
    /// Its name, if it is no pattern.
    pub name: Option<String>,
}

impl Table {
    /// Whether its name says that it is an outbox.
    pub fn is_outbox(&self) -> bool {
        let last = self.written.rsplit('.').next().unwrap_or(&self.written);
        last.to_ascii_lowercase().contains("outbox")
    }
}

/// The definition, and what is looked for in it.
pub struct Sight<'d> {
    definition: &'d Definition,
}

impl<'d> Sight<'d> {
    pub const fn new(definition: &'d Definition) -> Self {
        Self { definition }
    }

    /// An option that is set to anything.
    pub fn get(&self, option: &str) -> Option<&'d str> {
        self.definition.options.get(option).map(|value| value.trim()).filter(|v| !v.is_empty())
    }

    /// Whether an option is set to this, whatever the case.
    pub fn is(&self, option: &str, value: &str) -> bool {
        self.get(option).is_some_and(|found| found.eq_ignore_ascii_case(value))
    }

    /// All options that begin so.
    pub fn beginning(&self, prefix: &str) -> impl Iterator<Item = (&'d str, &'d str)> {
        let options = self.definition.options.iter();
        let options = options.map(|(option, value)| (option.as_str(), value.trim()));
        options.filter(move |(option, _)| option.starts_with(prefix))
    }

    /// The values of a list.
    pub fn list(&self, option: &str) -> Vec<&'d str> {
        let values = self.get(option).unwrap_or_default().split(',').map(str::trim);
        values.filter(|value| !value.is_empty()).collect()
    }

    pub fn source(&self) -> Source {
        match self.get("connector.class") {
            Some(POSTGRES) => Source::Postgres,
            Some(MARIADB) => Source::MariaDb,
            Some(MYSQL) => Source::MySql,
            Some(FILE_SINK) => Source::FileSink,
            Some(JDBC_SINK) => Source::JdbcSink,
            Some(_) | None => Source::Other,
        }
    }

    /// The transforms: alias and class.
    pub fn transforms(&self) -> Vec<(&'d str, &'d str)> {
        let class = |alias: &str| self.get(&format!("transforms.{alias}.type"));
        let aliases = self.list("transforms").into_iter();
        aliases.filter_map(|alias| class(alias).map(|class| (alias, class))).collect()
    }

    pub fn shape(&self) -> Shape {
        let transforms = self.transforms();
        let of = |wanted: &str| transforms.iter().find(|(_, class)| *class == wanted);
        match (of(ROUTER), of(FLATTENER)) {
            (Some((alias, _)), _) => Shape::Routed((*alias).to_owned()),
            (None, Some((alias, _))) => Shape::Flattened((*alias).to_owned()),
            (None, None) => Shape::Envelope,
        }
    }

    /// The option of a transform.
    pub fn of(&self, alias: &str, option: &str) -> Option<&'d str> {
        self.get(&format!("transforms.{alias}.{option}"))
    }

    /// The tables to capture, without those by which the connector itself is steered.
    pub fn tables(&self) -> Vec<Table> {
        let signals = self.get("signal.data.collection");
        let own = |written: &&str| {
            written.rsplit('.').next().is_some_and(|last| last.starts_with("debezium_"))
        };
        let tables = self.list("table.include.list").into_iter();
        let tables = tables.filter(|written| !own(written) && signals != Some(written));
        let table =
            |written: &str| Table { written: written.to_owned(), name: pattern::plain(written) };
        tables.map(table).collect()
    }

    /// The tables that are outboxes: by their names, or all where the router reads them.
    pub fn outboxes(&self) -> Vec<Table> {
        let all = matches!(self.shape(), Shape::Routed(_));
        self.tables().into_iter().filter(|table| all || table.is_outbox()).collect()
    }

    /// Whether any table is an ordinary one.
    pub fn has_ordinary_tables(&self) -> bool {
        let routed = matches!(self.shape(), Shape::Routed(_));
        !routed && self.tables().iter().any(|table| !table.is_outbox())
    }
}
