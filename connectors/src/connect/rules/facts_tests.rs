//! Each rule about the source database fires, and a database that is as it should be breaks none.

use super::facts::{Facts, Publication, Slot, Table, judge_with};
use super::tests::{OUTBOX, changed};

const TABLE: &str = "public.points_outbox";

fn facts() -> Facts {
    let tables = [TABLE, "public.debezium_heartbeat", "public.debezium_signal"];
    let published = tables.iter().map(|table| (*table).to_owned()).collect();
    Facts {
        wal_level: "logical".to_owned(),
        may_replicate: true,
        tables: [(TABLE.to_owned(), Some(Table { is_readable: true, keeps_rows: true }))].into(),
        publication: Some(Publication {
            tables: published,
            inserts: true,
            updates: false,
            deletes: false,
        }),
        slot: Some(Slot { is_lost: false, is_ours: true, kept_bytes: 1 << 20 }),
    }
}

type Change = fn(&mut Facts);

fn table(facts: &mut Facts) -> &mut Option<Table> {
    facts.tables.get_mut(TABLE).unwrap()
}

fn unpublish(facts: &mut Facts, table: &str) {
    assert!(facts.publication.as_mut().unwrap().tables.remove(table));
}

/// What is changed in the database, and the rule that is broken then.
pub const CASES: &[(Change, &str)] = &[
    (|facts| facts.wal_level = "replica".to_owned(), "wal-not-logical"),
    (|facts| facts.may_replicate = false, "role-unfit"),
    (|facts| *table(facts) = None, "table-absent"),
    (|facts| table(facts).as_mut().unwrap().is_readable = false, "table-unreadable"),
    (|facts| table(facts).as_mut().unwrap().keeps_rows = false, "identity-not-full"),
    (|facts| facts.publication = None, "publication-absent"),
    (|facts| unpublish(facts, TABLE), "table-unpublished"),
    (|facts| unpublish(facts, "public.debezium_heartbeat"), "heartbeat-unpublished"),
    (|facts| unpublish(facts, "public.debezium_signal"), "signals-unpublished"),
    (|facts| facts.publication.as_mut().unwrap().inserts = false, "operations-unpublished"),
    (|facts| facts.slot.as_mut().unwrap().is_lost = true, "slot-lost"),
    (|facts| facts.slot.as_mut().unwrap().is_ours = false, "slot-foreign"),
    (|facts| facts.slot.as_mut().unwrap().kept_bytes = 2 << 30, "slot-behind"),
];

#[test]
fn each_rule_about_the_database_fires_alone() {
    let signals = [("signal.data.collection", "public.debezium_signal")];
    let definition = changed(OUTBOX, &signals);
    assert_eq!(judge_with(&definition, &facts()), []);
    for (change, wanted) in CASES {
        let mut facts = facts();
        change(&mut facts);
        let found = judge_with(&definition, &facts);
        let [finding] = &found[..] else { panic!("{wanted}: {found:?}") };
        assert_eq!(finding.rule.id, *wanted);
    }
}

#[test]
fn a_router_needs_no_whole_rows_and_a_filtered_publication_is_the_connectors_own() {
    let mut found = facts();
    table(&mut found).as_mut().unwrap().keeps_rows = false;
    assert_eq!(judge_with(&changed("postgres/router.json", &[]), &found), []);
    found = facts();
    found.publication = None;
    let filtered = changed(OUTBOX, &[("publication.autocreate.mode", "filtered")]);
    assert_eq!(judge_with(&filtered, &found), []);
}
