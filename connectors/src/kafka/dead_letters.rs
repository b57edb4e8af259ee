//! Copies of held records on a topic, for other tools: with the headers that Connect's have.

use std::sync::Arc;

use async_trait::async_trait;
use readmill_engine::{Fault, Held, HeldRecord, HeldStore, Unfolded};

use super::producer::{Outgoing, Producer};

/// What the headers begin with, as those of Kafka Connect's dead letters do.
const CONTEXT: &str = "__connect.errors.";

/// So many copies are on their way at a time; each may be as large as a record can be.
const SENT_TOGETHER: usize = 256;

/// A store of held records that also copies to a topic what is newly held. The store comes first:
/// it is what a person deals with. A record may be copied more than once, and its copy stays when
/// it is released.
#[derive(Debug)]
pub struct DeadLetters {
    inner: Arc<dyn HeldStore>,
    producer: Producer,
    topic: String,
}

impl DeadLetters {
    /// Copies to `topic` what `inner` is to hold.
    pub fn new(inner: Arc<dyn HeldStore>, producer: Producer, topic: String) -> Self {
        Self { inner, producer, topic }
    }
}

/// The record as it came, and where it came from. It is partitioned by its own key; its time is
/// that of the copy, so that the topic keeps it as long as it keeps anything.
fn letter(topic: &str, held: &HeldRecord) -> Outgoing {
    let record = &held.record;
    let mut headers = record.headers.clone();
    headers.extend(context(held).map(|(name, value)| (format!("{CONTEXT}{name}"), value.into())));
    Outgoing {
        topic: topic.to_owned(),
        partition: None,
        key: record.key.clone(),
        value: record.value.clone(),
        headers,
    }
}

fn context(held: &HeldRecord) -> [(&'static str, String); 9] {
    let position = held.position();
    let (stage, class, exception) = match held.unfolded {
        Unfolded::All => ("VALUE_CONVERTER", "readmill.reader", "readmill.Unreadable"),
        Unfolded::Part => ("TASK_PUT", "readmill.fold", "readmill.Refused"),
    };
    [
        ("topic", position.partition.topic.to_string()),
        ("partition", position.partition.index.to_string()),
        ("offset", position.offset.0.to_string()),
        ("connector.name", format!("readmill.{}", held.model)),
        ("task.id", "0".to_owned()),
        ("stage", stage.to_owned()),
        ("class.name", class.to_owned()),
        ("exception.class.name", exception.to_owned()),
        ("exception.message", held.reason.clone()),
    ]
}

#[async_trait]
impl HeldStore for DeadLetters {
    async fn hold(&self, records: &[HeldRecord]) -> Result<(), Fault> {
        self.inner.hold(records).await?;
        for chunk in records.chunks(SENT_TOGETHER) {
            let letters = chunk.iter().map(|held| letter(&self.topic, held)).collect();
            self.producer.send(letters).await?;
        }
        Ok(())
    }

    async fn count(&self, model: &str) -> Result<u64, Fault> {
        self.inner.count(model).await
    }

    async fn visit(
        &self,
        model: &'static str,
        which: &Held,
        visit: &mut (dyn FnMut(HeldRecord) + Send),
    ) -> Result<(), Fault> {
        self.inner.visit(model, which, visit).await
    }

    async fn replace(&self, records: &[HeldRecord]) -> Result<(), Fault> {
        self.inner.replace(records).await
    }

    async fn release(&self, records: &[HeldRecord]) -> Result<(), Fault> {
        self.inner.release(records).await
    }
}

#[cfg(test)]
mod tests {
    use readmill_core::{Key, Offset, Partition, Position};
    use readmill_engine::Record;

    use super::*;

    #[test]
    fn a_letter_is_the_record_and_what_connect_would_say_of_it() {
        let headers = vec![("own".to_owned(), vec![0, 255]), ("own".to_owned(), vec![])];
        let held = HeldRecord {
            model: "points",
            key: Some(Key::from("m-1")),
            unfolded: Unfolded::All,
            reason: "unreadable at byte 7".to_owned(),
            held_at_ms: 5,
            tries: 0,
            record: Record {
                position: Position { partition: Partition::new("t", 3), offset: Offset(9) },
                timestamp_ms: 1,
                key: None,
                value: Some(vec![0, 200, 10]),
                headers: headers.clone(),
            },
            original: None,
        };
        let letter = letter("dead", &held);
        assert_eq!((letter.topic.as_str(), letter.partition), ("dead", None));
        assert_eq!((&letter.key, &letter.value), (&None, &held.record.value));
        assert_eq!(letter.headers[..2], headers);
        let told: Vec<(&str, &str)> = letter.headers[2..]
            .iter()
            .map(|(name, value)| (name.as_str(), std::str::from_utf8(value).unwrap()))
            .collect();
        let wanted = [
            ("__connect.errors.topic", "t"),
            ("__connect.errors.partition", "3"),
            ("__connect.errors.offset", "9"),
            ("__connect.errors.connector.name", "readmill.points"),
            ("__connect.errors.task.id", "0"),
            ("__connect.errors.stage", "VALUE_CONVERTER"),
            ("__connect.errors.class.name", "readmill.reader"),
            ("__connect.errors.exception.class.name", "readmill.Unreadable"),
            ("__connect.errors.exception.message", "unreadable at byte 7"),
        ];
        assert_eq!(told, wanted);
    }
}
