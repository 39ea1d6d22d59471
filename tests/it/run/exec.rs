//! Commands that make their calls themselves.

use std::io::{Read, Write};

use harness::event::{CommandFacts, Phase};
use harness::judge::{Grade, Verdict};
use harness::record::Partial;
use harness::report::{Line, Report};
use rustix::process::Signal;

use super::{Ended, Place, Running, is_applied, newest, phases};

/// Nothing in it takes longer than a test may.
const SHORT: &str = r#"
objectives = ["no-wrong-data"]
[phases]
warmup = "200ms"
steady = "300ms"
fault = "400ms"
recovery = "300ms"
[[faults]]
name = "slow"
on = "all"
latency = { latency = "5ms" }
"#;

/// A phase that lasts longer than any test waits for.
const LONG: &str = r#"
[phases]
warmup = "100ms"
steady = "100ms"
fault = "5m"
recovery = "100ms"
[[faults]]
name = "slow"
on = "all"
latency = { latency = "5ms" }
"#;

/// A client of a few lines: it asks every server for a key of its own without end, until every phase was
/// seen that the first argument names, and then ends with the second.
const CLIENT: &str = r#"
import os, socket, sys
servers = [server.rsplit(":", 1) for server in os.environ["MEMCACHED_SERVERS"].split(",")]
sockets = [socket.create_connection((host, int(port))) for host, port in servers]
missing = set(sys.argv[1].split(","))
while missing:
    with open(os.environ["HARNESS_PHASE_FILE"]) as file:
        missing.discard(file.read().strip())
    for number, each in enumerate(sockets):
        each.sendall(b"get k%d\r\n" % number)
        assert each.recv(100) == b"END\r\n"
sys.exit(int(sys.argv[2]))
"#;

const NODES: &str = "-nodes embedded -json -listen 127.0.0.1:0 -api 127.0.0.1:0 -seed 7 -out o";

/// The words of a run of `program` with `words` under a scenario.
fn exec(place: &Place, flags: &str, words: &[&str]) -> std::process::Command {
    place.scenario("short", SHORT);
    place.scenario("long", LONG);
    std::fs::write(place.path("client.py"), CLIENT).unwrap();
    let mut command = place.command(&format!("exec {NODES} {flags} --"));
    command.args(words);
    command
}

fn run(flags: &str, words: &[&str]) -> (Place, Ended) {
    let place = Place::new();
    let ended = Ended::of(&mut exec(&place, flags, words));
    (place, ended)
}

fn facts(report: &Report) -> CommandFacts {
    report.subject.clone().and_then(|subject| subject.command).expect("a command made the calls")
}

/// Catches a client whose traffic is not seen in the phases or counts as somebody else's, a timeline that
/// does not begin again until the command ends, a phase that the command is not told, operations that
/// nobody made, and an objective on them that is judged all the same.
#[test]
#[cfg_attr(not(real_python3), ignore = "needs python3 on PATH")]
fn a_client_of_ones_own_is_seen_on_the_wire() {
    let words = ["python3", "client.py", "steady,fault,recovery", "0"];
    let (_place, ended) = run("-scenario short.toml", &words);
    let report = ended.report();
    assert_eq!((report.verdict, ended.code), (Verdict::Pass, 0), "{:?}", report.reasons);
    let wire = report.wire.as_ref().expect("the proxies count");
    for phase in [Phase::Steady, Phase::Fault, Phase::Recovery] {
        let rows = wire.phases.iter().filter(|row| row.phase == phase);
        assert_eq!(rows.filter(|row| row.requests > 0).count(), 3, "{phase}: {:?}", wire.phases);
    }
    assert_eq!(wire.totals.foreign, None, "all traffic is the command's");
    assert!(report.faults[0].operations_touched > Some(0), "{:?}", report.faults);
    assert_eq!(report.data.totals.wrong, None);
    assert_eq!(report.harness.tickets_issued, None);
    let names: Vec<&str> = report.objectives.iter().map(|graded| graded.name.as_str()).collect();
    assert_eq!(names, ["command-succeeds"]);
    assert_eq!(report.objectives[0].grade, Grade::Pass);
    let limits = report.harness.limits.join("\n");
    assert!(limits.contains("these objectives are left out: no-wrong-data"), "{limits}");
}

