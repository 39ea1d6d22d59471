//! How soon the client noticed the fault, and what it cost until then.

use std::time::Duration;

use super::baseline::Baseline;
use super::recovery::slowest;
use super::stall;
use super::window::after_fault;
use crate::base::name::NodeIndex;
use crate::base::time::Offset;
use crate::event::{BreakerState, EventKind, Phase, SubjectFacts};
use crate::record::{DelayUs, NodeGroup, Summary, Transition};

/// How soon, counted from the moment everything had acknowledged the fault. Of several faulty
/// nodes the slowest counts, and one that never noticed leaves no time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Detection {
    /// The first operation on a faulty node's keys that failed or was slow. The earliest node.
    pub first_impact: Option<Duration>,
    /// The first change of the client's mind about the node: breaker, or ejection.
    pub detected: Option<Duration>,
    /// The breaker was open.
    pub breaker_open: Option<Duration>,
    /// The same, from the first failed operation: what counting took, without the timeout.
    pub breaker_open_after_first_failure: Option<Duration>,
    /// Operations on a faulty node's keys that took nine tenths of the timeout until then; `None`: what the timeout
    /// of the client is, nobody knows.
    pub exposure: Option<u64>,
    /// How long a shed operation took.
    pub fast_fail: DelayUs,
    /// How many there were.
    pub shed: u64,
}

impl Detection {
    /// Looks for the first signs on each faulty node.
    pub(crate) fn of(summary: &Summary) -> Self {
        let fast_fail = summary.tally(Some(Phase::Fault), NodeGroup::All).fast_fail.figures();
        let nodes: Vec<OneNode> = summary
            .faulty_nodes()
            .into_iter()
            .filter_map(|node| OneNode::of(summary, node))
            .collect();
        Self {
            first_impact: nodes.iter().filter_map(|node| node.first_impact).min(),
            detected: slowest(nodes.iter().map(|node| node.detected)),
            breaker_open: slowest(nodes.iter().map(|node| node.open)),
            breaker_open_after_first_failure: slowest(
                nodes.iter().map(|node| node.open_after_error),
            ),
            exposure: (!nodes.is_empty() && knows_timeout(summary))
                .then(|| nodes.iter().map(|node| node.exposure).sum()),
            fast_fail: DelayUs { p50: fast_fail.p50, p99: fast_fail.p99, max: fast_fail.max },
            shed: fast_fail.count,
        }
    }
}

/// Whether the timeout of the run is that of the client: of one of others it is how long the harness waits, at most.
fn knows_timeout(summary: &Summary) -> bool {
    let subject = summary.inputs.subject.as_ref();
    subject.is_none_or(|subject| subject.kind.is_empty() || subject.kind == SubjectFacts::BUILTIN)
}

/// The same for one faulty node.
#[derive(Debug)]
struct OneNode {
    first_impact: Option<Duration>,
    detected: Option<Duration>,
    open: Option<Duration>,
    open_after_error: Option<Duration>,
    exposure: u64,
}

impl OneNode {
    /// `None` when no fault was ever applied to it.
    fn of(summary: &Summary, node: NodeIndex) -> Option<Self> {
        let applied = summary.faults_on(node).filter_map(|fault| fault.applied).min()?;
        let from = biting_since(summary, applied);
        let bins = after_fault(summary, |other| other == node);
        let slow_us = Baseline::of(summary, |_| true).map_or(f64::INFINITY, |base| base.slow_us);
        let slow = bins
            .iter()
            .filter(|piece| piece.end() > from && piece.bin.response.longer_than(slow_us) > 0)
            .map(|piece| piece.start.plus(Duration::from_secs_f64(slow_us / 1e6)))
            .next();
        let first_error =
            bins.iter().filter_map(|piece| piece.bin.first_error).filter(|at| *at >= from).min();
        // Each client of a fleet has its own mind about the node.
        let clients = summary.clients();
        let open = |client| opened(summary, node, client, from);
        let detected = clients.iter().map(|client| {
            [open(*client), noticed(summary, node, *client, from)].into_iter().flatten().min()
        });
        let detected = last(detected);
        let open = last(clients.iter().map(|client| open(*client)));
        let until = detected.or_else(|| summary.healed()).unwrap_or(summary.inputs.ended);
        Some(Self {
            first_impact: [slow, first_error]
                .into_iter()
                .flatten()
                .min()
                .map(|at| at.since(applied)),
            detected: detected.map(|at| at.since(applied)),
            open: open.map(|at| at.since(applied)),
            open_after_error: open.zip(first_error).map(|(open, error)| open.since(error)),
            exposure: bins
                .iter()
                .filter(|piece| piece.end() > from && piece.start < until)
                .map(|piece| piece.bin.long)
                .sum(),
        })
    }
}

/// From when on a sign belongs to a fault that was acknowledged at `applied`: it bites while it is
/// being applied, but never before its phase. What came before the acknowledgement took no time.
fn biting_since(summary: &Summary, applied: Offset) -> Offset {
    let phase = summary.phase(Phase::Fault).map_or(applied, |phase| phase.start);
    let earliest = Offset(applied.0.saturating_sub(Offset::from_duration(APPLYING).0));
    earliest.max(phase).min(applied)
}

