//! The instances of a life: the real engine over the world's ports; they die and come back.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use readmill_core::{Counts, ReadModel};
use readmill_engine::mirror::{Care, Tended};
use readmill_engine::{
    Changes, Fault, Forgetting, Limits, Memory, Metrics, Only, Ports, Pulse, Script, Side, Tally,
    VersionsOf, Watch, Word, run,
};
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::Instant;

use crate::model::Trails;
use crate::scenario::{Act, Consumer, Happening};
use crate::world::book::SimBook;
use crate::world::clock::SimClock;
use crate::world::held::SimHeld;
use crate::world::member::MemberLog;
use crate::world::mirror::SimMirror;
use crate::world::outlet::SimOutlet;
use crate::world::store::SimStore;
use crate::world::{Who, World};

/// One instance.
#[derive(Debug)]
struct Instance {
    who: Who,
    running: JoinHandle<Result<Counts, Fault>>,
    poller: Option<AbortHandle>,
    stop: watch::Sender<bool>,
    tally: Tally,
}

/// All instances.
#[derive(Debug)]
pub struct Cast {
    world: World,
    limits: Limits,
    consumer: Consumer,
    /// Made once: registering metrics costs more than all else here.
    metrics: Metrics,
    next: Who,
    slots: BTreeMap<usize, Instance>,
    /// Slots without an instance, and when they get one again.
    empty: BTreeMap<usize, Instant>,
    doomed: mpsc::UnboundedReceiver<Who>,
    /// What the instances of this life have counted, each until its end.
    pub counts: Vec<(Who, Counts)>,
}

/// The ports of the world for one instance.
pub fn ports(world: &World, who: Who, metrics: &Metrics) -> Ports<Trails> {
    let required = world.look(|world| world.fates.mirror_is_required());
    let care = Care { required, ..Care::default() };
    let world = || world.clone();
    Ports {
        memory: Memory::default(),
        changes: Changes::default(),
        side: Side {
            partials: Some(Arc::new(SimStore { world: world(), who })),
            edges: Some(Arc::new(SimStore { world: world(), who })),
        },
        script: Script {
            schemas: Arc::new(SimBook { world: world(), who }),
            versions_of: VersionsOf::default(),
            forgotten: Forgetting::nobody(),
            only: Only::default(),
        },
        store: Arc::new(SimStore { world: world(), who }),
        held: Arc::new(SimHeld { world: world(), who }),
        outlet: Arc::new(SimOutlet { world: world(), who }),
        word: Word::alone(),
        mirror: Some(Arc::new(Tended::new(Arc::new(SimMirror::new(world(), who)), care))),
        clock: Arc::new(SimClock(world())),
        metrics: metrics.clone(),
    }
}

impl Cast {
    /// An empty cast. `doomed` tells which instances die in a call of theirs.
    pub fn new(
        world: World,
        limits: Limits,
        consumer: Consumer,
        metrics: Metrics,
        doomed: mpsc::UnboundedReceiver<Who>,
    ) -> Self {
        let (slots, empty) = (BTreeMap::new(), BTreeMap::new());
        let counts = Vec::new();
        Self { world, limits, consumer, metrics, next: 1, slots, empty, doomed, counts }
    }

    /// Starts an instance in a slot.
    pub fn start(&mut self, slot: usize) {
        let (who, world) = (self.next, self.world.clone());
        self.next += 1;
        world.note(who, || "starts".to_owned());
        let log = MemberLog::join(world.clone(), who, self.consumer);
        let poller = log.poller();
        let (stop, stopping) = watch::channel(false);
        let tally = Tally::new(Trails::NAME, self.metrics.clone());
        let watch = Watch::new(tally.clone(), Pulse::default(), stopping);
        let ports = Arc::new(ports(&world, who, &self.metrics));
        let running = tokio::spawn(run(ports, Box::new(log), self.limits, watch));
        self.slots.insert(slot, Instance { who, running, poller, stop, tally });
    }

