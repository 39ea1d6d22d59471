//! Plain data from one part in the words of another: what the recorder must not ask for by name.

use super::RunError;
use super::sink::ActiveFaults;
use crate::client::NodeSnapshot;
use crate::event::{
    CalibrationCheck, ClosedConnections, DataTotals, FaultRecord, NotJudged, ViolationKind,
};
use crate::judge::Measure;
use crate::judge::measure::data::{
    ACKNOWLEDGED_BUT_LOST, ALL as DATA, CONTRADICTIONS, COUNTER_AHEAD, COUNTER_BEHIND,
    DOUBLE_APPLIED, FALSE_MISSES,
};
use crate::lab::Lab;
use crate::lab::backend::NodeInfo;
use crate::load;
use crate::proxy::TapSnapshot;
use crate::record::{ForeignTraffic, NodeInput, NodeLive, WireTotals};

/// Every node as it is now, as far as the client tells; of one that does not, what the proxies see.
pub(super) fn live(
    lab: &Lab,
    snapshots: Option<&[NodeSnapshot]>,
    active: &ActiveFaults,
    wire_only: bool,
) -> Vec<NodeLive> {
    let told = |node: &NodeSnapshot| NodeLive {
        connections: Some(node.connections),
        requests: None,
        dialled: Some(node.connections.dialled),
        open: Some(node.connections.open),
        breaker: Some(node.breaker),
        active_faults: active.on(node.node),
    };
    let seen = |info: &NodeInfo| {
        let tap = lab.proxies().tap(&info.node.to_string()).ok();
        NodeLive {
            connections: None,
            requests: tap.as_ref().filter(|_| wire_only).map(TapSnapshot::requests),
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

/// Every node at the end, as the client tells.
pub(super) fn nodes(
    info: &[NodeInfo],
    snapshots: &[NodeSnapshot],
    settled: &load::Settled,
) -> Vec<NodeInput> {
    let node = |(info, snapshot): (&NodeInfo, &NodeSnapshot)| NodeInput {
        connections: closed(snapshot),
        requests_sent: Some(snapshot.requests_sent),
        requests_unanswered: snapshot.unanswered,
        false_misses: settled.misses.get(info.node.position()).copied().flatten(),
        breaker_opens: Some(snapshot.breaker_opens),
        open_time: Some(snapshot.open_time),
    };
    info.iter().zip(snapshots).map(node).collect()
}

fn closed(snapshot: &NodeSnapshot) -> ClosedConnections {
    let causes = snapshot.closed.iter();
    ClosedConnections {
        opened: snapshot.connections.opened,
        closed: causes.map(|(cause, count)| (cause.name().to_owned(), *count)).collect(),
        poisoned: snapshot.connections.poisoned,
        high_water: snapshot.connections.high_water,
    }
}

/// What runs a node, as reports say it: `memcached 1.6.18`.
pub(super) fn backend(info: &NodeInfo) -> String {
    format!("{} {}", info.backend, info.version)
}

/// What the oracle counted, settled with what the nodes did with their data, and with what could be
/// read at the end.
pub(super) fn data(totals: &load::LoadTotals, settled: &load::Settled) -> DataTotals {
    let data = totals.data.clone();
    let not_judged = not_judged(settled, &totals.audit);
    // What is proven counts whatever is unknown; none is none only where all of it was looked at.
    let judged = |measure: &Measure, count: Option<u64>| {
        let unknown = not_judged.iter().any(|not| not.measure == measure.name);
        count.filter(|count| *count > 0 || !unknown)
    };
    // What was gone is no violation before it is known what the nodes did with it.
    let settle = |seen: Option<u64>, gone: fn(&load::Gone) -> u64, proven: Option<u64>| {
        let gone: u64 = totals.gone.iter().map(gone).sum();
        seen.map(|seen| seen - gone + proven.unwrap_or_default())
    };
    let lost = settle(data.acknowledged_but_lost, |gone| gone.lost, settled.lost);
    let contradictions =
        settle(data.contradictions, |gone| gone.contradictions, settled.contradictions);
    DataTotals {
        false_misses: settled.false_misses,
        acknowledged_but_lost: judged(&ACKNOWLEDGED_BUT_LOST, lost),
        double_applied: judged(&DOUBLE_APPLIED, data.double_applied),
        contradictions: judged(&CONTRADICTIONS, contradictions),
        counter_behind: judged(&COUNTER_BEHIND, data.counter_behind),
        counter_ahead: judged(&COUNTER_AHEAD, data.counter_ahead),
        not_judged,
        ..data
    }
}

/// What a trace did to itself: writes of one key that came faster than they can be made.
pub(super) fn waited_turns(totals: &load::LoadTotals) -> Option<String> {
    let waited = totals.waited_turns;
    (waited > 0).then(|| {
        format!(
            "{waited} writes of the trace waited until another one of their key was over; their response time has that \
             in it"
        )
    })
}

/// What is known of data that nobody looked at, for this reason.
pub(super) fn unseen_data(reason: &str) -> DataTotals {
    let not_judged = DATA
        .iter()
        .map(|measure| NotJudged { measure: measure.name.to_owned(), reason: reason.to_owned() });
    DataTotals { not_judged: not_judged.collect(), ..DataTotals::default() }
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

/// What is not judged where clients have other lists of nodes than each other, or than at first.
pub(super) fn roams(lab: &Lab, faults: &[FaultRecord]) -> Option<String> {
    let of_list = |fault: &FaultRecord| ["join", "leave", "reorder"].contains(&fault.kind.as_str());
    let differ = lab.lists().len() > 1;
    (differ || faults.iter().any(of_list)).then(|| {
        "lists of nodes differed or changed: a miss at another node than the home of its key is not judged, nor \
         are counters, logs and tokens of keys that moved"
            .to_owned()
    })
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
