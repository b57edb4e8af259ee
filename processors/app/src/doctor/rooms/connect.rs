//! Kafka Connect: the connectors that feed the models' topics, and the databases that they read.

use std::collections::{BTreeMap, BTreeSet};

use readmill_connectors::connect::{Connect, ConnectConfig, Definition, judge_with, look};
use readmill_connectors::origin::{self, OriginPlace};
use readmill_engine::Fault;

use super::sources::{PAUSE, judge_source};
use super::{Room, Seen, Visitor, timed, unanswered};
use crate::doctor::finding::Findings;
use crate::doctor::rules::connect::{Connector, defined, judge_all};

impl Visitor {
    /// A room for Connect, where the configuration names it.
    pub(super) fn connect(&self) -> Option<Room> {
        let config = self.config.connect.clone()?;
        let visitor = self.clone();
        Some(Room::new("Kafka Connect", async move { visitor.connectors(&config).await }))
    }

    async fn connectors(&self, config: &ConnectConfig) -> Seen {
        let connect = Connect::new(config)?;
        let topics: BTreeSet<String> =
            self.config.models.iter().flat_map(|model| model.topics.iter().cloned()).collect();
        let connectors = gather(&connect, &topics).await?;
        let mut found = Findings::default();
        judge_all(&connectors, &topics, &mut found);
        for (name, connector) in &connectors {
            if let Err(fault) = database(name, connector, &mut found).await {
                unanswered(&format!("the database of connector {name}"), &fault, &mut found);
            }
        }
        Ok((found, 0))
    }
}

/// Those that feed the topics.
async fn gather(
    connect: &Connect,
    topics: &BTreeSet<String>,
) -> Result<BTreeMap<String, Connector>, Fault> {
    let mut connectors = BTreeMap::new();
    for (name, status) in connect.statuses().await? {
        if status.kind == "sink" {
            continue;
        }
        let Some(options) = connect.options(&name).await? else { continue };
        let written = connect.topics(&name).await?;
        let definition = Definition::running(&name, &options);
        let connector = Connector { status, topics: written, definition };
        if connector.feeds(topics) {
            connectors.insert(name, connector);
        }
    }
    Ok(connectors)
}

/// Looks at the database that a connector reads, as it sees it.
async fn database(name: &str, connector: &Connector, found: &mut Findings) -> Result<(), Fault> {
    let definition = &connector.definition;
    let Some(facts) = look(definition).await? else { return Ok(()) };
    for finding in judge_with(definition, &facts) {
        defined(name, connector, &finding, found);
    }
    let place = OriginPlace::Of(Box::new(definition.clone()));
    let (look, asked) = timed(origin::look(&place, &[], PAUSE)).await;
    judge_source(&look?, asked, found);
    Ok(())
}
