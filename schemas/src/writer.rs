//! The schema that a writer wrote with, as the registry tells it.
use apache_avro::Schema;
use thiserror::Error;

/// A parsed writer's schema.
#[derive(Debug, Clone)]
pub struct WriterSchema {
    text: String,
    schema: Schema,
    references: Vec<Schema>,
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
        Ok(Self { text: text.to_owned(), schema, references: Vec::new() })
    }

    /// Parses a schema that names types of others.
    pub fn parse_with(text: &str, references: &[&str]) -> Result<Self, WriterSchemaError> {
        let (schema, references) =
            Schema::parse_str_with_list(text, references).map_err(unreadable)?;
        Ok(Self { text: text.to_owned(), schema, references })
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

    /// The parsed schemas that it refers to.
    pub fn references(&self) -> &[Schema] {
        &self.references
    }
}

fn unreadable(error: apache_avro::Error) -> WriterSchemaError {
    WriterSchemaError::Unreadable { message: error.to_string() }
}
