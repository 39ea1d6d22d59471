//! How long calls took, from the fastest to the slowest: the fault beside the steady phase.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::Deserializer;
use maud::{Markup, html};

use super::{not_looked_at, table};
use crate::event::Phase;
use crate::record::LatencyUs;
use crate::report::chart::{Plot, Scale, axis};
use crate::report::model::{PhaseReport, Report};
use crate::report::show;

/// Phases that are drawn, and the class of each line.
const PHASES: [(Phase, &str); 3] =
    [(Phase::Steady, "steady"), (Phase::Fault, "faulty"), (Phase::Recovery, "recovery")];

/// The axis is a logarithm: up to one call in so many powers of ten.
const DECADES: usize = 5;
/// Points of a line for each power of ten.
const POINTS: usize = 24;

const MARKS: [(f64, &str); 6] = [
    (0.0, "0"),
    (1.0, "90 %"),
    (2.0, "99 %"),
    (3.0, "99.9 %"),
    (4.0, "99.99 %"),
    (5.0, "99.999 %"),
];

/// A stored histogram longer than this is none of ours: the widest with three digits is shorter.
const TEXT_BYTES_MAX: usize = 1 << 20;

const HEADS: [&str; 7] = ["phase", "calls", "p50", "p95", "p99", "p99.9", "max"];

pub(super) fn curve(report: &Report) -> Markup {
    let is_open = report.phases.iter().any(|phase| phase.all.figures.response_time_us.is_some());
    let class = if is_open { "response_time" } else { "service_time" };
    let read = |(phase, line): (Phase, &'static str)| {
        let text = report.histograms.get(&format!("{phase}.{class}"))?;
        Some((line, histogram(text)?))
    };
    let lines: Vec<_> = PHASES.into_iter().filter_map(read).collect();
    if lines.iter().all(|(_, histogram)| histogram.is_empty()) {
        return not_looked_at("no histogram was stored with this run");
    }
    html! {
        p {
            @if is_open { "From the moment a call was due until it ended, without those that were shed." }
            @else { "From writing the request until it ended: a closed loop has no intended starts." }
            " To the right stand ever slower calls: at 99 %, one in a hundred is slower than the line."
        }
        figure.row {
            figcaption {
                ul.keys {
                    @for (phase, line) in PHASES { li { span class={ "key " (line) } {} " " (phase) } }
                }
            }
            (drawing(&lines))
        }
        (times(report, is_open))
    }
}

fn histogram(text: &str) -> Option<Histogram<u64>> {
    let bytes = (text.len() <= TEXT_BYTES_MAX).then(|| STANDARD.decode(text).ok()).flatten()?;
    Deserializer::new().deserialize(&mut bytes.as_slice()).ok()
}

#[expect(clippy::cast_precision_loss, reason = "latencies and counts are far below 2^53")]
fn drawing(lines: &[(&'static str, Histogram<u64>)]) -> Markup {
    let filled = || lines.iter().filter(|(_, histogram)| !histogram.is_empty());
    let low = filled().map(|(_, it)| it.min().max(1)).min().unwrap_or(1) as f64;
    let high = filled().map(|(_, it)| it.max()).max().unwrap_or(10) as f64;
    let low = 10_f64.powf(low.log10().floor());
    let high = 10_f64.powf(high.max(low * 10.0).log10().ceil());
    let mut plot = Plot::new(DECADES as f64, Scale::Log(low, high));
    plot.decades(low, high, crate::judge::show_us);
    for (at, label) in MARKS {
        plot.mark(at, "phase", label);
    }
    for (line, histogram) in filled() {
        plot.curve(&points(histogram), line);
    }
    let labels: Vec<(f64, String)> =
        MARKS.iter().map(|(at, label)| (at / DECADES as f64, (*label).to_owned())).collect();
    html! { (plot.finish("Response times by percentile, both on logarithmic scales", 220)) (axis(&labels)) }
}

/// A value for each share of calls, up to the slowest of them.
#[expect(clippy::cast_precision_loss, reason = "latencies and counts are far below 2^53")]
fn points(histogram: &Histogram<u64>) -> Vec<(f64, f64)> {
    let last = (histogram.len() as f64).log10().min(DECADES as f64);
    let value = |at: f64| histogram.value_at_quantile(1.0 - 10_f64.powf(-at)) as f64;
    let steps = (0..=DECADES * POINTS).map(|step| step as f64 / POINTS as f64);
    let within = steps.take_while(|at| *at < last).map(|at| (at, value(at)));
    within.chain([(last, histogram.max() as f64)]).collect()
}

fn times(report: &Report, is_open: bool) -> Markup {
    let of = |phase: &PhaseReport| -> LatencyUs {
        let figures = &phase.all.figures;
        figures.response_time_us.filter(|_| is_open).unwrap_or(figures.service_time_us)
    };
    let told = report.phases.iter().map(|phase| (phase.all.name, of(phase)));
    let told: Vec<_> = told.filter(|(_, time)| time.count > 0).collect();
    table(
        "Response times by phase",
        &HEADS,
        &html! {
            @for (phase, time) in &told {
                tr {
                    th scope="row" { (phase) }
                    td.number { (time.count) }
                    @for value in [time.p50, time.p95, time.p99, time.p999, time.max] {
                        td.number { (show::us(value)) }
                    }
                }
            }
        },
    )
}
