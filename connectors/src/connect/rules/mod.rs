//! The rules that definitions are judged by; pure, so that each can be shown to fire.

mod content;
mod database;
mod facts;
#[cfg(test)]
mod facts_tests;
mod order;
mod shape;
mod sight;
mod sink;
#[cfg(test)]
mod sink_tests;
mod table;
#[cfg(test)]
mod tests;
mod together;
mod wire;

use std::collections::BTreeSet;

use super::definition::Definition;
pub use facts::{Facts, Publication, Slot, Table, judge_with};
pub use sight::POSTGRES;
use sight::{Sight, Source};
pub use table::{RULES, Rule, Severity};
pub use together::judge_together;

/// A rule that is broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The rule.
    pub rule: &'static Rule,
    /// What was found.
    pub what: String,
    /// What mends it: an option with its value, or what to do with one.
    pub mend: String,
}

/// What is found in one definition.
#[derive(Debug, Default)]
pub(super) struct Findings(Vec<Finding>);

impl Findings {
    fn note(&mut self, rule: &'static Rule, what: impl Into<String>, mend: impl Into<String>) {
        self.0.push(Finding { rule, what: what.into(), mend: mend.into() });
    }
}

/// How an option is set, as it stands in a definition.
fn set(option: &str, value: &str) -> String {
    format!("\"{option}\": \"{value}\"")
}

/// Judges one definition; errors come first.
pub fn judge(definition: &Definition) -> Vec<Finding> {
    let mut found = Findings::default();
    for option in &definition.exposed {
        let what = format!("{option} is written out");
        let mend = set(option, "${env:NAME}") + ", or ${file:PATH}";
        found.note(&table::SECRET_IN_FILE, what, mend);
    }
    let unset: BTreeSet<&(String, String)> = definition.unset.iter().collect();
    for (option, why) in &unset {
        let mend = "set the variable, in the environment, by --env-file or by --set".to_owned();
        found.note(&table::PLACEHOLDER_UNSET, format!("{option}: {why}"), mend);
    }
    // What is not known yet is not judged: it would be judged wrongly.
    if unset.is_empty() {
        let sight = Sight::new(definition);
        judge_options(&sight, &mut found);
    }
    let mut found = found.0;
    found.sort_by_key(|finding| finding.rule.severity);
    found
}

fn judge_options(sight: &Sight<'_>, found: &mut Findings) {
    match sight.source() {
        Source::Postgres => database::postgres(sight, found),
        Source::MariaDb | Source::MySql => database::binlog(sight, found),
        Source::FileSink | Source::JdbcSink => return sink::judge(sight, found),
        Source::Other => {
            let class = sight.get("connector.class").unwrap_or("no connector.class");
            let mend = set("connector.class", sight::POSTGRES) + ", or another one that is known";
            found.note(&table::CLASS_UNJUDGED, format!("{class} is not known"), mend);
            return;
        }
    }
    database::any(sight, found);
    order::judge(sight, found);
    shape::judge(sight, found);
    content::judge(sight, found);
    wire::judge(sight, found);
}
