//! Comparing a mirror in Redis with documents, and correcting it.

use async_trait::async_trait;
use readmill_core::{Collection, Key};
use readmill_engine::mirror::{Difference, Heals, Sight, Spot, Stray, Trace};
use readmill_engine::{Fault, View};
use redis::{Pipeline, Value};

use super::names::Keys;
use super::plan::{self, Call, Stands, TELLING};
use super::{RedisMirror, read, script};
use crate::redis::config::Mode;
use crate::redis::connect::PIPELINE_COMMANDS;
use crate::redis::faults::silent;
use crate::redis::fleet::setting;

type Visit<'v> = &'v mut (dyn FnMut(Trace) + Send);

#[async_trait]
impl Heals for RedisMirror {
    async fn compare(&self, views: &[View]) -> Result<Vec<Difference>, Fault> {
        let mut spots = Vec::new();
        for view in views {
            spots.push((view, Spot::Own));
            let others = view.spots().into_iter().filter(|spot| *spot != Spot::Own);
            spots.extend(others.map(|spot| (view, spot)));
        }
        let mut found = Vec::new();
        for chunk in spots.chunks(PIPELINE_COMMANDS / 2) {
            let mut pipeline = Pipeline::new();
            chunk.iter().for_each(|(view, spot)| self.ask_for(&mut pipeline, &view.key, spot));
            let mut answers = self.each(&pipeline).await?.into_iter();
            for (view, spot) in chunk {
                let stands = self.stands(spot, &mut answers)?;
                found.extend(plan::differs(view, spot, &stands));
            }
        }
        Ok(found)
    }

    async fn traces(&self, visit: &mut (dyn FnMut(Trace) + Send)) -> Result<(), Fault> {
        self.own_traces(visit).await?;
        self.json_traces(visit).await?;
        for pattern in self.names.all_collections() {
            let mut cursor = None;
            loop {
                let (next, stored) = self.redis.scan_page(cursor, &pattern).await?;
                for stored in stored {
                    let Some(collection) = self.names.collection_of(&stored) else { continue };
                    if stored.ends_with('}') {
                        self.member_traces(&collection, visit).await?;
                    } else {
                        self.left_traces(&collection, visit).await?;
                    }
                }
                cursor = next;
                if cursor.is_none() {
                    break;
                }
            }
        }
        Ok(())
    }

    async fn take_out(&self, strays: &[Stray]) -> Result<(), Fault> {
        let calls: Vec<Call> =
            strays.iter().map(|stray| plan::take_out(&self.names, stray)).collect();
        self.call(&calls).await.map(drop)
    }

    async fn sight(&self) -> Result<Sight, Fault> {
        let census = self.census().await?;
        let place = self.names.marker();
        let marker: Option<String> =
            read(self.redis.ask(redis::cmd("GET").arg(&place).clone()).await?, &place)?;
        let Some(text) = &marker else { return Ok(Sight { census, marker }) };
        let mut pipeline = Pipeline::new();
        for key in self.companions() {
            pipeline.cmd("EXISTS").arg(key);
        }
        let all_there = self.each(&pipeline).await?.iter().all(|there| *there == Value::Int(1));
        if !all_there {
            // A node has lost its part: what the others say of the whole is not true any more.
            self.swap(text, "").await?;
        }
        Ok(Sight { census, marker: marker.filter(|_| all_there) })
    }

    async fn mark(&self, seen: Option<&str>, next: &str) -> Result<bool, Fault> {
        // They are there before the marker that says so.
        let mut pipeline = Pipeline::new();
        for key in self.companions() {
            pipeline.cmd("SET").arg(key).arg("1");
        }
        self.each(&pipeline).await?;
        self.swap(seen.unwrap_or_default(), next).await
    }

    fn user(&self) -> &str {
        &self.user
    }
}

