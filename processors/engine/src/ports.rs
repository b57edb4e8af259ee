//! The ports: what the engine needs of the outside world, and nothing of how it is done.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use async_trait::async_trait;
use readmill_core::rollup::Partials;
use readmill_core::{
    Document, Edges, Index, Key, Output, Partition, Position, Reaction, ReadModel, Record, Shows,
};
use readmill_schemas::SchemaId;
use readmill_schemas::writer::WriterSchema;
use serde::{Deserialize, Serialize};

use crate::changes::Changes;
use crate::fault::Fault;
use crate::feed::Feed;
use crate::forgotten::Forgetting;
use crate::listing::{Equal, Lists};
use crate::metrics::Metrics;
use crate::mirror::Tended;
use crate::noted::Memory;
use crate::scope::Only;
use crate::word::Word;

/// A source of partitions: Kafka, or an archive.
#[async_trait]
pub trait Log: Send {
    /// The next assigned partition; `None` when the log has ended and no more will come.
    async fn assigned(&mut self) -> Result<Option<Feed>, Fault>;

    /// Gives back every partition: workers drain, what they settled is stored.
    async fn stop(&mut self) -> Result<(), Fault>;
}

/// Where writer schemas are found.
#[async_trait]
pub trait SchemaBook: Debug + Send + Sync {
    /// The schema under an id.
    async fn schema(&self, id: SchemaId) -> Result<Arc<WriterSchema>, Fault>;
}

/// A write of one document: it happens only if the stored revision is the expected one.
#[derive(Debug)]
pub struct Write<'a, M: ReadModel> {
    /// The document's key.
    pub key: &'a Key,
    /// The revision that was loaded; 0 means that nothing is stored.
    pub expected: i64,
    /// What is to stand there afterwards.
    pub document: &'a Document<M>,
}

/// What became of a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// It is durable.
    Done,
    /// Another writer came first, or nobody knows: load again and look.
    Unsure,
    /// The store never takes it, since it is larger than a document can be there. What stands is
    /// unchanged. A document that stands can always be written with its key held.
    TooLarge,
}

/// The documents of one read model, one generation.
#[async_trait]
pub trait Store<M: ReadModel>: Debug + Send + Sync {
    /// Loads documents, in the order of `keys`.
    async fn load(&self, keys: &[Key]) -> Result<Vec<Option<Document<M>>>, Fault>;

