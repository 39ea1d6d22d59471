//! How exact the schedule is, and what one operation costs beside the client.
//!
//! `cargo bench --bench load` prints three tables: the pure parts in nanoseconds; a fixed rate of
//! 10,000 a second on three nodes, left alone and stopped for 200 ms in each second (p99 is then 190
//! ms, by arithmetic); and a closed loop with the oracle on and off, beside memcaslap and a minimal
//! ping-pong loop. The last two need `memcached` on PATH, and memcaslap is Debian's
//! `libmemcached-tools`. Figures of one run may be compared with each other, not with another run's.

mod peers;

use std::hint::black_box;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use harness::base::family::{Chosen, Settings, Value};
use harness::base::name::NodeIndex;
use harness::base::scope::Scope;
use harness::base::seed::Seed;
use harness::base::time::{Offset, RunClock};
use harness::base::units::Rate;
use harness::client::{Client, ClientConfig, Server};
use harness::event::{Events, Operation, Sample};
use harness::load::keys::{KEYS, Seat};
use harness::load::payload::Stamp;
use harness::load::{
    Effect, Keyspace, Load, LoadConfig, LoadTotals, Oracle, OracleConfig, RateWish, Sampler,
    Source, Space, Workload, WriteEnd, longest_call,
};
use hdrhistogram::Histogram;
use parking_lot::Mutex;
use tokio::time::Instant;

const WORKERS: u32 = 100;
const MEASURED: Duration = Duration::from_secs(5);

fn main() {
    pure_parts();
    if Command::new("memcached").arg("-V").stdout(Stdio::null()).status().is_err() {
        println!("no memcached on PATH: the schedule and the closed loop were not measured");
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        println!(
            "\n{:34} {:>9} {:>22} {:>24}",
            "3 nodes, 100 workers", "ops/s", "issue delay us", "response us"
        );
        println!(
            "{:34} {:>9} {:>22} {:>24} {:>12}",
            "", "", "p50 / p99 / max", "p50 / p99 / max", "us CPU/op"
        );
        let rate = Rate::per_second(10_000.0).map(RateWish::PerSecond);
        measure("10,000/s, mixed", Workload::default(), rate, true).await;
        measure("10,000/s, get:set 2:1, 100 B", plain(), rate, true).await;
        measure_stalled("10,000/s, 200 ms stall each second", plain(), rate).await;
        let on = measure("closed loop, oracle on", plain(), Some(RateWish::Max), true).await;
        let off = measure("closed loop, oracle off", plain(), Some(RateWish::Max), false).await;
        let pong = per_cpu_second(peers::ping_pong().await);
        let slap = tokio::task::block_in_place(peers::memcaslap).map(per_cpu_second);
        println!("\noperations per CPU second of the generator: ours {on:.0}, without the oracle {off:.0}");
        println!("  {:.2} x a minimal ping-pong loop ({pong:.0})", on / pong);
        match slap {
            Some(slap) => println!("  {:.2} x memcaslap ({slap:.0})", on / slap),
            None => println!("  memcaslap is not installed"),
        }
    });
}

fn per_cpu_second((operations, cpu): (u64, f64)) -> f64 {
    operations as f64 / cpu.max(0.01)
}

/// The workload of the peers' table: set to get 1 to 2, values of 100 bytes.
fn plain() -> Workload {
    Workload {
        keys: chosen("uniform", "count", 10_000),
        values: chosen("fixed", "size", 100),
        mix: vec![(Operation::Get, 2), (Operation::Set, 1)],
        ..Workload::default()
    }
}

fn chosen(kind: &str, setting: &str, value: i64) -> Chosen {
    let mut settings = Settings::default();
    settings.insert(setting, Value::Integer(value));
    Chosen { kind: kind.to_owned(), settings }
}

/// Nanoseconds of each pure step of an operation.
fn pure_parts() {
    let seat = Seat { worker: 0, workers: WORKERS };
    let zipf = KEYS.make(&chosen("zipf", "count", 10_000)).expect("a valid distribution");
    let mut keys = zipf.start(seat, Seed::new(1).stream());
    time("draw a key, zipf", || {
        black_box(keys.next_rank());
    });
    let stamp = Stamp { run: 1, key: 2, writer: 3, sequence: 4 };
    let mut buffer = Vec::new();
    for length in [100, 1000] {
        time(&format!("write a value of {length} B"), || {
            stamp.write(length, black_box(&mut buffer))
        });
        time(&format!("check a value of {length} B"), || {
            let _ = black_box(Stamp::read(black_box(&buffer)));
        });
    }
    let keyspace = Keyspace::new([10_000, 0, 0, 0], |_| NodeIndex(0));
    let config = OracleConfig { run: 1, checks: true, nodes: 1, evictions: false };
    let oracle = Oracle::new(keyspace, config, Events::ignore());
    let slot = oracle.keyspace().any(Space::Values, 7);
    time("lease a write and end it", || {
        if let Some(lease) = oracle.lease(slot, Effect::Store(None), Offset(1)) {
            lease.end(WriteEnd::Acknowledged { at_home: true });
        }
    });
    let sequence = oracle.look(slot).acknowledged();
    oracle.value(slot, 0, sequence, 100, &mut buffer);
    let source = Source { served_by: Some(NodeIndex(0)), connection: None };
    time("judge a hit of 100 B", || {
        let before = oracle.look(slot);
        black_box(oracle.judge(slot, &before, Some(&buffer), source, Offset(2)));
    });
}

