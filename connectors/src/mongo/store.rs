//! The documents of one generation of a read model in MongoDB.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

use async_trait::async_trait;
use bson::{DateTime, RawDocumentBuf, doc};
use futures::{StreamExt, TryStreamExt, stream};
use mongodb::Collection;
use mongodb::action::Find;
use mongodb::options::{
    Acknowledgment, CollectionOptions, ReadConcern, ReadPreference, SelectionCriteria, WriteConcern,
};
use readmill_core::{Document, Index, Key, ReadModel};
use readmill_engine::{Equal, Fault, Lists, Put, Store, Write};

use super::connect::Mongo;
use super::plan::{self, Command};
use super::reply::{self, Heard};
use super::{query, range, row};

/// How many documents are asked for at once.
const LOAD_CHUNK_KEYS: usize = 1_000;

/// How many documents of a scan come in one answer.
const SCAN_BATCH_DOCUMENTS: u32 = 1_000;

/// One collection of documents.
#[derive(Debug, Clone)]
pub struct MongoStore {
    mongo: Mongo,
    collection: String,
}

impl MongoStore {
    pub(super) fn new(mongo: Mongo, collection: String) -> Result<Self, Fault> {
        row::name(&collection)?;
        Ok(Self { mongo, collection })
    }

    /// The collection's name.
    pub fn collection(&self) -> &str {
        &self.collection
    }

    /// What a majority has, asked of the primary: nothing that could be rolled back is folded on.
    fn rows(&self) -> Collection<RawDocumentBuf> {
        let options = CollectionOptions::builder()
            .read_concern(ReadConcern::majority())
            .selection_criteria(SelectionCriteria::ReadPreference(ReadPreference::Primary))
            .build();
        self.mongo.db().collection_with_options(&self.collection, options)
    }

    async fn load_chunk<M: ReadModel>(
        &self,
        keys: Vec<String>,
    ) -> Result<Vec<(Key, Document<M>)>, Fault> {
        let batch = u32::try_from(keys.len()).unwrap_or(u32::MAX);
        let rows = self.rows();
        let find = rows.find(doc! {"_id": {"$in": keys}}).batch_size(batch).max_time(self.limit());
        let mut cursor = self.mongo.ask(find).await?;
        let mut found = Vec::new();
        while self.mongo.ask(cursor.advance()).await? {
            found.push(row::into_document(cursor.current())?);
        }
        Ok(found)
    }

    async fn visit<M: ReadModel>(
        &self,
        which: bson::Document,
        visit: &mut (dyn FnMut(Key, Document<M>) + Send),
    ) -> Result<(), Fault> {
        let rows = self.rows();
        let find = rows.find(which).batch_size(SCAN_BATCH_DOCUMENTS);
        let mut cursor = self.mongo.ask(find).await?;
        while self.mongo.ask(cursor.advance()).await? {
            let (key, document) = row::into_document(cursor.current())?;
            visit(key, document);
        }
        Ok(())
    }

