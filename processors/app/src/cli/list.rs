//! The part of the command line that lists documents.

use std::path::PathBuf;

use clap::{ArgGroup, Args};
use readmill_models::Row;

use super::{Asking, model};

/// `list`
#[derive(Debug, Clone, Args)]
#[command(group(ArgGroup::new("place").required(true).args(["config", "dir", "instance"])))]
pub struct ListArgs {
    /// The read model.
    #[arg(value_parser = model)]
    pub model: Row,
    /// Only documents whose keys begin so.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub prefix: String,
    /// Only those that an index of the model leads to, in a store that has indexes; with --where.
    #[arg(long, value_name = "NAME", requires = "wanted")]
    pub index: Option<String>,
    /// What a field of the index is to be; for more of its fields, again.
    #[arg(id = "wanted", long = "where", value_name = "FIELD:VALUE", requires = "index",
        value_parser = field)]
    pub wanted: Vec<(String, String)>,
    /// At most so many, in the order of their keys.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub limit: usize,
    /// The configuration that says where documents are.
    #[arg(short, long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The directory of a demo.
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Or the instance.
    #[command(flatten)]
    pub asking: Asking,
    /// Print a JSON object a line, with the key and the revision beside the state.
    #[arg(long)]
    pub json: bool,
}

fn field(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once(':').filter(|(path, _)| !path.is_empty());
    let (path, value) = pair.ok_or("must be a field, `:`, and its value")?;
    Ok((path.to_owned(), value.to_owned()))
}
