//! Documents of a model, page by page: in the order of their keys, or those that an index leads to.

use readmill_core::{Index, Key, ReadModel};
use readmill_engine::{Equal, Fault, Store};

use crate::config::question;

/// So many documents are listed unless another number is asked for.
pub const DEFAULT_DOCUMENTS: usize = 100;
/// No more are listed at once.
pub const MOST_DOCUMENTS: usize = 1_000;
/// So many are looked at for a page, ended ones included; then it is shorter, or empty.
const MOST_LOOKED_AT: usize = 10_000;
/// A page with so many bytes of states is full.
const PAGE_BYTES: usize = 4 << 20;
/// So many are asked of the store at once. The first time fewer: they may be large.
const FIRST_CHUNK: usize = 16;
const CHUNK: usize = 256;

/// What is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// Only documents whose keys begin so.
    pub prefix: String,
    /// Only those that an index leads to.
    pub by: Option<By>,
    /// Only those whose keys come after this one.
    pub after: Option<Key>,
    /// At most so many.
    pub limit: usize,
}

/// What an index is to lead to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct By {
    /// The index.
    pub index: &'static Index,
    /// The first of its fields, with what they are to be.
    pub equal: Vec<Equal>,
}

/// A living document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its key.
    pub key: Key,
    /// Its revision.
    pub revision: i64,
    /// Its state, as JSON.
    pub state: String,
}

/// What there is to answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listing {
    /// A page, and after which key the next one begins, if anything may follow.
    Page(Vec<Listed>, Option<Key>),
    /// The store cannot find them without looking at all others.
    Cannot(&'static str),
}

impl By {
    /// An index of a model and what its fields are to be, by their names.
    ///
    /// # Errors
    /// When there is no such index, or it does not begin with these fields: what there is.
    pub fn named(
        indexes: &'static [Index],
        name: &str,
        mut values: Vec<(String, String)>,
    ) -> Result<Self, String> {
        let Some(index) = indexes.iter().find(|index| index.name == name) else {
            let names: Vec<&str> = indexes.iter().map(|index| index.name).collect();
            let known = match names.is_empty() {
                true => "the model declares none".to_owned(),
                false => question(name, &names),
            };
            return Err(format!("there is no index \"{name}\"; {known}"));
        };
        let mut equal = Vec::new();
        for (path, _) in index.fields {
            let Some(at) = values.iter().position(|(named, _)| named == path) else { break };
            let (_, value) = values.swap_remove(at);
            equal.push(Equal { path, value });
        }
        if equal.is_empty() || !values.is_empty() {
            let fields: Vec<&str> = index.fields.iter().map(|(path, _)| *path).collect();
            let fields = fields.join(", ");
            return Err(format!(
                "{name} is asked by the first of its fields, or by more of them in this order, \
                 each once: {fields}"
            ));
        }
        Ok(Self { index, equal })
    }
}

/// Lists documents of a store.
///
/// # Errors
/// When the store does not answer, refuses, or holds damaged data.
pub async fn list<M: ReadModel>(store: &dyn Store<M>, asked: &Asked) -> Result<Listing, Fault> {
    let lists = store.lists();
    if asked.by.is_some() && !lists.by_index {
        return Ok(Listing::Cannot(
            "the store of this model has no indexes: list by key, or keep the documents in MongoDB",
        ));
    }
    if !lists.by_key {
        return Ok(Listing::Cannot(
            "the store of this model has no order of keys: every page would look at all documents",
        ));
    }
    let (mut listed, mut after) = (Vec::new(), asked.after.clone());
    let (mut looked_at, mut bytes) = (0, 0);
    // What an index leads to is sorted anew for every question.
    let (mut chunk, next) = match asked.by {
        None => (FIRST_CHUNK, CHUNK),
        Some(_) => (MOST_DOCUMENTS + 1, MOST_DOCUMENTS + 1),
    };
    while looked_at < MOST_LOOKED_AT && bytes < PAGE_BYTES {
        // One more than fits tells whether anything follows.
        let many = chunk.min(asked.limit.saturating_sub(listed.len()).saturating_add(1));
        let found = page(store, asked, after.as_ref(), many).await?;
        let is_last = found.len() < many;
        looked_at += found.len();
        for (key, document) in found {
            if let Some(state) = &document.state {
                if listed.len() == asked.limit || bytes >= PAGE_BYTES {
                    return Ok(Listing::Page(listed, after));
                }
                let state = written::<M>(state)?;
                bytes += state.len();
                let revision = document.stamp.revision;
                listed.push(Listed { key: key.clone(), revision, state });
            }
            after = Some(key);
        }
        if is_last {
            return Ok(Listing::Page(listed, None));
        }
        chunk = next;
    }
    Ok(Listing::Page(listed, after))
}

async fn page<M: ReadModel>(
    store: &dyn Store<M>,
    Asked { prefix, by, .. }: &Asked,
    after: Option<&Key>,
    many: usize,
) -> Result<Vec<(Key, readmill_core::Document<M>)>, Fault> {
    match by {
        None => store.scan_range(prefix, after, many).await,
        Some(By { index, equal }) => store.scan_index(index, equal, (prefix, after), many).await,
    }
}

/// A state as JSON.
fn written<M: ReadModel>(state: &M::State) -> Result<String, Fault> {
    serde_json::to_string(state).map_err(|error| Fault::Damaged {
        what: format!("a document of {}", M::NAME),
        detail: error.to_string(),
        hint: "its state cannot be written as JSON: report it",
    })
}
