//! A real browser without a screen, driven over the WebDriver protocol, which is HTTP with JSON.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::mill::{free_port, wait};
use crate::paths::root;

const LIMIT: Duration = Duration::from_secs(120);
/// Keys without a letter, as the protocol names them.
pub const TAB: &str = "\u{e004}";
pub const ENTER: &str = "\u{e007}";
pub const END: &str = "\u{e010}";
pub const LEFT: &str = "\u{e012}";
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";
/// Nothing is fetched but what a test asks for, and root may run it.
const FLAGS: [&str; 10] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-device-scale-factor=1",
    "--hide-scrollbars",
];

/// Where the browser is, and what judges a page's accessibility; both are installed if need be.
fn places() -> &'static BTreeMap<String, String> {
    static PLACES: OnceLock<BTreeMap<String, String>> = OnceLock::new();
    PLACES.get_or_init(|| {
        let done = Command::new(root().join("tools/browser")).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let said = String::from_utf8(done.stdout).unwrap();
        let pair = |line: &str| line.split_once('=').map(|(k, v)| (k.to_owned(), v.to_owned()));
        said.lines().filter_map(pair).collect()
    })
}

/// A browser with one window.
pub struct Browser {
    driver: Child,
    port: u16,
    session: String,
    _profile: TempDir,
}

/// A colour scheme that the person has chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    Light,
    Dark,
}

