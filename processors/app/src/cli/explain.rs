//! The part of the command line that is about a document's history.

use std::path::PathBuf;

use clap::Args;
use readmill_core::Position;
use readmill_models::Row;
use readmill_schemas::Timestamp;

use super::{held, model, times};

/// `explain`
#[derive(Debug, Clone, Args)]
pub struct ExplainArgs {
    /// The read model.
    #[arg(value_parser = model)]
    pub model: Row,
    /// The document's key.
    pub key: String,
    /// The configuration that says where its log and its documents are.
    #[arg(short, long, value_name = "FILE")]
    pub config: PathBuf,
    /// Show the document as it was when this record had been folded, or with all that had come at
    /// this time: TOPIC/PARTITION@OFFSET, a time such as 2026-11-21T06:50:00Z, or an age such as
    /// 2h.
    #[arg(long, value_name = "WHEN", value_parser = when)]
    pub as_of: Option<When>,
    /// Say which events set this field last, such as `lots.b.left` or `history[0]`.
    #[arg(long, value_name = "PATH")]
    pub field: Option<String>,
    /// Read the log from this time or age on only. What came before is not folded then.
    #[arg(long, value_name = "WHEN", value_parser = times::since)]
    pub since: Option<Timestamp>,
    /// Show only the last so many records of the key; 50 of them without it, or all with --json.
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Print one JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}

/// A place in a log, or a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum When {
    /// Up to this record.
    At(Position),
    /// With all that had come by then.
    By(Timestamp),
}

/// A place in a log, or a time, from text.
///
/// # Errors
/// When it is neither, in words.
pub fn when(text: &str) -> Result<When, String> {
    if text.contains('@') {
        return held::position(text).map(When::At);
    }
    times::since(text).map(When::By).map_err(|what| format!("{what}, or TOPIC/PARTITION@OFFSET"))
}
