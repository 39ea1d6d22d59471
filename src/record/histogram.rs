//! Latencies of one class: a histogram in microseconds with the exact ends and sum beside it.

use std::borrow::Cow;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::Histogram;
use hdrhistogram::serialization::{Serializer, V2DeflateSerializer};
use serde::{Deserialize, Serialize};

use super::cells::{self, HIGHEST_US, Writer};

/// Significant digits: 0.1 % of the value.
const DIGITS: u8 = 3;

/// Latencies. Empty until the first one, then 16 to 136 KiB with the longest of them, and a few KiB once
/// packed.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(into = "Written", try_from = "Written")]
pub struct Latency {
    buckets: Buckets,
    min: Duration,
    max: Duration,
    sum: Duration,
    count: u64,
    clamped: u64,
}

/// How many latencies fell into which bucket.
#[derive(Clone, Debug, Default)]
struct Buckets {
    open: Option<Box<Histogram<u64>>>,
    /// Its cells, instead of `open` when nothing more is expected.
    packed: Option<Box<[u8]>>,
}

impl Buckets {
    /// The histogram to record in.
    fn open(&mut self) -> &mut Histogram<u64> {
        let packed = &mut self.packed;
        self.open.get_or_insert_with(|| {
            Box::new(packed.take().map_or_else(new_histogram, |bytes| unpacked(&bytes)))
        })
    }

    /// The histogram to look at; `None` when there is none.
    fn read(&self) -> Option<Cow<'_, Histogram<u64>>> {
        match &self.packed {
            Some(bytes) => Some(Cow::Owned(unpacked(bytes))),
            None => self.open.as_deref().map(Cow::Borrowed),
        }
    }

    fn pack(&mut self) {
        if let Some(packed) = self.cells() {
            *self = Self { open: None, packed: Some(packed.into_owned()) };
        }
    }

    /// The same as bytes; `None` when there is nothing.
    fn cells(&self) -> Option<Cow<'_, Box<[u8]>>> {
        if let Some(packed) = &self.packed {
            return Some(Cow::Borrowed(packed));
        }
        let mut writer = Writer::default();
        for step in self.open.as_deref()?.iter_recorded() {
            writer.add(step.value_iterated_to(), step.count_at_value());
        }
        Some(Cow::Owned(writer.finish()))
    }

    /// Adds what others hold.
    fn add(&mut self, others: &Self) {
        match (&others.packed, &others.open) {
            (Some(bytes), _) => fill(self.open(), bytes),
            (None, Some(theirs)) => self.open().add(&**theirs).expect(GROWS),
            (None, None) => {}
        }
    }

    /// Forgets everything and keeps the memory.
    fn clear(&mut self) {
        self.packed = None;
        if let Some(histogram) = &mut self.open {
            histogram.reset();
        }
    }
}

const GROWS: &str = "it grows up to the highest";

fn unpacked(bytes: &[u8]) -> Histogram<u64> {
    let mut histogram = new_histogram();
    fill(&mut histogram, bytes);
    histogram
}

/// Adds cells, which were written here or looked at when they were read.
fn fill(histogram: &mut Histogram<u64>, bytes: &[u8]) {
    for (us, count) in cells::cells(bytes).flatten() {
        histogram.record_n(us, count).expect(GROWS);
    }
}

/// Latencies as the facts of a member of a fleet have them.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    min: Duration,
    max: Duration,
    sum: Duration,
    count: u64,
    clamped: u64,
    /// See [`cells`], in base64.
    cells: String,
}

impl From<Latency> for Written {
    fn from(latency: Latency) -> Self {
        let Latency { ref buckets, min, max, sum, count, clamped } = latency;
        let cells = buckets.cells().map(|bytes| STANDARD.encode(&**bytes)).unwrap_or_default();
        Self { min, max, sum, count, clamped, cells }
    }
}

