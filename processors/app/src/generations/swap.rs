//! Handing over from one generation to another: in steps that every instance follows, so that
//! readers see no error, no mixture and nothing older than they have seen, and every reaction is
//! told by one of the two.

use std::collections::BTreeMap;
use std::time::Duration;

use readmill_engine::Fault;
use readmill_engine::roster::{Places, Refusal, Roster, Seat, Works, has_reached};
use thiserror::Error;
use tokio::time::{Instant, sleep};

use super::registrar::{Registrar, Standing};
use crate::config::{self, Config, Source};
use crate::services::Services;
use crate::standing::Group;

/// The seats are looked at so often.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Instances are shown a sign of life so often.
const BEAT_EVERY: Duration = Duration::from_secs(1);
/// An instance that has shown no sign of life for so long is believed dead.
const DEAD_AFTER: Duration = Duration::from_secs(12);

/// Where the steps are told.
pub type Tell<'a> = &'a (dyn Fn(&str) + Sync);

/// Why it was not handed over; everything is as it was.
#[derive(Debug, Error)]
pub enum NotDone {
    /// It cannot be, in words.
    #[error("{0}")]
    Refused(Refusal),
    /// A step took too long.
    #[error("{0}; readers see what they saw before")]
    TooLong(String),
    /// A service failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Hands over to another generation.
#[derive(Debug)]
pub struct HandingOver<'a> {
    registrar: Registrar,
    config: &'a Config,
    services: &'a Services,
    model: &'a config::Model,
    /// Each step may take so long.
    limit: Duration,
    seen: BTreeMap<String, (Seat, Instant)>,
    beaten: Instant,
}

impl<'a> HandingOver<'a> {
    /// Of a model, with so long for each step.
    ///
    /// # Errors
    /// When the store does not answer or refuses.
    pub async fn of(
        config: &'a Config,
        services: &'a Services,
        model: &'a config::Model,
        limit: Duration,
    ) -> Result<Self, Fault> {
        let registrar = services.registrar(model).await?;
        let (seen, beaten) = (BTreeMap::new(), Instant::now());
        Ok(Self { registrar, config, services, model, limit, seen, beaten })
    }

    /// Hands over, and tells each step. Answers who was live before.
    ///
    /// # Errors
    /// Why it was not done.
    pub async fn hand_over(&mut self, to: u32, tell: Tell<'_>) -> Result<u32, NotDone> {
        self.refuse_alone(to).await?;
        let (live, standing) = self
            .change(|roster| {
                let live = roster.live;
                roster.hand_over(to).map(|()| live)
            })
            .await?;
        match self.steps(live, to, standing, tell).await {
            Ok(()) => {}
            Err(why) => {
                let end = |roster: &mut Roster| {
                    roster.end_handover();
                    Ok(())
                };
                // If even this fails, instances end it by themselves.
                let _ = self.registrar.change(end).await;
                return Err(why);
            }
        }
        // From here on it is done, and instances see to the rest if this process dies.
        self.services.point(self.model, to).await?;
        self.change(|roster| {
            roster.end_handover();
            Ok(())
        })
        .await?;
        Ok(live)
    }

    /// Lets all generations rest, wherever they are folded, while it is noted who is forgotten.
    /// From then on everybody knows it who takes anything in.
    ///
    /// # Errors
    /// Why it was not done; then it may be done again.
    pub async fn at_rest(
        &mut self,
        noting: impl Future<Output = Result<(), Fault>>,
    ) -> Result<(), NotDone> {
        let ((), begun) = self.change(Roster::rest_to_forget).await?;
        let numbers: Vec<u32> = begun.roster.generations.iter().map(|it| it.number).collect();
        let resting = async {
            let rest = |seats: &Living| {
                seats.follow(begun.revision) && numbers.iter().all(|number| seats.rest(*number))
            };
            self.until("instances to let all generations rest", rest).await?;
            noting.await.map_err(NotDone::Fault)
        };
        let noted = resting.await;
        let end = |roster: &mut Roster| {
            let rested = roster.handover.is_some();
            roster.note_forgetting();
            roster.end_handover();
            Ok(rested)
        };
        let (rested, _) = self.change(end).await?;
        noted?;
        if !rested {
            let told = "instances went on too early, since this process was silent: do it again";
            return Err(NotDone::Refused(Refusal(told.to_owned())));
        }
        Ok(())
    }

    /// Both generations must be folded by somebody: else one would wait for the other for ever.
    async fn refuse_alone(&mut self, to: u32) -> Result<(), NotDone> {
        let Some(Standing { roster, .. }) = self.registrar.read().await? else { return Ok(()) };
        let living = self.seats().await?;
        for number in [to, roster.live] {
            if roster.generation(number).is_some() && living.works_on(number).next().is_none() {
                let told = format!(
                    "no instance folds generation {number}: start one with `readmill run` and the \
                     binary and configuration that it was made with"
                );
                return Err(NotDone::Refused(Refusal(told)));
            }
        }
        Ok(())
    }

