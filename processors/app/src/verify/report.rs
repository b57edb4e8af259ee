//! What a verification finds, told to a person, and written for a machine.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Result;
use indicatif::ProgressBar;
use readmill_core::Collection;
use readmill_engine::mirror::Spot;
use readmill_engine::verify::{Departure, Finding, Kind, Sight, Subject, Summary, Told, Undecided};
use serde_json::{Value, json};

use crate::bars::{pace, spinner};
use crate::exit::{Exit, Failure};
use crate::out;

/// So many findings are named for a person.
const NAMED: usize = 20;

/// How it is to be told.
#[derive(Debug, Clone, Default)]
pub struct Manner {
    /// With the values that differ.
    pub values: bool,
    /// As one JSON object.
    pub json: bool,
    /// And all of it into this file.
    pub file: Option<PathBuf>,
    /// The generation that is compared, where there may be several.
    pub generation: Option<u32>,
    /// By which seed a sample was drawn.
    pub seed: Option<u32>,
}

/// With what it is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum With {
    /// A fresh fold of so many records.
    Fold {
        /// How many.
        records: u64,
    },
    /// Another generation.
    Generation(u32),
    /// What their origin says.
    Origin,
}

/// Who is told.
#[derive(Debug)]
pub struct Report {
    model: &'static str,
    generation: Option<u32>,
    /// By which a sample was drawn.
    seed: Option<u32>,
    values: bool,
    json: bool,
    named: usize,
    /// Findings as they are named in the one object that `--json` prints.
    shown: Vec<Value>,
    file: Option<BufWriter<File>>,
    /// What could not be written, once.
    broken: Option<std::io::Error>,
    /// What is shown of progress.
    pub bar: ProgressBar,
    since: Instant,
}

impl Report {
    /// Nothing is found yet.
    ///
    /// # Errors
    /// When the file for it cannot be made.
    pub fn new(model: &'static str, manner: &Manner) -> Result<Self> {
        let bar = spinner(manner.json);
        let file = manner.file.as_deref().map(create).transpose()?;
        Ok(Self {
            model,
            generation: manner.generation,
            seed: manner.seed,
            values: manner.values,
            json: manner.json,
            named: 0,
            shown: Vec::new(),
            file,
            broken: None,
            bar,
            since: Instant::now(),
        })
    }

    /// Notes what is told on the way.
    pub fn note(&mut self, told: &Told<'_>) {
        match told {
            Told::Progress(summary) => self.progress(summary),
            Told::Found(finding) => self.found(finding),
            Told::Open(subject, why) => self.open(subject, *why),
            Told::Mended(subject, done) => self.mended(subject, *done),
        }
    }

    fn progress(&self, summary: &Summary) {
        let Summary { documents, .. } = summary;
        let (found, open) = (summary.findings(), summary.open());
        self.bar.set_message(format!(
            "documents compared: {}; {found} differ, {open} not decided",
            pace(*documents, self.since)
        ));
    }

    fn found(&mut self, finding: &Finding) {
        let Finding { kind, subject, departures } = finding;
        let mut line = object(self.model, kind.name(), subject);
        let paths: Vec<&str> = departures.iter().map(|one| one.path.as_str()).collect();
        line["paths"] = json!(paths);
        if self.values {
            line["values"] = departures.iter().map(valued).collect();
        }
        self.named += 1;
        if self.named <= NAMED {
            self.shown.push(line.clone());
        }
        self.write(&line);
        if !self.json {
            self.name(*kind, subject, departures);
        }
    }

