//! Services that are asked for answers.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use harness::base::scope::Scope;
use harness::event::Phase;
use harness::judge::Verdict;
use harness::report::Report;
use harness::testing::Nodes;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _};

use super::{Ended, Place};

const NODES: &str = "-nodes embedded -json -listen 127.0.0.1:0 -api 127.0.0.1:0 -seed 7 -out o";

/// Long enough that a service answers in every phase, and no longer.
const SHORT: &str = r#"
objectives = ["no-wrong-data", "no-lost-slots"]
[phases]
warmup = "700ms"
steady = "700ms"
fault = "700ms"
recovery = "700ms"
[[faults]]
name = "slow"
on = "all"
latency = { latency = "5ms" }
"#;

/// A service of one request in three kinds, each answer of which is wrong in its own way, but for the
/// last; it asks its cache once for each. With an argument it ends after so many answers.
const APP: &str = r#"
import os, socket, sys, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
servers = [server.rsplit(":", 1) for server in os.environ["MEMCACHED_SERVERS"].split(",")]
answers = 0
class App(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        global answers
        answers += 1
        if len(sys.argv) > 2 and answers > int(sys.argv[2]):
            print("out of answers", flush=True)
            os._exit(7)
        for host, port in servers:
            with socket.create_connection((host, int(port))) as cache:
                cache.sendall(b"get k\r\n")
                cache.recv(100)
        if self.path == "/late":
            time.sleep(0.2)
        status = 302 if self.path == "/moved" else 200
        self.send_response(status)
        self.send_header("Location", "/")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"hi")
    def log_message(self, *_):
        pass
ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), App).serve_forever()
"#;

const WORKLOAD: &str = r#"
summary = "each kind comes to an outcome of its own"
[arrival]
constant = { rate = "1/s" }
[http]
base = "http://127.0.0.1:PORT"
[[http.request]]
path = "/{key}?n={n}"
expect = { status = "200", body_contains = "hi" }
[[http.request]]
path = "/moved"
[[http.request]]
path = "/body"
expect = { body_contains = "price" }
[[http.request]]
path = "/late"
expect = { within = "100ms" }
"#;

/// A port that nobody listened on a moment ago.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A command in a place with all files, whose workload asks at `port`.
fn harness(place: &Place, port: u16, words: &str) -> Command {
    place.scenario("short", SHORT);
    std::fs::write(place.path("app.py"), APP).unwrap();
    let workload = WORKLOAD.replace("PORT", &port.to_string());
    std::fs::write(place.path("w.toml"), workload).unwrap();
    place.command(words)
}

/// The same, started by us, and asked more often than the workload says.
fn exec(place: &Place, port: u16, command: &[&str]) -> Ended {
    let words =
        format!("exec {NODES} -scenario short.toml -workload w.toml -rate 40/s -concurrency 20 --");
    Ended::of(harness(place, port, &words).args(command))
}

/// How many operations came to each outcome, over all phases.
fn outcomes(report: &Report, name: &str) -> u64 {
    let phases = report.phases.iter();
    phases.filter_map(|phase| phase.all.figures.outcomes.get(name)).sum()
}

/// Catches an answer that comes to another outcome than its own, an operation that has none, words that
/// do not say what was wrong, a redirect that is followed, a figure of nodes although nobody knows
/// which were asked, a value that counts as checked, and traffic to the cache that is not seen.
#[test]
#[cfg_attr(not(real_python3), ignore = "needs python3 on PATH")]
fn answers_are_judged_by_what_is_expected_of_them() {
    let (place, port) = (Place::new(), free_port());
    let ended = exec(&place, port, &["python3", "app.py", &port.to_string()]);
    let report = ended.report();
    for name in ["ok", "unexpected_status", "unexpected_body", "too_late"] {
        assert!(outcomes(&report, name) > 0, "{name}: {:?}", report.phases);
    }
    let (issued, counted) = report.conservation();
    assert_eq!(issued, Some(counted), "{:?}", report.reasons);
    let subject = report.subject.as_ref().unwrap();
    assert_eq!((subject.kind.as_str(), subject.crashes), ("service", Some(0)));
    let said = |word| subject.errors.iter().any(|error| error.message.contains(word));
    assert!(said("GET /moved: 302 (no redirect is followed), 2xx is expected"), "{subject:?}");
    assert!(said("GET /body: 200, and no `price` in the body; it says: hi"), "{subject:?}");
    for phase in &report.phases {
        assert_eq!((&phase.healthy_nodes, &phase.faulty_nodes), (&None, &None));
    }
    assert!(report.nodes.iter().all(|node| node.phases.is_empty()));
    assert_eq!((report.data.totals.wrong, report.data.totals.stale), (None, None));
    let wire = report.wire.as_ref().expect("the proxies count");
    let mut judged = wire.phases.iter().filter(|row| row.phase != Phase::Drain);
    assert!(judged.all(|row| row.requests > 0), "{:?}", wire.phases);
    let limits = report.harness.limits.join("\n");
    assert!(limits.contains("which node a request needed is unknown"), "{limits}");
    assert!(limits.contains("these objectives are left out: no-wrong-data"), "{limits}");
}

