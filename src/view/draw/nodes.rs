//! The nodes: how fast, how slow, connections, breaker, and what is broken at each.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::Scene;
use super::look::Tone;
use crate::event::BreakerState;
use crate::record::{Interval, IntervalNode};
use crate::report::show::{percent, us};

pub(super) fn draw(scene: Scene<'_>, area: Rect, buffer: &mut Buffer) {
    let heads = row(["node", "rate/s", "p99", "errors", "conns", "breaker"].map(str::to_owned));
    scene.put(buffer, area, (0, 0), &format!("{heads} faults"), Tone::Faint);
    let Some(last) = &scene.model.last else { return };
    let rows = usize::from(area.height.saturating_sub(1));
    // Where there are more than rows, those with something to say go before.
    let mut nodes: Vec<&IntervalNode> = last.nodes.iter().collect();
    if nodes.len() > rows {
        nodes.sort_by_key(|node| is_well(node));
    }
    for (node, y) in nodes.iter().take(rows).zip(1..) {
        let by_hand = scene.model.touches.iter().filter(|touch| touch.node == node.name);
        let by_hand = by_hand.map(|touch| touch.what().name.to_owned());
        let faults: Vec<String> = node.active_faults.iter().cloned().chain(by_hand).collect();
        let mark = if is_well(node) && faults.is_empty() { "✓" } else { "!" };
        let tone = if is_well(node) && faults.is_empty() { Tone::Plain } else { Tone::Doubt };
        let text = format!("{} {} {}", cells(last, node), mark, faults.join(", "));
        scene.put(buffer, area, (0, y), &text, tone);
    }
    let more = nodes.len().saturating_sub(rows);
    if more > 0 {
        let text = format!("and {more} more");
        let x = area.width.saturating_sub(u16::try_from(text.len()).unwrap_or(0));
        scene.put(buffer, area, (x, 0), &text, Tone::Faint);
    }
}

fn is_well(node: &IntervalNode) -> bool {
    node.active_faults.is_empty() && matches!(node.breaker, None | Some(BreakerState::Closed))
}

fn cells(interval: &Interval, node: &IntervalNode) -> String {
    let dash = || "-".to_owned();
    let count = node.wire.map_or(node.operations, |wire| wire.requests);
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    let rate = (interval.length_s > 0.0).then(|| count as f64 / interval.length_s);
    let connections = match node.wire {
        Some(wire) => wire.open,
        None => node.connections.map(|it| it.open),
    };
    let errors = if node.wire.is_some() { dash() } else { percent(node.error_ratio) };
    row([
        node.name.to_string(),
        rate.map_or_else(dash, |rate| format!("{rate:.0}")),
        node.response_time_us
            .filter(|_| node.wire.is_none())
            .map_or_else(dash, |time| us(time.p99)),
        errors,
        connections.map_or_else(dash, |open| open.to_string()),
        node.breaker.map_or("-", BreakerState::name).replace('_', " "),
    ])
}

fn row([name, rate, time, errors, connections, breaker]: [String; 6]) -> String {
    format!("{name:<5}{rate:>7} {time:>7} {errors:>7} {connections:>5} {breaker:<9}")
}
