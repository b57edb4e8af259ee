//! `schemas check`: which schemas a read model could not read, before anyone writes with them.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result};
use readmill_connectors::registry::RegistryBook;
use readmill_core::ReadModel;
use readmill_models::Visit;
use readmill_schemas::debezium::{FlatOutboxRow, OutboxEnvelope};
use readmill_schemas::{Contract, Events, Plan, SchemaId, Shape, WriterSchema, row};
use serde_json::{Value, json};

use crate::cli::SchemasCheckArgs;
use crate::config::{Config, Model, Source};
use crate::exit::{Exit, Failure};
use crate::out;

/// A schema that somebody writes with, or wants to.
struct Written {
    /// Where it is from.
    place: String,
    /// The subject that it is registered under; a candidate has none yet, and may be for any.
    subject: Option<String>,
    text: String,
}

/// What one configured model reads.
struct Reads {
    model: &'static str,
    contracts: &'static [Contract],
    /// The subjects that the values of its topics may have.
    subjects: BTreeSet<String>,
}

/// What a schema means to the models.
#[derive(Debug, PartialEq, Eq)]
enum Judgement {
    /// It is no concern of theirs.
    Foreign,
    /// It is read by this contract.
    Read(&'static str),
    /// It should be read by this contract, and cannot be.
    Breaks(&'static str, String),
}

/// Obeys the command.
///
/// # Errors
/// When the registry does not answer, the candidate is no schema, or one would break a model.
pub async fn check(args: SchemasCheckArgs) -> Result<Exit> {
    let config = Config::load(&args.config)?;
    let written = match &args.candidate {
        Some(file) => {
            let text = std::fs::read_to_string(file)
                .with_context(|| format!("{} cannot be read", file.display()))?;
            vec![Written { place: file.display().to_string(), subject: None, text }]
        }
        None => registered(&config).await?,
    };
    let reads: Vec<Reads> = config.models.iter().filter_map(Reads::of).collect();
    let (mut broken, mut judged) = (0, Vec::new());
    for written in &written {
        let place = &written.place;
        let schema = WriterSchema::parse(&written.text);
        let schema = schema.with_context(|| format!("{place} is no schema"))?;
        for reads in &reads {
            let model = reads.model;
            match reads.judge(&schema, written.subject.as_deref()) {
                Judgement::Foreign => {}
                Judgement::Read(contract) => judged.push((model, place, contract, None)),
                Judgement::Breaks(contract, why) => {
                    broken += 1;
                    judged.push((model, place, contract, Some(why)));
                }
            }
        }
    }
    tell(&judged, (written.len(), broken), args.json);
    if broken == 0 {
        return Ok(Exit::Done);
    }
    let told = format!("{broken} schemas would break a running read model");
    let hint = "give new fields a default, keep old ones, and change types only by promotion";
    Err(Failure::new(Exit::Failed, told, hint).into())
}

/// Model, schema, contract, and why it cannot be read, if it cannot.
type Judged<'j> = (&'static str, &'j String, &'static str, Option<String>);

fn tell(judged: &[Judged<'_>], (schemas, broken): (usize, u64), as_json: bool) {
    if as_json {
        let one = |(model, place, contract, why): &Judged<'_>| {
            json!({
                "model": model, "schema": place, "contract": contract, "reads": why.is_none(),
                "why": why,
            })
        };
        let list: Vec<Value> = judged.iter().map(one).collect();
        let whole = json!({ "schemas": schemas, "breaks": broken, "judged": list });
        out::line(whole.to_string());
        return;
    }
    for (model, place, contract, why) in judged {
        out::line(match why {
            None => format!("{model}: reads {place} as {contract}"),
            Some(why) => format!("{model}: BREAKS on {place} as {contract}: {why}"),
        });
    }
    if broken == 0 {
        out::line(format!("{schemas} schemas, none of them breaks a read model"));
    }
}

/// A registered schema that a model could not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Breaks {
    /// The model.
    pub model: &'static str,
    /// The schema's subject and id.
    pub place: String,
    /// The contract that it should be read by.
    pub contract: &'static str,
    /// Why it cannot be.
    pub why: String,
}

/// Which of the registered schemas, as (subject, id, text), the models of a configuration could not
/// read. A text that is no schema is nobody's.
pub fn breaks(config: &Config, latest: &[(String, SchemaId, String)]) -> Vec<Breaks> {
    let reads: Vec<Reads> = config.models.iter().filter_map(Reads::of).collect();
    let mut found = Vec::new();
    for (subject, id, text) in latest {
        let Ok(schema) = WriterSchema::parse(text) else { continue };
        for reads in &reads {
            if let Judgement::Breaks(contract, why) = reads.judge(&schema, Some(subject)) {
                let place = format!("subject {subject} (id {id})");
                found.push(Breaks { model: reads.model, place, contract, why });
            }
        }
    }
    found
}

/// The subjects that the values of one topic of a model may be registered under.
pub fn subjects_of(model: &Model, topic: &str) -> BTreeSet<String> {
    let contracts = readmill_models::visit(model.row.name, Contracts).unwrap_or_default();
    let events: Vec<&str> = contracts.iter().map(|contract| contract.name).collect();
    model.subjects.subjects(&[topic.to_owned()], &events)
}