impl TryFrom<Written> for Latency {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        let Written { min, max, sum, count, clamped, cells } = written;
        let bytes = STANDARD.decode(cells).map_err(|_| "a histogram that is no base64")?;
        let mut held = Some(0_u64);
        for cell in cells::cells(&bytes) {
            let (_, cell) = cell.ok_or("a histogram with a bucket that is none")?;
            held = held.and_then(|held| held.checked_add(cell));
        }
        if held != Some(count) || count > cells::COUNT_MAX || clamped > count {
            return Err("a histogram that holds more or less than it says");
        }
        if min > max || (count == 0) != bytes.is_empty() {
            return Err("a histogram whose ends are none of it");
        }
        let packed = (count > 0).then(|| bytes.into_boxed_slice());
        Ok(Self { buckets: Buckets { open: None, packed }, min, max, sum, count, clamped })
    }
}

/// Percentiles as reports show them, in microseconds. `null`: too little was measured for one to lie beyond it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct LatencyUs {
    /// The median.
    pub p50: Option<u64>,
    /// 95 % took at most this long.
    pub p95: Option<u64>,
    /// 99 % took at most this long.
    pub p99: Option<u64>,
    /// 99.9 % took at most this long.
    pub p999: Option<u64>,
    /// The longest, exactly.
    pub max: Option<u64>,
    /// The mean, exactly.
    pub mean: Option<u64>,
    /// How many were measured.
    pub count: u64,
}

impl Latency {
    /// Adds one.
    pub fn record(&mut self, latency: Duration) {
        let us = micros(latency);
        self.clamped += u64::from(us > HIGHEST_US);
        self.buckets.open().record(us.min(HIGHEST_US)).expect(GROWS);
        self.min = if self.count == 0 { latency } else { self.min.min(latency) };
        self.max = self.max.max(latency);
        self.sum = self.sum.saturating_add(latency);
        self.count += 1;
    }

    /// Adds all of `other`.
    pub fn merge(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        self.buckets.add(&other.buckets);
        self.min = if self.count == 0 { other.min } else { self.min.min(other.min) };
        self.max = self.max.max(other.max);
        self.sum = self.sum.saturating_add(other.sum);
        self.count = self.count.saturating_add(other.count);
        self.clamped = self.clamped.saturating_add(other.clamped);
    }

    /// Forgets everything and keeps the memory.
    pub fn clear(&mut self) {
        let mut buckets = std::mem::take(&mut self.buckets);
        buckets.clear();
        *self = Self { buckets, ..Self::default() };
    }

    /// Keeps the same in a twentieth of the memory or less. What is added later unpacks it.
    pub fn pack(&mut self) {
        self.buckets.pack();
    }

    /// Whether there is none.
    pub(super) const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many were added.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// All of them together, exactly.
    #[must_use]
    pub const fn sum(&self) -> Duration {
        self.sum
    }

    /// Hands over what was measured, ascending: in microseconds, the lowest of those that are not told
    /// apart (within 0.1 %), and how many there were.
    pub fn each(&self, mut take: impl FnMut(u64, u64)) {
        let Some(histogram) = self.buckets.read() else { return };
        for step in histogram.iter_recorded() {
            take(histogram.lowest_equivalent(step.value_iterated_to()), step.count_at_value());
        }
    }

    /// How many were longer than the histogram tells apart.
    #[must_use]
    pub const fn clamped(&self) -> u64 {
        self.clamped
    }

    /// The longest, exactly; `None` when empty.
    #[must_use]
    pub fn max(&self) -> Option<Duration> {
        (self.count > 0).then_some(self.max)
    }

    /// The latency that the share `quantile` (0..=1) did not exceed, in microseconds. The
    /// histogram answers with the upper edge of a bucket, so the exact ends bound the answer.
    #[must_use]
    pub fn quantile_us(&self, quantile: f64) -> Option<u64> {
        if self.count == 0 {
            return None;
        }
        let value = self.buckets.read()?.value_at_quantile(quantile);
        Some(value.clamp(micros(self.min), micros(self.max)))
    }

