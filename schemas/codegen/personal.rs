//! What contracts say of persons, and the Rust by which an event loses one.
use super::emit::line;
use super::model::{Contract, Definition, Field, Shape, Told, Type};
use super::names;

/// Refuses what could not be forgotten.
pub fn check(contract: &Contract) -> Result<(), String> {
    let records = contract.types.iter().filter_map(|definition| match &definition.shape {
        Shape::Record(fields) => Some((&definition.name, fields)),
        Shape::Enum { .. } => None,
    });
    for (place, (name, fields)) in records.enumerate() {
        for field in fields {
            let at = format!("{}: {name}.{}", contract.file, field.name);
            match &field.told {
                None => {}
                Some(_) if place > 0 || contract.borrowed => {
                    return Err(format!(
                        "{at}: only the fields of an event itself are a person's, not those within"
                    ));
                }
                Some(Told::Person) if !is_text(&field.kind) || field.large => {
                    return Err(format!("{at}: a person is known by a string, or none"));
                }
                Some(Told::Person) => {}
                Some(Told::Of(person)) => {
                    let is_one = |field: &&Field| field.told == Some(Told::Person);
                    if !fields.iter().filter(is_one).any(|field| field.name == *person) {
                        return Err(format!(
                            "{at}: {person} is no field that is marked readmill.person"
                        ));
                    }
                    if field.large || emptied(&field.kind).is_none() {
                        return Err(format!("{at}: what is personal needs a type with a null"));
                    }
                }
            }
        }
    }
    Ok(())
}

fn is_text(kind: &Type) -> bool {
    let optional =
        |kind: &Type| matches!(kind, Type::Nullable { inner, .. } if **inner == Type::Text);
    *kind == Type::Text || optional(kind)
}

/// What is left of a personal value.
fn emptied(kind: &Type) -> Option<&'static str> {
    match kind {
        Type::Nullable { .. } => Some("None"),
        Type::Text => Some("String::new()"),
        Type::Bytes | Type::Array(_) => Some("Vec::new()"),
        Type::Int | Type::Long => Some("0"),
        Type::Boolean
        | Type::Float
        | Type::Double
        | Type::Timestamp
        | Type::Micros
        | Type::Date
        | Type::Time
        | Type::Uuid
        | Type::Decimal(_)
        | Type::Named(_) => None,
    }
}

/// How a record of the domain tells of persons, and loses one.
pub fn record(out: &mut String, contract: &Contract, named: &Definition, fields: &[Field]) {
    let (mut told, mut lost) = (String::new(), String::new());
    for field in fields.iter().filter(|field| field.told == Some(Told::Person)) {
        let place = names::field(&field.name);
        let (some, is_it, alias) = if field.kind == Type::Text {
            let (some, is_it) = (format!("see(&self.{place});"), format!("self.{place} == person"));
            (some, is_it, "alias.to_owned()")
        } else {
            let some = format!("if let Some(person) = &self.{place} {{ see(person); }}");
            let is_it = format!("self.{place}.as_deref() == Some(person)");
            (some, is_it, "Some(alias.to_owned())")
        };
        told += &format!("        {some}\n");
        lost += &format!("        if {is_it} {{\n            self.{place} = {alias};\n");
        let personal = |other: &&Field| other.told == Some(Told::Of(field.name.clone()));
        for other in fields.iter().filter(personal) {
            let empty = emptied(&other.kind).unwrap_or("Default::default()");
            lost += &format!("            self.{} = {empty};\n", names::field(&other.name));
        }
        lost += "        }\n";
    }
    line(
        out,
        format_args!(
            "impl crate::Personal for {} {{
    fn persons<'e>(&'e self, see: &mut dyn FnMut(&'e str)) {{
{told}    }}

    fn forget(&mut self, person: &str, alias: &str) {{
{lost}    }}
}}
",
            named.name
        ),
    );
    if let Some(table) = &contract.table {
        key(out, &named.name, &table.key, fields);
    }
}

/// The same of whichever event of the domain.
pub fn events(out: &mut String, name: &str, contracts: &[&Contract]) {
    let each = |call: &str| {
        let arm = |contract: &&Contract| {
            format!("            Self::{}(event) => event.{call},\n", contract.record)
        };
        contracts.iter().map(arm).collect::<String>()
    };
    let (told, lost) = (each("persons(see)"), each("forget(person, alias)"));
    line(
        out,
        format_args!(
            "impl crate::Personal for {name} {{
    fn persons<'e>(&'e self, see: &mut dyn FnMut(&'e str)) {{
        match self {{
{told}        }}
    }}

    fn forget(&mut self, person: &str, alias: &str) {{
        match self {{
{lost}        }}
    }}
}}
"
        ),
    );
}

/// The same of a row's key, which is all that is told of a row that is deleted.
fn key(out: &mut String, record: &str, columns: &[String], fields: &[Field]) {
    let (mut told, mut lost) = (String::new(), String::new());
    for (n, column) in columns.iter().enumerate() {
        let is_person = |field: &Field| field.name == *column && field.told == Some(Told::Person);
        if !fields.iter().any(is_person) {
            continue;
        }
        let (place, at) = match columns {
            [_] => ("key".to_owned(), "*key".to_owned()),
            _ => (format!("&key.{n}"), format!("key.{n}")),
        };
        told += &format!("        see({place});\n");
        lost += &format!(
            "        if {at} == person {{\n            {at} = alias.to_owned();\n        }}\n"
        );
    }
    line(
        out,
        format_args!(
            "impl crate::row::PersonalKey for {record} {{
    fn persons_of<'e>(key: &'e Self::Key, see: &mut dyn FnMut(&'e str)) {{
{told}    }}

    fn forget_in(key: &mut Self::Key, person: &str, alias: &str) {{
{lost}    }}
}}
"
        ),
    );
}
