//! Subjects: the names under which schemas are registered.

use std::collections::BTreeSet;
use std::fmt;

use serde::Deserialize;

/// What a subject is made of; a serializer's setting, which has to be told to its readers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubjectStrategy {
    /// One schema for all values of a topic.
    #[default]
    TopicName,
    /// One schema for all records of a name, wherever they are.
    RecordName,
    /// One schema for all records of a name in a topic.
    TopicRecordName,
}

impl SubjectStrategy {
    /// The subject of a value.
    pub fn subject(self, topic: &str, record: &str) -> String {
        match self {
            Self::TopicName => format!("{topic}-value"),
            Self::RecordName => record.to_owned(),
            Self::TopicRecordName => format!("{topic}-{record}"),
        }
    }

    /// The subjects that the values of `topics` may have: of Debezium's envelopes and rows, and of
    /// `events` that are values themselves. Events in payloads are shared by tables, so their
    /// record's name is always among them.
    pub fn subjects(self, topics: &[String], events: &[&str]) -> BTreeSet<String> {
        let mut subjects: BTreeSet<String> = events.iter().map(|&name| name.to_owned()).collect();
        for topic in topics {
            let made = [debezium(topic, "Envelope"), debezium(topic, "Value")];
            let records = made.iter().map(String::as_str).chain(events.iter().copied());
            subjects.extend(records.map(|record| self.subject(topic, record)));
        }
        subjects
    }
}

/// As it is written in a configuration, with the form of its subjects.
impl fmt::Display for SubjectStrategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TopicName => "topic_name, <topic>-value",
            Self::RecordName => "record_name, <record>",
            Self::TopicRecordName => "topic_record_name, <topic>-<record>",
        })
    }
}

/// The name of a record that Debezium makes for a topic. What Avro does not allow in a name is an
/// underscore in it.
fn debezium(topic: &str, kind: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
    let namespace: String = topic.chars().map(|c| if allowed(c) { c } else { '_' }).collect();
    format!("{namespace}.{kind}")
}

#[cfg(test)]
mod tests {
    use super::SubjectStrategy::{RecordName, TopicName, TopicRecordName};
    use super::*;

    #[test]
    fn a_subject_follows_from_topic_and_record() {
        let table = [
            (TopicName, "shop.public.t", "x.A", "shop.public.t-value"),
            (RecordName, "shop.public.t", "x.A", "x.A"),
            (TopicRecordName, "shop.public.t", "x.A", "shop.public.t-x.A"),
        ];
        for (strategy, topic, record, wanted) in table {
            assert_eq!(strategy.subject(topic, record), wanted);
        }
        assert_eq!(SubjectStrategy::default(), TopicName);
    }

    #[test]
    fn the_subjects_of_topics_are_those_that_their_values_may_have() {
        let table: [(SubjectStrategy, &[&str]); 3] = [
            (TopicName, &["a-b.t-value", "u-value", "x.A"]),
            (RecordName, &["a_b.t.Envelope", "a_b.t.Value", "u.Envelope", "u.Value", "x.A"]),
            (
                TopicRecordName,
                &[
                    "a-b.t-a_b.t.Envelope",
                    "a-b.t-a_b.t.Value",
                    "a-b.t-x.A",
                    "u-u.Envelope",
                    "u-u.Value",
                    "u-x.A",
                    "x.A",
                ],
            ),
        ];
        for (strategy, wanted) in table {
            let topics = ["a-b.t".to_owned(), "u".to_owned()];
            let found = strategy.subjects(&topics, &["x.A"]);
            assert_eq!(found, wanted.iter().map(|&s| s.to_owned()).collect(), "{strategy}");
        }
    }
}
