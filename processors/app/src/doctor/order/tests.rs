//! Tables of what rows tell of their order.

use super::Trouble::*;
use super::*;

/// A row as a table writes it: partition, offset, aggregate, version, event id, (commit, lsn).
type Row = (i32, i64, &'static str, Option<i64>, &'static str, Option<(i64, i64)>);

/// What is shown, the rows, and what is found of them: how often, and at which offset first.
type Case = (&'static str, &'static [Row], &'static [(Trouble, u64, i64)]);

fn glance(topic: &str, row: Row) -> Glance {
    let (partition, offset, aggregate, version, event, source) = row;
    Glance {
        position: Position {
            partition: Partition::new(topic, partition),
            offset: readmill_core::Offset(offset),
        },
        family: "t".to_owned(),
        aggregate: aggregate.to_owned(),
        version,
        event: event.to_owned(),
        source: source.map(|(commit, lsn)| SourcePosition::Postgres { commit: Some(commit), lsn }),
        committed_ms: offset,
    }
}

fn examined(rows: &[Row]) -> Vec<(Trouble, u64, i64)> {
    let glances: Vec<Glance> = rows.iter().map(|row| glance("t", *row)).collect();
    let troubles = examine(&glances, &BTreeSet::new(), 1_000_000);
    troubles.into_iter().map(|((_, t), found)| (t, found.count, found.first.offset.0)).collect()
}

/// What each trouble looks like, and what is none.
const CASES: &[Case] = &[
    ("contiguous", &[(0, 0, "a", Some(1), "x", None), (0, 1, "a", Some(2), "y", None)], &[]),
    ("begun in the middle", &[(0, 5, "a", Some(7), "x", None)], &[]),
    (
        "two aggregates have nothing to do with each other",
        &[(0, 0, "a", Some(5), "x", None), (0, 1, "b", Some(1), "y", None)],
        &[],
    ),
    (
        "a gap of two",
        &[(0, 0, "a", Some(1), "x", None), (0, 1, "a", Some(4), "y", None)],
        &[(Gap, 2, 1)],
    ),
    (
        "neighbours that were swapped are no gap",
        &[
            (0, 0, "a", Some(1), "x", None),
            (0, 1, "a", Some(3), "y", None),
            (0, 2, "a", Some(2), "z", None),
        ],
        &[(Inverted, 1, 2)],
    ),
    (
        "what comes again is no inversion",
        &[
            (0, 0, "a", Some(1), "x", None),
            (0, 1, "a", Some(2), "y", None),
            (0, 2, "a", Some(1), "x", None),
            (0, 3, "a", Some(2), "y", None),
        ],
        &[(Repeated, 2, 2)],
    ),
    (
        "one version, two changes",
        &[(0, 0, "a", Some(1), "x", None), (0, 1, "a", Some(1), "y", None)],
        &[(Shared, 1, 1)],
    ),
    (
        "two partitions",
        &[(0, 0, "a", Some(1), "x", None), (3, 0, "a", Some(2), "y", None)],
        &[(Scattered, 1, 0)],
    ),
    ("no version", &[(0, 4, "a", None, "x", None)], &[(Unversioned, 1, 4)]),
    (
        "written before, committed after",
        &[(0, 0, "a", Some(1), "x", Some((10, 9))), (0, 1, "a", Some(2), "y", Some((20, 5)))],
        &[(Concurrent, 1, 1)],
    ),
    (
        "one transaction wrote both, another one before",
        &[
            (0, 0, "a", Some(1), "x", Some((10, 12))),
            (0, 1, "a", Some(2), "y", Some((20, 22))),
            (0, 2, "a", Some(3), "z", Some((20, 23))),
        ],
        &[],
    ),
    (
        "back in the source's log",
        &[(0, 0, "a", Some(1), "x", Some((20, 22))), (0, 1, "a", Some(2), "y", Some((10, 12)))],
        &[(SourceBack, 1, 1)],
    ),
    (
        "a sequence whose later number was committed first",
        &[(0, 0, "a", Some(1), "18", None), (0, 1, "a", Some(2), "17", None)],
        &[(IdBack, 1, 1)],
    ),
    (
        "ids of aggregates that are apart",
        &[(0, 0, "a", Some(1), "18", None), (0, 1, "b", Some(1), "17", None)],
        &[],
    ),
];

#[test]
fn versions_ids_and_source_positions_tell_of_their_order() {
    for (what, rows, wanted) in CASES {
        assert_eq!(examined(rows), *wanted, "{what}");
    }
}

#[test]
fn versions_that_two_topics_share_are_judged_where_both_were_read() {
    let row = |offset, version| (0, offset, "a", Some(version), "", None);
    let shared = |one: &[Row], other: &[Row], cut: &[&str], now_ms| {
        let mut glances: Vec<Glance> = one.iter().map(|row| glance("t", *row)).collect();
        glances.extend(other.iter().map(|row| glance("u", *row)));
        // Each event has an id of its own.
        for (at, glance) in glances.iter_mut().enumerate() {
            glance.event = format!("e{at}");
        }
        let cut = cut.iter().map(|topic| Partition::new(*topic, 0)).collect();
        examine(&glances, &cut, now_ms).into_iter().map(|((_, t), c)| (t, c.count)).collect()
    };
    let late = 1_000_000;
    let found: Vec<(Trouble, u64)> = shared(&[row(1, 1), row(3, 3)], &[row(2, 2)], &[], late);
    assert_eq!(found, [], "the other topic has what is missing here");
    let one = [row(1, 1), row(3, 3), row(5, 5), row(7, 7)];
    let found: Vec<(Trouble, u64)> = shared(&one, &[row(4, 4), row(6, 6)], &[], late);
    assert_eq!(found, [(Trouble::Gap, 1)]);
    let found: Vec<(Trouble, u64)> = shared(&one, &[row(4, 4), row(6, 6)], &["u"], late);
    assert_eq!(found, [], "what is missing may stand before what was read");
    let found: Vec<(Trouble, u64)> = shared(&one, &[row(4, 4), row(6, 6)], &[], 100);
    assert_eq!(found, [], "what is missing may be on its way");
}
