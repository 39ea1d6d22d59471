//! The driver protocol as people meet it: its page, the checker, and the published clients.

use std::path::Path;
use std::process::Command;

use harness::driver::speech::{self, Answer, Hello, Members, Request, Said, VERBS};
use harness::event::ErrorClass;
use serde_json::Value;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn page() -> String {
    std::fs::read_to_string(Path::new(ROOT).join("docs/drivers.md")).unwrap()
}

/// Runs the checker in the project's folder; its exit code and what it printed.
pub(crate) fn check(words: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_harness"));
    let output = command.current_dir(ROOT).args(["check", "-driver"]).args(words).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let all = format!("{}{}", text(&output.stdout), text(&output.stderr));
    (output.status.code().expect("no signal ended it"), all)
}

/// The line as the harness itself would say it.
fn said_by_us(line: &str) -> Vec<u8> {
    let value: Value = serde_json::from_str(line).unwrap();
    let text = |name: &str| value[name].as_str();
    if value["hello"].is_u64() {
        let servers: Vec<String> = serde_json::from_value(value["servers"].clone()).unwrap();
        return speech::line(&Hello {
            hello: speech::VERSION,
            servers: &servers,
            concurrency: value["concurrency"].as_u64().unwrap().try_into().unwrap(),
            timeout_ms: value["timeout_ms"].as_u64().unwrap(),
            protocol: value["protocol"].as_str(),
            tls_ca: value["tls_ca"].as_str(),
            username: value["username"].as_str(),
            password: value["password"].as_str(),
            sasl: value["sasl"].as_bool().unwrap_or_default(),
            settings: value["settings"].as_object().unwrap(),
        });
    }
    if let Some(members) = value["members"].as_u64() {
        let servers: Vec<String> = serde_json::from_value(value["servers"].clone()).unwrap();
        let servers: Vec<&str> = servers.iter().map(String::as_str).collect();
        return speech::line(&Members { members, servers: &servers });
    }
    for word in ["ping", "cancel", "bye"] {
        if let Some(number) = value[word].as_u64() {
            return speech::control(word, number);
        }
    }
    let decode = |text: &str| {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.decode(text).unwrap()
    };
    let op = VERBS.into_iter().find(|verb| Some(*verb) == text("op")).expect("an operation");
    let key = text("key64").map_or_else(|| text("key").unwrap_or_default().into(), decode);
    let mut request = match value["keys"].as_array() {
        Some(keys) => Request::many(keys.iter().map(|key| key.as_str().unwrap()).collect()),
        None => Request::new(op, &key),
    };
    if let Some(value64) = text("value64") {
        request = request.value(&decode(value64));
    }
    if let Some(ttl_s) = value["ttl_s"].as_i64() {
        request = request.ttl_s(ttl_s);
    }
    if let Some(cas) = text("cas") {
        request = request.cas(cas.parse().unwrap());
    }
    if let Some(by) = value["by"].as_u64() {
        request = request.by(by);
    }
    let flags = value["flags"].as_u64().map(|flags| flags.try_into().unwrap());
    request.flags(flags).line(value["id"].as_u64().unwrap())
}

/// Catches a line of the page that the harness does not say so, or does not understand.
#[test]
fn every_line_of_the_page_is_of_the_protocol() {
    let page = page();
    let (mut ours, mut answers) = (0, Vec::new());
    for line in page.lines() {
        if let Some(line) = line.strip_prefix("-> ") {
            assert_eq!(String::from_utf8(said_by_us(line)).unwrap().trim_end(), line);
            ours += 1;
        } else if let Some(line) = line.strip_prefix("<- ") {
            match speech::read(line.as_bytes()).unwrap_or_else(|error| panic!("{error}")) {
                Said::Answer(_, answer) => answers.push(answer.name()),
                Said::Ready(ready) => assert!(!ready.operations.is_empty()),
                Said::Pong(_) | Said::Listed(_) | Said::Bye | Said::Complaint(_) => {}
            }
        }
    }
    assert!(ours >= 10, "only {ours} requests");
    for answer in [Answer::Miss, Answer::Stored, Answer::Cancelled].map(|answer| answer.name()) {
        assert!(answers.contains(&answer), "no line with `{answer}`");
    }
    for word in VERBS.into_iter().chain(ErrorClass::tellable().map(ErrorClass::name)) {
        assert!(page.contains(&format!("`{word}`")), "the page has no `{word}`");
    }
}

