//! The traps and the rules of notices: one for each time a request becomes complete.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use readmill_core::{Collection, ReadModel};
use readmill_models::Notices;
use readmill_models::notices::Request;
use readmill_schemas::notices::{LogoEditRequest, NoticesEvent};
use readmill_schemas::row::{RowChange, RowOp, TimestampMicros};

use crate::kit::{Line, Run};

fn row(id: i64, status: &str, at: i64) -> LogoEditRequest {
    LogoEditRequest {
        id,
        store_id: "s-1".to_owned(),
        status: status.to_owned(),
        creator_id: "sm-1".to_owned(),
        manager_id: None,
        completed_at: None,
        updated_at: TimestampMicros::from_micros(at),
        channel: "web".to_owned(),
    }
}

/// A row's life, by its statuses one after the other; `-` is the end of it.
fn life(id: i64, statuses: &[&str]) -> Vec<Line<NoticesEvent>> {
    let mut before: Option<LogoEditRequest> = None;
    let mut log = Vec::new();
    for (status, at) in statuses.iter().zip(1..) {
        let after = (*status != "-").then(|| row(id, status, at));
        let op = match (&before, &after) {
            (None, _) => RowOp::Create,
            (Some(_), Some(_)) => RowOp::Update,
            (Some(_), None) => RowOp::Delete,
        };
        log.push(changed(RowChange { op, key: id, before, after: after.clone() }));
        before = after;
    }
    log
}

fn changed(change: RowChange<LogoEditRequest>) -> Line<NoticesEvent> {
    let (aggregate, event) = (change.key.to_string(), NoticesEvent::LogoEditRequest(change));
    Line { aggregate, version: None, event }
}

fn key(id: i64) -> String {
    format!("request/logo_edit_request/{id}")
}

fn images(line: &Line<NoticesEvent>) -> (Option<&LogoEditRequest>, Option<&LogoEditRequest>) {
    let NoticesEvent::LogoEditRequest(change) = &line.event else { panic!("another table") };
    (change.before.as_ref(), change.after.as_ref())
}

fn is_complete(row: Option<&LogoEditRequest>) -> bool {
    row.is_some_and(|row| row.status == "COMPLETE")
}

#[test]
fn trap_a_later_edit_of_a_complete_request_is_no_second_notice() {
    let log = life(7, &["PENDING", "COMPLETE", "COMPLETE", "COMPLETE"]);
    let naive = log.iter().filter(|line| is_complete(images(line).1)).count();
    assert_eq!(naive, 3, "one for each edit");
    let run = Run::<Notices>::of(&log);
    assert_eq!(run.said.len(), 1);
    assert_eq!(run.state(&key(7)).unwrap().notices, 1);
}

#[test]
fn trap_a_notice_that_is_published_again_is_not_given_again() {
    let log = life(7, &["PENDING", "COMPLETE", "IN_REVIEW", "COMPLETE"]);
    let order = [0, 1, 1, 2, 3, 1, 3, 0];
    // The key of a notice is looked up before it is sent. Nobody ever writes it down.
    let (sent, mut naive) = (BTreeSet::<i64>::new(), 0);
    for at in order {
        let (before, after) = images(&log[at]);
        if !is_complete(before) && is_complete(after) && !sent.contains(&7) {
            naive += 1;
        }
    }
    assert_eq!(naive, 5);
    assert_eq!(Run::<Notices>::in_order(&log, order).said.len(), 2, "it was completed twice");
}

#[test]
fn trap_a_pool_that_grows_loses_the_order_of_a_request() {
    let log = [
        life(7, &["PENDING", "COMPLETE", "IN_REVIEW"]),
        life(8, &["PENDING", "REJECTED", "COMPLETE"]),
    ]
    .concat();
    // A second worker took the later change, and was the faster one.
    let order = [0, 2, 1, 3, 4, 5];
    let mut naive = BTreeMap::new();
    for at in order {
        naive.extend(images(&log[at]).1.map(|row| (row.id, row.status.as_str())));
    }
    assert_eq!(naive[&7], "COMPLETE", "it was opened again, and nobody sees to it");
    // An older image gives way even then.
    let run = Run::<Notices>::in_order(&log, order);
    assert_eq!(run.state(&key(7)).unwrap().status, "IN_REVIEW");
    // And here nobody works side by side but on different keys: in any interleaving of those, the
    // documents and the notices are the same.
    let wanted = Run::<Notices>::of(&log).seen();
    for order in [[3, 0, 4, 1, 5, 2], [3, 4, 5, 0, 1, 2], [0, 3, 1, 2, 4, 5]] {
        assert_eq!(Run::<Notices>::in_order(&log, order).seen(), wanted);
    }
}

