//! `connectors check`: which rules definitions break, and what mends them.

use anyhow::{Context as _, Result};
use readmill_connectors::connect::{Connect, Definition, judge, judge_together, judge_with, look};
use serde_json::{Value, json};

use super::told::Judged;
use super::{connect_of, read};
use crate::cli::ConnectorsCheckArgs;
use crate::exit::Exit;
use crate::out;

/// Obeys the command.
///
/// # Errors
/// When a file cannot be read, or Connect does not answer.
pub async fn check(args: ConnectorsCheckArgs) -> Result<Exit> {
    let mut judged = judged(read::definitions(&args.definitions)?);
    if let Some(path) = &args.config {
        let (connect, _) = connect_of(path)?;
        ask(&connect, &mut judged).await?;
    }
    if args.database {
        look_at(&mut judged).await?;
    }
    let (errors, warnings) = counts(&judged);
    if args.json {
        let definitions: Vec<Value> = judged.iter().map(Judged::json).collect();
        let told = json!({ "definitions": definitions, "errors": errors, "warnings": warnings });
        out::line(told.to_string());
    } else {
        judged.iter().for_each(tell);
        let all = count(judged.len(), "definition");
        let (errors, warnings) = (count(errors, "error"), count(warnings, "warning"));
        out::line(format!("{all}, {errors}, {warnings}"));
    }
    Ok(if errors > 0 { Exit::Usage } else { Exit::Done })
}

/// Judges definitions, each alone and all together.
pub fn judged(definitions: Vec<Definition>) -> Vec<Judged> {
    let together = judge_together(&definitions);
    let judged = definitions.into_iter().enumerate().map(|(at, definition)| {
        let mut findings = judge(&definition);
        let others = together.iter().filter(|(place, _)| *place == at);
        findings.extend(others.map(|(_, finding)| finding.clone()));
        findings.sort_by_key(|finding| finding.rule.severity);
        Judged { definition, findings, refused: Vec::new(), strange: Vec::new(), unseen: false }
    });
    judged.collect()
}

/// Lets Connect judge them, too: those that are whole.
///
/// # Errors
/// When Connect does not answer, or does not have a class.
pub async fn ask(connect: &Connect, judged: &mut [Judged]) -> Result<()> {
    let plugins = connect.plugins().await?;
    for judged in judged {
        let definition = &judged.definition;
        if !definition.unset.is_empty() {
            continue;
        }
        let class = definition.class().unwrap_or_default();
        if plugins.iter().any(|plugin| plugin.class == class) {
            let validation = connect.validate(definition).await?;
            judged.note(validation);
        } else {
            let why = format!("there is no {class} among its plugins; install it there");
            judged.refused.push(("connector.class".to_owned(), why));
        }
    }
    Ok(())
}

/// Looks at the databases of those that are whole.
async fn look_at(judged: &mut [Judged]) -> Result<()> {
    for judged in judged.iter_mut().filter(|judged| judged.definition.unset.is_empty()) {
        let definition = &judged.definition;
        let looked = look(definition).await;
        let facts = looked.with_context(|| {
            format!("the database of {} ({}) cannot be looked at", definition.name, definition.file)
        })?;
        match facts {
            Some(facts) => judged.findings.extend(judge_with(definition, &facts)),
            None => judged.unseen = true,
        }
        judged.findings.sort_by_key(|finding| finding.rule.severity);
    }
    Ok(())
}

/// How many errors and warnings there are.
pub fn counts(judged: &[Judged]) -> (usize, usize) {
    let counts = judged.iter().map(Judged::counts);
    counts.fold((0, 0), |(e, w), (errors, warnings)| (e + errors, w + warnings))
}

fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// One definition with what is found in it.
pub fn tell(judged: &Judged) {
    let Judged { definition, .. } = judged;
    let lines = judged.lines();
    let well = if lines.is_empty() { ": well" } else { "" };
    out::line(format!("{} ({}){well}", definition.name, definition.file));
    lines.iter().for_each(out::line);
}
