//! The traps of a points ledger.

use readmill_models::Points;
use readmill_schemas::Timestamp;
use readmill_schemas::points::{
    EarnCancelled, LedgerClosed, LotUse, PointsEarned, PointsEvent, PointsUsed, UseCancelled,
};

use crate::kit::{Line, Run, line};

const MEMBER: &str = "m-1";

fn head() -> (String, String, Timestamp) {
    ("l-1".to_owned(), MEMBER.to_owned(), Timestamp::from_millis(0))
}

fn earned(version: i64, lot_id: &str, points: i64) -> Line<PointsEvent> {
    let (ledger_id, member_id, occurred_at) = head();
    let (lot_id, expires_at) = (lot_id.to_owned(), Timestamp::from_millis(9));
    let (reason, order_no) = ("order".to_owned(), None);
    line(
        MEMBER,
        version,
        PointsEarned {
            ledger_id,
            member_id,
            occurred_at,
            lot_id,
            points,
            expires_at,
            reason,
            order_no,
        },
    )
}

fn earn_cancelled(version: i64, lot_id: &str) -> Line<PointsEvent> {
    let (ledger_id, member_id, occurred_at) = head();
    let lot_id = lot_id.to_owned();
    line(MEMBER, version, EarnCancelled { ledger_id, member_id, occurred_at, lot_id })
}

fn used(version: i64, lot_id: &str, points: i64) -> Line<PointsEvent> {
    let (ledger_id, member_id, occurred_at) = head();
    let lots = vec![LotUse { lot_id: lot_id.to_owned(), points }];
    let (use_id, order_no) = ("u".to_owned(), None);
    line(
        MEMBER,
        version,
        PointsUsed { ledger_id, member_id, occurred_at, use_id, points, order_no, lots },
    )
}

fn use_cancelled(version: i64) -> Line<PointsEvent> {
    let (ledger_id, member_id, occurred_at) = head();
    let use_id = "u".to_owned();
    line(MEMBER, version, UseCancelled { ledger_id, member_id, occurred_at, use_id })
}

/// A balance that is counted up and down as events come, cancels looked up among what has come.
fn naive(log: &[Line<PointsEvent>], order: &[usize]) -> i64 {
    let (mut balance, mut lots) = (0, std::collections::BTreeMap::new());
    for at in order {
        match &log[*at].event {
            PointsEvent::PointsEarned(e) => {
                lots.insert(e.lot_id.clone(), e.points);
                balance += e.points;
            }
            PointsEvent::EarnCancelled(e) => balance -= lots.remove(&e.lot_id).unwrap_or(0),
            PointsEvent::PointsUsed(e) => balance -= e.points,
            _ => {}
        }
    }
    balance
}

fn available(log: &[Line<PointsEvent>], order: &[usize]) -> i64 {
    let run = Run::<Points>::in_order(log, order.iter().copied());
    assert_eq!(run.waiting(MEMBER), 0);
    run.state(MEMBER).map_or(0, |member| member.available)
}

#[test]
fn trap_a_cancel_that_comes_before_its_earn_is_not_lost() {
    let log = [earned(1, "a", 100), earned(2, "b", 30), earn_cancelled(3, "b")];
    let order = [0, 2, 1];
    assert_eq!(naive(&log, &order), 130, "the cancelled points can be spent");
    assert_eq!(available(&log, &order), 100);
}

#[test]
fn trap_a_use_that_is_published_again_is_not_taken_twice() {
    let log = [earned(1, "a", 100), used(2, "a", 40)];
    let order = [0, 1, 1];
    assert_eq!(naive(&log, &order), 20);
    assert_eq!(available(&log, &order), 60);
}

/// Refreshes the view when a transaction tells what it has written, from what is committed: that is
/// everything but what the last transaction wrote.
fn naive_refresh(log: &[Line<PointsEvent>]) -> i64 {
    let committed: Vec<usize> = (0..log.len() - 1).collect();
    naive(log, &committed)
}

#[test]
fn trap_a_view_that_is_refreshed_before_the_commit_stays_stale() {
    let log = [earned(1, "a", 100), used(2, "a", 40)];
    assert_eq!(naive_refresh(&log), 100, "until something else happens, if anything does");
    assert_eq!(available(&log, &[0, 1]), 60, "rows are folded that are committed, and no others");
}

#[test]
fn what_a_use_took_comes_back_to_its_own_lot() {
    let log = [earned(1, "a", 100), used(2, "a", 40), use_cancelled(3)];
    assert_eq!(available(&log, &[0, 1, 2]), 100);
}

fn closed(version: i64) -> Line<PointsEvent> {
    let (ledger_id, member_id, occurred_at) = head();
    line(MEMBER, version, LedgerClosed { ledger_id, member_id, occurred_at, forfeited_points: 60 })
}

#[test]
fn trap_a_closed_ledger_is_not_opened_again_by_a_replay() {
    let log = [earned(1, "a", 100), used(2, "a", 40), closed(3), earned(4, "b", 7)];
    // Deleted when it was closed, and made again by what comes.
    let balance = |order: &[usize]| {
        let since = order.iter().rposition(|at| *at == 2).map_or(0, |at| at + 1);
        naive(&log, &order[since..])
    };
    assert_eq!(balance(&[0, 1, 2, 0]), 100);
    for order in [vec![0, 1, 2], vec![0, 1, 2, 0, 1, 2, 0], vec![0, 2, 1, 3], vec![0, 1, 2, 3, 3]] {
        let run = Run::<Points>::in_order(&log, order);
        assert_eq!((run.state(MEMBER), run.waiting(MEMBER)), (None, 0));
        let stored = serde_json::to_string(&run.documents[&MEMBER.into()]).unwrap();
        assert!(!stored.contains("lots") && !stored.contains("order"), "{stored}");
    }
}

#[test]
fn rule_what_is_left_in_a_closed_ledger_is_forfeited_once() {
    let log = [earned(1, "a", 100), used(2, "a", 40), earn_cancelled(3, "never"), closed(4)];
    let rollups = Run::<Points>::in_order(&log, [0, 1, 2, 3, 3, 2, 0]).rollups();
    let forfeited = &rollups["ledger/forfeited/1970-01-01"];
    assert_eq!((forfeited.count, i64::try_from(forfeited.sum.0)), (1, Ok(60)));
    assert_eq!(rollups["tiers/1-999"].count, 0, "nobody can spend them");
}
