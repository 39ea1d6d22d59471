//! One compact line for each interval, while a run goes on.

use std::fmt::Write as _;

use super::show;
use crate::event::BreakerState;
use crate::record::{Interval, IntervalNode};

/// Time, phase, throughput, errors, percentiles, then each node with its connections, its breaker
/// unless that is closed, and the faults on it: `... p99 100ms | n1 0c OPEN !refuse | n2 8c`.
#[must_use]
pub fn line(interval: &Interval) -> String {
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
    let bad: u64 =
        ["wrong", "corrupt"].iter().filter_map(|name| interval.outcomes.get(*name)).sum();
    if bad > 0 {
        let _ = write!(line, "  {bad} WRONG");
    }
    for node in &interval.nodes {
        line.push_str(" | ");
        line.push_str(&one(node));
    }
    line
}

/// `n1 8c`, with the breaker when it is not closed and the faults when there are some.
fn one(node: &IntervalNode) -> String {
    let mut text = format!("{} {}c", node.name, node.connections.open);
    match node.breaker {
        BreakerState::Closed => {}
        BreakerState::Open => text.push_str(" OPEN"),
        BreakerState::HalfOpen => text.push_str(" half-open"),
    }
    for fault in &node.active_faults {
        let _ = write!(text, " !{fault}");
    }
    text
}
