//! Whoever operates an instance over its HTTP API: generations and held records of an embedded
//! store, which no other process can open, by tokens, and behind TLS.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use readmill_core::digest::Digest;
use serde_json::{Value, json};

use crate::mill::{Mill, free_port, readmill, succeed, wait};
use crate::paths::stack;
use crate::real::Corner;

const LIMIT: Duration = Duration::from_secs(120);
const READS: &str = "reads-reads-reads-1";
const OPERATES: &str = "operates-operates-1";

/// An instance with an embedded store, and tokens in files.
struct Place {
    corner: Corner,
    mill: Mill,
    read: PathBuf,
    operate: PathBuf,
}

impl Place {
    /// Folds a workload, in which some records cannot be read.
    async fn of(name: &str) -> Self {
        let corner = Corner::new(name);
        corner.make_topics_of(2).await;
        let file = corner.configuration_file();
        let target = ["produce", "--kafka", "-c", file.to_str().unwrap()];
        let workload = ["--events", "3000", "--keys", "60", "--poison-per-mille", "5"];
        succeed(&[&target[..], &workload].concat());
        let (read, operate) = (corner.dir().join("read"), corner.dir().join("operate"));
        std::fs::write(&read, format!("{READS}\n")).unwrap();
        std::fs::write(&operate, format!("{OPERATES}\n")).unwrap();
        let mill = Mill::start(corner.dir(), &(locked(&corner) + &configuration(&corner)));
        mill.wait_for("/readyz", LIMIT);
        let place = Self { corner, mill, read, operate };
        wait(LIMIT, "everything to be folded", || {
            let listed = place.json(&["generations", "points", "--json"]);
            listed["generations"][0]["behind_records"] == 0
        });
        place
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.mill.port())
    }

    /// A command with a token; its exit code and what it said.
    fn with(&self, token: &Path, args: &[&str]) -> (Option<i32>, String) {
        let (url, token) = (self.url(), token.to_str().unwrap());
        let output = readmill(&[args, &["--instance", &url, "--token-file", token]].concat());
        let said = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8(said).unwrap())
    }

    /// What a command of the operator prints last, which must succeed.
    #[track_caller]
    fn json(&self, args: &[&str]) -> Value {
        let (url, token) = (self.url(), self.operate.to_str().unwrap());
        let told = succeed(&[args, &["--instance", &url, "--token-file", token]].concat());
        serde_json::from_str(told.lines().last().unwrap_or("null")).unwrap()
    }

    /// The documents of some keys as readers see them, and their generation.
    fn seen(&self) -> (Value, Digest) {
        let mut digest = Digest::default();
        for n in 0..12 {
            let key = format!("m-{n:06}");
            let (code, told) = self.with(&self.read, &["get", "points", &key, "--json"]);
            assert!(code == Some(0) || code == Some(5), "{told}");
            if code == Some(0) {
                let mut document: Value = serde_json::from_str(&told).unwrap();
                let state = document["state"].take();
                digest.add(&key.as_str().into(), &state).unwrap();
            }
        }
        (self.json(&["generations", "points", "--json"])["live"].take(), digest)
    }
}

/// Tokens for this machine alone.
fn locked(corner: &Corner) -> String {
    let dir = corner.dir().display();
    format!("[http]\nread_token_file = \"{dir}/read\"\noperate_token_file = \"{dir}/operate\"\n\n")
}

