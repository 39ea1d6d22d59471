//! Message faults on real sockets, before an embedded node: what the client sees, what the server
//! did, and whether the connection is in step afterwards.

use std::net::SocketAddr;
use std::time::Duration;

use harness::base::family::{Settings, Value};
use harness::base::name::NodeIndex;
use harness::base::scope::Scope;
use harness::base::seed::Seed;
use harness::event::{EventKind, Events};
use harness::protocol::memcached::server::config::NodeConfig;
use harness::protocol::memcached::server::serve::Node;
use harness::proxy::{Dial, ProxyConfig, ProxySet, Stream, ToxicConfig};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

mod packets;
mod pipelines;

use crate::memcached::Memcached;
use packets::{request, spell};

/// Nothing here takes this long unless it hangs.
const HANG: Duration = Duration::from_secs(10);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tongue {
    Text,
    Meta,
    Binary,
}

use Tongue::{Binary, Meta, Text};

/// A server behind a proxy with rules (`rules`), and the same again with every message cut into bytes
/// on both sides of the rules (`cut`).
struct World {
    proxies: ProxySet,
    server: SocketAddr,
    rules: SocketAddr,
    cut: SocketAddr,
    _node: Option<Node>,
    _scope: Scope,
}

impl World {
    /// Before an embedded node, which speaks text and meta.
    async fn new() -> Self {
        let scope = Scope::current("test");
        let node = Node::start(&NodeConfig::default(), &scope).await.unwrap();
        let address = node.address();
        Self { _node: Some(node), ..Self::before(address, scope).await }
    }

    async fn before(server: SocketAddr, scope: Scope) -> Self {
        let proxies = ProxySet::new(Seed::new(1), Events::ignore(), &scope);
        let rules = create(&proxies, "rules", server).await;
        let back = create(&proxies, "back", server).await;
        let inner = create(&proxies, "inner", back).await;
        let cut = create(&proxies, "front", inner).await;
        for (name, stream) in [("front", Stream::Upstream), ("back", Stream::Downstream)] {
            let settings = [("average_size", Value::Integer(1)), ("delay", Value::Integer(20))];
            proxies.add_toxic(name, toxic("slicer", stream, &settings)).await.unwrap();
        }
        Self { proxies, server, rules, cut, _node: None, _scope: scope }
    }

    async fn rule(&self, kind: &str, settings: &[(&str, Value)]) {
        for name in ["rules", "inner"] {
            let toxic = toxic(kind, Stream::Downstream, settings);
            self.proxies.add_toxic(name, toxic).await.unwrap();
        }
    }

    async fn clear(&self) {
        for name in ["rules", "inner"] {
            for toxic in self.proxies.get(name).unwrap().toxics {
                self.proxies.remove_toxic(name, &toxic.name).await.unwrap();
            }
        }
    }

    /// What the server says itself.
    async fn server(&self, request: &[u8]) -> Vec<u8> {
        talk(self.server, request).await
    }

    /// Gives every key its value back.
    async fn reset(&self) {
        let stores = "set a 0 0 1\r\nA\r\nset k 0 0 8\r\nabcdefgh\r\ndelete later noreply\r\n";
        assert_eq!(self.server(stores.as_bytes()).await, b"STORED\r\nSTORED\r\n");
    }

    fn touched(&self) -> u64 {
        let tap = self.proxies.tap("rules").unwrap();
        tap.touched.get("rule").copied().unwrap_or_default()
    }
}

fn toxic(kind: &str, stream: Stream, settings: &[(&str, Value)]) -> ToxicConfig {
    let mut attributes = Settings::default();
    for (name, value) in settings {
        attributes.insert(*name, value.clone());
    }
    ToxicConfig { name: Some("rule".into()), kind: kind.into(), stream, toxicity: 1.0, attributes }
}

async fn create(proxies: &ProxySet, name: &str, upstream: SocketAddr) -> SocketAddr {
    let config = ProxyConfig {
        name: name.into(),
        listen: "127.0.0.1:0".into(),
        upstream: upstream.to_string(),
        enabled: true,
        dial: Dial::Eager,
        protocol: None,
        node: None,
        toxics: Vec::new(),
    };
    proxies.create(config).await.unwrap().listen.parse().unwrap()
}

