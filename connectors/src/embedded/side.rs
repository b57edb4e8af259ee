//! What the embedded store keeps beside the documents: held records and reactions.

use std::collections::BTreeMap;

use async_trait::async_trait;
use readmill_core::{Key, Position};
use readmill_engine::{Fault, Held, HeldRecord, HeldStore, Outlet, Said};
use serde::{Deserialize, Serialize};

use super::plan::{self, Cell, Guard};
use super::space::Space;
use super::store::Embedded;
use crate::held::{Bytes, Row};

/// Held and said things have no revisions of their own; this one says that they are there.
const ONCE: i64 = 1;

/// So many held records are written together; each may be as large as a record can be.
const HELD_CHUNK_RECORDS: usize = 256;

/// A stored reaction.
#[derive(Serialize, Deserialize)]
struct SaidRow {
    key: Key,
    contract: String,
    body: Bytes,
}

impl Embedded {
    /// How many different reactions have been said.
    pub async fn said_count(&self) -> Result<u64, Fault> {
        count(&self.space(plan::SAID)?, "").await
    }

    /// Visits every reaction, in the order of their ids.
    pub async fn each_said(&self, visit: &mut (dyn FnMut(Said) + Send)) -> Result<(), Fault> {
        let mut visit = |id: Key, row: SaidRow| {
            let SaidRow { key, contract, body } = row;
            visit(Said { id: id.0, key, contract, body: body.0 });
        };
        self.space(plan::SAID)?.each("", plan::content_of, &mut visit).await
    }
}

async fn count(space: &Space, prefix: &str) -> Result<u64, Fault> {
    let mut count = 0;
    space.each(prefix, |_, _| Ok(()), &mut |_, ()| count += 1).await?;
    Ok(count)
}

/// What the stored keys of held records begin with: those of one key stand together, and the length
/// of a key tells where it ends.
fn held_under(model: &str, which: &Held) -> String {
    match which {
        Held::All | Held::Unread(_) => format!("{model}/"),
        Held::Keyless => format!("{model}/-/"),
        Held::Key(key) => format!("{model}/{}/{key}/", key.as_str().len()),
    }
}

fn held_key(record: &HeldRecord) -> String {
    let which = record.key.clone().map_or(Held::Keyless, Held::Key);
    let Position { partition, offset } = record.position();
    let place = format!("{}/{}/{}", partition.topic, partition.index, offset.0);
    held_under(record.model, &which) + &place
}

impl Embedded {
    /// Writes cells of held records, chunk by chunk, and answers how many were written by model.
    async fn put_held(
        &self,
        records: &[HeldRecord],
        cell: impl Fn(&HeldRecord) -> Result<Cell, Fault>,
    ) -> Result<BTreeMap<&'static str, u64>, Fault> {
        let space = self.space(plan::HELD)?;
        let mut written = BTreeMap::new();
        for chunk in records.chunks(HELD_CHUNK_RECORDS) {
            let cells = chunk.iter().map(&cell).collect::<Result<_, _>>()?;
            let verdicts = space.put(cells).await?;
            for (record, _) in chunk.iter().zip(verdicts).filter(|(_, done)| *done) {
                *written.entry(record.model).or_default() += 1;
            }
        }
        Ok(written)
    }
}

#[async_trait]
impl HeldStore for Embedded {
    async fn hold(&self, records: &[HeldRecord]) -> Result<(), Fault> {
        let mut counts = self.held_counts().lock().await;
        // A write that is given up halfway leaves nothing known: it is counted again.
        let mut known = std::mem::take(&mut *counts);
        let cell =
            |held: &HeldRecord| Cell::new(&held_key(held), Guard::Absent, ONCE, &Row::of(held));
        for (model, more) in self.put_held(records, cell).await? {
            known.entry(model.to_owned()).and_modify(|count| *count += more);
        }
        *counts = known;
        Ok(())
    }

    async fn count(&self, model: &str) -> Result<u64, Fault> {
        let mut counts = self.held_counts().lock().await;
        if let Some(count) = counts.get(model) {
            return Ok(*count);
        }
        let count = count(&self.space(plan::HELD)?, &held_under(model, &Held::All)).await?;
        counts.insert(model.to_owned(), count);
        Ok(count)
    }

    async fn visit(
        &self,
        model: &'static str,
        which: &Held,
        visit: &mut (dyn FnMut(HeldRecord) + Send),
    ) -> Result<(), Fault> {
        let mut visit = |_, row: Row| {
            let held = row.into_held(model);
            if which.means(&held) {
                visit(held);
            }
        };
        let space = self.space(plan::HELD)?;
        space.each(&held_under(model, which), plan::content_of, &mut visit).await
    }

    async fn replace(&self, records: &[HeldRecord]) -> Result<(), Fault> {
        let held = Guard::Revision(ONCE);
        let cell = |record: &HeldRecord| Cell::new(&held_key(record), held, ONCE, &Row::of(record));
        self.put_held(records, cell).await.map(drop)
    }

    async fn release(&self, records: &[HeldRecord]) -> Result<(), Fault> {
        let mut counts = self.held_counts().lock().await;
        let mut known = std::mem::take(&mut *counts);
        let held = Guard::Revision(ONCE);
        let cell = |record: &HeldRecord| Cell::removal(&held_key(record), held);
        for (model, fewer) in self.put_held(records, cell).await? {
            known.entry(model.to_owned()).and_modify(|count| *count -= fewer);
        }
        *counts = known;
        Ok(())
    }
}

#[async_trait]
impl Outlet for Embedded {
    async fn send(&self, said: &[Said]) -> Result<(), Fault> {
        let cells = said.iter().map(|said| {
            let row = SaidRow {
                key: said.key.clone(),
                contract: said.contract.clone(),
                body: Bytes(said.body.clone()),
            };
            Cell::new(&said.id, Guard::Absent, ONCE, &row)
        });
        let cells = cells.collect::<Result<_, _>>()?;
        self.space(plan::SAID)?.put(cells).await.map(drop)
    }
}
