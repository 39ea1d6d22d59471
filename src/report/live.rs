//! What a person sees while a run goes on: one compact line for each interval, and one for each
//! event that changes how the next lines should be read.

use std::fmt::Write as _;

use super::line::{Line, Start};
use super::show;
use crate::base::name::NodeIndex;
use crate::event::{BreakerState, Event, EventKind, Outcome};
use crate::record::{Interval, IntervalNode};

/// A line of the stream for people; `None`: it is of use to programs only.
#[must_use]
pub fn show(line: &Line) -> Option<String> {
    match line {
        Line::Start(start) => Some(nodes(start)),
        Line::Interval(interval) => Some(self::line(interval)),
        Line::Event(event) => self::event(event),
        Line::Report(_) => None,
        Line::Skipped(skipped) => Some(format!("{} skipped: {}", skipped.scenario, skipped.reason)),
    }
}

fn nodes(start: &Start) -> String {
    let mut text = String::new();
    for node in &start.nodes {
        let (name, backend) = (node.name, &node.backend);
        // Writing into a String cannot fail.
        let _ = writeln!(
            text,
            "{name}: {backend} on {}, proxy on {}",
            node.address, node.proxy_address
        );
    }
    if start.network != "user" {
        let _ = writeln!(text, "the faults of the network are the {}'s own", start.network);
    }
    if let Some(api) = &start.api_address {
        let _ = writeln!(text, "control API on http://{api}");
    }
    text.truncate(text.trim_end().len());
    text
}

/// `  12.0s fault      n1: breaker closed -> open (5 of 5 failed within 1s)`
fn event(event: &Event) -> Option<String> {
    let text = match &event.kind {
        EventKind::Preloaded { stored, failed: 0 } => format!("{stored} keys stored"),
        EventKind::Preloaded { stored, failed } => {
            format!("{stored} keys stored, {failed} could not be")
        }
        EventKind::FaultApplied { fault, nodes, .. } => {
            format!("{fault} applied to {}", names(nodes))
        }
        EventKind::FaultHealed { fault, nodes, .. } => {
            format!("{fault} healed on {}", names(nodes))
        }
        EventKind::BreakerChanged { node, from, to, cause } => {
            format!("{node}: breaker {} -> {} ({cause})", from.name(), to.name())
        }
        EventKind::Process { node, change } => {
            format!("{node}: process {}", format!("{change:?}").to_lowercase())
        }
        EventKind::Noise { timer_delay_us } => {
            format!("noise: the machine woke a timer {} late", show::us(Some(*timer_delay_us)))
        }
        EventKind::Violation { kind, node, detail, .. } if kind.is_shown_at_once() => {
            format!("{node}: {detail}")
        }
        EventKind::Trouble { detail } => format!("trouble: {detail}"),
        _ => return None,
    };
    Some(format!("{:>6.1}s {:<8} {text}", event.at_s, event.phase.name()))
}

fn names(nodes: &[NodeIndex]) -> String {
    nodes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Time, phase, throughput, errors, percentiles, then each node with its connections, its breaker
/// unless that is closed, and the faults on it: `... p99 100ms | n1 0c OPEN !refuse | n2 8c`.
#[must_use]
pub fn line(interval: &Interval) -> String {
    let wire: Option<Vec<_>> = interval.nodes.iter().map(|node| node.wire).collect();
    if let Some(wire) = wire.filter(|wire| !wire.is_empty()) {
        let requests: u64 = wire.iter().map(|wire| wire.requests).sum();
        return on_the_wire(interval, requests);
    }
    let mut line = format!(
        "{:>6.1}s {:<8} {:>8} err {:>7}",
        interval.at_s,
        interval.phase.name(),
        show::per_second(interval.throughput_per_s),
        show::percent(interval.error_ratio),
    );
    // Writing into a String cannot fail, here and below.
    if let Some(time) = &interval.response_time_us {
        let (p50, p95, p99) = (show::us(time.p50), show::us(time.p95), show::us(time.p99));
        let _ = write!(line, "  p50 {p50:>7} p95 {p95:>7} p99 {p99:>7}");
    }
    let bad = Outcome::all().filter(|outcome| outcome.is_bad_data());
    let bad: u64 = bad.filter_map(|outcome| interval.outcomes.get(outcome.name())).sum();
    if bad > 0 {
        let _ = write!(line, "  {bad} WRONG");
    }
    for node in &interval.nodes {
        line.push_str(" | ");
        line.push_str(&one(node));
    }
    line
}

/// Of a command: `  12.0s fault      1200/s | n1 8c 400/s !slow | n2 8c 800/s`.
fn on_the_wire(interval: &Interval, requests: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    let rate = |requests: u64| {
        let length = interval.length_s;
        show::per_second((length > 0.0).then(|| requests as f64 / length))
    };
    let (at_s, phase) = (interval.at_s, interval.phase.name());
    let mut line = format!("{at_s:>6.1}s {phase:<8} {:>8}", rate(requests));
    for node in &interval.nodes {
        let wire = node.wire.unwrap_or_default();
        // Writing into a String cannot fail.
        let _ =
            write!(line, " | {} {}c {}", node.name, show::count(wire.open), rate(wire.requests));
        node.active_faults.iter().for_each(|fault| line.push_str(&format!(" !{fault}")));
    }
    line
}

/// `n1 8c`, with the breaker when it is not closed and the faults when there are some.
fn one(node: &IntervalNode) -> String {
    let mut text = node.name.to_string();
    if let Some(connections) = node.connections {
        let _ = write!(text, " {}c", connections.open);
    }
    match node.breaker {
        None | Some(BreakerState::Closed) => {}
        Some(BreakerState::Open) => text.push_str(" OPEN"),
        Some(BreakerState::HalfOpen) => text.push_str(" half-open"),
    }
    for fault in &node.active_faults {
        let _ = write!(text, " !{fault}");
    }
    text
}
