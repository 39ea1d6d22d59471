//! What the proxies saw, and what the wire tells of the nodes that were broken, as the report has it.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::name::NodeIndex;
use crate::base::time::Offset;
use crate::event::Phase;
use crate::judge::{Reading, ToldNode};
use crate::record::{BIN, Summary, WireCounts, WireNode, WirePiece, WireTimes, WireTotals};

/// Pieces of a series that a report holds, as many as of the operations; in a longer run neighbours are
/// merged.
const SERIES_MAX: usize = 1000;

/// What the proxies saw of the run's own client.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WireReport {
    /// Over the whole run.
    #[serde(flatten)]
    pub totals: WireTotals,
    /// Each node in each phase, the warm-up included.
    pub phases: Vec<WirePhase>,
    /// What it tells of the client, by the nodes that were broken; `null`: nobody looked when what passed.
    #[serde(default)]
    pub told: Option<Told>,
    /// What passed when, each node once; empty: nobody looked, or the run was stored without it.
    #[serde(default)]
    pub series: Vec<WireSeries>,
}

/// What passed the proxy of one node, in pieces of one length from the start of the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WireSeries {
    /// The node.
    pub node: NodeIndex,
    /// How long a piece is, in seconds: 100 ms, and longer in a long run.
    pub length_s: f64,
    /// Connections accepted in each piece.
    pub connects: Vec<u64>,
    /// Requests read in each piece.
    pub requests: Vec<u64>,
}

/// One node in one phase. A request belongs to the phase in which it passed; what became of it, to the
/// one in which that was known.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WirePhase {
    /// The phase.
    pub phase: Phase,
    /// The node.
    pub node: NodeIndex,
    /// Requests.
    pub requests: u64,
    /// Requests that the node answered as unknown or malformed; `null`: some connections could not be
    /// read, or the run was stored without it.
    #[serde(default)]
    pub malformed: Option<u64>,
    /// Replies that were written while the client had not left, by how long they took.
    pub delivered_us: WireTimes,
    /// Replies to a client that had left, or at least ended its side, by how long it had waited.
    pub answered_late_us: WireTimes,
    /// Requests that were never answered, by how long the client had waited.
    pub never_answered_us: WireTimes,
    /// Connections that the client closed while a reply was due, by how long the oldest had been.
    #[serde(default)]
    pub given_up_us: WireTimes,
    /// Connections accepted; `null`: the run was stored without it.
    #[serde(default)]
    pub connects: Option<u64>,
    /// Attempts to connect that nobody accepted; `null`: the client does not say how often it tried.
    #[serde(default)]
    pub connects_unaccepted: Option<u64>,
}

/// What the wire tells of a client, whoever it is: of every node that was broken, in their order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Told {
    /// How exact moments are: a moment is the beginning of a piece of time of this length.
    pub resolution_s: f64,
    /// The nodes.
    pub nodes: Vec<ToldOfNode>,
}

