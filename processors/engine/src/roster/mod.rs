//! The roster of a model: which generations of it there are, and whose documents readers see.
//!
//! It stands beside the documents and is changed by compare-and-set, by persons' commands and by
//! instances alike. Everything that it decides is decided here, without any clock.

mod seat;
#[cfg(test)]
mod tests;

use std::fmt;

use readmill_core::kept::{Kept, KeptAsDocuments};
use readmill_core::{Partition, Position, ReadModel};
use readmill_schemas::Events as _;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

pub use seat::{Seat, Seats, Table, Works};

/// The places of partitions: in each, the offset at which reading would go on.
pub type Places = Vec<(Partition, i64)>;

/// So many generations of a model may stand.
pub const LIMIT_GENERATIONS: usize = 8;

/// The generations of a model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Roster {
    /// Whose documents readers see.
    pub live: u32,
    /// Whose they saw before, for a rollback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<u32>,
    /// All that stand, by their numbers.
    pub generations: Vec<Generation>,
    /// Who tells reactions, each from some places on; the latest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub speakers: Vec<Speaker>,
    /// A change of the live generation that is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handover: Option<Handover>,
    /// The highest number that a generation ever had: it is no other's, whose positions may stand.
    #[serde(default)]
    pub highest: u32,
    /// How often persons were forgotten here: who knows of fewer times reads again who is.
    #[serde(default)]
    pub forgettings: u64,
}

/// One fold of a model over one set of inputs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generation {
    /// Its number.
    pub number: u32,
    /// What it is folded by.
    pub fingerprint: Fingerprint,
    /// When it was begun, in milliseconds since 1970: for people.
    pub begun_ms: i64,
    /// Where its log was begun, in words: for people.
    pub from: String,
    /// Whether whoever begins it has not said yet where its log begins: until then nobody folds it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub preparing: bool,
    /// Whether it rests, as a person asked.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
    /// When it was last found equal to the live one, or to a fresh fold, in milliseconds since
    /// 1970, and how that was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified: Option<Verified>,
    /// How often persons had been forgotten when it was begun: of those it has counted nothing.
    #[serde(default)]
    pub forgettings: u64,
}

/// That a generation was found right.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verified {
    /// When, in milliseconds since 1970.
    pub at_ms: i64,
    /// Against what, and how much of it.
    pub how: String,
}

/// What documents depend on beside the records: another fingerprint may make other documents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// The version of the fold.
    pub fold: u32,
    /// A digest of the contracts by which events are read.
    pub contracts: String,
    /// The topics, sorted.
    pub topics: Vec<String>,
}

/// Who tells reactions from some places on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Speaker {
    /// The generation.
    pub generation: u32,
    /// From where on; of partitions that are not named, from the first record on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub from: Places,
}

/// A change of the live generation that is under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Handover {
    /// To whom.
    pub to: u32,
    /// How far it is.
    pub stage: Stage,
    /// One more with every sign of life of whoever does it.
    pub beat: u64,
}

/// How far a change of the live generation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The next one rests, until the live one is not behind it: what it has told nobody of is told
    /// by the live one.
    Gather,
    /// Both rest, until it is known where the live one stands.
    Yield,
    /// The next one goes on to where the live one stands, and beyond.
    Follow,
    /// Nobody answers readers, so that no two instances answer from different generations.
    Switch,
    /// All rest while it is noted that a person is forgotten: who is live then, stays so.
    Forget,
}

/// Why a roster cannot be changed so, in words for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal(pub String);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Kept for Roster {
    const NAME: &'static str = "rosters";
    const ABOUT: &'static str = "the generations of each model";
}

/// Rosters as documents, each under its model's name.
pub type Rosters = KeptAsDocuments<Roster>;

impl Fingerprint {
    /// Of a model that is folded from these topics.
    pub fn of<M: ReadModel>(topics: &[String]) -> Self {
        let mut topics = topics.to_vec();
        topics.sort();
        let mut contracts: Vec<&str> = M::Event::CONTRACTS.iter().map(|c| c.text).collect();
        contracts.sort_unstable();
        let contracts = format!("{:016x}", xxh3_64(contracts.join("\n").as_bytes()));
        Self { fold: M::FOLD_VERSION, contracts, topics }
    }

    /// How another one differs, in words.
    pub fn difference(&self, other: &Self) -> String {
        let mut words = Vec::new();
        if self.fold != other.fold {
            words.push(format!("fold {} instead of {}", other.fold, self.fold));
        }
        if self.contracts != other.contracts {
            words.push("other contracts".to_owned());
        }
        if self.topics != other.topics {
            words.push(format!(
                "topics {} instead of {}",
                listed(&other.topics),
                listed(&self.topics)
            ));
        }
        words.join(", ")
    }
}

