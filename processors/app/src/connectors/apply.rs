//! `connectors apply`: definitions are judged, compared with what runs, and given to Connect.

use anyhow::Result;
use readmill_connectors::connect::{
    Connect, ConnectConfig, Difference, Put, Secrets, Status, differences,
};
use serde_json::{Value, json};

use super::check::{ask, judged, tell};
use super::ready::{Ready, Wait};
use super::told::{Judged, difference_json, difference_lines};
use super::{connect_of, read};
use crate::bars::spinner;
use crate::cli::ConnectorsApplyArgs;
use crate::exit::Exit;
use crate::out;

/// A definition beside what runs under its name.
struct Plan {
    judged: Judged,
    /// How it is, if there is one.
    before: Option<Status>,
    /// What would change; none if there is nothing of its name.
    differences: Option<Vec<Difference>>,
    secrets: Secrets,
}

/// What became of a definition.
enum Outcome {
    /// Nothing was to be done.
    Unchanged,
    /// It was applied, and runs.
    Runs(Put),
    /// It does not run: why.
    Fails(String),
}

/// Obeys the command.
///
/// # Errors
/// When a file cannot be read, or Connect does not answer or refuses.
pub async fn apply(args: ConnectorsApplyArgs) -> Result<Exit> {
    let mut judged = judged(read::definitions(&args.definitions)?);
    let (connect, config) = connect_of(&args.config)?;
    ask(&connect, &mut judged).await?;
    let mut plans = Vec::new();
    for judged in judged {
        plans.push(Plan::of(&connect, judged).await?);
    }
    if !args.json {
        plans.iter().for_each(Plan::tell);
    }
    let is_refused = |plan: &Plan| {
        let Judged { definition, refused, .. } = &plan.judged;
        let breaks = plan.judged.breaks_rules() && !args.despite_findings;
        breaks || !refused.is_empty() || !definition.unset.is_empty()
    };
    if plans.iter().any(is_refused) {
        return Ok(refuse(&args, &plans));
    }
    if args.dry_run {
        told(&args, &plans, &[]);
        return Ok(Exit::Done);
    }
    let mut outcomes = Vec::new();
    for plan in &plans {
        let outcome = plan.apply(&connect, &config, args.json).await?;
        if !args.json {
            out::line(outcome.line(&plan.judged.definition.name));
        }
        outcomes.push(outcome);
    }
    told(&args, &plans, &outcomes);
    let fails = outcomes.iter().any(|outcome| matches!(outcome, Outcome::Fails(_)));
    Ok(if fails { Exit::Failed } else { Exit::Done })
}

fn refuse(args: &ConnectorsApplyArgs, plans: &[Plan]) -> Exit {
    if args.json {
        told(args, plans, &[]);
    } else {
        let hint = "mend what is an error";
        let despite = "rules alone can be broken by --despite-findings";
        out::complain(format!("error: nothing was applied\nhint: {hint}; {despite}\n"));
    }
    Exit::Usage
}

/// One JSON object, if it is wanted.
fn told(args: &ConnectorsApplyArgs, plans: &[Plan], outcomes: &[Outcome]) {
    if !args.json {
        return;
    }
    let mut definitions = Vec::new();
    for (at, plan) in plans.iter().enumerate() {
        let mut told = plan.judged.json();
        let changes = plan.differences.as_deref().map_or(Value::Null, difference_json);
        let (outcome, error) = match outcomes.get(at) {
            None => ("not applied", None),
            Some(Outcome::Unchanged) => ("unchanged", None),
            Some(Outcome::Runs(Put::Created)) => ("created", None),
            Some(Outcome::Runs(Put::Replaced)) => ("replaced", None),
            Some(Outcome::Fails(why)) => ("fails", Some(why)),
        };
        if let Some(told) = told.as_object_mut() {
            told.insert("changes".to_owned(), changes);
            told.insert("outcome".to_owned(), json!(outcome));
            told.insert("error".to_owned(), json!(error));
        }
        definitions.push(told);
    }
    let judged = plans.iter().map(|plan| plan.judged.counts());
    let errors: usize = judged.map(|(errors, _)| errors).sum();
    out::line(json!({ "definitions": definitions, "errors": errors }).to_string());
}

impl Plan {
    async fn of(connect: &Connect, judged: Judged) -> Result<Self> {
        let definition = &judged.definition;
        let running = connect.options(&definition.name).await?;
        let before = connect.status(&definition.name).await?;
        let mut secrets = definition.secrets.clone();
        let differences = running.map(|running| {
            secrets.keep_all(&running);
            differences(&running, definition)
        });
        Ok(Self { before, differences, secrets, judged })
    }

    fn tell(&self) {
        tell(&self.judged);
        match &self.differences {
            None => out::line("  new"),
            Some(none) if none.is_empty() => out::line("  as it runs"),
            Some(some) => difference_lines(some).iter().for_each(out::line),
        }
    }

    async fn apply(
        &self,
        connect: &Connect,
        config: &ConnectConfig,
        for_script: bool,
    ) -> Result<Outcome> {
        let definition = &self.judged.definition;
        let is_as_it_runs = self.differences.as_ref().is_some_and(Vec::is_empty);
        if is_as_it_runs && self.before.as_ref().is_some_and(Status::runs) {
            return Ok(Outcome::Unchanged);
        }
        let put = connect.put(definition).await?;
        let wait = Wait {
            connect,
            name: &definition.name,
            before: self.before.clone(),
            secrets: &self.secrets,
            limit: config.ready_limit(),
        };
        let bar = spinner(for_script);
        let ready = wait.ready(&bar).await?;
        bar.finish_and_clear();
        Ok(match ready {
            Ready::Runs => Outcome::Runs(put),
            Ready::Failed(_) | Ready::Late(_) => Outcome::Fails(ready.error().unwrap_or_default()),
        })
    }
}

impl Outcome {
    fn line(&self, name: &str) -> String {
        match self {
            Self::Unchanged => format!("{name}: runs as it is defined"),
            Self::Runs(Put::Created) => format!("{name}: created, runs"),
            Self::Runs(Put::Replaced) => format!("{name}: changed, runs"),
            Self::Fails(why) => format!("{name}: {why}"),
        }
    }
}
