//! Who is let in by the brokers, and what is said to the others.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};

use super::fort::{Fort, secured, tls_file};
use super::refusal::{Refusal, Swap, WRONG, of_one_model, of_run, swapped};
use crate::authority::Authority;
use crate::mill::Mill;

const LINK: &str = "Kafka";
const LIMIT: Duration = Duration::from_secs(60);

/// The stanza's lines that say who we are, in the way of the template.
fn account(fort: &Fort) -> String {
    let file = fort.file("kafka.password");
    format!(
        "sasl_mechanism = \"SCRAM-SHA-512\"\nusername = \"mill\"\npassword = \"${{file:{}}}\"\n",
        file.display()
    )
}

fn brokers() -> String {
    format!("brokers = \"{}\"", secured("KAFKA_BROKERS"))
}

/// To the listener that wants certificates, with one.
fn by_certificate(fort: &Fort, name: &str) -> Vec<(String, String)> {
    let brokers_there = format!("brokers = \"{}\"", secured("KAFKA_MTLS_BROKERS"));
    let files = format!(
        "client_cert_file = \"{}\"\nclient_key_file = \"{}\"\n",
        tls_file(&format!("{name}.pem")).display(),
        tls_file(&format!("{name}.key")).display(),
    );
    vec![(brokers(), brokers_there), (account(fort), files)]
}

/// By tokens, of a client that proves itself so.
fn by_token(fort: &Fort, url: &str, secret: &str) -> Vec<(String, String)> {
    let settings = format!(
        "sasl_mechanism = \"OAUTHBEARER\"\noauth_token_url = \"{url}\"\n\
         oauth_client_id = \"mill\"\noauth_client_secret = \"{secret}\"\noauth_ca_file = \"{}\"\n",
        tls_file("ca.pem").display(),
    );
    vec![(account(fort), settings)]
}

fn swaps(owned: &[(String, String)]) -> Vec<Swap<'_>> {
    owned.iter().map(|(there, instead)| (there.as_str(), instead.clone())).collect()
}

fn secret_file(fort: &Fort) -> String {
    format!("${{file:{}}}", fort.file("oauth.secret").display())
}

/// Where the partitions of a topic end, taken together; 0 while there is none.
pub fn end_of(topic: &str) -> i64 {
    let mut client = rdkafka::ClientConfig::new();
    let settings = [
        ("bootstrap.servers", secured("KAFKA_BROKERS")),
        ("security.protocol", "sasl_ssl".to_owned()),
        ("ssl.ca.location", tls_file("ca.pem").display().to_string()),
        ("sasl.mechanisms", "SCRAM-SHA-512".to_owned()),
        ("sasl.username", "mill".to_owned()),
        ("sasl.password", secured("KAFKA_PASSWORD")),
    ];
    for (setting, value) in settings {
        client.set(setting, value);
    }
    let consumer: BaseConsumer = client.create().unwrap();
    let found = consumer.fetch_metadata(Some(topic), LIMIT).unwrap();
    let partitions = found.topics().iter().flat_map(|topic| topic.partitions());
    partitions.map(|it| consumer.fetch_watermarks(topic, it.id(), LIMIT).unwrap().1).sum()
}

/// Every way in leads to an instance that is ready.
pub fn lets_in(fort: &Fort) {
    let mechanism = "\"SCRAM-SHA-512\"".to_owned();
    let other = |name: &str| vec![(mechanism.clone(), format!("\"{name}\""))];
    let ways = [
        ("PLAIN", other("PLAIN")),
        ("SCRAM-SHA-256", other("SCRAM-SHA-256")),
        ("SCRAM-SHA-512", Vec::new()),
        ("OAUTHBEARER", by_token(fort, &secured("TOKEN_URL"), &secret_file(fort))),
        ("a certificate", by_certificate(fort, "mill")),
    ];
    for (way, change) in ways {
        let configuration = swapped(&fort.configuration(), &swaps(&change));
        let mill = Mill::start(fort.corner.dir(), &configuration);
        mill.wait_for("/readyz", LIMIT);
        assert_eq!(mill.stop(), Some(0));
        println!("link {LINK}: let in by {way}");
    }
}