    /// Lets time pass until `until`; the dead are buried, and come back.
    pub async fn tend(&mut self, until: Instant) {
        loop {
            self.bury().await;
            self.revive();
            let next = self.empty.values().copied().min().unwrap_or(until).min(until);
            let next = next.min(Instant::now() + Duration::from_millis(400));
            tokio::select! {
                biased;
                Some(who) = self.doomed.recv() => self.kill(who).await,
                () = tokio::time::sleep_until(next) => {}
            }
            if Instant::now() >= until {
                return;
            }
        }
    }

    /// Does to an instance what the plan says.
    pub async fn act(&mut self, act: Act) {
        let slots: Vec<usize> = self.slots.keys().copied().collect();
        let Some(slot) = slots.get(act.slot % slots.len().max(1)).copied() else { return };
        let Some(who) = self.slots.get(&slot).map(|instance| instance.who) else { return };
        let kind = act.what.kind(self.world.look(|world| world.group.protocol()));
        self.world.note(who, || format!("FAULT {kind}"));
        self.world.look(|world| world.fates.note(kind));
        match act.what {
            Happening::Crash => self.kill(who).await,
            Happening::Zombie => self.freeze(who, self.consumer.session * 2),
            Happening::Hiccup => self.freeze(who, self.consumer.session / 3),
            Happening::Restart => self.stop(slot),
            Happening::Join => self.start(slots.last().copied().unwrap_or(0) + 1),
            Happening::Rebalance => self.world.look(|world| world.group.rebalance()),
        }
    }

    fn freeze(&self, who: Who, span: Duration) {
        self.world.look(|world| world.frozen.insert(who, Instant::now() + span));
    }

    /// The instance's tasks are dropped where they are.
    async fn kill(&mut self, who: Who) {
        let found = self.slots.iter().find(|(_, instance)| instance.who == who);
        let Some(slot) = found.map(|(slot, _)| *slot) else { return };
        let Some(instance) = self.slots.remove(&slot) else { return };
        instance.running.abort();
        if let Some(poller) = &instance.poller {
            poller.abort();
        }
        // Aborted, or at its end in the same moment.
        let _ = instance.running.await;
        self.world.note(who, || "is dead".to_owned());
        self.come_back(slot);
    }

    /// Stops an instance as it should be stopped.
    fn stop(&self, slot: usize) {
        if let Some(instance) = self.slots.get(&slot) {
            instance.stop.send_replace(true);
        }
    }

    fn come_back(&mut self, slot: usize) {
        let ms = self.world.look(|world| world.fates.between(50, 2_500));
        self.empty.insert(slot, Instant::now() + Duration::from_millis(ms));
    }

    /// Instances that came to an end by themselves are started again.
    async fn bury(&mut self) {
        let ended = self.slots.iter().filter(|(_, instance)| instance.running.is_finished());
        let ended: Vec<usize> = ended.map(|(slot, _)| *slot).collect();
        for slot in ended {
            let Some(instance) = self.slots.remove(&slot) else { continue };
            self.close(instance).await;
            self.come_back(slot);
        }
    }

    async fn close(&mut self, instance: Instance) {
        let Instance { who, running, tally, .. } = instance;
        let how = match running.await {
            Ok(Ok(_)) => "ends".to_owned(),
            Ok(Err(fault)) => format!("ends: {fault}"),
            Err(error) => format!("ends: {error}"),
        };
        self.world.note(who, || how);
        self.counts.push((who, tally.counts()));
    }

    fn revive(&mut self) {
        let now = Instant::now();
        let due = self.empty.iter().filter(|(_, at)| **at <= now).map(|(slot, _)| *slot);
        for slot in due.collect::<Vec<_>>() {
            self.empty.remove(&slot);
            self.start(slot);
        }
    }

    /// Stops everything. The instances' counts are complete afterwards.
    pub async fn dismiss(&mut self) {
        for instance in self.slots.values() {
            instance.stop.send_replace(true);
        }
        while let Some((_, instance)) = self.slots.pop_first() {
            self.close(instance).await;
        }
    }
}