impl Browser {
    /// Starts one.
    pub fn start() -> Self {
        let (places, port, profile) = (places(), free_port(), tempfile::tempdir().unwrap());
        let driver = Command::new(&places["CHROMEDRIVER"])
            .arg(format!("--port={port}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut browser = Self { driver, port, session: String::new(), _profile: profile };
        wait(LIMIT, "the driver", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        let mut args: Vec<String> = FLAGS.iter().map(|flag| (*flag).to_owned()).collect();
        args.push(format!("--user-data-dir={}", browser._profile.path().display()));
        let options = json!({ "binary": places["CHROMIUM"], "args": args });
        let wishes = json!({ "alwaysMatch": {
            "goog:chromeOptions": options, "goog:loggingPrefs": { "browser": "ALL" },
        }});
        let session = browser.send("POST", "/session", &json!({ "capabilities": wishes }));
        browser.session = session["sessionId"].as_str().unwrap().to_owned();
        // A busy machine judges a page slowly.
        browser.ask("POST", "timeouts", &json!({ "script": 120_000 }));
        browser.size(1280, 900);
        browser
    }

    /// A command of the session; what it answers.
    #[track_caller]
    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        self.send(method, &format!("/session/{}/{path}", self.session), body)
    }

    #[track_caller]
    fn send(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, said) = exchange(self.port, method, path, body);
        let said: Value = serde_json::from_str(&said).unwrap_or_else(|e| panic!("{e}: {said}"));
        assert!(status == 200, "{method} {path}: {status} {said:#}");
        said["value"].clone()
    }

    /// A command of the browser's own tools.
    fn tool(&self, command: &str, params: &Value) -> Value {
        self.ask("POST", "goog/cdp/execute", &json!({ "cmd": command, "params": params }))
    }

    /// Opens a page.
    pub fn open(&self, url: &str) {
        self.ask("POST", "url", &json!({ "url": url }));
    }

    /// What a script of the page's own world answers.
    #[track_caller]
    pub fn run(&self, script: &str) -> Value {
        self.ask("POST", "execute/sync", &json!({ "script": script, "args": [] }))
    }

    /// Waits until a script answers something that is true.
    #[track_caller]
    pub fn wait(&self, script: &str) {
        wait(LIMIT, script, || self.run(&format!("return !!({script})")) == true);
    }

    /// The text of what a selector finds first; empty if it finds nothing.
    #[track_caller]
    pub fn text(&self, selector: &str) -> String {
        let selector = json!(selector);
        let script = format!("return document.querySelector({selector})?.textContent ?? ''");
        self.run(&script).as_str().unwrap_or_default().to_owned()
    }

    /// Waits until the text of what a selector finds first has these words.
    #[track_caller]
    pub fn wait_for(&self, selector: &str, words: &str) {
        let what = format!("{words:?} in {selector}");
        wait(LIMIT, &what, || self.text(selector).contains(words));
    }

    #[track_caller]
    fn element(&self, selector: &str) -> String {
        let wish = json!({ "using": "css selector", "value": selector });
        let found = self.ask("POST", "element", &wish);
        found[ELEMENT].as_str().unwrap_or_else(|| panic!("no {selector}")).to_owned()
    }

    /// Clicks where a person would see it.
    #[track_caller]
    pub fn click(&self, selector: &str) {
        self.run(&format!(
            "document.querySelector({}).scrollIntoView({{block: 'center', behavior: 'instant'}})",
            json!(selector)
        ));
        let element = self.element(selector);
        self.ask("POST", &format!("element/{element}/click"), &json!({}));
    }

    /// Types into whatever has the focus; a key of its own for each letter.
    pub fn keys(&self, text: &str) {
        let keys: Vec<Value> = (text.chars())
            .flat_map(|key| ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key })))
            .collect();
        let actions = json!([{ "type": "key", "id": "keyboard", "actions": keys }]);
        self.ask("POST", "actions", &json!({ "actions": actions }));
    }

    /// Chooses how large the window is.
    pub fn size(&self, width: u32, height: u32) {
        let metrics =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.tool("Emulation.setDeviceMetricsOverride", &metrics);
    }

    /// Chooses a colour scheme.
    pub fn prefer(&self, scheme: Scheme) {
        let value = if scheme == Scheme::Dark { "dark" } else { "light" };
        let features = json!([{ "name": "prefers-color-scheme", "value": value }]);
        self.tool("Emulation.setEmulatedMedia", &json!({ "features": features }));
    }

    /// What the page has complained of since it was asked last. That a request was refused is told
    /// by the browser as well, and is no fault of the page.
    pub fn complaints(&self) -> Vec<String> {
        let lines = self.ask("POST", "se/log", &json!({ "type": "browser" }));
        let lines = lines.as_array().cloned().unwrap_or_default();
        let is_grave = |line: &&Value| line["level"] == "SEVERE" || line["level"] == "WARNING";
        let faults = lines.iter().filter(|line| line["source"] != "network").filter(is_grave);
        faults.map(|line| format!("{} {}", line["level"], line["message"])).collect()
    }

    /// What is seriously wrong for those who hear the page, or see little of it.
    #[track_caller]
    pub fn barriers(&self) -> Vec<String> {
        let axe = std::fs::read_to_string(&places()["AXE"]).unwrap();
        self.run(&format!("{axe}\nreturn true"));
        let script = "const done = arguments[arguments.length - 1];\
             axe.run(document, { resultTypes: ['violations'] }).then((found) => done(\
             found.violations.filter((one) => one.impact !== 'minor')\
             .map((one) => `${one.id} (${one.impact}): `\
             + one.nodes.map((node) => `${node.target} ${node.failureSummary}`).join('; '))));";
        let found = self.ask("POST", "execute/async", &json!({ "script": script, "args": [] }));
        let found = found.as_array().cloned().unwrap_or_default();
        found.iter().map(|one| one.as_str().unwrap_or_default().to_owned()).collect()
    }

    /// The name of what has the focus: its id, else its tag.
    pub fn focus(&self) -> String {
        let script = "return document.activeElement.id || document.activeElement.tagName";
        self.run(script).as_str().unwrap_or_default().to_owned()
    }

    /// Goes on by the keyboard alone until this has the focus.
    #[track_caller]
    pub fn tab_to(&self, id: &str) {
        for _ in 0..150 {
            if self.focus() == id {
                return;
            }
            self.keys(TAB);
        }
        panic!("no Tab leads to {id}");
    }

    /// A picture of the window, as PNG.
    pub fn picture(&self) -> Vec<u8> {
        let shot = self.tool("Page.captureScreenshot", &json!({ "format": "png" }));
        bytes_of(shot["data"].as_str().unwrap())
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The browser ends with its session, and the driver by itself at the latest with this.
        let _ = exchange_of(self.port, "DELETE", &format!("/session/{}", self.session), &json!({}));
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

#[track_caller]
fn exchange(port: u16, method: &str, path: &str, body: &Value) -> (u16, String) {
    exchange_of(port, method, path, body).unwrap_or_else(|e| panic!("{method} {path}: {e}"))
}

fn exchange_of(
    port: u16,
    method: &str,
    path: &str,
    body: &Value,
) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(LIMIT))?;
    let body = if method == "GET" { String::new() } else { body.to_string() };
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = Vec::new();
    let mut piece = [0; 65_536];
    // The driver may keep the connection open: how long the answer is, it says itself.
    loop {
        let many = stream.read(&mut piece)?;
        answer.extend(&piece[..many]);
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n");
        let Some(end) = end else {
            if many == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            continue;
        };
        let (head, body) = (String::from_utf8_lossy(&answer[..end]), &answer[end + 4..]);
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
        });
        if many == 0 || length.is_some_and(|length: usize| body.len() >= length) {
            let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
            return Ok((status.unwrap_or(0), String::from_utf8_lossy(body).into_owned()));
        }
    }
}

/// The bytes that a base64 text stands for.
fn bytes_of(text: &str) -> Vec<u8> {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bytes, mut bits, mut many) = (Vec::new(), 0_u32, 0);
    for letter in text.bytes().take_while(|letter| *letter != b'=') {
        let value = LETTERS.iter().position(|known| *known == letter).unwrap();
        bits = (bits << 6) | u32::try_from(value).unwrap();
        many += 6;
        if many >= 8 {
            many -= 8;
            bytes.push(u8::try_from((bits >> many) & 0xff).unwrap());
        }
    }
    bytes
}
