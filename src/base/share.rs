//! Which part of a whole is one member's: of keys, of starts, of workers.
//!
//! Numbers are dealt out in turn: member i of n has i, i + n, i + 2 n, ... of everything that is counted from
//! 0. So nobody has one twice, together they have all, and what is popular or early is everybody's.

use std::fmt;

use super::seed::Seed;

/// One of so many members.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    index: u32,
    of: u32,
}

impl Share {
    /// All of it.
    pub const ALL: Self = Self { index: 0, of: 1 };

    /// The part of member `index`, from 0, of `of`; `None`: there is no such member.
    #[must_use]
    pub const fn new(index: u32, of: u32) -> Option<Self> {
        if index < of { Some(Self { index, of }) } else { None }
    }

    /// Which member, from 0.
    #[must_use]
    pub const fn index(self) -> u32 {
        self.index
    }

    /// How many there are.
    #[must_use]
    pub const fn of(self) -> u32 {
        self.of
    }

    /// Whether there are others.
    #[must_use]
    pub const fn is_part(self) -> bool {
        self.of > 1
    }

    /// How many of `total` are this member's.
    #[must_use]
    pub const fn count(self, total: u64) -> u64 {
        let (index, of) = (self.index as u64, self.of as u64);
        total.saturating_sub(index).div_ceil(of)
    }

    /// How many of so many workers, or seats of any kind, are this member's.
    #[must_use]
    pub fn workers(self, total: u32) -> u32 {
        u32::try_from(self.count(total.into())).unwrap_or(total)
    }

    /// The number, among all, of the `place`-th that is this member's.
    #[must_use]
    pub const fn number(self, place: u64) -> u64 {
        place * self.of as u64 + self.index as u64
    }

    /// Which of this member's own stands for `number` of `total`: the one among the same `of` neighbours. The
    /// last few may have none; the one before stands for them.
    #[must_use]
    pub const fn stand_in(self, number: u64, total: u64) -> u64 {
        let place = number / self.of as u64;
        if self.number(place) < total { place } else { place.saturating_sub(1) }
    }

    /// The seed for what each member draws by itself.
    #[must_use]
    pub fn seed(self, seed: Seed) -> Seed {
        if self.is_part() { seed.fork("member").index(self.index.into()) } else { seed }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.of)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Catches a number that two members have, one that nobody has, and a count that is another than
        /// that of the numbers.
        #[test]
        fn members_share_out_everything_once(of in 1_u32..300, total in 0_u64..2000) {
            let mut seen = Vec::new();
            for index in 0..of {
                let share = Share::new(index, of).unwrap();
                let own: Vec<u64> = (0..share.count(total)).map(|place| share.number(place)).collect();
                prop_assert!(own.iter().all(|number| *number < total));
                seen.extend(own);
            }
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..total).collect::<Vec<u64>>());
        }

        /// Catches a stand-in that is no key of the member's, or far from the one it stands for, and a member
        /// alone that does not stand for itself.
        #[test]
        fn stand_ins_are_neighbours(of in 1_u32..300, more in 0_u64..500, number in 0_u64..800) {
            let total = u64::from(of) + more;
            let number = number % total;
            for index in 0..of {
                let share = Share::new(index, of).unwrap();
                let own = share.stand_in(number, total);
                prop_assert!(own < share.count(total));
                let away = share.number(own).abs_diff(number);
                prop_assert!(away < 2 * u64::from(of), "{away}");
            }
            prop_assert_eq!(Share::ALL.stand_in(number, total), number);
        }
    }

    /// Catches members that draw the same, and a run by itself that draws otherwise than before.
    #[test]
    fn each_member_draws_its_own() {
        let seed = Seed::new(7);
        assert_eq!(Share::ALL.seed(seed), seed);
        let of = |index| Share::new(index, 3).unwrap().seed(seed);
        assert!(of(0) != of(1) && of(1) != of(2) && of(0) != seed);
        assert_eq!(Share::new(3, 3), None);
    }
}
