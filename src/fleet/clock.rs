//! What another machine's clock says, by asking it often enough.
//!
//! A question and its answer carry four times: asked and got by ours, heard and answered by theirs. Half the
//! sum of both differences is the offset, and half of what the way took is by how much that may be wrong
//! (RFC 5905, section 8). Of the last few the one with the shortest way is believed: what waited anywhere
//! waited longer.

use std::collections::VecDeque;
use std::time::Duration;

use crate::base::time::Offset;

/// How many exchanges are remembered.
const REMEMBERED: usize = 8;

/// By how much an offset may be wrong: with more, phases could not be cut at the same moments.
pub(super) const UNCERTAINTY_MAX: Duration = Duration::from_millis(25);

/// How far two machines' times of day may be apart, so that logs and reports can be read side by side.
pub(super) const TIME_OF_DAY_MAX: Duration = Duration::from_secs(60);

/// One question and its answer, each time by the clock of whoever took it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exchange {
    pub(super) asked: Offset,
    pub(super) heard: Offset,
    pub(super) answered: Offset,
    pub(super) got: Offset,
}

/// Where the other clock is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Estimate {
    /// Theirs minus ours, in nanoseconds.
    pub(super) offset_ns: i64,
    /// By how much that may be wrong, in nanoseconds.
    pub(super) uncertainty_ns: u64,
}

/// What the last exchanges say.
#[derive(Clone, Debug, Default)]
pub(super) struct Estimates {
    last: VecDeque<Estimate>,
}

impl Exchange {
    fn estimate(self) -> Estimate {
        let [asked, heard, answered, got] =
            [self.asked, self.heard, self.answered, self.got].map(|time| i128::from(time.0));
        let offset = ((heard - asked) + (answered - got)) / 2;
        let way = ((got - asked) - (answered - heard)).max(0);
        Estimate {
            offset_ns: i64::try_from(offset).unwrap_or(i64::MAX),
            uncertainty_ns: u64::try_from((way + 1) / 2).unwrap_or(u64::MAX),
        }
    }
}

impl Estimate {
    /// Our time when theirs is `theirs`; our start, where that is before it.
    pub(super) fn ours(self, theirs: Offset) -> Offset {
        let ours = i128::from(theirs.0) - i128::from(self.offset_ns);
        Offset(u64::try_from(ours.max(0)).unwrap_or(u64::MAX))
    }
}

impl Estimates {
    /// One more exchange.
    pub(super) fn add(&mut self, exchange: Exchange) {
        if self.last.len() == REMEMBERED {
            self.last.pop_front();
        }
        self.last.push_back(exchange.estimate());
    }

    /// What is believed; `None`: nothing was answered yet.
    pub(super) fn best(&self) -> Option<Estimate> {
        self.last.iter().copied().min_by_key(|estimate| estimate.uncertainty_ns)
    }
}

/// Why clocks that are so apart cannot belong to one run. `time_of_day_us` is theirs minus ours.
pub(super) fn refusal(estimate: Estimate, time_of_day_us: i64) -> Option<String> {
    let uncertainty = Duration::from_nanos(estimate.uncertainty_ns);
    if uncertainty > UNCERTAINTY_MAX {
        return Some(format!(
            "the clock of member 0 is known to {uncertainty:.1?} only, as the fastest of its answers took \
             twice that; within {UNCERTAINTY_MAX:?} phases can be cut at the same moments"
        ));
    }
    let apart = Duration::from_micros(time_of_day_us.unsigned_abs());
    (apart > TIME_OF_DAY_MAX).then(|| {
        let way = if time_of_day_us > 0 { "behind" } else { "ahead of" };
        format!(
            "this machine's time of day is {apart:.0?} {way} member 0's, and {TIME_OF_DAY_MAX:?} at most is \
             taken; set its clock (chronyc makestep, or the like)"
        )
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: u64 = 1_000_000;

    fn exchange(asked: u64, heard: u64, answered: u64, got: u64) -> Exchange {
        let [asked, heard, answered, got] =
            [asked, heard, answered, got].map(|millis| Offset(millis * MS));
        Exchange { asked, heard, answered, got }
    }

    /// Catches another formula than RFC 5905's: theirs is 100 ms ahead, 4 ms each way, 2 ms of thought.
    #[test]
    fn the_offset_and_its_uncertainty() {
        let estimate = exchange(10, 114, 116, 20).estimate();
        assert_eq!((estimate.offset_ns, estimate.uncertainty_ns), (100_000_000, 4 * MS));
        assert_eq!(estimate.ours(Offset(150 * MS)), Offset(50 * MS));
        assert_eq!(estimate.ours(Offset(50 * MS)), Offset(0), "before our start");
        let behind = exchange(114, 14, 16, 124).estimate();
        assert_eq!(behind.offset_ns, -104_000_000);
        assert_eq!(behind.ours(Offset(1)), Offset(104 * MS + 1));
    }

    /// Catches an answer that waited being believed, and one from long ago.
    #[test]
    fn the_shortest_way_of_the_last_few_is_believed() {
        let mut estimates = Estimates::default();
        assert_eq!(estimates.best(), None);
        estimates.add(exchange(0, 101, 101, 2));
        estimates.add(exchange(10, 160, 160, 62));
        assert_eq!(estimates.best().unwrap().offset_ns, 100_000_000);
        for round in 2..10 {
            estimates.add(exchange(round * 10, round * 10 + 113, round * 10 + 113, round * 10 + 6));
        }
        assert_eq!(estimates.best().unwrap().offset_ns, 110_000_000, "the first are forgotten");
    }

    /// Catches a clock that is taken although it is not known, or is another day's; both limits are in.
    #[test]
    fn what_is_too_far_apart_is_refused() {
        let known = |millis: u64| Estimate { offset_ns: 0, uncertainty_ns: millis * MS };
        assert_eq!(refusal(known(25), 60_000_000), None);
        assert!(refusal(known(26), 0).unwrap().contains("known to 26.0ms only"));
        assert!(refusal(known(1), 3_600_000_000).unwrap().contains("3600s behind member 0's"));
        assert!(refusal(known(1), -61_000_000).unwrap().contains("61s ahead of member 0's"));
    }

    proptest! {
        /// Catches an uncertainty that the truth lies outside of, whichever way was the slow one.
        #[test]
        fn the_truth_lies_within(
            ahead in -1_000_000_i64..1_000_000, there in 0_u64..9_000, back in 0_u64..9_000, thought in 0_u64..900,
        ) {
            let asked = 5_000_000_i64;
            let theirs = |ours: i64| Offset(u64::try_from(ours + ahead).unwrap());
            let [there, back, thought] = [there, back, thought].map(|us| i64::try_from(us).unwrap());
            let estimate = Exchange {
                asked: Offset(5_000_000),
                heard: theirs(asked + there),
                answered: theirs(asked + there + thought),
                got: Offset(u64::try_from(asked + there + thought + back).unwrap()),
            }
            .estimate();
            prop_assert!(estimate.offset_ns.abs_diff(ahead) <= estimate.uncertainty_ns);
        }
    }
}
