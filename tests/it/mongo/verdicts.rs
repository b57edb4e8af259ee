//! A verdict for each document of a batch: one that was refused leaves no doubt about the others,
//! whatever the form of its statement, and whether or not there is anything under its key.

use mongodb::bson::doc;
use readmill_engine::{Fault, Put};

use super::{Place, keys, pebbles, put, revisions};

const MANY: i64 = 1_500;

/// Small documents are replaced by a computation, large ones by a filter.
const SIZES: [usize; 2] = [10, 2_000];

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_write_leaves_no_doubt_about_the_others() {
    let place = Place::on_stack("verdicts");
    let store = place.mongo().await.documents("pebbles", 1).await.unwrap();
    for bytes in SIZES {
        let keys = keys(&format!("{bytes}/"), MANY);
        let stand = |at: usize| at % 500 != 3;
        let (standing, first): (Vec<_>, Vec<_>) = (keys.iter().cloned().enumerate())
            .zip(pebbles(MANY, bytes, 1))
            .filter(|((at, _), _)| stand(*at))
            .map(|((_, key), document)| (key, document))
            .unzip();
        let made = put(&store, &standing, &first, |_| 0).await.unwrap();
        assert_eq!(made, vec![Put::Done; standing.len()]);

        let expected = |at: usize| if at % 100 == 7 { 9 } else { 1 };
        let told = put(&store, &keys, &pebbles(MANY, bytes, 2), expected).await.unwrap();
        let now = revisions(&store, &keys).await;
        for (at, (verdict, revision)) in told.into_iter().zip(now).enumerate() {
            let wanted = match (stand(at), expected(at) == 1) {
                (true, true) => (Put::Done, 2),
                (true, false) => (Put::Unsure, 1),
                (false, _) => (Put::Unsure, 0),
            };
            assert_eq!((verdict, revision), wanted, "write {at} of {bytes} bytes");
        }

        let told = put(&store, &keys, &pebbles(MANY, bytes, 1), |_| 0).await.unwrap();
        for (at, verdict) in told.into_iter().enumerate() {
            let wanted = if stand(at) { Put::Unsure } else { Put::Done };
            assert_eq!(verdict, wanted, "new document {at} of {bytes} bytes");
        }
    }
    place.clear().await;
}

/// Another writer may have made the same revision of other events: then it is not ours.
#[tokio::test(flavor = "multi_thread")]
async fn the_same_revision_of_another_writer_is_not_taken_for_ours() {
    let place = Place::on_stack("alike");
    let store = place.mongo().await.documents("pebbles", 1).await.unwrap();
    for bytes in SIZES {
        let keys = keys(&format!("{bytes}/"), 20);
        put(&store, &keys, &pebbles(20, bytes, 1), |_| 0).await.unwrap();
        let mut theirs = pebbles(1, bytes, 2);
        theirs[0].stamp.gone = true;
        assert_eq!(put(&store, &keys[..1], &theirs, |_| 1).await.unwrap(), [Put::Done]);
        let mut told = put(&store, &keys, &pebbles(20, bytes, 2), |_| 1).await.unwrap();
        assert_eq!(told.remove(0), Put::Unsure, "{bytes}");
        assert_eq!(told, vec![Put::Done; 19]);
    }
    place.clear().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_unique_index_of_others_stops_with_what_to_do() {
    let place = Place::on_stack("unique");
    let store = place.mongo().await.documents("pebbles", 1).await.unwrap();
    let unique = doc! {
        "createIndexes": store.collection(),
        "indexes": [{"key": {"title": 1}, "name": "theirs", "unique": true}],
    };
    let rows = place.rows(store.collection()).await;
    rows.client().database(&place.config.database).run_command(unique).await.unwrap();
    let fault = put(&store, &keys("k", 2), &pebbles(2, 5, 1), |_| 0).await.unwrap_err();
    assert!(matches!(fault, Fault::Refused { .. }), "{fault}");
    assert!(fault.to_string().contains("take the unique index off"), "{fault}");
    place.clear().await;
}
