//! Prints what all events of a domain have in common: a field of each is one of the enum, too.
use super::emit::line;
use super::model::{Contract, Field, Shape, Type};
use super::names;

/// What events can do already: a field of such a name has no accessor.
const TAKEN: [&str; 5] = ["contract", "forget", "persons", "read", "write"];

/// An accessor for each field that every record of the domain has, under one name and type.
pub fn fields(out: &mut String, event: &str, contracts: &[&Contract]) {
    // A change of a row has no fields of its own, but those of its images.
    let has_tables = contracts.iter().any(|contract| contract.table.is_some());
    let Some((first, others)) = contracts.split_first() else { return };
    if has_tables || others.is_empty() {
        return;
    }
    let is_shared = |field: &&Field| {
        others.iter().all(|other| {
            fields_of(other).iter().any(|one| (&one.name, &one.kind) == (&field.name, &field.kind))
        })
    };
    let shared: Vec<String> = fields_of(first)
        .iter()
        .filter(is_shared)
        .filter(|field| !TAKEN.contains(&field.name.as_str()))
        .filter_map(|field| accessor(first, field, contracts))
        .collect();
    if !shared.is_empty() {
        line(out, format_args!("impl {event} {{\n{}}}\n", shared.join("\n")));
    }
}

fn fields_of(contract: &Contract) -> &[Field] {
    match contract.types.first().map(|root| &root.shape) {
        Some(Shape::Record(fields)) => fields,
        Some(Shape::Enum { .. }) | None => &[],
    }
}

/// Of what is text, or can be copied; nothing of what is neither.
fn accessor(contract: &Contract, field: &Field, contracts: &[&Contract]) -> Option<String> {
    let (kind, prefix) = match &field.kind {
        Type::Text => ("&str", "&"),
        Type::Boolean => ("bool", ""),
        Type::Int => ("i32", ""),
        Type::Long => ("i64", ""),
        Type::Timestamp => ("crate::Timestamp", ""),
        Type::Named(name) => match &contract.definition(name)?.shape {
            Shape::Enum { .. } => (name.as_str(), ""),
            Shape::Record(_) => return None,
        },
        Type::Float
        | Type::Double
        | Type::Bytes
        | Type::Micros
        | Type::Date
        | Type::Time
        | Type::Uuid
        | Type::Decimal(_)
        | Type::Array(_)
        | Type::Nullable { .. } => return None,
    };
    let name = names::field(&field.name);
    let arms: String = contracts
        .iter()
        .map(|one| format!("            Self::{}(event) => {prefix}event.{name},\n", one.record))
        .collect();
    let doc = field.doc.lines().collect::<Vec<_>>().join(" ");
    Some(format!(
        "    /// {doc} Every event of the domain has it.
    pub fn {name}(&self) -> {kind} {{
        match self {{
{arms}        }}
    }}
"
    ))
}
