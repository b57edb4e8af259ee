//! Requests to the registry: a schema with all that it refers to, and a registration.

use std::time::Duration;

use futures::future::BoxFuture;
use readmill_engine::Fault;
use readmill_schemas::SchemaId;
use readmill_schemas::writer::WriterSchema;
use schema_registry_converter::async_impl::schema_registry::{
    SrSettings, get_referenced_schema, get_schema_by_id, post_schema,
};
use schema_registry_converter::schema_registry_common::{
    RegisteredReference, RegisteredSchema, SchemaType, SuppliedSchema,
};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep, timeout};

use super::config::RegistryConfig;
use super::misses::{self, Miss, judge};
use crate::tls;

const MOST_REFERENCES: usize = 64;
const DEEPEST_REFERENCE: usize = 16;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const BAD_URL: &str = "set `urls` under [registry] to addresses like http://host:8081, or \
                       http://host:8080/apis/ccompat/v7 for apicurio";

/// The latest version of a subject, as the registry answers.
#[derive(Debug, Deserialize)]
struct Latest {
    id: u32,
    schema: String,
    #[serde(rename = "schemaType")]
    schema_type: Option<String>,
}

/// The way to the registry. The library's caching decoder is not used: it keeps every failure
/// until it is told not to.
#[derive(Debug, Clone)]
pub struct Line {
    settings: SrSettings,
    urls: Vec<String>,
    http: reqwest::Client,
    unknown_limit: Duration,
    request_limit: Duration,
    account: Option<(String, Option<String>)>,
}

impl Line {
    /// Makes the clients; nothing is asked yet.
    pub fn new(config: &RegistryConfig) -> Result<Self, Fault> {
        tls::install();
        let urls = config.trimmed();
        let malformed = |url: &&String| reqwest::Url::parse(url).is_err();
        if let Some(url) = urls.iter().find(malformed) {
            return Err(misses::refused(format!("{url:?} is not an address"), BAD_URL));
        }
        let Some((first, others)) = urls.split_first() else {
            return Err(misses::refused("it has no address".to_owned(), BAD_URL));
        };
        let mut builder = SrSettings::new_builder(first.clone());
        for url in others {
            builder.add_url(url.clone());
        }
        if let Some(username) = &config.username {
            builder.set_basic_authorization(username, config.password.as_deref());
        }
        builder.set_timeout(config.request_limit());
        let settings = builder.build().map_err(|error| misses::refused(error.error, BAD_URL))?;
        let http = reqwest::Client::builder().timeout(config.request_limit()).build();
        Ok(Self {
            settings,
            urls,
            http: http.map_err(|error| misses::refused(error.to_string(), BAD_URL))?,
            unknown_limit: Duration::from_millis(config.unknown_limit_ms),
            request_limit: config.request_limit(),
            account: config.username.clone().map(|name| (name, config.password.clone())),
        })
    }

    /// Asks for an id, and again for a while if it is unknown.
    pub async fn schema(&self, id: SchemaId) -> Result<WriterSchema, Miss> {
        let asked = Instant::now();
        let mut pause = FIRST_PAUSE;
        loop {
            match self.once(id).await {
                Err(Miss::Unknown) if asked.elapsed() + pause <= self.unknown_limit => {
                    sleep(pause).await;
                    pause *= 2;
                }
                done => return done,
            }
        }
    }

    /// Registers an Avro schema under a subject; a known one keeps its id.
    pub async fn register(&self, subject: &str, text: &str) -> Result<SchemaId, Miss> {
        let schema = SuppliedSchema::new(None, SchemaType::Avro, text.to_owned());
        let posted = self.in_time(post_schema(&self.settings, subject.to_owned(), schema)).await?;
        Ok(SchemaId(posted.map_err(|error| judge(&error))?.id))
    }

    /// The latest schema of every subject, as (subject, id, text); only those of Avro.
    pub async fn latest(&self) -> Result<Vec<(String, SchemaId, String)>, Fault> {
        let subjects: Vec<String> = self.get("/subjects").await?;
        let mut latest = Vec::new();
        for subject in subjects {
            let named = subject.replace('%', "%25").replace('/', "%2F");
            let found: Latest = self.get(&format!("/subjects/{named}/versions/latest")).await?;
            if found.schema_type.is_none_or(|kind| kind == "AVRO") {
                latest.push((subject, SchemaId(found.id), found.schema));
            }
        }
        Ok(latest)
    }

