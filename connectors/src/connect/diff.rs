//! How a definition differs from what runs.

use std::collections::{BTreeMap, BTreeSet};

use super::definition::Definition;

/// What becomes of one option; values are as they may be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// It is new.
    Set(String),
    /// It has another value.
    Replace(String, String),
    /// It is gone.
    Remove(String),
}

/// One option that differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The option.
    pub option: String,
    /// What becomes of it.
    pub change: Change,
}

/// What would change if the definition replaced what runs; secrets are masked.
pub fn differences(running: &BTreeMap<String, String>, definition: &Definition) -> Vec<Difference> {
    let options: BTreeSet<&String> = running.keys().chain(definition.options.keys()).collect();
    let shown = |option: &str, value: &str| definition.secrets.shown(option, value);
    let change = |option: &String| match (running.get(option), definition.options.get(option)) {
        (Some(old), Some(new)) if old == new => None,
        (Some(old), Some(new)) => Some(Change::Replace(shown(option, old), shown(option, new))),
        (None, Some(new)) => Some(Change::Set(shown(option, new))),
        (Some(old), None) => Some(Change::Remove(shown(option, old))),
        (None, None) => None,
    };
    options
        .into_iter()
        .filter(|option| *option != "name")
        .filter_map(|option| change(option).map(|change| (option.clone(), change)))
        .map(|(option, change)| Difference { option, change })
        .collect()
}
