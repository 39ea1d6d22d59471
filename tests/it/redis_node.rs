//! The embedded Redis over real sockets: beside a real one, and by itself.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use harness::base::scope::{Closed, Scope};
use harness::protocol::resp::frame::command::write_command;
use harness::protocol::resp::server::config::NodeConfig;
use harness::protocol::resp::server::serve::Node;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use tokio::runtime::Runtime;

use crate::redis::Redis;

mod dialogues;

use dialogues::DIALOGUES;

/// How long a test waits for what must come at once.
const PATIENCE: Duration = Duration::from_secs(20);

/// A real server and the node.
struct Pair {
    redis: Redis,
    node: Node,
    _scope: Scope,
    _runtime: Runtime,
}

impl Pair {
    fn start() -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let scope = runtime.block_on(async { Scope::current("test") });
        let node = runtime.block_on(Node::start(&NodeConfig::default(), &scope));
        let node = node.expect("a free port");
        Self { redis: Redis::start(), node, _scope: scope, _runtime: runtime }
    }

    /// What both answer to the same bytes, on connections that see nothing else: theirs, ours.
    fn ask(&self, bytes: &[u8]) -> (String, String) {
        let mut whole = Vec::new();
        write_command(&mut whole, &[b"FLUSHALL"]);
        whole.extend_from_slice(bytes);
        write_command(&mut whole, &[b"QUIT"]);
        let theirs = UnixStream::connect(self.redis.socket()).expect("a connection");
        theirs.set_read_timeout(Some(PATIENCE)).expect("an open socket");
        (said(&theirs, &whole), said(&connect(&self.node), &whole))
    }
}

/// What a server says to these bytes until it closes.
fn said<S: Sync>(stream: &S, bytes: &[u8]) -> String
where
    for<'a> &'a S: Read + Write,
{
    let mut writer = stream;
    std::thread::scope(|threads| {
        let answers = threads.spawn(|| {
            let (mut reader, mut answers) = (stream, Vec::new());
            // A server that closes early resets what is still on its way.
            let _ = reader.read_to_end(&mut answers);
            answers
        });
        let _ = writer.write_all(bytes);
        comparable(&answers.join().expect("a reader"))
    })
}

fn connect(node: &Node) -> TcpStream {
    let stream = TcpStream::connect(node.address()).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("an open socket");
    stream
}

/// Above every time to live that [`life`] can make: `PEXPIREAT` takes i64::MAX, less now (1.7e12 ms and more).
/// Below what `INCR` makes of i64::MAX, which must agree to the digit.
const LONGEST_LIFE: i64 = 9_223_371_000_000_000_000;

/// Without what may differ: how long something still lives, and the number of a connection.
fn comparable(answers: &[u8]) -> String {
    let mut shown = String::new();
    let mut is_id = false;
    for line in answers.split_inclusive(|byte| *byte == b'\n') {
        let text = line.escape_ascii().to_string();
        let number = text.strip_prefix(':').and_then(|text| text.strip_suffix("\\r\\n"));
        let number: Option<i64> = number.and_then(|text| text.parse().ok());
        let is_life = |number: i64| {
            (4_300..=4_500).contains(&number)
                || (4_300_000..=4_500_000).contains(&number)
                || (1_000_000_000..LONGEST_LIFE).contains(&number)
        };
        match number {
            Some(_) if is_id => shown.push_str(":id"),
            Some(number) if is_life(number) => shown.push_str(":life"),
            _ => shown.push_str(&text),
        }
        is_id = text == "id\\r\\n";
        shown.push('\n');
    }
    shown
}

/// Catches an answer that is not Redis's, command by command, well-formed and not.
#[test]
#[cfg_attr(not(real_redis), ignore = "needs redis-server on PATH")]
fn every_command_is_answered_as_redis_does() {
    let pair = Pair::start();
    let mut differences = String::new();
    for dialogue in DIALOGUES {
        for version in ["", "HELLO 3\r\n"] {
            let bytes = format!("{version}{}\r\n", dialogue.replace("; ", "\r\n"));
            let (theirs, ours) = pair.ask(bytes.as_bytes());
            if ours != theirs {
                differences +=
                    &format!("{version:?}{dialogue:?}\nours:\n{ours}\nRedis's:\n{theirs}\n");
            }
        }
    }
    assert!(differences.is_empty(), "{differences}");
}

fn key() -> impl Strategy<Value = String> {
    select(vec!["a", "b", "c", "other"]).prop_map(str::to_owned)
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        select(vec!["", "1", "-1", "0", "007", "value", " 5", "5 ", "1.5", "9223372036854775807"])
            .prop_map(str::to_owned),
        "[a-z\r\n\"' *$]{0,12}",
        (20_000_usize..40_000).prop_map(|bytes| "v".repeat(bytes)),
    ]
}

fn number() -> impl Strategy<Value = String> {
    let words = [
        "0",
        "1",
        "-1",
        "7",
        "-7",
        "9223372036854775807",
        "-9223372036854775808",
        "abc",
        "",
        "01",
        "9223372036854775808",
    ];
    select(words.to_vec()).prop_map(str::to_owned)
}

/// So long that nothing expires meanwhile, or gone already, or none.
fn life() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => (4_400_000_i64..4_500_000).prop_map(|number| number.to_string()),
        1 => select(vec!["0", "-1", "-5000", "9223372036854775807", "abc", "9223372036854775"])
            .prop_map(str::to_owned),
    ]
}

