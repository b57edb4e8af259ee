//! Whoever watches a demo: true numbers, a document and what made it, by the keyboard alone.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use super::browser::{Browser, ENTER, Scheme, TAB};
use super::{HOSTILE, is_text_alone, show, view};
use crate::mill::{free_port, get, wait};
use crate::paths;

const LIMIT: Duration = Duration::from_secs(60);

/// A demo that has folded its events.
struct Demo {
    child: Child,
    port: u16,
    _dir: TempDir,
}

impl Demo {
    fn start(more: &[&str]) -> Self {
        let (dir, port) = (tempfile::tempdir().unwrap(), free_port());
        let child = Command::new(paths::readmill())
            .args(["demo", "--events", "6000", "--seed", "5", "--listen"])
            .arg(format!("127.0.0.1:{port}"))
            .args(more)
            .arg("--dir")
            .arg(dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let demo = Self { child, port, _dir: dir };
        wait(LIMIT, "the demo to end", || {
            let models = demo.json("/models");
            let all = models.as_array().map(Vec::as_slice).unwrap_or_default();
            !all.is_empty() && all.iter().all(|model| model["state"] == "ended")
        });
        demo
    }

    fn json(&self, path: &str) -> Value {
        let (_, body) = get(self.port, path).unwrap_or_default();
        serde_json::from_str(&body).unwrap_or_default()
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    /// How many records ended so, over all models.
    fn ended(&self, end: &str) -> u64 {
        let models = self.json("/models");
        models.as_array().unwrap().iter().filter_map(|model| model["counts"][end].as_u64()).sum()
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn whole(text: &str) -> String {
    text.chars().filter(char::is_ascii_digit).collect()
}

#[test]
fn the_page_says_true_numbers_and_bars_nobody() {
    let demo = Demo::start(&["--poison-per-mille", "3"]);
    let browser = Browser::start();
    browser.open(&demo.url());
    browser.wait_for("#health", "healthy");
    let applied = demo.ended("applied").to_string();
    wait(LIMIT, "the number of applied records", || {
        whole(&browser.text("#ends dl div:first-child dd")) == applied
    });
    assert!(browser.text("#ends .sum").contains("the six ends add up to it"));
    let stations = browser
        .run("return [...document.querySelectorAll('#river .name')].map((one) => one.textContent)");
    let wanted = ["1 intake", "2 wire", "3 envelope", "4 event", "5 route", "6 fold", "7 write"];
    for (at, name) in wanted.iter().enumerate() {
        assert_eq!(stations[at], *name);
    }
    let models = demo.json("/models");
    let cards = browser.run("return document.querySelectorAll('article.model').length");
    assert_eq!(cards, models.as_array().unwrap().len());
    browser.click("[data-model=points] details:first-of-type summary");
    browser.wait_for("[data-model=points] dl", "documents written");
    let points = models.as_array().unwrap().iter().find(|model| model["name"] == "points").unwrap();
    let shown = browser.text("[data-model=points] dl div[data-key=applied] dd");
    assert_eq!(whole(&shown), points["counts"]["applied"].to_string());
    let held = demo.json("/held/points");
    browser.wait_for("[data-held=points]", "record");
    assert!(held["records"].as_u64() > Some(0), "{held}");
    let sum = browser.text("[data-held=points] .title p");
    assert!(sum.starts_with(&format!("{} record", held["records"])), "{sum}: {held}");
    browser.wait_for("#hour", "Records a second");
    show(&browser, "river-title");
    for (name, size, scheme) in [
        ("demo-light", (1280, 900), Scheme::Light),
        ("demo-dark", (1280, 900), Scheme::Dark),
        ("demo-phone-light", (360, 740), Scheme::Light),
        ("demo-phone-dark", (360, 740), Scheme::Dark),
    ] {
        view(&browser, name, size, scheme);
    }
}

#[test]
fn a_document_is_found_and_explained_by_the_keyboard_alone() {
    let demo = Demo::start(&[]);
    let browser = Browser::start();
    browser.open(&demo.url());
    browser.wait("document.querySelector('#model').options.length > 0");
    browser.keys(TAB);
    assert_eq!(browser.text(":focus"), "Skip to the river");
    browser.tab_to("model");
    browser.keys("points");
    browser.keys(TAB);
    assert_eq!(browser.focus(), "key");
    browser.keys("m-000001");
    browser.keys(ENTER);
    browser.wait_for("#document-told", "revision");
    let shown: Value = serde_json::from_str(&browser.text("#document")).unwrap();
    assert_eq!(shown, demo.json("/models/points/m-000001")["state"]);
    browser.tab_to("explain");
    browser.keys(ENTER);
    browser.wait_for("#story", "What is stored is equal");
    let told = demo.json("/models/points/m-000001/explain?limit=1000");
    assert_eq!(told["stored"]["is"], "equal", "{told}");
    let many = told["found"].as_u64().unwrap();
    assert!(many > 1 && told["steps"].as_array().unwrap().len() as u64 == many, "{told}");
    let rows = browser.run("return document.querySelectorAll('#story .steps > li').length");
    assert_eq!(rows.as_u64(), Some(many.min(50)));
    assert_eq!(told["document"]["state"], demo.json("/models/points/m-000001")["state"]);
    show(&browser, "document-title");
    view(&browser, "explained", (1280, 900), Scheme::Light);
    // A key that means no good, asked for, and answered.
    browser.run("const key = document.querySelector('#key'); key.value = ''; key.focus()");
    browser.keys(HOSTILE);
    browser.keys(ENTER);
    browser.wait_for("#document-told", &format!("{HOSTILE}: there is no such document"));
    browser.tab_to("explain");
    browser.keys(ENTER);
    browser.wait_for("#story", "The log has nothing for it.");
    is_text_alone(&browser);
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn without_tokens_our_own_page_may_change_things_and_another_may_not() {
    let demo = Demo::start(&["--poison-per-mille", "3"]);
    let browser = Browser::start();
    // A page of another server of this machine.
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let evil = other.local_addr().unwrap();
    let script = format!(
        "const change = (headers) => fetch('http://127.0.0.1:{}/held/points/retry', \
         {{ method: 'POST', mode: 'no-cors', headers }}).catch(() => 0);\
         Promise.all([change({{}}), change({{ 'Content-Type': 'text/plain' }})])\
         .then(() => {{ document.title = 'tried'; }});",
        demo.port
    );
    let page = format!("<!doctype html><title>evil</title><script>{script}</script>");
    std::thread::spawn(move || {
        for stream in other.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut request = [0; 4096];
            let _ = stream.read(&mut request);
            let length = page.len();
            let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close";
            let _ = write!(stream, "{head}\r\nContent-Length: {length}\r\n\r\n{page}");
        }
    });
    browser.open(&format!("http://{evil}/"));
    browser.wait("document.title === 'tried'");
    let action = || demo.json("/held/points/action");
    assert_eq!(action()["status"], 404, "{}", action());
    let refused = get(demo.port, "/metrics").unwrap().1;
    assert!(refused.contains("readmill_http_refused_total{reason=\"web_page\"} 2"), "{refused}");
    browser.open(&demo.url());
    browser.wait("document.querySelector('[data-held=points] .title button')");
    browser.click("[data-held=points] .title button");
    browser.wait_for("#told", "stuck: ");
    assert_eq!((&action()["verb"], &action()["state"]), (&json!("retry"), &json!("done")));
    browser.wait_for("#lately", "done for somebody who asked over HTTP");
}
