//! Misses of values that the key's own node held, and that nothing provoked.

use std::collections::BTreeMap;

use super::detection::is_near_fault;
use crate::base::name::NodeIndex;
use crate::base::time::Offset;
use crate::event::{BreakerState, Outcome, Phase};
use crate::record::{Summary, TimedBin};

/// Those that came while their node had no fault and the client called it, beyond what the node
/// dropped to make room: it lost data, or the client told the caller so.
pub(super) fn unprovoked(summary: &Summary) -> u64 {
    let nodes = (0..).map(NodeIndex).zip(&summary.inputs.nodes);
    nodes.map(|(index, node)| of_node(summary, index, node.false_misses)).sum()
}

/// Which of a node's misses are explained is not known: it may be any of them.
fn of_node(summary: &Summary, node: NodeIndex, unexplained: Option<u64>) -> u64 {
    let Some(unexplained) = unexplained else { return 0 };
    let explained = count(summary, node, |_| true).saturating_sub(unexplained);
    let avoided = avoided(summary, node);
    let unprovoked = |piece: &TimedBin| !is_provoked(summary, node, &avoided, piece);
    count(summary, node, unprovoked).saturating_sub(explained)
}

/// False misses on the keys of `node` in the pieces that are `wanted`.
fn count(summary: &Summary, node: NodeIndex, wanted: impl Fn(&TimedBin) -> bool) -> u64 {
    let pieces = Phase::ALL.iter().flat_map(|phase| summary.bins(*phase, |n| n == node));
    pieces.filter(wanted).map(|piece| piece.bin.counts.of(Outcome::FalseMiss)).sum()
}

/// Whether a fault may have had a part in what `node` missed then: it was active, or its breaker was
/// not closed, so that a client with failover asked another node.
fn is_provoked(summary: &Summary, node: NodeIndex, avoided: &[Avoided], piece: &TimedBin) -> bool {
    let grace = summary.config.operation_timeout * 2;
    let overlaps = |(since, until): &Avoided| {
        *since <= piece.end() && until.is_none_or(|until| piece.start <= until.plus(grace))
    };
    is_near_fault(summary, node, piece.start, piece.end()) || avoided.iter().any(overlaps)
}

/// From when to when a breaker was not closed; the last may have no end.
type Avoided = (Offset, Option<Offset>);

/// When a breaker of `node` was not closed: that of any client.
fn avoided(summary: &Summary, node: NodeIndex) -> Vec<Avoided> {
    let mut since: BTreeMap<u32, Offset> = BTreeMap::new();
    let mut all = Vec::new();
    for change in summary.transitions.iter().filter(|change| change.node == node) {
        all.extend(since.remove(&change.member).map(|since| (since, Some(change.at))));
        if change.to != BreakerState::Closed {
            since.insert(change.member, change.at);
        }
    }
    all.extend(since.into_values().map(|since| (since, None)));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::synthetic::{FAULT_MS, HEAL_MS, Story, usual};

    /// What is unprovoked when a node misses one value every 100 ms between these times, and so many
    /// of them are explained.
    fn missing(node: u16, (from, to): (u64, u64), explained: u64) -> u64 {
        let mut summary = Story::default().tell(|n, ms| {
            let misses = n == node && (from..to).contains(&ms) && ms % 100 == 0;
            if misses { (Outcome::FalseMiss, 200) } else { usual(n, ms) }
        });
        let told = &mut summary.inputs.nodes[usize::from(node)].false_misses;
        *told = Some((to - from) / 100 - explained);
        unprovoked(&summary)
    }

    /// Catches a node that lost its data and is excused by a fault of another node, or by its own
    /// fault long after it; and misses under a fault that are called certain.
    #[test]
    fn only_a_fault_of_the_node_itself_provokes_its_misses() {
        let unprovoked = |node, span| missing(node, span, 0);
        assert_eq!(unprovoked(1, (FAULT_MS, HEAL_MS)), 50);
        assert_eq!(unprovoked(0, (2000, 4000)), 20);
        assert_eq!(unprovoked(0, (FAULT_MS, HEAL_MS)), 0);
        assert_eq!(unprovoked(0, (HEAL_MS + 100, HEAL_MS + 300)), 0, "the breaker was open");
        assert_eq!(unprovoked(0, (HEAL_MS + 1000, HEAL_MS + 2000)), 10);
    }

    /// Catches an allowance for what a node dropped that is not given, given twice, or given to another
    /// node, and proof where nobody judged.
    #[test]
    fn what_a_node_dropped_is_taken_off_once() {
        assert_eq!(missing(1, (2000, 4000), 15), 5);
        assert_eq!(missing(1, (2000, 4000), 20), 0);
        let mut summary = Story::default().tell(|n, ms| {
            let misses = n == 1 && ms == 3000;
            if misses { (Outcome::FalseMiss, 200) } else { usual(n, ms) }
        });
        let judged = |summary: &mut Summary, told: [Option<u64>; 2]| {
            for (node, told) in summary.inputs.nodes[1..].iter_mut().zip(told) {
                node.false_misses = told;
            }
            unprovoked(summary)
        };
        assert_eq!(judged(&mut summary, [Some(1), Some(0)]), 1);
        assert_eq!(judged(&mut summary, [Some(0), Some(1)]), 0);
        assert_eq!(judged(&mut summary, [None, Some(0)]), 0, "nobody judged");
    }
}
