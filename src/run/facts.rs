//! Plain data from one part in the words of another: what the recorder must not ask for by name.

use std::collections::BTreeMap;

use super::noise::Noise;
use super::sink::Sink;
use super::{Check, RunError};
use crate::base::scope::Closed;
use crate::client::{ConnectionCounts, NodeSnapshot};
use crate::event::{CloseCause, ViolationKind};
use crate::lab::backend::NodeInfo;
use crate::lab::nemesis::FaultRecord;
use crate::load;
use crate::record::{
    CalibrationCheck, Connections, DataTotals, DelayUs, FaultInput, HarnessTotals, LateWrite,
    LoadTotals, NodeInput, NodeLive, NotJudged, TaskEnd,
};

/// Every node as it is now.
pub(super) fn live(nodes: &[NodeSnapshot], sink: &Sink) -> Vec<NodeLive> {
    let live = |node: &NodeSnapshot| NodeLive {
        connections: connections(&node.connections),
        breaker: node.breaker,
        active_faults: sink.active_faults(node.node),
    };
    nodes.iter().map(live).collect()
}

fn connections(counts: &ConnectionCounts) -> Connections {
    Connections {
        open: counts.open,
        idle: counts.idle,
        in_use: counts.in_use,
        high_water: counts.high_water,
        dialled: counts.dialled,
        opened: counts.opened,
        closed: counts.closed_in_all(),
        poisoned: counts.poisoned,
    }
}

/// Every node at the end.
pub(super) fn nodes(info: &[NodeInfo], snapshots: &[NodeSnapshot]) -> Vec<NodeInput> {
    let node = |(info, snapshot): (&NodeInfo, &NodeSnapshot)| NodeInput {
        backend: backend(info),
        opened: snapshot.connections.opened,
        closed: closed(&snapshot.connections),
        poisoned: snapshot.connections.poisoned,
        high_water: snapshot.connections.high_water,
        requests_sent: Some(snapshot.requests_sent),
        breaker_opens: Some(snapshot.breaker_opens),
        open_time: Some(snapshot.open_time),
    };
    info.iter().zip(snapshots).map(node).collect()
}

/// What runs a node, as reports say it: `memcached 1.6.18`.
pub(super) fn backend(info: &NodeInfo) -> String {
    format!("{} {}", info.backend, info.version)
}

fn closed(counts: &ConnectionCounts) -> BTreeMap<String, u64> {
    CloseCause::ALL
        .into_iter()
        .map(|cause| (cause.name().to_owned(), counts.closed_for(cause)))
        .filter(|(_, count)| *count > 0)
        .collect()
}

/// What the load generator counted.
pub(super) fn load(totals: &load::LoadTotals, preloaded: &load::Preloaded) -> LoadTotals {
    let delay = totals.issue_delay;
    LoadTotals {
        preloaded: preloaded.stored,
        not_preloaded: preloaded.failed,
        tickets_issued: totals.issued,
        tickets_closed: totals.closed(),
        shed_tickets: totals.lost_slots(),
        issue_delay: (!totals.closed_loop && totals.issued > 0).then_some(DelayUs {
            p50: Some(delay.p50_us),
            p99: Some(delay.p99_us),
            max: Some(delay.max_us),
        }),
    }
}

/// What the oracle counted, settled with what the nodes did with their data.
pub(super) fn data(totals: &load::LoadTotals, settled: &load::Settled) -> DataTotals {
    let gone = |count: fn(&load::Gone) -> u64| totals.gone.iter().map(count).sum::<u64>();
    let certain = totals.data.acknowledged_but_lost - gone(|gone| gone.lost);
    let contradictions = totals.data.contradictions - gone(|gone| gone.contradictions);
    let not_judged = settled.not_judged.iter().map(|(kind, reason)| NotJudged {
        measure: measure(*kind).to_owned(),
        reason: reason.clone(),
    });
    DataTotals {
        wrong: totals.data.wrong,
        corrupt: totals.data.corrupt,
        stale_by_late_write: Some(totals.data.stale_by_late_write),
        late_writes: totals.data.late_writes.iter().map(late_write).collect(),
        stale_unacknowledged: Some(totals.data.stale_unacknowledged),
        false_misses: settled.false_misses,
        acknowledged_but_lost: beside(certain, settled.lost),
        double_applied: Some(totals.data.double_applied),
        foreign: Some(totals.data.foreign),
        contradictions: beside(contradictions, settled.contradictions),
        counter_behind: Some(totals.data.counter_behind),
        counter_ahead: Some(totals.data.counter_ahead),
        not_judged: not_judged.collect(),
    }
}

/// What is certain beside what depends on the nodes: what is proven counts whatever is unknown.
const fn beside(certain: u64, settled: Option<u64>) -> Option<u64> {
    match settled {
        Some(more) => Some(certain + more),
        None if certain > 0 => Some(certain),
        None => None,
    }
}

/// The measure that counts violations of this kind, among those that depend on what nodes did.
const fn measure(kind: ViolationKind) -> &'static str {
    match kind {
        ViolationKind::FalseMiss => "false_misses",
        ViolationKind::Contradiction => "contradictions",
        _ => "acknowledged_but_lost",
    }
}

/// What was not judged because of what the nodes did with their data, one sentence each.
pub(super) fn not_judged(settled: &load::Settled) -> Vec<String> {
    let unknown = settled.not_judged.iter();
    let unknown = unknown.map(|(kind, why)| format!("{} not judged: {why}", measure(*kind)));
    settled.notes.iter().cloned().chain(unknown).collect()
}

const fn late_write(write: &load::LateWrite) -> LateWrite {
    let load::LateWrite { node, begun, reads } = *write;
    LateWrite { node, begun, reads }
}

/// What calibration found, or that there was none.
pub(super) fn calibration(checks: Result<Vec<Check>, RunError>) -> Vec<CalibrationCheck> {
    let fact = |check: Check| CalibrationCheck {
        name: check.name.to_owned(),
        expected: check.expected,
        measured: check.measured,
        pass: check.pass,
    };
    match checks {
        Ok(checks) => checks.into_iter().map(fact).collect(),
        Err(error) => vec![CalibrationCheck {
            name: "a node to calibrate on".to_owned(),
            expected: "that it comes up".to_owned(),
            measured: error.to_string(),
            pass: false,
        }],
    }
}

/// How the harness itself fared.
pub(super) fn harness(
    noise: Noise,
    calibration: Vec<CalibrationCheck>,
    limits: Vec<String>,
    closed: &Closed,
) -> HarnessTotals {
    HarnessTotals {
        timer_delay: noise.timer_delay_us_max.map(|max| DelayUs {
            p50: None,
            p99: noise.timer_delay_us_p99,
            max: Some(max),
        }),
        cpu_pressure: noise.cpu_pressure,
        stalls: noise.stalls,
        calibration,
        limits,
        tasks: match closed {
            Closed::Clean => TaskEnd::Clean,
            Closed::Leaked { tasks } => TaskEnd::Leaked(*tasks),
            Closed::Panicked { task } => TaskEnd::Panicked(task.clone()),
        },
    }
}

/// What became of every fault.
pub(super) fn faults(records: &[FaultRecord]) -> Vec<FaultInput> {
    let fault = |record: &FaultRecord| FaultInput {
        name: record.name.clone(),
        kind: record.kind.clone(),
        nodes: record.nodes.clone(),
        parameters: record.parameters.clone(),
        applied: record.applied_at,
        healed: record.healed_at,
        operations_touched: record.touched,
    };
    records.iter().map(fault).collect()
}