impl RedisMirror {
    /// Who the primaries are, and how much each has evicted.
    async fn census(&self) -> Result<String, Fault> {
        let map = self.redis.map().await?;
        let mut census = Vec::new();
        for node in map.nodes() {
            let info = self.redis.ask_node(&node, redis::cmd("INFO")).await?;
            let info: String = read(info, &node)?;
            let part = |name| setting(&info, name).unwrap_or_default().to_owned();
            census.push(format!("{}/{}", part("run_id"), part("evicted_keys")));
        }
        census.sort();
        Ok(census.join(" "))
    }

    /// The marker's companions, of which each node of a cluster has some.
    fn companions(&self) -> Vec<String> {
        match self.redis.config().mode {
            Mode::Cluster => self.names.markers(),
            Mode::Single | Mode::Sentinel => Vec::new(),
        }
    }

    async fn swap(&self, seen: &str, next: &str) -> Result<bool, Fault> {
        let call = Call {
            script: &script::MARK,
            keys: vec![self.names.marker()],
            arguments: vec![seen.to_owned(), next.to_owned()],
        };
        Ok(self.call(&[call]).await? == [Value::Int(1)])
    }

    fn ask_for(&self, pipeline: &mut Pipeline, key: &Key, spot: &Spot) {
        match spot {
            Spot::Own => {
                pipeline.cmd("HGETALL").arg(self.names.own(key));
            }
            Spot::Json => {
                pipeline.cmd("GET").arg(self.names.json(key));
            }
            Spot::In(collection) => {
                let keys = self.names.collection(collection);
                ask_for_member(pipeline, collection, &keys, key.as_str());
            }
        }
    }

    fn stands(
        &self,
        spot: &Spot,
        answers: &mut (impl Iterator<Item = Value> + Send),
    ) -> Result<Stands, Fault> {
        let place = self.redis.place();
        let mut next = || answers.next().ok_or_else(|| silent(format!("{place}: no answer")));
        Ok(match spot {
            Spot::Own => Stands::Own(read(next()?, place)?),
            Spot::Json => Stands::Json(read(next()?, place)?),
            Spot::In(collection) => {
                let revision = read(next()?, place)?;
                Stands::In(revision, score(collection, next()?, place)?)
            }
        })
    }

    async fn own_traces(&self, visit: Visit<'_>) -> Result<(), Fault> {
        let mut cursor = None;
        loop {
            let (next, stored) = self.redis.scan_page(cursor, &self.names.all_own()).await?;
            let mut pipeline = Pipeline::new();
            for key in &stored {
                pipeline.cmd("HMGET").arg(key).arg(&TELLING);
                pipeline.cmd("HLEN").arg(key);
            }
            let mut answers = self.tolerant(&pipeline).await?.into_iter();
            for stored in &stored {
                let telling = answers.next().flatten();
                let many: i64 = answers.next().flatten().map_or(0, |many| value(many).unwrap_or(0));
                let fields: Vec<Option<String>> = telling.and_then(value).unwrap_or_default();
                // What has no revision, or a stamp too, is none of ours.
                let [Some(revision), None] = fields.as_slice() else { continue };
                let (Ok(revision), Some(key)) = (revision.parse(), self.names.key_of_own(stored))
                else {
                    continue;
                };
                visit(Trace { key, spot: Spot::Own, revision, shown: many > 1 });
            }
            cursor = next;
            if cursor.is_none() {
                return Ok(());
            }
        }
    }

    async fn json_traces(&self, visit: Visit<'_>) -> Result<(), Fault> {
        let mut cursor = None;
        loop {
            let (next, stored) = self.redis.scan_page(cursor, &self.names.all_json()).await?;
            let mut pipeline = Pipeline::new();
            for key in &stored {
                pipeline.cmd("GETRANGE").arg(key).arg(0).arg(63);
            }
            let begins = self.tolerant(&pipeline).await?;
            for (stored, begin) in stored.iter().zip(begins) {
                let begin: String = begin.and_then(value).unwrap_or_default();
                let key = self.names.key_of_json(stored);
                let (Some(revision), Some(key)) = (plan::json_revision(&begin), key) else {
                    continue;
                };
                visit(Trace { key, spot: Spot::Json, revision, shown: begin.contains(',') });
            }
            cursor = next;
            if cursor.is_none() {
                return Ok(());
            }
        }
    }

