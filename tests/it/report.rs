//! A run as the composition root tells it: recorded, journalled, judged, stored, shown again.

use std::fs;
use std::path::Path;
use std::time::Duration;

use harness::base::name::NodeIndex;
use harness::base::seed::Seed;
use harness::base::time::{Offset, RunClock};
use harness::event::{
    BreakerState, EventKind, Extent, KeyCounts, Operation, Outcome, Phase, Sample,
};
use harness::judge::{MEASURES, judge};
use harness::record::journal::{self, Journal};
use harness::record::{
    Config, Connections, Inputs, LoadCounts, NodeInput, NodeLive, Partial, PhaseClock, Recorder,
};
use harness::report::{FORMATS, Header, Line, Report, Stored, write_all};

const OPERATIONS: u64 = 3000;

fn sample(number: u64) -> Sample {
    let due = Offset::from_duration(Duration::from_millis(1000 + number));
    Sample {
        extent: Extent::Single,
        operation: Operation::Set,
        home: NodeIndex((number % 3) as u16),
        served_by: None,
        outcome: Outcome::Stored,
        due,
        issued: due,
        taken: due,
        sent: Some(due),
        done: due.plus(Duration::from_micros(150)),
        connection_wait: Duration::ZERO,
        attempts: 1,
        needed: 1,
        keys: KeyCounts::default(),
    }
}

fn record() -> Recorder {
    let phases = PhaseClock::new();
    phases.begin(Phase::Warmup, Offset(0));
    phases.begin(Phase::Steady, Offset::from_duration(Duration::from_secs(1)));
    let config = Config {
        scenario: "told".to_owned(),
        nodes: 3,
        open_loop: true,
        operation_timeout: Duration::from_millis(100),
    };
    let recorder = Recorder::new(config, RunClock::start(), phases);
    let shards = [recorder.shard(), recorder.shard()];
    for number in 0..OPERATIONS {
        shards[number as usize % 2].record(&sample(number));
    }
    recorder
}

fn live() -> NodeLive {
    NodeLive {
        requests: None,
        connections: Some(Connections { open: 4, ..Connections::default() }),
        dialled: Some(4),
        open: Some(4),
        breaker: Some(BreakerState::Closed),
        active_faults: Vec::new(),
    }
}

fn inputs(partial: Option<Partial>) -> Inputs {
    Inputs {
        ended: Offset::from_duration(Duration::from_secs(4)),
        partial,
        load: LoadCounts {
            tickets_issued: OPERATIONS,
            tickets_closed: OPERATIONS,
            ..LoadCounts::default()
        },
        nodes: vec![NodeInput::default(); 3],
        ..Inputs::default()
    }
}

fn journalled(out: &Path, partial: Option<Partial>) -> (Journal, Report) {
    let recorder = record();
    let clock = RunClock::start();
    let mut journal = Journal::create(out, "told", clock.started_at(), &Seed::new(7), "seed = 7\n")
        .expect("the folder can be written");
    let event = recorder.event(EventKind::PhaseStarted);
    journal.event(&Line::Event(event));
    let now = Offset::from_duration(Duration::from_secs(4));
    let interval = recorder.intervals(now, &[live(), live(), live()]).remove(0);
    assert_eq!(interval.operations, OPERATIONS);
    journal.interval(&Line::Interval(interval));
    let summary = recorder.finish(inputs(partial));
    let header = Header {
        version: "0.1.0".to_owned(),
        seed: 7,
        workload: "told".to_owned(),
        client_profile: "default".to_owned(),
        plan_hash: String::new(),
        network: "user".to_owned(),
        machine: None,
        planned_s: None,
    };
    let report = Report::new(header, &summary, &judge(&summary, &[]));
    (journal, report)
}

/// Catches a stored run from which some format cannot be rendered again, or comes out different.
#[test]
fn a_stored_run_renders_again_to_the_same() {
    let out = tempfile::tempdir().unwrap();
    let (journal, report) = journalled(out.path(), None);
    let path = journal.folder().join("report.json");
    journal::write_whole(&path, Line::Report(Box::new(report)).to_json().as_bytes()).unwrap();
    let mut stored = Stored::read(journal.folder()).unwrap();
    assert_eq!((stored.intervals.len(), stored.events.len()), (1, 1));
    assert!(write_all(&journal, &mut stored).is_empty());
    let again = Stored::read(&out.path().join(journal::LATEST)).unwrap();
    assert_eq!(again, stored);
    for format in FORMATS {
        if let Some(file) = format.file {
            let written = fs::read_to_string(journal.folder().join(file)).unwrap();
            assert_eq!(written, (format.render)(&again), "{file}");
        }
    }
}

/// Catches a crash in the middle of a line that makes the whole run unreadable, and damage further
/// up that goes unnoticed.
#[test]
fn a_line_cut_short_by_a_crash_is_left_out() {
    let out = tempfile::tempdir().unwrap();
    let (journal, report) = journalled(out.path(), Some(Partial::Error));
    journal.write("report.json", Line::Report(Box::new(report)).to_json().as_bytes()).unwrap();
    let path = journal.folder().join(journal::EVENTS);
    let whole = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{whole}{{\"type\":\"event\",\"at_s\":1")).unwrap();
    assert_eq!(Stored::read(journal.folder()).unwrap().events.len(), 1);
    fs::write(&path, format!("nonsense\n{whole}")).unwrap();
    let error = Stored::read(journal.folder()).unwrap_err().to_string();
    assert!(error.contains("events.ndjson:1: "), "{error}");
    fs::remove_file(journal.folder().join("report.json")).unwrap();
    let error = Stored::read(journal.folder()).unwrap_err().to_string();
    assert!(error.contains("report.json"), "{error}");
}

/// Catches a shipped objective that names no measure, or a bound in another unit.
#[test]
fn shipped_objectives_name_measures_in_their_units() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("metrics/objectives");
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let table: toml::Table = fs::read_to_string(&path).unwrap().parse().unwrap();
        let text = |key: &str| table.get(key).and_then(|value| value.as_str());
        let name = text("measure").unwrap();
        let measure = MEASURES.iter().find(|measure| measure.name == name);
        let measure = measure.unwrap_or_else(|| panic!("{}: no measure {name}", path.display()));
        let bound = table.get("at_most").or_else(|| table.get("at_least")).unwrap();
        let written = bound.as_str().map_or_else(|| bound.to_string(), str::to_owned);
        assert!(measure.unit.parse("bound", &written).is_ok(), "{}", path.display());
        assert_eq!(measure.unit.is_bare(), !bound.is_str(), "{}", path.display());
        assert!(text("summary").is_some_and(|summary| !summary.is_empty()), "{}", path.display());
        count += 1;
    }
    assert!(count >= 14);
}
