//! `-names`: clients find the nodes by names of ours, and find them again when they move, or do not; and they
//! find nothing when nobody answers for the names.

use serde_json::Value;
use tempfile::TempDir;

use super::{harness, run};

/// A client of one node. It resolves its name for each connection, or once.
const CLIENT: &str = r#"
import os, socket, sys, time
host, port = os.environ["MEMCACHED_SERVER_1"].rsplit(":", 1)
assert host == "n1.harness.test", host
resolve = lambda: socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)[0][4]
first = resolve()
assert sorted(socket.gethostbyname_ex("nodes.harness.test")[2])[0] == first[0]
connection = None
while True:
    try:
        if connection is None:
            connection = socket.create_connection(first if sys.argv[1] == "once" else resolve(), timeout=1)
        connection.sendall(b"get k\r\n")
        if not connection.recv(100):
            raise OSError("closed")
    except OSError:
        connection = None
    time.sleep(0.005)
"#;

/// What a run of a scenario with that client came to: the exit code, and its report.
fn told(scenario: &str, how: &str) -> (Option<i32>, Value) {
    ended(&folder(), scenario, &format!("python3 client.py {how}"))
}

/// A place with that client.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("client.py"), CLIENT).unwrap();
    folder
}

/// What a run of a scenario with a command came to: the exit code, and its report.
fn ended(folder: &TempDir, scenario: &str, command: &str) -> (Option<i32>, Value) {
    let line = format!(
        "exec -scenario {scenario} -names -nodes embedded -duration 9s -api 127.0.0.1:0 -out runs -json -- {command}"
    );
    let output = harness(folder, &line).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let last = printed.lines().last().unwrap_or_else(|| {
        panic!("{}", String::from_utf8_lossy(&output.stderr));
    });
    (output.status.code(), serde_json::from_str(last).unwrap())
}

/// Requests that a node got in these phases.
fn requests(report: &Value, node: &str, phases: &[&str]) -> u64 {
    let seen = report["wire"]["phases"].as_array().unwrap().iter();
    let seen = seen.filter(|it| it["node"] == node && phases.iter().any(|one| it["phase"] == *one));
    seen.map(|it| it["requests"].as_u64().unwrap()).sum()
}

/// A scenario with these faults and an objective, in nine seconds.
fn scenario(folder: &TempDir, faults: &str, objective: &str) {
    let text = format!(
        "summary = \"made for a test\"\nobjectives = []\n[phases]\nwarmup = \"1s\"\nsteady = \"1s\"\n\
         fault = \"5s\"\nrecovery = \"2s\"\n{faults}\n[[objective]]\nname = \"asked\"\nsummary = \"x\"\n{objective}\n"
    );
    std::fs::write(folder.path().join("s.toml"), text).unwrap();
}

/// Catches a move that nobody can follow, or that a client survives which keeps an address for ever.
#[test]
#[cfg_attr(not(real_names), ignore = "needs root, unshare, mount and python3")]
fn who_resolves_again_finds_a_node_that_moved() {
    let (code, report) = told("endpoint-change", "again");
    assert_eq!(code, Some(0), "{report}");
    assert!(report["faults"][0]["operations_touched"].as_u64().unwrap() > 0, "{report}");
    let (code, report) = told("endpoint-change", "once");
    let failed = report["objectives"].as_array().unwrap().iter();
    let failed: Vec<_> = failed.filter(|one| one["grade"] == "fail").collect();
    assert_eq!(code, Some(1), "{report}");
    assert_eq!(failed[0]["name"], "found-again", "{report}");
}

/// Catches an old address at which nobody is although somebody should be, or somebody although nobody should, and a
/// client that is helped by what is there.
#[test]
#[cfg_attr(not(real_names), ignore = "needs root, unshare, mount and python3")]
fn at_the_old_address_is_who_should_be() {
    for (old, how, code) in [
        // To the end of the fault the node is at both.
        ("stays", "again", 0),
        ("stays", "once", 1),
        // The next node answers, and no request comes back to the one that moved.
        ("other", "again", 0),
        ("other", "once", 1),
    ] {
        let folder = folder();
        let moves = format!("[[faults]]\non = [\"n1\"]\nmove = {{ old = \"{old}\" }}");
        scenario(&folder, &moves, "measure = \"wire_first_reply\"\nat_most = \"1s\"");
        let (ended, report) = ended(&folder, "s.toml", &format!("python3 client.py {how}"));
        assert_eq!(ended, Some(code), "{old}, {how}: {report}");
        assert!(report["faults"][0]["operations_touched"].as_u64() > Some(0), "{old}: {report}");
        let next = requests(&report, "n2", &["fault", "recovery"]);
        assert_eq!(next > 0, (old, how) == ("other", "once"), "{old}, {how}: {report}");
    }
}

