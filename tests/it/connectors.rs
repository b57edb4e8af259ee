//! `readmill connectors` on the real Connect: definitions are checked, applied and restarted.

use std::process::{Command, Output, Stdio};

use crate::paths::{readmill, root, stack};
use crate::real::Corner;
use crate::shop::Shop;

pub const OUTBOX_SQL: &str = include_str!("../../connectors/debezium/postgres/outbox.sql");

/// Runs `readmill connectors` with the stack's addresses, and a corner's own names.
pub struct Bench {
    corner: Corner,
    config: String,
}

impl Bench {
    pub fn new(corner: Corner) -> Self {
        let connect = format!("[connect]\nurl = \"{}\"\n", stack("CONNECT_URL"));
        let file = corner.dir().join("connect.toml");
        std::fs::write(&file, connect + &corner.configuration()).unwrap();
        Self { config: file.to_str().unwrap().to_owned(), corner }
    }

    /// A command of `connectors`, with its exit code and what it printed.
    pub fn run(&self, args: &[&str], variables: &[(&str, &str)]) -> (i32, String) {
        let done = self.output(args, variables);
        let said = [done.stdout, done.stderr].concat();
        (done.status.code().unwrap(), String::from_utf8_lossy(&said).into_owned())
    }

    fn output(&self, args: &[&str], variables: &[(&str, &str)]) -> Output {
        let name = self.corner.name.as_str();
        let names = ["NAME", "DATABASE", "TOPIC_PREFIX", "SLOT"].map(|variable| (variable, name));
        let addresses = [
            "POSTGRES_HOST",
            "POSTGRES_PORT",
            "MARIADB_HOST",
            "MARIADB_PORT",
            "KAFKA_BROKERS",
            "REGISTRY_NATIVE_URL",
        ];
        Command::new(readmill())
            .arg("connectors")
            .args(args)
            .current_dir(root().join("connectors/debezium"))
            .envs(addresses.map(|address| (address, stack(address))))
            .env("DEBEZIUM_PASSWORD", stack("STACK_PASSWORD"))
            .envs(names)
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    /// `connectors apply`
    pub fn apply(&self, file: &str, more: &[&str], variables: &[(&str, &str)]) -> (i32, String) {
        let args = [&["apply", file, "-c", &self.config], more].concat();
        self.run(&args, variables)
    }

    /// `connectors apply`, which must succeed.
    #[track_caller]
    pub fn applied(&self, file: &str, variables: &[(&str, &str)]) -> String {
        let (code, said) = self.apply(file, &[], variables);
        assert_eq!(code, 0, "{file}: {said}");
        said
    }

    /// Another command about this corner's connector.
    fn ask(&self, verb: &str, more: &[&str]) -> (i32, String) {
        self.run(&[&[verb, &self.corner.name, "-c", &self.config], more].concat(), &[])
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_definition_is_applied_compared_shown_and_restarted() {
    let corner = Corner::new("connectors");
    let name = corner.name.clone();
    let shop = Shop::open(&corner, OUTBOX_SQL);
    let bench = Bench::new(corner);
    let file = "postgres/outbox.json";

    let (code, said) = bench.apply(file, &["--dry-run"], &[]);
    assert!(code == 0 && said.contains("  new"), "{said}");
    assert!(
        bench.ask("status", &[]).1.contains("there is no connector"),
        "a dry run makes nothing"
    );
    assert!(bench.applied(file, &[]).contains(&format!("{name}: created, runs")));
    assert!(bench.applied(file, &[]).contains(&format!("{name}: runs as it is defined")));
    let (code, table) = bench.ask("status", &[]);
    assert!(code == 0 && table.contains("running  1 running"), "{table}");
    let (code, said) = bench.ask("restart", &[]);
    assert!(code == 0 && said.contains("nothing of it has failed"), "{said}");

    // A wrong password is found by Connect, told in one line, and printed nowhere.
    let wrong = [("DEBEZIUM_PASSWORD", "wr0ng-s3cret"), ("HEARTBEAT_MS", "6000")];
    let (code, said) = bench.apply(file, &["--dry-run"], &wrong);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("password authentication failed"), "{said}");
    assert!(said.contains("~ database.password = … (changed)"), "{said}");
    assert!(said.contains("~ heartbeat.interval.ms = 5000 → 6000"), "{said}");
    assert!(!said.contains("wr0ng") && said.contains("nothing was applied"), "{said}");
    let (code, said) = bench.apply(file, &["--json"], &wrong);
    let told: serde_json::Value = serde_json::from_str(said.lines().next().unwrap()).unwrap();
    let refused = &told["definitions"][0]["refused"][0];
    assert!(code == 2 && refused["option"] == "database.hostname", "{said}");
    assert!(!said.contains("wr0ng"), "{said}");
    assert!(bench.ask("status", &[]).1.contains("1 running"), "what ran still runs");

    // What only the task finds: it fails, says why in a line, and runs again once it is mended.
    let gone = [("PUBLICATION", "not_there")];
    let (code, said) = bench.apply(file, &[], &gone);
    assert_eq!(code, 1, "{said}");
    let line = said.lines().find(|line| line.contains("failed: task 0: ")).unwrap();
    assert!(line.contains("Publication autocreation is disabled"), "{said}");
    assert!(!said.contains("\tat "), "{said}");
    let (code, table) = bench.ask("status", &[]);
    assert!(code == 1 && table.contains("1 failed") && table.contains("is disabled"), "{table}");
    let (code, said) = bench.ask("restart", &[]);
    assert!(code == 1 && said.contains("restarted, failed: task 0: "), "{said}");
    shop.sql("create publication not_there for table points_outbox, debezium_heartbeat");
    let (code, said) = bench.ask("restart", &["--json"]);
    let told: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert!(code == 0 && told["connectors"][0]["restarted"] == true, "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_source_database_is_looked_at_as_the_connector_will_see_it() {
    let corner = Corner::new("lookedat");
    let shop = Shop::open(&corner, OUTBOX_SQL);
    let bench = Bench::new(corner);
    let check = |variables: &[(&str, &str)]| {
        let (code, said) =
            bench.run(&["check", "postgres/outbox.json", "--database", "--json"], variables);
        let told: serde_json::Value = serde_json::from_str(&said).unwrap_or_default();
        let found = told["definitions"][0]["findings"].as_array().cloned().unwrap_or_default();
        let ids = found.iter().map(|finding| finding["id"].as_str().unwrap_or("?").to_owned());
        (code, ids.collect::<Vec<String>>(), said)
    };
    let (code, ids, said) = check(&[]);
    assert!(code == 0 && ids.is_empty(), "{said}");
    shop.sql(
        "alter table points_outbox replica identity default;
         revoke select on deliveries_outbox_a from debezium;
         alter publication readmill_outbox drop table deliveries_outbox_b, debezium_heartbeat;
         drop table deliveries_outbox_c",
    );
    let (code, mut ids, said) = check(&[]);
    ids.sort();
    let wanted = [
        "heartbeat-unpublished",
        "identity-not-full",
        "table-absent",
        "table-unpublished",
        "table-unreadable",
    ];
    assert!(code == 2 && ids == wanted, "{said}");
    assert!(said.contains("alter table public.points_outbox replica identity full"), "{said}");
    let (_, ids, said) = check(&[("PUBLICATION", "not_there")]);
    assert!(ids.contains(&"publication-absent".to_owned()), "{said}");
    let (code, _, said) = check(&[("DEBEZIUM_PASSWORD", "wr0ng-s3cret")]);
    assert!(code == 3 && said.contains("password authentication failed"), "{said}");
    assert!(!said.contains("wr0ng"), "{said}");
}

#[test]
fn a_bad_definition_is_refused_with_what_mends_it() {
    let bench = Bench::new(Corner::new("badconnectors"));
    let good = std::fs::read_to_string(root().join("connectors/debezium/postgres/outbox.json"));
    let good = good.unwrap();
    let bad = good
        .replace("\"heartbeat.interval.ms\"", "\"heartbeat.intervall.ms\"")
        .replace("${KEY_COLUMNS:-(.*).(.*)_outbox(.*):aggregate_id}", "(.*):id")
        .replace("\"decimal.handling.mode\": \"precise\"", "\"decimal.handling.mode\": \"exact\"");
    let file = bench.corner.dir().join("bad.json");
    std::fs::write(&file, bad).unwrap();
    let file = file.to_str().unwrap();

    // Without anybody: by the rules alone.
    let (code, said) = bench.run(&["check", file], &[]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("error    key-not-aggregate: "), "{said}");
    assert!(said.contains("mend: \"message.key.columns\": \""), "{said}");
    assert!(said.contains("error    heartbeat-missing: "), "{said}");
    let shared = ["check", file, file, "--json"];
    let (code, said) = bench.run(&shared, &[]);
    let told: serde_json::Value = serde_json::from_str(&said).unwrap();
    let ids = told["definitions"][1]["findings"].as_array().unwrap();
    let ids: Vec<&str> = ids.iter().filter_map(|finding| finding["id"].as_str()).collect();
    assert!(code == 2 && ids.contains(&"slot-shared") && ids.contains(&"name-shared"), "{said}");

    // Connect knows what an option may be, and which there are.
    let (code, said) = bench.run(&["check", file, "-c", &bench.config], &[("DATABASE", "shop")]);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("Connect refuses decimal.handling.mode: "), "{said}");
    assert!(said.contains("did you mean heartbeat.interval.ms?"), "{said}");

    // Nothing of it is applied, although rules may be broken.
    let (code, said) = bench.apply(file, &["--despite-findings"], &[("DATABASE", "shop")]);
    assert!(code == 2 && said.contains("nothing was applied"), "{said}");
    let unset = bench.run(&["check", "postgres/outbox.json"], &[("POSTGRES_HOST", "")]);
    assert_eq!(unset.0, 0, "an empty variable is set: {}", unset.1);
    let good = bench.run(&["check", "postgres/outbox.json", "mariadb/outbox.json"], &[]);
    assert!(good.0 == 2 && good.1.contains("prefix-shared"), "{}", good.1);
}

#[test]
fn who_does_not_answer_or_is_not_configured_is_told() {
    let bench = Bench::new(Corner::new("noconnect"));
    let dir = bench.corner.dir();
    let bare = dir.join("bare.toml");
    std::fs::write(&bare, bench.corner.configuration()).unwrap();
    let (code, said) = bench.run(&["status", "-c", bare.to_str().unwrap()], &[]);
    assert!(code == 2 && said.contains("[connect] with url"), "{said}");
    let nobody = dir.join("nobody.toml");
    let connect = "[connect]\nurl = \"http://127.0.0.1:9\"\n".to_owned();
    std::fs::write(&nobody, connect + &bench.corner.configuration()).unwrap();
    let (code, said) = bench.run(&["status", "-c", nobody.to_str().unwrap()], &[]);
    assert!(code == 3 && said.contains("Kafka Connect"), "{said}");
    let registry = dir.join("registry.toml");
    let connect = format!("[connect]\nurl = \"{}\"\n", stack("REGISTRY_URL"));
    std::fs::write(&registry, connect + &bench.corner.configuration()).unwrap();
    let (code, said) = bench.run(&["status", "-c", registry.to_str().unwrap()], &[]);
    assert!(code == 3 && said.contains("set `url` under [connect]"), "{said}");
}
