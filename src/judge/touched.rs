//! What each fault touched: what it counted itself, and where it cannot count what the client felt.
//!
//! A fault that counted nothing did nothing, however bad the run was: what was felt then was the
//! machine. One that did something has consequences that it does not see, such as the calls that an
//! open breaker rejects. What was felt is what failed, was slow or was missing on the fault's nodes
//! while it lasted, beyond what the same nodes showed in the steady phase, by an exact test.

use super::baseline::Baseline;
use super::binomial::{too_many, wilson_upper};
use super::stall;
use super::window::after_fault;
use crate::base::time::Offset;
use crate::event::{Outcome, Phase};
use crate::record::{Counts, FaultRecord, Summary, TimedBin};

/// Operations that each fault touched, in the order of the faults; `None`: nobody can say.
pub(super) fn touched(summary: &Summary) -> Vec<Option<u64>> {
    summary.inputs.faults.iter().map(|fault| of(summary, fault)).collect()
}

fn of(summary: &Summary, fault: &FaultRecord) -> Option<u64> {
    let Some(applied) = fault.applied else { return Some(0) };
    match fault.operations_touched {
        Some(0) => Some(0),
        // What the client felt meanwhile may be the other's.
        Some(own) if is_accompanied(summary, fault) => Some(own),
        Some(own) => Some(own.max(felt(summary, fault, applied).unwrap_or(0))),
        None => felt(summary, fault, applied),
    }
}

/// Whether another fault was active on one of its nodes at the same time.
fn is_accompanied(summary: &Summary, fault: &FaultRecord) -> bool {
    let lasted = |fault: &FaultRecord| {
        fault.applied.map(|applied| (applied, fault.healed.unwrap_or(Offset(u64::MAX))))
    };
    let Some((applied, healed)) = lasted(fault) else { return false };
    let others = summary.inputs.faults.iter().filter(|other| other.name != fault.name);
    others
        .filter(|other| other.nodes.iter().any(|node| fault.nodes.contains(node)))
        .any(|other| lasted(other).is_some_and(|(began, ended)| began < healed && applied < ended))
}

/// What the client felt of a fault; `None` when there is too little to compare: a steady phase that was
/// too short, or a machine that stalled all the while.
fn felt(summary: &Summary, fault: &FaultRecord, applied: Offset) -> Option<u64> {
    let of_fault = |node| fault.nodes.contains(&node) || !summary.tells_nodes();
    let slow_us = Baseline::of(summary, of_fault)?.slow_us;
    let healed = fault.healed.unwrap_or(Offset(u64::MAX));
    let calm = |piece: &&TimedBin| !stall::covers(summary, piece);
    let while_it_lasted = |piece: &&TimedBin| piece.end() > applied && piece.start < healed;
    let before = summary.bins(Phase::Steady, of_fault);
    let under = after_fault(summary, of_fault);
    let before = Signs::of(before.iter().filter(calm), slow_us);
    let under = Signs::of(under.iter().filter(while_it_lasted).filter(calm), slow_us);
    (before.operations > 0 && under.operations > 0).then(|| under.beyond(&before))
}

/// Signs of a fault among operations.
#[derive(Clone, Copy, Debug, Default)]
struct Signs {
    operations: u64,
    /// Not good, good but slow, and good but without a value that could be there.
    seen: [u64; 3],
}

