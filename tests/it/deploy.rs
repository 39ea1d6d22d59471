//! What deploy/ holds for engines that start a fleet.

use std::path::Path;
use std::process::Command;

fn file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy").join(name);
    std::fs::read_to_string(path).unwrap()
}

/// What stands behind `key` on its line, or alone on the next one.
fn behind(text: &str, key: &str) -> Vec<u32> {
    let found = text.match_indices(key).map(|(at, _)| &text[at + key.len()..]);
    let number = |rest: &str| {
        let digits = rest.trim_start_matches(|it: char| it.is_whitespace() || "-\"".contains(it));
        digits.split(|it: char| !it.is_ascii_digit()).next()?.parse().ok()
    };
    found.filter_map(number).collect()
}

/// Catches a fleet that waits for more members than are started, or starts more than it waits for.
#[test]
fn as_many_members_are_started_as_are_waited_for() {
    let fleet = file("kubernetes/fleet.yaml");
    for key in ["completions: ", "parallelism: ", "- -members\n"] {
        assert_eq!(behind(&fleet, key), [4], "{key}");
    }
}

/// Catches a scenario that is shipped and cannot be run.
#[test]
fn the_scenario_of_the_config_map_is_one() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/kubernetes/scenarios");
    let output = Command::new(env!("CARGO_BIN_EXE_harness"))
        .args(["-scenario", "./slow-node.toml", "-dry-run"])
        .current_dir(folder)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    assert!(file("kubernetes/kustomization.yaml").contains("scenarios/slow-node.toml"));
}
