//! A run in pieces of 100 ms: what charts are drawn from.
//!
//! Pieces begin with their phase and never reach over its border, so that nothing shows before the
//! fault that caused it. They hold what was due in them, of every node.

use std::collections::BTreeMap;

use super::model::{PieceReport, PieceTimes};
use crate::event::Phase;
use crate::record::{BIN, Bin, Interval, PhaseSummary, Summary, TimedBin, is_told_of};

/// Pieces that a report holds; in a longer run neighbours are merged, within their phase.
pub(super) const PIECES_MAX: usize = 1000;

/// The pieces of a run.
pub(super) fn of(summary: &Summary) -> Vec<PieceReport> {
    let phases: Vec<(&PhaseSummary, Vec<TimedBin>)> =
        summary.phases.iter().map(|phase| (phase, summary.bins(phase.phase, |_| true))).collect();
    let count: usize = phases.iter().map(|(_, bins)| bins.len()).sum();
    let together = count.div_ceil(PIECES_MAX).max(1);
    let pieces = phases.iter().flat_map(|(phase, bins)| {
        whole(phase, bins)
            .chunks(together)
            .map(|bins| piece(summary, phase, bins))
            .collect::<Vec<_>>()
    });
    pieces.collect()
}

/// The pieces of a phase, the last one no longer than the phase. A sliver at its end would be a rate
/// of hardly any operations: it goes into the piece before.
fn whole(phase: &PhaseSummary, bins: &[TimedBin]) -> Vec<TimedBin> {
    let mut whole: Vec<TimedBin> = Vec::with_capacity(bins.len());
    for bin in bins {
        let length = bin.end().min(phase.end).since(bin.start);
        match whole.last_mut() {
            Some(last) if length < BIN / 2 => {
                last.bin.merge(&bin.bin);
                last.length += length;
            }
            _ => whole.push(TimedBin { length, ..bin.clone() }),
        }
    }
    whole
}

fn piece(summary: &Summary, phase: &PhaseSummary, bins: &[TimedBin]) -> PieceReport {
    let mut all = Bin::default();
    bins.iter().for_each(|piece| all.merge(&piece.bin));
    let start = bins.first().map_or(phase.start, |piece| piece.start);
    let end = bins.last().map_or(start, TimedBin::end);
    PieceReport {
        at_s: start.as_secs_f64(),
        length_s: end.since(start).as_secs_f64(),
        phase: phase.phase,
        outcomes: all.counts.by_name(),
        response_time_us: summary.config.open_loop.then(|| times(&all)),
    }
}

fn times(bin: &Bin) -> PieceTimes {
    let mut response = bin.response.clone();
    response.merge(&bin.failed);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "latencies are positive and far below 2^53 us"
    )]
    let us = |quantile| response.quantile_us(quantile).map(|us| us.round() as u64);
    let count = response.count();
    let percentile = |quantile| us(quantile).filter(|_| is_told_of(quantile, count));
    PieceTimes { p50: percentile(0.5), p95: percentile(0.95), p99: percentile(0.99), max: us(1.0) }
}

/// What a run that was stored without pieces has instead of them: coarser, and by when operations
/// ended.
pub(super) fn of_intervals(intervals: &[Interval]) -> Vec<PieceReport> {
    fewer(intervals.iter().map(of_interval).collect())
}

fn of_interval(interval: &Interval) -> PieceReport {
    PieceReport {
        at_s: interval.start_s(),
        length_s: interval.length_s,
        phase: interval.phase,
        outcomes: interval.outcomes.clone(),
        response_time_us: interval.response_time_us.map(|times| PieceTimes {
            p50: times.p50,
            p95: times.p95,
            p99: times.p99,
            max: times.max,
        }),
    }
}

/// The same pieces, or, of more than a page can show, neighbours of a phase merged. A percentile of
/// merged pieces is the longest of theirs: the histograms are not there any more.
pub(super) fn fewer(pieces: Vec<PieceReport>) -> Vec<PieceReport> {
    if pieces.len() <= PIECES_MAX + Phase::ALL.len() {
        return pieces;
    }
    let together = pieces.len().div_ceil(PIECES_MAX);
    let phases = pieces.chunk_by(|one, next| one.phase == next.phase);
    phases.flat_map(|phase| phase.chunks(together)).filter_map(merged).collect()
}