fn life_option() -> impl Strategy<Value = Vec<String>> {
    let date = select(vec!["4102444800", "1", "-1"]);
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    prop_oneof![
        (select(vec!["EX", "PX", "ex"]), life())
            .prop_map(|(word, life)| vec![word.to_owned(), life]),
        date.prop_map(move |date| vec!["EXAT".to_owned(), date.to_owned()]),
        Just(vec!["PXAT".to_owned(), "4102444800000".to_owned()]),
        select(vec!["KEEPTTL", "PERSIST", "EX", "NX", "XX", "GET", "get", "nonsense"])
            .prop_map(move |word| words(&[word])),
    ]
}

fn of(name: &str, arguments: Vec<String>) -> Vec<String> {
    std::iter::once(name.to_owned()).chain(arguments).collect()
}

fn command() -> impl Strategy<Value = Vec<String>> {
    let one = select(vec![
        "GET",
        "get",
        "STRLEN",
        "TTL",
        "PTTL",
        "PERSIST",
        "GETDEL",
        "INCR",
        "DECR",
        "TYPE",
        "DEL",
        "EXISTS",
        "TOUCH",
        "UNLINK",
        "ECHO",
        "PING",
        "EXPIRETIME",
    ]);
    let many =
        select(vec!["MGET", "DEL", "EXISTS", "MSET", "MSETNX", "UNLINK", "PING", "GETRANGE"]);
    let options = || proptest::collection::vec(life_option(), 0..3).prop_map(|all| all.concat());
    let when = select(vec!["NX", "XX", "GT", "LT", "gt", "nonsense"]);
    let when = proptest::collection::vec(when.prop_map(str::to_owned), 0..2);
    prop_oneof![
        4 => (one, key()).prop_map(|(name, key)| of(name, vec![key])),
        2 => (many, proptest::collection::vec(prop_oneof![key(), value(), number()], 1..6))
            .prop_map(|(name, words)| of(name, words)),
        5 => (key(), value(), options())
            .prop_map(|(key, value, options)| of("SET", [vec![key, value], options].concat())),
        2 => (key(), options()).prop_map(|(key, options)| of("GETEX", [vec![key], options].concat())),
        3 => (select(vec!["INCRBY", "DECRBY"]), key(), number())
            .prop_map(|(name, key, by)| of(name, vec![key, by])),
        2 => (select(vec!["APPEND", "SETNX", "GETSET"]), key(), value())
            .prop_map(|(name, key, value)| of(name, vec![key, value])),
        2 => (select(vec!["SETEX", "PSETEX"]), key(), life(), value())
            .prop_map(|(name, key, life, value)| of(name, vec![key, life, value])),
        2 => (key(), life(), when)
            .prop_map(|(key, life, when)| of("EXPIRE", [vec![key, life], when].concat())),
        1 => (select(vec!["PEXPIRE", "EXPIREAT", "PEXPIREAT"]), key(), life())
            .prop_map(|(name, key, life)| of(name, vec![key, life])),
        1 => (key(), number(), number()).prop_map(|(key, from, to)| of("GETRANGE", vec![key, from, to])),
        1 => select(vec![
            "DBSIZE", "FLUSHALL", "HELLO 3", "HELLO 2", "HELLO", "SELECT 0", "SELECT 1", "PING",
            "CLIENT REPLY SKIP", "CLIENT GETNAME", "CLIENT SETNAME x", "NOSUCH a b", "RESET",
            "AUTH default x", "AUTH x y", "AUTH x", "GET", "SET a", "CLIENT NOSUCH",
        ])
        .prop_map(|line| line.split(' ').map(str::to_owned).collect()),
    ]
}

/// Catches an answer to a command after others that is not Redis's; 10,000 dialogues take a minute (`PROPTEST_CASES`).
#[test]
#[cfg_attr(not(real_redis), ignore = "needs redis-server on PATH")]
fn any_dialogue_is_answered_as_redis_does() {
    let pair = Pair::start();
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    let cases = cases.unwrap_or(2_000);
    let config = Config { cases, failure_persistence: None, ..Config::default() };
    let dialogue = proptest::collection::vec(command(), 1..16);
    let mut runner = TestRunner::new(config);
    let outcome = runner.run(&dialogue, |dialogue| {
        let mut bytes = Vec::new();
        for command in &dialogue {
            let words: Vec<&[u8]> = command.iter().map(String::as_bytes).collect();
            write_command(&mut bytes, &words);
        }
        let (theirs, ours) = pair.ask(&bytes);
        if ours == theirs {
            return Ok(());
        }
        Err(TestCaseError::fail(format!("ours:\n{ours}\nRedis's:\n{theirs}")))
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}

/// Catches connections that do not share their items, a node that does not forget them, and one that says
/// nothing of what was done to them.
#[tokio::test(flavor = "multi_thread")]
async fn connections_share_the_items() {
    let scope = Scope::current("test");
    let node = Node::start(&NodeConfig::default(), &scope).await.expect("a free port");
    let ask = |text: &'static str| {
        let stream = connect(&node);
        let asked = tokio::task::spawn_blocking(move || {
            said(&stream, format!("{text}\r\nQUIT\r\n").as_bytes())
        });
        async { asked.await.expect("an answer") }
    };
    assert_eq!(ask("SET a hi").await, "+OK\\r\\n\n+OK\\r\\n\n");
    assert_eq!(ask("GET a").await, "$2\\r\\n\nhi\\r\\n\n+OK\\r\\n\n");
    node.flush();
    assert_eq!(ask("GET a").await, "$-1\\r\\n\n+OK\\r\\n\n");
    let told = ask("INFO all").await;
    for line in ["evicted_keys:0", "cmdstat_flushall:calls=1", "redis_version:7.0.15"] {
        assert!(told.contains(line), "{told}");
    }
    assert_eq!(node.stop().await, Closed::Clean);
}
