//! Rows of what passed on the wire, of connections, and of how the harness itself fared.

use maud::{Markup, html};

use super::{Row, plot, row};
use crate::base::name::NodeIndex;
use crate::event::{EventKind, Phase};
use crate::record::{IntervalNode, sum};
use crate::report::WireSeries;
use crate::report::chart::{Column, Plot, Scale};
use crate::report::format::html::{Shown, not_looked_at};
use crate::report::model::Report;
use crate::report::show;

/// Nodes with a line of their own; of more, those that were broken are one, and the others another.
const NODES_MAX: usize = 8;

/// Looks at the open connections that are drawn; of more, every second, third, ... is.
const LOOKS_MAX: usize = 1000;

/// Moments in which the harness was late that are drawn.
const LATE_MAX: usize = 500;

/// Nodes that are drawn as one.
pub(in crate::report::format::html) struct Group {
    name: String,
    nodes: Vec<NodeIndex>,
}

impl Group {
    /// What passed all of its nodes, in pieces of one length.
    pub(in crate::report::format::html) fn wire(
        &self,
        report: &Report,
        of: fn(&WireSeries) -> &[u64],
    ) -> Vec<u64> {
        let mut all: Vec<u64> = Vec::new();
        for series in series(report).filter(|series| self.nodes.contains(&series.node)) {
            let values = of(series);
            all.resize(all.len().max(values.len()), 0);
            for (sum, value) in all.iter_mut().zip(values) {
                *sum = sum.saturating_add(*value);
            }
        }
        all
    }
}

fn series(report: &Report) -> impl Iterator<Item = &WireSeries> {
    report.wire.iter().flat_map(|wire| &wire.series)
}

/// How long a piece of what passed is; `None`: nobody looked.
pub(in crate::report::format::html) fn wire_length(report: &Report) -> Option<f64> {
    series(report).map(|series| series.length_s).next()
}

/// The lines of the rows by node.
pub(in crate::report::format::html) fn groups(report: &Report) -> Vec<Group> {
    let nodes = report.nodes.iter().map(|node| node.name);
    if report.nodes.len() <= NODES_MAX {
        return nodes.map(|node| Group { name: node.to_string(), nodes: vec![node] }).collect();
    }
    let is_broken = |node: &NodeIndex| report.faults.iter().any(|it| it.nodes.contains(node));
    let (broken, others): (Vec<_>, Vec<_>) = nodes.partition(is_broken);
    let group = |name: &str, nodes: Vec<_>| {
        (!nodes.is_empty()).then(|| Group { name: format!("{} {name}", nodes.len()), nodes })
    };
    group("nodes with a fault", broken)
        .into_iter()
        .chain(group("nodes without one", others))
        .collect()
}

/// The colour of a group.
pub(in crate::report::format::html) fn group_class(place: usize) -> &'static str {
    ["s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7"][place % NODES_MAX]
}

fn keys(groups: &[Group]) -> Vec<(String, String)> {
    let key = |(place, group): (usize, &Group)| (group_class(place).to_owned(), group.name.clone());
    groups.iter().enumerate().map(key).collect()
}

/// When somebody looked at the open connections, and how many of each group there were.
pub(in crate::report::format::html) fn opened(shown: &Shown<'_>) -> Vec<(f64, Vec<Option<u64>>)> {
    let groups = groups(shown.report);
    let intervals = &shown.stored.intervals;
    let each = intervals.len().div_ceil(LOOKS_MAX).max(1);
    let look = |nodes: &[IntervalNode]| {
        let of = |group: &Group| {
            let own = nodes.iter().filter(|node| group.nodes.contains(&node.name));
            let open: Option<Vec<u64>> = own.map(open).collect();
            open.map(sum)
        };
        groups.iter().map(of).collect()
    };
    let looks = intervals.iter().skip(each - 1).step_by(each);
    looks.map(|interval| (interval.at_s, look(&interval.nodes))).collect()
}

fn open(node: &IntervalNode) -> Option<u64> {
    let told = node.connections.map(|connections| connections.open);
    told.or_else(|| node.wire.and_then(|wire| wire.open))
}

