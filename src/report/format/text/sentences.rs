//! What the figures of a run say, in sentences. What nobody measured has no part in them.

use crate::event::RefillCounts;
use crate::judge::Strain;
use crate::report::model::{DataReport, DetectionReport, FaultReport, RecoveryReport};
use crate::report::show;

use super::names;

/// Clauses that have something to say.
fn joined(clauses: impl IntoIterator<Item = Option<String>>) -> String {
    clauses.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

/// What was broken, where and when.
pub(super) fn fault(fault: &FaultReport) -> String {
    let (name, kind) = (&fault.name, &fault.kind);
    let kind = if name == kind { String::new() } else { format!(" ({kind})") };
    let when = match (fault.applied_at_s, fault.healed_at_s) {
        (None, _) => "never began".to_owned(),
        (from, until) => format!("{} to {}", show::moment(from), show::moment(until)),
    };
    let touched = match fault.operations_touched {
        Some(count) => format!("{count} operations met it"),
        None => "nobody can say how many operations met it".to_owned(),
    };
    format!("{name}{kind} on {}: {when}; {touched}", names(&fault.nodes))
}

/// How the client noticed.
pub(super) fn detection(seen: &DetectionReport) -> String {
    let elapsed = |value| show::known(value, show::elapsed);
    joined([
        elapsed(seen.first_impact_s).map(|time| format!("first impact after {time}")),
        elapsed(seen.breaker_open_after_fault_s).map(|time| format!("breaker open after {time}")),
        seen.exposure_operations.map(|count| format!("{count} operations waited for the timeout")),
        seen.fast_fail_us.p99.map(|us| {
            format!(
                "operations that the breaker rejected ended within {} (p99)",
                show::us(Some(us))
            )
        }),
    ])
}

/// How and when it was well again.
pub(super) fn recovery(recovery: &RecoveryReport) -> String {
    let elapsed = |value| show::known(value, show::elapsed);
    let headline = match (recovery.recovered, elapsed(recovery.sustained_s)) {
        (Some(true), Some(time)) => {
            let floor = elapsed(recovery.probe_floor_s);
            let floor = floor.map(|floor| format!(", not counting {floor} of the breaker's pause"));
            let own = elapsed(recovery.own_s).filter(|own| *own != time);
            let own = own.map(|own| format!(" ({own}{})", floor.unwrap_or_default()));
            format!("well for good {time} after the heal{}", own.unwrap_or_default())
        }
        (Some(true), None) => "well again".to_owned(),
        (Some(false), _) => "NOT RECOVERED before the end".to_owned(),
        (None, _) => "not judged".to_owned(),
    };
    joined([
        Some(headline),
        elapsed(recovery.first_success_s).map(|time| format!("first success after {time}")),
        elapsed(recovery.hit_ratio_s).map(|time| format!("hit ratio back after {time}")),
        recovery.relapses.filter(|count| *count > 0).map(|count| format!("{count} relapses")),
    ])
}

/// What the client made of the load meanwhile.
pub(super) fn load(load: &Strain) -> String {
    let number = |value| show::known(value, show::number);
    let percent = |value| show::known(value, show::percent);
    joined([
        number(load.request_amplification)
            .map(|times| format!("{times} requests for each that was needed")),
        number(load.connects_per_operation).map(|count| format!("{count} connects an operation")),
        number(load.storm_factor)
            .map(|times| format!("connects after the heal {times} times the steady connections")),
        percent(load.collateral_index)
            .map(|share| format!("{share} of the operations on healthy nodes suffered")),
        percent(load.key_move_ratio).map(|share| format!("{share} of their keys moved")),
    ])
}

/// What became of reads that found nothing; no word when there were none.
pub(super) fn refills(refills: RefillCounts) -> String {
    let RefillCounts { refills, duplicates, at_once_max } = refills;
    match refills {
        0 => String::new(),
        _ => format!(
            "{refills} after a miss, {duplicates} of them while the same key was being refilled; at most \
             {at_once_max} of one key at once"
        ),
    }
}

/// Violations that are worth a word only when there are any.
const RARE: [&str; 5] =
    ["counters behind", "counters ahead", "contradictions", "illegal keys", "of another run"];

/// What must not be, what else was found, and what nobody looked for.
pub(super) fn data(data: &DataReport) -> (String, String, String) {
    let (wrong, corrupt) = (show::count(data.totals.wrong), show::count(data.totals.corrupt));
    let gates = format!("{wrong} wrong, {corrupt} corrupt");
    let late = data.totals.stale_by_late_write.filter(|count| *count > 0);
    let late = late.map(|count| (Some(count), "of them by late writes"));
    let rest = [
        (data.totals.stale_unacknowledged, "stale after a lost write"),
        (data.totals.false_misses, "false misses"),
        (data.totals.acknowledged_but_lost, "writes lost"),
        (data.totals.double_applied, "applied twice"),
        (data.totals.counter_behind, "counters behind"),
        (data.totals.counter_ahead, "counters ahead"),
        (data.totals.contradictions, "contradictions"),
        (data.totals.illegal_keys, "illegal keys"),
        (data.totals.foreign, "of another run"),
        (data.dirty_reuse, "dirty reuse"),
    ];
    let mut found = Vec::new();
    let mut unseen = Vec::new();
    for (count, what) in [(data.totals.stale, "stale")].into_iter().chain(late).chain(rest) {
        match count {
            Some(0) if RARE.contains(&what) => {}
            Some(count) => found.push(format!("{count} {what}")),
            None => unseen.push(what),
        }
    }
    let unseen = match unseen.as_slice() {
        [] => String::new(),
        unseen => format!("not checked: {}", unseen.join(", ")),
    };
    (gates, found.join(", "), unseen)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches refills that are told although there were none, and two figures that change places.
    #[test]
    fn refills_have_a_line_where_there_were_any() {
        assert_eq!(refills(RefillCounts::default()), "");
        let counts = RefillCounts { refills: 40, duplicates: 7, at_once_max: 3 };
        let told = "40 after a miss, 7 of them while the same key was being refilled; at most 3 of one key \
                    at once";
        assert_eq!(refills(counts), told);
    }
}
