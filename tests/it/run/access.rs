//! Nodes that speak TLS and ask for a password: who gets in, who does not, and what is said of it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use harness::event::{ErrorClass, EventKind, Outcome, Phase};
use harness::report::{Line, Report};

use super::{Place, Running, assert_sound, position};

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
    place.scenario("both", &format!("{QUIET}[nodes]\nauth = true\nsasl = true\n"));
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
        ("sasl.toml", 2, ["sasl.toml:", "sasl = true in [nodes]"]),
        ("both.toml", 2, ["both.toml:", "in one way"]),
        ("quiet.toml -sasl -nodes embedded", 2, ["-sasl: an embedded node", "-nodes memcached"]),
        ("quiet.toml -sasl -client c.toml", 2, ["does not say that its driver can", "sasl = true"]),
        ("quiet.toml -sasl -auth", 2, ["--sasl", "--auth"]),
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

/// Catches a client in text that is sent to nodes that do not speak it, and nodes that could not ask.
#[test]
#[cfg_attr(not(real_memcached), ignore = "needs memcached on PATH")]
fn only_who_speaks_binary_is_sent_to_nodes_with_sasl() {
    let place = Place::new();
    place.scenario("quiet", QUIET);
    place.scenario("certificate", &format!("{}[nodes]\ncount = 1\n", broken("certificate = {}")));
    let client = "[driver]\ncommand = [\"true\"]\ntls = true\nsasl = true\n";
    std::fs::write(place.path("c.toml"), client).unwrap();
    let line = "-json -duration 7500ms -out o -nodes memcached -scenario";
    place.run(&format!("{line} quiet.toml -sasl")).refused(3, &["-sasl: ", "-client bmemcached"]);
    let refused = place.run(&format!("{line} certificate.toml -sasl -tls -client c.toml"));
    refused.refused(3, &["in text", "write -auth"]);
}

/// A login by SASL on a new connection to one of the servers of a command; the status of the answer.
fn log_in(server: &str, user: &str, password: &str) -> u8 {
    let message = format!("PLAIN\0{user}\0{password}");
    let length = u8::try_from(message.len()).unwrap();
    let mut packet = vec![0x80, 0x21, 0, 5, 0, 0, 0, 0, 0, 0, 0, length];
    packet.extend([0; 12]);
    packet.extend(message.as_bytes());
    let mut stream = TcpStream::connect(server).unwrap();
    stream.write_all(&packet).unwrap();
    let mut head = [0; 24];
    stream.read_exact(&mut head).unwrap();
    head[7]
}

/// Catches nodes with SASL that let everybody in or nobody, a password that still opens when it is another one, and a
/// lab that cannot ask or empty such nodes, or start one again.
#[test]
#[cfg_attr(not(real_memcached), ignore = "needs memcached on PATH")]
fn a_memcached_asks_by_sasl() {
    let place = Place::new();
    place.scenario(
        "changes",
        "[phases]\nwarmup = \"100ms\"\nsteady = \"100ms\"\nfault = \"5m\"\nrecovery = \"100ms\"\n\
         [[faults]]\nname = \"emptied\"\non = \"all\"\nflush = {}\n\
         [[faults]]\nname = \"killed\"\non = [\"n2\"]\nfor = \"100ms\"\nkill = {}\n\
         [[faults]]\nname = \"changed\"\non = [\"n1\"]\nat = \"1s\"\npassword = {}\n",
    );
    let script = "env > told.next; mv told.next told; exec sleep 300";
    let mut command = place.command(
        "exec -nodes memcached -json -listen 127.0.0.1:0 -api 127.0.0.1:0 -seed 7 -out o -scenario changes.toml -sasl -- sh -c",
    );
    let mut running = Running::of(command.arg(script), place.path("stderr"));
    let applied = |wanted: &'static str| {
        move |line: &Line| {
            matches!(line, Line::Event(event)
                if matches!(&event.kind, EventKind::FaultApplied { fault, .. } if fault == wanted))
        }
    };
    running.until(applied("emptied"));
    let told = std::fs::read_to_string(place.path("told")).unwrap();
    let of = |name: &str| {
        let line = told.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        line.unwrap_or_else(|| panic!("no {name} in {told}")).to_owned()
    };
    let (user, password) = (of("MEMCACHED_USERNAME"), of("MEMCACHED_PASSWORD"));
    let [first, third] = ["MEMCACHED_SERVER_1", "MEMCACHED_SERVER_3"].map(of);
    assert_eq!(log_in(&third, &user, &password), 0);
    assert_eq!(log_in(&third, &user, "wrong"), 0x20);
    running.until(applied("changed"));
    assert_eq!(log_in(&first, &user, &password), 0x20, "it is another one");
    assert_eq!(log_in(&third, &user, &password), 0, "only that of n1 is");
    running.signal(rustix::process::Signal::INT);
    let (lines, _) = running.rest();
    let Some(Line::Report(report)) = lines.last() else { panic!("no report") };
    assert!(report.faults.iter().all(|fault| fault.healed_at_s.is_some()), "{:?}", report.faults);
}

