//! What the log has lost before it was copied is told; a topic made anew is not mixed with the old.

use serde_json::json;

use super::place::{Place, assert_same, log_of};
use crate::scaling::group::{Group, values};

async fn copied(name: &str, records: usize) -> (Group, Place) {
    let group = Group::new(name, 2).await;
    group.append(0, &values(0, records)).await;
    group.append(1, &values(0, 3)).await;
    let place = Place::of(&[&group.topic]);
    assert_eq!(place.copy(&[])["copied"]["records"], records + 3);
    (group, place)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gap_stops_the_copy_until_it_is_accepted_and_is_recorded_then() {
    let (group, place) = copied("archivegap", 10).await;
    group.append(0, &values(10, 30)).await;
    group.append(1, &values(3, 5)).await;
    group.truncate(0, 20).await;
    let (code, told) = place.refused(&[]);
    assert_eq!(code, 3, "{told}");
    let place_of_gap =
        format!("{}: the archive ends at 10, and the log begins at 20", { group.partition(0) });
    for word in [place_of_gap.as_str(), "from 10 to 20", "--accept-gap"] {
        assert!(told.contains(word), "{word}: {told}");
    }
    let said = place.copy(&["--accept-gap"]);
    let gap = json!([{"topic": group.topic, "partition": 0, "from": 10, "to": 20}]);
    assert_eq!(said["copied"]["gaps"], gap, "{said}");
    assert_eq!(said["copied"]["records"], 12, "{said}");
    let (code, listed) = place.with("list", &["--json"]);
    let first: serde_json::Value = serde_json::from_str(listed.lines().next().unwrap()).unwrap();
    assert_eq!((code, &first["gaps"]), (0, &json!([{"from": 10, "to": 20}])), "{listed}");
    assert_eq!(
        (&first["from"], &first["to"], &first["records"]),
        (&json!(0), &json!(30), &json!(20))
    );
    let (code, verified) = place.with("verify", &[]);
    assert!(code == 0 && verified.contains("has nothing from 10 to 20"), "{verified}");
    assert!(place.with("list", &[]).1.contains("10 to 20"));
    // It goes on behind the gap as ever, and needs no acceptance again.
    group.append(0, &values(30, 31)).await;
    assert_eq!(place.copy(&[])["copied"]["records"], 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_copied_before_it_was_deleted_is_no_gap() {
    let (group, place) = copied("archivenogap", 10).await;
    group.truncate(0, 10).await;
    group.append(0, &values(10, 12)).await;
    assert_eq!(place.copy(&[])["copied"]["records"], 2);
    let manifest = place.manifest().unwrap();
    let entry = manifest.partition(&group.partition(0)).unwrap();
    assert_eq!((entry.records, entry.gaps.len()), (12, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_was_made_anew_is_refused_be_it_shorter_or_longer() {
    let (group, place) = copied("archiveanew", 10).await;
    group.recreate(2).await;
    group.append(0, &values(100, 104)).await;
    let (code, told) = place.refused(&["--accept-gap"]);
    assert_eq!(code, 3, "{told}");
    assert!(
        told.contains("the archive ends at 10, and the log ends at 4: the topic was"),
        "{told}"
    );
    group.append(0, &values(104, 120)).await;
    group.append(1, &values(0, 3)).await;
    let (code, told) = place.refused(&["--accept-gap"]);
    assert_eq!(code, 3, "{told}");
    let wanted = format!("{}@9: the log has another record there", group.partition(0));
    assert!(told.contains(&wanted) && told.contains("another archive"), "{told}");
    assert_eq!(place.manifest().unwrap().records(), 13, "nothing was mixed");
}

/// Records that are deleted under a copy that follows are a gap, too.
#[tokio::test(flavor = "multi_thread")]
async fn the_log_that_begins_late_is_copied_from_there() {
    let group = Group::new("archivelate", 1).await;
    group.append(0, &values(0, 10)).await;
    group.truncate(0, 4).await;
    let place = Place::of(&[&group.topic]);
    assert_eq!(place.copy(&[])["copied"]["records"], 6);
    let manifest = place.manifest().unwrap();
    let entry = manifest.partition(&group.partition(0)).unwrap();
    assert_eq!((entry.from, entry.to, entry.gaps.len()), (4, 10, 0));
    assert_same(&place.records(), &log_of(&[&group.topic]));
    let (code, told) = place.refused(&["--topics", "no.such.topic"]);
    assert!(code == 3 && told.contains("topic no.such.topic does not exist"), "{told}");
}
