//! Nodes that speak TLS and ask for a password: who gets in, who does not, and what is said of it.

use harness::event::{ErrorClass, EventKind, Outcome, Phase};

use super::{Place, assert_sound, position};

const QUIET: &str = "objectives = [\"no-wrong-data\", \"no-dirty-reuse\"]\n[phases]\nwarmup = \"500ms\"\nsteady = \"1s\"\n";

/// A fault of this kind on n1, and a moment later the end of the connections that it had.
fn broken(fault: &str) -> String {
    format!(
        "objectives = [\"no-wrong-data\", \"no-false-misses\"]\n[phases]\nwarmup = \"500ms\"\nsteady = \"1s\"\n\
         fault = \"3s\"\nrecovery = \"3s\"\n[[faults]]\nname = \"broken\"\non = [\"n1\"]\n{fault}\n[[faults]]\n\
         name = \"resets\"\non = [\"n1\"]\nat = \"500ms\"\nfor = \"1s\"\nstream = \"upstream\"\nreset_peer = {{}}\n"
    )
}

/// Catches nodes that do not come up so, a client that is not let in, a figure of a wire that nobody can read,
/// and a login that counts as a request of the load or as a stranger's.
fn everybody_is_let_in(nodes: &str) {
    for flags in ["-tls", "-auth", "-tls -auth"] {
        let place = Place::new();
        place.scenario("quiet", QUIET);
        let line = format!("-scenario quiet.toml -duration 1500ms -nodes {nodes} {flags} -out o");
        let report = place.play(&line).report();
        assert_sound(&report);
        let steady = report.phases.iter().find(|phase| phase.all.name == Phase::Steady).unwrap();
        let outcomes = &steady.all.figures.outcomes;
        assert!(outcomes.get(Outcome::Hit.name()) > Some(&0), "{flags}: {outcomes:?}");
        for class in [ErrorClass::Untrusted, ErrorClass::Unauthenticated] {
            let name = Outcome::Error(class).name();
            assert_eq!(outcomes.get(name), None, "{flags}: {outcomes:?}");
        }
        let is_read = report.wire.is_some();
        assert_eq!(is_read, flags == "-auth", "{flags}: {:?}", report.wire);
        assert_eq!(report.data.dirty_reuse.is_some(), is_read, "{flags}");
        let limits = &report.harness.limits;
        assert!(!limits.iter().any(|limit| limit.contains("not this run's")), "{limits:?}");
    }
}

#[test]
fn everybody_is_let_in_by_embedded_nodes() {
    everybody_is_let_in("embedded");
}

#[test]
#[cfg_attr(not(real_memcached), ignore = "needs memcached on PATH")]
fn everybody_is_let_in_by_memcached() {
    everybody_is_let_in("memcached");
}

/// Catches a flawed certificate that is believed, a password that still opens, an error of another class, and a
/// node that does not come back when it is well again.
fn who_is_not_let_in_says_why(nodes: &str) {
    for (fault, flags, class) in [
        ("certificate = { flaw = \"expired\" }", "-tls", ErrorClass::Untrusted),
        ("certificate = { flaw = \"wrong_name\" }", "-tls -auth", ErrorClass::Untrusted),
        ("certificate = { flaw = \"unknown_authority\" }", "-tls", ErrorClass::Untrusted),
        ("password = {}", "-auth", ErrorClass::Unauthenticated),
    ] {
        let place = Place::new();
        place.scenario("broken", &broken(fault));
        let line = format!("-scenario broken.toml -duration 7500ms -nodes {nodes} {flags} -out o");
        let ended = place.play(&line);
        let (lines, report) = (ended.lines(), ended.report());
        assert_sound(&report);
        // While the connections are reset the breaker opens: who tries then is the healer.
        let refused = |kind: &EventKind| match kind {
            EventKind::Reconnect { outcome, .. } => outcome == class.name(),
            _ => false,
        };
        assert!(position(&lines, refused).is_some(), "{fault}: {:?}", report.reasons);
        let healed = |kind: &EventKind| matches!(kind, EventKind::FaultHealed { fault, .. } if fault == "broken");
        let back = |kind: &EventKind| matches!(kind, EventKind::NodeReinstated { .. });
        let healed = position(&lines, healed).expect("it was healed");
        assert!(position(&lines[healed..], back).is_some(), "{fault}: {:?}", report.reasons);
    }
}

#[test]
fn who_is_not_let_in_by_embedded_nodes_says_why() {
    who_is_not_let_in_says_why("embedded");
}

#[test]
#[cfg_attr(not(real_memcached), ignore = "needs memcached on PATH")]
fn who_is_not_let_in_by_memcached_says_why() {
    who_is_not_let_in_says_why("memcached");
}

/// Catches what cannot be had together and is begun all the same.
#[test]
fn what_does_not_go_together_is_refused_before_anything_is_started() {
    let place = Place::new();
    place.scenario("quiet", QUIET);
    std::fs::write(place.path("c.toml"), "[driver]\ncommand = [\"true\"]\ntls = true\n").unwrap();
    place.scenario("broken", &broken("certificate = {}"));
    place.scenario("message", &broken("memcached_error = {}"));
    place.scenario("written", &format!("{QUIET}[nodes]\ntls = true\nprotocol = \"resp\"\n"));
    place.scenario("sasl", &format!("{QUIET}[nodes]\nargs = [\"-S\"]\n"));
    for (line, code, words) in [
        ("quiet.toml -tls -servers 127.0.0.1:11211", 2, ["-tls: ", "leave it out"]),
        ("quiet.toml -auth -protocol resp", 2, ["-auth: only a memcached", "leave out -protocol"]),
        ("quiet.toml -tls -network kernel", 2, ["-tls: ", "-network kernel"]),
        (
            "quiet.toml -tls -toxiproxy 127.0.0.1:8474",
            2,
            ["-tls: ", "leave out -proxy or -toxiproxy"],
        ),
        ("quiet.toml -tls -client c.toml", 2, ["nobody sees at which node", "count = 1"]),
        ("quiet.toml -auth -client c.toml", 2, ["does not say that its driver can", "auth = true"]),
        ("message.toml -tls", 2, ["the fault `broken` (memcached_error)", "cannot be read"]),
        ("written.toml", 2, ["written.toml:", "only a memcached"]),
        ("sasl.toml", 2, ["sasl.toml:", "auth = true in [nodes]"]),
        ("broken.toml", 3, ["the nodes show no certificate", "-tls"]),
    ] {
        let ended = place.run(&format!("-json -duration 7500ms -out o -scenario {line}"));
        ended.refused(code, &words);
        assert!(!place.path("o").exists(), "{line}: a folder of runs was made");
    }
    place
        .run("exec -scenario quiet.toml -tls -json -out o -- true")
        .refused(3, &["-tls: ", "only the wire"]);
}
