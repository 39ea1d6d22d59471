//! Our proxy beside its peers, in one run: what matters are the ratios, not the figures.
//!
//! `cargo bench --bench proxy` starts a real memcached, our proxy in a process of its own and, where
//! they are installed, haproxy and nutcracker, and loads each in turn, round after round, so that
//! whatever else the machine does hits all of them. `HARNESS_BENCH_TOXIPROXY` is the path of a
//! Toxiproxy server to measure as well, `HARNESS_BENCH_SECONDS` the length of one measurement,
//! `HARNESS_BENCH_ROUNDS` their number. Arguments pick parts: `load`, `resp` (the same with Redis), `pace`, `idle`, `faults`, `rules`,
//! `readers` (`HARNESS_BENCH_READERS_SECONDS` long).

#![expect(clippy::unwrap_used, reason = "a bench that cannot start ends where it stands")]
#![expect(clippy::cast_precision_loss, reason = "figures are far below 2^53")]

mod faults;
mod peers;
mod readers;
mod rules;
mod words;

use std::future::poll_fn;
use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

use harness::base::scope::Scope;
use harness::base::seed::Seed;
use harness::base::timer::Timer;
use harness::control::{self, ApiOptions};
use harness::event::Events;
use harness::proxy::ProxySet;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::peers::{PEERS, SERVE, Server};
use crate::words::Words;

/// Connections under load.
const CONNECTIONS: usize = 50;
/// Numbers of idle connections at which memory is measured; the last as many as 20,000 descriptors
/// allow.
const IDLE: [usize; 4] = [50, 1_000, 5_000, 9_900];
/// What the proxies need for that.
const DESCRIPTORS: u64 = 20_000;
/// Requests a second on a schedule, over all connections.
const PACE_PER_S: u32 = 10_000;
/// What the parts ask for that are about one server.
const REQUEST: &[u8] = Words::Memcached.request();

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let descriptors = raise_limit();
    if arguments.iter().any(|argument| argument == SERVE) {
        return serve();
    }
    // cargo adds flags of its own.
    let parts: Vec<&String> = arguments.iter().filter(|word| !word.starts_with('-')).collect();
    let wants = |part: &str| parts.is_empty() || parts.iter().any(|word| *word == part);
    let memcached = Server::memcached();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for (part, words) in [("load", Words::Memcached), ("resp", Words::Redis)] {
        let Some(server) = words.server().filter(|_| wants(part)) else { continue };
        let targets = targets(&server, words);
        for case in CASES {
            runtime.block_on(case.store(server.address, words));
            compare(&runtime, (case, words), &targets);
        }
    }
    runtime.block_on(CASES[0].store(memcached.address, Words::Memcached));
    if wants("pace") {
        runtime.block_on(pace(&targets(&memcached, Words::Memcached)));
    }
    if wants("idle") {
        runtime.block_on(idle(&targets(&memcached, Words::Memcached), descriptors));
    }
    if wants("faults") {
        runtime.block_on(faults::measure(memcached.address));
    }
    if wants("readers") {
        runtime.block_on(readers::measure(memcached.address));
    }
    if wants("rules") {
        rules::measure(&runtime, memcached.address);
    }
}

