//! `top` beside an instance under load that rebuilds, and the picture of it in the documentation.

use std::process::{Command, Stdio};
use std::time::Duration;

use readmill_connectors::kafka::{KafkaConfig, Producer};
use readmill_workload::Table;
use serde_json::Value;

use super::pty::Pty;
use super::svg;
use crate::mill::{Mill, succeed, wait};
use crate::paths::{self, root, stack};
use crate::real::Corner;

const LIMIT: Duration = Duration::from_secs(120);

/// All models on the real stack, in lanes.
fn configuration(corner: &Corner) -> String {
    let mut text = format!(
        "[source]\nkind = \"kafka\"\n\n[kafka]\nbrokers = \"{}\"\ngroup_prefix = \"{}\"\n\
         session_timeout_ms = 6000\n\n[registry]\nurls = [\"{}\"]\n\n\
         [embedded]\ndirectory = \"{}/store\"\n\n[lanes.online]\n\n\
         [lanes.batch]\npriority = 1\nrate_records_per_s = 900\n\n",
        stack("KAFKA_BROKERS"),
        corner.name,
        stack("REGISTRY_URL"),
        corner.dir().display(),
    );
    for row in readmill_models::ALL {
        let topics: Vec<String> = topics_of(corner, row.name);
        let lane = if ["chats", "reviews"].contains(&row.name) { "batch" } else { "online" };
        let lanes: Vec<String> =
            topics.iter().map(|topic| format!("\"{topic}\" = \"{lane}\"")).collect();
        text += &format!(
            "[models.{}]\ntopics = {topics:?}\nstore = \"embedded\"\nlanes = {{ {} }}\n",
            row.name,
            lanes.join(", ")
        );
        if !row.says.is_empty() {
            text += &format!("reactions_topic = \"{}.{}_out\"\n", corner.name, row.name);
        }
        if row.mirror.is_some() {
            text += "mirror = \"embedded\"\n";
        }
        text += "\n";
    }
    text
}

fn topics_of(corner: &Corner, model: &str) -> Vec<String> {
    let tables = Table::of_model(model);
    tables.map(|table| format!("{}.{}", corner.name, table.name())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn under_load_it_shows_rates_lanes_and_a_rebuild_on_its_way() {
    let corner = Corner::new("top");
    let brokers = stack("KAFKA_BROKERS");
    let producer = Producer::new(&KafkaConfig { brokers, ..KafkaConfig::default() }).unwrap();
    let all: Vec<String> =
        Table::ALL.iter().map(|table| format!("{}.{}", corner.name, table.name())).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    producer.ensure_topics(&all, 2).await.unwrap();
    let file = corner.dir().join("all.toml");
    std::fs::write(&file, configuration(&corner)).unwrap();
    let file = file.to_str().unwrap();
    let produce = ["produce", "--kafka", "-c", file, "--others-per-mille", "500"];
    succeed(&[&produce[..], &["--events", "30000", "--poison-per-mille", "1"]].concat());
    let mill = Mill::start(corner.dir(), &configuration(&corner));
    mill.wait_for("/readyz", LIMIT);
    let url = format!("http://127.0.0.1:{}", mill.port());
    wait(LIMIT, "points to be folded", || {
        let shown = succeed(&["top", "--json", "--instance", &url, "--every", "200ms"]);
        let shown: Value = serde_json::from_str(&shown).unwrap();
        let points = shown["models"].as_array().unwrap().iter().find(|m| m["model"] == "points");
        points.is_some_and(|points| points["lag_records"] == 0)
    });
    let load = [&produce[..], &["--events", "400000", "--seed", "8", "--rate", "1200"]].concat();
    let mut load = Command::new(paths::readmill())
        .args(load)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut pty = Pty::readmill(&["top", "--instance", &url, "--every", "500ms"], 100, 30, &[]);
    pty.wait("records to flow", |text| text.contains("▶") && !text.contains("0/s"));
    succeed(&["rebuild", "points", "--instance", &url, "--detach"]);
    pty.wait_for("points gen 2");
    pty.wait("its pace", |text| {
        text.lines().any(|line| line.contains("points gen 2") && line.contains("/s"))
    });
    pty.wait_for("online busy");
    std::thread::sleep(Duration::from_secs(20));
    let text = pty.text();
    for wanted in ["points", "are held", "lanes", "%"] {
        assert!(text.contains(wanted), "{wanted} is missing:\n{text}");
    }
    if std::env::var_os("READMILL_SCREENS").is_some() {
        let picture = pty.with(svg::draw).replace(&url, "http://127.0.0.1:9464");
        let picture = picture.replace(&mill.port().to_string(), "9464");
        let screens = root().join("docs/screens");
        std::fs::create_dir_all(&screens).unwrap();
        std::fs::write(screens.join("top.svg"), picture).unwrap();
    }
    pty.press("3");
    pty.wait("the generations", |text| text.contains("live") && text.contains("beside"));
    pty.press("4");
    pty.wait("the lanes", |text| text.contains("900") && text.contains("LEAST SHARE"));
    pty.press("6");
    pty.wait_for("held list -m");
    pty.press("q");
    assert_eq!(pty.ended(), Some(0));
    load.kill().unwrap();
    load.wait().unwrap();
}
