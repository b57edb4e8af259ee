//! What is shown of long work: a bar on a terminal, and nothing where nobody watches.

use super::place::Place;
use super::pty::Pty;
use crate::mill::readmill;

#[test]
fn on_a_terminal_there_is_a_bar_with_rate_and_remaining_time() {
    let place = Place::new();
    let (archive, file) = (place.path("more"), place.file());
    let produce = ["produce", "--archive", &archive, "--events", "150000"];
    let mut pty = Pty::readmill(&produce, 100, 24, &[]);
    pty.wait("a bar", |text| text.contains(" left") && text.contains("/s"));
    assert_eq!(pty.ended(), Some(0));
    assert!(!pty.text().contains(" left") && pty.text().contains("records in"), "{}", pty.text());
    let mut pty = Pty::readmill(&["archive", "verify", "--dir", &archive], 100, 24, &[]);
    pty.wait("bytes", |text| text.contains("iB of ") && text.contains(" left"));
    assert_eq!(pty.ended(), Some(0));
    let heal = ["heal", "points", "-c", &file, "--limit-per-second", "20"];
    let mut pty = Pty::readmill(&heal, 100, 24, &[]);
    pty.wait("a pace", |text| text.contains("documents looked at: ") && text.contains("/s"));
    assert_eq!(pty.ended(), Some(0));
}

#[test]
fn where_nobody_watches_there_is_nothing_but_the_result() {
    let place = Place::new();
    let (dir, file, archive) = (place.dir().display(), place.file(), place.path("archive"));
    let table = [
        format!("produce --archive {dir}/more --events 5000"),
        format!("archive verify --dir {archive}"),
        format!("demo --events 2000 --exit --dir {dir}/demo"),
        format!("explain points m-000001 -c {file}"),
        format!("verify points -c {file}"),
        format!("diff points -c {file}"),
        format!("heal points -c {file}"),
        format!("held retry -c {file} -m points --all"),
        format!("doctor -c {file} --json"),
    ];
    for line in table {
        let args: Vec<&str> = line.split(' ').collect();
        let output = readmill(&args);
        let said = String::from_utf8_lossy(&output.stderr);
        // Warnings may be logged; nothing is drawn.
        let drawn = ["\r", "\x1b", "looked at"].iter().any(|mark| said.contains(mark));
        assert!(!drawn, "{line}: {said}");
        assert!(!output.stdout.contains(&0x1b), "{line}");
        assert!(!output.stdout.is_empty(), "{line}");
    }
}
