//! What the client adds to a request: a breaker permit, a placement, and the whole call beside the
//! bare crate on the same server. Ratios within one run count; nothing is asserted.
//!
//! The server is a real memcached when there is one on PATH, else a few lines that answer misses.

use std::hint::black_box;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use async_memcached::{AsciiProtocol, Client as Bare};
use criterion::{Criterion, criterion_group};
use harness::base::family::{Chosen, Settings};
use harness::base::name::NodeIndex;
use harness::base::scope::Scope;
use harness::base::seed::Seed;
use harness::client::breaker::{Breaker, CallOutcome};
use harness::client::selector::{KeyHash, Member, SELECTORS, Selector};
use harness::client::{BreakerConfig, Client, ClientConfig, Server, Ttl};
use harness::event::Events;
use harness::protocol::memcached::frame::key::Key;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio::time::Instant;

fn breaker(criterion: &mut Criterion) {
    let (config, jitter) = (BreakerConfig::default(), Seed::new(1).stream());
    let breaker = Breaker::new(NodeIndex(0), config, true, jitter, Events::ignore());
    let now = Instant::now();
    criterion.bench_function("breaker: permit and success", |bencher| {
        bencher.iter(|| {
            let permit = breaker.permit(now).expect("closed");
            black_box(permit.judge(CallOutcome::Answered, now))
        });
    });
    breaker.trip(now, "told");
    criterion.bench_function("breaker: rejected", |bencher| {
        bencher.iter(|| black_box(breaker.permit(now).is_none()));
    });
}

fn place(kind: &str, hash: KeyHash, servers: &[Server]) -> Box<dyn Selector> {
    let members: Vec<Member<'_>> = (0_u16..)
        .zip(servers)
        .map(|(index, server)| Member { index: NodeIndex(index), server })
        .collect();
    let chosen = Chosen { kind: kind.to_owned(), settings: Settings::default() };
    SELECTORS.make(&chosen).expect("a known kind").place(&members, hash)
}

fn placement(criterion: &mut Criterion) {
    for count in [3_u16, 50] {
        let servers: Vec<Server> = (0..count)
            .map(|port| Server { address: format!("127.0.0.1:{}", 22001 + port), weight: 1 })
            .collect();
        for (kind, hash) in [
            ("ketama", KeyHash::Md5),
            ("ketama", KeyHash::Fnv1a64),
            ("rendezvous", KeyHash::Md5),
            ("jump", KeyHash::OneAtATime),
            ("modulo", KeyHash::OneAtATime),
        ] {
            let selector = place(kind, hash, &servers);
            let keys: Vec<String> = (0..1024).map(|number| format!("user:{number}:name")).collect();
            let mut next = 0;
            let name = format!("placement: {kind} {} of {count}", hash.name());
            criterion.bench_function(&name, |bencher| {
                bencher.iter(|| {
                    next = (next + 1) % keys.len();
                    black_box(selector.home(keys[next].as_bytes()))
                });
            });
        }
    }
}

/// A server for the whole call, ended with its handle.
struct Answering {
    address: String,
    memcached: Option<Child>,
}

impl Answering {
    fn start(runtime: &Runtime) -> Self {
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port");
        let address = listener.local_addr().expect("bound").to_string();
        if cfg!(real_memcached) {
            drop(listener);
            let port = address.rsplit_once(':').expect("an address has a port").1;
            let memcached = Command::new("memcached")
                .args(["-u", "root", "-U", "0", "-t", "1", "-l", "127.0.0.1", "-p", port])
                .stderr(Stdio::null())
                .spawn()
                .expect("memcached starts");
            while std::net::TcpStream::connect(&address).is_err() {}
            return Self { address, memcached: Some(memcached) };
        }
        Scope::root("server", runtime.handle().clone()).spawn("accept", async move {
            while let Ok((stream, _)) = listener.accept().await {
                Scope::current("server").spawn("serve", answer_misses(stream));
            }
        });
        Self { address, memcached: None }
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        if let Some(memcached) = &mut self.memcached {
            // It may have ended by itself; there is nothing left to do then.
            let _ = memcached.kill();
            let _ = memcached.wait();
        }
    }
}

async fn answer_misses(stream: TcpStream) {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    while stream.read_line(&mut line).await.is_ok_and(|read| read > 0) {
        // A get, or an `mg key Otoken k ...` in whose answer key and token come back.
        let mut words = line.split_whitespace();
        let miss = match (words.next(), words.next(), words.next()) {
            (Some("mg"), Some(key), Some(token)) => format!("EN {token} k{key}\r\n"),
            _ => "END\r\n".to_owned(),
        };
        if stream.write_all(miss.as_bytes()).await.is_err() {
            return;
        }
        line.clear();
    }
}

/// How often both are measured, in turns, and for how long each time.
const ROUNDS: usize = 60;
const ROUND: Duration = Duration::from_millis(50);

/// Keys asked in turn. A client is seldom asked for one key twice in a row, and then it asks in a form
/// whose answer names the request, which costs it and the server more; the same after a miss. So each
/// of the three is measured.
const KEYS: usize = 64;

/// How many callers there are at a time. One alone waits for the server and the processor's sleep
/// in every call; of many, as in a busy service, there is always one that can go on.
const CALLERS: [usize; 2] = [1, 32];

/// What asks.
enum Caller {
    Bare(Bare),
    Ours(Client),
}

impl Caller {
    async fn get(&mut self, key: &Key) {
        match self {
            Self::Bare(bare) => {
                black_box(bare.get(key).await.expect("answered"));
            }
            Self::Ours(client) => {
                black_box(client.get(key).await.result.expect("answered"));
            }
        }
    }

