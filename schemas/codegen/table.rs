//! Contracts of tables: what they may say, and the Rust that reads their rows.
use serde_json::Value;

use super::emit::line;
use super::model::{Contract, Definition, Digits, Field, Shape, Table, Type};
use super::{names, print};

/// Refuses a table's contract that no row can be read by.
pub fn check(contract: &Contract) -> Result<(), String> {
    let Some(table) = &contract.table else { return Ok(()) };
    let at = format!("{}: {}", contract.file, contract.record);
    if contract.borrowed {
        return Err(format!("{at}: a table's rows are not borrowed"));
    }
    let mut records = contract.types.iter().filter_map(|definition| match &definition.shape {
        Shape::Record(fields) => Some(fields),
        Shape::Enum { .. } => None,
    });
    let fields = records.next().ok_or_else(|| format!("{at}: not a record"))?;
    if records.next().is_some() {
        return Err(format!("{at}: a column has no record in it"));
    }
    if table.key.is_empty() {
        return Err(format!("{at}: a record with readmill.table needs readmill.key"));
    }
    for column in &table.key {
        let field = fields.iter().find(|field| field.name == *column);
        let field = field.ok_or_else(|| format!("{at}: the key's column {column} is no field"))?;
        if !is_key(&field.kind) || field.large {
            return Err(format!("{at}.{column}: a key is neither null, large, inexact nor a list"));
        }
    }
    Ok(())
}

fn is_key(kind: &Type) -> bool {
    !matches!(kind, Type::Nullable { .. } | Type::Array(_) | Type::Float | Type::Double)
}

/// Refuses a newer version that is not of the same rows.
pub fn evolves(newer: &Contract, older: &Contract) -> Result<(), String> {
    let parts = |contract: &Contract| {
        contract.table.as_ref().map(|Table { name, key }| (name.clone(), key.clone()))
    };
    if parts(newer) == parts(older) {
        return Ok(());
    }
    Err(format!("{}: {} is of another table or key", newer.file, older.file))
}

/// Whether a column that was of one type is read as another, exactly.
pub fn promotes(old: &Type, new: &Type) -> bool {
    match (old, new) {
        (Type::Int, Type::Long | Type::Decimal(None)) | (Type::Long, Type::Decimal(None)) => true,
        (Type::Timestamp, Type::Micros) | (Type::Decimal(_), Type::Decimal(None)) => true,
        (Type::Decimal(Some(old)), Type::Decimal(Some(new))) => {
            let whole = |digits: &Digits| digits.precision.saturating_sub(digits.scale);
            old.scale <= new.scale && whole(old) <= whole(new)
        }
        (old, new) => old == new,
    }
}

/// What a variant of the domain's enum holds.
pub fn held(of_table: bool, record: &str) -> String {
    if of_table { format!("RowChange<{record}>") } else { record.to_owned() }
}

/// How the events of a domain without tables are written.
pub fn written(name: &str, writes: &str) -> String {
    format!(
        "impl crate::WrittenEvents for {name} {{
    fn write(&self, out: &mut Vec<u8>) {{
        match self {{
{writes}        }}
    }}
}}

"
    )
}

/// How the rows of a table are read.
pub fn row(out: &mut String, contract: &Contract, named: &Definition, fields: &[Field]) {
    let Some(table) = &contract.table else { return };
    let keys: Vec<&Field> = table
        .key
        .iter()
        .filter_map(|column| fields.iter().find(|field| field.name == *column))
        .collect();
    let tuple = |each: &dyn Fn(&Field) -> String| {
        let parts: Vec<String> = keys.iter().map(|field| each(field)).collect();
        if let [part] = parts.as_slice() { part.clone() } else { format!("({})", parts.join(", ")) }
    };
    let kinds = tuple(&|field| print::kind(contract, &field.kind));
    let own = tuple(&|field| format!("self.{}.clone()", names::field(&field.name)));
    let read = tuple(&|field| column(contract, field));
    line(out, format_args!("impl TableRow for {} {{", named.name));
    line(out, format_args!("    type Key = {kinds};\n"));
    line(out, format_args!("    const KEY: &'static [&'static str] = &{:?};\n", table.key));
    line(out, format_args!("    fn key(&self) -> Self::Key {{\n        {own}\n    }}\n"));
    let image = "image: &crate::semantic::Row<'_>";
    line(out, format_args!("    fn key_of({image}) -> Result<Self::Key, RowError> {{"));
    line(out, format_args!("        let columns = crate::row::Columns::new(image, None);"));
    line(out, format_args!("        Ok({read})\n    }}\n"));
    line(out, format_args!("    fn of(\n        {image},"));
    line(out, format_args!("        before: Option<&crate::semantic::Row<'_>>,"));
    line(out, format_args!("    ) -> Result<Self, RowError> {{"));
    line(out, format_args!("        let columns = crate::row::Columns::new(image, before);"));
    line(out, format_args!("        Ok(Self {{"));
    for field in fields {
        let (name, read) = (names::field(&field.name), column(contract, field));
        line(out, format_args!("            {name}: {read},"));
    }
    line(out, format_args!("        }})\n    }}\n}}\n"));
}

