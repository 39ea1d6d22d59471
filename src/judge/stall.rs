//! What a machine that stood still puts in doubt, and what it does not.
//!
//! A stall makes answers late, and may make operations fail, on every node alike. So what is bad
//! only while the machine stalled says nothing about a node: it counts neither as good nor as bad.
//! What is bad without those moments stays bad, so that no stall turns a failure into a pass, and
//! too many stalls leave nothing to judge.

use std::time::Duration;

use crate::base::name::NodeIndex;
use crate::base::time::Offset;
use crate::event::Phase;
use crate::record::{Counts, Stall, Summary, TimedBin};

/// How long the client may still suffer from a stall that was long enough to time operations out:
/// breakers of every node may be open, and connections have to be made again.
const AFTERMATH: Duration = Duration::from_secs(2);

/// The share of a phase's windows that stalls may put in doubt before it cannot be judged.
pub(super) const DOUBTFUL_SHARE_MAX: f64 = 0.25;

/// Whether the machine stalled while `piece` lasted, or its backlog was still being worked off: that
/// takes about as long as the stall did.
pub(super) fn covers(summary: &Summary, piece: &TimedBin) -> bool {
    summary
        .inputs
        .harness
        .stalls
        .iter()
        .any(|stall| stall.from < piece.end() && piece.start < stall.until.plus(stall.length()))
}

/// Whether a stall that takes an operation near its timeout happened within the time from `from` to
/// `until`, or shortly before.
pub(super) fn strikes(summary: &Summary, from: Offset, until: Offset) -> bool {
    let severe = summary.config.operation_timeout / 2;
    let within = |stall: &Stall| stall.from < until && from < stall.until.plus(AFTERMATH);
    summary.inputs.harness.stalls.iter().any(|stall| stall.length() >= severe && within(stall))
}

/// Whether a stall may have opened a breaker at `at`: its operations timed out meanwhile.
pub(super) fn opened_breaker(summary: &Summary, at: Offset) -> bool {
    let grace = summary.config.operation_timeout * 2;
    strikes(summary, at, at.plus(Duration::from_nanos(1)))
        && summary
            .inputs
            .harness
            .stalls
            .iter()
            .any(|stall| stall.from <= at && at <= stall.until.plus(grace))
}

/// How many stale reads go back to writes that were late for no other reason than a machine that stood
/// still: no fault was active on their node, and a stall took them near their timeout. Nobody watched
/// for stalls in the warm-up, which is not judged.
pub(super) fn stale_reads(summary: &Summary) -> u64 {
    let timeout = summary.config.operation_timeout;
    let settled = summary.settled();
    let writes = summary.inputs.data.late_writes.iter().filter(|write| {
        let ended = write.begun.plus(timeout * 2);
        let broken = summary.faults_on(write.node).any(|fault| {
            fault.applied.is_some_and(|applied| applied < ended)
                && fault.healed.is_none_or(|healed| write.begun < healed)
        });
        let stalled = summary.inputs.harness.stalls.iter().any(|stall| {
            stall.length() >= timeout / 2 && stall.from < ended && write.begun < stall.until
        });
        !broken && (stalled || write.begun < settled)
    });
    writes.map(|write| write.reads).sum()
}

/// What was counted in `phase` (in every judged one) on the nodes that are `wanted` while the
/// machine did not stall; `None`: it never did.
pub(super) fn calm_counts(
    summary: &Summary,
    phase: Option<Phase>,
    wanted: impl Fn(NodeIndex) -> bool,
) -> Option<Counts> {
    let (mut calm, mut stalled) = (Counts::default(), false);
    for piece in judged(phase).flat_map(|phase| summary.bins(phase, &wanted)) {
        if covers(summary, &piece) {
            stalled = true;
        } else {
            calm.merge(&piece.bin.counts);
        }
    }
    stalled.then_some(calm)
}

/// How long the longest operation of `phase` (of every judged one) on the nodes that are `wanted` took at least, in
/// microseconds, whatever stalls while it was under way and their backlog have added; `None`: there were none.
pub(super) fn longest_without(
    summary: &Summary,
    phase: Option<Phase>,
    wanted: impl Fn(NodeIndex) -> bool,
) -> Option<f64> {
    let (mut longest, mut stalled) = (0.0_f64, false);
    for piece in judged(phase).flat_map(|phase| summary.bins(phase, &wanted)) {
        let times = [piece.bin.response.longest_us(), piece.bin.failed.longest_us()];
        let Some(time) = times.into_iter().flatten().reduce(f64::max) else { continue };
        let ended = piece.end().plus(Duration::from_secs_f64(time / 1e6));
        let stalls = summary.inputs.harness.stalls.iter();
        let met = stalls
            .filter(|stall| stall.from < ended && piece.start < stall.until.plus(stall.length()));
        let added: Duration = met.map(|stall| stall.length() * 2).sum();
        stalled |= !added.is_zero();
        longest = longest.max(time - added.as_secs_f64() * 1e6);
    }
    stalled.then_some(longest)
}

fn judged(phase: Option<Phase>) -> impl Iterator<Item = Phase> {
    Phase::ALL.iter().copied().filter(move |known| match phase {
        Some(phase) => *known == phase,
        None => *known != Phase::Warmup,
    })
}

/// The stalls of a run in words, for reasons: `the machine stalled 3 times, longest 80 ms at 23.41 s`.
pub(super) fn told(summary: &Summary) -> Option<String> {
    let stalls = &summary.inputs.harness.stalls;
    let longest = stalls.longest()?;
    Some(format!(
        "the machine stalled {} times, longest for {:.0} ms at {:.2} s",
        stalls.count(),
        longest.length().as_secs_f64() * 1e3,
        longest.from.as_secs_f64(),
    ))
}
