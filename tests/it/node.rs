//! The embedded node over real sockets: beside a real memcached, and by itself.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use harness::base::scope::{Closed, Scope};
use harness::protocol::memcached::server::config::NodeConfig;
use harness::protocol::memcached::server::serve::Node;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

mod dialogues;
mod login;

use dialogues::DIALOGUES;

/// How long a test waits for what must come at once.
const PATIENCE: Duration = Duration::from_secs(20);

/// A memcached child with everything switched off that a node does not have.
struct Memcached {
    child: Child,
    address: SocketAddr,
}

impl Memcached {
    fn start() -> Self {
        Self::start_with(&[])
    }

    /// With these words behind the usual ones.
    fn start_with(words: &[&str]) -> Self {
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = free.local_addr().expect("an address");
        drop(free);
        let port = address.port().to_string();
        let child = Command::new("memcached")
            .args(["-l", "127.0.0.1", "-p", &port, "-U", "0", "-u", "nobody", "-X", "-W"])
            .args(["-o", "no_lru_crawler,no_slab_reassign"])
            .args(words)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("memcached on PATH");
        Self { child, address }
    }
}

impl Drop for Memcached {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn connect(address: SocketAddr) -> TcpStream {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                stream.set_nodelay(true).expect("an open socket");
                return stream;
            }
            Err(error) if tokio::time::Instant::now() > deadline => panic!("{error}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
}

/// Sends everything, then the end of the stream, and returns all replies.
async fn ask(address: SocketAddr, request: &[u8]) -> Vec<u8> {
    let exchange = async {
        let mut stream = connect(address).await;
        let mut replies = Vec::new();
        // A server that closes early resets what is still on its way.
        let _ = stream.write_all(request).await;
        let _ = stream.shutdown().await;
        let _ = stream.read_to_end(&mut replies).await;
        replies
    };
    tokio::time::timeout(PATIENCE, exchange).await.expect("a server did not close")
}

async fn start_node(config: &NodeConfig) -> (Scope, Node) {
    let scope = Scope::current("test");
    let node = Node::start(config, &scope).await.expect("a free port");
    (scope, node)
}

/// Reads until `text` ends what came.
async fn expect(stream: &mut TcpStream, text: &str) {
    let mut got = Vec::new();
    let reading = async {
        while !got.ends_with(text.as_bytes()) && stream.read_buf(&mut got).await.unwrap_or(0) > 0 {}
    };
    let _ = tokio::time::timeout(PATIENCE, reading).await;
    assert!(got.ends_with(text.as_bytes()), "{} instead of {text:?}", got.escape_ascii());
}

// === by itself ===

/// Catches a client that cannot read the version, or a reply to the wrong connection.
#[tokio::test(flavor = "multi_thread")]
async fn connections_share_the_items() {
    let (_scope, node) = start_node(&NodeConfig::default()).await;
    let (mut one, mut two) = (connect(node.address()).await, connect(node.address()).await);
    one.write_all(b"version\r\nset a 0 0 2\r\nhi\r\n").await.unwrap();
    expect(&mut one, "VERSION 1.6.18\r\nSTORED\r\n").await;
    two.write_all(b"get a\r\n").await.unwrap();
    expect(&mut two, "VALUE a 0 2\r\nhi\r\nEND\r\n").await;
    node.flush();
    two.write_all(b"get a\r\nstats\r\n").await.unwrap();
    expect(&mut two, "reclaimed 0\r\nEND\r\n").await;
    assert_eq!(node.stop().await, Closed::Clean);
}

/// Catches a large value that is damaged or refused when it comes and goes in many pieces.
#[tokio::test(flavor = "multi_thread")]
async fn large_values_arrive_whole() {
    let (_scope, node) = start_node(&NodeConfig::default()).await;
    let mut stream = connect(node.address()).await;
    for bytes in [16 * 1024, 64 * 1024, 1_048_516] {
        let value: Vec<u8> = (0..bytes).map(|at: u32| (at % 251) as u8).collect();
        let mut request = format!("set a 0 0 {bytes}\r\n").into_bytes();
        request.extend(&value);
        for piece in request.chunks(50_000) {
            stream.write_all(piece).await.unwrap();
        }
        stream.write_all(b"\r\n").await.unwrap();
        expect(&mut stream, "STORED\r\n").await;
        stream.write_all(b"get a a\r\n").await.unwrap();
        let head = format!("VALUE a 0 {bytes}\r\n").into_bytes();
        let one = [&head[..], &value, b"\r\n"].concat();
        let expected = [&one[..], &one, b"END\r\n"].concat();
        let mut replies = vec![0; expected.len()];
        stream.read_exact(&mut replies).await.unwrap();
        assert!(replies == expected, "{bytes} bytes came back changed");
    }
}

/// Catches a node that takes more connections than it may, or never any again.
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_above_the_limit_is_told_and_closed() {
    let config = NodeConfig { max_connections: 2, ..NodeConfig::default() };
    let (_scope, node) = start_node(&config).await;
    let mut kept = connect(node.address()).await;
    let mut other = connect(node.address()).await;
    for stream in [&mut kept, &mut other] {
        stream.write_all(b"mn\r\n").await.unwrap();
        expect(stream, "MN\r\n").await;
    }
    let refused = ask(node.address(), b"").await;
    assert_eq!(refused, b"ERROR Too many open connections\r\n");
    other.write_all(b"quit\r\n").await.unwrap();
    assert_eq!(other.read(&mut [0]).await.unwrap(), 0);
    // The place is free once the node has noticed, which it may do a moment later.
    let admitted = async { while ask(node.address(), b"mn\r\n").await != b"MN\r\n" {} };
    tokio::time::timeout(PATIENCE, admitted).await.expect("the place was never free");
    kept.write_all(b"stats\r\n").await.unwrap();
    expect(&mut kept, "reclaimed 0\r\nEND\r\n").await;
}

/// Catches a paused node that answers, closes, or forgets what came meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn a_paused_node_keeps_everything_and_answers_nothing() {
    let (_scope, node) = start_node(&NodeConfig::default()).await;
    let mut before = connect(node.address()).await;
    before.write_all(b"set a 0 0 1\r\n1\r\n").await.unwrap();
    expect(&mut before, "STORED\r\n").await;
    node.pause();
    let mut during = connect(node.address()).await;
    for stream in [&mut before, &mut during] {
        stream.write_all(b"get a\r\n").await.unwrap();
        let silence = tokio::time::timeout(Duration::from_millis(50), stream.read(&mut [0])).await;
        assert!(silence.is_err(), "a paused node answered");
    }
    node.resume();
    for stream in [&mut before, &mut during] {
        expect(stream, "VALUE a 0 1\r\n1\r\nEND\r\n").await;
    }
}

