//! What speaks against a run, kind by kind, in sentences. The order of the kinds is the verdict's.

use super::baseline::unsteady;
use super::measure::{self, Facts, Measure};
use super::objective::Objective;
use super::proof::{is_asked_for, proven};
use super::recovery::has_faults;
use super::stall;
use super::{Analysis, Reading};
use crate::event::Phase;
use crate::record::{DelayUs, LoadTotals, NodeGroup, Partial, Summary, TaskEnd};

/// Faults that touched fewer operations together prove nothing.
const TOUCHED_MIN: u64 = 30;

/// A 10 ms timer may wake this late at p99, and this late once.
const TIMER_LATE_P99_US: u64 = 30_000;
const TIMER_LATE_MAX_US: u64 = 300_000;

/// The generator may issue this late at p99, and this late once: as much as an operation must be
/// slower than the baseline to count as slow.
const ISSUE_LATE_P99_US: u64 = 10_000;
const ISSUE_LATE_MAX_US: u64 = 300_000;

/// Errors on healthy nodes' keys that are not worth a remark.
const HEALTHY_ERROR_RATIO: f64 = 0.001;

/// Measures of which a healthy client shows none, and what they count, in words.
const BLEMISHES: [(&Measure, &str); 6] = [
    (&measure::data::STALE, "stale reads"),
    (&measure::data::FALSE_MISSES, "misses of values that the key's own node held"),
    (&measure::wire::DIRTY_REUSE, "requests on a connection that still owed a reply"),
    (&measure::breaker::FALSE_OPENS, "breaker openings without a fault on the node"),
    (&measure::recovery::RELAPSES, "times that it got bad again after it had been good"),
    (&measure::answers::HUNG, "operations that hung"),
];

/// What no circumstance excuses.
pub(super) fn gates(summary: &Summary, objectives: &[Objective]) -> Vec<String> {
    let mut reasons = proven(summary, objectives);
    let (offered, counted) = summary.conservation();
    let closed = summary.inputs.load.tickets_closed;
    if offered != counted || offered != closed {
        reasons.push(format!(
            "operations are not accounted for: {offered} offered, {closed} closed, {counted} \
             outcomes"
        ));
    }
    match &summary.inputs.harness.tasks {
        TaskEnd::Clean => {}
        TaskEnd::Leaked(count) => reasons.push(format!("tasks that did not end: {count}")),
        TaskEnd::Panicked(task) => reasons.push(format!("a task panicked: {task}")),
    }
    reasons
}

/// Why what was measured may be the lab and not the client.
pub(super) fn doubts(summary: &Summary, analysis: &Analysis) -> Vec<String> {
    let mut reasons = Vec::new();
    let harness = &summary.inputs.harness;
    let late = [
        (
            "the machine was too noisy: a 10 ms timer woke",
            harness.timer_delay,
            TIMER_LATE_P99_US,
            TIMER_LATE_MAX_US,
        ),
        (
            "the load generator was late: operations were issued",
            summary.inputs.load.issue_delay,
            ISSUE_LATE_P99_US,
            ISSUE_LATE_MAX_US,
        ),
    ];
    for (what, delay, p99, max) in late {
        reasons.extend(delay.and_then(|delay| lateness(what, delay, p99, max)));
    }
    let wrong = harness.calibration.iter().filter(|check| !check.pass);
    reasons.extend(wrong.map(|check| {
        format!(
            "the harness failed its own calibration before the run: {}: {} measured, {} expected",
            check.name, check.measured, check.expected
        )
    }));
    reasons.extend(disturbed(summary, analysis));
    if has_faults(summary) {
        reasons.extend(unsteady(summary));
    }
    for fault in &summary.inputs.faults {
        if fault.applied.is_some() && fault.healed.is_none() {
            reasons.push(format!("the fault `{}` was never healed", fault.name));
        }
    }
    if let load @ LoadTotals { not_preloaded: 1.., .. } = &summary.inputs.load {
        reasons.push(format!(
            "{} of {} keys could not be stored before the run, so nothing was measured",
            load.not_preloaded,
            load.preloaded + load.not_preloaded
        ));
    }
    if summary.inputs.partial == Some(Partial::Error) {
        reasons.push("the run ended early because the harness failed".to_owned());
    }
    reasons
}

/// Why so little of the recovery is left outside the stalls that nobody can judge it.
fn disturbed(summary: &Summary, analysis: &Analysis) -> Option<String> {
    let seconds = analysis.recovery.seconds;
    let share = crate::record::ratio(seconds.disturbed, seconds.all)?;
    let told = stall::told(summary).filter(|_| share > stall::DOUBTFUL_SHARE_MAX)?;
    Some(format!("{told}: {:.0} % of the time after the heal is in doubt", share * 100.0))
}

