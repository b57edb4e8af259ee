//! Rules about consumer groups: how far they are, and whether anybody is there.

use std::collections::BTreeSet;

use readmill_connectors::kafka::groups::{Behind, Group};

use super::span;
use crate::doctor::finding::Findings;
use crate::doctor::table;

/// What is not folded for longer is late.
const LATE_MS: i64 = 600_000;

/// A generation's group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The model.
    pub model: &'static str,
    /// The group.
    pub group: String,
    /// How many members it has; none where the brokers' protocol does not tell.
    pub members: Option<usize>,
    /// How far it is behind.
    pub behind: Behind,
    /// How long the log is kept, of its topics the one that drops first.
    pub kept_ms: Option<i64>,
}

/// Judges one group at a time, in milliseconds since 1970.
pub fn judge(seen: &Seen, now_ms: i64, found: &mut Findings) {
    let Seen { model, group, behind, .. } = seen;
    let about = format!("group {group}");
    if !behind.has_begun {
        let what = "it has committed nothing";
        let mend = format!("run {model}, or see that kafka.group_prefix is as it was");
        found.note(&table::GROUP_UNBEGUN, &about, what, mend);
    }
    for (partition, at, why) in &behind.lost {
        let mend = format!(
            "readmill rebuild {model} -c FILE --archive DIR; or set kafka.on_lost_records = \
             \"earliest\" to go on without what is lost"
        );
        let what = format!("{partition}: committed is {at}, {why}");
        found.note(&table::GROUP_LOST, &about, what, mend);
    }
    // Without a record that was seen there may be nothing but the ends of transactions.
    let Some(age_ms) = behind.oldest_ms.map(|oldest_ms| now_ms - oldest_ms) else { return };
    let late = format!("{} records wait, one of them for {}", behind.records, span(age_ms.max(0)));
    if let Some(kept_ms) = seen.kept_ms.filter(|kept_ms| age_ms > kept_ms / 2) {
        let what = format!("{late}, and the log is kept for {}", span(kept_ms));
        let mend = "keep the log for longer (retention.ms) until the group has caught up, and see \
                    why it is late";
        found.note(&table::GROUP_NEAR_LOSS, &about, what, mend);
    }
    if !behind.has_begun {
        return;
    }
    match seen.members {
        Some(0) => {
            found.note(&table::GROUP_ALONE, &about, late, "start an instance: readmill run");
        }
        Some(_) | None if age_ms > LATE_MS => {
            let mend = "look at /status.json of its instances; start more, as far as there are \
                        partitions (docs/scaling.md)";
            found.note(&table::GROUP_LATE, &about, late, mend);
        }
        Some(_) | None => {}
    }
}

/// Judges which groups of a model stand without a generation. Where nobody says which there are,
/// none is judged.
pub fn judge_left(
    prefix: &str,
    brokers: &str,
    groups: &[Group],
    generations: Option<&BTreeSet<u32>>,
    found: &mut Findings,
) {
    let number = |group: &Group| group.name.strip_prefix(prefix)?.parse::<u32>().ok();
    let Some(generations) = generations else { return };
    for group in groups {
        let Some(number) = number(group).filter(|number| !generations.contains(number)) else {
            continue;
        };
        let what = format!("there is no generation {number} any more");
        let name = &group.name;
        let mend = format!(
            "kafka-consumer-groups.sh --bootstrap-server {brokers} --delete --group {name}"
        );
        found.note(&table::GROUP_LEFT, format!("group {name}"), what, mend);
    }
}

#[cfg(test)]
mod tests {
    use readmill_core::Partition;

    use super::*;

    const NOW_MS: i64 = 1_000_000_000;
    const DAY_MS: i64 = 24 * 3_600_000;

    fn seen() -> Seen {
        let behind = Behind { has_begun: true, records: 5, oldest_ms: None, lost: Vec::new() };
        let group = "readmill.points.g1".to_owned();
        Seen { model: "points", group, members: Some(1), behind, kept_ms: Some(DAY_MS) }
    }

    #[test]
    fn each_rule_about_a_group_fires_alone() {
        type Change = fn(&mut Seen);
        let old = |ms: i64| Some(NOW_MS - ms);
        let table: [(Change, Option<i64>, &[&str]); 9] = [
            (|_| {}, None, &[]),
            (|_| {}, old(1_000), &[]),
            (|seen| seen.members = Some(0), None, &[]),
            (|seen| seen.members = Some(0), old(1_000), &["group-alone"]),
            (|_| {}, old(LATE_MS + 1), &["group-late"]),
            (|seen| seen.members = None, old(LATE_MS + 1), &["group-late"]),
            (|seen| seen.kept_ms = Some(600_000), old(400_000), &["group-near-loss"]),
            (|seen| seen.behind.has_begun = false, old(1_000), &["group-unbegun"]),
            (
                |seen| {
                    let lost = (Partition::new("t", 3), 4, "records were deleted".to_owned());
                    seen.behind.lost.push(lost);
                },
                None,
                &["group-lost"],
            ),
        ];
        for (change, oldest_ms, wanted) in table {
            let mut seen = seen();
            seen.behind.oldest_ms = oldest_ms;
            change(&mut seen);
            let mut found = Findings::default();
            judge(&seen, NOW_MS, &mut found);
            assert_eq!(found.ids(), wanted, "{seen:?}");
        }
    }

    #[test]
    fn a_group_without_its_generation_is_told_with_what_deletes_it() {
        let group = |name: &str| Group { name: name.to_owned(), members: 0 };
        let groups = ["p.points.g1", "p.points.g2", "p.points.g3", "p.points.gone", "p.other.g1"];
        let groups = groups.map(group);
        let mut found = Findings::default();
        judge_left("p.points.g", "b:9092", &groups, Some(&[2, 3].into()), &mut found);
        assert_eq!(found.ids(), ["group-left"]);
        assert!(found.0[0].mend.ends_with("--delete --group p.points.g1"), "{found:?}");
        let mut found = Findings::default();
        judge_left("p.points.g", "b:9092", &groups, None, &mut found);
        assert_eq!(found.ids(), [] as [&str; 0]);
    }
}
