//! `top` on a terminal of its own, beside a demo.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use super::pty::Pty;
use crate::mill::{free_port, get, readmill, succeed, wait};
use crate::paths;

const LIMIT: Duration = Duration::from_secs(120);

/// A demo that serves what it has folded.
struct Demo {
    child: Child,
    port: u16,
    dir: tempfile::TempDir,
}

impl Demo {
    fn serve() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = free_port();
        let mut demo = Self { child: spawn(dir.path(), port), port, dir };
        demo.wait();
        demo
    }

    fn wait(&mut self) {
        let port = self.port;
        wait(LIMIT, "the demo to have folded everything", || {
            get(port, "/status.json").is_some_and(|(_, text)| {
                let status: Value = serde_json::from_str(&text).unwrap();
                let models = status["models"].as_array().unwrap();
                !models.is_empty() && models.iter().all(|model| model["state"] == "ended")
            })
        });
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    fn again(&mut self) {
        self.child = spawn(self.dir.path(), self.port);
        self.wait();
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(dir: &Path, port: u16) -> Child {
    Command::new(paths::readmill())
        .args(["demo", "--events", "3000", "--listen", &format!("127.0.0.1:{port}"), "--dir"])
        .arg(dir)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn one_look_is_printed_as_text_or_as_one_object() {
    let demo = Demo::serve();
    let url = demo.url();
    let text = succeed(&["top", "--once", "--instance", &url, "--every", "200ms"]);
    for wanted in ["healthy", "1 intake", "8 settle", "CONSUMED", "store_stats", "points"] {
        assert!(text.contains(wanted), "{wanted} is missing:\n{text}");
    }
    assert!(!text.contains('\x1b'), "{text}");
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    let printed = succeed(&["top", "--json", "--instance", &url, "--every", "200ms"]);
    let shown: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(printed.lines().count(), 1);
    assert_eq!(shown["river"].as_array().unwrap().len(), 8);
    let models = shown["models"].as_array().unwrap();
    let applied: u64 = models.iter().filter_map(|m| m["counts"]["applied"].as_u64()).sum();
    assert!(models.len() == 13 && applied > 1_000, "{shown}");
    assert_eq!(models[0]["records_per_second"], 0.0);
    assert_eq!((&shown["instance"], &shown["healthy"]), (&Value::from(url), &true.into()));
    for (line, field) in [
        ("status --json", "models"),
        ("lanes --json", "lanes"),
        ("get points m-000001 --json", "state"),
        ("rollup points ledger --json", "groups"),
        ("generations points --json", "generations"),
    ] {
        let url = demo.url();
        let args: Vec<&str> = line.split(' ').chain(["--instance", url.as_str()]).collect();
        let told: Value = serde_json::from_str(&succeed(&args)).unwrap();
        assert!(!told[field].is_null(), "{line}: {told}");
    }
    let status = succeed(&["status", "--instance", &demo.url()]);
    assert!(status.contains("healthy, ready") && status.contains("CONSUMED"), "{status}");
    // Without a terminal there is nothing to draw on.
    let output = readmill(&["top", "--instance", &demo.url()]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && said.contains("--once"), "{said}");
}

#[test]
fn keys_change_what_is_shown_and_the_terminal_is_given_back() {
    let demo = Demo::serve();
    let url = demo.url();
    let args = ["top", "--instance", &url, "--every", "200ms"];
    let mut pty = Pty::readmill(&args, 80, 24, &[]);
    pty.wait_for("healthy");
    let first = pty.text();
    for wanted in ["Overview", "1 intake", "8 settle", "MODEL", "points", "q quit"] {
        assert!(first.contains(wanted), "{wanted} is missing:\n{first}");
    }
    assert!(!pty.is_as_before());
    pty.press("\t");
    pty.wait_for("CONSUMED");
    pty.press("\x1b[C");
    pty.wait_for("INSTANCES");
    pty.press("1s");
    pty.wait_for("by rate");
    pty.press("/OINT");
    pty.wait("points alone", |text| text.contains("points") && !text.contains("orders"));
    pty.press("\r");
    pty.wait_for("only \"OINT\"");
    pty.press("\x1b");
    pty.wait_for("orders");
    pty.press("?");
    pty.wait_for("ends it");
    pty.press("?p");
    pty.wait_for("paused");
    pty.press("p");
    // It is drawn for whatever room there is, and nothing of the old screen stays.
    pty.resize(132, 40);
    pty.wait("a larger screen", |text| text.contains("q quit") && text.contains("tickets"));
    pty.resize(30, 6);
    pty.wait("a small one", |text| text.lines().count() <= 6 && text.contains("q quit"));
    pty.resize(80, 24);
    pty.wait("the first one", |text| text.contains("8 settle") && text.contains("q quit"));
    pty.press("q");
    assert_eq!(pty.ended(), Some(0));
    assert!(pty.is_as_before(), "{}", pty.text());
}

#[test]
fn a_signal_gives_the_terminal_back() {
    let demo = Demo::serve();
    let url = demo.url();
    for signal in ["TERM", "INT", "HUP"] {
        let mut pty = Pty::readmill(&["top", "--instance", &url], 80, 24, &[]);
        pty.wait_for("healthy");
        pty.signal(signal);
        assert_eq!(pty.ended(), Some(0), "{signal}");
        assert!(pty.is_as_before(), "{signal}: {}", pty.text());
    }
    let mut pty = Pty::readmill(&["top", "--instance", &url], 80, 24, &[("NO_COLOR", "1")]);
    pty.wait_for("healthy");
    let coloured = pty.with(|screen| {
        let (rows, columns) = screen.size();
        let cells = (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
        cells.filter_map(|(row, column)| screen.cell(row, column)).any(|cell| {
            cell.fgcolor() != vt100::Color::Default || cell.bgcolor() != vt100::Color::Default
        })
    });
    assert!(!coloured);
    pty.press("\x03");
    assert_eq!(pty.ended(), Some(0));
}

#[test]
fn an_instance_that_goes_away_is_told_and_waited_for() {
    let mut demo = Demo::serve();
    let url = demo.url();
    let mut pty = Pty::readmill(&["top", "--instance", &url, "--every", "200ms"], 100, 24, &[]);
    pty.wait_for("healthy");
    demo.kill();
    pty.wait_for("silent for");
    // What was seen last still stands there.
    assert!(pty.text().contains("points"), "{}", pty.text());
    demo.again();
    pty.wait_for("healthy");
    pty.press("q");
    assert_eq!(pty.ended(), Some(0));
}
