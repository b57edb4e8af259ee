//! A world in memory behind the ports, with faults that a test can ask for.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use readmill_core::rollup::Partials;
use readmill_core::{
    Document, Edges, Finished, Key, Offset, Partition, Position, ReadModel, ResumeAt,
};
use readmill_engine::feed::feed;
use readmill_engine::patience::Patience;
use readmill_engine::river::River;
use readmill_engine::{
    Changes, Clock, Fault, Forgetting, Held, HeldRecord, HeldStore, Limits, Memory, Metrics, Only,
    Outlet, Ports, Pulse, Put, Record, Said, SchemaBook, Script, Side, Store, Tally, VersionsOf,
    Watch, Word, Write,
};
use readmill_schemas::debezium::{OutboxEnvelope, Source, Value};
use readmill_schemas::{Events, SchemaId, WriterSchema, WrittenEvents, framing};
use tokio::sync::watch;
use tokio::time::Instant;

/// What the next write meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// The service is down; nothing is written.
    Down,
    /// It is written, and the answer is lost.
    LostAnswer,
}

/// Everything that outlives a worker.
#[derive(Debug)]
pub struct World<M: ReadModel> {
    inner: Arc<Mutex<Inner<M>>>,
    side: Side,
}

#[derive(Debug)]
struct Inner<M: ReadModel> {
    documents: BTreeMap<Key, Document<M>>,
    held: Vec<HeldRecord>,
    said: Vec<Said>,
    /// What happened, in order: the proof of "document first, outputs second".
    history: Vec<String>,
    troubles: VecDeque<Trouble>,
    deaf_outlet: bool,
    /// A key whose writes do not come back as long as it stands here.
    stalled: Option<Key>,
}

impl<M: ReadModel> Clone for World<M> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), side: self.side.clone() }
    }
}

impl<M: ReadModel> World<M> {
    pub fn new() -> Self {
        let inner = Inner {
            documents: BTreeMap::new(),
            held: Vec::new(),
            said: Vec::new(),
            history: Vec::new(),
            troubles: VecDeque::new(),
            deaf_outlet: false,
            stalled: None,
        };
        let mut side = Side::default();
        if !M::ROLLUPS.is_empty() {
            side.partials = Some(Arc::new(World::<Partials>::new()));
        }
        if M::EMBEDS {
            side.edges = Some(Arc::new(World::<Edges>::new()));
        }
        Self { inner: Arc::new(Mutex::new(inner)), side }
    }

    fn lock(&self) -> MutexGuard<'_, Inner<M>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn trouble(&self, troubles: &[Trouble]) {
        self.lock().troubles.extend(troubles);
    }

    pub fn calm(&self) {
        self.lock().troubles.clear();
    }

    pub fn deafen_outlet(&self, deaf: bool) {
        self.lock().deaf_outlet = deaf;
    }

    pub fn stall(&self, key: Option<&str>) {
        self.lock().stalled = key.map(Key::from);
    }

    pub fn states(&self) -> BTreeMap<Key, Option<M::State>> {
        let inner = self.lock();
        inner.documents.iter().map(|(key, doc)| (key.clone(), doc.state.clone())).collect()
    }

    pub fn set(&self, key: &str, document: Document<M>) {
        self.lock().documents.insert(Key::from(key), document);
    }

    pub fn document(&self, key: &str) -> Option<Document<M>> {
        self.lock().documents.get(&Key::from(key)).cloned()
    }

    pub fn said(&self) -> Vec<String> {
        self.lock().said.iter().map(|said| said.id.clone()).collect()
    }

    pub fn held(&self) -> Vec<(Option<Key>, i64)> {
        let inner = self.lock();
        inner.held.iter().map(|held| (held.key.clone(), held.position().offset.0)).collect()
    }

    pub fn history(&self) -> Vec<String> {
        self.lock().history.clone()
    }

    pub fn ports(&self) -> Arc<Ports<M>> {
        self.ports_holding(Arc::new(self.clone()))
    }

    pub fn ports_holding(&self, held: Arc<dyn HeldStore>) -> Arc<Ports<M>> {
        Arc::new(Ports {
            memory: Memory::default(),
            changes: Changes::default(),
            side: self.side.clone(),
            script: Script {
                schemas: Arc::new(Book),
                versions_of: VersionsOf::new([("t-batch".to_owned(), "t".to_owned())]),
                forgotten: Forgetting::nobody(),
                only: Only::default(),
            },
            store: Arc::new(self.clone()),
            held,
            outlet: Arc::new(self.clone()),
            word: Word::alone(),
            mirror: None,
            clock: Arc::new(SinceStart(Instant::now())),
            metrics: Metrics::new().unwrap(),
        })
    }
}

/// A worker on one partition: a river and the counts of its process.
pub struct Worker<M: ReadModel> {
    pub river: River<M>,
    pub tally: Tally,
    pub close: watch::Sender<bool>,
    /// How far it came.
    pub progress: Option<(ResumeAt, Finished)>,
}

