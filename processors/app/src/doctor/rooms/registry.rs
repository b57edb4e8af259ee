//! The schema registry: whether models can read what is registered, and what may be registered.

use std::collections::BTreeSet;
use std::sync::Arc;

use readmill_connectors::registry::RegistryConfig;

use super::{Room, Seen, Visitor};
use crate::config::{Model, Source};
use crate::doctor::finding::Findings;
use crate::doctor::rules::schemas::{REGISTRY, judge_breaks, judge_levels, judge_missing};
use crate::schemas::{breaks, subjects_of};

impl Visitor {
    /// A room for the registry, where there is one.
    pub(super) fn registry(&self) -> Option<Room> {
        let Source::Kafka { registry, .. } = &self.config.source else { return None };
        let (visitor, registry) = (self.clone(), Arc::clone(registry));
        Some(Room::new(REGISTRY, async move { visitor.schemas(&registry).await }))
    }

    async fn schemas(&self, registry: &RegistryConfig) -> Seen {
        let book = self.services.registry(registry).await?;
        let latest = book.latest().await?;
        let mut found = Findings::default();
        judge_breaks(&breaks(&self.config, &latest), &mut found);
        let known: BTreeSet<&str> = latest.iter().map(|(subject, ..)| subject.as_str()).collect();
        let mut own = BTreeSet::new();
        for model in &self.config.models {
            own.extend(registered(model, &known, &mut found));
        }
        let everywhere = book.level(None).await?;
        let mut levels = Vec::new();
        for subject in own {
            let level = book.level(Some(&subject)).await?;
            levels.push((subject, level));
        }
        judge_levels(everywhere.as_deref(), &levels, &mut found);
        Ok((found, 0))
    }
}

/// The subjects of a model that there are; topics without any are told.
fn registered(model: &Model, known: &BTreeSet<&str>, found: &mut Findings) -> BTreeSet<String> {
    let mut own = BTreeSet::new();
    for topic in &model.topics {
        let mut subjects = subjects_of(model, topic);
        subjects.retain(|subject| known.contains(subject.as_str()));
        if subjects.is_empty() {
            judge_missing(model.row.name, topic, model.subjects, found);
        }
        own.extend(subjects);
    }
    own
}
