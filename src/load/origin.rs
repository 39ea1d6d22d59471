//! What stands behind the cache: a modelled database with a latency, a capacity and a queue.
//!
//! Loads start one after the other, no faster than the capacity allows, and each takes the latency
//! from its start. One that would wait behind too many others is refused at once, as an overloaded
//! database would do it at best. A pure model: the caller brings the time and does the waiting.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use super::keyspace::Slot;
use crate::base::share::Share;
use crate::base::time::Offset;
use crate::base::units::Rate;

/// What the origin can do: plain data of a workload.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OriginSpec {
    /// How long one load takes once it has started.
    pub latency: Duration,
    /// How many loads start in a second at most.
    pub capacity: Rate,
    /// How many loads may wait for their start; the next one is refused.
    pub queue: u32,
}

impl OriginSpec {
    /// What one member of a fleet may ask of it: as large a part as its load.
    pub(super) fn part(self, share: Share) -> Self {
        let capacity = self.capacity.as_per_second() / f64::from(share.of());
        let capacity = Rate::per_second(capacity).unwrap_or(self.capacity);
        Self { capacity, queue: share.workers(self.queue), ..self }
    }
}

/// What was asked of the origin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OriginTotals {
    /// Loads that were taken up.
    pub loads: u64,
    /// Those of them that asked for what another load was bringing already: a client that lets one
    /// caller load for all would not have sent them.
    pub duplicates: u64,
    /// Loads that were refused because too many waited.
    pub refused: u64,
    /// The most loads that waited at a time.
    pub waiting_max: u64,
}

/// What becomes of a load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loading {
    /// The value is there at this time.
    Ready(Offset),
    /// Too many wait.
    Refused,
}

/// The origin while a load runs.
#[derive(Debug)]
pub struct Origin {
    spec: OriginSpec,
    interval: Duration,
    /// The earliest start of the next load.
    free_at: Offset,
    /// Loads under way: start, end and what they bring, in the order of both times. Never longer
    /// than the queue and what starts within one latency.
    under_way: VecDeque<(Offset, Offset, Slot)>,
    totals: OriginTotals,
}

impl Origin {
    /// An origin that nobody has asked yet.
    #[must_use]
    pub fn new(spec: OriginSpec) -> Self {
        Self {
            spec,
            interval: spec.capacity.interval(),
            free_at: Offset::default(),
            under_way: VecDeque::new(),
            totals: OriginTotals::default(),
        }
    }

    /// Asks for the value of `slot` at `now`, which is never before an earlier call's.
    pub fn load(&mut self, slot: Slot, now: Offset) -> Loading {
        while self.under_way.front().is_some_and(|(_, end, _)| *end <= now) {
            self.under_way.pop_front();
        }
        let waiting = self.under_way.iter().rev().take_while(|(start, ..)| *start > now).count();
        let waits = self.free_at > now;
        if waits && waiting >= self.spec.queue as usize {
            self.totals.refused += 1;
            return Loading::Refused;
        }
        let duplicate = self.under_way.iter().any(|(_, _, other)| *other == slot);
        self.totals.loads += 1;
        self.totals.duplicates += u64::from(duplicate);
        self.totals.waiting_max = self.totals.waiting_max.max(waiting as u64 + u64::from(waits));
        let start = self.free_at.max(now);
        let end = start.plus(self.spec.latency);
        self.free_at = start.plus(self.interval);
        self.under_way.push_back((start, end, slot));
        Loading::Ready(end)
    }

    /// What was asked so far.
    #[must_use]
    pub const fn totals(&self) -> OriginTotals {
        self.totals
    }
}

impl fmt::Display for OriginTotals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { loads, duplicates, refused, waiting_max } = self;
        write!(
            f,
            "origin: {loads} loads, {duplicates} of them duplicates, {refused} refused; \
             at most {waiting_max} waited"
        )
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::base::name::NodeIndex;
    use crate::load::keyspace::{Keyspace, Space};

    fn origin(queue: u32) -> Origin {
        let capacity = Rate::per_second(50.0).unwrap();
        Origin::new(OriginSpec { latency: Duration::from_millis(100), capacity, queue })
    }

    fn slot(number: u64) -> Slot {
        Keyspace::new([1000, 0, 0, 0], |_| NodeIndex(0)).any(Space::Values, number)
    }

    const fn at(millis: u64) -> Offset {
        Offset(millis * 1_000_000)
    }

    /// Catches a capacity, a latency or a queue that is not kept to.
    #[test]
    fn loads_start_at_the_capacity_and_wait_in_a_queue() {
        let mut origin = origin(2);
        assert_eq!(origin.load(slot(1), at(1000)), Loading::Ready(at(1100)));
        assert_eq!(origin.load(slot(2), at(1000)), Loading::Ready(at(1120)));
        assert_eq!(origin.load(slot(3), at(1000)), Loading::Ready(at(1140)));
        assert_eq!(origin.load(slot(4), at(1000)), Loading::Refused, "two wait already");
        assert_eq!(origin.load(slot(4), at(1020)), Loading::Ready(at(1160)), "one has started");
        assert_eq!(origin.load(slot(5), at(9000)), Loading::Ready(at(9100)), "idle again");
        let totals = OriginTotals { loads: 5, duplicates: 0, refused: 1, waiting_max: 2 };
        assert_eq!(origin.totals(), totals);
    }

    /// Catches a duplicate that is missed while the first load waits or runs, and one that is
    /// counted after it has ended.
    #[test]
    fn duplicates_are_loads_of_what_is_on_its_way() {
        let mut origin = origin(10);
        for (key, millis) in [(1, 0), (1, 0), (2, 50), (1, 119), (1, 400)] {
            assert!(matches!(origin.load(slot(key), at(millis)), Loading::Ready(_)));
        }
        assert_eq!(origin.totals().duplicates, 2);
    }

    /// Catches a queue of none that refuses the only load there is.
    #[test]
    fn without_a_queue_an_idle_origin_still_loads() {
        let mut origin = origin(0);
        assert_eq!(origin.load(slot(1), at(5)), Loading::Ready(at(105)));
        assert_eq!(origin.load(slot(2), at(6)), Loading::Refused);
        assert_eq!(origin.load(slot(2), at(25)), Loading::Ready(at(125)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        /// Catches more starts in a second than the capacity, a longer queue than is allowed, and
        /// memory that grows with the run.
        #[test]
        fn the_bounds_hold_whatever_is_asked(
            steps in prop::collection::vec((0_u64..30, 0_u64..20), 1..300),
        ) {
            let mut origin = origin(5);
            let (mut now, mut ends) = (0, Vec::new());
            for (wait, key) in steps {
                now += wait;
                if let Loading::Ready(end) = origin.load(slot(key), at(now)) {
                    prop_assert!(end >= at(now + 100) && end <= at(now + 100 + 6 * 20));
                    ends.push(end);
                }
                prop_assert!(origin.under_way.len() <= 5 + 6);
            }
            for pair in ends.windows(2) {
                prop_assert!(pair[1].since(pair[0]) >= Duration::from_millis(20));
            }
            prop_assert!(origin.totals().waiting_max <= 5);
        }
    }
}
