//! A rebuild has less of its share while live streams are not fresh, and all of it again once they
//! are.

use super::*;

const SHARE: &str = "readmill_rebuild_share_percent";

/// How long live records may be in hand before the rebuild gives way further.
#[track_caller]
fn limit_freshness(mill: &Mill, limit_ms: u64) {
    let rule = format!(
        r#"{{"priority": 1, "least_share_percent": 100, "freshness_limit_ms": {limit_ms}}}"#
    );
    let (status, said) = mill.put("/lanes/rebuild", &rule).unwrap();
    assert_eq!(status, 200, "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rebuild_is_held_back_while_live_records_wait_and_goes_on_afterwards() {
    let Begun { corner, file, shipment, mut mills } = begun("heldback", BEFORE, 1).await;
    let (file, mill) = (&file, &mills[0]);
    assert!(!mill.ask("/metrics").unwrap().1.contains(SHARE), "nothing is rebuilt yet");
    let stop = Arc::new(AtomicBool::new(false));
    let sending = tokio::spawn(load(shipment, Arc::clone(&stop)));
    command("rebuild", "points", file, &["--detach"]);
    let share = || mill.metric_of(SHARE, r#"model="points""#).unwrap_or_default();
    wait(LIMIT, "the rebuild to begin", || share() > 0.0);
    // Nothing is ever done within a millisecond on a real stack.
    limit_freshness(mill, 1);
    wait(LIMIT, "the rebuild to be held back", || (1.0..10.0).contains(&share()));
    let listed = mill.ask("/lanes").unwrap().1;
    assert!(listed.contains("share_percent"), "{listed}");
    limit_freshness(mill, 60_000);
    wait(LIMIT, "the rebuild to have its share again", || share() >= 100.0);
    stop.store(true, Ordering::Relaxed);
    let shipment = sending.await.unwrap();
    let rebuilt = command("rebuild", "points", file, &[]);
    assert_eq!((&rebuilt["caught_up"], &rebuilt["share_percent"]), (&true.into(), &100.into()));
    wait_for_all(&corner, &shipment, &[1]);
    wait_for_all_of("points", &corner, &shipment, 2);
    let points = corner.mongo().await.documents("points", 2).await.unwrap();
    let mut verdict = Verdict::default();
    compare(&mut verdict, &points, &shipment.points, 2).await;
    verdict.check();
    assert_eq!(mills.pop().unwrap().stop(), Some(0));
}
