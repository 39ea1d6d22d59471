//! Clients that hardly read while toxics come and go: what a neighbour of theirs feels, how much memory
//! it takes, and whether it is given back. Then connections that come and go.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use harness::base::seed::{Seed, Stream};
use harness::base::timer::block_until;
use rand::RngExt;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, sleep_until, timeout};

use crate::peers::{Control, Server};
use crate::{REQUEST, percentile, read_reply, setting};

/// Clients that hardly read.
const READERS: usize = 2_000;
/// The value that they ask for, and how often each asks before it reads.
const VALUE_BYTES: usize = 1_000_000;
const ASKED: usize = 50;
/// Between two changes of the toxics.
const TOGGLE_PERIOD: Duration = Duration::from_millis(50);
/// Between two requests of the neighbour.
const PROBE_PERIOD: Duration = Duration::from_millis(10);
/// How long memory may take to come back after the last client has gone.
const GIVE_BACK: Duration = Duration::from_secs(10);
/// Connections a second, each for one request, and how many are under way at most.
const CHURN_PER_S: u32 = 3_000;
const CHURN_AT_ONCE: usize = 500;
/// No request of the churn takes this long unless it is lost.
const LOST: Duration = Duration::from_secs(5);

const TOXICS: &[(&str, &[(&str, u32)])] = &[
    ("latency", &[("latency", 200), ("jitter", 100)]),
    ("bandwidth", &[("rate", 1000)]),
    ("slicer", &[("average_size", 1), ("delay", 10)]),
    ("slicer", &[("average_size", 1000)]),
    ("limit_data", &[("bytes", 2_000_000_000)]),
    ("timeout", &[("timeout", 0)]),
    ("packet_loss", &[]),
    ("blackhole", &[]),
    ("slow_close", &[("delay", 500)]),
    ("memcached_delay", &[("delay", 100)]),
    ("memcached_error", &[]),
];

/// Measures our proxy.
pub(crate) async fn measure(memcached: SocketAddr) {
    let length = Duration::from_secs(setting("HARNESS_BENCH_READERS_SECONDS", 60));
    store_big(memcached).await;
    let server = Server::harness(memcached);
    let control = server.control.expect("ours has one");
    // A server of its own, so that what the neighbour feels is the proxy.
    let quiet = Server::memcached();
    crate::CASES[0].store(quiet.address).await;
    let address = quiet.address;
    let neighbour = spawn_blocking(move || control.create("neighbour", address)).await.unwrap();
    println!("\n{READERS} clients that hardly read, a toxic changed every {TOGGLE_PERIOD:?}");
    let before = server.resident_kib();
    let until = Instant::now() + length;
    let mut readers = JoinSet::new();
    for number in 0..READERS {
        readers.spawn(reader(server.address, number, until));
    }
    let mut probes = JoinSet::new();
    probes.spawn(probe(neighbour, until));
    let toggles = spawn_blocking(move || toggle(control, until));
    let mut most = before;
    while Instant::now() < until {
        sleep(Duration::from_millis(500)).await;
        most = server.resident_kib().max(most);
    }
    let (taken, failed) = probes.join_all().await.remove(0);
    let changes = toggles.await.unwrap();
    readers.shutdown().await;
    // A blackhole keeps connections whose client has gone.
    spawn_blocking(move || control.reset()).await.unwrap();
    sleep(GIVE_BACK).await;
    println!(
        "  a neighbour's requests: p50 {:.3} ms, p99 {:.3} ms, worst {:.1} ms of {}, {failed} failed",
        percentile(&taken, 0.5),
        percentile(&taken, 0.99),
        percentile(&taken, 1.0),
        taken.len()
    );
    println!(
        "  {changes} changes; resident {:.0} MiB before, {:.0} at most, {:.0} {GIVE_BACK:?} after the last left",
        before / 1024.0,
        most / 1024.0,
        server.resident_kib() / 1024.0
    );
    churn(neighbour).await;
}

async fn store_big(memcached: SocketAddr) {
    let mut stream = TcpStream::connect(memcached).await.unwrap();
    let mut request = format!("set big 0 0 {VALUE_BYTES}\r\n").into_bytes();
    request.resize(request.len() + VALUE_BYTES, b'x');
    request.extend_from_slice(b"\r\n");
    stream.write_all(&request).await.unwrap();
    let mut reply = [0; 8];
    stream.read_exact(&mut reply).await.unwrap();
    assert_eq!(&reply, b"STORED\r\n");
}

