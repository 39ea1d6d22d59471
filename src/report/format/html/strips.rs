//! What was broken at each node, and what its breaker did about it: two lanes a node.

use maud::{Markup, html};

use super::rows::{Row, row};
use crate::base::name::NodeIndex;
use crate::event::BreakerState;
use crate::report::chart::{Plot, Scale};
use crate::report::model::{FaultReport, NodeReport, Report};

/// Nodes that are drawn: those that were broken before the others.
const NODES_MAX: usize = 24;
/// Changes of a breaker that are drawn; a breaker that flaps more often would be one block of colour.
const CHANGES_MAX: usize = 400;
/// How high a lane is, in pixels.
const LANE: usize = 13;

const KEYS: [(&str, &str); 4] = [
    ("under", "fault active"),
    ("closed", "breaker closed: calls pass"),
    ("open", "open: calls are rejected at once"),
    ("half_open", "half-open: a few probes pass"),
];

/// The nodes that are drawn, in their order.
pub(super) fn shown(report: &Report) -> Vec<&NodeReport> {
    let is_broken =
        |node: &&NodeReport| report.faults.iter().any(|it| it.nodes.contains(&node.name));
    let (broken, others): (Vec<_>, Vec<_>) = report.nodes.iter().partition(is_broken);
    let mut shown: Vec<&NodeReport> = broken.into_iter().chain(others).take(NODES_MAX).collect();
    shown.sort_by_key(|node| node.name);
    shown
}

pub(super) fn strips(report: &Report) -> Markup {
    let nodes = shown(report);
    let rows = nodes.len() * 2;
    let mut plot = Plot::new(report.duration_s, Scale::Linear(1.0));
    for (place, node) in nodes.iter().enumerate() {
        let at = place * 2;
        plot.name_rows(at, 2, rows, &node.name.to_string());
        for (span, label) in faults(report, node.name) {
            plot.bar((at, rows), span, "under", label);
        }
        for (span, state) in states(node, report.duration_s) {
            let label =
                format!("{} {} from {:.2} s to {:.2} s", node.name, state.name(), span.0, span.1);
            plot.bar((at + 1, rows), span, state.name(), &label);
        }
    }
    let silent = nodes.iter().all(|node| node.breaker.is_none());
    let more = report.nodes.len() - nodes.len();
    row(&Row {
        id: "nodes",
        title: "Faults and breakers by node",
        keys: &KEYS.map(|(class, name)| (class.to_owned(), name.to_owned())),
        drawing: &plot.finish(
            "For each node, when a fault was active and what its breaker was",
            rows.max(1) * LANE,
        ),
        notes: &html! {
            @if silent { "No client told what its breaker did, so only faults are drawn." }
            @if more > 0 { (more) " more nodes are in report.json." }
        },
    })
}

/// When a fault was active on the node, with its name.
pub(super) fn faults(report: &Report, node: NodeIndex) -> impl Iterator<Item = ((f64, f64), &str)> {
    let on_it = report.faults.iter().filter(move |fault| fault.nodes.contains(&node));
    on_it.filter_map(|fault| Some((span(report, fault)?, fault.name.as_str())))
}

/// When a fault was active; `None`: never.
pub(super) fn span(report: &Report, fault: &FaultReport) -> Option<(f64, f64)> {
    Some((fault.applied_at_s?, fault.healed_at_s.unwrap_or(report.duration_s)))
}

/// The states of a breaker, one after the other over the whole run; none where nobody said.
pub(super) fn states(node: &NodeReport, end_s: f64) -> Vec<((f64, f64), BreakerState)> {
    let Some(breaker) = &node.breaker else { return Vec::new() };
    let mut states = Vec::new();
    let mut known = (0.0, BreakerState::Closed);
    for change in breaker.transitions.iter().take(CHANGES_MAX) {
        states.push(((known.0, change.at_s), known.1));
        known = (change.at_s, change.to);
    }
    let end_s = breaker.transitions.get(CHANGES_MAX).map_or(end_s, |change| change.at_s);
    states.push(((known.0, end_s), known.1));
    states
}
