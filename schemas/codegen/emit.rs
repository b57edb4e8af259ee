//! Prints the Rust of a domain: its types, and the one enum of its events.
use std::fmt::Write;

use super::model::{Contract, Definition, Shape};
use super::{names, personal, print, replica, shared, table};

/// The most fields of a record whose events lie within the enum of their domain.
const MOST_FIELDS_WITHIN: usize = 64;

/// All domains, in the order of their names, each a module of its own.
pub fn all(latest: &[&Contract]) -> Result<String, String> {
    let mut domains: Vec<&str> = latest.iter().map(|contract| contract.domain.as_str()).collect();
    domains.dedup();
    let mut out = String::from("// Generated from `avro/` by `build.rs`.\n");
    for name in domains {
        let of = |contract: &&&Contract| contract.domain == name;
        let contracts: Vec<&Contract> = latest.iter().filter(of).copied().collect();
        domain(&mut out, name, &contracts)?;
    }
    Ok(out)
}

fn domain(out: &mut String, name: &str, contracts: &[&Contract]) -> Result<(), String> {
    line(out, format_args!("\n/// The contracts of the domain `{name}`."));
    // The printer writes every place the same way, which is not always the shortest.
    line(out, format_args!("#[allow(clippy::all, clippy::pedantic, unused)]\npub mod {name} {{"));
    line(out, format_args!("use serde::{{Deserialize, Serialize}};\n"));
    line(out, format_args!("use crate::encode;"));
    line(out, format_args!("use crate::row::{{RowChange, RowError, TableRow}};\n"));
    for (contract, definition) in definitions(contracts)? {
        match &definition.shape {
            Shape::Record(fields) if contract.table.is_some() => {
                print::definition(out, contract, definition, fields);
                table::row(out, contract, definition, fields);
            }
            Shape::Record(fields) => print::record(out, contract, definition, fields),
            Shape::Enum { symbols, default } => {
                print::symbols(out, definition, symbols);
                // An event and a table may share it.
                if contracts.iter().any(|contract| contract.table.is_some()) {
                    table::symbols(out, definition, default.as_deref());
                }
            }
        }
    }
    for contract in contracts {
        own_contract(out, contract);
        own_persons(out, contract);
    }
    if !contracts.iter().any(|contract| contract.borrowed) {
        events(out, name, contracts);
        replica::all(out, name, contracts)?;
    }
    line(out, format_args!("}}"));
    Ok(())
}

/// Each named type once; two contracts of a domain may share one if they agree on it.
fn definitions<'a>(
    contracts: &[&'a Contract],
) -> Result<Vec<(&'a Contract, &'a Definition)>, String> {
    let mut all: Vec<(&Contract, &Definition)> = Vec::new();
    for &contract in contracts {
        for definition in &contract.types {
            match all.iter().find(|(_, known)| known.name == definition.name) {
                None => all.push((contract, definition)),
                Some((_, known)) if *known == definition => {}
                Some((other, _)) => {
                    let (file, name) = (&contract.file, &definition.name);
                    return Err(format!("{file}: {name}: differs from the one in {}", other.file));
                }
            }
        }
    }
    Ok(all)
}

fn own_persons(out: &mut String, contract: &Contract) {
    if let Some(root) = contract.types.first().filter(|_| !contract.borrowed)
        && let Shape::Record(fields) = &root.shape
    {
        personal::record(out, contract, root, fields);
    }
}

fn own_contract(out: &mut String, contract: &Contract) {
    let Contract { domain, record, version, file, .. } = contract;
    let generics = contract.types.first().map_or("", |root| print::lifetime(contract, root));
    line(out, format_args!("impl {record}{} {{", if generics.is_empty() { "" } else { "<'_>" }));
    line(out, format_args!("    /// The contract that it is written with."));
    line(out, format_args!("    pub const CONTRACT: crate::Contract = crate::Contract {{"));
    line(out, format_args!("        name: \"readmill.{domain}.{record}\","));
    line(out, format_args!("        version: {version},"));
    line(out, format_args!("        table: {:?},", contract.table.as_ref().map(|it| &it.name)));
    line(
        out,
        format_args!(
            "        text: include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/avro/{file}\")),"
        ),
    );
    line(out, format_args!("    }};\n}}\n"));
}

