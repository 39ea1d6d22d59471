//! Lists of nodes that change under a run, and lists that differ: what clients read then, and what is said of it.

use harness::judge::{Grade, Verdict};
use harness::report::Report;

use super::Place;

const PHASES: &str =
    "[phases]\nwarmup = \"500ms\"\nsteady = \"2s\"\nfault = \"3s\"\nrecovery = \"2s\"\n";

/// A run of the built-in client with these faults; what there is to judge it by comes first.
fn played(objectives: &str, rest: &str) -> Report {
    let place = Place::new();
    place.scenario("lists", &format!("objectives = [{objectives}]\n{PHASES}{rest}"));
    place.play("-scenario lists.toml -nodes embedded -once -out o").report()
}

fn grade(report: &Report, name: &str) -> Grade {
    let objective = report.objectives.iter().find(|objective| objective.name == name);
    objective.unwrap_or_else(|| panic!("no {name}")).grade
}

fn keys_moved(report: &Report) -> Option<f64> {
    report.subject.as_ref().unwrap().list_keys_moved_ratio
}

/// Catches old data that a node gives out when it is back in the list and that nobody notices, or that is
/// held against anything else.
#[test]
fn a_node_that_comes_back_with_its_data_is_found_out() {
    let report = played(
        "\"no-stale-data\", \"no-false-misses\", \"no-contradictions\", \"no-wrong-data\"",
        "[[faults]]\nname = \"out\"\non = [\"n2\"]\nleave = {}\n",
    );
    assert_eq!(report.verdict, Verdict::Fail, "{:?}", report.reasons);
    assert_eq!(grade(&report, "no-stale-data"), Grade::Fail);
    for other in ["no-false-misses", "no-contradictions", "no-wrong-data"] {
        assert_eq!(grade(&report, other), Grade::Pass, "{other}: {:?}", report.reasons);
    }
    let moved = keys_moved(&report).unwrap();
    assert!((0.2..0.5).contains(&moved), "a third of the keys moves: {moved}");
    assert!(report.faults[0].operations_touched > Some(100), "{:?}", report.faults[0]);
}

/// Catches keys that move to a node which joins and are called lost, a node that is asked before it joins, or
/// that leaves again.
#[test]
fn a_node_that_joins_has_its_keys_from_then_on() {
    let report = played(
        "\"no-stale-data\", \"no-false-misses\", \"no-contradictions\", \"no-wrong-data\"",
        "[nodes]\ncount = 4\n[[faults]]\nname = \"more\"\non = [\"n4\"]\njoin = {}\n",
    );
    for objective in &report.objectives {
        assert_eq!(objective.grade, Grade::Pass, "{}: {:?}", objective.name, report.reasons);
    }
    let moved = keys_moved(&report).unwrap();
    assert!((0.1..0.4).contains(&moved), "a quarter of the keys moves: {moved}");
}

/// Catches an order that a ring is taken to depend on, or that who numbers the nodes is forgiven.
#[test]
fn another_order_moves_the_keys_of_who_numbers_the_nodes() {
    let asked = "\"no-stale-data\", \"no-false-misses\", \"no-contradictions\", \"no-wrong-data\"";
    let fault = "[[faults]]\nname = \"last\"\non = [\"n1\"]\nreorder = {}\n";
    let ring = played(asked, fault);
    assert_eq!(keys_moved(&ring), Some(0.0));
    assert!(ring.faults[0].operations_touched > Some(100), "{:?}", ring.faults[0]);
    for objective in &ring.objectives {
        assert_eq!(objective.grade, Grade::Pass, "{}: {:?}", objective.name, ring.reasons);
    }
    let numbered = played(asked, &format!("{fault}[client.selector]\nmodulo = {{}}\n"));
    // Each node has another number.
    assert_eq!(keys_moved(&numbered), Some(1.0));
    assert_eq!(grade(&numbered, "no-stale-data"), Grade::Fail, "{:?}", numbered.reasons);
    for other in ["no-false-misses", "no-contradictions", "no-wrong-data"] {
        assert_eq!(grade(&numbered, other), Grade::Pass, "{other}: {:?}", numbered.reasons);
    }
}

/// Catches two lists that cannot go well and are not found out, and a group whose list is another's.
#[test]
fn who_has_another_list_reads_what_others_have_overwritten() {
    let report = played(
        "\"no-false-misses\", \"no-contradictions\", \"no-wrong-data\"",
        "[[groups]]\nname = \"a\"\nsees = [\"n1\", \"n2\", \"n3\"]\n\
         [[groups]]\nname = \"b\"\nsees = [\"n1\", \"n2\"]\n\
         [[faults]]\nname = \"agree\"\non = [\"n3\"]\ngroup = \"b\"\nat = \"2s\"\njoin = {}\n\
         [[objective]]\nname = \"split\"\nsummary = \"stale\"\nmeasure = \"stale_unexplained\"\nat_least = 1\n",
    );
    for objective in &report.objectives {
        assert_eq!(objective.grade, Grade::Pass, "{}: {:?}", objective.name, report.reasons);
    }
}

