//! Where each partition of an archive is to be resumed, kept in one small file.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use readmill_core::{Finished, Partition, ResumeAt};
use readmill_engine::Fault;
use serde::{Deserialize, Serialize};

use super::error;
use super::local::replace;

const FILE: &str = "positions.json";
/// At most so many bytes a partition tell what is finished beyond its position.
const FINISHED_BYTES: usize = 16 << 10;
const START_OVER: &str = "remove it to read from the beginning: what is folded is recognised and \
                          not folded twice; or use another state directory";

/// The positions, and the file that keeps them.
#[derive(Debug)]
pub struct Positions {
    path: PathBuf,
    stored: Stored,
    changed: bool,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    /// The archive's id: positions mean nothing in another archive.
    archive: String,
    resume_at: BTreeMap<String, BTreeMap<i32, i64>>,
    /// What is finished beyond, where that is anything.
    #[serde(default)]
    finished: BTreeMap<String, BTreeMap<i32, String>>,
}

impl Positions {
    /// Reads what was kept for the archive with this id.
    ///
    /// # Errors
    /// When the file is damaged or belongs to another archive.
    pub fn open(state_dir: &Path, archive: &str) -> Result<Self, Fault> {
        fs::create_dir_all(state_dir).map_err(|error| error::io(state_dir, &error))?;
        let path = state_dir.join(FILE);
        let stored = match fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Stored {
                archive: archive.to_owned(),
                resume_at: BTreeMap::new(),
                finished: BTreeMap::new(),
            },
            read => {
                let text = read.map_err(|error| error::io(&path, &error))?;
                serde_json::from_slice::<Stored>(&text).map_err(|error| {
                    error::damaged(&path, format!("it holds no positions: {error}"), START_OVER)
                })?
            }
        };
        if stored.archive != archive {
            let detail = "it holds the positions of another archive";
            return Err(error::damaged(&path, detail, START_OVER));
        }
        Ok(Self { path, stored, changed: false })
    }

    /// Where a partition is to be resumed, and what is finished beyond.
    pub fn get(&self, partition: &Partition) -> (ResumeAt, Finished) {
        let (topic, index) = (&*partition.topic, &partition.index);
        let kept = self.stored.resume_at.get(topic).and_then(|topic| topic.get(index));
        let Some(resume_at) = kept.map(|value| ResumeAt::stored(*value)) else {
            return (ResumeAt::START, Finished::default());
        };
        let text = self.stored.finished.get(topic).and_then(|topic| topic.get(index));
        let finished = text.map(|text| Finished::from_text(text, resume_at));
        (resume_at, finished.unwrap_or_default())
    }

    /// Notes where a partition is to be resumed, and what is finished beyond.
    pub fn set(&mut self, partition: &Partition, resume_at: ResumeAt, finished: &Finished) {
        let topic = partition.topic.to_string();
        let before = self.stored.resume_at.entry(topic.clone()).or_default();
        self.changed |=
            before.insert(partition.index, resume_at.value()) != Some(resume_at.value());
        let text = finished.to_text(resume_at, FINISHED_BYTES);
        let before = self.stored.finished.entry(topic).or_default();
        self.changed |= if text.is_empty() {
            before.remove(&partition.index).is_some()
        } else {
            before.insert(partition.index, text.clone()) != Some(text)
        };
    }

    /// Keeps what has changed since the last time.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&mut self) -> Result<(), Fault> {
        if self.changed {
            let text = serde_json::to_vec(&self.stored).map_err(std::io::Error::other);
            text.and_then(|text| replace(&self.path, &text))
                .map_err(|error| error::io(&self.path, &error))?;
            self.changed = false;
        }
        Ok(())
    }
}
