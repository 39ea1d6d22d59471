//! What the composition root hands over: plain data from parts that the recorder must not name.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::stalls::Stalls;
use super::witness::{WireNode, WireTimes};
use crate::base::name::NodeIndex;
use crate::base::scope::Closed;
use crate::base::time::Offset;
use crate::event::{
    BreakerState, CalibrationCheck, ClosedConnections, Connections, DataTotals, DelayUs,
    FaultRecord, LoadCounts, Phase, SubjectFacts,
};

/// What the recorder knows before the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// The scenario's name.
    pub scenario: String,
    /// How many nodes there are.
    pub nodes: usize,
    /// Whether operations have an intended start. A closed loop has none, so it has no response
    /// times.
    pub open_loop: bool,
    /// The client's operation timeout: what counts as nearly a timeout, and how long a failure may
    /// trail a fault.
    pub operation_timeout: Duration,
}

/// One node as it is when an interval ends.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeLive {
    /// The client's connections to it; `None`: it does not tell.
    pub connections: Option<Connections>,
    /// Attempts to connect since the start; `None`: nobody counts them.
    pub dialled: Option<u64>,
    /// Connections that are open.
    pub open: Option<u64>,
    /// Requests that its proxy has had since the start, where the traffic is all there is to see.
    pub requests: Option<u64>,
    /// Its circuit breaker; `None`: it has none that tells.
    pub breaker: Option<BreakerState>,
    /// The names of the faults that are active on it.
    pub active_faults: Vec<String>,
}

/// Why a run ended before its plan did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Partial {
    /// Somebody stopped it.
    Interrupted,
    /// Something in the harness broke.
    Error,
    /// The driver of the client did not keep to its protocol.
    Driver,
    /// Not every key could be stored beforehand, so that nothing was measured.
    NotPreloaded,
    /// The harness was killed; the report was rebuilt from what was stored until then.
    Killed,
}

/// What one proxy saw during one phase.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct WireCounts {
    /// The phase.
    pub phase: Phase,
    /// The node behind the proxy.
    pub node: NodeIndex,
    /// Requests received from the client, pings and the like included.
    pub requests: u64,
    /// Those of them that belong to operations. The quiet reads of a batch count as one with its end,
    /// as they do for a client that asks for all of its keys in one line.
    pub operation_requests: u64,
    /// The most connection attempts within any one second, where that was watched.
    pub connect_peak: Option<u64>,
    /// Requests sent on a connection that still owed an earlier reply; `None`: none was seen, and some
    /// connections could not be read.
    pub dirty_reuse: Option<u64>,
    /// Requests that the node answered as unknown or malformed; `None`: none was seen, and some
    /// connections could not be read.
    pub malformed: Option<u64>,
    /// Replies that were written while the client had not left, by how long they took.
    pub delivered: WireTimes,
    /// Replies to a client that had left, by how long it had waited.
    pub answered_late: WireTimes,
    /// Requests that were never answered, by how long the client had waited.
    pub never_answered: WireTimes,
    /// Connections that the client closed while a reply was due, by how long it had been.
    pub given_up: WireTimes,
    /// Connections accepted.
    pub connects: u64,
}

/// What the proxies saw over the whole run, the warm-up included.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct WireTotals {
    /// Requests sent while an earlier reply of the connection was due; `null`: no request was seen.
    pub overlaps: Option<u64>,
    /// Those of them whose earlier reply had been due for longer than this client waits for one.
    pub overlaps_after_silence: Option<u64>,
    /// Why that is `null`.
    pub overlaps_after_silence_reason: Option<String>,
    /// Whether the client sends requests before it has the replies: `no`, `yes` or `under_load`;
    /// `null`: no request was seen.
    pub pipelining: Option<String>,
    /// Connections that were reset because their node refused, or for want of room; `null`: for some
    /// time the system refused them by itself and told nobody.
    pub refused: Option<u64>,
    /// What others sent through the proxies, in no other figure of the run; `null`: nobody could tell.
    pub foreign: Option<ForeignTraffic>,
}

/// What others than the run's own client sent through its proxies.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ForeignTraffic {
    /// Connections.
    pub connections: u64,
    /// Requests.
    pub requests: u64,
    /// The first of them, by their addresses.
    pub clients: Vec<String>,
}

/// How often the client tried to connect to one node during one phase: a refused attempt, and one that
/// nobody answers, never reach a proxy, so only whoever dials can count them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dials {
    /// The phase.
    pub phase: Phase,
    /// The node.
    pub node: NodeIndex,
    /// How often.
    pub attempts: u64,
}

/// What is known about one node at the end.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct NodeInput {
    /// The client's connections to it.
    pub connections: ClosedConnections,
    /// Every request that the client wrote to it, pings included; `None`: not counted.
    pub requests_sent: Option<u64>,
    /// Those of them for which nothing came back: a connection that ended may have taken them with it
    /// before a proxy read them.
    pub requests_unanswered: u64,
    /// Misses of values that it must have held: what it dropped to make room is taken off; `None`:
    /// not judged.
    pub false_misses: Option<u64>,
    /// How often the breaker opened; `None`: counted from the events.
    pub breaker_opens: Option<u64>,
    /// How long the breaker was open; `None`: counted from the events.
    pub open_time: Option<Duration>,
}

/// How the harness itself fared.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HarnessTotals {
    /// How late a 10 ms timer woke.
    pub timer_delay: Option<DelayUs>,
    /// The share of time in which some task waited for a processor (PSI `some`, 0..1).
    pub cpu_pressure: Option<f64>,
    /// When the machine stood still.
    pub stalls: Stalls,
    /// What the harness measured before the run of which it knew the answer.
    pub calibration: Vec<CalibrationCheck>,
    /// Bounds that were reached, one sentence each.
    pub limits: Vec<String>,
    /// What became of the tasks.
    pub tasks: Closed,
}

/// Everything else that a summary needs, at the end of a run.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Inputs {
    /// When the run ended.
    pub ended: Offset,
    /// Why it ended early, if it did.
    pub partial: Option<Partial>,
    /// From the generator.
    pub load: LoadCounts,
    /// From the oracle.
    pub data: DataTotals,
    /// From the proxies, each node once a phase.
    pub wire: Vec<WireCounts>,
    /// The same over the whole run; `None`: no proxy counted.
    pub wire_totals: Option<WireTotals>,
    /// From the proxies, each node once: what passed when. Empty: nobody looked.
    pub wire_nodes: Vec<WireNode>,
    /// From the client, each node once a phase; empty: nobody counted.
    pub dials: Vec<Dials>,
    /// From the client, in the order of the nodes; empty: it does not tell.
    pub nodes: Vec<NodeInput>,
    /// What runs each node.
    pub backends: Vec<String>,
    /// Who made the calls; `None`: nobody said.
    pub subject: Option<SubjectFacts>,
    /// From the harness.
    pub harness: HarnessTotals,
    /// From the nemesis.
    pub faults: Vec<FaultRecord>,
}