    async fn steps(
        &mut self,
        live: u32,
        to: u32,
        begun: Standing,
        tell: Tell<'_>,
    ) -> Result<(), NotDone> {
        tell(&format!("generation {to} rests, until generation {live} is not behind it"));
        let what = format!("instances to let generation {to} rest");
        self.until(&what, |seats| seats.follow(begun.revision) && seats.rest(to)).await?;
        let what = format!("generation {live} to reach generation {to}");
        let next = self.places(to).await?;
        self.until(&what, |seats| has_reached(&seats.places(live), &next)).await?;
        tell(&format!("generation {live} rests"));
        let yielded = self.step(|roster| roster.yield_live()).await?;
        let what = format!("instances to let generation {live} rest");
        self.until(&what, |seats| seats.follow(yielded.revision) && seats.rest(live)).await?;
        let places = self.places(live).await?;
        tell(&format!("generation {to} goes on from there"));
        self.step(|roster| roster.pass_the_word(places.clone())).await?;
        let what = format!("generation {to} to reach where generation {live} stands");
        self.until(&what, |seats| has_reached(&seats.places(to), &places)).await?;
        let switched = self.step(Roster::switch).await?;
        let what = "instances to keep readers waiting";
        self.until(what, |seats| seats.follow(switched.revision)).await?;
        self.step(Roster::flip).await?;
        tell(&format!("readers see generation {to}"));
        Ok(())
    }

    /// One step of a handover that is still this one's.
    async fn step(&self, step: impl Fn(&mut Roster)) -> Result<Standing, NotDone> {
        let step = |roster: &mut Roster| {
            if roster.handover.is_none() {
                let told = "the swap was given up: this process was silent for too long";
                return Err(Refusal(told.to_owned()));
            }
            step(roster);
            roster.beat();
            Ok(())
        };
        self.change(step).await.map(|((), standing)| standing)
    }

    async fn change<T>(
        &self,
        change: impl Fn(&mut Roster) -> Result<T, Refusal>,
    ) -> Result<(T, Standing), NotDone> {
        self.registrar.change(change).await?.map_err(NotDone::Refused)
    }

    /// Waits until the living instances are so far.
    async fn until(&mut self, what: &str, are: impl Fn(&Living) -> bool) -> Result<(), NotDone> {
        let until = Instant::now() + self.limit;
        loop {
            let living = self.seats().await?;
            if are(&living) {
                return Ok(());
            }
            if Instant::now() >= until {
                let limit = self.limit.as_secs();
                return Err(NotDone::TooLong(format!("waited {limit} s for {what}")));
            }
            if self.beaten.elapsed() >= BEAT_EVERY {
                self.step(|_| ()).await?;
                self.beaten = Instant::now();
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Where a generation stands that rests: in partitions that nobody has in hand, where they
    /// would be resumed.
    async fn places(&mut self, generation: u32) -> Result<Places, NotDone> {
        let living = self.seats().await?;
        let mut places = match &self.config.source {
            Source::Kafka { kafka, .. } => {
                let model = config::Model { generation, ..self.model.clone() };
                let group = Group::of(kafka, &model)?;
                let settled = group.ask(|positions| positions.settled()).await?;
                settled.into_iter().map(|(partition, at)| (partition, at.value())).collect()
            }
            Source::Archive { .. } if living.0.is_empty() => {
                let told = "no instance runs that folds it: start one with `readmill run`";
                return Err(NotDone::Refused(Refusal(told.to_owned())));
            }
            Source::Archive { .. } => BTreeMap::new(),
        };
        for (partition, offset) in living.places(generation) {
            let known = places.entry(partition).or_insert(offset);
            *known = (*known).max(offset);
        }
        Ok(places.into_iter().collect())
    }

    /// The seats of the living.
    async fn seats(&mut self) -> Result<Living, Fault> {
        let now = Instant::now();
        let mut seen = BTreeMap::new();
        let mut dead = Vec::new();
        for (instance, seat) in self.registrar.seats().await? {
            let known = self.seen.remove(&instance).filter(|(known, _)| *known == seat);
            let since = known.map_or(now, |(_, since)| since);
            if now.duration_since(since) < DEAD_AFTER {
                seen.insert(instance, (seat, since));
            } else {
                dead.push(instance);
            }
        }
        let dead: Vec<&str> = dead.iter().map(String::as_str).collect();
        self.registrar.rise(&dead).await?;
        self.seen = seen;
        Ok(Living(self.seen.values().map(|(seat, _)| seat.clone()).collect()))
    }
}

/// The seats of the living.
#[derive(Debug)]
struct Living(Vec<Seat>);

impl Living {
    /// Whether all act by a revision of the roster, or a later one.
    fn follow(&self, revision: i64) -> bool {
        self.0.iter().all(|seat| seat.seen >= revision)
    }

    /// Whether a generation rests wherever it is worked on.
    fn rest(&self, generation: u32) -> bool {
        self.works_on(generation).all(|works| works.rests || works.failed.is_some())
    }

    /// Where the partitions of a generation stand.
    fn places(&self, generation: u32) -> Places {
        let mut places = BTreeMap::new();
        for (partition, offset) in self.works_on(generation).flat_map(|works| &works.places) {
            let known = places.entry(partition.clone()).or_insert(*offset);
            *known = (*known).max(*offset);
        }
        places.into_iter().collect()
    }

    fn works_on(&self, generation: u32) -> impl Iterator<Item = &Works> {
        self.0.iter().filter_map(move |seat| seat.works_on(generation))
    }
}
