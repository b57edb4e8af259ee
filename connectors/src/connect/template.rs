//! Placeholders in definitions: filled in from variables and files, and remembered if secret.

use super::secrets::is_secret_variable;
use crate::elsewhere::Elsewhere;

/// A text whose placeholders were filled in.
#[derive(Default)]
pub struct Filled {
    /// The text.
    pub text: String,
    /// What of it is secret.
    pub secrets: Vec<String>,
    /// The placeholders that could not be filled in, and why.
    pub unset: Vec<String>,
    /// Whether anything in it is left for Connect to fill in.
    pub is_left: bool,
}

/// Fills in `${NAME}`, `${NAME:-default}`, `${env:NAME}` and `${file:PATH}`. What names any other
/// provider, or has three parts, is for Connect's own providers and is left as it is.
pub fn fill(text: &str, values: &dyn Elsewhere) -> Filled {
    let mut filled = Filled::default();
    let mut rest = text;
    while let Some((plain, after)) = rest.split_once("${") {
        filled.text += plain;
        let Some((body, after)) = after.split_once('}') else {
            filled.unset.push("a `${` is not closed by `}`".to_owned());
            return filled;
        };
        filled.put(body, values);
        rest = after;
    }
    filled.text += rest;
    filled
}

impl Filled {
    fn put(&mut self, body: &str, values: &dyn Elsewhere) {
        if let Some((name, default)) = body.split_once(":-") {
            let value = values.variable(name).filter(|value| !value.is_empty());
            return self.variable(name, Some(value.unwrap_or_else(|| default.to_owned())), false);
        }
        match body.split_once(':') {
            None => self.variable(body, values.variable(body), false),
            Some(("env", name)) if !name.contains(':') => {
                self.variable(name, values.variable(name), true);
            }
            Some(("file", path)) if !path.contains(':') => match values.kept_in(path) {
                Ok(secret) => self.secret(&secret),
                Err(why) => self.unset.push(why),
            },
            Some(_) => {
                self.is_left = true;
                self.text += &format!("${{{body}}}");
            }
        }
    }

    fn variable(&mut self, name: &str, value: Option<String>, is_secret: bool) {
        match value {
            None => self.unset.push(format!("the variable {name} is not set")),
            Some(value) if is_secret || is_secret_variable(name) => self.secret(&value),
            Some(value) => self.text += &value,
        }
    }

    fn secret(&mut self, value: &str) {
        self.secrets.push(value.to_owned());
        self.text += value;
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::Path;

    use super::*;

    struct Some2;

    impl Elsewhere for Some2 {
        fn variable(&self, name: &str) -> Option<String> {
            match name {
                "HOST" => Some("db".to_owned()),
                "DB_PASSWORD" | "PLAIN" => Some("s3cret".to_owned()),
                _ => None,
            }
        }

        fn file(&self, path: &Path) -> io::Result<String> {
            if path == Path::new("/run/pw") {
                return Ok("s3cret\n".to_owned());
            }
            Err(io::ErrorKind::NotFound.into())
        }
    }

    #[test]
    fn placeholders_are_filled_in_left_for_connect_or_named() {
        // text, filled in, secrets, unset
        let table: [(&str, &str, usize, &str); 12] = [
            ("plain $1 {x}", "plain $1 {x}", 0, ""),
            ("${HOST}:5432", "db:5432", 0, ""),
            ("${NO:-(.*).(.*)_outbox:id}", "(.*).(.*)_outbox:id", 0, ""),
            ("${HOST:-x}", "db", 0, ""),
            ("${DB_PASSWORD}", "s3cret", 1, ""),
            ("${env:PLAIN}", "s3cret", 1, ""),
            ("${file:/run/pw}", "s3cret", 1, ""),
            ("${file:/run/all.properties:pw}", "${file:/run/all.properties:pw}", 0, ""),
            ("${env::PLAIN} ${vault:a:b}", "${env::PLAIN} ${vault:a:b}", 0, ""),
            ("${NO}", "", 0, "the variable NO is not set"),
            ("${file:/no}", "", 0, "/no cannot be read: entity not found"),
            ("${HOST", "", 0, "a `${` is not closed by `}`"),
        ];
        for (text, wanted, secrets, unset) in table {
            let filled = fill(text, &Some2);
            assert_eq!(filled.text, wanted, "{text}");
            assert_eq!(filled.secrets.len(), secrets, "{text}");
            assert_eq!(filled.unset.join(", "), unset, "{text}");
        }
    }
}