fn merged(pieces: &[PieceReport]) -> Option<PieceReport> {
    let (first, last) = (pieces.first()?, pieces.last()?);
    let mut outcomes = BTreeMap::new();
    for (name, count) in pieces.iter().flat_map(|piece| &piece.outcomes) {
        let sum = outcomes.entry(name.clone()).or_insert(0_u64);
        *sum = sum.saturating_add(*count);
    }
    let longest = |part: fn(&PieceTimes) -> Option<u64>| {
        let times = pieces.iter().filter_map(|piece| piece.response_time_us.as_ref());
        times.filter_map(part).max()
    };
    Some(PieceReport {
        at_s: first.at_s,
        length_s: last.at_s + last.length_s - first.at_s,
        phase: first.phase,
        outcomes,
        response_time_us: first.response_time_us.map(|_| PieceTimes {
            p50: longest(|times| times.p50),
            p95: longest(|times| times.p95),
            p99: longest(|times| times.p99),
            max: longest(|times| times.max),
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{ErrorClass, Outcome};
    use crate::record::synthetic::{FAULT_MS, Story, usual};

    /// Catches what a fault did that shows before it, a piece that reaches over the border of its
    /// phase, operations that are lost, and failures that the times leave out.
    #[test]
    fn nothing_shows_before_its_fault() {
        let summary = Story { end_ms: 21_030, ..Story::default() }.tell(|node, ms| {
            let timeout = (Outcome::Error(ErrorClass::Timeout), 100_000);
            if node == 0 && (FAULT_MS..FAULT_MS + 50).contains(&ms) {
                timeout
            } else {
                usual(node, ms)
            }
        });
        let pieces = of(&summary);
        #[expect(clippy::cast_precision_loss, reason = "a few seconds")]
        let fault_s = FAULT_MS as f64 / 1e3;
        let (before, after): (Vec<_>, Vec<_>) =
            pieces.iter().partition(|piece| piece.at_s < fault_s);
        assert!(
            before
                .iter()
                .all(|piece| piece.outcomes.keys().eq(["hit"]) && piece.phase < Phase::Fault)
        );
        assert_eq!(after[0].outcomes["error.timeout"], 10);
        let times = after[0].response_time_us.unwrap();
        assert!(times.max.unwrap() >= 94_000 && times.p50.unwrap() < 300, "{times:?}");
        let count: u64 = pieces.iter().flat_map(|piece| piece.outcomes.values()).sum();
        assert_eq!(count, summary.everything().offered());
        for pair in pieces.windows(2) {
            assert!(pair[0].at_s + pair[0].length_s <= pair[1].at_s + 1e-9, "{pair:?}");
        }
        let last = pieces.iter().rfind(|piece| piece.phase == Phase::Recovery).unwrap();
        assert!((last.length_s - 0.13).abs() < 1e-6, "{last:?}");
    }

    /// Catches a report that grows with the run, and operations that are lost when pieces merge.
    #[test]
    fn a_long_run_has_as_many_pieces_as_a_page_can_show() {
        let summary = Story { end_ms: 400_000, every_ms: 50, ..Story::default() }.tell(usual);
        let pieces = of(&summary);
        assert!(pieces.len() <= PIECES_MAX + Phase::ALL.len(), "{}", pieces.len());
        let count: u64 = pieces.iter().flat_map(|piece| piece.outcomes.values()).sum();
        assert_eq!(count, summary.everything().offered());
    }

    /// Catches a page that grows with a soak of which only intervals are left, and a merged piece that
    /// reaches over the border of its phase or loses what was in it.
    #[test]
    fn too_many_pieces_are_merged_within_their_phase() {
        let piece = |place: u32| PieceReport {
            at_s: f64::from(place),
            length_s: 1.0,
            phase: if place < 7001 { Phase::Steady } else { Phase::Fault },
            outcomes: [("hit".to_owned(), 3)].into(),
            response_time_us: Some(PieceTimes { max: Some(place.into()), ..Default::default() }),
        };
        let fewer = fewer((0..20_000).map(piece).collect());
        assert!(fewer.len() <= PIECES_MAX + Phase::ALL.len(), "{}", fewer.len());
        assert_eq!(fewer.iter().map(|piece| piece.outcomes["hit"]).sum::<u64>(), 60_000);
        let border = fewer.iter().find(|piece| piece.phase == Phase::Fault).unwrap();
        assert!((border.at_s - 7001.0).abs() < 1e-9, "{border:?}");
        assert_eq!(fewer[0].response_time_us.unwrap().max, Some(19));
    }
}