    /// Asks until `end` for one key after the other, and says how often.
    async fn ask(mut self, keys: Arc<[Key]>, first: usize, end: Instant) -> (Self, u32) {
        let mut calls = 0_u32;
        let mut keys = keys.iter().cycle().skip(first);
        while Instant::now() < end {
            // Asking the time costs too: not after every call.
            for key in keys.by_ref().take(16) {
                self.get(key).await;
            }
            calls += 16;
        }
        (self, calls)
    }
}

/// What a call cost in one round, in microseconds.
#[derive(Clone, Copy)]
struct Cost {
    wall: f64,
    cpu: f64,
}

/// User and system time of this thread, which runs everything but a real server.
fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// Calls of all `callers` for one round.
fn round(runtime: &Runtime, callers: &mut Vec<Caller>, keys: &Arc<[Key]>) -> Cost {
    runtime.block_on(async {
        let (began, cpu) = (Instant::now(), cpu_time());
        let mut running = JoinSet::new();
        for (turn, caller) in callers.drain(..).enumerate() {
            running.spawn(caller.ask(Arc::clone(keys), turn, began + ROUND));
        }
        let mut calls = 0;
        for (caller, each) in running.join_all().await {
            callers.push(caller);
            calls += each;
        }
        let each = |time: Duration| time.as_secs_f64() * 1e6 / f64::from(calls);
        Cost { wall: each(began.elapsed()), cpu: each(cpu_time() - cpu) }
    })
}

/// One of the costs.
type Figure = fn(Cost) -> f64;

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn print_overhead(name: &str, pairs: &[(Cost, Cost)]) {
    println!("get, {name}: {} pairs of rounds", pairs.len());
    let wall: Figure = |cost| cost.wall;
    for (what, of) in [("wall", wall), ("user + system", |cost| cost.cpu)] {
        let bare = median(pairs.iter().map(|pair| of(pair.0)).collect());
        let ours = median(pairs.iter().map(|pair| of(pair.1)).collect());
        let more = median(pairs.iter().map(|pair| of(pair.1) - of(pair.0)).collect());
        let ratio = ours / bare;
        println!(
            "  {what:<13} bare {bare:6.2} us, ours {ours:6.2} us, {more:+.2} us, ours/bare {ratio:.3}"
        );
    }
}

/// Both clients of one server, and its keys.
struct Pair {
    runtime: Runtime,
    address: String,
    client: Client,
    there: Option<Arc<[Key]>>,
    missing: Arc<[Key]>,
    _server: Answering,
    _scope: Scope,
}

impl Pair {
    fn start() -> Self {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let server = Answering::start(&runtime);
        let address = server.address.clone();
        let scope = Scope::root("bench", runtime.handle().clone());
        let config = ClientConfig {
            operation_timeout: Duration::from_secs(5),
            pool_size: CALLERS[1],
            ..ClientConfig::default()
        };
        let servers = [Server::new(address.clone()).expect("an address")];
        let client = Client::start(&servers, config, Seed::new(1), Events::ignore(), &scope)
            .expect("good settings");
        let name_of = |user: usize| Key::new(format!("user:{user}:name")).expect("a key");
        let there: Arc<[Key]> = (0..KEYS).map(name_of).collect();
        let missing = (KEYS..2 * KEYS).map(name_of).collect();
        let is_real = server.memcached.is_some();
        if is_real {
            let never = Ttl::Never;
            for key in there.iter() {
                let stored = client.set(key, b"a name of usual length", never);
                runtime.block_on(stored).result.expect("stored");
            }
        }
        let there = is_real.then_some(there);
        Self { runtime, address, client, there, missing, _server: server, _scope: scope }
    }

    /// Gets in turns, so that a drift of the machine meets both; the overhead is the median of what
    /// each pair of rounds differs by.
    fn compare(&self, name: &str, keys: &Arc<[Key]>, callers: usize, rounds: usize) {
        let dsn = format!("tcp://{}", self.address);
        let mut bare: Vec<Caller> = (0..callers)
            .map(|_| Caller::Bare(self.runtime.block_on(Bare::new(&dsn)).expect("connected")))
            .collect();
        let mut ours: Vec<Caller> =
            (0..callers).map(|_| Caller::Ours(self.client.clone())).collect();
        let pairs: Vec<(Cost, Cost)> = (0..rounds)
            .map(|_| (round(&self.runtime, &mut bare, keys), round(&self.runtime, &mut ours, keys)))
            .collect();
        print_overhead(&format!("{name}, callers {callers}"), &pairs);
    }
}

/// Gets beside the bare crate on the same server.
fn whole_call(rounds: usize) {
    let pair = Pair::start();
    for callers in CALLERS {
        if let Some(keys) = &pair.there {
            pair.compare("keys that are there", keys, callers, rounds);
            let one = keys[..1].into();
            pair.compare("always the same key", &one, callers, rounds);
        } else {
            println!("get, keys that are there: not measured, there is no memcached on PATH");
        }
        pair.compare("keys that are missing", &pair.missing, callers, rounds);
    }
}

criterion_group!(benches, breaker, placement);

fn main() {
    benches();
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let is_wanted = |argument: &String| argument.starts_with('-') || "get".contains(argument);
    if arguments.iter().all(is_wanted) {
        // As criterion has it: cargo says `--bench` when it is to be measured.
        let is_measured = arguments.iter().any(|argument| argument == "--bench");
        whole_call(if is_measured { ROUNDS } else { 1 });
    }
    Criterion::default().configure_from_args().final_summary();
}