/// Takes as many descriptors as ten thousand connections through a proxy need, or as there are; the
/// children inherit them.
fn raise_limit() -> u64 {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let all = limit.maximum.map_or(DESCRIPTORS, |maximum| maximum.max(DESCRIPTORS));
    // Only root may raise the maximum.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(all), maximum: Some(all) });
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Every peer that is there, freshly started, behind the server itself.
fn targets(behind: &Server, words: Words) -> Vec<Target> {
    let direct = Target { name: "direct", address: behind.address, server: None };
    let peers = PEERS.iter().filter_map(|(name, start)| {
        let server = start(behind.address, words)?;
        Some(Target { name, address: server.address, server: Some(server) })
    });
    std::iter::once(direct).chain(peers).collect()
}

/// Our proxy, made to look away: the difference is what the tap costs.
const BLIND: &str = "  tap out";

/// One kind of load.
struct Case {
    name: &'static str,
    value_bytes: usize,
    pipeline: usize,
}

const CASES: &[Case] = &[
    Case { name: "100 B values, pipeline 1", value_bytes: 100, pipeline: 1 },
    Case { name: "100 B values, pipeline 16", value_bytes: 100, pipeline: 16 },
    Case { name: "64 KiB values, pipeline 1", value_bytes: 64 << 10, pipeline: 1 },
];

impl Case {
    async fn store(&self, server: SocketAddr, words: Words) {
        let mut stream = TcpStream::connect(server).await.unwrap();
        let (request, answer) = words.store(&vec![b'x'; self.value_bytes]);
        stream.write_all(&request).await.unwrap();
        let mut reply = vec![0; answer.len()];
        stream.read_exact(&mut reply).await.unwrap();
        assert_eq!(reply, answer);
    }
}

/// What is measured.
struct Target {
    name: &'static str,
    address: SocketAddr,
    server: Option<Server>,
}

/// What one measurement of one target came to.
#[derive(Clone, Copy, Default)]
struct Figure {
    per_second: f64,
    /// CPU seconds of the proxy for a million requests.
    cpu: f64,
}

fn compare(runtime: &tokio::runtime::Runtime, (case, words): (&Case, Words), targets: &[Target]) {
    let mut figures: Vec<Vec<Figure>> = targets.iter().map(|_| Vec::new()).collect();
    for _ in 0..setting("HARNESS_BENCH_ROUNDS", 5) {
        for (target, figures) in targets.iter().zip(&mut figures) {
            let length = Duration::from_secs(setting("HARNESS_BENCH_SECONDS", 2));
            let cpu = || target.server.as_ref().map_or(0.0, Server::cpu_seconds);
            let measured = load((case, words), target.address, target.name == BLIND, length, cpu);
            figures.push(runtime.block_on(measured));
        }
    }
    let server = if words == Words::Redis { "Redis, " } else { "" };
    println!("\n{server}{}, {CONNECTIONS} connections", case.name);
    let direct = median(&figures[0], |figure| figure.per_second);
    for (target, figures) in targets.iter().zip(&figures) {
        let per_second = median(figures, |figure| figure.per_second);
        print!("  {:10} {per_second:>9.0}/s  {:.2} x direct", target.name, per_second / direct);
        if target.server.is_some() {
            print!("  {:.1} s CPU / Mreq", median(figures, |figure| figure.cpu));
        }
        println!();
    }
}

fn median<T>(figures: &[T], of: impl Fn(&T) -> f64) -> f64 {
    let mut values: Vec<f64> = figures.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Loads `address` for `length`; `cpu` tells what its server has used.
async fn load(
    (case, words): (&Case, Words),
    address: SocketAddr,
    blind: bool,
    length: Duration,
    cpu: impl Fn() -> f64,
) -> Figure {
    let mut clients = JoinSet::new();
    let (began, cpu_before) = (Instant::now(), cpu());
    for _ in 0..CONNECTIONS {
        let batch = words.request().repeat(case.pipeline);
        let reply_bytes = words.reply_bytes(case.value_bytes) * case.pipeline;
        let blind = blind.then_some(words);
        clients.spawn(client(address, blind, batch, reply_bytes, began + length));
    }
    let batches: u64 = clients.join_all().await.into_iter().sum();
    let requests = (batches * case.pipeline as u64) as f64;
    Figure {
        per_second: requests / began.elapsed().as_secs_f64(),
        cpu: (cpu() - cpu_before) / requests * 1e6,
    }
}

/// Sends a batch, reads its replies, and so on; returns how many batches it was.
async fn client(
    to: SocketAddr,
    blind: Option<Words>,
    batch: Vec<u8>,
    reply_bytes: usize,
    until: Instant,
) -> u64 {
    let mut stream = TcpStream::connect(to).await.unwrap();
    stream.set_nodelay(true).unwrap();
    if let Some(words) = blind {
        put_out_the_tap(&mut stream, words).await;
    }
    let mut buffer = vec![0; reply_bytes.min(64 << 10)];
    let mut batches = 0;
    while Instant::now() < until {
        stream.write_all(&batch).await.unwrap();
        let mut left = reply_bytes;
        while left > 0 {
            let room = left.min(buffer.len());
            let read = stream.read(&mut buffer[..room]).await.unwrap();
            assert_ne!(read, 0, "the connection was closed");
            left -= read;
        }
        batches += 1;
    }
    batches
}

/// Requests on a schedule, each timed from the moment at which it was due.
async fn pace(targets: &[Target]) {
    println!("\n{PACE_PER_S} requests a second on a schedule, {CONNECTIONS} connections");
    let mut rounds: Vec<Vec<(f64, f64)>> = targets.iter().map(|_| Vec::new()).collect();
    for _ in 0..setting("HARNESS_BENCH_ROUNDS", 5) {
        for (target, rounds) in targets.iter().zip(&mut rounds) {
            let taken = paced_ms(target.address).await;
            rounds.push((percentile(&taken, 0.5), percentile(&taken, 0.99)));
        }
    }
    let of =
        |rounds: &[(f64, f64)]| (median(rounds, |round| round.0), median(rounds, |round| round.1));
    let direct = of(&rounds[0]);
    for (target, rounds) in targets.iter().zip(&rounds) {
        let (p50, p99) = of(rounds);
        let (added, added_p99) = (p50 - direct.0, p99 - direct.1);
        println!(
            "  {:10} p50 {p50:.3} ms p99 {p99:.3} ms  added {added:+.3} / {added_p99:+.3} ms",
            target.name
        );
    }
}

async fn paced_ms(address: SocketAddr) -> Vec<f64> {
    let length = Duration::from_secs(setting("HARNESS_BENCH_SECONDS", 2));
    let period = Duration::from_secs(1) / PACE_PER_S * CONNECTIONS as u32;
    let began = Instant::now() + Duration::from_millis(100);
    let mut clients = JoinSet::new();
    for number in 0..CONNECTIONS {
        clients.spawn(async move {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.set_nodelay(true).unwrap();
            let mut due = began + period * number as u32 / CONNECTIONS as u32;
            let mut taken = Vec::new();
            let mut timer = Timer::fine();
            while due < began + length {
                poll_fn(|context| timer.poll_until(context, due)).await;
                stream.write_all(REQUEST).await.unwrap();
                read_reply(&mut stream).await;
                taken.push(due.elapsed().as_secs_f64() * 1e3);
                due += period;
            }
            taken
        });
    }
    clients.join_all().await.concat()
}

/// Says something behind which our proxy stops looking at the connection and only forwards. What is then saved
/// is the tap.
async fn put_out_the_tap(stream: &mut TcpStream, words: Words) {
    let (said, end) = words.blinding();
    stream.write_all(said).await.unwrap();
    let mut replies = Vec::new();
    while !replies.ends_with(end) {
        assert_ne!(stream.read_buf(&mut replies).await.unwrap(), 0, "the connection was closed");
    }
}

/// Waits until `due`, to a fraction of a millisecond.
async fn tick(due: Instant) {
    let mut timer = Timer::fine();
    poll_fn(|context| timer.poll_until(context, due)).await;
}

/// Reads the reply to one request for a small value.
async fn read_reply(stream: &mut (impl AsyncRead + Unpin)) {
    let mut reply = [0; 256];
    let length = Words::Memcached.reply_bytes(CASES[0].value_bytes);
    stream.read_exact(&mut reply[..length]).await.unwrap();
}

fn percentile(values: &[f64], share: f64) -> f64 {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * share) as usize]
}

