//! Rules about source databases: what their slots keep, and what holds those back.

use readmill_connectors::origin::{OriginLook, SlotLook};

use super::{bytes, span};
use crate::doctor::finding::Findings;
use crate::doctor::table;

/// A slot that is read, keeps more than this and does not move while the log grows, is stuck.
const MUCH_BYTES: i64 = 1 << 28;

/// Judges a database.
pub fn judge(look: &OriginLook, found: &mut Findings) {
    let database = format!("database {}", look.database);
    for slot in &look.slots {
        judge_slot(&database, slot, found);
    }
    if !look.slots.is_empty() && !look.has_slot_limit {
        let mend = "set max_slot_wal_keep_size to what the disk can spare, and watch the slots";
        found.note(&table::SLOT_UNBOUNDED, &database, "max_slot_wal_keep_size is -1", mend);
    }
    for (process, seconds, state) in &look.transactions {
        let open = span(seconds * 1000);
        let what = format!("process {process} ({state}) has had a transaction open for {open}");
        let mend = format!(
            "end it: select pg_terminate_backend({process}); and set \
             idle_in_transaction_session_timeout"
        );
        found.note(&table::TRANSACTION_LONG, &database, what, mend);
    }
    for name in &look.nameless {
        let mend = format!("alter table {name} replica identity full, or give it a primary key");
        let what = format!("the rows of {name} have no replica identity");
        found.note(&table::IDENTITY_MISSING, &database, what, mend);
    }
}

fn judge_slot(database: &str, slot: &SlotLook, found: &mut Findings) {
    let SlotLook { name, is_read, status, kept_bytes, grown_bytes, has_moved } = slot;
    let about = format!("slot {name} of {database}");
    let size = |number: i64| bytes(number.max(0).cast_unsigned());
    let kept = format!("the server keeps {} of its log for it", size(*kept_bytes));
    let grown = if *grown_bytes > 0 {
        format!(", {} more than a moment ago", size(*grown_bytes))
    } else {
        String::new()
    };
    if status == "lost" {
        let mend = format!(
            "select pg_drop_replication_slot('{name}'), apply the connector with a snapshot, and \
             reconcile"
        );
        found.note(&table::SLOT_GONE, about, "the server has given it up", mend);
    } else if !is_read {
        let mend = format!(
            "start its connector (readmill connectors status -c FILE); if it has none any more: \
             select pg_drop_replication_slot('{name}')"
        );
        found.note(&table::SLOT_UNREAD, about, format!("nobody reads it, {kept}{grown}"), mend);
    } else if !has_moved && *grown_bytes > 0 && *kept_bytes > MUCH_BYTES {
        let mend = "see the connector's log, its heartbeat.interval.ms, and long transactions";
        found.note(&table::SLOT_STUCK, about, format!("it does not move, {kept}{grown}"), mend);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look() -> OriginLook {
        let slot = SlotLook {
            name: "shop".to_owned(),
            is_read: true,
            status: "reserved".to_owned(),
            kept_bytes: 1 << 20,
            grown_bytes: 100,
            has_moved: false,
        };
        OriginLook {
            database: "shop".to_owned(),
            slots: vec![slot],
            has_slot_limit: true,
            ..OriginLook::default()
        }
    }

    #[test]
    fn each_rule_about_a_database_fires_alone() {
        type Change = fn(&mut OriginLook);
        let table: [(Change, &[&str]); 10] = [
            (|_| {}, &[]),
            (|look| look.slots[0].is_read = false, &["slot-unread"]),
            (|look| look.slots[0].status = "lost".to_owned(), &["slot-gone"]),
            (|look| look.slots[0].kept_bytes = 1 << 30, &["slot-stuck"]),
            (
                |look| {
                    look.slots[0].kept_bytes = 1 << 30;
                    look.slots[0].has_moved = true;
                },
                &[],
            ),
            (
                |look| {
                    look.slots[0].kept_bytes = 1 << 30;
                    look.slots[0].grown_bytes = 0;
                },
                &[],
            ),
            (|look| look.has_slot_limit = false, &["slot-unbounded"]),
            (
                |look| {
                    look.has_slot_limit = false;
                    look.slots.clear();
                },
                &[],
            ),
            (|look| look.transactions = vec![(7, 900, "idle".to_owned())], &["transaction-long"]),
            (|look| look.nameless = vec!["coupon".to_owned()], &["identity-missing"]),
        ];
        for (change, wanted) in table {
            let mut look = look();
            change(&mut look);
            let mut found = Findings::default();
            judge(&look, &mut found);
            assert_eq!(found.ids(), wanted, "{look:?}");
        }
    }

    #[test]
    fn what_an_unread_slot_keeps_is_told_with_its_growth() {
        let mut look = look();
        look.slots[0].is_read = false;
        look.slots[0].grown_bytes = 3 << 20;
        let mut found = Findings::default();
        judge(&look, &mut found);
        let what = &found.0[0].what;
        assert!(what.contains("keeps 1 MiB") && what.contains("3 MiB more"), "{what}");
    }
}
