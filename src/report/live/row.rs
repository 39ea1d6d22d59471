//! An interval as a row of a table, with the heads of its columns.

use crate::event::BreakerState;
use crate::record::{Interval, IntervalNode};
use crate::report::columns::{COLUMNS, cut};
use crate::report::show;

/// Nodes that have a column of their own; of more there is the sum, and those with something to say.
const NODES_MAX: usize = 3;

/// What stands above the rows, and what the marks in them mean.
pub(super) fn heads(interval: &Interval) -> String {
    let mut line = if requests(interval).is_some() {
        format!("{:>7} {:<9}{:>9}", "time", "phase", "asked/s")
    } else {
        let [time, phase, rate, errors] = ["time", "phase", "ops/s", "errors"];
        format!("{time:>7} {phase:<9}{rate:>7}{errors:>8}{:>8}{:>8}{:>8}", "p50", "p95", "p99")
    };
    if interval.nodes.len() <= NODES_MAX {
        interval
            .nodes
            .iter()
            .for_each(|node| line.push_str(&format!("{:>7}", node.name.to_string())));
    } else {
        line.push_str("  nodes");
    }
    format!("{line}\n{:>COLUMNS$}", "nodes: open connections, ! fault, x breaker open, ~ half open")
}

/// The row of an interval.
pub(super) fn row(interval: &Interval) -> String {
    let (at_s, phase) = (interval.at_s, interval.phase.name());
    let mut line = format!("{at_s:>6.1}s {phase:<9}");
    if let Some(requests) = requests(interval) {
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
        let rate = (interval.length_s > 0.0).then(|| requests as f64 / interval.length_s);
        line.push_str(&format!("{:>9}", whole(rate)));
    } else {
        let time = interval.response_time_us;
        let [p50, p95, p99] = time.map_or([None; 3], |time| [time.p50, time.p95, time.p99]);
        let [p50, p95, p99] = [p50, p95, p99].map(show::us);
        let errors = show::percent(interval.error_ratio);
        let rate = whole(interval.throughput_per_s);
        line.push_str(&format!("{rate:>7}{errors:>8}{p50:>8}{p95:>8}{p99:>8}"));
    }
    let left = COLUMNS.saturating_sub(line.chars().count());
    line + &nodes(&interval.nodes, left)
}

/// What all proxies were asked, where calls are somebody else's.
fn requests(interval: &Interval) -> Option<u64> {
    let wire: Option<Vec<_>> = interval.nodes.iter().map(|node| node.wire).collect();
    let wire = wire.filter(|wire| !wire.is_empty())?;
    Some(wire.iter().map(|wire| wire.requests).sum())
}

fn whole(rate: Option<f64>) -> String {
    rate.map_or_else(show::dash, |rate| format!("{rate:.0}"))
}

fn nodes(nodes: &[IntervalNode], columns: usize) -> String {
    if nodes.len() <= NODES_MAX {
        return nodes.iter().map(|node| format!("{:>7}", one(node))).collect();
    }
    let open: Option<u64> = nodes.iter().map(connections).sum();
    let mut told = format!("  {}", open.map_or_else(show::dash, |open| open.to_string()));
    for node in nodes.iter().filter(|node| !marks(node).is_empty()) {
        told.push_str(&format!(" {}:{}", node.name, one(node)));
    }
    cut(&told, columns)
}

fn connections(node: &IntervalNode) -> Option<u64> {
    node.wire.and_then(|wire| wire.open).or_else(|| node.connections.map(|it| it.open))
}

/// `28`, `0!x`.
fn one(node: &IntervalNode) -> String {
    let open = connections(node);
    open.map_or_else(show::dash, |open| open.to_string()) + &marks(node)
}

fn marks(node: &IntervalNode) -> String {
    let fault = if node.active_faults.is_empty() { "" } else { "!" };
    let breaker = match node.breaker {
        None | Some(BreakerState::Closed) => "",
        Some(BreakerState::Open) => "x",
        Some(BreakerState::HalfOpen) => "~",
    };
    format!("{fault}{breaker}")
}
