//! TLS with an authority and certificates of one's own, and users who may do just what is needed.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use readmill_connectors::conformance::Pebbles;
use readmill_connectors::redis::{Redis, RedisConfig};
use readmill_core::Partition;
use readmill_engine::{Fault, HeldStore, Remedy, Store};
use tempfile::TempDir;

use super::server::Server;
use super::{all_done, config, key, put};

struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    dir: TempDir,
}

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let authority = Self { issuer, dir: tempfile::tempdir().unwrap() };
        authority.file("ca.pem", &authority.issuer.pem());
        authority
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn ca(&self) -> PathBuf {
        self.dir.path().join("ca.pem")
    }

    /// A certificate and its key, good until a year.
    fn issue(&self, name: &str, until: i32) -> (PathBuf, PathBuf) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let file = format!("{name}.{until}");
        (
            self.file(&format!("{file}.pem"), &certificate.pem()),
            self.file(&format!("{file}.key"), &key.serialize_pem()),
        )
    }

    /// A server that talks TLS alone, and asks clients who they are.
    fn server(&self, name: &str, until: i32) -> Server {
        let (certificate, key) = self.issue(name, until);
        let text = |path: &Path| path.display().to_string();
        let mut server = Server::stopped(&[]);
        let port = server.port.to_string();
        let settings = [
            ("--port", "0".to_owned()),
            ("--tls-port", port),
            ("--tls-cert-file", text(&certificate)),
            ("--tls-key-file", text(&key)),
            ("--tls-ca-cert-file", text(&self.ca())),
            ("--tls-auth-clients", "yes".to_owned()),
        ];
        server.set(settings.into_iter().flat_map(|(name, value)| [name.to_owned(), value]));
        server.revive();
        server
    }
}

fn secured(server: &Server, ca: Option<PathBuf>, who: Option<(PathBuf, PathBuf)>) -> RedisConfig {
    let mut config = config(&format!("rediss://localhost:{}", server.port));
    config.ca_file = ca;
    (config.client_cert_file, config.client_key_file) = who.unzip();
    config
}

