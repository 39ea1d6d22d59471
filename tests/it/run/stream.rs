//! What a run says and leaves behind.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use harness::event::{EventKind, Phase};
use harness::judge::Grade;
use harness::report::{Line, Report};

use super::{Place, assert_sound, is_applied, is_healed, newest, phases, position};

/// Every file that a run leaves in its folder.
const FILES: [&str; 8] = [
    "events.ndjson",
    "histograms.hlog",
    "intervals.ndjson",
    "junit.xml",
    "plan.toml",
    "report.html",
    "report.json",
    "report.md",
];

/// A node that refuses, and nothing asked of it but right data.
const REFUSES: &str = r#"
objectives = ["no-wrong-data", "no-corrupt-data"]
[phases]
warmup = "500ms"
steady = "1s"
fault = "1s"
recovery = "500ms"
[[faults]]
name = "down"
on = ["n2"]
refuse = {}
"#;

/// What a pipe of Linux holds for a reader that has stopped.
const PIPE_BYTES: usize = 65_536;

/// Nothing is broken.
const QUIET: &str = r#"
objectives = ["no-wrong-data", "wire-matches-client"]
[phases]
warmup = "500ms"
steady = "2s"
"#;

/// Catches a line of stdout that is no object of the contract, one that comes too early or too
/// late, an operation that is counted nowhere, and a file that is missing or says something else.
#[test]
fn a_run_is_told_in_order_and_left_in_files() {
    let place = Place::new();
    place.scenario("refuses", REFUSES);
    let ended = place
        .play("-scenario refuses.toml -duration 3s -metrics-interval 500ms -nodes embedded -out o");
    let lines = ended.lines();
    let report = ended.report();
    assert_sound(&report);
    assert_told_in_order(&lines);
    assert_counted_once(&lines, &report);
    assert_eq!((report.seed, report.scenario.as_str()), (7, "refuses"));
    assert_eq!(report.partial, None);
    let down = &report.faults[0];
    assert!(down.applied_at_s < down.healed_at_s && down.operations_touched > Some(0), "{down:?}");

    let folder = newest(&place.path("o"));
    let mut files: Vec<String> = std::fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort();
    assert_eq!(files, FILES);
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    assert_eq!(super::line(&read("report.json").replace('\n', " ")), *lines.last().unwrap());
    let told = |wanted: fn(&Line) -> bool| {
        lines.iter().filter(|line| wanted(line)).cloned().collect::<Vec<_>>()
    };
    let kept = |name: &str| read(name).lines().map(super::line).collect::<Vec<_>>();
    assert_eq!(kept("events.ndjson"), told(|line| matches!(line, Line::Event(_))));
    assert_eq!(kept("intervals.ndjson"), told(|line| matches!(line, Line::Interval(_))));
}

fn assert_told_in_order(lines: &[Line]) {
    let Some(Line::Start(start)) = lines.first() else { panic!("no start: {:?}", lines.first()) };
    assert_eq!((start.seed, start.nodes.len()), (7, 3));
    let ends = |line: &Line| matches!(line, Line::Start(_) | Line::Report(_));
    assert_eq!(lines.iter().filter(|line| ends(line)).count(), 2);
    assert_eq!(phases(lines), Phase::ALL);
    let place = |wanted: fn(&EventKind) -> bool| position(lines, wanted).unwrap();
    assert!(place(is_applied) < place(is_healed));
    let recovery = lines.iter().position(|line| {
        matches!(line, Line::Event(event)
            if event.kind == EventKind::PhaseStarted && event.phase == Phase::Recovery)
    });
    assert!(Some(place(is_healed)) < recovery, "recovery began before the fault was healed");
}

/// What the intervals add up to is what the phases add up to.
fn assert_counted_once(lines: &[Line], report: &Report) {
    let intervals = lines.iter().filter_map(|line| match line {
        Line::Interval(interval) => Some(interval),
        _ => None,
    });
    let (mut offered, mut outcomes) = (0, 0);
    for interval in intervals {
        assert_eq!(interval.scenario, report.scenario);
        assert_eq!(interval.offered, interval.outcomes.values().sum::<u64>());
        offered += interval.offered;
        outcomes += interval.outcomes.values().sum::<u64>();
    }
    assert_eq!((Some(offered), outcomes), report.conservation());
}

