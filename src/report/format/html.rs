//! One page that needs nothing else: figures, and charts on one time axis.

use std::fmt::Write as _;

use maud::{Markup, html};

use super::page::page;
use super::{Format, largest_first};
use crate::event::{BreakerState, Event, EventKind, Outcome};
use crate::record::sum;
use crate::report::chart::{Chart, Scale, round_step};
use crate::report::model::{NodeReport, PieceReport, PieceTimes, Report};
use crate::report::stored::{REPORT_PAGE, Stored};
use crate::report::{pieces, show};

pub(super) const FORMAT: Format = Format {
    name: "html",
    summary: "one page with charts, without anything from elsewhere",
    file: Some(REPORT_PAGE),
    render,
};

/// What is stacked, from the bottom: the class of its colour, and which outcomes it holds.
const LAYERS: [(&str, &str); 5] = [
    ("good", "good"),
    ("shed", "shed"),
    ("failed", "failed"),
    ("lost", "hung or never issued"),
    ("wrong", "wrong, corrupt, stale, falsely missing, foreign or contradicting"),
];

/// Messages on the wire before a violation that a mark tells of; all are in the JSON.
const MESSAGES_MAX: usize = 12;
/// Violations that are marked; more would be one block of colour.
const MARKS_MAX: usize = 500;

/// What the chart of wrong data stacks: the class of its colour, the outcome, its name.
const BAD: [(&str, Outcome, &str); 6] = [
    ("wrong", Outcome::Wrong, "wrong"),
    ("corrupt", Outcome::Corrupt, "corrupt"),
    ("stale", Outcome::Stale, "stale"),
    ("missed", Outcome::FalseMiss, "falsely missing"),
    ("foreign", Outcome::Foreign, "of another run"),
    ("contradiction", Outcome::Contradiction, "contradicting"),
];

fn render(run: &Stored) -> String {
    let report = &run.report;
    let verdict = report.verdict.name();
    let title = format!("{}: {verdict}", report.scenario);
    page(
        &title,
        &html! {
            h1 { span class={ "verdict " (verdict) } { (verdict) } " " (report.scenario) }
            ul { @for reason in &report.reasons { li { (reason) } } }
            p { "network: " (report.network) }
            @if super::witness::command(report).is_none() { (charts(run)) }
            h2 { "Figures" }
            pre { (super::text::render(report, false).as_str()) }
        },
    )
}

fn charts(run: &Stored) -> Markup {
    let report = &run.report;
    let coarse = || pieces::of_intervals(&run.intervals);
    let pieces = if report.pieces.is_empty() { coarse() } else { report.pieces.clone() };
    html! {
        h2 { "Operations a second" }
        (throughput(report, &pieces))
        (legend(LAYERS.into_iter().chain([("fault", "fault active")])))
        @if let Some(chart) = latency(report, &pieces) {
            h2 { "Response time" }
            (chart)
            (legend(PERCENTILES.map(|(class, _)| (class, class))))
        }
        h2 { "Breakers and faults by node" }
        (nodes(report))
        (legend(STATES))
        @if let Some(chart) = violations(run, &pieces) {
            h2 { "Data that was not right" }
            (chart)
            (legend(BAD.map(|(class, outcome, name)| {
                let count = sum(pieces.iter().map(|piece| piece.count(outcome)));
                (class, format!("{count} {name}"))
            })))
            p { "The marks are the first of each kind, with their evidence." }
        }
    }
}

