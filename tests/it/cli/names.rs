//! `-names`: clients find the nodes by names of ours, and find them again when they move, or do not.

use serde_json::Value;

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
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("client.py"), CLIENT).unwrap();
    let line = format!(
        "exec -scenario {scenario} -names -nodes embedded -duration 8s -api 127.0.0.1:0 -out runs -json -- \
         python3 client.py {how}"
    );
    let output = harness(&folder, &line).output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    let last = printed.lines().last().unwrap_or_else(|| {
        panic!("{}", String::from_utf8_lossy(&output.stderr));
    });
    (output.status.code(), serde_json::from_str(last).unwrap())
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

/// Catches a fault of names, or names, that begin although nobody can see them.
#[test]
fn what_cannot_be_had_is_refused_with_the_reason() {
    for (line, expected, reason) in [
        ("-scenario endpoint-change -once", 3, "with -names only"),
        ("-scenario dns-flap -once", 3, "with -names only"),
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
    assert!(code == 0 && plan.contains("names = true"), "{said}");
    assert!(plan.contains("old = \"refuses\""), "{plan}");
}
