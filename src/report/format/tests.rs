//! One told run in every format.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

use super::*;
use crate::base::name::NodeIndex;
use crate::base::time::Offset;
use crate::event::{BreakerState, Event, EventKind, Outcome, Phase, ViolationKind};
use crate::judge::{Bound, Objective, judge, measure};
use crate::record::synthetic::{HEAL_MS, Story, usual};
use crate::record::{Connections, Interval, IntervalNode, LatencyUs, NodeGroup};
use crate::report::{Header, Line, Report};

fn objective(name: &str, measure: &str, bound: Bound) -> Objective {
    Objective {
        name: name.to_owned(),
        summary: String::new(),
        measure: measure::find(measure).expect("a measure"),
        phase: None,
        nodes: NodeGroup::All,
        bound,
        min_samples: 100,
    }
}

fn interval(at_s: f64, phase: Phase) -> Interval {
    let time = LatencyUs {
        p50: Some(180),
        p95: Some(900),
        p99: Some(12_300),
        p999: Some(90_000),
        max: Some(100_000),
        mean: Some(300),
        count: 800,
    };
    let node = |index: u16| IntervalNode {
        name: NodeIndex(index),
        operations: 400,
        error_ratio: Some(0.0),
        response_time_us: Some(time),
        connections: Some(Connections { open: 8, ..Connections::default() }),
        wire: None,
        breaker: Some(if index == 0 { BreakerState::Open } else { BreakerState::Closed }),
        active_faults: if index == 0 { vec!["down".to_owned()] } else { Vec::new() },
    };
    Interval {
        scenario: "single-node-failure".to_owned(),
        phase,
        at_s,
        at: "2026-01-31T12:00:00.000Z".to_owned(),
        length_s: 2.0,
        offered: 1200,
        operations: 1200,
        throughput_per_s: Some(600.0),
        error_ratio: Some(1.0 / 3.0),
        outcomes: [("hit".to_owned(), 800), ("shed".to_owned(), 400)].into(),
        response_time_us: Some(time),
        nodes: (0..3).map(node).collect(),
    }
}

pub(super) fn run_of(story: &Story, behave: impl Fn(u16, u64) -> (Outcome, u64)) -> Stored {
    let summary = story.tell(behave);
    let objectives = [
        objective("recovers", "time_to_recover", Bound::AtMost(2.0)),
        objective("no-errors", "error_ratio", Bound::AtMost(0.001)),
        objective("rejects-fast", "fast_fail_p99", Bound::AtMost(1000.0)),
        objective("gentle", "storm_factor", Bound::AtMost(3.0)),
    ];
    let mut report = Report::new(Header::synthetic(), &summary, &judge(&summary, &objectives));
    // The wall clock is the one thing in a report that differs from run to run.
    report.started_at = "2026-01-31T12:00:00.000Z".to_owned();
    let violation = Event {
        at_s: 7.5,
        at: "2026-01-31T12:00:07.500Z".to_owned(),
        phase: Phase::Fault,
        member: None,
        kind: EventKind::Violation {
            kind: ViolationKind::Stale,
            node: NodeIndex(0),
            key: "k:1".to_owned(),
            detail: "sequence 4 < 7 <b>".to_owned(),
            wire: None,
            write_begun_s: None,
        },
    };
    let intervals = vec![interval(6.0, Phase::Steady), interval(8.0, Phase::Fault)];
    Stored { report, intervals, events: vec![violation] }
}

pub(super) fn run() -> Stored {
    run_of(&Story::default(), usual)
}

/// Catches any change of what people read; `INSTA_UPDATE=always` accepts one.
#[test]
fn text_and_markdown_read_well() {
    insta::assert_snapshot!("text", text::render(&run().report, false).as_str());
    insta::assert_snapshot!("markdown", (markdown::FORMAT.render)(&run()));
    insta::assert_snapshot!("junit", (junit::FORMAT.render)(&run()));
    let mut live = crate::report::live::Live::default();
    let lines = [
        Line::Interval(interval(10.0, Phase::Fault)),
        Line::Interval(interval(12.0, Phase::Fault)),
    ];
    let shown: Vec<String> = lines.iter().filter_map(|line| live.show(line)).collect();
    insta::assert_snapshot!("live", shown.join("\n"));
}

/// Catches colour where nobody asked for it, and a verdict that is not the first word.
#[test]
fn colour_only_when_asked() {
    let report = run().report;
    assert!(!text::render(&report, false).as_str().contains('\x1b'));
    assert!(text::render(&report, true).as_str().starts_with("\x1b[1;31mFAIL\x1b[0m"));
    assert!(text::render(&report, false).as_str().lines().count() <= 40, "one screen");
}

