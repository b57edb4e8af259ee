//! The changes that `produce` and `demo` send: generated ones, or the rows of a file.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use anyhow::{Context as _, Result};
use readmill_workload::{Knobs, MissingSchema, Relay, Source, SourceRow, Table, written};

use crate::exit::{Exit, Failure};
use crate::produce::Ids;

/// Rows in the order of their commits.
pub type Rows = Box<dyn Iterator<Item = SourceRow> + Send>;

type Lines = Box<dyn Iterator<Item = std::io::Result<(u64, String)>> + Send>;

/// What is sent.
pub struct Changes {
    /// The rows.
    pub rows: Rows,
    /// How many there are.
    pub count: u64,
    /// How they are relayed.
    knobs: Knobs,
}

impl Changes {
    /// What the services of the made-up shop do.
    ///
    /// # Errors
    /// Wishes that make no sense.
    pub fn generated(knobs: &Knobs) -> Result<Self> {
        let rows = Source::new(knobs.clone()).context("the workload cannot be generated")?;
        Ok(Self { rows: Box::new(rows), count: knobs.events, knobs: knobs.clone() })
    }

    /// The rows of a file, of one table. All of it is read before anything is sent.
    ///
    /// # Errors
    /// The first line that is no row, or a file that cannot be read.
    pub fn written(file: &Path, table: Table) -> Result<Self> {
        let count = lines(file)?.try_fold(0, |count, line| match line {
            Ok((number, line)) => match written::row(table, number, &line) {
                Ok(_) => Ok(count + 1),
                Err(misread) => Err(told(file, &format!("{number}: {misread}"))),
            },
            Err(error) => Err(told(file, &format!(" {error}"))),
        })?;
        // What was read once is read again: a line that has changed meanwhile is left out.
        let rows = lines(file)?.filter_map(move |line| {
            let (number, line) = line.ok()?;
            written::row(table, number, &line).ok()
        });
        let knobs = Knobs { duplicates_per_mille: 0, swaps_per_mille: 0, ..Knobs::default() };
        Ok(Self { rows: Box::new(rows), count, knobs })
    }

    /// As a relay publishes them, to so many partitions.
    ///
    /// # Errors
    /// A schema without an id.
    pub fn relayed(self, partitions: u32, ids: &Ids) -> Result<Relay<Rows>, MissingSchema> {
        Relay::new(self.rows, &self.knobs, partitions, &|name| ids.get(name).copied())
    }
}

/// The lines of a file that are not empty, with their numbers.
fn lines(file: &Path) -> Result<Lines> {
    let opened = File::open(file).map_err(|error| told(file, &format!(" {error}")))?;
    let numbered = (1..).zip(BufReader::new(opened).lines());
    let numbered = numbered.map(|(number, line)| Ok((number, line?)));
    let is_row = |line: &std::io::Result<(u64, String)>| match line {
        Ok((_, text)) => !text.trim().is_empty(),
        Err(_) => true,
    };
    Ok(Box::new(numbered.filter(is_row)))
}

fn told(file: &Path, what: &str) -> anyhow::Error {
    let hint = "a line is {\"aggregate\": …, \"version\": …, \"event\": {\"<contract>\": {…}}}";
    Failure::new(Exit::Usage, format!("{}:{what}", file.display()), hint).into()
}
