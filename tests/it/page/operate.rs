//! Whoever operates a live instance from its page: lanes, held records, a rebuild and its swap; and
//! whoever may only look.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use super::browser::{Browser, END, LEFT, Scheme};
use super::{HOSTILE, is_text_alone, show, view};
use crate::explain::earned;
use crate::mill::{Mill, get_with, succeed, wait};
use crate::paths::{readmill, stack};
use crate::real::Corner;

const LIMIT: Duration = Duration::from_secs(120);
const READS: &str = "reads-reads-reads-1";
const OPERATES: &str = "operates-operates-1";

/// An instance with a stream, records that are held, and lanes.
struct Place {
    _corner: Corner,
    mill: Mill,
    stream: Child,
}

impl Place {
    async fn start() -> Self {
        let corner = Corner::new("page");
        corner.make_topics_of(2).await;
        let file = corner.configuration_file();
        let file = file.to_str().unwrap();
        let target = ["produce", "--kafka", "-c", file];
        hostile(&corner, &target);
        let mill = Mill::start(corner.dir(), &configuration(&corner));
        mill.wait_for("/readyz", LIMIT);
        let stream = Command::new(readmill())
            .args(target)
            .args(["--events", "200000", "--keys", "5000", "--rate", "400"])
            .args(["--poison-per-mille", "2"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let place = Self { _corner: corner, mill, stream };
        // There is something to rebuild, and something is held.
        wait(LIMIT, "a stream", || place.mill.metric("readmill_consumed_total") > Some(9_000.0));
        place
    }

    /// What the instance says to an operator.
    fn json(&self, path: &str) -> Value {
        let (_, body) = get_with(self.mill.port(), path, OPERATES).unwrap_or_default();
        serde_json::from_str(&body).unwrap_or_default()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = self.stream.kill();
        let _ = self.stream.wait();
    }
}

/// A member whose name means no good, with an entry that is refused and one behind it.
fn hostile(corner: &Corner, target: &[&str]) {
    let mut rows =
        [earned(HOSTILE, 1, "a", 100), earned(HOSTILE, 2, "a", 5), earned(HOSTILE, 3, "d", 1)];
    for (row, second) in rows.iter_mut().zip(1..) {
        row["committed_ms"] = json!(second * 1000);
        row["id"] = json!(format!("hostile-{second}"));
    }
    let file = corner.dir().join("rows.jsonl");
    let text: String = rows.iter().map(|row| format!("{row}\n")).collect();
    std::fs::write(&file, text).unwrap();
    let rows = ["--rows", file.to_str().unwrap(), "--table", "points_outbox"];
    succeed(&[target, &rows].concat());
}

fn configuration(corner: &Corner) -> String {
    format!(
        r#"
[http]
read_tokens = ["{READS}"]
operate_tokens = ["{OPERATES}"]
open_metrics = true

[source]
kind = "kafka"

[kafka]
brokers = "{brokers}"
group_prefix = "{name}"
session_timeout_ms = 6000

[registry]
urls = ["{registry}"]

[embedded]
directory = "{dir}/store"

[lanes.online]

[lanes.batch]
priority = 1

[lanes.rebuild]
priority = 2
rate_records_per_s = 300

[models.points]
topics = [{points}]
store = "embedded"
mirror = "embedded"
lanes = {{ {points} = "online" }}

[models.deliveries]
topics = [{deliveries}]
store = "embedded"
reactions_topic = "{name}.integrated"
"#,
        dir = corner.dir().display(),
        name = corner.name,
        brokers = stack("KAFKA_BROKERS"),
        registry = stack("REGISTRY_URL"),
        points = corner.topics("points"),
        deliveries = corner.topics("deliveries"),
    )
}

fn unlock(browser: &Browser, token: &str) {
    browser.wait("!document.querySelector('#locked').hidden");
    browser.run("document.querySelector('#token').focus()");
    browser.keys(token);
    browser.click("#unlock button");
}

fn answer(browser: &Browser, id: &str) {
    browser.wait("document.querySelector('#ask').open");
    browser.click(id);
    browser.wait("!document.querySelector('#ask').open");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_is_operated_from_its_page_by_those_who_may() {
    let mut place = Place::start().await;
    let browser = Browser::start();
    browser.open(&format!("http://127.0.0.1:{}/", place.mill.port()));
    whoever_may_only_look_changes_nothing(&browser);
    browser.click("#other-token");
    unlock(&browser, OPERATES);
    browser.wait_for("#role", "role operate");
    browser.wait("document.querySelector('[data-lane=batch] input').disabled === false");
    a_slider_is_a_limit(&place, &browser);
    held_records_are_dropped_and_tried_again(&place, &browser);
    a_rebuild_is_swapped_in_and_back(&mut place, &browser);
    for words in ["the generation is paused", "readers see this one now", "partition assigned"] {
        browser.wait_for("#lately", words);
    }
    browser.wait_for("#lately", "the rule of a lane was changed");
    is_text_alone(&browser);
    let text = browser.run("return document.documentElement.outerHTML").to_string();
    assert!(!text.contains(OPERATES) && !text.contains(READS));
}

fn whoever_may_only_look_changes_nothing(browser: &Browser) {
    unlock(browser, "nobody-knows-this-token");
    browser.wait_for("#locked-told", "not known");
    unlock(browser, READS);
    browser.wait_for("#role", "role read");
    browser.wait("document.querySelectorAll('.record').length > 1");
    browser.wait("document.querySelectorAll('#generations button').length > 0");
    let open = browser.run(
        "return [...document.querySelectorAll('#lanes input, #held button, #generations button')]\
         .filter((one) => !one.disabled && !one.matches('.quiet')).map((one) => one.outerHTML)",
    );
    assert_eq!(open, json!([]));
    for id in ["lanes", "held", "generations"] {
        browser.wait_for(&format!("#{id}-note"), "a token of the role operate");
    }
    view(browser, "read-alone", (1280, 900), Scheme::Light);
}

fn a_slider_is_a_limit(place: &Place, browser: &Browser) {
    let limit = || {
        let lanes = place.json("/lanes");
        let all = lanes["lanes"].as_array().unwrap().clone();
        all.into_iter().find(|lane| lane["name"] == "batch").unwrap()["rate_records_per_s"].clone()
    };
    assert_eq!(limit(), Value::Null);
    browser.run("document.querySelector('[data-lane=batch] input').focus()");
    browser.keys(LEFT);
    browser.wait_for("#told", "lane batch: 1,000,000 records a second");
    assert_eq!(limit(), 1_000_000);
    browser.keys(LEFT);
    wait(LIMIT, "the next step", || limit() == 890_000);
    browser.wait_for("[data-lane=batch] output", "890,000 records a second");
    browser.keys(END);
    wait(LIMIT, "no limit", || limit() == Value::Null);
    assert_eq!(browser.text("[data-lane=batch] output"), "no limit");
}

/// The record of the hostile key that this text is in, marked for selectors.
fn mark(browser: &Browser, reason: &str) {
    browser.wait(&format!(
        "(() => {{ const found = [...document.querySelectorAll('.record')].find((one) =>\
         one.textContent.includes('<img') && one.textContent.includes({}));\
         for (const old of document.querySelectorAll('[data-mark]')) delete old.dataset.mark;\
         if (found) found.dataset.mark = 'yes'; return found; }})()",
        json!(reason)
    ));
}

fn held_records_are_dropped_and_tried_again(place: &Place, browser: &Browser) {
    let path =
        format!("/models/points/{}", "%3Cimg%20src%3Dx%20onerror%3D%22window.hostile%3D1%22%3E");
    let before = place.json(&path);
    assert_eq!((&before["key"], &before["state"]["available"]), (&json!(HOSTILE), &json!(100)));
    browser.click("[data-held=points] > .quiet");
    mark(browser, "stands already");
    let name = browser.text("[data-mark] .mono");
    assert_eq!(name, HOSTILE);
    browser.click("[data-mark] summary");
    browser.wait_for("[data-mark] pre", "hostile-2");
    browser.click("[data-mark] .danger");
    browser.wait("document.querySelector('#ask').open");
    let asked = browser.text("#ask");
    assert!(asked.contains("for ever") && asked.contains(HOSTILE), "{asked}");
    assert_eq!(browser.focus(), "ask-no");
    answer(browser, "#ask-no");
    let many = place.json("/held/points")["records"].as_u64().unwrap();
    browser.click("[data-mark] .danger");
    answer(browser, "#ask-yes");
    browser.wait_for("#told", "1 record still behind it");
    assert_eq!(place.json("/held/points")["records"].as_u64(), Some(many - 1));
    mark(browser, "an earlier record of this key is held");
    browser.click("[data-mark] .acts button");
    browser.wait_for("#told", "points: 1 applied");
    assert_eq!(place.json(&path)["state"]["available"], 101);
    browser.wait(
        "![...document.querySelectorAll('.record')].some((o) => o.textContent.includes('<img'))",
    );
    browser.click("[data-held=points] > .quiet");
    is_text_alone(browser);
}

fn a_rebuild_is_swapped_in_and_back(place: &mut Place, browser: &Browser) {
    let verb = |verb: &str| format!("[data-generations=points] [data-verb={verb}]");
    let second = "[data-generations=points] [data-generation='2']";
    browser.wait("document.querySelector('[data-generations=points]')");
    browser.click(&verb("rebuild"));
    answer(browser, "#ask-yes");
    browser.wait_for(second, "being built");
    browser.wait_for(second, "records to go");
    if std::env::var_os("READMILL_SCREENS").is_some() {
        // A picture shows more than the first samples.
        wait(LIMIT * 2, "some history", || {
            place.json("/history.json")["at_ms"].as_array().is_some_and(|all| all.len() >= 14)
        });
    }
    show(browser, "river-title");
    for (name, size, scheme) in [
        ("page-light", (1280, 900), Scheme::Light),
        ("page-dark", (1280, 900), Scheme::Dark),
        ("page-phone", (360, 740), Scheme::Light),
        ("page-generations", (1280, 900), Scheme::Light),
    ] {
        if name == "page-generations" {
            browser.size(size.0, size.1);
            show(browser, "generations-title");
        }
        view(browser, name, size, scheme);
    }
    browser.size(1280, 900);
    browser.click(&verb("pause"));
    browser.wait_for(second, "paused");
    assert_eq!(place.json("/generations/points")["generations"][1]["paused"], true);
    browser.click(&verb("resume"));
    browser.wait("document.querySelector(\"[data-generations=points] [data-verb=resume]\").hidden");
    // A busy machine holds a rebuild back while anything live comes.
    place.stream.kill().unwrap();
    browser.run("document.querySelector('[data-lane=rebuild] input').focus()");
    browser.keys(END);
    browser.wait(&format!("Number(document.querySelector(\"{second} progress\").value) > 99"));
    browser.click(&verb("swap"));
    browser.wait("document.querySelector('#ask').open");
    assert!(browser.text("#ask").contains("nobody has verified it"));
    answer(browser, "#ask-yes");
    browser.wait_for(second, "readers see it");
    browser.wait_for("[data-model=points] .chips", "generation 2");
    assert_eq!(place.json("/generations/points")["live"], 2);
    browser.click(&verb("rollback"));
    answer(browser, "#ask-yes");
    browser.wait_for("[data-model=points] .chips", "generation 1");
    browser.wait_for(second, "kept warm for a rollback");
    browser.click(&verb("retire"));
    answer(browser, "#ask-yes");
    browser.wait(&format!("!document.querySelector(\"{second}\")"));
    let listed = place.json("/generations/points");
    assert_eq!(listed["generations"].as_array().map(Vec::len), Some(1), "{listed}");
}
