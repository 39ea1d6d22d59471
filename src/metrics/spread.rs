//! Latencies as both kinds of histogram that Prometheus has.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use prometheus_client::encoding::{
    MetricEncoder, NativeHistogram, NativeHistogramBuckets, NoLabelSet,
};

use crate::record::Latency;

/// Where the classic buckets end, in microseconds. The last is as long as anybody waits; what is longer is
/// in the bucket without an end.
const BOUNDS_US: [u64; 17] = [
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000, 5_000_000, 10_000_000,
];

/// How fine the native buckets are: eight for each doubling, so that one is 9 % wide. From a microsecond
/// to the longest that the recorder tells apart there are 208.
const SCHEMA: i32 = 3;
const PER_DOUBLING: f64 = 8.0;
const MICROSECOND: f64 = 1e-6;

/// Native buckets that are empty between two others and yet written: a new span costs as much.
const GAP_MAX: i32 = 2;

/// Runs of neighbouring buckets, each by its distance from the one before and its length; and of each
/// bucket how many more it has than the one before.
type Sparse = (Vec<(i32, u32)>, Vec<i64>);

/// How many latencies were how long.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Spread {
    sum: Duration,
    count: u64,
    /// Each by itself, the one without an end last.
    classic: [u64; BOUNDS_US.len() + 1],
    native: BTreeMap<i32, u64>,
    zero: u64,
}

impl Spread {
    /// Adds all of `latency`.
    pub(super) fn add(&mut self, latency: &Latency) {
        self.sum = self.sum.saturating_add(latency.sum());
        self.count += latency.count();
        latency.each(|us, count| {
            self.classic[BOUNDS_US.partition_point(|bound| *bound < us)] += count;
            match native_bucket(us) {
                Some(bucket) => *self.native.entry(bucket).or_default() += count,
                None => self.zero += count,
            }
        });
    }

    pub(super) fn encode(&self, mut encoder: MetricEncoder) -> fmt::Result {
        #[expect(clippy::cast_precision_loss, reason = "the bounds are far below 2^53")]
        let ends = BOUNDS_US.map(|us| us as f64 / 1e6).into_iter().chain([f64::INFINITY]);
        let classic: Vec<(f64, u64)> = ends.zip(self.classic).collect();
        let (spans, deltas) = self.sparse()?;
        let none = NativeHistogramBuckets { spans: &[], deltas: &[] };
        let native = NativeHistogram {
            schema: SCHEMA,
            zero_threshold: MICROSECOND / 2.0,
            zero_count: self.zero,
            negative: none,
            positive: NativeHistogramBuckets { spans: &spans, deltas: &deltas },
            created: None,
        };
        encoder.encode_histogram_with_native::<NoLabelSet>(
            self.sum.as_secs_f64(),
            self.count,
            &classic,
            None,
            native,
        )
    }

    /// The native buckets as they are written.
    fn sparse(&self) -> Result<Sparse, fmt::Error> {
        let (mut spans, mut deltas) = (Vec::<(i32, u32)>::new(), Vec::new());
        let (mut next, mut before) = (0, 0);
        for (&bucket, &count) in &self.native {
            let count = i64::try_from(count).map_err(|_| fmt::Error)?;
            let gap = bucket - next;
            match spans.last_mut().filter(|_| gap <= GAP_MAX) {
                Some((_, length)) => {
                    for _ in 0..gap {
                        deltas.push(-before);
                        before = 0;
                    }
                    *length += gap.unsigned_abs() + 1;
                }
                None => spans.push((gap, 1)),
            }
            deltas.push(count - before);
            (next, before) = (bucket + 1, count);
        }
        Ok((spans, deltas))
    }
}

/// The native bucket of a latency: its end is the bucket's number in eighths of a doubling of a second.
/// `None`: none is so short.
fn native_bucket(us: u64) -> Option<i32> {
    #[expect(clippy::cast_precision_loss, reason = "the recorder tells a minute apart at most")]
    let seconds = us as f64 / 1e6;
    #[expect(clippy::cast_possible_truncation, reason = "the logarithm of an f64 is small")]
    (us > 0).then(|| (seconds.log2() * PER_DOUBLING).ceil() as i32)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(us: &[u64]) -> Spread {
        let mut latency = Latency::default();
        us.iter().for_each(|us| latency.record(Duration::from_micros(*us)));
        let mut spread = Spread::default();
        spread.add(&latency);
        spread
    }

    /// Catches a latency in the bucket beside its own: one at the very end belongs to what it ends.
    #[test]
    fn a_bound_belongs_to_its_bucket() {
        let spread = of(&[50, 51, 100_000, 20_000_000]);
        assert_eq!(spread.classic[..2], [1, 1]);
        assert_eq!(spread.classic[10], 1, "{:?}", spread.classic);
        assert_eq!(*spread.classic.last().unwrap(), 1);
        assert_eq!(spread.sum, Duration::from_micros(20_100_101));
        assert_eq!([native_bucket(0), native_bucket(1_000_000)], [None, Some(0)]);
        assert_eq!([native_bucket(500_000), native_bucket(2_000_001)], [Some(-8), Some(9)]);
    }

    proptest! {
        /// Catches buckets that are lost, doubled or moved when they are written.
        #[test]
        fn native_buckets_come_back(us in proptest::collection::vec(0_u64..60_000_000, 1..300)) {
            let spread = of(&us);
            let (spans, deltas) = spread.sparse().unwrap();
            let (mut at, mut count, mut read) = (0, 0, BTreeMap::new());
            let mut deltas = deltas.into_iter();
            for (gap, length) in spans {
                at += gap;
                for _ in 0..length {
                    count += deltas.next().unwrap();
                    if count > 0 {
                        read.insert(at, count.unsigned_abs());
                    }
                    at += 1;
                }
            }
            prop_assert_eq!(deltas.next(), None);
            prop_assert_eq!(&read, &spread.native);
            let all = read.values().sum::<u64>() + spread.zero;
            prop_assert_eq!([all, spread.classic.iter().sum()], [us.len() as u64; 2]);
        }
    }
}
