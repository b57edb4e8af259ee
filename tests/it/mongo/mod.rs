//! What MongoDB alone has: exact verdicts, indexes, types, its size limit, its locks and keys, and
//! nodes that fail in the middle of a command.

mod broken;
mod documents;
mod secure;
mod server;
mod verdicts;

use std::time::{SystemTime, UNIX_EPOCH};

use mongodb::Client;
use readmill_connectors::conformance::{Pebble, Pebbles};
use readmill_connectors::mongo::{Mongo, MongoConfig, MongoStore};
use readmill_core::{Document, Key};
use readmill_engine::{Fault, Put, Store, Write};

use crate::paths::stack;

/// A database that belongs to one test.
struct Place {
    config: MongoConfig,
}

impl Place {
    /// On the stack's server.
    fn on_stack(name: &str) -> Self {
        Self::at(&stack("MONGO_URI"), name)
    }

    fn at(uri: &str, name: &str) -> Self {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let database = format!("it_mongo_{name}_{}", since.as_micros());
        Self { config: MongoConfig { database, ..MongoConfig::at(uri) } }
    }

    async fn mongo(&self) -> Mongo {
        Mongo::connect(&self.config).await.unwrap()
    }

    /// The collection as tools see it.
    async fn rows(&self, collection: &str) -> mongodb::Collection<bson::Document> {
        let client = Client::with_uri_str(&self.config.uri).await.unwrap();
        client.database(&self.config.database).collection(collection)
    }

    async fn clear(self) {
        let client = Client::with_uri_str(&self.config.uri).await.unwrap();
        client.database(&self.config.database).drop().await.unwrap();
    }
}

/// Documents of so many bytes, at a revision.
fn pebbles(many: i64, bytes: usize, revision: i64) -> Vec<Document<Pebbles>> {
    let title = "x".repeat(bytes);
    let pebble = |number| Pebble { title: title.clone(), ..Pebble::number(number) };
    (0..many).map(|number| pebble(number).at_revision(revision)).collect()
}

fn keys(prefix: &str, many: i64) -> Vec<Key> {
    (0..many).map(|number| Key(format!("{prefix}{number}"))).collect()
}

/// Writes all of them, each with what it expects.
async fn put(
    store: &MongoStore,
    keys: &[Key],
    documents: &[Document<Pebbles>],
    expected: impl Fn(usize) -> i64,
) -> Result<Vec<Put>, Fault> {
    let all = keys.iter().zip(documents).enumerate();
    let writes: Vec<Write<'_, Pebbles>> =
        all.map(|(at, (key, document))| Write { key, expected: expected(at), document }).collect();
    store.put(&writes).await
}

/// The revisions that stand; 0 where nothing does.
async fn revisions(store: &MongoStore, keys: &[Key]) -> Vec<i64> {
    let found: Vec<Option<Document<Pebbles>>> = store.load(keys).await.unwrap();
    found.iter().map(|found| found.as_ref().map_or(0, |it| it.stamp.revision)).collect()
}
