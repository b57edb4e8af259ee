//! The partitions of one consumer: what each still waits for, and what is settled of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::{Offset as KafkaOffset, TopicPartitionList};
use readmill_core::{Partition, ResumeAt};
use readmill_engine::Record;
use readmill_engine::feed::{Back, Feed};

use super::line::{Assigned, Commit, Draining, Running, Track};
use super::pace::LesserPace;

const DRAIN_STEP: Duration = Duration::from_millis(2);

/// All partitions that are ours.
#[derive(Debug)]
pub struct Lines {
    track: Arc<Track>,
    running: BTreeMap<Partition, Running>,
    /// How fast the work of lanes is done that give way.
    pace: LesserPace,
    /// The partition in such a lane that was last handed on.
    last: Option<Partition>,
    /// How far the partitions had come that this process had before.
    left_at: BTreeMap<Partition, ResumeAt>,
}

/// What backpressure asks of the consumer.
#[derive(Debug, Default)]
pub struct Valves {
    /// Partitions to stop fetching.
    pub pause: Vec<Partition>,
    /// Partitions to fetch again.
    pub resume: Vec<Partition>,
}

impl Lines {
    /// No partitions yet.
    pub const fn new(track: Arc<Track>) -> Self {
        Self {
            track,
            running: BTreeMap::new(),
            pace: LesserPace::new(),
            last: None,
            left_at: BTreeMap::new(),
        }
    }

    /// Begins with a partition that was assigned.
    pub fn run(&mut self, assigned: Assigned) -> Feed {
        let partition = assigned.partition.clone();
        let (line, worker) = assigned.run(Arc::clone(&self.track));
        if let Some(before) = self.running.insert(partition, line) {
            before.abandon();
        }
        worker
    }

    /// Partitions whose workers want to begin anew at an earlier place.
    pub fn going_back(&self) -> Vec<(Partition, Back)> {
        let back = |(partition, line): (&Partition, &Running)| {
            Some((partition.clone(), line.goes_back()?))
        };
        self.running.iter().filter_map(back).collect()
    }

    /// Takes a polled record; one of a partition that is not ours (any more) is dropped: whoever
    /// owns it reads it. Answers whether a batch is complete.
    pub fn push(&mut self, record: Record) -> bool {
        let line = self.running.get_mut(&record.position.partition);
        line.is_some_and(|line| line.push(record))
    }

    /// Hands polled records on, as far as the workers and the lanes have room, and says which
    /// partitions are to be paused or fetched again.
    pub fn hand_on(&mut self, now: Instant) -> Valves {
        self.tell_lanes(now);
        self.look_at_pace(now);
        let mut valves = Valves::default();
        for partition in self.in_turn() {
            let Some(line) = self.running.get_mut(&partition) else { continue };
            let before = line.work();
            let handed = line.hand_on(&mut self.pace, now);
            if line.is_lesser() && line.work() != before {
                self.last = Some(partition.clone());
            }
            match line.valve(handed) {
                Some(true) => valves.pause.push(partition),
                Some(false) => valves.resume.push(partition),
                None => {}
            }
        }
        valves
    }

    /// All partitions, so that each in a lane that gives way comes first in its turn.
    fn in_turn(&self) -> Vec<Partition> {
        let mut all = self.partitions();
        if let Some(last) = &self.last {
            let after = all.partition_point(|partition| partition <= last);
            all.rotate_left(after);
        }
        all
    }

    fn look_at_pace(&mut self, now: Instant) {
        let (mut open, mut settled) = (0, 0);
        for line in self.running.values_mut().filter_map(|line| line.is_lesser().then_some(line)) {
            let work = line.work();
            open += work.0;
            settled += work.1;
        }
        let whole = |records: i64| usize::try_from(records).unwrap_or(0);
        self.pace.look(whole(open), whole(settled) as u64, now);
    }

