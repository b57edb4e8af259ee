//! The rooms that the doctor looks into: each asks one service, within a limit, beside the others.

mod brokers;
mod connect;
mod outboxes;
mod registry;
mod sources;
mod stores;

use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, join_all};
use readmill_engine::{Clock as _, Fault};
use tokio::time::timeout;

use super::finding::{Findings, Report};
use super::rules::clocks::Asked;
use super::table;
use crate::cli::DoctorArgs;
use crate::config::{Config, Source};
use crate::ports::SystemClock;
use crate::services::Services;

/// What a room has found, and how many records it has read.
type Seen = Result<(Findings, u64), Fault>;

/// Someone who looks into rooms.
#[derive(Debug, Clone)]
struct Visitor {
    config: Arc<Config>,
    services: Arc<Services>,
    limit: Duration,
    records: u64,
}

/// A room that is looked into.
struct Room {
    name: String,
    seen: BoxFuture<'static, Seen>,
}

impl Room {
    fn new(name: impl Into<String>, seen: impl Future<Output = Seen> + Send + 'static) -> Self {
        Self { name: name.into(), seen: Box::pin(seen) }
    }
}

/// Looks into all rooms of a configuration.
pub async fn look(config: Config, args: &DoctorArgs) -> Report {
    let visitor = Visitor {
        config: Arc::new(config),
        services: Arc::default(),
        limit: Duration::from_secs(args.limit_seconds.get()),
        records: args.records,
    };
    let mut report = Report::default();
    // Who has the topics comes first: groups and outboxes are asked about those that are there.
    let cluster = visitor.cluster(&mut report).await;
    let cluster = cluster.map(Arc::new);
    let mut rooms = Vec::new();
    if let Some(cluster) = &cluster {
        rooms.extend(visitor.groups(cluster));
    }
    rooms.extend(visitor.registry());
    rooms.extend(visitor.connect());
    rooms.extend(visitor.stores());
    rooms.extend(visitor.origins());
    let is_archive = matches!(visitor.config.source, Source::Archive { .. });
    if is_archive || cluster.is_some() {
        rooms.extend(visitor.outboxes(cluster.as_ref()));
    }
    let limit = visitor.limit;
    let looking = rooms.into_iter().map(|Room { name, seen }| async move {
        let seen = timeout(limit, seen).await;
        (name, seen)
    });
    for (name, seen) in join_all(looking).await {
        match seen {
            Ok(Ok((findings, records))) => {
                report.findings.0.extend(findings.0);
                report.records += records;
            }
            Ok(Err(fault)) => unanswered(&name, &fault, &mut report.findings),
            Err(_) => late(&name, limit, &mut report.findings),
        }
        report.rooms.push(name);
    }
    report.findings.arrange();
    report
}

/// A service that does not answer, or refuses.
fn unanswered(room: &str, fault: &Fault, found: &mut Findings) {
    match fault {
        Fault::Refused { service, detail, hint } => {
            let what = format!("{service} refuses: {detail}");
            found.note(&table::SERVICE_REFUSES, room, what, *hint);
        }
        Fault::Silent { .. }
        | Fault::UnknownSchema { .. }
        | Fault::UnusableSchema { .. }
        | Fault::Damaged { .. }
        | Fault::RolledBack { .. }
        | Fault::Overslept
        | Fault::Abandoned => {
            let mend = "see that it runs, and that the configuration has its address";
            found.note(&table::SERVICE_SILENT, room, fault.to_string(), mend);
        }
    }
}

fn late(room: &str, limit: Duration, found: &mut Findings) {
    let what = format!("no answer within {} s", limit.as_secs());
    let mend = "see that it runs and is reached from here; --limit-seconds gives it longer";
    found.note(&table::SERVICE_SILENT, room, what, mend);
}

/// Asks, and notes when that was.
async fn timed<T>(asking: impl Future<Output = T>) -> (T, Asked) {
    let from_ms = SystemClock.now_ms();
    let answer = asking.await;
    (answer, Asked { from_ms, to_ms: SystemClock.now_ms() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_does_not_answer_and_who_refuses_are_findings() {
        let mut found = Findings::default();
        let detail = "no such user".to_owned();
        let refused = Fault::Refused { service: "redis", detail, hint: "check redis.uri" };
        unanswered("Redis", &refused, &mut found);
        let silent = Fault::Silent { service: "redis", detail: "refused".to_owned() };
        unanswered("Redis", &silent, &mut found);
        late("Redis", Duration::from_secs(3), &mut found);
        assert_eq!(found.ids(), ["service-refuses", "service-silent", "service-silent"]);
        assert_eq!(found.0[0].mend, "check redis.uri");
        assert!(found.0[2].what.contains("3 s"), "{found:?}");
    }
}