/// Catches an example that people copy and that does not keep to the page it stands in.
#[test]
#[cfg_attr(not(real_python3), ignore = "needs python3 on PATH")]
fn the_example_of_the_page_is_a_driver() {
    let page = page();
    let (_, code) = page.split_once("```python\n").expect("an example");
    let (code, _) = code.split_once("```").expect("its end");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("driver.py");
    std::fs::write(&file, code).unwrap();
    let (exit, said) = check(&["-nodes", "embedded", "--", "python3", file.to_str().unwrap()]);
    assert_eq!(exit, 0, "{said}");
    assert!(said.contains(" 0 differ, ") && said.contains(" 0 failed"), "{said}");
}

/// Catches a checker that starts something for a file that is wrong, and one that passes what it could not
/// start.
#[test]
fn what_cannot_be_checked_is_said() {
    for (words, exit, part) in [
        (&["nobody"][..], 2, "unknown client profile `nobody`"),
        (&["classic"], 2, "has no driver"),
        (&["--", "no-such-program"], 3, "cannot run no-such-program"),
        (&["--", "echo", "hello"], 3, "in the line: hello"),
    ] {
        let (code, said) = check(words);
        assert_eq!(code, exit, "{words:?}: {said}");
        assert!(said.contains(part), "{words:?}: {said}");
    }
}

/// Catches a driver of a published client that no longer keeps to the protocol. What is named beside a
/// client is the client's own doing.
fn keeps_to_the_protocol(nodes: &str, clients: &[(&str, &str)]) {
    for (client, known) in clients {
        let (_, said) = check(&[client, "-nodes", nodes]);
        let failed: Vec<&str> =
            said.lines().filter_map(|line| line.strip_prefix("FAILED   ")).collect();
        let known: Vec<&str> = known.split_terminator('|').collect();
        assert_eq!(failed, known, "{client}: {said}");
        assert!(said.contains(" differ, "), "{client}: {said}");
    }
}

macro_rules! runtimes {
    ($($name:ident: $clients:expr;)*) => {$(
        #[test]
        #[cfg_attr(
            not(real_clients),
            ignore = "needs memcached and what clients/install installs (HARNESS_REQUIRE=clients)"
        )]
        fn $name() {
            keeps_to_the_protocol("memcached", &$clients);
        }
    )*};
}

runtimes! {
    python_drivers_keep_to_the_protocol: [
        ("pymemcache", ""), ("pylibmc", ""), ("python-memcached", ""), ("aiomcache", ""), ("emcache", ""),
        ("python-memcached/gevent", ""), ("bmemcached", ""),
    ];
    // It sends the code of an append.
    node_drivers_keep_to_the_protocol: [("memjs", "prepend, present"), ("memcached", "")];
    ruby_drivers_keep_to_the_protocol: [("dalli", "")];
    php_drivers_keep_to_the_protocol: [("php-memcached", "")];
    perl_drivers_keep_to_the_protocol: [("cache-memcached-fast", "")];
    java_drivers_keep_to_the_protocol: [("spymemcached", "")];
    go_drivers_keep_to_the_protocol: [("gomemcache", "")];
    c_drivers_keep_to_the_protocol: [("libmemcached", "")];
}

#[test]
#[cfg_attr(
    not(all(real_clients, real_redis)),
    ignore = "needs redis-server and what clients/install installs (HARNESS_REQUIRE=clients,redis)"
)]
fn redis_drivers_keep_to_the_protocol() {
    keeps_to_the_protocol("redis", &[("redis-py", "")]);
}

/// One short run of a published client: the report.
pub(crate) fn run(scenario: &str, client: &str, flags: &[&str]) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_harness"));
    command.current_dir(ROOT).args(["-scenario", scenario, "-json"]).args(flags);
    let output = command.args(["-client", client, "-out"]).arg(folder.path()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let last = said.lines().last().unwrap_or_else(|| panic!("{client}: {output:?}"));
    serde_json::from_str(last).unwrap_or_else(|error| panic!("{client}: {error}: {last}"))
}

