//! What the embedded store keeps beside the documents: held records, reactions and views.

use std::collections::BTreeMap;

use async_trait::async_trait;
use readmill_core::Key;
use readmill_engine::{Fault, HeldRecord, HeldStore, Mirror, Outlet, Said, View};
use serde::{Deserialize, Serialize};

use super::plan::{self, Cell, Guard};
use super::store::{Embedded, Space};
use crate::held::{self, Bytes};

/// Held and said things are written once and have no revisions.
const ONCE: i64 = 0;

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

    /// Visits the held records of a model, in the order of their positions as texts.
    pub async fn each_held(
        &self,
        model: &'static str,
        visit: &mut (dyn FnMut(HeldRecord) + Send),
    ) -> Result<(), Fault> {
        let mut visit = |_, row: held::Row| visit(row.into_held(model));
        let records = self.space(plan::HELD)?;
        records.each(&format!("{model}/"), plan::content_of, &mut visit).await
    }

    /// The mirror of this name.
    pub fn mirror(&self, name: &str) -> Result<EmbeddedMirror, Fault> {
        Ok(EmbeddedMirror(self.space(&plan::views(name))?))
    }
}

async fn count(space: &Space, prefix: &str) -> Result<u64, Fault> {
    let mut count = 0;
    space.each(prefix, |_, _| Ok(()), &mut |_, ()| count += 1).await?;
    Ok(count)
}

#[async_trait]
impl HeldStore for Embedded {
    async fn hold(&self, records: &[HeldRecord]) -> Result<(), Fault> {
        let cells = records.iter().map(|record| {
            Cell::new(&held::id(record), Guard::Absent, ONCE, &held::Row::of(record))
        });
        let cells = cells.collect::<Result<_, _>>()?;
        self.space(plan::HELD)?.put(cells).await.map(drop)
    }

    async fn count(&self, model: &str) -> Result<u64, Fault> {
        count(&self.space(plan::HELD)?, &format!("{model}/")).await
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

/// A view as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// The revision of the document that it shows.
    pub revision: i64,
    /// Its fields; none when the document has ended.
    pub fields: Option<BTreeMap<String, String>>,
}

/// The views of one mirror.
#[derive(Debug, Clone)]
pub struct EmbeddedMirror(Space);

impl EmbeddedMirror {
    /// The view of a document, if one was ever shown.
    pub async fn get(&self, key: &Key) -> Result<Option<Shown>, Fault> {
        let read = |space: &str, value: &[u8]| {
            let revision = plan::revision_of(space, value)?;
            Ok(Shown { revision, fields: plan::content_of(space, value)? })
        };
        let found = self.0.get(std::slice::from_ref(key), read).await?;
        Ok(found.into_iter().next().flatten())
    }
}

#[async_trait]
impl Mirror for EmbeddedMirror {
    async fn show(&self, views: &[View]) -> Result<(), Fault> {
        let cells = views.iter().map(|view| {
            let fields: Option<BTreeMap<_, _>> =
                view.fields.as_ref().map(|fields| fields.iter().cloned().collect());
            let guard = Guard::NotNewerThan(view.revision);
            Cell::new(view.key.as_str(), guard, view.revision, &fields)
        });
        self.0.put(cells.collect::<Result<_, _>>()?).await.map(drop)
    }
}
