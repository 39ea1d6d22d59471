//! What a disk, a folder or a terminal takes away: never the verdict, and never without a word.

use std::fs::File;
use std::path::PathBuf;

use harness::event::Phase;
use harness::judge::{Grade, Verdict};
use harness::record::Partial;
use harness::report::{Line, NodeReport, Report};
use rustix::process::{Resource, Rlimit, Signal, prlimit};

use super::{Ended, Place, Running, assert_sound, is_applied, line, newest};

const SHORT: &str =
    "objectives = [\"no-wrong-data\"]\n[phases]\nwarmup = \"500ms\"\nsteady = \"2s\"\n";

const LINE: &str =
    "-scenario short.toml -duration 2500ms -metrics-interval 200ms -nodes embedded -out o";

fn place() -> Place {
    let place = Place::new();
    place.scenario("short", SHORT);
    place
}

/// Plays the scenario, does `harm` once it goes, and returns its report and what stderr said.
fn harmed(place: &Place, harm: impl FnOnce(&Running)) -> (Report, String) {
    let mut running = place.start(LINE);
    running.until(|line| matches!(line, Line::Interval(_)));
    harm(&running);
    let (lines, code) = running.rest();
    let stderr = running.stderr();
    let Some(Line::Report(report)) = lines.last() else { panic!("no report: {stderr}") };
    assert_sound(report);
    assert_eq!(report.partial, None, "{stderr}");
    assert_eq!(code, i32::from(report.exit_code), "{stderr}");
    ((**report).clone(), stderr)
}

/// Catches a full disk that ends the run, or takes the verdict, or is not named in the report.
#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_takes_no_verdict() {
    // From here on no file may grow, as on a full disk; stdout is a pipe.
    let full = |running: &Running| {
        let limit = Rlimit { current: Some(0), maximum: Some(0) };
        prlimit(Some(running.pid()), Resource::Fsize, limit).unwrap();
    };
    // Not even what is said on stderr, which is a file here.
    let (report, _) = harmed(&place(), full);
    let limits = report.harness.limits.join("\n");
    for file in ["events.ndjson", "intervals.ndjson"] {
        assert!(limits.contains(file) && limits.contains("lines lost: "), "{limits}");
    }
}

/// Catches a folder that is taken away while its run goes on and is not missed.
#[test]
fn a_folder_that_vanishes_is_named() {
    let place = place();
    let out = place.path("o");
    let (report, stderr) = harmed(&place, |_| std::fs::remove_dir_all(&out).unwrap());
    let limits = report.harness.limits.join("\n");
    assert!(limits.contains("intervals.ndjson is gone"), "{limits}");
    assert!(stderr.contains("lost: ") && stderr.contains("report.json"), "{stderr}");
}

/// Catches an output folder that cannot be written and is found only when there is something to write.
#[test]
fn an_unwritable_folder_is_refused_before_anything_starts() {
    let place = place();
    File::create(place.path("o")).unwrap();
    place.play(LINE).refused(2, &["error: cannot write o/short", "-out"]);
    let place = self::place();
    std::fs::create_dir(place.path("o")).unwrap();
    File::create(place.path("o/short")).unwrap();
    place.play(LINE).refused(2, &["error: cannot write o/short", "-out"]);
}

/// Catches a verdict that goes down with stdout, and another exit code for it.
#[test]
#[cfg(target_os = "linux")]
fn a_full_stdout_takes_no_verdict() {
    let place = place();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let line = format!("-json -listen 127.0.0.1:0 -api 127.0.0.1:0 {LINE}");
    let output = place.command(&line).stdout(full).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    let stored = std::fs::read_to_string(newest(&place.path("o")).join("report.json")).unwrap();
    let Line::Report(report) = serde_json::from_str(&stored).unwrap() else { panic!("no report") };
    assert_eq!(output.status.code(), Some(i32::from(report.exit_code)), "{stderr}");
    let verdict = format!("short: {}: ", report.verdict.name());
    assert!(stderr.contains("cannot write to stdout") && stderr.contains(&verdict), "{stderr}");
}

/// Catches a closed terminal that ends the run without healing, and without a report.
#[test]
fn a_hangup_is_like_the_first_interrupt() {
    let place = Place::new();
    place.scenario("short", &SHORT.replace("2s", "5m"));
    let mut running = place.start(&LINE.replace("2500ms", "300500ms"));
    running.until(|line| matches!(line, Line::Event(event) if event.phase == Phase::Steady));
    running.signal(Signal::HUP);
    let (lines, code) = running.rest();
    let Some(Line::Report(report)) = lines.last() else { panic!("{}", running.stderr()) };
    assert_eq!(report.partial, Some(Partial::Interrupted));
    assert_eq!(code, i32::from(report.exit_code));
}

