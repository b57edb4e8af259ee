//! Prints one type: its definition, and how it is written in Avro's binary form.
use super::emit::line;
use super::model::{Contract, Definition, Field, Shape, Type};
use super::names;

/// A struct, and its `write`.
pub fn record(out: &mut String, contract: &Contract, named: &Definition, fields: &[Field]) {
    definition(out, contract, named, fields);
    let name = &named.name;
    let any = if lifetime(contract, named).is_empty() { "" } else { "<'_>" };
    line(out, format_args!("impl {name}{any} {{"));
    line(out, format_args!("    /// Appends the Avro body (no framing)."));
    line(out, format_args!("    pub fn write(&self, out: &mut Vec<u8>) {{"));
    for field in fields {
        let place = format!("self.{}", names::field(&field.name));
        line(out, format_args!("        {}", written(contract, &field.kind, &place)));
    }
    line(out, format_args!("    }}\n}}\n"));
    let read: String = fields.iter().map(in_order).collect();
    let borrowed = if any.is_empty() { "" } else { "<'de>" };
    line(out, format_args!("crate::wire!({name}{borrowed} {{ {read}}});\n"));
}

/// A field in the words of `wire!`, which takes them in the contract's order.
fn in_order(field: &Field) -> String {
    format!("{}: \"{}\", ", names::field(&field.name), field.name)
}

/// A struct alone.
pub fn definition(out: &mut String, contract: &Contract, named: &Definition, fields: &[Field]) {
    let name = &named.name;
    let lifetime = lifetime(contract, named);
    line(
        out,
        format_args!(
            "{}#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]",
            doc("", &named.doc)
        ),
    );
    line(out, format_args!("pub struct {name}{lifetime} {{"));
    for field in fields {
        line(
            out,
            format_args!("{}{}", doc("    ", &field.doc), attributes(contract, named, field)),
        );
        let kind = kind(contract, &field.kind);
        let kind = if field.large { format!("crate::row::Large<{kind}>") } else { kind };
        line(out, format_args!("    pub {}: {kind},", names::field(&field.name)));
    }
    line(out, format_args!("}}\n"));
    stored_defaults(out, contract, named, fields);
}

/// Whether a value that was stored before the contract had the field is read with its default.
fn has_stored_default(contract: &Contract, field: &Field) -> bool {
    let told = field.default.as_ref().is_some_and(|default| !default.is_null());
    told && !contract.borrowed && !field.large
}

/// The defaults of fields, for values that were stored before the contract had them. A null needs
/// none.
fn stored_defaults(out: &mut String, contract: &Contract, named: &Definition, fields: &[Field]) {
    let with: Vec<&Field> =
        fields.iter().filter(|field| has_stored_default(contract, field)).collect();
    if with.is_empty() {
        return;
    }
    line(out, format_args!("impl {} {{", named.name));
    for field in with {
        let (name, kind) = (default_of(field), kind(contract, &field.kind));
        let default = field.default.as_ref().map_or_else(String::new, |default| {
            super::table::literal(contract, &field.kind, default)
        });
        line(out, format_args!("    fn {name}() -> {kind} {{\n        {default}\n    }}"));
    }
    line(out, format_args!("}}\n"));
}

fn default_of(field: &Field) -> String {
    format!("default_{}", names::field(&field.name).trim_start_matches("r#"))
}

/// An enum of symbols.
pub fn symbols(out: &mut String, named: &Definition, symbols: &[String]) {
    let name = &named.name;
    let derives = "Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize";
    line(out, format_args!("{}#[derive({derives})]", doc("", &named.doc)));
    line(out, format_args!("pub enum {name} {{"));
    for symbol in symbols {
        line(out, format_args!("    /// The symbol `{symbol}`."));
        line(out, format_args!("    #[serde(rename = \"{symbol}\")]"));
        line(out, format_args!("    {},", names::pascal(symbol)));
    }
    line(out, format_args!("}}\n\nimpl {name} {{"));
    line(out, format_args!("    /// Every symbol, in the contract's order."));
    let all: Vec<String> =
        symbols.iter().map(|symbol| format!("Self::{}", names::pascal(symbol))).collect();
    line(out, format_args!("    pub const ALL: &'static [Self] = &[{}];\n", all.join(", ")));
    line(out, format_args!("    /// The symbol's text on the wire's side."));
    line(
        out,
        format_args!("    pub const fn symbol(self) -> &'static str {{\n        match self {{"),
    );
    for symbol in symbols {
        line(out, format_args!("            Self::{} => \"{symbol}\",", names::pascal(symbol)));
    }
    line(out, format_args!("        }}\n    }}\n\n    const fn index(self) -> i64 {{"));
    line(out, format_args!("        self as i64\n    }}\n}}\n"));
    line(
        out,
        format_args!(
            "impl<'de> crate::Wire<'de> for {name} {{
    const LEAF: bool = true;

    fn fits(origin: crate::plan::Origin<'_>) -> bool {{
        origin.is_enum()
    }}

    fn straight(place: crate::plan::Place<'_, '_, 'de>) -> Option<Self> {{
        place.symbol(Self::ALL)
    }}
}}
"
        ),
    );
}