fn abandoned(client: &str) -> Value {
    run("abandoned-calls", client, &["-duration", "8s", "-rate", "200/s"])
}

/// Catches a harness that no longer finds what a published client does after a call was given up: the late
/// reply goes to the next call, which reads another key's value or, where keys are compared, a miss.
#[test]
#[cfg_attr(
    not(real_clients),
    ignore = "needs memcached and what clients/install installs (HARNESS_REQUIRE=clients)"
)]
fn replies_that_abandoned_calls_leave_behind_are_found() {
    for client in ["python-memcached/gevent", "bmemcached/gevent"] {
        let report = abandoned(client);
        let found = report["data"]["wrong"].as_u64();
        assert!(found > Some(0), "{client}: {found:?}: {}", report["reasons"]);
        assert_eq!(report["verdict"], "fail", "{client}: {}", report["reasons"]);
    }
    // The late reply is an error where it is of another kind, and a miss where it is of another key; which of them it
    // meets is chance.
    let report = abandoned("aiomcache");
    let count = |phase: &Value| phase["outcomes"]["error.protocol"].as_u64().unwrap_or_default();
    let errors: u64 = report["phases"].as_array().unwrap().iter().map(count).sum();
    let misses = report["data"]["false_misses"].as_u64().unwrap();
    assert!(errors + misses > 0, "aiomcache: {}", report["reasons"]);
    assert!(misses == 0 || report["verdict"] == "fail", "aiomcache: {}", report["reasons"]);
}

/// Catches a harness that puts its own doing on a client: this one closes what it gave up on.
#[test]
#[cfg_attr(
    not(real_clients),
    ignore = "needs memcached and what clients/install installs (HARNESS_REQUIRE=clients)"
)]
fn a_client_that_closes_what_it_gave_up_on_is_not_accused() {
    let report = abandoned("emcache");
    for finding in ["wrong", "corrupt", "stale", "false_misses", "acknowledged_but_lost"] {
        assert_eq!(report["data"][finding], 0, "{finding}: {}", report["reasons"]);
    }
}

/// Catches a harness that no longer finds the reply that redis-py 4.5.3 leaves to the next call when one is
/// cancelled (CVE-2023-28859), and one that accuses the version in which that is mended.
#[test]
#[cfg_attr(
    not(all(real_clients, real_redis)),
    ignore = "needs redis-server and what clients/install installs (HARNESS_REQUIRE=clients,redis)"
)]
fn a_cancelled_call_of_redis_py_is_found_in_its_version() {
    let wrong = |client: &str| {
        let flags = ["-duration", "12s", "-rate", "300/s", "-nodes", "redis"];
        let report = run("abandoned-calls", client, &flags);
        (report["data"]["wrong"].as_u64(), report["verdict"].as_str() == Some("fail"), report)
    };
    let (found, fails, report) = wrong("redis-py-4.5.3");
    assert!(found > Some(0) && fails, "{found:?}: {}", report["reasons"]);
    let (found, _, report) = wrong("redis-py-4.5.5");
    assert_eq!(found, Some(0), "{}", report["reasons"]);
}

/// How a client that gives up a node at its first failure is graded for the connections that it makes long
/// after the node is back.
fn keeps_connections(client: &str) -> Value {
    let report = run("single-node-failure", client, &["-duration", "12s", "-rate", "150/s"]);
    let objectives = report["objectives"].as_array().unwrap();
    let graded = objectives.iter().find(|graded| graded["name"] == "keeps-connections");
    let graded = graded.unwrap_or_else(|| panic!("{client}: {objectives:?}"));
    assert!(graded["measured"].is_number(), "{client}: {graded}");
    graded["grade"].clone()
}

/// Catches a harness that no longer finds a client which makes its connections to a node that came back anew
/// for ever, and one that accuses the version in which that is mended.
#[test]
#[cfg_attr(
    not(real_clients),
    ignore = "needs memcached and what clients/install installs (HARNESS_REQUIRE=clients)"
)]
fn a_node_that_is_back_is_not_connected_to_for_ever() {
    assert_eq!(keeps_connections("pymemcache-3.0.1/failover"), "fail");
    assert_eq!(keeps_connections("pymemcache/failover"), "pass");
}