/// Catches a service that dies and passes, or whose last words nobody gets to see.
#[test]
#[cfg_attr(not(real_python3), ignore = "needs python3 on PATH")]
fn a_service_that_dies_fails_the_run() {
    let (place, port) = (Place::new(), free_port());
    let ended = exec(&place, port, &["python3", "app.py", &port.to_string(), "20"]);
    let report = ended.report();
    assert_eq!((report.verdict, ended.code), (Verdict::Fail, 1), "{:?}", report.reasons);
    let reasons = report.reasons.join("\n");
    assert!(reasons.contains("the process of the service died: 1"), "{reasons}");
    assert!(ended.stdout.contains("out of answers"), "{}", ended.stdout);
}

/// Catches a service that cannot be used and is waited for without end, or refused without a word of
/// what is wrong.
#[test]
fn a_service_that_is_none_is_refused() {
    let place = Place::new();
    let port = free_port();
    let ended = exec(&place, port, &["sh", "-c", "echo no database; exit 3"]);
    assert_eq!(ended.code, 3, "{}", ended.stderr);
    let words = "the service ended before it was ready (exit code 3)";
    assert!(ended.stderr.contains(words), "{}", ended.stderr);
    assert!(ended.stderr.contains("no database"), "{}", ended.stderr);

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let words = format!("{NODES} -scenario short.toml -workload w.toml");
    let ended = std::thread::scope(|scope| {
        scope.spawn(|| {
            use std::io::{Read, Write};
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 1000]).unwrap();
            stream.write_all(b"VALUE k 0 2\r\nhi\r\nEND\r\n").unwrap();
        });
        Ended::of(&mut harness(&place, port, &words))
    });
    assert_eq!(ended.code, 3, "{}", ended.stderr);
    assert!(ended.stderr.contains("the answer is not HTTP"), "{}", ended.stderr);
}

/// Catches a load that a command is given and cannot take.
#[test]
fn only_a_service_is_given_a_workload() {
    let place = Place::new();
    place.scenario("short", SHORT);
    let words = format!("exec {NODES} -scenario short.toml -workload mixed -- true");
    let ended = Ended::of(&mut place.command(&words));
    ended.refused(2, &["the workload mixed asks a cache", "[http]"]);
    let words = format!("exec {NODES} -scenario short.toml -rate 9/s -- true");
    Ended::of(&mut place.command(&words)).refused(2, &["--workload <NAME|FILE>"]);
}

/// Catches an example that does not run, or whose service does not hide that a node is down.
#[test]
#[cfg_attr(
    not(real_clients),
    ignore = "needs clients/install pymemcache, and HARNESS_REQUIRE=clients"
)]
fn the_example_keeps_its_pages_when_a_node_is_down() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (place, port) = (Place::new(), free_port().to_string());
    let shop = std::fs::read_to_string(root.join("examples/service/shop.toml")).unwrap();
    std::fs::write(place.path("shop.toml"), shop.replace("8000", &port)).unwrap();
    let words = format!(
        "exec {NODES} -scenario single-node-failure -duration 20s -workload shop.toml -- python3"
    );
    let mut command = place.command(&words);
    command.arg(root.join("examples/service/app.py")).arg(&port);
    let report =
        Ended::of(command.env("PYTHONPATH", root.join("clients/pymemcache/packages"))).report();
    assert_ne!(report.verdict, Verdict::Fail, "{:?}", report.reasons);
    assert_ne!(report.verdict, Verdict::Vacuous, "{:?}", report.reasons);
    let (_, all) = report.conservation();
    // On a busy machine a page may be late; it is a page all the same.
    let kept = outcomes(&report, "ok") + outcomes(&report, "too_late");
    assert!(kept > all * 9 / 10, "{kept} of {all}: {:?}", report.subject);
}

/// The shop of the example, until it is dropped.
struct Shop(Child);

