//! What is said when a store, the registry, Connect or the origin does not let us in.

use std::path::Path;

use super::fort::{Fort, secured, tls_file};
use super::refusal::{Refusal, Swap, WRONG, of_command, of_run, swapped};
use super::rows::in_shop;
use crate::authority::Authority;

/// Everything that can be wrong with the links other than Kafka's.
pub async fn refuse(fort: &Fort) -> Vec<Refusal> {
    let theirs = Authority::new(fort.corner.dir(), "others");
    let mut refused = registry(fort, &theirs);
    refused.extend(connect(fort, &theirs));
    refused.extend(mongo(fort, &theirs));
    refused.extend(redis(fort, &theirs));
    refused.extend(postgres(fort, &theirs));
    refused
}

fn by_address(url: &str) -> String {
    url.replace("localhost", "127.0.0.1")
}

/// The lines of a stanza, and the same with something else in them.
fn lines(fort: &Fort, stanza: &str, there: &str, instead: &str) -> (String, String) {
    let configuration = fort.configuration();
    let (_, rest) = configuration.split_once(&format!("[{stanza}]\n")).unwrap();
    let (lines, _) = rest.split_once("\n\n").unwrap();
    (lines.to_owned(), lines.replace(there, instead))
}

/// A stanza that trusts somebody else.
fn trusting(fort: &Fort, stanza: &str, ca: &Path) -> (String, String) {
    lines(fort, stanza, tls_file("ca.pem").to_str().unwrap(), ca.to_str().unwrap())
}

fn password(fort: &Fort, stanza: &str) -> (String, String) {
    let ours = format!("${{file:{}}}", fort.file("http.password").display());
    lines(fort, stanza, &ours, WRONG)
}

/// A certificate that has expired, of an authority that is trusted.
fn expired(fort: &Fort, stanza: &str, theirs: &Authority, url: &str) -> [(String, String); 1] {
    let (there, instead) = trusting(fort, stanza, &theirs.ca_file());
    [(there, instead.replace(&host_of(url), &theirs.expired_server()))]
}

fn swaps<'a>(owned: &'a [(String, String)]) -> Vec<Swap<'a>> {
    owned.iter().map(|(there, instead)| (there.as_str(), instead.clone())).collect()
}

fn host_of(url: &str) -> String {
    let rest = url.split_once("://").unwrap().1;
    let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
    rest.split('/').next().unwrap().to_owned()
}

fn registry(fort: &Fort, theirs: &Authority) -> Vec<Refusal> {
    let of = |wrong, owned: &[(String, String)]| of_run(fort, "registry", wrong, &swaps(owned));
    let url = secured("REGISTRY_URL");
    vec![
        of("a wrong password", &[password(fort, "registry")]),
        of("an unknown authority", &[trusting(fort, "registry", &theirs.ca_file())]),
        of("a server with another name", &[(url.clone(), by_address(&url))]),
        of("a certificate that has expired", &expired(fort, "registry", theirs, &url)),
    ]
}

fn connect(fort: &Fort, theirs: &Authority) -> Vec<Refusal> {
    let of = |wrong, owned: &[(String, String)]| {
        let file = fort.file("connect.toml");
        std::fs::write(&file, swapped(&fort.configuration(), &swaps(owned))).unwrap();
        let args = ["connectors", "status", "-c", file.to_str().unwrap()];
        of_command(fort, "Connect", wrong, &args)
    };
    let url = secured("CONNECT_URL");
    vec![
        of("a wrong password", &[password(fort, "connect")]),
        of("an unknown authority", &[trusting(fort, "connect", &theirs.ca_file())]),
        of("a server with another name", &[(url.clone(), by_address(&url))]),
        of("a certificate that has expired", &expired(fort, "connect", theirs, &url)),
    ]
}

fn mongo(fort: &Fort, theirs: &Authority) -> Vec<Refusal> {
    let url = secured("MONGO_URI");
    let of =
        |wrong, url_instead: String| of_run(fort, "MongoDB", wrong, &[(url.as_str(), url_instead)]);
    let (ours, ca) = (tls_file("ca.pem"), theirs.ca_file());
    let unknown = |url: &str| url.replace(ours.to_str().unwrap(), ca.to_str().unwrap());
    let expired = unknown(&url).replace(&host_of(&url), &theirs.expired_server());
    vec![
        of("a wrong password", url.replace(&secured("KAFKA_PASSWORD"), WRONG)),
        of("an unknown user", url.replace("//mill:", "//nobody:")),
        of("the right to update is missing", url.replace("//mill:", "//no-update:")),
        of("an unknown authority", unknown(&url)),
        of("a server with another name", by_address(&url)),
        of("a certificate that has expired", expired),
    ]
}

fn redis(fort: &Fort, theirs: &Authority) -> Vec<Refusal> {
    let url = secured("REDIS_URL");
    let of = |wrong, owned: &[(String, String)]| of_run(fort, "Redis", wrong, &swaps(owned));
    let at = |instead: String| [(url.clone(), instead)];
    vec![
        of("a wrong password", &at(url.replace(&secured("KAFKA_PASSWORD"), WRONG))),
        of("an unknown user", &at(url.replace("//mill:", "//nobody:"))),
        of("the right to HSET is missing", &at(url.replace("//mill:", "//no-hset:"))),
        of("an unknown authority", &[trusting(fort, "redis", &theirs.ca_file())]),
        of("a server with another name", &at(by_address(&url))),
        of("a certificate that has expired", &expired(fort, "redis", theirs, &url)),
    ]
}

fn postgres(fort: &Fort, theirs: &Authority) -> Vec<Refusal> {
    let url = in_shop(fort, "POSTGRES_READER_URL");
    let file = fort.file("readmill.toml");
    let of = |wrong, url: &str, table: &str| {
        let query = format!("select member_id as key, balance from {table}");
        let what = ["--query", &query, "--field", "available=balance", "--rest", "1"];
        let args = ["reconcile", "points", "-c", file.to_str().unwrap(), "--postgres", url];
        of_command(fort, "PostgreSQL", wrong, &[&args[..], &what[..]].concat())
    };
    let (ours, ca) = (tls_file("ca.pem"), theirs.ca_file());
    let unknown = url.replace(ours.to_str().unwrap(), ca.to_str().unwrap());
    let (user, _) = url.split_once("@localhost").unwrap();
    let wrong = url.replace(user, &format!("postgresql://reader:{WRONG}"));
    let open = url.replace("sslmode=verify-full", "sslmode=disable");
    vec![
        of("a wrong password", &wrong, "points_balance"),
        of("no TLS where it is wanted", &open, "points_balance"),
        of("an unknown authority", &unknown, "points_balance"),
        of("a server with another name", &by_address(&url), "points_balance"),
        of(
            "the right to select is missing",
            &url,
            "(select aggregate_id as member_id, version as balance from points_outbox) rows",
        ),
    ]
}
