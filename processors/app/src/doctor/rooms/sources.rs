//! The databases that documents are compared with: their slots, transactions, identities, clocks.

use std::time::Duration;

use readmill_connectors::origin::{OriginLook, OriginPlace, look};
use readmill_core::ReadModel;
use readmill_models::Visit;

use super::{Room, Seen, Visitor, timed};
use crate::config::{Model, Origin};
use crate::doctor::finding::Findings;
use crate::doctor::rules::clocks::{self, Asked};
use crate::doctor::rules::origin;
use crate::reconcile::layouts;

/// Between two looks at slots.
pub const PAUSE: Duration = Duration::from_secs(2);

/// The tables of a model's contracts, if each document is a row.
struct Tables;

impl Visit for Tables {
    type Out = Vec<String>;

    fn visit<M: ReadModel>(self) -> Self::Out {
        if !M::REPLICATES {
            return Vec::new();
        }
        let layouts = layouts::<M>().unwrap_or_default();
        layouts.into_iter().map(|layout| layout.table).collect()
    }
}

impl Visitor {
    /// A room for the origin of each model that has one.
    pub(super) fn origins(&self) -> Vec<Room> {
        let room = |model: &Model| {
            let origin = model.origin.clone()?;
            let tables = readmill_models::visit(model.row.name, Tables).unwrap_or_default();
            let name = format!("the origin of {}", model.row.name);
            Some(Room::new(name, source(origin, tables)))
        };
        self.config.models.iter().filter_map(room).collect()
    }
}

async fn source(origin: Origin, tables: Vec<String>) -> Seen {
    let place = OriginPlace::Url(origin.url);
    let (look, asked) = timed(look(&place, &tables, PAUSE)).await;
    let mut found = Findings::default();
    judge_source(&look?, asked, &mut found);
    Ok((found, 0))
}

/// Judges a database and its clock, which it told some time between.
pub fn judge_source(look: &OriginLook, asked: Asked, found: &mut Findings) {
    origin::judge(look, found);
    clocks::judge(&format!("database {}", look.database), look.now_ms, asked, found);
}
