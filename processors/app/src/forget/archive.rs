//! Archives lose persons: what would be folded into a person's own documents is emptied, the rest
//! of what tells of them is written anew without.

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use futures::future::BoxFuture;
use readmill_connectors::archive::{ArchiveBook, PersonErased};
use readmill_core::{Forgotten, Heard, Person, ReadModel, Record};
use readmill_engine::patience::Patience;
use readmill_engine::reader::{Aside, Reader};
use readmill_engine::{Fault, Forgetting, Metrics, Only, SchemaBook, Script, VersionsOf};
use readmill_models::Visit;
use serde_json::{Value, json};
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::archive::erase_from_archive;
use crate::bars;
use crate::config::{self, Config};

/// What was done to one archive.
#[derive(Debug)]
pub struct OfArchive {
    /// Its place among those that were named: paths may tell of persons.
    pub number: usize,
    /// What.
    pub erased: PersonErased,
}

impl OfArchive {
    /// In words.
    pub fn words(&self) -> String {
        let PersonErased { files, emptied, redacted, unreadable, within, is_growing } = self.erased;
        let mut words = format!(
            "{emptied} records emptied, {redacted} without them, {unreadable} emptied unread; \
             {files} files written anew"
        );
        if within > 0 {
            words += &format!("; {within} records have an id within a longer text");
        }
        if is_growing {
            words += "; it is being copied into: give the command again once its file has ended";
        }
        words
    }

    /// For a receipt.
    pub fn written(&self) -> Value {
        let PersonErased { files, emptied, redacted, unreadable, within, is_growing } = self.erased;
        json!({
            "archive": self.number, "files": files, "emptied": emptied, "redacted": redacted,
            "unreadable": unreadable, "within_texts": within, "is_growing": is_growing,
        })
    }
}

/// Takes persons out of an archive, one after the other.
///
/// # Errors
/// When the archive cannot be read or written.
pub async fn erase(
    config: &Config,
    dir: &Path,
    persons: &[Person],
    forgotten: &Forgotten,
    number: usize,
) -> Result<OfArchive> {
    let book: Arc<dyn SchemaBook> = Arc::new(ArchiveBook::new(dir));
    let mut models = Vec::new();
    let digests = persons.iter().map(|person| forgotten.digest(&person.id));
    let these = Forgotten::of(forgotten.salt().to_owned(), digests);
    for model in &config.models {
        let forgotten = Forgetting::these(these.clone());
        let hearing = Hearing { model, forgotten, book: Arc::clone(&book) };
        if let Some(ears) = readmill_models::visit(model.row.name, hearing) {
            models.push(ears?);
        }
    }
    let bar = bars::bytes(0, "of the archive looked through");
    let (dir, persons, runtime) = (dir.to_owned(), persons.to_vec(), Handle::current());
    let erasing = move || {
        let mut all = PersonErased::default();
        for Person { id, alias } in &persons {
            let person = readmill_schemas::Person { id, alias };
            let mut is_own = |record: &Record| is_own(&mut models, record, &runtime);
            let erased = erase_from_archive(&dir, person, &mut is_own, &bar)?;
            all.files += erased.files;
            all.emptied += erased.emptied;
            all.redacted += erased.redacted;
            all.unreadable += erased.unreadable;
            all.within += erased.within;
            all.is_growing |= erased.is_growing;
        }
        bar.finish_and_clear();
        Ok::<PersonErased, Fault>(all)
    };
    let erased = tokio::task::spawn_blocking(erasing).await??;
    Ok(OfArchive { number, erased })
}

/// Whether a record goes into persons' own documents alone, in every model that folds its topic.
fn is_own(models: &mut [Box<dyn Hears>], record: &Record, runtime: &Handle) -> bool {
    let topic = &record.position.partition.topic;
    let mut owned = false;
    for model in models.iter_mut().filter(|model| model.folds(topic)) {
        match runtime.block_on(model.hears(record)) {
            Some(true) => owned = true,
            Some(false) => return false,
            None => {}
        }
    }
    owned
}

/// Whoever hears the records of a model.
trait Hears: Send {
    /// Whether it folds a topic.
    fn folds(&self, topic: &str) -> bool;

    /// Whether a record goes into persons' own documents alone; none if into no document.
    fn hears<'a>(&'a mut self, record: &'a Record) -> BoxFuture<'a, Option<bool>>;
}

struct Ears<M: ReadModel> {
    topics: Vec<String>,
    reader: Reader<M>,
    forgotten: Arc<Forgotten>,
    /// Its end would be that of all patience.
    _open: watch::Sender<bool>,
}

impl<M: ReadModel> Hears for Ears<M> {
    fn folds(&self, topic: &str) -> bool {
        self.topics.iter().any(|known| known == topic)
    }

    fn hears<'a>(&'a mut self, record: &'a Record) -> BoxFuture<'a, Option<bool>> {
        Box::pin(async move {
            let Heard { keys, own, .. } = match self.reader.read(record).await {
                Ok((_, heard)) => heard,
                // What nobody can read is nobody else's, if it tells of them.
                Err(Aside::Hold { .. }) => {
                    return self.forgotten.are_told_of_by(record).then_some(true);
                }
                Err(Aside::Skip(_) | Aside::Fault(_)) => return None,
            };
            (!keys.is_empty() || !own.is_empty()).then_some(keys.is_empty())
        })
    }
}

/// A model that is to hear the records of an archive.
struct Hearing<'a> {
    model: &'a config::Model,
    forgotten: Forgetting,
    book: Arc<dyn SchemaBook>,
}

impl Visit for Hearing<'_> {
    type Out = Result<Box<dyn Hears>>;

    fn visit<M: ReadModel>(self) -> Self::Out {
        let Self { model, forgotten, book } = self;
        let versions_of = VersionsOf::new(model.versions_of.clone());
        let now = forgotten.now();
        let script = Script { schemas: book, versions_of, forgotten, only: Only::default() };
        let (open, closing) = watch::channel(false);
        let patience = Patience::new(closing, Metrics::new()?, M::NAME);
        let reader = Reader::<M>::new(&script, patience);
        let ears = Ears { topics: model.topics.clone(), reader, forgotten: now, _open: open };
        Ok(Box::new(ears))
    }
}