/// Catches a stopped node that leaves connections, items or its port behind.
#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_node_is_gone_and_can_come_back() {
    let (scope, node) = start_node(&NodeConfig::default()).await;
    let address = node.address();
    let mut idle = connect(address).await;
    idle.write_all(b"set a 0 0 1\r\n1\r\n").await.unwrap();
    expect(&mut idle, "STORED\r\n").await;
    let mut paused = connect(address).await;
    node.pause();
    paused.write_all(b"get a\r\n").await.unwrap();
    assert_eq!(node.stop().await, Closed::Clean);
    for stream in [&mut idle, &mut paused] {
        assert!(matches!(stream.read(&mut [0]).await, Ok(0) | Err(_)));
    }
    assert!(TcpStream::connect(address).await.is_err());
    let config = NodeConfig { listen: address.to_string(), ..NodeConfig::default() };
    let again = Node::start(&config, &scope).await.expect("the port is free again");
    assert_eq!(ask(address, b"get a\r\n").await, b"END\r\n");
    drop(again);
    assert_eq!(scope.close(PATIENCE).await, Closed::Clean);
}

/// Catches a reply that waits for more input, and a half-closed client that is not answered.
#[tokio::test(flavor = "multi_thread")]
async fn a_half_closed_client_gets_its_replies() {
    let (_scope, node) = start_node(&NodeConfig::default()).await;
    let replies = ask(node.address(), b"set a 0 0 1\r\n1\r\nget a\r\nmg a v\r\nset b 0").await;
    assert_eq!(replies, b"STORED\r\nVALUE a 0 1\r\n1\r\nEND\r\nVA 1\r\n1\r\n");
}

// === beside a real memcached ===

/// Both servers, asked the same things in the same order.
struct Pair {
    memcached: Memcached,
    node: Node,
    runtime: Runtime,
}

impl Pair {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        let runtime = runtime.expect("a runtime");
        let (_, node) = runtime.block_on(start_node(&NodeConfig::default()));
        let pair = Self { memcached: Memcached::start(), node, runtime };
        pair.begin();
        pair
    }

    /// Forgets all items, and keeps memcached from moving items between its queues: while it does,
    /// it puts a changed number into a new item, without padding.
    fn begin(&self) {
        compare(self, b"flush_all\r\nlru mode flat\r\n");
    }

    fn ask(&self, request: &[u8]) -> (String, String) {
        let (theirs, ours) = self.runtime.block_on(async {
            (ask(self.memcached.address, request).await, ask(self.node.address(), request).await)
        });
        (comparable(&theirs), comparable(&ours))
    }
}