    /// The figures for a report.
    #[must_use]
    pub fn figures(&self) -> LatencyUs {
        let mean = (self.count > 0)
            .then(|| u64::try_from(self.sum.as_micros() / u128::from(self.count)).ok())
            .flatten();
        let percentile =
            |quantile| self.quantile_us(quantile).filter(|_| is_told_of(quantile, self.count));
        LatencyUs {
            p50: percentile(0.5),
            p95: percentile(0.95),
            p99: percentile(0.99),
            p999: percentile(0.999),
            max: self.max().map(micros),
            mean,
            count: self.count,
        }
    }

    /// HDR V2 deflate in base64, the text form of every HdrHistogram tool; `None` when empty.
    #[must_use]
    pub fn to_base64(&self) -> Option<String> {
        let histogram = self.buckets.read().filter(|_| self.count > 0)?;
        let mut bytes = Vec::new();
        // Writing into a Vec cannot fail, and the counts fit: nothing else can go wrong.
        V2DeflateSerializer::new().serialize(&histogram, &mut bytes).ok()?;
        Some(STANDARD.encode(bytes))
    }
}

/// Whether there are so many samples that one of them lies beyond the quantile. Of fewer it would be the
/// maximum under another name.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
pub fn is_told_of(quantile: f64, samples: u64) -> bool {
    // One in a million is within what the fraction itself is off by.
    samples as f64 * (1.0 - quantile) >= 1.0 - 1e-6
}

/// Whole microseconds, rounded.
pub(crate) fn micros(latency: Duration) -> u64 {
    u64::try_from(latency.as_nanos().saturating_add(500) / 1000).unwrap_or(u64::MAX)
}

/// One that grows with the longest latency, up to [`HIGHEST_US`].
fn new_histogram() -> Histogram<u64> {
    Histogram::new(DIGITS).expect("the number of digits is a constant that fits")
}

#[cfg(test)]
mod tests {
    use hdrhistogram::serialization::Deserializer;
    use proptest::prelude::*;

    use super::*;

    fn of(latencies: &[u64]) -> Latency {
        let mut histogram = Latency::default();
        for us in latencies {
            histogram.record(Duration::from_micros(*us));
        }
        histogram
    }

    /// Catches an empty histogram that reports zeros as if they had been measured.
    #[test]
    fn nothing_measured_is_null() {
        let figures = Latency::default().figures();
        assert_eq!(figures, LatencyUs::default());
        assert_eq!(figures.p50, None);
        assert_eq!(Latency::default().to_base64(), None);
    }

    /// Catches the upper edge of a bucket passed off as the maximum, and a lost overflow.
    #[test]
    fn ends_are_exact_and_overflow_is_counted() {
        let histogram = of(&[5_000_000]);
        assert_eq!(histogram.figures().max, Some(5_000_000));
        let histogram = of(&[10, 70_000_000]);
        assert_eq!(histogram.clamped(), 1);
        assert_eq!(histogram.figures().max, Some(70_000_000));
        assert_eq!(histogram.figures().mean, Some(35_000_005));
    }

    /// Catches the longest of a few that is passed off as a percentile of many.
    #[test]
    fn a_percentile_needs_samples_beyond_it() {
        let told = |count: u64| {
            let LatencyUs { p50, p95, p99, p999, max, .. } =
                of(&(1..=count).collect::<Vec<_>>()).figures();
            [p50, p95, p99, p999, max].map(|it| it.is_some())
        };
        assert_eq!(told(1), [false, false, false, false, true]);
        assert_eq!(told(2), [true, false, false, false, true]);
        assert_eq!(told(20), [true, true, false, false, true]);
        assert_eq!(told(99), [true, true, false, false, true]);
        assert_eq!(told(100), [true, true, true, false, true]);
        assert_eq!(told(1000), [true; 5]);
    }

    /// Catches memory that leaks from one interval into the next.
    #[test]
    fn clearing_forgets() {
        let mut histogram = of(&[10, 20]);
        histogram.clear();
        assert_eq!(histogram.figures(), LatencyUs::default());
        histogram.record(Duration::from_micros(3));
        assert_eq!(histogram.figures().max, Some(3));
    }

