//! `completions` and `man`: what shells and readers of manuals want, of the command line's own
//! definition.

use std::fs;
use std::io;
use std::path::Path;

use anyhow::{Context as _, Result};
use clap::Command;
use clap_mangen::Man;
use serde_json::json;

use crate::cli::{CompletionsArgs, ManArgs, definition};
use crate::exit::{Exit, Failure};
use crate::out;

const NAME: &str = "readmill";

/// `completions`
pub fn completions(args: &CompletionsArgs) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut definition(), NAME, &mut script);
    out::screen(String::from_utf8_lossy(&script));
    Exit::Done
}

/// `man`
///
/// # Errors
/// When the directory cannot be written.
pub fn man(args: &ManArgs) -> Result<Exit> {
    let mut whole = definition();
    whole.build();
    let Some(dir) = &args.dir else {
        let page = page(&whole, NAME).context("the page cannot be made")?;
        out::screen(String::from_utf8_lossy(&page));
        return Ok(Exit::Done);
    };
    let pages = write(&whole, NAME, dir).map_err(|error| {
        let told = format!("{} cannot be written: {error}", dir.display());
        Failure::new(Exit::Usage, told, "name a directory that is there, and may be written")
    })?;
    if args.json {
        out::line(json!({ "directory": dir, "pages": pages }).to_string());
    } else {
        let many = pages.len();
        out::line(format!(
            "{many} pages in {}: `man -l {}`",
            dir.display(),
            dir.join("readmill.1").display()
        ));
    }
    Ok(Exit::Done)
}

/// A page for a command and for each of those within it; answers their files.
fn write(command: &Command, name: &str, dir: &Path) -> io::Result<Vec<String>> {
    let file = format!("{name}.1");
    fs::write(dir.join(&file), page(command, name)?)?;
    let mut files = vec![file];
    for within in command.get_subcommands().filter(|within| within.get_name() != "help") {
        files.extend(write(within, &format!("{name}-{}", within.get_name()), dir)?);
    }
    Ok(files)
}

fn page(command: &Command, name: &str) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    // Each page is that of a command as it is typed; only its title has hyphens.
    let shown = command.clone().display_name(name.to_owned());
    Man::new(shown).title(name).render(&mut page)?;
    Ok(page)
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;
    use clap_complete::Shell;

    use super::*;

    /// The path of each command, but for those that only help.
    fn commands(of: &Command, path: &str) -> Vec<String> {
        let within = of.get_subcommands().filter(|within| within.get_name() != "help");
        let paths = within.flat_map(|within| {
            let path = format!("{path} {}", within.get_name());
            let mut all = vec![path.clone()];
            all.extend(commands(within, &path));
            all
        });
        paths.collect()
    }

    #[test]
    fn each_shell_completes_each_command() {
        let all = commands(&definition(), "");
        assert!(all.len() > 30, "{all:?}");
        for shell in Shell::value_variants() {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut definition(), NAME, &mut script);
            let script = String::from_utf8(script).unwrap();
            for path in &all {
                let verb = path.rsplit(' ').next().unwrap();
                assert!(script.contains(verb), "{shell}: {path}");
            }
            // Their generators complete options and commands, and no values.
            let completes_values = !matches!(shell, Shell::Elvish | Shell::PowerShell);
            assert!(!completes_values || script.contains("store_stats"), "{shell}");
        }
    }

    #[test]
    fn each_command_has_a_page_that_names_its_options() {
        let dir = tempfile::tempdir().unwrap();
        let mut whole = definition();
        whole.build();
        let files = write(&whole, NAME, dir.path()).unwrap();
        for path in commands(&whole, "") {
            let name = format!("readmill{}", path.replace(' ', "-"));
            assert!(files.contains(&format!("{name}.1")), "{name} has no page");
            let text = fs::read_to_string(dir.path().join(format!("{name}.1"))).unwrap();
            assert!(text.contains("log\\-format"), "{name}: {text}");
        }
        let page = fs::read_to_string(dir.path().join("readmill.1")).unwrap();
        assert!(page.contains("Exit codes") && page.contains("readmill\\-held"), "{page}");
    }
}
