//! What recording one operation costs the worker that measured it, and folding it the tick.

use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use harness::base::name::NodeIndex;
use harness::base::time::{Offset, RunClock};
use harness::event::{BreakerState, Extent, KeyCounts, Operation, Outcome, Phase, Sample};
use harness::record::{Config, Connections, NodeLive, PhaseClock, Recorder};

fn sample(number: u64) -> Sample {
    let due = Offset::from_duration(Duration::from_micros(number * 100));
    Sample {
        extent: Extent::Single,
        operation: Operation::Get,
        home: NodeIndex((number % 3) as u16),
        served_by: Some(NodeIndex((number % 3) as u16)),
        outcome: Outcome::Hit,
        due,
        issued: due,
        taken: due,
        sent: Some(due),
        done: due.plus(Duration::from_micros(150 + number % 97)),
        connection_wait: Duration::from_micros(number % 5),
        attempts: 1,
        needed: 1,
        keys: KeyCounts::default(),
    }
}

fn recorder() -> Recorder {
    let phases = PhaseClock::new();
    phases.begin(Phase::Warmup, Offset(0));
    phases.begin(Phase::Steady, Offset(1));
    let config = Config {
        scenario: "bench".to_owned(),
        nodes: 3,
        open_loop: true,
        operation_timeout: Duration::from_millis(100),
    };
    Recorder::new(config, RunClock::start(), phases)
}

fn benches(c: &mut Criterion) {
    let recorder = recorder();
    let shard = recorder.shard();
    let mut number = 0;
    c.bench_function("record, its share of folding included", |b| {
        b.iter(|| {
            number += 1;
            shard.record(&sample(number));
        });
    });
    let live = || NodeLive {
        requests: None,
        connections: Some(Connections::default()),
        dialled: Some(0),
        open: Some(0),
        breaker: Some(BreakerState::Closed),
        active_faults: Vec::new(),
    };
    let nodes = [live(), live(), live()];
    c.bench_function("record 4000, without folding", |b| {
        b.iter_batched(
            || recorder.intervals(Offset(number), &nodes),
            |_| (0..4000).for_each(|number| shard.record(&sample(number))),
            BatchSize::PerIteration,
        );
    });
    c.bench_function("interval of 4000", |b| {
        b.iter_batched(
            || (0..4000).for_each(|number| shard.record(&sample(number))),
            |()| recorder.intervals(Offset(number), &nodes),
            BatchSize::PerIteration,
        );
    });
}

criterion_group!(record, benches);
criterion_main!(record);
