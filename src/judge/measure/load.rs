//! The load: what was served, who else suffered, and whether the generator kept its times.

use super::{Measure, Reading};
use crate::base::family::Unit;
use crate::event::Phase;
use crate::record::NodeGroup;

pub(crate) const THROUGHPUT: Measure = Measure {
    name: "throughput",
    summary: "operations issued a second",
    unit: Unit::PerSecond,
    counts_breaches: false,
    read: |facts| {
        let operations = facts.tally().counts.operations();
        let seconds: f64 = facts
            .summary
            .phases
            .iter()
            .filter(|span| match facts.phase {
                Some(phase) => span.phase == phase,
                None => !matches!(span.phase, Phase::Warmup | Phase::Drain),
            })
            .map(|span| span.length().as_secs_f64())
            .sum();
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
        let rate = (seconds > 0.0).then(|| operations as f64 / seconds);
        Reading::share(rate, operations)
    },
};

pub(crate) const COLLATERAL_INDEX: Measure = Measure {
    name: "collateral_index",
    summary: "operations on healthy nodes' keys that were not good and on time under the fault",
    unit: Unit::Ratio,
    counts_breaches: false,
    read: |facts| {
        let healthy = facts.summary.tally(Some(Phase::Fault), NodeGroup::Healthy);
        let offered = healthy.counts.offered();
        let strain = &facts.analysis.strain;
        match (strain.calm_collateral_index, strain.collateral_index) {
            (_, None) => Reading::Unknown("no healthy node to compare".to_owned()),
            (calm, value) => Reading::share_between(calm, value, offered),
        }
    },
};

pub(crate) const HEALTHY_THROUGHPUT: Measure = Measure {
    name: "healthy_throughput",
    summary: "good operations a second on healthy nodes' keys under the fault, over those before",
    unit: Unit::Ratio,
    counts_breaches: false,
    read: |facts| {
        let healthy = facts.summary.tally(Some(Phase::Fault), NodeGroup::Healthy);
        let value = facts.analysis.strain.healthy_throughput;
        Reading::known(value, healthy.counts.offered(), "no healthy node to compare")
    },
};

pub(crate) const KEY_MOVE_RATIO: Measure = Measure {
    name: "key_move_ratio",
    summary: "keys of healthy nodes that another node served under the fault",
    unit: Unit::Ratio,
    counts_breaches: false,
    read: |facts| {
        let healthy = facts.summary.tally(Some(Phase::Fault), NodeGroup::Healthy);
        let value = facts.analysis.strain.key_move_ratio;
        Reading::known(value, healthy.served, "no healthy node to compare")
    },
};

pub(crate) const IMBALANCE: Measure = Measure {
    name: "imbalance",
    summary: "requests to the busiest healthy node over the mean of the healthy ones",
    unit: Unit::Number,
    counts_breaches: false,
    read: |facts| {
        Reading::known(facts.analysis.strain.imbalance, facts.offered(), "no proxy counted it")
    },
};

/// Why nothing is known about refills.
const NOTHING_REFILLED: &str = "nothing was refilled: no read found nothing, the workload writes nothing back, or nobody counted";

/// Over the whole run: a refill belongs to no operation, and so to no phase.
pub(crate) const DUPLICATE_REFILLS: Measure = Measure {
    name: "duplicate_refills_ratio",
    summary: "refills after a miss that began while another of the same key was under way, over all",
    unit: Unit::Ratio,
    counts_breaches: false,
    read: |facts| {
        let refills = facts.summary.inputs.load.refills.unwrap_or_default();
        Reading::known(refills.duplicate_ratio(), refills.refills, NOTHING_REFILLED)
    },
};

pub(crate) const REFILLS_AT_ONCE: Measure = Measure {
    name: "refills_at_once_max",
    summary: "the most refills of one key that were under way at a time",
    unit: Unit::Count,
    counts_breaches: false,
    read: |facts| match facts.summary.inputs.load.refills {
        Some(refills) if refills.refills > 0 => {
            Reading::count(refills.at_once_max, refills.refills)
        }
        _ => Reading::Unknown(NOTHING_REFILLED.to_owned()),
    },
};

pub(crate) const ISSUE_DELAY_P99: Measure = Measure {
    name: "issue_delay_p99",
    summary: "99 % of the operations were issued at most this late by the generator",
    unit: Unit::Microseconds,
    counts_breaches: false,
    read: |facts| {
        let load = &facts.summary.inputs.load;
        #[expect(clippy::cast_precision_loss, reason = "latencies are far below 2^53 us")]
        let value = load.issue_delay.and_then(|delay| delay.p99).map(|us| us as f64);
        Reading::known(value, load.tickets_issued, "the generator did not keep it")
    },
};
