//! What merging the runs of many machines costs: time and memory, for runs of a minute.
//!
//! `cargo bench --bench merge` makes up the facts of members that never ran (ten nodes, log-normal response
//! times, a fault) and merges them in a process of its own, so that nothing else is in its memory. Numbers as
//! arguments are how many members; `HARNESS_BENCH_RATE` is how many operations a second each has.

#![expect(clippy::unwrap_used, reason = "a bench that cannot start ends where it stands")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use harness::base::name::NodeIndex;
use harness::base::seed::{Seed, Stream};
use harness::base::time::{Offset, RunClock};
use harness::event::{
    ErrorClass, Extent, KeyCounts, LoadCounts, Member, Operation, Outcome, Phase, Sample,
};
use harness::judge::judge;
use harness::plan::{Library, Options, Plan, plans};
use harness::record::{
    Config, FaultRecord, Inputs, Missing, NodeInput, PhaseClock, Recorder, Summary,
};
use harness::report::Header;
use harness::run::{leave_facts, merge};
use rand_distr::{Distribution, LogNormal};
use tokio::time::Instant;

const NODES: u16 = 10;
/// The phases and when they begin, in seconds.
const PHASES: [(Phase, u64); 5] = [
    (Phase::Warmup, 0),
    (Phase::Steady, 3),
    (Phase::Fault, 18),
    (Phase::Recovery, 38),
    (Phase::Drain, 60),
];
/// Members whose samples differ; the others are copies of these.
const DIFFERENT: u32 = 8;
/// The word for the process that merges.
const CHILD: &str = "merge-child";

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    match &words[..] {
        [word, folder] if word == CHILD => measure(Path::new(folder)),
        numbers => {
            let wanted: Vec<u32> =
                numbers.iter().filter_map(|number| number.parse().ok()).collect();
            let wanted = if wanted.is_empty() { vec![1, 16, 64, 256] } else { wanted };
            wanted.into_iter().for_each(bench);
        }
    }
}

/// Merges in this process and says what it took.
fn measure(folder: &Path) {
    let begun = Instant::now();
    let merged = merge(&[folder.to_owned()], Missing::Invalid).unwrap();
    let judged = begun.elapsed();
    let (verdict, offered) = (merged.report.verdict.name(), merged.report.conservation().1);
    merged.leave(&folder.join("out")).unwrap();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or("?").trim();
    println!(
        "  merged and judged in {:.2} s, written after {:.2} s; at most {peak}; {offered} operations, {verdict}",
        judged.as_secs_f64(),
        begun.elapsed().as_secs_f64()
    );
}

fn bench(members: u32) {
    let folder = tempfile::tempdir().unwrap();
    let plan = plan();
    let rate = std::env::var("HARNESS_BENCH_RATE").ok().and_then(|rate| rate.parse().ok());
    let rate: u64 = rate.unwrap_or(2000);
    let different: Vec<Summary> =
        (0..members.min(DIFFERENT)).map(|index| summary(&plan, index, rate)).collect();
    let mut bytes = 0;
    for index in 0..members {
        bytes += leave(folder.path(), &plan, index, members, &different);
    }
    println!("{members} members, {rate} operations a second each, {} KiB of facts:", bytes >> 10);
    let program = std::env::current_exe().unwrap();
    let ended = Command::new(program).arg(CHILD).arg(folder.path()).status().unwrap();
    assert!(ended.success(), "the merge failed");
}

fn plan() -> Plan {
    let options = Options { duration: Some(Duration::from_secs(60)), ..Options::default() };
    let word = "baseline-steady".to_owned();
    let mut plan = plans(&Library::new("."), &[word], &options, Seed::new(7)).unwrap().remove(0);
    plan.nodes.count = NODES;
    plan
}

fn header(plan: &Plan) -> Header {
    Header {
        version: "0.1.0".to_owned(),
        seed: 7,
        workload: plan.workload.name.clone(),
        client_profile: plan.client_profile.clone(),
        plan_hash: plan.hash(),
        network: "user".to_owned(),
        machine: None,
        planned_s: Some(60.0),
    }
}

/// Leaves the run of one member; returns how many bytes its facts have.
fn leave(folder: &Path, plan: &Plan, index: u32, of: u32, different: &[Summary]) -> u64 {
    let folder: PathBuf = folder.join(format!("m{index:04}"));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("plan.toml"), plan.to_toml()).unwrap();
    let member = Member {
        index,
        of,
        run_id: "bench".to_owned(),
        host: format!("host{index}"),
        clock_offset_us: Some(0),
        clock_uncertainty_us: Some(200),
        late_s: None,
        without: Vec::new(),
    };
    let mut summary = different[index as usize % different.len()].clone();
    summary.started_at = different[0].started_at;
    let judgement = judge(&summary, &plan.objectives);
    leave_facts(&folder, &member, &header(plan), &summary, &judgement).unwrap();
    std::fs::metadata(folder.join("facts.ndjson")).unwrap().len()
}

/// The facts of a minute that never was.
fn summary(plan: &Plan, member: u32, rate: u64) -> Summary {
    let phases = PhaseClock::new();
    for (phase, second) in PHASES {
        phases.begin(phase, Offset::from_duration(Duration::from_secs(second)));
    }
    let config = Config {
        scenario: plan.scenario.clone(),
        nodes: usize::from(NODES),
        open_loop: true,
        operation_timeout: plan.client.operation_timeout,
    };
    let recorder = Recorder::new(config, RunClock::start(), phases);
    let shard = recorder.shard();
    let mut stream = Seed::new(7).index(u64::from(member)).stream();
    let usual = LogNormal::new(200_f64.ln(), 0.7).unwrap();
    let count = 60 * rate;
    for number in 0..count {
        shard.record(&sample(number, rate, &mut stream, usual));
    }
    let load = LoadCounts { tickets_issued: count, tickets_closed: count, ..LoadCounts::default() };
    let moment = |second| Some(Offset::from_duration(Duration::from_secs(second)));
    let fault = FaultRecord {
        name: "down".to_owned(),
        kind: "refuse".to_owned(),
        nodes: vec![NodeIndex(0)],
        parameters: std::collections::BTreeMap::new(),
        applied: moment(18),
        healed: moment(38),
        operations_touched: None,
    };
    recorder.finish(Inputs {
        ended: Offset::from_duration(Duration::from_secs(61)),
        load,
        faults: vec![fault],
        nodes: vec![NodeInput::default(); usize::from(NODES)],
        ..Inputs::default()
    })
}

fn sample(number: u64, rate: u64, stream: &mut Stream, usual: LogNormal<f64>) -> Sample {
    let due = Offset(number * (1_000_000_000 / rate));
    let node = NodeIndex(u16::try_from(number % u64::from(NODES)).unwrap());
    let failed = node.0 == 0 && (18..38).contains(&(due.0 / 1_000_000_000));
    let took = Duration::from_secs_f64(usual.sample(stream) / 1e6);
    let took = if failed { Duration::from_millis(100) } else { took };
    Sample {
        extent: Extent::Single,
        operation: Operation::Get,
        home: node,
        served_by: (!failed).then_some(node),
        outcome: if failed { Outcome::Error(ErrorClass::Timeout) } else { Outcome::Hit },
        due,
        issued: due,
        taken: due,
        sent: Some(due),
        done: due.plus(took),
        connection_wait: took / 20,
        attempts: 1,
        needed: 1,
        keys: KeyCounts::default(),
    }
}
