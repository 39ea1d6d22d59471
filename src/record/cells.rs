//! A histogram as bytes: only the buckets that hold something, in LEB128.
//!
//! Buckets are named by their lowest latency, in microseconds. One that follows the last without a gap is
//! its count alone, so that a dense histogram takes about a byte a bucket and a sparse one three. It is
//! what a phase keeps when it is over, and what a member of a fleet leaves: reading it needs no memory
//! but for what it is added to.

/// The highest latency that a histogram tells apart, in microseconds; what is longer counts as this.
pub(super) const HIGHEST_US: u64 = 60_000_000;

/// Latencies below this have a bucket each: the significant digits.
const EXACT: u64 = 2048;

/// How many latencies one bucket may say that it holds: more than any run has. Sums of a thousand of these
/// can still be counted.
pub(super) const COUNT_MAX: u64 = 1 << 48;

/// The lowest latency of the bucket after the one that begins at `lowest`.
const fn next(lowest: u64) -> u64 {
    let width = if lowest < EXACT { 1 } else { 1 << (lowest.ilog2() - 10) };
    lowest + width
}

/// The lowest latency of the bucket that `us` falls into.
pub(super) const fn lowest(us: u64) -> u64 {
    if us < EXACT { us } else { us >> (us.ilog2() - 10) << (us.ilog2() - 10) }
}

/// Buckets on their way into bytes.
#[derive(Debug, Default)]
pub(super) struct Writer {
    bytes: Vec<u8>,
    expected: u64,
}

impl Writer {
    /// Adds a bucket, which lies beyond the last one.
    pub(super) fn add(&mut self, us: u64, count: u64) {
        let lowest = lowest(us);
        let gap = lowest - self.expected;
        self.write(count << 1 | u64::from(gap > 0));
        if gap > 0 {
            self.write(gap);
        }
        self.expected = next(lowest);
    }

    fn write(&mut self, number: u64) {
        leb128::write::unsigned(&mut self.bytes, number).expect("memory takes every byte");
    }

    pub(super) fn finish(self) -> Box<[u8]> {
        self.bytes.into_boxed_slice()
    }
}

/// Every bucket of such bytes: its lowest latency, and how many it holds. `None` where they are no such
/// bytes; nothing comes after that.
pub(super) fn cells(bytes: &[u8]) -> impl Iterator<Item = Option<(u64, u64)>> {
    let (mut rest, mut expected) = (bytes, 0_u64);
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let cell = cell(&mut rest, &mut expected);
        if cell.is_none() {
            rest = &[];
        }
        Some(cell)
    })
}

fn cell(rest: &mut &[u8], expected: &mut u64) -> Option<(u64, u64)> {
    let number = leb128::read::unsigned(rest).ok()?;
    let gap = if number & 1 == 1 { leb128::read::unsigned(rest).ok()? } else { 0 };
    let us = expected.checked_add(gap).filter(|us| *us <= HIGHEST_US)?;
    let count = Some(number >> 1).filter(|count| (1..=COUNT_MAX).contains(count))?;
    if lowest(us) != us {
        return None;
    }
    *expected = next(us);
    Some((us, count))
}

#[cfg(test)]
mod tests {
    use hdrhistogram::Histogram;
    use proptest::prelude::*;

    use super::*;

    /// Catches a bucket that begins elsewhere than that of the histogram.
    #[test]
    fn buckets_are_those_of_the_histogram() {
        let mut histogram = Histogram::<u64>::new(3).unwrap();
        histogram.auto(true);
        histogram.record(HIGHEST_US).unwrap();
        let mut us = 0;
        while us < HIGHEST_US {
            assert_eq!(lowest(us), histogram.lowest_equivalent(us), "{us}");
            assert_eq!(next(lowest(us)), histogram.next_non_equivalent(us), "{us}");
            us += 1 + us / 700;
        }
    }

    proptest! {
        /// Catches a bucket that is lost, doubled or moved.
        #[test]
        fn everything_comes_back(
            known in proptest::collection::btree_map(0..=HIGHEST_US, 1..=COUNT_MAX, 0..200),
        ) {
            let known: std::collections::BTreeMap<u64, u64> =
                known.into_iter().map(|(us, count)| (lowest(us), count)).collect();
            let mut writer = Writer::default();
            known.iter().for_each(|(us, count)| writer.add(*us, *count));
            let bytes = writer.finish();
            let told: Option<Vec<(u64, u64)>> = cells(&bytes).collect();
            prop_assert_eq!(told, Some(known.into_iter().collect()));
        }

        /// Catches bytes of a stranger that end the program, that never end, or that hold a latency twice.
        #[test]
        fn anything_else_is_refused(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let told: Vec<Option<(u64, u64)>> = cells(&bytes).collect();
            let told: Vec<u64> = told.into_iter().flatten().map(|(us, _)| us).collect();
            prop_assert!(told.is_sorted_by(|one, next| one < next));
        }
    }
}