impl Shop {
    /// Starts it at `port`, its cache on `servers`, and writes the client file that asks it.
    fn start(place: &Place, port: u16, servers: &[String]) -> Self {
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/service");
        let file = std::fs::read_to_string(example.join("cache.toml")).unwrap();
        let file = file.replace("8000", &port.to_string()).replace("500ms", "5s");
        std::fs::write(place.path("cache.toml"), file).unwrap();
        let mut command = Command::new("python3");
        command.arg(example.join("app.py")).arg(port.to_string());
        command.env("PYTHONPATH", example.join("../../clients/pymemcache/packages"));
        command.env("MEMCACHED_SERVERS", servers.join(",")).env("CACHE_TIMEOUT_S", "5");
        let mut shop = Self(command.stdout(Stdio::piped()).spawn().unwrap());
        let stdout = shop.0.stdout.take().unwrap();
        assert_eq!(BufReader::new(stdout).lines().next().unwrap().unwrap(), "ready");
        shop
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The first of three ports in a row on which nobody listened a moment ago.
fn three_free_ports() -> u16 {
    let free = |port: &u16| (0..3).all(|n| TcpListener::bind(("127.0.0.1", port + n)).is_ok());
    (0..100).map(|_| free_port()).find(free).expect("a machine with three ports")
}

/// Catches values that are not checked because no process of ours made the calls, keys that are not
/// found again on the wire, and an operation without a form in HTTP that is asked for.
#[test]
#[cfg_attr(
    not(real_clients),
    ignore = "needs clients/install pymemcache, and HARNESS_REQUIRE=clients"
)]
fn a_cache_behind_http_is_held_to_its_values() {
    let (place, first) = (Place::new(), three_free_ports());
    let servers: Vec<String> = (0..3).map(|n| format!("127.0.0.1:{}", first + n)).collect();
    let _shop = Shop::start(&place, free_port(), &servers);
    place.scenario("short", SHORT);
    let words = NODES.replace("127.0.0.1:0 -api", &format!("{} -api", servers[0]));
    let words = format!("{words} -scenario short.toml -client cache.toml -duration 4s");
    let report = place.run(&words).report();
    assert_ne!(report.verdict, Verdict::Fail, "{:?}", report.reasons);
    assert_ne!(report.verdict, Verdict::Vacuous, "{:?}", report.reasons);
    assert_eq!(report.data.totals.wrong, Some(0));
    for name in ["hit", "stored", "deleted", "counted"] {
        assert!(outcomes(&report, name) > 0, "{name}: {:?}", report.phases);
    }
    let steady = report.phases.iter().find(|phase| phase.all.name == Phase::Fault).unwrap();
    assert!(steady.faulty_nodes.is_some(), "the nodes are learned from the wire");
}

/// Catches a check that passes whatever a service answers, and one that fails a service which is right.
#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(
    not(real_clients),
    ignore = "needs clients/install pymemcache, and HARNESS_REQUIRE=clients"
)]
async fn a_service_is_checked_like_a_driver() {
    let nodes = Nodes::start(3).await.unwrap();
    let servers: Vec<String> = nodes.addresses().iter().map(ToString::to_string).collect();
    let place = Place::new();
    let shop = Shop::start(&place, free_port(), &servers);
    let right = place.run("check -driver cache.toml");
    assert_eq!(right.code, 0, "{}{}", right.stdout, right.stderr);
    assert!(right.stdout.contains("ok       calls at once"), "{}", right.stdout);
    drop(shop);
    nodes.close().await;

    let scope = Scope::current("wrong");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let url = format!("summary = \"x\"\n[driver]\nurl = \"http://127.0.0.1:{port}\"\n");
    std::fs::write(place.path("wrong.toml"), url).unwrap();
    let connections = scope.child("connections");
    scope.spawn("accept", async move {
        while let Ok((stream, _)) = listener.accept().await {
            connections.spawn("connection", always_answers(stream));
        }
    });
    let wrong = place.run("check -driver wrong.toml");
    assert_eq!(wrong.code, 1, "{}{}", wrong.stdout, wrong.stderr);
    assert!(wrong.stdout.contains("FAILED   text"), "{}", wrong.stdout);
    assert!(wrong.stdout.contains("FAILED   calls at once"), "{}", wrong.stdout);
    scope.cancel();
}

/// Answers every head with the same two bytes, until the connection ends.
async fn always_answers(stream: tokio::net::TcpStream) {
    let (read, mut write) = stream.into_split();
    let mut lines = tokio::io::BufReader::new(read).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";
        if line.is_empty() && write.write_all(answer).await.is_err() {
            return;
        }
    }
}