/// What the colours of a chart mean: the class of each, and its name.
fn legend<N: maud::Render>(names: impl IntoIterator<Item = (&'static str, N)>) -> Markup {
    html! {
        p.legend { @for (class, name) in names { span class=(class) {} " " (name) " " } }
    }
}

/// Faults behind everything, phases as lines.
fn background(chart: &mut Chart, report: &Report) {
    for fault in &report.faults {
        if let Some(from) = fault.applied_at_s {
            let to = fault.healed_at_s.unwrap_or(report.duration_s);
            chart.shade(from, to, "fault", &format!("{} ({})", fault.name, fault.kind));
        }
    }
    for phase in &report.phases {
        chart.mark(phase.all.start_s, "phase", phase.all.name.name());
    }
}

fn throughput(report: &Report, pieces: &[PieceReport]) -> Markup {
    let rates: Vec<[f64; 5]> = pieces.iter().map(layers).collect();
    let top = rates.iter().map(|rates| rates.iter().sum::<f64>()).fold(1.0, f64::max);
    let mut chart =
        Chart::new("Operations a second", report.duration_s, 180.0, Scale::Linear(top * 1.05));
    background(&mut chart, report);
    let step = round_step(top / 4.0);
    let mut value = 0.0;
    while value <= top {
        chart.grid(value, &format!("{value}/s"));
        value += step;
    }
    for (piece, rates) in pieces.iter().zip(&rates) {
        let mut low = 0.0;
        for ((class, _), rate) in LAYERS.iter().zip(rates) {
            chart.column(span(piece), low, low + rate, class);
            low += rate;
        }
        chart.hover(span(piece), &label(piece));
    }
    chart.finish()
}

fn span(piece: &PieceReport) -> (f64, f64) {
    (piece.at_s, piece.at_s + piece.length_s)
}

/// `12.3s fault: 150 hit, 3 shed; p50 120us p99 1.2ms max 3ms`
fn label(piece: &PieceReport) -> String {
    let mut label =
        format!("{:.1}s {}: {}", piece.at_s, piece.phase, largest_first(&piece.outcomes));
    if let Some(time) = &piece.response_time_us {
        let (p50, p99, max) = (show::us(time.p50), show::us(time.p99), show::us(time.max));
        // Writing into a String cannot fail.
        let _ = write!(label, "; p50 {p50} p99 {p99} max {max}");
    }
    label
}

/// The rate of each layer in one piece.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn layers(piece: &PieceReport) -> [f64; 5] {
    let mut counts = [0_u64; 5];
    for (name, count) in &piece.outcomes {
        let layer = Outcome::named(name).map_or(0, layer);
        counts[layer] = counts[layer].saturating_add(*count);
    }
    counts.map(|count| count as f64 / piece.length_s.max(0.001))
}

/// The layer that holds an outcome.
fn layer(outcome: Outcome) -> usize {
    match outcome {
        Outcome::Shed => 1,
        Outcome::Error(_) | Outcome::Indeterminate(_) => 2,
        Outcome::Hung | Outcome::LostSlot => 3,
        bad if BAD.iter().any(|(_, known, _)| *known == bad) => 4,
        _ => 0,
    }
}

/// What is shown of a node: the class of its colour, its name.
const STATES: [(&str, &str); 4] =
    [("closed", "closed"), ("open", "open"), ("half_open", "half-open"), ("under", "fault")];

type Percentile = fn(&PieceTimes) -> Option<u64>;

const PERCENTILES: [(&str, Percentile); 4] = [
    ("p50", |time| time.p50),
    ("p95", |time| time.p95),
    ("p99", |time| time.p99),
    ("max", |time| time.max),
];

/// `None` for a closed loop, which has no response times.
#[expect(clippy::cast_precision_loss, reason = "latencies are far below 2^53 us")]
fn latency(report: &Report, pieces: &[PieceReport]) -> Option<Markup> {
    let times = || pieces.iter().filter_map(|piece| piece.response_time_us);
    let highest = times().filter_map(|time| time.max).max()? as f64;
    let lowest = times().filter_map(|time| time.p50).min().unwrap_or(1) as f64;
    let low = 10_f64.powf(lowest.max(1.0).log10().floor());
    let high = 10_f64.powf(highest.max(low * 10.0).log10().ceil());
    let mut chart = Chart::new("Response time", report.duration_s, 220.0, Scale::Log(low, high));
    background(&mut chart, report);
    let mut decade = low;
    while decade <= high {
        chart.grid(decade, &crate::judge::show_us(decade));
        decade *= 10.0;
    }
    for (class, percentile) in PERCENTILES {
        let points: Vec<(f64, Option<f64>)> = pieces
            .iter()
            .map(|piece| {
                let value = piece.response_time_us.as_ref().and_then(percentile);
                (piece.at_s + piece.length_s / 2.0, value.map(|us| us as f64))
            })
            .collect();
        chart.line(&points, class);
    }
    for piece in pieces {
        chart.hover(span(piece), &label(piece));
    }
    Some(chart.finish())
}

