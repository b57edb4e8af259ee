//! Rules about Kafka Connect: whether what feeds the topics runs, and is defined as it should be.

use std::collections::{BTreeMap, BTreeSet};

use readmill_connectors::connect::{self, Definition, Severity, State, Status, judge};

use crate::doctor::finding::Findings;
use crate::doctor::table;

/// A connector as it runs.
#[derive(Debug, Clone)]
pub struct Connector {
    /// How it is.
    pub status: Status,
    /// The topics that it has written to.
    pub topics: BTreeSet<String>,
    /// What it runs with.
    pub definition: Definition,
}

impl Connector {
    /// Whether it is of concern to whoever reads these topics.
    pub fn feeds(&self, topics: &BTreeSet<String>) -> bool {
        let prefix = self.definition.options.get("topic.prefix");
        let is_own = |topic: &String| {
            prefix.is_some_and(|prefix| {
                topic.strip_prefix(prefix.as_str()).is_some_and(|rest| rest.starts_with('.'))
            })
        };
        topics.iter().any(|topic| self.topics.contains(topic) || is_own(topic))
    }
}

/// Judges the connectors that feed these topics, by name.
pub fn judge_all(
    connectors: &BTreeMap<String, Connector>,
    topics: &BTreeSet<String>,
    found: &mut Findings,
) {
    for (name, connector) in connectors {
        runs(name, connector, found);
        for finding in judge(&connector.definition) {
            defined(name, connector, &finding, found);
        }
    }
    for topic in topics {
        let is_fed = connectors.values().any(|connector| connector.feeds(&[topic.clone()].into()));
        if !is_fed {
            let mend = "apply the connector that fills it (docs/connectors.md), unless something \
                        else does";
            found.note(&table::TOPIC_UNFED, format!("topic {topic}"), "nobody feeds it here", mend);
        }
    }
}

fn runs(name: &str, connector: &Connector, found: &mut Findings) {
    let about = format!("connector {name}");
    let status = &connector.status;
    if let Some(part) = status.failed() {
        let which = part.id.map_or("it".to_owned(), |task| format!("task {task}"));
        let cause = part.cause().unwrap_or_default();
        let what = format!("{which} has failed: {}", connector.definition.secrets.scrub(&cause));
        let mend = format!("mend the cause, then readmill connectors restart {name} -c FILE");
        return found.note(&table::CONNECTOR_FAILED, about, what, mend);
    }
    if status.runs() {
        return;
    }
    let state = status.connector.state;
    let what = if state != State::Running {
        format!("it is {}", state.word())
    } else if status.tasks.is_empty() {
        "it has no task".to_owned()
    } else {
        "not all of its tasks run".to_owned()
    };
    let mend = match state {
        State::Paused | State::Stopped => format!("PUT /connectors/{name}/resume at Connect"),
        State::Running
        | State::Failed
        | State::Unassigned
        | State::Restarting
        | State::Destroyed
        | State::Unknown => format!("readmill connectors restart {name} -c FILE --also-running"),
    };
    found.note(&table::CONNECTOR_RESTS, about, what, mend);
}

/// Passes a finding of `connectors check` on.
pub fn defined(
    name: &str,
    connector: &Connector,
    finding: &connect::Finding,
    found: &mut Findings,
) {
    let rule = match finding.rule.severity {
        Severity::Error => &table::DEFINITION_UNSAFE,
        Severity::Warning => &table::DEFINITION_WEAK,
    };
    let scrub = |text: &str| connector.definition.secrets.scrub(text);
    let what = format!("{}: {}", finding.rule.id, scrub(&finding.what));
    found.note(rule, format!("connector {name}"), what, scrub(&finding.mend));
}

#[cfg(test)]
mod tests {
    use readmill_connectors::connect::Part;
    use readmill_connectors::elsewhere::Elsewhere;

    use super::*;

    struct Wanted;

    impl Elsewhere for Wanted {
        fn variable(&self, name: &str) -> Option<String> {
            let value = match name {
                "POSTGRES_PORT" => "5432",
                "REGISTRY_NATIVE_URL" => "http://registry:8080/apis/registry/v2",
                _ => "shop",
            };
            Some(value.to_owned())
        }

        fn file(&self, _: &std::path::Path) -> std::io::Result<String> {
            Err(std::io::ErrorKind::NotFound.into())
        }
    }

    fn part(id: Option<u32>, state: State) -> Part {
        Part { id, state, worker: String::new(), trace: Some("x: no s3cret y".to_owned()) }
    }

    fn connector() -> Connector {
        let text = include_str!("../../../../../connectors/debezium/postgres/outbox.json");
        let read = Definition::read("f", text, &Wanted).unwrap();
        let mut definition = Definition::running("shop", &read.options);
        definition.options.insert("topic.prefix".to_owned(), "shop".to_owned());
        definition.secrets.keep("database.password", "s3cret");
        let tasks = vec![part(Some(0), State::Running)];
        let status = Status { connector: part(None, State::Running), tasks, kind: String::new() };
        Connector { status, topics: BTreeSet::new(), definition }
    }

    fn judged(change: impl FnOnce(&mut Connector)) -> Findings {
        let mut connector = connector();
        change(&mut connector);
        let topics = ["shop.public.points_outbox".to_owned()].into();
        let mut found = Findings::default();
        judge_all(&[("shop".to_owned(), connector)].into(), &topics, &mut found);
        found
    }

    #[test]
    fn a_connector_that_does_not_run_is_told_and_its_secrets_are_not() {
        assert_eq!(judged(|_| {}), Findings::default());
        let found = judged(|connector| connector.status.tasks = vec![part(Some(0), State::Failed)]);
        assert_eq!(found.ids(), ["connector-failed"]);
        let told = format!("{found:?}");
        assert!(told.contains("task 0 has failed") && !told.contains("s3cret"), "{told}");
        let found = judged(|connector| connector.status.connector.state = State::Paused);
        assert_eq!(found.ids(), ["connector-rests"]);
        assert!(found.0[0].mend.contains("resume"), "{found:?}");
        assert_eq!(judged(|c| c.status.tasks.clear()).ids(), ["connector-rests"]);
    }

    #[test]
    fn what_runs_is_judged_by_the_rules_for_definitions() {
        let set = |option: &str, value: &str| {
            judged(|c| drop(c.definition.options.insert(option.to_owned(), value.to_owned())))
        };
        let found = set("tasks.max", "2");
        assert_eq!(found.ids(), ["definition-unsafe"]);
        assert!(found.0[0].what.starts_with("tasks-many: "), "{found:?}");
        assert_eq!(set("snapshot.mode", "no_data").ids(), ["definition-weak"]);
    }

    #[test]
    fn a_topic_is_fed_by_who_has_written_to_it_or_has_its_prefix() {
        let found =
            judged(|c| drop(c.definition.options.insert("topic.prefix".to_owned(), "sho".into())));
        assert!(found.ids().contains(&"topic-unfed"), "{found:?}");
        let mut routed = connector();
        routed.topics.insert("points".to_owned());
        assert!(routed.feeds(&["points".to_owned()].into()));
        assert!(!routed.feeds(&["shopping.public.t".to_owned()].into()));
    }
}