/// Catches a bound on what the wire shows that nobody holds a command to, or that fails one which keeps to it.
/// No key of the client moves.
#[test]
#[cfg_attr(not(real_python3), ignore = "needs python3 on PATH")]
fn a_bound_on_what_the_wire_shows_is_judged() {
    let longer = SHORT.replace("400ms", "1s");
    for (bound, grade, verdict, code) in
        [("at_most", Grade::Pass, Verdict::Pass, 0), ("at_least", Grade::Fail, Verdict::Fail, 1)]
    {
        let place = Place::new();
        let objective = format!(
            "[[objective]]\nname = \"stays\"\nmeasure = \"wire_keys_moved_ratio\"\n{bound} = \"100%\"\n"
        );
        place.scenario("bound", &format!("{longer}{objective}"));
        let words = ["python3", "client.py", "steady,fault,recovery", "0"];
        let ended = Ended::of(&mut exec(&place, "-scenario bound.toml -settle 10s", &words));
        let report = ended.report();
        assert_eq!((report.verdict, ended.code), (verdict, code), "{:?}", report.reasons);
        let graded = report.objectives.iter().find(|graded| graded.name == "stays");
        assert_eq!(graded.map(|graded| graded.grade), Some(grade), "{:?}", report.reasons);
        let told = report.reasons.iter().any(|why| why.contains("wire_keys_moved_ratio is"));
        assert_eq!(told, grade == Grade::Fail, "{:?}", report.reasons);
    }
}

/// Catches an exit code that is lost, words that nobody gets to see, and a report in some format that
/// cannot do without operations.
#[test]
fn a_command_that_fails_fails_the_run_in_its_own_words() {
    let (place, ended) =
        run("-scenario short.toml", &["sh", "-c", "echo out; echo err >&2; exit 7"]);
    let report = ended.report();
    assert_eq!((report.verdict, ended.code), (Verdict::Fail, 1), "{:?}", report.reasons);
    let command = facts(&report);
    assert_eq!((command.exit_code, command.signal), (Some(7), None));
    assert_eq!(command.last_lines, ["out", "err"]);
    let folder = newest(&place.path("o"));
    let file = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    assert_eq!(file("command.log"), "out\nerr\n");
    let text = place.run(&format!("report -format text {}", folder.display())).stdout;
    for (name, page) in
        [("text", &text), ("report.md", &file("report.md")), ("report.html", &file("report.html"))]
    {
        assert!(page.contains("exit code 7") && page.contains("err"), "{name}: {page}");
        assert!(!page.contains("0 lost") && !page.contains("0 offered"), "{name}: {page}");
    }
    let junit = file("junit.xml");
    assert!(
        junit.contains("command-succeeds") && junit.contains("<system-err>out\nerr</"),
        "{junit}"
    );
}

/// Catches a command that found nothing in its environment, or not what was asked for.
#[test]
fn the_environment_names_the_lab() {
    let script = "test $MEMCACHED_SERVERS = $MEMCACHED_SERVER_1,$MEMCACHED_SERVER_2,$MEMCACHED_SERVER_3 \
                  && test \"$MINE\" = \"$MEMCACHED_SERVER_3 $TOXIPROXY_URL\" && cat $HARNESS_PHASE_FILE";
    let place = Place::new();
    place.scenario("short", SHORT);
    let mut command = place.command(&format!("exec {NODES} -scenario short.toml"));
    command.args(["-env", "MINE={server_3} {toxiproxy_url}", "--", "sh", "-c", script]);
    let report = Ended::of(&mut command).report();
    let command = facts(&report);
    assert_eq!(command.exit_code, Some(0), "{:?}", command.last_lines);
    assert_eq!(command.last_lines, ["warmup"]);
    // It ended before any fault: that proves nothing.
    assert_eq!((report.verdict, report.exit_code), (Verdict::Vacuous, 4), "{:?}", report.reasons);
}

/// Catches a signal that is taken for an exit code, or for a success.
#[test]
fn a_command_that_is_killed_fails_with_the_signal_named() {
    let (_place, ended) = run("-scenario short.toml", &["sh", "-c", "kill -9 $$"]);
    let report = ended.report();
    assert_eq!((report.verdict, ended.code), (Verdict::Fail, 1));
    assert_eq!((facts(&report).exit_code, facts(&report).signal), (None, Some(9)));
    assert!(report.reasons[0].contains("signal 9 (SIGKILL)"), "{:?}", report.reasons);
}