    /// Runs a command, and answers for each of its writes.
    async fn run<M: ReadModel>(
        &self,
        command: Command,
        writes: &[Write<'_, M>],
        expire_at: Option<DateTime>,
    ) -> Result<Vec<(usize, Put)>, Fault> {
        let Command { kind, body, writes: numbers } = command;
        let reply = self.mongo.ask(self.mongo.db().run_raw_command(body)).await?;
        let heard = reply::verdicts(self.mongo.place(), kind, numbers.len(), &reply)?;
        let heard: Vec<(usize, Heard)> = numbers.into_iter().zip(heard).collect();
        let unknown = heard.iter().filter(|(_, heard)| *heard == Heard::Unknown);
        let unknown: Vec<&Write<'_, M>> =
            unknown.filter_map(|(number, _)| writes.get(*number)).collect();
        let made = if unknown.is_empty() {
            HashSet::new()
        } else {
            // Whoever asked looks up what stays unsure, and meets the same fault.
            self.made(&unknown, expire_at).await.unwrap_or_default()
        };
        let put = |number: usize, heard| match heard {
            Heard::Made => Put::Done,
            Heard::TooLarge => Put::TooLarge,
            Heard::Refused => Put::Unsure,
            Heard::Unknown => {
                let key = writes.get(number).map(|write| write.key.as_str());
                if key.is_some_and(|key| made.contains(key)) { Put::Done } else { Put::Unsure }
            }
        };
        Ok(heard.into_iter().map(|(number, heard)| (number, put(number, heard))).collect())
    }

    /// Which of these writes stand. Their stamps are enough to tell: whoever has the same stamp has
    /// folded the same events. A document comes whole only if somebody else has written it.
    async fn made<M: ReadModel>(
        &self,
        writes: &[&Write<'_, M>],
        expire_at: Option<DateTime>,
    ) -> Result<HashSet<String>, Fault> {
        let keys: Vec<&str> = writes.iter().map(|write| write.key.as_str()).collect();
        let batch = u32::try_from(keys.len()).unwrap_or(u32::MAX);
        let rows = self.rows();
        let find = rows.find(doc! {"_id": {"$in": &keys}}).projection(doc! {row::STAMP: 1});
        let mut cursor = self.mongo.ask(find.batch_size(batch).max_time(self.limit())).await?;
        let mut standing = HashMap::with_capacity(keys.len());
        while self.mongo.ask(cursor.advance()).await? {
            let row = cursor.current();
            if let (Ok(key), Ok(stamp)) = (row.get_str("_id"), row.get_document(row::STAMP)) {
                standing.insert(key.to_owned(), stamp.to_owned());
            }
        }
        let mut made = HashSet::new();
        for write in writes {
            let meant = row::of_stamp(write.document, expire_at)?;
            if standing.get(write.key.as_str()).is_some_and(|stamp| *stamp == meant) {
                made.insert(write.key.0.clone());
            }
        }
        Ok(made)
    }

    /// What a search finds, whole.
    async fn page<M: ReadModel>(
        &self,
        find: Find<'_, RawDocumentBuf>,
    ) -> Result<Vec<(Key, Document<M>)>, Fault> {
        let mut cursor = self.mongo.ask(find).await?;
        let mut page = Vec::new();
        while self.mongo.ask(cursor.advance()).await? {
            page.push(row::into_document(cursor.current())?);
        }
        Ok(page)
    }

    fn limit(&self) -> Duration {
        Duration::from_millis(self.mongo.config().command_limit_ms.into())
    }
}

fn copy<M: ReadModel>(document: &Document<M>) -> Document<M> {
    Document { state: document.state.clone(), stamp: document.stamp.clone() }
}

#[async_trait]
impl<M: ReadModel> Store<M> for MongoStore {
    async fn load(&self, keys: &[Key]) -> Result<Vec<Option<Document<M>>>, Fault> {
        let mut places: HashMap<&str, usize> = HashMap::with_capacity(keys.len());
        let mut asked = Vec::with_capacity(keys.len());
        for (place, key) in keys.iter().enumerate() {
            if let Entry::Vacant(first) = places.entry(key.as_str()) {
                first.insert(place);
                asked.push(key.0.clone());
            }
        }
        let loads: Vec<_> = asked
            .chunks(LOAD_CHUNK_KEYS)
            .map(|chunk| self.load_chunk::<M>(chunk.to_vec()))
            .collect();
        let parallel = self.mongo.config().parallel_commands.max(1);
        let chunks: Vec<_> = stream::iter(loads).buffered(parallel).try_collect().await?;

        let mut answers: Vec<Option<Document<M>>> = keys.iter().map(|_| None).collect();
        for (key, document) in chunks.into_iter().flatten() {
            if let Some(answer) = places.get(key.as_str()).and_then(|at| answers.get_mut(*at)) {
                *answer = Some(document);
            }
        }
        for (place, key) in keys.iter().enumerate() {
            let first = places.get(key.as_str()).copied().unwrap_or(place);
            if first != place {
                let repeated = answers.get(first).and_then(Option::as_ref).map(copy);
                if let Some(answer) = answers.get_mut(place) {
                    *answer = repeated;
                }
            }
        }
        Ok(answers)
    }

    async fn put(&self, writes: &[Write<'_, M>]) -> Result<Vec<Put>, Fault> {
        let config = self.mongo.config();
        let life_ms = self.mongo.tombstone_life_ms();
        let expire_at = life_ms.map(|life_ms| {
            DateTime::from_millis(DateTime::now().timestamp_millis().saturating_add(life_ms))
        });
        let limit_ms = config.command_limit_ms;
        let planned = plan::commands(&self.collection, limit_ms, writes, expire_at)?;
        let running = planned.commands.into_iter();
        let running = running.map(|command| self.run(command, writes, expire_at));
        let parallel = config.parallel_commands.max(1);
        let answers: Vec<_> =
            stream::iter(running).buffer_unordered(parallel).try_collect().await?;
        let too_large = planned.too_large.into_iter().map(|number| (number, Put::TooLarge));
        let mut verdicts = vec![Put::Unsure; writes.len()];
        for (number, verdict) in answers.into_iter().flatten().chain(too_large) {
            if let Some(place) = verdicts.get_mut(number) {
                *place = verdict;
            }
        }
        Ok(verdicts)
    }

    async fn scan(&self, visit: &mut (dyn FnMut(Key, Document<M>) + Send)) -> Result<(), Fault> {
        self.visit(doc! {}, visit).await
    }

    async fn scan_waiting(
        &self,
        visit: &mut (dyn FnMut(Key, Document<M>) + Send),
    ) -> Result<(), Fault> {
        // By an index that has only these: see `Mongo::documents`.
        self.visit(doc! {row::WAITING_SINCE: {"$gte": 0}}, visit).await
    }

    async fn scan_range(
        &self,
        prefix: &str,
        after: Option<&Key>,
        limit: usize,
    ) -> Result<Vec<(Key, Document<M>)>, Fault> {
        let Some(most) = i64::try_from(limit).ok().filter(|most| *most > 0) else {
            return Ok(Vec::new());
        };
        let rows = self.rows();
        let find = rows.find(range::of(prefix, after)).sort(doc! {"_id": 1}).limit(most);
        self.page(find.batch_size(SCAN_BATCH_DOCUMENTS).max_time(self.limit())).await
    }

    fn lists(&self) -> Lists {
        Lists { by_key: true, by_index: true }
    }

    async fn scan_index(
        &self,
        index: &Index,
        equal: &[Equal],
        (prefix, after): (&str, Option<&Key>),
        limit: usize,
    ) -> Result<Vec<(Key, Document<M>)>, Fault> {
        let Some(most) = i64::try_from(limit).ok().filter(|most| *most > 0) else {
            return Ok(Vec::new());
        };
        let rows = self.rows();
        // The order of keys is not the index's: what matches is looked at for each page, and only
        // what comes first of it is kept in memory.
        let find = rows.find(query::of(equal, range::of(prefix, after))).hint(query::hint(index));
        let find = find.sort(doc! {"_id": 1}).limit(most).allow_disk_use(true);
        let find = find.batch_size(SCAN_BATCH_DOCUMENTS).max_time(self.limit());
        self.page(find).await
    }

    fn document_limit_bytes(&self) -> usize {
        row::FREE_DOCUMENT_BYTES
    }

    async fn erase(&self, keys: &[Key]) -> Result<(), Fault> {
        let durably = WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build();
        for chunk in keys.chunks(LOAD_CHUNK_KEYS) {
            let keys: Vec<&str> = chunk.iter().map(Key::as_str).collect();
            let rows = self.rows();
            let delete = rows.delete_many(doc! {"_id": {"$in": keys}});
            self.mongo.ask(delete.write_concern(durably.clone())).await?;
        }
        Ok(())
    }

    async fn drop_all(&self) -> Result<(), Fault> {
        let durably = WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build();
        self.mongo.ask(self.rows().drop().write_concern(durably)).await
    }
}
