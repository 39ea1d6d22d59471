//! Files and options in, plans out: what ships, what is refused and where, what is printed.

mod chaos;
mod files;
mod groups;
mod nodes;
mod protocols;
mod traces;
mod waiting;

use std::time::Duration;

use harness::base::seed::Seed;
use harness::base::units::Rate;
use harness::event::Phase;
use harness::lab::{Backend, Elsewhere, Whose};
use harness::plan::{
    FaultPlan, Folder, Library, Options, Phases, Plan, RateWish, check, choose, plans, sections,
};
use harness::protocol::Protocol;
use proptest::prelude::*;
use tempfile::TempDir;

/// Everything that is built in, and nothing else.
fn shipped() -> (TempDir, Library) {
    let empty = tempfile::tempdir().expect("a directory");
    let library = Library::new(empty.path());
    (empty, library)
}

/// An external Toxiproxy.
fn toxiproxy() -> Elsewhere {
    Elsewhere { address: "127.0.0.1:8474".to_owned(), whose: Whose::Toxiproxy }
}

/// The plan of a file with this text, or the first line of the error.
fn plan_of(text: &str, options: &Options) -> Result<Plan, String> {
    let folder = tempfile::tempdir().expect("a directory");
    std::fs::write(folder.path().join("s.toml"), text).expect("a file");
    let words = ["s.toml".to_owned()];
    plans(&Library::new(folder.path()), &words, options, Seed::new(7))
        .map(|mut plans| plans.remove(0))
        .map_err(|error| error.to_string().lines().next().unwrap_or_default().to_owned())
}

fn named(name: &str, options: &Options) -> Plan {
    let (_folder, library) = shipped();
    plans(&library, &[name.to_owned()], options, Seed::new(7)).expect("a plan").remove(0)
}

/// Catches a file that ships and cannot be run, at any length.
#[test]
fn every_shipped_file_resolves() {
    let (_folder, library) = shipped();
    for duration in [None, Some(20), Some(60), Some(86_400)] {
        let options = Options { duration: duration.map(Duration::from_secs), ..Options::default() };
        let all = plans(&library, &[], &options, Seed::new(1)).unwrap();
        assert_eq!(all.len(), library.names(Folder::Scenarios).len());
        for plan in all {
            assert!(!plan.summary.is_empty());
            if let Some(duration) = options.duration {
                assert_eq!(plan.phases.total(), duration, "{}", plan.scenario);
            }
            for fault in &plan.faults {
                let end = fault.spec.at + fault.spec.length;
                assert!(!fault.spec.length.is_zero() && end <= plan.phases.fault);
            }
        }
    }
    for workload in library.names(Folder::Workloads) {
        let options = Options { workload: Some(workload.clone()), ..Options::default() };
        let plan = plans(&library, &["baseline-steady".into()], &options, Seed::new(1)).unwrap();
        assert_eq!(plan[0].workload.name, workload);
    }
}

/// Catches a duration that leaves too little to judge by and is run all the same, one that is refused
/// without the least that works or with more than that, and a phase that is scaled below its need.
#[test]
fn a_duration_is_refused_with_the_least_that_works() {
    let (_folder, library) = shipped();
    let plan = |scenario: &str, duration| {
        let options = Options { duration: Some(duration), ..Options::default() };
        plans(&library, &[scenario.to_owned()], &options, Seed::new(1))
            .map(|mut plans| plans.remove(0))
            .map_err(|error| error.to_string())
    };
    for scenario in library.names(Folder::Scenarios) {
        let written = named(&scenario, &Options::default());
        if written.faults.is_empty() {
            assert!(plan(&scenario, Duration::from_secs(1)).is_ok());
            continue;
        }
        let error = plan(&scenario, Duration::from_secs(1)).unwrap_err();
        let start = format!("-duration 1s is too short to judge {scenario}: ");
        let (_, least) = error.split_once("the least that works is ").unwrap();
        assert!(error.starts_with(&start), "{error}");
        let least = humantime::parse_duration(least).unwrap();
        assert!(least <= Duration::from_secs(15), "{scenario}: {least:?}");
        assert!(plan(&scenario, least.checked_sub(Duration::from_millis(1)).unwrap()).is_err());
        let plan = plan(&scenario, least).unwrap();
        assert_eq!(plan.phases.total(), least);
        assert!(plan.phases.recovery >= Duration::from_millis(4500), "{scenario}");
        if plan.chaos.is_some() {
            // Drawn for the length that it has.
            continue;
        }
        assert_eq!(plan.faults.len(), written.faults.len());
        for (fault, written) in plan.faults.iter().zip(&written.faults) {
            if written.fixed_length {
                assert_eq!(fault.spec.length, written.spec.length, "{scenario}");
            }
            let overlaps = |other: &&FaultPlan| {
                let (one, other) = (&fault.spec, &other.spec);
                one.at < other.at && other.at < one.at + one.length
            };
            // These are written one within the other.
            let nested = [
                "slow-close",
                "connection-timeout",
                "turned-away",
                "name-service-failure",
                "tls-handshake-hangs",
                "certificate-expired",
                "password-changed",
            ];
            let written_so = nested.contains(&scenario.as_str());
            assert!(written_so || !plan.faults.iter().any(|other| overlaps(&other)), "{scenario}");
        }
    }
    assert!(plan("gray-failure", Duration::from_secs(15)).is_ok());
    assert!(plan("cold-restart-stampede", Duration::from_secs(15)).is_ok());
}

