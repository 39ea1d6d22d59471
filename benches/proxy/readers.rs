//! Clients that hardly read while toxics come and go: what a neighbour of theirs feels, how much memory
//! it takes, and whether it is given back. Then connections that come and go.

use std::io::{Read, Write};
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
use tokio::time::{Instant, MissedTickBehavior, interval, sleep, timeout};

use crate::peers::{Control, Server};
use crate::words::Words;
use crate::{REQUEST, percentile, read_reply, setting};

/// Clients that hardly read.
const READERS: usize = 2_000;
/// The value that they ask for, and how often each asks before it reads.
const VALUE_BYTES: usize = 1_000_000;
const ASKED: usize = 50;
/// Those who change toxics, each on its own, and the time between two changes of one.
const TOGGLERS: u64 = 8;
const TOGGLE_PERIOD: Duration = Duration::from_millis(400);
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
    crate::CASES[0].store(quiet.address, Words::Memcached).await;
    let address = quiet.address;
    let neighbour = spawn_blocking(move || control.create("neighbour", address)).await.unwrap();
    let asked_for = TOGGLERS as f64 / TOGGLE_PERIOD.as_secs_f64();
    println!(
        "\n{READERS} clients that hardly read, {asked_for} changes of toxics a second asked for"
    );
    let before = server.resident_kib();
    let until = Instant::now() + length;
    let mut readers = JoinSet::new();
    for number in 0..READERS {
        readers.spawn(reader(server.address, number, until));
    }
    // The same requests without our proxy: what is late there, too, is the machine's.
    let haproxy = Server::haproxy(quiet.address);
    let mut probed =
        vec![("a neighbour's requests", neighbour), ("without a proxy", quiet.address)];
    probed.extend(haproxy.iter().map(|server| ("through haproxy", server.address)));
    let probes = probed
        .into_iter()
        .map(|(whose, address)| (whose, spawn_blocking(move || probe(address, until))));
    let probes: Vec<_> = probes.collect();
    let mut toggles = JoinSet::new();
    for number in 0..TOGGLERS {
        toggles.spawn_blocking(move || toggle(control, number, until));
    }
    let mut most = before;
    while Instant::now() < until {
        sleep(Duration::from_millis(500)).await;
        most = server.resident_kib().max(most);
    }
    let changes: u32 = toggles.join_all().await.into_iter().sum();
    readers.shutdown().await;
    // A blackhole keeps connections whose client has gone.
    spawn_blocking(move || control.reset()).await.unwrap();
    sleep(GIVE_BACK).await;
    for (whose, probe) in probes {
        let (taken, failed) = probe.await.unwrap();
        println!(
            "  {whose}: p50 {:.3} ms, p99 {:.3} ms, worst {:.1} ms of {}, {failed} failed",
            percentile(&taken, 0.5),
            percentile(&taken, 0.99),
            percentile(&taken, 1.0),
            taken.len()
        );
    }
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

/// Requests one after the other, on a thread of their own: what two thousand other clients of this
/// program do is not the proxy's.
fn probe(address: SocketAddr, until: Instant) -> (Vec<f64>, u32) {
    let connect = || {
        let stream = std::net::TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(LOST)).unwrap();
        stream
    };
    let mut stream = connect();
    let (mut taken, mut failed) = (Vec::new(), 0);
    let mut reply = vec![0; Words::Memcached.reply_bytes(crate::CASES[0].value_bytes)];
    let mut due = Instant::now();
    while due < until {
        due = (due + PROBE_PERIOD).max(Instant::now());
        block_until(due);
        // The timer's own lateness is not the proxy's.
        let sent = Instant::now();
        stream.write_all(REQUEST).unwrap();
        match stream.read_exact(&mut reply) {
            Ok(()) => taken.push(sent.elapsed().as_secs_f64() * 1e3),
            Err(_) => {
                failed += 1;
                stream = connect();
            }
        }
    }
    (taken, failed)
}

/// Adds and removes toxics at random.
fn toggle(control: Control, number: u64, until: Instant) -> u32 {
    let mut draws: Stream = Seed::new(number).stream();
    let (mut installed, mut changes) = (None::<String>, 0);
    while Instant::now() < until {
        let next = Instant::now() + TOGGLE_PERIOD;
        changes += 1;
        if let Some(name) = installed.take() {
            control.delete("p", &name);
        } else {
            let (kind, settings) = TOXICS[draws.random_range(0..TOXICS.len())];
            let mut attributes: Value = settings.iter().map(|(k, v)| (*k, json!(v))).collect();
            if kind == "packet_loss" {
                attributes["loss_rate"] = json!(0.1);
            }
            let name = format!("t{number}-{changes}");
            control.install("p", &name, kind, &attributes);
            installed = Some(name);
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