/// What somebody should know about how the verdict came about: what was left out because the
/// machine stalled, and what nodes without a fault suffered as well.
pub(super) fn evidence(summary: &Summary, analysis: &Analysis) -> Vec<String> {
    let seconds = analysis.recovery.seconds;
    let mut remarks = Vec::new();
    let stale = stall::stale_reads(summary);
    if stale > 0 {
        remarks.push(format!(
            "{stale} stale reads go back to writes that were late because the machine stalled, on nodes \
             without a fault"
        ));
    }
    if let Some(told) = stall::told(summary).filter(|_| seconds.disturbed > 0) {
        remarks.push(format!(
            "{told}: {} of {} windows after the heal are bad for that alone and were left out",
            seconds.disturbed, seconds.all
        ));
    }
    if seconds.shared > 0 {
        remarks.push(format!(
            "in {} of {} bad windows after the heal the nodes without a fault were bad, too, and no \
             stall of the machine was seen that explains it",
            seconds.shared, seconds.bad
        ));
    }
    remarks
}

fn lateness(what: &str, delay: DelayUs, p99_max: u64, max_max: u64) -> Option<String> {
    let ms = |us: u64| us / 1000;
    match (delay.p99, delay.max) {
        (Some(p99), _) if p99 > p99_max => {
            Some(format!("{what} {} ms late at p99 (at most {} ms allowed)", ms(p99), ms(p99_max)))
        }
        (_, Some(max)) if max > max_max => {
            Some(format!("{what} up to {} ms late (at most {} ms allowed)", ms(max), ms(max_max)))
        }
        _ => None,
    }
}

pub(super) fn vacuous(summary: &Summary, analysis: &Analysis) -> Vec<String> {
    let mut reasons = Vec::new();
    let faults = &summary.inputs.faults;
    // A run that was stopped before its faults has other things to say.
    if faults.is_empty() || summary.phase(Phase::Fault).is_none() {
        return reasons;
    }
    let unknown = faults.iter().zip(&analysis.touched).filter(|(_, touched)| touched.is_none());
    reasons.extend(unknown.map(|(fault, _)| {
        format!(
            "nobody can say whether the fault `{}` touched anything: it does not count, and \
             there is too little of a quiet steady phase or of the fault to compare",
            fault.name
        )
    }));
    let total: u64 = analysis.touched.iter().flatten().sum();
    if total < TOUCHED_MIN && reasons.is_empty() {
        reasons.push(format!(
            "the faults touched {total} operations; fewer than {TOUCHED_MIN} prove nothing"
        ));
    }
    for (fault, touched) in faults.iter().zip(&analysis.touched) {
        if *touched == Some(0) && total >= TOUCHED_MIN {
            let what = if fault.applied.is_some() { "touched no operation" } else { "never began" };
            reasons.push(format!("the fault `{}` {what}", fault.name));
        }
    }
    reasons
}

/// What a healthy client would have avoided although no objective forbids it: stale reads, misses of
/// what is there, a connection reused while a reply was owed, errors on nodes without a fault, a
/// breaker that opened without a fault, and getting bad again after having recovered. Errors on a
/// faulty node's keys while it is faulty are unavoidable and are no blemish.
pub(super) fn blemishes(
    summary: &Summary,
    analysis: &Analysis,
    objectives: &[Objective],
) -> Vec<String> {
    let facts = Facts { summary, analysis, phase: None, nodes: NodeGroup::All };
    let mut reasons: Vec<String> = BLEMISHES
        .iter()
        .filter(|(measure, _)| !is_asked_for(objectives, measure))
        .filter_map(|(measure, what)| match (measure.read)(&facts) {
            Reading::Value { value, .. } if value > 0.0 => Some(format!("{what}: {value}")),
            _ => None,
        })
        .collect();
    let late = summary.inputs.data.stale_by_late_write.unwrap_or_default();
    let late = late.saturating_sub(stall::stale_reads(summary));
    if late > 0 {
        let text = "a write whose reply was lost was executed after a later, acknowledged one, and \
                    its value was read";
        reasons.push(format!("{text}: {late} times"));
    }
    let healthy = summary.tally(Some(Phase::Fault), NodeGroup::Healthy).counts;
    let ratio = healthy.error_ratio().unwrap_or(0.0);
    if has_faults(summary) && ratio > HEALTHY_ERROR_RATIO {
        reasons.push(format!(
            "{} of {} operations on nodes without a fault failed during the fault ({:.2} %)",
            healthy.errors(),
            healthy.offered(),
            ratio * 100.0
        ));
    }
    reasons
}