/// Catches a workload that some scenario cannot be run with, and nobody says so: what cannot be is
/// refused by name, with what to change, and is on this list.
#[test]
fn every_workload_fits_every_scenario_or_is_refused_by_name() {
    // Each worker writes keys of its own, and these scenarios have many workers.
    let too_few_keys = |scenario: &str, workload: &str| {
        let workers = match scenario {
            "high-concurrency-latency" => 256,
            "hot-key" => 400,
            _ => 100,
        };
        let keys = match workload {
            "cas-loop" | "large-values" => 200,
            "stampede" => 500,
            _ => 1000,
        };
        // A trace has as many as it has, and no worker owns one.
        keys < workers && workload != "trace"
    };
    // A trace has arrival times of its own.
    let has_a_rate = |scenario: &str, workload: &str| {
        workload == "trace" && ["abandoned-calls", "recovery-under-load"].contains(&scenario)
    };
    let is_foreign = |protocol: Protocol, workload: &str| {
        let of_memcached = ["all-operations", "cas-loop", "key-limits", "trace"];
        protocol == Protocol::Resp && of_memcached.contains(&workload)
    };
    let (_folder, library) = shipped();
    for scenario in library.names(Folder::Scenarios) {
        let protocol = named(&scenario, &Options::default()).nodes.protocol;
        for workload in library.names(Folder::Workloads) {
            let options = Options { workload: Some(workload.clone()), ..Options::default() };
            match plans(&library, std::slice::from_ref(&scenario), &options, Seed::new(1)) {
                Ok(plans) => assert!(
                    plans[0].workload.name == workload && !too_few_keys(&scenario, &workload),
                    "{workload} on {scenario}"
                ),
                Err(error) => assert!(
                    (too_few_keys(&scenario, &workload)
                        || has_a_rate(&scenario, &workload)
                        || is_foreign(protocol, &workload))
                        && error.to_string().contains(&format!("the workload {workload}: ")),
                    "{workload} on {scenario}: {error}"
                ),
            }
        }
    }
}

/// Catches a file in the repository that nothing uses yet and that would fail whoever uses it first.
#[test]
fn every_file_in_the_repository_is_what_its_folder_says() {
    let library = Library::new(env!("CARGO_MANIFEST_DIR"));
    for folder in Folder::ALL {
        let names = library.names(folder);
        assert!(!names.is_empty(), "{}", folder.path());
        for name in names {
            let path = format!("{}/{name}.toml", folder.path());
            let noun = check(&library, &path).unwrap_or_else(|error| panic!("{error}"));
            assert!(noun.noun.ends_with(folder.noun()), "{path} is {}", noun.noun);
            assert!(noun.remarks.is_empty(), "{path}: {:?}", noun.remarks);
        }
    }
}

