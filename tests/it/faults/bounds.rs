//! Huge records before a silent store: a partition never has more of them in memory than its bounds
//! allow, and finishes all the same.

use std::time::{Duration, Instant};

use readmill_workload::Knobs;

use super::shipment::Shipment;
use super::topics::Group;
use super::verdict::Verdict;
use crate::mill::{Mill, wait};
use crate::paths::stack;
use crate::proxy::Link;
use crate::real::Corner;

const LIMIT: Duration = Duration::from_secs(60);
const RECORDS: usize = 160;
const RECORD_BYTES: usize = 256 << 10;
const OPEN_BYTES: usize = 2 << 20;
const QUEUED_BYTES: usize = 1 << 20;
/// A batch is handed on when it has so many bytes.
const BATCH_BYTES: usize = 1 << 20;
/// One batch, with the record that filled it.
const BATCH: f64 = (BATCH_BYTES + RECORD_BYTES + 4096) as f64;
/// As long as the store is silent.
const SILENCE: Duration = Duration::from_secs(4);

/// The most that was ever seen.
#[derive(Debug, Default)]
struct Most {
    open: f64,
    queued: f64,
    paused: f64,
}

impl Most {
    fn look(&mut self, mill: &Mill) {
        let seen = |name: &str| mill.metric(name).unwrap_or(0.0);
        self.open = self.open.max(seen("readmill_open_bytes"));
        self.queued = self.queued.max(seen("readmill_queued_bytes"));
        self.paused = self.paused.max(seen("readmill_paused"));
    }

    #[track_caller]
    fn check(&self) {
        // What queues before the worker, and the batch that is polled and has no place there yet.
        assert!(self.queued <= (QUEUED_BYTES as f64).max(BATCH) + BATCH, "{self:?}");
        // The worker takes what is queued while it has room for a record more.
        assert!(self.open <= OPEN_BYTES as f64 + (QUEUED_BYTES as f64).max(BATCH), "{self:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_of_huge_records_stays_within_its_bounds() {
    let corner = Corner::new("huge");
    corner.make_topics_of(1).await;
    let mongo = stack("MONGO_URI");
    let link = Link::to(mongo.split('/').nth(2).unwrap());
    let behind = format!("mongodb://{}/?directConnection=true", link.address);
    let queued = format!("[kafka]\nqueued_kib_per_partition = {}", QUEUED_BYTES >> 10);
    let open = format!("[models.points]\nopen_bytes_per_partition = {OPEN_BYTES}");
    let configuration = corner.configuration();
    let configuration = configuration.split("[models.deliveries]").next().unwrap();
    let configuration = configuration
        .replace(&mongo, &behind)
        .replace("[kafka]", &queued)
        .replace("[models.points]", &open);
    let mill = Mill::start(corner.dir(), &configuration);
    mill.wait_for("/readyz", LIMIT);
    link.cut();
    let knobs = Knobs {
        events: RECORDS as u64,
        members: 20,
        deliveries_per_mille: 0,
        duplicates_per_mille: 0,
        ..Knobs::default()
    };
    let mut shipment = Shipment::of(&corner, &knobs, 1).await;
    shipment.headers = vec![("huge".to_owned(), vec![7; RECORD_BYTES])];
    while shipment.send(16, 1).await > 0 {}
    let mut most = Most::default();
    wait(LIMIT, "the partition to be full", || {
        most.look(&mill);
        most.check();
        most.open > OPEN_BYTES as f64 && most.queued > QUEUED_BYTES as f64 && most.paused == 1.0
    });
    let until = Instant::now() + SILENCE;
    wait(LIMIT, "the silence to end", || {
        most.look(&mill);
        Instant::now() >= until
    });
    most.check();
    link.mend();
    let name = format!("{}.points.g1", corner.name);
    let group = Group::new(&stack("KAFKA_BROKERS"), &name, shipment.partitions());
    wait(LIMIT, "all to be committed", || {
        most.look(&mill);
        group.lag() == Some(0)
    });
    most.check();
    let mut verdict = Verdict::default();
    let store = corner.mongo().await.documents("points", 1).await.unwrap();
    verdict.documents(&store, &shipment.points).await;
    verdict.check();
    assert_eq!(mill.stop(), Some(0));
}
