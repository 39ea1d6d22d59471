//! What is normal: the last seconds before the fault, and whether they were steady at all.

use std::time::Duration;

use super::binomial::wilson_upper;
use crate::base::name::NodeIndex;
use crate::event::Phase;
use crate::record::{Counts, Response, Summary, TimedBin};

/// The baseline is at least the last this long of the steady phase,
const LAST: Duration = Duration::from_secs(5);
/// and at least this many operations, as far as the phase has them.
const OPERATIONS: u64 = 1000;

/// Fewer operations make no baseline.
pub(crate) const OPERATIONS_MIN: u64 = 50;

/// More errors than this before any fault: the lab, and not the fault, is being measured.
pub(super) const ERROR_RATIO_MAX: f64 = 0.001;

/// The medians of both halves of the steady phase may differ by this share,
const MEDIAN_DRIFT: f64 = 0.25;
/// or by this much: a median of 0.2 ms that becomes 0.3 ms is the scheduler of a busy machine, far
/// below every limit that is judged (the slow limit lies 10 ms above p99).
const MEDIAN_DRIFT_FLOOR_US: f64 = 500.0;

/// How far above the baseline's p99 an operation is slow: three times, and at least 10 ms.
const SLOW_FACTOR: f64 = 3.0;
const SLOW_MARGIN_US: f64 = 10_000.0;

/// What was normal before the fault.
#[derive(Clone, Debug, PartialEq)]
pub struct Baseline {
    /// What was offered within it.
    pub offered: u64,
    /// The upper end of the 95 % interval for its error ratio.
    pub error_ratio_upper: f64,
    /// Hits over reads, when there were reads.
    pub hit_ratio: Option<f64>,
    /// An operation that takes longer is slow, in microseconds.
    pub slow_us: f64,
}

impl Baseline {
    /// The baseline of the nodes that are `wanted`; `None` when too little happened.
    pub(crate) fn of(summary: &Summary, wanted: impl Fn(NodeIndex) -> bool) -> Option<Self> {
        let bins = summary.bins(Phase::Steady, wanted);
        let mut counts = Counts::default();
        let mut response = Response::default();
        let mut length = Duration::ZERO;
        for piece in bins.iter().rev() {
            if length >= LAST && counts.offered() >= OPERATIONS {
                break;
            }
            counts.merge(&piece.bin.counts);
            response.merge(&piece.bin.response);
            length += piece.length;
        }
        if counts.offered() < OPERATIONS_MIN {
            return None;
        }
        let p99 = response.quantile_us(0.99)?;
        Some(Self {
            offered: counts.offered(),
            error_ratio_upper: wilson_upper(counts.errors(), counts.offered()),
            hit_ratio: counts.hit_ratio(),
            slow_us: (SLOW_FACTOR * p99).max(p99 + SLOW_MARGIN_US),
        })
    }
}

/// Why the steady phase was not steady; empty when it was.
pub(crate) fn unsteady(summary: &Summary) -> Vec<String> {
    let bins = summary.bins(Phase::Steady, |_| true);
    let mut reasons = Vec::new();
    let whole = gather(&bins);
    let ratio = whole.0.error_ratio().unwrap_or(0.0);
    if ratio > ERROR_RATIO_MAX {
        reasons.push(format!(
            "the steady phase was not steady: {} of {} operations failed before any fault \
             ({:.2} %, allowed {:.1} %)",
            whole.0.errors(),
            whole.0.offered(),
            ratio * 100.0,
            ERROR_RATIO_MAX * 100.0,
        ));
    }
    let (first, second) = bins.split_at(bins.len() / 2);
    let medians = (gather(first).1.quantile_us(0.5), gather(second).1.quantile_us(0.5));
    if let (Some(first), Some(second)) = medians {
        let drift = (first - second).abs();
        if drift > first.min(second) * MEDIAN_DRIFT && drift > MEDIAN_DRIFT_FLOOR_US {
            reasons.push(format!(
                "the steady phase was not steady: its median response time went from {first:.0} us \
                 to {second:.0} us"
            ));
        }
    }
    reasons
}

fn gather(bins: &[TimedBin]) -> (Counts, Response) {
    let mut counts = Counts::default();
    let mut response = Response::default();
    for piece in bins {
        counts.merge(&piece.bin.counts);
        response.merge(&piece.bin.response);
    }
    (counts, response)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{ErrorClass, Outcome};
    use crate::record::synthetic::{Story, usual};

    /// Catches a slow limit without its margin, and a baseline taken from the fault.
    #[test]
    fn the_baseline_is_the_steady_phase() {
        let baseline = Baseline::of(&Story::default().tell(usual), |_| true).unwrap();
        assert_eq!(baseline.offered, 3000);
        assert_eq!(baseline.hit_ratio, Some(1.0));
        assert!((10_190.0..10_210.0).contains(&baseline.slow_us), "{}", baseline.slow_us);
        assert!(baseline.error_ratio_upper < 0.002);
        let sparse = Story { every_ms: 400, ..Story::default() };
        assert_eq!(Baseline::of(&sparse.tell(usual), |_| true), None, "fewer than 50 operations");
    }

    /// Catches errors and drifts before the fault that go unnoticed, and ordinary jitter that does
    /// not.
    #[test]
    fn unsteady_phases_are_told() {
        let drift = |before, after| {
            unsteady(
                &Story::default()
                    .tell(|_, ms| (Outcome::Hit, if ms < 3500 { before } else { after })),
            )
        };
        assert!(drift(200, 260).is_empty(), "far below any limit");
        assert!(drift(4000, 4400).is_empty(), "within a quarter");
        assert_eq!(drift(2000, 4000).len(), 1);
        let errors = unsteady(&Story::default().tell(|node, ms| {
            if node == 2 && ms % 500 == 0 {
                (Outcome::Error(ErrorClass::Reset), 300)
            } else {
                usual(node, ms)
            }
        }));
        assert!(errors[0].contains("10 of 3000 operations failed"), "{errors:?}");
    }
}
