//! What the data itself proves: values that no run may hand out or lose, however the machine was.

use super::Analysis;
use super::measure::{Facts, Measure, Reading, data};
use super::misses;
use super::objective::{Bound, Objective};
use crate::event::Outcome;
use crate::record::{NodeGroup, Summary};

/// One kind of proof.
#[derive(Debug)]
struct Proof {
    /// The measure that counts it.
    measure: &'static Measure,
    /// What it is called where a scenario makes it.
    noun: &'static str,
    /// What is wrong, in words.
    what: &'static str,
    /// How often nothing excuses it.
    count: fn(&Summary) -> u64,
}

const PROOFS: &[Proof] = &[
    Proof {
        measure: &data::WRONG,
        noun: "wrong data",
        what: "wrong values, of another key or never written",
        count: |summary| seen(summary, Outcome::Wrong, summary.inputs.data.wrong),
    },
    Proof {
        measure: &data::CORRUPT,
        noun: "corrupt data",
        what: "corrupt values, with a length or checksum not their own",
        count: |summary| seen(summary, Outcome::Corrupt, summary.inputs.data.corrupt),
    },
    Proof {
        measure: &data::STALE_UNEXPLAINED,
        noun: "stale data",
        what: "reads older than the last acknowledged write that no late write explains",
        count: stale_unexplained,
    },
    Proof {
        measure: &data::ACKNOWLEDGED_BUT_LOST,
        noun: "lost writes",
        what: "acknowledged writes that were lost",
        count: |summary| summary.inputs.data.acknowledged_but_lost.unwrap_or(0),
    },
    Proof {
        measure: &data::DOUBLE_APPLIED,
        noun: "doubled records",
        what: "records that were added twice",
        count: |summary| summary.inputs.data.double_applied.unwrap_or(0),
    },
    Proof {
        measure: &data::COUNTER_BEHIND,
        noun: "lost increments",
        what: "counters behind what was acknowledged",
        count: |summary| summary.inputs.data.counter_behind.unwrap_or(0),
    },
    Proof {
        measure: &data::COUNTER_AHEAD,
        noun: "doubled increments",
        what: "counters ahead of what was asked for",
        count: |summary| summary.inputs.data.counter_ahead.unwrap_or(0),
    },
    // The operations that came to this outcome are more: what a node dropped explains some.
    Proof {
        measure: &data::CONTRADICTIONS,
        noun: "contradictions",
        what: "answers that contradict earlier ones",
        count: |summary| summary.inputs.data.contradictions.unwrap_or(0),
    },
    // Keys carry the run: a healthy node has nothing of another run under a key of this one.
    Proof {
        measure: &data::FOREIGN,
        noun: "foreign data",
        what: "values that another run left behind",
        count: |summary| seen(summary, Outcome::Foreign, summary.inputs.data.foreign),
    },
    Proof {
        measure: &data::FALSE_MISSES,
        noun: "false misses",
        what: "misses of values that the node held, although it had no fault",
        count: misses::unprovoked,
    },
];

/// Stale reads that no write whose reply was lost, and that was executed late, put there.
pub(super) fn stale_unexplained(summary: &Summary) -> u64 {
    let data = &summary.inputs.data;
    seen(summary, Outcome::Stale, data.stale).saturating_sub(data.stale_by_late_write.unwrap_or(0))
}

/// The oracle also sees several violations within one multi-get.
fn seen(summary: &Summary, outcome: Outcome, oracle: Option<u64>) -> u64 {
    summary.total(outcome).max(oracle.unwrap_or(0))
}

/// Whether a breach of a bound on this measure is proven by the data: a late timer, or a machine that
/// stood still, makes no value wrong and loses none.
pub(super) fn is_proof(measure: &Measure) -> bool {
    PROOFS.iter().any(|proof| proof.measure == measure)
}

/// What was proven, but for what the scenario makes to test the oracle itself.
pub(super) fn proven(summary: &Summary, objectives: &[Objective]) -> Vec<String> {
    PROOFS
        .iter()
        .map(|proof| (proof, (proof.count)(summary)))
        .filter(|(proof, count)| *count > 0 && !is_asked_for(objectives, proof.measure))
        .map(|(proof, count)| format!("{}: {count}", proof.what))
        .collect()
}

/// What a scenario that tests the oracle itself has seen of what it asks for.
pub(super) fn asked_for(
    summary: &Summary,
    analysis: &Analysis,
    objectives: &[Objective],
) -> Vec<String> {
    let facts = Facts { summary, analysis, phase: None, nodes: NodeGroup::All };
    PROOFS
        .iter()
        .filter(|proof| is_asked_for(objectives, proof.measure))
        .filter_map(|proof| match (proof.measure.read)(&facts) {
            Reading::Value { value, .. } if value > 0.0 => {
                Some(format!("this run plants {}, to see it: {}: {value}", proof.noun, proof.what))
            }
            _ => None,
        })
        .collect()
}

/// Whether a scenario asks for violations: an objective with a lower bound on their measure. Who asks for stale reads
/// asks for those that nothing explains as well.
pub(super) fn is_asked_for(objectives: &[Objective], measure: &Measure) -> bool {
    let among = (measure == &data::STALE_UNEXPLAINED).then_some(&data::STALE);
    objectives.iter().any(|objective| {
        (objective.measure == measure || Some(objective.measure) == among)
            && matches!(objective.bound, Bound::AtLeast(least) if least > 0.0)
    })
}
