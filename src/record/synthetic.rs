//! Runs that never happened, for tests of what comes after recording: literal phases, literal
//! outcomes, through the real recorder.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{
    ClosedConnections, Config, DataTotals, Dials, FaultRecord, Inputs, LoadCounts, NodeInput,
    PhaseClock, Recorder, Summary, WireAsked, WireCounts, WireNode, WirePiece, WirePieces,
    WireTimes,
};
use crate::base::name::NodeIndex;
use crate::base::time::{Offset, RunClock};
use crate::event::{BreakerState, EventKind, Extent, KeyCounts, Operation, Outcome, Phase, Sample};

/// When the fault begins and when it is healed, in milliseconds.
pub(crate) const FAULT_MS: u64 = 6000;
pub(crate) const HEAL_MS: u64 = 11_000;

/// A run to be told: three nodes, a fault on the first.
#[derive(Clone, Debug)]
pub(crate) struct Story {
    /// When the run ends, in milliseconds.
    pub(crate) end_ms: u64,
    /// The time between two operations on one node.
    pub(crate) every_ms: u64,
    /// Whether there is a fault at all.
    pub(crate) faulty: bool,
    /// Whether operations have intended starts.
    pub(crate) open_loop: bool,
    /// Which operations are told: those whose number is this, by as many members.
    pub(crate) share: (u64, u64),
    /// What the breaker of the first node does.
    pub(crate) breaker: Vec<(u64, BreakerState, BreakerState)>,
}

impl Default for Story {
    fn default() -> Self {
        Self {
            end_ms: 21_000,
            every_ms: 5,
            faulty: true,
            open_loop: true,
            share: (0, 1),
            breaker: vec![
                (FAULT_MS + 50, BreakerState::Closed, BreakerState::Open),
                (HEAL_MS + 200, BreakerState::Open, BreakerState::HalfOpen),
                (HEAL_MS + 210, BreakerState::HalfOpen, BreakerState::Closed),
            ],
        }
    }
}

/// A good hit in 200 us, but on the first node while it is faulty: shed in 5 us.
pub(crate) fn usual(node: u16, due_ms: u64) -> (Outcome, u64) {
    if node == 0 && (FAULT_MS..HEAL_MS).contains(&due_ms) {
        (Outcome::Shed, 5)
    } else {
        (Outcome::Hit, 200)
    }
}

/// What the proxy of the first node saw of a client that goes on asking it, now and then.
pub(crate) fn watched(times: WireTimes) -> WireNode {
    let piece = |ms: u64| match ms {
        FAULT_MS..HEAL_MS => {
            WirePiece { connects: u32::from(ms.is_multiple_of(1000)), ..Default::default() }
        }
        _ => WirePiece { connects: 1, requests: 1, replies: 1, closes: 0 },
    };
    let length = Duration::from_millis(20);
    let all = (0..22_000).step_by(20).map(piece).collect();
    WireNode {
        node: NodeIndex(0),
        given_up: times,
        silent: times,
        asked: WireAsked {
            at_home: 9,
            elsewhere: 1,
            unanswered: 8,
            unanswered_again: 4,
            answered: 10,
            answered_again: 1,
        },
        pieces: WirePieces { length, all, shut: Vec::new() },
    }
}

fn at(ms: u64) -> Offset {
    Offset::from_duration(Duration::from_millis(ms))
}

impl Story {
    /// Tells it: `behave` says what an operation came to, by node and due time, and how many
    /// microseconds it took.
    pub(crate) fn tell(&self, behave: impl Fn(u16, u64) -> (Outcome, u64)) -> Summary {
        let phases = PhaseClock::new();
        for (phase, start) in [
            (Phase::Warmup, 0),
            (Phase::Steady, 1000),
            (Phase::Fault, FAULT_MS),
            (Phase::Recovery, HEAL_MS),
            (Phase::Drain, self.end_ms),
        ] {
            phases.begin(phase, at(start));
        }
        let config = Config {
            scenario: "single-node-failure".to_owned(),
            nodes: 3,
            open_loop: self.open_loop,
            operation_timeout: Duration::from_millis(100),
        };
        let recorder = Recorder::new(config, RunClock::start(), phases);
        let offered = self.record(&recorder, behave);
        for (ms, from, to) in &self.breaker {
            let (node, cause) = (NodeIndex(0), "5 of 5 failed".to_owned());
            let kind = EventKind::BreakerChanged { node, from: *from, to: *to, cause };
            recorder.event_at(at(*ms), kind);
        }
        recorder.finish(self.inputs(offered))
    }

    fn record(&self, recorder: &Recorder, behave: impl Fn(u16, u64) -> (Outcome, u64)) -> u64 {
        let shard = recorder.shard();
        let (mut offered, mut number) = (0, 0);
        for due_ms in (0..self.end_ms).step_by(usize::try_from(self.every_ms).unwrap()) {
            for node in 0..3 {
                number += 1;
                if number % self.share.1 != self.share.0 {
                    continue;
                }
                let (outcome, took_us) = behave(node, due_ms);
                shard.record(&sample(node, due_ms, outcome, took_us));
                offered += 1;
            }
        }
        offered
    }

    fn inputs(&self, offered: u64) -> Inputs {
        let fault = FaultRecord {
            name: "down".to_owned(),
            kind: "refuse".to_owned(),
            nodes: vec![NodeIndex(0)],
            parameters: BTreeMap::new(),
            applied: Some(at(FAULT_MS)),
            healed: Some(at(HEAL_MS)),
            operations_touched: None,
        };
        let requests = offered / 3;
        let wire = |node| WireCounts {
            phase: Phase::Steady,
            node: NodeIndex(node),
            requests,
            operation_requests: requests,
            connect_peak: None,
            dirty_reuse: Some(0),
            malformed: Some(0),
            delivered: WireTimes::default(),
            answered_late: WireTimes::default(),
            never_answered: WireTimes::default(),
            given_up: WireTimes::default(),
            connects: 8,
        };
        let dials = |node| Dials { phase: Phase::Steady, node: NodeIndex(node), attempts: 8 };
        let node = NodeInput {
            connections: ClosedConnections { opened: 8, high_water: 8, ..Default::default() },
            requests_sent: Some(requests),
            ..NodeInput::default()
        };
        Inputs {
            ended: at(self.end_ms + 1000),
            load: LoadCounts {
                tickets_issued: offered,
                tickets_closed: offered,
                ..LoadCounts::default()
            },
            wire: (0..3).map(wire).collect(),
            dials: (0..3).map(dials).collect(),
            backends: vec!["embedded".to_owned(); 3],
            data: DataTotals {
                wrong: Some(0),
                corrupt: Some(0),
                stale: Some(0),
                false_misses: Some(0),
                foreign: Some(0),
                ..DataTotals::default()
            },
            nodes: vec![node; 3],
            faults: if self.faulty { vec![fault] } else { Vec::new() },
            ..Inputs::default()
        }
    }
}

fn sample(node: u16, due_ms: u64, outcome: Outcome, took_us: u64) -> Sample {
    let due = at(due_ms);
    let asked = outcome.is_good();
    Sample {
        extent: Extent::Single,
        operation: Operation::Get,
        home: NodeIndex(node),
        served_by: asked.then_some(NodeIndex(node)),
        outcome,
        due,
        issued: due,
        taken: due,
        sent: asked.then_some(due),
        done: due.plus(Duration::from_micros(took_us)),
        connection_wait: Duration::ZERO,
        attempts: 1,
        needed: u32::from(asked),
        keys: KeyCounts::default(),
    }
}
