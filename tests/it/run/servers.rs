//! Servers that already run: ours to ask, not ours to kill.

use std::io::Write as _;
use std::net::TcpListener;

use super::{Place, assert_sound};
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
        let ended = place
            .play(&format!("-scenario {scenario} -duration 2s -servers {} -out o", list(&servers)));
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
    let ended = place.play(&format!("-scenario plain.toml -servers {server} -out o"));
    assert_eq!(ended.code, 3, "{}", ended.stderr);
    assert!(ended.stderr.contains("n1 stored none of its 400 keys"), "{}", ended.stderr);
    assert!(ended.stderr.contains(&server), "{}", ended.stderr);
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
    assert!(report.faults[0].operations_touched > 0, "{:?}", report.faults);
    assert!(report.faults[0].healed_at_s.is_some(), "{:?}", report.faults);
    for (node, server) in report.nodes.iter().zip(&servers) {
        assert!(node.backend.starts_with("external 1."), "{}", node.backend);
        assert!(server.version().to_string().starts_with("1."), "it still answers");
    }
}