/// The last of them; `None` when one of them never came.
fn last(moments: impl Iterator<Item = Option<Offset>>) -> Option<Offset> {
    let all: Option<Vec<Offset>> = moments.collect();
    all?.into_iter().max()
}

/// When the breaker of `node` first opened after `from`.
fn opened(summary: &Summary, node: NodeIndex, client: u32, from: Offset) -> Option<Offset> {
    summary
        .transitions
        .iter()
        .filter(|change| change.node == node && change.member == client)
        .find(|change| change.at >= from && change.to == BreakerState::Open)
        .map(|change| change.at)
}

/// When the client first gave up `node` after `from`, by any means but its breaker.
fn noticed(summary: &Summary, node: NodeIndex, client: u32, from: Offset) -> Option<Offset> {
    summary
        .events
        .iter()
        .filter(|event| event.member.unwrap_or_default() == client)
        .filter(|event| matches!(&event.kind, EventKind::NodeEjected { node: n, .. } if *n == node))
        .map(|event| Offset::from_duration(Duration::from_secs_f64(event.at_s.max(0.0))))
        .find(|at| *at >= from)
}

/// How often a breaker opened while no fault was active on its node, after the warm-up. A failure
/// that began under a fault may end up to `grace` after it.
pub(crate) fn false_opens(summary: &Summary, node: NodeIndex) -> u64 {
    unexcused_opens(summary, node).count() as u64
}

/// Those of them that a stall of the machine may have caused: they are counted, and in doubt.
pub(crate) fn stalled_opens(summary: &Summary, node: NodeIndex) -> u64 {
    let opens = unexcused_opens(summary, node);
    opens.filter(|change| stall::opened_breaker(summary, change.at)).count() as u64
}

fn unexcused_opens(summary: &Summary, node: NodeIndex) -> impl Iterator<Item = &Transition> {
    let settled = summary.settled();
    summary
        .transitions
        .iter()
        .filter(move |change| change.node == node && change.to == BreakerState::Open)
        .filter(move |change| {
            change.at >= settled && !is_near_fault(summary, node, change.at, change.at)
        })
}

/// Whether a fault was active on `node` at any time from `from` to `until`, was being applied, or had
/// ended so shortly before that operations of then were still under way.
pub(super) fn is_near_fault(
    summary: &Summary,
    node: NodeIndex,
    from: Offset,
    until: Offset,
) -> bool {
    let grace = summary.config.operation_timeout * 2;
    summary.faults_on(node).any(|fault| {
        let begun = fault.applied.is_some_and(|applied| applied <= until.plus(APPLYING));
        begun && fault.healed.is_none_or(|healed| from <= healed.plus(grace))
    })
}

/// How long before its acknowledgement a fault may bite: while it is being applied.
const APPLYING: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{ErrorClass, Outcome};
    use crate::record::synthetic::{FAULT_MS, HEAL_MS, Story, usual};

    /// Catches times counted from the wrong moment, and an exposure that goes on after detection.
    #[test]
    fn times_count_from_the_acknowledged_fault() {
        let summary = Story::default().tell(|node, ms| {
            if node == 0 && (FAULT_MS..FAULT_MS + 50).contains(&ms) {
                (Outcome::Error(ErrorClass::Timeout), 100_000)
            } else {
                usual(node, ms)
            }
        });
        let detection = Detection::of(&summary);
        assert_eq!(detection.breaker_open, Some(Duration::from_millis(50)));
        assert_eq!(detection.detected, Some(Duration::from_millis(50)));
        assert_eq!(detection.first_impact, Some(Duration::from_micros(50_005)), "the first shed");
        assert_eq!(detection.exposure, Some(10));
        assert_eq!(detection.fast_fail.p99, Some(5));
        assert_eq!(detection.shed, 990);
    }

    /// Catches the first moments of a fault that are lost because its acknowledgement comes later.
    #[test]
    fn what_bites_before_the_acknowledgement_counts() {
        let mut summary = Story::default().tell(usual);
        let applied = Offset::from_duration(Duration::from_millis(FAULT_MS + 80));
        summary.inputs.faults[0].applied = Some(applied);
        let detection = Detection::of(&summary);
        assert_eq!(detection.first_impact, Some(Duration::ZERO));
        assert_eq!(detection.breaker_open, Some(Duration::ZERO));
        let counting = detection.breaker_open_after_first_failure;
        assert_eq!(counting, Some(Duration::from_micros(49_995)));
    }

    /// Catches a breaker that never opened but has a time, and openings excused for ever.
    #[test]
    fn never_is_not_zero_and_false_opens_are_found() {
        let story = Story { breaker: Vec::new(), ..Story::default() };
        let detection = Detection::of(&story.tell(usual));
        assert_eq!(detection.breaker_open, None);
        assert_eq!(detection.first_impact, Some(Duration::from_micros(5)));
        for (ms, expected) in [(3000, 1), (FAULT_MS + 1, 0), (HEAL_MS + 150, 0), (HEAL_MS + 250, 1)]
        {
            let change = (ms, BreakerState::Closed, BreakerState::Open);
            let story = Story { breaker: vec![change], ..Story::default() };
            assert_eq!(false_opens(&story.tell(usual), NodeIndex(0)), expected, "{ms}");
        }
    }
}
