//! What speaks against a run, kind by kind, in sentences. The order of the kinds is the verdict's.

use std::cmp::Reverse;

use super::baseline::{self, unsteady};
use super::errors;
use super::fleet;
use super::measure::{self, Facts, Measure};
use super::objective::{Grade, Graded, Objective};
use super::proof::{is_asked_for, proven};
use super::recovery::has_faults;
use super::stall;
use super::strain;
use super::unmet::unmet;
use super::{Analysis, Reading};
use crate::base::scope::Closed;
use crate::event::{ErrorClass, EventKind, Outcome, Phase, SubjectError, SubjectFacts};
use crate::record::{DelayUs, LoadCounts, NodeGroup, Partial, Summary};

/// Operations that all faults together must have touched. From fewer, nothing follows about those that
/// were not touched, and a pass would say no more than that hardly anything was asked of the client.
const TOUCHED_OPERATIONS_MIN: u64 = 30;

/// How late something may be before the times of the run are those of the machine.
struct LateMax {
    /// Nearly always, in microseconds.
    p99_us: u64,
    /// Once, in microseconds. What stood still that long was still for longer than most timeouts: a
    /// client rightly takes its nodes for dead then.
    once_us: u64,
}

/// The 10 ms timer of the watch: three periods, so that a machine that is only busy passes and one that
/// keeps missing its turns does not. Single stalls are left out where they are, see [`stall`].
const TIMER_LATE_MAX: LateMax = LateMax { p99_us: 30_000, once_us: 300_000 };

/// The load generator: as much as an operation must be slower than the baseline to count as slow, since
/// response times count from the intended start and would call its own lateness slow.
const ISSUE_LATE_MAX: LateMax = LateMax { p99_us: 10_000, once_us: 300_000 };

/// Failed operations over offered ones, on the keys of nodes without a fault while others have one, that
/// are worth no remark: as many as there may be before any fault.
const HEALTHY_ERROR_RATIO_MAX: f64 = baseline::ERROR_RATIO_MAX;

/// Connections for each operation, with nothing broken, from which on a client does not keep them, and how many
/// operations it takes to say so: the first ones of a pool are no habit.
const CONNECTS_MIN: f64 = 0.9;
const CONNECTING_OPERATIONS_MIN: u64 = 200;

/// Measures of which a healthy client shows none, so that one is worth a remark, and what they count, in words.
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
    let crashes = summary.inputs.subject.as_ref().and_then(|subject| subject.crashes);
    if let Some(crashes) = crashes.filter(|crashes| *crashes > 0) {
        let who = if summary.tells_nodes() { "client" } else { "service" };
        reasons.push(format!("the process of the {who} died: {crashes}{}", last_words(summary)));
    }
    let subject = summary.inputs.subject.as_ref();
    reasons.extend(subject.and_then(not_ended));
    reasons.extend(not_stored(summary).filter(|_| refuses_to_store(summary)));
    reasons.extend(fleet::unaccounted(summary));
    match &summary.inputs.harness.tasks {
        Closed::Clean => {}
        Closed::Leaked { tasks } => reasons.push(format!("tasks that did not end: {tasks}")),
        Closed::Panicked { task } => reasons.push(format!("a task panicked: {task}")),
    }
    reasons
}

/// Calls for which nobody waits any more and that the client still has under way.
fn not_ended(subject: &SubjectFacts) -> Option<String> {
    let open = subject.calls_open.filter(|open| *open > 0)?;
    let longest = subject.longest_open_s?;
    let such_as = match subject.open_examples.as_slice() {
        [] => String::new(),
        examples => format!(" ({})", examples.join(", ")),
    };
    Some(format!(
        "calls that had not ended when the run did: {open}, the longest after {longest:.1} s{such_as}"
    ))
}

/// How it died the first time, and the last that it said: in most cases the fault itself.
fn last_words(summary: &Summary) -> String {
    let first = summary.events.iter().find_map(|event| match &event.kind {
        EventKind::ClientCrashed { how, last_words } => Some((event.at_s, how, last_words)),
        _ => None,
    });
    let Some((at_s, how, last_words)) = first else { return String::new() };
    let last = last_words.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
    let said = if last.is_empty() { String::new() } else { format!(", behind `{}`", last.trim()) };
    format!("; first at {at_s:.2} s by {how}{said}")
}

