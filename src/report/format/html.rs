//! One page that needs nothing else: figures, and charts on one time axis.

use std::fmt::Write as _;

use super::escape::escaped;
use super::{Format, largest_first};
use crate::event::{BreakerState, Event, EventKind, Outcome};
use crate::record::sum;
use crate::report::chart::{Chart, Scale, round_step};
use crate::report::model::{NodeReport, PieceReport, PieceTimes, Report};
use crate::report::stored::Stored;
use crate::report::{pieces, show};

pub(super) const FORMAT: Format = Format {
    name: "html",
    summary: "one page with charts, without anything from elsewhere",
    file: Some("report.html"),
    render,
};

const STYLE: &str = include_str!("html.css");

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

// Writing into a String cannot fail, anywhere in this file.
fn render(run: &Stored) -> String {
    let report = &run.report;
    let mut page =
        String::from("<!doctype html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\">\n");
    let (scenario, verdict) = (escaped(&report.scenario), report.verdict.name());
    let _ = writeln!(
        page,
        "<title>{scenario}: {verdict}</title>\n<style>\n{STYLE}</style></head><body>"
    );
    let _ =
        writeln!(page, "<h1><span class=\"verdict {verdict}\">{verdict}</span> {scenario}</h1>");
    page.push_str("<ul>\n");
    for reason in &report.reasons {
        let _ = writeln!(page, "<li>{}</li>", escaped(reason));
    }
    page.push_str("</ul>\n");
    let _ = writeln!(page, "<p>network: {}</p>", escaped(&report.network));
    charts(&mut page, run);
    let _ = writeln!(
        page,
        "<h2>Figures</h2>\n<pre>{}</pre>\n</body></html>",
        escaped_lines(super::text::render(report, false).as_str())
    );
    page
}

fn escaped_lines(text: &str) -> String {
    text.lines().map(escaped).collect::<Vec<_>>().join("\n")
}

fn charts(page: &mut String, run: &Stored) {
    let report = &run.report;
    let coarse = || pieces::of_intervals(&run.intervals);
    let pieces = if report.pieces.is_empty() { coarse() } else { report.pieces.clone() };
    let _ = writeln!(page, "<h2>Operations a second</h2>\n{}", throughput(report, &pieces));
    page.push_str("<p class=\"legend\">");
    for (class, name) in LAYERS {
        let _ = write!(page, "<span class=\"{class}\"></span> {name} ");
    }
    page.push_str("<span class=\"fault\"></span> fault active</p>\n");
    if let Some(chart) = latency(report, &pieces) {
        let _ = writeln!(page, "<h2>Response time</h2>\n{chart}");
        page.push_str(
            "<p class=\"legend\"><span class=\"p50\"></span> p50 <span class=\"p95\"></span> p95 \
             <span class=\"p99\"></span> p99 <span class=\"max\"></span> max</p>\n",
        );
    }
    let _ = writeln!(page, "<h2>Breakers and faults by node</h2>\n{}", nodes(report));
    page.push_str(
        "<p class=\"legend\"><span class=\"closed\"></span> closed <span class=\"open\"></span> \
         open <span class=\"half_open\"></span> half-open <span class=\"under\"></span> \
         fault</p>\n",
    );
    if let Some(chart) = violations(run, &pieces) {
        let _ = writeln!(page, "<h2>Data that was not right</h2>\n{chart}");
        page.push_str("<p class=\"legend\">");
        for (class, outcome, name) in BAD {
            let count = sum(pieces.iter().map(|piece| piece.count(outcome)));
            let _ = write!(page, "<span class=\"{class}\"></span> {count} {name} ");
        }
        page.push_str("| the first of each kind, with its evidence</p>\n");
    }
}

/// Faults behind everything, phases as lines.
fn background(chart: &mut Chart, report: &Report) {
    for fault in &report.faults {
        if let Some(from) = fault.applied_at_s {
            let to = fault.healed_at_s.unwrap_or(report.duration_s);
            chart.shade(from, to, "fault", &escaped(&format!("{} ({})", fault.name, fault.kind)));
        }
    }
    for phase in &report.phases {
        chart.mark(phase.all.start_s, "phase", phase.all.name.name());
    }
}

fn throughput(report: &Report, pieces: &[PieceReport]) -> String {
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
        chart.hover(span(piece), &escaped(&label(piece)));
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

type Percentile = fn(&PieceTimes) -> Option<u64>;

const PERCENTILES: [(&str, Percentile); 4] = [
    ("p50", |time| time.p50),
    ("p95", |time| time.p95),
    ("p99", |time| time.p99),
    ("max", |time| time.max),
];

/// `None` for a closed loop, which has no response times.
#[expect(clippy::cast_precision_loss, reason = "latencies are far below 2^53 us")]
fn latency(report: &Report, pieces: &[PieceReport]) -> Option<String> {
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
        chart.hover(span(piece), &escaped(&label(piece)));
    }
    Some(chart.finish())
}

/// Two rows a node: its breaker, and the faults on it.
fn nodes(report: &Report) -> String {
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
                let label = escaped(&format!("{} ({})", fault.name, fault.kind));
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
fn violations(run: &Stored, pieces: &[PieceReport]) -> Option<String> {
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
            chart.hover(span(piece), &escaped(&label(piece)));
        }
    }
    for (at_s, label) in marks() {
        chart.mark(at_s, "violation", &escaped(&label));
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
