//! Verification: the documents of a model compared with those that are right, and a difference that
//! is only lag told from an error.
//!
//! Both sides are folded from one log, and each document's stamp says what of it was taken in. So a
//! document that is ahead is no riddle: the end of the log is read once more, from a place before
//! which both sides had settled everything, and each of two documents takes in what only the other
//! has so far. What differs then is no lag, however hot the key is and however far one side is
//! behind. Nobody has to wait for anybody, and nothing is stopped.

mod anew;
mod buckets;
mod content;
mod copies;
mod documents;
mod finding;
mod groups;
mod groups_at_rest;
mod pages;
mod repair;
mod suspects;
#[cfg(test)]
mod tests;
mod tide;
mod trail;
mod views;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use readmill_core::{Key, ReadModel};
use tokio::time::Instant;

use crate::fault::Fault;
use crate::mirror::Heals;
use crate::patience::Patience;
use crate::ports::{Script, Side, Store};

pub use crate::scope::Scope;

pub use anew::Following;
pub use buckets::{BUCKETS, bucket};
pub use content::{Allowance, Departure, Pattern, Tolerances, value};
pub use finding::{Finding, Kind, Sight, Subject, Summary, Undecided};
pub use repair::Mends;
pub use trail::{Places, Trail, behind_both, oldest_ms, settled_to_the_end};

/// So many documents that depart are remembered.
const REMEMBERED_DEPARTED: usize = 100_000;

/// One of two sides.
#[derive(Debug)]
pub struct Seen<M: ReadModel> {
    /// Its documents.
    pub store: Arc<dyn Store<M>>,
    /// What is kept beside them.
    pub side: Side,
    /// Whether roll-ups may count what persons did who were forgotten later.
    pub counts_forgotten: bool,
}

/// What is done about findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doing {
    /// They are named.
    Check,
    /// Documents and roll-ups are mended, too.
    Repair,
}

/// What is told on the way.
#[derive(Debug)]
pub enum Told<'t> {
    /// What was found.
    Found(&'t Finding),
    /// Something is not decided.
    Open(&'t Subject, Undecided),
    /// Something was mended; or not, since another writer came first.
    Mended(&'t Subject, bool),
    /// How far it has come.
    Progress(&'t Summary),
}

/// Two sides on their way to be compared.
pub struct Verification<'v, M: ReadModel> {
    /// What is checked.
    pub left: &'v Seen<M>,
    /// What is right.
    pub right: &'v Seen<M>,
    /// Whether the right side stands exactly where the trail begins, and stays there.
    pub right_stands: bool,
    /// Whether the right side found records too late to tell from repeats (`stale`).
    pub right_was_late: bool,
    /// The log from which both were folded.
    pub trail: &'v dyn Trail,
    /// How its records are read.
    pub script: Script,
    /// What may differ.
    pub tolerances: Tolerances,
    /// Which keys are compared.
    pub scope: Scope,
    /// Whether roll-ups are compared also where only some keys are.
    pub with_groups: bool,
    /// What is done.
    pub doing: Doing,
    /// By whom others are told of what was mended. Without, nothing is mended of which anyone would
    /// have to be told.
    pub following: Option<Following<'v, M>>,
    /// How it waits for services.
    pub patience: Patience,
    /// For what is told late, copies and views, it waits so long.
    pub rest_limit: Duration,
    /// At most so many documents are compared in a second.
    pub limit_per_second: u32,
    /// Since when.
    pub began: Instant,
    /// What it has come to.
    pub summary: Summary,
    /// The first documents that were found to depart: what follows from them is not told again.
    pub departed: BTreeSet<Key>,
    /// What mending has yet to do.
    pub mends: Mends,
    /// Whom it tells.
    pub told: &'v mut (dyn FnMut(Told<'_>) + Send),
}

impl<M: ReadModel> fmt::Debug for Verification<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verification").field("summary", &self.summary).finish_non_exhaustive()
    }
}

impl<M: ReadModel> Verification<'_, M> {
    /// Compares everything that is in the scope; roll-ups, edges and views only with all keys.
    ///
    /// # Errors
    /// A fault that does not pass.
    pub async fn run(&mut self, mirror: Option<&dyn Heals>) -> Result<(), Fault> {
        self.documents().await?;
        self.tell_of_mended().await?;
        let is_whole = self.scope == Scope::All;
        if is_whole || self.with_groups {
            self.let_settle().await?;
        }
        if is_whole && M::EMBEDS {
            self.edges().await?;
        }
        if (is_whole || self.with_groups) && !M::ROLLUPS.is_empty() {
            self.groups().await?;
        }
        if let Some(mirror) = mirror.filter(|_| is_whole) {
            self.views(mirror).await?;
        }
        (self.told)(Told::Progress(&self.summary));
        Ok(())
    }

    /// What wrong documents have led to before they were mended must be told before roll-ups can be
    /// mended: where it is not in time, they are only looked at.
    async fn let_settle(&mut self) -> Result<(), Fault> {
        if self.doing == Doing::Repair
            && self.summary.mended > 0
            && !trail::settled_to_the_end(self.trail, self.rest_limit).await?
        {
            self.doing = Doing::Check;
        }
        Ok(())
    }

    fn find(&mut self, finding: &Finding) {
        let what = (finding.subject.sort(), finding.kind);
        *self.summary.found.entry(what).or_default() += 1;
        if let Subject::Document(key) = &finding.subject
            && self.departed.len() < REMEMBERED_DEPARTED
        {
            self.departed.insert(key.clone());
        }
        (self.told)(Told::Found(finding));
    }

    fn leave_open(&mut self, subject: &Subject, why: Undecided) {
        *self.summary.undecided.entry((subject.sort(), why)).or_default() += 1;
        (self.told)(Told::Open(subject, why));
    }

    fn mended(&mut self, subject: &Subject, done: bool) {
        let count = if done { &mut self.summary.mended } else { &mut self.summary.not_mended };
        *count += 1;
        (self.told)(Told::Mended(subject, done));
    }
}
