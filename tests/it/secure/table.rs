//! The table of refusals in the manual: it says what is really said.

use std::fmt::Write as _;

use super::refusal::Refusal;
use crate::paths::root;

const BEGIN: &str = "<!-- refusals: begin -->\n";
const END: &str = "<!-- refusals: end -->\n";

/// Compares; with `READMILL_BLESS` set it writes the table instead.
#[track_caller]
pub fn is_that_of_the_manual(refused: &[Refusal]) {
    let file = root().join("docs/security.md");
    let text = std::fs::read_to_string(&file).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (there, after) = rest.split_once(END).unwrap();
    let table = table(refused);
    if std::env::var_os("READMILL_BLESS").is_some() {
        std::fs::write(&file, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
    } else {
        assert_eq!(there, table, "docs/security.md: run it again with READMILL_BLESS=1");
    }
}

fn table(refused: &[Refusal]) -> String {
    let mut text = "\n| link | what is wrong | what is said | what to do |\n".to_owned();
    text += "|---|---|---|---|\n";
    for Refusal { link, wrong, said, hint } in refused {
        let cell = |text: &str| text.replace('|', "\\|");
        writeln!(text, "| {link} | {wrong} | {} | {} |", cell(said), cell(hint)).unwrap();
    }
    text + "\n"
}
