//! `-network kernel`: the faults are the kernel's own, the report says so, and nothing is left.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use super::{harness, run};

/// A scenario with a fault for the kernel and one for the proxies.
const SCENARIO: &str = r#"
name = "both"
summary = "the kernel refuses, a proxy delays"
[phases]
warmup = "300ms"
steady = "700ms"
fault = "1500ms"
recovery = "500ms"
[[faults]]
name = "refused-by-kernel"
on = ["n1"]
at = "0s"
for = "1s"
refuse = {}
[[faults]]
name = "slow"
on = ["n2"]
at = "0s"
for = "1s"
latency = { latency = "1ms" }
"#;

const COMMAND: &str = "-scenario both.toml -duration 3s -network kernel -nodes embedded -rate 400/s \
                       -api 127.0.0.1:0 -out runs -json";

/// The end of the link in our own network: `harness7` for a proxy on 198.18.7.128.
fn device(proxy_address: &str) -> PathBuf {
    let slot = proxy_address.split('.').nth(2).unwrap();
    PathBuf::from(format!("/sys/class/net/harness{slot}"))
}

/// Catches a mode that is not reported, a fault that only says that it is the kernel's, and a
/// network that outlives its run.
#[test]
#[cfg_attr(not(real_netns), ignore = "needs root on Linux with ip and nft on PATH")]
fn the_kernel_does_what_it_can() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("both.toml"), SCENARIO).unwrap();
    let output = harness(&folder, COMMAND).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let lines: Vec<Value> =
        printed.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let said = String::from_utf8_lossy(&output.stderr);
    let (Some(start), Some(report)) = (lines.first(), lines.last()) else { panic!("{said}") };
    assert_eq!((&start["network"], &report["network"]), (&"kernel".into(), &"kernel".into()));
    let faults = &report["faults"];
    assert_eq!(faults[0]["parameters"]["by"], "kernel", "{faults}");
    assert_eq!(faults[1]["parameters"]["by"], "proxy", "{faults}");
    let outcomes = report["phases"].as_array().unwrap().iter();
    let refused = outcomes.filter_map(|phase| phase["outcomes"]["error.refused"].as_u64());
    assert!(refused.sum::<u64>() > 0, "{}", report["phases"]);
    let proxy = start["nodes"][0]["proxy_address"].as_str().unwrap();
    assert!(!device(proxy).exists(), "{} is left", device(proxy).display());
}

/// Catches a network that survives `kill -9` of the harness.
#[test]
#[cfg_attr(not(real_netns), ignore = "needs root on Linux with ip and nft on PATH")]
fn a_killed_harness_leaves_no_network() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("both.toml"), SCENARIO).unwrap();
    let program = env!("CARGO_BIN_EXE_harness");
    let mut child = std::process::Command::new(program)
        .current_dir(folder.path())
        .args(COMMAND.split_whitespace())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    let start: Value = serde_json::from_str(&first).unwrap();
    let device = device(start["nodes"][0]["proxy_address"].as_str().unwrap());
    assert!(device.exists(), "{}", device.display());
    child.kill().unwrap();
    child.wait().unwrap();
    // The kernel takes a network down in its own time.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let gone = async {
            while device.exists() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let limit = Duration::from_secs(30);
        assert!(tokio::time::timeout(limit, gone).await.is_ok(), "{} is left", device.display());
    });
    let named = std::fs::read_dir("/run/netns").map(|names| names.flatten().collect::<Vec<_>>());
    let ours = format!("harness-{}-", child.id());
    let left =
        named.iter().flatten().find(|name| name.file_name().to_string_lossy().starts_with(&ours));
    assert!(left.is_none(), "{left:?}");
}

/// Catches a harness that falls back to its own proxies, or that does not say what is missing.
#[test]
fn without_its_tools_it_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let line = "-scenario baseline-steady -duration 1s -network kernel -nodes embedded";
    let output = harness(&folder, line).env("PATH", folder.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("-network kernel") && said.contains("install iproute2"), "{said}");
}

/// Catches a mode that a plan forgets, and addresses that cannot be had together with it.
#[test]
fn a_plan_keeps_the_mode_and_refuses_what_contradicts_it() {
    let (code, plan, stderr) = run("-scenario baseline-steady -network kernel -dry-run");
    // 3: the plan is fine, and this machine cannot.
    assert!(code == 0 || code == 3 && stderr.contains("would not begin"), "{stderr}");
    assert!(plan.contains("network = \"kernel\"\n"), "{plan}");
    let (code, _, stderr) =
        run("-scenario baseline-steady -network kernel -listen 127.0.0.1:0 -dry-run");
    assert_eq!(code, 2);
    assert!(stderr.contains("leave out -listen"), "{stderr}");
}
