//! Configurations and the mistakes that they have.

mod http;

use std::path::Path;

use super::*;

/// A certificate that has no meaning beyond its form.
const CERTIFICATE: &str = include_str!("tests/ca.pem");

/// Knows one variable and two files.
struct Scratch;

impl Elsewhere for Scratch {
    fn variable(&self, name: &str) -> Option<String> {
        (name == "URI").then(|| "mongodb://me:s3cret@host/?replicaSet=rs0".to_owned())
    }

    fn file(&self, path: &Path) -> std::io::Result<String> {
        match path.to_str() {
            Some("ca.pem") => Ok(CERTIFICATE.to_owned()),
            Some("bad.pem") => Ok("nothing".to_owned()),
            Some(_) | None => Err(std::io::ErrorKind::NotFound.into()),
        }
    }
}

fn parse(text: &str) -> Result<Config, Vec<String>> {
    Config::parse("f.toml", text, &Scratch).map_err(|mistakes| mistakes.lines().collect())
}

/// The text has exactly these mistakes.
#[track_caller]
fn check(text: &str, wanted: &[&str]) {
    let found = parse(text).err().unwrap_or_default();
    assert_eq!(found, wanted, "\n{text}");
}

#[test]
fn the_example_has_no_mistakes() {
    let config = parse(EXAMPLE).unwrap();
    assert_eq!(config.models.len(), 2);
    assert!(config.unused.is_empty());
    let Source::Kafka { kafka, registry } = &config.source else { panic!("{:?}", config.source) };
    assert_eq!(**kafka, KafkaConfig::default());
    assert_eq!(**registry, RegistryConfig::at("http://127.0.0.1:8081"));
    let Store::Redis(redis) = &config.models[1].store else { panic!("{:?}", config.models) };
    assert_eq!(**redis, RedisConfig::at("redis://127.0.0.1:6379/0"));
}

#[test]
fn the_example_with_its_comments_opened_has_no_unknown_settings() {
    let opened: String = EXAMPLE
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(rest) if rest.starts_with('[') || is_setting(rest) => format!("{rest}\n"),
            Some(_) | None => format!("{line}\n"),
        })
        .collect();
    let told = parse(&opened).unwrap_err();
    let wanted = [
        "the environment variable READMILL_READ_TOKEN is not set",
        "/run/secrets/readmill-operate cannot be read: entity not found",
        "/run/secrets/readmill-read-tokens cannot be read: entity not found",
        "/run/secrets/readmill-operate-tokens cannot be read: entity not found",
        "/etc/readmill/http.pem cannot be read: entity not found",
        "/etc/readmill/http.key cannot be read: entity not found",
        "/etc/readmill/http-clients-ca.pem cannot be read: entity not found",
        "source.archive_dir: is only for kind = \"archive\"",
        "/etc/readmill/kafka-ca.pem cannot be read: entity not found",
        "protects nothing without `tls = true`",
        "/etc/readmill/kafka-client.pem cannot be read: entity not found",
        "/etc/readmill/kafka-client.key cannot be read: entity not found",
        "`tls = true`, or `allow_plain_text = true` where nobody else listens",
        "the environment variable KAFKA_PASSWORD is not set",
        "is for OAUTHBEARER, not for SCRAM-SHA-512",
        "the environment variable KAFKA_CLIENT_SECRET is not set",
        "/etc/readmill/issuer-ca.pem cannot be read: entity not found",
        "127.0.0.1:8081 is not https://, and certificates would protect nothing there",
        "the environment variable REGISTRY_PASSWORD is not set",
        "/run/secrets/registry-token cannot be read: entity not found",
        "/etc/readmill/registry-ca.pem cannot be read: entity not found",
        "/etc/readmill/registry-client.pem cannot be read: entity not found",
        "/etc/readmill/registry-client.key cannot be read: entity not found",
        "is not https://, and certificates would protect nothing there",
        "the environment variable CONNECT_PASSWORD is not set",
        "/etc/readmill/connect-ca.pem cannot be read: entity not found",
        "/etc/readmill/connect-client.pem cannot be read: entity not found",
        "/etc/readmill/connect-client.key cannot be read: entity not found",
        "is not https://, and certificates would protect nothing there",
        "/etc/readmill/collector-ca.pem cannot be read: entity not found",
        "is none of its topics; did you mean \"shop.public.points_outbox\"?",
    ];
    assert_eq!(told.len(), wanted.len(), "{told:?}");
    for (told, wanted) in told.iter().zip(wanted) {
        assert!(told.ends_with(wanted), "{told}");
    }
}

