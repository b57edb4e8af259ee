//! Whoever attends to a model in one process: reads its roster again and again, folds the
//! generations that this binary can fold, and shows readers the live one.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use readmill_core::{Counts, Forgotten, ReadModel};
use readmill_engine::roster::{Fingerprint, Handover, Roster, Seat, Works};
use readmill_engine::{Fault, Forgetting, Meter, Remedy, Tally};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use super::face::Face;
use super::fold::{Begin, Fold, REBUILD_LANE, Role};
use super::rebuilds::Rebuilds;
use super::registrar::{Registrar, Standing};
use super::told::tell_changes;
use crate::config;
use crate::wiring::Process;

/// The roster is read so often while there is more than one generation,
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// and so often else.
const QUIET_LOOK_EVERY: Duration = Duration::from_secs(1);
/// Whoever has not read it for so long takes nothing in any more.
const LEAVE_LIFE: Duration = Duration::from_secs(5);
/// A seat shows a sign of life at least so often.
const BEAT_EVERY: Duration = Duration::from_secs(2);
/// What could not be begun is tried again after this.
const BEGIN_AGAIN_AFTER: Duration = Duration::from_secs(10);
/// A handover without a sign of life of whoever does it is given up after so long.
const HANDOVER_LIMIT: Duration = Duration::from_secs(10);

/// Attends to one model.
#[derive(Debug)]
pub struct Attendant<M: ReadModel> {
    process: Process,
    model: config::Model,
    fingerprint: Fingerprint,
    registrar: Registrar,
    instance: String,
    roster: watch::Sender<Arc<Roster>>,
    folds: BTreeMap<u32, Fold<M>>,
    works: JoinSet<(u32, Result<Counts, Fault>)>,
    face: watch::Sender<Face<M>>,
    tally: watch::Sender<Tally>,
    /// To which generation the names of readers were last made to lead.
    pointed: Option<u32>,
    handover: Option<(Handover, Instant)>,
    /// When generations could not be begun that nobody sees.
    not_begun: BTreeMap<u32, Instant>,
    sat: Option<(Seat, Instant)>,
    read_at: Instant,
    forgotten: watch::Sender<Arc<Forgotten>>,
    /// How often persons had been forgotten when it was read who is.
    forgettings: Option<u64>,
}

/// A generation's number, and how it ended.
type Ended = Result<(u32, Result<Counts, Fault>), JoinError>;

/// What readers see, and how it is counted.
#[derive(Debug)]
pub struct Outlook<M: ReadModel> {
    /// Their documents.
    pub face: watch::Receiver<Face<M>>,
    /// Their counts.
    pub tally: watch::Receiver<Tally>,
}

impl<M: ReadModel> Attendant<M> {
    /// Looks at the roster, and begins what is to be folded here.
    ///
    /// # Errors
    /// What a service refuses, or that nothing is to be folded by this binary.
    pub async fn begin(
        process: Process,
        model: config::Model,
        now_ms: i64,
    ) -> Result<(Self, Outlook<M>), Fault> {
        let fingerprint = Fingerprint::of::<M>(&model.topics);
        let registrar = process.services.registrar(&model).await?;
        let Standing { roster, .. } = registrar.open(&fingerprint, now_ms).await?;
        refuse_strangers::<M>(&roster, &fingerprint)?;
        let (face, seen) = watch::channel(Face::Hushed);
        let (tally, counted) = watch::channel(Tally::new(M::NAME, process.metrics.clone()));
        let mut attendant = Self {
            instance: process.instance.clone(),
            process,
            model,
            fingerprint,
            registrar,
            roster: watch::channel(Arc::new(roster)).0,
            folds: BTreeMap::new(),
            works: JoinSet::new(),
            face,
            tally,
            pointed: None,
            handover: None,
            not_begun: BTreeMap::new(),
            sat: None,
            read_at: Instant::now(),
            forgotten: watch::channel(Arc::default()).0,
            forgettings: None,
        };
        let standing = attendant.read().await?;
        attendant.act(standing).await?;
        Ok((attendant, Outlook { face: seen, tally: counted }))
    }