/// A run with nodes that ask by SASL and a client of `clients/`; how often each outcome was in a phase.
fn with_client(
    client: &str,
    scenario: &str,
    length: &str,
) -> (Report, impl Fn(Phase, &str) -> u64 + use<>) {
    let place = Place::new();
    place.scenario("asked", scenario);
    let clients = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("clients");
    let client = match client.contains('/') {
        true => clients.join(client).with_extension("toml"),
        false => clients.join(client).join("client.toml"),
    };
    let line = format!(
        "-scenario asked.toml -duration {length} -nodes memcached -sasl -rate 200/s -client {} -out o",
        client.display()
    );
    let report = place.play(&line).report();
    assert_sound(&report);
    let phases = report.phases.clone();
    let count = move |name: Phase, outcome: &str| {
        let phase = phases.iter().filter(|phase| phase.all.name == name);
        let outcomes = phase.flat_map(|phase| &phase.all.figures.outcomes);
        outcomes.filter(|(name, _)| name.starts_with(outcome)).map(|(_, count)| count).sum()
    };
    (report, count)
}

/// Catches a login by SASL that is refused, and one that counts as an operation or as a stranger's.
#[test]
#[cfg_attr(
    not(real_clients),
    ignore = "needs the clients of clients/, which HARNESS_REQUIRE=clients says are installed"
)]
fn clients_are_let_in_by_sasl() {
    for client in [
        "dalli",
        "memjs/without-counters",
        "php-memcached",
        "spymemcached",
        "pylibmc",
        "bmemcached",
    ] {
        let (report, count) = with_client(client, QUIET, "1500ms");
        assert!(count(Phase::Steady, Outcome::Hit.name()) > 0, "{client}: {:?}", report.reasons);
        assert_eq!(count(Phase::Steady, "error."), 0, "{client}: {:?}", report.subject);
        let wire = report.wire.as_ref().expect("it is read as ever");
        assert_eq!(wire.totals.foreign.as_ref().map(|it| it.connections), Some(0), "{client}");
    }
}

/// Catches a client that is told another class of error than the one there is for it, and one that is not let in again.
#[test]
#[cfg_attr(
    not(real_clients),
    ignore = "needs the clients of clients/, which HARNESS_REQUIRE=clients says are installed"
)]
fn a_client_says_that_its_password_is_refused() {
    let (report, count) = with_client("memjs/without-counters", &broken("password = {}"), "7500ms");
    let name = Outcome::Error(ErrorClass::Unauthenticated).name();
    assert!(count(Phase::Fault, name) > 0, "{:?}", report.subject);
    assert!(count(Phase::Recovery, Outcome::Hit.name()) > 0, "{:?}", report.reasons);
}
