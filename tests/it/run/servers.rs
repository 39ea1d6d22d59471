//! Servers that already run: ours to ask, not ours to kill.

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
