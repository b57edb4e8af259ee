//! One life, in this one function: a world, the engine in it, faults, healing, rest, judgement.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use readmill_engine::Metrics;
use tokio::time::Instant;

use crate::cast::Cast;
use crate::check::{self, Finding};
use crate::cut::Cut;
use crate::faults::Strikes;
use crate::history::History;
use crate::operator;
use crate::relay::Publication;
use crate::scenario::Scenario;
use crate::world::World;
use crate::world::group::Group;

/// After healing everything must be at rest within so much virtual time.
const REST_LIMIT: Duration = Duration::from_secs(120);
const PERSONS_ROUNDS: u32 = 3;
const REST_STEP: Duration = Duration::from_millis(250);

/// What a life came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Its seed.
    pub seed: u64,
    /// What went wrong.
    pub findings: Vec<Finding>,
    /// How often each fault struck.
    pub strikes: Strikes,
    /// How many single faults struck.
    pub faults: usize,
    /// How many rows were committed.
    pub rows: usize,
    /// How many acts were planned.
    pub acts: usize,
    /// What happened, if it was kept.
    pub history: History,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.history)?;
        self.findings.iter().try_for_each(|finding| writeln!(f, "VIOLATION {finding}"))
    }
}

/// Lives the life that a seed decides, but for what is cut away. `kept` keeps its history.
///
/// # Errors
/// When there is no runtime to be had from the machine.
pub fn simulate(seed: u64, cut: &Cut, kept: bool, metrics: &Metrics) -> std::io::Result<Report> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build()?;
    Ok(runtime.block_on(live(seed, cut, kept, metrics.clone())))
}

async fn live(seed: u64, cut: &Cut, kept: bool, metrics: Metrics) -> Report {
    let (scenario, fates) = Scenario::new(seed, cut);
    let session_ms = u64::try_from(scenario.consumer.session.as_millis()).unwrap_or(u64::MAX);
    let group = Group::new(scenario.protocol, session_ms, &scenario.partitions);
    let (world, doomed) = World::new(scenario.rows.clone(), fates, History::new(kept), group);
    describe(&world, &scenario);
    tokio::spawn(relay(world.clone(), scenario.publications.into()));
    tokio::spawn(coordinate(world.clone()));
    if scenario.hasty {
        tokio::spawn(operator::hasten(world.clone(), metrics.clone()));
    }

    let mut cast =
        Cast::new(world.clone(), scenario.limits, scenario.consumer, metrics.clone(), doomed);
    (0..scenario.instances).for_each(|slot| cast.start(slot));
    let began = Instant::now();
    for act in &scenario.acts {
        cast.tend(began + Duration::from_millis(act.at_ms)).await;
        cast.act(*act).await;
    }
    cast.tend(began + Duration::from_millis(scenario.healed_ms)).await;

    world.note(0, || "everything heals".to_owned());
    world.look(|world| world.fates.heal());
    rest(&world, &mut cast).await;
    // Dealing with one key may queue a record behind another, and what waits may be held anew.
    for _ in 0..PERSONS_ROUNDS {
        operator::deal(&world, scenario.operator, &metrics).await;
        rest(&world, &mut cast).await;
    }
    cast.dismiss().await;

    check::end(&world, scenario.operator);
    check::counts(&world, &cast.counts);
    world.look(|world| Report {
        seed,
        findings: std::mem::take(&mut world.findings),
        strikes: world.fates.so_far().clone(),
        faults: world.fates.struck(),
        rows: scenario.rows.len(),
        acts: scenario.acts.len(),
        history: std::mem::take(&mut world.history),
    })
}

fn describe(world: &World, scenario: &Scenario) {
    for row in scenario.rows.iter() {
        world.note(0, || format!("row {} {row}", row.number));
    }
    let Scenario { instances, limits, consumer, protocol, operator, .. } = scenario;
    world.note(0, || format!("{instances} instances, {protocol:?}, operator {operator:?}"));
    world.note(0, || format!("{limits:?} {consumer:?}"));
}

/// Publishes what is due.
async fn relay(world: World, mut publications: VecDeque<Publication>) {
    let began = Instant::now();
    world.look(|world| {
        publications.iter().for_each(|p| world.topics.create(p.partition.clone()));
        world.late += 1;
    });
    while let Some(publication) = publications.pop_front() {
        tokio::time::sleep_until(began + Duration::from_millis(publication.at_ms)).await;
        let about = publication.about;
        let timestamp_ms = i64::try_from(publication.at_ms).unwrap_or(i64::MAX);
        let position = world.look(|world| {
            let hole = if publication.hole { 3 } else { 0 };
            world.topics.append(publication, hole, timestamp_ms)
        });
        world.note(0, || match about {
            crate::relay::About::Row(at) | crate::relay::About::Snapshot(at) => {
                let row = world.rows.get(at);
                let number = row.map_or(0, |row| row.number);
                format!("publishes {position} {about:?} = row {number}")
            }
            crate::relay::About::Nothing | crate::relay::About::Junk => {
                format!("publishes {position} {about:?}")
            }
        });
    }
    world.look(|world| world.late -= 1);
}

/// The coordinator expels who is silent.
async fn coordinate(world: World) {
    loop {
        tokio::time::sleep(REST_STEP).await;
        let now_ms = world.now_ms();
        for member in world.look(|world| world.group.expire(now_ms)) {
            world.note(0, || format!("the session of member {member} is over"));
        }
    }
}

/// I9: everything that was published is settled, in bounded time.
async fn rest(world: &World, cast: &mut Cast) {
    let limit = Instant::now() + REST_LIMIT;
    loop {
        cast.tend(Instant::now() + REST_STEP).await;
        let mut lagging = check::lagging(world);
        let (views, views_of_free) = check::views_behind(world);
        if lagging.is_empty() && views == 0 {
            return;
        }
        if Instant::now() > limit {
            lagging.extend((views_of_free > 0).then(|| format!("{views_of_free} views")));
            if !lagging.is_empty() {
                world.find(Finding::NoRest { lagging });
            }
            return;
        }
    }
}
