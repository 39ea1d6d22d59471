//! The load generator and its oracle against real nodes, and the shipped workload files.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use harness::base::family::{Chosen, Family, Settings, Value};
use harness::base::name::NodeIndex;
use harness::base::scope::{Closed, Scope};
use harness::base::seed::Seed;
use harness::base::share::Share;
use harness::base::time::RunClock;
use harness::base::units::Rate;
use harness::client::{Client, ClientConfig, Server};
use harness::event::{DataTotals, Events, Extent, KeyCounts, Operation, Outcome, Sample};
use harness::load::arrival::ARRIVALS;
use harness::load::keys::KEYS;
use harness::load::payload::Stamp;
use harness::load::values::VALUES;
use harness::load::{
    Load, LoadConfig, LoadTotals, OriginSpec, RateWish, Sampler, Workload, longest_call,
};
use harness::proxy::{Dial, ProxyConfig, ProxySet, Stream, ToxicConfig};
use parking_lot::Mutex;

const GRACE: Duration = Duration::from_secs(5);

/// A memcached of our own, killed when it is dropped.
struct Node {
    child: Child,
    address: String,
}

impl Node {
    fn start() -> Self {
        // Free now, and nobody else asks for it by number.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new("memcached")
            .args(["-l", "127.0.0.1", "-p", &port.to_string(), "-U", "0", "-u", "root", "-m", "64"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let node = Self { child, address: format!("127.0.0.1:{port}") };
        while TcpStream::connect(&node.address).is_err() {
            std::thread::yield_now();
        }
        node
    }

    /// One exchange on a connection of its own, behind the client's back.
    fn tell(&self, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.write_all(request).unwrap();
        stream.write_all(b"quit\r\n").unwrap();
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply).unwrap();
        String::from_utf8_lossy(&reply).into_owned()
    }

    /// The bytes of a value.
    fn value(&self, key: &str) -> Vec<u8> {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.write_all(format!("get {key}\r\nquit\r\n").as_bytes()).unwrap();
        let mut reply = Vec::new();
        stream.read_to_end(&mut reply).unwrap();
        let line = reply.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        reply[line..reply.len() - b"\r\nEND\r\n".len()].to_vec()
    }

    /// Stores a value with the flags that belong to it, or that the key has already.
    fn put(&self, key: &str, value: &[u8]) {
        let kept = self.tell(format!("get {key}\r\n").as_bytes());
        let kept = kept.split(' ').nth(2).unwrap_or("0").to_owned();
        let flags = Stamp::read(value).map_or(kept, |stamp| stamp.flags().to_string());
        let head = format!("set {key} {flags} 0 {}\r\n", value.len());
        let reply = self.tell(&[head.as_bytes(), value, b"\r\n"].concat());
        assert_eq!(reply, "STORED\r\n");
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A load on nodes of its own, with every sample kept.
struct Story {
    nodes: Vec<Node>,
    load: Load,
    scope: Scope,
    samples: Arc<Mutex<Vec<Sample>>>,
}

impl Story {
    fn start(nodes: usize, workload: Workload, workers: u32, rate: Option<RateWish>) -> Self {
        let config = ClientConfig::default();
        let deadline = longest_call(&config);
        Self::with(nodes, workload, workers, rate, config, deadline)
    }

    /// With a client that waits: whatever else the machine does, no operation on healthy nodes fails.
    fn patient(nodes: usize, workload: Workload, workers: u32, rate: Option<RateWish>) -> Self {
        let (config, deadline) = waiting();
        Self::with(nodes, workload, workers, rate, config, deadline)
    }

    fn with(
        nodes: usize,
        workload: Workload,
        workers: u32,
        rate: Option<RateWish>,
        config: ClientConfig,
        deadline: Duration,
    ) -> Self {
        let nodes: Vec<Node> = (0..nodes).map(|_| Node::start()).collect();
        let addresses = nodes.iter().map(|node| node.address.clone()).collect();
        Self::through(nodes, addresses, workload, (workers, rate), (config, deadline))
    }

    /// With a client that reaches the nodes at these addresses.
    fn through(
        nodes: Vec<Node>,
        addresses: Vec<String>,
        workload: Workload,
        (workers, rate): (u32, Option<RateWish>),
        (config, deadline): (ClientConfig, Duration),
    ) -> Self {
        let servers: Vec<Server> =
            addresses.into_iter().map(|address| Server::new(address).unwrap()).collect();
        let scope = Scope::current("test");
        let seed = Seed::new(20_261_121);
        let client = Client::start(
            &servers,
            config,
            seed.fork("client"),
            Events::ignore(),
            &scope.child("client"),
        )
        .unwrap();
        let samples: Arc<Mutex<Vec<Sample>>> = Arc::default();
        let kept = Arc::clone(&samples);
        let sampler = move || {
            let kept = Arc::clone(&kept);
            Box::new(move |sample: &Sample| kept.lock().push(*sample)) as Sampler
        };
        let config = LoadConfig {
            workload,
            concurrency: workers,
            share: Share::ALL,
            rate,
            seed: seed.fork("load"),
            clock: RunClock::start(),
            run: 1,
            nodes: nodes.len(),
            deadline,
            checks: true,
        };
        let load = Load::start(config, client, sampler, Events::ignore(), &scope).unwrap();
        Self { nodes, load, scope, samples }
    }

    /// Issues until `issued` operations are out, then drains.
    async fn run(self, issued: u64) -> (LoadTotals, Vec<Sample>) {
        self.load.begin();
        self.reach(issued).await;
        self.finish().await
    }

    async fn reach(&self, issued: u64) {
        while self.load.progress().issued < issued {
            tokio::task::yield_now().await;
        }
    }

    async fn finish(self) -> (LoadTotals, Vec<Sample>) {
        let totals = self.load.drain(GRACE).await;
        assert_eq!(self.scope.close(GRACE).await, Closed::Clean);
        let samples = std::mem::take(&mut *self.samples.lock());
        assert_conserved(&totals, &samples);
        (totals, samples)
    }
}

fn toxic(kind: &str, settings: &[(&str, Value)]) -> ToxicConfig {
    let mut attributes = Settings::default();
    for (name, value) in settings {
        attributes.insert(*name, value.clone());
    }
    let stream = Stream::Downstream;
    ToxicConfig { name: None, kind: kind.into(), stream, toxicity: 1.0, attributes }
}

/// A node, the address of a proxy before it, and what keeps that proxy alive.
async fn proxied(toxics: Vec<ToxicConfig>) -> (Node, String, ProxySet) {
    let node = Node::start();
    let proxies = ProxySet::new(Seed::new(1), Events::ignore(), &Scope::current("proxies"));
    let config = ProxyConfig {
        name: "p".into(),
        listen: "127.0.0.1:0".into(),
        upstream: node.address.clone(),
        enabled: true,
        dial: Dial::Eager,
        protocol: None,
        node: None,
        toxics,
    };
    let address = proxies.create(config).await.unwrap().listen;
    (node, address, proxies)
}

/// The settings of a client that waits, and its longest call.
fn waiting() -> (ClientConfig, Duration) {
    let time = Duration::from_secs(10);
    let config = ClientConfig {
        connect_timeout: time,
        operation_timeout: time,
        pool_wait: time,
        ..ClientConfig::default()
    };
    let deadline = longest_call(&config);
    (config, deadline)
}

/// Every ticket that was issued has one outcome and one sample; parts of it come on top.
fn assert_conserved(totals: &LoadTotals, samples: &[Sample]) {
    assert_eq!(totals.issued, totals.closed());
    let whole = || samples.iter().filter(|sample| sample.extent != Extent::Part);
    assert_eq!(totals.issued, whole().count() as u64);
    for outcome in Outcome::all() {
        let seen = whole().filter(|sample| sample.outcome.position() == outcome.position());
        assert_eq!(totals.count(outcome), seen.count() as u64, "{}", outcome.name());
    }
}

fn assert_clean(data: &DataTotals) {
    let none = DataTotals {
        wrong: Some(0),
        corrupt: Some(0),
        stale: Some(0),
        stale_by_late_write: Some(0),
        stale_unacknowledged: Some(0),
        false_misses: Some(0),
        acknowledged_but_lost: Some(0),
        double_applied: Some(0),
        foreign: Some(0),
        contradictions: Some(0),
        illegal_keys: Some(0),
        counter_behind: Some(0),
        counter_ahead: Some(0),
        ..DataTotals::default()
    };
    assert_eq!(*data, none);
}

fn chosen(kind: &str, settings: &[(&str, Value)]) -> Chosen {
    let mut given = Settings::default();
    for (name, value) in settings {
        given.insert(*name, value.clone());
    }
    Chosen { kind: kind.to_owned(), settings: given }
}

fn workload(mix: &[(Operation, u32)], keys: i64) -> Workload {
    Workload {
        keys: chosen("uniform", &[("count", Value::Integer(keys))]),
        mix: mix.to_vec(),
        ..Workload::default()
    }
}

/// Catches an operation that is lost or settled twice, a violation where there is none, and a
/// schedule that is not kept to the ticket.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(real_memcached), ignore = "needs memcached on PATH")]
async fn the_default_workload_is_clean_on_healthy_nodes() {
    let story = Story::patient(3, Workload::default(), 20, None);
    let preloaded = story.load.preload().await;
    assert_eq!((preloaded.stored, preloaded.failed), (11_000, 0));
    let (totals, samples) = story.run(2000).await;
    assert_clean(&totals.data);
    assert_eq!(totals.lost_slots(), 0);
    assert!(totals.audit.audited == 1000 && totals.audit.unaudited() == 0, "{:?}", totals.audit);
    let mut dues: Vec<u64> = samples.iter().map(|sample| sample.due.0).collect();
    dues.sort_unstable();
    let gaps_us = dues.windows(2).map(|pair| (pair[1] - pair[0]).div_ceil(1000));
    assert!(gaps_us.into_iter().all(|gap| gap == 500), "2,000 a second, none skipped");
    assert!(
        samples.iter().all(|sample| sample.due <= sample.issued && sample.issued <= sample.done)
    );
    assert!(samples.iter().any(|sample| sample.home == NodeIndex(2)));
}

/// Catches a preloading that leaves behind a write that may still come late: reads would then be
/// stale in the middle of the run, and the client accused of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(real_memcached), ignore = "needs memcached on PATH")]
async fn what_preloading_left_in_doubt_is_stored_again_later() {
    let lost_reply = toxic("memcached_connection_drop", &[("count", Value::Integer(1))]);
    let (node, address, _proxies) = proxied(vec![lost_reply]).await;
    let mix = [(Operation::Get, 80), (Operation::Set, 20)];
    let story = Story::through(vec![node], vec![address], workload(&mix, 8), (1, None), waiting());
    assert_eq!(story.load.preload().await.failed, 0);
    let sequence = |key| Stamp::read(&story.nodes[0].value(key)).unwrap().sequence;
    // Lost, repeated, and once more when the lost one could no longer come.
    assert_eq!((sequence("k:0"), sequence("k:1"), sequence("k:7")), (3, 1, 1));
    story.finish().await;
}

/// Catches a preloading that gives up while the node does no more than stand still for a moment: what is
/// not there would be missed, or read as another run left it, all through the run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(real_memcached), ignore = "needs memcached on PATH")]
async fn preloading_waits_for_a_node_that_refuses_for_a_while() {
    let settings = [("command", Value::Text("set,add,ms".into())), ("count", Value::Integer(100))];
    let (node, address, _proxies) = proxied(vec![toxic("memcached_error", &settings)]).await;
    let mix = [(Operation::Get, 80), (Operation::Set, 20)];
    let story = Story::through(vec![node], vec![address], workload(&mix, 20), (1, None), waiting());
    let preloaded = story.load.preload().await;
    assert_eq!((preloaded.stored, preloaded.failed), (20, 0));
    let (totals, _) = story.run(100).await;
    assert_clean(&totals.data);
}

/// Catches what another run left behind that is called wrong, or counted twice: the same keys, stored by
/// a run with another number.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(real_memcached), ignore = "needs memcached on PATH")]
async fn what_another_run_left_is_foreign() {
    let mix = [(Operation::Get, 60), (Operation::Incr, 20), (Operation::Cas, 20)];
    let start = || Story::patient(1, workload(&mix, 20), 5, None);
    let (before, after) = (start(), start());
    for story in [&before, &after] {
        assert_eq!(story.load.preload().await.failed, 0);
    }
    for key in ["k:3", "c:4", "x:5"] {
        let mut left = before.nodes[0].value(key);
        match Stamp::read(&left) {
            Ok(stamp) => Stamp { run: stamp.run ^ 1, ..stamp }.write(80, &mut left),
            Err(_) => {
                let value: u64 = std::str::from_utf8(&left).unwrap().parse().unwrap();
                left = (value ^ (1 << 46)).to_string().into_bytes();
            }
        }
        after.nodes[0].put(key, &left);
    }
    before.finish().await;
    let (totals, samples) = after.run(1000).await;
    assert_clean(&DataTotals { foreign: Some(0), ..totals.data.clone() });
    let keys: std::collections::BTreeSet<&str> =
        totals.examples.iter().map(|example| example.key.as_str()).collect();
    assert_eq!(Vec::from_iter(keys), ["c:4", "k:3", "x:5"]);
    assert!(samples.iter().any(|sample| sample.outcome == Outcome::Foreign));
}

/// Catches an audit that reads nothing and says nothing: a node that refuses plain reads at the end would
/// hide every append that it has executed twice; and one that gives up on a thousand keys far away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(real_memcached), ignore = "needs memcached on PATH")]
async fn the_audit_reads_in_another_way_and_takes_its_time() {
    let settings = [("command", Value::Text("get".into()))];
    let far = toxic("latency", &[("latency", Value::Integer(5))]);
    let toxics = vec![toxic("memcached_error", &settings), far];
    let (node, address, _proxies) = proxied(toxics).await;
    let mix = [(Operation::Incr, 50), (Operation::Append, 50)];
    let wish = Some(RateWish::Max);
    let story =
        Story::through(vec![node], vec![address], workload(&mix, 1000), (20, wish), waiting());
    assert_eq!(story.load.preload().await.failed, 0);
    story.load.begin();
    story.reach(1000).await;
    story.nodes[0].tell(b"incr c:7 1\r\n");
    let (totals, _) = story.finish().await;
    assert!(totals.audit.audited > 1000, "{:?}", totals.audit);
    assert_eq!(
        (totals.audit.unaudited(), totals.data.counter_ahead),
        (0, Some(1)),
        "{:?}",
        totals.data
    );
}

/// Catches keys that could not be read at the end and are nobody's concern.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(real_memcached), ignore = "needs memcached on PATH")]
async fn what_could_not_be_read_at_the_end_is_counted() {
    let mix = [(Operation::Incr, 100)];
    let mut story = Story::start(2, workload(&mix, 50), 5, None);
    assert_eq!(story.load.preload().await.failed, 0);
    story.load.begin();
    story.reach(50).await;
    story.load.stop();
    story.nodes.clear();
    let (totals, _) = story.finish().await;
    assert_eq!((totals.audit.audited, totals.audit.counters), (0, 50));
}

/// Catches a key that is taken for gone, accused as lost, and overwritten, because one reply said so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(real_memcached), ignore = "needs memcached on PATH")]
async fn a_false_absence_loses_nothing() {
    let lies = |command: &str, response: &str| {
        let settings = [
            ("command", Value::Text(command.into())),
            ("response", Value::Text(response.into())),
            ("probability", Value::Float(0.2)),
        ];
        let kind = "memcached_response";
        ToxicConfig { name: Some(command.into()), ..toxic(kind, &settings) }
    };
    let toxics = vec![lies("append,prepend,ms", "not_stored"), lies("incr,ma", "not_found")];
    let (node, address, _proxies) = proxied(toxics).await;
    let changes = [Operation::Incr, Operation::Cas, Operation::Append, Operation::Prepend];
    let mix = changes.map(|operation| (operation, 1));
    let wish = Some(RateWish::Max);
    let story = Story::through(vec![node], vec![address], workload(&mix, 20), (5, wish), waiting());
    assert_eq!(story.load.preload().await.failed, 0);
    let (totals, samples) = story.run(4000).await;
    assert!(totals.data.contradictions > Some(0), "it was there all the while");
    assert_clean(&DataTotals { contradictions: Some(0), ..totals.data });
    assert_eq!((totals.fills, totals.audit.unaudited()), (0, 0), "nothing was gone");
    for outcome in [Outcome::NotFound, Outcome::NotStored] {
        assert!(samples.iter().any(|sample| sample.outcome == outcome), "{}", outcome.name());
    }
}

/// Catches a miss that does not go to the origin, one that goes there twice, a refused load whose
/// key is stored all the same, and hits that ask the origin.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(real_memcached), ignore = "needs memcached on PATH")]
async fn every_miss_is_loaded_from_the_origin_or_refused() {
    let origin = OriginSpec {
        latency: Duration::from_millis(5),
        capacity: Rate::per_second(100.0).unwrap(),
        queue: 3,
    };
    let mix = [(Operation::Get, 80), (Operation::Delete, 20)];
    let workload = Workload { origin: Some(origin), ..workload(&mix, 50) };
    let story = Story::patient(1, workload, 10, None);
    assert_eq!(story.load.preload().await.failed, 0);
    let (totals, samples) = story.run(1500).await;
    assert_clean(&totals.data);
    let misses = samples.iter().filter(|sample| sample.outcome == Outcome::Miss).count() as u64;
    let asked = totals.origin.unwrap();
    assert_eq!(asked.loads + asked.refused, misses);
    assert!(asked.refused > 0 && asked.waiting_max <= 3, "{asked:?}");
    assert!(totals.fills > 0 && totals.fills <= asked.loads, "{asked:?}");
    // Whoever loads what is being loaded refills what is being refilled.
    let refills = totals.refills.unwrap();
    assert_eq!(refills.refills, misses, "one for each miss");
    assert!(refills.duplicates >= asked.duplicates, "{refills:?} {asked:?}");
    assert!((1..=10).contains(&refills.at_once_max), "{refills:?}: there are ten workers");
    assert_eq!(refills.duplicates > 0, refills.at_once_max > 1, "{refills:?}");
}

/// Catches an operation whose rules differ from what memcached does: with every operation at once
/// nothing may look wrong.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(real_memcached), ignore = "needs memcached on PATH")]
async fn every_operation_is_clean_on_healthy_nodes() {
    let mix: Vec<(Operation, u32)> =
        Operation::ALL.iter().map(|operation| (*operation, 1)).collect();
    let story = Story::patient(2, workload(&mix, 50), 10, Some(RateWish::Max));
    assert_eq!(story.load.preload().await.failed, 0);
    let (totals, samples) = story.run(5000).await;
    assert_clean(&totals.data);
    assert!(totals.closed_loop && totals.fills > 0);
    assert!(samples.iter().all(|sample| sample.due == sample.issued), "no intended starts");
    for &operation in Operation::ALL {
        let of_it: Vec<&Sample> =
            samples.iter().filter(|sample| sample.operation == operation).collect();
        let bad = of_it.iter().find(|sample| !sample.outcome.is_good());
        assert!(bad.is_none(), "{bad:?}");
        assert!(of_it.len() > 100, "{}", operation.name());
    }
}

/// Catches a read of one's own write that asks for another key where some keys are at the border of what is taken:
/// such a key was not written, or must be refused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(real_memcached), ignore = "needs memcached on PATH")]
async fn what_was_written_is_read_back_beside_keys_at_the_border() {
    let workload = Workload {
        border_keys: Some(0.5),
        read_back: Some(1.0),
        ..workload(&[(Operation::Set, 1)], 50)
    };
    let story = Story::patient(1, workload, 4, Some(RateWish::Max));
    let (totals, samples) = story.run(2000).await;
    assert_clean(&totals.data);
    let reads = samples.iter().filter(|sample| sample.operation == Operation::Get);
    let outcomes: Vec<Outcome> = reads.map(|read| read.outcome).collect();
    assert!(outcomes.len() > 100, "{}", outcomes.len());
    assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Hit), "{outcomes:?}");
}

/// Catches a multi-get that is charged to the node of its first key, whichever failed: here one of two
/// nodes is gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(real_memcached), ignore = "needs memcached on PATH")]
async fn a_multi_get_is_judged_at_the_node_of_each_key() {
    let workload = Workload { multi_get_keys: 20, ..workload(&[(Operation::MultiGet, 1)], 100) };
    let mut story = Story::start(2, workload, 5, None);
    assert_eq!(story.load.preload().await.failed, 0);
    story.nodes.pop();
    let (_, samples) = story.run(300).await;
    let failed = |node| {
        let parts = samples.iter().filter(|sample| sample.extent == Extent::Part);
        let of_node = parts.filter(move |sample| sample.home == NodeIndex(node));
        let (bad, good): (Vec<&Sample>, Vec<&Sample>) =
            of_node.partition(|sample| !sample.outcome.is_good());
        (bad.len(), good.len())
    };
    assert_eq!(failed(0).0, 0, "its node is well");
    assert_eq!(failed(1).1, 0, "its node is gone");
    assert!(failed(0).1 > 200 && failed(1).0 > 200, "{:?} {:?}", failed(0), failed(1));
    let keys = |node| {
        let parts = samples.iter().filter(|sample| sample.extent != Extent::Whole);
        let of_node = parts.filter(move |sample| sample.home == NodeIndex(node));
        of_node.fold(KeyCounts::<u64>::default(), |mut all, sample| {
            all.merge(&sample.keys.into());
            all
        })
    };
    let (well, gone) = (keys(0), keys(1));
    assert_eq!((well.served(), well.failed), (well.asked(), 0), "every key of it was served");
    assert_eq!((gone.served(), gone.failed), (0, gone.asked()), "none of its keys was");
    assert!(well.asked() > 1000 && gone.asked() > 1000, "{well:?} {gone:?}");
    let whole = samples.iter().filter(|sample| sample.extent == Extent::Whole);
    assert!(whole.clone().count() > 200 && whole.clone().all(|sample| !sample.outcome.is_good()));
}

/// Catches an oracle that is blind: each kind of damage, planted behind the client's back, must be
/// seen for what it is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(real_memcached), ignore = "needs memcached on PATH")]
async fn planted_damage_is_seen() {
    let rate = Rate::per_second(5000.0).unwrap();
    let mix = [(Operation::Get, 80), (Operation::Incr, 20)];
    let workload = Workload { fill_after_miss: false, ..workload(&mix, 8) };
    let story = Story::start(1, workload, 2, Some(RateWish::PerSecond(rate)));
    assert_eq!(story.load.preload().await.failed, 0);
    let node = &story.nodes[0];
    let whole = node.value("k:0");
    // Another key's value, a cut value, a flipped bit, a sequence never written, another run's value.
    node.put("k:1", &whole);
    node.put("k:2", &node.value("k:2")[..50]);
    let mut flipped = node.value("k:3");
    flipped[20] ^= 1;
    node.put("k:3", &flipped);
    let stamp = Stamp::read(&node.value("k:4")).unwrap();
    let mut forged = Vec::new();
    Stamp { sequence: 99, ..stamp }.write(80, &mut forged);
    node.put("k:4", &forged);
    Stamp { run: stamp.run ^ 1, key: 5, ..stamp }.write(80, &mut forged);
    node.put("k:5", &forged);
    node.tell(b"delete k:6\r\n");
    // One increment too many, and one taken back.
    node.tell(b"incr c:0 1\r\n");
    node.tell(b"decr c:1 1\r\n");
    node.tell(b"delete c:2\r\n");
    let (totals, _) = story.run(2000).await;
    let data = totals.data;
    let keys_of = |kind| {
        let mut keys: Vec<&str> = totals
            .examples
            .iter()
            .filter(|example| example.kind == kind)
            .map(|example| example.key.as_str())
            .collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    };
    use harness::event::ViolationKind as Kind;
    assert_eq!(keys_of(Kind::Wrong), ["k:1", "k:4"]);
    assert_eq!(keys_of(Kind::Foreign), ["k:5"]);
    assert_eq!(keys_of(Kind::Corrupt), ["k:2", "k:3"]);
    assert_eq!(keys_of(Kind::FalseMiss), ["k:6"]);
    assert_eq!(keys_of(Kind::CounterAhead), ["c:0"]);
    assert_eq!(keys_of(Kind::CounterBehind), ["c:1"]);
    assert_eq!(keys_of(Kind::AcknowledgedButLost), ["c:2"]);
    let told = (data.counter_ahead, data.counter_behind, data.acknowledged_but_lost);
    assert_eq!(told, (Some(1), Some(1), Some(1)), "each told once");
    assert_eq!(data.wrong, Some(totals.outcomes[Outcome::Wrong.position()]));
    assert_eq!(data.corrupt, Some(totals.outcomes[Outcome::Corrupt.position()]));
}

/// Catches a value that comes back from the past unnoticed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(real_memcached), ignore = "needs memcached on PATH")]
async fn a_value_from_the_past_is_stale() {
    let rate = Rate::per_second(5000.0).unwrap();
    let mix = [(Operation::Get, 90), (Operation::Set, 10)];
    let story = Story::start(1, workload(&mix, 4), 2, Some(RateWish::PerSecond(rate)));
    assert_eq!(story.load.preload().await.failed, 0);
    let old: Vec<Vec<u8>> = (0..4).map(|key| story.nodes[0].value(&format!("k:{key}"))).collect();
    story.load.begin();
    for round in 1..=5 {
        story.reach(round * 500).await;
        for (key, value) in old.iter().enumerate() {
            story.nodes[0].put(&format!("k:{key}"), value);
        }
    }
    story.reach(3000).await;
    let (totals, _) = story.finish().await;
    assert!(totals.data.stale > Some(0));
    assert_eq!((totals.data.wrong, totals.data.corrupt), (Some(0), Some(0)));
}

/// Catches a ticket that disappears with its node: all nodes are killed under the load.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(real_memcached), ignore = "needs memcached on PATH")]
async fn nothing_is_lost_when_every_node_dies() {
    let mut story = Story::start(2, Workload::default(), 20, None);
    assert_eq!(story.load.preload().await.failed, 0);
    story.load.begin();
    story.reach(500).await;
    story.nodes.clear();
    // However many were issued while the nodes went.
    let gone = story.load.progress().issued;
    story.reach(gone + 1500).await;
    let (totals, samples) = story.finish().await;
    assert_clean(&DataTotals { stale_unacknowledged: Some(0), ..totals.data });
    let failed = samples.iter().filter(|sample| !sample.outcome.is_good()).count();
    assert!(failed > 1000, "{failed}");
}

/// Catches an operation that never ends and so has no outcome, and a write that was cut off and
/// is then taken for one that failed: it may have been executed, so nothing may look wrong.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(real_memcached), ignore = "needs memcached on PATH")]
async fn what_does_not_end_in_time_is_hung() {
    let config = ClientConfig::default();
    let story = Story::with(1, Workload::default(), 10, None, config, Duration::ZERO);
    assert_eq!(story.load.preload().await.failed, 0);
    let (totals, samples) = story.run(500).await;
    assert!(totals.count(Outcome::Hung) > 0);
    assert!(samples.iter().all(|sample| !sample.outcome.is_bad_data()));
    let DataTotals { counter_ahead, counter_behind, acknowledged_but_lost, .. } = totals.data;
    assert_eq!([counter_ahead, counter_behind, acknowledged_but_lost], [Some(0); 3]);
}

/// Catches a load that never began and cannot be ended.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[cfg_attr(not(real_memcached), ignore = "needs memcached on PATH")]
async fn a_load_that_never_began_ends() {
    for rate in [None, Some(RateWish::Max)] {
        let (totals, _) = Story::start(1, Workload::default(), 5, rate).finish().await;
        assert_eq!(totals.issued, 0);
    }
}

/// The one kind that a section names, with its settings in text form.
fn section<T: ?Sized>(family: &Family<T>, file: &str, table: &toml::Value) -> Chosen {
    let table = table.as_table().unwrap();
    assert_eq!(table.len(), 1, "{file}: one {} and no more", family.noun);
    let (kind, given) = table.iter().next().unwrap();
    let row = family.find(kind).unwrap_or_else(|| panic!("{file}: {}", family.unknown(kind)));
    let mut settings = Settings::default();
    for (name, value) in given.as_table().unwrap() {
        let unit = row.setting(name).unwrap_or_else(|| panic!("{file}: no `{name}`")).unit;
        let value = match value {
            toml::Value::Integer(number) if unit.is_bare() => Value::Integer(*number),
            toml::Value::Float(number) if unit.is_bare() => Value::Float(*number),
            toml::Value::String(text) => unit.parse(name, text).unwrap(),
            other => panic!("{file}: `{name}` = {other}"),
        };
        settings.insert(name.clone(), value);
    }
    Chosen { kind: kind.clone(), settings }
}

/// Catches a shipped workload that does not run with the default number of workers, and one
/// without a word of explanation.
#[test]
fn every_shipped_workload_resolves() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/workloads");
    let mut files = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            // What is recorded is read where plans are.
            assert!(path.ends_with("traces"), "{}", path.display());
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let file = path.file_name().unwrap().to_string_lossy().into_owned();
        let table: toml::Table = text.parse().unwrap();
        assert!(text.starts_with("# "), "{file} begins by saying what it is for");
        files += 1;
        if table.contains_key("trace") {
            continue;
        }
        let mix = table["mix"].as_table().unwrap().iter().map(|(name, weight)| {
            let operation = Operation::ALL.iter().copied().find(|known| known.name() == name);
            let weight = u32::try_from(weight.as_integer().unwrap()).unwrap();
            (operation.unwrap_or_else(|| panic!("{file}: no operation `{name}`")), weight)
        });
        let workload = Workload {
            name: file.clone(),
            summary: table["summary"].as_str().unwrap().to_owned(),
            arrival: section(&ARRIVALS, &file, &table["arrival"]),
            keys: section(&KEYS, &file, &table["keys"]),
            values: section(&VALUES, &file, &table["values"]),
            mix: mix.collect(),
            multi_get_keys: 8,
            ttl: Vec::new(),
            border_keys: None,
            read_back: None,
            fill_after_miss: true,
            origin: None,
            cancel: None,
            http: None,
            replay: None,
        };
        workload.parts(None, 100).unwrap_or_else(|error| panic!("{file}: {error}"));
    }
    assert_eq!(files, 23);
}
