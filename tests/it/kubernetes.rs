//! The manifests for Kubernetes: held against its schemas, and their configuration against ours.

use std::path::Path;
use std::process::{Command, Output};

use rcgen::{CertificateParams, KeyPair};

use crate::paths::{self, root};

fn manifests() -> String {
    std::fs::read_to_string(root().join("compose/kubernetes/readmill.yaml")).unwrap()
}

/// The configuration in them, without the indentation that it has there.
fn configuration() -> String {
    let all = manifests();
    let (_, text) = all.split_once("  readmill.toml: |\n").unwrap();
    let lines = text.lines().take_while(|line| *line != "---");
    lines.map(|line| format!("{}\n", line.strip_prefix("    ").unwrap_or(line))).collect()
}

/// Checks it in a pod of this name, if of any.
fn check(file: &Path, pod: Option<&str>) -> Output {
    let mut command = Command::new(paths::readmill());
    command.args(["check", "-c"]).arg(file).env_remove("POD_NAME");
    command.envs(pod.map(|pod| ("POD_NAME", pod))).output().unwrap()
}

fn authority() -> String {
    let params = CertificateParams::new(vec!["authority".to_owned()]).unwrap();
    params.self_signed(&KeyPair::generate().unwrap()).unwrap().pem()
}

#[test]
fn the_manifests_are_what_kubernetes_takes() {
    let checked = Command::new(root().join("compose/kubernetes/check")).output().unwrap();
    let said = String::from_utf8_lossy(&checked.stdout);
    let complaint = String::from_utf8_lossy(&checked.stderr);
    assert!(checked.status.success(), "{said}{complaint}");
    assert!(said.contains("manifests=8 failed=0"), "{said}");
}

#[test]
fn the_configuration_in_the_manifests_is_valid_where_it_will_be() {
    let place = tempfile::tempdir().unwrap();
    let dir = place.path().to_str().unwrap();
    let authority = authority();
    let secrets = [
        ("mongo-uri", "mongodb://user:password@mongo/?replicaSet=rs0&tls=true"),
        ("redis-uri", "rediss://user:password@redis:6379/"),
        ("registry-password", "registry-password"),
        ("kafka-password", "kafka-password"),
        ("read-token", "0123456789abcdef0123456789abcdef"),
        ("operate-token", "fedcba9876543210fedcba9876543210"),
        ("ca.pem", &authority),
    ];
    for (name, text) in secrets {
        std::fs::write(place.path().join(name), text).unwrap();
    }
    let text = configuration();
    assert!(text.contains("instance_id = \"${env:POD_NAME}\""), "{text}");
    let text = text.replace("/run/secrets/readmill", dir).replace("/etc/readmill/authorities", dir);
    let file = place.path().join("readmill.toml");
    std::fs::write(&file, text).unwrap();
    let checked = check(&file, Some("readmill-0"));
    let complaint = String::from_utf8_lossy(&checked.stderr);
    assert!(checked.status.success(), "{complaint}");
    // Without the pod's name it is told that it is missing.
    let checked = check(&file, None);
    assert!(String::from_utf8_lossy(&checked.stderr).contains("POD_NAME"));
}
