//! The indexes of a collection: our own, those that a read model declares, and which of ours nobody
//! declares any more.

use std::time::Duration;

use bson::{Bson, Document};
use mongodb::IndexModel;
use mongodb::error::ErrorKind;
use mongodb::options::{CommitQuorum, IndexOptions};
use readmill_core::{Direction, Index};
use readmill_engine::Fault;

use super::connect::Mongo;
use super::row;

/// How the names of declared indexes begin. No other index is ever dropped, but for the one that
/// removes tombstones.
const PREFIX: &str = "readmill:";

/// The name that MongoDB gives to the index which removes tombstones.
const TOMBSTONES: &str = "_readmill.expires_at_1";

/// The code for a collection that there is not.
const NO_COLLECTION: i32 = 26;

/// The code for an index that somebody else has dropped meanwhile.
const NO_INDEX: i32 = 27;

/// What has to be done so that a collection has its indexes and no others of ours.
#[derive(Debug, Default)]
struct Changes {
    /// Indexes that stand in the way of others, by name.
    drop_first: Vec<String>,
    create: Vec<IndexModel>,
    /// Indexes that nobody wants any more, by name.
    drop_last: Vec<String>,
}

/// The indexes that every collection of documents has.
pub fn own(tombstones_expire: bool) -> Vec<IndexModel> {
    let sparse = IndexOptions::builder().sparse(true).build();
    let mut indexes = vec![model(bson::doc! {row::WAITING_SINCE: 1}, sparse)];
    if tombstones_expire {
        let when_due = IndexOptions::builder()
            .name(TOMBSTONES.to_owned())
            .expire_after(Duration::ZERO)
            .build();
        indexes.push(model(bson::doc! {row::EXPIRES_AT: 1}, when_due));
    }
    indexes
}

/// The name of a declared index in MongoDB.
pub fn name_of(index: &Index) -> String {
    format!("{PREFIX}{}", index.name)
}

/// A declared index as MongoDB's.
fn declared(index: &Index) -> IndexModel {
    let keys = index.fields.iter().map(|(path, direction)| {
        let direction = match direction {
            Direction::Ascending => 1,
            Direction::Descending => -1,
        };
        ((*path).to_owned(), Bson::Int32(direction))
    });
    let options = IndexOptions::builder().name(name_of(index));
    model(keys.collect(), options.sparse(index.sparse).build())
}

fn model(keys: Document, options: IndexOptions) -> IndexModel {
    IndexModel::builder().keys(keys).options(options).build()
}

fn name(index: &IndexModel) -> &str {
    index.options.as_ref().and_then(|options| options.name.as_deref()).unwrap_or_default()
}

/// Compares what stands with what is declared. `existing` has the names that MongoDB gave.
fn compare(existing: &[IndexModel], wanted: &[Index], tombstones_expire: bool) -> Changes {
    let declared: Vec<IndexModel> = wanted.iter().map(declared).collect();
    let mut changes = Changes::default();
    for standing in existing {
        let name_of = name(standing);
        let is_wanted = match name_of {
            TOMBSTONES => tombstones_expire,
            _ if !name_of.starts_with(PREFIX) => true,
            _ => match declared.iter().find(|wanted| name(wanted) == name_of) {
                None => false,
                Some(wanted) if is_same(standing, wanted) => true,
                Some(_) => {
                    changes.drop_first.push(name_of.to_owned());
                    true
                }
            },
        };
        if !is_wanted {
            changes.drop_last.push(name_of.to_owned());
        }
    }
    changes.create = own(tombstones_expire);
    changes.create.extend(declared);
    changes
}

/// Whether two indexes have the same fields and take in the same documents.
fn is_same(one: &IndexModel, other: &IndexModel) -> bool {
    let sparse = |index: &IndexModel| {
        index.options.as_ref().and_then(|options| options.sparse).unwrap_or(false)
    };
    let keys = |index: &IndexModel| -> Vec<(String, Option<bool>)> {
        let all = index.keys.iter();
        all.map(|(path, direction)| (path.clone(), ascends(direction))).collect()
    };
    sparse(one) == sparse(other) && keys(one) == keys(other)
}

/// Servers may answer with another type of number than they were given.
fn ascends(direction: &Bson) -> Option<bool> {
    let whole = direction.as_i32().map(i64::from).or_else(|| direction.as_i64());
    whole.map(|whole| whole > 0).or_else(|| direction.as_f64().map(|number| number > 0.0))
}

/// Gives a collection the indexes that its readers and we need, and takes from it those of ours
/// that nobody declares any more.
pub async fn arrange(mongo: &Mongo, collection: &str, wanted: &[Index]) -> Result<(), Fault> {
    let existing = existing(mongo, collection).await?;
    let changes = compare(&existing, wanted, mongo.tombstone_life_ms().is_some());
    for name in &changes.drop_first {
        tracing::info!(collection, index = name, "the index is declared otherwise: built anew");
        drop_index(mongo, collection, name).await?;
    }
    create(mongo, collection, changes.create).await?;
    for name in &changes.drop_last {
        tracing::warn!(collection, index = name, "no read model declares the index: dropped");
        drop_index(mongo, collection, name).await?;
    }
    Ok(())
}

