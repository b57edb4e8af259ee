//! The part of the command line that is about asking a running instance.

use std::path::{Path, PathBuf};

use clap::{ArgGroup, Args};
use readmill_connectors::instance::InstanceConfig;

use crate::exit::{Exit, Failure};

/// The environment variable that a token may be in.
const TOKEN: &str = "READMILL_TOKEN";

/// How a running instance is asked.
#[derive(Debug, Clone, Args)]
pub struct Asking {
    /// Ask a running instance instead, over its HTTP API: http://127.0.0.1:9464. It works for every
    /// store; an embedded one is open in that process alone.
    #[arg(long, value_name = "URL")]
    pub instance: Option<String>,
    /// The file whose first line is the token to show; without it READMILL_TOKEN is, if it is set.
    #[arg(long, value_name = "FILE", requires = "instance", conflicts_with = "config")]
    pub token_file: Option<PathBuf>,
    /// The authorities that the instance's certificate may be issued by, in PEM; without it those
    /// that the system trusts.
    #[arg(long, value_name = "FILE", requires = "instance", conflicts_with = "config")]
    pub ca_file: Option<PathBuf>,
}

/// By whom it is done: this process, or a running instance.
#[derive(Debug, Clone, Args)]
#[command(group(ArgGroup::new("where").required(true).args(["config", "instance"])))]
pub struct Anywhere {
    /// The configuration that says where it is kept.
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Or the instance.
    #[command(flatten)]
    pub asking: Asking,
}

impl Anywhere {
    /// The configuration, where no instance was named.
    ///
    /// # Errors
    /// When there is none, which the command line excludes.
    pub fn file(&self) -> Result<&Path, Failure> {
        self.config.as_deref().ok_or_else(|| {
            let hint = "give -c FILE, or --instance URL";
            Failure::new(Exit::Usage, "no configuration and no instance is named", hint)
        })
    }
}

impl Asking {
    /// Where the instance is and what is shown to it, if one was named.
    ///
    /// # Errors
    /// When the token's file cannot be read, or holds none.
    pub fn config(&self) -> Result<Option<InstanceConfig>, Failure> {
        let Some(url) = self.instance.clone() else { return Ok(None) };
        let token = token(self.token_file.as_deref())?;
        Ok(Some(InstanceConfig { url, token, ca_file: self.ca_file.clone() }))
    }
}

/// Which running instance is asked, by what nobody else can answer.
#[derive(Debug, Clone, Args)]
pub struct OfInstance {
    /// The instance, by the address of its HTTP API.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:9464")]
    pub instance: String,
    /// The file whose first line is the token to show; without it READMILL_TOKEN is, if it is set.
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// The authorities that the instance's certificate may be issued by, in PEM; without it those
    /// that the system trusts.
    #[arg(long, value_name = "FILE")]
    pub ca_file: Option<PathBuf>,
}

impl OfInstance {
    /// Where it is and what is shown to it.
    ///
    /// # Errors
    /// When the token's file cannot be read, or holds none.
    pub fn config(&self) -> Result<InstanceConfig, Failure> {
        let token = token(self.token_file.as_deref())?;
        Ok(InstanceConfig { url: self.instance.clone(), token, ca_file: self.ca_file.clone() })
    }
}

/// The token that is shown: that of a file, or that of the environment.
fn token(file: Option<&Path>) -> Result<Option<String>, Failure> {
    match file {
        Some(file) => first_line(file).map(Some),
        None => Ok(std::env::var(TOKEN).ok().filter(|token| !token.is_empty())),
    }
}

/// The first token of a file, as `http.operate_token_file` has them.
fn first_line(file: &Path) -> Result<String, Failure> {
    let hint = "name a file with a token in a line of its own";
    let text = std::fs::read_to_string(file).map_err(|error| {
        let told = format!("{} cannot be read: {error}", file.display());
        Failure::new(Exit::Usage, told, hint)
    })?;
    let mut lines = text.lines().map(str::trim);
    let token = lines.find(|line| !line.is_empty() && !line.starts_with('#'));
    token.map(str::to_owned).ok_or_else(|| {
        Failure::new(Exit::Usage, format!("{} holds no token", file.display()), hint)
    })
}