/// Two rows a node: its breaker, and the faults on it.
fn nodes(report: &Report) -> Markup {
    let rows = report.nodes.len() * 2;
    #[expect(clippy::cast_precision_loss, reason = "a chart has a few rows")]
    let height = rows.max(1) as f64 * 14.0;
    let mut chart = Chart::new("Breakers", report.duration_s, height, Scale::Linear(1.0));
    for (index, node) in report.nodes.iter().enumerate() {
        let row = (index * 2, rows);
        chart.row_label(row, &node.name.to_string());
        for (span, state) in states(node, report.duration_s) {
            let label =
                format!("{} {} from {:.2} s to {:.2} s", node.name, state.name(), span.0, span.1);
            chart.bar(row, span, state.name(), &label);
        }
        for fault in report.faults.iter().filter(|fault| fault.nodes.contains(&node.name)) {
            if let Some(from) = fault.applied_at_s {
                let to = fault.healed_at_s.unwrap_or(report.duration_s);
                let label = format!("{} ({})", fault.name, fault.kind);
                chart.bar((index * 2 + 1, rows), (from, to), "under", &label);
            }
        }
    }
    chart.finish()
}

/// The states of a breaker, one after the other over the whole run; none where nobody said.
fn states(node: &NodeReport, end_s: f64) -> Vec<((f64, f64), BreakerState)> {
    let Some(breaker) = &node.breaker else { return Vec::new() };
    let mut states = Vec::new();
    let mut known = (0.0, BreakerState::Closed);
    for change in &breaker.transitions {
        states.push(((known.0, change.at_s), known.1));
        known = (change.at_s, change.to);
    }
    states.push(((known.0, end_s), known.1));
    states
}

/// How much wrong data there was in each piece, all of it, and a mark with its evidence for each
/// violation that was kept; `None` when there was none.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn violations(run: &Stored, pieces: &[PieceReport]) -> Option<Markup> {
    let of = |piece: &PieceReport| BAD.map(|(_, outcome, _)| piece.count(outcome));
    let top = pieces.iter().map(|piece| sum(of(piece))).max().unwrap_or_default();
    let marks = || run.events.iter().filter_map(mark).take(MARKS_MAX);
    if top == 0 && marks().next().is_none() {
        return None;
    }
    let scale = Scale::Linear((top as f64 * 1.05).max(1.0));
    let mut chart = Chart::new("Violations", run.report.duration_s, 60.0, scale);
    background(&mut chart, &run.report);
    chart.grid(top as f64, &top.to_string());
    for piece in pieces {
        let mut low = 0_u64;
        for ((class, ..), count) in BAD.iter().zip(of(piece)) {
            let high = sum([low, count]);
            chart.column(span(piece), low as f64, high as f64, class);
            low = high;
        }
        if low > 0 {
            chart.hover(span(piece), &label(piece));
        }
    }
    for (at_s, label) in marks() {
        chart.mark(at_s, "violation", &label);
    }
    Some(chart.finish())
}

/// Where a violation is marked, and what the mark says.
fn mark(event: &Event) -> Option<(f64, String)> {
    let EventKind::Violation { kind, node, detail, wire, .. } = &event.kind else { return None };
    let wire = wire.as_ref().map(|wire| format!("; on the wire: {}", wire.last(MESSAGES_MAX)));
    let label =
        format!("{:.2} s {node} {kind:?}: {detail}{}", event.at_s, wire.unwrap_or_default());
    kind.is_shown_at_once().then_some((event.at_s, label))
}
