//! What happened since the last look: the `interval` object of the output contract.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::counts::Counts;
use super::histogram::{Latency, LatencyUs};
use super::inputs::NodeLive;
use crate::base::name::NodeIndex;
use crate::base::time::{Offset, Wall};
use crate::event::{BreakerState, Connections, Extent, Outcome, Phase, Sample};

/// The figures of one interval. Operations count in the interval in which they ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Interval {
    /// The scenario that runs.
    pub scenario: String,
    /// The phase that it lies in: intervals are cut where phases meet.
    pub phase: Phase,
    /// When it ended, in seconds since the run's start.
    pub at_s: f64,
    /// The same by the wall clock, RFC 3339; empty in runs that were stored without it.
    #[serde(default)]
    pub at: String,
    /// How long it was, in seconds.
    pub length_s: f64,
    /// Intended operations that came to an end, lost slots included.
    pub offered: u64,
    /// Those that were issued.
    pub operations: u64,
    /// Operations a second.
    pub throughput_per_s: Option<f64>,
    /// Errors over offered.
    pub error_ratio: Option<f64>,
    /// How many came to which outcome; absent means none.
    pub outcomes: BTreeMap<String, u64>,
    /// From the intended start; `null` in a closed loop.
    pub response_time_us: Option<LatencyUs>,
    /// Each node, by the home of the keys.
    pub nodes: Vec<IntervalNode>,
}

impl Interval {
    /// When it began, in seconds since the run's start: never before that, whatever a stored line says.
    #[must_use]
    pub fn start_s(&self) -> f64 {
        (self.at_s - self.length_s).max(0.0)
    }
}

/// One node in one interval.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct IntervalNode {
    /// The node.
    pub name: NodeIndex,
    /// Operations on its keys that were issued.
    pub operations: u64,
    /// Errors over offered.
    pub error_ratio: Option<f64>,
    /// From the intended start; `null` in a closed loop.
    pub response_time_us: Option<LatencyUs>,
    /// The client's connections to it; `null`: it does not tell.
    pub connections: Option<Connections>,
    /// Connections and requests that its proxy saw, of a command; `null`: operations are counted.
    #[serde(default)]
    pub wire: Option<WireInterval>,
    /// Its circuit breaker; `null`: it has none that tells.
    pub breaker: Option<BreakerState>,
    /// The faults that are active on it.
    pub active_faults: Vec<String>,
}

/// What a proxy saw in one interval.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema,
)]
pub struct WireInterval {
    /// Requests.
    pub requests: u64,
    /// Connections that were open at its end; `null`: nobody counted.
    pub open: Option<u64>,
}

/// What was folded since the last interval, for one node: operations on its keys alone, and its parts of
/// those that asked several nodes.
#[derive(Clone, Debug, Default)]
pub(super) struct Current {
    own: Gathered,
    parts: Gathered,
    /// Requests on the wire until the last interval ended.
    requests: u64,
}

/// Counts and latencies of some operations.
#[derive(Clone, Debug, Default)]
pub(super) struct Gathered {
    counts: Counts,
    response: Latency,
}

impl Current {
    pub(super) fn add(&mut self, sample: &Sample) {
        match sample.extent {
            Extent::Part => self.parts.add(sample),
            _ => self.own.add(sample),
        }
    }

    fn figures(&self) -> Gathered {
        let mut all = self.own.clone();
        all.merge(&self.parts);
        all
    }
}

impl Gathered {
    fn merge(&mut self, other: &Self) {
        self.counts.merge(&other.counts);
        self.response.merge(&other.response);
    }

    fn clear(&mut self) {
        self.counts = Counts::default();
        self.response.clear();
    }

    pub(super) fn add(&mut self, sample: &Sample) {
        self.counts.add(sample.outcome);
        if !matches!(sample.outcome, Outcome::LostSlot | Outcome::Shed | Outcome::Cancelled) {
            self.response.record(sample.done.since(sample.due));
        }
    }
}

/// Where and how long an interval is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame<'a> {
    pub(super) scenario: &'a str,
    pub(super) phase: Phase,
    pub(super) at: Offset,
    pub(super) wall: Wall,
    pub(super) length: Duration,
    pub(super) open_loop: bool,
}

/// Makes the interval and forgets what was in it.
pub(super) fn take(
    frame: Frame<'_>,
    current: &mut [Current],
    whole: &mut Gathered,
    live: &[NodeLive],
) -> Interval {
    let mut all = whole.clone();
    whole.clear();
    let mut nodes = Vec::with_capacity(live.len());
    for (index, now) in (0_u16..).zip(live) {
        let mut current = current.get_mut(usize::from(index));
        let node = current.as_deref().map(Current::figures).unwrap_or_default();
        let before = current.as_deref().map(|node| node.requests).unwrap_or_default();
        if let (Some(current), Some(requests)) = (&mut current, now.requests) {
            current.requests = requests;
        }
        nodes.push(IntervalNode {
            name: NodeIndex(index),
            operations: node.counts.operations(),
            error_ratio: node.counts.error_ratio(),
            response_time_us: frame.open_loop.then(|| node.response.figures()),
            connections: now.connections,
            wire: now.requests.map(|requests| WireInterval {
                // A tap starts again from zero when somebody replaces its proxy.
                requests: requests.saturating_sub(before),
                open: now.open,
            }),
            breaker: now.breaker,
            active_faults: now.active_faults.clone(),
        });
    }
    for node in current {
        all.merge(&node.own);
        node.own.clear();
        node.parts.clear();
    }
    let length_s = frame.length.as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    let operations = all.counts.operations() as f64;
    Interval {
        scenario: frame.scenario.to_owned(),
        phase: frame.phase,
        at_s: frame.at.as_secs_f64(),
        at: frame.wall.rfc3339(),
        length_s,
        offered: all.counts.offered(),
        operations: all.counts.operations(),
        throughput_per_s: (length_s > 0.0).then(|| operations / length_s),
        error_ratio: all.counts.error_ratio(),
        outcomes: all.counts.by_name(),
        response_time_us: frame.open_loop.then(|| all.response.figures()),
        nodes,
    }
}
