//! The embedded node beside memcached, in one run: requests a second over 50 connections.
//!
//! `cargo bench --bench node [-- SECONDS [LOAD]]`: every load whose name begins with LOAD. Rounds are interleaved, so that both meet the same
//! machine. Two ratios are printed: of the best rounds, which a busy machine disturbs least, and of
//! the CPU time that the two servers spent on a request (on Linux), which it hardly disturbs at all.
//! Without memcached on PATH only the node is measured.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use harness::base::scope::Scope;
use harness::protocol::memcached::server::config::NodeConfig;
use harness::protocol::memcached::server::serve::Node;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;

const CONNECTIONS: usize = 50;
const KEYS: usize = 1000;
const ROUNDS: usize = 7;
/// The name of the threads that serve the node; the main thread is called after the program.
const SERVER_THREAD: &str = "serving";
const GRACE: Duration = Duration::from_secs(5);

/// What every connection sends again and again.
struct Load {
    name: &'static str,
    value_bytes: usize,
    /// Requests in one write.
    pipeline: usize,
    /// Of this many requests one is a `set`; 0: none.
    set_every: usize,
    meta: bool,
}

const LOADS: [Load; 5] = [
    Load { name: "get 100 B", value_bytes: 100, pipeline: 1, set_every: 0, meta: false },
    Load { name: "get:set 2:1, 100 B", value_bytes: 100, pipeline: 1, set_every: 3, meta: false },
    Load { name: "mg v 100 B", value_bytes: 100, pipeline: 1, set_every: 0, meta: true },
    Load {
        name: "get 100 B, 16 at once",
        value_bytes: 100,
        pipeline: 16,
        set_every: 0,
        meta: false,
    },
    Load { name: "get 64 KiB", value_bytes: 65536, pipeline: 1, set_every: 0, meta: false },
];

/// One write and the length of its replies.
struct Exchange {
    request: Vec<u8>,
    reply_bytes: usize,
}

fn set(key: usize, value_bytes: usize) -> Vec<u8> {
    let mut request = format!("set key:{key:06} 0 0 {value_bytes}\r\n").into_bytes();
    request.resize(request.len() + value_bytes, b'v');
    request.extend(b"\r\n");
    request
}

impl Load {
    fn exchange(&self, first: usize) -> Exchange {
        let mut exchange = Exchange { request: Vec::new(), reply_bytes: 0 };
        for number in first..first + self.pipeline {
            let key = number * 7919 % KEYS;
            if self.set_every > 0 && number % self.set_every == 0 {
                exchange.request.extend(set(key, self.value_bytes));
                exchange.reply_bytes += "STORED\r\n".len();
            } else if self.meta {
                exchange.request.extend(format!("mg key:{key:06} v\r\n").bytes());
                exchange.reply_bytes +=
                    format!("VA {}\r\n\r\n", self.value_bytes).len() + self.value_bytes;
            } else {
                exchange.request.extend(format!("get key:{key:06}\r\n").bytes());
                let head = format!("VALUE key:{key:06} 0 {}\r\n\r\nEND\r\n", self.value_bytes);
                exchange.reply_bytes += head.len() + self.value_bytes;
            }
        }
        exchange
    }
}

async fn fill(address: SocketAddr, value_bytes: usize) {
    let mut stream = TcpStream::connect(address).await.expect("a listening server");
    for key in 0..KEYS {
        stream.write_all(&set(key, value_bytes)).await.expect("an open connection");
        read(&mut stream, "STORED\r\n".len(), &mut [0; 64]).await;
    }
}

async fn read(stream: &mut TcpStream, mut bytes: usize, buffer: &mut [u8]) {
    while bytes > 0 {
        let count = stream.read(buffer).await.expect("an open connection");
        assert!(count > 0, "the server closed");
        bytes = bytes.checked_sub(count).expect("a reply is longer than it should be");
    }
}

async fn talk(address: SocketAddr, load: &'static Load, worker: usize, end: Instant) -> u64 {
    let mut stream = TcpStream::connect(address).await.expect("a listening server");
    stream.set_nodelay(true).expect("an open connection");
    let exchanges: Vec<_> =
        (0..60).map(|turn| load.exchange((worker * 60 + turn) * load.pipeline)).collect();
    let mut buffer = vec![0; 128 * 1024];
    let mut requests = 0;
    for exchange in exchanges.iter().cycle() {
        if Instant::now() > end {
            break;
        }
        stream.write_all(&exchange.request).await.expect("an open connection");
        read(&mut stream, exchange.reply_bytes, &mut buffer).await;
        requests += load.pipeline as u64;
    }
    requests
}

