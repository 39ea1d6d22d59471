//! A load on real servers that can be had in parts: without the oracle, the breaker, the recording,
//! with and without our proxies in between.

use std::net::{TcpListener, TcpStream};
use std::ops::Sub;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use harness::base::family::{Chosen, Settings, Value};
use harness::base::name::NodeIndex;
use harness::base::scope::Scope;
use harness::base::seed::Seed;
use harness::base::share::Share;
use harness::base::time::RunClock;
use harness::base::units::Rate;
use harness::client::{Client, ClientConfig, Server};
use harness::event::{Events, Operation, Outcome, Sample};
use harness::load::{Load, LoadConfig, LoadTotals, RateWish, Sampler, Workload, longest_call};
use harness::proxy::{Dial, ProxyConfig, ProxySet};
use harness::record::{Config, PhaseClock, Recorder};
use hdrhistogram::Histogram;
use parking_lot::Mutex;

use crate::peers;

pub(crate) const WORKERS: u32 = 100;
/// How long one measurement lasts.
pub(crate) const MEASURED: Duration = Duration::from_secs(5);
/// The largest pool that a client may have for one node.
const POOL_MAX: usize = 4096;
/// How often what was recorded is folded, as in a run.
const TICK: Duration = Duration::from_millis(500);

/// What is measured: a closed loop of the plain workload with everything on, but for what is said.
#[derive(Clone)]
pub(crate) struct Rig {
    pub(crate) nodes: usize,
    pub(crate) workers: u32,
    /// `None`: a closed loop.
    pub(crate) per_second: Option<f64>,
    pub(crate) workload: Workload,
    pub(crate) oracle: bool,
    pub(crate) breaker: bool,
    pub(crate) recording: Recording,
    pub(crate) proxies: bool,
    /// The servers stand still for 200 ms in each second, and the client waits through it.
    pub(crate) stalled: bool,
    pub(crate) length: Duration,
}

/// What becomes of each sample.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Recording {
    /// Nothing.
    Off,
    /// What a run does with it.
    Run,
    /// A histogram of response times alone, for the tables.
    Responses,
}

impl Default for Rig {
    fn default() -> Self {
        Self {
            nodes: 3,
            workers: WORKERS,
            per_second: None,
            workload: plain(),
            oracle: true,
            breaker: true,
            recording: Recording::Run,
            proxies: false,
            stalled: false,
            length: MEASURED,
        }
    }
}

/// A histogram of response times for each worker.
type Responses = Arc<Mutex<Vec<Arc<Mutex<Histogram<u64>>>>>>;

/// What one measurement came to.
pub(crate) struct Figures {
    pub(crate) totals: LoadTotals,
    pub(crate) responses: Histogram<u64>,
    /// CPU of this process.
    pub(crate) cpu: Cpu,
}

impl Figures {
    pub(crate) fn cost(&self) -> Cost {
        Cost::of(self.cpu, self.totals.issued as f64)
    }

    /// Operations that did not come to what a cache should give.
    pub(crate) fn bad(&self) -> u64 {
        let bad = Outcome::all().filter(|outcome| !outcome.is_good());
        bad.map(|outcome| self.totals.count(outcome)).sum()
    }
}

/// The workload of the peers' table: set to get 1 to 2, values of 100 bytes.
pub(crate) fn plain() -> Workload {
    Workload {
        keys: chosen("uniform", "count", 10_000),
        values: chosen("fixed", "size", 100),
        mix: vec![(Operation::Get, 2), (Operation::Set, 1)],
        ..Workload::default()
    }
}

pub(crate) fn chosen(kind: &str, setting: &str, value: i64) -> Chosen {
    let mut settings = Settings::default();
    settings.insert(setting, Value::Integer(value));
    Chosen { kind: kind.to_owned(), settings }
}

/// A real server of our own.
pub(crate) struct Node(pub(crate) Child, pub(crate) String);