fn configuration(corner: &Corner) -> String {
    format!(
        r#"
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

[models.points]
topics = [{points}]
store = "embedded"
mirror = "embedded"
"#,
        dir = corner.dir().display(),
        name = corner.name,
        brokers = stack("KAFKA_BROKERS"),
        registry = stack("REGISTRY_URL"),
        points = corner.topics("points"),
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn generations_of_an_embedded_store_are_made_swapped_and_retired_over_http() {
    let place = Place::of("httpgenerations").await;
    let (live, before) = place.seen();
    assert!(live == 1 && before != Digest::default());
    // Nobody else can open the store.
    let file = place.corner.dir().join("alone.toml");
    std::fs::write(&file, configuration(&place.corner)).unwrap();
    let output = readmill(&["generations", "points", "-c", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    let rebuilt = place.json(&["rebuild", "points", "--json"]);
    assert_eq!((&rebuilt["generation"], &rebuilt["caught_up"]), (&2.into(), &true.into()));
    for (flag, paused) in [("--pause", true), ("--resume", false)] {
        let done = place.json(&["rebuild", "points", flag, "--json"]);
        assert_eq!(done["paused"], paused);
        let listed = place.json(&["generations", "points", "--json"]);
        assert_eq!(listed["generations"][1]["paused"], paused, "{listed}");
    }
    let (code, told) = place.with(&place.operate, &["swap", "points"]);
    assert!(code == Some(2) && told.contains("generation 2 is not verified"), "{told}");
    let (code, told) = place.with(&place.operate, &["swap", "points", "--unverified"]);
    assert!(code == Some(0) && told.contains("readers see generation 2"), "{told}");
    wait(LIMIT, "the same documents of generation 2", || place.seen() == (2.into(), before));
    let models: Value =
        serde_json::from_str(&asked(&place, "GET", "/models", READS, None).1).unwrap();
    assert_eq!(models[0]["generation"], 2, "{models}");
    assert_eq!(place.json(&["rollback", "points", "--json"])["live"], 1);
    wait(LIMIT, "the same documents of generation 1", || place.seen() == (1.into(), before));
    let (code, told) = place.with(&place.operate, &["retire", "points", "1"]);
    assert!(code == Some(2), "{told}");
    let (code, told) = place.with(&place.operate, &["retire", "points", "2"]);
    assert!(code == Some(0) && told.contains("generation 2 is gone"), "{told}");
    let listed = place.json(&["generations", "points", "--json"]);
    assert_eq!(listed["generations"].as_array().map(Vec::len), Some(1), "{listed}");
    let last: Value =
        serde_json::from_str(&asked(&place, "GET", "/generations/points/action", READS, None).1)
            .unwrap();
    assert_eq!((&last["verb"], &last["state"]), (&"retire".into(), &"done".into()));
    assert_eq!(place.mill.stop(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_without_the_token_of_an_operator_changes_anything() {
    let place = Place::of("httproles").await;
    let before = place.json(&["generations", "points", "--json"]);
    let held = place.with(&place.read, &["held", "list", "-m", "points", "--json"]).1;
    assert!(!held.is_empty() && !held.contains("\"value\""), "{held}");
    let changes: [&[&str]; 7] = [
        &["rebuild", "points", "--detach"],
        &["rebuild", "points", "--cancel"],
        &["swap", "points", "--unverified"],
        &["rollback", "points"],
        &["retire", "points", "1"],
        &["held", "retry", "-m", "points", "--all"],
        &["held", "drop", "-m", "points", "--keyless", "--yes"],
    ];
    for args in changes {
        let (code, told) = place.with(&place.read, args);
        assert!(code == Some(3) && told.contains("403"), "{args:?}: {told}");
    }
    for path in ["/generations/points/rebuild", "/held/points/retry"] {
        let (status, body) = asked(&place, "POST", path, "", Some(&json!({ "all": true })));
        assert_eq!(status, 401, "{path}: {body}");
    }
    // No file of the machine is named over HTTP.
    let body = json!({ "archive": "/etc" });
    let (status, told) =
        asked(&place, "POST", "/generations/points/rebuild", OPERATES, Some(&body));
    assert!(status == 422 && told.contains("unknown field"), "{told}");
    assert_eq!(place.json(&["generations", "points", "--json"]), before);
    assert_eq!(place.with(&place.read, &["held", "list", "-m", "points", "--json"]).1, held);
    // A wrong token, and none; what is said of it has no token in it.
    std::fs::write(place.corner.dir().join("wrong"), "nobody-knows-this-token\n").unwrap();
    let (code, told) = place.with(&place.corner.dir().join("wrong"), &["generations", "points"]);
    assert!(code == Some(3) && told.contains("401") && !told.contains("nobody-knows"), "{told}");
    let log =
        std::fs::read_to_string(place.corner.dir().join(format!("{}.log", place.mill.port())))
            .unwrap();
    assert!(!log.contains(READS) && !log.contains(OPERATES), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn held_records_of_an_embedded_store_are_dealt_with_over_http() {
    let place = Place::of("httpheld").await;
    let (_, listed) = place.with(&place.operate, &["held", "list", "-m", "points"]);
    assert!(listed.contains("records of") && listed.contains("REASON"), "{listed}");
    let (code, told) = place.with(&place.operate, &["held", "retry", "-m", "points", "--all"]);
    assert!(code == Some(6) && told.contains("keys are stuck"), "{told}");
    let path = "/held/points?values=true&limit=1";
    let (status, body) = asked(&place, "GET", path, READS, None);
    assert_eq!(status, 403, "{body}");
    let (_, body) = asked(&place, "GET", path, OPERATES, None);
    let body: Value = serde_json::from_str(&body).unwrap();
    let first = &body["listed"][0];
    assert!(first["value"].is_object(), "{body}");
    let many = body["records"].as_u64().unwrap();
    let at = first["position"].as_str().unwrap();
    let dropping = ["held", "drop", "-m", "points", "-p", at];
    let (code, told) = place.with(&place.operate, &dropping);
    assert!(code == Some(2) && told.contains("nothing was dropped"), "{told}");
    let (code, told) = place.with(&place.operate, &[&dropping[..], &["--yes"]].concat());
    assert!(code == Some(0) && told.contains(&format!("dropped {at}")), "{told}");
    let (_, body) = asked(&place, "GET", "/held/points", READS, None);
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(body["records"].as_u64(), Some(many - 1), "{body}");
    let (code, told) = place.with(&place.operate, &dropping);
    assert!(code == Some(5) && told.contains("no record of points is held"), "{told}");
    assert_eq!(place.mill.stop(), Some(0));
}

/// A certificate for this machine of an authority of its own, in `ca`, `cert` and `key`.
fn certify(dir: &Path) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();
    std::fs::write(dir.join("ca"), authority.pem()).unwrap();
    std::fs::write(dir.join("cert"), certificate.pem()).unwrap();
    std::fs::write(dir.join("key"), key.serialize_pem()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_answers_to_a_network_by_tls_and_tokens_that_change() {
    let corner = Corner::new("httptls");
    corner.make_topics_of(1).await;
    let dir = corner.dir();
    certify(dir);
    std::fs::write(dir.join("operate"), format!("{OPERATES}\n")).unwrap();
    let port = free_port();
    let at = dir.display();
    let open =
        format!("[instance]\nstate_dir = \"{at}/state\"\n[http]\nlisten = \"0.0.0.0:{port}\"\n");
    let token = format!("operate_token_file = \"{at}/operate\"\n");
    let tls = format!("certificate_file = \"{at}/cert\"\nkey_file = \"{at}/key\"\n");
    // It is not checked, and does not start, without both.
    for (settings, words) in
        [(tls.clone(), "would be open to the network"), (token.clone(), "as plain text")]
    {
        let file = dir.join("refused.toml");
        let text = open.clone() + &settings + &configuration(&corner);
        std::fs::write(&file, text).unwrap();
        for verb in ["check", "run"] {
            let output = readmill(&[verb, "-c", file.to_str().unwrap()]);
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.code() == Some(2) && said.contains(words), "{verb}: {said}");
        }
    }
    let mill = Mill::start_at(dir, port, &(open + &token + &tls + &configuration(&corner)));
    let url = format!("https://127.0.0.1:{port}");
    let ca = dir.join("ca");
    let ask = |token: &str| {
        std::fs::write(dir.join("shown"), token).unwrap();
        let shown = dir.join("shown");
        let (ca, shown) = (ca.to_str().unwrap(), shown.to_str().unwrap());
        let place = ["--instance", &url, "--ca-file", ca, "--token-file", shown];
        readmill(&[&["generations", "points"][..], &place].concat()).status.code()
    };
    wait(LIMIT, "it to answer by TLS", || ask(OPERATES) == Some(0));
    assert_eq!(ask("nobody-knows-this-token"), Some(3));
    let both = format!("{OPERATES}\noperates-operates-2\n");
    std::fs::write(dir.join("operate"), both).unwrap();
    wait(LIMIT, "the new token to be known", || ask("operates-operates-2") == Some(0));
    assert_eq!(ask(OPERATES), Some(0));
    std::fs::write(dir.join("operate"), "operates-operates-2\n").unwrap();
    wait(LIMIT, "the old token to be forgotten", || ask(OPERATES) == Some(3));
    assert_eq!(ask("operates-operates-2"), Some(0));
    let log = std::fs::read_to_string(dir.join(format!("{port}.log"))).unwrap();
    assert!(log.contains("tokens were read again") && !log.contains("operates-"), "{log}");
    assert_eq!(mill.stop(), Some(0));
}

/// A request with a token, unless it is empty; the status and the body.
fn asked(
    place: &Place,
    method: &str,
    path: &str,
    token: &str,
    body: Option<&Value>,
) -> (u16, String) {
    use std::io::{Read as _, Write as _};
    let body = body.map(Value::to_string).unwrap_or_default();
    let shown =
        if token.is_empty() { String::new() } else { format!("Authorization: Bearer {token}\r\n") };
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", place.mill.port())).unwrap();
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{shown}\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}
