//! What a stranger must know first: the verdict, whether data was wrong, why, and what was broken.

use maud::{Markup, html};

use crate::event::{Outcome, SERVICE, SubjectFacts};
use crate::judge::Verdict;
use crate::record::{Partial, sum};
use crate::report::format::{subject, witness};
use crate::report::model::{DataReport, FaultReport, Report};
use crate::report::show;

/// Faults that are listed; a run of many has more of the same, and `report.json` has all.
const FAULTS_MAX: usize = 30;

pub(super) fn head(report: &Report) -> Markup {
    let verdict = report.verdict.name();
    html! {
        h1 { span class={ "verdict " (verdict) } { (verdict) } " " (report.scenario) }
        p.means { (meaning(report.verdict)) }
        p.made {
            (report.client_profile) " client, " (report.workload) " workload, "
            (format!("{:.1} s", report.duration_s)) ", seed " (report.seed)
            @if !report.started_at.is_empty() { ", " (report.started_at) }
        }
    }
}

/// The verdict in a sentence.
const fn meaning(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "Every objective held.",
        Verdict::Degraded => {
            "Every objective held, and something was still not as it should be: the reasons say what."
        }
        Verdict::Fail => "An objective failed, or one of the checks that every run must pass.",
        Verdict::Invalid => {
            "This run proves nothing, good or bad: it could not be judged. Run it again when the reasons are gone."
        }
        Verdict::Vacuous => {
            "This run proves nothing: what was broken touched too few operations to say anything."
        }
    }
}

pub(super) fn found(report: &Report) -> Markup {
    html! {
        (data(report))
        @if let Some(partial) = report.partial { p { "Cut short: " (why(partial)) "." } }
        @if !report.reasons.is_empty() {
            h3 { "Why " (report.verdict.name()) }
            ul.reasons { @for reason in &report.reasons { li { (reason) } } }
        }
        h3 { "What was broken" }
        (faults(report))
        @if let Some(command) = witness::command(report) {
            h3 { "What made the calls" }
            p { (witness::told(report, command)) }
            @for line in witness::last_words(command) { p.words { code { (line) } } }
        }
        @if let Some(told) = report.subject.as_ref().filter(|it| is_told_of(it)) {
            h3 { "What made the calls" }
            ul {
                @for line in subject::lines(told) { li { (line.trim()) } }
                @for line in subject::words(told) { li { "it says " (line) } }
            }
        }
        @if !report.harness.limits.is_empty() {
            h3 { "To know beside it" }
            ul { @for limit in &report.harness.limits { li { (limit) } } }
        }
    }
}

fn is_told_of(subject: &SubjectFacts) -> bool {
    subject.kind == "driver" || subject.kind == SERVICE
}

const fn why(partial: Partial) -> &'static str {
    match partial {
        Partial::Interrupted => "somebody interrupted it",
        Partial::Error => "something in the harness failed",
        Partial::Driver => "the driver of the client does not keep to its protocol",
        Partial::NotPreloaded => "not every key could be stored beforehand",
        Partial::Killed => "it was killed, and this was rebuilt from what was stored until then",
    }
}

