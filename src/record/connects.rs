//! How fast a client tried to connect, interval by interval.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::time::Offset;
use crate::event::Phase;

/// Below this a few attempts would make a rate that nobody saw.
const SHORTEST: Duration = Duration::from_secs(1);

/// Attempts to connect after the warm-up, as the client counts them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Connects {
    /// One after the other. Empty where nobody counted.
    intervals: Vec<Attempts>,
    /// Connections open when the steady phase was last seen.
    pub steady_open: Option<u64>,
}

/// Of one interval.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Attempts {
    phase: Phase,
    start: Offset,
    length: Duration,
    /// A fraction, where intervals of another clock were added.
    attempts: f64,
}

impl Attempts {
    fn per_s(&self) -> f64 {
        self.attempts / self.length.max(SHORTEST).as_secs_f64()
    }

    /// The share of `other` that lies in this one.
    fn share_of(&self, other: &Self) -> f64 {
        let begun = self.start.max(other.start);
        let ended = self.start.plus(self.length).min(other.start.plus(other.length));
        ended.since(begun).as_secs_f64() / other.length.as_secs_f64()
    }
}

impl Connects {
    /// An interval of `phase` is over, in which there were so many.
    pub(crate) fn count(&mut self, phase: Phase, start: Offset, length: Duration, attempts: u64) {
        if phase == Phase::Warmup || length.is_zero() {
            return;
        }
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
        self.intervals.push(Attempts { phase, start, length, attempts: attempts as f64 });
    }

    /// The fastest interval; `None`: nobody counted.
    #[must_use]
    pub fn peak_per_s(&self) -> Option<f64> {
        self.intervals.iter().map(Attempts::per_s).reduce(f64::max)
    }

    /// The fastest interval of the recovery.
    #[must_use]
    pub fn recovery_peak_per_s(&self) -> Option<f64> {
        let recovery = self.intervals.iter().filter(|it| it.phase == Phase::Recovery);
        recovery.map(Attempts::per_s).reduce(f64::max)
    }

    /// Adds another client's, whose moments `moved` brings to this clock. Its intervals begin at other
    /// moments: each counts in those of ours that it lies in, by how much of it does. Nothing is known of
    /// both where one of them did not count.
    pub(super) fn absorb(&mut self, theirs: &Self, moved: impl Fn(Offset) -> Offset) {
        self.steady_open =
            self.steady_open.zip(theirs.steady_open).map(|(ours, theirs)| ours + theirs);
        if theirs.intervals.is_empty() {
            self.intervals.clear();
        }
        // Both lists are in order: what ended before the last one began is not looked at again.
        let mut first = 0;
        for more in &theirs.intervals {
            let more = Attempts { start: moved(more.start), ..*more };
            while self.intervals.get(first).is_some_and(|it| it.start.plus(it.length) <= more.start)
            {
                first += 1;
            }
            let ended = more.start.plus(more.length);
            for ours in self.intervals[first..].iter_mut().take_while(|it| it.start < ended) {
                ours.attempts += ours.share_of(&more) * more.attempts;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(ms: u64) -> Offset {
        Offset(ms * 1_000_000)
    }

    fn of(intervals: &[(Phase, u64, u64, u64)], open: u64) -> Connects {
        let mut connects = Connects { steady_open: Some(open), ..Connects::default() };
        for (phase, start, length, attempts) in intervals {
            connects.count(*phase, at(*start), Duration::from_millis(*length), *attempts);
        }
        connects
    }

    /// Catches a warm-up whose connects count as a storm, and a rate out of a piece of a second.
    #[test]
    fn the_fastest_interval_after_the_warm_up() {
        let seen = of(
            &[
                (Phase::Warmup, 0, 1000, 90),
                (Phase::Steady, 1000, 1000, 2),
                (Phase::Fault, 2000, 500, 20),
                (Phase::Recovery, 2500, 100, 8),
            ],
            5,
        );
        assert_eq!((seen.peak_per_s(), seen.recovery_peak_per_s()), (Some(20.0), Some(8.0)));
        assert_eq!(Connects::default().peak_per_s(), None);
    }

    /// Catches a storm of many that each have a small part of: the sum of a second is what nodes meet.
    /// And clocks that differ: an interval that lies in two of ours counts in both, and once.
    #[test]
    fn a_storm_is_the_sum_of_one_second() {
        let mut ours = of(&[(Phase::Fault, 0, 1000, 1), (Phase::Recovery, 1000, 1000, 10)], 4);
        let theirs = of(&[(Phase::Fault, 500, 1000, 2), (Phase::Recovery, 1500, 1000, 10)], 6);
        ours.absorb(&theirs, |moment| Offset(moment.0 - at(500).0));
        assert_eq!((ours.peak_per_s(), ours.recovery_peak_per_s()), (Some(20.0), Some(20.0)));
        assert_eq!(ours.steady_open, Some(10));
        ours.absorb(&theirs, |moment| moment);
        let attempts: Vec<_> = ours.intervals.iter().map(|it| it.attempts).collect();
        assert_eq!(attempts, [4.0, 26.0], "of the last second half lies beyond what we saw");
        ours.absorb(&Connects::default(), |moment| moment);
        assert_eq!((ours.peak_per_s(), ours.steady_open), (None, None), "one did not count");
    }
}
