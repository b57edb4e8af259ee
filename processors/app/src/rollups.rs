//! What is asked of a model's roll-ups, over HTTP or on the command line, and the answers to it.

use readmill_core::rollup::{Sketch, Totals};
use readmill_core::{GroupName, Rollup};
use readmill_engine::{Fault, Groups, Rollups};
use serde_json::{Map, Value, json};

use crate::config::question;

/// So many groups are answered unless another number is asked for.
pub const DEFAULT_GROUPS: usize = 100;
/// No more groups than that are answered at once.
pub const MOST_GROUPS: usize = 1_000;
/// So many groups are named to someone who asked for one that is not there.
const NAMED_GROUPS: usize = 5;

/// What is asked of a model's roll-ups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// Which there are.
    Declared,
    /// One group of one of them.
    Group {
        /// The roll-up's name.
        rollup: String,
        /// The group.
        group: GroupName,
    },
    /// Groups of one of them.
    Within {
        /// The roll-up's name.
        rollup: String,
        /// The group that they are in; all of the roll-up's without it.
        group: Option<GroupName>,
        /// Only those that come after this one.
        after: Option<GroupName>,
        /// At most so many.
        limit: usize,
    },
}

/// What there is to answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// The roll-ups, or the group, or the groups.
    Found(Value),
    /// There is no such roll-up: what there is.
    NoRollup(String),
    /// Nothing was ever added to the group: what there is.
    NoGroup(String),
}

/// Answers what is asked of the roll-ups of the model `model`.
///
/// # Errors
/// When the store does not answer or refuses.
pub async fn answer(model: &str, rollups: &Rollups, asked: Asked) -> Result<Answer, Fault> {
    let (Asked::Group { rollup: name, .. } | Asked::Within { rollup: name, .. }) = &asked else {
        let declared: Vec<Value> = rollups.declared().iter().map(declared).collect();
        return Ok(Answer::Found(json!({ "model": model, "rollups": declared })));
    };
    let Some(rollup) = rollups.named(name) else {
        let names: Vec<&str> = rollups.declared().iter().map(|rollup| rollup.name).collect();
        let known = match names.is_empty() {
            true => "it has none".to_owned(),
            false => question(name, &names),
        };
        return Ok(Answer::NoRollup(format!("{model} has no roll-up \"{name}\"; {known}")));
    };
    match asked {
        Asked::Group { group, .. } => one(model, rollups, rollup, &group).await,
        Asked::Within { group, after, limit, .. } => {
            let limit = limit.min(MOST_GROUPS);
            let found = rollups.within(rollup, group.as_ref(), after.as_ref(), limit).await?;
            Ok(Answer::Found(many(model, rollup, group.as_ref(), &found)))
        }
        Asked::Declared => Ok(Answer::Found(Value::Null)),
    }
}

async fn one(
    model: &str,
    rollups: &Rollups,
    rollup: &Rollup,
    group: &GroupName,
) -> Result<Answer, Fault> {
    if let Some(totals) = rollups.group(rollup, group).await? {
        let mut body = shown(rollup, group, &totals);
        body.insert("model".to_owned(), json!(model));
        body.insert("rollup".to_owned(), json!(rollup.name));
        return Ok(Answer::Found(Value::Object(body)));
    }
    let told = format!("nothing was ever added to the group {group} of {model}'s {}", rollup.name);
    let near = near(rollups, rollup, group).await?;
    Ok(Answer::NoGroup(format!("{told}; {near}")))
}

/// Some groups that are there: in the group that was asked for, or in the nearest one around it.
async fn near(rollups: &Rollups, rollup: &Rollup, group: &GroupName) -> Result<String, Fault> {
    let mut dimensions = group.dimensions();
    loop {
        let around: Vec<&str> = dimensions.iter().map(String::as_str).collect();
        let around = (!around.is_empty()).then(|| GroupName::of(&around));
        let found = rollups.within(rollup, around.as_ref(), None, NAMED_GROUPS).await?;
        if !found.groups.is_empty() {
            let names: Vec<String> =
                found.groups.iter().map(|(name, _)| name.to_string()).collect();
            let place = around.map(|around| format!(" in {around}")).unwrap_or_default();
            let more = if found.more_after.is_some() { ", …" } else { "" };
            return Ok(format!("there are{place}: {}{more}", names.join(", ")));
        }
        if dimensions.pop().is_none() {
            return Ok("it has no groups yet".to_owned());
        }
    }
}

