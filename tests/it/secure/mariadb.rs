//! MariaDB under TLS: the connector reads it, and says what it is refused.

use std::io::Write as _;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use super::fort::{Fort, secured, tls_file};
use super::refusal::{Refusal, WRONG, without_secrets};
use super::rows::stack_says;
use crate::paths::readmill;

const LINK: &str = "MariaDB";
const FILE: &str = "connectors/debezium/mariadb/outbox.json";
const LIMIT: Duration = Duration::from_secs(60);

/// A connector of this test, taken away in the end.
struct Connector<'f> {
    fort: &'f Fort,
    name: String,
}

impl<'f> Connector<'f> {
    fn named(fort: &'f Fort, end: &str) -> Self {
        Self { fort, name: format!("{}{end}", fort.shop) }
    }

    /// Has Readmill apply it, with other variables than the stack's own.
    fn apply(&self, number: u32, variables: &[&str]) -> (Option<i32>, String) {
        let own = [
            format!("NAME={}", self.name),
            format!("TOPIC_PREFIX={}", self.name),
            format!("SERVER_ID={number}"),
            format!("KAFKA_BROKERS={}", secured("KAFKA_BROKERS")),
        ];
        let own: Vec<&str> = own.iter().map(String::as_str).collect();
        let filled = stack_says(&[&["connector", "fill", FILE], &own[..], variables].concat());
        let file = self.fort.file(&format!("{}.json", self.name));
        std::fs::write(&file, filled).unwrap();
        self.says("apply", file.to_str().unwrap())
    }

    fn says(&self, verb: &str, what: &str) -> (Option<i32>, String) {
        let config = self.fort.file("readmill.toml");
        let args = ["connectors", verb, what, "-c", config.to_str().unwrap()];
        let Output { status, stdout, stderr } =
            Command::new(readmill()).args(args).stdin(Stdio::null()).output().unwrap();
        let said = String::from_utf8([stdout, stderr].concat()).unwrap();
        without_secrets(&said);
        assert!(!said.contains(&secured("DEBEZIUM_SECRET")), "a secret is told: {said}");
        (status.code(), said)
    }
}

impl Drop for Connector<'_> {
    fn drop(&mut self) {
        let _ = Command::new(crate::paths::root().join("compose/stack"))
            .args(["connector", "delete", &self.name, "--secure"])
            .output();
    }
}

/// Runs statements as the service does, looking at who answers.
fn sql(statements: &str) {
    let url = secured("MARIADB_URL");
    let (account, place) = url.strip_prefix("mysql://").unwrap().split_once('@').unwrap();
    let (user, password) = account.split_once(':').unwrap();
    let (host, rest) = place.split_once(':').unwrap();
    let (port, database) = rest.split_once('/').unwrap();
    let mut client = Command::new("mariadb")
        .args(["--no-defaults", "--protocol=tcp", "-h", host, "-P", port, "-u", user])
        .arg(format!("--ssl-ca={}", tls_file("ca.pem").display()))
        .args(["--ssl-verify-server-cert", database])
        .env("MYSQL_PWD", password)
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    client.stdin.take().unwrap().write_all(statements.as_bytes()).unwrap();
    let done = client.wait_with_output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

/// Rows that are written under TLS are on the topic, which the connector read them for under TLS.
pub fn rows_become_records(fort: &Fort) {
    let connector = Connector::named(fort, "maria");
    let id = &fort.corner.name;
    sql(&format!(
        "insert into points_outbox (id, aggregate_type, aggregate_id, version, type, payload) \
         values ('{id}', 'member', 'm-1', 1, 'PointsEarned', '')"
    ));
    let (code, said) = connector.apply(7_101, &[]);
    assert_eq!(code, Some(0), "{said}");
    let topic = format!("{}.shop.points_outbox", connector.name);
    let until = Instant::now() + LIMIT;
    while super::kafka::end_of(&topic) == 0 {
        assert!(Instant::now() < until, "no row of MariaDB arrives");
        std::thread::sleep(Duration::from_millis(200));
    }
    println!("link {LINK}: rows become records under TLS");
}

/// What the connector is refused, as `connectors` tells it.
pub fn refuses(fort: &Fort) -> Vec<Refusal> {
    vec![wrong_password(fort), no_right(fort)]
}

fn wrong_password(fort: &Fort) -> Refusal {
    let connector = Connector::named(fort, "wrong");
    let (code, said) = connector.apply(7_102, &[&format!("DEBEZIUM_PASSWORD={WRONG}")]);
    assert_eq!(code, Some(2), "{said}");
    let hint = "look at database.user and database.password of the definition";
    told("a wrong password", &said, "Connect refuses database.hostname: ", hint)
}

fn no_right(fort: &Fort) -> Refusal {
    let connector = Connector::named(fort, "lacks");
    let (code, said) = connector.apply(7_103, &["DEBEZIUM_USER=no-binlog"]);
    assert_eq!(code, Some(1), "{said}");
    let hint = "give the user the rights that connectors/debezium/mariadb/outbox.sql lists";
    told("the right to read the binary log is missing", &said, "failed: task 0: ", hint)
}

fn told(wrong: &'static str, said: &str, before: &str, hint: &str) -> Refusal {
    let found = said.lines().find_map(|line| line.split_once(before).map(|(_, rest)| rest));
    let found = found.unwrap_or_else(|| panic!("{wrong}: {said}"));
    // Each connection has a number.
    let (begin, rest) = found.split_once("(conn=").unwrap_or((found, ""));
    let rest = rest.split_once(") ").map_or("", |(_, rest)| rest);
    let said = format!("{begin}{rest}");
    println!("refused {LINK}: {wrong}: {said}");
    Refusal { link: LINK, wrong, said, hint: hint.to_owned() }
}