/// Everything that can be wrong.
pub async fn refuses(fort: &Fort) -> Vec<Refusal> {
    let mut refused = logins(fort);
    refused.extend(certificates(fort));
    refused.extend(rights(fort));
    refused
}

fn logins(fort: &Fort) -> Vec<Refusal> {
    let of = |wrong, swaps: &[Swap<'_>]| of_run(fort, LINK, wrong, swaps);
    let password = format!("password = \"${{file:{}}}\"", fort.file("kafka.password").display());
    let (user, mechanism) = ("username = \"mill\"", "\"SCRAM-SHA-512\"");
    let oauth = |url: &str, secret: &str| by_token(fort, url, secret);
    let url = secured("TOKEN_URL");
    vec![
        of("a wrong password", &[(&password, format!("password = \"{WRONG}\""))]),
        of("an unknown user", &[(user, "username = \"nobody\"".to_owned())]),
        of(
            "a wrong password, sent as it is",
            &[(mechanism, "\"PLAIN\"".to_owned()), (&password, format!("password = \"{WRONG}\""))],
        ),
        of("no log-in where one is wanted", &[(&account(fort), String::new())]),
        of("a wrong client secret", &swaps(&oauth(&url, WRONG))),
        of(
            "nobody who issues tokens",
            &swaps(&oauth("https://localhost:1/token", &secret_file(fort))),
        ),
    ]
}

fn certificates(fort: &Fort) -> Vec<Refusal> {
    let of = |wrong, swaps: &[Swap<'_>]| of_run(fort, LINK, wrong, swaps);
    let theirs = Authority::new(fort.corner.dir(), "theirs");
    let ca = format!("ca_file = \"{}\"", tls_file("ca.pem").display());
    let trusting = |file: &std::path::Path| format!("ca_file = \"{}\"", file.display());
    let named = |address: String| format!("brokers = \"{address}\"");
    let there = brokers();
    let by_address = secured("KAFKA_BROKERS").replace("localhost", "127.0.0.1");
    let without_tls = format!("tls = true\n{ca}\n{}", account(fort));
    let no_certificate = [(there.clone(), named(secured("KAFKA_MTLS_BROKERS")))];
    let no_certificate = [&no_certificate[..], &[(account(fort), String::new())]].concat();
    vec![
        of("an unknown authority", &[(&ca, trusting(&theirs.ca_file()))]),
        of(
            "a broker's certificate that has expired",
            &[(&there, named(theirs.expired_server())), (&ca, trusting(&theirs.ca_file()))],
        ),
        of("a broker with another name", &[(&there, named(by_address))]),
        of("no TLS where it is wanted", &[(&without_tls, String::new())]),
        of("no certificate where one is wanted", &swaps(&no_certificate)),
        of("an expired certificate", &swaps(&by_certificate(fort, "expired"))),
    ]
}

fn rights(fort: &Fort) -> Vec<Refusal> {
    let as_user = |user: &str| {
        vec![
            ("\"SCRAM-SHA-512\"".to_owned(), "\"PLAIN\"".to_owned()),
            ("username = \"mill\"".to_owned(), format!("username = \"{user}\"")),
        ]
    };
    let of = |wrong, user: &str| of_one_model(fort, LINK, wrong, &swaps(&as_user(user)));
    let stranger = by_certificate(fort, "stranger");
    let writes = "Write on the topics that are written is missing";
    vec![
        of("Read on the source topics is missing", "no-source-read"),
        of("Read on the groups is missing", "no-group-read"),
        of_run(fort, LINK, writes, &swaps(&as_user("no-target-write"))),
        of_one_model(fort, LINK, "a certificate without rights", &swaps(&stranger)),
    ]
}
