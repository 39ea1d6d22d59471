//! Markdown for pull requests and wikis.

use std::fmt::Write as _;

use super::escape::{code, markdown};
use super::{Format, names, witness};
use crate::event::CommandFacts;
use crate::report::model::{Figures, Report};
use crate::report::show;

pub(super) const FORMAT: Format = Format {
    name: "markdown",
    summary: "tables for a pull request or a wiki",
    file: Some("report.md"),
    render: |run| render(&run.report),
};

/// A run without its charts.
// Writing into a String cannot fail, anywhere in this file.
#[must_use]
pub fn render(report: &Report) -> String {
    let mut page = String::new();
    let _ = writeln!(page, "# {}: {}\n", markdown(&report.scenario), report.verdict.name());
    for reason in &report.reasons {
        let _ = writeln!(page, "- {}", markdown(reason));
    }
    let _ = writeln!(
        page,
        "\nWorkload `{}`, client `{}`, network `{}`, seed `{}`, {:.1} s from {}, harness {}.\n",
        code(&report.workload),
        code(&report.client_profile),
        code(&report.network),
        report.seed,
        report.duration_s,
        markdown(&report.started_at),
        markdown(&report.version)
    );
    for limit in &report.harness.limits {
        let _ = writeln!(page, "- Limit: {}", markdown(limit));
    }
    if !report.harness.limits.is_empty() {
        page.push('\n');
    }
    match witness::command(report) {
        Some(told) => {
            command(&mut page, report, told);
            objectives(&mut page, report);
            faults(&mut page, report);
        }
        None => {
            phases(&mut page, report);
            objectives(&mut page, report);
            faults(&mut page, report);
            if !report.faults.is_empty() {
                recovery(&mut page, report);
            }
            data(&mut page, report);
        }
    }
    page
}

fn command(page: &mut String, report: &Report, command: &CommandFacts) {
    let _ = writeln!(page, "Command {}.\n", markdown(&witness::told(report, command)));
    for line in witness::last_words(command) {
        let _ = writeln!(page, "- {}", markdown(line));
    }
    let heads = witness::HEADS;
    let _ = writeln!(page, "\n| {} |\n|{}", heads.join(" | "), "---|".repeat(heads.len()));
    for row in witness::rows(report) {
        let _ = writeln!(page, "| {} |", row.join(" | "));
    }
}

fn phases(page: &mut String, report: &Report) {
    page.push_str(
        "| phase | offered | ops/s | errors | available | p50 | p95 | p99 | max | hits |\n",
    );
    page.push_str("|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n");
    for phase in &report.phases {
        if phase.all.figures.offered == 0 {
            continue;
        }
        row(page, phase.all.name.name(), &phase.all.figures);
        if let (Some(healthy), Some(faulty)) = super::text::apart(phase) {
            row(page, "- healthy nodes", healthy);
            row(page, "- faulty nodes", faulty);
        }
    }
    if report.phases.iter().any(|phase| phase.all.figures.response_time_us.is_none()) {
        page.push_str("\nClosed loop: the times are service times.\n");
    }
}

fn row(page: &mut String, name: &str, figures: &Figures) {
    let _ = writeln!(page, "| {name} | {} |", show::cells(figures).join(" | "));
}

fn objectives(page: &mut String, report: &Report) {
    if report.objectives.is_empty() {
        return;
    }
    page.push_str("\n| objective | grade | measured |\n|---|---|---|\n");
    for objective in &report.objectives {
        let why = objective.why.strip_prefix(&format!("{}: ", objective.name));
        let _ = writeln!(
            page,
            "| {} | {} | {} |",
            markdown(&objective.name),
            objective.grade,
            markdown(why.unwrap_or(&objective.why))
        );
    }
}

fn faults(page: &mut String, report: &Report) {
    if report.faults.is_empty() {
        return;
    }
    page.push_str("\n| fault | kind | nodes | applied | healed | operations touched |\n");
    page.push_str("|---|---|---|--:|--:|--:|\n");
    for fault in &report.faults {
        let _ = writeln!(
            page,
            "| {} | {} | {} | {} | {} | {} |",
            markdown(&fault.name),
            markdown(&fault.kind),
            names(&fault.nodes),
            show::moment(fault.applied_at_s),
            show::moment(fault.healed_at_s),
            show::count(fault.operations_touched)
        );
    }
}

fn recovery(page: &mut String, report: &Report) {
    let (recovery, seen) = (&report.recovery, &report.detection);
    let recovered = match recovery.recovered {
        Some(true) => "yes",
        Some(false) => "**no**",
        None => "not judged",
    };
    page.push_str("\n| recovery | |\n|---|--:|\n");
    for (name, value) in [
        ("first impact", show::elapsed(seen.first_impact_s)),
        ("breaker open after the fault", show::elapsed(seen.breaker_open_after_fault_s)),
        ("rejections p99", show::us(seen.fast_fail_us.p99)),
        ("recovered", recovered.to_owned()),
        ("first success", show::elapsed(recovery.first_success_s)),
        ("sustained", show::elapsed(recovery.sustained_s)),
        ("hit ratio back", show::elapsed(recovery.hit_ratio_s)),
        ("relapses", show::count(recovery.relapses)),
    ] {
        let _ = writeln!(page, "| {name} | {value} |");
    }
}

fn data(page: &mut String, report: &Report) {
    let data = &report.data;
    let (offered, counted) = report.conservation();
    let _ = writeln!(
        page,
        "\nData: {} wrong, {} corrupt, {} stale, {} false misses. Operations: {} offered, {counted} \
         outcomes.",
        show::count(data.totals.wrong),
        show::count(data.totals.corrupt),
        show::count(data.totals.stale),
        show::count(data.totals.false_misses),
        show::count(offered)
    );
}
