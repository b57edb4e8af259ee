//! Documents in an embedded store, a mirror of them that is tended, and the comparison of both.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use readmill_connectors::embedded::{Embedded, EmbeddedConfig, EmbeddedStore};
use readmill_connectors::redis::{LateRedisMirror, Redis, RedisConfig, RedisMirror};
use readmill_core::{Document, Key};
use readmill_engine::mirror::{
    Care, Difference, Doing, Heals, Pass, Spot, Tally, Tended, Tender, Trace, view,
};
use readmill_engine::patience::Patience;
use readmill_engine::{Fault, Metrics, Mirror, Put, Store, View, Write};
use readmill_models::Deliveries;
use readmill_models::deliveries::{Delivery, Status};
use readmill_schemas::Timestamp;
use readmill_schemas::deliveries::OrderService;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// How long a heal may take.
pub const LIMIT: Duration = Duration::from_secs(20);
/// The mirror's name.
pub const NAME: &str = "deliveries:under-way";

/// Documents and their mirror.
pub struct Stand {
    store: EmbeddedStore,
    config: RedisConfig,
    pub tended: Arc<Tended>,
    metrics: Metrics,
    stop: watch::Sender<bool>,
    tending: Option<JoinHandle<()>>,
    _dir: TempDir,
}

impl Stand {
    /// Nothing yet.
    pub fn new(config: RedisConfig, care: Care) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = Embedded::open(&EmbeddedConfig::at(dir.path().join("store"))).unwrap();
        let store = store.documents("deliveries", 1).unwrap();
        let mirror: Arc<dyn Heals> = Arc::new(LateRedisMirror::at(&config, NAME));
        Self {
            store,
            config,
            tended: Arc::new(Tended::new(mirror, care)),
            metrics: Metrics::new().unwrap(),
            stop: watch::channel(false).0,
            tending: None,
            _dir: dir,
        }
    }

    /// From now on it is tended, as by a process.
    pub fn tend(&mut self) {
        let (store, tended) = (self.store.clone(), Arc::clone(&self.tended));
        let (metrics, stop) = (self.metrics.clone(), self.stop.subscribe());
        self.tending = Some(tokio::spawn(async move {
            Tender::<Deliveries> { store: &store, tended: &tended, metrics: &metrics, stop }
                .tend()
                .await;
        }));
    }

    /// As if the process died: what it remembered is gone.
    pub async fn die(&mut self, care: Care) {
        if let Some(tending) = self.tending.take() {
            tending.abort();
            let _ = tending.await;
        }
        let mirror: Arc<dyn Heals> = Arc::new(LateRedisMirror::at(&self.config, NAME));
        self.tended = Arc::new(Tended::new(mirror, care));
    }

    /// Writes documents of these numbers, at this revision, and shows them, as a shard would.
    pub async fn write(&self, numbers: std::ops::Range<i64>, revision: i64) {
        let keys: Vec<Key> = numbers.clone().map(|number| Key(format!("d-{number}"))).collect();
        let documents: Vec<Document<Deliveries>> =
            numbers.map(|number| document(number, revision)).collect();
        let writes: Vec<Write<'_, Deliveries>> = keys
            .iter()
            .zip(&documents)
            .map(|(key, document)| Write { key, expected: revision - 1, document })
            .collect();
        let puts = self.store.put(&writes).await.unwrap();
        assert!(puts.iter().all(|put| *put == Put::Done), "{puts:?}");
        let views: Vec<View> =
            keys.iter().zip(&documents).map(|(key, document)| view(key, document)).collect();
        let mut tries = 0;
        while let Err(fault) = self.tended.show(&views).await {
            tries += 1;
            assert!(tries < 100, "{fault}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Takes documents away, as if they had never been.
    pub async fn forget(&self, numbers: std::ops::Range<i64>) {
        let keys: Vec<Key> = numbers.map(|number| Key(format!("d-{number}"))).collect();
        Store::<Deliveries>::erase(&self.store, &keys).await.unwrap();
    }

    /// The mirror, as anyone else reaches it.
    pub async fn mirror(&self) -> RedisMirror {
        Redis::connect(&self.config).await.unwrap().mirror(NAME)
    }

    /// How many traces are missing, and how many are too many.
    pub async fn wrong(&self) -> (usize, usize) {
        self.try_wrong().await.unwrap()
    }

    async fn try_wrong(&self) -> Result<(usize, usize), Fault> {
        let mirror = Redis::connect(&self.config).await?.mirror(NAME);
        let (mut meant, mut views) = (BTreeSet::new(), Vec::new());
        let mut visit = |key: Key, document: Document<Deliveries>| {
            let view = view(&key, &document);
            let spots = view.spots().into_iter();
            meant.extend(spots.map(|spot: Spot| (key.clone(), spot)));
            views.push(view);
        };
        Store::<Deliveries>::scan(&self.store, &mut visit).await.unwrap();
        let mut shown = BTreeSet::new();
        let mut visit = |trace: Trace| {
            if trace.shown {
                shown.insert((trace.key, trace.spot));
            }
        };
        mirror.traces(&mut visit).await?;
        let differ = mirror.compare(&views).await?.len();
        Ok((differ, shown.difference(&meant).count()))
    }

    /// One pass over all documents, and what it tells of.
    pub async fn pass(&self, doing: Doing) -> (Vec<Difference>, Tally) {
        let mut found = Vec::new();
        let mut told = |_: Tally, differences: &[Difference]| found.extend_from_slice(differences);
        let patience = Patience::new(self.stop.subscribe(), self.metrics.clone(), "deliveries");
        let mut pass = Pass::<Deliveries> {
            store: &self.store,
            metrics: &self.metrics,
            mirror: self.tended.mirror(),
            doing,
            limit_per_second: 10_000,
            patience,
            tally: Tally::default(),
            told: &mut told,
        };
        let tally = pass.run().await.unwrap();
        (found, tally)
    }

    /// Waits until every view equals its document, and nothing else is shown.
    #[track_caller]
    pub fn whole(&self) -> impl Future<Output = ()> {
        let caller = std::panic::Location::caller();
        async move {
            let until = Instant::now() + LIMIT;
            loop {
                // A server that is on its way does not answer.
                let wrong = self.try_wrong().await;
                if matches!(wrong, Ok((0, 0))) {
                    return;
                }
                assert!(Instant::now() < until, "{caller}: (missing, too many) is {wrong:?}");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }

    /// A metric of the model.
    pub fn metric(&self, name: &str) -> f64 {
        let text = self.metrics.render().unwrap();
        let series = text.lines().find(|line| line.starts_with(&format!("{name}{{")));
        series.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(0.0)
    }

    /// Waits until the mirror is healed that has just been begun to be tended: it has a marker.
    pub async fn settled(&self) {
        let until = Instant::now() + LIMIT;
        let mirror = self.mirror().await;
        let is_whole = async || {
            let marker = mirror.sight().await.unwrap().marker.unwrap_or_default();
            marker.contains("\"whole_for\":\"")
        };
        while !is_whole().await {
            assert!(Instant::now() < until, "the mirror is not whole");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

/// A delivery that changes its step with every revision, and ends with every fifth.
fn document(number: i64, revision: i64) -> Document<Deliveries> {
    let mut document = Document::<Deliveries>::default();
    document.stamp.revision = revision;
    let steps = [Status::Created, Status::PickupRequested, Status::Dispatched, Status::PickedUp];
    let at = usize::try_from(revision - 1).unwrap() % 5;
    document.stamp.gone = at == 4;
    document.state = steps.get(at).map(|status| Delivery {
        order_no: format!("o-{number}"),
        service: OrderService::Mall,
        region: format!("r-{}", number % 3),
        status: *status,
        rider_id: None,
        created_at: Timestamp::from_millis(1_700_000_000_000 + number),
        pickup_requested_at: None,
        dispatched_at: None,
        picked_up_at: None,
    });
    document
}