/// One node that was broken. A figure that is `null` has its name in `reasons`; one that was looked for
/// until the run ended and did not come is in `never` as well.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ToldOfNode {
    /// Its name.
    pub name: NodeIndex,
    /// How long a reply had been due when a client closed the connection of itself, the median: its
    /// effective timeout.
    pub give_up_s: Option<f64>,
    /// How many connections were closed so.
    pub give_ups: u64,
    /// How long connections were open that their clients closed without a word, the median. A connect
    /// that the system itself leaves unanswered is not among them: nobody sees it.
    pub connect_give_up_s: Option<f64>,
    /// How many connections were closed so.
    pub connect_give_ups: u64,
    /// The longest time without a connect or a request while it was broken; 0: it was never left alone for
    /// longer than 100 ms and than in the steady phase.
    pub dead_time_s: Option<f64>,
    /// The median of these times; `null`: there was none.
    pub dead_time_median_s: Option<f64>,
    /// How many there were.
    pub dead_times: Option<u64>,
    /// Whether nobody had come when the heal ended the longest of them; else an attempt ended it.
    pub dead_time_cut_by_heal: Option<bool>,
    /// Connects and requests a second while it was broken, without the first second.
    pub probe_rate_per_s: Option<f64>,
    /// Of the requests for one key that had no answer, the share that came again within two give-ups,
    /// on another connection or to another node.
    pub resend_ratio: Option<f64>,
    /// The same of requests that were answered: so many come again by chance.
    pub resend_by_chance_ratio: Option<f64>,
    /// Of the requests in the fault phase for keys that were first asked of this node, the share that
    /// went to another one.
    pub keys_moved_ratio: Option<f64>,
    /// From the heal until it was asked again.
    pub first_request_s: Option<f64>,
    /// From the heal until a client had a reply again.
    pub first_reply_s: Option<f64>,
    /// From the heal to the first second with 90 % of the replies of a steady one.
    pub sustained_s: Option<f64>,
    /// The most connects in a second, from the fault to the drain.
    pub connect_peak_per_s: Option<f64>,
    /// The most in the steady phase.
    pub steady_connect_peak_per_s: Option<f64>,
    /// The one over the other.
    pub storm_factor: Option<f64>,
    /// Connects a second long after the heal: in the quietest of the last four sixths of the time after it, beyond
    /// twice those of the steady phase and of the nodes without a fault meanwhile.
    #[serde(default)]
    pub reconnects_after_return_per_s: Option<f64>,
    /// Names of figures that were looked for until the run ended and did not come.
    pub never: Vec<String>,
    /// Why a figure is `null`, by its name.
    pub reasons: BTreeMap<String, String>,
}

/// All that the proxies saw; `None`: no proxy counted.
pub(super) fn of(summary: &Summary, told: &[ToldNode]) -> Option<WireReport> {
    // A client that tells of its nodes counts what it tries.
    let tried = |wire: &WireCounts| {
        let mut dials = summary.inputs.dials.iter().filter(|_| !summary.inputs.nodes.is_empty());
        let dials = dials.find(|dials| (dials.phase, dials.node) == (wire.phase, wire.node))?;
        Some(dials.attempts.saturating_sub(wire.connects))
    };
    let phase = |wire: &WireCounts| WirePhase {
        phase: wire.phase,
        node: wire.node,
        requests: wire.requests,
        malformed: wire.malformed,
        delivered_us: wire.delivered,
        answered_late_us: wire.answered_late,
        never_answered_us: wire.never_answered,
        given_up_us: wire.given_up,
        connects: Some(wire.connects),
        connects_unaccepted: tried(wire),
    };
    let inputs = &summary.inputs;
    let totals = inputs.wire_totals.clone()?;
    Some(WireReport {
        totals,
        phases: inputs.wire.iter().map(phase).collect(),
        told: self::told(summary, told),
        series: inputs.wire_nodes.iter().filter_map(|node| series(node, inputs.ended)).collect(),
    })
}

/// What passed one node until the run ended.
fn series(node: &WireNode, ended: Offset) -> Option<WireSeries> {
    let length = Some(node.pieces.length).filter(|length| !length.is_zero())?;
    let until = ended.since(Offset::default()).as_nanos().div_ceil(length.as_nanos());
    let until = usize::try_from(until).unwrap_or(usize::MAX).min(node.pieces.all.len());
    let pieces = &node.pieces.all[..until];
    let in_a_bin = BIN.as_nanos().div_ceil(length.as_nanos());
    let in_a_bin = usize::try_from(in_a_bin).unwrap_or(usize::MAX);
    let together = pieces.len().div_ceil(SERIES_MAX).max(in_a_bin);
    let of = |part: fn(&WirePiece) -> u32| {
        let chunks = pieces.chunks(together);
        chunks.map(|chunk| chunk.iter().map(|piece| u64::from(part(piece))).sum()).collect()
    };
    #[expect(clippy::cast_precision_loss, reason = "a run has fewer pieces than 2^53")]
    let length_s = length.as_secs_f64() * together as f64;
    Some(WireSeries {
        node: node.node,
        length_s,
        connects: of(|piece| piece.connects),
        requests: of(|piece| piece.requests),
    })
}

