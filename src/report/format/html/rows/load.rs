//! Rows of what operations came to: how many, what failed, how long, hits, and wrong data.

use maud::{Markup, html};

use super::{Row, plot, row, span};
use crate::event::{Event, EventKind, Outcome};
use crate::record::{ratio, sum};
use crate::report::chart::{Column, Scale};
use crate::report::format::html::{Shown, not_looked_at};
use crate::report::model::{PieceReport, PieceTimes, Report};
use crate::report::show;

/// What is stacked, from the bottom: the class of its colour, and which outcomes it holds.
const LAYERS: [(&str, &str); 5] = [
    ("good", "good"),
    ("shed", "shed: rejected at once"),
    ("failed", "failed"),
    ("lost", "hung or never issued"),
    ("wrong", "data not right"),
];

/// What the row of wrong data stacks: the class of its colour, the outcome, its name.
const BAD: [(&str, Outcome, &str); 6] = [
    ("wrong", Outcome::Wrong, "wrong"),
    ("corrupt", Outcome::Corrupt, "corrupt"),
    ("stale", Outcome::Stale, "stale"),
    ("missed", Outcome::FalseMiss, "falsely missing"),
    ("foreign", Outcome::Foreign, "of another run"),
    ("contradiction", Outcome::Contradiction, "contradicting"),
];

/// Violations that are marked; more would be one block of colour.
const MARKS_MAX: usize = 500;

/// Kinds of errors with a colour of their own, the most frequent; the others share one.
const ERRORS_MAX: usize = 5;

type Percentile = fn(&PieceTimes) -> Option<u64>;

const PERCENTILES: [(&str, Percentile); 4] = [
    ("p50", |time| time.p50),
    ("p95", |time| time.p95),
    ("p99", |time| time.p99),
    ("max", |time| time.max),
];

pub(super) fn rows(shown: &Shown<'_>) -> Markup {
    let (report, pieces) = (shown.report, &*shown.pieces);
    if pieces.is_empty() {
        return not_looked_at("no operation was stored with this run");
    }
    html! {
        (violations(shown))
        (throughput(report, pieces))
        (failures(report, pieces))
        (latency(report, pieces))
        (hits(report, pieces))
    }
}

/// The colour that counts an outcome.
pub(in crate::report::format::html) fn layer(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Shed => "shed",
        Outcome::Hung | Outcome::LostSlot => "lost",
        failed if is_failure(failed) => "failed",
        wrong if bad(wrong).is_some() => "wrong",
        _ => "good",
    }
}

/// The colour of an outcome that says that data was not right.
pub(in crate::report::format::html) fn bad(outcome: Outcome) -> Option<&'static str> {
    BAD.iter().find(|(_, known, _)| *known == outcome).map(|(class, ..)| *class)
}

const fn is_failure(outcome: Outcome) -> bool {
    matches!(
        outcome,
        Outcome::Error(_)
            | Outcome::Indeterminate(_)
            | Outcome::UnexpectedStatus
            | Outcome::UnexpectedBody
            | Outcome::TooLate
    )
}

/// The rate of each class in every piece, one upon the other.
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
fn stacked<'a>(
    pieces: &[PieceReport],
    classes: &[&'a str],
    class_of: impl Fn(Outcome) -> Option<&'a str>,
    per_second: bool,
) -> (Vec<Vec<Column>>, f64) {
    let mut layers: Vec<Vec<Column>> = vec![Vec::new(); classes.len()];
    let mut top = 0.0_f64;
    for piece in pieces {
        let mut low = 0.0;
        for (layer, class) in layers.iter_mut().zip(classes) {
            let of = |name: &str| Outcome::named(name).and_then(&class_of) == Some(*class);
            let count = sum(piece.outcomes.iter().filter(|(name, _)| of(name)).map(|it| *it.1));
            let length = if per_second { piece.length_s.max(0.001) } else { 1.0 };
            let high = low + count as f64 / length;
            layer.push(Column { span_s: span(piece), low, high });
            low = high;
        }
        top = top.max(low);
    }
    (layers, top)
}

