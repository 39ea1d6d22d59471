//! What was due within one piece of time, only what occurs.
//!
//! There are thousands of pieces and each sees few outcomes and few response times, so neither has a
//! place of its own before it occurs.

use std::time::Duration;

use super::counts::is_error;
use super::histogram::micros;
use super::series::{Bin, bucket};
use crate::base::time::Offset;
use crate::event::{OUTCOMES, Outcome, Sample};

/// Counts by kind, only those that are not zero. Each is exact up to 2^32 - 1, which is then its
/// bound.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sparse(Vec<(u16, u32)>);

impl Sparse {
    /// Adds `count` of a kind.
    pub(super) fn add(&mut self, kind: u16, count: u32) {
        match self.0.binary_search_by_key(&kind, |(known, _)| *known) {
            Ok(place) => self.0[place].1 = self.0[place].1.saturating_add(count),
            Err(place) => self.0.insert(place, (kind, count)),
        }
    }

    /// Adds all of `other`.
    pub(super) fn merge(&mut self, other: &Self) {
        for (kind, count) in other.cells() {
            self.add(kind, count);
        }
    }

    /// Kinds in their order, with their counts.
    pub(super) fn cells(&self) -> impl ExactSizeIterator<Item = (u16, u32)> {
        self.0.iter().copied()
    }
}

/// A [`Bin`] in little memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Piece {
    /// Outcomes by position, behind those the buckets of the response times of good operations, and
    /// behind those the buckets of the others'.
    pub(super) cells: Sparse,
    pub(super) long: u64,
    pub(super) first_error: Option<Offset>,
    pub(super) first_good_at_home: Option<Offset>,
}

/// The kind of the first bucket of response times.
#[expect(clippy::cast_possible_truncation, reason = "a few dozen")]
const FIRST_BUCKET: u16 = OUTCOMES as u16;

/// The kind of the first bucket of an operation that was not good: no latency has so high a bucket.
const FIRST_FAILED: u16 = FIRST_BUCKET + 1024;

/// All kinds lie below.
pub(super) const KINDS: u16 = FIRST_FAILED + 1024;

impl Piece {
    /// Adds a sample. `long` is what counts as nearly a timeout.
    pub(super) fn add(&mut self, sample: &Sample, long: Duration) {
        let position = u16::try_from(sample.outcome.position()).expect("outcomes are few");
        self.cells.add(position, 1);
        self.long += u64::from(
            sample.outcome != Outcome::LostSlot && sample.done.since(sample.issued) >= long,
        );
        if is_error(sample.outcome) {
            earlier(&mut self.first_error, Some(sample.done));
        }
        let latency = bucket(micros(sample.done.since(sample.due)));
        if !sample.outcome.is_good() {
            if !matches!(sample.outcome, Outcome::Shed | Outcome::LostSlot | Outcome::Cancelled) {
                self.cells.add(FIRST_FAILED + latency, 1);
            }
        } else {
            self.cells.add(FIRST_BUCKET + latency, 1);
            if sample.served_by == Some(sample.home) {
                earlier(&mut self.first_good_at_home, Some(sample.done));
            }
        }
    }

    /// Adds all of `other`.
    pub(super) fn merge(&mut self, other: &Self) {
        self.cells.merge(&other.cells);
        self.long = self.long.saturating_add(other.long);
        earlier(&mut self.first_error, other.first_error);
        earlier(&mut self.first_good_at_home, other.first_good_at_home);
    }

    /// The same with every moment where another clock has it.
    pub(super) fn moved(mut self, to: impl Fn(Offset) -> Offset) -> Self {
        self.first_error = self.first_error.map(&to);
        self.first_good_at_home = self.first_good_at_home.map(&to);
        self
    }

    /// The same with every outcome in its place.
    pub(super) fn bin(&self) -> Bin {
        let Self { long, first_error, first_good_at_home, .. } = *self;
        let mut bin = Bin { long, first_error, first_good_at_home, ..Bin::default() };
        for (kind, count) in self.cells.cells() {
            match (kind.checked_sub(FIRST_FAILED), kind.checked_sub(FIRST_BUCKET)) {
                (Some(bucket), _) => bin.failed.add(bucket, count),
                (None, Some(bucket)) => bin.response.add(bucket, count),
                (None, None) => bin.counts.add_at(usize::from(kind), u64::from(count)),
            }
        }
        bin
    }
}

/// Keeps the earlier of two moments.
pub(super) fn earlier(known: &mut Option<Offset>, other: Option<Offset>) {
    *known = match (*known, other) {
        (Some(known), Some(other)) => Some(known.min(other)),
        (known, other) => known.or(other),
    };
}