    /// Catches a packed histogram that is not small, that counts anew from nothing, or that keeps
    /// what is cleared.
    #[test]
    fn packing_changes_the_size_alone() {
        let mut histogram = of(&(0..20_000).map(|us| us * us % 90_001).collect::<Vec<_>>());
        let open = histogram.clone();
        histogram.pack();
        let packed = histogram.buckets.packed.as_ref().unwrap().len();
        assert!(histogram.buckets.open.is_none() && packed < 10_000, "{packed}");
        assert_eq!(
            (histogram.figures(), histogram.to_base64()),
            (open.figures(), open.to_base64())
        );
        histogram.record(Duration::from_micros(95_000));
        assert_eq!((histogram.figures().max, histogram.figures().count), (Some(95_000), 20_001));
        histogram.pack();
        histogram.clear();
        assert_eq!(histogram.figures(), LatencyUs::default());
        let mut nothing = Latency::default();
        nothing.pack();
        assert_eq!(nothing.figures(), LatencyUs::default());
    }

    /// Catches a histogram of a stranger that ends the program or that is believed: each of these has one
    /// thing changed.
    #[test]
    fn what_is_no_histogram_is_refused() {
        let written = serde_json::to_value(of(&[10, 20, 70_000_000])).unwrap();
        assert!(serde_json::from_value::<Latency>(written.clone()).is_ok());
        let second = |secs: u64| serde_json::json!({ "secs": secs, "nanos": 0 });
        for (field, value, expected) in [
            ("cells", "%".into(), "no base64"),
            ("cells", "////////////".into(), "a bucket that is none"),
            ("cells", "".into(), "more or less"),
            ("count", 4.into(), "more or less"),
            ("clamped", 4.into(), "more or less"),
            ("min", second(99), "whose ends"),
            ("sum", (-1).into(), "invalid type"),
        ] {
            let mut changed = written.clone();
            changed[field] = value;
            let refused = serde_json::from_value::<Latency>(changed).unwrap_err().to_string();
            assert!(refused.contains(expected), "{field}: {refused}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]

        /// Catches percentiles that are off by more than the three digits that we promise.
        #[test]
        fn percentiles_are_those_of_the_sorted_list(
            mut values in proptest::collection::vec(1_u64..10_000_000, 1..400),
        ) {
            let histogram = of(&values);
            values.sort_unstable();
            for quantile in [0.5, 0.95, 0.99, 0.999] {
                let rank = (values.len() as f64 * quantile).ceil() as usize;
                let exact = values[rank.max(1) - 1] as f64;
                let told = histogram.quantile_us(quantile).unwrap() as f64;
                prop_assert!((told - exact).abs() <= exact * 0.001 + 1.0, "{told} for {exact}");
            }
        }

        /// Catches a merge that depends on how samples were spread, and base64 that tools refuse.
        #[test]
        fn parts_merge_to_the_whole(
            values in proptest::collection::vec(0_u64..100_000_000, 1..200),
            cut in 0_usize..200,
            packed in proptest::array::uniform2(proptest::bool::ANY),
        ) {
            let cut = cut.min(values.len());
            let (left, right) = values.split_at(cut);
            let [mut merged, mut other] = [of(left), of(right)];
            for (latency, packed) in [&mut merged, &mut other].into_iter().zip(packed) {
                if packed {
                    latency.pack();
                }
            }
            merged.merge(&other);
            let whole = of(&values);
            prop_assert_eq!(merged.figures(), whole.figures());
            prop_assert_eq!(merged.clamped(), whole.clamped());
            let written = serde_json::to_string(&merged).unwrap();
            let read: Latency = serde_json::from_str(&written).unwrap();
            prop_assert_eq!(read.figures(), whole.figures());
            prop_assert_eq!(read.to_base64(), whole.to_base64());
            let text = whole.to_base64().unwrap();
            prop_assert!(text.starts_with("HISTFAAA"));
            let bytes = STANDARD.decode(text).unwrap();
            let read: Histogram<u64> = Deserializer::new()
                .deserialize(&mut bytes.as_slice())
                .unwrap();
            prop_assert_eq!(read.len(), whole.count());
        }
    }
}
