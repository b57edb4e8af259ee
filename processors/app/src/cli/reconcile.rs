//! The part of the command line that is about reconciling.

use std::num::NonZeroU32;
use std::path::PathBuf;

use clap::Args;
use readmill_engine::reconcile::Pairing;
use readmill_engine::verify::{Allowance, Pattern};
use readmill_models::Row;

use super::verify::tolerance;
use super::{Secret, model, secret};

/// `reconcile`
#[derive(Debug, Clone, Args)]
pub struct ReconcileArgs {
    /// The read model.
    #[arg(value_parser = model)]
    pub model: Row,
    /// The configuration that says where its log and its documents are.
    #[arg(short, long, value_name = "FILE")]
    pub config: PathBuf,
    /// The PostgreSQL that has the origin's tables, instead of the one that the model's stanza
    /// names. A password need not be on the command line: '${env:NAME}' and '${file:PATH}' are
    /// filled in.
    #[arg(long, value_name = "URL", value_parser = secret)]
    pub postgres: Option<Secret>,
    /// What the origin says, as a select with a column `key` that has the documents' keys. Without
    /// it a replica is compared with the tables of its contracts.
    #[arg(long, value_name = "SELECT", requires = "postgres", requires = "field")]
    pub query: Option<String>,
    /// What the origin says, as a file with a JSON object a line: `{"key": "m-1", "balance": 7}`.
    #[arg(long, value_name = "FILE", requires = "field", conflicts_with = "postgres")]
    pub lines: Option<PathBuf>,
    /// Compare this field of the documents with this one of the origin: available=balance. Once
    /// for each field.
    #[arg(long, value_name = "PATH=FIELD", value_parser = pairing)]
    pub field: Vec<Pairing>,
    /// Where a table has another name in this database: coupon=shop.coupons.
    #[arg(long, value_name = "TABLE=NAME", value_parser = both, conflicts_with = "query")]
    pub table: Vec<(String, String)>,
    /// The replication slot that the connector of these tables reads; without it the only one that
    /// the database has. It tells which changes are in the log.
    #[arg(long, value_name = "SLOT", requires = "postgres", conflicts_with = "rest")]
    pub slot: Option<String>,
    /// Nobody can tell what of the origin is in the log: take a difference for an error once both
    /// sides have said the same for so long. The default with --lines is 30.
    #[arg(long, value_name = "SECONDS")]
    pub rest: Option<u64>,
    /// Documents of which the origin knows nothing are right.
    #[arg(long)]
    pub one_way: bool,
    /// Do not compare this field, nor what is in it: coupon.note.
    #[arg(long, value_name = "PATH")]
    pub ignore: Vec<Pattern>,
    /// Let this field differ by so much: a number, a part such as 1%, or for times 500ms.
    #[arg(long, value_name = "PATH=BY", value_parser = tolerance)]
    pub tolerance: Vec<(Pattern, Allowance)>,
    /// Print what stands in the fields that differ, and what should.
    #[arg(long)]
    pub values: bool,
    /// Put what differs right, from the origin and through the log: corrections are sent to the
    /// model's topic, which give way to every change that they have not seen.
    #[arg(long, conflicts_with_all = ["query", "rest", "field", "lines"])]
    pub repair: bool,
    /// Wait so long for the log and for the model to come to what the origin had, where something
    /// differs. What is behind even then is no finding.
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub rest_limit: u64,
    /// Compare no more documents in a second.
    #[arg(long, value_name = "DOCUMENTS")]
    pub limit_per_second: Option<NonZeroU32>,
    /// Write all that is found into this file, a JSON object a line.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Print one JSON object instead of text.
    #[arg(long)]
    pub json: bool,
}

fn pairing(text: &str) -> Result<Pairing, String> {
    let (path, field) = both(text)?;
    Ok(Pairing { path, field })
}

fn both(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((left, right)) if !left.is_empty() && !right.is_empty() => {
            Ok((left.to_owned(), right.to_owned()))
        }
        Some(_) | None => Err("must be two names, such as available=balance".to_owned()),
    }
}
