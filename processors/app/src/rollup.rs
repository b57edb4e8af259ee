//! `rollup`: what documents and events came to, from where a configuration or a demo keeps it.

use anyhow::Result;
use futures::future::BoxFuture;
use readmill_core::ReadModel;
use readmill_engine::{Fault, Rollups};
use readmill_models::Visit;
use serde_json::Value;

use crate::cli::RollupArgs;
use crate::config::{self, Config};
use crate::demo;
use crate::exit::{Exit, Failure};
use crate::get::model_of;
use crate::line::Line;
use crate::out;
use crate::remote::Remote;
use crate::rollups::{Answer, Asked, answer};
use crate::services::Services;
use crate::table::{Table, words};

/// Obeys the command.
///
/// # Errors
/// When the store does not answer or refuses, or there is no such roll-up.
pub async fn rollup(args: RollupArgs) -> Result<Exit> {
    let name = args.model.name;
    if let Some(remote) = Remote::of(&args.asking)? {
        let answer = there(&remote, name, args.asked()).await?;
        return show(name, args.json, answer);
    }
    let model = match (&args.config, &args.dir) {
        (Some(file), _) => model_of(&Config::load(file)?, file, name)?,
        (None, Some(dir)) => demo::model(dir, args.model),
        (None, None) => return Ok(Exit::Usage),
    };
    let Some(look) = readmill_models::visit(name, Look { model, asked: args.asked() }) else {
        return Ok(Exit::Usage);
    };
    show(name, args.json, look.await?)
}

/// Asks an instance.
async fn there(remote: &Remote, model: &str, asked: Asked) -> Result<Answer> {
    let mut path = vec!["models".to_owned(), model.to_owned(), "rollups".to_owned()];
    let mut query = Vec::new();
    match asked {
        Asked::Declared => {}
        Asked::Group { rollup, group } => {
            path.push(rollup);
            path.extend(group.dimensions());
        }
        Asked::Within { rollup, group, after, limit } => {
            path.push(rollup);
            path.extend(group.map(|group| group.dimensions()).unwrap_or_default());
            path.push(String::new());
            query.push(("limit", limit.to_string()));
            query.extend(after.map(|after| ("after", after.to_string())));
        }
    }
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let query: Vec<(&str, &str)> = query.iter().map(|(name, to)| (*name, to.as_str())).collect();
    let found = remote.find(&path, &query).await?;
    Ok(match found {
        Ok(body) => Answer::Found(body),
        Err(told) => Answer::NoGroup(told),
    })
}

fn show(name: &str, as_json: bool, answer: Answer) -> Result<Exit> {
    match answer {
        Answer::Found(body) => {
            out::line(if as_json { body.to_string() } else { text(&body) });
            Ok(Exit::Done)
        }
        Answer::NoRollup(told) => {
            let hint = format!("`readmill rollup {name}` lists those that there are");
            Err(Failure::new(Exit::Usage, told, hint).into())
        }
        Answer::NoGroup(told) => {
            out::complain(format!("{told}\n"));
            Ok(Exit::NotFound)
        }
    }
}

struct Look {
    model: config::Model,
    asked: Asked,
}

impl Visit for Look {
    type Out = BoxFuture<'static, Result<Answer, Fault>>;

    fn visit<M: ReadModel>(self) -> Self::Out {
        Box::pin(async move {
            let side = match self.asked {
                // What is declared is known without any store.
                Asked::Declared => None,
                Asked::Group { .. } | Asked::Within { .. } => {
                    let services = Services::default();
                    services.side::<M>(&services.live(&self.model).await?).await?.partials
                }
            };
            answer(M::NAME, &Rollups::of::<M>(side), self.asked).await
        })
    }
}

/// An answer for people: a line for each roll-up or group, or one group measure by measure.
fn text(body: &Value) -> String {
    if let Some(rollups) = body["rollups"].as_array() {
        if rollups.is_empty() {
            return format!("{} has no roll-ups", plain(&body["model"]));
        }
        let mut table = Table::new([words("ROLL-UP"), words("ABOUT")]);
        for rollup in rollups {
            table.row([plain(&rollup["name"]).into(), plain(&rollup["about"]).into()]);
        }
        return joined(&table);
    }
    let Some(groups) = body["groups"].as_array() else {
        let lines = measures(body).into_iter().map(|(name, value)| format!("{name:<12}{value}"));
        return lines.collect::<Vec<_>>().join("\n");
    };
    let mut lines: Vec<String> = groups.iter().map(line).collect();
    if lines.is_empty() {
        lines.push("there are no groups here".to_owned());
    }
    if let Some(last) = body["more_after"].as_str() {
        lines.push(format!("more: --after '{last}'"));
    }
    lines.join("\n")
}

fn joined<const N: usize>(table: &Table<N>) -> String {
    table.lines().iter().map(Line::plain).collect::<Vec<_>>().join("\n")
}

fn line(group: &Value) -> String {
    let told: Vec<String> = measures(group)
        .into_iter()
        .filter(|(name, _)| !["top", "withdrawn"].contains(name))
        .map(|(name, value)| format!("{name} {value}"))
        .collect();
    format!("{:<40}{}", plain(&group["group"]), told.join("  "))
}

/// The measures of a group that are kept, in words.
fn measures(group: &Value) -> Vec<(&'static str, String)> {
    const NAMES: [&str; 9] =
        ["count", "sum", "mean", "deviation", "least", "greatest", "distinct", "top", "withdrawn"];
    let told = |name: &&'static str| {
        let value = group.get(name).filter(|value| !value.is_null())?;
        // Means and deviations are no exact numbers: three places of them say enough here.
        let rounded = || value.as_f64().filter(|_| value.is_f64());
        let text = if let Some(ranked) = value.as_array() {
            ranked.iter().map(ranked_text).collect::<Vec<_>>().join(", ")
        } else if let Some(number) = rounded() {
            format!("{number:.3}")
        } else {
            plain(value)
        };
        Some((*name, text))
    };
    NAMES.iter().filter_map(told).collect()
}

fn ranked_text(ranked: &Value) -> String {
    format!("{} {}", plain(&ranked["item"]), plain(&ranked["value"]))
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn answers_are_told_in_words() {
        let group = json!({
            "group": "eu/2026", "dimensions": ["eu", "2026"], "count": 2, "sum": 7, "mean": 3.5,
            "deviation": 0.5, "withdrawn": 1, "least": null, "top": [{ "value": 4, "item": "x" }],
        });
        let told = text(&group);
        let wanted = ["count       2", "mean        3.500", "top         x 4", "withdrawn   1"];
        wanted.iter().for_each(|line| assert!(told.lines().any(|own| own == *line), "{told}"));
        assert!(!told.contains("least"), "{told}");
        let listed = text(&json!({ "groups": [group], "more_after": "eu/2026" }));
        assert!(listed.starts_with("eu/2026 ") && listed.contains("count 2  sum 7"), "{listed}");
        assert!(listed.ends_with("more: --after 'eu/2026'"), "{listed}");
        let none = text(&json!({ "groups": [], "more_after": null }));
        assert_eq!(none, "there are no groups here");
        let declared = json!({ "model": "m", "rollups": [{ "name": "r", "about": "what" }] });
        assert_eq!(text(&declared), "ROLL-UP  ABOUT\nr        what");
        assert_eq!(text(&json!({ "model": "m", "rollups": [] })), "m has no roll-ups");
    }
}
