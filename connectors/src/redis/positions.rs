//! How far partitions are settled, noted behind the documents: what the server forgets of them, it
//! forgets with the note.

use readmill_core::Partition;
use readmill_engine::Fault;
use redis::{Pipeline, Value};

use super::faults::of_error;
use super::guard::NOTE;
use super::slots::Node;
use super::store::RedisStore;
use super::tide::{TAGS, least, slot_of_tag};

impl RedisStore {
    /// Raises every node's tide and takes it as it is: from now on a lower one is a loss.
    pub(super) async fn begin_tides(&self) -> Result<(), Fault> {
        let map = self.redis.map().await?;
        for (node, tag) in self.tides.tags(&map) {
            // Nothing is expected, so nothing can be lost.
            let now = self.redis.ask_tide(&node, self.tides.raise(tag, 0)).await?;
            self.tides.accept(tag, now);
        }
        Ok(())
    }

    /// Notes positions on every node, behind all of its documents.
    pub(super) async fn note(&self, settled: &[(Partition, String)]) -> Result<(), Fault> {
        for (partition, _) in settled {
            self.tides.check(partition, self.redis.place())?;
        }
        if settled.is_empty() {
            return Ok(());
        }
        let map = self.redis.map().await?;
        let nodes: Vec<Node> = map.nodes().into_iter().collect();
        for (node, tag) in self.tides.tags(&map) {
            let mut note = redis::cmd("EVALSHA");
            note.arg(NOTE.get_hash()).arg(2);
            note.arg(self.tides.key(tag)).arg(self.tides.settled(tag));
            let before = self.tides.acknowledged(tag);
            note.arg(before);
            for (partition, text) in settled {
                note.arg(partition.to_string()).arg(text);
            }
            if self.redis.ask(note).await? != Value::Int(1) {
                self.tides.raised(tag, before, before - 1, &node)?;
            }
        }
        if self.redis.config().replicas > 0 {
            self.redis.raise(&self.tides, &nodes).await?;
        }
        Ok(())
    }

    /// What is noted of partitions, as far as it holds on every node.
    pub(super) async fn positions(
        &self,
        partitions: &[Partition],
    ) -> Result<Vec<Option<String>>, Fault> {
        self.tides.begin(partitions);
        self.begin_tides().await?;
        let map = self.redis.map().await?;
        let names: Vec<String> = partitions.iter().map(Partition::to_string).collect();
        let mut places: Vec<(Node, u16)> = self.tides.tags(&map).into_iter().collect();
        if places.len() > 1 {
            let tags = (0..TAGS).filter_map(|tag| {
                let node = map.owner(slot_of_tag(tag))?;
                Some((Node::clone(node), tag))
            });
            places.extend(tags);
        }
        let mut pipeline = Pipeline::with_capacity(places.len());
        pipeline.ignore_errors();
        for (_, tag) in &places {
            pipeline.cmd("HMGET").arg(self.tides.settled(*tag)).arg(&names);
        }
        let mut found: Vec<(Node, Vec<Option<String>>)> = Vec::new();
        for ((node, _), answer) in places.into_iter().zip(self.redis.ask_each(&pipeline).await?) {
            let answer = answer.map_err(|error| of_error(&node, &error))?;
            let texts = redis::from_redis_value(answer);
            found.push((node, texts.unwrap_or_else(|_| vec![None; names.len()])));
        }
        let of_partition = |at: usize| {
            let of_node = |node: &Node| {
                let mine = found.iter().filter(|(other, _)| other == node);
                mine.map(|(_, texts)| texts.get(at).cloned().flatten()).collect()
            };
            least(map.nodes().iter().map(of_node).collect())
        };
        Ok((0..names.len()).map(of_partition).collect())
    }
}
