//! Roll-ups: what documents and events contribute is added once, whatever happens on the way.

use std::time::Duration;

use crate::purses::{Around, EARNED, HELD, Put, flow, put, records};
use crate::world::Trouble;

fn days() -> Vec<Put<'static>> {
    let day = |day, put| Put { day, ..put };
    vec![
        day(3, put("a", 1, 5, "")),
        day(3, put("b", 1, 7, "")),
        day(4, put("a", 2, 11, "")),
        // It comes late.
        day(1, put("b", 2, 2, "")),
        day(4, put("c", 1, 1, "")),
        day(4, put("c", 2, -1, "")),
    ]
}

#[track_caller]
fn check(around: &Around) {
    assert_eq!(around.total(&HELD), (2, 13));
    let earned = around.totals(&EARNED);
    let earned: Vec<(&str, (i64, i128))> =
        earned.iter().map(|(day, sum)| (day.as_str(), *sum)).collect();
    let wanted =
        [("all/1970-01-02", (1, 2)), ("all/1970-01-04", (2, 12)), ("all/1970-01-05", (3, 11))];
    assert_eq!(earned, wanted);
}

#[tokio::test(start_paused = true)]
async fn a_late_event_is_added_to_the_window_of_its_own_time() {
    for size in [1, 2, 6] {
        let around = Around::new();
        let batches = records(0, 0, &days()).chunks(size).map(<[_]>::to_vec).collect();
        flow(&around.ports(), 0, batches).await.unwrap();
        check(&around);
    }
}

#[tokio::test(start_paused = true)]
async fn a_lost_acknowledgement_of_a_partial_group_adds_nothing_twice() {
    let around = Around::new();
    around.partials.trouble(&[Trouble::LostAnswer, Trouble::Down, Trouble::LostAnswer]);
    let batches = records(0, 0, &days()).chunks(2).map(<[_]>::to_vec).collect();
    flow(&around.ports(), 0, batches).await.unwrap();
    check(&around);
}

#[tokio::test(start_paused = true)]
async fn a_crash_between_document_and_partial_groups_adds_all_of_it_once() {
    for troubles in [vec![Trouble::Down; 1_000], vec![Trouble::LostAnswer; 1_000]] {
        let around = Around::new();
        let (log, ports) = (records(0, 0, &days()), around.ports());
        around.partials.trouble(&troubles);
        let crashing = flow(&ports, 0, vec![log.clone()]);
        tokio::time::timeout(Duration::from_secs(60), crashing).await.unwrap_err();
        assert_eq!(around.purse("a").map(|purse| purse.points), Some(11), "documents come first");
        around.partials.calm();
        flow(&ports, 0, vec![log.clone()]).await.unwrap();
        check(&around);
        // Whoever reads it once more tells it once more.
        flow(&around.ports(), 0, vec![log]).await.unwrap();
        check(&around);
    }
}

#[tokio::test(start_paused = true)]
async fn who_comes_late_adds_nothing_below_the_floor() {
    let around = Around::new();
    let late = around.ports();
    let all: Vec<Put<'_>> = (1..=40).map(|version| put("a", version, version, "")).collect();
    let log = records(0, 0, &all);
    flow(&around.ports(), 0, vec![log[..20].to_vec()]).await.unwrap();
    let stood = around.world.document("a").unwrap();
    // Each batch raises the floor over those before it.
    let rest = log[20..].chunks(1).map(<[_]>::to_vec).collect();
    flow(&around.ports(), 0, rest).await.unwrap();
    let totals = (around.total(&HELD), around.totals(&EARNED));
    assert_eq!(totals.0, (1, 40));
    // As one who has slept since he wrote the first half, and only now tells what followed from it.
    let stands = around.world.document("a").unwrap();
    around.world.set("a", stood);
    flow(&late, 0, vec![log[19..20].to_vec()]).await.unwrap();
    around.world.set("a", stands);
    assert_eq!((around.total(&HELD), around.totals(&EARNED)), totals);
}