    fn name(&self, kind: Kind, subject: &Subject, departures: &[Departure]) {
        if self.named > NAMED {
            if self.named == NAMED + 1 {
                self.bar.suspend(|| out::line("and more: --report has them all"));
            }
            return;
        }
        let paths: Vec<&str> = departures.iter().map(|one| one.path.as_str()).collect();
        let mut text = format!("{:<11} {:<8} {}", kind.name(), subject.sort(), name(subject));
        if !paths.is_empty() {
            text += &format!("  {}", paths.join(", "));
        }
        self.bar.suspend(|| {
            out::line(text);
            for Departure { path, left, right } in departures.iter().filter(|_| self.values) {
                let shown = |value: &Option<Value>| {
                    value.as_ref().map_or_else(|| "nothing".to_owned(), Value::to_string)
                };
                out::line(format!("    {path}: is {}, should be {}", shown(left), shown(right)));
            }
        });
    }

    fn open(&mut self, subject: &Subject, why: Undecided) {
        let mut line = object(self.model, "undecided", subject);
        line["why"] = why.name().into();
        self.write(&line);
    }

    fn mended(&mut self, subject: &Subject, done: bool) {
        let kind = if done { "mended" } else { "not_mended" };
        let line = object(self.model, kind, subject);
        self.write(&line);
    }

    fn write(&mut self, line: &Value) {
        if let Some(file) = &mut self.file
            && let Err(error) = writeln!(file, "{line}")
        {
            self.file = None;
            self.broken = Some(error);
        }
    }

    /// Tells what it came to.
    ///
    /// # Errors
    /// When the report could not be written.
    pub fn finish(mut self, summary: &Summary, with: With) -> Result<Exit> {
        self.bar.finish_and_clear();
        let mut whole = summarised(self.model, summary, with);
        if let Some(generation) = self.generation {
            whole["generation"] = generation.into();
        }
        match with {
            With::Fold { records } => whole["folded"] = records.into(),
            With::Generation(other) => whole["against"] = other.into(),
            With::Origin => {}
        }
        if let Some(seed) = self.seed {
            whole["seed"] = seed.into();
        }
        self.write(&whole);
        let flushed = self.file.take().map_or(Ok(()), |mut file| file.flush());
        if let Some(error) = self.broken.or(flushed.err()) {
            let told = format!("the report cannot be written: {error}");
            return Err(Failure::new(Exit::Service, told, "name a file with room").into());
        }
        if self.json {
            whole["first"] = self.shown.into();
            out::line(whole.to_string());
        } else {
            tell(self.model, summary, with);
            if let Some(seed) = self.seed {
                out::line(format!("the sample was drawn with --seed {seed}"));
            }
        }
        let left = summary.findings() > 0 && summary.mended < summary.findings();
        Ok(if left { Exit::Differs } else { Exit::Done })
    }
}

fn valued(departure: &Departure) -> Value {
    let Departure { path, left, right } = departure;
    json!({ "path": path, "is": left, "should_be": right })
}

fn create(path: &Path) -> Result<BufWriter<File>> {
    let file = File::create(path).map_err(|error| {
        let told = format!("{} cannot be written: {error}", path.display());
        Failure::new(Exit::Service, told, "name a file in a directory that you may write")
    })?;
    Ok(BufWriter::new(file))
}

fn object(model: &str, kind: &str, subject: &Subject) -> Value {
    let mut line = json!({ "model": model, "kind": kind, "sort": subject.sort() });
    if let Some(key) = subject.key() {
        line["key"] = key.as_str().into();
    }
    match subject {
        Subject::Document(_) => {}
        Subject::Copy { embedded, .. } | Subject::Edge { embedded, .. } => {
            line["embedded"] = embedded.as_str().into();
        }
        Subject::Group { rollup, group } => {
            line["rollup"] = (*rollup).into();
            line["group"] = group.to_string().into();
        }
        Subject::View { spot, .. } => line["spot"] = spot_name(spot).into(),
    }
    line
}

fn name(subject: &Subject) -> String {
    match subject {
        Subject::Document(key) => key.to_string(),
        Subject::Copy { of, embedded } | Subject::Edge { of, embedded } => {
            format!("of {embedded} in {of}")
        }
        Subject::Group { rollup, group } => format!("{rollup}/{group}"),
        Subject::View { key, spot } => format!("{key} in {}", spot_name(spot)),
    }
}

