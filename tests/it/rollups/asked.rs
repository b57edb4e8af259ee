//! Roll-ups as people ask for them: over HTTP and on the command line, with the same answers.

use serde_json::Value;

use crate::mill::{Mill, readmill, succeed};
use crate::real::Corner;

/// Asks both for what a test has put there: one entry of 77 points on a day of its own.
pub fn check(corner: &Corner, mill: &Mill, day: &str) {
    let file = corner.configuration_file();
    let file = file.to_str().unwrap();
    let json = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let group = format!("earned/{day}");
    let asked = ["rollup", "points", "ledger", &group, "-c", file, "--json"];
    let told = json(&succeed(&asked));
    let wanted = [("count", 1.0), ("sum", 77.0), ("mean", 77.0), ("deviation", 0.0)];
    for (measure, value) in wanted {
        assert_eq!(told[measure].as_f64(), Some(value), "{measure} of {told}");
    }
    let (status, body) = mill.ask(&format!("/models/points/rollups/ledger/{group}")).unwrap();
    assert_eq!((status, json(&body)), (200, told));

    let listed = succeed(&["rollup", "deliveries", "ended", "COMPLETED/mapo/", "-c", file]);
    assert!(listed.contains("COMPLETED/mapo/2026-11-") && listed.contains("deviation"), "{listed}");
    let (status, body) = mill.ask("/models/deliveries/rollups/ended/COMPLETED/?limit=3").unwrap();
    let page = json(&body);
    assert_eq!((status, page["groups"].as_array().unwrap().len()), (200, 3), "{page}");
    assert_eq!(page["more_after"], page["groups"][2]["group"]);
    let top = page["groups"][0]["top"].as_array().unwrap();
    assert_eq!(top[0]["value"], page["groups"][0]["greatest"], "{page}");

    let table = [
        (&["rollup", "points", "ledgr", "-c", file][..], 2, "did you mean \"ledger\"?"),
        (&["rollup", "points", "ledger", "spent/2026", "-c", file], 5, "there are: "),
        (&["rollup", "coupons", "-c", file], 2, "[models.coupons]"),
    ];
    for (args, code, words) in table {
        let output = readmill(args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        assert!(said.contains(words), "{args:?}: {said}");
    }
    let declared = succeed(&["rollup", "deliveries", "-c", file]);
    for name in ["under_way", "inflow", "riders", "ended"] {
        assert!(declared.lines().any(|line| line.starts_with(name)), "{declared}");
    }
}
