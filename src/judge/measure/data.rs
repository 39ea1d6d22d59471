//! Whether the data was right.

use super::{Facts, Measure, Reading};
use crate::base::family::Unit;
use crate::event::Outcome;
use crate::judge::{proof, stall};
use crate::record::NodeGroup;

/// Every measure of the data: what the check of values tells.
pub(crate) const ALL: [&Measure; 12] = [
    &WRONG,
    &CORRUPT,
    &STALE,
    &STALE_UNEXPLAINED,
    &FALSE_MISSES,
    &ACKNOWLEDGED_BUT_LOST,
    &DOUBLE_APPLIED,
    &FOREIGN,
    &CONTRADICTIONS,
    &ILLEGAL_KEYS,
    &COUNTER_BEHIND,
    &COUNTER_AHEAD,
];

pub(crate) const WRONG: Measure = Measure {
    name: "wrong_data",
    summary: "values that belong to another key or were never written",
    unit: Unit::Count,
    counts_breaches: true,
    read: |facts| seen(facts, &WRONG, Outcome::Wrong, facts.summary.inputs.data.wrong),
};

pub(crate) const CORRUPT: Measure = Measure {
    name: "corrupt_data",
    summary: "values whose length or checksum is not their own",
    unit: Unit::Count,
    counts_breaches: true,
    read: |facts| seen(facts, &CORRUPT, Outcome::Corrupt, facts.summary.inputs.data.corrupt),
};

pub(crate) const STALE: Measure = Measure {
    name: "stale_data",
    summary: "reads older than the last acknowledged write",
    unit: Unit::Count,
    counts_breaches: true,
    read: |facts| match seen(facts, &STALE, Outcome::Stale, facts.summary.inputs.data.stale) {
        Reading::Value { value, samples } if is_whole(facts) => {
            #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
            let stalled = stall::stale_reads(facts.summary) as f64;
            Reading::between((value - stalled).max(0.0), value, samples)
        }
        reading => reading,
    },
};

pub(crate) const STALE_UNEXPLAINED: Measure = Measure {
    name: "stale_unexplained",
    summary: "reads older than the last acknowledged write that no late write explains",
    unit: Unit::Count,
    counts_breaches: true,
    read: |facts| {
        let looked = facts.summary.inputs.data.stale;
        told(facts, &STALE_UNEXPLAINED, looked.map(|_| proof::stale_unexplained(facts.summary)))
    },
};

pub(crate) const FALSE_MISSES: Measure = Measure {
    name: "false_misses",
    summary: "misses although the key's own node holds the value, beyond what it evicted",
    unit: Unit::Count,
    counts_breaches: true,
    read: |facts| match facts.summary.inputs.data.false_misses {
        // What the nodes dropped explains nothing in a part of the run by itself.
        Some(1..) if !is_whole(facts) => seen(facts, &FALSE_MISSES, Outcome::FalseMiss, Some(0)),
        count => told(facts, &FALSE_MISSES, count),
    },
};

pub(crate) const ACKNOWLEDGED_BUT_LOST: Measure = Measure {
    name: "acknowledged_but_lost",
    summary: "acknowledged writes whose effect is gone or was never there",
    unit: Unit::Count,
    counts_breaches: true,
    read: |facts| {
        told(facts, &ACKNOWLEDGED_BUT_LOST, facts.summary.inputs.data.acknowledged_but_lost)
    },
};

pub(crate) const DOUBLE_APPLIED: Measure = Measure {
    name: "double_applied",
    summary: "records that are there more often than they were asked for",
    unit: Unit::Count,
    counts_breaches: true,
    read: |facts| told(facts, &DOUBLE_APPLIED, facts.summary.inputs.data.double_applied),
};

pub(crate) const FOREIGN: Measure = Measure {
    name: "foreign_data",
    summary: "values that another run left behind",
    unit: Unit::Count,
    counts_breaches: true,
    read: |facts| seen(facts, &FOREIGN, Outcome::Foreign, facts.summary.inputs.data.foreign),
};

pub(crate) const CONTRADICTIONS: Measure = Measure {
    name: "contradictions",
    summary: "answers that cannot be, by what the same node has answered before",
    unit: Unit::Count,
    counts_breaches: true,
    read: |facts| told(facts, &CONTRADICTIONS, facts.summary.inputs.data.contradictions),
};

pub(crate) const ILLEGAL_KEYS: Measure = Measure {
    name: "illegal_keys",
    summary: "keys that memcached does not take and that were accepted, or reached a node",
    unit: Unit::Count,
    counts_breaches: true,
    read: |facts| told(facts, &ILLEGAL_KEYS, facts.summary.inputs.data.illegal_keys),
};

pub(crate) const COUNTER_BEHIND: Measure = Measure {
    name: "counter_behind",
    summary: "counters below what was acknowledged: an increment lost, or a decrement applied twice",
    unit: Unit::Count,
    counts_breaches: true,
    read: |facts| told(facts, &COUNTER_BEHIND, facts.summary.inputs.data.counter_behind),
};

pub(crate) const COUNTER_AHEAD: Measure = Measure {
    name: "counter_ahead",
    summary: "counters above what was asked for: a decrement lost, or an increment applied twice",
    unit: Unit::Count,
    counts_breaches: true,
    read: |facts| told(facts, &COUNTER_AHEAD, facts.summary.inputs.data.counter_ahead),
};

/// Operations that came to `outcome`; over the whole run at least what the oracle counted, which
/// also sees several violations within one multi-get, and the warm-up. Where it did not look, an
/// outcome that nobody saw says nothing.
fn seen(facts: &Facts<'_>, measure: &Measure, outcome: Outcome, oracle: Option<u64>) -> Reading {
    let count = |oracle| {
        if is_whole(facts) {
            facts.summary.total(outcome).max(oracle)
        } else {
            facts.tally().counts.of(outcome)
        }
    };
    told(facts, measure, oracle.map(count))
}

/// Whether all of the run is asked for.
fn is_whole(facts: &Facts<'_>) -> bool {
    facts.phase.is_none() && facts.nodes == NodeGroup::All
}

fn told(facts: &Facts<'_>, measure: &Measure, count: Option<u64>) -> Reading {
    let why_not = || {
        let known = facts.summary.inputs.data.not_judged.iter();
        let reasons: Vec<&str> = known
            .filter(|not| not.measure == measure.name)
            .map(|not| not.reason.as_str())
            .collect();
        if reasons.is_empty() {
            "the oracle did not look for it".into()
        } else {
            reasons.join("; ")
        }
    };
    count.map_or_else(
        || Reading::Unknown(why_not()),
        |count| Reading::count(count, facts.tally().counts.operations()),
    )
}