fn listed(topics: &[String]) -> String {
    topics.join(" and ")
}

impl Roster {
    /// The roster of a model that is folded for the first time.
    pub fn first(fingerprint: Fingerprint, now_ms: i64) -> Self {
        let first = Generation {
            number: 1,
            fingerprint,
            begun_ms: now_ms,
            from: "the beginning".to_owned(),
            preparing: false,
            paused: false,
            verified: None,
            forgettings: 0,
        };
        let speakers = vec![Speaker { generation: 1, from: Vec::new() }];
        Self {
            live: 1,
            before: None,
            generations: vec![first],
            speakers,
            handover: None,
            highest: 1,
            forgettings: 0,
        }
    }

    /// One generation.
    pub fn generation(&self, number: u32) -> Option<&Generation> {
        self.generations.iter().find(|generation| generation.number == number)
    }

    /// One generation, or that there is none.
    ///
    /// # Errors
    /// Which ones there are.
    pub fn standing(&self, number: u32) -> Result<&Generation, Refusal> {
        self.generation(number).ok_or_else(|| {
            let numbers: Vec<String> =
                self.generations.iter().map(|other| other.number.to_string()).collect();
            Refusal(format!("there is no generation {number}; there are {}", numbers.join(", ")))
        })
    }

    /// Changes one generation.
    ///
    /// # Errors
    /// When it does not stand.
    pub fn change(
        &mut self,
        number: u32,
        change: impl FnOnce(&mut Generation),
    ) -> Result<(), Refusal> {
        self.standing(number)?;
        if let Some(found) = self.generations.iter_mut().find(|other| other.number == number) {
            change(found);
        }
        Ok(())
    }

    /// Begins a new generation, and answers its number: it was never another's.
    ///
    /// # Errors
    /// When as many stand as may.
    pub fn begin(
        &mut self,
        fingerprint: Fingerprint,
        from: String,
        now_ms: i64,
    ) -> Result<u32, Refusal> {
        if self.generations.len() >= LIMIT_GENERATIONS {
            return Err(Refusal(format!("{LIMIT_GENERATIONS} generations stand: drop one first")));
        }
        if self.handover.as_ref().is_some_and(|handover| handover.stage == Stage::Forget) {
            return Err(Refusal("a person is being forgotten: wait for that".to_owned()));
        }
        let numbers = self.generations.iter().map(|generation| generation.number);
        let spoken = self.speakers.iter().map(|speaker| speaker.generation);
        let number = numbers.chain(spoken).max().unwrap_or(0).max(self.highest) + 1;
        self.highest = number;
        self.generations.push(Generation {
            number,
            fingerprint,
            begun_ms: now_ms,
            from,
            preparing: false,
            paused: false,
            verified: None,
            forgettings: self.forgettings,
        });
        Ok(number)
    }

    /// Takes a generation out.
    ///
    /// # Errors
    /// When readers see it, or are about to.
    pub fn drop_out(&mut self, number: u32) -> Result<(), Refusal> {
        self.standing(number)?;
        if self.live == number {
            return Err(Refusal(format!("readers see generation {number}: swap first")));
        }
        if self.handover.is_some() {
            return Err(Refusal("a swap is under way".to_owned()));
        }
        self.generations.retain(|generation| generation.number != number);
        self.before = self.before.filter(|before| *before != number);
        Ok(())
    }

    /// All generations rest until that ends: what is heard of persons is about to change.
    ///
    /// # Errors
    /// Why that cannot be.
    pub fn rest_to_forget(&mut self) -> Result<(), Refusal> {
        if self.handover.is_some() {
            return Err(Refusal("a swap, or another forgetting, is under way".to_owned()));
        }
        // Whoever folds an archive does so by itself, and looks at no roster meanwhile.
        if let Some(begun) = self.generations.iter().find(|generation| generation.preparing) {
            let number = begun.number;
            return Err(Refusal(format!(
                "generation {number} is being begun: wait for that, or give it up"
            )));
        }
        self.handover = Some(Handover { to: self.live, stage: Stage::Forget, beat: 0 });
        Ok(())
    }

    /// Who is forgotten has changed: everybody reads it again before anything else is heard.
    pub const fn note_forgetting(&mut self) {
        self.forgettings += 1;
    }