/// What was late, so that times may be those of the machine. Of a fleet, on which machine.
#[must_use]
pub fn noise(summary: &Summary) -> Vec<String> {
    if let Some(noise) = fleet::noise(summary) {
        return noise;
    }
    let late = [
        (
            "the machine was too noisy: a 10 ms timer woke",
            summary.inputs.harness.timer_delay,
            TIMER_LATE_MAX,
        ),
        (
            "the load generator was late: operations were issued",
            summary.inputs.load.issue_delay,
            ISSUE_LATE_MAX,
        ),
    ];
    let late = late.into_iter();
    late.filter_map(|(what, delay, most)| lateness(what, delay?, &most)).collect()
}

/// How many keys are not there, why, and what the client says to it.
fn not_stored(summary: &Summary) -> Option<String> {
    let load @ LoadCounts { not_preloaded: 1.., .. } = &summary.inputs.load else { return None };
    let all = load.preloaded + load.not_preloaded;
    let mut why: Vec<(&String, &u64)> = load.preload_failures.iter().collect();
    why.sort_by_key(|(_, count)| Reverse(**count));
    let why: Vec<String> = why.into_iter().map(|(what, count)| format!("{count} {what}")).collect();
    let why = if why.is_empty() { String::new() } else { format!(" ({})", why.join(", ")) };
    let errors = summary.inputs.subject.iter().flat_map(|subject| &subject.errors);
    let is_one = |error: &&SubjectError| {
        load.preload_failures.contains_key(&format!("error.{}", error.class))
    };
    let says = errors.into_iter().find(is_one);
    let says = says.map(|error| format!("; it says {}: {}", error.class, error.message));
    Some(format!(
        "{} of {all} keys could not be stored before the run{why}, so nothing was measured{}",
        load.not_preloaded,
        says.unwrap_or_default()
    ))
}

/// Whether it is the client that does not store on nodes that nothing was done to yet: most of the attempts ended
/// with an error of its own, neither a node's nor a network's, or not at all.
fn refuses_to_store(summary: &Summary) -> bool {
    let failures = &summary.inputs.load.preload_failures;
    let own = [Outcome::Error(ErrorClass::Other), Outcome::Hung];
    let own = own.into_iter().filter_map(|outcome| failures.get(outcome.name())).sum::<u64>();
    own * 2 > failures.values().sum::<u64>() && noise(summary).is_empty()
}

/// What the harness did not bring to its end.
pub(super) fn unfinished(summary: &Summary) -> Vec<String> {
    let mut reasons = Vec::new();
    for fault in &summary.inputs.faults {
        if fault.applied.is_some() && fault.healed.is_none() {
            reasons.push(format!("the fault `{}` was never healed", fault.name));
        }
    }
    reasons.extend(not_stored(summary).filter(|_| !refuses_to_store(summary)));
    if summary.inputs.partial == Some(Partial::Error) {
        // What broke is the first of the limits.
        let what = summary.inputs.harness.limits.first();
        let what = what.map(|what| format!(": {what}")).unwrap_or_default();
        reasons.push(format!("the run ended early because the harness failed{what}"));
    }
    if summary.inputs.partial == Some(Partial::Driver) {
        reasons.push("the driver of the client does not keep to its protocol".to_owned());
    }
    reasons
}

