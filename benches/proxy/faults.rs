//! Faults beside what was asked for: how far a delay and a rate are from their settings.

use std::net::SocketAddr;
use std::time::Duration;

use harness::base::scope::Scope;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::{Instant, sleep_until};

use crate::peers::{Control, OURS, PEERS};
use crate::words::Words;
use crate::{REQUEST, median, percentile, read_reply, tick};

/// Delays that are asked for, with how many requests show the error of each.
const DELAYS_MS: [(u64, usize); 3] = [(1, 300), (10, 100), (100, 30)];
/// The delay under which requests are sent one after the other without waiting.
const STREAM_DELAY_MS: u64 = 50;
const STREAM_PERIOD: Duration = Duration::from_millis(5);
const STREAM_REQUESTS: u32 = 400;
/// How often a toxic is added and removed while a stream of requests goes on.
const TOGGLES: usize = 20;
/// Rates that are asked for, in thousands of bytes a second.
const RATES_KB: [u64; 3] = [100, 1_000, 10_000];
/// What passes before a rate is measured: whatever the buffers of the kernel hold.
const RATE_SETTLE: Duration = Duration::from_secs(1);
const RATE_LENGTH: Duration = Duration::from_secs(5);
const BIN: Duration = Duration::from_millis(100);

/// Measures every peer that has a control API.
pub(crate) async fn measure(memcached: SocketAddr) {
    let source = source().await;
    for (name, start) in PEERS {
        let Some(server) = start(memcached, Words::Memcached) else { continue };
        let Some(control) = server.control else { continue };
        println!("\n{name}: latency toxic");
        latency(server.address, control).await;
        stream(server.address, control).await;
        if *name == OURS {
            // Every request is judged, and none is hit.
            let rule = json!({ "command": "set", "key": "elsewhere:*" });
            blocking(move || control.install("p", "rule", "memcached_error", &rule)).await;
            println!("{name}: the same with a rule installed");
            latency(server.address, control).await;
            stream(server.address, control).await;
        }
        println!("{name}: bandwidth toxic, over {RATE_LENGTH:?}");
        let address = blocking(move || control.create("source", source)).await;
        for rate in RATES_KB {
            bandwidth(address, control, rate).await;
        }
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    spawn_blocking(work).await.unwrap()
}

async fn add(control: Control, proxy: &'static str, kind: &'static str, value: serde_json::Value) {
    blocking(move || control.add(proxy, kind, &value)).await;
}

async fn remove(control: Control, proxy: &'static str) {
    blocking(move || control.remove(proxy)).await;
}

/// The median of requests one after the other, each `pause` after the last reply, in milliseconds.
async fn round_trip_ms(stream: &mut TcpStream, requests: usize, pause: Duration) -> f64 {
    let mut taken = Vec::with_capacity(requests);
    for _ in 0..requests {
        if !pause.is_zero() {
            tick(Instant::now() + pause).await;
        }
        let sent = Instant::now();
        stream.write_all(REQUEST).await.unwrap();
        read_reply(stream).await;
        taken.push(sent.elapsed().as_secs_f64() * 1e3);
    }
    median(&taken, |taken| *taken)
}

/// A machine that had nothing to do between two requests answers more slowly than one that is kept
/// busy. Under a delay it has nothing to do for that long, so the same is measured without a toxic
/// at the same pace: that much is not the toxic's.
async fn latency(address: SocketAddr, control: Control) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let busy = round_trip_ms(&mut stream, DELAYS_MS[0].1, Duration::ZERO).await;
    for (delay, requests) in DELAYS_MS {
        let paced = round_trip_ms(&mut stream, requests, Duration::from_millis(delay)).await;
        add(control, "p", "latency", json!({ "latency": delay })).await;
        let with = round_trip_ms(&mut stream, requests, Duration::ZERO).await;
        remove(control, "p").await;
        println!(
            "  {delay:>3} ms: p50 {with:.3} ms, error {:+.3} ms beside requests back to back, {:+.3} \
             ms beside requests at this pace",
            with - busy - delay as f64,
            with - paced - delay as f64
        );
    }
}

