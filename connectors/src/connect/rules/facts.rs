//! Rules about what stands in the source database beside a definition: PostgreSQL's.

use std::collections::{BTreeMap, BTreeSet};

use super::sight::{Shape, Sight};
use super::{Finding, Findings, set, table};
use crate::connect::definition::Definition;

/// A slot that keeps more than this is told.
const MUCH_BYTES: i64 = 1 << 30;

/// What was found in the database.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// What the server writes into its log.
    pub wal_level: String,
    /// Whether the connector's role may read the log.
    pub may_replicate: bool,
    /// The tables to capture that are named without a pattern, and those of them that are there.
    pub tables: BTreeMap<String, Option<Table>>,
    /// The publication, if it is there.
    pub publication: Option<Publication>,
    /// The slot, if it is there: the connector makes it.
    pub slot: Option<Slot>,
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Whether the connector's role may read it.
    pub is_readable: bool,
    /// Whether its whole rows are in the log when they are deleted.
    pub keeps_rows: bool,
}

/// A publication.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Publication {
    /// Its tables.
    pub tables: BTreeSet<String>,
    /// Whether it has inserts.
    pub inserts: bool,
    /// Whether it has updates.
    pub updates: bool,
    /// Whether it has deletes.
    pub deletes: bool,
}

/// A replication slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// The server has thrown away what it was to keep for it.
    pub is_lost: bool,
    /// It is of pgoutput, and of the definition's database.
    pub is_ours: bool,
    /// How much of its log the server keeps for it.
    pub kept_bytes: i64,
}

/// Judges a definition by what is in its database.
pub fn judge_with(definition: &Definition, facts: &Facts) -> Vec<Finding> {
    let mut found = Findings::default();
    let sight = Sight::new(definition);
    server(&sight, facts, &mut found);
    tables(&sight, facts, &mut found);
    publication(&sight, facts, &mut found);
    slot(&sight, facts, &mut found);
    found.0
}

fn server(sight: &Sight<'_>, facts: &Facts, found: &mut Findings) {
    if facts.wal_level != "logical" {
        let what = format!("wal_level is {}", facts.wal_level);
        found.note(
            &table::WAL_NOT_LOGICAL,
            what,
            "set wal_level = logical, and restart the server",
        );
    }
    if !facts.may_replicate {
        let user = sight.get("database.user").unwrap_or("the role");
        let what = format!("{user} has no right to replicate");
        found.note(&table::ROLE_UNFIT, what, format!("alter role {user} replication"));
    }
}

fn tables(sight: &Sight<'_>, facts: &Facts, found: &mut Findings) {
    let user = sight.get("database.user").unwrap_or("the role");
    let routed = matches!(sight.shape(), Shape::Routed(_));
    let outboxes = sight.outboxes();
    for (name, table) in &facts.tables {
        let Some(table) = table else {
            let mend = "make the table, or take it out of table.include.list";
            found.note(&table::TABLE_ABSENT, format!("there is no table {name}"), mend);
            continue;
        };
        if !table.is_readable {
            let what = format!("{user} may not read {name}");
            let mend = format!("grant select on {name} to {user}");
            found.note(&table::TABLE_UNREADABLE, what, mend);
        }
        let keyed = outboxes.iter().any(|outbox| outbox.name.as_ref() == Some(name));
        if keyed && !routed && !table.keeps_rows {
            let what = format!("the replica identity of {name} is not full");
            let mend = format!("alter table {name} replica identity full");
            found.note(&table::IDENTITY_NOT_FULL, what, mend);
        }
    }
}

fn publication(sight: &Sight<'_>, facts: &Facts, found: &mut Findings) {
    if !sight.is("publication.autocreate.mode", "disabled") {
        return;
    }
    let name = sight.get("publication.name").unwrap_or_default();
    let Some(published) = &facts.publication else {
        let what = format!("there is no publication {name}");
        let names: Vec<&str> = facts.tables.keys().map(String::as_str).collect();
        let mend = format!("create publication {name} for table {}", names.join(", "));
        return found.note(&table::PUBLICATION_ABSENT, what, mend);
    };
    let add = |table: &str| format!("alter publication {name} add table {table}");
    let lacks = |table: &str| !published.tables.contains(table);
    for table in facts.tables.iter().filter(|(_, table)| table.is_some()).map(|(name, _)| name) {
        if lacks(table) {
            let what = format!("{name} does not publish {table}");
            found.note(&table::TABLE_UNPUBLISHED, what, add(table));
        }
    }
    let query = sight.get("heartbeat.action.query").unwrap_or_default();
    if let Some(table) = written_to(query).filter(|table| lacks(table)) {
        let what = format!("{name} does not publish {table}, which the heartbeat writes to");
        found.note(&table::HEARTBEAT_UNPUBLISHED, what, add(table));
    }
    if let Some(table) = sight.get("signal.data.collection").filter(|table| lacks(table)) {
        let what = format!("{name} does not publish {table}, by which the connector is told");
        found.note(&table::SIGNALS_UNPUBLISHED, what, add(table));
    }
    let ordinary = sight.has_ordinary_tables();
    let wanted = [
        ("insert", published.inserts, true),
        ("update", published.updates, ordinary),
        ("delete", published.deletes, ordinary),
    ];
    for (operation, _, _) in wanted.iter().filter(|(_, has, wants)| *wants && !has) {
        let what = format!("{name} does not publish {operation}s");
        let mend =
            format!("alter publication {name} set (publish = 'insert, update, delete, truncate')");
        found.note(&table::OPERATIONS_UNPUBLISHED, what, mend);
    }
}

/// The table that a statement writes to, as far as it begins as one.
fn written_to(statement: &str) -> Option<&str> {
    let mut words = statement.split([' ', '(', '\n']).filter(|word| !word.is_empty());
    let first = words.next()?;
    if first.eq_ignore_ascii_case("update") {
        return words.next();
    }
    let is_insert = first.eq_ignore_ascii_case("insert");
    words.next().filter(|into| is_insert && into.eq_ignore_ascii_case("into"))?;
    words.next()
}

fn slot(sight: &Sight<'_>, facts: &Facts, found: &mut Findings) {
    let name = sight.get("slot.name").unwrap_or_default();
    let Some(slot) = &facts.slot else { return };
    let begin_anew = format!(
        "select pg_drop_replication_slot('{name}'), and apply with a snapshot that reads all again"
    );
    if slot.is_lost {
        let what = format!("the server has thrown away what slot {name} had not read");
        found.note(&table::SLOT_LOST, what, begin_anew);
    } else if !slot.is_ours {
        let what = format!("slot {name} is of another plugin, or of another database");
        found.note(&table::SLOT_FOREIGN, what, set("slot.name", "a name of its own"));
    } else if slot.kept_bytes > MUCH_BYTES {
        let what = format!("the server keeps {} MiB for slot {name}", slot.kept_bytes >> 20);
        let mend = "see that the connector runs, and its heartbeat; `connectors status`";
        found.note(&table::SLOT_BEHIND, what, mend);
    }
}