impl Node {
    pub(crate) fn start() -> Self {
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a free port")
            .port();
        let child = Command::new("memcached")
            .args(["-l", "127.0.0.1", "-p", &port.to_string(), "-U", "0", "-u", "root"])
            .args(["-t", "1", "-c", "8192"])
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

impl Rig {
    pub(crate) async fn measure(&self) -> Figures {
        let nodes: Vec<Node> = (0..self.nodes).map(|_| Node::start()).collect();
        let scope = Scope::current("bench");
        let mut addresses: Vec<String> = nodes.iter().map(|node| node.1.clone()).collect();
        if self.proxies {
            addresses = proxied(&addresses, &scope).await;
        }
        let config = self.client();
        let deadline = longest_call(&config);
        let client = Client::start(
            &addresses
                .into_iter()
                .map(|address| Server { address, weight: 1 })
                .collect::<Vec<Server>>(),
            config,
            Seed::new(1),
            Events::ignore(),
            &scope.child("client"),
        )
        .expect("a client");
        let clock = RunClock::start();
        let responses = Responses::default();
        let sampler = self.sampler(clock, &scope, Arc::clone(&responses));
        let rate = self
            .per_second
            .map_or(Some(RateWish::Max), |rate| Rate::per_second(rate).map(RateWish::PerSecond));
        let config = LoadConfig {
            workload: self.workload.clone(),
            concurrency: self.workers,
            share: Share::ALL,
            rate,
            seed: Seed::new(2),
            clock,
            run: 1,
            nodes: self.nodes,
            deadline,
            checks: self.oracle,
        };
        let load = Load::start(config, client, sampler, Events::ignore(), &scope).expect("a load");
        load.preload().await;
        let cpu_before = Cpu::own();
        let run = load.run_until(clock.now().plus(self.length));
        if self.stalled {
            tokio::select! {
                () = run => {}
                () = peers::stall(&nodes) => {}
            }
            peers::signal(&nodes, "-CONT");
        } else {
            run.await;
        }
        let cpu = Cpu::own() - cpu_before;
        let totals = load.drain(Duration::from_secs(5)).await;
        scope.close(Duration::from_secs(5)).await;
        assert_eq!(totals.issued, totals.closed(), "a ticket was lost");
        let mut all = empty();
        for one in responses.lock().iter() {
            all.add(&*one.lock()).expect("the same bounds");
        }
        Figures { totals, responses: all, cpu }
    }

    fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::default();
        config.breaker.enabled = self.breaker;
        config.pool_size = config.pool_size.max(self.workers as usize).min(POOL_MAX);
        if self.stalled || self.workers > WORKERS {
            config.operation_timeout = Duration::from_secs(2);
            config.connect_timeout = Duration::from_secs(2);
            config.pool_wait = Duration::from_secs(2);
            config.breaker.min_requests = u32::MAX;
        }
        config
    }

    fn sampler(
        &self,
        clock: RunClock,
        scope: &Scope,
        responses: Responses,
    ) -> impl FnMut() -> Sampler + use<> {
        let recording = self.recording;
        let config = Config {
            scenario: "bench".to_owned(),
            nodes: self.nodes,
            open_loop: self.per_second.is_some(),
            operation_timeout: self.client().operation_timeout,
        };
        let recorder = Recorder::new(config, clock, PhaseClock::new());
        if recording == Recording::Run {
            let recorder = recorder.clone();
            let cancelled = scope.cancelled();
            scope.spawn("recorder", async move {
                tokio::select! {
                    () = cancelled => {}
                    () = fold(&recorder, clock) => {}
                }
            });
        }
        move || match recording {
            Recording::Off => Box::new(|_: &Sample| {}) as Sampler,
            Recording::Run => {
                let shard = recorder.shard();
                Box::new(move |sample: &Sample| shard.record(sample))
            }
            Recording::Responses => {
                let own = Arc::new(Mutex::new(empty()));
                responses.lock().push(Arc::clone(&own));
                Box::new(move |sample: &Sample| {
                    let response = sample.done.since(sample.due).as_micros();
                    own.lock().saturating_record(u64::try_from(response).unwrap_or(u64::MAX));
                })
            }
        }
    }
}

async fn fold(recorder: &Recorder, clock: RunClock) {
    loop {
        tokio::time::sleep(TICK).await;
        recorder.intervals(clock.now(), &[]);
    }
}

fn empty() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000, 3).expect("valid bounds")
}

/// Proxies of ours in front of these servers, in this process.
async fn proxied(upstreams: &[String], scope: &Scope) -> Vec<String> {
    let set = ProxySet::new(Seed::new(3), Events::ignore(), scope);
    let mut addresses = Vec::new();
    for (number, upstream) in (0_u16..).zip(upstreams) {
        let config = ProxyConfig {
            name: format!("p{number}"),
            listen: "127.0.0.1:0".to_owned(),
            upstream: upstream.clone(),
            enabled: true,
            dial: Dial::Eager,
            protocol: None,
            node: Some(NodeIndex(number)),
            toxics: Vec::new(),
        };
        addresses.push(set.create(config).await.expect("a proxy").listen);
    }
    addresses
}

/// CPU time in seconds; zero where there is no /proc.
#[derive(Clone, Copy)]
pub(crate) struct Cpu {
    user: f64,
    system: f64,
}

impl Cpu {
    /// Of this process.
    pub(crate) fn own() -> Self {
        Self::from_stat(11)
    }

    /// Of its children that have ended and were waited for.
    pub(crate) fn of_children() -> Self {
        Self::from_stat(13)
    }

    /// Two fields behind the name in /proc/self/stat, which count in hundredths.
    fn from_stat(first: usize) -> Self {
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let behind_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let mut fields = behind_name.split_ascii_whitespace().skip(first);
        let mut next = || fields.next().and_then(|field| field.parse().ok()).unwrap_or(0.0) / 100.0;
        Self { user: next(), system: next() }
    }
}

impl Sub for Cpu {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self { user: self.user - earlier.user, system: self.system - earlier.system }
    }
}

/// What one operation costs, in microseconds of CPU.
#[derive(Clone, Copy)]
pub(crate) struct Cost {
    pub(crate) user: f64,
    pub(crate) system: f64,
}

impl Cost {
    pub(crate) fn of(cpu: Cpu, operations: f64) -> Self {
        Self { user: cpu.user * 1e6 / operations, system: cpu.system * 1e6 / operations }
    }

    pub(crate) fn us(self) -> f64 {
        self.user + self.system
    }
}