/// Requests a second.
fn measure(client: &Runtime, address: SocketAddr, load: &'static Load, length: Duration) -> f64 {
    client.block_on(fill(address, load.value_bytes));
    let scope = Scope::root("load", client.handle().clone());
    let requests = Arc::new(AtomicU64::new(0));
    let began = Instant::now();
    for worker in 0..CONNECTIONS {
        let requests = Arc::clone(&requests);
        scope.spawn("worker", async move {
            requests.fetch_add(talk(address, load, worker, began + length).await, Relaxed);
        });
    }
    client.block_on(async {
        while scope.tasks() > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    #[expect(clippy::cast_precision_loss, reason = "far below 2^53")]
    let requests = requests.load(Relaxed) as f64;
    assert_eq!(scope.panicked(), None, "a connection failed");
    requests / length.as_secs_f64()
}

/// What one server did over all rounds of a load.
#[derive(Default)]
struct Record {
    best: f64,
    requests: f64,
    cpu_ticks: f64,
}

impl Record {
    fn add(&mut self, rate: f64, length: Duration, cpu_ticks: f64) {
        self.best = self.best.max(rate);
        self.requests += rate * length.as_secs_f64();
        self.cpu_ticks += cpu_ticks;
    }

    /// A tick is 10 ms on every Linux that we know.
    fn cpu_us_per_request(&self) -> f64 {
        self.cpu_ticks * 10_000.0 / self.requests
    }
}

/// The CPU time so far, in ticks, of the threads of `process` whose name begins with `name`.
fn cpu_ticks(process: &str, name: &str) -> f64 {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{process}/task")) else { return 0.0 };
    let stats = tasks.flatten().filter_map(|task| {
        let stat = std::fs::read_to_string(task.path().join("stat")).ok()?;
        let (head, fields) = stat.rsplit_once(')')?;
        let fields: Vec<f64> = fields.split(' ').skip(12).take(2).flat_map(str::parse).collect();
        head.split_once('(')?.1.starts_with(name).then(|| fields.iter().sum::<f64>())
    });
    stats.sum()
}

/// A memcached on a free port, killed at the end.
struct Peer {
    child: Child,
    address: SocketAddr,
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn start_memcached(client: &Runtime) -> Option<Peer> {
    let free = std::net::TcpListener::bind("127.0.0.1:0").ok()?;
    let address = free.local_addr().ok()?;
    drop(free);
    let port = address.port().to_string();
    let child = Command::new("memcached")
        .args(["-l", "127.0.0.1", "-p", &port, "-U", "0", "-u", "nobody", "-t", "2", "-m", "256"])
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let peer = Peer { child, address };
    client.block_on(async {
        while TcpStream::connect(address).await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    Some(peer)
}

fn runtime(name: &str, threads: usize) -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(threads).thread_name(name).enable_all();
    builder.build().expect("a runtime")
}

fn print(load: &Load, ours: &Record, theirs: Option<&Record>) {
    let (best, cpu) = (ours.best, ours.cpu_us_per_request());
    print!("{:24} node {best:8.0}/s {cpu:5.1} us", load.name);
    match theirs {
        None => println!("   (no memcached on PATH)"),
        Some(theirs) => {
            let (their_best, their_cpu) = (theirs.best, theirs.cpu_us_per_request());
            print!("   memcached {their_best:8.0}/s {their_cpu:5.1} us");
            println!("   ratios {:.2} and {:.2}", best / their_best, their_cpu / cpu);
        }
    }
}

fn main() {
    let seconds = std::env::args().filter_map(|word| word.parse::<f64>().ok()).next();
    let length = Duration::from_secs_f64(seconds.unwrap_or(1.0));
    let (client, server) = (runtime("load", 1), runtime(SERVER_THREAD, 2));
    let scope = Scope::root("bench", server.handle().clone());
    let config = NodeConfig { memory: "256MiB".parse().expect("a size"), ..NodeConfig::default() };
    let node = server.block_on(Node::start(&config, &scope)).expect("a free port");
    let peer = start_memcached(&client);
    println!("{CONNECTIONS} connections, {ROUNDS} rounds of {length:?}");
    let wanted = std::env::args().skip(1).find(|word| word.starts_with(char::is_alphabetic));
    let wanted = wanted.unwrap_or_default();
    for load in LOADS.iter().filter(|load| load.name.starts_with(&wanted)) {
        let (mut ours, mut theirs) = (Record::default(), Record::default());
        for _ in 0..ROUNDS {
            let before = cpu_ticks("self", SERVER_THREAD);
            let rate = measure(&client, node.address(), load, length);
            ours.add(rate, length, cpu_ticks("self", SERVER_THREAD) - before);
            let Some(peer) = &peer else { continue };
            let process = peer.child.id().to_string();
            let before = cpu_ticks(&process, "");
            let rate = measure(&client, peer.address, load, length);
            theirs.add(rate, length, cpu_ticks(&process, "") - before);
        }
        print(load, &ours, peer.as_ref().map(|_| &theirs));
    }
    server.block_on(node.stop());
    server.block_on(scope.close(GRACE));
}
