//! Turns the contracts in `avro/` into Rust types, and fails when one breaks its own history.
#[path = "codegen/mod.rs"]
mod codegen;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{env, fs};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            let told =
                writeln!(io::stderr(), "\nthe contracts are not fit to build on:\n{problem}\n");
            debug_assert!(told.is_ok());
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let root = PathBuf::from(variable("CARGO_MANIFEST_DIR")?);
    let mut stdout = io::stdout();
    for line in ["build.rs", "codegen", "avro", "tests/avro"] {
        writeln!(stdout, "cargo:rerun-if-changed={line}").map_err(|error| error.to_string())?;
    }
    write("contracts.rs", &codegen::generate(&files(&root.join("avro"))?)?)?;
    // Contracts with everything that one may say, which the tests compile.
    let code = codegen::generate(&files(&root.join("tests/avro"))?)?;
    write("kinds.rs", &code.replace("\"/avro/", "\"/tests/avro/"))
}

fn write(name: &str, code: &str) -> Result<(), String> {
    let target = PathBuf::from(variable("OUT_DIR")?).join(name);
    fs::write(&target, code).map_err(|error| format!("{}: {error}", target.display()))
}

fn variable(name: &str) -> Result<String, String> {
    env::var(name).map_err(|error| format!("{name}: {error}"))
}

/// Every contract as (`<domain>/<Record>.v<N>.avsc`, text), in the order of the names.
fn files(root: &Path) -> Result<Vec<(String, String)>, String> {
    let mut files = Vec::new();
    for domain in entries(root)? {
        for path in entries(&domain)? {
            let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
            let text = fs::read_to_string(&path).map_err(|error| format!("{name}: {error}"))?;
            files.push((name, text));
        }
    }
    Ok(files)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let told = |error: io::Error| format!("{}: {error}", folder.display());
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder).map_err(told)? {
        entries.push(entry.map_err(told)?.path());
    }
    entries.sort();
    Ok(entries)
}
