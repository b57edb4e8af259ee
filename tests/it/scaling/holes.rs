//! What is finished beyond the position to resume at outlives the member that finished it.

use std::time::Duration;

use readmill_core::{Finished, Offset, ResumeAt};
use readmill_engine::Log;

use super::group::{Group, until, values};

#[tokio::test(flavor = "multi_thread")]
async fn holes_are_committed_and_known_to_the_next_member() {
    let group = Group::new("holes", 1).await;
    group.append(0, &values(0, 10)).await;
    let mut first = group.join().await;
    let mut feed = first.assigned().await.unwrap().unwrap();
    let mut taken = 0;
    while taken < 10 {
        taken += feed.next(100).await.unwrap().len();
    }
    // Offset 3 is slow; 4 to 7 and 9 are finished.
    let open = (3..10).map(|offset| (Offset(offset), offset != 3 && offset != 8));
    feed.settle(ResumeAt::stored(3), Finished::beyond(open));
    until("the hole to be committed", || {
        group.committed(0).is_some_and(|(offset, note)| offset == 3 && note.contains("rm1;1+4,1+1"))
    })
    .await;
    // Its worker is stuck and never lets go: the member leaves without it.
    first.stop().await.unwrap();
    let mut second = group.join().await;
    let mut next = second.assigned().await.unwrap().unwrap();
    let known = next.take_known();
    let covered: Vec<i64> = (0..12).filter(|offset| known.covers(Offset(*offset))).collect();
    assert_eq!(covered, [4, 5, 6, 7, 9]);
    let again = next.next(1).await.unwrap();
    assert_eq!(again.first().map(|record| record.position.offset), Some(Offset(3)));
    drop((feed, next));
    second.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_note_of_another_program_is_no_obstacle() {
    let group = Group::new("strange", 3).await;
    for partition in 0..3 {
        group.append(partition, &values(0, 4)).await;
    }
    group.commit(0, 2, "{\"written by\": \"another ☃\"}");
    group.commit(1, 2, "rk1;n=zz;w=@;|rm1;-1+1,");
    let mut log = group.join().await;
    for _ in 0..3 {
        let mut feed = log.assigned().await.unwrap().unwrap();
        let begin = if feed.partition.index == 2 { 0 } else { 2 };
        assert!(feed.take_known().is_empty(), "{}", feed.partition);
        let waiting = tokio::time::timeout(Duration::from_secs(30), feed.next(1));
        let first = waiting.await.unwrap().unwrap().remove(0).position.offset;
        assert_eq!(first, Offset(begin), "{}", feed.partition);
    }
    log.stop().await.unwrap();
}