/// Violations of data, in words: what must never be, then what may be under a fault.
pub(super) fn kinds(
    data: &DataReport,
) -> [(&'static str, &'static str, &'static str, Option<u64>); 11] {
    let totals = &data.totals;
    [
        (
            "wrong",
            "wrong values",
            "a value of another key, or one that nobody ever wrote",
            totals.wrong,
        ),
        ("corrupt", "corrupt values", "its length or its checksum is not its own", totals.corrupt),
        (
            "acknowledged_but_lost",
            "writes lost",
            "a write was acknowledged, and its effect is gone or was never there",
            totals.acknowledged_but_lost,
        ),
        (
            "double_applied",
            "writes applied twice",
            "a record is there more often than it was asked for",
            totals.double_applied,
        ),
        (
            "contradictions",
            "contradictions",
            "an answer that cannot be, by what the same node has answered before",
            totals.contradictions,
        ),
        ("counter_behind", "counters behind", "below what was acknowledged", totals.counter_behind),
        ("counter_ahead", "counters ahead", "above what was asked for", totals.counter_ahead),
        ("foreign", "values of another run", "something that this run never wrote", totals.foreign),
        ("stale", "stale values", "older than the last write that was acknowledged", totals.stale),
        (
            "stale_unacknowledged",
            "stale after a lost write",
            "older than the last write that was tried and failed",
            totals.stale_unacknowledged,
        ),
        (
            "false_misses",
            "false misses",
            "the node said that it has no value, and must have had one",
            totals.false_misses,
        ),
    ]
}

/// Kinds that do not make data wrong for its reader: they follow from a write that failed, or cost a
/// look into the store behind the cache.
const LESSER: [&str; 2] = ["stale_unacknowledged", "false_misses"];

/// Whether all stale values are those of writes in doubt, which may be executed late.
fn is_promised(data: &DataReport) -> bool {
    data.totals.stale.is_some_and(|stale| stale > 0)
        && data.totals.stale_by_late_write == data.totals.stale
}

/// Whether data was wrong, in a sentence.
fn data(report: &Report) -> Markup {
    let kinds = kinds(&report.data);
    let bad = kinds.iter().filter(|(name, ..)| !LESSER.contains(name));
    let found: Vec<String> = bad
        .clone()
        .filter_map(|(_, what, _, count)| {
            count.filter(|it| *it > 0).map(|it| format!("{it} {what}"))
        })
        .collect();
    let unlooked: Vec<&str> =
        bad.filter(|(.., count)| count.is_none()).map(|(_, what, ..)| *what).collect();
    let why = report.data.not_judged.first().map(|it| it.reason.as_str());
    let values = report.phases.iter().flat_map(|phase| &phase.all.figures.outcomes);
    let values =
        sum(values.filter(|(name, _)| *name == Outcome::Hit.name()).map(|(_, count)| *count));
    html! {
        @if found.len() == 1 && is_promised(&report.data) {
            p.data.open {
                strong { "Old values were read: " } (found.join(", "))
                ", each of a write that was given up and executed late. Nobody promised otherwise."
            }
        } @else if !found.is_empty() {
            p.data.bad { strong { "Data was wrong: " } (found.join(", ")) "." }
        } @else if unlooked.len() == kinds.len() - LESSER.len() {
            p.data.open { strong { "Nobody knows whether data was wrong: " } (why.unwrap_or("it was not looked at")) "." }
        } @else if unlooked.is_empty() {
            p.data.good { strong { "No data was wrong" } ": each of the " (values) " values that were read was checked." }
        } @else {
            p.data.good {
                strong { "No wrong data was found" } " in " (values) " values that were read. Not looked at: " (unlooked.join(", "))
                @if let Some(why) = why { " (" (why) ")" } "."
            }
        }
    }
}

fn faults(report: &Report) -> Markup {
    let more = report.faults.len().saturating_sub(FAULTS_MAX);
    html! {
        @if report.faults.is_empty() { p { "Nothing: this scenario has no fault." } }
        ul {
            @for fault in report.faults.iter().take(FAULTS_MAX) { li { (told(fault)) } }
            @if more > 0 { li { "and " (more) " more" } }
        }
    }
}

fn told(fault: &FaultReport) -> Markup {
    let nodes = crate::report::format::names(&fault.nodes);
    let set = |(name, value): (&String, &String)| format!("{name} {value}");
    let settings: Vec<String> = fault.parameters.iter().map(set).collect();
    html! {
        strong { (nodes) } ": " (fault.name) " (" (fault.kind)
        @if !settings.is_empty() { ": " (settings.join(", ")) } ") "
        @match (fault.applied_at_s, fault.healed_at_s) {
            (None, _) => "was never applied",
            (from @ Some(_), None) => { "from " (show::moment(from)) " on; it was never healed" }
            (from @ Some(_), to @ Some(_)) => { "from " (show::moment(from)) " to " (show::moment(to)) }
        }
        @if let Some(count) = fault.operations_touched { "; it touched " (count) " operations" }
    }
}
