//! A client cannot tell the proxy from a wire: the same story told to two equal memcached servers,
//! to one directly and to the other through a proxy, must be answered and ended in the same way.
//!
//! The stories of one test are told in the same order to both servers, so that even the cas numbers
//! agree. `TRANSPARENCY_SEED` and `TRANSPARENCY_STORIES` repeat a failure or search for longer.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use harness::base::scope::Scope;
use harness::base::seed::{Seed, Stream};
use harness::event::Events;
use harness::proxy::{Dial, ProxyConfig, ProxySet, TapSnapshot};
use rand::RngExt as _;
use tokio::runtime::Runtime;

use crate::memcached::Memcached;

mod clients;
mod draw;
mod endings;
mod large;
mod random;
mod streams;
mod version;

/// How long any answer may take before the test fails rather than hangs.
const PATIENCE: Duration = Duration::from_secs(60);
/// How much of a story and of an answer a failure shows.
const SHOWN_BYTES: usize = 4096;

/// A proxy without a toxic in front of a server.
struct Proxied {
    runtime: Runtime,
    proxies: ProxySet,
    scope: Scope,
    address: SocketAddr,
}

impl Proxied {
    fn new(upstream: &str) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.unwrap();
        let scope = Scope::root("test", runtime.handle().clone());
        let proxies = ProxySet::new(Seed::new(1), Events::ignore(), &scope);
        let config = ProxyConfig {
            name: "p".into(),
            listen: "127.0.0.1:0".into(),
            upstream: upstream.into(),
            enabled: true,
            dial: Dial::Eager,
            protocol: None,
            node: None,
            toxics: Vec::new(),
        };
        let view = runtime.block_on(proxies.create(config)).unwrap();
        Self { runtime, proxies, scope, address: view.listen.parse().unwrap() }
    }

    fn tap(&self) -> TapSnapshot {
        self.proxies.tap("p").unwrap()
    }

    /// The tap when every connection that was opened has been counted as closed.
    fn final_tap(&self) -> TapSnapshot {
        self.runtime.block_on(async {
            tokio::time::timeout(PATIENCE, async {
                while self.tap().open > 0 {
                    tokio::task::yield_now().await;
                }
            })
            .await
            .expect("a connection is still open");
        });
        self.tap()
    }
}

impl Drop for Proxied {
    fn drop(&mut self) {
        self.runtime.block_on(self.scope.close(PATIENCE));
    }
}

/// Two equal servers: one to be asked directly, and one behind a proxy.
struct Pair {
    direct: Memcached,
    proxied: Proxied,
    behind: Memcached,
}

impl Pair {
    /// A queue of moves between the queues of a server would change how it pads numbers: hence flat.
    fn start(flags: &[&str]) -> Self {
        let (direct, behind) = (Memcached::with(flags), Memcached::with(flags));
        let pair = Self { direct, proxied: Proxied::new(behind.upstream()), behind };
        pair.compare("begin", &Story::whole(b"lru mode flat\r\nversion\r\n"));
        pair
    }

    /// A connection to each: directly, and through the proxy.
    fn connect(&self) -> [TcpStream; 2] {
        [connect(self.direct.upstream()), connect(&self.proxied.address.to_string())]
    }

    /// Tells both the same and returns what the client heard.
    fn compare(&self, name: &str, story: &Story) -> Heard {
        let [direct, proxied] = self.connect();
        let (direct, proxied) = std::thread::scope(|threads| {
            let proxied = threads.spawn(|| story.tell(proxied));
            (story.tell(direct), proxied.join().unwrap())
        });
        assert_same(name, story, &direct, &proxied);
        direct
    }
}

fn assert_same(name: &str, story: &Story, direct: &Heard, proxied: &Heard) {
    if direct == proxied {
        return;
    }
    let told = story.turns.concat();
    let equal = direct.replies.iter().zip(&proxied.replies).take_while(|(one, two)| one == two);
    let at = equal.count();
    panic!(
        "{name}: through the proxy it is not the same\n told {}\n directly {}\n proxied {}",
        told[..told.len().min(SHOWN_BYTES)].escape_ascii(),
        direct.tell(at),
        proxied.tell(at)
    );
}

fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// How a stream ended for its reader.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Fin,
    Reset,
}

/// All that a client was told.
#[derive(PartialEq, Eq)]
struct Heard {
    replies: Vec<u8>,
    end: End,
}

impl Heard {
    /// It in words, from a little before a place.
    fn tell(&self, at: usize) -> String {
        let from = at.saturating_sub(SHOWN_BYTES / 10);
        let shown = &self.replies[from..self.replies.len().min(from + SHOWN_BYTES)];
        let length = self.replies.len();
        format!("{:?} behind {length} bytes, from {from}: {}", self.end, shown.escape_ascii())
    }
}

impl std::fmt::Debug for Heard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.tell(0))
    }
}

/// How the bytes of a turn are cut into writes.
#[derive(Clone, Copy, Debug)]
enum Cut {
    Whole,
    Single,
    /// Pieces of random lengths up to this.
    Random(u64, usize),
}

impl Cut {
    fn pieces(self, bytes: &[u8]) -> Vec<&[u8]> {
        match self {
            Self::Whole => vec![bytes],
            Self::Single => bytes.chunks(1).collect(),
            Self::Random(seed, longest) => {
                let mut draws = Seed::new(seed).fork("cut").stream();
                let mut pieces = Vec::new();
                let mut rest = bytes;
                while !rest.is_empty() {
                    let (piece, after) =
                        rest.split_at(draws.random_range(1..=longest).min(rest.len()));
                    pieces.push(piece);
                    rest = after;
                }
                pieces
            }
        }
    }
}

