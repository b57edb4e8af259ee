//! From contract files to Rust: read them, hold every version against its elders, print the newest.
pub mod defaults;
pub mod emit;
pub mod evolve;
pub mod model;
pub mod names;
pub mod parse;
pub mod personal;
pub mod print;
pub mod replica;
pub mod shared;
pub mod snake;
pub mod table;

use model::Contract;

/// The generated code for all contract files, each given as (`<domain>/<Record>.v<N>.avsc`, text).
pub fn generate(files: &[(String, String)]) -> Result<String, String> {
    let mut contracts = Vec::new();
    for (file, text) in files {
        contracts.push(parse::contract(file, text)?);
    }
    contracts.sort_by(|a, b| order(a).cmp(&order(b)));
    for (place, newer) in contracts.iter().enumerate() {
        let elders = contracts.iter().take(place).filter(|older| same(older, newer));
        for older in elders {
            table::evolves(newer, older)?;
            evolve::check(newer, older)?;
        }
    }
    emit::all(&latest(&contracts))
}

fn order(contract: &Contract) -> (&str, &str, u32) {
    (&contract.domain, &contract.record, contract.version)
}

fn same(a: &Contract, b: &Contract) -> bool {
    a.domain == b.domain && a.record == b.record
}

fn latest(contracts: &[Contract]) -> Vec<&Contract> {
    let mut latest: Vec<&Contract> = Vec::new();
    for contract in contracts {
        match latest.last_mut() {
            Some(last) if same(last, contract) => *last = contract,
            Some(_) | None => latest.push(contract),
        }
    }
    latest
}
