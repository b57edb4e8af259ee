//! `lanes`: the lanes of a running instance, and another rule for one of them.

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::cli::{LanesArgs, LanesCommand, LanesListArgs, LanesSetArgs};
use crate::config::question;
use crate::exit::{Exit, Failure};
use crate::figures::UNKNOWN;
use crate::line::Tone;
use crate::out;
use crate::remote::Remote;
use crate::table::{Table, cell, numbers, words};
use crate::top::LaneTold;

/// The path of lanes in the HTTP API.
const LANES: &str = "lanes";

/// Obeys the command.
///
/// # Errors
/// When the instance does not answer, or refuses, or has no such lane.
pub async fn lanes(args: LanesArgs) -> Result<Exit> {
    match args.command {
        None => list(args.list).await,
        Some(LanesCommand::Set(args)) => set(args).await,
    }
}

async fn list(args: LanesListArgs) -> Result<Exit> {
    let body = Remote::at(&args.of)?.get(&[LANES], &[]).await?;
    tell(&body, args.json)?;
    Ok(Exit::Done)
}

async fn set(args: LanesSetArgs) -> Result<Exit> {
    let remote = Remote::at(&args.of)?;
    let body = remote.get(&[LANES], &[]).await?;
    let rule = changed(&body, &args)?;
    tell(&remote.put(&[LANES, &args.name], &rule).await?, args.json)?;
    Ok(Exit::Done)
}

/// The whole rule, with what is named instead of what stands.
fn changed(body: &Value, args: &LanesSetArgs) -> Result<Value, Failure> {
    let lanes: Vec<&Value> = body["lanes"].as_array().into_iter().flatten().collect();
    let Some(lane) = lanes.iter().find(|lane| lane["name"] == args.name.as_str()) else {
        let names: Vec<&str> = lanes.iter().filter_map(|lane| lane["name"].as_str()).collect();
        let told = format!("the instance has no lane {}", args.name);
        let hint = if names.is_empty() {
            "lanes are named in the stanzas of models: lanes".to_owned()
        } else {
            question(&args.name, &names)
        };
        return Err(Failure::new(Exit::NotFound, told, hint));
    };
    let mut rule = json!({
        "priority": lane["priority"],
        "rate_records_per_s": lane["rate_records_per_s"],
        "least_share_percent": lane["least_share_percent"],
        "freshness_limit_ms": lane["freshness_limit_ms"],
    });
    if let Some(priority) = args.priority {
        rule["priority"] = priority.into();
    }
    if let Some(rate) = args.rate {
        rule["rate_records_per_s"] = json!(rate.0);
    }
    if let Some(share) = args.least_share {
        rule["least_share_percent"] = json!(share);
    }
    if let Some(limit) = args.freshness_limit {
        rule["freshness_limit_ms"] = json!(limit.0);
    }
    Ok(rule)
}

fn tell(body: &Value, as_json: bool) -> Result<()> {
    if as_json {
        out::line(body.to_string());
        return Ok(());
    }
    let read = "the instance tells something else than this binary reads";
    let lanes: Vec<LaneTold> = serde_json::from_value(body["lanes"].clone()).context(read)?;
    table(lanes.iter()).print();
    Ok(())
}

/// Lanes as a table.
pub fn table<'l>(lanes: impl Iterator<Item = &'l LaneTold>) -> Table<7> {
    let mut table = Table::new([
        words("LANE"),
        numbers("PRIORITY"),
        numbers("RECORDS/S AT MOST"),
        numbers("LEAST SHARE"),
        numbers("FRESH WITHIN"),
        numbers("SHARE NOW"),
        words("NOW"),
    ]);
    let dash = || UNKNOWN.to_owned();
    for lane in lanes {
        let (tone, now) = now(lane);
        table.row([
            lane.name.as_str().into(),
            lane.priority.to_string().into(),
            lane.rate_records_per_s.map_or_else(dash, |rate| rate.to_string()).into(),
            format!("{} %", lane.least_share_percent).into(),
            lane.freshness_limit_ms.map_or_else(dash, |ms| format!("{ms} ms")).into(),
            format!("{} %", lane.share_percent).into(),
            cell(tone, now),
        ]);
    }
    table
}

/// What a lane is doing, in words.
pub const fn now(lane: &LaneTold) -> (Tone, &'static str) {
    match (lane.gives_way, lane.busy) {
        (true, _) => (Tone::Warn, "gives way"),
        (false, true) => (Tone::Water, "busy"),
        (false, false) => (Tone::Soft, "at rest"),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    fn set(line: &str) -> LanesSetArgs {
        let words = std::iter::once("readmill").chain(line.split(' '));
        let Ok(Cli { command: Command::Lanes(args), .. }) = Cli::try_parse_from(words) else {
            panic!("{line}")
        };
        let Some(LanesCommand::Set(args)) = args.command else { panic!("{line}") };
        args
    }

    #[test]
    fn what_is_not_named_stays_as_it_is() {
        let lane = json!({
            "name": "bulk", "priority": 3, "rate_records_per_s": 500, "least_share_percent": 2,
            "freshness_limit_ms": null, "busy": true, "share_percent": 100,
        });
        let body = json!({ "lanes": [lane] });
        let table = [
            ("lanes set bulk", json!([3, 500, 2, null])),
            ("lanes set bulk --rate none --priority 0", json!([0, null, 2, null])),
            ("lanes set bulk --least-share 9 --freshness-limit 250", json!([3, 500, 9, 250])),
        ];
        for (line, wanted) in table {
            let rule = changed(&body, &set(line)).unwrap();
            let names =
                ["priority", "rate_records_per_s", "least_share_percent", "freshness_limit_ms"];
            assert_eq!(json!(names.map(|name| rule[name].clone())), wanted, "{line}");
            assert_eq!(rule.as_object().unwrap().len(), names.len());
        }
        let strange = changed(&body, &set("lanes set bulc")).unwrap_err();
        assert_eq!((strange.exit, strange.hint.contains("bulk")), (Exit::NotFound, true));
    }
}
