//! What stands on screens of several sizes.

use readmill_core::Counts;

use super::*;
use crate::top::shown::{Generation, Model, Station, Warning};
use crate::top::told::{HotKey, HotModel, LaneTold};

const SMALL: Size = Size { columns: 80, rows: 24 };

fn scene(models: u32) -> Scene {
    let names = ["intake", "wire", "envelope", "event", "route", "fold", "write", "settle"];
    let station = |(number, name): (u64, &&str)| Station {
        number,
        name: (*name).to_owned(),
        total: 12_345,
        per_second: Some(12_345.6),
        ..Station::default()
    };
    let model = |number: u32| Model {
        model: format!("model_{number:02}"),
        state: "running".to_owned(),
        generation: Some(number),
        records_per_second: Some(f64::from(number)),
        freshness_p99_seconds: Some(0.045),
        lag_records: Some(1_234_567),
        held_records: Some(u64::from(number % 2)),
        counts: Counts { consumed: 999_999_999, applied: 999_999_999, ..Counts::default() },
        add_up: true,
        ..Model::default()
    };
    let lane = |name: &str| LaneTold {
        name: name.to_owned(),
        busy: true,
        share_percent: 100,
        ..LaneTold::default()
    };
    let rebuild = Generation {
        model: "model_01".to_owned(),
        generation: 2,
        behind_records: Some(250_000),
        of_records: Some(1_000_000),
        records_per_second: Some(9_876.0),
        eta_seconds: Some(25.3),
        share_percent: Some(12),
        instances: 1,
        ..Generation::default()
    };
    let key =
        HotKey { key: "배\x1b[2J".to_owned(), count: 70, at_most_over_by: 3, share_percent: 41.5 };
    let warning = |what: &str| Warning { minor: true, what: what.to_owned() };
    let shown = Shown {
        version: "0.1.0".to_owned(),
        uptime_seconds: 75.0,
        healthy: true,
        ready: true,
        river: (1..).zip(&names).map(station).collect(),
        models: (1..=models).map(model).collect(),
        lanes: vec![lane("online"), lane("rebuild")],
        generations: vec![rebuild],
        hot_keys: Some(vec![HotModel { model: "model_01".to_owned(), seen: 170, keys: vec![key] }]),
        warnings: vec![warning("something is so"), warning(&"very long ".repeat(20))],
        trend: (0..300).map(f64::from).collect(),
        ..Shown::default()
    };
    Scene {
        shown: Some(shown),
        instance: "http://127.0.0.1:9464".to_owned(),
        silent: None,
        every_seconds: 1.0,
    }
}

fn drawn(scene: &Scene, view: &View, size: Size) -> Vec<String> {
    let (lines, _) = screen(scene, view, size);
    assert_eq!(lines.len(), size.rows);
    for line in &lines {
        assert!(line.width() <= size.columns, "{:?}", line.plain());
    }
    lines.iter().map(Line::plain).collect()
}

#[track_caller]
fn has(lines: &[String], wanted: &[&str]) {
    for words in wanted {
        assert!(lines.iter().any(|line| line.contains(words)), "{words}\n{}", lines.join("\n"));
    }
}

#[test]
fn everything_of_importance_is_on_eighty_by_twenty_four() {
    let lines = drawn(&scene(6), &View::default(), SMALL);
    let wanted = [
        "127.0.0.1:9464  ● healthy, ready  up 1 min 15 s",
        "Warnings 2",
        "1 intake",
        "3 envelope",
        "8 settle",
        "12.3k/s",
        "model_06  running",
        "45 ms",
        "1.23M",
        "model_01 gen 2 │████████████    │ 75 %  9.88k/s  25 s left  held back to 12 %",
        "lanes  online busy  rebuild busy",
        "● something is so",
        "q quit",
    ];
    has(&lines, &wanted);
}

#[test]
fn every_part_keeps_within_every_size() {
    for columns in [1, 2, 7, 20, 40, 80, 81, 200] {
        for rows in [1, 2, 3, 5, 10, 24, 60] {
            for tab in Tab::ALL {
                for is_helping in [false, true] {
                    let view = View { tab, is_helping, scroll: 3, ..View::default() };
                    drawn(&scene(20), &view, Size { columns, rows });
                    drawn(&Scene::default(), &view, Size { columns, rows });
                }
            }
        }
    }
}

#[test]
fn what_has_no_room_is_told_and_scrolled_to() {
    let scene = scene(40);
    let lines = drawn(&scene, &View::default(), SMALL);
    has(&lines, &["model_01  ", "more: ↓"]);
    let view = View { scroll: usize::MAX / 2, ..View::default() };
    let lines = drawn(&scene, &view, SMALL);
    has(&lines, &["model_40  "]);
    assert!(!lines.iter().any(|line| line.contains("more: ↓")), "{}", lines.join("\n"));
    let (_, most) = screen(&scene, &view, SMALL);
    assert!((20..40).contains(&most), "{most}");
}

#[test]
fn silence_is_told_and_what_was_seen_last_stays() {
    let mut scene = scene(2);
    scene.silent = Some(("the instance does not answer".to_owned(), 7));
    let lines = drawn(&scene, &View::default(), Size { columns: 100, rows: 24 });
    has(&lines, &["● silent for 7 s: the instance does not answer", "model_02"]);
    scene.shown = None;
    has(&drawn(&scene, &View::default(), SMALL), &["Nothing is known yet"]);
}

#[test]
fn models_are_sorted_and_filtered() {
    let first = |view: View| {
        let lines = drawn(&scene(9), &view, SMALL);
        let first = lines.iter().find(|line| line.starts_with(" model_")).cloned().unwrap();
        first.trim().split(' ').next().unwrap().to_owned()
    };
    use crate::top::view::Sort;
    assert_eq!(first(View::default()), "model_01");
    assert_eq!(first(View { sort: Sort::Rate, ..View::default() }), "model_09");
    assert_eq!(first(View { sort: Sort::Held, ..View::default() }), "model_01");
    assert_eq!(first(View { filter: "_07".to_owned(), ..View::default() }), "model_07");
    let nobody = View { filter: "nobody".to_owned(), tab: Tab::Outcomes, ..View::default() };
    has(&drawn(&scene(9), &nobody, SMALL), &["no model is named so"]);
}

#[test]
fn other_parts_have_tabs_of_their_own() {
    let shown = |tab| drawn(&scene(3), &View { tab, ..View::default() }, SMALL);
    has(&shown(Tab::Outcomes), &["CONSUMED", "1.00G"]);
    has(&shown(Tab::Generations), &["beside", "held back to 12 %"]);
    has(&shown(Tab::Lanes), &["LEAST SHARE", "online"]);
    has(&shown(Tab::Hot), &["배\\u{1b}[2J", "41.5 %", "67 to 70"]);
    has(&shown(Tab::Warnings), &["something is so", "   long"]);
    let mut scene = scene(1);
    scene.shown.as_mut().unwrap().hot_keys = None;
    let view = View { tab: Tab::Hot, ..View::default() };
    has(&drawn(&scene, &view, SMALL), &["does not look for hot keys"]);
}

#[test]
fn once_prints_every_part_that_there_is() {
    let lines: Vec<String> = whole(&scene(30), 100).iter().map(Line::plain).collect();
    has(
        &lines,
        &["healthy", "8 settle", "model_30", "CONSUMED", "beside", "LEAST SHARE", "41.5 %"],
    );
    has(&lines, &["something is so"]);
}