/// Catches a closed loop that shows response times it cannot have, or does not say why.
#[test]
fn a_closed_loop_says_why_it_has_no_response_times() {
    let run = run_of(&Story { open_loop: false, ..Story::default() }, usual);
    assert!(run.report.phases.iter().all(|phase| phase.all.figures.response_time_us.is_none()));
    assert!(run.report.histograms.keys().all(|name| !name.contains("response_time")));
    assert!(text::render(&run.report, false).as_str().contains("no intended starts"));
}

/// Catches a field that is written but not read back, and a null that comes back as zero.
#[test]
fn json_is_read_back_as_it_was() {
    let run = run();
    let text = (json::FORMAT.render)(&run);
    assert!(text.starts_with("{\n  \"type\": \"report\",\n  \"schema_version\": 1,"));
    let Line::Report(read) = serde_json::from_str(&text).unwrap() else { panic!("{text}") };
    assert_eq!(*read, run.report);
    let line = Line::Interval(run.intervals[0].clone());
    assert_eq!(serde_json::from_str::<Line>(&line.to_json()).unwrap(), line);
    let line = Line::Event(run.events[0].clone());
    assert!(line.to_json().starts_with(
        r#"{"type":"event","at_s":7.5,"at":"2026-01-31T12:00:07.500Z","phase":"fault","event":"#
    ));
    assert_eq!(serde_json::from_str::<Line>(&line.to_json()).unwrap(), line);
}

/// Catches a moment that comes back as its neighbour, so that a report shown again differs from itself.
#[test]
fn every_digit_is_read_back() {
    let mut event = run().events[0].clone();
    for at_s in [12.816_226_521, 0.1 + 0.2, 1e-9, 86_400.000_000_001] {
        event.at_s = at_s;
        let text = Line::Event(event.clone()).to_json();
        assert_eq!(
            serde_json::from_str::<Line>(&text).unwrap(),
            Line::Event(event.clone()),
            "{text}"
        );
    }
}

/// Catches a stored run that ends the program which shows it, because no run has such counts, and one that
/// cannot be read again, because no run is so long ago.
#[test]
fn figures_that_no_run_has_are_shown() {
    let mut run = run();
    let huge = ["hit", "miss", "wrong", "stale", "shed", "error.timeout"];
    let huge = || huge.map(|name| (name.to_owned(), u64::MAX)).into();
    for interval in &mut run.intervals {
        interval.outcomes = huge();
        interval.at_s = -f64::MAX;
        interval.length_s = f64::MAX;
    }
    for phase in &mut run.report.phases {
        phase.all.figures.outcomes = huge();
    }
    let pieces = crate::report::pieces::of_intervals(&run.intervals);
    assert!(pieces.iter().all(|piece| piece.at_s.is_finite()));
    run.report.pieces.iter_mut().for_each(|piece| piece.outcomes = huge());
    assert_eq!(run.report.conservation().1, u64::MAX);
    for from_intervals in [false, true] {
        if from_intervals {
            run.report.pieces.clear();
        }
        for format in FORMATS {
            assert!(!(format.render)(&run).is_empty(), "{}", format.name);
        }
    }
}

/// Catches operations that are offered but not accounted for.
#[test]
fn outcomes_add_up_to_what_was_offered() {
    let report = run().report;
    let (offered, counted) = report.conservation();
    assert_eq!(offered, Some(counted));
    for phase in &report.phases {
        assert_eq!(phase.all.figures.outcomes.values().sum::<u64>(), phase.all.figures.offered);
        let parts = [&phase.healthy_nodes, &phase.faulty_nodes];
        let sum: u64 = parts.iter().filter_map(|part| part.as_ref().map(|part| part.offered)).sum();
        assert_eq!(sum, phase.all.figures.offered);
        let nodes = report.nodes.iter().flat_map(|node| &node.phases);
        let sum: u64 = nodes
            .filter(|figures| figures.name == phase.all.name)
            .map(|figures| figures.figures.offered)
            .sum();
        assert_eq!(sum, phase.all.figures.offered);
    }
}