fn throughput(report: &Report, pieces: &[PieceReport]) -> Markup {
    let classes = LAYERS.map(|(class, _)| class);
    let (layers, top) = stacked(pieces, &classes, |outcome| Some(layer(outcome)), true);
    let mut plot = plot(report, Scale::Linear(top.max(1.0) * 1.05));
    plot.grid_up_to(top, |rate| format!("{rate}/s"));
    for (columns, (class, _)) in layers.iter().zip(LAYERS) {
        plot.columns(columns, class);
    }
    row(&Row {
        id: "throughput",
        title: "Operations a second",
        keys: &LAYERS.map(|(class, name)| (class.to_owned(), name.to_owned())),
        drawing: &plot.finish("Operations a second by what they came to, stacked", 150),
        notes: &html! {},
    })
}

/// The kinds of errors that have a colour each.
pub(in crate::report::format::html) struct Errors(Vec<String>);

impl Errors {
    /// The colour of an outcome that is an error.
    pub(in crate::report::format::html) fn class_of(&self, outcome: Outcome) -> Option<String> {
        let is_error = is_failure(outcome) || matches!(layer(outcome), "lost");
        let place = self.0.iter().position(|name| name == outcome.name());
        is_error.then(|| error_class(place.unwrap_or(ERRORS_MAX)).to_owned())
    }
}

fn error_class(place: usize) -> &'static str {
    ["e0", "e1", "e2", "e3", "e4", "e5"][place.min(ERRORS_MAX)]
}

/// The kinds of errors of a run, the most frequent first.
pub(in crate::report::format::html) fn errors(pieces: &[PieceReport]) -> Errors {
    let mut counts = std::collections::BTreeMap::<&str, u64>::new();
    for (name, count) in pieces.iter().flat_map(|piece| &piece.outcomes) {
        let is_error = |it| is_failure(it) || layer(it) == "lost";
        if Outcome::named(name).is_some_and(is_error) {
            let sum = counts.entry(name).or_default();
            *sum = sum.saturating_add(*count);
        }
    }
    let mut names: Vec<(&str, u64)> = counts.into_iter().collect();
    names.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    Errors(names.into_iter().take(ERRORS_MAX).map(|(name, _)| name.to_owned()).collect())
}

fn failures(report: &Report, pieces: &[PieceReport]) -> Markup {
    let errors = errors(pieces);
    let classes: Vec<&str> = (0..=ERRORS_MAX).map(error_class).collect();
    let class_of = |outcome| {
        let class = errors.class_of(outcome)?;
        classes.iter().copied().find(|known| *known == class)
    };
    let (layers, top) = stacked(pieces, &classes, class_of, true);
    let mut keys: Vec<(String, String)> = errors
        .0
        .iter()
        .enumerate()
        .map(|(place, name)| (error_class(place).to_owned(), name.clone()))
        .collect();
    if layers[ERRORS_MAX].iter().any(|column| column.high > column.low) {
        keys.push((error_class(ERRORS_MAX).to_owned(), "others".to_owned()));
    }
    let drawing = if top > 0.0 {
        let mut plot = plot(report, Scale::Linear(top * 1.05));
        plot.grid_up_to(top, |rate| format!("{rate}/s"));
        for (columns, class) in layers.iter().zip(&classes) {
            plot.columns(columns, class);
        }
        plot.finish("Errors a second by their kind, stacked", 90)
    } else {
        html! { p.none { "No operation failed." } }
    };
    row(&Row {
        id: "errors",
        title: "Errors a second",
        keys: &keys,
        drawing: &drawing,
        notes: &html! {},
    })
}

