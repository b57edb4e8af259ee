//! Tending a mirror beside the river: looking at it again and again, and healing what it has lost.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use readmill_core::{Guard, Key, ReadModel, stands};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::Sight;
use super::marker::{Looks, Marker, Verdict, Why};
use super::pass::{Doing, Pass, Tally};
use super::tended::Tended;
use crate::fault::Fault;
use crate::metrics::{Meter, Metrics};
use crate::patience::Patience;
use crate::ports::{Ports, Store};
use crate::run::Watch;

/// A mirror is looked at so often.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Progress is logged so often.
const TELL_EVERY: Duration = Duration::from_secs(10);
/// After heals that came to nothing, the next one waits twice as long each time, up to this.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Tends the mirror of a model, from now on until it is dropped, or the process stops.
///
/// # Errors
/// None: what concerns records, the river meets itself.
pub async fn tend<M: ReadModel>(ports: Arc<Ports<M>>, watch: Watch) -> Result<(), Fault> {
    if let Some(tended) = ports.mirror.as_ref().and_then(|mirror| mirror.tended()) {
        let (store, metrics) = (&*ports.store, &ports.metrics);
        Tender { store, tended, metrics, stop: watch.stop }.tend().await;
    }
    Ok(())
}

/// Whoever tends a mirror.
pub struct Tender<'t, M: ReadModel> {
    /// The documents.
    pub store: &'t dyn Store<M>,
    /// The mirror.
    pub tended: &'t Tended,
    /// Where it is counted what was healed.
    pub metrics: &'t Metrics,
    /// Turns true when the process is to stop.
    pub stop: watch::Receiver<bool>,
}

impl<M: ReadModel> fmt::Debug for Tender<'_, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tender").field("tended", &self.tended).finish_non_exhaustive()
    }
}

impl<M: ReadModel> Tender<'_, M> {
    /// Looks at the mirror and heals it, until the process stops.
    pub async fn tend(self) {
        self.tended.begin();
        let mut stop = self.stop.clone();
        let mut tending = Tending::new(self);
        loop {
            let look_and_wait = async {
                tending.look().await;
                sleep(LOOK_EVERY).await;
            };
            tokio::select! {
                biased; // so that a simulation can be repeated
                _ = stop.wait_for(|stop| *stop) => return,
                () = look_and_wait => {}
            }
        }
    }
}

struct Tending<'t, M: ReadModel> {
    store: &'t dyn Store<M>,
    tended: &'t Tended,
    metrics: &'t Metrics,
    stop: watch::Receiver<bool>,
    looks: Looks,
    /// Whether it is to be healed whatever its marker says: what is missed while it is not seen may
    /// have been forgotten with the process that missed it.
    unseen: bool,
    silent: bool,
    not_before: Instant,
    wait: Duration,
}

impl<'t, M: ReadModel> Tending<'t, M> {
    fn new(Tender { store, tended, metrics, stop }: Tender<'t, M>) -> Self {
        let may_miss = !tended.care().required;
        Self {
            store,
            tended,
            metrics,
            stop,
            looks: Looks::new(tended.mirror().user().to_owned(), may_miss),
            unseen: may_miss,
            silent: false,
            not_before: Instant::now(),
            wait: LOOK_EVERY,
        }
    }

    async fn look(&mut self) {
        let missed = i64::try_from(self.tended.missed_keys()).unwrap_or(i64::MAX);
        self.metrics.set(Meter::MirrorMissed, &[M::NAME], missed);
        if let Err(fault) = self.look_and_heal().await {
            if !self.silent {
                tracing::warn!(model = M::NAME, %fault, "the mirror cannot be tended");
            }
            self.silent = true;
            self.unseen |= !self.tended.care().required;
        }
    }

    async fn look_and_heal(&mut self) -> Result<(), Fault> {
        let sight = self.tended.mirror().sight().await?;
        if std::mem::take(&mut self.silent) {
            tracing::info!(model = M::NAME, "the mirror answers again");
        }
        self.heal_missed().await?;
        let (verdict, mut next) = self.looks.judge(&sight);
        let why = match verdict {
            Verdict::Heal(why) if stands(Guard::MirrorHeal) => Some(why),
            Verdict::Whole if self.unseen => Some(Why::Unseen),
            // A heal of its own that met a fault.
            Verdict::InHand if self.looks.is_healer(&next) => Some(Why::Unfinished),
            Verdict::Whole | Verdict::InHand | Verdict::Heal(_) => None,
        };
        let now = why.filter(|_| Instant::now() >= self.not_before);
        if now.is_some() {
            next = self.looks.begin(next);
        } else if why.is_some() {
            next.whole_for = None;
        }
        // If another was faster, the next look will do.
        if !mark(self.tended, &mut self.looks, &sight, &next).await? {
            return Ok(());
        }
        match now {
            Some(why) => self.heal(why, &sight.census).await,
            None => Ok(()),
        }
    }