/// Builds what is missing; that may take long where documents stand. A majority of nodes has to
/// have built it, so that one that is down holds up nobody.
pub async fn create(
    mongo: &Mongo,
    collection: &str,
    indexes: Vec<IndexModel>,
) -> Result<(), Fault> {
    let rows = mongo.db().collection::<Document>(collection);
    let building = rows.create_indexes(indexes).commit_quorum(CommitQuorum::Majority);
    mongo.ask_at_length("building indexes", building).await.map(drop)
}

async fn existing(mongo: &Mongo, collection: &str) -> Result<Vec<IndexModel>, Fault> {
    let rows = mongo.db().collection::<Document>(collection);
    let listing = async {
        let mut cursor = match rows.list_indexes().await {
            Err(error) if code(&error) == Some(NO_COLLECTION) => return Ok(Vec::new()),
            cursor => cursor?,
        };
        let mut found = Vec::new();
        while cursor.advance().await? {
            found.push(cursor.deserialize_current()?);
        }
        Ok(found)
    };
    mongo.ask(listing).await
}

/// The names of those that are declared and do not stand so; none where there is no collection.
pub async fn lacking(
    mongo: &Mongo,
    collection: &str,
    wanted: &[Index],
) -> Result<Vec<String>, Fault> {
    let existing = existing(mongo, collection).await?;
    if existing.is_empty() {
        return Ok(Vec::new());
    }
    let stands = |wanted: &IndexModel| {
        existing.iter().any(|one| name(one) == name(wanted) && is_same(one, wanted))
    };
    let declared = wanted.iter().map(declared).filter(|wanted| !stands(wanted));
    Ok(declared.map(|wanted| name(&wanted).to_owned()).collect())
}

async fn drop_index(mongo: &Mongo, collection: &str, name: &str) -> Result<(), Fault> {
    let rows = mongo.db().collection::<Document>(collection);
    let dropping = async {
        match rows.drop_index(name).await {
            Err(error) if code(&error) == Some(NO_INDEX) => Ok(()),
            dropped => dropped,
        }
    };
    mongo.ask(dropping).await
}

fn code(error: &mongodb::error::Error) -> Option<i32> {
    let ErrorKind::Command(error) = error.kind.as_ref() else { return None };
    Some(error.code)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BY_STATUS: Index = Index {
        name: "by_status",
        fields: &[("status", Direction::Ascending), ("created_at", Direction::Descending)],
        sparse: true,
    };

    fn standing(name: &str, keys: Document, sparse: Option<bool>) -> IndexModel {
        let mut options = IndexOptions::builder().name(name.to_owned()).build();
        options.sparse = sparse;
        model(keys, options)
    }

    #[test]
    fn a_declared_index_has_our_prefix_and_its_fields() {
        let made = declared(&BY_STATUS);
        assert_eq!(name(&made), "readmill:by_status");
        assert_eq!(made.keys, bson::doc! {"status": 1, "created_at": -1});
        assert_eq!(made.options.unwrap().sparse, Some(true));
    }

    #[test]
    fn only_indexes_of_ours_that_nobody_declares_are_dropped() {
        let existing = [
            standing("_id_", bson::doc! {"_id": 1}, None),
            standing("email_1", bson::doc! {"email": 1}, None),
            standing("readmill_like", bson::doc! {"a": 1}, None),
            standing("_readmill.waiting.since_ms_1", bson::doc! {row::WAITING_SINCE: 1}, None),
            standing(TOMBSTONES, bson::doc! {row::EXPIRES_AT: 1}, None),
            standing("readmill:by_age", bson::doc! {"age": 1}, None),
            standing(
                "readmill:by_status",
                bson::doc! {"status": 1.0, "created_at": -1_i64},
                Some(true),
            ),
        ];
        let changes = compare(&existing, &[BY_STATUS], true);
        assert_eq!(changes.drop_first, [] as [String; 0]);
        assert_eq!(changes.drop_last, ["readmill:by_age"]);
        assert_eq!(changes.create.len(), 3);
        let changes = compare(&existing, &[], false);
        assert_eq!(changes.drop_last, [TOMBSTONES, "readmill:by_age", "readmill:by_status"]);
        assert_eq!(changes.create.len(), 1);
    }

    #[test]
    fn an_index_that_is_declared_otherwise_makes_way_for_itself() {
        let others = [
            (bson::doc! {"status": 1}, Some(true)),
            (bson::doc! {"created_at": -1, "status": 1}, Some(true)),
            (bson::doc! {"status": 1, "created_at": 1}, Some(true)),
            (bson::doc! {"status": 1, "created_at": -1}, None),
        ];
        for (keys, sparse) in others {
            let existing = [standing("readmill:by_status", keys, sparse)];
            let changes = compare(&existing, &[BY_STATUS], true);
            assert_eq!(changes.drop_first, ["readmill:by_status"]);
            assert_eq!(changes.drop_last, [] as [String; 0]);
        }
    }
}
