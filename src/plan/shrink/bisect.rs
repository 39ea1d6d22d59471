//! How a list or a number is made smaller, a part at a time.

use std::ops::Range;

/// How near two bounds of a number are before it is let be: an eighth.
const NEAR: u64 = 8;

/// Takes parts out of a list: large ones first, then halves of them, at last single ones.
#[derive(Clone, Debug)]
pub(super) struct Chunks {
    length: usize,
    /// How much is taken out at once.
    size: usize,
    from: usize,
    /// Whether something was taken out since the beginning of the list.
    took: bool,
    /// How many stay at least.
    least: usize,
}

impl Chunks {
    /// Of a list of so many, which may become empty.
    pub(super) const fn all(length: usize) -> Self {
        Self { length, size: length, from: 0, took: false, least: 0 }
    }

    /// Of a list of so many, of which one stays.
    pub(super) const fn some(length: usize) -> Self {
        Self { length, size: length.div_ceil(2), from: 0, took: false, least: 1 }
    }

    /// What to take out next.
    pub(super) fn next(&self) -> Option<Range<usize>> {
        let end = (self.from + self.size).min(self.length);
        let taken = end.saturating_sub(self.from);
        (taken > 0 && self.length - taken >= self.least).then_some(self.from..end)
    }

    /// Whether it went without, and how many are left now: with a part may go what hung on it.
    pub(super) fn tell(&mut self, went: bool, left: usize) {
        let Some(taken) = self.next() else { return };
        if went {
            self.length = left;
            self.took = true;
        } else {
            self.from = taken.end;
        }
        while self.length > self.least && self.next().is_none() {
            match (self.size, self.took) {
                // What was needed by something that is gone may go as well.
                (1, true) => self.took = false,
                (1, false) => return,
                (size, _) => self.size = size.div_ceil(2).min(self.length.max(1)),
            }
            self.from = 0;
        }
    }
}

/// Finds how small a number may be.
#[derive(Clone, Debug)]
pub(super) struct Number {
    /// Too small, as far as is known.
    low: u64,
    /// Large enough.
    high: u64,
}

impl Number {
    /// A number that is large enough, and the least that makes sense.
    pub(super) const fn new(high: u64, least: u64) -> Self {
        Self { low: least.saturating_sub(1), high }
    }

    /// What to try next.
    pub(super) fn next(&self) -> Option<u64> {
        let gap = self.high.saturating_sub(self.low);
        (gap > 1 && gap > self.high / NEAR).then(|| self.tried())
    }

    pub(super) const fn tried(&self) -> u64 {
        self.low + self.high.saturating_sub(self.low) / 2
    }

    /// Whether it was large enough.
    pub(super) const fn tell(&mut self, was_enough: bool) {
        *(if was_enough { &mut self.high } else { &mut self.low }) = self.tried();
    }
}
