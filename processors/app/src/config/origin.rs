//! The origin of a model's documents, as its stanza names it.

use std::fmt;
use std::time::Duration;

use readmill_connectors::address;
use readmill_connectors::outbox::OutboxConfig;
use readmill_connectors::renewed::Written;
use readmill_engine::reconcile::Pairing;

use super::rooms::ModelStanza;

/// Another system that says what documents should.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// The PostgreSQL that it is in.
    pub url: String,
    /// What of the address files fill in.
    pub written: Written,
    /// The replication slot of its connector; without it the only one.
    pub slot: Option<String>,
    /// The table of signals.
    pub signals: String,
    /// A select with a column `key`; without it the tables of the model's contracts.
    pub query: Option<String>,
    /// The fields that are compared; none for whole rows.
    pub fields: Vec<Pairing>,
    /// Nobody can tell what of it is in the log: both sides must have rested for so long.
    pub rest: Option<Duration>,
    /// How often an instance asks it, if ever.
    pub every: Option<Duration>,
}

/// Without the password.
impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Origin")
            .field("url", &address::told(&self.url))
            .field("slot", &self.slot)
            .field("rest", &self.rest)
            .field("every", &self.every)
            .finish_non_exhaustive()
    }
}

impl Origin {
    /// How it is connected to; a password in a file is read again for each connection.
    pub fn database(&self) -> OutboxConfig {
        OutboxConfig { written: self.written.clone(), ..OutboxConfig::at(&self.url) }
    }
}

/// The table of signals, unless configured.
const SIGNALS: &str = "public.debezium_signal";

/// The origin of a stanza, and the settings that are of no use there, each with why.
pub fn read(raw: &ModelStanza, is_replica: bool) -> (Option<Origin>, Vec<(&'static str, String)>) {
    let seconds = |n: std::num::NonZeroU64| Duration::from_secs(n.get());
    let Some(url) = &raw.origin_url else {
        let given = [
            ("origin_slot", raw.origin_slot.is_some()),
            ("origin_signals", raw.origin_signals.is_some()),
            ("origin_query", raw.origin_query.is_some()),
            ("origin_fields", !raw.origin_fields.is_empty()),
            ("origin_rest_seconds", raw.origin_rest_seconds.is_some()),
            ("reconcile_every_seconds", raw.reconcile_every_seconds.is_some()),
        ];
        let idle = given.into_iter().filter(|(_, given)| *given);
        let idle = idle.map(|(key, _)| (key, "is of no use without an origin_url".to_owned()));
        return (None, idle.collect());
    };
    let mut wrong = Vec::new();
    if raw.origin_query.is_some() == raw.origin_fields.is_empty() {
        let what = "origin_query and origin_fields need each other: what is compared with what";
        wrong.push(("origin_query", what.to_owned()));
    } else if raw.origin_query.is_none() && !is_replica {
        let what = "is of no replica: say what its origin says with origin_query";
        wrong.push(("origin_url", what.to_owned()));
    }
    if raw.origin_slot.is_some() && raw.origin_rest_seconds.is_some() {
        let what = "is of no use with an origin_slot, which tells what is in the log";
        wrong.push(("origin_rest_seconds", what.to_owned()));
    }
    let pairing =
        |(path, field): (&String, &String)| Pairing { path: path.clone(), field: field.clone() };
    let origin = Origin {
        url: url.clone(),
        written: Written::default(),
        slot: raw.origin_slot.clone(),
        signals: raw.origin_signals.clone().unwrap_or_else(|| SIGNALS.to_owned()),
        query: raw.origin_query.clone(),
        fields: raw.origin_fields.iter().map(pairing).collect(),
        rest: raw.origin_rest_seconds.map(seconds),
        every: raw.reconcile_every_seconds.map(seconds),
    };
    (Some(origin), wrong)
}