/// What a client says, and when it waits.
struct Story {
    /// Behind each but the last the client waits for the barrier that ends it.
    turns: Vec<Vec<u8>>,
    /// What the answer to a turn ends with.
    barrier: Vec<u8>,
    cut: Cut,
    /// Whether the client ends its own direction when it has said everything.
    hangs_up: bool,
}

impl Story {
    /// Everything at once, and the end of the stream.
    fn whole(bytes: &[u8]) -> Self {
        Self::cut(bytes, Cut::Whole)
    }

    fn cut(bytes: &[u8], cut: Cut) -> Self {
        Self { turns: vec![bytes.to_vec()], barrier: Vec::new(), cut, hangs_up: true }
    }

    /// Says one turn, waits for the barrier in its answer, says the next.
    fn turns(turns: Vec<Vec<u8>>, barrier: &[u8]) -> Self {
        Self { turns, barrier: barrier.to_vec(), cut: Cut::Whole, hangs_up: true }
    }

    /// It is the server that ends it.
    fn until_closed(self) -> Self {
        Self { hangs_up: false, ..self }
    }

    fn tell(&self, mut stream: TcpStream) -> Heard {
        let mut replies = Vec::new();
        let (last, turns) = self.turns.split_last().unwrap();
        for turn in turns {
            stream.write_all(turn).unwrap();
            let start = replies.len();
            while !replies[start..].ends_with(&self.barrier) {
                assert!(listen(&mut stream, &mut replies), "closed: {}", replies.escape_ascii());
            }
        }
        let mut mouth = stream.try_clone().unwrap();
        std::thread::scope(|threads| {
            threads.spawn(move || {
                for piece in self.cut.pieces(last) {
                    // A server that has closed resets what still comes: the reader sees how.
                    if mouth.write_all(piece).is_err() {
                        return;
                    }
                }
                if self.hangs_up {
                    let _ = mouth.shutdown(Shutdown::Write);
                }
            });
            let end = hear(&mut stream, &mut replies);
            Heard { replies: mask(&replies), end }
        })
    }
}

/// Reads once. `false`: the stream has ended.
fn listen(stream: &mut TcpStream, replies: &mut Vec<u8>) -> bool {
    let mut buffer = [0; 65_536];
    let count = stream.read(&mut buffer).unwrap();
    replies.extend_from_slice(&buffer[..count]);
    count > 0
}

/// Reads to the end.
fn hear(stream: &mut TcpStream, replies: &mut Vec<u8>) -> End {
    match stream.read_to_end(replies) {
        Ok(_) => End::Fin,
        Err(error) if error.kind() == ErrorKind::ConnectionReset => End::Reset,
        Err(error) => panic!("{error} behind {}", replies.escape_ascii()),
    }
}

/// Lines of statistics whose value differs between any two servers.
const OF_A_SERVER: [&str; 18] = [
    "pid",
    "uptime",
    "time",
    "oldest",
    "rusage_user",
    "rusage_system",
    "curr_connections",
    "connection_structures",
    "response_obj_oom",
    "response_obj_count",
    "response_obj_bytes",
    "read_buf_bytes_free",
    "read_buf_count",
    "conn_yields",
    "lru_maintainer_juggles",
    "lru_crawler_running",
    "lru_crawler_starts",
    "read_buf_bytes",
];
/// Words of a line that tell a time, a socket or a place.
const OF_A_MOMENT: [&str; 8] = ["la=", "exp=", "ts=", "cfd=", "addr", "listen", "secs", "age"];

/// Makes equal what differs between any two servers: times, processes, sockets. Lengths stay.
fn mask(replies: &[u8]) -> Vec<u8> {
    let mut masked = Vec::with_capacity(replies.len());
    for line in replies.split_inclusive(|byte| *byte == b'\n') {
        let text = std::str::from_utf8(line).unwrap_or_default();
        let mut words = text.split(' ');
        let second = words.nth(1).unwrap_or_default();
        let third = words.next();
        let is_stat = text.starts_with("STAT ") && third.is_some();
        let of_a_socket = second.as_bytes().first().is_some_and(u8::is_ascii_digit)
            && second.contains(':')
            && !second.contains("number");
        let parts = second.rsplit(':').next().unwrap_or_default();
        if is_stat && (OF_A_SERVER.contains(&second) || parts.starts_with("age")) {
            masked.extend_from_slice(format!("STAT {second} #\r\n").as_bytes());
        } else if is_stat && of_a_socket && OF_A_MOMENT.iter().any(|name| parts.starts_with(name)) {
            masked.extend_from_slice(format!("STAT #:{parts} #\r\n").as_bytes());
        } else if OF_A_MOMENT.iter().any(|name| name.ends_with('=') && text.contains(name)) {
            masked.extend_from_slice(mask_words(text).as_bytes());
        } else {
            masked.extend_from_slice(line);
        }
    }
    masked
}

fn mask_words(line: &str) -> String {
    let mask = |word: &str| match OF_A_MOMENT.iter().find(|name| word.starts_with(**name)) {
        Some(name) if name.ends_with('=') => format!("{name}#"),
        _ => word.to_owned(),
    };
    line.split(' ').map(mask).collect::<Vec<_>>().join(" ")
}

/// A number from the environment, for repeating and for searching.
fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

/// Where the random stories start.
fn seed() -> Seed {
    Seed::new(setting("TRANSPARENCY_SEED", 0x7a11_5eed))
}

fn stories(default: u64) -> u64 {
    setting("TRANSPARENCY_STORIES", default)
}

/// One of them.
fn one_of<'a, T>(draws: &mut Stream, items: &'a [T]) -> &'a T {
    &items[draws.random_range(0..items.len())]
}
