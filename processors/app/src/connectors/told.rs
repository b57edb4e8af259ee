//! How definitions, findings and states are told, to people and to scripts.

use std::collections::BTreeSet;

use readmill_connectors::connect::{
    Change, Definition, Difference, Finding, Severity, State, Status, Validation,
};
use serde_json::{Value, json};

use crate::config::misspelt;

/// What is known of one definition before it is applied.
pub struct Judged {
    /// The definition.
    pub definition: Definition,
    /// The rules that it breaks.
    pub findings: Vec<Finding>,
    /// What Connect refuses of it, and why.
    pub refused: Vec<(String, String)>,
    /// Options that Connect does not know, each with the one that was perhaps meant.
    pub strange: Vec<(String, String)>,
    /// Its database was to be looked at, and is of a kind that is not.
    pub unseen: bool,
}

impl Judged {
    /// Whether it breaks a rule that is an error.
    pub fn breaks_rules(&self) -> bool {
        self.findings.iter().any(|finding| finding.rule.severity == Severity::Error)
    }

    /// How many errors and warnings it has.
    pub fn counts(&self) -> (usize, usize) {
        let is_error = |finding: &&Finding| finding.rule.severity == Severity::Error;
        let errors = self.findings.iter().filter(is_error).count();
        (errors + self.refused.len(), self.findings.len() - errors + self.strange.len())
    }

    /// Notes what Connect says; secrets that it repeats are masked.
    pub fn note(&mut self, validation: Validation) {
        let Self { definition, refused, .. } = self;
        let masked = validation.errors.into_iter().map(|(option, why)| {
            let why = definition.secrets.scrub(&why);
            (option, why)
        });
        refused.extend(masked);
        self.strange = strangers(definition, &validation.known);
    }

    /// In lines for people; empty if there is nothing to say.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for Finding { rule, what, mend } in &self.findings {
            lines.push(format!("  {:<8} {}: {what}", rule.severity.word(), rule.id));
            lines.push(format!("           why: {}", rule.why));
            lines.push(format!("           mend: {mend}"));
        }
        for (option, why) in &self.refused {
            lines.push(format!("  error    Connect refuses {option}: {why}"));
        }
        for (option, meant) in &self.strange {
            let meant = format!("did you mean {meant}?");
            lines.push(format!("  warning  Connect does not know {option}; {meant}"));
        }
        if self.unseen {
            lines.push("  its database was not looked at: only PostgreSQL's is".to_owned());
        }
        lines
    }

    /// For scripts.
    pub fn json(&self) -> Value {
        let findings: Vec<Value> = self.findings.iter().map(finding_json).collect();
        let refused: Vec<Value> = self
            .refused
            .iter()
            .map(|(option, why)| json!({ "option": option, "why": why }))
            .collect();
        let strange: Vec<&str> = self.strange.iter().map(|(option, _)| option.as_str()).collect();
        json!({
            "file": self.definition.file,
            "name": self.definition.name,
            "findings": findings,
            "refused": refused,
            "unknown_options": strange,
            "database_unseen": self.unseen,
        })
    }
}

fn finding_json(finding: &Finding) -> Value {
    let Finding { rule, what, mend } = finding;
    json!({
        "id": rule.id, "severity": rule.severity.word(), "what": what, "why": rule.why,
        "mend": mend,
    })
}

/// Options that are nearly those that Connect knows. Connect does not list all that it passes on to
/// converters, producers and the like, so that an unknown option alone is no mistake.
fn strangers(definition: &Definition, known: &BTreeSet<String>) -> Vec<(String, String)> {
    let strange = definition.options.keys().filter(|option| !known.contains(*option));
    let meant = |option: &str| misspelt(option, known.iter().map(String::as_str));
    strange.filter_map(|option| Some((option.clone(), meant(option)?.to_owned()))).collect()
}

/// What would change, in lines for people.
pub fn difference_lines(differences: &[Difference]) -> Vec<String> {
    let line = |Difference { option, change }: &Difference| match change {
        Change::Set(new) => format!("  + {option} = {new}"),
        Change::Replace(old, new) if old == new => format!("  ~ {option} = {new} (changed)"),
        Change::Replace(old, new) => format!("  ~ {option} = {old} → {new}"),
        Change::Remove(old) => format!("  - {option} = {old}"),
    };
    differences.iter().map(line).collect()
}

/// What would change, for scripts.
pub fn difference_json(differences: &[Difference]) -> Value {
    let value = |Difference { option, change }: &Difference| match change {
        Change::Set(new) => json!({ "option": option, "to": new }),
        Change::Replace(old, new) => json!({ "option": option, "from": old, "to": new }),
        Change::Remove(old) => json!({ "option": option, "from": old }),
    };
    differences.iter().map(value).collect()
}

/// A connector and its tasks, for scripts.
pub fn status_json(name: &str, status: &Status) -> Value {
    let tasks: Vec<Value> = status
        .tasks
        .iter()
        .map(|task| {
            json!({
                "id": task.id, "state": task.state.word(), "worker": task.worker,
                "error": task.cause(),
            })
        })
        .collect();
    let connector = &status.connector;
    json!({
        "name": name,
        "kind": status.kind,
        "state": connector.state.word(),
        "worker": connector.worker,
        "error": connector.cause(),
        "tasks": tasks,
    })
}

/// How many tasks are in which state: `1 running, 2 failed`.
pub fn tasks(status: &Status) -> String {
    let mut counts: Vec<(State, usize)> = Vec::new();
    for task in &status.tasks {
        match counts.iter_mut().find(|(state, _)| *state == task.state) {
            Some((_, count)) => *count += 1,
            None => counts.push((task.state, 1)),
        }
    }
    let told: Vec<String> =
        counts.iter().map(|(state, count)| format!("{count} {}", state.word())).collect();
    if told.is_empty() { "none".to_owned() } else { told.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Nowhere;

    impl readmill_connectors::elsewhere::Elsewhere for Nowhere {
        fn variable(&self, name: &str) -> Option<String> {
            (name == "DB_PASSWORD").then(|| "s3cret".to_owned())
        }

        fn file(&self, _: &std::path::Path) -> std::io::Result<String> {
            Err(std::io::ErrorKind::NotFound.into())
        }
    }

    #[test]
    fn what_connect_repeats_of_a_secret_is_masked_and_misspelt_options_are_understood() {
        let text = r#"{"name": "a", "config": {"database.password": "${DB_PASSWORD}",
                       "heartbeat.intervall.ms": "1", "passed.on": "x"}}"#;
        let definition = Definition::read("f", text, &Nowhere).unwrap();
        let (findings, refused, strange) = (Vec::new(), Vec::new(), Vec::new());
        let mut judged = Judged { definition, findings, refused, strange, unseen: false };
        judged.note(Validation {
            errors: vec![("x".to_owned(), "invalid value s3cret for x".to_owned())],
            known: ["database.password", "heartbeat.interval.ms"].map(str::to_owned).into(),
        });
        let told = judged.lines().join("\n") + &judged.json().to_string();
        assert!(told.contains("invalid value … for x") && !told.contains("s3cret"), "{told}");
        let meant = ("heartbeat.intervall.ms".to_owned(), "heartbeat.interval.ms".to_owned());
        assert_eq!(judged.strange, [meant]);
        assert_eq!(judged.counts(), (1, 1));
    }
}
