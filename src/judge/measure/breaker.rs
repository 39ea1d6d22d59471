//! What the circuit breakers did.

use super::{Facts, Measure, Reading};
use crate::base::family::Unit;
use crate::base::name::NodeIndex;
use crate::event::{BreakerState, Phase};
use crate::judge::recovery::has_faults;
use crate::record::NodeGroup;

pub(super) const OPEN_AFTER_FAULT: Measure = Measure {
    name: "breaker_open_after_fault",
    summary: "from the fault until the breaker of every faulty node was open",
    unit: Unit::Seconds,
    counts_breaches: false,
    read: |facts| since_fault(facts, facts.analysis.detection.breaker_open, "never opened"),
};

pub(super) const DETECT: Measure = Measure {
    name: "detect",
    summary: "from the fault until the client changed its mind about every faulty node",
    unit: Unit::Seconds,
    counts_breaches: false,
    read: |facts| since_fault(facts, facts.analysis.detection.detected, "never reacted"),
};

pub(super) const FALSE_OPENS: Measure = Measure {
    name: "false_opens",
    summary: "how often a breaker opened while no fault was active on its node",
    unit: Unit::Count,
    counts_breaches: true,
    read: |facts| {
        let sum = |opens: &[u64]| {
            let wanted = (0_u16..)
                .zip(opens)
                .filter(|(node, _)| facts.summary.is_in(NodeIndex(*node), facts.nodes));
            wanted.map(|(_, opens)| *opens).sum::<u64>()
        };
        let all = sum(&facts.analysis.false_opens);
        let stalled = sum(&facts.analysis.stalled_opens);
        Reading::count_between(all - stalled, all, facts.offered())
    },
};

pub(super) const OPENS: Measure = Measure {
    name: "breaker_opens",
    summary: "how often a breaker opened",
    unit: Unit::Count,
    counts_breaches: true,
    read: |facts| {
        let opens = facts.summary.transitions.iter().filter(|change| {
            change.to == BreakerState::Open
                && facts.summary.is_in(change.node, facts.nodes)
                && facts.phase.is_none_or(|phase| {
                    facts
                        .summary
                        .phase(phase)
                        .is_some_and(|span| span.start <= change.at && change.at < span.end)
                })
        });
        Reading::count(opens.count() as u64, facts.offered())
    },
};

fn since_fault(facts: &Facts<'_>, time: Option<std::time::Duration>, never: &str) -> Reading {
    if !has_faults(facts.summary) {
        return Reading::Unknown("no fault was applied".to_owned());
    }
    let samples = facts.summary.tally(Some(Phase::Fault), NodeGroup::Faulty).counts.offered();
    time.map_or_else(
        || Reading::Never { what: format!("the breaker or health check {never}"), samples },
        |time| Reading::Value { value: time.as_secs_f64(), samples },
    )
}
