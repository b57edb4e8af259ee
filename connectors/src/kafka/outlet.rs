//! Reactions to a topic: framed with the registry's ids, named so that repeats are recognised.

use std::collections::BTreeMap;

use async_trait::async_trait;
use readmill_engine::{Fault, Outlet, Said};
use readmill_schemas::{SchemaId, framing};

use super::producer::{Outgoing, Producer};

/// The header that carries a reaction's id.
pub const ID_HEADER: &str = "readmill-id";

/// An outlet that produces to one topic.
#[derive(Debug)]
pub struct KafkaOutlet {
    producer: Producer,
    topic: String,
    ids: BTreeMap<String, SchemaId>,
}

impl KafkaOutlet {
    /// An outlet to `topic`, for contracts that are registered under `ids`.
    pub const fn new(producer: Producer, topic: String, ids: BTreeMap<String, SchemaId>) -> Self {
        Self { producer, topic, ids }
    }

    fn outgoing(&self, said: &Said) -> Result<Outgoing, Fault> {
        let Some(id) = self.ids.get(&said.contract) else {
            return Err(Fault::Refused {
                service: "outlet",
                detail: format!("the contract {} is not registered", said.contract),
                hint: "name it among the contracts that the model says",
            });
        };
        let mut value = Vec::with_capacity(said.body.len() + 5);
        framing::write(*id, |out| out.extend_from_slice(&said.body), &mut value);
        Ok(Outgoing {
            topic: self.topic.clone(),
            partition: None,
            key: Some(said.key.as_str().as_bytes().to_vec()),
            value: Some(value),
            headers: vec![(ID_HEADER.to_owned(), said.id.clone().into_bytes())],
        })
    }
}

#[async_trait]
impl Outlet for KafkaOutlet {
    async fn send(&self, said: &[Said]) -> Result<(), Fault> {
        let records = said.iter().map(|said| self.outgoing(said)).collect::<Result<_, _>>()?;
        self.producer.send(records).await
    }
}
