//! What became of keys that were asked for together: each has its own end, whatever the operation came to.

use serde::{Deserialize, Serialize};

use super::Outcome;

/// Keys by what became of them: in 16 bits those of one operation, in 64 those of many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyCounts<N = u64> {
    /// The value was there and is one that the read may return.
    pub hit: N,
    /// Absent, and a node has said so.
    pub miss: N,
    /// Told as absent although the key's own node surely held the value.
    pub false_miss: N,
    /// Failed, shed, or part of an operation that hung.
    pub failed: N,
    /// A value that must not be: wrong, corrupt, stale, foreign or contradicting.
    pub wrong: N,
    /// Told as absent, and nobody saw a node say so: missing or failed, the client does not tell.
    pub unknown: N,
}

impl KeyCounts<u16> {
    /// Adds a key. `told`: a node is known to have answered for it.
    pub const fn add(&mut self, outcome: Outcome, told: bool) {
        let count = match outcome {
            Outcome::Hit => &mut self.hit,
            Outcome::Miss if told => &mut self.miss,
            Outcome::Miss => &mut self.unknown,
            Outcome::FalseMiss => &mut self.false_miss,
            Outcome::Wrong
            | Outcome::Corrupt
            | Outcome::Stale
            | Outcome::Foreign
            | Outcome::Contradiction => &mut self.wrong,
            _ => &mut self.failed,
        };
        *count = count.saturating_add(1);
    }

    /// This many keys that failed.
    #[must_use]
    pub fn all_failed(keys: usize) -> Self {
        Self { failed: u16::try_from(keys).unwrap_or(u16::MAX), ..Self::default() }
    }

    /// These keys, and `other`'s.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self {
            hit: self.hit.saturating_add(other.hit),
            miss: self.miss.saturating_add(other.miss),
            false_miss: self.false_miss.saturating_add(other.false_miss),
            failed: self.failed.saturating_add(other.failed),
            wrong: self.wrong.saturating_add(other.wrong),
            unknown: self.unknown.saturating_add(other.unknown),
        }
    }
}

impl From<KeyCounts<u16>> for KeyCounts {
    fn from(few: KeyCounts<u16>) -> Self {
        Self {
            hit: few.hit.into(),
            miss: few.miss.into(),
            false_miss: few.false_miss.into(),
            failed: few.failed.into(),
            wrong: few.wrong.into(),
            unknown: few.unknown.into(),
        }
    }
}

impl KeyCounts {
    /// Adds all of `other`.
    pub const fn merge(&mut self, other: &Self) {
        self.hit += other.hit;
        self.miss += other.miss;
        self.false_miss += other.false_miss;
        self.failed += other.failed;
        self.wrong += other.wrong;
        self.unknown += other.unknown;
    }

    /// Every key that was asked for.
    #[must_use]
    pub const fn asked(&self) -> u64 {
        self.hit + self.miss + self.false_miss + self.failed + self.wrong + self.unknown
    }

    /// Those whose caller got what the cache should give: the value, or that there is none.
    #[must_use]
    pub const fn served(&self) -> u64 {
        self.hit + self.miss
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::ErrorClass;

    /// Catches a key that is counted twice or as something else, and a miss that nobody saw and counts as
    /// one.
    #[test]
    fn each_key_has_one_end() {
        let mut keys = KeyCounts::<u16>::default();
        for outcome in Outcome::all() {
            keys.add(outcome, true);
        }
        assert_eq!((keys.hit, keys.miss, keys.false_miss, keys.wrong), (1, 1, 1, 5));
        assert_eq!(keys.unknown, 0);
        keys.add(Outcome::Miss, false);
        keys.add(Outcome::Error(ErrorClass::Timeout), false);
        assert_eq!((keys.miss, keys.unknown), (1, 1));
        let mut all = KeyCounts::from(keys);
        assert_eq!(all.asked(), Outcome::all().count() as u64 + 2);
        assert_eq!(all.served(), 2);
        all.merge(&keys.with(KeyCounts::all_failed(3)).into());
        assert_eq!(all.asked(), 2 * (Outcome::all().count() as u64 + 2) + 3);
    }
}
