//! Dashboards, rules and alerts on a real Prometheus that scrapes a loaded instance: every
//! expression has data.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use readmill_connectors::kafka::{KafkaConfig, Producer};

use crate::mill::{Mill, free_port, get, wait};
use crate::paths::{readmill, root, stack, stack_if};
use crate::real::Corner;
use crate::reconcile::coupons::DDL;
use crate::shop::Shop;

const LIMIT: Duration = Duration::from_secs(120);
/// Rules are evaluated every half minute, and what they make is asked for afterwards.
const DATA_LIMIT: Duration = Duration::from_secs(240);
/// A load that lasts for as long as all of it.
const EVENTS_PER_S: &str = "150";
const EVENTS: &str = "200000";

/// A program that is killed when it is dropped.
struct Running(Child);

impl Running {
    fn start(program: &Path, args: &[&str], log: &Path) -> Self {
        let log = std::fs::File::create(log).unwrap();
        let mut command = Command::new(program);
        command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        Self(command.spawn().unwrap())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail when it has ended already, which is as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Points and deliveries with lanes, a witness and gauges; coupons that are compared with their
/// origin.
fn configuration(corner: &Corner, shop: &Shop) -> String {
    let points = corner.topics("points");
    let with = format!(
        "store = \"mongo\"\nverify_every_seconds = 3\nlanes = {{ {points} = \"online\" }}\n"
    );
    let configuration = corner.configuration().replacen("store = \"mongo\"\n", &with, 1);
    format!(
        "{configuration}\n[lanes.online]\npriority = 0\n\n[models.coupons]\n\
         topics = [\"{}.coupons\"]\nstore = \"mongo\"\norigin_url = \"{}\"\n\
         reconcile_every_seconds = 3\n",
        corner.name, shop.url
    )
}

/// A Prometheus of its own, which scrapes an instance every second.
fn prometheus(corner: &Corner, mill: &Mill) -> (Running, String) {
    let rules = root().join("dashboards/rules");
    let mut jobs = format!(
        "  - job_name: readmill\n    static_configs: [{{targets: [\"127.0.0.1:{}\"]}}]\n",
        mill.port()
    );
    if let Some(connect) = stack_if("CONNECT_METRICS") {
        let job = format!("    static_configs: [{{targets: [\"{connect}\"]}}]\n");
        jobs += &format!("  - job_name: connect\n{job}");
    }
    let text = format!(
        "global: {{scrape_interval: 1s, evaluation_interval: 5s}}\nrule_files: [\"{}/*.yml\"]\n\
         scrape_configs:\n{jobs}",
        rules.display()
    );
    let (file, data) = (corner.dir().join("prometheus.yml"), corner.dir().join("prometheus"));
    std::fs::write(&file, text).unwrap();
    let port = free_port();
    let args = [
        format!("--config.file={}", file.display()),
        format!("--storage.tsdb.path={}", data.display()),
        format!("--web.listen-address=127.0.0.1:{port}"),
        "--log.level=warn".to_owned(),
    ];
    let args = args.each_ref().map(String::as_str);
    let log = corner.dir().join("prometheus.log");
    let running = Running::start(Path::new("prometheus"), &args, &log);
    wait(LIMIT, "Prometheus to be ready", || {
        get(port, "/-/ready").is_some_and(|(status, _)| status == 200)
    });
    (running, format!("http://127.0.0.1:{port}"))
}

/// Changes of every kind, some of which cannot be read, come again, or come too early.
fn load(corner: &Corner) -> Running {
    let file = corner.dir().join("load.toml");
    std::fs::write(&file, corner.configuration()).unwrap();
    let args = [
        "produce",
        "--kafka",
        "-c",
        file.to_str().unwrap(),
        "--events",
        EVENTS,
        "--rate",
        EVENTS_PER_S,
        "--keys",
        "300",
        "--poison-per-mille",
        "10",
        "--duplicates-per-mille",
        "20",
        "--early-per-mille",
        "20",
    ];
    Running::start(&readmill(), &args, &corner.dir().join("load.log"))
}

fn check(url: &str) -> (bool, String) {
    let args = ["--live", url];
    let done = Command::new(root().join("dashboards/check")).args(args).output().unwrap();
    let said = String::from_utf8_lossy(&[done.stdout, done.stderr].concat()).into_owned();
    (done.status.success(), said)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_expression_has_data_while_an_instance_is_loaded() {
    let corner = Corner::new("boards");
    corner.make_topics_of(4).await;
    let brokers = stack("KAFKA_BROKERS");
    let producer = Producer::new(&KafkaConfig { brokers, ..KafkaConfig::default() }).unwrap();
    producer.ensure_topics(&[&format!("{}.coupons", corner.name)], 2).await.unwrap();
    let shop = Shop::open(&corner, DDL);
    shop.connect("tables.json");
    let mill = Mill::start(corner.dir(), &configuration(&corner, &shop));
    let (_prometheus, url) = prometheus(&corner, &mill);
    mill.wait_for("/readyz", LIMIT);
    let _load = load(&corner);
    wait(LIMIT, "records to be held", || mill.metric("readmill_held_records") >= Some(1.0));
    // On a busy machine the answer may come later than anybody waits for it here.
    let answer = mill.post("/generations/points/rebuild", "{}");
    assert!(answer.is_none_or(|(status, _)| matches!(status, 200 | 202)));
    wait(LIMIT, "a rebuild to be folded", || mill.metric("readmill_rebuild_state") >= Some(1.0));
    hot_keys(&mill);
    // Another one comes and goes: partitions are given back, and come again.
    let other = Mill::start(corner.dir(), &configuration(&corner, &shop));
    other.wait_for("/readyz", LIMIT);
    wait(LIMIT, "partitions to be given back", || {
        mill.metric("readmill_drain_seconds_count") >= Some(1.0)
    });
    assert_eq!(other.stop(), Some(0));
    let until = Instant::now() + DATA_LIMIT;
    loop {
        let (is_well, said) = check(&url);
        if is_well {
            println!("{said}");
            break;
        }
        assert!(Instant::now() < until, "{said}\n{}", mill.ask("/metrics").unwrap().1);
        std::thread::sleep(Duration::from_secs(5));
    }
    assert_eq!(mill.stop(), Some(0));
}

/// The keys that most records come for are told, and no metric names them.
#[track_caller]
fn hot_keys(mill: &Mill) {
    let (status, body) = mill.ask("/hot/points").unwrap();
    let told: serde_json::Value = serde_json::from_str(&body).unwrap();
    let model = &told["models"][0];
    assert_eq!((status, model["model"].as_str()), (200, Some("points")), "{told}");
    let keys = model["keys"].as_array().unwrap();
    assert!(!keys.is_empty() && keys.len() <= 64 && model["seen"].as_u64() > Some(0), "{told}");
    let (_, metrics) = mill.ask("/metrics").unwrap();
    for key in keys {
        let (name, count) = (key["key"].as_str().unwrap(), key["count"].as_u64());
        assert!(key["at_most_over_by"].as_u64() <= count && name.starts_with("m-"), "{told}");
        assert!(!metrics.contains(name), "{name} is in a metric");
    }
    assert_eq!(mill.ask("/hot/nobody").unwrap().0, 404);
}
