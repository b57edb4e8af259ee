//! A finding, and how findings are told, to people and to scripts.

use serde_json::{Value, json};

use super::table::{Rule, Severity};
use crate::out;

/// A rule that is broken somewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The rule.
    pub rule: &'static Rule,
    /// Where: a topic, a group, a connector, an address without credentials.
    pub about: String,
    /// What was found.
    pub what: String,
    /// What mends it: a setting, or a command.
    pub mend: String,
}

/// What is found.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Findings(pub Vec<Finding>);

impl Findings {
    /// Notes one.
    pub fn note(
        &mut self,
        rule: &'static Rule,
        about: impl Into<String>,
        what: impl Into<String>,
        mend: impl Into<String>,
    ) {
        let (about, what, mend) = (about.into(), what.into(), mend.into());
        self.0.push(Finding { rule, about, what, mend });
    }

    /// How many there are of a severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.0.iter().filter(|finding| finding.rule.severity == severity).count()
    }

    /// In their order: the gravest first, and those of one rule together. What two rooms have
    /// found is told once.
    pub fn arrange(&mut self) {
        let place = |finding: &Finding| {
            let Finding { rule, about, what, .. } = finding;
            (rule.severity, rule.id, about.clone(), what.clone())
        };
        self.0.sort_by_key(place);
        self.0.dedup_by_key(|finding| place(finding));
    }

    /// The ids, for tests.
    #[cfg(test)]
    pub fn ids(&self) -> Vec<&'static str> {
        self.0.iter().map(|finding| finding.rule.id).collect()
    }
}

/// What was looked at.
#[derive(Debug, Default)]
pub struct Report {
    /// What was found.
    pub findings: Findings,
    /// What was looked at, in words, in order.
    pub rooms: Vec<String>,
    /// How many records of outboxes were read.
    pub records: u64,
}

impl Report {
    /// Tells a person.
    pub fn tell(&self) {
        let mut severity = None;
        for Finding { rule, about, what, mend } in &self.findings.0 {
            if severity != Some(rule.severity) {
                severity = Some(rule.severity);
                out::line(rule.severity.title());
            }
            out::line(format!("  {}: {about}: {what}", rule.id));
            out::line(format!("    why: {}", rule.why));
            out::line(format!("    mend: {mend}"));
        }
        out::line(format!("looked at {}", self.rooms.join(", ")));
        if self.records > 0 {
            out::line(format!("read {} records of outboxes", self.records));
        }
        let counts = [Severity::Loses, Severity::Hurts, Severity::Notes]
            .map(|severity| format!("{}: {}", severity.title(), self.findings.count(severity)));
        out::line(counts.join(", "));
    }

    /// Tells a script: an object a line, and a summary at the end.
    pub fn tell_json(&self) {
        for finding in &self.findings.0 {
            out::line(json(finding).to_string());
        }
        let count = |severity| self.findings.count(severity);
        let summary = json!({
            "summary": {
                "loses": count(Severity::Loses),
                "hurts": count(Severity::Hurts),
                "notes": count(Severity::Notes),
                "rooms": self.rooms,
                "records": self.records,
            },
        });
        out::line(summary.to_string());
    }
}

fn json(finding: &Finding) -> Value {
    let Finding { rule, about, what, mend } = finding;
    json!({
        "id": rule.id, "severity": rule.severity.word(), "about": about, "what": what,
        "why": rule.why, "mend": mend,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::table;

    #[test]
    fn the_gravest_comes_first_and_what_is_found_twice_is_told_once() {
        let mut found = Findings::default();
        found.note(&table::BROKERS_ONE, "kafka", "there is one broker", "add brokers");
        found.note(&table::GROUP_LATE, "g", "late", "look");
        found.note(&table::TOPIC_COMPACTED, "t", "cleanup.policy is compact", "set delete");
        found.note(&table::GROUP_LATE, "g", "late", "look");
        found.arrange();
        assert_eq!(found.ids(), ["topic-compacted", "group-late", "brokers-one"]);
        assert_eq!(found.count(Severity::Hurts), 1);
        let told = json(&found.0[0]);
        assert_eq!((told["severity"].as_str(), told["about"].as_str()), (Some("loses"), Some("t")));
    }
}
