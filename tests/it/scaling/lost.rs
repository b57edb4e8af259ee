//! Records that were lost before they were read are never passed over in silence.

use readmill_connectors::kafka::OnLostRecords;
use readmill_engine::Log;

use super::group::{Group, Seat, Seen, count, until, values};

async fn read_through(group: &Group, records: usize) -> Seen {
    let seen = Seen::default();
    let seat = Seat::take(group, &seen).await;
    until("all records to be read", || count(&seen) >= records).await;
    seat.leave().await.unwrap();
    seen
}

fn offsets(seen: &Seen, group: &Group) -> Vec<i64> {
    let seen = seen.lock().unwrap();
    let records = seen.get(&group.partition(0)).into_iter().flatten();
    records.map(|record| record.position.offset.0).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_log_stops_the_model_or_is_followed_as_told() {
    let mut group = Group::new("truncated", 1).await;
    group.append(0, &values(0, 10)).await;
    read_through(&group, 10).await;
    group.append(0, &values(10, 30)).await;
    group.truncate(0, 20).await;
    let told = Seat::take(&group, &Seen::default()).await.end().await.to_string();
    for word in [group.topic.as_str(), "deleted", "committed is 10", "20 up to 30"] {
        assert!(told.contains(word), "{word}: {told}");
    }
    assert_eq!(group.committed(0).unwrap().0, 10, "nothing is committed beyond what was read");
    group.config.on_lost_records = OnLostRecords::Earliest;
    let seen = read_through(&group, 10).await;
    assert_eq!(offsets(&seen, &group), (20..30).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_shorter_than_its_offset_stops_the_model() {
    let group = Group::new("shorter", 1).await;
    group.append(0, &values(0, 3)).await;
    group.commit(0, 7, "");
    let told = Seat::take(&group, &Seen::default()).await.end().await.to_string();
    assert!(told.contains("committed is 7, the log has 0 up to 3"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_made_anew_under_a_running_model_stops_it() {
    let group = Group::new("anew", 1).await;
    group.append(0, &values(0, 10)).await;
    let seen = Seen::default();
    let seat = Seat::take(&group, &seen).await;
    until("all records to be read", || count(&seen) == 10).await;
    until("the offset", || group.committed(0).is_some_and(|(offset, _)| offset == 10)).await;
    group.recreate(1).await;
    group.append(0, &values(0, 2)).await;
    let told = seat.end().await.to_string();
    assert!(told.contains("made anew"), "{told}");
    assert_eq!(count(&seen), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_truncated_behind_a_waiting_member_stops_it() {
    let group = Group::new("behind", 1).await;
    group.append(0, &values(0, 10)).await;
    let mut log = group.join().await;
    let mut feed = log.assigned().await.unwrap().unwrap();
    assert!(!feed.next(100).await.unwrap().is_empty());
    log.stop().await.unwrap();
    drop(feed);
    // A group that never committed begins with the first record that there is.
    group.truncate(0, 5).await;
    let seen = read_through(&group, 5).await;
    assert_eq!(offsets(&seen, &group), (5..10).collect::<Vec<_>>());
}
