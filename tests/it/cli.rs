//! The built program: what it prints where, and how it ends.

mod doctor;
mod merge;
mod names;
mod network;
mod route;
mod shells;

use assert_cmd::Command;
use harness::plan::{Folder, Library};
use tempfile::TempDir;

/// The program in an empty directory.
fn harness(folder: &TempDir, line: &str) -> Command {
    let mut command = Command::cargo_bin("harness").expect("it is built");
    command.current_dir(folder.path()).env_remove("RUST_LOG").args(line.split_whitespace());
    command
}

/// Exit code, stdout and stderr.
fn run(line: &str) -> (i32, String, String) {
    let folder = tempfile::tempdir().expect("a directory");
    let output = harness(&folder, line).output().expect("it runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("text");
    (output.status.code().expect("it ends by itself"), text(output.stdout), text(output.stderr))
}

/// Catches a misuse that ends with another code than 2, prints to stdout, or does not say what to
/// write instead.
#[test]
fn usage_errors_end_with_2_and_name_the_cure() {
    let table = [
        (
            "-duration 10",
            r#"invalid value '10' for '--duration <TIME>': "10" has no unit; write "10s" or "10m""#,
        ),
        (
            "-rate 2000",
            r#""2000" is no rate; write "2000/s" (events a second, above zero) or "max""#,
        ),
        ("-rate=0/s", "is no rate"),
        ("-scenario packet-los", "unknown scenario `packet-los`; did you mean `packet-loss`"),
        ("-scenario smok", "did you mean `smoke`?"),
        ("-scenario none/x.toml", "cannot read none/x.toml: "),
        ("-workload mixd -dry-run", "unknown workload `mixd`; did you mean `mixed`?"),
        ("-client clasic -dry-run", "unknown client profile `clasic`; did you mean `classic`?"),
        ("-servers cache", r#""cache" has no port; write "cache:11211""#),
        ("-servers 127.0.0.1:1 -nodes embedded", "cannot be used with"),
        ("-nodes mysql", "possible values: auto, memcached, redis, valkey, embedded"),
        ("-concurrency 0", r#""0" is no whole number from 1 to 10000; write "1""#),
        ("-concurrency -1", r#"write "1""#),
        ("-duration -5s", r#""-5s" is no duration; write a number and a unit, such as "5s""#),
        ("-rate -5", r#""-5" is no rate above zero; write "5/s""#),
        ("-seed -1", r#"write "1""#),
        (
            "packet-loss",
            "is no command; scenarios are named by -scenario: `harness -scenario packet-loss`",
        ),
        ("run packetloss -json", "`harness -scenario packet-loss`"),
        ("-seed x", "a seed is a whole number"),
        ("-scenaro x", "a similar argument exists: '--scenario'"),
        ("-duration 5ms -dry-run", r#""5ms" is too short; write "1s" or more"#),
        ("chek x", "'check'"),
        ("repot x", "'report'"),
        ("report", "required arguments were not provided"),
        ("report nowhere", "cannot read nowhere/report.json: "),
        ("merge", "required arguments were not provided"),
        ("merge nowhere", "cannot read nowhere: "),
        ("merge .", ". has no facts.ndjson: it is no part of a fleet (-member)"),
        ("merge . -missing later", "possible values: invalid, narrow"),
        ("shrink nowhere", "name the folder of a run, such as runs/latest"),
        ("shrink nowhere -times 3 -of 2", "write -of 3"),
        ("shrink nowhere -budget 5", "write \"5s\""),
        ("report -format yaml x", "unknown format `yaml`"),
        ("node -p none", "`-p` must be a port from 0 to 65535, not \"none\""),
        ("node -U11211", "must be 0"),
        ("check", "required arguments were not provided"),
        ("check nothing.toml", "cannot read nothing.toml: "),
        ("explain mixd", "unknown scenario, suite or workload `mixd`; did you mean `mixed`?"),
        ("man selftst", "unknown command `selftst`; did you mean `selftest`?"),
        ("completions tcsh", "possible values: bash, "),
        ("list toxic", "unknown list `toxic`; did you mean `toxics`?"),
    ];
    for (line, expected) in table {
        let (code, stdout, stderr) = run(line);
        assert_eq!(code, 2, "{line}: {stderr}");
        assert!(stdout.is_empty(), "{line}: {stdout}");
        assert!(stderr.starts_with("error: ") && stderr.contains(expected), "{line}: {stderr}");
    }
}

/// Catches a form of an option that is read differently from another.
#[test]
fn every_form_means_the_same() {
    let forms = [
        "-scenario packet-loss -duration 1m -seed 5 -dry-run",
        "--scenario packet-loss --duration 1m --seed 5 --dry-run",
        "-scenario=packet-loss --duration=1m -seed=5 --dry-run",
        "run -dry-run -seed 5 -duration 60s -scenario packet-loss",
    ];
    let plans = forms.map(run);
    for (form, (code, stdout, stderr)) in forms.iter().zip(&plans) {
        assert_eq!((*code, stdout), (0, &plans[0].1), "{form}: {stderr}");
    }
    assert!(plans[0].1.contains("seed = 5\n") && plans[0].1.contains("fault = \"27s 273ms\"\n"));
}

/// Catches a scenario that ends the program when it is asked of Redis, and one that is left out in silence.
#[test]
fn a_dry_run_says_which_scenarios_redis_has() {
    let (code, stdout, stderr) = run("-dry-run -protocol resp");
    assert_eq!(code, 0, "{stderr}");
    let folder = tempfile::tempdir().unwrap();
    for name in Library::new(folder.path()).names(Folder::Scenarios) {
        let is_planned = stdout.contains(&format!("name = \"{name}\"\nsummary"));
        let is_skipped = stderr.lines().any(|line| line.starts_with(&format!("{name} skipped: ")));
        assert!(is_planned != is_skipped, "{name}: {stderr}");
    }
}

/// Catches a plan that is printed as if it could be run, although the run would end before it begins.
#[test]
fn a_dry_run_says_what_would_not_begin() {
    let (code, plan, said) = run("-scenario baseline-steady -sasl -dry-run");
    assert!(code == 3 && plan.contains("sasl = true"), "{code}: {said}");
    assert!(said.contains("baseline-steady: the run would not begin: -sasl: the nodes"), "{said}");
    // Others of the same suite can be run.
    let (code, _, said) = run("-scenario endpoint-change -scenario packet-loss -dry-run");
    assert_eq!(code, 0, "{said}");
    assert!(said.contains("endpoint-change: the run would not begin: "), "{said}");
    assert!(!said.contains("packet-loss: "), "{said}");
}

/// Catches a printed plan that the program itself does not take back.
#[test]
fn a_dry_run_can_be_run_again() {
    let folder = tempfile::tempdir().unwrap();
    let first = harness(&folder, "-scenario flapping-node -duration 1m -dry-run").output().unwrap();
    std::fs::write(folder.path().join("again.toml"), &first.stdout).unwrap();
    let second = harness(&folder, "-scenario again.toml -dry-run").output().unwrap();
    assert_eq!(first.stdout, second.stdout);
    let checked = harness(&folder, "check again.toml").output().unwrap();
    assert_eq!(checked.stdout, b"again.toml: a scenario, fine\n");
}

/// Catches an error about a file without its place or its line.
#[test]
fn a_bad_file_is_quoted() {
    let folder = tempfile::tempdir().unwrap();
    let text = "summary = \"x\"\n[phases]\nsteady = \"5s\"\nfualt = \"3s\"\n";
    std::fs::write(folder.path().join("bad.toml"), text).unwrap();
    std::fs::write(folder.path().join("good.toml"), text.replace("fualt", "fault")).unwrap();
    let output = harness(&folder, "check bad.toml good.toml").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(output.stdout, b"good.toml: a scenario, fine\n");
    assert_eq!(
        String::from_utf8(output.stderr).unwrap(),
        "error: bad.toml:4:1: unknown phase `fualt`; did you mean `fault`?\n   \
         |\n 4 | fualt = \"3s\"\n   | ^^^^^\n"
    );
}

/// Catches a node that is not there, and a taken port that is not named with the way out.
#[test]
fn a_node_says_where_it_listens() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let (code, stdout, stderr) = run(&format!("node -p {}", address.port()));
    assert_eq!((code, stdout.as_str()), (3, ""));
    assert!(stderr.starts_with(&format!("error: cannot listen on {address}: ")), "{stderr}");
    assert!(stderr.contains("-p"), "{stderr}");
}

/// Catches a node that goes on when it is told to end, as the first process of a container would that
/// does not listen for the signal.
#[cfg(unix)]
#[test]
fn a_node_ends_when_it_is_told_to() {
    use std::io::{BufRead as _, BufReader};
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_harness"));
    let command = command.args(["node", "-p", "0"]).stdout(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("listening on 127.0.0.1:"), "{line}");
    let id = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

/// Catches a list that misses a family, and a sublist that is not the same.
#[test]
fn everything_is_listed() {
    let (code, all, _) = run("-list");
    assert_eq!(code, 0);
    for title in
        ["scenarios", "suites", "workloads", "toxics", "hash strategies", "client profiles"]
    {
        let is_there = |sign| all.contains(&format!("{title}{sign}"));
        assert!(is_there("\n  ") || is_there(": nothing is broken\n  "), "{title}");
        let (code, part, _) = run(&format!("list {}", title.replace(' ', "-")));
        assert_eq!(code, 0);
        assert!(all.contains(&part) && part.starts_with(title), "{title}");
    }
}

/// Catches a help page that is missing, and an option that it does not explain.
#[test]
fn every_help_page_is_there() {
    for line in ["-help", "--help", "-h", "help", "run -help", "help run"] {
        let (code, stdout, stderr) = run(line);
        assert_eq!((code, stderr.as_str()), (0, ""), "{line}");
        for flag in [
            "scenario",
            "duration",
            "concurrency",
            "workload",
            "rate",
            "list",
            "metrics-interval",
            "json",
            "out",
            "nodes",
            "servers",
            "toxiproxy",
            "seed",
            "dry-run",
            "client",
        ] {
            assert!(stdout.contains(&format!("--{flag}")), "{line}: {flag}");
        }
    }
    for command in ["up", "report", "check", "node", "list"] {
        let (code, stdout, _) = run(&format!("{command} -help"));
        assert_eq!(code, 0);
        assert!(stdout.contains(&format!("Usage: harness {command}")), "{stdout}");
    }
    assert!(run("-version").1.starts_with("harness "));
    assert_eq!(run("-version").1, run("-V").1);
}