    /// Asks the first address; for what a person asks, and may ask again.
    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Fault> {
        let url = self.urls.first().map(String::as_str).unwrap_or_default();
        let told = crate::address::told(url);
        let silent = |error: reqwest::Error| {
            misses::silent(format!("{told}: {}", innermost(&error.without_url())))
        };
        let answer = self.asking(&format!("{url}{path}")).send().await.map_err(silent)?;
        answer.error_for_status().map_err(silent)?.json().await.map_err(silent)
    }

    fn asking(&self, url: &str) -> reqwest::RequestBuilder {
        let request = self.http.get(url);
        match &self.account {
            Some((name, password)) => request.basic_auth(name, password.as_deref()),
            None => request,
        }
    }

    /// Whether any of the addresses is that of a registry.
    pub async fn check(&self) -> Result<(), Fault> {
        let mut first_fault = None;
        for url in &self.urls {
            match self.probe(url).await {
                Ok(()) => return Ok(()),
                Err(fault) => first_fault = first_fault.or(Some(fault)),
            }
        }
        first_fault.map_or(Ok(()), Err)
    }

    async fn probe(&self, url: &str) -> Result<(), Fault> {
        let request = self.asking(&format!("{url}/schemas/types"));
        let told = crate::address::told(url);
        let answer = request.send().await.map_err(|error| {
            misses::silent(format!("{told}: {}", innermost(&error.without_url())))
        })?;
        let status = answer.status();
        let types = answer.json::<Vec<String>>().await;
        match (status.as_u16(), types) {
            (200, Ok(types)) if types.iter().any(|known| known == "AVRO") => Ok(()),
            (401 | 403, _) => {
                const HINT: &str = "set `username` and `password` under [registry]";
                Err(misses::refused(format!("{told} answers {status}"), HINT))
            }
            (429 | 500..=599, _) => Err(misses::silent(format!("{told} answers {status}"))),
            (_, _) => {
                let detail = format!("{told} answers {status}, and not as a schema registry does");
                Err(misses::refused(detail, BAD_URL))
            }
        }
    }

    async fn once(&self, id: SchemaId) -> Result<WriterSchema, Miss> {
        let found = self.in_time(get_schema_by_id(id.0, &self.settings)).await?;
        let root = found.map_err(|error| judge(&error))?;
        require_avro(&root)?;
        let mut texts = Vec::new();
        self.references(&root.references, &mut texts, 0).await?;
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let parsed = if texts.is_empty() {
            WriterSchema::parse(&root.schema)
        } else {
            WriterSchema::parse_with(&root.schema, &texts)
        };
        parsed.map_err(|error| Miss::Unusable(error.to_string()))
    }

    /// The texts of all references, each once, those that others need first.
    fn references<'a>(
        &'a self,
        references: &'a [RegisteredReference],
        texts: &'a mut Vec<String>,
        depth: usize,
    ) -> BoxFuture<'a, Result<(), Miss>> {
        Box::pin(async move {
            for reference in references {
                if depth >= DEEPEST_REFERENCE || texts.len() >= MOST_REFERENCES {
                    return Err(Miss::Unusable("it refers to too many schemas".to_owned()));
                }
                let asked = get_referenced_schema(&self.settings, reference);
                let found = self.in_time(asked).await?;
                let found = found.map_err(|error| judge(&error).of_reference())?;
                require_avro(&found)?;
                self.references(&found.references, texts, depth + 1).await?;
                if !texts.contains(&found.schema) {
                    texts.push(found.schema);
                }
            }
            Ok(())
        })
    }

    /// Bounds a call over all addresses, whatever the library does in it.
    async fn in_time<T>(&self, call: impl Future<Output = T>) -> Result<T, Miss> {
        let addresses = u32::try_from(self.urls.len()).unwrap_or(u32::MAX);
        let limit = self.request_limit.saturating_mul(addresses) + FIRST_PAUSE;
        let answered = timeout(limit, call).await;
        answered.map_err(|_| Miss::Silent(format!("no answer within {} ms", limit.as_millis())))
    }
}

fn require_avro(schema: &RegisteredSchema) -> Result<(), Miss> {
    if schema.schema_type == SchemaType::Avro {
        return Ok(());
    }
    Err(Miss::Unusable("it is not an avro schema".to_owned()))
}

fn innermost(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), innermost)
}
