//! `check` and `models`: what would run, in plain words, or every mistake.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;
use readmill_connectors::address::told;
use readmill_connectors::connect::ConnectConfig;
use readmill_connectors::kafka::KafkaConfig;
use readmill_connectors::mongo::MongoConfig;
use readmill_connectors::redis::RedisConfig;
use readmill_connectors::registry::RegistryConfig;
use serde_json::{Map, Value as Json, json};

use crate::cli::{CheckArgs, ModelsArgs};
use crate::config::{
    Config, EXAMPLE, HeldTopic, Holding, Http, Mirror, Mistake, Mistakes, Model, Reactions, Source,
    Store,
};
use crate::exit::Exit;
use crate::http::open_to_all;
use crate::out;
use crate::table::{Table, words};

/// `check`: reads the configuration and what it refers to, and nothing else.
///
/// # Errors
/// Every mistake of the configuration.
pub fn check(args: &CheckArgs) -> Result<Exit> {
    match &args.config {
        Some(path) if args.json => {
            return match Config::load(path) {
                Ok(config) => {
                    out::line(in_json(path, &config).to_string());
                    Ok(Exit::Done)
                }
                Err(mistakes) => {
                    out::line(mistakes_json(&mistakes).to_string());
                    Err(mistakes.into())
                }
            };
        }
        Some(path) => {
            let config = Config::load(path)?;
            out::line(format!("{} is valid. This would run:\n", path.display()));
            out::line(explain(&config).trim_end());
        }
        None => out::line(EXAMPLE.trim_end()),
    }
    Ok(Exit::Done)
}

/// `models`: the list of read models.
pub fn models(args: &ModelsArgs) -> Exit {
    if args.json {
        let rows: Vec<_> = readmill_models::ALL
            .iter()
            .map(|row| {
                json!({
                    "name": row.name,
                    "about": row.about,
                    "mirror": row.mirror,
                    "fold_version": row.fold_version,
                    "rollups": row.rollups.iter().map(|rollup| rollup.name).collect::<Vec<_>>(),
                    "embeds": row.embeds,
                })
            })
            .collect();
        out::line(Json::from(rows).to_string());
        return Exit::Done;
    }
    let mut table = Table::new([words("MODEL"), words("VIEW"), words("ABOUT")]);
    for row in readmill_models::ALL {
        table.row([row.name.into(), row.mirror.unwrap_or_default().into(), row.about.into()]);
    }
    table.print();
    Exit::Done
}

/// What would run, for scripts: the same words as for people, by their names.
fn in_json(path: &Path, config: &Config) -> Json {
    let mut whole: Map<String, Json> =
        Map::from_iter([("file".to_owned(), json!(path)), ("valid".to_owned(), json!(true))]);
    let mut told = |name: &str, what: String| match (name, whole.get_mut(name)) {
        ("warning" | "note", Some(Json::Array(list))) => list.push(what.into()),
        ("warning" | "note", _) => drop(whole.insert(name.to_owned(), json!([what]))),
        (_, _) => drop(whole.insert(name.to_owned(), what.into())),
    };
    general(config, &mut told);
    let models = config.models.iter().map(|model| {
        let lines = lines(config, model).into_iter();
        let mut told: Map<String, Json> =
            lines.map(|(name, what)| (name.replace('-', ""), what.into())).collect();
        told.insert("model".to_owned(), model.row.name.into());
        told.insert("topics".to_owned(), json!(model.topics));
        Json::Object(told)
    });
    whole.insert("models".to_owned(), models.collect());
    Json::Object(whole)
}

fn mistakes_json(mistakes: &Mistakes) -> Json {
    let one = |mistake: &Mistake| {
        let Mistake { line, column, at, what } = mistake;
        json!({ "line": line, "column": column, "at": at, "what": what })
    };
    let list: Vec<Json> = mistakes.list.iter().map(one).collect();
    json!({ "file": mistakes.file, "valid": false, "mistakes": list })
}

/// What would run.
pub fn explain(config: &Config) -> String {
    let mut text = String::new();
    let mut row = |name: &str, what: String| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}", format!("{name:<13}{what}").trim_end());
    };
    general(config, &mut row);
    for model in &config.models {
        row("", String::new());
        row(model.row.name, model.row.about.to_owned());
        for (name, what) in lines(config, model) {
            row(&format!("  {name}"), what);
        }
    }
    text
}

/// What is true of all models.
fn general(config: &Config, row: &mut dyn FnMut(&str, String)) {
    row("source", source(&config.source));
    let instance = &config.instance;
    row("serves", serves(&config.http));
    for file in open_to_all(&config.http) {
        row("warning", format!("everybody on this machine can read {file}"));
    }
    row("state", format!("{}", instance.state_dir.display()));
    let seconds = instance.stall_limit.as_secs_f64();
    row("unhealthy", format!("when a loop makes no progress for {seconds} s"));
    if let Some(connect) = &config.connect {
        row("connectors", kafka_connect(connect));
    }
    if let Some(to) = &config.traces {
        let (sampled, others) = (to.sampled_per_mille, to.others_per_mille);
        let place = told(&to.endpoint);
        let shares = format!("{sampled} of 1000 that are sampled, {others} of 1000 others");
        row("traces", format!("to {place}: {shares}"));
    }
    for name in &config.unused {
        row("note", format!("[{name}] is not used by anything"));
    }
}

