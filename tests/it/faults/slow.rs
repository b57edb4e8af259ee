//! One document is slow: the others of its partition go on and finish beyond it, and a kill in
//! between neither loses what was not finished nor does again what was.

use std::time::Duration;

use bson::doc;
use mongodb::{Client, ClientSession};
use readmill_core::{Finished, Offset, Partition, ResumeAt};
use readmill_workload::{Knobs, Source};

use super::shipment::Shipment;
use super::topics::Group;
use super::verdict::Verdict;
use crate::mill::{Mill, wait};
use crate::paths::stack;
use crate::real::Corner;

const LIMIT: Duration = Duration::from_secs(60);
const RECORDS: usize = 3000;
/// The slow document is that of the first key that is new from here on.
const SLOW_FROM: usize = 300;
/// Nothing more is finished once nothing more was for so long.
const STILL: Duration = Duration::from_secs(2);

/// A document that nobody else can write: a transaction has it, and does not end.
struct Lock(ClientSession);

impl Lock {
    async fn on(database: &str, key: &str) -> Self {
        let client = Client::with_uri_str(stack("MONGO_URI")).await.unwrap();
        let mut session = client.start_session().await.unwrap();
        session.start_transaction().await.unwrap();
        let rows = client.database(database).collection("points.g1");
        rows.insert_one(doc! {"_id": key}).session(&mut session).await.unwrap();
        Self(session)
    }

    async fn release(mut self) {
        self.0.abort_transaction().await.unwrap();
    }
}

/// The place of the slow key's first record, and the key.
fn slow(knobs: &Knobs) -> (i64, String) {
    let keys: Vec<String> =
        Source::new(knobs.clone()).unwrap().map(|row| row.aggregate_id).collect();
    let is_new = |at: &usize| !keys[..*at].contains(&keys[*at]);
    let at = (SLOW_FROM..keys.len()).find(is_new).unwrap();
    (i64::try_from(at).unwrap(), keys[at].clone())
}

/// What the group has committed, once that stays as it is and anything behind `first` is finished:
/// the offset, and how many of the records beyond it are noted as finished.
fn committed(group: &Group, first: i64) -> (i64, usize) {
    let look = || {
        let (_, at, note) = group.committed().into_iter().next()?;
        let finished = note.split_once('|').map_or("", |(_, finished)| finished);
        let finished = Finished::from_text(finished, ResumeAt::stored(at));
        let end = i64::try_from(RECORDS).unwrap();
        Some((at, (at..end).filter(|offset| finished.covers(Offset(*offset))).count()))
    };
    let mut last = None;
    wait(LIMIT, "others to finish beyond a slow document", || {
        let before = last.replace(look());
        std::thread::sleep(STILL);
        let now = look();
        before == Some(now) && now.is_some_and(|(at, finished)| at > first || finished > 0)
    });
    look().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_finished_beyond_a_slow_document_outlives_a_kill() {
    let corner = Corner::new("slow");
    corner.make_topics_of(1).await;
    let configuration = corner.configuration();
    let configuration = configuration.split("[models.deliveries]").next().unwrap();
    let limit = "[mongo]\ncommand_limit_ms = 60000";
    let configuration = configuration.replace("[mongo]", limit);
    let knobs = Knobs {
        events: RECORDS as u64,
        members: 400,
        deliveries_per_mille: 0,
        duplicates_per_mille: 0,
        swaps_per_mille: 0,
        ..Knobs::default()
    };
    let (first, key) = slow(&knobs);
    let one = Mill::start(corner.dir(), &configuration);
    one.wait_for("/readyz", LIMIT);
    let lock = Lock::on(&corner.name, &key).await;
    let mut shipment = Shipment::of(&corner, &knobs, 1).await;
    assert_eq!(shipment.send(RECORDS, 1).await, RECORDS);
    let topic = format!("{}.public.points_outbox", corner.name);
    let name = format!("{}.points.g1", corner.name);
    let group = Group::new(&stack("KAFKA_BROKERS"), &name, vec![Partition::new(topic, 0)]);
    let (at, finished) = committed(&group, first);
    one.kill();
    lock.release().await;
    let two = Mill::start(corner.dir(), &configuration);
    two.wait_for("/readyz", LIMIT);
    wait(LIMIT, "all to be committed", || group.lag() == Some(0));
    let mut verdict = Verdict::default();
    let store = corner.mongo().await.documents("points", 1).await.unwrap();
    verdict.documents(&store, &shipment.points).await;
    verdict.check();
    assert!(at <= first, "the offset went beyond a record whose document was not written");
    assert!(finished > RECORDS / 3, "only {finished} records beyond {at} were finished");
    let sum = |name: &str| two.metric(name).unwrap();
    let done = sum("readmill_consumed_total") - sum("readmill_batch_records_sum");
    assert_eq!(done, finished as f64, "what was finished before is passed over, no less, no more");
    assert_eq!(two.stop(), Some(0));
}
