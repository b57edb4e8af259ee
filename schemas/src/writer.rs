//! The schema that a writer wrote with, as the registry tells it.
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use apache_avro::Schema;
use thiserror::Error;

use crate::Contract;
use crate::plan::{Plan, PlanError};

/// A parsed writer's schema.
#[derive(Debug, Clone)]
pub struct WriterSchema {
    text: String,
    schema: Schema,
    references: Vec<Schema>,
    reference_texts: Vec<String>,
    /// The plans that were made for it, by the contracts' texts.
    plans: Arc<Mutex<BTreeMap<&'static str, Arc<Plan>>>>,
}

/// Why a schema's text cannot be used.
#[derive(Debug, Error)]
pub enum WriterSchemaError {
    /// The text is not Avro's.
    #[error("unreadable schema: {message}")]
    Unreadable {
        /// What the parser said.
        message: String,
    },
}

impl WriterSchema {
    /// Parses a schema that stands on its own.
    pub fn parse(text: &str) -> Result<Self, WriterSchemaError> {
        let schema = Schema::parse_str(text).map_err(unreadable)?;
        Ok(Self::of(text, schema, Vec::new(), &[]))
    }

    /// Parses a schema that names types of others.
    pub fn parse_with(text: &str, references: &[&str]) -> Result<Self, WriterSchemaError> {
        let (schema, parsed) = Schema::parse_str_with_list(text, references).map_err(unreadable)?;
        Ok(Self::of(text, schema, parsed, references))
    }

    fn of(text: &str, schema: Schema, references: Vec<Schema>, reference_texts: &[&str]) -> Self {
        let reference_texts = reference_texts.iter().map(ToString::to_string).collect();
        Self { text: text.to_owned(), schema, references, reference_texts, plans: Arc::default() }
    }

    /// The plan to read a contract from what was written so, made once and then shared.
    ///
    /// # Errors
    /// When the two cannot be resolved.
    pub fn plan(&self, contract: &Contract) -> Result<Arc<Plan>, PlanError> {
        let mut plans = self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(plan) = plans.get(contract.text) {
            return Ok(Arc::clone(plan));
        }
        let plan = Arc::new(Plan::compile(self, contract)?);
        plans.insert(contract.text, Arc::clone(&plan));
        Ok(plan)
    }

    /// The full name, if the schema is of a named type.
    pub fn name(&self) -> Option<String> {
        self.schema.name().map(|name| name.fullname(None))
    }

    /// The schema's text, with the properties (such as `connect.name`) that the parser leaves out.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The parsed schema.
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// The texts of the schemas that it refers to, as they were given.
    pub fn reference_texts(&self) -> &[String] {
        &self.reference_texts
    }

    /// The parsed schemas that it refers to.
    pub fn references(&self) -> &[Schema] {
        &self.references
    }
}

fn unreadable(error: apache_avro::Error) -> WriterSchemaError {
    WriterSchemaError::Unreadable { message: error.to_string() }
}