pub(super) fn rows(shown: &Shown<'_>) -> Markup {
    html! {
        (passed(shown.report, "requests", "Requests on the wire a second, by node", |it| &it.requests))
        (passed(shown.report, "connects", "Connections accepted a second, by node", |it| &it.connects))
        (connections(shown))
        (lateness(shown))
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn passed(report: &Report, id: &'static str, title: &str, of: fn(&WireSeries) -> &[u64]) -> Markup {
    let groups = groups(report);
    let drawing = match wire_length(report) {
        None if report.wire.is_none() => {
            not_looked_at("no proxy of ours was between client and nodes")
        }
        None => not_looked_at("the proxies counted, and did not note when"),
        Some(length_s) => {
            let length_s = length_s.max(0.001);
            let rates: Vec<Vec<f64>> = groups
                .iter()
                .map(|group| {
                    group.wire(report, of).iter().map(|it| *it as f64 / length_s).collect()
                })
                .collect();
            stacked(report, &rates, length_s, title)
        }
    };
    row(&Row {
        id,
        title,
        keys: &keys(&groups),
        drawing: &drawing,
        notes: &html! {
            @if id == "connects" { "Attempts that were refused, or that nobody answered, never reach a proxy and are not in it." }
        },
    })
}

/// Rates in pieces of one length from the start of the run, one upon the other.
#[expect(clippy::cast_precision_loss, reason = "a run has few pieces")]
fn stacked(report: &Report, rates: &[Vec<f64>], length_s: f64, title: &str) -> Markup {
    let count = rates.iter().map(Vec::len).max().unwrap_or_default();
    let mut low = vec![0.0; count];
    let mut layers: Vec<Vec<Column>> = Vec::new();
    for rates in rates {
        let columns = rates.iter().zip(&mut low).enumerate().map(|(place, (rate, low))| {
            let from = place as f64 * length_s;
            let column = Column { span_s: (from, from + length_s), low: *low, high: *low + rate };
            *low = column.high;
            column
        });
        layers.push(columns.collect());
    }
    let top = low.iter().copied().fold(1.0, f64::max);
    let mut plot = plot(report, Scale::Linear(top * 1.05));
    plot.grid_up_to(top, |rate| format!("{rate}/s"));
    for (place, columns) in layers.iter().enumerate() {
        plot.columns(columns, group_class(place));
    }
    plot.finish(title, 80)
}

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn connections(shown: &Shown<'_>) -> Markup {
    let report = shown.report;
    let groups = groups(report);
    let looks = opened(shown);
    let ends = looks.iter().skip(1).map(|(at_s, _)| *at_s).chain([report.duration_s]);
    let spans: Vec<(f64, f64)> = looks.iter().map(|(at_s, _)| *at_s).zip(ends).collect();
    let top = looks.iter().flat_map(|(_, open)| open).copied().flatten().max();
    let drawing = if let Some(top) = top {
        let top = (top as f64).max(1.0);
        let mut plot = plot(report, Scale::Linear(top * 1.05));
        plot.grid_up_to(top, |count| count.to_string());
        if let Some((first, _)) = looks.first() {
            plot.shade((0.0, *first), "unseen", "nobody had looked yet");
        }
        for place in 0..groups.len() {
            let values = looks.iter().map(|(_, open)| open[place].map(|it| it as f64));
            let points: Vec<_> = spans.iter().copied().zip(values).collect();
            plot.steps(&points, group_class(place));
        }
        plot.finish("Open connections by node", 80)
    } else {
        not_looked_at("neither the client nor a proxy told how many connections were open")
    };
    row(&Row {
        id: "open",
        title: "Open connections, by node",
        keys: &keys(&groups),
        drawing: &drawing,
        notes: &html! {
            "Somebody looks once an interval; each value stands from then until the next look."
        },
    })
}

/// When the harness was late, and by how many microseconds: stalls of the machine, and timers.
pub(in crate::report::format::html) fn late(shown: &Shown<'_>) -> Vec<(f64, u64)> {
    let stalls =
        shown.report.harness.stalls.first.iter().map(|stall| (stall.at_s, stall.length_us));
    let noise = shown.stored.events.iter().filter_map(|event| match event.kind {
        #[expect(clippy::cast_precision_loss, reason = "delays are far below 2^53 us")]
        EventKind::Noise { timer_delay_us } => {
            Some(((event.at_s - timer_delay_us as f64 / 1e6).max(0.0), timer_delay_us))
        }
        _ => None,
    });
    let mut late: Vec<(f64, u64)> = stalls.chain(noise).take(LATE_MAX).collect();
    late.sort_by(|one, other| one.0.total_cmp(&other.0));
    late
}

fn lateness(shown: &Shown<'_>) -> Markup {
    let report = shown.report;
    let harness = &report.harness;
    let drawing = match harness.stalls.count {
        None => not_looked_at("nobody watched the machine"),
        Some(0) => {
            html! { p.none { "The machine never stood still for 10 ms or longer after the warm-up." } }
        }
        Some(_) => stalls(report, &late(shown)),
    };
    row(&Row {
        id: "late",
        title: "The harness's own lateness",
        keys: &[("late".to_owned(), "the machine stood still".to_owned())],
        drawing: &drawing,
        notes: &html! {
            "Operations were issued " (show::us(harness.issue_delay_us.p99)) " late at p99, timers woke "
            (show::us(harness.timer_delay_us.p99)) " late at p99 and " (show::us(harness.timer_delay_us.max))
            " at worst. Drawn are moments of 10 ms or longer after the warm-up"
            @if let Some(more) = more(harness.stalls.count, harness.stalls.first.len()) { ", the first of them: " (more) " more are not drawn" }
            "."
        },
    })
}

fn more(count: Option<u64>, drawn: usize) -> Option<u64> {
    count?.checked_sub(drawn as u64).filter(|more| *more > 0)
}

#[expect(clippy::cast_precision_loss, reason = "delays are far below 2^53 us")]
fn stalls(report: &Report, late: &[(f64, u64)]) -> Markup {
    let top = late.iter().map(|(_, us)| *us as f64 / 1000.0).fold(1.0, f64::max);
    let mut plot: Plot = plot(report, Scale::Linear(top * 1.05));
    plot.grid_up_to(top, |ms| format!("{ms}ms"));
    if let Some(warmup) = report.phase(Phase::Warmup) {
        plot.shade((warmup.all.start_s, warmup.all.end_s), "unseen", "the warm-up is not judged");
    }
    let columns: Vec<Column> = late
        .iter()
        .map(|(at_s, us)| {
            let length_s = *us as f64 / 1e6;
            Column { span_s: (*at_s, at_s + length_s), low: 0.0, high: length_s * 1000.0 }
        })
        .collect();
    plot.columns(&columns, "late");
    plot.finish("Moments in which the machine stood still", 60)
}