    /// Attends until the process stops, the live generation fails, or all logs have ended.
    ///
    /// # Errors
    /// The fault of the live generation.
    pub async fn attend(mut self) -> Result<Counts, Fault> {
        let mut stop = self.process.stop.clone();
        let mut look = interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let result = loop {
            let happened = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break Ok(()),
                Some(ended) = self.works.join_next() => Some(ended),
                _ = look.tick() => None,
            };
            let went = match happened {
                Some(ended) => self.note_end(ended),
                None => self.look_patiently().await.map(|()| false),
            };
            match went {
                Ok(false) => {}
                Ok(true) => break Ok(()),
                Err(fault) => break Err(fault),
            }
        };
        let ended = self.end().await;
        result.and(ended)
    }

    /// Notes how a generation ended. Answers whether all have.
    fn note_end(&mut self, ended: Ended) -> Result<bool, Fault> {
        let (number, result) = ended.map_err(|error| Fault::defect("a generation", &error))?;
        let Some(fold) = self.folds.get_mut(&number) else { return result.map(|_| false) };
        match result {
            Ok(_) => fold.ended = Some(Ok(())),
            Err(fault) if fold.role == Role::Live => return Err(fault),
            Err(fault) => {
                tracing::error!(model = M::NAME, generation = number, %fault, "it stopped");
                fold.ended = Some(Err(fault.to_string()));
            }
        }
        let live = |fold: &Fold<M>| fold.role == Role::Live;
        let done = self.folds.values().any(live)
            && self.folds.values().all(|fold| matches!(fold.ended, Some(Ok(_))));
        Ok(done)
    }

    /// Settles everything, and answers the counts of what readers saw.
    async fn end(mut self) -> Result<Counts, Fault> {
        for fold in self.folds.values() {
            fold.stop();
        }
        let mut result = Ok(());
        while let Some(ended) = self.works.join_next().await {
            if let Ok((_, Err(fault))) = ended {
                result = Err(fault);
            }
        }
        let seats = [self.instance.as_str()];
        if let Ok(Err(fault)) = timeout(LEAVE_LIFE, self.registrar.rise(&seats)).await {
            tracing::debug!(model = M::NAME, %fault, "the seat is left behind");
        }
        let counts = self.tally.borrow().counts();
        result.map(|()| counts)
    }

    /// Looks; a store that is silent is looked at again, and what is not known is not done.
    async fn look_patiently(&mut self) -> Result<(), Fault> {
        let quiet = is_quiet(&self.roster.borrow());
        if quiet && self.read_at.elapsed() < QUIET_LOOK_EVERY {
            return Ok(());
        }
        let looked = match self.read().await {
            Ok(standing) => self.act(standing).await,
            Err(fault) => Err(fault),
        };
        let Err(fault) = looked else { return Ok(()) };
        if fault.remedy() == Remedy::Stop {
            return Err(fault);
        }
        tracing::warn!(model = M::NAME, %fault, "the roster cannot be followed");
        if !quiet && self.read_at.elapsed() > LEAVE_LIFE {
            self.face.send_replace(Face::Hushed);
        }
        Ok(())
    }

    async fn read(&mut self) -> Result<Standing, Fault> {
        let silent = |_| Fault::Silent { service: "the roster", detail: "no answer".to_owned() };
        let asked = Instant::now();
        let found = timeout(LEAVE_LIFE, self.registrar.read()).await.map_err(silent)??;
        self.read_at = asked;
        found.ok_or_else(|| Fault::Refused {
            service: "the roster",
            detail: format!("that of {} is gone", M::NAME),
            hint: "somebody has emptied the store: start again, and the model is folded anew",
        })
    }

    /// Does what the roster says. Only afterwards it is told that this was done.
    async fn act(&mut self, Standing { roster, revision }: Standing) -> Result<(), Fault> {
        let roster = Arc::new(roster);
        let before = self.roster.send_replace(Arc::clone(&roster));
        tell_changes(M::NAME, &before, &roster);
        self.remember(&roster).await?;
        self.show(&roster);
        self.let_go_on(&roster);
        self.arrange(&roster).await?;
        self.point(&roster).await?;
        self.show(&roster);
        self.let_go_on(&roster);
        self.show_share();
        self.show_generations(&roster);
        self.sit(&roster, revision).await?;
        self.watch_handover(&roster).await
    }

    /// Reads who is forgotten, if that has changed: all rested then, and nobody goes on before.
    async fn remember(&mut self, roster: &Roster) -> Result<(), Fault> {
        if self.forgettings != Some(roster.forgettings) {
            let list = self.process.services.forgotten(&self.model.store).await?.read().await?;
            self.forgotten.send_replace(Arc::new(list.forgotten));
            // Among the hot keys there may be theirs.
            self.process.metrics.hot().forget(M::NAME);
            // What was told of them is told to nobody any more.
            self.folds.values().for_each(|fold| fold.shown.changes.break_off());
            self.forgettings = Some(roster.forgettings);
        }
        Ok(())
    }

    /// Gives each fold leave for a while from when the roster was read, or takes it back.
    fn let_go_on(&self, roster: &Roster) {
        let life = LEAVE_LIFE.saturating_sub(self.read_at.elapsed());
        for (number, fold) in &self.folds {
            fold.let_go_on(!roster.rests(*number), life);
        }
    }

    /// Begins and ends folds, so that each is folded in its role that this binary can fold.
    async fn arrange(&mut self, roster: &Arc<Roster>) -> Result<(), Fault> {
        let role = |number: u32| match (self.folds.get(&number), &roster.handover) {
            // What changes its role begins anew, which is for after a handover.
            (Some(fold), Some(_)) => fold.role,
            _ if roster.live == number => Role::Live,
            _ => Role::Beside,
        };
        let wanted: BTreeMap<u32, Role> = (roster.generations.iter())
            .filter(|other| other.fingerprint == self.fingerprint && !other.preparing)
            .map(|generation| (generation.number, role(generation.number)))
            .collect();
        // One that failed begins anew when a person has it rest, and go on.
        let is_spent = |number: u32, fold: &Fold<M>| {
            let paused = roster.generation(number).is_some_and(|generation| generation.paused);
            paused && matches!(fold.ended, Some(Err(_)))
        };
        let fits = |number: &u32, fold: &Fold<M>| {
            wanted.get(number) == Some(&fold.role) && !is_spent(*number, fold)
        };
        let old: Vec<u32> = (self.folds.iter())
            .filter(|(number, fold)| !fits(number, fold))
            .map(|(number, _)| *number)
            .collect();
        for number in old {
            self.let_end(number).await?;
        }
        for (number, role) in wanted {
            let failed = self.not_begun.get(&number);
            let may = failed.is_none_or(|at| at.elapsed() > BEGIN_AGAIN_AFTER);
            if (may || role == Role::Live) && !self.folds.contains_key(&number) {
                self.begin_one(number, role).await?;
            }
        }
        Ok(())
    }

    async fn begin_one(&mut self, generation: u32, role: Role) -> Result<(), Fault> {
        let model = config::Model { generation, ..self.model.clone() };
        let roster = self.roster.subscribe();
        let forgotten = Forgetting::of(self.forgotten.subscribe());
        let begin = Begin { process: &self.process, model: &model, role, roster, forgotten };
        let (fold, work) = match begin.begin::<M>().await {
            Ok(begun) => begun,
            // It is tried again, and disturbs nobody.
            Err(fault) if role == Role::Beside => {
                tracing::error!(model = M::NAME, generation, %fault, "it cannot be begun");
                self.not_begun.insert(generation, Instant::now());
                return Ok(());
            }
            Err(fault) => return Err(fault),
        };
        tracing::info!(model = M::NAME, generation, ?role, "the generation is folded here");
        if role == Role::Live {
            self.tally.send_replace(fold.tally.clone());
        }
        self.folds.insert(generation, fold);
        self.works.spawn(async move {
            let result = work.await;
            let defect = |error| Err(Fault::defect("the task of a generation", &error));
            (generation, result.unwrap_or_else(defect))
        });
        Ok(())
    }

    /// Ends one, with what is in hand settled. Another may have ended meanwhile.
    async fn let_end(&mut self, number: u32) -> Result<(), Fault> {
        let Some(fold) = self.folds.get(&number) else { return Ok(()) };
        fold.stop();
        while self.folds.get(&number).is_some_and(|fold| fold.ended.is_none()) {
            let Some(ended) = self.works.join_next().await else { break };
            if matches!(&ended, Ok((ended, _)) if *ended == number) {
                break;
            }
            self.note_end(ended)?;
        }
        self.folds.remove(&number);
        tracing::info!(model = M::NAME, generation = number, "it is folded here no more");
        Ok(())
    }

    /// Lets the names of readers lead to the live one, if they do not.
    async fn point(&mut self, roster: &Roster) -> Result<(), Fault> {
        if self.pointed != Some(roster.live) {
            self.process.services.point(&self.model, roster.live).await?;
            self.pointed = Some(roster.live);
        }
        Ok(())
    }

    /// Shows readers the live one, or nothing for a moment.
    fn show(&self, roster: &Roster) {
        let face = match self.folds.get(&roster.live) {
            _ if roster.hushes_readers() => Face::Hushed,
            Some(fold) => Face::Of(fold.shown.clone()),
            None => Face::Elsewhere(format!(
                "{}: generation {} is live, and was made by another fold or from other topics",
                M::NAME,
                roster.live
            )),
        };
        self.face.send_replace(face);
    }

    /// Shows how much those have of their share that readers do not see.
    fn show_share(&self) {
        let Process { lanes, metrics, .. } = &self.process;
        let has_beside = self.folds.values().any(|fold| fold.role == Role::Beside);
        match lanes.share_percent(REBUILD_LANE).filter(|_| has_beside) {
            Some(percent) => metrics.set(Meter::RebuildShare, &[M::NAME], percent.into()),
            None => metrics.remove(Meter::RebuildShare, &[M::NAME]),
        }
    }

    /// Shows which generation is live, and how those come along that readers do not see.
    fn show_generations(&self, roster: &Roster) {
        let metrics = &self.process.metrics;
        metrics.set(Meter::LiveGeneration, &[M::NAME], roster.live.into());
        let beside = self.folds.iter().filter(|(_, fold)| fold.role == Role::Beside);
        let beside = beside.map(|(number, fold)| fold.standing(roster.rests(*number)));
        Rebuilds::of(beside).show(metrics, M::NAME);
    }

    /// Tells the others how things stand here, if that is new to them.
    async fn sit(&mut self, roster: &Roster, seen: i64) -> Result<(), Fault> {
        // While there is but one generation, nobody asks where it stands.
        if is_quiet(roster) && self.sat.is_some() {
            return Ok(());
        }
        let share = self.process.lanes.share_percent(REBUILD_LANE);
        let works = |(number, fold): (&u32, &Fold<M>)| Works {
            share_percent: share.filter(|_| fold.role == Role::Beside),
            ..fold.works(!roster.rests(*number))
        };
        let works = self.folds.iter().map(works).collect();
        let beat = self.sat.as_ref().map_or(0, |(seat, _)| seat.beat);
        let seat = Seat { seen, beat, works };
        let lately = |(sat, at): &(Seat, Instant)| *sat == seat && at.elapsed() < BEAT_EVERY;
        if self.sat.as_ref().is_some_and(lately) {
            return Ok(());
        }
        let seat = Seat { beat: beat + 1, ..seat };
        self.registrar.sit(&self.instance, &seat).await?;
        self.sat = Some((seat, Instant::now()));
        Ok(())
    }

    /// Ends a handover that nobody goes on with: until somebody has, nobody goes on as before.
    async fn watch_handover(&mut self, roster: &Roster) -> Result<(), Fault> {
        let Some(handover) = &roster.handover else {
            self.handover = None;
            return Ok(());
        };
        match &self.handover {
            Some((seen, at)) if seen == handover => {
                if at.elapsed() < HANDOVER_LIMIT {
                    return Ok(());
                }
            }
            Some(_) | None => {
                self.handover = Some((handover.clone(), Instant::now()));
                return Ok(());
            }
        }
        let dead = handover.clone();
        tracing::warn!(model = M::NAME, to = dead.to, "whoever swapped has died: it is given up");
        let give_up = |roster: &mut Roster| {
            if roster.handover.as_ref() == Some(&dead) {
                roster.end_handover();
            }
            Ok(())
        };
        self.registrar.change(give_up).await.map(drop)
    }
}

/// Whether there is but one generation.
fn is_quiet(roster: &Roster) -> bool {
    roster.handover.is_none() && roster.generations.len() == 1
}

/// Refuses to run where nothing is to be folded by this binary.
fn refuse_strangers<M: ReadModel>(roster: &Roster, ours: &Fingerprint) -> Result<(), Fault> {
    if roster.generations.iter().any(|generation| generation.fingerprint == *ours) {
        return Ok(());
    }
    let how = roster.generation(roster.live).map_or_else(
        || "is not known here".to_owned(),
        |live| {
            format!("was folded otherwise: here it would be {}", live.fingerprint.difference(ours))
        },
    );
    Err(Fault::Refused {
        service: "readmill",
        detail: format!("{}: its live generation {} {how}", M::NAME, roster.live),
        hint: "begin one for this fold with `readmill rebuild <model> -c <file>`, then run",
    })
}
