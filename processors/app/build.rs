//! Tells the binary what it was built of: the compiler, the commit where it is told, the features.

use std::env;
use std::io::{self, Write as _};
use std::process::Command;

/// Unknown is a word, too: a label is never empty.
const UNKNOWN: &str = "unknown";

fn main() -> io::Result<()> {
    let commit = env::var("READMILL_COMMIT").ok().filter(|commit| !commit.is_empty());
    let told = [
        "rerun-if-changed=build.rs".to_owned(),
        "rerun-if-env-changed=READMILL_COMMIT".to_owned(),
        format!("rustc-env=READMILL_COMMIT={}", commit.as_deref().unwrap_or(UNKNOWN)),
        format!("rustc-env=READMILL_RUSTC={}", rustc()),
        format!("rustc-env=READMILL_FEATURES={}", features()),
    ];
    let mut cargo = io::stdout().lock();
    told.iter().try_for_each(|line| writeln!(cargo, "cargo:{line}"))
}

fn rustc() -> String {
    let rustc = env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let said = Command::new(rustc).arg("--version").output();
    let said = said.ok().and_then(|said| String::from_utf8(said.stdout).ok());
    said.map_or_else(|| UNKNOWN.to_owned(), |said| said.trim().to_owned())
}

fn features() -> String {
    let named = |(name, _): (String, String)| {
        name.strip_prefix("CARGO_FEATURE_").map(str::to_ascii_lowercase)
    };
    let mut features: Vec<String> = env::vars().filter_map(named).collect();
    features.sort();
    if features.is_empty() { "none".to_owned() } else { features.join(",") }
}
