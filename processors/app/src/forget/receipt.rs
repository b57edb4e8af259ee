//! What is written down of a forgetting: what was erased and what is left elsewhere, and nothing of
//! the persons but their digests.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use readmill_core::forgotten::PersonTag;
use readmill_engine::Erased;
use readmill_schemas::Timestamp;
use serde_json::{Value, json};

use super::archive::OfArchive;
use super::log::OfTopic;
use crate::cli::ForgetArgs;
use crate::out;

/// What came of it.
#[derive(Debug)]
pub struct Receipt {
    digests: Vec<PersonTag>,
    begun_ms: i64,
    /// What was erased of models.
    pub models: Vec<OfGeneration>,
    /// What archives lost.
    pub archives: Vec<OfArchive>,
    /// What the log still says of them.
    pub log: Vec<OfTopic>,
    /// When it was done.
    pub done_ms: i64,
}

/// What was erased of a generation of a model.
#[derive(Debug)]
pub struct OfGeneration {
    /// The model.
    pub model: &'static str,
    /// The generation.
    pub generation: u32,
    /// What.
    pub erased: Erased,
}

impl Receipt {
    /// One on which nothing stands yet.
    pub fn new(digests: &[PersonTag], begun_ms: i64) -> Self {
        let digests = digests.to_vec();
        let (models, archives, log) = (Vec::new(), Vec::new(), Vec::new());
        Self { digests, begun_ms, models, archives, log, done_ms: 0 }
    }

    /// Prints it, and writes it where that was asked.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn hand_over(&self, args: &ForgetArgs) -> Result<()> {
        let written = self.written();
        if let Some(path) = &args.receipt {
            write(path, &written)?;
        }
        if args.json {
            out::line(written.to_string());
            return Ok(());
        }
        for topic in self.log.iter().filter(|topic| topic.records > 0) {
            out::line(topic.words());
        }
        let many = self.digests.len();
        out::line(format!("{many} forgotten: every later fold of the log is without them"));
        if self.log.iter().any(|topic| topic.records > 0) {
            out::line("what the log has, only the log can lose: see docs/forget.md");
        }
        Ok(())
    }

    fn written(&self) -> Value {
        let models = self.models.iter().map(|OfGeneration { model, generation, erased }| {
            let Erased { looked_at, documents, rewritten, held, partials, edges, views } = *erased;
            json!({
                "model": model, "generation": generation, "looked_at": looked_at,
                "documents": documents, "rewritten": rewritten, "held": held,
                "partials": partials, "edges": edges, "views": views,
            })
        });
        let models: Vec<Value> = models.collect();
        let archives: Vec<Value> = self.archives.iter().map(OfArchive::written).collect();
        let log: Vec<Value> = self.log.iter().map(OfTopic::written).collect();
        let digests: Vec<String> = self.digests.iter().map(|digest| digest.to_text()).collect();
        let [begun, done] = [self.begun_ms, self.done_ms].map(Timestamp::from_millis);
        json!({
            "forgotten": digests, "begun_at": begun.to_string(), "done_at": done.to_string(),
            "models": models, "archives": archives, "log": log,
        })
    }
}

fn write(path: &Path, written: &Value) -> Result<()> {
    fs::write(path, format!("{written:#}\n"))
        .with_context(|| format!("the receipt cannot be written to {}", path.display()))
}

/// What was erased, in words.
pub fn words(erased: &Erased) -> String {
    let Erased { looked_at, documents, rewritten, held, partials, edges, views } = *erased;
    let all = [
        (documents, "documents erased"),
        (rewritten, "documents go on without them"),
        (held, "held records gone"),
        (partials, "groups gone or without them"),
        (edges, "edges gone"),
        (views, "views gone"),
    ];
    let found: Vec<String> = all
        .iter()
        .filter(|(many, _)| *many > 0)
        .map(|(many, what)| format!("{many} {what}"))
        .collect();
    if found.is_empty() {
        return format!("nothing of them in {looked_at} documents");
    }
    found.join(", ")
}