    async fn member_traces(&self, of: &Collection, visit: Visit<'_>) -> Result<(), Fault> {
        let keys = self.names.collection(of);
        let walk = match of {
            Collection::Set(_) => "SSCAN",
            Collection::Sorted(_) => "ZSCAN",
        };
        let mut at = 0;
        loop {
            let (next, found) = self.walk(walk, &keys.members, at).await?;
            let step = if walk == "ZSCAN" { 2 } else { 1 };
            let members: Vec<&String> = found.iter().step_by(step).collect();
            if !members.is_empty() {
                let mut command = redis::cmd("HMGET");
                command.arg(&keys.revisions).arg(&members);
                let revisions: Vec<Option<i64>> =
                    read(self.redis.ask(command).await?, &keys.revisions)?;
                for (member, revision) in members.into_iter().zip(revisions) {
                    let (key, spot) = (Key(member.clone()), Spot::In(of.clone()));
                    visit(Trace { key, spot, revision: revision.unwrap_or(0), shown: true });
                }
            }
            at = next;
            if at == 0 {
                return Ok(());
            }
        }
    }

    /// Those who have left, and are remembered.
    async fn left_traces(&self, of: &Collection, visit: Visit<'_>) -> Result<(), Fault> {
        let keys = self.names.collection(of);
        let mut at = 0;
        loop {
            let (next, found) = self.walk("HSCAN", &keys.revisions, at).await?;
            let mut pipeline = Pipeline::new();
            for pair in found.chunks_exact(2) {
                pair.iter().take(1).for_each(|member| {
                    ask_for_member(&mut pipeline, of, &keys, member);
                });
            }
            let answers = self.each(&pipeline).await?;
            for (pair, answers) in found.chunks_exact(2).zip(answers.chunks_exact(2)) {
                let ([member, _], [revision, there]) = (pair, answers) else { continue };
                let revision: Option<i64> = value(revision.clone());
                if score(of, there.clone(), &keys.members)?.is_none() {
                    let (key, spot) = (Key(member.clone()), Spot::In(of.clone()));
                    visit(Trace { key, spot, revision: revision.unwrap_or(0), shown: false });
                }
            }
            at = next;
            if at == 0 {
                return Ok(());
            }
        }
    }

    async fn walk(&self, command: &str, place: &str, at: u64) -> Result<(u64, Vec<String>), Fault> {
        let mut command = redis::cmd(command);
        command.arg(place).arg(at).arg("COUNT").arg(PIPELINE_COMMANDS);
        read(self.redis.ask(command).await?, place)
    }

    /// Asks of keys that may be of other kinds: what is refused has no answer.
    async fn tolerant(&self, pipeline: &Pipeline) -> Result<Vec<Option<Value>>, Fault> {
        if pipeline.is_empty() {
            return Ok(Vec::new());
        }
        let mut pipeline = pipeline.clone();
        pipeline.ignore_errors();
        let answers = self.redis.ask_each(&pipeline).await?;
        Ok(answers.into_iter().map(Result::ok).collect())
    }
}

fn ask_for_member(pipeline: &mut Pipeline, of: &Collection, keys: &Keys, member: &str) {
    let there = match of {
        Collection::Set(_) => "SISMEMBER",
        Collection::Sorted(_) => "ZSCORE",
    };
    pipeline.cmd("HGET").arg(&keys.revisions).arg(member);
    pipeline.cmd(there).arg(&keys.members).arg(member);
}

/// The score of a member, or that it is none; those of a set have 0.
fn score(of: &Collection, answer: Value, place: &str) -> Result<Option<f64>, Fault> {
    match of {
        Collection::Set(_) => Ok(read::<bool>(answer, place)?.then_some(0.0)),
        Collection::Sorted(_) => read(answer, place),
    }
}

fn value<T: redis::FromRedisValue>(answer: Value) -> Option<T> {
    redis::from_redis_value(answer).ok()
}
