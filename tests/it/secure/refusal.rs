//! One thing that is wrong, and what is said of it.

use std::process::{Command, Output, Stdio};
use std::time::Duration;

use super::fort::{Fort, secured};
use crate::mill::{Mill, wait};
use crate::paths;

const LIMIT: Duration = Duration::from_secs(60);
const SERVICE: i32 = 3;
const SECRETS: [&str; 4] =
    ["KAFKA_PASSWORD", "KAFKA_APP_PASSWORD", "OAUTH_SECRET", "HTTP_PASSWORD"];
/// A secret that nobody takes.
pub const WRONG: &str = "s3cret-and-wrong";

/// What was wrong with a link, and what was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    pub link: &'static str,
    pub wrong: &'static str,
    pub said: String,
    pub hint: String,
}

/// A place of the configuration that is replaced: what is there, and what is put there.
pub type Swap<'a> = (&'a str, String);

/// Starts an instance with something wrong in its configuration: it ends, and says why.
#[track_caller]
pub fn of_run(fort: &Fort, link: &'static str, wrong: &'static str, swaps: &[Swap<'_>]) -> Refusal {
    of_instance(fort, link, wrong, &swapped(&fort.configuration(), swaps))
}

/// The same with one model: of two, either may be the first to say it.
#[track_caller]
pub fn of_one_model(
    fort: &Fort,
    link: &'static str,
    wrong: &'static str,
    swaps: &[Swap<'_>],
) -> Refusal {
    let whole = swapped(&fort.configuration(), swaps);
    let (one, _) = whole.split_once("[models.deliveries]").unwrap();
    of_instance(fort, link, wrong, one)
}

#[track_caller]
fn of_instance(
    fort: &Fort,
    link: &'static str,
    wrong: &'static str,
    configuration: &str,
) -> Refusal {
    let mut mill = Mill::start(fort.corner.dir(), configuration);
    let log = fort.file(&format!("{}.log", mill.port()));
    let mut status = None;
    wait(LIMIT, &format!("{link} to be refused: {wrong}"), || {
        status = mill.ended();
        status.is_some()
    });
    let said = std::fs::read_to_string(log).unwrap();
    assert_eq!(status.unwrap().code(), Some(SERVICE), "{link}, {wrong}: {said}");
    told(fort, link, wrong, &said)
}

/// Runs a command that is to fail.
#[track_caller]
pub fn of_command(fort: &Fort, link: &'static str, wrong: &'static str, args: &[&str]) -> Refusal {
    let Output { status, stderr, .. } =
        Command::new(paths::readmill()).args(args).stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8(stderr).unwrap();
    assert_eq!(status.code(), Some(SERVICE), "{link}, {wrong}: {said}");
    told(fort, link, wrong, &said)
}

/// A configuration with something else in some places.
#[track_caller]
pub fn swapped(configuration: &str, swaps: &[Swap<'_>]) -> String {
    let mut changed = configuration.to_owned();
    for (there, instead) in swaps {
        assert!(changed.contains(there), "{there} is not in {changed}");
        changed = changed.replacen(there, instead, 1);
    }
    changed
}

#[track_caller]
fn told(fort: &Fort, link: &'static str, wrong: &'static str, log: &str) -> Refusal {
    without_secrets(log);
    let line = |begin: &str| {
        let line = log.lines().filter_map(|line| line.trim_start().strip_prefix(begin)).next_back();
        line.map(|line| shortened(fort, line))
    };
    let said = line("because: ").or_else(|| line("error: "));
    let (said, hint) = said.zip(line("hint: ")).unwrap_or_else(|| panic!("{link}, {wrong}: {log}"));
    println!("refused {link}: {wrong}: {said}");
    Refusal { link, wrong, said, hint }
}

/// Nothing of what is said is a secret.
#[track_caller]
pub fn without_secrets(said: &str) {
    for secret in SECRETS.map(secured).into_iter().chain([WRONG.to_owned()]) {
        assert!(!said.contains(&secret), "a secret is told: {said}");
    }
}

/// A text without what is another in each run.
fn shortened(fort: &Fort, text: &str) -> String {
    // How many seconds a certificate is too old.
    let text = text.split(": verification time").next().unwrap();
    let mut short = text.replace(&fort.shop, "shop").replace(&fort.corner.name, "mill");
    short = short.replace(&fort.corner.dir().display().to_string(), "…");
    let mut words: Vec<String> = Vec::new();
    for word in short.split(' ') {
        words.push(without_port(word));
    }
    words.join(" ")
}

/// A word in which an address has a port.
fn without_port(word: &str) -> String {
    for host in ["localhost:", "127.0.0.1:"] {
        if let Some((before, rest)) = word.split_once(host) {
            let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit());
            return format!("{before}HOST{rest}");
        }
    }
    word.to_owned()
}