fn is_setting(line: &str) -> bool {
    line.split_once(" = ").is_some_and(|(key, _)| key.chars().all(|c| c == '_' || c.is_lowercase()))
}

#[test]
fn every_mistake_is_named_with_its_line() {
    let text = r#"
[instance]
http_listen = "0.0.0.0:9464"
stall_limit_ms = 0
[source]
kind = "kafak"
[kafka]
brokrs = "127.0.0.1:9092"
drain_limit_ms = "s3cret"
brokers = "nowhere"
[mango]
uri = "x"
[embedded]
cache_mib = -1
[models.point]
topics = ["a"]
[models.points]
topics = ["a", "b c", "a"]
store = "mongo"
mirror = "mongo"
[models.deliveries]
topics = []
colour = 1
"#;
    check(
        text,
        &[
            "f.toml:3: instance.http_listen: 0.0.0.0 is not a loopback address: documents would \
             be open to the network; set `operate_token_file` or `read_token_file` under [http], \
             or use 127.0.0.1:9464",
            "f.toml:4: instance.stall_limit_ms: a limit of 0 would stop everything; at least 1",
            "f.toml:6: source.kind: \"kafak\" is not known; did you mean \"kafka\"?",
            "f.toml:8: kafka.brokrs: there is no such setting; did you mean \"brokers\"?",
            "f.toml:9: kafka.drain_limit_ms: a string stands here, where a whole number from 0 is \
             expected",
            "f.toml:10: kafka.brokers: must be host:port, or several of them after commas",
            "f.toml:11: mango: there is no such stanza; did you mean \"mongo\"?",
            "f.toml:13: embedded: `directory` is missing",
            "f.toml:14: embedded.cache_mib: integer `-1` is out of range, where a whole number \
             from 0 is expected",
            "f.toml:15: models.point: there is no read model \"point\"; did you mean \"points\"?",
            "f.toml:18: models.points.topics: \"b c\" cannot be the name of a topic",
            "f.toml:18: models.points.topics: \"a\" is named twice",
            "f.toml:19: models.points.store: \"mongo\" needs a [mongo] stanza, and there is none",
            "f.toml:20: models.points.mirror: views are kept in \"redis\" or \"embedded\"",
            "f.toml:21: models.deliveries.store: is missing: \"mongo\", \"redis\" or \"embedded\"",
            "f.toml:21: models.deliveries.reactions_topic: is missing: deliveries tells others \
             what it did",
            "f.toml:22: models.deliveries.topics: is empty: the model would be folded from nothing",
            "f.toml:23: models.deliveries.colour: there is no such setting; known: topics, lanes, \
             versions_of, store, mirror, mirror_required, mirror_heal_limit_per_second, \
             rollup_gauges, verify_every_seconds, origin_url, origin_slot, origin_signals, \
             origin_query, origin_fields, origin_rest_seconds, reconcile_every_seconds, \
             reactions_topic, subject_strategy, reactions_subject_strategy, held_limit_records, \
             held_topic, batch_records, shards_per_partition, cached_documents_per_partition, \
             open_records_per_partition, open_bytes_per_partition, waiting_limit_ms",
        ],
    );
}

#[test]
fn what_belongs_together_is_checked_together() {
    let points = "[models.points]\ntopics = [\"a\"]\nstore = \"embedded\"\n";
    let kafka = format!("[source]\nkind = \"kafka\"\n[embedded]\ndirectory = \"d\"\n{points}");
    check(
        &kafka,
        &[
            "f.toml:2: source.kind: a source of kind \"kafka\" needs a [kafka] stanza",
            "f.toml:2: source.kind: a source of kind \"kafka\" needs a [registry] stanza",
        ],
    );
    let archive = format!("[source]\nkind = \"archive\"\nembedded = 1\n{points}");
    check(
        &archive,
        &[
            "f.toml:1: source.archive_dir: is missing: the directory of the archive",
            "f.toml:3: source.embedded: there is no such setting; known: kind, archive_dir",
            "f.toml:6: models.points.store: \"embedded\" needs a [embedded] stanza, and there is \
             none",
        ],
    );
    check(
        "embedded = 3",
        &[
            "f.toml:1: embedded: must be a table: write it under [embedded]",
            "f.toml: source: is missing: say kind = \"kafka\", or kind = \"archive\" and \
         archive_dir",
            "f.toml: models: there are none: name one, such as [models.points]; `readmill models` \
             lists all",
        ],
    );
}