    /// Whether a generation may have counted in roll-ups what somebody did who was forgotten later.
    pub fn counts_forgotten(&self, number: u32) -> bool {
        self.generation(number).is_some_and(|begun| begun.forgettings < self.forgettings)
    }

    /// Begins to hand over to another generation.
    ///
    /// # Errors
    /// Why that cannot be.
    pub fn hand_over(&mut self, to: u32) -> Result<(), Refusal> {
        let next = self.standing(to)?;
        if self.live == to {
            return Err(Refusal(format!("readers see generation {to} already")));
        }
        if next.preparing {
            return Err(Refusal(format!("generation {to} is not begun yet: begin it again")));
        }
        if next.paused {
            return Err(Refusal(format!("generation {to} is paused: resume it first")));
        }
        if self.handover.is_some() {
            return Err(Refusal(
                "a swap is under way; one that has died ends by itself".to_owned(),
            ));
        }
        self.handover = Some(Handover { to, stage: Stage::Gather, beat: 0 });
        Ok(())
    }

    /// The live one rests from now on, too.
    pub fn yield_live(&mut self) {
        self.stage(Stage::Yield);
    }

    /// The live one has settled everything before these places: whatever it owed to others for
    /// them is told. From there on it is the next one's to tell, and it goes on.
    pub fn pass_the_word(&mut self, from: Places) {
        let Some(Handover { to, .. }) = self.handover else { return };
        // Whoever spoke last has it until then; a word passed twice is passed once.
        self.speakers.retain(|speaker| speaker.from != from || speaker.from.is_empty());
        self.speakers.push(Speaker { generation: to, from });
        if self.speakers.len() > LIMIT_GENERATIONS {
            self.speakers.remove(0);
        }
        if let Some(first) = self.speakers.first_mut() {
            first.from.clear();
        }
        self.stage(Stage::Follow);
    }

    /// Nobody answers readers from now on.
    pub fn switch(&mut self) {
        self.stage(Stage::Switch);
    }

    /// Readers see the next one from now on. The handover goes on until its names lead to it.
    pub fn flip(&mut self) {
        if let Some(Handover { to, .. }) = self.handover
            && self.live != to
        {
            self.before = Some(self.live);
            self.live = to;
        }
    }

    /// The handover has come to its end, or is given up: whoever is live then, stays so. Before it
    /// flipped, the word goes back to who is live.
    pub fn end_handover(&mut self) {
        let Some(handover) = self.handover.take() else { return };
        if self.live != handover.to {
            let passed = self.speakers.last().is_some_and(|last| last.generation == handover.to);
            if passed && self.speakers.len() > 1 {
                self.speakers.pop();
            }
        }
    }

    /// Whoever does the handover is alive.
    pub const fn beat(&mut self) {
        if let Some(handover) = &mut self.handover {
            handover.beat += 1;
        }
    }

    fn stage(&mut self, stage: Stage) {
        if let Some(handover) = &mut self.handover {
            handover.stage = stage;
        }
    }

    /// Whether a generation is to take no more records for now.
    pub fn rests(&self, number: u32) -> bool {
        let paused = self.generation(number).is_some_and(|generation| generation.paused);
        paused
            || self.handover.as_ref().is_some_and(|handover| match handover.stage {
                Stage::Gather => number == handover.to,
                Stage::Yield | Stage::Forget => true,
                Stage::Follow | Stage::Switch => number != handover.to,
            })
    }

    /// Whether readers are to wait for an answer.
    pub fn hushes_readers(&self) -> bool {
        self.handover
            .as_ref()
            .is_some_and(|handover| handover.stage == Stage::Switch && self.live != handover.to)
    }

    /// Whether it is a generation's to tell reactions that are owed to a record. What a desk folds
    /// is the live one's.
    pub fn speaks(&self, number: u32, record: &Position) -> bool {
        if record.partition.is_held() {
            return self.live == number;
        }
        let begins = |speaker: &&Speaker| {
            let from = speaker.from.iter().find(|(partition, _)| *partition == record.partition);
            from.is_none_or(|(_, from)| record.offset.0 >= *from)
        };
        self.speakers.iter().rev().find(begins).map_or(self.live, |speaker| speaker.generation)
            == number
    }
}

/// Whether one has come to where another is, in every partition that the other names.
pub fn has_reached(one: &Places, other: &Places) -> bool {
    let place = |wanted: &Partition| {
        one.iter().find(|(partition, _)| partition == wanted).map_or(0, |(_, offset)| *offset)
    };
    other.iter().all(|(partition, offset)| place(partition) >= *offset)
}
