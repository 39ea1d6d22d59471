//! What was asked for and what came out, the worst first.

use maud::{Markup, html};

use super::{not_looked_at, table};
use crate::judge::Grade;
use crate::report::model::{ObjectiveReport, Report};

const HEADS: [&str; 5] = ["result", "objective", "asked for", "measured", "in words"];

fn worst_first(report: &Report) -> Vec<&ObjectiveReport> {
    let mut rows: Vec<&ObjectiveReport> = report.objectives.iter().collect();
    rows.sort_by_key(|row| match row.grade {
        Grade::Fail => 0,
        Grade::Inconclusive => 1,
        Grade::Pass => 2,
    });
    rows
}

pub(super) fn objectives(report: &Report) -> Markup {
    if report.objectives.is_empty() {
        return not_looked_at("nothing was asked of this run");
    }
    let of = |grade| report.objectives.iter().filter(|row| row.grade == grade).count();
    let (failed, open, held) = (of(Grade::Fail), of(Grade::Inconclusive), of(Grade::Pass));
    html! {
        p {
            (failed) " failed, " (open) " could not be judged, " (held) " held."
            @if report.verdict.proves_nothing() {
                " The run itself proves nothing, whatever stands here."
            }
        }
        (rows(report))
    }
}

fn rows(report: &Report) -> Markup {
    table(
        "Objectives",
        &HEADS,
        &html! {
            @for row in worst_first(report) {
                @let (class, word) = result(row.grade);
                tr class=(class) {
                    td { span class={ "grade " (class) } { (word) } }
                    th scope="row" { (row.name) }
                    td { (asked(row)) }
                    td.number { (measured(row)) }
                    td { (why(row)) }
                }
            }
        },
    )
}

const fn result(grade: Grade) -> (&'static str, &'static str) {
    match grade {
        Grade::Fail => ("failed", "failed"),
        Grade::Inconclusive => ("open", "not judged"),
        Grade::Pass => ("held", "held"),
    }
}

/// The sentence without the name, which stands beside it.
fn why(row: &ObjectiveReport) -> &str {
    let rest = row.why.strip_prefix(&row.name).and_then(|rest| rest.strip_prefix(": "));
    rest.unwrap_or(&row.why)
}

/// `time_to_recover at most 2s, in the fault phase, on healthy nodes`
fn asked(row: &ObjectiveReport) -> String {
    let phase = row.phase.map(|phase| format!(", {phase} phase")).unwrap_or_default();
    let nodes = if row.nodes == "all" { String::new() } else { format!(", {} nodes", row.nodes) };
    format!("{} {}{phase}{nodes}", row.measure.replace('_', " "), row.bound)
}

fn measured(row: &ObjectiveReport) -> String {
    match row.measured {
        None => "-".to_owned(),
        Some(value) => crate::judge::measure::find(&row.measure)
            .map_or_else(|| format!("{value}"), |measure| measure.show(value)),
    }
}
