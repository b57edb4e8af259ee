//! Domains of tables alone: the Rust that a replica of them needs, so that it has none for each.
use std::collections::BTreeSet;

use super::emit::line;
use super::model::{Contract, Definition, Field, Shape, Table};
use super::{names, print};

/// A table of the domain.
struct Of<'a> {
    contract: &'a Contract,
    table: &'a Table,
    named: &'a Definition,
    fields: &'a [Field],
}

impl Of<'_> {
    /// The type of the row as it is stored: its own, unless a value may not have been sent.
    fn stored(&self) -> String {
        let record = &self.contract.record;
        if self.has_large() { format!("{record}Row") } else { record.clone() }
    }

    fn has_large(&self) -> bool {
        self.fields.iter().any(|field| field.large)
    }
}

/// What a replica of the domain needs; nothing, if not all of it are tables.
pub fn all(out: &mut String, domain: &str, contracts: &[&Contract]) -> Result<(), String> {
    let tables: Vec<Of<'_>> = contracts.iter().filter_map(|contract| of(contract)).collect();
    if tables.len() != contracts.len() {
        return Ok(());
    }
    let name = names::pascal(domain);
    check(domain, contracts, &tables)?;
    for of in &tables {
        stored(out, of);
        replicated(out, of);
    }
    row(out, domain, &name, &tables);
    dispatch(out, &name, &tables);
    Ok(())
}

fn of(contract: &Contract) -> Option<Of<'_>> {
    let (table, named) = (contract.table.as_ref()?, contract.types.first()?);
    match &named.shape {
        Shape::Record(fields) => Some(Of { contract, table, named, fields }),
        Shape::Enum { .. } => None,
    }
}

/// Refuses two contracts of one table, whose rows would meet under one key, and names of types
/// that are taken.
fn check(domain: &str, contracts: &[&Contract], tables: &[Of<'_>]) -> Result<(), String> {
    let name = names::pascal(domain);
    let mut taken: BTreeSet<String> =
        contracts.iter().flat_map(|it| &it.types).map(|named| named.name.clone()).collect();
    let mut known = BTreeSet::new();
    for of in tables {
        let (file, table) = (&of.contract.file, &of.table.name);
        if !known.insert(table) {
            return Err(format!("{file}: another contract is of the table {table}, too"));
        }
        if of.has_large() && !taken.insert(of.stored()) {
            return Err(format!("{file}: the name {} is needed for its row", of.stored()));
        }
    }
    for needed in [format!("{name}Row"), "StoredRow".to_owned()] {
        if !taken.insert(needed.clone()) {
            return Err(format!(
                "{domain}: the name {needed} is needed for the rows of its tables"
            ));
        }
    }
    Ok(())
}

/// The row without what may not have been sent.
fn stored(out: &mut String, of: &Of<'_>) {
    if !of.has_large() {
        return;
    }
    let now = |field: &Field| Field { large: false, ..field.clone() };
    let fields: Vec<Field> = of.fields.iter().map(now).collect();
    let doc = format!("{} Whole: what was not sent is as it stood.", of.named.doc);
    let named = Definition { name: of.stored(), doc, shape: of.named.shape.clone() };
    print::definition(out, of.contract, &named, &fields);
}

fn replicated(out: &mut String, of: &Of<'_>) {
    let (record, stored) = (&of.contract.record, of.stored());
    let parts = match of.table.key.as_slice() {
        [_] => "key".to_owned(),
        columns => (0..columns.len()).map(|n| format!("&key.{n}")).collect::<Vec<_>>().join(", "),
    };
    let table = names::part(&of.table.name);
    let (mut missing, mut whole) = (String::new(), String::new());
    for field in of.fields {
        let (name, column) = (names::field(&field.name), &field.name);
        if field.large {
            missing += &format!(
                "        if self.{name} == crate::row::Large::Unchanged {{
            return Some(crate::row::NotSent {{
                column: {column:?},
                told: \"the {column} was not sent, and none is stored: set the table's replica \
                 identity to full, and write the row again\",
            }});
        }}\n"
            );
            let stood = format!("stood.as_ref().map(|row| &row.{name})");
            whole += &format!("            {name}: self.{name}.over({stood})?,\n");
        } else {
            whole += &format!("            {name}: self.{name},\n");
        }
    }
    let whole = if of.has_large() {
        format!("Some({stored} {{\n{whole}        }})")
    } else {
        "Some(self)".to_owned()
    };
    line(
        out,
        format_args!(
            "impl crate::row::Replicated for {record} {{
    type Stored = {stored};

    fn key_text(key: &Self::Key) -> String {{
        crate::row::key_text({table:?}, &[{parts}])
    }}

    fn not_sent(&self) -> Option<crate::row::NotSent> {{
{missing}        None
    }}

    fn over(self, stood: Option<Self::Stored>) -> Option<Self::Stored> {{
        {whole}
    }}
}}
"
        ),
    );
}