/// A roll-up as it is declared.
fn declared(rollup: &Rollup) -> Value {
    let Rollup { name, about, beside, .. } = rollup;
    let mut measures = vec!["count", "sum", "mean", "deviation"];
    let extra = [
        (beside.extremes, "least"),
        (beside.extremes, "greatest"),
        (beside.top > 0, "top"),
        (beside.distinct, "distinct"),
    ];
    measures.extend(extra.into_iter().filter(|(kept, _)| *kept).map(|(_, measure)| measure));
    json!({ "name": name, "about": about, "measures": measures })
}

fn many(model: &str, rollup: &Rollup, within: Option<&GroupName>, found: &Groups) -> Value {
    let groups: Vec<Value> = found
        .groups
        .iter()
        .map(|(group, totals)| Value::Object(shown(rollup, group, totals)))
        .collect();
    json!({
        "model": model,
        "rollup": rollup.name,
        "within": within.map(GroupName::to_string),
        "groups": groups,
        "more_after": found.more_after.as_ref().map(GroupName::to_string),
    })
}

/// A group with its totals; measures that are not kept are left out.
fn shown(rollup: &Rollup, group: &GroupName, totals: &Totals) -> Map<String, Value> {
    let mut body = Map::new();
    let mut put = |name: &str, value: Value| body.insert(name.to_owned(), value);
    put("group", json!(group.to_string()));
    put("dimensions", json!(group.dimensions()));
    put("count", json!(totals.count));
    put("sum", json!(totals.sum));
    put("mean", json!(totals.mean()));
    put("deviation", json!(totals.deviation()));
    put("withdrawn", json!(totals.withdrawn));
    if rollup.beside.extremes {
        put("least", json!(totals.least));
        put("greatest", json!(totals.greatest));
    }
    if rollup.beside.top > 0 {
        put("top", json!(totals.top));
    }
    if rollup.beside.distinct {
        put("distinct", json!(totals.distinct.as_ref().map_or(0, Sketch::estimate)));
    }
    body
}

/// A group as a person writes it, which is as it is shown.
pub fn group(text: &str) -> GroupName {
    let dimensions = GroupName::written(text.to_owned()).dimensions();
    GroupName::of(&dimensions.iter().map(String::as_str).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_read_as_it_is_shown() {
        for dimensions in [&["a", "b"][..], &["a/b", "c|d", "100%"], &["", "x"], &[""]] {
            let name = GroupName::of(dimensions);
            assert_eq!(group(&name.to_string()), name);
        }
        assert_eq!(group("a|b").to_string(), "a%7Cb", "a bar is no part of a name");
    }

    #[test]
    fn only_what_is_kept_is_shown() {
        let bare = Rollup::of_events("sales", "what was sold");
        let full = bare.with_extremes().with_top(3).with_distinct();
        let name = GroupName::of(&["eu"]);
        let keys = |rollup: &Rollup| {
            let body = shown(rollup, &name, &Totals::default());
            body.keys().cloned().collect::<Vec<_>>().join(" ")
        };
        let always = ["count", "deviation", "dimensions", "group", "mean", "sum", "withdrawn"];
        assert_eq!(keys(&bare), always.join(" "));
        for more in ["least", "greatest", "top", "distinct"] {
            assert!(keys(&full).contains(more), "{more}");
            assert!(declared(&full)["measures"].to_string().contains(more), "{more}");
            assert!(!declared(&bare)["measures"].to_string().contains(more), "{more}");
        }
    }
}