pub fn partition() -> Partition {
    Partition::new("t", 0)
}

pub fn worker<M: ReadModel>(ports: &Arc<Ports<M>>) -> Worker<M> {
    worker_within(ports, Limits::default())
}

pub fn worker_within<M: ReadModel>(ports: &Arc<Ports<M>>, limits: Limits) -> Worker<M> {
    let (close, closing) = watch::channel(false);
    let tally = Tally::new(M::NAME, ports.metrics.clone());
    let patience = Patience::new(closing.clone(), ports.metrics.clone(), M::NAME);
    let watch = Watch::new(tally.clone(), Pulse::default(), closing);
    let river = River::new(Arc::clone(ports), &partition(), limits, &watch, patience);
    Worker { river, tally, close, progress: None }
}

impl<M: ReadModel> Worker<M> {
    /// Takes records through the river, and waits until all that can be is settled.
    pub async fn flow(&mut self, records: Vec<Record>) -> Result<Option<ResumeAt>, Fault> {
        self.flow_knowing(records, Finished::default()).await
    }

    pub async fn flow_knowing(
        &mut self,
        records: Vec<Record>,
        known: Finished,
    ) -> Result<Option<ResumeAt>, Fault> {
        let (line, feed) = feed(partition(), 1);
        line.batches.send(records).await.unwrap();
        let (mut feed, progress) = (feed.knowing(known), line.progress_of());
        drop(line);
        let flowed = self.river.flow(&mut feed).await;
        self.progress = progress();
        flowed.map(|()| self.progress.as_ref().map(|(resume_at, _)| *resume_at))
    }
}

#[async_trait]
impl<M: ReadModel> Store<M> for World<M> {
    async fn load(&self, keys: &[Key]) -> Result<Vec<Option<Document<M>>>, Fault> {
        let inner = self.lock();
        Ok(keys.iter().map(|key| inner.documents.get(key).cloned()).collect())
    }