async fn registered(config: &Config) -> Result<Vec<Written>> {
    let Source::Kafka { registry, .. } = &config.source else {
        let hint = "name a schema with --candidate, or set source.kind = \"kafka\"";
        return Err(Failure::new(Exit::Usage, "an archive has no registry", hint).into());
    };
    let latest = RegistryBook::new(registry)?.latest().await?;
    let written = latest.into_iter().map(|(subject, id, text)| Written {
        place: format!("subject {subject} (id {id})"),
        subject: Some(subject),
        text,
    });
    Ok(written.collect())
}

impl Reads {
    fn of(model: &Model) -> Option<Self> {
        let contracts = readmill_models::visit(model.row.name, Contracts)?;
        Some(Self { model: model.row.name, contracts, subjects: subjects(model, contracts) })
    }

    fn judge(&self, writer: &WriterSchema, subject: Option<&str>) -> Judgement {
        let its_topic = subject.is_none_or(|subject| self.subjects.contains(subject));
        let contract = match Shape::of(writer) {
            Shape::Envelope if its_topic => Some(&OutboxEnvelope::CONTRACT),
            Shape::Flattened if its_topic => Some(&FlatOutboxRow::CONTRACT),
            Shape::Envelope | Shape::Flattened | Shape::Housekeeping(_) => None,
            Shape::TableEnvelope { table } | Shape::TableRow { table } => {
                return self.judge_rows(writer, &table);
            }
            // Whoever writes payloads may name their subjects otherwise: the record's name tells.
            Shape::Event => {
                let name = writer.name();
                self.contracts.iter().find(|known| Some(known.name) == name.as_deref())
            }
        };
        let Some(contract) = contract else { return Judgement::Foreign };
        match Plan::compile(writer, contract) {
            Ok(_) => Judgement::Read(contract.name),
            Err(error) => Judgement::Breaks(contract.name, error.to_string()),
        }
    }

    /// Rows are known by their table, whatever the topic.
    fn judge_rows(&self, writer: &WriterSchema, table: &str) -> Judgement {
        let is_it =
            |contract: &&Contract| contract.table.is_some_and(|t| Shape::is_table(table, t));
        let Some(contract) = self.contracts.iter().find(is_it) else { return Judgement::Foreign };
        match row::check(writer, contract) {
            Ok(()) => Judgement::Read(contract.name),
            Err(why) => Judgement::Breaks(contract.name, why.to_string()),
        }
    }
}

/// The subjects that a model's schemas may be registered under.
pub fn subjects(model: &Model, contracts: &[Contract]) -> BTreeSet<String> {
    let events: Vec<&str> = contracts.iter().map(|contract| contract.name).collect();
    model.subjects.subjects(&model.topics, &events)
}

/// The contracts of a model.
struct Contracts;

impl Visit for Contracts {
    type Out = &'static [Contract];

    fn visit<M: ReadModel>(self) -> Self::Out {
        M::Event::CONTRACTS
    }
}

#[cfg(test)]
mod tests {
    use readmill_connectors::registry::SubjectStrategy::{self, RecordName, TopicRecordName};
    use readmill_schemas::points::PointsEvent;

    use super::*;

    fn judge(
        strategy: SubjectStrategy,
        name: &str,
        fields: &str,
        subject: Option<&str>,
    ) -> Judgement {
        let text = format!(r#"{{"type": "record", "name": "{name}", "fields": [{fields}]}}"#);
        let contracts = PointsEvent::CONTRACTS;
        let subjects = strategy.subjects(&["ours".to_owned()], &[]);
        let reads = Reads { model: "points", contracts, subjects };
        reads.judge(&WriterSchema::parse(&text).unwrap(), subject)
    }

    #[track_caller]
    fn check(name: &str, fields: &str, wanted: &str) {
        let judged = judge(SubjectStrategy::default(), name, fields, None);
        let told = match judged {
            Judgement::Foreign => "foreign".to_owned(),
            Judgement::Read(_) => "reads".to_owned(),
            Judgement::Breaks(_, why) => why,
        };
        assert!(told.contains(wanted), "{told}");
    }

    #[test]
    fn a_candidate_is_judged_by_the_contract_of_its_name() {
        let head = r#"{"name": "ledger_id", "type": "string"},
                      {"name": "member_id", "type": "string"},
                      {"name": "occurred_at", "type": "long"}"#;
        let lot = |kind: &str| format!(r#"{head}, {{"name": "lot_id", "type": "{kind}"}}"#);
        check("readmill.points.EarnCancelled", &lot("string"), "reads");
        check("readmill.points.EarnCancelled", &lot("long"), "lot_id");
        check("readmill.points.EarnCancelled", head, "lot_id");
        check("shop.Other", head, "foreign");
    }

    #[test]
    fn an_envelope_concerns_those_who_read_its_topic() {
        let fields =
            ["op", "after", "source"].map(|f| format!(r#"{{"name": "{f}", "type": "int"}}"#));
        let fields = fields.join(", ");
        let table = [
            (SubjectStrategy::TopicName, "ours-value", "other-value"),
            (RecordName, "ours.Envelope", "ours-value"),
            (TopicRecordName, "ours-ours.Envelope", "other-ours.Envelope"),
        ];
        for (strategy, ours, other) in table {
            let judge = |subject| judge(strategy, "ours.Envelope", &fields, subject);
            assert_eq!(judge(Some(other)), Judgement::Foreign, "{strategy}");
            for subject in [None, Some(ours)] {
                let judged = judge(subject);
                assert!(matches!(judged, Judgement::Breaks(..)), "{strategy}: {judged:?}");
            }
        }
    }
}