/// Replies as text, without what a second more or less changes: times in meta replies.
fn comparable(replies: &[u8]) -> String {
    let line = |line: &[u8]| {
        let meta = [&b"HD"[..], b"VA", b"ME"].iter().any(|code| line.starts_with(code));
        let mask = |word: &[u8]| match word {
            [b't' | b'l', digits @ ..] if !digits.is_empty() && digits != b"-1" => {
                format!("{}#", char::from(word[0]))
            }
            _ if word.starts_with(b"la=") || word.starts_with(b"exp=") => "time".to_owned(),
            _ => word.escape_ascii().to_string(),
        };
        let words = line.split(|byte| *byte == b' ');
        match meta {
            true => words.map(mask).collect::<Vec<_>>().join(" "),
            false => line.escape_ascii().to_string(),
        }
    };
    replies.split(|byte| *byte == b'\n').map(line).collect::<Vec<_>>().join("\n")
}

fn compare(pair: &Pair, request: &[u8]) {
    let (theirs, ours) = pair.ask(request);
    assert_eq!(ours, theirs, "(ours, memcached's) to {}", request.escape_ascii());
}

/// Catches a reply that is not memcached's, command by command, well-formed and not.
#[test]
#[cfg_attr(not(real_memcached), ignore = "needs memcached on PATH")]
fn every_command_is_answered_as_memcached_does() {
    let pair = Pair::start();
    for dialogue in DIALOGUES {
        pair.begin();
        compare(&pair, dialogue.as_bytes());
    }
    let long = "k".repeat(251);
    for line in
        ["get K", "gets a K b", "gat 0 K", "set K 0 0 1", "delete K", "incr K 1", "touch K 0"]
            .into_iter()
            .chain([
                "mg K",
                "ms K 1",
                "md K",
                "ma K",
                "me K",
                "delete K 0",
                "append K 0 0 1 noreply",
            ])
    {
        compare(&pair, format!("{}\r\n", line.replace('K', &long)).as_bytes());
        compare(&pair, format!("{}\r\n", line.replace('K', &long[1..])).as_bytes());
    }
}

/// Catches a dump of a class that a client takes for a failure: of a memcached with dumps, unlike the
/// one beside which the node is asked elsewhere, and empty as the node's classes are.
#[test]
#[cfg_attr(not(real_memcached), ignore = "needs memcached on PATH")]
fn a_dump_of_a_class_is_an_empty_memcached_s() {
    let server = crate::memcached::Memcached::start();
    let runtime = Runtime::new().expect("a runtime");
    let (_scope, node) = runtime.block_on(start_node(&NodeConfig::default()));
    for words in
        ["", "1", "1 0", "x 1", "1 x", "63 0", "64 0", "0 0", "1 0 noreply", "-1 0", "4294967297 0"]
    {
        let request = format!("stats cachedump {words}\r\nversion\r\n").into_bytes();
        let ours = runtime.block_on(ask(node.address(), &request));
        assert_eq!(comparable(&ours), comparable(&server.exchange(&request)), "{words}");
    }
}

/// Catches a limit that is off by one: items, lines, numbers of words.
#[test]
#[cfg_attr(not(real_memcached), ignore = "needs memcached on PATH")]
fn limits_are_memcached_s() {
    let pair = Pair::start();
    for bytes in [1_048_515, 1_048_516, 1_048_517, 1_100_000] {
        for command in
            ["set a 0 0 N", "set a 1 0 N", "add a 0 0 N", "ms a N", "ms a N q F1", "ms a N MA"]
        {
            let mut request = b"set a 0 0 3\r\nold\r\n".to_vec();
            request.extend(command.replace('N', &bytes.to_string()).bytes());
            request.extend(b"\r\n");
            request.resize(request.len() + bytes, b'x');
            request.extend(b"\r\nmg a s f\r\nincr a 1\r\n");
            compare(&pair, &request);
        }
    }
    for words in [10, 18, 19, 20, 21, 23, 24, 25, 60] {
        let many = |line: &str| format!("{line}{}\r\nversion\r\n", " Q".repeat(words));
        for line in ["get", "gat 0", "set", "mg", "ms a 1", "stats", "delete", "flush_all", "foo"] {
            compare(&pair, many(line).as_bytes());
        }
    }
    for bytes in [2000, 2047, 2048, 2049, 5000] {
        for line in ["get ", "gat 0 ", "foo ", "  gets "] {
            let mut request = line.as_bytes().to_vec();
            while request.len() < bytes {
                request.extend(b"key-1 ");
            }
            request.truncate(bytes);
            compare(&pair, &request);
            request.extend(b"\r\nversion\r\n");
            compare(&pair, &request);
        }
    }
}