/// One row of whichever table, in documents under the table's record.
fn row(out: &mut String, domain: &str, name: &str, tables: &[Of<'_>]) {
    let each = |text: &dyn Fn(usize, &Of<'_>) -> String| {
        tables.iter().enumerate().map(|(n, of)| text(n, of)).collect::<String>()
    };
    let tag = |of: &Of<'_>| names::field(&of.contract.record).replace("r#", "");
    let variants = each(&|_, of| {
        let (doc, record) = (print::doc("    ", &of.named.doc), &of.contract.record);
        format!("{doc}    #[serde(rename = {:?})]\n    {record}({}),\n", tag(of), of.stored())
    });
    // By number, since a record may be called what no field can be.
    let fields = each(&|n, of| {
        let (tag, stored) = (tag(of), of.stored());
        format!("    #[serde(default, rename = {tag:?})]\n    of_{n}: Option<{stored}>,\n")
    });
    let arms = each(&|n, of| {
        let alone = each(&|other, _| match other == n {
            true => format!("of_{other}: Some(row), "),
            false => format!("of_{other}: None, "),
        });
        let record = &of.contract.record;
        format!("            StoredRow {{ {alone}}} => Ok(Self::{record}(row)),\n")
    });
    line(
        out,
        format_args!(
            "/// A row of a table of the domain `{domain}`, as a replica stores it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = \"StoredRow\")]
pub enum {name}Row {{
{variants}}}

/// As it is read back: stores that keep each field by itself know nothing of variants.
#[derive(Deserialize)]
struct StoredRow {{
{fields}}}

impl TryFrom<StoredRow> for {name}Row {{
    type Error = &'static str;

    fn try_from(stored: StoredRow) -> Result<Self, Self::Error> {{
        match stored {{
{arms}            StoredRow {{ .. }} => Err(\"it must be a row of one table\"),
        }}
    }}
}}
"
        ),
    );
}

/// What is asked of a change of any of the tables.
fn dispatch(out: &mut String, name: &str, tables: &[Of<'_>]) {
    let each = |text: &dyn Fn(&str) -> String| {
        tables.iter().map(|of| text(&of.contract.record)).collect::<String>()
    };
    let keys =
        each(&|record| format!("            Self::{record}(change) => change.key_text(),\n"));
    let missing = each(&|record| {
        let stands = format!("matches!(stood, Some({name}Row::{record}(_)))");
        format!("            Self::{record}(change) => change.missing({stands}),\n")
    });
    let rows = each(&|record| {
        let own = format!("if let Some({name}Row::{record}(row)) = stood");
        format!(
            "            Self::{record}(change) => {{
                let stood = {own} {{ Some(row) }} else {{ None }};
                change.stored(stood).map({name}Row::{record})
            }}\n"
        )
    });
    line(
        out,
        format_args!(
            "impl crate::row::Tables for {name}Event {{
    type Row = {name}Row;

    fn key_text(&self) -> String {{
        match self {{
{keys}        }}
    }}

    fn missing(&self, stood: Option<&Self::Row>) -> Option<crate::row::NotSent> {{
        match self {{
{missing}        }}
    }}

    fn stored(&self, stood: Option<Self::Row>) -> Option<Self::Row> {{
        match self {{
{rows}        }}
    }}
}}
"
        ),
    );
}
