//! `connectors restart`: what has failed is started again, and waited for.

use anyhow::Result;
use readmill_connectors::connect::Secrets;
use serde_json::{Value, json};

use super::connect_of;
use super::ready::Wait;
use super::status::chosen;
use crate::bars::spinner;
use crate::cli::ConnectorsRestartArgs;
use crate::exit::Exit;
use crate::out;

/// Obeys the command.
///
/// # Errors
/// When Connect does not answer or refuses, or there is no connector of a name.
pub async fn restart(args: ConnectorsRestartArgs) -> Result<Exit> {
    let (connect, config) = connect_of(&args.config)?;
    let statuses = chosen(connect.statuses().await?, &args.names)?;
    let mut told: Vec<Value> = Vec::new();
    let mut fails = false;
    for (name, status) in statuses {
        let is_due = args.also_running || status.failed().is_some();
        let error = if is_due {
            connect.restart(&name, !args.also_running).await?;
            let mut secrets = Secrets::default();
            secrets.keep_all(&connect.options(&name).await?.unwrap_or_default());
            let limit = config.ready_limit();
            let before = Some(status);
            let wait = Wait { connect: &connect, name: &name, before, secrets: &secrets, limit };
            let bar = spinner(args.json);
            let ready = wait.ready(&bar).await?;
            bar.finish_and_clear();
            ready.error()
        } else {
            None
        };
        fails |= error.is_some();
        if args.json {
            told.push(json!({ "name": name, "restarted": is_due, "error": error }));
        } else {
            out::line(match (is_due, error) {
                (false, _) => format!("{name}: nothing of it has failed"),
                (true, None) => format!("{name}: restarted, runs"),
                (true, Some(error)) => format!("{name}: restarted, {error}"),
            });
        }
    }
    if args.json {
        out::line(json!({ "connectors": told }).to_string());
    }
    Ok(if fails { Exit::Failed } else { Exit::Done })
}