/// Catches a command that outlasts `-duration` because it does not want to end, and one that fails for
/// being ended.
#[test]
fn a_command_that_ignores_the_request_is_ended_with_the_run() {
    let script = "trap '' TERM; echo ready; while :; do sleep 1; done";
    let (_place, ended) = run("-scenario short.toml -duration 1200ms", &["sh", "-c", script]);
    let report = ended.report();
    let command = facts(&report);
    assert!(command.ended_by_harness, "{command:?}");
    assert_eq!((command.signal, command.last_lines), (Some(9), vec!["ready".to_owned()]));
    // It never used its cache.
    assert_eq!(report.verdict, Verdict::Vacuous, "{:?}", report.reasons);
    assert!(report.objectives.is_empty(), "{:?}", report.objectives);
}

/// Catches a command that has no time to put things in order.
#[test]
fn a_command_may_put_things_in_order_before_it_ends() {
    let script = "trap 'echo tidied; exit 0' TERM; while :; do sleep 0.05; done";
    let (_place, ended) = run("-scenario short.toml -duration 1200ms", &["sh", "-c", script]);
    let command = facts(&ended.report());
    assert_eq!((command.exit_code, command.ended_by_harness), (Some(0), true));
    // The shell has its own word for what it was waiting for.
    assert_eq!(command.last_lines.last().map(String::as_str), Some("tidied"));
}

/// Catches output that grows without bound, and last words that are lost for it.
#[test]
fn a_flood_of_output_is_bounded() {
    let script = "yes 0123456789012345678901234567890123456789 | head -n 200000; echo last; exit 1";
    let (place, ended) = run("-scenario short.toml", &["sh", "-c", script]);
    let report = ended.report();
    assert_eq!(facts(&report).last_lines.last().map(String::as_str), Some("last"));
    let log = newest(&place.path("o")).join("command.log");
    let kept = std::fs::read_to_string(log).unwrap();
    assert!(kept.len() < 2 << 20 && kept.contains("lines before these were not kept"));
}

/// Catches a program that is not there and is taken for one that failed, and a template or a suite that
/// is found out only when the lab is up.
#[test]
fn what_cannot_be_run_is_refused() {
    for (flags, program, code, why) in [
        ("-scenario short.toml", "no-such-program", 3, "no such program on PATH"),
        ("-scenario short.toml", "./no-such-program", 3, "there is no such program"),
        ("-scenario short.toml -env A={server_9}", "true", 2, "the servers are 1 to 3"),
        ("-scenario short.toml -env A={nothing}", "true", 2, "there is no {nothing} to fill in"),
        ("-scenario all", "true", 2, "name one of them"),
    ] {
        let (_place, ended) = run(flags, &[program]);
        assert_eq!(ended.code, code, "{}", ended.stderr);
        assert!(ended.stderr.contains(why), "{}", ended.stderr);
        assert!(ended.stdout.is_empty(), "{}", ended.stdout);
    }
}

fn start(place: &Place, words: &[&str]) -> Running {
    Running::of(&mut exec(place, "-scenario long.toml", words), place.path("stderr"))
}

/// Catches Ctrl-C that leaves a fault or the command behind, or throws the run away.
#[test]
fn an_interrupt_heals_ends_the_command_and_reports() {
    let place = Place::new();
    let mut running = start(&place, &["sh", "-c", "while :; do sleep 1; done"]);
    running.until(|line| matches!(line, Line::Event(event) if is_applied(&event.kind)));
    running.signal(Signal::INT);
    let (lines, code) = running.rest();
    assert_eq!(phases(&lines), [Phase::Drain]);
    let Some(Line::Report(report)) = lines.last() else { panic!("no report") };
    assert_eq!(report.partial, Some(Partial::Interrupted));
    assert!(report.faults.iter().all(|fault| fault.healed_at_s.is_some()), "{:?}", report.faults);
    assert!(facts(report).ended_by_harness);
    assert_eq!((code, report.exit_code), (130, 130), "{:?}", report.reasons);
}

/// Catches a command, or what it started, that outlives a harness which had no chance to end it.
#[test]
fn a_killed_harness_leaves_no_command() {
    let place = Place::new();
    let fifo = place.path("alive");
    let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
    rustix::fs::mkfifoat(rustix::fs::CWD, &fifo, mode).unwrap();
    let script = "exec 9>alive; echo up >&9; sleep 600 & sleep 600";
    let mut running = start(&place, &["sh", "-c", script]);
    // Whoever holds the other end of the pipe lives.
    let mut alive = std::fs::File::open(&fifo).unwrap();
    running.until(|line| matches!(line, Line::Event(event) if is_applied(&event.kind)));
    running.signal(Signal::KILL);
    let mut said = String::new();
    std::io::Read::read_to_string(&mut alive, &mut said).unwrap();
    assert_eq!(said, "up\n");
}