/// Asks for more than it reads: some read nothing, some a little, some a little more, few all of it.
/// One that is cut off comes back.
async fn reader(address: SocketAddr, number: usize, until: Instant) {
    let (bytes, period) = match number % 100 {
        0 => (usize::MAX, Duration::from_millis(200)),
        1..30 => (65_536, Duration::from_millis(500)),
        30..60 => (1_000, Duration::from_millis(200)),
        _ => (0, Duration::from_secs(5)),
    };
    while Instant::now() < until {
        let read = async {
            let mut stream = TcpStream::connect(address).await?;
            stream.write_all(&b"get big\r\n".repeat(ASKED)).await?;
            let mut buffer = vec![0; 65_536.min(bytes.max(1))];
            loop {
                sleep(period).await;
                let mut left = bytes.min(VALUE_BYTES);
                while left > 0 {
                    let room = left.min(buffer.len());
                    match stream.read(&mut buffer[..room]).await? {
                        0 => return Ok(()),
                        read => left -= read,
                    }
                }
            }
        };
        let _: std::io::Result<()> = read.await;
        sleep(Duration::from_millis(100)).await;
    }
}

/// Requests one after the other, each timed from the moment at which it was due.
async fn probe(address: SocketAddr, until: Instant) -> (Vec<f64>, u32) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (mut taken, mut failed) = (Vec::new(), 0);
    let mut due = Instant::now();
    while due < until {
        due = (due + PROBE_PERIOD).max(Instant::now());
        sleep_until(due).await;
        // The runtime's timer is late by up to a millisecond, which is not the proxy's.
        let sent = Instant::now();
        let answered = async {
            stream.write_all(REQUEST).await.unwrap();
            read_reply(&mut stream).await;
        };
        match timeout(LOST, answered).await {
            Ok(()) => taken.push(sent.elapsed().as_secs_f64() * 1e3),
            Err(_) => failed += 1,
        }
    }
    (taken, failed)
}

/// Adds, changes and removes toxics at random.
fn toggle(control: Control, until: Instant) -> u32 {
    let mut draws: Stream = Seed::new(1).stream();
    let (mut names, mut changes) = (Vec::<String>::new(), 0);
    while Instant::now() < until {
        let next = Instant::now() + TOGGLE_PERIOD;
        changes += 1;
        if names.len() > 4 || (!names.is_empty() && draws.random_bool(0.4)) {
            let name = names.swap_remove(draws.random_range(0..names.len()));
            control.delete("p", &name);
        } else {
            let (kind, settings) = TOXICS[draws.random_range(0..TOXICS.len())];
            let mut attributes: Value = settings.iter().map(|(k, v)| (*k, json!(v))).collect();
            if kind == "packet_loss" {
                attributes["loss_rate"] = json!(0.1);
            }
            let name = format!("t{changes}");
            control.install("p", &name, kind, &attributes);
            names.push(name);
        }
        block_until(next);
    }
    changes
}

/// Connections that come for one request and go.
async fn churn(address: SocketAddr) {
    let length = Duration::from_secs(setting("HARNESS_BENCH_READERS_SECONDS", 60) / 2);
    let until = Instant::now() + length;
    let (served, lost) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let mut ticks = interval(Duration::from_secs(1) / CHURN_PER_S);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut clients = JoinSet::new();
    let mut number = 0_u32;
    while Instant::now() < until {
        ticks.tick().await;
        while clients.len() >= CHURN_AT_ONCE {
            clients.join_next().await;
        }
        while clients.try_join_next().is_some() {}
        let (served, lost) = (Arc::clone(&served), Arc::clone(&lost));
        number += 1;
        clients.spawn(async move {
            let count = match timeout(LOST, once(address, number)).await {
                Ok(Ok(())) => served,
                _ => lost,
            };
            count.fetch_add(1, Ordering::Relaxed);
        });
    }
    clients.join_all().await;
    println!(
        "  {CHURN_PER_S} connections a second for {length:?}: {:.0} a second served, {} lost",
        served.load(Ordering::Relaxed) as f64 / length.as_secs_f64(),
        lost.load(Ordering::Relaxed)
    );
}

/// From an address of its own, so that the ports of one are not used up.
async fn once(address: SocketAddr, number: u32) -> std::io::Result<()> {
    let socket = TcpSocket::new_v4()?;
    let host = 2 + (number % 200) as u8;
    socket.bind((Ipv4Addr::new(127, 0, 0, host), 0).into())?;
    let mut stream = socket.connect(address).await?;
    stream.write_all(REQUEST).await?;
    read_reply(&mut stream).await;
    Ok(())
}