/// The mistakes of a `[registry]` with these lines, from the line after its name on.
#[track_caller]
fn check_registry(lines: &str, wanted: &[&str]) {
    let text = format!(
        "[registry]\n{lines}\n[kafka]\n[source]\nkind = \"kafka\"\n[models.points]\ntopics = \
         [\"a\"]\nstore = \"embedded\"\n[embedded]\ndirectory = \"d\"\n"
    );
    check(&text, wanted);
}

#[test]
fn certificates_and_credentials_of_the_registry_are_checked() {
    let https = "urls = [\"https://r\"]";
    check_registry(https, &[]);
    check_registry(&format!("{https}\ntoken = \"t\""), &[]);
    check_registry(
        &format!("{https}\ntoken = \"t\"\nusername = \"u\"\npassword = \"p\""),
        &["f.toml:3: registry.token: stands for a user and a password: leave one of them out"],
    );
    check_registry(&format!("{https}\nca_file = \"ca.pem\""), &[]);
    check_registry(
        &format!("{https}\nca_file = \"no.pem\"\nclient_cert_file = \"ca.pem\""),
        &[
            "f.toml:3: registry.ca_file: no.pem cannot be read: entity not found",
            "f.toml:4: registry.client_cert_file: a certificate and its key belong together: \
             `client_key_file` is missing",
        ],
    );
    check_registry(
        &format!("{https}\nclient_key_file = \"no.pem\"\nca_file = \"bad.pem\""),
        &[
            "f.toml:3: registry.client_key_file: no.pem cannot be read: entity not found",
            "f.toml:3: registry.client_key_file: a certificate and its key belong together: \
             `client_cert_file` is missing",
            "f.toml:4: registry.ca_file: bad.pem holds no certificate: a block that begins with \
             -----BEGIN CERTIFICATE-----",
        ],
    );
    check_registry(
        "urls = [\"https://r\", \"http://me:s3cret@s:1/x\"]\nca_file = \"ca.pem\"",
        &["f.toml:2: registry.urls: http://s:1/x is not https://, and certificates would protect \
           nothing there"],
    );
}

#[test]
fn kafka_connect_is_somewhere_and_known_by_somebody() {
    let connect = |lines: &str| {
        format!(
            "[connect]\n{lines}\n[source]\nkind = \"archive\"\narchive_dir = \"a\"\n\
             [models.points]\ntopics = [\"a\"]\nstore = \"embedded\"\n[embedded]\n\
             directory = \"d\"\n"
        )
    };
    let config = parse(&connect("url = \"https://me:s3cret@c:1\"\nca_file = \"ca.pem\"")).unwrap();
    assert!(config.unused.is_empty() && !format!("{config:?}").contains("s3cret"));
    let told = crate::check::explain(&config);
    assert!(told.contains("Kafka Connect at https://c:1, for"), "{told}");
    let table = [
        ("url = \"c:1\"", "connect.url: must begin with http:// or https://"),
        ("url = \"http://c\"\nusername = \"u\"", "a user and a password belong together"),
        ("url = \"http://c\"\nca_file = \"ca.pem\"", "connect.url: is not https://, and"),
        ("url = \"https://c\"\nca_file = \"bad.pem\"", "bad.pem holds no certificate"),
        ("password = \"p\"", "`url` is missing"),
    ];
    for (lines, wanted) in table {
        let told = parse(&connect(lines)).unwrap_err();
        assert!(told.len() == 1 && told[0].contains(wanted), "{lines}: {told:?}");
    }
}

#[test]
fn subjects_are_named_by_a_strategy() {
    let text = |points: &str, deliveries: &str| {
        format!(
            "[source]\nkind = \"kafka\"\n[kafka]\n[registry]\nurls = [\"http://r\"]\n[embedded]\n\
             directory = \"d\"\n[models.points]\ntopics = [\"a\"]\nstore = \"embedded\"\n{points}\n\
             [models.deliveries]\ntopics = [\"b\"]\nstore = \"embedded\"\nreactions_topic = \"r\"\n\
             {deliveries}"
        )
    };
    let config = parse(&text("subject_strategy = \"record_name\"", "")).unwrap();
    assert_eq!(config.models[0].subjects, SubjectStrategy::RecordName);
    assert_eq!(config.models[1].subjects, SubjectStrategy::TopicName);
    let Reactions::Topic { subjects, .. } = config.models[1].reactions else {
        panic!("{config:?}")
    };
    assert_eq!(subjects, SubjectStrategy::TopicRecordName);
    check(
        &text("subject_strategy = \"topic\"", ""),
        &["f.toml:11: models.points.subject_strategy: \"topic\" is not known; did you mean \
           \"topic_name\"?"],
    );
    let strategy = "reactions_subject_strategy = \"record_name\"";
    parse(&text("", strategy)).unwrap();
    check(
        &text(strategy, ""),
        &["f.toml:11: models.points.reactions_subject_strategy: is of no use without a \
           reactions_topic"],
    );
}