/// `<'a>` if the type borrows.
pub fn lifetime(contract: &Contract, named: &Definition) -> &'static str {
    let borrows = contract.borrowed && contract.holds_text(&Type::Named(named.name.clone()));
    if borrows { "<'a>" } else { "" }
}

/// The text as doc comments, each line ended.
pub fn doc(indent: &str, text: &str) -> String {
    text.lines().map(|line| format!("{indent}/// {}\n", line.trim())).collect()
}

fn attributes(contract: &Contract, named: &Definition, field: &Field) -> String {
    let mut words = Vec::new();
    if has_stored_default(contract, field) {
        words.push(format!("default = \"{}::{}\"", named.name, default_of(field)));
    }
    if names::field(&field.name).trim_start_matches("r#") != field.name {
        words.push(format!("rename = \"{}\"", field.name));
    }
    if contract.borrowed && contract.holds_text(&field.kind) {
        words.push("borrow".to_owned());
    }
    if words.is_empty() { String::new() } else { format!("    #[serde({})]", words.join(", ")) }
}

pub fn kind(contract: &Contract, kind_of: &Type) -> String {
    match kind_of {
        Type::Boolean => "bool".to_owned(),
        Type::Int => "i32".to_owned(),
        Type::Long => "i64".to_owned(),
        Type::Float => "f32".to_owned(),
        Type::Double => "f64".to_owned(),
        Type::Bytes if contract.borrowed => "&'a [u8]".to_owned(),
        Type::Bytes => "Vec<u8>".to_owned(),
        Type::Text if contract.borrowed => "&'a str".to_owned(),
        Type::Text => "String".to_owned(),
        Type::Timestamp => "crate::Timestamp".to_owned(),
        Type::Micros => "crate::row::TimestampMicros".to_owned(),
        Type::Date => "crate::semantic::Date".to_owned(),
        Type::Time => "crate::semantic::Time".to_owned(),
        Type::Uuid => "crate::row::Uuid".to_owned(),
        Type::Decimal(_) => "crate::row::Decimal".to_owned(),
        Type::Array(inner) => format!("Vec<{}>", kind(contract, inner)),
        Type::Nullable { inner, .. } => format!("Option<{}>", kind(contract, inner)),
        Type::Named(name) => {
            let named = contract.definition(name);
            format!("{name}{}", named.map_or("", |named| lifetime(contract, named)))
        }
    }
}

fn written(contract: &Contract, kind: &Type, place: &str) -> String {
    // Methods and matches reach through a reference by themselves.
    let owner = place.trim_start_matches('*');
    match kind {
        Type::Boolean => format!("encode::boolean({place}, out);"),
        Type::Int => format!("encode::long(i64::from({place}), out);"),
        Type::Long => format!("encode::long({place}, out);"),
        Type::Timestamp => format!("encode::long({owner}.as_millis(), out);"),
        Type::Float => format!("encode::float({place}, out);"),
        Type::Double => format!("encode::double({place}, out);"),
        Type::Bytes => format!("encode::bytes(&{place}, out);"),
        Type::Text => format!("encode::text(&{place}, out);"),
        // No contract that is written has one: the parser sees to it.
        Type::Micros | Type::Date | Type::Time | Type::Uuid | Type::Decimal(_) => String::new(),
        Type::Array(inner) => format!(
            "encode::items(&{place}, out, |item, out| {{ {} }});",
            written(contract, inner, "*item")
        ),
        Type::Nullable { inner, null_first } => {
            let (null, some) = if *null_first { (0, 1) } else { (1, 0) };
            format!(
                "match &{place} {{ None => encode::long({null}, out), Some(inner) => {{ \
                 encode::long({some}, out); {} }} }}",
                written(contract, inner, "*inner")
            )
        }
        Type::Named(name) => match contract.definition(name).map(|named| &named.shape) {
            Some(Shape::Enum { .. }) => format!("encode::long({owner}.index(), out);"),
            Some(Shape::Record(_)) | None => format!("{owner}.write(out);"),
        },
    }
}