    /// Says in which lanes there is work, and for how long, so that lesser ones give way.
    fn tell_lanes(&mut self, now: Instant) {
        let mut busy: BTreeMap<&str, Duration> = BTreeMap::new();
        for line in self.running.values_mut() {
            let waited = line.waited(now);
            if let Some(lane) = line.lane().filter(|_| line.is_busy()) {
                let longest = busy.entry(lane).or_default();
                *longest = waited.max(*longest);
            }
        }
        self.track.lanes.note(self.track.model, &busy, now);
    }

    /// Whether something polled waits to be handed on.
    pub fn is_pending(&self) -> bool {
        self.running.values().any(Running::is_pending)
    }

    /// What has been settled since the last commit; shows what is queued, too.
    pub fn unsaved(&mut self) -> Vec<Commit> {
        self.running.values_mut().for_each(Running::show);
        self.running.values_mut().filter_map(Running::unsaved).collect()
    }

    /// Takes lines away while their partitions are ours: their workers finish what is in hand,
    /// within `limit`. Answers with what they settled.
    pub fn drain(&mut self, which: &[Partition], limit: Duration) -> Vec<Commit> {
        let lines = self.take(which).into_iter().map(Running::drain);
        let draining: Vec<Draining> = lines.collect();
        let until = Instant::now() + limit;
        while !draining.iter().all(Draining::is_released) && Instant::now() < until {
            std::thread::sleep(DRAIN_STEP);
        }
        draining.into_iter().filter_map(Draining::release).collect()
    }

    /// Lets go of partitions that were lost: nothing is waited for, nothing is committed.
    pub fn abandon(&mut self, which: &[Partition]) {
        self.take(which).into_iter().for_each(Running::abandon);
    }

    fn take(&mut self, which: &[Partition]) -> Vec<Running> {
        let mut taken = Vec::new();
        for partition in which {
            if let Some(line) = self.running.remove(partition) {
                taken.push(line);
            }
        }
        self.tell_lanes(Instant::now());
        taken
    }

    /// The partitions that run.
    pub fn partitions(&self) -> Vec<Partition> {
        self.running.keys().cloned().collect()
    }

    /// The partitions that wait since their topics have grown by them.
    pub fn growing(&mut self) -> Vec<Partition> {
        let lines = self.running.iter_mut();
        let growing =
            lines.filter_map(|(partition, line)| line.growing().map(|_| partition.clone()));
        growing.collect()
    }

    /// The partitions whose records are to come through queues of their own from now on.
    pub fn set_apart(&mut self) -> Vec<Partition> {
        let lines = self.running.iter_mut();
        lines.filter_map(|(partition, line)| line.sets_apart().then(|| partition.clone())).collect()
    }

    /// Whether a partition has room for one more record; none if it is not ours.
    pub fn has_room(&self, partition: &Partition) -> Option<bool> {
        self.running.get(partition).map(|line| !line.is_full())
    }

    /// The line of a partition.
    pub fn get(&mut self, partition: &Partition) -> Option<&mut Running> {
        self.running.get_mut(partition)
    }

    /// Remembers what the brokers have taken. What was settled and never reached them is nothing
    /// that they could forget.
    pub fn committed(&mut self, offsets: &TopicPartitionList) {
        for element in offsets.elements() {
            if let (Ok(()), KafkaOffset::Offset(at)) = (element.error(), element.offset()) {
                let partition = Partition::new(element.topic(), element.partition());
                let at = ResumeAt::stored(at);
                if let Some(line) = self.running.get_mut(&partition) {
                    line.committed(at);
                }
                self.left_at.insert(partition, at);
            }
        }
    }

    /// What this process has committed of a partition.
    pub fn left_at(&self, partition: &Partition) -> Option<ResumeAt> {
        self.left_at.get(partition).copied()
    }
}

/// Partitions as librdkafka lists them.
pub fn list_of(partitions: &[Partition]) -> TopicPartitionList {
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for partition in partitions {
        list.add_partition(&partition.topic, partition.index);
    }
    list
}

/// Partitions as we name them.
pub fn partitions_of(list: &TopicPartitionList) -> Vec<Partition> {
    list.elements()
        .iter()
        .map(|element| Partition::new(element.topic(), element.partition()))
        .collect()
}
