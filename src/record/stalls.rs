//! When the machine did not let the harness run: pieces of time in which slow answers prove nothing.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::time::Offset;

/// How many stalls are kept with their time. Later ones are counted only, and so excuse nothing.
const STALLS_MAX: usize = 256;

/// A time in which some processor, or some thread of the harness, stood still.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stall {
    /// Its first moment.
    pub from: Offset,
    /// The first moment after it.
    pub until: Offset,
}

/// The stalls of a run in order. Those that overlap are one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct Stalls {
    kept: Vec<Stall>,
    dropped: u64,
}

/// The same in a file, of which nobody knows who wrote it.
#[derive(Debug, Serialize, Deserialize)]
struct Written(Vec<Stall>, u64);

impl From<Written> for Stalls {
    fn from(Written(kept, dropped): Written) -> Self {
        let mut stalls = Self { dropped, ..Self::default() };
        kept.into_iter()
            .filter(|stall| stall.from < stall.until)
            .for_each(|stall| stalls.add(stall));
        stalls
    }
}

impl From<Stalls> for Written {
    fn from(stalls: Stalls) -> Self {
        Self(stalls.kept, stalls.dropped)
    }
}

impl Stall {
    /// How long it was.
    #[must_use]
    pub const fn length(&self) -> Duration {
        self.until.since(self.from)
    }

    const fn touches(&self, other: &Self) -> bool {
        self.from.0 <= other.until.0 && other.from.0 <= self.until.0
    }
}

impl Stalls {
    /// Notes one; several watchers see the same one, each a little differently.
    pub fn add(&mut self, mut stall: Stall) {
        let first = self.kept.partition_point(|known| known.until < stall.from);
        let met = self.kept[first..].iter().take_while(|known| known.touches(&stall)).count();
        for known in self.kept.drain(first..first + met) {
            stall.from = stall.from.min(known.from);
            stall.until = stall.until.max(known.until);
        }
        if self.kept.len() < STALLS_MAX {
            self.kept.insert(first, stall);
        } else {
            self.dropped += 1;
        }
    }

    /// Adds those of another watcher; `moved` says where a moment of its clock lies on ours.
    pub(super) fn merge(&mut self, other: &Self, moved: impl Fn(Offset) -> Offset) {
        for Stall { from, until } in &other.kept {
            self.add(Stall { from: moved(*from), until: moved(*until) });
        }
        self.dropped = self.dropped.saturating_add(other.dropped);
    }

    /// Every stall that was kept, in order; no two of them overlap.
    pub fn iter(&self) -> impl Iterator<Item = &Stall> {
        self.kept.iter()
    }

    /// How many there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.kept.len() as u64 + self.dropped
    }

    /// How many found no room.
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The longest that was kept.
    #[must_use]
    pub fn longest(&self) -> Option<Stall> {
        self.iter().copied().max_by_key(Stall::length)
    }

    /// The longest that overlaps the time from `from` to `until`.
    #[must_use]
    pub fn longest_within(&self, from: Offset, until: Offset) -> Option<Stall> {
        self.iter()
            .filter(|stall| stall.from < until && from < stall.until)
            .copied()
            .max_by_key(Stall::length)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn stall(from: u64, until: u64) -> Stall {
        Stall { from: Offset(from), until: Offset(until) }
    }

    /// Catches one stall that two processors saw and that counts as two, and a list that never ends.
    #[test]
    fn what_overlaps_is_one_and_the_list_is_bounded() {
        let mut stalls = Stalls::default();
        for (from, until) in [(50, 60), (10, 20), (18, 25), (25, 30), (5, 12)] {
            stalls.add(stall(from, until));
        }
        let kept: Vec<Stall> = stalls.iter().copied().collect();
        assert_eq!(kept, [stall(5, 30), stall(50, 60)]);
        assert_eq!(stalls.longest(), Some(stall(5, 30)));
        assert_eq!(stalls.longest_within(Offset(30), Offset(50)), None);
        assert_eq!(stalls.longest_within(Offset(29), Offset(51)), Some(stall(5, 30)));
        for second in 1..=300 {
            stalls.add(stall(second * 1000, second * 1000 + 1));
        }
        assert_eq!((stalls.iter().count(), stalls.count(), stalls.dropped()), (256, 302, 46));
        stalls.add(stall(1000, 2000));
        assert_eq!(stalls.count(), 301, "one that joins two others needs no room");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// Catches a merge that forgets or invents a moment.
        #[test]
        fn exactly_the_stalled_moments_are_covered(
            spans in prop::collection::vec((0_u64..100, 1_u64..10), 0..40),
        ) {
            let mut stalls = Stalls::default();
            let mut moments = [false; 120];
            for (from, length) in spans {
                stalls.add(stall(from, from + length));
                for moment in from..from + length {
                    moments[moment as usize] = true;
                }
            }
            for (moment, stalled) in (0_u64..).zip(moments) {
                let found = stalls.longest_within(Offset(moment), Offset(moment + 1)).is_some();
                prop_assert_eq!(found, stalled, "{}", moment);
            }
            let kept: Vec<&Stall> = stalls.iter().collect();
            prop_assert!(kept.windows(2).all(|pair| pair[0].until < pair[1].from));
        }
    }
}