/// Catches phases that begin before an application is there, a timeline that does not begin again, traffic
/// that is not seen, and a Ctrl-C that throws the run away or is taken for a failure.
#[test]
#[expect(clippy::disallowed_methods, reason = "the application, which ends with the lab")]
fn an_application_started_by_hand_is_judged_by_the_wire() {
    let place = Place::new();
    place.scenario("short", SHORT);
    let mut command = place.command(&format!("up -scenario short.toml -loop {NODES}"));
    let mut running = Running::of(&mut command, place.path("stderr"));
    let Line::Start(start) = running.until(|line| matches!(line, Line::Start(_))) else { panic!() };
    let first = running.until(|line| matches!(line, Line::Event(_) | Line::Interval(_)));
    assert!(!matches!(&first, Line::Event(event) if event.phase > Phase::Warmup), "{first:?}");
    for node in start.nodes {
        std::thread::spawn(move || {
            let mut server = std::net::TcpStream::connect(node.proxy_address).unwrap();
            let mut reply = [0; 5];
            // Until the lab is gone.
            while server
                .write_all(b"get k\r\n")
                .and_then(|()| server.read_exact(&mut reply))
                .is_ok()
            {}
        });
    }
    for _ in 0..2 {
        running.until(|line| matches!(line, Line::Event(event) if is_applied(&event.kind)));
    }
    running.signal(Signal::INT);
    let (lines, code) = running.rest();
    let Some(Line::Report(report)) = lines.last() else { panic!("no report") };
    assert_eq!((report.verdict, code), (Verdict::Pass, 0), "{:?}", report.reasons);
    let subject = report.subject.as_ref().unwrap();
    assert_eq!((subject.kind.as_str(), facts(report).rounds), ("application", 2));
    assert!(report.objectives.is_empty(), "{:?}", report.objectives);
    let wire = report.wire.as_ref().expect("the proxies count");
    assert!(wire.phases.iter().any(|row| row.phase == Phase::Fault && row.requests > 0));
    let text = place.run(&format!("report -format text {}", newest(&place.path("o")).display()));
    assert!(
        text.stdout.contains("an application of yours, the faults began 2 times"),
        "{}",
        text.stdout
    );
}

/// A test suite of a cache, as somebody has one: it goes on until a fault was there, and one of its tests
/// fails when it is told to.
const SUITE: &str = r#"
import os, socket
HOST, PORT = os.environ["MEMCACHED_SERVER_1"].rsplit(":", 1)
def ask(request, reply):
    with socket.create_connection((HOST, int(PORT)), timeout=10) as server:
        server.sendall(request)
        assert server.recv(100) == reply
def test_a_key_that_is_not_there():
    phases = set()
    while not {"fault", "recovery"} <= phases:
        ask(b"get nothing\r\n", b"END\r\n")
        with open(os.environ["HARNESS_PHASE_FILE"]) as file:
            phases.add(file.read().strip())
def test_a_key_that_is_there():
    ask(b"set k 0 0 1\r\nx\r\n", b"STORED\r\n")
    ask(b"get k\r\n", os.environ["EXPECTED"].encode())
"#;

/// Catches a test suite that is not under the faults, and one whose failure is not the run's.
#[test]
#[cfg_attr(not(real_pytest), ignore = "needs python3 and pytest on PATH")]
fn a_test_suite_is_run_under_faults() {
    for (reply, verdict) in
        [("VALUE k 0 1\r\nx\r\nEND\r\n", Verdict::Pass), ("END\r\n", Verdict::Fail)]
    {
        let place = Place::new();
        std::fs::write(place.path("test_cache.py"), SUITE).unwrap();
        let words = ["pytest", "-q", "-p", "no:cacheprovider", "test_cache.py"];
        let mut command = exec(&place, "-scenario short.toml", &words);
        let report = Ended::of(command.env("EXPECTED", reply)).report();
        assert_eq!(report.verdict, verdict, "{:?}", report.reasons);
        let last = facts(&report).last_lines.join("\n");
        let passed = if verdict == Verdict::Pass { "2 passed" } else { "1 failed, 1 passed" };
        assert!(last.contains(passed), "{last}");
        assert!(report.faults[0].operations_touched > Some(0), "{:?}", report.faults);
    }
}