/// Catches a second owner that is never found, or that stays when the fault is over.
#[test]
#[cfg_attr(not(real_names), ignore = "needs root, unshare, mount and python3")]
fn two_owners_are_both_asked() {
    let folder = folder();
    let faults = "[[faults]]\non = [\"n1\"]\ntwo_owners = {}\n[[faults]]\non = [\"n1\", \"n2\"]\nat = \"500ms\"\n\
                  reset_peer = { timeout = \"100ms\" }";
    scenario(&folder, faults, "measure = \"wire_first_reply\"\nat_most = \"1s\"");
    let (_, report) = ended(&folder, "s.toml", "python3 client.py again");
    for fault in [0, 1] {
        let touched = report["faults"][fault]["operations_touched"].as_u64();
        assert!(touched > Some(1), "{report}");
    }
    // The client knows one name: nobody asks the second node while the first has it for itself.
    assert!(requests(&report, "n2", &["fault"]) > 0, "{report}");
    assert_eq!(requests(&report, "n2", &["steady", "recovery"]), 0, "{report}");
}

/// Looks a name up again and again, and writes down what is new of what comes of it.
const LOOK_UP: &str = r#"
import os, socket, time
host, port = os.environ["MEMCACHED_SERVER_1"].rsplit(":", 1)
assert port == "11211", "a name alone would not be enough"
connection = socket.create_connection((host, int(port)))
last = None
while True:
    connection.sendall(b"get k\r\n")
    assert connection.recv(100) == b"END\r\n", "an open connection needs no name"
    try:
        found = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)[0][4][0]
        now = "found"
    except socket.gaierror as error:
        now = socket.EAI_AGAIN == error.errno and "again" or socket.EAI_NONAME == error.errno and "none" or str(error)
    if now != last:
        print(now, file=open("seen", "a"))
        last = now
    time.sleep(0.02)
"#;

/// Catches a failure of the name service that the resolver of a system takes for another, that open connections feel,
/// or that does not end.
#[test]
#[cfg_attr(not(real_names), ignore = "needs root, unshare, mount and python3")]
fn a_name_service_fails_as_it_is_told_to() {
    let folder = folder();
    std::fs::write(folder.path().join("look.py"), LOOK_UP).unwrap();
    let fault = |at: u32, length: u32, answer: &str| {
        format!(
            "[[faults]]\nname = \"f{at}\"\non = \"all\"\nat = \"{at}ms\"\nfor = \"{length}ms\"\ndns = {{ {answer} }}\n"
        )
    };
    let faults = [
        fault(0, 600, "answer = \"truncated\""),
        fault(600, 600, "answer = \"late\", delay = \"100ms\""),
        fault(1200, 600, "answer = \"servfail\""),
        fault(1800, 600, "answer = \"nxdomain\""),
        // The resolver waits for it twice, a second each time.
        fault(2400, 2600, "answer = \"silence\""),
    ];
    scenario(&folder, &faults.concat(), "measure = \"wire_first_reply\"\nat_most = \"10s\"");
    let (_, report) = ended(&folder, "s.toml", "python3 look.py");
    let seen = std::fs::read_to_string(folder.path().join("seen")).unwrap_or_default();
    let seen: Vec<&str> = seen.lines().collect();
    assert_eq!(seen, ["found", "again", "none", "again", "found"], "{report}");
    let touched = report["faults"].as_array().unwrap().iter();
    let touched: Vec<_> = touched.map(|it| it["operations_touched"].as_u64()).collect();
    assert!(touched.iter().all(|count| *count > Some(0)), "{touched:?}");
}

/// Catches a fault of names, or names, that begin although nobody can see them.
#[test]
fn what_cannot_be_had_is_refused_with_the_reason() {
    for (line, expected, reason) in [
        ("-scenario endpoint-change -once", 3, "with -names only"),
        ("-scenario dns-flap -once", 3, "with -names only"),
        ("-scenario two-owners -once", 3, "with -names only"),
        ("-scenario name-service-failure -once", 3, "with -names only"),
        ("-scenario baseline-steady -names -listen 127.0.0.1:0 -once", 2, "-listen"),
        ("exec -scenario baseline-steady -names -listen 127.0.0.1:0 -- true", 2, "-listen"),
        ("up -names -listen 127.0.0.1:0", 2, "-listen"),
    ] {
        let (code, _, said) = run(line);
        assert!(code == expected && said.contains(reason), "{line}: {code} {said}");
    }
}

/// Catches names that are lost when a plan is run again.
#[test]
fn a_plan_has_its_names() {
    let (_, plan, said) = run("-scenario baseline-steady -names -client no-such -dry-run");
    assert!(plan.is_empty() && said.contains("no-such"), "{said}");
    let (code, plan, said) = run("-scenario endpoint-change -names -dry-run");
    // 3: the plan is fine, and this machine cannot.
    assert!(code == 0 || code == 3 && said.contains("would not begin"), "{said}");
    assert!(plan.contains("names = true"), "{said}");
    assert!(plan.contains("old = \"refuses\""), "{plan}");
}
