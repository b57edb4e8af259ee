//! The parts of the house that are not Rust hold their own promises: the stack and the dashboards.

use std::process::Command;

use crate::paths::{readmill, root, stack};

#[track_caller]
fn passes(program: &str, args: &[&str]) -> String {
    let done = Command::new(root().join(program)).args(args).current_dir(root()).output().unwrap();
    let said = [done.stdout, done.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(done.status.success(), "{program} {args:?}\n{said}");
    said
}

#[test]
fn the_native_stack_and_the_compose_file_are_one_stack() {
    assert!(passes("compose/stack", &["check"]).contains("drifts=0"));
}

#[test]
fn dashboards_and_rules_say_only_what_the_metrics_can_answer() {
    assert!(passes("dashboards/check", &[]).contains("failed=0"));
}

#[test]
fn the_configuration_beside_the_stack_is_sound() {
    let names = ["KAFKA_BROKERS", "REGISTRY_URL", "CONNECT_URL", "MONGO_URI", "REDIS_URL"];
    let done = Command::new(readmill())
        .args(["check", "-c", "compose/readmill.toml"])
        .current_dir(root())
        .envs(names.map(|name| (name, stack(name))))
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn make_size_ends_with_a_line_for_scripts() {
    let said = passes("tools/size", &[]);
    let last = said.lines().last().unwrap();
    for field in ["rust_files=", "median_lines=", "p95_lines=", "functions_over_70="] {
        assert!(last.contains(field), "{said}");
    }
}