    /// Writes documents, each by compare-and-set on its revision; each key at most once.
    async fn put(&self, writes: &[Write<'_, M>]) -> Result<Vec<Put>, Fault>;

    /// Visits every stored document, tombstones included, in no stated order.
    async fn scan(&self, visit: &mut (dyn FnMut(Key, Document<M>) + Send)) -> Result<(), Fault>;

    /// Visits the documents in which events wait, in no stated order. A store that can find them
    /// without looking at all others does so.
    async fn scan_waiting(
        &self,
        visit: &mut (dyn FnMut(Key, Document<M>) + Send),
    ) -> Result<(), Fault> {
        let mut choose = |key, document: Document<M>| {
            if !document.stamp.waiting.is_empty() {
                visit(key, document);
            }
        };
        self.scan(&mut choose).await
    }

    /// The next documents, tombstones included, whose keys begin with `prefix` and come after
    /// `after`, in the order of their keys' bytes: at most `limit` of them, and fewer only if there
    /// are no more. A store that need not look at all others does not.
    async fn scan_range(
        &self,
        prefix: &str,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<(Key, Document<M>)>, Fault> {
        let mut page = BTreeMap::new();
        let mut choose = |key: Key, document| {
            let is_next = after.is_none_or(|after| key > *after);
            if is_next && key.as_str().starts_with(prefix) {
                page.insert(key, document);
                if page.len() > limit {
                    page.pop_last();
                }
            }
        };
        self.scan(&mut choose).await?;
        Ok(page.into_iter().collect())
    }

    /// How its documents can be listed without looking at all of them.
    fn lists(&self) -> Lists {
        Lists::default()
    }

    /// The next living documents of a range, as [`scan_range`](Self::scan_range) has them, of those
    /// whose first fields of a declared index are equal to these values. Only a store that has the
    /// index can.
    async fn scan_index(
        &self,
        _index: &Index,
        _equal: &[Equal],
        _range: (&str, Option<&Key>),
        _limit: usize,
    ) -> Result<Vec<(Key, Document<M>)>, Fault> {
        Err(Fault::Refused {
            service: "this store",
            detail: "it has no indexes".to_owned(),
            hint: "list by key, or keep the documents in MongoDB",
        })
    }

    /// Erases documents, stamps and tombstones included, as if they had never been. A key under
    /// which nothing stands is no error. Whoever erases a person's document must see to it that
    /// nothing of the log is folded into it again: no stamp is left that would know it.
    async fn erase(&self, keys: &[Key]) -> Result<(), Fault>;

    /// Erases all documents of this generation. Nobody may write into it meanwhile, and whoever
    /// wants to write into it afterwards opens it anew.
    async fn drop_all(&self) -> Result<(), Fault>;

    /// Notes how far partitions are settled, behind all documents that are written so far. The
    /// texts are what the log commits. Only a store that may forget what it has acknowledged need
    /// do so: what it forgets, it forgets with the note.
    async fn note_settled(&self, _settled: &[(Partition, String)]) -> Result<(), Fault> {
        Ok(())
    }

    /// What was noted last for each of some partitions, if anything still is; `None` from a store
    /// that forgets nothing, which the log's own commits are as good as.
    async fn noted(&self, _partitions: &[Partition]) -> Result<Option<Vec<Option<String>>>, Fault> {
        Ok(None)
    }

    /// How large a document may be, in bytes of the store's own form.
    fn document_limit_bytes(&self) -> usize {
        COMMON_DOCUMENT_LIMIT_BYTES
    }
}

/// Every store takes documents of up to this size, 15.9 MiB in its own form.
pub const COMMON_DOCUMENT_LIMIT_BYTES: usize = 159 * (1 << 20) / 10;

/// A record that could not be folded, whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldRecord {
    /// The read model that could not fold it.
    pub model: &'static str,
    /// The key that it holds, where one is known.
    pub key: Option<Key>,
    /// How much of it has not been folded.
    pub unfolded: Unfolded,
    /// Why, without any of its data.
    pub reason: String,
    /// When it was held, in milliseconds since 1970.
    pub held_at_ms: i64,
    /// How often it was tried again.
    pub tries: u32,
    /// The record.
    pub record: Record,
    /// What a person has changed of it, as it came.
    pub original: Option<Original>,
}

/// The parts of a held record that can be edited, as they were before the first edit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Original {
    /// The value's bytes.
    pub value: Option<Vec<u8>>,
    /// The headers.
    pub headers: Vec<(String, Vec<u8>)>,
}

/// How much of a held record has not been folded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unfolded {
    /// Nothing of it: it could not be read.
    All,
    /// Its part in the document under its key.
    Part,
}

/// Which held records are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// All of a model.
    All,
    /// Those that hold no key.
    Keyless,
    /// Those that hold one key.
    Key(Key),
    /// Those of a partition that could not be read.
    Unread(Partition),
}

impl Held {
    /// Whether a held record is meant.
    pub fn means(&self, held: &HeldRecord) -> bool {
        match self {
            Self::All => true,
            Self::Keyless => held.key.is_none(),
            Self::Key(wanted) => held.key.as_ref() == Some(wanted),
            Self::Unread(partition) => {
                held.unfolded == Unfolded::All && held.position().partition == *partition
            }
        }
    }
}

/// Where held records are kept. A record is held once for a model and a key.
#[async_trait]
pub trait HeldStore: Debug + Send + Sync {
    /// Keeps records; one that is kept already stays as it is.
    async fn hold(&self, records: &[HeldRecord]) -> Result<(), Fault>;

    /// How many records of a model are held.
    async fn count(&self, model: &str) -> Result<u64, Fault>;

    /// Visits held records of a model, each once, in no stated order and not all in memory.
    async fn visit(
        &self,
        model: &'static str,
        which: &Held,
        visit: &mut (dyn FnMut(HeldRecord) + Send),
    ) -> Result<(), Fault>;

    /// The held records of a model, in no stated order.
    async fn list(&self, model: &'static str, which: &Held) -> Result<Vec<HeldRecord>, Fault> {
        let mut found = Vec::new();
        self.visit(model, which, &mut |held| found.push(held)).await?;
        Ok(found)
    }

    /// Writes records anew that are held: mended, or tried again. One that has been released does
    /// not come back.
    async fn replace(&self, records: &[HeldRecord]) -> Result<(), Fault>;

    /// Lets records go; those that are not held any more are no error.
    async fn release(&self, records: &[HeldRecord]) -> Result<(), Fault>;
}

/// A reaction on its way out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// The model, the key, the revision and the number: repeats have equal ids.
    pub id: String,
    /// The document's key, by which the record is partitioned.
    pub key: Key,
    /// The contract's full name.
    pub contract: String,
    /// The Avro body, unframed.
    pub body: Vec<u8>,
}

/// Where reactions go.
#[async_trait]
pub trait Outlet: Debug + Send + Sync {
    /// Sends reactions; when it answers, they are durable.
    async fn send(&self, said: &[Said]) -> Result<(), Fault>;
}

