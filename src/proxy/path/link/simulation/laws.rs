//! What must hold whatever peers do and whatever is added, changed and removed:
//!
//! - What a connection holds in one direction stays within its bound.
//! - A poll gets somewhere, or waits for a socket or for a time that is still to come.
//! - A poll does a bounded number of reads and writes: nobody waits long for his turn.
//! - A change is taken up at the next poll, and so is the end.
//! - With no fault that changes messages, what is received is what was sent, in order, up to a close.
//! - After healing, a connection is in step and everything arrives, or it is closed.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use rand::RngExt;
use tokio::runtime::Builder;

use super::peers::{Mood, VALUE_BYTES_MAX};
use super::world::{Story, World};
use crate::base::family::{Settings, Value};
use crate::base::seed::Seed;
use crate::proxy::config::{Stream, ToxicConfig};

/// Seeds in an ordinary run of the tests; `HARNESS_SIMULATION_SEEDS` in the environment names another
/// number.
const SEEDS: u64 = 150;

/// What happens to one world before it is healed.
const DISTURBANCES: u32 = 150;

fn in_virtual_time<T>(future: impl Future<Output = T>) -> T {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime without sockets").block_on(future)
}

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Catches pieces that cost more than what they were cut from, in one stage after the other, beyond the
/// bound for all of them.
#[test]
fn what_is_cut_into_pieces_stays_within_the_bound() {
    in_virtual_time(async {
        let mut world = World::new(Seed::new(1), 3, Story::default());
        world.add(downstream("a", "slicer", &[("average_size", 1)]));
        world.add(downstream("b", "slicer", &[("average_size", 1)]));
        world.add(downstream("c", "latency", &[("latency", 3_600_000)]));
        world.pairs().for_each(|pair| pair.ask_for_values(20, VALUE_BYTES_MAX));
        world.pass(ms(300)).await;
        world.heal().await;
    });
}

fn downstream(name: &str, kind: &str, settings: &[(&str, i64)]) -> ToxicConfig {
    let mut attributes = Settings::default();
    for (name, value) in settings {
        attributes.insert(*name, Value::Integer(*value));
    }
    let stream = Stream::Downstream;
    ToxicConfig { name: Some(name.into()), kind: kind.into(), stream, toxicity: 1.0, attributes }
}

/// Catches a healing after which everything that a server has is read for a client that reads nothing.
#[test]
fn healing_does_not_open_the_floodgates() {
    in_virtual_time(async {
        for kind in ["latency", "limit_data", "bandwidth", "slicer"] {
            let mut world = World::new(Seed::new(1), 2, Story::default());
            let settings: &[(&str, i64)] = match kind {
                "latency" => &[("latency", 200)],
                "limit_data" => &[("bytes", 1 << 40)],
                "bandwidth" => &[("rate", 1000)],
                _ => &[("average_size", 1), ("delay", 100)],
            };
            world.add(downstream("fault", kind, settings));
            for pair in world.pairs() {
                pair.client.mood = Mood::Stopped;
                pair.ask_for_values(100, VALUE_BYTES_MAX);
            }
            world.pass(ms(300)).await;
            world.remove("fault");
            world.pass(ms(300)).await;
            world.heal().await;
        }
    });
}

/// Catches a connection that is to be closed, whose client does not read, and that is busy for ever
/// with what later toxics hold.
#[test]
fn a_close_that_waits_for_its_receiver_keeps_nobody_busy() {
    in_virtual_time(async {
        let mut world = World::new(Seed::new(1), 6, Story::default());
        for pair in world.pairs() {
            pair.client.mood = Mood::Stopped;
            pair.ask_for_values(20, VALUE_BYTES_MAX);
        }
        world.pass(ms(50)).await;
        world.add(downstream("cut", "timeout", &[]));
        world.pass(ms(50)).await;
        world.remove("cut");
        world.pairs().for_each(|pair| pair.ask_for_values(20, VALUE_BYTES_MAX));
        world.add(downstream("one", "latency", &[("latency", 10)]));
        world.add(downstream("two", "latency", &[("latency", 10)]));
        world.pass(ms(1000)).await;
        world.close();
    });
}

/// Runs one world to its end; an error says what was done in it until a law was broken.
fn run(seed: u64) -> Result<(), String> {
    let story = Story::default();
    let told = story.clone();
    let outcome = catch_unwind(AssertUnwindSafe(|| in_virtual_time(live(seed, told))));
    outcome.map_err(|_| format!("seed {seed}:\n{}", story.text()))
}

async fn live(seed: u64, story: Story) {
    let root = Seed::new(seed);
    let mut draws = root.fork("times").stream();
    let mut world = World::new(root, draws.random_range(1..=3), story);
    for _ in 0..DISTURBANCES {
        world.disturb();
        world.pass(ms(draws.random_range(0..60))).await;
    }
    if draws.random_bool(0.3) {
        world.close();
    }
    world.heal().await;
    world.close();
}

/// Catches whatever breaks a law, by the thousand.
#[test]
fn the_laws_hold_for_every_seed() {
    let seeds = std::env::var("HARNESS_SIMULATION_SEEDS");
    let seeds = seeds.map_or(SEEDS, |text| text.parse().expect("a number of seeds"));
    for seed in 0..seeds {
        if let Err(story) = run(seed) {
            panic!("{story}");
        }
    }
}
