//! Everything that happened on one axis of time, a row each.

mod load;
mod wire;

use maud::{Markup, html};

pub(super) use self::load::{bad, errors, layer};
pub(super) use self::wire::{group_class, groups, late, opened, wire_length};
use super::{Shown, not_looked_at, strips};
use crate::report::chart::{Plot, Scale, time_axis};
use crate::report::format::witness;
use crate::report::model::{PieceReport, Report};
use crate::report::pieces::PIECES_MAX;

/// One row of the chart.
pub(super) struct Row<'a> {
    /// What the script calls it.
    pub(super) id: &'static str,
    /// What it shows.
    pub(super) title: &'a str,
    /// The class of each colour, and what it stands for.
    pub(super) keys: &'a [(String, String)],
    /// The drawing, or why there is none.
    pub(super) drawing: &'a Markup,
    /// What must be known to read it.
    pub(super) notes: &'a Markup,
}

pub(super) fn row(row: &Row<'_>) -> Markup {
    html! {
        figure.row data-row=(row.id) {
            figcaption {
                h3 { (row.title) }
                ul.keys {
                    @for (class, name) in row.keys {
                        li { span class={ "key " (class) } {} " " (name) " " output data-key=(class) {} }
                    }
                }
            }
            (row.drawing)
            @if !row.notes.0.is_empty() { p.note { (row.notes) } }
        }
    }
}

pub(super) fn rows(shown: &Shown<'_>) -> Markup {
    let report = shown.report;
    let is_ours = witness::command(report).is_none();
    html! {
        (moments(report))
        p.script-only {
            "Point at a drawing to read all of them at that moment; drag across one to look closer. Keys, with the charts in focus: "
            "left and right move by a piece (with shift by ten), + and - zoom, 0 or Escape shows all."
        }
        noscript { p { "Without JavaScript the drawings are complete, but cannot be pointed at." } }
        div #charts tabindex="0" role="group" aria-label="Charts on one axis of time" {
            div.bar {
                output #moment aria-live="polite" { "The whole run" }
                span.script-only {
                    button type="button" data-zoom="in" aria-label="zoom in" { "+" }
                    button type="button" data-zoom="out" aria-label="zoom out" { "−" }
                    button type="button" data-zoom="all" { "show all" }
                }
                (time_axis(report.duration_s))
            }
            (strips::strips(report))
            @if is_ours { (load::rows(shown)) } @else {
                figure.row {
                    figcaption { h3 { "Operations, errors, response times, hits and wrong data" } }
                    (not_looked_at("a command made the calls, and only it knows what they came to"))
                }
            }
            (wire::rows(shown))
        }
        p.note { (piece_lengths(shown)) }
    }
}

/// How coarse the drawings are.
fn piece_lengths(shown: &Shown<'_>) -> Markup {
    let longest = shown.pieces.iter().map(|piece| piece.length_s).fold(0.0, f64::max);
    html! {
        "Operations are drawn in pieces of " (format!("{:.0} ms", longest * 1000.0))
        " at most, each when the operation was due, so that nothing shows before its cause. A run has "
        (PIECES_MAX) " of them; in a longer one neighbours are merged."
        @if shown.report.pieces.is_empty() {
            " This run was stored without pieces: they are its intervals, and count operations when they ended."
        }
    }
}

/// What happened when, in a table that is the chart's in words.
fn moments(report: &Report) -> Markup {
    let mut moments: Vec<(f64, String)> = Vec::new();
    for phase in &report.phases {
        moments.push((phase.all.start_s, format!("the {} phase begins", phase.all.name)));
    }
    let spans = report.faults.iter().take(MOMENTS_MAX).filter_map(|fault| {
        let nodes = crate::report::format::names(&fault.nodes);
        Some((
            strips::span(report, fault)?,
            fault.healed_at_s,
            format!("{} on {nodes}", fault.name),
        ))
    });
    for ((from, to), healed, fault) in spans {
        moments.push((from, format!("{fault} begins")));
        if healed.is_some() {
            moments.push((to, format!("{fault} is healed")));
        }
    }
    for (at_s, _, what) in marks(report) {
        moments.push((at_s, what.to_owned()));
    }
    moments.sort_by(|one, other| one.0.total_cmp(&other.0));
    html! {
        ol.moments {
            @for (at_s, what) in &moments { li { strong { (format!("{at_s:.2} s")) } " " (what) } }
        }
    }
}

/// Faults whose beginning and end are listed.
const MOMENTS_MAX: usize = 12;

/// What the client did about it, where that is known: when, the class of its mark, and in words.
fn marks(report: &Report) -> Vec<(f64, &'static str, &'static str)> {
    let applied = report.faults.iter().filter_map(|fault| fault.applied_at_s);
    let healed = report.faults.iter().filter_map(|fault| fault.healed_at_s);
    let since = |moments: Option<f64>, after: Option<f64>| Some(moments? + after?);
    let (first, last) = (applied.reduce(f64::min), healed.reduce(f64::max));
    let (seen, back) = (&report.detection, &report.recovery);
    [
        (since(first, seen.first_impact_s), "impact", "the first operation fails or is slow"),
        (
            since(first, seen.breaker_open_after_fault_s),
            "opened",
            "the breaker of every broken node is open",
        ),
        (since(last, back.first_success_s), "back", "a node that was broken answers again"),
        (since(last, back.sustained_s), "recovered", "from here on it is as good as before"),
    ]
    .into_iter()
    .filter_map(|(at_s, class, what)| Some((at_s?, class, what)))
    .collect()
}

/// A drawing with what every row has behind its own: faults, phases, and what the client did.
pub(super) fn plot(report: &Report, scale: Scale) -> Plot {
    let mut plot = Plot::new(report.duration_s, scale);
    for fault in &report.faults {
        if let Some(span) = strips::span(report, fault) {
            plot.shade(span, "fault", &format!("{} ({})", fault.name, fault.kind));
        }
    }
    for phase in &report.phases {
        plot.mark(phase.all.start_s, "phase", phase.all.name.name());
    }
    for (at_s, class, what) in marks(report) {
        plot.mark(at_s, class, &format!("{at_s:.2} s: {what}"));
    }
    plot
}

fn span(piece: &PieceReport) -> (f64, f64) {
    (piece.at_s, piece.at_s + piece.length_s)
}
