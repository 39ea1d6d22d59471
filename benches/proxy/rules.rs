//! What installed rules cost requests that they do not match.
//!
//! All proxies are in one process and are loaded in turn, in short slices, so that whatever else the
//! machine does hits all of them. What counts is the ratio to the proxy without rules in the same
//! round; bar: ten rules cost at most 5 %.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;
use tokio::runtime::Runtime;

use crate::peers::{Control, Server};
use crate::words::Words;
use crate::{CASES, CONNECTIONS, Case, Figure, load, median, setting};

/// How many rules the proxies have; the first is what the others are compared with.
const COUNTS: [usize; 4] = [0, 1, 10, 100];
/// Rules that do not match `get key`, and what about them is different.
const RULES: [(&str, &str, &str); 2] =
    [("another command", "set", "*"), ("another key", "get", "elsewhere:*")];
const SLICE: Duration = Duration::from_millis(250);
/// Rounds of slices, for each of the rounds that were asked for.
const ROUNDS: u64 = 4;

pub(crate) fn measure(runtime: &Runtime, memcached: SocketAddr) {
    for case in &CASES[..2] {
        runtime.block_on(case.store(memcached, Words::Memcached));
        for (what, command, key) in RULES {
            let server = Server::harness(memcached);
            let Some(control) = server.control else { continue };
            let proxies = COUNTS.map(|count| install(control, memcached, count, (command, key)));
            println!("\nrules for {what}: {}, {CONNECTIONS} connections", case.name);
            print(&rounds(runtime, case, &server, &proxies));
        }
    }
}

/// A proxy with so many rules; returns where it listens.
fn install(
    control: Control,
    memcached: SocketAddr,
    count: usize,
    (command, key): (&str, &str),
) -> SocketAddr {
    let proxy = format!("rules-{count}");
    let address = control.create(&proxy, memcached);
    for number in 0..count {
        let rule = json!({ "command": command, "key": key });
        control.install(&proxy, &number.to_string(), "memcached_error", &rule);
    }
    address
}

/// The figures of each proxy, round by round.
fn rounds(
    runtime: &Runtime,
    case: &Case,
    server: &Server,
    proxies: &[SocketAddr; COUNTS.len()],
) -> Vec<[Figure; COUNTS.len()]> {
    let mut rounds = Vec::new();
    for round in 0..setting("HARNESS_BENCH_ROUNDS", 5) * ROUNDS {
        let mut figures = [Figure::default(); COUNTS.len()];
        // Whoever comes first in one round comes later in the next.
        for turn in 0..COUNTS.len() {
            let place = (turn + round as usize) % COUNTS.len();
            let cpu = || server.cpu_seconds();
            figures[place] =
                runtime.block_on(load((case, Words::Memcached), proxies[place], false, SLICE, cpu));
        }
        rounds.push(figures);
    }
    rounds
}

fn print(rounds: &[[Figure; COUNTS.len()]]) {
    for (place, count) in COUNTS.iter().enumerate() {
        let ratio =
            |of: fn(&Figure) -> f64| median(rounds, |round| of(&round[place]) / of(&round[0]));
        println!(
            "  {count:>3} rules {:>9.0}/s  {:.3} x none  {:.1} s CPU / Mreq, {:.3} x none",
            median(rounds, |round| round[place].per_second),
            ratio(|figure| figure.per_second),
            median(rounds, |round| round[place].cpu),
            ratio(|figure| figure.cpu),
        );
    }
}
