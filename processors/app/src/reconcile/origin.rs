//! The origin that the command line or the model's stanza names: tables, a query, or a file.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use readmill_connectors::origin::{LinesOrigin, PostgresOrigin, Publishing, Relation};
use readmill_connectors::renewed::Written;
use readmill_core::ReadModel;
use readmill_engine::reconcile::{Measure, Origin, Pairing};
use readmill_schemas::Events as _;
use readmill_schemas::row::Layout;

use crate::cli::ReconcileArgs;
use crate::config;
use crate::exit::{Exit, Failure};

/// Where an origin cannot tell what is in the log, both sides must have rested for so long.
const REST: Duration = Duration::from_secs(30);

/// What is asked.
#[derive(Debug, Clone)]
pub enum Asked {
    /// A file.
    Lines {
        /// Its path.
        file: PathBuf,
        /// What is compared.
        fields: Vec<Pairing>,
        /// How long both sides must have rested.
        rest: Option<Duration>,
    },
    /// A database.
    Postgres {
        /// Which, and what there.
        origin: config::Origin,
        /// Tables that have another name there.
        tables: Vec<(String, String)>,
    },
}

impl Asked {
    /// By the command line, or else by the model's stanza.
    ///
    /// # Errors
    /// When neither names an origin.
    pub fn of(args: &ReconcileArgs, model: &config::Model) -> Result<Self> {
        let rest = args.rest.map(Duration::from_secs);
        if let Some(file) = args.lines.clone() {
            return Ok(Self::Lines { file, fields: args.field.clone(), rest });
        }
        let tables = args.table.clone();
        if let Some(url) = &args.postgres {
            let (slot, query) = (args.slot.clone(), args.query.clone());
            let (url, fields) = (url.reveal().to_owned(), args.field.clone());
            let signals = String::new();
            let (every, written) = (None, Written::default());
            let origin = config::Origin { url, written, slot, signals, query, fields, rest, every };
            return Ok(Self::Postgres { origin, tables });
        }
        let origin = model.origin.clone().ok_or_else(|| {
            let told = format!("nobody says what the origin of {} is", model.row.name);
            let hint = "give --postgres URL or --lines FILE, or origin_url in the model's stanza";
            Failure::new(Exit::Usage, told, hint)
        })?;
        Ok(Self::Postgres { origin, tables })
    }

    /// What of a document is compared.
    pub fn measure(&self) -> Measure {
        let fields = match self {
            Self::Lines { fields, .. } => fields,
            Self::Postgres { origin, .. } => &origin.fields,
        };
        if fields.is_empty() { Measure::Whole } else { Measure::Fields(fields.clone()) }
    }

    /// How long both sides must have rested, where that is what tells.
    pub fn rest(&self) -> Duration {
        let rest = match self {
            Self::Lines { rest, .. } => *rest,
            Self::Postgres { origin, .. } => origin.rest,
        };
        rest.unwrap_or(REST)
    }

    /// Whether it is the tables of a replica, and known what of them is in the log.
    pub const fn is_of_tables(&self) -> bool {
        match self {
            Self::Lines { .. } => false,
            Self::Postgres { origin, .. } => origin.query.is_none() && origin.rest.is_none(),
        }
    }

    /// Opens it.
    ///
    /// # Errors
    /// When it does not answer or refuses, or the model has no tables to compare with.
    pub async fn open<M: ReadModel>(&self) -> Result<Box<dyn Origin>> {
        let (asked, named) = match self {
            Self::Lines { file, .. } => return Ok(Box::new(LinesOrigin::open(file)?)),
            Self::Postgres { origin, tables } => (origin, tables),
        };
        let relations = match asked.query {
            Some(_) => Vec::new(),
            None => relations::<M>(asked, named)?,
        };
        let publishing = match asked.rest {
            Some(_) => Publishing::Unknown,
            None => Publishing::Slot(asked.slot.clone()),
        };
        let mut origin = PostgresOrigin::connect(asked.database(), publishing).await?;
        if let Some(query) = &asked.query {
            origin.with_query(query).await?;
        }
        relations.into_iter().for_each(|relation| origin.with(relation));
        Ok(Box::new(origin))
    }
}

/// The tables that a replica is of.
fn relations<M: ReadModel>(
    asked: &config::Origin,
    named: &[(String, String)],
) -> Result<Vec<Relation>> {
    let model = M::NAME;
    if !M::REPLICATES || !asked.fields.is_empty() {
        let told = format!("{model} needs to be told what its origin says");
        let hint = "give --query with a column `key`, and --field PATH=COLUMN for each field";
        return Err(Failure::new(Exit::Usage, told, hint).into());
    }
    let layouts = layouts::<M>()?;
    let is_known = |table: &str| layouts.iter().any(|layout| layout.table == table);
    if let Some((table, _)) = named.iter().find(|(table, _)| !is_known(table)) {
        let known: Vec<&str> = layouts.iter().map(|layout| layout.table.as_str()).collect();
        let told = format!("{model} is of no table {table}");
        let hint = format!("its tables are {}", known.join(", "));
        return Err(Failure::new(Exit::Usage, told, hint).into());
    }
    let relation = |layout: Layout| {
        let other = named.iter().find(|(table, _)| *table == layout.table);
        let name = other.map_or_else(|| layout.table.clone(), |(_, name)| name.clone());
        Relation::of_table(layout, &name)
    };
    Ok(layouts.into_iter().map(relation).collect())
}

/// The tables of a model's contracts.
///
/// # Errors
/// When one of them has a column that nobody can be asked for.
pub fn layouts<M: ReadModel>() -> Result<Vec<Layout>> {
    let mut layouts = Vec::new();
    for contract in M::Event::CONTRACTS {
        let layout = Layout::of(contract).map_err(|why| {
            Failure::new(Exit::Usage, why, "compare what you need of it with --query and --field")
        })?;
        layouts.extend(layout);
    }
    Ok(layouts)
}

/// The names of a model's tables, as its contracts have them.
///
/// # Errors
/// As for its layouts.
pub fn tables<M: ReadModel>() -> Result<Vec<String>> {
    Ok(layouts::<M>()?.into_iter().map(|layout| layout.table).collect())
}