/// Sends everything, ends the stream, and reads to the end.
async fn talk(address: SocketAddr, request: &[u8]) -> Vec<u8> {
    let talk = async {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request).await.unwrap();
        // The proxy may have closed already.
        let _ = stream.shutdown().await;
        let mut reply = Vec::new();
        let _ = stream.read_to_end(&mut reply).await;
        reply
    };
    tokio::time::timeout(HANG, talk).await.unwrap()
}

fn text(value: &str) -> Value {
    Value::Text(value.into())
}

/// A fault, what it does to one request in each dialect, and what becomes of the request.
struct Case {
    kind: &'static str,
    settings: &'static [(&'static str, &'static str)],
    /// What the request is: a read of `k`, or a store of `new` over it.
    store: bool,
    /// What the client is sent for it; `?` is any byte.
    replies: [&'static str; 3],
    /// Whether the connection is closed behind it.
    closes: bool,
    /// Whether the server saw it.
    runs: bool,
    /// What the client is sent where it asked for no answer: classic noreply (stores only), meta q,
    /// a quiet packet.
    quiet: [&'static str; 3],
}

const HIT: [&str; 3] =
    ["VALUE k 0 8\r\nabcdefgh\r\nEND\r\n", "VA 8 O7 kk\r\nabcdefgh\r\n", "[0 0 7 ....abcdefgh]"];

const fn read(kind: &'static str, settings: &'static [(&'static str, &'static str)]) -> Case {
    Case {
        kind,
        settings,
        store: false,
        replies: HIT,
        closes: false,
        runs: true,
        quiet: ["", "", ""],
    }
}

const CASES: &[Case] = &[
    Case {
        store: true,
        runs: false,
        replies: [
            "SERVER_ERROR out of memory storing object\r\n",
            "SERVER_ERROR out of memory storing object\r\n",
            "[1 130 7 out of memory storing object]",
        ],
        quiet: [
            "",
            "SERVER_ERROR out of memory storing object\r\n",
            "[17 130 7 out of memory storing object]",
        ],
        ..read("memcached_server_error", &[])
    },
    Case {
        store: true,
        runs: false,
        replies: ["NOT_STORED\r\n", "NS O7\r\n", "[1 5 7 Not stored.]"],
        quiet: ["", "NS O7\r\n", "[17 5 7 Not stored.]"],
        ..read("memcached_response", &[("command", "*"), ("response", "not_stored")])
    },
    Case {
        runs: false,
        replies: ["END\r\n", "EN O7 kk\r\n", "[0 1 7 Not found]"],
        ..read("memcached_response", &[])
    },
    read("memcached_delay", &[("delay", "30")]),
    Case {
        store: true,
        replies: ["STORED\r\n", "HD O7\r\n", "[1 0 7 ]"],
        ..read("memcached_delay", &[("delay", "30")])
    },
    Case {
        store: true,
        runs: false,
        closes: true,
        replies: ["", "", ""],
        ..read("memcached_drop", &[])
    },
    Case {
        store: true,
        closes: true,
        replies: ["", "", ""],
        ..read("memcached_drop", &[("when", "after")])
    },
    Case {
        closes: true,
        replies: ["VALUE k 0 8\r\nabcd", "VA 8 O7 kk\r\nabcd", "[0 0 7 ....abcd"],
        ..read("memcached_drop", &[("when", "mid_reply")])
    },
    Case {
        closes: true,
        replies: ["VALUE k 0 8\r\nabcd", "VA 8 O7 kk\r\nabcd", "[0 0 7 ....abcd"],
        ..read("memcached_truncate", &[])
    },
    Case {
        closes: true,
        replies: ["VALUE k 0 8\r\nabcd", "VA 8 O7 kk\r\nabcd", "[0 0 7 ....abcd"],
        ..read("memcached_truncate", &[("then", "stall")])
    },
    Case {
        replies: [
            "VALUE k 0 4\r\nabcdefgh\r\nEND\r\n",
            "VA 4 O7 kk\r\nabcdefgh\r\n",
            "[0 0 7 ....abcd]{efgh}",
        ],
        ..read("memcached_short_length", &[])
    },
    Case {
        replies: [
            "VALUE k 0 8\r\n????????\r\nEND\r\n",
            "VA 8 O7 kk\r\n????????\r\n",
            "[0 0 7 ....????????]",
        ],
        ..read("memcached_corrupt", &[])
    },
    Case {
        replies: [
            "???????????\r\nabcdefgh\r\nEND\r\n",
            "??????????\r\nabcdefgh\r\n",
            "(0 0 7 ....abcdefgh)",
        ],
        ..read("memcached_corrupt", &[("part", "line")])
    },
    Case {
        replies: [
            "VALUE Q 0 8\r\nabcdefgh\r\nEND\r\n",
            "VA 8 O7 kQ\r\nabcdefgh\r\n",
            "[0 0 4294967288 ....abcdefgh]",
        ],
        ..read("memcached_wrong_key", &[])
    },
    Case {
        replies: [
            "VALUE k 0 8\r\nabcdefgh\r\nEND\r\nVALUE k 0 8\r\nabcdefgh\r\nEND\r\n",
            "VA 8 O7 kk\r\nabcdefgh\r\nVA 8 O7 kk\r\nabcdefgh\r\n",
            "[0 0 7 ....abcdefgh][0 0 7 ....abcdefgh]",
        ],
        ..read("memcached_duplicate", &[])
    },
    Case {
        replies: [
            "END\r\nVALUE k 0 8\r\nabcdefgh\r\nEND\r\n",
            "END\r\nVA 8 O7 kk\r\nabcdefgh\r\n",
            "[0 129 7 ][0 0 7 ....abcdefgh]",
        ],
        ..read("memcached_unsolicited", &[("message", "END")])
    },
    Case {
        replies: [
            "END\r\nVALUE k 0 8\r\nabcdefgh\r\nEND\r\n",
            "EN O7 kk\r\nVA 8 O7 kk\r\nabcdefgh\r\n",
            "[0 1 7 Not found][0 0 7 ....abcdefgh]",
        ],
        ..read("unsolicited", &[("form", "miss")])
    },
    Case {
        replies: [
            "SERVER_ERROR injected fault\r\nVALUE k 0 8\r\nabcdefgh\r\nEND\r\n",
            "SERVER_ERROR injected fault\r\nVA 8 O7 kk\r\nabcdefgh\r\n",
            "[0 130 7 injected fault][0 0 7 ....abcdefgh]",
        ],
        ..read("unsolicited", &[])
    },
    Case { closes: true, replies: ["", "", ""], ..read("memcached_hold", &[]) },
];

impl Case {
    async fn install(&self, world: &World) {
        let mut settings: Vec<(&str, Value)> = vec![("key", text("k"))];
        for (name, value) in self.settings {
            let number = value.parse().map(Value::Integer);
            settings.push((name, number.unwrap_or_else(|_| text(value))));
        }
        world.rule(self.kind, &settings).await;
    }

    /// Whether it answers in the server's place somebody who may want no answer.
    fn answers(&self) -> bool {
        self.store && matches!(self.kind, "memcached_server_error" | "memcached_response")
    }

    fn request(&self, tongue: Tongue, quiet: bool) -> Vec<u8> {
        let line = match (tongue, self.store, quiet) {
            (Text, false, _) => "get k\r\n",
            (Text, true, false) => "set k 0 0 3\r\nnew\r\n",
            (Text, true, true) => "set k 0 0 3 noreply\r\nnew\r\n",
            (Meta, false, false) => "mg k v O7 k\r\n",
            (Meta, false, true) => "mg k v O7 k q\r\n",
            (Meta, true, false) => "ms k 3 O7 MR\r\nnew\r\n",
            (Meta, true, true) => "ms k 3 O7 q MR\r\nnew\r\n",
            (Binary, false, _) => return request(if quiet { 9 } else { 0 }, 7, &[], "k", ""),
            (Binary, true, _) => {
                return request(if quiet { 0x11 } else { 1 }, 7, &[0; 8], "k", "new");
            }
        };
        line.as_bytes().to_vec()
    }

    async fn check(&self, world: &World, address: SocketAddr, tongue: Tongue, around: Around) {
        world.reset().await;
        let quiet = around == Around::Quiet;
        let (before, after) = neighbours(tongue);
        let (first, last) = match around {
            Around::Nothing => (Vec::new(), Vec::new()),
            _ => (before, after),
        };
        let sent = [first.clone(), self.request(tongue, quiet), last.clone()].concat();
        let seen = shown(tongue, &talk(address, &sent).await);
        let expected = match quiet {
            true => self.quiet[tongue as usize],
            false => self.replies[tongue as usize],
        };
        let replies = if first.is_empty() { ["", ""] } else { NEIGHBOURS[tongue as usize] };
        let next = if self.closes { "" } else { replies[1] };
        let expected = format!("{}{expected}{next}", replies[0]);
        let what = format!("{} {:?} {tongue:?} {around:?}", self.kind, self.settings);
        assert!(is_like(&seen, &expected), "{what}\n sent {seen:?}\n not  {expected:?}");
        if self.kind == "memcached_corrupt" {
            assert!(!seen.contains(HIT[tongue as usize]), "{what}: nothing was changed");
        }
        self.check_server(world, &last, &what).await;
    }

    async fn check_server(&self, world: &World, last: &[u8], what: &str) {
        let ran = world.server(b"get k\r\n").await != HIT[0].as_bytes();
        assert_eq!(ran, self.store && self.runs, "{what}: whether the server ran it");
        // A reply that breaks off says nothing about what the server was sent behind its request.
        if self.kind == "memcached_drop" || !self.closes {
            let later = world.server(b"get later\r\n").await != b"END\r\n";
            let sent = !last.is_empty() && !self.closes;
            assert_eq!(later, sent, "{what}: whether what came behind it ran");
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Around {
    Nothing,
    Pipeline,
    Quiet,
}

/// A request before the one that is hit and one behind it, and what they are answered with.
fn neighbours(tongue: Tongue) -> (Vec<u8>, Vec<u8>) {
    match tongue {
        Text => (b"get a\r\n".to_vec(), b"set later 0 0 1\r\n1\r\n".to_vec()),
        Meta => (b"mg a v\r\n".to_vec(), b"ms later 1\r\n1\r\n".to_vec()),
        Binary => (request(0, 1, &[], "a", ""), request(1, 9, &[0; 8], "later", "1")),
    }
}

const NEIGHBOURS: [[&str; 2]; 3] = [
    ["VALUE a 0 1\r\nA\r\nEND\r\n", "STORED\r\n"],
    ["VA 1\r\nA\r\n", "HD\r\n"],
    ["[0 0 1 ....A]", "[1 0 9 ]"],
];

fn shown(tongue: Tongue, bytes: &[u8]) -> String {
    match tongue {
        Binary => spell(bytes),
        // One character a byte.
        _ => bytes.iter().map(|byte| char::from(*byte)).collect(),
    }
}

fn is_like(seen: &str, expected: &str) -> bool {
    let same = |(seen, expected): (char, char)| expected == '?' || seen == expected;
    seen.chars().count() == expected.chars().count() && seen.chars().zip(expected.chars()).all(same)
}

/// Catches, for every fault: a client that sees something else, a server that runs what it must not
/// see or misses what it must, and a next request that is answered wrong; alone, in a pipeline, and
/// cut into single bytes on both sides.
#[tokio::test]
async fn every_fault_in_text_and_meta() {
    every_fault(&World::new().await, &[Text, Meta]).await;
}

/// The same, and what only a packet can show, before a real server.
#[tokio::test]
#[cfg_attr(not(real_memcached), ignore = "needs memcached on PATH")]
async fn every_fault_in_every_dialect() {
    let memcached = Memcached::start();
    let world = World::before(memcached.address(), Scope::current("test")).await;
    every_fault(&world, &[Text, Meta, Binary]).await;
}

async fn every_fault(world: &World, tongues: &[Tongue]) {
    for case in CASES {
        case.install(world).await;
        for tongue in tongues {
            for around in [Around::Nothing, Around::Pipeline] {
                case.check(world, world.rules, *tongue, around).await;
                case.check(world, world.cut, *tongue, around).await;
            }
        }
        assert!(world.touched() >= 2 * tongues.len() as u64, "{} is not counted", case.kind);
        if case.answers() {
            for tongue in tongues {
                for address in [world.rules, world.cut] {
                    case.check(world, address, *tongue, Around::Quiet).await;
                }
            }
        }
        world.clear().await;
    }
}

/// A rule, what a client sends, and what it must be sent.
type Dialogue = (&'static str, &'static [(&'static str, &'static str)], &'static str, &'static str);

/// Ways in which other proxies break.
const BROKEN_ELSEWHERE: &[Dialogue] = &[
    // The data of a store run as commands.
    (
        "memcached_error",
        &[("command", "ms"), ("key", "x")],
        "ms x 9\r\nflush_all\r\nget y\r\nget k\r\n",
        "SERVER_ERROR injected fault\r\nEND\r\nVALUE k 0 8\r\nabcdefgh\r\nEND\r\n",
    ),
    // An error that nobody waits for.
    ("memcached_error", &[("key", "x")], "set x 0 0 1 noreply\r\n1\r\nget y\r\n", "END\r\n"),
    // What was sent behind a dropped request runs.
    ("memcached_drop", &[("key", "x")], "set x 0 0 1\r\n1\r\nset k 0 0 1\r\n1\r\n", ""),
    // Only the first key is looked at.
    ("memcached_error", &[("key", "b")], "get a b c\r\n", "SERVER_ERROR injected fault\r\n"),
    ("memcached_error", &[("key", "b")], "gat 0 b\r\n", "SERVER_ERROR injected fault\r\n"),
    // Keys without case, or not decoded.
    ("memcached_error", &[("key", "foo")], "get FOO\r\n", "END\r\n"),
    ("memcached_error", &[("key", "foo")], "mg Zm9v b v\r\n", "SERVER_ERROR injected fault\r\n"),
    // A reply that no client expects.
    ("memcached_response", &[("response", "not_found")], "get b\r\n", "END\r\n"),
    ("memcached_response", &[], "mg Yg== b v Oabc k\r\nmn\r\n", "EN Oabc kYg== b\r\nMN\r\n"),
    ("memcached_response", &[], "mg b v Oabc k q\r\nmn\r\n", "MN\r\n"),
    // A reply that overtakes another.
    (
        "memcached_error",
        &[("key", "b")],
        "get a\r\nget b\r\nget c\r\n",
        "VALUE a 0 1\r\nA\r\nEND\r\nSERVER_ERROR injected fault\r\nEND\r\n",
    ),
    // A request behind quiet ones, which may be answered or not.
    (
        "memcached_error",
        &[("key", "b")],
        "mg a v q k\r\nmg b v q k\r\nmg k v q k\r\nmn\r\n",
        "VA 1 ka\r\nA\r\nSERVER_ERROR injected fault\r\nVA 8 kk\r\nabcdefgh\r\nMN\r\n",
    ),
    (
        "memcached_error",
        &[("key", "b")],
        "mg a v q\r\nmg b v q\r\nmg y v q\r\nmg b v\r\nmg k v q\r\nmn\r\n",
        "VA 1\r\nA\r\nSERVER_ERROR injected fault\r\nSERVER_ERROR injected fault\r\n\
         VA 8\r\nabcdefgh\r\nMN\r\n",
    ),
    // A fault of a key that is not there meets the next.
    ("memcached_corrupt", &[("key", "b")], "mg b v q\r\nmg a v\r\nmn\r\n", "VA 1\r\nA\r\nMN\r\n"),
    // Who says goodbye is not answered.
    ("memcached_error", &[], "get a\r\nquit\r\nget a\r\n", "SERVER_ERROR injected fault\r\n"),
    // What is unknown or malformed is the server's to refuse.
    ("memcached_error", &[("command", "set")], "nonsense\r\nget y\r\n", "ERROR\r\nEND\r\n"),
    // Globs that follow the rules of file names.
    ("memcached_error", &[("key", "u*1")], "get u/[1]/1\r\n", "SERVER_ERROR injected fault\r\n"),
];

/// Catches every way in which we know another proxy to break.
#[tokio::test]
async fn nothing_breaks_that_breaks_elsewhere() {
    let world = World::new().await;
    for (kind, settings, sent, expected) in BROKEN_ELSEWHERE {
        let settings: Vec<(&str, Value)> =
            settings.iter().map(|(name, value)| (*name, text(value))).collect();
        world.rule(kind, &settings).await;
        for address in [world.rules, world.cut] {
            world.reset().await;
            let seen = talk(address, sent.as_bytes()).await;
            assert_eq!(String::from_utf8_lossy(&seen), *expected, "{kind}: {sent:?}");
            let kept = world.server(b"get k\r\n").await;
            assert_eq!(kept, HIT[0].as_bytes(), "{kind}: {sent:?} ran too far");
        }
        world.clear().await;
    }
}

/// Catches a delay that also holds what was asked before, and one that something overtakes.
#[tokio::test]
async fn a_delay_holds_later_replies_and_no_earlier_ones() {
    let world = World::new().await;
    world.reset().await;
    world.rule("memcached_delay", &[("key", text("d")), ("delay", Value::Integer(300))]).await;
    let mut client = TcpStream::connect(world.rules).await.unwrap();
    let began = Instant::now();
    client.write_all(b"get a\r\nget d\r\nget k\r\n").await.unwrap();
    let mut first = [0; 21];
    client.read_exact(&mut first).await.unwrap();
    let early = began.elapsed();
    let mut rest = [0; 33];
    client.read_exact(&mut rest).await.unwrap();
    assert_eq!(&rest[..], format!("END\r\n{}", HIT[0]).as_bytes());
    assert!(began.elapsed() >= Duration::from_millis(300) && early < began.elapsed());
}

/// Catches a change of rules that a live, busy connection does not take up, or that puts it out of
/// step; and a held reply that is lost with its rule.
#[tokio::test]
async fn live_connections_take_rules_up_and_let_go_of_them() {
    let world = World::new().await;
    world.reset().await;
    let mut client = TcpStream::connect(world.rules).await.unwrap();
    let mut ask = async |request: &str, expected: &str| {
        client.write_all(request.as_bytes()).await.unwrap();
        let mut reply = vec![0; expected.len()];
        tokio::time::timeout(HANG, client.read_exact(&mut reply)).await.unwrap().unwrap();
        assert_eq!(String::from_utf8_lossy(&reply), expected, "{request:?}");
    };
    ask("get k\r\n", HIT[0]).await;
    // Half of a request is on its way when the rule comes: that one passes.
    ask("get k\r\nget ", HIT[0]).await;
    world.rule("memcached_response", &[]).await;
    ask("k\r\n", HIT[0]).await;
    ask("get k\r\n", "END\r\n").await;
    world.clear().await;
    ask("get k\r\n", HIT[0]).await;
    world.rule("memcached_hold", &[]).await;
    ask("get k\r\n", "").await;
    world.clear().await;
    ask("", HIT[0]).await;
    ask("get a\r\n", "VALUE a 0 1\r\nA\r\nEND\r\n").await;
}

/// Catches a fault that spares the connections it is for, or meets those it is not for.
#[tokio::test]
async fn a_fault_may_be_for_connections_of_one_age() {
    let world = World::new().await;
    world.reset().await;
    let mut old = TcpStream::connect(world.rules).await.unwrap();
    let ask = async |client: &mut TcpStream| {
        client.write_all(b"get k\r\nmn\r\n").await.unwrap();
        let mut reply = Vec::new();
        while !reply.ends_with(b"MN\r\n") {
            assert_ne!(client.read_buf(&mut reply).await.unwrap(), 0, "it was closed");
        }
        reply.starts_with(b"END")
    };
    assert!(!ask(&mut old).await);
    for (which, of_old, of_new) in
        [("established", true, false), ("new", false, true), ("all", true, true)]
    {
        world.rule("respond", &[("connections", text(which))]).await;
        let mut new = TcpStream::connect(world.rules).await.unwrap();
        assert_eq!((ask(&mut old).await, ask(&mut new).await), (of_old, of_new), "{which}");
        world.clear().await;
        assert_eq!((ask(&mut old).await, ask(&mut new).await), (false, false), "{which}");
    }
}

/// Catches counts that are not kept over connections, or shared where each is to count for itself.
#[tokio::test]
async fn skip_every_count_and_per() {
    let world = World::new().await;
    world.reset().await;
    let count = |n| Value::Integer(n);
    let cases: [(&[(&str, Value)], &str); 3] = [
        (&[("skip", count(1)), ("count", count(2))], "kEEkk kkkkk"),
        (&[("every", count(2)), ("count", count(3))], "EkEkE kkkkk"),
        (&[("count", count(1)), ("per", text("connection"))], "Ekkkk Ekkkk"),
    ];
    for (settings, expected) in cases {
        world.rule("memcached_response", settings).await;
        let mut seen = Vec::new();
        for _ in 0..2 {
            let replies = talk(world.rules, "get k\r\n".repeat(5).as_bytes()).await;
            let replies = String::from_utf8(replies).unwrap();
            let short = replies.replace(HIT[0], "k").replace("END\r\n", "E");
            seen.push(short);
        }
        assert_eq!(seen.join(" "), expected, "{settings:?}");
        world.clear().await;
    }
}

/// Catches a fault behind a request that is malformed: nobody can know how it is answered.
#[tokio::test]
async fn what_is_uncertain_passes_and_is_counted() {
    let world = World::new().await;
    world.reset().await;
    world.rule("memcached_response", &[("key", text("k"))]).await;
    let seen = talk(world.rules, b"nonsense\r\nmg k v\r\nmg k v\r\n").await;
    assert_eq!(String::from_utf8_lossy(&seen), "ERROR\r\nVA 8\r\nabcdefgh\r\nVA 8\r\nabcdefgh\r\n");
    assert_eq!(world.proxies.tap("rules").unwrap().skipped_uncertain, 2);
    let counts = world.proxies.get("rules").unwrap().toxics[0].counts.unwrap();
    assert_eq!((counts.fired, counts.passed_as_uncertain, counts.could_not_fire), (0, 2, 0));
}

/// Catches a quiet request that is dropped and hangs, or did not run, or behind which something ran.
#[tokio::test]
async fn a_quiet_request_has_run_when_its_connection_is_dropped() {
    let world = World::new().await;
    for when in ["after", "mid_reply"] {
        for request in ["ms k 3 q\r\nnew\r\n", "set k 0 0 3 noreply\r\nnew\r\n"] {
            world.reset().await;
            world.rule("memcached_drop", &[("key", text("k")), ("when", text(when))]).await;
            for address in [world.rules, world.cut] {
                let mut client = TcpStream::connect(address).await.unwrap();
                let sent = format!("get a\r\n{request}set later 0 0 1\r\n1\r\n");
                client.write_all(sent.as_bytes()).await.unwrap();
                let mut seen = Vec::new();
                let ended = client.read_to_end(&mut seen);
                // Bytes that arrive behind the end are answered by a reset, after the reply.
                drop(tokio::time::timeout(HANG, ended).await.unwrap());
                assert_eq!(seen, b"VALUE a 0 1\r\nA\r\nEND\r\n", "{when} {request:?}");
            }
            let state = world.server(b"get k\r\nget later\r\n").await;
            assert_eq!(state, b"VALUE k 0 3\r\nnew\r\nEND\r\nEND\r\n", "{when} {request:?}");
            world.clear().await;
        }
    }
}

/// Catches a rule that keeps another protocol waiting, and one that is off in silence.
#[tokio::test]
async fn another_protocol_passes_and_is_said() {
    let scope = Scope::current("test");
    let echo = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let world = World::before(echo.local_addr().unwrap(), scope).await;
    world.rule("memcached_error", &[]).await;
    // Of Redis's it is known what it is; neither is what the rule means.
    for (hello, opaque) in [
        (&b"\x16\x03\x01\x02"[..], Some("not_memcached")),
        (b"*1\r\n$4\r\nPI", None),
        (b"GET / HTTP/1.1\r\n", Some("not_memcached")),
    ] {
        let mut client = TcpStream::connect(world.rules).await.unwrap();
        let (mut server, _) = echo.accept().await.unwrap();
        client.write_all(hello).await.unwrap();
        let mut seen = vec![0; hello.len()];
        let read = server.read_exact(&mut seen);
        tokio::time::timeout(HANG, read).await.unwrap().unwrap();
        assert_eq!(seen, hello);
        let open = world.proxies.connections("rules").unwrap();
        let last = open.last().unwrap();
        assert_eq!((last.opaque, last.requests), (opaque, 0));
    }
}

/// Catches a wrong value that waits for each connection to have seen two keys, and a fault that had
/// nothing to do and says nothing of it, or counts it for one of those that were asked for.
#[tokio::test]
async fn what_could_not_fire_is_counted_and_made_up_for() {
    let world = World::new().await;
    world.reset().await;
    world.rule("memcached_wrong_value", &[("count", Value::Integer(2))]).await;
    let ask = async |requests: &str| {
        String::from_utf8(talk(world.rules, requests.as_bytes()).await).unwrap()
    };
    assert_eq!(ask("get none\r\nget k\r\n").await, format!("END\r\n{}", HIT[0]));
    assert_eq!(world.proxies.tap("rules").unwrap().could_not_fire, 2, "a miss, and the first key");
    let swapped = "VALUE a 0 8\r\nabcdefgh\r\nEND\r\n";
    assert_eq!(ask("get a\r\nget a\r\n").await, swapped.repeat(2));
    assert_eq!(ask("get a\r\n").await, "VALUE a 0 1\r\nA\r\nEND\r\n");
    let tap = world.proxies.tap("rules").unwrap();
    assert_eq!((tap.could_not_fire, tap.touched["rule"]), (2, 2));
}

/// Catches a fault that fires and is told of nobody or with the wrong place, a key that gets into an
/// event, and a flood of events that the count of the toxic does not go beyond.
#[tokio::test]
async fn each_fault_that_fires_is_counted_and_told_without_its_key() {
    let scope = Scope::current("test");
    let node = Node::start(&NodeConfig::default(), &scope).await.unwrap();
    let (sender, told) = std::sync::mpsc::channel();
    let events = Events::to(move |kind| {
        // Nobody listens any more once the test has read what it wanted.
        let _ = sender.send(kind);
    });
    let proxies = ProxySet::new(Seed::new(1), events, &scope);
    let config = ProxyConfig {
        name: "rules".into(),
        listen: "127.0.0.1:0".into(),
        upstream: node.address().to_string(),
        enabled: true,
        dial: Dial::Eager,
        protocol: None,
        node: Some(NodeIndex(2)),
        toxics: vec![toxic("memcached_busy", Stream::Downstream, &[("key", text("secret*"))])],
    };
    let address: SocketAddr = proxies.create(config).await.unwrap().listen.parse().unwrap();
    talk(address, b"get other\r\n").await;
    talk(address, b"get other\r\ndelete secret1\r\n").await;
    talk(address, "get secret2\r\n".repeat(100).as_bytes()).await;
    let told: Vec<EventKind> = told.try_iter().collect();
    let faults: Vec<&EventKind> =
        told.iter().filter(|kind| matches!(kind, EventKind::MessageFault { .. })).collect();
    let first = EventKind::MessageFault {
        node: NodeIndex(2),
        connection: 1,
        command: "delete".into(),
        fault: "rule".into(),
    };
    assert_eq!(faults.first(), Some(&&first));
    assert!((20..101).contains(&faults.len()), "{} of 101 are told", faults.len());
    assert!(!format!("{told:?}").contains("secret"), "{told:?}");
    assert_eq!(proxies.tap("rules").unwrap().touched["rule"], 101);
}