/// A symbol of an enum, as a column has it.
pub fn symbols(out: &mut String, named: &Definition, default: Option<&str>) {
    let name = &named.name;
    let default = match default {
        Some(symbol) => format!("Some(Self::{})", names::pascal(symbol)),
        None => "None".to_owned(),
    };
    line(
        out,
        format_args!(
            "impl crate::row::FromColumn for {name} {{
    fn of(value: &crate::semantic::Semantic<'_>) -> Result<Self, crate::row::RowFault> {{
        crate::row::symbol(value, Self::ALL, Self::symbol, {default})
    }}
}}

impl crate::row::KeyPart for {name} {{
    fn write(&self, out: &mut String) {{
        out.push_str(self.symbol());
    }}
}}
"
        ),
    );
}

fn column(contract: &Contract, field: &Field) -> String {
    let (name, aliases) = (&field.name, &field.aliases);
    let how = if field.large { "large" } else { "value" };
    let default = match &field.default {
        Some(default) => format!("Some(|| {})", literal(contract, &field.kind, default)),
        None => "None".to_owned(),
    };
    format!("columns.{how}({name:?}, &{aliases:?}, {}, {default})?", reading(contract, &field.kind))
}

/// A function from a column's value to the type.
fn reading(contract: &Contract, kind: &Type) -> String {
    match kind {
        Type::Nullable { inner, .. } => {
            format!("|value| crate::row::nullable(value, {})", reading(contract, inner))
        }
        Type::Array(inner) => {
            format!("|value| crate::row::items(value, {})", reading(contract, inner))
        }
        Type::Decimal(Some(Digits { precision, scale })) => {
            format!("|value| crate::row::Decimal::within(value, {precision}, {scale})")
        }
        Type::Boolean
        | Type::Int
        | Type::Long
        | Type::Float
        | Type::Double
        | Type::Bytes
        | Type::Text
        | Type::Timestamp
        | Type::Micros
        | Type::Date
        | Type::Time
        | Type::Uuid
        | Type::Decimal(None)
        | Type::Named(_) => {
            format!("<{} as crate::row::FromColumn>::of", print::kind(contract, kind))
        }
    }
}

/// A default in Rust; that it fits its type has been seen to.
pub fn literal(contract: &Contract, kind: &Type, default: &Value) -> String {
    match kind {
        Type::Nullable { .. } if default.is_null() => "None".to_owned(),
        Type::Nullable { inner, .. } => format!("Some({})", literal(contract, inner, default)),
        Type::Array(_) => "Vec::new()".to_owned(),
        Type::Text => format!("{:?}.to_owned()", default.as_str().unwrap_or_default()),
        Type::Bytes => {
            let bytes = default.as_str().unwrap_or_default().chars();
            format!("vec!{:?}", bytes.map(u32::from).collect::<Vec<_>>())
        }
        Type::Timestamp => format!("crate::Timestamp::from_millis({default})"),
        Type::Micros => format!("crate::row::TimestampMicros::from_micros({default})"),
        Type::Date => format!("crate::semantic::Date {{ days: {default} }}"),
        Type::Named(name) => {
            format!("{name}::{}", names::pascal(default.as_str().unwrap_or_default()))
        }
        Type::Float | Type::Double => format!("{default} as {}", print::kind(contract, kind)),
        Type::Boolean | Type::Int | Type::Long | Type::Time | Type::Uuid | Type::Decimal(_) => {
            default.to_string()
        }
    }
}
