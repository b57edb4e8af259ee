//! `heal`: shows the documents of a model in its mirror again wherever it differs.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::{Context as _, Result};
use futures::future::BoxFuture;
use indicatif::ProgressBar;
use readmill_core::{Collection, ReadModel};
use readmill_engine::Metrics;
use readmill_engine::mirror::{Difference, Doing, How, Pass, Spot, Tally};
use readmill_engine::patience::Patience;
use readmill_models::Visit;
use serde_json::json;
use tokio::sync::watch;

use crate::bars::{pace, spinner};
use crate::cli::HealArgs;
use crate::config::{self, Config};
use crate::exit::{Exit, Failure};
use crate::get::model_of;
use crate::out;
use crate::ports::Opening;
use crate::services::Services;

/// So many differences are named for a person.
const NAMED: usize = 20;

/// Obeys the command.
///
/// # Errors
/// When the store or the mirror does not answer or refuses.
pub async fn heal(args: HealArgs) -> Result<Exit> {
    let config = Config::load(&args.config)?;
    let name = args.model.name;
    let mut model = model_of(&config, &args.config, name)?;
    if let Some(limit) = args.limit_per_second {
        model.care.heal_limit_per_second = limit.get();
    }
    // Whoever heals by hand waits for the mirror.
    model.care.required = true;
    match readmill_models::visit(name, Healing { config, model, args }) {
        Some(healing) => healing.await,
        None => Ok(Exit::Usage),
    }
}

struct Healing {
    config: Config,
    model: config::Model,
    args: HealArgs,
}

impl Visit for Healing {
    type Out = BoxFuture<'static, Result<Exit>>;

    fn visit<M: ReadModel>(self) -> Self::Out {
        Box::pin(async move { self.heal::<M>().await })
    }
}

impl Healing {
    async fn heal<M: ReadModel>(&self) -> Result<Exit> {
        let services = Services::default();
        let live = services.live(&self.model).await?;
        let opening = Opening { config: &self.config, model: &live, services: &services };
        let Some(mirror) = opening.mirror::<M>().await? else {
            let told = format!("{} has no mirror in this configuration", M::NAME);
            return Err(Failure::new(Exit::Usage, told, "set mirror in its stanza").into());
        };
        let metrics = Metrics::new().context("the metrics cannot be registered")?;
        let (_stop, stopping) = watch::channel(false);
        let patience = Patience::new(stopping, metrics.clone(), M::NAME);
        let store = services.documents::<M>(&live).await?;
        let mut found = Found::new(&self.args);
        let doing = if self.args.check { Doing::Check } else { Doing::Heal };
        let mut told = |tally, differences: &[Difference]| found.note(tally, differences);
        let mut pass = Pass {
            store: &*store,
            metrics: &metrics,
            mirror: mirror.mirror(),
            doing,
            limit_per_second: self.model.care.heal_limit_per_second,
            patience,
            tally: Tally::default(),
            told: &mut told,
        };
        let tally = pass.run().await?;
        drop(pass);
        found.bar.finish_and_clear();
        Ok(self.tell(M::NAME, tally, &found))
    }

    fn tell(&self, model: &str, tally: Tally, found: &Found) -> Exit {
        let Tally { documents, differed, strays } = tally;
        let whole = differed + strays == 0;
        if self.args.json {
            let kinds: BTreeMap<&str, u64> = found.kinds.clone();
            let healed = !self.args.check;
            out::line(
                json!({
                    "model": model, "documents": documents, "differed": differed,
                    "strays": strays, "kinds": kinds, "healed": healed,
                })
                .to_string(),
            );
        } else {
            let did = if self.args.check { "differ from" } else { "were shown again in" };
            out::line(format!("{model}: {documents} documents looked at"));
            out::line(format!("{differed} {did} the mirror"));
            let did = if self.args.check { "stand there" } else { "were taken out" };
            out::line(format!("{strays} views that no document explains {did}"));
            for (kind, count) in &found.kinds {
                out::line(format!("  {kind}: {count}"));
            }
        }
        if self.args.check && !whole { Exit::Differs } else { Exit::Done }
    }
}

/// What is found on the way.
struct Found {
    json: bool,
    named: usize,
    kinds: BTreeMap<&'static str, u64>,
    bar: ProgressBar,
    since: Instant,
}

impl Found {
    fn new(args: &HealArgs) -> Self {
        let bar = spinner(args.json);
        Self { json: args.json, named: 0, kinds: BTreeMap::new(), bar, since: Instant::now() }
    }

    fn note(&mut self, tally: Tally, differences: &[Difference]) {
        let Tally { documents, differed, strays } = tally;
        self.bar.set_message(format!(
            "documents looked at: {}; {differed} differed, {strays} strays",
            pace(documents, self.since)
        ));
        for difference in differences {
            let kind = kind(difference.how);
            *self.kinds.entry(kind).or_default() += 1;
            self.named += 1;
            if self.named <= NAMED && !self.json {
                let line = format!("{}  {}  {kind}", difference.key, spot(&difference.spot));
                self.bar.suspend(|| out::line(line));
            }
            if self.named == NAMED + 1 && !self.json {
                self.bar.suspend(|| out::line("and more"));
            }
        }
    }
}

const fn kind(how: How) -> &'static str {
    match how {
        How::Missing => "missing",
        How::Older => "older than its document",
        How::Other => "not as its document says",
        How::Newer(_) => "newer than its document",
        How::Stray => "without a document that explains it",
    }
}

fn spot(spot: &Spot) -> String {
    match spot {
        Spot::Own => "hash".to_owned(),
        Spot::Json => "json".to_owned(),
        Spot::In(Collection::Set(name)) => format!("set {name}"),
        Spot::In(Collection::Sorted(name)) => format!("sorted {name}"),
    }
}