/// A document as its mirror shows it.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    /// The document's key.
    pub key: Key,
    /// The revision, which guards the view against older ones.
    pub revision: i64,
    /// What it shows; none when the document has ended.
    pub fields: Option<Shows>,
}

/// Small views kept beside the documents.
#[async_trait]
pub trait Mirror: Debug + Send + Sync {
    /// Shows views; an older revision never overwrites a newer one, in a collection neither. What a
    /// document no longer shows goes, even if whoever showed it died in the middle.
    async fn show(&self, views: &[View]) -> Result<(), Fault>;

    /// How it is tended; without it, what it loses comes back with the next record of its key.
    fn tended(&self) -> Option<&Tended> {
        None
    }
}

/// The time, for freshness and for what a person reads; never for a fold.
pub trait Clock: Debug + Send + Sync {
    /// Milliseconds since 1970.
    fn now_ms(&self) -> i64;
}

/// Topics whose versions continue those of other topics: of an outbox that is split over tables.
#[derive(Debug, Clone, Default)]
pub struct VersionsOf(BTreeMap<String, Arc<str>>);

impl VersionsOf {
    /// Each topic with the one whose versions it continues.
    pub fn new(topics: impl IntoIterator<Item = (String, String)>) -> Self {
        Self(topics.into_iter().map(|(topic, first)| (topic, first.into())).collect())
    }

    /// The topic whose versions a topic continues; none if it has its own.
    pub fn topic(&self, topic: &str) -> Option<Arc<str>> {
        self.0.get(topic).cloned()
    }
}

/// What is kept beside the documents of a model that needs it, in the same generation.
#[derive(Debug, Clone, Default)]
pub struct Side {
    /// Partial groups of roll-ups.
    pub partials: Option<Arc<dyn Store<Partials>>>,
    /// Who embeds whom.
    pub edges: Option<Arc<dyn Store<Edges>>>,
}

/// How records of a log are read.
#[derive(Debug, Clone)]
pub struct Script {
    /// Writer schemas.
    pub schemas: Arc<dyn SchemaBook>,
    /// Which topics share their versions.
    pub versions_of: VersionsOf,
    /// Of whom nothing is heard.
    pub forgotten: Forgetting,
    /// For which keys alone.
    pub only: Only,
}

/// Everything that one read model's river stands on.
#[derive(Debug)]
pub struct Ports<M: ReadModel> {
    /// How records are read.
    pub script: Script,
    /// Documents.
    pub store: Arc<dyn Store<M>>,
    /// What is kept beside the documents.
    pub side: Side,
    /// Held records.
    pub held: Arc<dyn HeldStore>,
    /// Reactions.
    pub outlet: Arc<dyn Outlet>,
    /// Which of them are this generation's to send.
    pub word: Word,
    /// The mirror, where the model has one and the configuration names a place for it.
    pub mirror: Option<Arc<dyn Mirror>>,
    /// What its rivers know together of a store that may forget.
    pub memory: Memory,
    /// Who is told of what is written.
    pub changes: Changes,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Metrics.
    pub metrics: Metrics,
}

impl Said {
    /// Names a reaction.
    pub fn named(model: &str, key: &Key, output: &Output, reaction: &Reaction) -> Self {
        Self {
            id: format!("{model}/{key}/{}/{}", output.revision, output.n),
            key: key.clone(),
            contract: reaction.contract.clone(),
            body: reaction.body.clone(),
        }
    }
}

impl HeldRecord {
    /// A record that is held for the first time.
    pub const fn new<M: ReadModel>(
        key: Option<Key>,
        unfolded: Unfolded,
        reason: String,
        held_at_ms: i64,
        record: Record,
    ) -> Self {
        Self { model: M::NAME, key, unfolded, reason, held_at_ms, tries: 0, record, original: None }
    }

    /// The position under which it is kept.
    pub const fn position(&self) -> &Position {
        &self.record.position
    }

    /// Gives it another value and other headers; what it came with is kept beside them.
    pub fn edit(&mut self, value: Option<Vec<u8>>, headers: Vec<(String, Vec<u8>)>) {
        let value = std::mem::replace(&mut self.record.value, value);
        let headers = std::mem::replace(&mut self.record.headers, headers);
        self.original.get_or_insert(Original { value, headers });
    }

    /// Gives back what it came with. Answers whether it had been edited.
    pub fn undo_edits(&mut self) -> bool {
        let Some(Original { value, headers }) = self.original.take() else {
            return false;
        };
        self.record.value = value;
        self.record.headers = headers;
        true
    }
}
