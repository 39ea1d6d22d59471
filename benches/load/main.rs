//! How exact the schedule is, and what one operation costs beside the client.
//!
//! `cargo bench --bench load` prints, or with arguments only some of:
//!
//! - `pure`: the pure parts in nanoseconds;
//! - `rate`: 10,000 a second on three nodes, left alone and stopped for 200 ms in each second (p99 is
//!   then 190 ms, by arithmetic);
//! - `loop`: a closed loop beside memcaslap (Debian's `libmemcached-tools`) and a minimal ping-pong
//!   loop;
//! - `shares`: the same loop without the oracle, the breaker, the recording, and with our proxies;
//! - `scale`: with 3 and 50 nodes, with 100 and 5,000 connections, beside how the ping-pong loop grows.
//!
//! All but the first need `memcached` on PATH. Figures of one run may be compared with each other, not
//! with another run's.

#![expect(clippy::cast_precision_loss, reason = "figures are far below 2^53")]

mod peers;
mod pure;
mod rig;

use std::process::{Command, Stdio};
use std::time::Duration;

use harness::load::Workload;

use crate::rig::{Cost, Figures, MEASURED, Recording, Rig, WORKERS};

/// Rounds in which what is compared takes turns.
const ROUNDS: usize = 5;
/// One turn.
const TURN: Duration = Duration::from_secs(3);

fn main() {
    // cargo adds flags of its own.
    let parts: Vec<String> =
        std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    let wants = |part: &str| parts.is_empty() || parts.iter().any(|word| word == part);
    if wants("pure") {
        pure::print();
    }
    if Command::new("memcached").arg("-V").stdout(Stdio::null()).status().is_err() {
        println!("no memcached on PATH: nothing else was measured");
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        if wants("rate") {
            rate().await;
        }
        if wants("loop") {
            closed_loop().await;
        }
        if wants("shares") {
            shares().await;
        }
        if wants("scale") {
            scale().await;
        }
    });
}

async fn rate() {
    println!(
        "\n{:34} {:>9} {:>22} {:>24}",
        "3 nodes, 100 workers", "ops/s", "issue delay us", "response us"
    );
    println!(
        "{:34} {:>9} {:>22} {:>24} {:>12}",
        "", "", "p50 / p99 / max", "p50 / p99 / max", "us CPU/op"
    );
    let rig = Rig { per_second: Some(10_000.0), recording: Recording::Responses, ..Rig::default() };
    let mixed = Rig { workload: Workload::default(), ..rig.clone() };
    let stalled = Rig { stalled: true, ..rig.clone() };
    print_row("10,000/s, mixed", &mixed.measure().await);
    print_row("10,000/s, get:set 2:1, 100 B", &rig.measure().await);
    print_row("10,000/s, 200 ms stall each second", &stalled.measure().await);
}

fn print_row(what: &str, figures: &Figures) {
    let Figures { totals, responses, .. } = figures;
    let delay = totals.issue_delay.unwrap_or_default();
    let [low, high, max] = [delay.p50, delay.p99, delay.max].map(Option::unwrap_or_default);
    let issue = format!("{low} / {high} / {max}");
    let [p50, p99] = [0.5, 0.99].map(|quantile| responses.value_at_quantile(quantile));
    let response = format!("{p50} / {p99} / {}", responses.max());
    let rate = totals.issued as f64 / MEASURED.as_secs_f64();
    let per_operation = figures.cost().us();
    println!("{what:34} {rate:9.0} {issue:>22} {response:>24} {per_operation:12.1}");
    if totals.lost_slots() > 0 || totals.data.wrong != Some(0) {
        println!("  lost slots {}, wrong {:?}", totals.lost_slots(), totals.data.wrong);
    }
}

