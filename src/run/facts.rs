//! Plain data from one part in the words of another: what the recorder must not ask for by name.

use std::collections::BTreeMap;

use super::RunError;
use super::noise::Noise;
use super::sink::ActiveFaults;
use crate::base::scope::Closed;
use crate::client::{ConnectionCounts, NodeSnapshot};
use crate::event::{CalibrationCheck, CloseCause, DataTotals, DelayUs, NotJudged, ViolationKind};
use crate::judge::Measure;
use crate::judge::measure::data::{
    ACKNOWLEDGED_BUT_LOST, CONTRADICTIONS, COUNTER_AHEAD, COUNTER_BEHIND, DOUBLE_APPLIED,
    FALSE_MISSES,
};
use crate::lab::Lab;
use crate::lab::backend::NodeInfo;
use crate::load;
use crate::proxy::TapSnapshot;
use crate::record::{
    Connections, ForeignTraffic, HarnessTotals, NodeInput, NodeLive, TaskEnd, WireTotals,
};

/// Every node as it is now, as far as the client tells; of one that does not, what the proxies see.
pub(super) fn live(
    lab: &Lab,
    snapshots: Option<&[NodeSnapshot]>,
    active: &ActiveFaults,
) -> Vec<NodeLive> {
    let told = |node: &NodeSnapshot| NodeLive {
        connections: Some(connections(&node.connections)),
        dialled: Some(node.connections.dialled),
        open: Some(node.connections.open),
        breaker: Some(node.breaker),
        active_faults: active.on(node.node),
    };
    let seen = |info: &NodeInfo| {
        let tap = lab.proxies().tap(&info.node.to_string()).ok();
        NodeLive {
            connections: None,
            dialled: tap.as_ref().map(dialled),
            open: tap.as_ref().map(|tap| tap.open),
            breaker: None,
            active_faults: active.on(info.node),
        }
    };
    match snapshots {
        Some(nodes) => nodes.iter().map(told).collect(),
        None => lab.info().iter().map(seen).collect(),
    }
}

/// Attempts to connect that a proxy has seen: one that the system refuses, or nobody answers, it has not.
pub(super) fn dialled(tap: &TapSnapshot) -> u64 {
    tap.opened + tap.refused.unwrap_or_default()
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

/// Every node at the end, as the client tells.
pub(super) fn nodes(
    info: &[NodeInfo],
    snapshots: &[NodeSnapshot],
    settled: &load::Settled,
) -> Vec<NodeInput> {
    let node = |(info, snapshot): (&NodeInfo, &NodeSnapshot)| NodeInput {
        opened: snapshot.connections.opened,
        closed: closed(&snapshot.connections),
        poisoned: snapshot.connections.poisoned,
        high_water: snapshot.connections.high_water,
        requests_sent: Some(snapshot.requests_sent),
        requests_unanswered: snapshot.unanswered,
        false_misses: settled.misses.get(info.node.position()).copied().flatten(),
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

/// What the oracle counted, settled with what the nodes did with their data, and with what could be
/// read at the end.
pub(super) fn data(totals: &load::LoadTotals, settled: &load::Settled) -> DataTotals {
    let gone = |count: fn(&load::Gone) -> u64| totals.gone.iter().map(count).sum::<u64>();
    let data = &totals.data;
    let lost = data.acknowledged_but_lost - gone(|gone| gone.lost);
    let contradictions = data.contradictions - gone(|gone| gone.contradictions);
    let not_judged = not_judged(settled, &totals.audit);
    // What is proven counts whatever is unknown; none is none only where all of it was looked at.
    let judged = |measure: &Measure, count: u64| {
        let unknown = not_judged.iter().any(|not| not.measure == measure.name);
        (count > 0 || !unknown).then_some(count)
    };
    DataTotals {
        wrong: Some(data.wrong),
        corrupt: Some(data.corrupt),
        stale: Some(data.stale),
        stale_by_late_write: Some(data.stale_by_late_write),
        late_writes: data.late_writes.clone(),
        stale_unacknowledged: Some(data.stale_unacknowledged),
        false_misses: settled.false_misses,
        acknowledged_but_lost: judged(
            &ACKNOWLEDGED_BUT_LOST,
            lost + settled.lost.unwrap_or_default(),
        ),
        double_applied: judged(&DOUBLE_APPLIED, data.double_applied),
        foreign: Some(data.foreign),
        contradictions: judged(
            &CONTRADICTIONS,
            contradictions + settled.contradictions.unwrap_or_default(),
        ),
        counter_behind: judged(&COUNTER_BEHIND, data.counter_behind),
        counter_ahead: judged(&COUNTER_AHEAD, data.counter_ahead),
        not_judged,
    }
}

fn not_judged(settled: &load::Settled, audit: &load::Audit) -> Vec<NotJudged> {
    let unsettled = settled.not_judged.iter().map(|(kind, reason)| {
        let measure = match kind {
            ViolationKind::FalseMiss => FALSE_MISSES,
            ViolationKind::Contradiction => CONTRADICTIONS,
            _ => ACKNOWLEDGED_BUT_LOST,
        };
        (measure.name, reason.clone())
    });
    let unread = [
        (audit.counters, "counters", &[ACKNOWLEDGED_BUT_LOST, COUNTER_BEHIND, COUNTER_AHEAD][..]),
        (audit.registers, "registers", &[ACKNOWLEDGED_BUT_LOST]),
        (audit.logs, "logs", &[ACKNOWLEDGED_BUT_LOST, DOUBLE_APPLIED]),
    ];
    let unread = unread.into_iter().filter(|(count, _, _)| *count > 0);
    let unread = unread.flat_map(|(count, what, measures)| {
        let reason = format!("{count} {what} could not be read at the end");
        measures.iter().map(move |measure| (measure.name, reason.clone()))
    });
    unsettled
        .chain(unread)
        .map(|(measure, reason)| NotJudged { measure: measure.to_owned(), reason })
        .collect()
}

/// What was not judged, and what was put down to the nodes, one sentence each.
pub(super) fn data_limits(data: &DataTotals, settled: &load::Settled) -> Vec<String> {
    let unknown = data.not_judged.iter();
    let unknown = unknown.map(|not| format!("{} not judged in full: {}", not.measure, not.reason));
    settled.notes.iter().cloned().chain(unknown).collect()
}

/// Whose traffic passed the proxies beside the run's own, when any did.
pub(super) fn foreign(wire: &WireTotals) -> Option<String> {
    let ForeignTraffic { connections, requests, clients } = wire.foreign.as_ref()?;
    (*connections > 0).then(|| {
        format!(
            "{requests} requests on {connections} connections through the proxies were not this run's (from {}); \
             no figure counts them",
            clients.join(", ")
        )
    })
}

/// What calibration found, or that there was none.
pub(super) fn calibration(
    checks: Result<Vec<CalibrationCheck>, RunError>,
) -> Vec<CalibrationCheck> {
    checks.unwrap_or_else(|error| {
        vec![CalibrationCheck {
            name: "a node to calibrate on".to_owned(),
            expected: "that it comes up".to_owned(),
            measured: error.to_string(),
            pass: false,
        }]
    })
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