/// Catches a list without anybody in it that is found out when it is too late, and groups of who has no client
/// of ours.
#[test]
fn what_no_list_can_be_is_refused_before_anything_starts() {
    let place = Place::new();
    let of = |rest: &str| format!("{PHASES}{rest}");
    let leave =
        |node: &str| format!("[[faults]]\nname = \"{node}\"\non = [\"{node}\"]\nleave = {{}}\n");
    let all = ["n1", "n2", "n3"].map(leave).concat();
    place.scenario("empty", &of(&all));
    let said = place.run("-scenario empty.toml -nodes embedded");
    said.refused(3, &["n3 is the last one in the list"]);
    place.scenario("nobody", &of("[[faults]]\non = \"all\"\njoin = {}\n"));
    let said = place.run("-scenario nobody.toml -nodes embedded");
    said.refused(3, &["nobody is in the list at first"]);
    place.scenario("groups", &of("[[groups]]\nname = \"a\"\nsees = [\"n1\"]\n"));
    let said = place.run("exec -scenario groups.toml -nodes embedded -- true");
    said.refused(3, &["[[groups]]", "there is one list for it"]);
}

/// Catches a command that is not told of a list that changes, or only of the new one.
#[test]
fn a_command_reads_the_list_from_its_file() {
    let place = Place::new();
    place.scenario(
        "file",
        &format!("objectives = []\n{PHASES}[[faults]]\non = [\"n1\"]\nleave = {{}}\n"),
    );
    let script = "while sleep 0.1; do wc -l < \"$MEMCACHED_SERVERS_FILE\"; done > seen";
    std::fs::write(place.path("watch.sh"), script).unwrap();
    place.run(
        "exec -scenario file.toml -nodes embedded -json -listen 127.0.0.1:0 -api 127.0.0.1:0 -duration 6s -- \
         sh watch.sh",
    );
    let seen = std::fs::read_to_string(place.path("seen")).unwrap();
    let mut counts: Vec<&str> = seen.lines().map(str::trim).collect();
    counts.dedup();
    assert_eq!(counts, ["3", "2", "3"]);
}

/// Asks every server for the list until the third version has come, and notes each answer that is new.
const ASK: &str = r#"
import os, socket
servers = [server.rsplit(":", 1) for server in os.environ["MEMCACHED_SERVERS"].split(",")]
def connected(host, port):
    connection = socket.create_connection((host, int(port)))
    return connection, connection.makefile("rb")
def ask(connection, replies, question):
    connection.sendall(question)
    lines = [replies.readline()]
    while lines[-1] not in (b"END\r\n", b"ERROR\r\n"):
        lines.append(replies.readline())
    return b"".join(lines)
connections = [connected(*server) for server in servers]
told = [[] for _ in connections]
while any(len(versions) < 3 for versions in told):
    for (connection, replies), versions in zip(connections, told):
        answer = ask(connection, replies, b"config get cluster\r\n")
        if answer not in versions:
            versions.append(answer)
            old = ask(connection, replies, b"get AmazonElastiCache:cluster\r\n")
            assert old.split(b"\r\n")[1:] == answer.split(b"\r\n")[1:], (old, answer)
            other = ask(connection, replies, b"config get clusters\r\n")
            assert other == b"ERROR\r\n", other
with open("told", "w") as file:
    for versions in told:
        file.write(ascii(versions) + "\n")
    file.write(" ".join(":".join(server) for server in servers))
"#;

/// Catches nodes that do not answer who asks them for the list, answer in another form than those of
/// `ElastiCache`, or with a list that is not the one of now; and an answer to any other question.
#[test]
#[cfg_attr(not(real_python3), ignore = "needs python3 on PATH")]
fn nodes_that_are_asked_for_the_list_know_it() {
    let place = Place::new();
    let leave = "[[faults]]\non = [\"n2\"]\nfor = \"2s\"\nleave = {}\n";
    let rest = format!("{PHASES}[nodes]\ndiscovery = true\n{leave}");
    place.scenario("asked", &format!("objectives = []\n{rest}"));
    std::fs::write(place.path("ask.py"), ASK).unwrap();
    let ended = place.run(
        "exec -scenario asked.toml -json -listen 127.0.0.1:0 -api 127.0.0.1:0 -duration 6s -- python3 ask.py",
    );
    let told =
        std::fs::read_to_string(place.path("told")).unwrap_or_else(|_| panic!("{}", ended.stderr));
    let lines: Vec<&str> = told.lines().collect();
    let servers: Vec<&str> = lines[3].split(' ').collect();
    let answer = |version: u32, nodes: &[usize]| {
        let node = |node: &usize| servers[*node].replace("127.0.0.1:", "127.0.0.1|127.0.0.1|");
        let nodes: Vec<String> = nodes.iter().map(node).collect();
        let body = format!("{version}\n{}\n", nodes.join(" "));
        let text = format!("CONFIG cluster 0 {}\r\n{body}\r\nEND\r\n", body.len());
        format!("b'{}'", text.escape_default())
    };
    let all = [answer(1, &[0, 1, 2]), answer(2, &[0, 2]), answer(3, &[0, 1, 2])].join(", ");
    for line in &lines[..3] {
        assert_eq!(*line, format!("[{all}]"));
    }
}

/// Catches a list that is to be told where nobody of ours is in between, which is found out by whoever asks, and
/// an explanation that does not mention it.
#[test]
fn only_our_own_proxies_tell_the_list() {
    let place = Place::new();
    place.scenario("asked", &format!("{PHASES}[nodes]\ndiscovery = true\n"));
    let said = place.run("-scenario asked.toml -nodes embedded -direct");
    said.refused(3, &["`discovery` in [nodes]", "leave out -direct"]);
    let said = place.run("explain asked.toml");
    assert!(said.stdout.contains("answers `config get cluster`"), "{}", said.stdout);
    assert_eq!(place.run("check asked.toml").code, 0);
}
