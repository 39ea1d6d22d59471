//! Servers that already run: ours to ask, not ours to kill.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};

use harness::event::{EventKind, Phase};
use harness::judge::Grade;
use harness::report::Line;

use super::{Place, Running, assert_sound};
use crate::memcached::Memcached;

fn servers() -> [Memcached; 3] {
    std::array::from_fn(|_| Memcached::start())
}

fn list(servers: &[Memcached]) -> String {
    servers.iter().map(Memcached::upstream).collect::<Vec<&str>>().join(",")
}

/// Catches a run that kills, or pretends to kill, a process that is not its own.
#[test]
#[cfg_attr(not(real_memcached), ignore = "needs memcached on PATH")]
fn processes_of_others_are_not_killed() {
    let servers = servers();
    for (scenario, fault) in
        [("process-kill-restart", "`killed` (kill)"), ("sigstop-hang", "(pause)")]
    {
        let place = Place::new();
        let ended = place.play(&format!(
            "-scenario {scenario} -duration 10s -servers {} -out o",
            list(&servers)
        ));
        ended.refused(3, &["error: fault ", fault, servers[0].upstream(), "-servers"]);
        assert!(!place.path("o").exists(), "a folder of runs was made");
    }
}

/// Answers `version` and nothing else, for as long as the test process lives.
#[expect(clippy::disallowed_methods, reason = "it must answer while the program is waited for")]
fn only_says_its_version() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        let mut open = Vec::new();
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut line = [0; 9];
            if stream.peek(&mut line).is_ok_and(|read| line[..read].starts_with(b"version")) {
                let _ = stream.write_all(b"VERSION 1.6.18\r\n");
            }
            open.push(stream);
        }
    });
    address
}

/// Catches a run on a node that takes nothing: what its keys then miss is no news about the client.
#[test]
fn a_node_that_stores_nothing_ends_the_run_before_it_begins() {
    let place = Place::new();
    place.scenario(
        "plain",
        "objectives = [\"no-wrong-data\"]\n[phases]\nwarmup = \"500ms\"\nsteady = \"1s\"\n",
    );
    let server = only_says_its_version();
    let ended =
        place.play(&format!("-scenario plain.toml -duration 1500ms -servers {server} -out o"));
    assert_eq!(ended.code, 3, "{}", ended.stderr);
    assert!(ended.stderr.contains("n1 stored none of its 400 keys"), "{}", ended.stderr);
    assert!(ended.stderr.contains(&server), "{}", ended.stderr);
}

/// One exchange with a server, behind the run's back.
fn tell(server: &Memcached, request: &str) -> String {
    let mut stream = TcpStream::connect(server.upstream()).unwrap();
    stream.write_all(format!("{request}\r\nquit\r\n").as_bytes()).unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    reply
}

const COUNTING: &str = "objectives = [\"no-wrong-data\", \"no-lost-writes\"]\n[phases]\n\
                        warmup = \"500ms\"\nsteady = \"3s\"\n";

/// A run of counters on these servers, when its steady phase has just begun.
fn count_on(place: &Place, servers: &[Memcached]) -> Running {
    place.scenario("counting", COUNTING);
    let mut running = place.start(&format!(
        "-scenario counting.toml -duration 3500ms -servers {} -out o",
        list(servers)
    ));
    running.until(|line| {
        matches!(line, Line::Event(event) if event.phase == Phase::Steady
            && event.kind == EventKind::PhaseStarted)
    });
    running
}

/// Catches a loss that is not looked for and reported as none: somebody else empties the servers.
#[test]
#[cfg_attr(not(real_memcached), ignore = "needs memcached on PATH")]
fn what_others_empty_is_not_judged_and_never_a_pass() {
    let servers = servers();
    let place = Place::new();
    let mut running = count_on(&place, &servers);
    assert!(servers.iter().all(|server| tell(server, "flush_all") == "OK\r\n"));
    let (lines, code) = running.rest();
    let Some(Line::Report(report)) = lines.last() else { panic!("no report") };
    assert_sound(report);
    assert_eq!(code, 4, "{:?}", report.reasons);
    assert_eq!(report.data.totals.acknowledged_but_lost, None);
    let lost = report.objectives.iter().find(|graded| graded.name == "no-lost-writes").unwrap();
    assert_eq!((lost.grade, lost.measured), (Grade::Inconclusive, None), "{}", lost.why);
    assert!(lost.why.contains("somebody else emptied it"), "{}", lost.why);
    let told = |limit: &String| limit.contains("acknowledged_but_lost not judged in full");
    assert!(report.harness.limits.iter().any(told), "{:?}", report.harness.limits);
}