/// Catches a scenario of the catalogue that is missing, and a suite that lists what does not exist.
#[test]
fn the_catalogue_is_complete() {
    let (_folder, library) = shipped();
    let names = library.names(Folder::Scenarios);
    for name in [
        "asymmetric-downstream",
        "asymmetric-upstream",
        "auth-lost",
        "bandwidth-throttle",
        "baseline-direct",
        "baseline-steady",
        "big-multiget",
        "blocked-commands",
        "blocked-writes",
        "breaker-partial-outage",
        "brief-packet-drop",
        "cas-exists",
        "client-error",
        "clock-behind",
        "clock-skew",
        "cold-restart-stampede",
        "complete-failure",
        "connection-drop",
        "connection-limit",
        "connection-timeout",
        "corrupted-reply",
        "dns-flap",
        "endpoint-change",
        "eviction-pressure",
        "extra-end",
        "flapping-node",
        "flush-all",
        "gc-pauses",
        "gray-failure",
        "gray-failure-errors",
        "half-message",
        "half-open",
        "high-concurrency-latency",
        "hot-key",
        "idle-reap",
        "item-too-large",
        "key-limits",
        "latency",
        "latency-100",
        "latency-1000",
        "latency-500",
        "latency-jitter",
        "latency-then-kill",
        "limit-data",
        "list-reordered",
        "loading",
        "majority-failure",
        "moved-loop",
        "name-service-failure",
        "nil-replies",
        "not-stored",
        "oom",
        "packet-loss",
        "packet-loss-10",
        "packet-loss-25",
        "packet-loss-5",
        "pool-exhaustion-node-failure",
        "process-kill-restart",
        "pubsub-mixed",
        "readonly-replica",
        "recovery-under-load",
        "reset-peer",
        "rolling-failures",
        "scale-in",
        "scale-out",
        "script-busy",
        "server-busy",
        "server-error-oom",
        "server-idle-timeout",
        "short-length",
        "sigstop-hang",
        "silent-miss",
        "single-node-failure",
        "slicer",
        "slow-close",
        "slow-command",
        "split-brain",
        "stray-bytes",
        "swapped-replies",
        "total-packet-drop",
        "truncated-value",
        "ttl-limits",
        "turned-away",
        "two-owners",
        "unsolicited-reply",
        "value-limits",
        "wrong-key-reply",
        "wrong-value-reply",
    ] {
        assert!(names.iter().any(|shipped| shipped == name), "{name}");
    }
    let size = |suite: &str| {
        plans(&library, &[suite.to_owned()], &Options::default(), Seed::new(1)).unwrap().len()
    };
    assert!(0 < size("smoke") && size("smoke") < size("ci") && size("ci") < size("full"));
    assert_eq!(size("full"), names.len());
}

