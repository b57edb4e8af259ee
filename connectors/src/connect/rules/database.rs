//! Rules about the source database: its slot or its binary log, its heartbeat, its tables.

use super::sight::{Sight, Source};
use super::{Findings, set, table};

const HEARTBEAT: &str = "heartbeat.interval.ms";
const HEARTBEAT_QUERY: &str = "heartbeat.action.query";
const LONGEST_SLOT_NAME: usize = 63;

/// What every source needs.
pub fn any(sight: &Sight<'_>, found: &mut Findings) {
    if sight.get("topic.prefix").is_none() {
        let mend = set("topic.prefix", "shop");
        found.note(&table::PREFIX_MISSING, "topic.prefix is not set", mend);
    }
    if sight.get("table.include.list").is_none() {
        let what = "table.include.list is not set";
        found.note(&table::TABLES_OPEN, what, set("table.include.list", "public.points_outbox"));
    }
    heartbeat(sight, found);
}

fn heartbeat(sight: &Sight<'_>, found: &mut Findings) {
    let beats = sight.get(HEARTBEAT).is_some_and(|interval| interval != "0");
    if !beats {
        let what = format!("{HEARTBEAT} is not set, or 0");
        found.note(&table::HEARTBEAT_MISSING, what, set(HEARTBEAT, "5000"));
    } else if sight.source() == Source::Postgres && sight.get(HEARTBEAT_QUERY).is_none() {
        let what = format!("{HEARTBEAT_QUERY} is not set");
        let query = "insert into public.debezium_heartbeat (id, beat) values (1, now()) on \
                     conflict (id) do update set beat = now()";
        found.note(&table::HEARTBEAT_PASSIVE, what, set(HEARTBEAT_QUERY, query));
    }
}

/// What PostgreSQL needs.
pub fn postgres(sight: &Sight<'_>, found: &mut Findings) {
    if !sight.is("plugin.name", "pgoutput") {
        let what = format!("plugin.name is {}", sight.get("plugin.name").unwrap_or("not set"));
        found.note(&table::PLUGIN_NOT_PGOUTPUT, what, set("plugin.name", "pgoutput"));
    }
    slot(sight, found);
    if sight.get("publication.name").is_none() {
        let what = "publication.name is not set";
        let mend = set("publication.name", "readmill_outbox");
        found.note(&table::PUBLICATION_MISSING, what, mend);
    }
    let option = "publication.autocreate.mode";
    if sight.get(option).is_none_or(|mode| mode.eq_ignore_ascii_case("all_tables")) {
        let what = format!("{option} is all_tables, or not set, which is the same");
        found.note(&table::PUBLICATION_OPEN, what, set(option, "disabled"));
    }
    if sight.is("flush.lsn.source", "false") || sight.is("lsn.flush.mode", "manual") {
        let what = "the connector never tells the slot what it has read";
        let mend = set("lsn.flush.mode", "connector") + ", and flush.lsn.source left out";
        found.note(&table::WAL_KEPT, what, mend);
    }
    before_images(sight, found);
}

fn slot(sight: &Sight<'_>, found: &mut Findings) {
    let Some(name) = sight.get("slot.name") else {
        let mend = set("slot.name", "readmill_outbox");
        return found.note(&table::SLOT_MISSING, "slot.name is not set", mend);
    };
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if !name.chars().all(fits) || name.len() > LONGEST_SLOT_NAME {
        let what = format!("slot.name is {name}");
        let mend = set("slot.name", "readmill_outbox") + ", or another such name";
        found.note(&table::SLOT_UNFIT, what, mend);
    }
    if sight.is("slot.drop.on.stop", "true") {
        let what = "slot.drop.on.stop is true";
        found.note(&table::SLOT_DROPPED, what, set("slot.drop.on.stop", "false"));
    }
}

/// Where the connector is told to set the replica identity itself: `table:FULL,table:DEFAULT`.
fn before_images(sight: &Sight<'_>, found: &mut Findings) {
    let option = "replica.identity.autoset.values";
    let keyed = sight.get("message.key.columns").is_some();
    for entry in sight.list(option) {
        let Some((table, identity)) = entry.rsplit_once(':') else { continue };
        if keyed && !identity.trim().eq_ignore_ascii_case("full") {
            let what = format!("{option} gives {table} the identity {identity}");
            found.note(&table::BEFORE_MISSING, what, set(option, &format!("{table}:FULL")));
        }
    }
}

/// What MariaDB and MySQL need.
pub fn binlog(sight: &Sight<'_>, found: &mut Findings) {
    if sight.get("database.server.id").is_none() {
        let what = "database.server.id is not set";
        found.note(&table::SERVER_ID_MISSING, what, set("database.server.id", "5401"));
    }
    if sight.get("schema.history.internal").is_some() {
        // A history of another kind, which has options of its own.
        return;
    }
    let options = [
        ("schema.history.internal.kafka.bootstrap.servers", "${KAFKA_BROKERS}"),
        ("schema.history.internal.kafka.topic", "shop.schema-history"),
    ];
    for (option, value) in options {
        if sight.get(option).is_none() {
            found.note(&table::HISTORY_MISSING, format!("{option} is not set"), set(option, value));
        }
    }
}