impl Signs {
    fn of<'a>(pieces: impl Iterator<Item = &'a TimedBin>, slow_us: f64) -> Self {
        let (mut counts, mut slow) = (Counts::default(), 0);
        for piece in pieces {
            counts.merge(&piece.bin.counts);
            slow += piece.bin.response.longer_than(slow_us);
        }
        let absent = counts.of(Outcome::Miss) + counts.of(Outcome::NotFound);
        Self {
            operations: counts.offered(),
            seen: [counts.offered() - counts.good(), slow, absent],
        }
    }

    /// How many more there are than `before` explains; what chance explains counts as none.
    fn beyond(&self, before: &Self) -> u64 {
        let signs = self.seen.iter().zip(before.seen).map(|(seen, usual)| {
            if !too_many(*seen, self.operations, wilson_upper(usual, before.operations)) {
                return 0;
            }
            let expected = u128::from(usual) * u128::from(self.operations)
                / u128::from(before.operations.max(1));
            seen.saturating_sub(u64::try_from(expected).unwrap_or(u64::MAX))
        });
        signs.sum::<u64>().min(self.operations)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::event::ErrorClass;
    use crate::record::Stall;
    use crate::record::synthetic::{FAULT_MS, HEAL_MS, Story, usual};

    const TIMEOUT: (Outcome, u64) = (Outcome::Error(ErrorClass::Timeout), 100_000);

    /// What the fault of a story touched that counted so much itself.
    fn told(own: Option<u64>, behave: impl Fn(u16, u64) -> (Outcome, u64)) -> Option<u64> {
        let mut summary = Story::default().tell(behave);
        summary.inputs.faults[0].operations_touched = own;
        touched(&summary)[0]
    }

    /// Catches a fault that did nothing and is credited with what the machine did.
    #[test]
    fn what_counted_nothing_did_nothing() {
        assert_eq!(told(Some(0), usual), Some(0));
        assert_eq!(told(Some(3), usual), Some(1000), "what was rejected is its doing");
        assert_eq!(told(Some(3), |_, _| (Outcome::Hit, 200)), Some(3));
    }

    /// Catches a fault of one message that is credited with all that another one on its node did.
    #[test]
    fn what_another_fault_did_is_its_own() {
        let mut summary = Story::default().tell(usual);
        let once = &mut summary.inputs.faults[0];
        once.operations_touched = Some(1);
        let later = FaultRecord { name: "later".to_owned(), applied: once.healed, ..once.clone() };
        let beside = FaultRecord { name: "beside".to_owned(), ..once.clone() };
        summary.inputs.faults.push(FaultRecord { healed: None, ..later });
        assert_eq!(touched(&summary)[0], Some(1000), "it was alone");
        summary.inputs.faults.push(beside);
        assert_eq!(touched(&summary)[0], Some(1));
    }

    /// Catches errors and slow operations that the steady phase had as well and that are taken for
    /// the doing of a fault which cannot count, and a few that only chance made.
    #[test]
    fn only_what_is_beyond_the_steady_phase_was_felt() {
        let now_and_then = |every: u64| {
            move |node, ms| if node == 0 && ms % every == 0 { TIMEOUT } else { (Outcome::Hit, 200) }
        };
        assert_eq!(told(None, now_and_then(100)), Some(0), "5 % before, 5 % under the fault");
        let chance = |node, ms| {
            if node == 0 && ms == FAULT_MS + 500 { TIMEOUT } else { (Outcome::Hit, 200) }
        };
        assert_eq!(told(None, chance), Some(0));
        let worse = |node, ms: u64| {
            let every = if (FAULT_MS..HEAL_MS).contains(&ms) { 20 } else { 100 };
            now_and_then(every)(node, ms)
        };
        assert_eq!(told(None, worse), Some(200), "250 less the 50 that were to be expected");
        let lost = |outcome| {
            move |node, ms: u64| {
                let gone = node == 0 && (FAULT_MS..HEAL_MS).contains(&ms);
                (if gone { outcome } else { Outcome::Hit }, 200)
            }
        };
        assert_eq!(told(None, lost(Outcome::Miss)), Some(1000));
        assert_eq!(told(None, lost(Outcome::NotFound)), Some(1000), "counters that are gone");
    }

    /// Catches a stall of the machine that is taken for a fault, and a steady phase that is too short
    /// to compare with and is taken for a perfect one.
    #[test]
    fn what_nobody_can_say_is_not_made_up() {
        let slow = |node, ms: u64| {
            let stalled = (FAULT_MS + 1000..FAULT_MS + 1500).contains(&ms);
            if stalled { (Outcome::Hit, 500_000) } else { usual(node + 1, ms) }
        };
        let mut summary = Story::default().tell(slow);
        assert_eq!(touched(&summary), [Some(100)]);
        let at = |ms| Offset::from_duration(Duration::from_millis(FAULT_MS + ms));
        summary.inputs.harness.stalls.add(Stall { from: at(1000), until: at(1500) });
        assert_eq!(touched(&summary), [Some(0)]);
        summary.inputs.harness.stalls.add(Stall { from: at(0), until: at(5000) });
        assert_eq!(touched(&summary), [None], "it stalled all the while");
        let sparse = Story { every_ms: 400, ..Story::default() };
        assert_eq!(touched(&sparse.tell(usual)), [None]);
    }
}
