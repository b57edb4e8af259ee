//! What a registry lets writers do to a schema: its level of compatibility.

use readmill_engine::Fault;
use serde::Deserialize;

use super::ask::Line;
use super::book::RegistryBook;

/// As registries tell it: the words differ between the answers of a subject and of all.
#[derive(Debug, Deserialize)]
struct Told {
    #[serde(alias = "compatibilityLevel", alias = "compatibility")]
    level: String,
}

impl RegistryBook {
    /// The level of a subject, or of all that have none of their own; none where nobody says.
    ///
    /// # Errors
    /// When the registry does not answer.
    pub async fn level(&self, subject: Option<&str>) -> Result<Option<String>, Fault> {
        self.line().level(subject).await
    }
}

impl Line {
    async fn level(&self, subject: Option<&str>) -> Result<Option<String>, Fault> {
        let Some(url) = self.urls().first() else { return Ok(None) };
        let escaped = subject.map(|subject| subject.replace('%', "%25").replace('/', "%2F"));
        let path = escaped.map(|subject| format!("/{subject}")).unwrap_or_default();
        let answer = self.asking(&format!("{url}/config{path}")).send().await;
        let answer = answer.map_err(|error| Fault::Silent {
            service: "schema registry",
            detail: super::misses::innermost(&error.without_url()),
        })?;
        Ok(answer.json::<Told>().await.ok().map(|told| told.level))
    }
}