/// Catches a killed run of which nothing can be shown, a rebuilt report that does not say what it is,
/// figures that no line has and that are shown as zero, and a pass of what nobody judged.
#[test]
fn a_killed_run_is_rebuilt_from_its_lines() {
    let place = Place::new();
    place.scenario(
        "long",
        "objectives = [\"no-wrong-data\"]\n[phases]\nwarmup = \"500ms\"\nsteady = \"1s\"\n\
         fault = \"5m\"\n[[faults]]\nname = \"down\"\non = [\"n2\"]\nrefuse = {}\n",
    );
    let mut running = place.start(
        "-scenario long.toml -duration 301500ms -metrics-interval 200ms -nodes embedded -out o",
    );
    running.until(|line| matches!(line, Line::Event(event) if is_applied(&event.kind)));
    let mut faulty = 0;
    running.until(|line| {
        faulty += u32::from(matches!(line, Line::Interval(i) if i.phase == Phase::Fault));
        faulty == 2
    });
    let folder = newest(&place.path("o"));
    running.signal(Signal::KILL);
    running.child.wait().unwrap();
    // The power may go in the middle of a block, too.
    let events = folder.join("events.ndjson");
    let whole = std::fs::read_to_string(&events).unwrap();
    std::fs::write(&events, format!("\0\0\0\n{whole}{{\"type\":")).unwrap();

    let shown = place.run("report o/latest -format json");
    assert_eq!(shown.code, 0, "{}", shown.stderr);
    let Line::Report(report) = line(&shown.stdout) else { panic!("no report") };
    assert_eq!((report.partial, report.verdict), (Some(Partial::Killed), Verdict::Invalid));
    assert_eq!((report.exit_code, report.seed), (4, 7));
    assert!(report.reasons[0].contains("killed"), "{:?}", report.reasons);
    assert!(report.started_at.starts_with("20"), "{}", report.started_at);
    let names: Vec<_> = report.phases.iter().map(|phase| phase.all.name).collect();
    assert_eq!(names, [Phase::Warmup, Phase::Steady, Phase::Fault]);
    for phase in &report.phases {
        let figures = &phase.all.figures;
        assert_eq!(figures.offered, figures.outcomes.values().sum::<u64>());
        assert_eq!((figures.service_time_us.p99, figures.response_time_us), (None, None));
    }
    assert!(report.phases[2].all.figures.outcomes["hit"] > 0);
    let fault = &report.faults[0];
    assert!(fault.applied_at_s.is_some() && fault.healed_at_s.is_none(), "{fault:?}");
    assert_eq!((fault.name.as_str(), fault.operations_touched), ("down", None));
    let opened = |node: &NodeReport| node.connections.as_ref().is_some_and(|all| all.opened > 0);
    assert!(report.nodes.iter().all(opened), "{:?}", report.nodes);
    assert_eq!(report.data.totals.wrong, Some(0));
    assert_eq!(report.harness.tickets_issued, None);
    assert_eq!(
        (report.load.request_amplification, report.data.totals.acknowledged_but_lost),
        (None, None)
    );
    let grades: Vec<_> = report.objectives.iter().map(|one| (one.grade, one.measured)).collect();
    assert_eq!(grades, [(Grade::Inconclusive, None)]);
    let limits = report.harness.limits.join("\n");
    assert!(limits.contains("rebuilt from the journal"), "{limits}");
    assert!(
        limits.contains("events.ndjson: lines that cannot be read and were left out: 1"),
        "{limits}"
    );

    let shown = place.run("report o/latest");
    assert!(shown.stdout.contains("it was killed"), "{}", shown.stdout);
    assert!(folder.join("report.html").is_file() && !folder.join("report.json").exists());
    std::fs::remove_file(folder.join("intervals.ndjson")).unwrap();
    std::fs::remove_file(&events).unwrap();
    place.run("report o/latest").refused(2, &["error: there is no report.json", "events.ndjson"]);
}

/// A server of others that has one node.
fn server(place: &Place) -> (Running, String) {
    let mut child =
        place.command("node -p 0").stdout(std::process::Stdio::piped()).spawn().unwrap();
    let mut stdout = child.stdout.take().map(std::io::BufReader::new).unwrap();
    let mut said = String::new();
    std::io::BufRead::read_line(&mut stdout, &mut said).unwrap();
    let address = said.trim_end().strip_prefix("listening on ").unwrap().to_owned();
    (Running { child, stdout: Some(stdout), stderr: PathBuf::new() }, address)
}

/// Catches a member that cannot be had on the servers of others and ends the suite half-way, is left
/// out without its name and reason, or counts as judged.
#[test]
fn members_that_need_other_nodes_are_skipped() {
    let place = place();
    let faulty = |on: &str, fault: &str| {
        format!(
            "{SHORT}fault = \"1s\"\n[[faults]]\nname = \"broken\"\non = [\"{on}\"]\n{fault} = {{}}\n"
        )
    };
    place.scenario("killed", &faulty("n1", "kill"));
    place.scenario("third", &faulty("n3", "refuse"));
    let (_server, address) = server(&place);
    let line = format!("-duration 3s -servers {address} -out o");
    let ended = place.play(&format!("-scenario killed.toml,short.toml,third.toml {line}"));
    let report = ended.report();
    assert_eq!(report.scenario, "short");
    let lines = ended.lines();
    let skipped: Vec<_> = lines
        .iter()
        .map_while(|line| match line {
            Line::Skipped(skipped) => Some((skipped.scenario.as_str(), skipped.reason.as_str())),
            _ => None,
        })
        .collect();
    let names: Vec<_> = skipped.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["third", "killed"], "before anything starts");
    assert!(skipped[0].1.contains("n3") && skipped[1].1.contains("-servers"), "{skipped:?}");
    let starts = lines.iter().filter(|line| matches!(line, Line::Start(_))).count();
    assert_eq!(starts, 1);
    for (name, _) in skipped {
        let mut lines = ended.stderr.lines().filter(|line| line.starts_with(name));
        let told = lines.any(|line| line.contains("skipped  "));
        assert!(told, "{name} is not in the overview: {}", ended.stderr);
    }
    let text = Ended::of(&mut place.command(&format!(
        "-listen 127.0.0.1:0 -api 127.0.0.1:0 -scenario killed.toml,short.toml {line}"
    )));
    assert!(text.stdout.matches("killed").count() >= 2, "{}", text.stdout);
    place.play(&format!("-scenario third.toml {line}")).refused(2, &["error: ", "n3"]);
    place.play(&format!("-scenario killed.toml {line}")).refused(3, &["error: ", "-servers"]);
}
