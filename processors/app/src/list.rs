//! `list`: documents in the order of their keys, from a store or from a running instance.

use anyhow::Result;
use futures::future::BoxFuture;
use readmill_core::ReadModel;
use readmill_engine::Fault;
use readmill_models::Visit;
use serde_json::{Value, json};

use crate::cli::ListArgs;
use crate::config::{self, Config};
use crate::demo;
use crate::exit::{Exit, Failure};
use crate::get::model_of;
use crate::listing::{self, Asked, By, Listed, Listing, MOST_DOCUMENTS};
use crate::out;
use crate::remote::Remote;
use crate::services::Services;

/// Obeys the command.
///
/// # Errors
/// When the store does not answer or refuses, or cannot list what is asked for.
pub async fn list(args: ListArgs) -> Result<Exit> {
    let name = args.model.name;
    if let Some(remote) = Remote::of(&args.asking)? {
        return from_instance(&remote, &args).await;
    }
    let model = match (&args.config, &args.dir) {
        (Some(file), _) => model_of(&Config::load(file)?, file, name)?,
        (None, Some(dir)) => demo::model(dir, args.model),
        (None, None) => return Ok(Exit::Usage),
    };
    let by = args.index.as_ref().map(|index| {
        By::named(args.model.indexes, index, args.wanted.clone())
            .map_err(|told| Failure::new(Exit::Usage, told, "see docs/cases for each model's"))
    });
    let asked = Asked { prefix: args.prefix.clone(), by: by.transpose()?, after: None, limit: 0 };
    let look = Look { model, asked, args };
    match readmill_models::visit(name, look) {
        Some(looking) => looking.await,
        None => Ok(Exit::Usage),
    }
}

/// Page by page.
async fn from_instance(remote: &Remote, args: &ListArgs) -> Result<Exit> {
    let wanted = args.wanted.iter().map(|(path, value)| format!("{path}:{value}"));
    let wanted: Vec<String> = wanted.collect();
    let (mut left, mut after) = (args.limit, None::<String>);
    while left > 0 {
        let limit = left.min(MOST_DOCUMENTS).to_string();
        let mut query = vec![("limit", limit.as_str()), ("prefix", args.prefix.as_str())];
        query.extend(args.index.as_deref().map(|index| ("index", index)));
        query.extend(wanted.iter().map(|wanted| ("where", wanted.as_str())));
        query.extend(after.as_deref().map(|after| ("after", after)));
        let mut page = remote.get(&["models", args.model.name], &query).await?;
        let documents = page["documents"].as_array_mut().map(std::mem::take).unwrap_or_default();
        for one in &documents {
            print(args.json, &one["key"], one["revision"].as_i64().unwrap_or(0), &one["state"]);
        }
        left = left.saturating_sub(documents.len());
        after = page["more_after"].as_str().map(str::to_owned);
        if after.is_none() {
            break;
        }
    }
    Ok(Exit::Done)
}

fn print(as_json: bool, key: &Value, revision: i64, state: &Value) {
    if as_json {
        out::line(json!({ "key": key, "revision": revision, "state": state }).to_string());
    } else {
        out::line(format!("{}\t{state}", key.as_str().unwrap_or_default()));
    }
}

struct Look {
    model: config::Model,
    asked: Asked,
    args: ListArgs,
}

impl Visit for Look {
    type Out = BoxFuture<'static, Result<Exit>>;

    fn visit<M: ReadModel>(self) -> Self::Out {
        Box::pin(async move {
            let Self { model, mut asked, args } = self;
            let services = Services::default();
            let store = services.documents::<M>(&services.live(&model).await?).await?;
            let mut left = args.limit;
            while left > 0 {
                asked.limit = left.min(MOST_DOCUMENTS);
                let (page, more) = match listing::list::<M>(&*store, &asked).await? {
                    Listing::Page(page, more) => (page, more),
                    Listing::Cannot(told) => {
                        let hint = "get documents by their keys: `readmill get`";
                        return Err(Failure::new(Exit::Usage, told, hint).into());
                    }
                };
                for Listed { key, revision, state } in &page {
                    let state =
                        serde_json::from_str(state).map_err(|error| damaged::<M>(&error))?;
                    print(args.json, &key.as_str().into(), *revision, &state);
                }
                left = left.saturating_sub(page.len());
                if more.is_none() {
                    break;
                }
                asked.after = more;
            }
            Ok(Exit::Done)
        })
    }
}

fn damaged<M: ReadModel>(error: &serde_json::Error) -> Fault {
    Fault::Damaged {
        what: format!("a document of {}", M::NAME),
        detail: error.to_string(),
        hint: "its state is no JSON: report it",
    }
}