/// Catches a stored run that cannot be shown again as it was, and a stored plan that cannot be run
/// again.
#[test]
fn a_stored_run_is_shown_and_run_again() {
    let place = Place::new();
    place.scenario("quiet", QUIET);
    let first = place.play("-scenario quiet.toml -duration 2500ms -nodes embedded -out o");
    let folder = newest(&place.path("o"));
    let made = ["report.html", "report.md", "junit.xml"].map(|name| folder.join(name));
    let before = made.each_ref().map(|file| std::fs::read_to_string(file).unwrap());
    for file in &made {
        std::fs::remove_file(file).unwrap();
    }
    let shown = place.run("report o/latest");
    assert_eq!((shown.code, shown.stderr.as_str()), (0, ""));
    assert!(shown.stdout.contains("quiet"), "{}", shown.stdout);
    for (file, before) in made.iter().zip(&before) {
        assert!(std::fs::read_to_string(file).unwrap() == *before, "{} changed", file.display());
    }
    for (format, word) in
        [("text", "quiet"), ("markdown", "quiet"), ("html", "<html"), ("junit", "<testsuite")]
    {
        let shown = place.run(&format!("report -format {format} o/latest"));
        assert_eq!(shown.code, 0, "{format}: {}", shown.stderr);
        assert!(shown.stdout.contains(word), "{format}: {}", shown.stdout);
    }

    let checked = place.run("check o/latest/plan.toml");
    assert_eq!((checked.code, checked.stderr.as_str()), (0, ""));
    let again = place.play("-scenario o/latest/plan.toml -duration 2500ms -out again");
    let (first, again) = (first.report(), again.report());
    assert_sound(&again);
    assert_eq!(first.scenario, again.scenario);
    assert_eq!(first.workload, again.workload);
}

/// Catches a request that the proxies see and the client does not count, or the reverse, and a
/// report that does not say which nodes it is about.
#[test]
fn the_wire_agrees_with_the_client() {
    assert_wire_agrees("embedded", "embedded ");
}

/// The same with the real thing.
#[test]
#[cfg_attr(not(real_memcached), ignore = "needs memcached on PATH")]
fn the_wire_agrees_with_the_client_on_real_nodes() {
    assert_wire_agrees("memcached", "memcached 1.");
}

fn assert_wire_agrees(nodes: &str, backend: &str) {
    let place = Place::new();
    place.scenario("quiet", QUIET);
    let ended = place.play(&format!("-scenario quiet.toml -duration 2500ms -nodes {nodes} -out o"));
    let report = ended.report();
    assert_sound(&report);
    let wire = report.objectives.iter().find(|one| one.name == "wire-matches-client").unwrap();
    assert_eq!(wire.grade, Grade::Pass, "{}", wire.why);
    let lines = ended.lines();
    let Some(Line::Start(start)) = lines.first() else { panic!("no start") };
    assert!(start.nodes.iter().all(|node| node.backend.starts_with(backend)), "{start:?}");
    assert_eq!(report.nodes.len(), 3);
    assert!(report.nodes.iter().all(|node| node.backend.starts_with(backend)));
}

/// Catches a run that dies, or lies, because nobody reads what it says any more.
#[test]
fn a_reader_that_leaves_does_not_end_the_run() {
    let place = Place::new();
    place.scenario("quiet", QUIET);
    let mut running = place.start("-scenario quiet.toml -duration 2500ms -nodes embedded -out o");
    running.until(|line| matches!(line, Line::Start(_)));
    let code = running.unheard();
    let text = std::fs::read_to_string(newest(&place.path("o")).join("report.json")).unwrap();
    let report: Line = serde_json::from_str(&text).unwrap();
    let Line::Report(report) = report else { panic!("no report") };
    assert_eq!((i32::from(report.exit_code), report.partial), (code, None));
    assert_sound(&report);
    assert!(!running.stderr().contains("panic"), "{}", running.stderr());
}

/// Catches a run that waits for a reader that has stopped: with its phases, its verdict or its files.
#[test]
fn a_reader_that_stops_holds_up_no_run() {
    let place = Place::new();
    place.scenario("quiet", QUIET);
    let words = "-json -listen 127.0.0.1:0 -api 127.0.0.1:0 -scenario quiet.toml -duration 2500ms \
                 -metrics-interval 100ms -nodes embedded -out o";
    let mut command = place.command(words);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // It is said when all files are there; nobody has read stdout so far.
    let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(said.any(|line| line.unwrap().starts_with("page ")));
    let stored = std::fs::read_to_string(newest(&place.path("o")).join("report.json")).unwrap();
    let mut stdout = String::new();
    child.stdout.take().unwrap().read_to_string(&mut stdout).unwrap();
    assert!(stdout.len() > PIPE_BYTES, "{} bytes fit into the pipe", stdout.len());
    let last = super::line(stdout.lines().last().unwrap());
    assert_eq!(last, super::line(&stored.replace('\n', " ")));
    let Line::Report(report) = last else { panic!("no report") };
    assert_eq!(child.wait().unwrap().code(), Some(i32::from(report.exit_code)));
}