/// Catches a printed plan that cannot be run again or that would be another run.
#[test]
fn a_printed_plan_reads_back_to_itself() {
    let (_folder, library) = shipped();
    let options = Options {
        duration: Some(Duration::from_secs(47)),
        rate: Some(RateWish::PerSecond(Rate::per_second(333.25).unwrap())),
        out: Some("a \"quoted\" folder".into()),
        listen: Some("127.0.0.1:31211".parse().unwrap()),
        client: Some("classic".into()),
        backend: Some(Backend::Servers(
            ["10.0.0.1:11211", "10.0.0.2:11211", "[::1]:11211"].map(|a| a.parse().unwrap()).into(),
        )),
        ..Options::default()
    };
    for options in [Options::default(), options] {
        for plan in choose(&library, &[], &options, Seed::new(99)).unwrap().plans {
            let text = plan.to_toml();
            // Where results go is not the file's to say.
            let out = Options { out: options.out.clone(), ..Options::default() };
            assert_eq!(plan_of(&text, &out), Ok(plan.clone()), "{text}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Catches a length, rate, seed or share whose text form loses a part of it.
    #[test]
    fn any_plan_survives_its_text(
        scenario in 0_usize..64,
        millis in 1_000_u64..100_000_000,
        nanos in 0_u64..1_000_000,
        rate in prop_oneof![Just(None), (0.001_f64..1e6).prop_map(Some)],
        seed in 0_u64..1 << 53,
        // The smallest workload has keys for so many.
        concurrency in 1_u32..=200,
    ) {
        let (_folder, library) = shipped();
        let names = library.names(Folder::Scenarios);
        let options = Options {
            duration: Some(Duration::from_millis(millis) + Duration::from_nanos(nanos)),
            rate: Some(rate.and_then(Rate::per_second).map_or(RateWish::Max, RateWish::PerSecond)),
            concurrency: Some(concurrency),
            seed: Some(seed),
            ..Options::default()
        };
        let word = names[scenario % names.len()].clone();
        let plan = plans(&library, &[word], &options, Seed::new(1)).unwrap().remove(0);
        let again = plan_of(&plan.to_toml(), &Options::default());
        prop_assert_eq!(again.as_ref(), Ok(&plan));
        prop_assert_eq!(again.unwrap().hash(), plan.hash());
    }
}

/// Catches a hash that differs between equal runs, or that hides a difference.
#[test]
fn the_hash_is_of_what_is_run() {
    let plan = named("packet-loss", &Options::default());
    let other_seed = Options { seed: Some(1), out: Some("x".into()), ..Options::default() };
    assert_eq!(plan.hash(), named("packet-loss", &other_seed).hash());
    let longer = Options { duration: Some(Duration::from_secs(60)), ..Options::default() };
    for other in [
        named("packet-loss-5", &Options::default()),
        named("packet-loss", &longer),
        named("packet-loss", &Options { concurrency: Some(99), ..Options::default() }),
        named("packet-loss", &Options { client: Some("no-healing".into()), ..Options::default() }),
    ] {
        assert_ne!(plan.hash(), other.hash());
    }
    assert_eq!(plan.hash().len(), 32);
}

/// Catches a file that says where this machine is written to, and live figures so often that nothing else
/// is done.
#[test]
fn a_file_chooses_neither_a_folder_nor_an_absurd_interval() {
    let file = |line: &str| format!("summary = \"x\"\n{line}\n[phases]\nsteady = \"4s\"");
    for out in ["/etc", "../..", "runs"] {
        let error = plan_of(&file(&format!("out = {out:?}")), &Options::default()).unwrap_err();
        assert!(error.contains("s.toml:2:7: ") && error.contains("-out does"), "{error}");
    }
    for interval in ["1ns", "99ms", "0s"] {
        let line = format!("metrics_interval = {interval:?}");
        let error = plan_of(&file(&line), &Options::default()).unwrap_err();
        assert!(error.contains("write \"100ms\" or more"), "{error}");
    }
    let least = plan_of(&file("metrics_interval = \"100ms\""), &Options::default()).unwrap();
    assert_eq!(least.metrics_interval, Duration::from_millis(100));
    let often = Options { metrics_interval: Some(Duration::from_nanos(1)), ..Options::default() };
    assert!(plan_of(&file(""), &often).unwrap_err().contains("-metrics-interval"));
}

/// Catches an option that does not go before the file, or a file that does not go before a default.
#[test]
fn options_go_before_the_file_and_the_file_before_defaults() {
    let file = "summary = \"x\"\nseed = 5\nconcurrency = 7\nclient = \"classic\"\n\
                [phases]\nsteady = \"4s\"\n[nodes]\ncount = 5\nbackend = \"embedded\"";
    let plan = plan_of(file, &Options::default()).unwrap();
    assert_eq!((plan.seed, plan.concurrency), (Seed::new(5), 7));
    assert_eq!((plan.client_profile.as_str(), plan.nodes.count), ("classic", 5));
    assert_eq!((plan.scenario.as_str(), plan.workload.name.as_str()), ("s", "mixed"));
    assert_eq!(plan.metrics_interval, Duration::from_secs(2));
    assert_eq!(plan.nodes.backend, Backend::Embedded);
    let options = Options {
        seed: Some(6),
        concurrency: Some(8),
        backend: Some(Backend::Servers(vec!["127.0.0.1:1".parse().unwrap()])),
        duration: Some(Duration::from_secs(8)),
        rate: Some(RateWish::Max),
        ..Options::default()
    };
    let plan = plan_of(file, &options).unwrap();
    assert_eq!((plan.seed, plan.concurrency, plan.nodes.count), (Seed::new(6), 8, 1));
    assert_eq!(plan.phases.steady, Duration::from_secs(8));
    assert_eq!(plan.rate, Some(RateWish::Max));
    assert!(!plan.is_open_loop());
    let defaults = plan_of("summary = \"x\"\nphases.steady = \"4s\"", &Options::default()).unwrap();
    assert_eq!((defaults.seed, defaults.concurrency), (Seed::new(7), 100));
    assert!(!defaults.addresses.api.required);
}

/// Catches a scaled fault in the wrong place, and a length compared with a timeout that is scaled.
#[test]
fn faults_are_scaled_with_their_phase() {
    let double = Options { duration: Some(Duration::from_secs(52)), ..Options::default() };
    let plan = named("brief-packet-drop", &double);
    let times: Vec<(u128, u128)> = plan
        .faults
        .iter()
        .map(|fault| (fault.spec.at.as_millis(), fault.spec.length.as_millis()))
        .collect();
    assert_eq!(times, [(0, 50), (6000, 200), (12_000, 1000)]);
    let plan = named("flapping-node", &Options::default());
    let names: Vec<&str> = plan.faults.iter().map(|fault| fault.spec.name.as_str()).collect();
    assert_eq!(names, ["down-1", "down-2", "down-3", "down-4", "down-5"]);
    assert_eq!(plan.faults[4].spec.at, Duration::from_secs(16));
    let plan = named("packet-loss", &double);
    let seconds = |phases: &Phases| Phases::PLANNED.map(|phase| phases.length(phase).as_secs());
    assert_eq!(seconds(&plan.phases), [4, 7, 23, 15]);
    assert_eq!(plan.phases.length(Phase::Drain), Duration::ZERO);
    assert_eq!(plan.faults[0].spec.length, plan.phases.fault);
}

const HEAD: &str = "summary = \"x\"\n[phases]\nsteady = \"5s\"\nfault = \"10s\"\n";

/// Catches a fault that changes nothing by its settings and is run: whatever happens then proves
/// nothing about it. Each kind that can be like that, and each setting that makes it so.
#[test]
fn a_fault_that_changes_nothing_is_refused_at_its_setting() {
    let idle = [
        ("noop = {}", "7:1: `noop` changes nothing"),
        ("latency = {}", "7:1: a delay of nothing changes nothing; write for example latency = "),
        ("latency = { latency = \"0ms\" }", "7:23: a delay of nothing changes nothing"),
        ("latency_distribution = {}", "7:1: a delay of nothing"),
        (
            "latency_distribution = { distribution = \"table\", table = \"0ms, 0ms\" }",
            "7:58: a delay of nothing",
        ),
        ("packet_loss = {}", "7:1: at 0% it never happens; write for example loss_rate = \"5%\""),
        ("packet_loss = { correlation = \"50%\" }", "7:1: at 0% it never happens"),
        ("slow_close = {}", "7:1: a delay of nothing"),
        ("slow_connect = { delay = \"0ms\" }", "7:26: a delay of nothing"),
        ("slicer = {}", "7:1: with an `average_size` of 0 nothing is cut"),
        ("corrupt = { probability = \"0%\" }", "7:27: at 0% it never happens"),
        ("corrupt = { bytes = 0 }", "7:21: with 0 `bytes` nothing is changed"),
        ("memcached_busy = { probability = \"0%\" }", "7:34: at 0% it never happens"),
        ("memcached_delay = { delay = \"0ms\" }", "7:29: a delay of nothing"),
        ("toxicity = \"0%\"\nrefuse = {}", "7:12: at 0% no connection is touched"),
    ];
    for (body, message) in idle {
        let text = format!("{HEAD}[[faults]]\non = \"all\"\n{body}");
        let error = plan_of(&text, &Options::default()).unwrap_err();
        assert!(error.starts_with(&format!("s.toml:{message}")), "{body}: {error}");
    }
    for body in [
        "latency = { jitter = \"5ms\" }",
        "latency_distribution = { jitter = \"5ms\" }",
        "slicer = { delay = \"1ms\" }",
        "bandwidth = {}",
        "timeout = {}",
        "limit_data = {}",
        "reset_peer = {}",
        "memcached_delay = { delay = \"0ms\", jitter = \"5ms\" }",
        "flush = {}",
    ] {
        let text = format!("{HEAD}[[faults]]\non = \"all\"\n{body}");
        plan_of(&text, &Options::default()).unwrap_or_else(|error| panic!("{body}: {error}"));
    }
}

/// Catches an error at the wrong place, without a cause, or without what to write instead.
#[test]
fn every_mistake_is_shown_at_its_place() {
    let fault = |body: &str| format!("{HEAD}[[faults]]\n{body}");
    let cases = [
        ("sumary = \"x\"".to_owned(), "s.toml:1:1: unknown key `sumary`; did you mean `summary`?"),
        (
            "phases.steady = \"5s\"".to_owned(),
            "s.toml:1:1: `summary` is missing: what the scenario shows, in one line",
        ),
        (
            "summary = \"x\"".to_owned(),
            "s.toml:1:1: `phases` is missing: a table with the length of each phase",
        ),
        (
            "summary = \"x\"\n[phases]\nsteady = \"5\"".to_owned(),
            "s.toml:3:10: `steady`: \"5\" has no unit; write \"5s\", \"5ms\" or \"5m\"",
        ),
        (
            "summary = \"x\"\n[phases]\nsteady = 5".to_owned(),
            "s.toml:3:10: `steady`: \"5\" has no unit; write \"5s\", \"5ms\" or \"5m\"",
        ),
        (
            "summary = \"x\"\n[phases]\nstaedy = \"5s\"".to_owned(),
            "s.toml:3:1: unknown phase `staedy`; did you mean `steady`?",
        ),
        (
            "summary = \"x\"\n[phases]\nwarmup = \"5s\"".to_owned(),
            "s.toml:2:2: `steady` is missing: without a baseline nothing can be judged",
        ),
        (
            "summary = \"x\"\nrate = 2000\n[phases]\nsteady = \"5s\"".to_owned(),
            "s.toml:2:8: `rate`: \"2000\" is no rate; write \"2000/s\" (events a second, above zero)",
        ),
        (
            "summary = \"x\"\nworkload = \"mixd\"\n[phases]\nsteady = \"5s\"".to_owned(),
            "s.toml:2:12: unknown workload `mixd`; did you mean `mixed`?",
        ),
        (
            "summary = \"x\"\nclient = \"clasic\"\n[phases]\nsteady = \"5s\"".to_owned(),
            "s.toml:2:10: unknown client profile `clasic`; did you mean `classic`?",
        ),
        (
            "summary = \"x\"\nsuites = [\"smokey\"]\n[phases]\nsteady = \"5s\"".to_owned(),
            "s.toml:2:11: unknown suite `smokey`; did you mean `smoke`?",
        ),
        (
            fault("on = \"all\"\nlatancy = { latency = \"5ms\" }"),
            "s.toml:7:1: unknown fault or key `latancy`; did you mean `latency`?",
        ),
        (
            fault("on = \"all\"\nlatency = { latency = 500 }"),
            "s.toml:7:23: `latency`: \"500\" has no unit; write \"500s\", \"500ms\" or \"500m\"",
        ),
        (
            fault("on = \"all\"\npacket_loss = { loss_rate = 0.05 }"),
            "s.toml:7:29: `loss_rate`: \"0.05\" is no ratio; write \"5%\"",
        ),
        (
            fault("on = [\"n1\", \"n4\"]\nrefuse = {}"),
            "s.toml:6:13: there is no node `n4`; nodes are n1 to n3, or \"all\"",
        ),
        (fault("on = [\"n1\", \"n1\"]\nrefuse = {}"), "s.toml:6:13: `n1` is listed twice"),
        (
            fault("refuse = {}"),
            "s.toml:5:1: `on` is missing: `\"all\"`, or nodes such as `[\"n1\"]`",
        ),
        (
            fault("on = \"all\""),
            "s.toml:5:1: the fault has no kind; write for example packet_loss = { loss_rate = \"5%\" }",
        ),
        (
            fault("on = \"all\"\nrefuse = {}\nnoop = {}"),
            "s.toml:8:1: `refuse` and `noop`: a fault has one kind; write a second [[faults]]",
        ),
        (
            fault("on = \"all\"\nat = \"8s\"\nfor = \"3s\"\nrefuse = {}"),
            "s.toml:8:7: the fault ends 11s into a fault phase that is 10s long",
        ),
        (
            fault("on = \"all\"\nat = \"10s\"\nrefuse = {}"),
            "s.toml:7:6: a fault of no length; the fault phase is 10s long",
        ),
        (
            fault("on = \"all\"\nfor = \"2s\"\ntimes = 2\nevery = \"1s\"\nrefuse = {}"),
            "s.toml:9:9: `every` must be at least as long as `for`: 2s",
        ),
        (
            fault("on = \"all\"\nrefuse = {}\n[[faults]]\non = \"all\"\nrefuse = {}"),
            "s.toml:8:1: two faults are called `refuse`; give each its own `name`",
        ),
        (
            fault("on = \"all\"\nstream = \"upsteam\"\nreset_peer = {}"),
            "s.toml:7:10: unknown stream `upsteam`; did you mean `upstream`?",
        ),
        (
            fault("on = \"all\"\nstream = \"upstream\"\nkill = {}"),
            "s.toml:7:1: `stream` is for faults of the network; `kill` is one of the node itself",
        ),
        (
            "summary = \"x\"\nphases.steady = \"5s\"\n[[faults]]\non = \"all\"\nrefuse = {}"
                .to_owned(),
            "s.toml:5:1: there is no fault phase; give `fault` a length under [phases]",
        ),
        (
            format!("{HEAD}[nodes]\nservers = [\"cache:11211\"]"),
            "s.toml:6:12: `servers`: \"cache:11211\" is no numeric address with a port; write \"127.0.0.1:11211\"",
        ),
        (format!("{HEAD}[nodes]\nservers = []"), "s.toml:6:11: `servers` needs 1 to 100 addresses"),
        (
            format!("{HEAD}[nodes]\ncount = 2\nservers = [\"127.0.0.1:1\"]"),
            "s.toml:6:1: `count` and `servers` exclude each other",
        ),
        (
            format!("{HEAD}[client]\nbase = \"classic\"\n[client.breaker]\nwindow = \"0s\""),
            "s.toml:8:10: `breaker.window` must lie between 1ms and a year",
        ),
        (
            format!("{HEAD}[client.selector]\nketema = {{}}"),
            "s.toml:6:1: unknown selector `ketema`; did you mean `ketama`?",
        ),
        (
            format!(
                "{HEAD}[[objective]]\nname = \"e\"\nmeasure = \"eror_ratio\"\nat_most = \"1%\""
            ),
            "s.toml:7:11: unknown measure `eror_ratio`; did you mean `error_ratio`?",
        ),
        (
            format!("{HEAD}[[objective]]\nname = \"e\"\nmeasure = \"error_ratio\"\nat_most = 0.01"),
            "s.toml:8:11: `at_most`: \"0.01\" is no ratio; write \"1%\"",
        ),
        (
            format!("{HEAD}[[objective]]\nname = \"e\"\nmeasure = \"error_ratio\""),
            "s.toml:5:1: the objective has no bound; write `at_most = \"5%\"` or `at_least = \"5%\"`",
        ),
        (
            format!(
                "{HEAD}[[objective]]\nname = \"e\"\nmeasure = \"error_ratio\"\nphase = \"recovery\"\n\
                 at_most = \"1%\""
            ),
            "s.toml:5:1: the objective `e` is about the phase `recovery`, which has no length",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(plan_of(&text, &Options::default()).unwrap_err(), expected, "{text}");
    }
}

/// Catches an option that cannot be followed and is, or an error that does not name the flag.
#[test]
fn options_that_do_not_fit_are_refused() {
    let file = "summary = \"x\"\n[phases]\nsteady = \"5s\"";
    let of = |options: Options| plan_of(file, &options).unwrap_err();
    assert_eq!(
        of(Options { duration: Some(Duration::from_millis(5)), ..Options::default() }),
        "-duration 5ms is not possible; a run takes between 1s and 1year"
    );
    assert!(
        of(Options {
            concurrency: Some(9999),
            workload: Some("nope".into()),
            ..Options::default()
        })
        .starts_with("unknown workload `nope`")
    );
    assert!(
        of(Options { concurrency: Some(20_000), ..Options::default() }).contains("-concurrency")
    );
    assert!(
        of(Options { client: Some("x/none.toml".into()), ..Options::default() })
            .starts_with("cannot read x/none.toml: ")
    );
    let twice = ["127.0.0.1:1", "127.0.0.1:1"].map(|address| address.parse().unwrap());
    assert_eq!(
        of(Options { backend: Some(Backend::Servers(twice.into())), ..Options::default() }),
        "-servers lists 127.0.0.1:1 twice"
    );
    let last_port = Some("127.0.0.1:65535".parse().unwrap());
    assert!(of(Options { listen: last_port, ..Options::default() }).contains("-listen"));
}

/// Catches a fault of ours that is silently left out because an external Toxiproxy has none like it.
#[test]
fn an_external_toxiproxy_must_know_the_fault() {
    let options = Options { elsewhere: Some(toxiproxy()), ..Options::default() };
    let file = |fault: &str| format!("{HEAD}[[faults]]\non = \"all\"\n{fault}");
    assert_eq!(
        plan_of(&file("packet_loss = { loss_rate = \"5%\" }"), &options).unwrap_err(),
        "the fault `packet_loss` is a packet_loss, which only our own proxies can do; \
         leave out -toxiproxy, or give it a `harness proxy` (-proxy)"
    );
    assert!(plan_of(&file("latency = { latency = \"5ms\" }"), &options).is_ok());
    assert!(plan_of(&file("kill = {}"), &options).is_ok());
    let ours = Elsewhere { whose: Whose::Harness, ..toxiproxy() };
    let options = Options { elsewhere: Some(ours), ..Options::default() };
    let plan = plan_of(&file("memcached_error = {}"), &options).unwrap();
    let again = plan_of(&plan.to_toml(), &Options::default()).unwrap();
    assert_eq!(again.elsewhere, plan.elsewhere);
    let both = format!("proxy = \"a:1\"\ntoxiproxy = \"b:2\"\n{HEAD}");
    assert!(plan_of(&both, &Options::default()).unwrap_err().contains("leave out one"));
}

/// Catches one member that ends a whole suite because of an option that the others can follow, one
/// that is left out without a reason, and a wrong file or option that is taken for such a member.
#[test]
fn members_that_cannot_follow_an_option_are_left_out() {
    let (_empty, library) = shipped();
    let choose = |words: &[&str], options: &Options| {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        choose(&library, &words, options, Seed::new(1))
    };
    let all = library.names(Folder::Scenarios).len();
    let server = |port: u16| std::net::SocketAddr::from(([127, 0, 0, 1], port));
    for (options, reason) in [
        (Options { elsewhere: Some(toxiproxy()), ..Options::default() }, "-toxiproxy"),
        (Options { backend: Some(Backend::Servers(vec![server(1)])), ..Options::default() }, "n2"),
        (Options { duration: Some(Duration::from_secs(5)), ..Options::default() }, "-duration 5s"),
    ] {
        let choice = choose(&[], &options).unwrap();
        assert!(!choice.plans.is_empty() && !choice.skipped.is_empty(), "{reason}");
        assert_eq!(choice.plans.len() + choice.skipped.len(), all, "{reason}");
        let whys: Vec<_> = choice.skipped.iter().map(|(_, error)| error.what()).collect();
        assert!(whys.iter().any(|why| why.contains(reason)), "{whys:?}");
        assert!(whys.iter().all(|why| !why.contains('\n')), "{whys:?}");
        let alone = choose(&[&choice.skipped[0].0], &options).unwrap_err();
        assert_eq!(alone.what(), whys[0]);
    }
    let unknown = Options { workload: Some("mixd".into()), ..Options::default() };
    assert!(choose(&[], &unknown).unwrap_err().what().contains("did you mean `mixed`"));
    let folder = tempfile::tempdir().unwrap();
    let broken = folder.path().join("broken.toml");
    std::fs::write(&broken, "summary = 1").unwrap();
    let words = ["baseline-steady", broken.to_str().unwrap()];
    assert!(choose(&words, &Options::default()).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Catches a panic on a file that was cut, doubled or scribbled on.
    #[test]
    fn damaged_files_are_errors_or_plans(
        at in 0.0_f64..1.0,
        length in 0_usize..12,
        scribble in "[-a-z0-9\"=.{}\\[\\]\n ä]{0,6}",
    ) {
        let text = include_str!("../../scenarios/flapping-node.toml");
        let characters: Vec<char> = text.chars().collect();
        let at = (at * characters.len() as f64) as usize;
        let rest = characters.len().min(at + length);
        let damaged: String =
            characters[..at].iter().copied().chain(scribble.chars()).chain(characters[rest..].iter().copied()).collect();
        if let Err(error) = plan_of(&damaged, &Options::default()) {
            prop_assert!(!error.is_empty());
        }
    }
}

/// Catches a word for scenarios that means something else.
#[test]
fn words_mean_scenarios_suites_and_files() {
    let (folder, library) = shipped();
    let names = |words: &[&str]| -> Vec<String> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        let plans = plans(&library, &words, &Options::default(), Seed::new(1)).unwrap();
        plans.into_iter().map(|plan| plan.scenario).collect()
    };
    assert_eq!(names(&["latency", "baseline-steady"]), ["latency", "baseline-steady"]);
    assert_eq!(names(&["latency", "latency"]), ["latency"]);
    assert_eq!(names(&["all"]), names(&["full"]));
    std::fs::write(folder.path().join("mine.toml"), "summary=\"x\"\nphases.steady=\"2s\"").unwrap();
    assert_eq!(names(&["mine.toml", "latency"]), ["mine", "latency"]);
    std::fs::create_dir(folder.path().join("scenarios")).unwrap();
    let own = folder.path().join("scenarios/latency.toml");
    std::fs::write(own, "summary=\"mine\"\nphases.steady=\"2s\"").unwrap();
    let plan = plans(&library, &["latency".into()], &Options::default(), Seed::new(1)).unwrap();
    assert_eq!(plan[0].summary, "mine");
}

/// Catches a kind of file that `check` takes for another, or a mistake that it lets through.
#[test]
fn check_tells_files_apart() {
    let folder = tempfile::tempdir().unwrap();
    let library = Library::new(folder.path());
    let of = |text: &str| {
        std::fs::write(folder.path().join("f.toml"), text).unwrap();
        check(&library, "f.toml")
            .map(|checked| checked.noun)
            .map_err(|error| error.to_string().lines().next().unwrap().to_owned())
    };
    let workload = "summary = \"x\"\n[arrival]\nconstant = {}\n[keys]\nuniform = {}\n[values]\n\
                    fixed = {}\n[mix]\nget = 1";
    assert_eq!(of(HEAD), Ok("a scenario"));
    assert_eq!(of("[[run]]\nscenario = \"latency\""), Ok("a suite"));
    assert_eq!(of(workload), Ok("a workload"));
    assert_eq!(of("measure = \"wrong_data\"\nat_most = 0"), Ok("an objective"));
    assert_eq!(of("operation_timeout = \"50ms\""), Ok("a client profile"));
    assert_eq!(
        of(&workload.replace("get = 1", "get = 0")),
        Err("f.toml:9:7: `get` must lie between 1 and 1000000".to_owned())
    );
    assert_eq!(
        of(&workload.replace("get", "gett")),
        Err("f.toml:9:1: unknown operation `gett`; did you mean `get`?".to_owned())
    );
    assert_eq!(
        of("x = 1\nx ="),
        Err("f.toml:2:4: string values must be quoted, expected literal string".to_owned())
    );
}

/// Catches a table whose kinds nobody can look up.
#[test]
fn everything_with_a_name_is_listed() {
    let (_folder, library) = shipped();
    let sections = sections(&library).unwrap();
    let row = |title: &str, name: &str| {
        let of_title = sections.iter().filter(|section| section.title == title);
        of_title
            .flat_map(|section| &section.rows)
            .any(|(row, summary)| row == name && !summary.is_empty())
    };
    for (title, name) in [
        ("scenarios", "packet-loss"),
        ("scenarios", "baseline-steady"),
        ("scenarios", "silent-miss"),
        ("suites", "smoke"),
        ("suites", "five-minutes"),
        ("workloads", "mixed"),
        ("toxics", "latency"),
        ("node faults", "kill"),
        ("node faults", "clock"),
        ("node faults", "move"),
        ("node faults", "two_owners"),
        ("node faults", "dns"),
        ("lies", "dropped-set"),
        ("broken clients", "leaking-pool"),
        ("hash strategies", "ketama"),
        ("client profiles", "no-healing"),
        ("measures", "wrong_data"),
    ] {
        assert!(row(title, name), "{title}: {name}");
    }
}
