//! Rules about several definitions: what belongs to one of them alone.

use std::collections::BTreeMap;

use super::sight::{Sight, Source};
use super::table::{
    FILE_SHARED, HISTORY_SHARED, NAME_SHARED, PREFIX_SHARED, SERVER_ID_SHARED, SLOT_SHARED,
};
use super::{Finding, Rule};
use crate::connect::definition::Definition;

/// A thing that only one connector may have.
struct Single {
    rule: &'static Rule,
    option: &'static str,
    /// Within what it must be the only one.
    within: &'static [&'static str],
}

static SINGLES: [Single; 5] = [
    Single { rule: &FILE_SHARED, option: "file", within: &[] },
    Single { rule: &PREFIX_SHARED, option: "topic.prefix", within: &[] },
    // A slot's name is one of the whole server, whatever the database.
    Single {
        rule: &SLOT_SHARED,
        option: "slot.name",
        within: &["database.hostname", "database.port"],
    },
    Single {
        rule: &SERVER_ID_SHARED,
        option: "database.server.id",
        within: &["database.hostname", "database.port"],
    },
    Single {
        rule: &HISTORY_SHARED,
        option: "schema.history.internal.kafka.topic",
        within: &["schema.history.internal.kafka.bootstrap.servers"],
    },
];

/// Judges definitions that are to run side by side; each finding has the place of the definition
/// that came second.
pub fn judge_together(definitions: &[Definition]) -> Vec<(usize, Finding)> {
    let mut found = Vec::new();
    let mut names: BTreeMap<&str, usize> = BTreeMap::new();
    for (at, definition) in definitions.iter().enumerate() {
        if let Some(first) = names.insert(&definition.name, at) {
            let what = format!("{} has the same name", place(definitions, first));
            let mend = "give it another \"name\"".to_owned();
            found.push((at, Finding { rule: &NAME_SHARED, what, mend }));
        }
    }
    for single in &SINGLES {
        let mut taken: BTreeMap<Vec<&str>, usize> = BTreeMap::new();
        for (at, definition) in definitions.iter().enumerate() {
            let sight = Sight::new(definition);
            let known = sight.source() != Source::Other && definition.unset.is_empty();
            let Some(value) = sight.get(single.option).filter(|_| known) else { continue };
            let within = single.within.iter().map(|option| sight.get(option).unwrap_or_default());
            let Some(first) = taken.insert(within.chain([value]).collect(), at) else { continue };
            let what = format!("{} is that of {}", single.option, place(definitions, first));
            let mend = format!("give {} a value of its own", single.option);
            found.push((at, Finding { rule: single.rule, what, mend }));
        }
    }
    found
}

fn place(definitions: &[Definition], at: usize) -> String {
    definitions.get(at).map(|definition| definition.file.clone()).unwrap_or_default()
}
