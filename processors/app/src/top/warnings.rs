//! What a person should look at, found in what an instance tells.

use super::shown::{Generation, Model, Shown, Warning};
use super::told::{LaneTold, Status};

/// All of it, the gravest first.
pub fn warnings(status: &Status, shown: &Shown) -> Vec<Warning> {
    let mut found = Vec::new();
    for what in &status.ailments {
        grave(&mut found, what);
    }
    for what in status.obstacles.iter().filter(|what| !status.ailments.contains(what)) {
        minor(&mut found, format!("not ready: {what}"));
    }
    if status.stopping {
        minor(&mut found, "the instance is about to stop");
    }
    shown.models.iter().for_each(|model| of_model(&mut found, model));
    shown.generations.iter().for_each(|generation| of_generation(&mut found, generation));
    shown.lanes.iter().for_each(|lane| of_lane(&mut found, lane));
    found.sort_by_key(|warning| warning.minor);
    found
}

fn grave(found: &mut Vec<Warning>, what: impl Into<String>) {
    found.push(Warning { minor: false, what: what.into() });
}

fn minor(found: &mut Vec<Warning>, what: impl Into<String>) {
    found.push(Warning { minor: true, what: what.into() });
}

fn of_model(found: &mut Vec<Warning>, shown: &Model) {
    let name = &shown.model;
    if shown.state == "failed" {
        let why = shown.why.as_deref().unwrap_or("it does not say why");
        grave(found, format!("{name} has stopped: {why}"));
    }
    if !shown.add_up {
        grave(found, format!("{name}: the six ends do not add up to what was consumed"));
    }
    if shown.losses > 0 {
        let many = shown.losses;
        grave(
            found,
            format!("{name}: records or writes were lost before it, {many} times: see the log"),
        );
    }
    if shown.findings > 0 {
        let many = shown.findings;
        grave(
            found,
            format!("{name}: {many} documents or groups differ: `readmill verify {name}`"),
        );
    }
    if let Some(many) = shown.held_records.filter(|many| *many > 0) {
        minor(found, format!("{name}: {many} records are held: `readmill held list -m {name}`"));
    }
}

fn of_generation(found: &mut Vec<Warning>, shown: &Generation) {
    let Generation { model, generation, .. } = shown;
    for why in &shown.failed {
        grave(found, format!("{model}: generation {generation} has stopped: {why}"));
    }
    if shown.live {
        return;
    }
    if shown.instances == 0 {
        let hint = "start `readmill run` of the same binary";
        minor(found, format!("{model}: no instance folds generation {generation}: {hint}"));
    }
    if shown.paused {
        let hint = format!("`readmill rebuild {model} --resume`");
        minor(found, format!("{model}: generation {generation} is paused: {hint}"));
    }
}

fn of_lane(found: &mut Vec<Warning>, lane: &LaneTold) {
    let LaneTold { name, share_percent, .. } = lane;
    if *share_percent < 100 && lane.busy {
        let told = format!("has {share_percent} % of its share, so that others stay fresh");
        minor(found, format!("lane {name} {told}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gravest_comes_first_and_what_is_well_is_not_told() {
        let well = Model { add_up: true, held_records: Some(0), ..Model::default() };
        let held = Model { model: "points".to_owned(), held_records: Some(3), ..well.clone() };
        let stopped =
            Model { state: "failed".to_owned(), why: Some("no".to_owned()), ..well.clone() };
        let rests = Generation { paused: true, instances: 1, ..Generation::default() };
        let lane = LaneTold { busy: true, share_percent: 50, ..LaneTold::default() };
        let status = Status {
            ailments: vec!["stuck".to_owned()],
            obstacles: vec!["stuck".to_owned(), "young".to_owned()],
            ..Status::default()
        };
        let shown = Shown {
            models: vec![well, held, stopped],
            generations: vec![Generation { live: true, ..Generation::default() }, rests],
            lanes: vec![lane],
            ..Shown::default()
        };
        let found = warnings(&status, &shown);
        let minors: Vec<bool> = found.iter().map(|warning| warning.minor).collect();
        assert_eq!(minors, [false, false, true, true, true, true], "{found:?}");
        assert_eq!(found[0].what, "stuck");
        assert!(found[1].what.contains("has stopped: no"), "{found:?}");
        assert!(found[3].what.contains("held list -m points"), "{found:?}");
    }
}
