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
        table(&statuses).iter().for_each(out::line);
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

fn table(statuses: &BTreeMap<String, Status>) -> Vec<String> {
    let longest = |texts: &mut dyn Iterator<Item = usize>| texts.max().unwrap_or_default();
    let names = longest(&mut statuses.keys().map(|name| name.chars().count())).max(9);
    let counts = longest(&mut statuses.values().map(|status| tasks(status).len())).max(5);
    let row = |name: &str, state: &str, tasks: &str, worker: &str| {
        format!("{name:<names$}  {state:<10}  {tasks:<counts$}  {worker}").trim_end().to_owned()
    };
    let mut lines = vec![row("connector", "state", "tasks", "worker")];
    for (name, status) in statuses {
        let connector = &status.connector;
        lines.push(row(name, connector.state.word(), &tasks(status), &connector.worker));
        for part in status.parts() {
            let Some(cause) = part.cause() else { continue };
            let which = part.id.map_or("connector".to_owned(), |task| format!("task {task}"));
            lines.push(format!("  {which}: {cause}"));
        }
    }
    lines
}
