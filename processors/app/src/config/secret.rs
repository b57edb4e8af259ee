//! Values from elsewhere: `${env:NAME}` and `${file:PATH}` inside strings.

use readmill_connectors::elsewhere::Elsewhere;
pub use readmill_connectors::elsewhere::filled as fill_text;
use toml_edit::{Table, Value};

/// Fills in every reference of a table's strings; answers with the settings that could not be
/// filled in, and why.
pub fn fill_in(table: &mut Table, elsewhere: &dyn Elsewhere) -> Vec<(String, String)> {
    let mut failed = Vec::new();
    for (key, item) in table.iter_mut() {
        if let Some(value) = item.as_value_mut()
            && let Err(why) = fill_value(value, elsewhere)
        {
            failed.push((key.get().to_owned(), why));
        }
    }
    failed
}

fn fill_value(value: &mut Value, elsewhere: &dyn Elsewhere) -> Result<(), String> {
    if let Some(list) = value.as_array_mut() {
        return list.iter_mut().try_for_each(|value| fill_value(value, elsewhere));
    }
    if let Some(text) = value.as_str().filter(|text| text.contains("${")) {
        let filled = fill_text(text, elsewhere)?;
        *value = Value::from(filled);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    struct Nowhere;

    impl Elsewhere for Nowhere {
        fn variable(&self, name: &str) -> Option<String> {
            (name == "PW").then(|| "s3cret".to_owned())
        }

        fn file(&self, path: &Path) -> std::io::Result<String> {
            if path == Path::new("/run/pw") {
                return Ok("s3cret\n".to_owned());
            }
            Err(std::io::ErrorKind::NotFound.into())
        }
    }

    #[test]
    fn references_are_filled_in_or_named() {
        let table = [
            ("plain $ {x}", Ok("plain $ {x}")),
            ("me:${env:PW}@host/${file:/run/pw}", Ok("me:s3cret@host/s3cret")),
            ("${env:NO}", Err("the environment variable NO is not set")),
            ("${file:/no}", Err("/no cannot be read: entity not found")),
            ("${vault:x}", Err("only ${env:NAME} and ${file:PATH} can be filled in")),
            ("${env:PW", Err("a `${` is not closed by `}`")),
        ];
        for (text, wanted) in table {
            let filled = fill_text(text, &Nowhere);
            assert_eq!(filled.as_deref().map_err(String::as_str), wanted, "{text}");
        }
    }
}
