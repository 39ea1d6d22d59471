//! What the fault did to the load: more requests, more connections, other nodes' operations.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::baseline::Baseline;
use super::recovery::has_faults;
use super::stall;
use crate::event::Phase;
use crate::record::{NodeGroup, Summary, TimedBin, WireCounts};

/// What the fault did to the load.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "LoadReport")]
pub struct Strain {
    /// Requests on the wire over requests that the operations needed.
    pub request_amplification: Option<f64>,
    /// Connection attempts over operations.
    pub connects_per_operation: Option<f64>,
    /// The most connection attempts in a second.
    pub connect_peak_per_s: Option<f64>,
    /// The most connection attempts in a second after the heal over the steady pool.
    pub storm_factor: Option<f64>,
    /// The share of operations on healthy nodes' keys that were not good and on time.
    pub collateral_index: Option<f64>,
    /// The same while the machine did not stall; `None`: it never did. For the judge only.
    #[serde(skip)]
    pub calm_collateral_index: Option<f64>,
    /// Good operations a second on healthy nodes' keys, over those of the steady phase. For the judge
    /// only.
    #[serde(skip)]
    pub healthy_throughput: Option<f64>,
    /// The share of healthy nodes' keys that another node served.
    pub key_move_ratio: Option<f64>,
    /// Requests to the busiest healthy node over the mean of the healthy ones.
    pub imbalance: Option<f64>,
}

impl Strain {
    /// Of the fault phase, or of the whole run when there was none.
    pub(crate) fn of(summary: &Summary) -> Self {
        let phase = has_faults(summary).then_some(Phase::Fault);
        let peak = summary.wire(None).filter_map(|wire| wire.connect_peak).max();
        let recovery_peak =
            summary.wire(Some(Phase::Recovery)).filter_map(|wire| wire.connect_peak).max();
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
        let float = |count: u64| count as f64;
        let pool = summary.connects.steady_open.filter(|open| *open > 0).map(float);
        Self {
            request_amplification: amplification(summary, phase),
            connects_per_operation: connects_per_operation(summary, phase),
            connect_peak_per_s: peak.map(float).or_else(|| summary.connects.peak_per_s()),
            storm_factor: recovery_peak
                .map(float)
                .or_else(|| summary.connects.recovery_peak_per_s())
                .filter(|_| phase.is_some())
                .zip(pool)
                .map(|(peak, pool)| peak / pool),
            collateral_index: phase.and_then(|phase| collateral(summary, phase, |_| true)),
            calm_collateral_index: phase
                .filter(|_| summary.inputs.harness.stalls.count() > 0)
                .and_then(|phase| {
                    collateral(summary, phase, |piece| !stall::covers(summary, piece))
                }),
            healthy_throughput: phase.and_then(|phase| healthy_throughput(summary, phase)),
            key_move_ratio: phase
                .and_then(|phase| summary.tally(Some(phase), NodeGroup::Healthy).moved_ratio()),
            imbalance: imbalance(summary, phase),
        }
    }
}

/// Requests of operations on the wire over those needed, in one phase.
pub(crate) fn amplification(summary: &Summary, phase: Option<Phase>) -> Option<f64> {
    let mut wire = summary.wire(phase).filter(|_| summary.wire_is_of_these_calls()).peekable();
    wire.peek()?;
    let requests: u64 = wire.map(|wire| wire.operation_requests).sum();
    crate::record::ratio(requests, summary.tally(phase, NodeGroup::All).needed_requests)
}

/// Connection attempts over operations, in one phase.
pub(crate) fn connects_per_operation(summary: &Summary, phase: Option<Phase>) -> Option<f64> {
    crate::record::ratio(
        summary.dials(phase)?,
        summary.tally(phase, NodeGroup::All).counts.operations(),
    )
}

/// What operations on healthy nodes' keys suffered: one less the share that was good and on time.
fn collateral(summary: &Summary, phase: Phase, counts: impl Fn(&TimedBin) -> bool) -> Option<f64> {
    let healthy = |node| summary.is_in(node, NodeGroup::Healthy);
    let baseline = Baseline::of(summary, healthy)?;
    let (mut offered, mut fine) = (0, 0);
    for piece in summary.bins(phase, healthy).iter().filter(|piece| counts(piece)) {
        offered += piece.bin.counts.offered();
        let late = piece.bin.response.longer_than(baseline.slow_us);
        fine += piece.bin.counts.good().saturating_sub(late);
    }
    crate::record::ratio(offered - fine, offered)
}

