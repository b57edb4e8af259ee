//! The page about the command line says of each command what the command line takes.

use clap::Command;

use super::definition;
use crate::exit::CODES;

const PAGE: &str = include_str!("../../../../docs/cli.md");

/// Every command that does something, by its path.
fn commands(of: &Command, path: &str) -> Vec<(String, Command)> {
    let within = of.get_subcommands().filter(|within| within.get_name() != "help");
    let all = within.flat_map(|within| {
        let path = format!("{path} {}", within.get_name()).trim().to_owned();
        let own = (!within.is_subcommand_required_set()).then(|| (path.clone(), within.clone()));
        own.into_iter().chain(commands(within, &path)).collect::<Vec<_>>()
    });
    all.collect()
}

/// What the first three cells of its row must be.
fn row(path: &str, command: &Command) -> String {
    let has = |id: &str| command.get_arguments().any(|arg| arg.get_id().as_str() == id);
    let by: Vec<&str> = [("config", "`-c`"), ("instance", "`--instance`")]
        .into_iter()
        .filter_map(|(id, told)| has(id).then_some(told))
        .collect();
    let by = if by.is_empty() { "–".to_owned() } else { by.join(", ") };
    let json = match (has("as_json"), has("json")) {
        (true, _) => "`--as-json`",
        (false, true) => "`--json`",
        (false, false) => "–",
    };
    format!("| `{path}` | {by} | {json} | ")
}

#[test]
fn each_command_has_its_row() {
    let all = commands(&definition(), "");
    assert!(all.len() > 35, "{}", all.len());
    let wanted = all.iter().map(|(path, command)| row(path, command));
    let missing: Vec<String> =
        wanted.filter(|row| !PAGE.lines().any(|line| line.starts_with(row.as_str()))).collect();
    assert!(missing.is_empty(), "docs/cli.md lacks\n{}", missing.join("\n"));
    let is_known = |name: &str| all.iter().any(|(path, _)| path == name);
    let told = PAGE.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    let told = told.filter(|(_, rest)| rest.starts_with("`-") || rest.starts_with("– | "));
    let gone: Vec<&str> = told.map(|(name, _)| name).filter(|name| !is_known(name)).collect();
    assert!(gone.is_empty(), "docs/cli.md has rows of commands that there are not: {gone:?}");
}

#[test]
fn each_exit_code_has_its_row() {
    let mut codes: Vec<(String, String)> = Vec::new();
    for line in CODES.lines().skip(1) {
        let line = line.trim();
        match line.split_once("  ").filter(|(code, _)| code.parse::<u8>().is_ok()) {
            Some((code, what)) => codes.push((code.to_owned(), what.to_owned())),
            None => {
                let (_, what) = codes.last_mut().unwrap();
                *what += &format!(" {line}");
            }
        }
    }
    assert_eq!(codes.len(), 8, "{codes:?}");
    for (code, what) in codes {
        let row = format!("| {code} | {what} |");
        assert!(PAGE.contains(&row), "docs/cli.md lacks {row}");
    }
}

/// The variables that the sources of this crate ask for, by the word before their name.
#[test]
fn each_variable_is_named() {
    for name in ["READMILL_TOKEN", "RUST_LOG", "NO_COLOR", "COLUMNS", "TERM"] {
        assert!(PAGE.contains(&format!("| `{name}` |")), "docs/cli.md lacks {name}");
    }
}