/// Catches any difference that nobody thought of: random pipelines of well-formed and broken
/// requests on few keys.
#[test]
#[cfg_attr(not(real_memcached), ignore = "needs memcached on PATH")]
fn random_pipelines_are_answered_alike() {
    let pair = Pair::start();
    let mut runner =
        TestRunner::new(Config { cases: 400, failure_persistence: None, ..Config::default() });
    let requests = prop::collection::vec(request(), 1..40);
    let result = runner.run(&requests, |requests| {
        let mut stream = b"flush_all\r\n".to_vec();
        for request in &requests {
            stream.extend(request.as_bytes());
        }
        // Ends a block that a broken length left open.
        stream.extend(b"\r\n".repeat(24));
        stream.extend(b"version\r\n");
        let (theirs, ours) = pair.ask(&stream);
        if ours == theirs {
            return Ok(());
        }
        Err(TestCaseError::fail(format!("\n== ours\n{ours}\n== memcached\n{theirs}\n")))
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

/// Catches what libmemcached's own conformance test finds in a server.
#[test]
#[cfg_attr(not(real_memccapable), ignore = "needs memccapable on PATH")]
fn memccapable_finds_nothing() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (_scope, node) = runtime.block_on(start_node(&NodeConfig::default()));
    let port = node.address().port().to_string();
    let output =
        Command::new("memccapable").args(["-a", "-h", "127.0.0.1", "-p", &port]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("[pass]") && !text.contains("FAIL"), "{text}");
    assert!(output.status.success(), "{text}");
}

/// Counters that both servers must count alike.
const COUNTERS: &[&str] = &[
    "cmd_get",
    "cmd_set",
    "cmd_flush",
    "cmd_touch",
    "cmd_meta",
    "get_hits",
    "get_misses",
    "get_expired",
    "get_flushed",
    "delete_misses",
    "delete_hits",
    "incr_misses",
    "incr_hits",
    "decr_misses",
    "decr_hits",
    "cas_misses",
    "cas_hits",
    "cas_badval",
    "touch_hits",
    "touch_misses",
    "store_too_large",
    "store_no_memory",
    "limit_maxbytes",
    "bytes",
    "curr_items",
    "total_items",
    "evictions",
];

/// Catches a counter that means something else than memcached's.
#[test]
#[cfg_attr(not(real_memcached), ignore = "needs memcached on PATH")]
fn counters_count_what_memcached_counts() {
    for dialogue in DIALOGUES {
        // memcached buries flushed items when it likes, so each dialogue has its own pair.
        let pair = Pair::start();
        pair.ask(dialogue.as_bytes());
        let (theirs, ours) = pair.ask(b"stats\r\n");
        let counters = |stats: &str| -> Vec<String> {
            let line = |line: &&str| COUNTERS.contains(&line.split(' ').nth(1).unwrap_or(""));
            stats.lines().filter(line).map(str::to_owned).collect()
        };
        assert_eq!(counters(&ours), counters(&theirs), "(ours, memcached's) after {dialogue:?}");
        assert_eq!(counters(&ours).len(), COUNTERS.len());
    }
}

/// One request, its block included; about one in eight is broken.
fn request() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => storage(),
        2 => (key(), key(), expiry()).prop_map(|(a, b, t)| format!("gats {t} {a} {b}\r\n")),
        4 => (key(), key()).prop_map(|(a, b)| format!("gets {a} {b}\r\n")),
        6 => meta(),
        3 => (word(&["incr", "decr"]), key(), number(), noreply())
            .prop_map(|(c, k, n, q)| format!("{c} {k} {n}{q}\r\n")),
        2 => (key(), word(&["", " 0", " 1", " x"]), noreply())
            .prop_map(|(k, t, q)| format!("delete {k}{t}{q}\r\n")),
        1 => (key(), expiry(), noreply()).prop_map(|(k, t, q)| format!("touch {k} {t}{q}\r\n")),
        1 => word(&["flush_all\r\n", "flush_all 0 noreply\r\n", "flush_all x\r\n", "\r\n", "foo noreply\r\n",
            "version\n", "verbosity 1\r\n", "mn\r\n", "get\r\n", "GET a\r\n", "ms\r\n", "  get  a  \r\n"]),
        2 => prop::collection::vec(word(&["set", "mg", "a", "n", "0", "1", "-1", "noreply", "v", "S1", "b", "x", "9", "get", "cas", "k", "gat", "incr"]), 1..7)
            .prop_map(|words| format!("{}\r\n", words.join(" "))),
    ]
}