/// Good operations a second on healthy nodes' keys, over the same in the steady phase.
fn healthy_throughput(summary: &Summary, phase: Phase) -> Option<f64> {
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    let rate = |phase| {
        let good = summary.tally(Some(phase), NodeGroup::Healthy).counts.good() as f64;
        let seconds = summary.phase(phase)?.length().as_secs_f64();
        (good > 0.0 && seconds > 0.0).then(|| good / seconds)
    };
    let steady = rate(Phase::Steady)?;
    Some(rate(phase).unwrap_or_default() / steady)
}

fn imbalance(summary: &Summary, phase: Option<Phase>) -> Option<f64> {
    let mut by_node = std::collections::BTreeMap::new();
    let healthy = |wire: &&WireCounts| summary.is_in(wire.node, NodeGroup::Healthy);
    for wire in summary.wire(phase).filter(healthy) {
        *by_node.entry(wire.node).or_insert(0_u64) += wire.requests;
    }
    let most = by_node.values().copied().max()?;
    crate::record::ratio(most * by_node.len() as u64, by_node.values().sum())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{ErrorClass, Outcome};
    use crate::record::synthetic::{FAULT_MS, HEAL_MS, Story, usual};

    /// Catches amplification measured against the wrong phase, and one made up without a proxy.
    #[test]
    fn the_wire_is_compared_with_what_was_needed() {
        let mut summary = Story::default().tell(usual);
        for wire in &mut summary.inputs.wire {
            (wire.requests, wire.operation_requests) = (1300, 1200);
        }
        assert_eq!(amplification(&summary, Some(Phase::Steady)), Some(1.2));
        assert_eq!(amplification(&summary, Some(Phase::Fault)), None);
        summary.inputs.wire.clear();
        assert_eq!(amplification(&summary, None), None);
    }

    /// Catches attempts to connect that are taken from the proxies, which never see the refused ones,
    /// and a 0 where nobody counted.
    #[test]
    fn attempts_to_connect_are_those_of_the_client() {
        let mut summary = Story::default().tell(usual);
        summary.inputs.wire.clear();
        assert_eq!(connects_per_operation(&summary, Some(Phase::Steady)), Some(0.008));
        assert_eq!(connects_per_operation(&summary, Some(Phase::Fault)), None);
        summary.inputs.dials.clear();
        assert_eq!(connects_per_operation(&summary, None), None);
    }

    /// Catches a throughput that counts the victim's keys or answers that are no good, and one of 1
    /// where nothing was served at all.
    #[test]
    fn healthy_throughput_is_of_good_answers_on_healthy_keys() {
        let refused = Outcome::Error(ErrorClass::Refused);
        let throughput = |refuses: fn(u16) -> bool| {
            let summary = Story::default().tell(|node, ms| {
                let in_fault = (FAULT_MS..HEAL_MS).contains(&ms);
                if in_fault && refuses(node) { (refused, 200) } else { usual(node, ms) }
            });
            Strain::of(&summary).healthy_throughput
        };
        assert_eq!(throughput(|_| false), Some(1.0));
        assert_eq!(throughput(|node| node == 0), Some(1.0), "the victim's own keys");
        assert_eq!(throughput(|node| node == 1), Some(0.5));
        assert_eq!(throughput(|_| true), Some(0.0));
    }

    /// Catches collateral damage that counts the victim's own keys, or forgets slow answers.
    #[test]
    fn collateral_is_what_healthy_keys_suffer() {
        let collateral = |outcome, took| {
            let summary = Story::default().tell(|node, ms| {
                let hit = node == 1 && (FAULT_MS..FAULT_MS + 1000).contains(&ms);
                if hit { (outcome, took) } else { usual(node, ms) }
            });
            Strain::of(&summary).collateral_index
        };
        assert_eq!(collateral(Outcome::Hit, 200), Some(0.0));
        assert_eq!(collateral(Outcome::Hit, 50_000), Some(0.1));
        assert_eq!(collateral(Outcome::Error(ErrorClass::Timeout), 100_000), Some(0.1));
    }
}
