//! Where each partition of an archive is to be resumed, kept in one small file.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use readmill_core::{Partition, ResumeAt};
use readmill_engine::Fault;
use serde::{Deserialize, Serialize};

use super::error;
use super::writer::replace;

const FILE: &str = "positions.json";
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
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                Stored { archive: archive.to_owned(), resume_at: BTreeMap::new() }
            }
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

    /// Where a partition is to be resumed.
    pub fn get(&self, partition: &Partition) -> ResumeAt {
        let topic = self.stored.resume_at.get(&*partition.topic);
        let kept = topic.and_then(|topic| topic.get(&partition.index));
        kept.map_or(ResumeAt::START, |value| ResumeAt::stored(*value))
    }

    /// Notes where a partition is to be resumed.
    pub fn set(&mut self, partition: &Partition, resume_at: ResumeAt) {
        let topic = self.stored.resume_at.entry(partition.topic.to_string()).or_default();
        let before = topic.insert(partition.index, resume_at.value());
        self.changed |= before != Some(resume_at.value());
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
