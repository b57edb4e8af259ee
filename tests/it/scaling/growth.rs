//! A topic grows: what is in a new partition waits for what the older ones held before it.

use std::time::Duration;

use readmill_core::{Finished, ResumeAt};
use readmill_engine::{Feed, Log};
use tokio::time::timeout;

use super::group::{Group, Seat, Seen, count, until, values};

/// Long enough to see that nothing comes.
const QUIET: Duration = Duration::from_secs(2);

async fn take(feed: &mut Feed, records: usize) -> i64 {
    let (mut taken, mut end) = (0, 0);
    while taken < records {
        let some = timeout(Duration::from_secs(30), feed.next(100)).await.unwrap().unwrap();
        taken += some.len();
        end = some.last().unwrap().position.offset.0 + 1;
    }
    end
}

async fn quick(name: &str) -> Group {
    let mut group = Group::new(name, 1).await;
    group.config.metadata_refresh_ms = 300;
    group.config.growth_window_ms = 8_000;
    group
}

/// One member has both partitions, or each has one. Answers whether the older partition stayed
/// where it was: on a busy machine a session may lapse, and then this is another scene.
async fn waits(name: &str, members: usize) -> bool {
    let mut group = quick(name).await;
    group.append(0, &values(0, 10)).await;
    let mut older = group.join().await;
    let mut old = older.assigned().await.unwrap().unwrap();
    assert_eq!(take(&mut old, 10).await, 10);
    // The group is known to have had one partition.
    old.settle(ResumeAt::stored(5), Finished::default());
    until("a commit", || group.committed(0).is_some_and(|(at, _)| at == 5)).await;
    let mut newer = if members == 2 { Some(group.join().await) } else { None };
    group.grow(2).await;
    group.append(1, &values(0, 3)).await;
    let log = newer.as_mut().unwrap_or(&mut older);
    let mut new = timeout(Duration::from_secs(60), log.assigned()).await.unwrap().unwrap().unwrap();
    if new.partition.index != 1 {
        return false;
    }
    assert!(timeout(QUIET, new.next(100)).await.is_err(), "{name}: records overtook older ones");
    old.settle(ResumeAt::stored(9), Finished::default());
    assert!(timeout(QUIET, new.next(100)).await.is_err(), "{name}: records overtook the last one");
    old.settle(ResumeAt::stored(10), Finished::default());
    assert_eq!(take(&mut new, 3).await, 3);
    new.settle(ResumeAt::stored(3), Finished::default());
    // A producer that learnt late wrote to the older one meanwhile: the next batch waits again.
    group.append(0, &values(10, 11)).await;
    group.append(1, &values(3, 4)).await;
    assert_eq!(take(&mut old, 1).await, 11);
    assert!(timeout(QUIET, new.next(100)).await.is_err(), "{name}: a later batch overtook");
    old.settle(ResumeAt::stored(11), Finished::default());
    assert_eq!(take(&mut new, 1).await, 4);
    drop((old, new));
    older.stop().await.unwrap();
    if let Some(mut newer) = newer {
        newer.stop().await.unwrap();
    }
    true
}

async fn waits_in_one_of_three_scenes(name: &str, members: usize) {
    for scene in 1..=3 {
        if waits(&format!("{name}{scene}"), members).await {
            return;
        }
    }
    panic!("{name}: the older partition never stayed with its member");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_partition_waits_for_older_ones_of_the_same_member() {
    waits_in_one_of_three_scenes("grown", 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_partition_waits_for_older_ones_of_another_member() {
    waits_in_one_of_three_scenes("grownapart", 2).await;
}

/// When all producers know, new partitions are like any other, and the next member knows it.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_partition_waits_no_longer_than_the_window() {
    let mut group = quick("settled").await;
    group.config.growth_window_ms = 500;
    group.append(0, &values(0, 2)).await;
    let seen = Seen::default();
    let seat = Seat::take(&group, &seen).await;
    until("the first to be read", || count(&seen) == 2).await;
    until("a note", || group.committed(0).is_some_and(|(_, note)| note.contains("n=1;"))).await;
    group.grow(2).await;
    group.append(1, &values(0, 2)).await;
    until("the new ones to be read", || count(&seen) == 4).await;
    until("a note", || group.committed(1).is_some_and(|(_, note)| note.contains("n=2;"))).await;
    seat.leave().await.unwrap();
}