async fn refusal(config: &RedisConfig) -> String {
    let fault = Redis::connect(config).await.unwrap_err();
    assert_eq!(fault.remedy(), Remedy::Stop, "{fault}");
    fault.to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_authority_and_a_client_certificate_are_enough_and_each_is_needed() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let server = ours.server("localhost", 2100);
    let me = ours.issue("me", 2100);
    let config = secured(&server, Some(ours.ca()), Some(me.clone()));
    let store = Redis::connect(&config).await.unwrap().documents("pebbles", 1).await.unwrap();
    all_done(put(&store, 0..50, 0).await);
    let told = refusal(&secured(&server, Some(theirs.ca()), Some(me.clone()))).await;
    assert!(told.contains("UnknownIssuer") && told.contains("ca_file"), "{told}");
    let stranger = theirs.issue("me", 2100);
    for who in [None, Some(stranger)] {
        // It may be told by the server, or the server hangs up.
        let config = secured(&server, Some(ours.ca()), who);
        let told = Redis::connect(&config).await.unwrap_err().to_string();
        assert!(told.contains("client_cert_file"), "{told}");
    }
    let mut other_name = config.clone();
    other_name.uri = format!("rediss://127.0.0.1:{}", server.port);
    let told = refusal(&other_name).await;
    assert!(told.contains("name the server"), "{told}");
    let mut open = config.clone();
    open.uri = format!("redis://localhost:{}", server.port);
    let told = refusal(&open).await;
    assert!(told.contains("rediss://"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_certificate_of_the_server_is_refused() {
    let ours = Authority::new("ours");
    let server = ours.server("localhost", 2001);
    let told = refusal(&secured(&server, Some(ours.ca()), Some(ours.issue("me", 2100)))).await;
    assert!(told.contains("expired") && told.contains("clock"), "{told}");
}

/// The rights that docs/stores/redis.md lists: for documents and held records.
const RIGHTS: [&str; 27] = [
    "multi",
    "exec",
    "eval",
    "evalsha",
    "script|load",
    "info",
    "ping",
    "scan",
    "hgetall",
    "hmget",
    "hset",
    "hlen",
    "hscan",
    "hexists",
    "hsetnx",
    "hdel",
    "sadd",
    "srem",
    "smembers",
    "rpush",
    "lrange",
    "rename",
    "del",
    "unlink",
    "exists",
    "pexpire",
    "get",
];
const LAST_RIGHT: &str = "set";

/// Everything that a store does.
async fn use_all(config: &RedisConfig) -> Result<(), Fault> {
    let redis = Redis::connect(config).await?;
    let store = redis.documents("pebbles", 1).await?;
    let partition = Partition::new("t", 0);
    Store::<Pebbles>::noted(&store, std::slice::from_ref(&partition)).await?;
    put(&store, 0..60, 0).await?;
    put(&store, 0..60, 1).await?;
    put(&store, 0..60, 1).await?;
    Store::<Pebbles>::load(&store, &[key(1)]).await?;
    Store::<Pebbles>::scan(&store, &mut |_, _| {}).await?;
    Store::<Pebbles>::note_settled(&store, &[(partition, "1|".to_owned())]).await?;
    let tombstone = readmill_core::Document::<Pebbles> {
        state: None,
        stamp: readmill_core::Stamp { revision: 3, gone: true, ..Default::default() },
    };
    let key = key(1);
    let write = readmill_engine::Write { key: &key, expected: 2, document: &tombstone };
    store.put(&[write]).await?;
    hold(&redis.held()).await?;
    Store::<Pebbles>::drop_all(&store).await
}

async fn hold(held: &impl HeldStore) -> Result<(), Fault> {
    let position = readmill_core::Position {
        partition: Partition::new("t", 0),
        offset: readmill_core::Offset(1),
    };
    let record = readmill_core::Record {
        position,
        timestamp_ms: 1,
        key: None,
        value: None,
        headers: Vec::new(),
    };
    let unfolded = readmill_engine::Unfolded::All;
    let why = "because".to_owned();
    let record =
        readmill_engine::HeldRecord::new::<Pebbles>(Some(key(1)), unfolded, why, 1, record);
    held.hold(std::slice::from_ref(&record)).await?;
    held.replace(std::slice::from_ref(&record)).await?;
    held.count("pebbles").await?;
    held.list("pebbles", &readmill_engine::Held::All).await?;
    held.list("pebbles", &readmill_engine::Held::Key(key(1))).await?;
    held.release(&[record]).await
}

fn user(server: &Server, rights: &[&str]) {
    let rights: Vec<String> = rights.iter().map(|right| format!("+{right}")).collect();
    let mut words = vec!["ACL", "SETUSER", "me", "reset", "on", ">secret", "~rm:*"];
    words.extend(rights.iter().map(String::as_str));
    assert_eq!(server.ask(&words), "OK");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_with_the_listed_rights_does_everything_and_each_is_needed_and_named() {
    let server = Server::start(&[]);
    let config = config(&format!("redis://me:secret@127.0.0.1:{}", server.port));
    let all: Vec<&str> = RIGHTS.into_iter().chain([LAST_RIGHT]).collect();
    user(&server, &all);
    use_all(&config).await.unwrap();
    for missing in &all {
        let rights: Vec<&str> = all.iter().filter(|right| *right != missing).copied().collect();
        server.ask(&["FLUSHALL"]);
        server.ask(&["SCRIPT", "FLUSH"]);
        user(&server, &rights);
        let Err(fault) = use_all(&config).await else { panic!("{missing} is not needed") };
        assert_eq!(fault.remedy(), Remedy::Stop, "{missing}: {fault}");
        let told = fault.to_string();
        assert!(told.contains(&missing.to_uppercase()), "{missing}: {told}");
        assert!(told.contains("docs/stores/redis.md"), "{missing}: {told}");
    }
}

/// The guard of a transaction needs rights of its own: without one of them nothing may be written.
#[tokio::test(flavor = "multi_thread")]
async fn a_right_that_is_taken_away_later_leaves_documents_as_they_are() {
    let server = Server::start(&[]);
    let config = config(&format!("redis://me:secret@127.0.0.1:{}", server.port));
    let all: Vec<&str> = RIGHTS.into_iter().chain([LAST_RIGHT]).collect();
    user(&server, &all);
    let store = Redis::connect(&config).await.unwrap().documents("pebbles", 1).await.unwrap();
    all_done(put(&store, 0..3, 0).await);
    all_done(put(&store, 0..1, 1).await);
    for right in ["hmget", "rename", "rpush", "exists", "lrange", "del", "get", "set", "eval"] {
        server.ask(&["ACL", "SETUSER", "me", &format!("-{right}")]);
        let fault = put(&store, 0..3, 1).await.unwrap_err();
        assert_eq!(fault.remedy(), Remedy::Stop, "{right}: {fault}");
        server.ask(&["ACL", "SETUSER", "me", &format!("+{right}")]);
        assert_eq!(super::revisions(&store, 0..3).await, [2, 1, 1], "{right}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_passwords_and_keys_outside_the_prefix_are_refused() {
    let server = Server::start(&["--requirepass", "right"]);
    for uri in ["redis://:wrong@127.0.0.1", "redis://127.0.0.1"] {
        let told = refusal(&config(&format!("{uri}:{}", server.port))).await;
        assert!(told.contains("user and password") && !told.contains("wrong"), "{told}");
    }
    let open = Server::start(&[]);
    user(&open, &RIGHTS);
    let mut config = config(&format!("redis://me:secret@127.0.0.1:{}", open.port));
    config.prefix = "other:".to_owned();
    let redis = Redis::connect(&config).await.unwrap();
    let told = redis.documents("pebbles", 1).await.unwrap_err().to_string();
    assert!(told.contains("begin with the prefix"), "{told}");
}