#[test]
fn trap_a_delete_has_no_row_behind_it() {
    let deleted = changed(RowChange { op: RowOp::Delete, key: 7, before: None, after: None });
    let log = [life(7, &["PENDING"]), vec![deleted], life(8, &["PENDING", "COMPLETE", "-"])];
    let log = log.concat();
    // The row after the change is read without a look whether there is any, and the consumer ends.
    let naive: Option<Vec<bool>> =
        log.iter().map(|line| images(line).1.map(|row| row.status == "COMPLETE")).collect();
    assert_eq!(naive, None);
    let run = Run::<Notices>::of(&log);
    assert_eq!((run.state(&key(7)), run.state(&key(8)), run.said.len()), (None, None, 1));
}

#[test]
fn rule_a_row_that_a_snapshot_read_gives_no_notice_unless_it_was_known_to_be_open() {
    let read = |status| {
        let after = Some(row(7, status, 1));
        changed(RowChange { op: RowOp::Read, key: 7, before: None, after })
    };
    for (statuses, notices) in [
        (&["COMPLETE"][..], 0),
        (&["COMPLETE", "COMPLETE"], 0),
        (&["PENDING", "COMPLETE"], 1),
        (&["COMPLETE", "PENDING", "COMPLETE"], 1),
    ] {
        let log: Vec<_> = statuses.iter().map(|status| read(status)).collect();
        let run = Run::<Notices>::of(&log);
        assert_eq!(run.said.len(), notices, "{statuses:?}");
        assert!(run.state(&key(7)).is_some_and(|request| request.feed.is_some()));
    }
}

#[test]
fn rule_where_nothing_stands_the_image_before_decides_and_without_one_there_is_no_notice() {
    let complete = || Some(row(7, "COMPLETE", 2));
    for (op, before, notices) in [
        (RowOp::Update, Some(row(7, "PENDING", 1)), 1),
        (RowOp::Update, Some(row(7, "COMPLETE", 1)), 0),
        (RowOp::Update, None, 0),
        (RowOp::Create, None, 1),
        (RowOp::Read, None, 0),
    ] {
        let log = [changed(RowChange { op, key: 7, before: before.clone(), after: complete() })];
        assert_eq!(Run::<Notices>::of(&log).said.len(), notices, "{op:?} {before:?}");
    }
}

/// A manager's feed, as a reader of the mirror has it, the latest first.
fn feed(run: &Run<Notices>, manager: &str) -> Vec<String> {
    let collection = Collection::Sorted(format!("manager:{manager}"));
    let place = |request: &Request| {
        let places = Notices::mirror(request).places;
        places.into_iter().find(|place| place.collection == collection)
    };
    let mut found: Vec<(String, String)> = Vec::new();
    for (key, document) in &run.documents {
        let place = document.state.as_ref().and_then(place);
        found.extend(place.map(|place| (format!("{:020}", place.score), key.to_string())));
    }
    found.sort();
    found.into_iter().rev().map(|(_, key)| key).collect()
}

#[test]
fn rule_a_feed_is_of_who_was_assigned_or_else_of_who_entered_it() {
    let mut log = [life(7, &["COMPLETE"]), life(8, &["COMPLETE"])].concat();
    let mut assigned = row(8, "COMPLETE", 9_000_000);
    assigned.manager_id = Some("sm-2".to_owned());
    let (key_of, op) = (8, RowOp::Update);
    let run = Run::<Notices>::of(&log);
    assert_eq!((feed(&run, "sm-1").len(), feed(&run, "sm-2").len()), (2, 0));
    log.push(changed(RowChange { op, key: key_of, before: None, after: Some(assigned) }));
    let run = Run::<Notices>::of(&log);
    assert_eq!((feed(&run, "sm-1"), feed(&run, "sm-2")), (vec![key(7)], vec![key(8)]));
}

proptest! {
    #[test]
    fn rule_there_is_one_notice_for_each_edge_whatever_comes_again(
        lives in prop::collection::vec(prop::collection::vec(0..4_usize, 1..20), 1..4),
        again in prop::collection::vec(any::<prop::sample::Index>(), 0..20),
    ) {
        let statuses = ["PENDING", "IN_REVIEW", "COMPLETE", "-"];
        let (mut log, mut edges) = (Vec::new(), 0);
        for (id, life) in (1..).zip(lives) {
            let mut names: Vec<&str> = life.iter().map(|at| statuses[*at]).collect();
            // A row that is not there cannot be deleted.
            names.dedup_by(|a, b| *a == "-" && *b == "-");
            let names = if names[0] == "-" { &names[1..] } else { &names[..] };
            log.extend(self::life(id, names));
        }
        for line in &log {
            let (before, after) = images(line);
            edges += usize::from(!is_complete(before) && is_complete(after));
        }
        let mut order: Vec<usize> = Vec::new();
        for at in 0..log.len() {
            order.push(at);
            order.extend(again.get(at).map(|index| index.index(at + 1)));
        }
        prop_assert_eq!(Run::<Notices>::in_order(&log, order).said.len(), edges);
    }
}