fn time(what: &str, mut step: impl FnMut()) {
    const STEPS: u32 = 1_000_000;
    let start = Instant::now();
    (0..STEPS).for_each(|_| step());
    println!("{what:34} {:6.1} ns", start.elapsed().as_nanos() as f64 / f64::from(STEPS));
}

struct Node(Child, String);

impl Node {
    fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a free port")
            .port();
        let child = Command::new("memcached")
            .args(["-l", "127.0.0.1", "-p", &port.to_string(), "-U", "0", "-u", "root", "-t", "1"])
            .stdout(Stdio::null())
            .spawn()
            .expect("memcached starts");
        let node = Self(child, format!("127.0.0.1:{port}"));
        while TcpStream::connect(&node.1).is_err() {
            std::thread::yield_now();
        }
        node
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn measure(what: &str, workload: Workload, rate: Option<RateWish>, checks: bool) -> f64 {
    let nodes = (0..3).map(|_| Node::start()).collect();
    measure_on(nodes, what, workload, rate, checks, false).await
}

/// With a client that waits through the stalls: what is measured is the schedule.
async fn measure_stalled(what: &str, workload: Workload, rate: Option<RateWish>) {
    let nodes: Vec<Node> = (0..3).map(|_| Node::start()).collect();
    measure_on(nodes, what, workload, rate, true, true).await;
}

/// Prints a row; returns operations per CPU second.
async fn measure_on(
    nodes: Vec<Node>,
    what: &str,
    workload: Workload,
    rate: Option<RateWish>,
    checks: bool,
    stalled: bool,
) -> f64 {
    let servers: Vec<Server> =
        nodes.iter().map(|node| Server { address: node.1.clone(), weight: 1 }).collect();
    let scope = Scope::current("bench");
    let mut client_config = ClientConfig::default();
    if stalled {
        client_config.operation_timeout = Duration::from_secs(2);
        client_config.pool_wait = Duration::from_secs(2);
        client_config.breaker.min_requests = u32::MAX;
    }
    let deadline = longest_call(&client_config);
    let client = Client::start(
        &servers,
        client_config,
        Seed::new(1),
        Events::ignore(),
        &scope.child("client"),
    )
    .expect("a client");
    let histogram = Histogram::<u64>::new_with_bounds(1, 60_000_000, 3).expect("valid bounds");
    let responses = Arc::new(Mutex::new(histogram));
    let shared = Arc::clone(&responses);
    let sampler = move || {
        let shared = Arc::clone(&shared);
        Box::new(move |sample: &Sample| {
            let response = sample.done.since(sample.due).as_micros();
            shared.lock().saturating_record(u64::try_from(response).unwrap_or(u64::MAX));
        }) as Sampler
    };
    let clock = RunClock::start();
    let config = LoadConfig {
        workload,
        concurrency: WORKERS,
        rate,
        seed: Seed::new(2),
        clock,
        nodes: 3,
        deadline,
        checks,
        evictions: false,
    };
    let load = Load::start(config, client, sampler, Events::ignore(), &scope).expect("a load");
    load.preload().await;
    let cpu_before = cpu_seconds();
    let run = load.run_until(clock.now().plus(MEASURED));
    if stalled {
        tokio::select! {
            () = run => {}
            () = peers::stall(&nodes) => {}
        }
        peers::signal(&nodes, "-CONT");
    } else {
        run.await;
    }
    let cpu = cpu_seconds() - cpu_before;
    let totals = load.drain(Duration::from_secs(5)).await;
    scope.close(Duration::from_secs(5)).await;
    print_row(what, &totals, &responses.lock(), cpu);
    per_cpu_second((totals.issued, cpu))
}

fn print_row(what: &str, totals: &LoadTotals, responses: &Histogram<u64>, cpu: f64) {
    assert_eq!(totals.issued, totals.closed(), "a ticket was lost");
    let delay = totals.issue_delay;
    let issue = format!("{} / {} / {}", delay.p50_us, delay.p99_us, delay.max_us);
    let [p50, p99] = [0.5, 0.99].map(|quantile| responses.value_at_quantile(quantile));
    let response = format!("{p50} / {p99} / {}", responses.max());
    let rate = totals.issued as f64 / MEASURED.as_secs_f64();
    let per_operation = cpu * 1e6 / totals.issued as f64;
    println!("{what:34} {rate:9.0} {issue:>22} {response:>24} {per_operation:12.1}");
    let bad = totals.issued - responses.len();
    if bad > 0 || totals.lost_slots() > 0 || totals.data.wrong > 0 {
        println!("  lost slots {}, wrong {}", totals.lost_slots(), totals.data.wrong);
    }
}

/// CPU time of this process, user and system, in seconds; zero where there is no /proc.
fn cpu_seconds() -> f64 {
    stat_seconds(11)
}

/// The same of its children that have ended and were waited for.
fn cpu_of_children() -> f64 {
    stat_seconds(13)
}

/// The sum of two fields behind the name in /proc/self/stat, which count in hundredths.
fn stat_seconds(first: usize) -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let behind_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let fields = behind_name.split_ascii_whitespace().skip(first).take(2);
    fields.filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() / 100.0
}
