//! Mirrors: what is shown in them, and what is healed there once they have lost it.

mod marker;
mod pass;
mod scan;
mod tend;
mod tended;
#[cfg(test)]
mod tests;

use async_trait::async_trait;
use readmill_core::{Collection, Document, Guard, Key, ReadModel, stands};

use crate::fault::Fault;
use crate::patience::{Patience, patiently};
use crate::ports::{Mirror, Ports, View};
use crate::timing::{Call, Timing};

pub use marker::Marker;
pub use pass::{Doing, Pass, Tally};
pub use tend::{Tender, tend};
pub use tended::{Care, Tended};

use scan::Scan;

/// So many traces are taken out of a mirror at a time.
const TAKEN_OUT_TOGETHER: usize = 500;

/// Where something of a document stands in a mirror.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Spot {
    /// Its hash, which is also the record of where else it shows.
    Own,
    /// Its JSON text.
    Json,
    /// Its place in a collection.
    In(Collection),
}

/// Something of a document that stands in a mirror.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Trace {
    /// The document's key.
    pub key: Key,
    /// Where.
    pub spot: Spot,
    /// The revision under which it stands.
    pub revision: i64,
    /// Whether anything is to be seen there; without, it only keeps older views away.
    pub shown: bool,
}

/// How something in a mirror differs from what a view says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// It is not there.
    Missing,
    /// It is of an older revision.
    Older,
    /// It is of the same revision, and says something else.
    Other,
    /// It is of this newer revision.
    Newer(i64),
    /// No document explains it.
    Stray,
}

/// Where a mirror differs from a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The document's key.
    pub key: Key,
    /// Where.
    pub spot: Spot,
    /// How.
    pub how: How,
}

/// A trace that its document does not explain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stray {
    /// The trace.
    pub trace: Trace,
    /// The revision at which the document stands; 0 if there is none.
    pub stands: i64,
}

/// What a mirror tells of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sight {
    /// Who its servers are, and how much they have evicted: another text means that views may have
    /// been lost. Empty where they do not say.
    pub census: String,
    /// The marker that was left in it; none if it is gone, or was never there.
    pub marker: Option<String>,
}

/// A mirror that can be compared with documents, and corrected.
#[async_trait]
pub trait Heals: Mirror {
    /// Where it differs from these views.
    async fn compare(&self, views: &[View]) -> Result<Vec<Difference>, Fault>;

    /// Visits all that stands in it, in no stated order; some of it may be visited twice.
    async fn traces(&self, visit: &mut (dyn FnMut(Trace) + Send)) -> Result<(), Fault>;

    /// Takes out what stands there still under the revision at which it was seen. Afterwards
    /// nothing is shown there that is older than its document.
    async fn take_out(&self, strays: &[Stray]) -> Result<(), Fault>;

    /// What it tells of itself.
    async fn sight(&self) -> Result<Sight, Fault>;

    /// Leaves a marker in it, if what is there is what was seen.
    async fn mark(&self, seen: Option<&str>, next: &str) -> Result<bool, Fault>;

    /// The name of whoever uses it here, like no other's.
    fn user(&self) -> &str;
}

/// Station 7, last: shows documents as they stand, until the mirror has taken them.
///
/// # Errors
/// A fault that does not pass, or `Abandoned`.
pub async fn show<'d, M: ReadModel>(
    patience: &mut Patience,
    ports: &Ports<M>,
    documents: impl Iterator<Item = (&'d Key, &'d Document<M>)>,
) -> Result<(), Fault> {
    let Some(mirror) = &ports.mirror else {
        return Ok(());
    };
    let views: Vec<View> = documents.map(|(key, document)| view(key, document)).collect();
    let timing = Timing::of::<M>(&ports.metrics, Call::Show);
    let showing = async || match timing.time(mirror.show(&views)).await {
        Err(fault) if stands(Guard::MirrorBeforeSettle) => Err(fault),
        Ok(()) | Err(_) => Ok(()),
    };
    patiently!(patience, showing())
}

/// Takes out of a mirror whatever stands there and is meant, with what guards it against older
/// views: none may come any more. Answers how much that was.
///
/// # Errors
/// A fault that does not pass.
pub async fn take_out_all(
    patience: &mut Patience,
    mirror: &dyn Heals,
    is_meant: impl Fn(&Trace) -> bool,
) -> Result<u64, Fault> {
    let mut traces = Scan::begin(|found| {
        Box::pin(async move { mirror.traces(&mut |trace: Trace| found.push(trace)).await })
    });
    let mut many = 0;
    loop {
        let found = traces.next(TAKEN_OUT_TOGETHER).await?;
        if found.is_empty() {
            return Ok(many);
        }
        let strays = found.into_iter().filter(|trace| is_meant(trace));
        let strays: Vec<Stray> = strays.map(|trace| Stray { trace, stands: 0 }).collect();
        many += strays.len() as u64;
        patiently!(patience, mirror.take_out(&strays))?;
    }
}

/// A document as it shows.
pub fn view<M: ReadModel>(key: &Key, document: &Document<M>) -> View {
    View {
        key: key.clone(),
        revision: document.stamp.revision,
        fields: document.state.as_ref().map(M::mirror),
    }
}

impl View {
    /// Where it shows something.
    pub fn spots(&self) -> Vec<Spot> {
        let Some(shows) = &self.fields else { return Vec::new() };
        let places = shows.places.iter().map(|place| Spot::In(place.collection.clone()));
        let json = shows.json.as_ref().map(|_| Spot::Json);
        std::iter::once(Spot::Own).chain(json).chain(places).collect()
    }
}
