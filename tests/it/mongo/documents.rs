//! Documents as the tools of MongoDB see them: types, indexes, and how large they may be.

use bson::spec::ElementType;
use bson::{Document as Row, RawDocumentBuf, doc};
use readmill_connectors::conformance::{Pebble, Pebbles};
use readmill_connectors::mongo::Mongo;
use readmill_core::{
    Admit, Direction, Document, Folded, Index, Key, Keys, Offset, Partition, Position, ReadModel,
    Record, Standing,
};
use readmill_engine::{Fault, HeldRecord, HeldStore as _, Put, Store, Unfolded};
use readmill_models::Coupons;
use readmill_models::coupons::{CouponRow, Replica};
use readmill_schemas::Timestamp;
use readmill_schemas::points::PointsEvent;
use readmill_schemas::row::TimestampMicros;

use super::{Place, keys, pebbles, put};

/// Two models of one name that declare other indexes, as two versions of one program may.
macro_rules! version {
    ($name:ident, $indexes:expr) => {
        #[derive(Debug)]
        struct $name;

        impl ReadModel for $name {
            const NAME: &'static str = "versioned";
            const FOLD_VERSION: u32 = 1;
            const ABOUT: &'static str = "documents whose indexes are declared";
            const INDEXES: &'static [Index] = $indexes;

            type Event = PointsEvent;
            type State = Pebble;

            fn keys(_: &PointsEvent) -> Keys {
                Keys::None
            }

            fn admit(_: Standing<'_, Pebble>, _: &PointsEvent) -> Admit {
                Admit::Stale
            }

            fn fold(_: Option<Pebble>, _: &PointsEvent) -> Folded<Pebble> {
                Folded::gone()
            }
        }
    };
}

const BY_COUNT: Index = Index {
    name: "by_count",
    fields: &[("count", Direction::Descending), ("title", Direction::Ascending)],
    sparse: false,
};
const BY_TITLE: Index =
    Index { name: "by_title", fields: &[("title", Direction::Ascending)], sparse: true };
const BY_COUNT_ALONE: Index =
    Index { name: "by_count", fields: &[("count", Direction::Ascending)], sparse: false };

version!(First, &[BY_COUNT, BY_TITLE]);
version!(Second, &[BY_COUNT_ALONE]);