/// Requests that do not wait for replies, while a toxic stays, then comes and goes.
async fn stream(address: SocketAddr, control: Control) {
    add(control, "p", "latency", json!({ "latency": STREAM_DELAY_MS })).await;
    let taken = stream_ms(address).await;
    println!(
        "  every {STREAM_PERIOD:?} on one connection at {STREAM_DELAY_MS} ms: p50 {:.2} ms, p99 {:.2} ms",
        percentile(&taken, 0.5),
        percentile(&taken, 0.99)
    );
    remove(control, "p").await;
    let mut load = JoinSet::new();
    load.spawn(stream_ms(address));
    let (mut adds, mut removes) = (Vec::new(), Vec::new());
    for _ in 0..TOGGLES {
        let began = Instant::now();
        add(control, "p", "latency", json!({ "latency": STREAM_DELAY_MS })).await;
        let added = Instant::now();
        sleep_until(added + STREAM_PERIOD).await;
        let removing = Instant::now();
        remove(control, "p").await;
        removes.push(removing.elapsed().as_secs_f64() * 1e3);
        adds.push((added - began).as_secs_f64() * 1e3);
    }
    // Every reply arrived, or this would not end.
    load.join_all().await;
    println!(
        "  live add {:.2} ms, remove {:.2} ms (p50, request to answer)",
        median(&adds, |taken| *taken),
        median(&removes, |taken| *taken)
    );
}

async fn stream_ms(address: SocketAddr) -> Vec<f64> {
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let (mut reader, mut writer) = stream.into_split();
    let began = Instant::now() + STREAM_PERIOD;
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        for number in 0..STREAM_REQUESTS {
            tick(began + STREAM_PERIOD * number).await;
            writer.write_all(REQUEST).await.unwrap();
        }
        // Kept open until everything was read.
        std::future::pending::<()>().await;
    });
    let mut taken = Vec::new();
    for number in 0..STREAM_REQUESTS {
        read_reply(&mut reader).await;
        taken.push((Instant::now() - (began + STREAM_PERIOD * number)).as_secs_f64() * 1e3);
    }
    taken
}

/// A server that sends as much as it can.
async fn source() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let scope = Scope::current("source");
    scope.clone().spawn("accept", async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            scope.spawn("send", async move {
                let bytes = vec![b'x'; 64 << 10];
                while stream.write_all(&bytes).await.is_ok() {}
            });
        }
    });
    address
}

async fn bandwidth(address: SocketAddr, control: Control, rate_kb: u64) {
    add(control, "source", "bandwidth", json!({ "rate": rate_kb })).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let from = Instant::now() + RATE_SETTLE;
    let count = (RATE_LENGTH.as_nanos() / BIN.as_nanos()) as usize;
    let mut bins = vec![0_u64; count];
    let mut buffer = vec![0; 64 << 10];
    loop {
        let read = stream.read(&mut buffer).await.unwrap();
        let Some(at) = Instant::now().checked_duration_since(from) else { continue };
        let bin = (at.as_nanos() / BIN.as_nanos()) as usize;
        match bins.get_mut(bin) {
            Some(bytes) => *bytes += read as u64,
            None => break,
        }
    }
    drop(stream);
    remove(control, "source").await;
    let expected = rate_kb as f64 * 1000.0 * RATE_LENGTH.as_secs_f64();
    let total = bins.iter().sum::<u64>() as f64;
    let mean = total / count as f64;
    let variance = bins.iter().map(|&bin| (bin as f64 - mean).powi(2)).sum::<f64>() / count as f64;
    let widest = bins.iter().map(|&bin| (bin as f64 - mean).abs()).fold(0.0, f64::max);
    println!(
        "  {rate_kb:>5} KB/s: {:+.2} %; bins of {BIN:?}: deviation {:.1} %, widest {:.1} %",
        (total / expected - 1.0) * 100.0,
        variance.sqrt() / mean * 100.0,
        widest / mean * 100.0
    );
}