/// Catches a server that keeps everything and is excused all the same because others started it: here
/// one key after the other is removed behind the run's back.
#[test]
#[cfg_attr(not(real_memcached), ignore = "needs memcached on PATH")]
fn what_a_server_loses_counts_although_others_started_it() {
    let servers = servers();
    let place = Place::new();
    let mut running = count_on(&place, &servers);
    let slabs = (1..8).map(|slab| tell(&servers[0], &format!("stats cachedump {slab} 0")));
    let listed: String = slabs.collect();
    let keys = listed.lines().filter_map(|line| line.strip_prefix("ITEM ")?.split(' ').next());
    let counters = keys.filter(|key| key.contains(":c:"));
    let deleted =
        counters.filter(|key| tell(&servers[0], &format!("delete {key}")) == "DELETED\r\n");
    assert!(deleted.count() > 20);
    let (lines, code) = running.rest();
    let Some(Line::Report(report)) = lines.last() else { panic!("no report") };
    assert!(report.data.totals.acknowledged_but_lost > Some(0), "{:?}", report.data);
    let lost = report.objectives.iter().find(|graded| graded.name == "no-lost-writes").unwrap();
    assert_eq!(lost.grade, Grade::Fail, "{}", lost.why);
    assert_ne!(code, 0, "{:?}", report.reasons);
}

/// Catches a full server that is blamed for making room, and one whose losses are not looked at all.
#[test]
#[cfg_attr(not(real_memcached), ignore = "needs memcached on PATH")]
fn a_full_server_may_make_room() {
    let server = Memcached::with(&["-m", "2"]);
    let place = Place::new();
    let text = COUNTING.to_owned()
        + "[workload]\nname = \"large\"\nsummary = \"more than fits\"\n[workload.arrival]\n\
           constant = { rate = \"300/s\" }\n[workload.keys]\nuniform = { count = 1000 }\n\
           [workload.values]\nfixed = { size = \"12KiB\" }\n[workload.mix]\nget = 70\nset = 30\n";
    std::fs::write(place.path("full.toml"), format!("summary = \"s\"\nconcurrency = 8\n{text}"))
        .unwrap();
    let ended = place.play(&format!(
        "-scenario full.toml -duration 3500ms -servers {} -out o",
        server.upstream()
    ));
    let report = ended.report();
    assert_sound(&report);
    assert!(tell(&server, "stats").contains("STAT evictions "));
    assert_eq!(report.data.totals.false_misses, Some(0), "{:?}", report.data);
    assert_eq!(report.data.totals.acknowledged_but_lost, Some(0), "{:?}", report.data);
    let told = |limit: &String| limit.contains("to make room");
    assert!(report.harness.limits.iter().any(told), "{:?}", report.harness.limits);
}

/// Catches a fault of the network that needs a node of our own.
#[test]
#[cfg_attr(not(real_memcached), ignore = "needs memcached on PATH")]
fn the_network_in_front_of_others_can_fail() {
    let servers = servers();
    let place = Place::new();
    place.scenario(
        "refuses",
        "objectives = [\"no-wrong-data\"]\n[phases]\nwarmup = \"500ms\"\nsteady = \"500ms\"\n\
         fault = \"1s\"\nrecovery = \"500ms\"\n[[faults]]\nname = \"down\"\non = [\"n3\"]\n\
         refuse = {}\n",
    );
    let ended = place.play(&format!(
        "-scenario refuses.toml -duration 2500ms -servers {} -out o",
        list(&servers)
    ));
    let report = ended.report();
    assert_sound(&report);
    assert!(report.faults[0].operations_touched > Some(0), "{:?}", report.faults);
    assert!(report.faults[0].healed_at_s.is_some(), "{:?}", report.faults);
    for (node, server) in report.nodes.iter().zip(&servers) {
        assert!(node.backend.starts_with("external 1."), "{}", node.backend);
        assert!(server.version().to_string().starts_with("1."), "it still answers");
    }
}
