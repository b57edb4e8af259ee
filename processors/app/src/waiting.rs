//! `waiting`: the events that came before what they need, those that have waited longest first.

use std::collections::BTreeMap;

use anyhow::Result;
use futures::future::BoxFuture;
use readmill_core::{Document, Key, ReadModel};
use readmill_engine::Fault;
use readmill_models::Visit;
use readmill_schemas::{Events as _, Timestamp};
use serde_json::json;

use crate::cli::WaitingArgs;
use crate::config::{self, Config};
use crate::exit::Exit;
use crate::get::model_of;
use crate::out;
use crate::services::Services;
use crate::table::{Table, words};

/// So many are listed for a person who does not say how many.
const DEFAULT_LIMIT: usize = 50;

/// An event that waits.
struct Line {
    committed_ms: i64,
    key: Key,
    position: String,
    event: &'static str,
    wants: String,
}

/// Obeys the command.
///
/// # Errors
/// When the store does not answer or refuses.
pub async fn waiting(args: WaitingArgs) -> Result<Exit> {
    let config = Config::load(&args.place.config)?;
    let name = args.place.model.name;
    let model = model_of(&config, &args.place.config, name)?;
    let Some(found) = readmill_models::visit(name, Look { model, args: args.clone() }) else {
        return Ok(Exit::Usage);
    };
    let mut lines = found.await?;
    lines.sort_by(|a, b| (a.committed_ms, &a.key).cmp(&(b.committed_ms, &b.key)));
    if args.json {
        lines.iter().take(args.limit.unwrap_or(usize::MAX)).for_each(|line| out::line(line.json()));
    } else {
        tell(name, &lines, args.limit.unwrap_or(DEFAULT_LIMIT));
    }
    Ok(Exit::Done)
}

struct Look {
    model: config::Model,
    args: WaitingArgs,
}

impl Visit for Look {
    type Out = BoxFuture<'static, Result<Vec<Line>, Fault>>;

    fn visit<M: ReadModel>(self) -> Self::Out {
        Box::pin(async move {
            let services = Services::default();
            let store = services.documents::<M>(&services.live(&self.model).await?).await?;
            let mut lines = Vec::new();
            let mut visit = |key: Key, document: Document<M>| {
                lines.extend(lines_of(&key, &document).filter(|line| {
                    self.args.before.is_none_or(|before| line.committed_ms < before.as_millis())
                }));
            };
            store.scan_waiting(&mut visit).await?;
            Ok(lines)
        })
    }
}

fn lines_of<'d, M: ReadModel>(
    key: &'d Key,
    document: &'d Document<M>,
) -> impl Iterator<Item = Line> + 'd {
    document.stamp.waiting.iter().map(|waiting| Line {
        committed_ms: waiting.committed_ms,
        key: key.clone(),
        position: waiting.from.to_string(),
        event: waiting.event.contract().name,
        wants: waiting.wants.words().to_owned(),
    })
}

impl Line {
    fn since(&self) -> String {
        Timestamp::from_millis(self.committed_ms).to_string()
    }

    fn json(&self) -> String {
        json!({
            "key": self.key.as_str(),
            "committed_at": self.since(),
            "position": self.position,
            "event": self.event,
            "wants": self.wants,
        })
        .to_string()
    }
}

fn tell(model: &str, lines: &[Line], limit: usize) {
    if lines.is_empty() {
        out::line(format!("{model}: nothing waits"));
        return;
    }
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for line in lines {
        *reasons.entry(&line.wants).or_default() += 1;
    }
    out::line(format!("{model}: {} events wait", lines.len()));
    for (wants, count) in reasons {
        out::line(format!("  {count} for {wants}"));
    }
    out::line("");
    let titles =
        [words("COMMITTED"), words("KEY"), words("POSITION"), words("EVENT"), words("WAITS FOR")];
    let mut table = Table::new(titles);
    for line in lines.iter().take(limit) {
        let Line { key, position, event, wants, .. } = line;
        let (since, key) = (line.since(), key.as_str());
        table.row([
            since.into(),
            key.into(),
            position.as_str().into(),
            (*event).into(),
            wants.as_str().into(),
        ]);
    }
    table.print();
    if lines.len() > limit {
        out::line(format!("and {} more: --limit, or --json for all", lines.len() - limit));
    }
}

#[cfg(test)]
mod tests {
    use readmill_core::{Identity, Incoming, Offset, Partition, Position, Record};
    use readmill_models::Points;
    use readmill_schemas::points::{EarnCancelled, PointsEvent};

    use super::*;

    #[test]
    fn who_waits_is_told_with_what_for_and_since_when() {
        let mut document = Document::<Points>::default();
        let event = PointsEvent::EarnCancelled(EarnCancelled {
            ledger_id: "l-1".to_owned(),
            member_id: "m-1".to_owned(),
            occurred_at: Timestamp::from_millis(0),
            lot_id: "lot-1".to_owned(),
        });
        for version in [1, 3] {
            let identity = Identity::version("t", "m-1", true, version);
            let position = Position { partition: Partition::new("t", 2), offset: Offset(version) };
            let record = Record::at(position);
            let incoming = Incoming::straight(&identity, &record, &event);
            document.take(Incoming { committed_ms: version * 1000, ..incoming });
        }
        let key = Key::from("m-1");
        let lines: Vec<Line> = lines_of(&key, &document).collect();
        let told: Vec<(&str, &str)> =
            lines.iter().map(|line| (line.position.as_str(), line.wants.as_str())).collect();
        let [(first, why), second] = told[..] else { panic!("{told:?}") };
        assert!(first == "t/2@1" && why.contains("earn"), "{why}");
        assert_eq!(second, ("t/2@3", "earlier versions of its aggregate are missing"));
        assert!(lines[1].json().contains(r#""committed_at":"1970-01-01T00:00:03.000Z""#));
        assert_eq!(lines[1].event, "readmill.points.EarnCancelled");
    }
}