/// Where it is asked, and by whom.
fn serves(http: &Http) -> String {
    let scheme = if http.tls.is_some() { "https" } else { "http" };
    let has_tokens = !http.tokens.given.is_empty() || http.tokens.files().next().is_some();
    let to = match (has_tokens, http.listen.ip().is_loopback()) {
        (false, _) => "for this machine alone",
        (true, true) => "for this machine alone, to those who show a token",
        (true, false) => "to those who show a token",
    };
    let metrics = if has_tokens && http.open_metrics { "; metrics to everybody" } else { "" };
    format!("{scheme}://{} {to}{metrics}", http.listen)
}

fn lines(config: &Config, model: &Model) -> Vec<(&'static str, String)> {
    let limits = &model.limits;
    vec![
        ("topics", model.topics.join(", ")),
        ("subjects", subjects(config, model)),
        ("reads", reads(config, model)),
        ("documents", documents(model)),
        ("view", view(model)),
        ("roll-ups", rollups(model)),
        ("reactions", reactions(&model.reactions)),
        ("held", held(&model.held)),
        (
            "limits",
            format!(
                "batches of about {} records; for each partition {} shards, {} documents in memory",
                limits.batch_records,
                limits.shards_per_partition,
                limits.cached_documents_per_partition
            ),
        ),
    ]
}

fn source(source: &Source) -> String {
    match source {
        Source::Kafka { kafka, registry } => {
            format!("{}, schemas from {}", brokers(kafka), registries(registry))
        }
        Source::Archive { dir } => format!("the archive in {}", dir.display()),
    }
}

fn subjects(config: &Config, model: &Model) -> String {
    match &config.source {
        Source::Kafka { .. } => model.subjects.to_string(),
        Source::Archive { .. } => "none: the archive brings its schemas along".to_owned(),
    }
}

fn reads(config: &Config, model: &Model) -> String {
    match &config.source {
        Source::Kafka { kafka, .. } => {
            let (prefix, name) = (&kafka.group_prefix, model.row.name);
            format!("as consumer group {prefix}.{name}.g<n>, of each generation n its own")
        }
        Source::Archive { .. } => {
            let state_dir = config.instance.state_dir.display();
            format!("each file to its end; its place is kept in {state_dir}")
        }
    }
}

fn documents(model: &Model) -> String {
    match &model.store {
        Store::Mongo(mongo) => mongodb(mongo),
        Store::Redis(redis) => redis_at(redis),
        Store::Embedded(store) => format!("directory {}", store.directory.display()),
    }
}

fn view(model: &Model) -> String {
    let name = model.row.mirror.unwrap_or_default();
    let place = match &model.mirror {
        None => return "none".to_owned(),
        Some(Mirror::Redis(redis)) => redis_at(redis),
        Some(Mirror::Embedded(store)) => format!("directory {}", store.directory.display()),
    };
    let required = if model.care.required { "" } else { ", which may be down" };
    format!("{name} in {place}{required}")
}

fn rollups(model: &Model) -> String {
    let names: Vec<&str> = model.row.rollups.iter().map(|rollup| rollup.name).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn reactions(reactions: &Reactions) -> String {
    match reactions {
        Reactions::None => "none".to_owned(),
        Reactions::Topic { topic, kafka, registry, subjects } => {
            let (brokers, registries) = (brokers(kafka), registries(registry));
            format!("topic {topic} of {brokers}, schemas registered at {registries} ({subjects})")
        }
        Reactions::Embedded(store) => format!("kept in directory {}", store.directory.display()),
    }
}

fn held(held: &Holding) -> String {
    let most = held.limit_records;
    match &held.topic {
        None => format!("at most {most} records, beside the documents"),
        Some(HeldTopic { topic, kafka }) => format!(
            "at most {most} records, beside the documents, with copies on topic {topic} of {}",
            brokers(kafka)
        ),
    }
}

fn brokers(kafka: &KafkaConfig) -> String {
    let mut text = format!("Kafka at {}", kafka.brokers);
    let mut add = |what: String| text += &what;
    let user = kafka.username.as_ref().or(kafka.oauth_client_id.as_ref());
    if let (Some(mechanism), Some(user)) = (kafka.sasl_mechanism, user) {
        add(format!(" as {user} by {mechanism}"));
    }
    if kafka.tls {
        add(" under TLS".to_owned());
    }
    if let Some(path) = &kafka.client_cert_file {
        add(format!(" with the certificate {}", path.display()));
    }
    if let Some(path) = &kafka.ca_file {
        add(format!(" trusting {} alone", path.display()));
    }
    text
}

fn registries(registry: &RegistryConfig) -> String {
    let mut text = registry.urls.iter().map(|url| told(url)).collect::<Vec<_>>().join(", ");
    let files = registry.files();
    let mut add = |what: String| text += &what;
    match (&registry.token, &registry.username) {
        (Some(_), _) => add(" by a token".to_owned()),
        (None, Some(name)) => add(format!(" as {name}")),
        (None, None) => {}
    }
    if let Some(path) = files.client_cert {
        add(format!(" with the certificate {}", path.display()));
    }
    if let Some(path) = files.ca {
        add(format!(" trusting {} alone", path.display()));
    }
    text
}

fn kafka_connect(connect: &ConnectConfig) -> String {
    let user = connect.username.as_ref().map(|name| format!(" as {name}")).unwrap_or_default();
    format!("Kafka Connect at {}{user}, for `readmill connectors`", told(&connect.url))
}

fn mongodb(mongo: &MongoConfig) -> String {
    format!("MongoDB at {}, database {}", told(&mongo.uri), mongo.database)
}

fn redis_at(redis: &RedisConfig) -> String {
    format!("Redis at {}, keys {}…", told(&redis.uri), redis.prefix)
}