/// What is told of a run in which any proxy looked at pieces of time.
fn told(summary: &Summary, told: &[ToldNode]) -> Option<Told> {
    let mut lengths = summary.inputs.wire_nodes.iter().map(|node| node.pieces.length);
    let length = lengths.find(|length| !length.is_zero())?;
    Some(Told { resolution_s: length.as_secs_f64(), nodes: told.iter().map(node).collect() })
}

fn node(told: &ToldNode) -> ToldOfNode {
    let (mut never, mut reasons) = (Vec::new(), BTreeMap::new());
    let mut read = |name: &str, reading: &Reading| match reading {
        Reading::Value { value, .. } => Some(*value),
        Reading::Between { most, .. } => Some(*most),
        Reading::Never { what, .. } => {
            never.push(name.to_owned());
            reasons.insert(name.to_owned(), what.clone());
            None
        }
        Reading::Unknown(why) => {
            reasons.insert(name.to_owned(), why.clone());
            None
        }
    };
    let give_up_s = read("give_up_s", &told.give_up);
    let connect_give_up_s = read("connect_give_up_s", &told.connect_give_up);
    let dead_time_s = read("dead_time_s", &told.dead_time);
    let probe_rate_per_s = read("probe_rate_per_s", &told.probe_rate);
    let resend_ratio = read("resend_ratio", &told.resends);
    let resend_by_chance_ratio = read("resend_by_chance_ratio", &told.resends_by_chance);
    let keys_moved_ratio = read("keys_moved_ratio", &told.keys_moved);
    let first_request_s = read("first_request_s", &told.first_request);
    let first_reply_s = read("first_reply_s", &told.first_reply);
    let sustained_s = read("sustained_s", &told.sustained);
    let connect_peak_per_s = read("connect_peak_per_s", &told.connect_peak);
    let steady_connect_peak_per_s = read("steady_connect_peak_per_s", &told.steady_connect_peak);
    let reconnects_after_return_per_s = read("reconnects_after_return_per_s", &told.reconnects);
    let steady = steady_connect_peak_per_s.filter(|peak| *peak > 0.0);
    let storm_factor = connect_peak_per_s.zip(steady).map(|(peak, steady)| peak / steady);
    if storm_factor.is_none() {
        let why = "without a connect in the steady phase there is nothing to compare with";
        read("storm_factor", &Reading::Unknown(why.to_owned()));
    }
    if told.dead_time_median.is_none() && dead_time_s.is_some() {
        let why = "it was never left alone";
        read("dead_time_median_s", &Reading::Unknown(why.to_owned()));
    }
    ToldOfNode {
        name: told.node,
        give_up_s,
        give_ups: samples(&told.give_up).unwrap_or_default(),
        connect_give_up_s,
        connect_give_ups: samples(&told.connect_give_up).unwrap_or_default(),
        dead_time_s,
        dead_time_median_s: told.dead_time_median,
        dead_times: samples(&told.dead_time),
        dead_time_cut_by_heal: told.dead_time_cut,
        probe_rate_per_s,
        resend_ratio,
        resend_by_chance_ratio,
        keys_moved_ratio,
        first_request_s,
        first_reply_s,
        sustained_s,
        connect_peak_per_s,
        steady_connect_peak_per_s,
        storm_factor,
        reconnects_after_return_per_s,
        never,
        reasons,
    }
}

/// How many samples stand behind a value.
const fn samples(reading: &Reading) -> Option<u64> {
    match reading {
        Reading::Value { samples, .. } => Some(*samples),
        _ => None,
    }
}
