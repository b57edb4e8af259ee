//! What of a definition must not be told: by the names of options, and by where values came from.

use std::collections::BTreeSet;
use std::fmt;

use crate::address;

/// What stands for a secret wherever it would be told.
const MASK: &str = "…";
/// An option with one of these in its name is never told.
const SECRET_NAMES: [&str; 9] = [
    "password",
    "passphrase",
    "secret",
    "token",
    "credential",
    "user.info",
    "jaas",
    "private.key",
    "keystore.key",
];
/// A variable with one of these in its name holds a secret.
const SECRET_VARIABLES: [&str; 4] = ["PASSWORD", "SECRET", "TOKEN", "CREDENTIAL"];

/// The secrets of one definition.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets {
    /// Options whose values are secret, beyond those whose names tell so.
    options: BTreeSet<String>,
    /// The texts themselves, the longest last.
    texts: BTreeSet<String>,
}

/// Without the secrets.
impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets").field("options", &self.options).finish_non_exhaustive()
    }
}

/// Whether an option's name says that its value is a secret.
pub fn is_secret(option: &str) -> bool {
    let option = option.to_ascii_lowercase();
    SECRET_NAMES.iter().any(|name| option.contains(name))
}

/// Whether a variable's name says that it holds a secret.
pub fn is_secret_variable(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    SECRET_VARIABLES.iter().any(|part| name.contains(part))
}

impl Secrets {
    /// Keeps a text from being told, and the whole value of the option that it stands in.
    pub fn keep(&mut self, option: &str, text: &str) {
        self.options.insert(option.to_owned());
        if !text.is_empty() {
            self.texts.insert(text.to_owned());
        }
    }

    /// Keeps those values of a configuration from being told whose options are secret.
    pub fn keep_all<'o>(&mut self, options: impl IntoIterator<Item = (&'o String, &'o String)>) {
        for (option, value) in options {
            if is_secret(option) || self.options.contains(option) {
                self.keep(option, value);
            }
        }
    }

    /// The value of an option as it may be told.
    pub fn shown(&self, option: &str, value: &str) -> String {
        if is_secret(option) || self.options.contains(option) {
            return MASK.to_owned();
        }
        let has_user = value.contains("://") && value.contains('@');
        let value = if has_user { address::told(value) } else { value.to_owned() };
        self.scrub(&value)
    }

    /// A text of others, such as an error, without the secrets that stand in it as words.
    pub fn scrub(&self, text: &str) -> String {
        let mut text = text.to_owned();
        let mut longest_first: Vec<&String> = self.texts.iter().collect();
        longest_first.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        for secret in longest_first {
            text = without(&text, secret);
        }
        text
    }
}

/// The text with a mask for each occurrence of a secret that is no part of a longer word: a
/// password may be a word that the names of tables and slots begin with.
fn without(text: &str, secret: &str) -> String {
    let part_of_word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let mut masked = String::new();
    let mut at = 0;
    for (found, _) in text.match_indices(secret) {
        let end = found + secret.len();
        let before = text.get(..found).and_then(|before| before.chars().next_back());
        let after = text.get(end..).and_then(|after| after.chars().next());
        if found < at || part_of_word(before) || part_of_word(after) {
            continue;
        }
        masked += text.get(at..found).unwrap_or_default();
        masked += MASK;
        at = end;
    }
    masked + text.get(at..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_told_nowhere() {
        let mut secrets = Secrets::default();
        secrets.keep("heartbeat.action.query", "s3cret");
        secrets.keep("database.password", "shop");
        let table = [
            ("database.password", "anything", MASK),
            ("value.converter.basic.auth.user.info", "me:pw", MASK),
            ("producer.override.sasl.jaas.config", "…", MASK),
            ("heartbeat.action.query", "insert", MASK),
            ("database.hostname", "db", "db"),
            ("value.converter.schema.registry.url", "http://me:pw@r:1/x", "http://r:1/x"),
            ("note", "the s3cret of shop, in shop_outbox", "the … of …, in shop_outbox"),
            ("note", "(s3cret)s3cret9", "(…)s3cret9"),
        ];
        for (option, value, wanted) in table {
            assert_eq!(secrets.shown(option, value), wanted, "{option}");
        }
        assert!(!format!("{secrets:?}").contains("s3cret"));
    }
}