/// Ours beside the peers, in turns.
async fn closed_loop() {
    let rig = Rig { length: TURN, ..Rig::default() };
    let [mut ours, mut pong, mut slap] = [const { Vec::new() }; 3];
    for _ in 0..ROUNDS {
        ours.push(rig.measure().await.cost());
        pong.push(peers::ping_pong(TURN, 3, WORKERS).await);
        slap.extend(tokio::task::block_in_place(|| peers::memcaslap(TURN)));
    }
    println!("\n{:40} {:>14} {:>14} {:>8}", "closed loop", "ops/CPU-second", "us CPU/op", "x");
    let first = median(&ours).us();
    for (what, costs) in [
        ("ours, everything on", &ours),
        ("a minimal ping-pong loop", &pong),
        ("memcaslap, where it is installed", &slap),
    ] {
        if !costs.is_empty() {
            let cost = median(costs);
            print!(
                "  {what:38} {:14.0} {:14.2} {:8.2}",
                1e6 / cost.us(),
                cost.us(),
                cost.us() / first
            );
            println!("  ({:.2} user, {:.2} system)", cost.user, cost.system);
        }
    }
}

async fn shares() {
    let on = Rig { length: TURN, ..Rig::default() };
    let rigs = [
        ("everything on, no proxy", on.clone()),
        ("without the oracle", Rig { oracle: false, ..on.clone() }),
        ("without the breaker", Rig { breaker: false, ..on.clone() }),
        ("without the recording", Rig { recording: Recording::Off, ..on.clone() }),
        ("with our proxies, in this process", Rig { proxies: true, ..on }),
    ];
    compare("closed loop, 3 nodes, 100 workers", &rigs).await;
}

/// Ours beside the ping-pong loop, whose growth is that of the machine: more servers on the same
/// processors take turns more often, and more connections need more of the caches.
async fn scale() {
    let sizes = [
        ("3 nodes, 100 connections", 3, WORKERS),
        ("50 nodes, 100 workers", 50, WORKERS),
        ("3 nodes, 5,000 connections", 3, 5_000),
    ];
    let mut taken = sizes.map(|_| [Vec::new(), Vec::new()]);
    for _ in 0..ROUNDS {
        for ((what, nodes, workers), [ours, pong]) in sizes.iter().zip(&mut taken) {
            let rig = Rig { nodes: *nodes, workers: *workers, length: TURN, ..Rig::default() };
            let figures = rig.measure().await;
            print_bad(what, &figures);
            ours.push(figures.cost());
            pong.push(peers::ping_pong(TURN, *nodes, *workers).await);
        }
    }
    let columns = ["us CPU/op", "x first", "ping-pong", "x first", "growth/growth"];
    println!("\n{:30} {}", "closed loop", columns.map(|name| format!("{name:>14}")).join(""));
    let costs = taken.map(|taken| taken.map(|costs| median(&costs).us()));
    for ((what, ..), [ours, pong]) in sizes.iter().zip(costs) {
        let growth = [ours / costs[0][0], pong / costs[0][1]];
        let figures = [ours, growth[0], pong, growth[1], growth[0] / growth[1]];
        println!("  {what:28} {}", figures.map(|figure| format!("{figure:14.2}")).join(""));
    }
}

fn print_bad(what: &str, figures: &Figures) {
    let bad = figures.bad();
    if bad > 0 {
        println!("  {what}: {bad} of {} operations failed", figures.totals.issued);
    }
}

/// CPU of an operation for each of them, in turns, beside the first.
async fn compare(title: &str, rigs: &[(&str, Rig)]) {
    let mut taken: Vec<Vec<Cost>> = rigs.iter().map(|_| Vec::new()).collect();
    for _ in 0..ROUNDS {
        for ((what, rig), taken) in rigs.iter().zip(&mut taken) {
            let figures = rig.measure().await;
            print_bad(what, &figures);
            taken.push(figures.cost());
        }
    }
    println!("\n{title:40} {:>12} {:>10}", "us CPU/op", "x first");
    let costs: Vec<Cost> = taken.iter().map(|costs| median(costs)).collect();
    for ((what, _), cost) in rigs.iter().zip(&costs) {
        print!("  {what:38} {:12.2} {:10.2}", cost.us(), cost.us() / costs[0].us());
        println!("  ({:.2} user, {:.2} system)", cost.user, cost.system);
    }
}

fn median(costs: &[Cost]) -> Cost {
    let mut costs = costs.to_vec();
    costs.sort_by(|one, other| one.us().total_cmp(&other.us()));
    costs[costs.len() / 2]
}