/// Why what was measured may be the lab and not the client.
pub(super) fn doubts(summary: &Summary, analysis: &Analysis) -> Vec<String> {
    let mut reasons: Vec<String> = fleet::incomplete(summary).into_iter().collect();
    reasons.extend(noise(summary));
    let wrong = summary.inputs.harness.calibration.iter().filter(|check| !check.pass);
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
    reasons.extend(unfinished(summary));
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
    let mut remarks = fleet::narrower(summary);
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

fn lateness(what: &str, delay: DelayUs, most: &LateMax) -> Option<String> {
    let ms = |us: u64| us / 1000;
    let allowed = |us: u64| format!("(at most {} ms allowed)", ms(us));
    match (delay.p99, delay.max) {
        (Some(p99), _) if p99 > most.p99_us => {
            Some(format!("{what} {} ms late at p99 {}", ms(p99), allowed(most.p99_us)))
        }
        (_, Some(max)) if max > most.once_us => {
            Some(format!("{what} up to {} ms late {}", ms(max), allowed(most.once_us)))
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
    if !summary.tells_nodes() {
        // A service may hide a fault from whoever asks it: that is what it is praised for.
        return unmet(summary);
    }
    let touched = faults.iter().zip(&analysis.touched);
    let unknown = touched.filter(|(fault, touched)| fault.applied.is_some() && touched.is_none());
    reasons.extend(unknown.map(|(fault, _)| {
        format!(
            "nobody can say whether the fault `{}` touched anything: it does not count, and \
             there is too little of a quiet steady phase or of the fault to compare",
            fault.name
        )
    }));
    let total: u64 = analysis.touched.iter().flatten().sum();
    if total < TOUCHED_OPERATIONS_MIN && reasons.is_empty() {
        reasons.push(format!(
            "the faults touched {total} operations; fewer than {TOUCHED_OPERATIONS_MIN} prove nothing"
        ));
    }
    for (fault, touched) in faults.iter().zip(&analysis.touched) {
        match (fault.applied, *touched) {
            (None, _) => reasons.push(format!("the fault `{}` never began", fault.name)),
            (Some(_), Some(0)) if total >= TOUCHED_OPERATIONS_MIN => {
                reasons.push(format!("the fault `{}` touched no operation", fault.name));
            }
            _ => {}
        }
    }
    reasons
}

/// That a node which was healed got no request any more, unless an objective asks for that.
pub(super) fn never_asked_again(
    summary: &Summary,
    analysis: &Analysis,
    objectives: &[Objective],
) -> Option<String> {
    let asked_again = &measure::told::FIRST_REQUEST;
    let facts = Facts { summary, analysis, phase: None, nodes: NodeGroup::All };
    match (asked_again.read)(&facts) {
        Reading::Never { what, .. } if !is_asked_for(objectives, asked_again) => Some(what),
        _ => None,
    }
}

/// What a healthy client would have avoided although no objective forbids it: stale reads, misses of
/// what is there, a connection reused while a reply was owed, errors on nodes without a fault, a
/// breaker that opened without a fault, and getting bad again after having recovered. Errors on a
/// faulty node's keys while it is faulty are unavoidable and are no blemish.
pub(super) fn blemishes(
    summary: &Summary,
    analysis: &Analysis,
    objectives: &[Objective],
    grades: &[Graded],
) -> Vec<String> {
    let facts = Facts { summary, analysis, phase: None, nodes: NodeGroup::All };
    // What an objective has failed for is said already, in its own words.
    let is_said = |measure: &Measure| {
        let failed = grades.iter().filter(|graded| graded.grade == Grade::Fail);
        failed.into_iter().any(|graded| graded.objective.measure == measure)
    };
    let mut reasons: Vec<String> = BLEMISHES
        .iter()
        .filter(|(measure, _)| !is_asked_for(objectives, measure) && !is_said(measure))
        .filter_map(|(measure, what)| match (measure.read)(&facts) {
            Reading::Value { value, .. } if value > 0.0 => Some(format!("{what}: {value}")),
            _ => None,
        })
        .collect();
    let connects = strain::connects_per_operation(summary, Some(Phase::Steady));
    let steady = summary.tally(Some(Phase::Steady), NodeGroup::All).counts.offered();
    let is_habit =
        |connects: &f64| steady >= CONNECTING_OPERATIONS_MIN && *connects >= CONNECTS_MIN;
    if let Some(connects) = connects.filter(is_habit) {
        reasons.push(format!(
            "{connects:.2} connections were made for each operation before any fault; a client that keeps them makes none"
        ));
    }
    reasons.extend(never_asked_again(summary, analysis, objectives));
    let late = summary.inputs.data.stale_by_late_write.unwrap_or_default();
    let late = late.saturating_sub(stall::stale_reads(summary));
    if late > 0 {
        let text = "a write whose reply was lost was executed after a later, acknowledged one, and \
                    its value was read";
        reasons.push(format!("{text}: {late} times"));
    }
    let healthy = summary.tally(Some(Phase::Fault), NodeGroup::Healthy).counts;
    let ratio = healthy.error_ratio().unwrap_or(0.0);
    if has_faults(summary) && ratio > HEALTHY_ERROR_RATIO_MAX {
        reasons.push(format!(
            "{} of {} operations on nodes without a fault failed during the fault ({:.2} %){}",
            healthy.errors(),
            healthy.offered(),
            ratio * 100.0,
            errors::told(summary, &healthy)
        ));
    }
    reasons
}