/// Without a drawing for a closed loop, which has no response times.
#[expect(clippy::cast_precision_loss, reason = "latencies are far below 2^53 us")]
fn latency(report: &Report, pieces: &[PieceReport]) -> Markup {
    let times = || pieces.iter().filter_map(|piece| piece.response_time_us);
    let highest = times().filter_map(|time| time.max).max();
    let lowest = times().filter_map(|time| time.p50).min().unwrap_or(1);
    let drawing = if let Some(highest) = highest {
        let low = 10_f64.powf((lowest.max(1) as f64).log10().floor());
        let high = 10_f64.powf((highest as f64).max(low * 10.0).log10().ceil());
        let mut plot = plot(report, Scale::Log(low, high));
        plot.decades(low, high, crate::judge::show_us);
        for (class, percentile) in PERCENTILES {
            let value = |piece: &PieceReport| piece.response_time_us.as_ref().and_then(percentile);
            let points = pieces.iter().map(|piece| (span(piece), value(piece).map(|us| us as f64)));
            plot.steps(&points.collect::<Vec<_>>(), class);
        }
        plot.finish("Response times, on a logarithmic scale", 170)
    } else if pieces.iter().all(|piece| piece.response_time_us.is_none()) {
        not_looked_at(
            "a closed loop has no intended starts, hence no response times; Figures has its service times",
        )
    } else {
        not_looked_at("nothing ended")
    };
    row(&Row {
        id: "times",
        title: "Response time, from when an operation was due",
        keys: &PERCENTILES.map(|(class, _)| (class.to_owned(), class.to_owned())),
        drawing: &drawing,
        notes: &html! { "The scale is logarithmic. Calls that were shed are not in it; the values of a piece are right within 6 %, and it has a p95 from 20 operations on, a p99 from 100." },
    })
}

/// Hits over reads that said hit or miss.
fn hit_ratio(piece: &PieceReport) -> Option<f64> {
    let of = |outcome| piece.count(outcome);
    let reads = [of(Outcome::Hit), of(Outcome::Miss), of(Outcome::FalseMiss)];
    ratio(of(Outcome::Hit), sum(reads))
}

fn hits(report: &Report, pieces: &[PieceReport]) -> Markup {
    let points: Vec<_> = pieces.iter().map(|piece| (span(piece), hit_ratio(piece))).collect();
    let drawing = if points.iter().any(|(_, ratio)| ratio.is_some()) {
        let mut plot = plot(report, Scale::Linear(1.0));
        plot.grid_up_to(1.0, |share| show::percent(Some(share)).replace(".00", ""));
        plot.steps(&points, "hits");
        plot.finish("Hit ratio", 70)
    } else {
        not_looked_at("no read said whether the value was there")
    };
    row(&Row {
        id: "hits",
        title: "Hit ratio",
        keys: &[("hits".to_owned(), "hits over reads that said hit or miss".to_owned())],
        drawing: &drawing,
        notes: &html! {},
    })
}

/// How much data was not right in each piece, all of it, and a mark for each violation that was kept.
fn violations(shown: &Shown<'_>) -> Markup {
    let (report, pieces) = (shown.report, &*shown.pieces);
    let classes = BAD.map(|(class, ..)| class);
    let (layers, top) = stacked(pieces, &classes, bad, false);
    let marks: Vec<(f64, String)> =
        shown.stored.events.iter().filter_map(mark).take(MARKS_MAX).collect();
    let keys = BAD.map(|(class, outcome, name)| {
        let count = sum(pieces.iter().map(|piece| piece.count(outcome)));
        (class.to_owned(), format!("{name} ({count})"))
    });
    let drawing = if top > 0.0 || !marks.is_empty() {
        let mut plot = plot(report, Scale::Linear((top * 1.05).max(1.0)));
        plot.grid_up_to(top.max(1.0), |count| count.to_string());
        for (columns, class) in layers.iter().zip(classes) {
            plot.columns(columns, class);
        }
        for (at_s, label) in &marks {
            plot.mark(*at_s, "violation", label);
        }
        plot.finish("Data that was not right, in each piece", 70)
    } else if report.data.totals.wrong.is_none() {
        let why = report.data.not_judged.first().map(|it| it.reason.as_str());
        not_looked_at(why.unwrap_or("no value was checked"))
    } else {
        html! { p.none { "No read returned data that was not right." } }
    };
    row(&Row {
        id: "bad",
        title: "Data that was not right, by when it was asked for",
        keys: &keys,
        drawing: &drawing,
        notes: &html! {
            @if !marks.is_empty() { "A line marks the moment in which a violation was noticed; the first " (MARKS_MAX) " are marked." }
        },
    })
}

/// Where a violation is marked, and what the mark says.
fn mark(event: &Event) -> Option<(f64, String)> {
    let EventKind::Violation { kind, node, detail, .. } = &event.kind else { return None };
    let label = format!("{:.2} s {node} {kind:?}: {detail}", event.at_s);
    kind.is_shown_at_once().then_some((event.at_s, label))
}
