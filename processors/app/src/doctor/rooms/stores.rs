//! The stores of documents and views: MongoDB, Redis, and directories of this machine.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use readmill_connectors::address::told;
use readmill_connectors::embedded::look::look;
use readmill_connectors::mongo::{Mongo, MongoConfig};
use readmill_connectors::redis::RedisConfig;
use readmill_core::{Index, ReadModel};
use readmill_engine::Fault;
use readmill_models::Visit;

use super::{Room, Seen, Visitor, timed};
use crate::config::{Mirror, Reactions, Store};
use crate::doctor::finding::Findings;
use crate::doctor::rules::clocks;
use crate::doctor::rules::stores::{
    RedisUse, judge_directory, judge_indexes, judge_mongo, judge_redis,
};

/// The indexes that a model declares.
struct Indexes;

impl Visit for Indexes {
    type Out = &'static [Index];

    fn visit<M: ReadModel>(self) -> Self::Out {
        M::INDEXES
    }
}

impl Visitor {
    /// A room for each store that the configuration uses.
    pub(super) fn stores(&self) -> Vec<Room> {
        let models = &self.config.models;
        let mongo = models.iter().find_map(|model| match &model.store {
            Store::Mongo(mongo) => Some(Arc::clone(mongo)),
            Store::Redis(_) | Store::Embedded(_) => None,
        });
        let in_redis = models.iter().find_map(|model| match &model.store {
            Store::Redis(redis) => Some(Arc::clone(redis)),
            Store::Mongo(_) | Store::Embedded(_) => None,
        });
        let shown = models.iter().find_map(|model| match &model.mirror {
            Some(Mirror::Redis(redis)) => Some(Arc::clone(redis)),
            Some(Mirror::Embedded(_)) | None => None,
        });
        let mut rooms = Vec::new();
        if let Some(config) = mongo {
            let visitor = self.clone();
            rooms.push(Room::new("MongoDB", async move { visitor.mongo(&config).await }));
        }
        let documents = in_redis.is_some();
        if let Some(config) = in_redis.or(shown) {
            let visitor = self.clone();
            let seen = async move { visitor.redis(&config, documents).await };
            rooms.push(Room::new("Redis", seen));
        }
        let directories = self.directories();
        rooms.push(Room::new("this machine", async move { on_this_machine(directories) }));
        rooms
    }

    async fn mongo(&self, config: &MongoConfig) -> Seen {
        let place = format!("mongodb {}", told(&config.uri).trim_start_matches("mongodb://"));
        let mongo = self.services.mongo(config).await?;
        let (look, asked) = timed(mongo.look()).await;
        let look = look?;
        let mut found = Findings::default();
        judge_mongo(&place, &look, &mut found);
        if let Some(now_ms) = look.now_ms {
            clocks::judge(&place, now_ms, asked, &mut found);
        }
        self.indexes(&place, &mongo, &mut found).await?;
        Ok((found, 0))
    }

    async fn indexes(&self, place: &str, mongo: &Mongo, found: &mut Findings) -> Result<(), Fault> {
        for model in &self.config.models {
            if !matches!(model.store, Store::Mongo(_)) {
                continue;
            }
            let live = self.generations(model).await.map_or(model.generation, |(live, _)| live);
            let wanted = readmill_models::visit(model.row.name, Indexes).unwrap_or_default();
            let lacks = mongo.lacks(model.row.name, live, wanted).await?;
            judge_indexes(place, &format!("{}.g{live}", model.row.name), &lacks, found);
        }
        Ok(())
    }

    async fn redis(&self, config: &RedisConfig, documents: bool) -> Seen {
        let redis = self.services.redis(config).await?;
        let (looks, asked) = timed(redis.look()).await;
        let tombstones_end = config.tombstone_life_hours > 0;
        let of = RedisUse { documents, replicas: config.replicas, tombstones_end };
        let mut found = Findings::default();
        for look in looks? {
            judge_redis(&look, of, &mut found);
            if let Some(now_ms) = look.now_ms {
                clocks::judge(&format!("redis {}", look.node), now_ms, asked, &mut found);
            }
        }
        Ok((found, 0))
    }

    /// The directories that an instance writes to.
    fn directories(&self) -> BTreeSet<PathBuf> {
        let mut all = BTreeSet::from([self.config.instance.state_dir.clone()]);
        for model in &self.config.models {
            if let Store::Embedded(store) = &model.store {
                all.insert(store.directory.clone());
            }
            if let Some(Mirror::Embedded(store)) = &model.mirror {
                all.insert(store.directory.clone());
            }
            if let Reactions::Embedded(store) = &model.reactions {
                all.insert(store.directory.clone());
            }
        }
        all
    }
}

fn on_this_machine(directories: BTreeSet<PathBuf>) -> Seen {
    let mut found = Findings::default();
    for directory in directories {
        let look = look(&directory).map_err(|error| Fault::Refused {
            service: "this machine",
            detail: format!("{} cannot be looked at: {error}", directory.display()),
            hint: "give the user of readmill the right to use it",
        })?;
        judge_directory(&look, &mut found);
    }
    Ok((found, 0))
}