async fn idle(targets: &[Target], descriptors: u64) {
    println!("\nmemory of idle connections that have each had one request");
    for target in targets {
        let Some(server) = &target.server else { continue };
        let before = server.resident_kib();
        let mut streams = Vec::new();
        print!("  {:10}", target.name);
        // A proxy has two for each connection.
        // A proxy has two for each connection, and some of its own.
        let most = usize::try_from(descriptors.saturating_sub(200) / 2).unwrap_or(usize::MAX);
        for count in IDLE.map(|count| count.min(most)) {
            while streams.len() < count {
                let mut stream = TcpStream::connect(target.address).await.unwrap();
                stream.write_all(REQUEST).await.unwrap();
                read_reply(&mut stream).await;
                streams.push(stream);
            }
            let each = (server.resident_kib() - before) / count as f64;
            print!("  {count}: {each:.1} KiB each");
        }
        println!();
    }
}

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// The proxy under test, until it is killed.
fn serve() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let scope = Scope::current("bench");
        let proxies = ProxySet::new(Seed::new(1), Events::ignore(), &scope);
        let listener = control::bind("127.0.0.1", 0).await.unwrap();
        let address = control::serve(listener, proxies, ApiOptions::default(), &scope).unwrap();
        println!("{address}");
        std::io::stdout().flush().unwrap();
        std::future::pending::<()>().await;
    });
}
