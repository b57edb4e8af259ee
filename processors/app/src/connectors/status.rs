//! `connectors status`: how connectors and their tasks are, as a table.

use std::collections::BTreeMap;

use anyhow::Result;
use readmill_connectors::connect::Status;
use serde_json::{Value, json};

use super::connect_of;
use super::told::{status_json, tasks};
use crate::cli::ConnectorsStatusArgs;
use crate::config::question;
use crate::exit::{Exit, Failure};
use crate::out;
use crate::table::{Table, words};

/// Obeys the command.
///
/// # Errors
/// When Connect does not answer or refuses, or there is no connector of a name.
pub async fn status(args: ConnectorsStatusArgs) -> Result<Exit> {
    let (connect, _) = connect_of(&args.config)?;
    let statuses = chosen(connect.statuses().await?, &args.names)?;
    if args.json {
        let all: Vec<Value> = statuses.iter().map(|(name, how)| status_json(name, how)).collect();
        out::line(json!({ "connectors": all }).to_string());
    } else if statuses.is_empty() {
        out::line("there are no connectors");
    } else {
        tell(&statuses);
    }
    let failed = statuses.values().any(|status| status.failed().is_some());
    Ok(if failed { Exit::Failed } else { Exit::Done })
}

/// Those of these names, or all if none is named.
///
/// # Errors
/// When there is none of a name.
pub fn chosen(
    mut all: BTreeMap<String, Status>,
    names: &[String],
) -> Result<BTreeMap<String, Status>, Failure> {
    if names.is_empty() {
        return Ok(all);
    }
    let known: Vec<String> = all.keys().cloned().collect();
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let mut chosen = BTreeMap::new();
    for name in names {
        let Some(status) = all.remove(name) else {
            if chosen.contains_key(name) {
                continue;
            }
            let told = format!("there is no connector {name}");
            let hint = if known.is_empty() {
                "`readmill connectors apply` makes one".to_owned()
            } else {
                question(name, &known)
            };
            return Err(Failure::new(Exit::Usage, told, hint));
        };
        chosen.insert(name.clone(), status);
    }
    Ok(chosen)
}

fn tell(statuses: &BTreeMap<String, Status>) {
    let titles = [words("CONNECTOR"), words("STATE"), words("TASKS"), words("WORKER")];
    let mut table = Table::new(titles);
    for (name, status) in statuses {
        let connector = &status.connector;
        table.row([
            name.as_str().into(),
            connector.state.word().into(),
            tasks(status).into(),
            connector.worker.as_str().into(),
        ]);
    }
    let mut rows = table.lines().into_iter().map(|line| line.plain());
    rows.next().into_iter().for_each(out::line);
    for (status, row) in statuses.values().zip(rows) {
        out::line(row);
        for part in status.parts() {
            let Some(cause) = part.cause() else { continue };
            let which = part.id.map_or("connector".to_owned(), |task| format!("task {task}"));
            out::line(format!("  {which}: {cause}"));
        }
    }
}