    async fn put(&self, writes: &[Write<'_, M>]) -> Result<Vec<Put>, Fault> {
        let stalls = || {
            let stalled = self.lock().stalled.clone();
            writes.iter().any(|write| Some(write.key) == stalled.as_ref())
        };
        while stalls() {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        let mut inner = self.lock();
        let trouble = inner.troubles.pop_front();
        if trouble == Some(Trouble::Down) {
            return Err(down("store"));
        }
        let mut puts = Vec::new();
        for write in writes {
            let stored = inner.documents.get(write.key).map_or(0, |doc| doc.stamp.revision);
            if stored == write.expected {
                inner.history.push(format!("write {}", write.key));
                inner.documents.insert(write.key.clone(), write.document.clone());
                puts.push(Put::Done);
            } else {
                puts.push(Put::Unsure);
            }
        }
        if trouble == Some(Trouble::LostAnswer) { Err(down("store")) } else { Ok(puts) }
    }

    async fn scan(&self, visit: &mut (dyn FnMut(Key, Document<M>) + Send)) -> Result<(), Fault> {
        for (key, document) in &self.lock().documents {
            visit(key.clone(), document.clone());
        }
        Ok(())
    }

    async fn scan_range(
        &self,
        prefix: &str,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<(Key, Document<M>)>, Fault> {
        let first = after.cloned().unwrap_or_else(|| Key::from(prefix));
        let inner = self.lock();
        let found = inner.documents.range(first..).filter(|(key, _)| Some(*key) != after);
        let found = found.take_while(|(key, _)| key.as_str().starts_with(prefix)).take(limit);
        Ok(found.map(|(key, document)| (key.clone(), document.clone())).collect())
    }

    async fn erase(&self, keys: &[Key]) -> Result<(), Fault> {
        let mut inner = self.lock();
        keys.iter().for_each(|key| drop(inner.documents.remove(key)));
        Ok(())
    }

    async fn drop_all(&self) -> Result<(), Fault> {
        self.lock().documents.clear();
        Ok(())
    }
}

#[async_trait]
impl<M: ReadModel> HeldStore for World<M> {
    async fn hold(&self, records: &[HeldRecord]) -> Result<(), Fault> {
        let mut inner = self.lock();
        for record in records {
            let same =
                |held: &HeldRecord| held.position() == record.position() && held.key == record.key;
            if !inner.held.iter().any(same) {
                inner.history.push(format!("hold {}", record.position().offset.0));
                inner.held.push(record.clone());
            }
        }
        Ok(())
    }

    async fn count(&self, _: &str) -> Result<u64, Fault> {
        Ok(self.lock().held.len() as u64)
    }

    async fn visit(
        &self,
        _: &'static str,
        which: &Held,
        visit: &mut (dyn FnMut(HeldRecord) + Send),
    ) -> Result<(), Fault> {
        let inner = self.lock();
        let meant = inner.held.iter().filter(|held| which.means(held));
        meant.cloned().for_each(visit);
        Ok(())
    }

    async fn replace(&self, records: &[HeldRecord]) -> Result<(), Fault> {
        let mut inner = self.lock();
        for record in records {
            let same = |held: &&mut HeldRecord| {
                held.position() == record.position() && held.key == record.key
            };
            if let Some(held) = inner.held.iter_mut().find(same) {
                held.clone_from(record);
            }
        }
        Ok(())
    }

    async fn release(&self, records: &[HeldRecord]) -> Result<(), Fault> {
        let mut inner = self.lock();
        for record in records {
            inner.history.push(format!("release {}", record.position().offset.0));
            inner
                .held
                .retain(|held| held.position() != record.position() || held.key != record.key);
        }
        Ok(())
    }
}

#[async_trait]
impl<M: ReadModel> Outlet for World<M> {
    async fn send(&self, said: &[Said]) -> Result<(), Fault> {
        let mut inner = self.lock();
        if inner.deaf_outlet {
            return Err(Fault::Refused {
                service: "outlet",
                detail: "as the test wants".to_owned(),
                hint: "none",
            });
        }
        for said in said {
            inner.history.push(format!("say {}", said.id));
            inner.said.push(said.clone());
        }
        Ok(())
    }
}

fn down(service: &'static str) -> Fault {
    Fault::Silent { service, detail: "as the test wants".to_owned() }
}

/// It goes only while a test waits.
#[derive(Debug)]
struct SinceStart(Instant);

impl Clock for SinceStart {
    fn now_ms(&self) -> i64 {
        i64::try_from(self.0.elapsed().as_millis()).unwrap()
    }
}

/// Id 0 is the envelope; the event contracts of a subject follow in their order.
#[derive(Debug)]
struct Book;

const POINTS: u32 = 100;
const DELIVERIES: u32 = 200;

#[async_trait]
impl SchemaBook for Book {
    async fn schema(&self, id: SchemaId) -> Result<Arc<WriterSchema>, Fault> {
        use readmill_schemas::{deliveries::DeliveriesEvent, points::PointsEvent};
        let (contracts, first) = match id.0 {
            0 => return Ok(parsed(OutboxEnvelope::CONTRACT.text)),
            POINTS..DELIVERIES => (PointsEvent::CONTRACTS, POINTS),
            _ => (DeliveriesEvent::CONTRACTS, DELIVERIES),
        };
        let contract = contracts.get((id.0 - first) as usize);
        contract.map(|c| parsed(c.text)).ok_or(Fault::UnknownSchema { id: id.0 })
    }
}

fn parsed(text: &str) -> Arc<WriterSchema> {
    Arc::new(WriterSchema::parse(text).unwrap())
}

/// A record as a relay would publish it.
pub fn record<E: WrittenEvents>(
    offset: i64,
    aggregate: &str,
    version: Option<i64>,
    event: &E,
) -> Record {
    let first =
        if event.contract().name.starts_with("readmill.points") { POINTS } else { DELIVERIES };
    let which = E::CONTRACTS.iter().position(|c| c.name == event.contract().name).unwrap();
    let id = SchemaId(first + u32::try_from(which).unwrap());
    let mut payload = Vec::new();
    framing::write(id, |out| event.write(out), &mut payload);
    let event_id = format!("{aggregate}-{version:?}-{}", event.contract().name);
    record_of(offset, aggregate, version, &event_id, &payload)
}

/// A record with any payload.
pub fn record_of(
    offset: i64,
    aggregate: &str,
    version: Option<i64>,
    event_id: &str,
    payload: &[u8],
) -> Record {
    let sequence = format!("[\"{offset}\",\"{offset}\"]");
    let envelope = OutboxEnvelope {
        before: None,
        after: Some(Value {
            id: event_id,
            aggregate_type: "any",
            aggregate_id: aggregate,
            version,
            r#type: "PointsEarned",
            payload: Some(payload),
        }),
        source: source(offset, &sequence),
        op: "c",
        ts_ms: Some(0),
        transaction: None,
    };
    let mut value = Vec::new();
    framing::write(SchemaId(0), |out| envelope.write(out), &mut value);
    Record {
        position: Position { partition: Partition::new("t", 0), offset: Offset(offset) },
        timestamp_ms: 0,
        key: Some(aggregate.as_bytes().to_vec()),
        value: Some(value),
        headers: Vec::new(),
    }
}

fn source(lsn: i64, sequence: &str) -> Source<'_> {
    Source {
        version: "3.7.0.Final",
        connector: "postgresql",
        name: "shop",
        ts_ms: 0,
        snapshot: None,
        db: None,
        schema: None,
        table: None,
        tx_id: None,
        lsn: Some(lsn),
        sequence: Some(sequence),
        server_id: None,
        gtid: None,
        file: None,
        pos: None,
        row: None,
    }
}
