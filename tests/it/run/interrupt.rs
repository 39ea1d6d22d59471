//! Ctrl-C: once, twice, and as the normal end.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use harness::event::Phase;
use harness::record::Partial;
use harness::report::Line;
use rustix::process::Signal;

use super::{Place, assert_sound, is_applied, is_healed, newest, phases, position};

const SLOW: &str = r#"
objectives = ["no-wrong-data"]
[phases]
warmup = "500ms"
steady = "500ms"
fault = "5m"
recovery = "1s"
[[faults]]
name = "slow"
on = "all"
latency = { latency = "5ms" }
[[faults]]
name = "down"
on = ["n1"]
refuse = {}
"#;

/// Catches a fault that outlives Ctrl-C, a run that is thrown away, and a partial report that does
/// not say so.
#[test]
fn an_interrupted_run_heals_and_reports() {
    let place = Place::new();
    place.scenario("slow", SLOW);
    let mut running = place.start("-scenario slow.toml -duration 5m2s -nodes embedded -out o");
    for _ in 0..2 {
        running.until(|line| matches!(line, Line::Event(event) if is_applied(&event.kind)));
    }
    running.signal(Signal::INT);
    let (lines, code) = running.rest();
    assert!(position(&lines, is_healed).is_some(), "nothing was healed: {}", running.stderr());
    assert_eq!(phases(&lines), [Phase::Drain]);
    let Some(Line::Report(report)) = lines.last() else { panic!("no report") };
    assert_sound(report);
    assert_eq!(report.partial, Some(Partial::Interrupted));
    assert!(report.faults.iter().all(|fault| fault.healed_at_s.is_some()), "{:?}", report.faults);
    assert_eq!((code, report.exit_code), (130, 130), "{:?}", report.reasons);
    let folder = newest(&place.path("o"));
    for file in ["report.json", "report.html", "report.md", "junit.xml", "histograms.hlog"] {
        assert!(folder.join(file).is_file(), "{file}");
    }
}

/// Catches a second Ctrl-C that still waits for the drain.
#[test]
fn a_second_interrupt_leaves_at_once() {
    let place = Place::new();
    let mut node = place.command("node -p 0").stdout(Stdio::piped()).spawn().unwrap();
    let mut said = String::new();
    BufReader::new(node.stdout.as_mut().unwrap()).read_line(&mut said).unwrap();
    let address = said.trim_end().strip_prefix("listening on ").unwrap();
    // Operations under way when the node falls silent end with their timeout, and the drain waits
    // for them: longer than any test.
    place.scenario(
        "patient",
        "objectives = [\"no-wrong-data\"]\n[phases]\nwarmup = \"500ms\"\nsteady = \"10m\"\n\
         [client]\noperation_timeout = \"1m\"\n",
    );
    let mut running =
        place.start(&format!("-scenario patient.toml -duration 10m -servers {address} -out o"));
    running.until(|line| matches!(line, Line::Event(event) if event.phase == Phase::Steady));
    let silent = rustix::process::Pid::from_child(&node);
    rustix::process::kill_process(silent, Signal::STOP).unwrap();
    // Two intervals: by then every worker has asked the silent node something.
    for _ in 0..2 {
        running.until(|line| matches!(line, Line::Interval(_)));
    }
    running.signal(Signal::INT);
    running.until(|line| matches!(line, Line::Event(event) if event.phase == Phase::Drain));
    running.signal(Signal::INT);
    let (lines, code) = running.rest();
    node.kill().unwrap();
    node.wait().unwrap();
    assert_eq!(code, 130);
    assert!(!lines.iter().any(|line| matches!(line, Line::Report(_))), "it waited for the drain");
}

/// Catches a continuous session whose end with Ctrl-C is taken for a failure, or whose verdict gets
/// lost.
#[test]
fn a_continuous_session_ends_with_its_verdict() {
    let place = Place::new();
    place.scenario(
        "quick",
        "objectives = [\"no-wrong-data\"]\n[phases]\nwarmup = \"500ms\"\nsteady = \"1s\"\n",
    );
    let mut running =
        place.start("-scenario quick.toml -metrics-interval 500ms -nodes embedded -out o");
    let mut reports = Vec::new();
    let mut seeds = Vec::new();
    while seeds.len() < 2 {
        match running.next().unwrap() {
            Line::Start(start) => seeds.push(start.seed),
            Line::Report(report) => reports.push(*report),
            _ => {}
        }
    }
    assert_eq!((seeds[0], reports.len()), (7, 1));
    assert_ne!(seeds[0], seeds[1], "the second round repeats the first");
    running.signal(Signal::INT);
    let (lines, code) = running.rest();
    reports.extend(lines.into_iter().filter_map(|line| match line {
        Line::Report(report) => Some(*report),
        _ => None,
    }));
    reports.iter().for_each(assert_sound);
    // Of the verdicts there are, the worst: a failure, then one that nobody can trust, then a pass.
    let verdicts = reports.iter().map(|report| i32::from(report.exit_code));
    let worst = verdicts
        .filter(|code| *code != 130)
        .max_by_key(|code| [0, 4, 1].iter().position(|known| known == code));
    assert_eq!(
        Some(code),
        worst,
        "{:?}",
        reports.iter().map(|one| &one.reasons).collect::<Vec<_>>()
    );
}

/// Catches a soak that has its verdict, waits for somebody to read its last figures, and forgets the verdict
/// when it is told not to wait.
#[test]
fn a_verdict_stands_when_nobody_wants_to_wait() {
    let place = Place::new();
    place.scenario(
        "quick",
        "objectives = [\"no-wrong-data\"]\n[phases]\nwarmup = \"500ms\"\nsteady = \"1s\"\n",
    );
    let mut running = place
        .start("-scenario quick.toml -nodes embedded -out o -metrics-addr 127.0.0.1:0 -linger 10m");
    let Line::Report(first) = running.until(|line| matches!(line, Line::Report(_))) else {
        panic!("a report is a report")
    };
    running.until(|line| matches!(line, Line::Event(event) if event.phase == Phase::Steady));
    running.signal(Signal::INT);
    running.until(|line| matches!(line, Line::Report(_)));
    running.signal(Signal::INT);
    let (_, code) = running.rest();
    assert!(code == i32::from(first.exit_code) || code == 1, "{code}: {:?}", first.reasons);
}
