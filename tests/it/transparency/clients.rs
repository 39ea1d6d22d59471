//! Published clients and conformance tests: the same results directly, through the proxy, and, for
//! what it speaks, against the embedded node.

use std::process::{Command, Stdio};

use harness::base::scope::Scope;
use harness::protocol::memcached::server::config::NodeConfig;
use harness::protocol::memcached::server::serve::Node;
use tokio::runtime::Runtime;

use super::{PATIENCE, Proxied};
use crate::memcached::Memcached;

/// A node of our own that serves until it is dropped.
struct Embedded {
    runtime: Runtime,
    scope: Scope,
    node: Node,
}

impl Embedded {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let scope = Scope::root("test", runtime.handle().clone());
        let node = runtime.block_on(Node::start(&NodeConfig::default(), &scope)).unwrap();
        Self { runtime, scope, node }
    }

    fn address(&self) -> String {
        self.node.address().to_string()
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.runtime.block_on(self.scope.close(PATIENCE));
    }
}

/// What a program found: its exit code and its words, line by line.
fn run(program: &str, arguments: &[&str]) -> (Option<i32>, Vec<String>) {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let mut lines: Vec<String> = text.lines().map(|line| line.trim().to_owned()).collect();
    if !output.status.success() {
        lines.push(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    (output.status.code(), lines)
}

fn memccapable(address: &str, protocol: &str) -> (Option<i32>, Vec<String>) {
    let (host, port) = address.rsplit_once(':').unwrap();
    run("memccapable", &["-h", host, "-p", port, protocol])
}

/// Catches whatever libmemcached's conformance test finds, in both protocols.
#[test]
#[cfg_attr(not(all(real_memcached, real_memccapable)), ignore = "needs memccapable on PATH")]
fn memccapable_finds_no_difference() {
    let server = Memcached::start();
    let proxied = Proxied::new(server.upstream());
    for protocol in ["-a", "-b"] {
        let direct = memccapable(server.upstream(), protocol);
        assert!(direct.1.len() > 20, "{direct:?}");
        let passed = direct.1.iter().filter(|line| line.ends_with("[pass]")).count();
        assert!(passed > 20, "{direct:?}");
        assert_eq!(memccapable(&proxied.address.to_string(), protocol), direct);
    }
    let node = Embedded::start();
    assert_eq!(memccapable(&node.address(), "-a"), memccapable(server.upstream(), "-a"));
    assert_eq!(proxied.final_tap().reuse.after_silence, 0);
}

/// The lines of one suite of `tests/clients/memcached.py`.
fn python(address: &str, suite: &str) -> Vec<String> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/memcached.py");
    let (code, lines) = run("harness-python-clients", &[script, address, suite]);
    assert_eq!(code, Some(0), "{lines:#?}");
    lines
}

/// Catches a client that works with memcached and not, or not alike, through the proxy or with the
/// embedded node.
fn same_everywhere(suite: &str, node_too: bool) -> Vec<String> {
    let server = Memcached::start();
    let proxied = Proxied::new(server.upstream());
    let direct = python(server.upstream(), suite);
    assert_eq!(python(&proxied.address.to_string(), suite), direct, "{suite} through the proxy");
    let tap = proxied.final_tap();
    assert_eq!((tap.opaque, tap.reuse.after_silence), (0, 0), "{suite}: {tap:?}");
    assert!(tap.requests() > 50, "{suite}: {tap:?}");
    if node_too {
        assert_eq!(python(&Embedded::start().address(), suite), direct, "{suite} with the node");
    }
    direct
}

/// Catches a difference that pymemcache's own integration tests find.
#[test]
#[cfg_attr(
    not(all(real_memcached, real_python_clients)),
    ignore = "needs harness-python-clients on PATH"
)]
fn pymemcache_s_own_tests_pass_everywhere() {
    let results = same_everywhere("pymemcache", true);
    assert!(results.len() >= 90, "{results:#?}");
    let failed: Vec<_> = results.iter().filter(|line| line.ends_with("failed")).collect();
    assert!(failed.is_empty(), "{failed:#?}");
}

/// Catches a difference that aiomcache sees in any of its calls.
#[test]
#[cfg_attr(
    not(all(real_memcached, real_python_clients)),
    ignore = "needs harness-python-clients on PATH"
)]
fn every_call_of_aiomcache_is_answered_alike() {
    let results = same_everywhere("aiomcache", true);
    assert!(results.len() >= 45, "{results:#?}");
}

/// Catches a difference that python-binary-memcached's own tests find; the node speaks no binary.
#[test]
#[cfg_attr(
    not(all(real_memcached, real_python_clients)),
    ignore = "needs harness-python-clients on PATH"
)]
fn python_binary_memcached_s_own_tests_pass_through_the_proxy() {
    let results = same_everywhere("bmemcached", false);
    assert_eq!(results, ["119 tests run, 119 passed"]);
}
