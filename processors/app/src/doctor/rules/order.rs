//! Rules about the order of outboxes: what each trouble is called, and what mends it.

use std::collections::BTreeMap;

use readmill_core::Position;

use crate::doctor::finding::Findings;
use crate::doctor::order::{Count, Trouble, Troubles};
use crate::doctor::table::{self, Rule};

const TRIGGER: &str = "let a trigger count versions in the transaction that changes the aggregate: \
                       connectors/debezium/postgres/versions.sql, mariadb/versions.sql";

/// What was seen beside the order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Beside {
    /// Records of each topic that are no rows anybody can read: how many, and where first.
    pub unreadable: BTreeMap<String, Count>,
    /// Records of each topic that are stamped later than now: how many, where first.
    pub ahead: BTreeMap<String, Count>,
}

/// Judges what was found in the outboxes' topics.
pub fn judge(troubles: &Troubles, beside: &Beside, found: &mut Findings) {
    for ((topic, trouble), count) in troubles {
        let (rule, what, mend) = told(*trouble);
        note(rule, topic, count, what, mend, found);
    }
    for (topic, count) in &beside.unreadable {
        let mend = "readmill held list -c FILE -m MODEL tells why; mend the connector or its \
                    converters (readmill connectors check)";
        note(&table::UNREADABLE, topic, count, "records are no rows that can be read", mend, found);
    }
    for (topic, count) in &beside.ahead {
        let mend = "let a time service keep the clocks of the database, of Connect and of the \
                    brokers";
        note(
            &table::RECORDS_AHEAD,
            topic,
            count,
            "records are stamped later than now",
            mend,
            found,
        );
    }
}

fn note(
    rule: &'static Rule,
    topic: &str,
    count: &Count,
    what: &str,
    mend: &str,
    found: &mut Findings,
) {
    let Position { partition, offset } = &count.first;
    let place = format!("{}@{}", partition.index, offset.0);
    let what = format!("{} {what}, the first at {place}", count.count);
    found.note(rule, format!("topic {topic}"), what, mend);
}

fn told(trouble: Trouble) -> (&'static Rule, &'static str, &'static str) {
    match trouble {
        Trouble::Inverted => {
            (&table::ORDER_INVERTED, "versions came behind a later one of their aggregate", TRIGGER)
        }
        Trouble::Gap => (
            &table::ORDER_GAP,
            "versions of aggregates are missing between others",
            "readmill waiting -c FILE -m MODEL shows what waits for them; see whether a row was \
             deleted before it was read, or a version drawn and rolled back; then a trigger: \
             connectors/debezium/postgres/versions.sql",
        ),
        Trouble::Shared => (&table::VERSION_SHARED, "changes have the version of another", TRIGGER),
        Trouble::Concurrent => (
            &table::ORDER_CONCURRENT,
            "rows were written before, and committed after, another of their aggregate",
            "lock the aggregate's row before it is changed (select … for update), or count \
             versions by a trigger, which does: connectors/debezium/postgres/versions.sql",
        ),
        Trouble::IdBack => (
            &table::IDS_BACK,
            "ids were drawn before that of the change before them",
            "read the log instead of asking for larger ids, and order by version",
        ),
        Trouble::SourceBack => (
            &table::SOURCE_BACK,
            "rows stand before the one before them in the source's log",
            "let one connector alone write the topic: readmill connectors status -c FILE",
        ),
        Trouble::Scattered => (
            &table::ORDER_SCATTERED,
            "times an aggregate went on in another partition",
            "\"message.key.columns\": \"schema.table:aggregate_id\" (readmill connectors check); \
             if the topic grew, all of it is behind once the old records are folded",
        ),
        Trouble::Unversioned => (&table::UNVERSIONED, "rows have no version", TRIGGER),
        Trouble::Repeated => (
            &table::REPEATED,
            "rows came again",
            "exactly.once.source.support=enabled on the workers of Connect, and \
             \"exactly.once.support\": \"required\"",
        ),
    }
}

#[cfg(test)]
mod tests {
    use readmill_core::{Offset, Partition};

    use super::*;

    #[test]
    fn each_trouble_is_told_with_its_count_and_its_first_place_alone() {
        let first = Position { partition: Partition::new("t", 3), offset: Offset(12) };
        let count = Count { count: 2, first };
        let all = [
            (Trouble::Inverted, "order-inverted"),
            (Trouble::Gap, "order-gap"),
            (Trouble::Shared, "version-shared"),
            (Trouble::Concurrent, "order-concurrent"),
            (Trouble::IdBack, "ids-back"),
            (Trouble::SourceBack, "source-back"),
            (Trouble::Scattered, "order-scattered"),
            (Trouble::Unversioned, "unversioned"),
            (Trouble::Repeated, "repeated"),
        ];
        for (trouble, wanted) in all {
            let troubles = [(("t".to_owned(), trouble), count.clone())].into();
            let mut found = Findings::default();
            judge(&troubles, &Beside::default(), &mut found);
            assert_eq!(found.ids(), [wanted]);
            assert!(found.0[0].what.starts_with("2 ") && found.0[0].what.ends_with("3@12"));
        }
        let counts: BTreeMap<String, Count> = [("t".to_owned(), count)].into();
        let beside = Beside { unreadable: counts.clone(), ahead: counts };
        let mut found = Findings::default();
        judge(&Troubles::new(), &beside, &mut found);
        assert_eq!(found.ids(), ["unreadable", "records-ahead"]);
    }
}