fn storage() -> impl Strategy<Value = String> {
    let head =
        (word(&["set", "set", "add", "replace", "append", "prepend"]), key(), number(), expiry());
    let classic = (head, value(), length_error(), noreply()).prop_map(
        |((command, key, flags, expiry), value, error, noreply)| {
            let length = value.len() as i64 + error;
            format!("{command} {key} {flags} {expiry} {length}{noreply}\r\n{value}\r\n")
        },
    );
    let cas = (key(), value(), 0..40_u64, noreply()).prop_map(|(key, value, cas, noreply)| {
        format!("cas {key} 0 0 {} {cas}{noreply}\r\n{value}\r\n", value.len())
    });
    prop_oneof![4 => classic, 1 => cas]
}

fn meta() -> impl Strategy<Value = String> {
    let flags = |flags: &'static [&'static str]| {
        prop::collection::vec(word(flags), 0..6).prop_map(|flags| flags.join(" "))
    };
    let get = [
        "v", "k", "c", "f", "s", "t", "h", "q", "O1", "u", "T100", "T-1", "N30", "R40", "R2000000",
        "b", "E1", "Tx", "P", "L",
    ];
    let set = [
        "k", "c", "q", "O1", "b", "F7", "T100", "T-1", "I", "C3", "C9", "ME", "MA", "MP", "MR",
        "MS", "MX", "M", "Fx", "s", "t", "S3", "L",
    ];
    let delete = ["k", "q", "O1", "b", "I", "T100", "C3", "C12", "x", "v"];
    let count = [
        "v", "k", "c", "t", "q", "O1", "b", "N100", "J7", "D3", "MD", "M-", "MI", "MX", "T100",
        "C5", "Dx",
    ];
    let leak = |flags: &[&'static str]| -> &'static [&'static str] { Vec::from(flags).leak() };
    prop_oneof![
        // The reply of `mg` refers to the item until it is written: `mn` has it written.
        3 => (key(), flags(leak(&get))).prop_map(|(key, flags)| format!("mg {key} {flags}\r\nmn\r\n")),
        3 => (key(), value(), length_error(), flags(leak(&set))).prop_map(|(key, value, error, flags)| {
            format!("ms {key} {} {flags}\r\n{value}\r\n", value.len() as i64 + error)
        }),
        1 => (key(), flags(leak(&delete))).prop_map(|(key, flags)| format!("md {key} {flags}\r\n")),
        2 => (key(), flags(leak(&count))).prop_map(|(key, flags)| format!("ma {key} {flags}\r\n")),
        1 => (key(), word(&["", " b", " q"])).prop_map(|(key, flag)| format!("me {key}{flag}\r\n")),
    ]
}

fn word(words: &[&'static str]) -> impl Strategy<Value = String> + use<> {
    prop::sample::select(words.to_vec()).prop_map(str::to_owned)
}

fn key() -> impl Strategy<Value = String> {
    word(&["a", "a", "n", "n", "YWJj", "abc", "c\td"])
}

fn value() -> impl Strategy<Value = String> {
    word(&[
        "",
        "x",
        "7",
        "99",
        "18446744073709551615",
        " 5",
        "5 x",
        "hello",
        "-1",
        "END",
        "12345678901234567890123",
    ])
}

fn number() -> impl Strategy<Value = String> {
    word(&["0", "1", "7", "1", "18446744073709551615", "-1", "+2", "4294967297", "x", "9"])
}

fn expiry() -> impl Strategy<Value = String> {
    word(&["0", "0", "0", "100", "-1", "2592000", "2592001", "2147483647", "4294967296", "x"])
}

fn noreply() -> impl Strategy<Value = String> {
    word(&["", "", "", "", " noreply", " x"])
}

fn length_error() -> impl Strategy<Value = i64> {
    prop_oneof![20 => Just(0_i64), 1 => Just(-1), 1 => Just(1), 1 => Just(2), 1 => Just(-30)]
}
