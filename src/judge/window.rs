//! Whether a second of traffic was good, bad, or too little to say.

use std::time::Duration;

use super::baseline::Baseline;
use super::binomial::{too_few, too_many};
use crate::base::name::NodeIndex;
use crate::base::time::Offset;
use crate::event::{Outcome, Phase};
use crate::record::{BIN, Counts, Summary, TimedBin};

/// The length of a window,
pub(crate) const WINDOW: Duration = Duration::from_secs(1);
/// which grows to at most this
const WINDOW_MAX: Duration = Duration::from_secs(5);
/// until it holds this many operations; with fewer it is insufficient, never good.
const OPERATIONS_MIN: u64 = 50;

/// Errors that are taken as normal even when the baseline had none.
const ERROR_RATIO_FLOOR: f64 = 0.01;
/// The share of slow operations that is taken as normal: slow begins above the baseline's p99.
const SLOW_RATIO: f64 = 0.01;
/// How much of the baseline's hit ratio must be back.
const HIT_SHARE: f64 = 0.95;
/// How many of the offered operations must at least be issued.
const THROUGHPUT_SHARE: f64 = 0.9;

/// What a window was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WindowState {
    /// Nothing speaks against it.
    Good,
    /// At least one test rejected it.
    Bad,
    /// Too few operations.
    Insufficient,
    /// Bad, but only while the machine stood still: neither good nor bad.
    Disturbed,
}

/// Which tests a window must pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    /// Does the cache answer: errors, slow operations, throughput, wrong data?
    Answers,
    /// Are the values back?
    Hits,
}

/// A window's first moment and what it was.
pub(crate) type Judged = (Offset, WindowState);

/// Every complete window that starts between `from` and `to`, 100 ms apart.
pub(crate) fn windows(
    bins: &[TimedBin],
    baseline: &Baseline,
    question: Question,
    (from, to): (Offset, Offset),
    stalled: impl Fn(&TimedBin) -> bool,
) -> Vec<Judged> {
    let mut judged = Vec::new();
    let mut start = bins.iter().map(|piece| piece.start).find(|at| *at >= from).unwrap_or(from);
    while let Some(window) = gather(bins, question, start, to) {
        judged.push((start, window.judge_calmly(baseline, question, &stalled)));
        start = start.plus(BIN);
    }
    judged
}

/// The window at `start`, as long as it needs to be; `None` when it would reach beyond `to`.
fn gather(bins: &[TimedBin], question: Question, start: Offset, to: Offset) -> Option<Window<'_>> {
    let mut end = start.plus(WINDOW);
    let mut next = bins.partition_point(|piece| piece.start < start);
    let mut window = Window { counts: Counts::default(), pieces: &bins[next..next] };
    let first = next;
    loop {
        if end > to {
            return None;
        }
        while let Some(piece) = bins.get(next).filter(|piece| piece.start < end) {
            window.counts.merge(&piece.bin.counts);
            next += 1;
        }
        window.pieces = &bins[first..next];
        if window.size(question) >= OPERATIONS_MIN || end >= start.plus(WINDOW_MAX) {
            return Some(window);
        }
        end = end.plus(BIN);
    }
}

#[derive(Debug)]
struct Window<'a> {
    counts: Counts,
    pieces: &'a [TimedBin],
}

impl Window<'_> {
    fn size(&self, question: Question) -> u64 {
        match question {
            Question::Answers => self.counts.offered(),
            Question::Hits => self.counts.reads(),
        }
    }

    /// As [`Window::judge`], but what is bad must be so without the moments of a stall. What is
    /// good in spite of one is good; wrong data has no excuse, and a cold cache is not slow.
    fn judge_calmly(
        &self,
        baseline: &Baseline,
        question: Question,
        stalled: impl Fn(&TimedBin) -> bool,
    ) -> WindowState {
        let state = self.judge(baseline, question);
        let excusable = question == Question::Answers && self.counts.bad_data() == 0;
        if state != WindowState::Bad || !excusable || !self.pieces.iter().any(&stalled) {
            return state;
        }
        let calm: Vec<TimedBin> =
            self.pieces.iter().filter(|piece| !stalled(piece)).cloned().collect();
        let mut counts = Counts::default();
        calm.iter().for_each(|piece| counts.merge(&piece.bin.counts));
        match (Window { counts, pieces: &calm }).judge(baseline, question) {
            WindowState::Bad => WindowState::Bad,
            _ => WindowState::Disturbed,
        }
    }

    fn judge(&self, baseline: &Baseline, question: Question) -> WindowState {
        if question == Question::Answers && self.counts.bad_data() > 0 {
            return WindowState::Bad;
        }
        if self.size(question) < OPERATIONS_MIN {
            return WindowState::Insufficient;
        }
        let bad = match question {
            Question::Answers => self.has_errors(baseline) || self.is_slow(baseline),
            Question::Hits => self.misses(baseline),
        };
        if bad { WindowState::Bad } else { WindowState::Good }
    }

    fn has_errors(&self, baseline: &Baseline) -> bool {
        let allowed = baseline.error_ratio_upper.max(ERROR_RATIO_FLOOR);
        let offered = self.counts.offered();
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
        let starved =
            (self.counts.of(Outcome::LostSlot) as f64) > offered as f64 * (1.0 - THROUGHPUT_SHARE);
        starved || too_many(self.counts.errors(), offered, allowed)
    }

    fn is_slow(&self, baseline: &Baseline) -> bool {
        let longer = |piece: &TimedBin| piece.bin.response.longer_than(baseline.slow_us);
        let slow: u64 = self.pieces.iter().map(longer).sum();
        too_many(slow, self.counts.offered(), SLOW_RATIO)
    }

    fn misses(&self, baseline: &Baseline) -> bool {
        baseline.hit_ratio.is_some_and(|ratio| {
            too_few(self.counts.of(Outcome::Hit), self.counts.reads(), ratio * HIT_SHARE)
        })
    }
}

/// The bins of the fault and recovery phases of the nodes that are `wanted`, in order.
pub(crate) fn after_fault(summary: &Summary, wanted: impl Fn(NodeIndex) -> bool) -> Vec<TimedBin> {
    let mut bins = summary.bins(Phase::Fault, &wanted);
    bins.extend(summary.bins(Phase::Recovery, &wanted));
    bins
}