/// Catches histograms that HdrHistogram tools cannot read, or that say something else.
#[test]
fn histograms_are_those_of_the_figures() {
    let run = run();
    let read = |text: &str| -> Histogram<u64> {
        let bytes = STANDARD.decode(text).unwrap();
        Deserializer::new().deserialize(&mut bytes.as_slice()).unwrap()
    };
    let steady = read(&run.report.histograms["steady.response_time"]);
    let figures = &run.report.phase(Phase::Steady).unwrap().all.figures;
    assert_eq!(steady.len(), figures.response_time_us.unwrap().count);
    let log = (hlog::FORMAT.render)(&run);
    let entries: Vec<_> = IntervalLogIterator::new(log.as_bytes())
        .map(|entry| entry.unwrap())
        .filter_map(|entry| match entry {
            LogEntry::Interval(interval) => Some(interval),
            _ => None,
        })
        .collect();
    assert_eq!(entries.len(), run.report.histograms.len());
    let tags: Vec<_> = entries.iter().map(|entry| entry.tag().unwrap().as_str()).collect();
    assert!(tags.contains(&"fault.fast_fail"), "{tags:?}");
    let entry =
        entries.iter().find(|e| e.tag().unwrap().as_str() == "steady.response_time").unwrap();
    assert_eq!(read(entry.encoded_histogram()).len(), steady.len());
}

/// Catches a page that leaves open whether our proxies or the kernel did the faults.
#[test]
fn pages_say_who_did_the_faults_of_the_network() {
    let mut run = run();
    for network in ["user", "kernel"] {
        network.clone_into(&mut run.report.network);
        let page = (html::FORMAT.render)(&run);
        assert!(page.contains(&format!(" ({network})</td>")), "{page}");
        let page = (markdown::FORMAT.render)(&run);
        assert!(page.contains(&format!("network `{network}`")), "{page}");
    }
    assert!(text::render(&run.report, false).as_str().contains("the kernel's own"));
}

/// Catches a run that somebody changed by hand and whose page in a pipeline does not say so; and a name
/// from a file or a stored run that becomes an element, a link or a command to a terminal.
#[test]
fn names_are_text_and_limits_are_told_in_every_format() {
    let mut run = run();
    let hostile = "<b>x</b> [a](b) `c` \u{1b}[2J\u{9b}1m";
    hostile.clone_into(&mut run.report.scenario);
    hostile.clone_into(&mut run.report.workload);
    hostile.clone_into(&mut run.report.reasons[0]);
    hostile.clone_into(&mut run.report.faults[0].name);
    run.report.harness.limits = vec![format!("changes made through the control API {hostile}")];
    for name in ["text", "html", "markdown", "junit"] {
        let page = (Format::find(name).unwrap().render)(&run);
        assert!(page.contains("changes made through the control API"), "{name}: {page}");
        assert!(!page.contains(['\u{1b}', '\u{9b}']), "{name}: {page:?}");
        // Between backticks an element is none.
        let outside = page.replace("`<b>x</b> [a](b) 'c' ?[2J?1m`", "");
        assert!(name == "text" || !outside.contains("<b>x"), "{name}: {page}");
        assert!(name != "markdown" || !outside.contains("[a](b)"), "{page}");
    }
}

/// Catches a run of an older version that a later one cannot show any more.
#[test]
fn runs_that_were_stored_before_are_shown() {
    for folder in ["1-first", "1-with-series"] {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/report");
        let run = Stored::read(&golden.join(folder)).expect("it was read once");
        for format in FORMATS {
            let shown = (format.render)(&run);
            assert!(shown.contains("single-node-failure") || format.name == "hlog", "{folder}");
        }
    }
}

/// Catches a format that is not in the table under its own name, or two that share a file.
#[test]
fn formats_are_told_apart() {
    let mut files: Vec<&str> = FORMATS.iter().filter_map(|format| format.file).collect();
    let names: Vec<&str> = FORMATS.iter().map(|format| format.name).collect();
    assert_eq!(names, ["json", "text", "html", "markdown", "junit", "hlog"]);
    assert!(names.iter().all(|name| Format::find(name).is_some()));
    assert!(Format::find("csv").is_none());
    files.sort_unstable();
    files.dedup();
    assert_eq!(files.len(), FORMATS.len() - 1);
}

/// Catches a report of a run that came to nothing: every place must cope with no data.
#[test]
fn an_empty_run_is_shown_too() {
    let story = Story { end_ms: HEAL_MS, every_ms: 1_000_000, ..Story::default() };
    let run = run_of(&story, usual);
    for format in FORMATS {
        assert!(!(format.render)(&run).is_empty(), "{}", format.name);
    }
    let mut bare = run;
    bare.intervals.clear();
    bare.report.phases.clear();
    bare.report.nodes.clear();
    assert_eq!(bare.report.duration_s, Offset(12_000_000_000).as_secs_f64());
    for format in FORMATS {
        assert!(!(format.render)(&bare).is_empty(), "{}", format.name);
    }
}
