//! `get`: one document, from where a configuration or a demo keeps it.

use std::path::Path;

use anyhow::Result;
use futures::future::BoxFuture;
use readmill_connectors::instance::Answer;
use readmill_core::{Key, ReadModel};
use readmill_engine::Fault;
use readmill_models::Visit;
use serde_json::json;

use crate::cli::GetArgs;
use crate::config::{self, Config};
use crate::demo;
use crate::exit::{Exit, Failure};
use crate::http::Standing;
use crate::out;
use crate::remote::Remote;
use crate::services::Services;

/// Obeys the command.
///
/// # Errors
/// When the store does not answer or refuses.
pub async fn get(args: GetArgs) -> Result<Exit> {
    let name = args.model.name;
    if let Some(remote) = Remote::of(&args.asking)? {
        let wait_ms = args.wait_ms.map(|ms| ms.to_string());
        let at_least = args.at_least.as_deref().map(|positions| ("at_least", positions));
        let wait_ms = wait_ms.as_deref().map(|ms| ("wait_ms", ms));
        let query: Vec<(&str, &str)> = at_least.into_iter().chain(wait_ms).collect();
        let answer = remote.look(&["models", name, &args.key], &query).await?;
        return show(&args, standing(answer)?);
    }
    let model = match (&args.config, &args.dir) {
        (Some(file), _) => model_of(&Config::load(file)?, file, name)?,
        (None, Some(dir)) => demo::model(dir, args.model),
        (None, None) => return Ok(Exit::Usage),
    };
    let key = Key(args.key.clone());
    let Some(look) = readmill_models::visit(name, Look { model, key }) else {
        return Ok(Exit::Usage);
    };
    show(&args, look.await?)
}

/// What an instance says of a document.
fn standing(Answer { status, mut body }: Answer) -> Result<Standing> {
    let revision = body["revision"].as_i64();
    Ok(match (status, revision) {
        (200, Some(revision)) => {
            let shows = Some(body["shows"].take()).filter(|shows| !shows.is_null());
            Standing::Live { revision, state: body["state"].take(), shows }
        }
        (410, Some(revision)) => Standing::Gone { revision },
        // It has no such model.
        _ if body["key"].is_null() => {
            let told = body["detail"].as_str().unwrap_or("it has no such document").to_owned();
            let hint = "ask an instance that runs the model";
            return Err(Failure::new(Exit::Usage, told, hint).into());
        }
        _ => Standing::Never,
    })
}

fn show(args: &GetArgs, standing: Standing) -> Result<Exit> {
    let name = args.model.name;
    match standing {
        Standing::Live { revision, state, shows } => {
            let whole = json!({
                "model": name, "key": args.key, "revision": revision, "state": state,
                "shows": shows,
            });
            let shown = if args.json { &whole } else { &whole["state"] };
            out::line(if args.json { whole.to_string() } else { format!("{shown:#}") });
            Ok(Exit::Done)
        }
        Standing::Gone { revision } => {
            out::complain(format!("the document ended, at revision {revision}\n"));
            Ok(Exit::NotFound)
        }
        Standing::Never => {
            out::complain(format!("{name} has no document under that key\n"));
            Ok(Exit::NotFound)
        }
    }
}

/// The model of that name in a configuration.
///
/// # Errors
/// When it is not in it.
pub fn model_of(config: &Config, file: &Path, name: &str) -> Result<config::Model> {
    let named = config.models.iter().find(|model| model.row.name == name);
    named.cloned().ok_or_else(|| {
        let told = format!("{} does not run the read model {name}", file.display());
        Failure::new(Exit::Usage, told, format!("add a stanza [models.{name}]")).into()
    })
}

struct Look {
    model: config::Model,
    key: Key,
}

impl Visit for Look {
    type Out = BoxFuture<'static, Result<Standing, Fault>>;

    fn visit<M: ReadModel>(self) -> Self::Out {
        Box::pin(async move {
            let services = Services::default();
            let store = services.documents::<M>(&services.live(&self.model).await?).await?;
            let found = store.load(&[self.key]).await?;
            Standing::of::<M>(found.first().and_then(Option::as_ref))
        })
    }
}
