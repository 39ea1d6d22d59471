//! Figures over time, for charts: of a long run neighbours are merged, so that it takes no more room than a
//! short one.

use crate::event::Outcome;
use crate::record::Interval;

/// Pieces that are kept; at one more, each two neighbours become one.
const PIECES_MAX: usize = 1024;

/// The figures of a span of time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Piece {
    pub(super) from_s: f64,
    pub(super) to_s: f64,
    /// Operations a second, or requests where calls are somebody else's.
    pub(super) rate: Option<f64>,
    pub(super) error_ratio: Option<f64>,
    /// p50, p95 and p99 in microseconds; `None`: nobody measured.
    pub(super) times_us: [Option<u64>; 3],
    /// Operations that got wrong data.
    pub(super) wrong: u64,
}

impl Piece {
    fn of(interval: &Interval) -> Self {
        let time = interval.response_time_us;
        let bad = Outcome::all().filter(|outcome| outcome.is_bad_data());
        Self {
            from_s: interval.start_s(),
            to_s: interval.at_s,
            rate: rate(interval),
            error_ratio: interval.error_ratio,
            times_us: time.map_or([None; 3], |time| [time.p50, time.p95, time.p99]),
            wrong: bad.filter_map(|outcome| interval.outcomes.get(outcome.name())).sum(),
        }
    }

    fn length_s(&self) -> f64 {
        self.to_s - self.from_s
    }

    /// Both as one: rates by their lengths, of times the longer one, since a chart must not hide a spike.
    fn with(self, other: Self) -> Self {
        let mean = |one: Option<f64>, two: Option<f64>| match (one, two) {
            (Some(one), Some(two)) => {
                let all = self.length_s() + other.length_s();
                let sum = one * self.length_s() + two * other.length_s();
                Some(if all > 0.0 { sum / all } else { one })
            }
            (one, two) => one.or(two),
        };
        let longest = |place: usize| self.times_us[place].max(other.times_us[place]);
        Self {
            from_s: self.from_s.min(other.from_s),
            to_s: self.to_s.max(other.to_s),
            rate: mean(self.rate, other.rate),
            error_ratio: mean(self.error_ratio, other.error_ratio),
            times_us: [longest(0), longest(1), longest(2)],
            wrong: self.wrong + other.wrong,
        }
    }
}

/// Operations a second; where calls are somebody else's, what the proxies were asked.
pub(super) fn rate(interval: &Interval) -> Option<f64> {
    match requests(interval) {
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
        Some(requests) => (interval.length_s > 0.0).then(|| requests as f64 / interval.length_s),
        None => interval.throughput_per_s,
    }
}

/// What all proxies were asked, where calls are somebody else's.
pub(super) fn requests(interval: &Interval) -> Option<u64> {
    let wire: Option<Vec<_>> = interval.nodes.iter().map(|node| node.wire).collect();
    let wire = wire.filter(|wire| !wire.is_empty())?;
    Some(wire.iter().map(|wire| wire.requests).sum())
}

/// Pieces, in their order.
#[derive(Clone, Debug, Default)]
pub(super) struct Series(Vec<Piece>);

impl Series {
    pub(super) fn add(&mut self, interval: &Interval) {
        if self.0.len() == PIECES_MAX {
            self.0 = self
                .0
                .chunks(2)
                .filter_map(|two| two.iter().copied().reduce(Piece::with))
                .collect();
        }
        self.0.push(Piece::of(interval));
    }

    /// What there is of a span of time, as one piece.
    pub(super) fn between(&self, from_s: f64, to_s: f64) -> Option<Piece> {
        let first = self.0.partition_point(|piece| piece.to_s <= from_s);
        let pieces = self.0[first..].iter().take_while(|piece| piece.from_s < to_s);
        pieces.copied().reduce(Piece::with)
    }

    /// The highest of what `of` says of a piece.
    pub(super) fn highest(&self, of: impl Fn(&Piece) -> Option<f64>) -> Option<f64> {
        self.0.iter().filter_map(of).reduce(f64::max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Phase;
    use crate::view::tests::interval;

    /// Catches a series that grows with its run, one that loses what it merges, and a spike that is gone.
    #[test]
    fn a_long_series_is_merged_and_loses_nothing() {
        let mut series = Series::default();
        for number in 1..=10 * PIECES_MAX {
            let longest = if number == 77 { 9_000 } else { 800 };
            let at_s = f64::from(u32::try_from(number).unwrap()) * 0.5;
            let mut one = interval(Phase::Steady, at_s, (2_000.0, 0.0, longest));
            one.outcomes.insert("wrong".to_owned(), u64::from(number % 1_000 == 0));
            series.add(&one);
        }
        assert!(series.0.len() <= PIECES_MAX, "{}", series.0.len());
        let all = series.between(0.0, f64::MAX).expect("it is not empty");
        assert!(all.from_s.abs() < 1e-9 && (all.to_s - 5_120.0).abs() < 1e-9, "{all:?}");
        assert_eq!((all.wrong, all.times_us[2]), (10, Some(9_000)));
        assert!((all.rate.unwrap() - 2_000.0).abs() < 1e-6);
        assert!(series.0.windows(2).all(|two| (two[0].to_s - two[1].from_s).abs() < 1e-9), "gaps");
        assert_eq!(series.between(1e9, 2e9), None, "what has not come yet is not zero");
    }
}