#[test]
fn what_is_held_has_a_bound_and_a_topic_of_its_own() {
    let text = |source: &str, lines: &str| {
        format!(
            "[source]\n{source}\n[kafka]\n[registry]\nurls = [\"http://r\"]\n[embedded]\n\
             directory = \"d\"\n[models.deliveries]\ntopics = [\"a\"]\nstore = \"embedded\"\n\
             reactions_topic = \"r\"\n{lines}"
        )
    };
    let kafka = "kind = \"kafka\"";
    let archive = "kind = \"archive\"\narchive_dir = \"d\"";
    let holding = |lines: &str| parse(&text(kafka, lines)).unwrap().models[0].held.clone();
    assert_eq!(holding("").limit_records, 100_000);
    assert!(holding("").topic.is_none());
    let held = holding("held_limit_records = 7\nheld_topic = \"dead\"");
    assert_eq!((held.limit_records, held.topic.unwrap().topic.as_str()), (7, "dead"));
    let table = [
        (kafka, "held_limit_records = 0", "a limit of 0 would stop everything; at least 1"),
        (kafka, "held_topic = \"b c\"", "\"b c\" cannot be the name of a topic"),
        (kafka, "held_topic = \"a\"", "the model would read its own held records"),
        (kafka, "held_topic = \"r\"", "is the reactions_topic: their readers could not tell them"),
        (archive, "held_topic = \"dead\"", "is only for a source of kind \"kafka\""),
    ];
    for (source, lines, wanted) in table {
        let told = parse(&text(source, lines)).unwrap_err();
        assert!(told.len() == 1 && told[0].ends_with(wanted), "{lines}: {told:?}");
    }
}

#[test]
fn an_archive_needs_no_services() {
    let text = r#"
source = { kind = "archive", archive_dir = "a" }
[embedded]
directory = "d"
[redis]
uri = "redis://h"
[models.deliveries]
topics = ["a"]
store = "embedded"
"#;
    let config = parse(text).unwrap();
    assert!(matches!(config.models[0].reactions, Reactions::Embedded(_)));
    assert_eq!(config.unused, ["redis"]);
}

#[test]
fn values_from_elsewhere_are_filled_in_and_never_told() {
    let text = r#"source = { kind = "archive", archive_dir = "a" }
[mongo]
uri = "${env:URI}"
[models.points]
topics = ["a"]
store = "mongo"
"#;
    let config = parse(text).unwrap();
    let Store::Mongo(mongo) = &config.models[0].store else { panic!("{config:?}") };
    assert!(mongo.uri.contains("s3cret"));
    assert!(!format!("{config:?}").contains("s3cret"));
    assert!(!crate::check::explain(&config).contains("s3cret"));
    assert!(
        crate::check::explain(&config).contains("MongoDB at mongodb://host, database readmill")
    );
    check(
        &text.replace("env:URI", "env:NO"),
        &["f.toml:3: mongo.uri: the environment variable NO is not set"],
    );
    check(
        &text.replace("env:URI", "file:/no"),
        &["f.toml:3: mongo.uri: /no cannot be read: entity not found"],
    );
    check(
        &text.replace("${env:URI}", "postgres://me:s3cret@h"),
        &["f.toml:3: mongo.uri: must begin with mongodb:// or mongodb+srv://"],
    );
}

#[test]
fn what_is_no_toml_is_told_with_its_place_and_without_its_text() {
    let told = parse("[mongo]\nuri = \"mongodb://me:s3cret@h\n").unwrap_err();
    assert_eq!(told.len(), 1);
    assert!(told[0].starts_with("f.toml:2:"), "{told:?}");
    assert!(told[0].contains("this is not TOML") && !told[0].contains("s3cret"), "{told:?}");
    let told = parse("[source\nkind = 1").unwrap_err();
    assert!(told[0].starts_with("f.toml:1:8: this is not TOML"), "{told:?}");
    let told = parse("[kafka]\n[kafka]\n").unwrap_err();
    assert!(told[0].starts_with("f.toml:2:"), "{told:?}");
}

#[test]
fn a_missing_file_is_a_mistake() {
    let told = Config::load(Path::new("/nowhere/readmill.toml")).unwrap_err().to_string();
    assert!(told.starts_with("/nowhere/readmill.toml: the configuration cannot be read"), "{told}");
}