fn events(out: &mut String, domain: &str, contracts: &[&Contract]) {
    let name = format!("{}Event", names::pascal(domain));
    let each = |text: &dyn Fn(usize, &str) -> String| {
        let listed = contracts.iter().enumerate();
        listed.map(|(place, contract)| text(place, &contract.record)).collect::<String>()
    };
    let of_table = |place: usize| contracts.get(place).is_some_and(|it| it.table.is_some());
    let variants: String = contracts.iter().map(|contract| variant(contract)).collect();
    let listed = each(&|_, record| format!("        {record}::CONTRACT,\n"));
    let arm = |wanted: bool, call: &str| {
        each(&|place, record| match of_table(place) == wanted {
            true => {
                let from = table::held(wanted, record);
                format!("            {place} => {call}.map(|event: {from}| event.into()),\n")
            }
            false => String::new(),
        })
    };
    let (reads, rows) = (arm(false, "plan.read(body)"), arm(true, "RowChange::read(images)"));
    let own = each(&|place, record| {
        format!("            Self::{record}(_) => &Self::CONTRACTS[{place}],\n")
    });
    let written = if (0..contracts.len()).any(of_table) {
        String::new()
    } else {
        let write =
            |record: &str| format!("            Self::{record}(event) => event.write(out),\n");
        table::written(&name, &each(&|_, record| write(record)))
    };
    let from: String = contracts.iter().map(|contract| conversion(&name, contract)).collect();
    personal::events(out, &name, contracts);
    line(
        out,
        format_args!(
            "/// An event of the domain `{domain}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum {name} {{
{variants}}}

impl crate::Events for {name} {{
    const CONTRACTS: &'static [crate::Contract] = &[
{listed}    ];

    fn read(which: usize, plan: &crate::Plan, body: &[u8]) -> Result<Self, crate::ReadError> {{
        match which {{
{reads}            other => Err(crate::ReadError::no_contract(other)),
        }}
    }}

    fn read_row(which: usize, images: crate::Images<'_>) -> Result<Self, RowError> {{
        match which {{
{rows}            other => Err(RowError::NoTable {{ which: other }}),
        }}
    }}

    fn contract(&self) -> &'static crate::Contract {{
        match self {{
{own}        }}
    }}
}}

{written}{from}"
        ),
    );
    shared::fields(out, &name, contracts);
}

/// The event's place in its domain's enum, with the record's own words.
fn variant(contract: &Contract) -> String {
    let doc = contract.types.first().map_or("", |named| named.doc.as_str());
    let (doc, held) = (print::doc("    ", doc), held(contract));
    format!("    {}    {}({held}),\n", doc.trim_start(), contract.record)
}

/// From a record, or a change of a table's row, to the event.
fn conversion(event: &str, contract: &Contract) -> String {
    let record = &contract.record;
    let from = table::held(contract.table.is_some(), record);
    format!(
        "impl From<{from}> for {event} {{\n    fn from(event: {from}) -> Self {{\n        \
         Self::{record}(event.into())\n    }}\n}}\n\n"
    )
}

/// What a variant holds.
fn held(contract: &Contract) -> String {
    let held = table::held(contract.table.is_some(), &contract.record);
    if is_wide(contract) { format!("Box<{held}>") } else { held }
}

/// Whether events of a contract lie behind a pointer: one that is wide must not make all the others
/// of its domain as large as itself.
fn is_wide(contract: &Contract) -> bool {
    let of_events = contract.table.is_none();
    of_events
        && contract.types.first().is_some_and(|root| match &root.shape {
            Shape::Record(fields) => fields.len() > MOST_FIELDS_WITHIN,
            Shape::Enum { .. } => false,
        })
}

/// Writing to a `String` cannot fail.
pub fn line(out: &mut String, text: std::fmt::Arguments<'_>) {
    let written = writeln!(out, "{text}");
    debug_assert!(written.is_ok());
}
