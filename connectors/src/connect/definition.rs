//! A connector's definition: its name and its options, read from a file with placeholders.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::secrets::{Secrets, is_secret};
use super::template::fill;
use crate::elsewhere::Elsewhere;

/// A definition whose placeholders are filled in as far as they could be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// The file that it is from, as it was named.
    pub file: String,
    /// The connector's name.
    pub name: String,
    /// Its options.
    pub options: BTreeMap<String, String>,
    /// What of it must not be told.
    pub secrets: Secrets,
    /// Options with placeholders that could not be filled in, and why; the name is `name`.
    pub unset: Vec<(String, String)>,
    /// Options that hold a secret as it is, without a placeholder.
    pub exposed: Vec<String>,
}

/// Why a file is no definition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    /// It is no JSON.
    #[error("{0} is no JSON, at line {1}, column {2}")]
    NoJson(String, usize, usize),
    /// It is JSON of another form.
    #[error("{0}: {1}")]
    Form(String, &'static str),
}

const FORM: &str = "a definition is {\"name\": …, \"config\": {…}}, whose options are strings, \
                    numbers or booleans";

impl Definition {
    /// Reads the text of a file.
    ///
    /// # Errors
    /// When it is no definition at all.
    pub fn read(file: &str, text: &str, values: &dyn Elsewhere) -> Result<Self, Unfit> {
        let whole: Value = serde_json::from_str(text)
            .map_err(|error| Unfit::NoJson(file.to_owned(), error.line(), error.column()))?;
        let form = || Unfit::Form(file.to_owned(), FORM);
        let whole = whole.as_object().ok_or_else(form)?;
        let name = whole.get("name").and_then(Value::as_str).ok_or_else(form)?;
        let config = whole.get("config").and_then(Value::as_object).ok_or_else(form)?;
        let mut definition = Self {
            file: file.to_owned(),
            name: String::new(),
            options: BTreeMap::new(),
            secrets: Secrets::default(),
            unset: Vec::new(),
            exposed: Vec::new(),
        };
        definition.name = definition.filled("name", name, values);
        for (option, value) in texts(config).ok_or_else(form)? {
            let filled = definition.filled(&option, &value, values);
            definition.options.insert(option, filled);
        }
        // Connect keeps the name among the options; one that differs would be refused there.
        definition.options.remove("name");
        Ok(definition)
    }

    /// What runs under a name, as Connect tells it. Nothing is filled in: Connect did, or will.
    pub fn running(name: &str, options: &BTreeMap<String, String>) -> Self {
        let mut secrets = Secrets::default();
        secrets.keep_all(options);
        let mut options = options.clone();
        options.remove("name");
        Self {
            file: "as it runs".to_owned(),
            name: name.to_owned(),
            options,
            secrets,
            unset: Vec::new(),
            exposed: Vec::new(),
        }
    }

    fn filled(&mut self, option: &str, value: &str, values: &dyn Elsewhere) -> String {
        let filled = fill(value, values);
        for secret in &filled.secrets {
            self.secrets.keep(option, secret);
        }
        let is_plain = filled.secrets.is_empty() && !filled.is_left && filled.unset.is_empty();
        if is_secret(option) && !filled.text.is_empty() {
            if is_plain && !value.contains("${") {
                self.exposed.push(option.to_owned());
            }
            self.secrets.keep(option, &filled.text);
        }
        self.unset.extend(filled.unset.into_iter().map(|why| (option.to_owned(), why)));
        filled.text
    }

    /// The options as Connect takes them.
    pub fn body(&self) -> BTreeMap<&str, &str> {
        let options = self.options.iter().map(|(option, value)| (option.as_str(), value.as_str()));
        options.chain([("name", self.name.as_str())]).collect()
    }

    /// The class of the connector.
    pub fn class(&self) -> Option<&str> {
        self.options.get("connector.class").map(String::as_str).filter(|class| !class.is_empty())
    }
}

/// The options as texts; a null is left out, as Connect does.
fn texts(config: &Map<String, Value>) -> Option<Vec<(String, String)>> {
    let mut texts = Vec::new();
    for (option, value) in config {
        let text = match value {
            Value::Null => continue,
            Value::String(text) => text.clone(),
            Value::Bool(_) | Value::Number(_) => value.to_string(),
            Value::Array(_) | Value::Object(_) => return None,
        };
        texts.push((option.clone(), text));
    }
    Some(texts)
}
