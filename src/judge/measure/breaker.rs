//! What the circuit breakers did.

use std::time::Duration;

use super::{Facts, Measure, Reading};
use crate::base::family::Unit;
use crate::base::name::NodeIndex;
use crate::base::time::Offset;
use crate::event::{BreakerState, Phase};
use crate::judge::recovery::has_faults;
use crate::record::NodeGroup;

/// Why nothing is known about breakers.
const NO_BREAKER: &str = "no client said what its breakers do";

pub(crate) const OPEN_AFTER_FAULT: Measure = Measure {
    name: "breaker_open_after_fault",
    summary: "from the fault until the breaker of every faulty node was open",
    unit: Unit::Seconds,
    counts_breaches: false,
    read: |facts| since_fault(facts, facts.analysis.detection.breaker_open, "never opened"),
};

pub(crate) const DETECT: Measure = Measure {
    name: "detect",
    summary: "from the fault until the client changed its mind about every faulty node",
    unit: Unit::Seconds,
    counts_breaches: false,
    read: |facts| since_fault(facts, facts.analysis.detection.detected, "never reacted"),
};

pub(crate) const FALSE_OPENS: Measure = Measure {
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
        if !is_watched(facts) {
            return Reading::Unknown(NO_BREAKER.to_owned());
        }
        let all = sum(&facts.analysis.false_opens);
        let stalled = sum(&facts.analysis.stalled_opens);
        Reading::count_between(all - stalled, all, facts.offered())
    },
};

pub(crate) const OPENS: Measure = Measure {
    name: "breaker_opens",
    summary: "how often a breaker opened",
    unit: Unit::Count,
    counts_breaches: true,
    read: |facts| {
        if !is_watched(facts) {
            return Reading::Unknown(NO_BREAKER.to_owned());
        }
        let summary = facts.summary;
        let settled = summary.settled();
        let asked = |at: Offset| match facts.phase {
            // The warm-up is not judged.
            None => at >= settled,
            Some(phase) => {
                summary.phase(phase).is_some_and(|span| span.start <= at && at < span.end)
            }
        };
        let opens = summary.transitions.iter().filter(|change| {
            let wanted = summary.is_in(change.node, facts.nodes) && asked(change.at);
            change.to == BreakerState::Open && wanted
        });
        Reading::count(opens.count() as u64, facts.offered())
    },
};

/// Whether there is a client that says what its breakers do.
fn is_watched(facts: &Facts<'_>) -> bool {
    !facts.summary.inputs.nodes.is_empty()
}

fn since_fault(facts: &Facts<'_>, time: Option<Duration>, never: &str) -> Reading {
    if !has_faults(facts.summary) {
        return Reading::Unknown("no fault was applied".to_owned());
    }
    if !is_watched(facts) {
        return Reading::Unknown(NO_BREAKER.to_owned());
    }
    let samples = facts.summary.tally(Some(Phase::Fault), NodeGroup::Faulty).counts.offered();
    let until = facts.summary.healed().unwrap_or(facts.summary.inputs.ended);
    let looked = facts.summary.fault_applied().map_or(Duration::ZERO, |begun| until.since(begun));
    time.map_or_else(
        || Reading::Never {
            what: format!("the breaker or health check {never}"),
            looked: looked.as_secs_f64(),
            samples,
        },
        |time| Reading::Value { value: time.as_secs_f64(), samples },
    )
}

#[cfg(test)]
mod tests {
    use crate::event::BreakerState::{Closed, Open};
    use crate::judge::{Bound, Grade, Objective, judge};
    use crate::record::NodeGroup;
    use crate::record::synthetic::{FAULT_MS, Story, usual};

    /// Catches a breaker that opened in the warm-up, which nobody judges, and fails the run; and one
    /// that opened later and is passed over.
    #[test]
    fn openings_count_from_the_steady_phase_on() {
        let grade = |ms: u64| {
            let story = Story { breaker: vec![(ms, Closed, Open)], ..Story::default() };
            let objective = Objective {
                name: "closed".to_owned(),
                summary: String::new(),
                measure: &super::OPENS,
                phase: None,
                nodes: NodeGroup::All,
                bound: Bound::AtMost(0.0),
                min_samples: 100,
            };
            judge(&story.tell(usual), &[objective]).grades[0].grade
        };
        assert_eq!(grade(500), Grade::Pass);
        assert_eq!(grade(3000), Grade::Fail);
        assert_eq!(grade(FAULT_MS + 1), Grade::Fail);
    }
}