async fn indexes(place: &Place) -> Vec<(String, Row)> {
    let rows = place.rows("versioned.g1").await;
    let mut cursor = rows.list_indexes().await.unwrap();
    let mut found = Vec::new();
    while cursor.advance().await.unwrap() {
        let index = cursor.deserialize_current().unwrap();
        found.push((index.options.unwrap().name.unwrap(), index.keys));
    }
    found.sort_by(|(one, _), (other, _)| one.cmp(other));
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn indexes_are_those_that_the_model_declares_and_those_of_others() {
    let place = Place::on_stack("indexes");
    let mongo = place.mongo().await;
    let store = mongo.documents_of::<First>(1).await.unwrap();
    let names = |found: &[(String, Row)]| -> Vec<String> {
        found.iter().map(|(name, _)| name.clone()).collect()
    };
    let own = ["_id_", "_readmill.expires_at_1", "_readmill.waiting.since_ms_1"];
    let found = indexes(&place).await;
    assert_eq!(names(&found), [&own[..], &["readmill:by_count", "readmill:by_title"]].concat());
    assert_eq!(found[3].1, doc! {"count": -1, "title": 1});

    put(&store, &keys("k", 100), &pebbles(100, 5, 1), |_| 0).await.unwrap();
    let theirs = doc! {
        "createIndexes": "versioned.g1",
        "indexes": [{"key": {"share": 1}, "name": "theirs"}],
    };
    let rows = place.rows("versioned.g1").await;
    rows.client().database(&place.config.database).run_command(theirs).await.unwrap();
    mongo.documents("versioned", 1).await.unwrap();
    assert_eq!(indexes(&place).await.len(), 6, "nothing goes while no declarations are known");
    mongo.documents_of::<Second>(1).await.unwrap();
    let found = indexes(&place).await;
    assert_eq!(names(&found), [&own[..], &["readmill:by_count", "theirs"]].concat());
    assert_eq!(found[3].1, doc! {"count": 1});
    place.clear().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tombstones_that_stand_for_ever_are_removed_by_nobody() {
    let mut place = Place::on_stack("for_ever");
    place.mongo().await.documents_of::<First>(1).await.unwrap();
    place.config.tombstone_life_hours = 0;
    place.mongo().await.documents_of::<First>(1).await.unwrap();
    let found = indexes(&place).await;
    assert!(found.iter().all(|(name, _)| name != "_readmill.expires_at_1"), "{found:?}");
    place.clear().await;
}

async fn kind_of(place: &Place, collection: &str, path: &str) -> ElementType {
    let rows = place.rows(collection).await.clone_with_type::<RawDocumentBuf>();
    let row = rows.find_one(doc! {}).await.unwrap().unwrap();
    let mut found = row.get_document(path.split_once('.').map_or(path, |(on_top, _)| on_top));
    let last = path.rsplit('.').next().unwrap();
    match &mut found {
        Ok(within) => within.get(last).unwrap().unwrap().element_type(),
        Err(_) => row.get(path).unwrap().unwrap().element_type(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dates_are_dates_and_decimals_are_decimals() {
    let place = Place::on_stack("types");
    let mongo = place.mongo().await;
    let store = mongo.documents("pebbles", 1).await.unwrap();
    put(&store, &keys("k", 1), &pebbles(1, 5, 1), |_| 0).await.unwrap();
    assert_eq!(kind_of(&place, "pebbles.g1", "at").await, ElementType::DateTime);
    // As a tool would ask.
    let at = bson::DateTime::from_millis(Pebble::number(0).at.as_millis());
    let rows = place.rows("pebbles.g1").await;
    assert_eq!(rows.count_documents(doc! {"at": {"$lte": at}}).await.unwrap(), 1);

    let store = mongo.documents_of::<Coupons>(1).await.unwrap();
    let coupon = |discount: &str| {
        let mut document = Document::<Coupons>::default();
        document.stamp.revision = 1;
        document.state = Some(Replica::Coupon(CouponRow {
            id: 7,
            code: "C".to_owned(),
            member_id: None,
            status: "issued".to_owned(),
            discount: discount.parse().unwrap(),
            valid_until: TimestampMicros::from_micros(1_700_000_000_123_456),
            note: None,
            updated_at: TimestampMicros::from_micros(1_700_000_000_000_000),
            channel: None,
        }));
        document
    };
    let far = format!("{}.5", "9".repeat(60));
    let prices = ["12.50", "-0.05", "0.00", &far];
    for (number, price) in prices.into_iter().enumerate() {
        let (key, document) = (Key(number.to_string()), coupon(price));
        let write = readmill_engine::Write { key: &key, expected: 0, document: &document };
        assert_eq!(store.put(&[write]).await.unwrap(), [Put::Done]);
        let found = store.load(&[key]).await.unwrap().remove(0).unwrap();
        let Some(Replica::Coupon(row)) = &found.state else { panic!("{found:?}") };
        assert_eq!(row.discount.to_string(), price, "with all its zeros");
        assert_eq!(found, document);
    }
    assert_eq!(kind_of(&place, "coupons.g1", "coupon.discount").await, ElementType::Decimal128);
    let dear: bson::Decimal128 = "12.49".parse().unwrap();
    let dear = doc! {"coupon.discount": {"$gt": dear}};
    let rows = place.rows("coupons.g1").await;
    assert_eq!(rows.count_documents(dear).await.unwrap(), 1, "by its value, not by its text");
    place.clear().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_is_named_and_a_document_that_stands_can_be_held() {
    let place = Place::on_stack("large");
    let store = place.mongo().await.documents("pebbles", 1).await.unwrap();
    let limit = Store::<Pebbles>::document_limit_bytes(&store);
    let sized = |bytes: usize, revision| {
        let title = "x".repeat(bytes);
        Pebble { title, until: Some(Timestamp::EPOCH), ..Pebble::number(1) }.at_revision(revision)
    };
    let keys = ["largest", "small", "too large"].map(Key::from);
    let documents = [sized(limit - 1_000, 1), sized(1, 1), sized(limit, 1)];
    let told = put(&store, &keys, &documents, |_| 0).await.unwrap();
    assert_eq!(told, [Put::Done, Put::Done, Put::TooLarge]);
    let grown = [sized(limit, 2), sized(2, 2), sized(limit, 2)];
    let told = put(&store, &keys[..2], &grown[..2], |_| 1).await.unwrap();
    assert_eq!(told, [Put::TooLarge, Put::Done]);

    // What stood stands, and takes its place in the queue of a key that is held.
    let mut held = sized(limit - 1_000, 2);
    let partition = Partition::new("a.topic.with.a.long.name", 0);
    held.stamp.held = (0..600)
        .map(|index| Position {
            partition: Partition { index, ..partition.clone() },
            offset: Offset(i64::MAX),
        })
        .collect();
    let told = put(&store, &keys[..1], &[held], |_| 1).await.unwrap();
    assert_eq!(told, [Put::Done]);
    place.clear().await;
}

/// A record that cannot be kept whole is never taken for kept.
#[tokio::test(flavor = "multi_thread")]
async fn a_held_record_that_is_too_large_is_refused_and_not_lost() {
    let place = Place::on_stack("large_held");
    let held = place.mongo().await.held().await.unwrap();
    for bytes in [16 << 20, (16 << 20) + 8_000, 17 << 20] {
        let position = Position { partition: Partition::new("t", 0), offset: Offset(1) };
        let record = Record { value: Some(vec![0; bytes]), ..Record::at(position) };
        let record = HeldRecord::new::<Pebbles>(None, Unfolded::All, "why".to_owned(), 1, record);
        let fault = held.hold(&[record]).await.unwrap_err();
        assert!(matches!(fault, Fault::Refused { .. }), "{fault}");
        assert_eq!(held.count("pebbles").await.unwrap(), 0);
    }
    place.clear().await;
}

/// Opening documents again is what every start does.
#[tokio::test(flavor = "multi_thread")]
async fn instances_that_start_at_once_agree_about_indexes() {
    let place = Place::on_stack("at_once");
    let mongo: Mongo = place.mongo().await;
    let open = || mongo.documents_of::<First>(1);
    let opened = tokio::join!(open(), open(), open(), open());
    assert!(opened.0.is_ok() && opened.1.is_ok() && opened.2.is_ok() && opened.3.is_ok());
    let open = || mongo.documents_of::<Second>(1);
    let opened = tokio::join!(open(), open(), open(), open());
    assert!(opened.0.is_ok() && opened.1.is_ok() && opened.2.is_ok() && opened.3.is_ok());
    assert_eq!(indexes(&place).await.len(), 4);
    place.clear().await;
}
