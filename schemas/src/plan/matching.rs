//! Which of the writer's fields and symbols are the contract's.
use apache_avro::schema::{EnumSchema, RecordSchema};

use super::error::PlanError;
use super::node::{Node, Symbol};

/// For each field of the contract the writer's field that it is read from: by name, else by alias.
pub(super) fn sources(
    path: &str,
    writer: &RecordSchema,
    reader: &RecordSchema,
) -> Result<Vec<Option<usize>>, PlanError> {
    let named = |name: &str| writer.fields.iter().position(|field| field.name == *name);
    let mut sources = Vec::new();
    for field in &reader.fields {
        let alias = || field.aliases.iter().find_map(|alias| named(alias));
        let source = named(&field.name).or_else(alias);
        if source.is_some() && sources.contains(&source) {
            return Err(PlanError::Twice { path: format!("{path}.{}", field.name) });
        }
        sources.push(source);
    }
    Ok(sources)
}

/// The contract's symbol for each of the writer's; nothing if not one of them can be read.
pub(super) fn symbols(writer: &EnumSchema, reader: &EnumSchema) -> Option<Node> {
    let place = |name: &String| reader.symbols.iter().position(|symbol| symbol == name);
    let mut any = false;
    let mut symbols = Vec::new();
    for name in &writer.symbols {
        let found = place(name).or_else(|| place(reader.default.as_ref()?));
        let is = found.and_then(|at| Some((u32::try_from(at).ok()?, reader.symbols.get(at)?)));
        any |= is.is_some();
        symbols.push(match is {
            Some((index, name)) => Symbol::Is { index, name: name.as_str().into() },
            None => Symbol::Misfit(name.as_str().into()),
        });
    }
    any.then(|| Node::Enum(symbols.into()))
}
