//! Refills: values that are brought and written back after a read that found nothing, and how many are
//! under way of one key at a time.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::keyspace::{Keyspace, Slot, Space};
use crate::event::RefillCounts;

/// Every refill of a run. As large as the range of values, and never larger.
#[derive(Debug)]
pub(super) struct Refills {
    /// How many are under way of each value.
    under_way: Vec<AtomicU32>,
    first: usize,
    begun: AtomicU64,
    duplicates: AtomicU64,
    at_once_max: AtomicU32,
}

/// A refill under way: it is over when this is dropped, whatever came of it.
#[derive(Debug)]
#[must_use]
pub(super) struct Refill<'a>(&'a AtomicU32);

impl Refills {
    pub(super) fn new(keyspace: &Keyspace) -> Self {
        Self {
            under_way: keyspace.slots(Space::Values).map(|_| AtomicU32::new(0)).collect(),
            first: keyspace.first(Space::Values),
            begun: AtomicU64::new(0),
            duplicates: AtomicU64::new(0),
            at_once_max: AtomicU32::new(0),
        }
    }

    /// Begins a refill of a value.
    pub(super) fn begin(&self, slot: Slot) -> Refill<'_> {
        let of_key = &self.under_way[slot.position() - self.first];
        // What is read and what is written is one step: of two that begin together one is the second.
        let others = of_key.fetch_add(1, Ordering::Relaxed);
        self.begun.fetch_add(1, Ordering::Relaxed);
        self.duplicates.fetch_add(u64::from(others > 0), Ordering::Relaxed);
        self.at_once_max.fetch_max(others + 1, Ordering::Relaxed);
        Refill(of_key)
    }

    pub(super) fn counts(&self) -> RefillCounts {
        RefillCounts {
            refills: self.begun.load(Ordering::Relaxed),
            duplicates: self.duplicates.load(Ordering::Relaxed),
            at_once_max: u64::from(self.at_once_max.load(Ordering::Relaxed)),
        }
    }
}

impl Drop for Refill<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::name::NodeIndex;

    fn story() -> (Keyspace, Refills) {
        let keyspace = Keyspace::new([10, 5, 0, 0], |_| NodeIndex(0));
        let refills = Refills::new(&keyspace);
        (keyspace, refills)
    }

    /// Catches a second refill of the same key that is not counted as a duplicate, one of another key
    /// that is, and a third that does not raise the peak.
    #[test]
    fn a_duplicate_begins_while_the_same_key_is_refilled() {
        let (keyspace, refills) = story();
        let slot = |number| keyspace.any(Space::Values, number);
        let first = refills.begin(slot(3));
        let _other = refills.begin(slot(9));
        assert_eq!(refills.counts(), RefillCounts { refills: 2, duplicates: 0, at_once_max: 1 });
        let second = refills.begin(slot(3));
        assert_eq!(refills.counts(), RefillCounts { refills: 3, duplicates: 1, at_once_max: 2 });
        drop(first);
        let third = refills.begin(slot(3));
        assert_eq!(refills.counts(), RefillCounts { refills: 4, duplicates: 2, at_once_max: 2 });
        drop((second, third));
    }

    /// Catches a refill that is over, or failed, and stays under way: each later one would be a duplicate.
    #[test]
    fn what_is_over_makes_no_duplicate() {
        let (keyspace, refills) = story();
        let slot = keyspace.any(Space::Values, 0);
        for _ in 0..3 {
            drop(refills.begin(slot));
        }
        assert_eq!(refills.counts(), RefillCounts { refills: 3, duplicates: 0, at_once_max: 1 });
    }

    /// Catches counts that get lost between workers: of two that are under way together one is a duplicate.
    #[test]
    fn two_workers_that_refill_one_key_at_once_are_one_duplicate() {
        let (keyspace, refills) = story();
        let slot = keyspace.any(Space::Values, 5);
        let both_under_way = std::sync::Barrier::new(2);
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    let refill = refills.begin(slot);
                    both_under_way.wait();
                    drop(refill);
                });
            }
        });
        assert_eq!(refills.counts(), RefillCounts { refills: 2, duplicates: 1, at_once_max: 2 });
    }
}
