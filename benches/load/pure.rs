//! The pure parts of an operation, in nanoseconds.

use std::hint::black_box;

use harness::base::name::NodeIndex;
use harness::base::seed::Seed;
use harness::base::time::Offset;
use harness::event::Events;
use harness::load::keys::{KEYS, Seat};
use harness::load::payload::Stamp;
use harness::load::{
    Content, Effect, Keyspace, Life, Oracle, OracleConfig, Source, Space, WriteEnd,
};
use tokio::time::Instant;

use crate::rig::{WORKERS, chosen};

/// Nanoseconds of each pure step of an operation.
pub(crate) fn print() {
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
    let config = OracleConfig { run: 1, checks: true, nodes: 1, flags: true };
    let oracle = Oracle::new(keyspace, config, Events::ignore());
    let slot = oracle.keyspace().any(Space::Values, 7);
    time("lease a write and end it", || {
        if let Some(lease) = oracle.lease(slot, Effect::Store(Life::Forever), Offset(1)) {
            lease.end(WriteEnd::Acknowledged { at_home: true });
        }
    });
    let sequence = oracle.look(slot).acknowledged();
    oracle.value(slot, 0, sequence, 100, &mut buffer);
    let source = Source { served_by: Some(NodeIndex(0)), connection: None, asked: None };
    let content = Content { value: &buffer, flags: oracle.flags(slot, sequence) };
    time("judge a hit of 100 B", || {
        let before = oracle.look(slot);
        black_box(oracle.judge(slot, &before, Some(content), source, Offset(2)));
    });
}

fn time(what: &str, mut step: impl FnMut()) {
    const STEPS: u32 = 1_000_000;
    let start = Instant::now();
    (0..STEPS).for_each(|_| step());
    println!("{what:34} {:6.1} ns", start.elapsed().as_nanos() as f64 / f64::from(STEPS));
}
