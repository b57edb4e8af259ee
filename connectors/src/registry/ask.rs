//! Requests to the registry: a schema with all that it refers to, and a registration.

use std::path::Path;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{self, StreamExt, TryStreamExt};
use readmill_engine::Fault;
use readmill_schemas::SchemaId;
use readmill_schemas::writer::WriterSchema;
use schema_registry_converter::async_impl::schema_registry::{
    SrSettings, get_all_subjects, get_referenced_schema, get_schema_by_id,
    get_schema_by_subject_and_version, post_schema,
};
use schema_registry_converter::schema_registry_common::{
    RegisteredReference, RegisteredSchema, SchemaType, SuppliedSchema,
};
use tokio::time::{Instant, sleep, timeout};

use super::account::{Account, Showing};
use super::config::RegistryConfig;
use super::courtesy::Courtesy;
use super::misses::{self, Miss, judge};
use crate::tls::{self, Trust};

const MOST_REFERENCES: usize = 64;
const DEEPEST_REFERENCE: usize = 16;
/// How many questions about subjects are under way side by side.
pub const PARALLEL_QUESTIONS: usize = 8;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const BAD_URL: &str = "set `urls` under [registry] to addresses like http://host:8081, or \
                       http://host:8080/apis/ccompat/v7 for apicurio";
const BAD_FILES: &str = "mend the file, or the setting under [registry] that names it";
const BAD_TRUST: &str = "install the system's certificates, or set `ca_file` under [registry]";
const BAD_ACCOUNT: &str = "set `username` and `password`, or `token`, under [registry]";

/// The way to the registry. The library's caching decoder is not used: it keeps every failure
/// until it is told not to.
#[derive(Debug, Clone)]
pub struct Line {
    settings: SrSettings,
    urls: Vec<String>,
    http: reqwest::Client,
    unknown_limit: Duration,
    request_limit: Duration,
    account: Account,
}

impl Line {
    /// Makes the clients; nothing is asked yet.
    pub fn new(config: &RegistryConfig) -> Result<Self, Fault> {
        let urls = addresses(config)?;
        let account = Account::of(config);
        let trust = trust(config)?;
        let (first, others) = urls.split_first().ok_or_else(no_address)?;
        let mut builder = SrSettings::new_builder(first.clone());
        for url in others {
            builder.add_url(url.clone());
        }
        let http = client(config, &trust)?.timeout(config.request_limit()).build();
        let http = http.map_err(|error| refused_client(&error))?;
        let showing = Showing { account: account.clone(), client: http.clone() };
        builder.set_timeout(config.request_limit()).with_middleware(Courtesy::default());
        builder.with_middleware(showing);
        let settings = builder.build_with(client(config, &trust)?);
        Ok(Self {
            settings: settings.map_err(|error| refused_client(&error))?,
            http,
            urls,
            unknown_limit: Duration::from_millis(config.unknown_limit_ms),
            request_limit: config.request_limit(),
            account,
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
    pub async fn latest(&self) -> Result<Vec<(String, SchemaId, String)>, Miss> {
        let subjects = self.in_time(get_all_subjects(&self.settings)).await?;
        let subjects = subjects.map_err(|error| judge(&error))?;
        let latest = stream::iter(subjects).map(|subject| async move {
            let found = self.latest_of(&subject).await?;
            let found = found.filter(|found| found.schema_type == SchemaType::Avro);
            Ok(found.map(|found| (subject, SchemaId(found.id), found.schema)))
        });
        let latest: Vec<_> = latest.buffered(PARALLEL_QUESTIONS).try_collect().await?;
        Ok(latest.into_iter().flatten().collect())
    }

    /// The latest schema of a subject, if there is one.
    pub async fn latest_of(&self, subject: &str) -> Result<Option<RegisteredSchema>, Miss> {
        // The library replaces slashes, and nothing else.
        let marks = [('%', "%25"), ('?', "%3F"), ('#', "%23")];
        let path = marks.iter().fold(subject.to_owned(), |path, (c, code)| path.replace(*c, code));
        let asked = get_schema_by_subject_and_version(&self.settings, &path, None);
        match self.in_time(asked).await? {
            Ok(found) => Ok(Some(found)),
            Err(error) if misses::no_such_subject(&error) => Ok(None),
            Err(error) => Err(judge(&error)),
        }
    }

    /// The addresses.
    pub(super) fn urls(&self) -> &[String] {
        &self.urls
    }

    pub(super) fn asking(&self, url: &str) -> reqwest::RequestBuilder {
        self.account.say(self.http.get(url))
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
        let answer = request.send().await;
        let answer = answer.map_err(|error| misses::unanswered(&told, &error.without_url()))?;
        let status = answer.status();
        let types = answer.json::<Vec<String>>().await;
        match (status.as_u16(), types) {
            (200, Ok(types)) if types.iter().any(|known| known == "AVRO") => {
                self.account.was_good();
                Ok(())
            }
            (401 | 403, _) => Err(misses::refused(format!("{told} answers {status}"), BAD_ACCOUNT)),
            (429 | 500..=599, _) => Err(misses::silent(format!("{told} answers {status}"))),
            (_, _) => {
                let detail = format!("{told} answers {status}, and not as a schema registry does");
                Err(misses::refused(detail, BAD_URL))
            }
        }
    }

    /// Asks for an id once.
    pub async fn once(&self, id: SchemaId) -> Result<WriterSchema, Miss> {
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

fn no_address() -> Fault {
    misses::refused("it has no address".to_owned(), BAD_URL)
}

fn addresses(config: &RegistryConfig) -> Result<Vec<String>, Fault> {
    let urls = config.trimmed();
    let malformed = |url: &&String| reqwest::Url::parse(url).is_err();
    match urls.iter().find(malformed) {
        Some(url) => {
            let told = crate::address::told(url);
            Err(misses::refused(format!("{told:?} is not an address"), BAD_URL))
        }
        None => Ok(urls),
    }
}

fn trust(config: &RegistryConfig) -> Result<Trust, Fault> {
    let read = |path: &Path| std::fs::read_to_string(path);
    config.files().load(read).map_err(|unfit| {
        let told = unfit.iter().map(|unfit| format!("`{}`: {}", unfit.setting, unfit.what));
        misses::refused(told.collect::<Vec<_>>().join("; "), BAD_FILES)
    })
}

fn client(config: &RegistryConfig, trust: &Trust) -> Result<reqwest::ClientBuilder, Fault> {
    tls::install();
    let tls_needed = config.open_urls().len() < config.urls.len();
    let client = trust.give(reqwest::Client::builder(), tls_needed);
    client.map_err(|error| misses::refused(misses::innermost(&error), BAD_FILES))
}

/// What keeps a client from being made: all that is left is that there is nobody to trust.
fn refused_client(error: &(dyn std::error::Error + 'static)) -> Fault {
    misses::refused(misses::innermost(error), BAD_TRUST)
}
