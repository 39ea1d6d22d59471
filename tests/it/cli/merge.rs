//! `harness merge`: exit codes, what is printed where, and the folder that is left.

use std::path::Path;
use std::time::Duration;

use harness::base::name::NodeIndex;
use harness::base::seed::Seed;
use harness::base::time::{Offset, RunClock};
use harness::event::{Extent, KeyCounts, LoadCounts, Member, Operation, Outcome, Phase, Sample};
use harness::judge::judge;
use harness::plan::{Library, Options, Plan, plans};
use harness::record::{Config, Inputs, PhaseClock, Recorder, Summary};
use harness::report::Header;
use harness::run::leave_facts;

use super::harness;

/// Operations of one member.
const OPERATIONS: u64 = 2000;

fn plan() -> Plan {
    let library = Library::new(".");
    let word = "baseline-steady".to_owned();
    let mut plans = plans(&library, &[word], &Options::default(), Seed::new(7)).unwrap();
    Plan { objectives: Vec::new(), ..plans.remove(0) }
}

fn summary(plan: &Plan, clock: RunClock) -> Summary {
    let phases = PhaseClock::new();
    phases.begin(Phase::Warmup, Offset(0));
    phases.begin(Phase::Steady, Offset::from_duration(Duration::from_secs(1)));
    let config = Config {
        scenario: plan.scenario.clone(),
        nodes: usize::from(plan.nodes.count),
        open_loop: true,
        operation_timeout: Duration::from_millis(100),
    };
    let recorder = Recorder::new(config, clock, phases);
    let shard = recorder.shard();
    for number in 0..OPERATIONS {
        let due = Offset::from_duration(Duration::from_millis(1000 + number));
        shard.record(&Sample {
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
        });
    }
    let load = LoadCounts {
        tickets_issued: OPERATIONS,
        tickets_closed: OPERATIONS,
        ..LoadCounts::default()
    };
    let ended = Offset::from_duration(Duration::from_secs(4));
    recorder.finish(Inputs { ended, load, ..Inputs::default() })
}

/// The runs of two members below `folder`.
fn leave(folder: &Path) {
    let (plan, clock) = (plan(), RunClock::start());
    let header = Header {
        version: "0.1.0".to_owned(),
        seed: 7,
        workload: plan.workload.name.clone(),
        client_profile: plan.client_profile.clone(),
        plan_hash: plan.hash(),
        network: "user".to_owned(),
        machine: None,
        planned_s: None,
    };
    for index in 0..2 {
        let own = folder.join(format!("r1-{index}"));
        std::fs::create_dir_all(&own).unwrap();
        std::fs::write(own.join("plan.toml"), plan.to_toml()).unwrap();
        let member = Member {
            index,
            of: 2,
            run_id: "r1".to_owned(),
            host: format!("host{index}"),
            clock_offset_us: Some(0),
            clock_uncertainty_us: Some(100),
            late_s: None,
            without: Vec::new(),
        };
        let summary = summary(&plan, clock);
        leave_facts(&own, &member, &header, &summary, &judge(&summary, &[])).unwrap();
    }
}

/// Catches a merged run that ends with another code than its verdict's, that prints something else on
/// stdout than what was asked for, or that cannot be shown again.
#[test]
fn a_merged_run_ends_as_its_verdict_says() {
    let folder = tempfile::tempdir().unwrap();
    leave(&folder.path().join("all"));
    let merge = |line: &str| {
        let output = harness(&folder, line).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    };
    let (code, stdout, stderr) = merge("merge all -format json");
    let report: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((code, report["verdict"].as_str()), (0, Some("pass")), "{stderr}");
    assert_eq!(report["phases"][1]["offered"], 2 * OPERATIONS);
    assert_eq!(report["members"][1]["host"], "host1");
    let left = stderr.trim().strip_prefix("merged into ").unwrap();
    let (code, shown, stderr) = merge(&format!("report {left} -format text"));
    assert!(code == 0 && shown.contains("2 of 2 members of r1"), "{shown}{stderr}");
    let (code, _, stderr) = merge(&format!("compare {left} runs/latest"));
    assert_eq!(code, 0, "{stderr}");
    let (code, _, stderr) = merge("merge all -out all/r1-0/plan.toml");
    assert_eq!(code, 5, "a pass that left nothing is none");
    assert!(stderr.contains("choose another folder with -out"), "{stderr}");
    std::fs::remove_file(folder.path().join("all/r1-1/facts.ndjson")).unwrap();
    let (code, stdout, _) = merge("merge all");
    assert!(code == 4 && stdout.contains("member 1: it left no facts"), "{stdout}");
    let (code, stdout, _) = merge("merge all -missing narrow");
    assert!(code == 0 && stdout.contains("narrower than planned"), "{stdout}");
}