fn spot_name(spot: &Spot) -> String {
    match spot {
        Spot::Own => "hash".to_owned(),
        Spot::Json => "json".to_owned(),
        Spot::In(Collection::Set(name)) => format!("set {name}"),
        Spot::In(Collection::Sorted(name)) => format!("sorted {name}"),
    }
}

fn summarised(model: &str, summary: &Summary, with: With) -> Value {
    let kinds: BTreeMap<&str, u64> =
        Kind::ALL.iter().map(|kind| (kind.name(), summary.of_kind(*kind))).collect();
    let mut found: BTreeMap<&str, BTreeMap<&str, u64>> = BTreeMap::new();
    for ((sort, kind), many) in &summary.found {
        found.entry(sort).or_default().insert(kind.name(), *many);
    }
    let mut undecided: BTreeMap<&str, BTreeMap<&str, u64>> = BTreeMap::new();
    for ((sort, why), many) in &summary.undecided {
        undecided.entry(sort).or_default().insert(why.name(), *many);
    }
    let Summary { documents, moved, groups, edges, views, mended, not_mended, .. } = summary;
    let mut whole = json!({
        "model": model, "kind": "summary", "documents": documents, "moved": moved,
        "kinds": kinds, "found": found, "findings": summary.findings(), "undecided": undecided,
        "open": summary.open(), "mended": mended, "not_mended": not_mended,
    });
    if with != With::Origin {
        let Summary { left, right, at_sight: Sight { only_left, only_right, other }, .. } = summary;
        whole["at_sight"] =
            json!({ "only_left": only_left, "only_right": only_right, "other": other });
        let beside = [("groups", groups), ("edges", edges), ("views", views)];
        for (name, many) in [("left", left), ("right", right)].into_iter().chain(beside) {
            whole[name] = (*many).into();
        }
    }
    whole
}

fn tell(model: &str, summary: &Summary, with: With) {
    let Summary { documents, groups, edges, views, .. } = summary;
    let with = match with {
        With::Fold { records } => format!("a fold of {records} records"),
        With::Generation(other) => format!("generation {other}"),
        With::Origin => {
            out::line(format!("{model}: {documents} documents compared with their origin"));
            return tell_found(summary);
        }
    };
    out::line(format!(
        "{model}: {documents} documents, {groups} groups of roll-ups, {edges} edges and {views} \
         views compared with {with}"
    ));
    let Summary { left, right, at_sight: Sight { only_left, only_right, other }, .. } = summary;
    out::line(format!(
        "{left} documents live here, {right} there; at first sight {only_left} only here, \
         {only_right} only there, and {other} had come to something else"
    ));
    tell_found(summary);
}

fn tell_found(summary: &Summary) {
    let Summary { moved, mended, not_mended, .. } = summary;
    if *moved > 0 {
        out::line(format!("{moved} documents had moved on meanwhile, and are equal as well"));
    }
    for ((sort, kind), many) in &summary.found {
        out::line(format!("  {:<11} {many:>9} {sort}", kind.name()));
    }
    for ((sort, why), many) in &summary.undecided {
        out::line(format!("  {:<11} {many:>9} {sort}: {}", "undecided", because(*why)));
    }
    if mended + not_mended > 0 {
        out::line(format!("{mended} were mended, {not_mended} were not: look again, or rebuild"));
    }
    if summary.findings() == 0 {
        out::line("nothing differs");
    }
}

const fn because(why: Undecided) -> &'static str {
    match why {
        Undecided::Held => "a record of it is held, or was dealt with by a person",
        Undecided::NoHistory => "the log does not have its beginning any more",
        Undecided::Expired => "its documents expire",
        Undecided::Unordered => "records came too late in the fold that it is compared with",
        Undecided::Restless => "it did not come to rest in time",
        Undecided::Forgotten => "it counts what somebody did who was forgotten later",
        Undecided::Behind => "the log, or the model, has not come so far in time",
    }
}
