//! `connectors`: definitions of connectors are judged, applied, watched and restarted.

mod apply;
mod check;
mod read;
mod ready;
mod restart;
mod status;
mod told;

use std::path::Path;

use anyhow::Result;
use readmill_connectors::connect::{Connect, ConnectConfig};

use crate::cli::ConnectorsCommand;
use crate::config::Config;
use crate::exit::{Exit, Failure};

/// Obeys the command.
///
/// # Errors
/// When a file cannot be read, or Connect does not answer or refuses.
pub async fn connectors(command: ConnectorsCommand) -> Result<Exit> {
    match command {
        ConnectorsCommand::Check(args) => check::check(args).await,
        ConnectorsCommand::Apply(args) => apply::apply(args).await,
        ConnectorsCommand::Status(args) => status::status(args).await,
        ConnectorsCommand::Restart(args) => restart::restart(args).await,
    }
}

/// Connect, as a configuration says where it is.
fn connect_of(path: &Path) -> Result<(Connect, ConnectConfig)> {
    let config = Config::load(path)?;
    let Some(config) = config.connect else {
        let told = format!("{} does not say where Kafka Connect is", path.display());
        let hint = "add a stanza [connect] with url = \"http://host:8083\"";
        return Err(Failure::new(Exit::Usage, told, hint).into());
    };
    Ok((Connect::new(&config)?, (*config).clone()))
}