    /// What this process has missed to show while the mirror was down.
    async fn heal_missed(&mut self) -> Result<(), Fault> {
        let missed = self.tended.take_missed();
        self.unseen |= missed.and_more;
        if missed.keys.is_empty() {
            return Ok(());
        }
        let keys: Vec<Key> = missed.keys.into_iter().collect();
        let mut untold = |_: Tally, _: &[_]| {};
        let healed = self.pass(&mut untold).those(&keys).await;
        if healed.is_err() {
            self.tended.miss(keys, missed.and_more);
        }
        let tally = healed?;
        tracing::info!(model = M::NAME, views = tally.documents, "what was missed is shown");
        Ok(())
    }

    fn pass<'p>(&self, told: &'p mut (dyn FnMut(Tally, &[super::Difference]) + Send)) -> Pass<'p, M>
    where
        't: 'p,
    {
        let patience = Patience::new(self.stop.clone(), self.metrics.clone(), M::NAME);
        Pass {
            store: self.store,
            metrics: self.metrics,
            mirror: self.tended.mirror(),
            doing: Doing::Heal,
            limit_per_second: self.tended.care().heal_limit_per_second,
            patience,
            tally: Tally::default(),
            told,
        }
    }

    async fn heal(&mut self, why: Why, census: &str) -> Result<(), Fault> {
        tracing::info!(model = M::NAME, why = why.words(), "healing the mirror");
        self.unseen = false;
        let metrics = self.metrics;
        let mut last_told = Instant::now();
        let mut told = |tally: Tally, _: &[_]| {
            let documents = i64::try_from(tally.documents).unwrap_or(i64::MAX);
            metrics.set(Meter::MirrorHealing, &[M::NAME], documents);
            if last_told.elapsed() >= TELL_EVERY {
                last_told = Instant::now();
                let Tally { documents, differed, strays } = tally;
                tracing::info!(model = M::NAME, documents, differed, strays, "still healing");
            }
        };
        let mut pass = self.pass(&mut told);
        let healed = tokio::select! {
            biased;
            healed = pass.run() => healed.map(Some),
            lost = keep_hold(self.tended, &mut self.looks) => lost.map(|()| None),
        };
        drop(pass);
        metrics.set(Meter::MirrorHealing, &[M::NAME], 0);
        let whole = match &healed {
            Ok(Some(_)) => self.end(census).await,
            Ok(None) | Err(_) => Ok(false),
        };
        match (healed, whole) {
            (Ok(Some(Tally { documents, differed, strays })), Ok(true)) => {
                self.wait = LOOK_EVERY;
                tracing::info!(model = M::NAME, documents, differed, strays, "the mirror is whole");
                Ok(())
            }
            (healed, whole) => {
                self.unseen |= !self.tended.care().required;
                self.not_before = Instant::now() + self.wait;
                self.wait = (self.wait * 2).min(LONGEST_WAIT);
                tracing::warn!(model = M::NAME, "the mirror is not whole yet: it has lost more");
                healed.and(whole).map(drop)
            }
        }
    }

    /// Whether nothing was lost since the heal began.
    async fn end(&mut self, census: &str) -> Result<bool, Fault> {
        loop {
            let sight = self.tended.mirror().sight().await?;
            let (verdict, next) = self.looks.judge(&sight);
            let still = verdict == Verdict::InHand && self.looks.is_healer(&next);
            let whole = still && sight.census == census;
            let next: Marker = next.ended(whole.then(|| census.to_owned()));
            if !still || mark(self.tended, &mut self.looks, &sight, &next).await? {
                return Ok(whole);
            }
        }
    }
}

/// Stirs the marker, so that nobody believes this healer dead; ends when it is the healer no more.
async fn keep_hold(tended: &Tended, looks: &mut Looks) -> Result<(), Fault> {
    loop {
        sleep(LOOK_EVERY).await;
        // A mirror that is silent now is met by the pass itself.
        let Ok(sight) = tended.mirror().sight().await else { continue };
        let (verdict, next) = looks.judge(&sight);
        if verdict != Verdict::InHand || !looks.is_healer(&next) {
            return Ok(());
        }
        // Another look came between: the next one will do.
        let _ = mark(tended, looks, &sight, &next).await;
    }
}

/// Leaves a marker, if nobody else has since.
async fn mark(
    tended: &Tended,
    looks: &mut Looks,
    sight: &Sight,
    next: &Marker,
) -> Result<bool, Fault> {
    let done = tended.mirror().mark(sight.marker.as_deref(), &next.text()).await?;
    if done {
        looks.note(next);
    }
    Ok(done)
}
