//! One phase of one node in pieces of 100 ms, so that recovery can be dated.
//!
//! Pieces start with their phase, hence with the fault and with its healing. The first
//! [`HEAD_BINS`] stay as they are; later ones roll up: whenever the tail is full, neighbours merge
//! and the step doubles. A soak of days thus costs no more memory than one of minutes.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::counts::Counts;
use super::packed::Packed;
use super::piece::{Piece, Sparse, earlier};
use crate::base::time::Offset;
use crate::event::Sample;

/// The length of a piece.
pub const BIN: Duration = Duration::from_millis(100);

/// Pieces that are never rolled up: the first 90 seconds of a phase.
const HEAD_BINS: usize = 900;

/// Pieces after them, at the most; then the step doubles.
const TAIL_BINS: usize = 600;

/// The first step of the tail.
const TAIL_STEP: Duration = Duration::from_secs(1);

/// No run is so long that the tail of a phase has longer pieces: 300 years.
const STEP_MAX: Duration = Duration::from_secs(1 << 24);

/// Buckets of a [`Response`] in each doubling of the latency: 6 % of the value.
const PER_OCTAVE: u64 = 16;

/// What was due within one piece of time.
#[derive(Clone, Debug, Default)]
pub struct Bin {
    /// By outcome.
    pub counts: Counts,
    /// Response times of good operations.
    pub response: Response,
    /// Those of all others that ended, but for shed ones.
    pub failed: Response,
    /// Operations that took at least nine tenths of the operation timeout.
    pub long: u64,
    /// When the first operation ended that was an error.
    pub first_error: Option<Offset>,
    /// When the first good operation ended that the key's own node served.
    pub first_good_at_home: Option<Offset>,
}

/// Response times in buckets of 6 %, only those that occur.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response(Sparse);

/// A phase of one node, as pieces in order.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(into = "Written", try_from = "Written")]
pub struct Series {
    head: Vec<Piece>,
    tail: Vec<Piece>,
    tail_step: Duration,
    /// Head and tail instead, when nothing more is expected.
    packed: Option<Packed>,
}

impl Default for Series {
    fn default() -> Self {
        Self { head: Vec::new(), tail: Vec::new(), tail_step: TAIL_STEP, packed: None }
    }
}

impl Bin {
    /// Adds all of `other`.
    pub fn merge(&mut self, other: &Self) {
        self.counts.merge(&other.counts);
        self.response.merge(&other.response);
        self.failed.merge(&other.failed);
        self.long = self.long.saturating_add(other.long);
        earlier(&mut self.first_error, other.first_error);
        earlier(&mut self.first_good_at_home, other.first_good_at_home);
    }
}

impl Response {
    /// Adds what fell into one bucket.
    pub(super) fn add(&mut self, bucket: u16, count: u32) {
        self.0.add(bucket, count);
    }

    /// Adds all of `other`.
    pub fn merge(&mut self, other: &Self) {
        self.0.merge(&other.0);
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.cells().map(|(_, count)| u64::from(count)).sum()
    }

    /// How many were certainly longer than `limit_us`.
    #[must_use]
    pub fn longer_than(&self, limit_us: f64) -> u64 {
        self.0
            .cells()
            .filter(|(bucket, _)| edges(*bucket).0 > limit_us)
            .map(|(_, count)| u64::from(count))
            .sum()
    }

    /// What the longest took at least, in microseconds.
    #[must_use]
    pub fn longest_us(&self) -> Option<f64> {
        self.0.cells().map(|(bucket, _)| edges(bucket).0).reduce(f64::max)
    }

    /// The response time that the share `quantile` did not exceed, in microseconds, interpolated
    /// within its bucket.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
    pub fn quantile_us(&self, quantile: f64) -> Option<f64> {
        let rank = self.count() as f64 * quantile;
        let mut before = 0.0;
        for (bucket, count) in self.0.cells() {
            let count = f64::from(count);
            if before + count >= rank {
                let (low, high) = edges(bucket);
                return Some(low + (high - low) * (rank - before) / count);
            }
            before += count;
        }
        None
    }
}

/// The bucket of a latency: exact below 16 us, then 16 to each doubling.
#[expect(clippy::cast_possible_truncation, reason = "at most 60 doublings of 16")]
pub(super) fn bucket(us: u64) -> u16 {
    if us < PER_OCTAVE {
        return us as u16;
    }
    let exponent = u64::from(us.ilog2());
    let step = (us >> (exponent - 4)) % PER_OCTAVE;
    ((exponent - 3) * PER_OCTAVE + step) as u16
}

/// The lowest latency of a bucket, and the lowest of the next.
#[expect(clippy::cast_precision_loss, reason = "a bucket is 6 % wide")]
fn edges(bucket: u16) -> (f64, f64) {
    let bucket = u64::from(bucket);
    if bucket < PER_OCTAVE {
        return (bucket as f64, bucket as f64 + 1.0);
    }
    let width = 2_f64.powf((bucket / PER_OCTAVE - 1) as f64);
    let low = (PER_OCTAVE + bucket % PER_OCTAVE) as f64 * width;
    (low, low + width)
}

impl Series {
    /// Adds a sample that was due this long after the phase began. `long` is what counts as nearly
    /// a timeout.
    pub(crate) fn add(&mut self, since_start: Duration, sample: &Sample, long: Duration) {
        self.piece_at(since_start).add(sample, long);
    }

    /// Adds all of `other`, piece by piece: its phase began `later` than ours (or earlier), to the nearest
    /// piece, and `moved` says where a moment of its clock lies on ours.
    pub(super) fn merge(
        &mut self,
        mut other: Self,
        later: i64,
        moved: impl Fn(Offset) -> Offset + Copy,
    ) {
        self.unpack();
        other.unpack();
        // Whatever is in a coarse piece lies in one that is at least as coarse.
        while self.tail_step < other.tail_step {
            self.roll_up();
        }
        let (head, step) = (other.head.len(), other.tail_step);
        for (place, piece) in other.head.into_iter().chain(other.tail).enumerate() {
            let since = match place.checked_sub(head) {
                None => BIN * count(place),
                Some(place) => head_length() + step * count(place),
            };
            let since = i64::try_from(since.as_nanos()).unwrap_or(i64::MAX);
            let since = u64::try_from(since.saturating_add(later)).unwrap_or(0);
            self.piece_at(Duration::from_nanos(since)).merge(&piece.moved(moved));
        }
    }

    fn unpack(&mut self) {
        if let Some(packed) = self.packed.take() {
            (self.head, self.tail) = packed.unpacked();
        }
    }

    fn piece_at(&mut self, since_start: Duration) -> &mut Piece {
        self.unpack();
        let place = place(since_start, BIN);
        if place < HEAD_BINS {
            return grown(&mut self.head, place);
        }
        let since_tail = since_start - head_length();
        while self::place(since_tail, self.tail_step) >= TAIL_BINS {
            self.roll_up();
        }
        let place = self::place(since_tail, self.tail_step);
        grown(&mut self.tail, place)
    }

    fn roll_up(&mut self) {
        let mut rolled: Vec<Piece> = Vec::with_capacity(TAIL_BINS);
        for (index, piece) in self.tail.drain(..).enumerate() {
            match rolled.last_mut() {
                Some(last) if index % 2 == 1 => last.merge(&piece),
                _ => rolled.push(piece),
            }
        }
        self.tail = rolled;
        self.tail_step *= 2;
    }

    /// Keeps the same in a fraction of the memory. What is added later unpacks it.
    pub(super) fn pack(&mut self) {
        if self.packed.is_none() {
            let (head, tail) = (std::mem::take(&mut self.head), std::mem::take(&mut self.tail));
            self.packed = Some(Packed::new(&head, &tail));
        }
    }

    /// Every piece with its start since the phase began and its length.
    pub fn bins(&self) -> impl Iterator<Item = (Duration, Duration, Bin)> {
        let packed = self.packed.iter().flat_map(Packed::pieces).map(|piece| piece.bin());
        let bins = self.head.iter().chain(&self.tail).map(Piece::bin).chain(packed);
        let head = self.packed.as_ref().map_or(self.head.len(), Packed::head);
        bins.enumerate().map(move |(place, bin)| match place.checked_sub(head) {
            None => (BIN * count(place), BIN, bin),
            Some(place) => (head_length() + self.tail_step * count(place), self.tail_step, bin),
        })
    }
}

/// A series as the facts of a member of a fleet have it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    head: usize,
    tail: usize,
    tail_step: Duration,
    /// See [`Packed`], in base64.
    pieces: String,
}

impl From<Series> for Written {
    fn from(mut series: Series) -> Self {
        series.unpack();
        let Series { head, tail, tail_step, .. } = series;
        let pieces = STANDARD.encode(Packed::new(&head, &tail).bytes());
        Self { head: head.len(), tail: tail.len(), tail_step, pieces }
    }
}

impl TryFrom<Written> for Series {
    type Error = &'static str;

    fn try_from(written: Written) -> Result<Self, Self::Error> {
        let Written { head, tail, tail_step, pieces } = written;
        let doublings = tail_step.as_secs().is_power_of_two() && tail_step.subsec_nanos() == 0;
        if head > HEAD_BINS || tail > TAIL_BINS || !doublings || tail_step > STEP_MAX {
            return Err("more pieces than a phase has, or of another length");
        }
        let bytes = STANDARD.decode(pieces).map_err(|_| "pieces that are no base64")?;
        let packed = Packed::read(bytes, head, tail).ok_or("pieces that are none")?;
        Ok(Self { packed: Some(packed), tail_step, ..Self::default() })
    }
}

fn count(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

fn head_length() -> Duration {
    BIN * count(HEAD_BINS)
}

fn place(since: Duration, step: Duration) -> usize {
    usize::try_from(since.as_nanos() / step.as_nanos()).unwrap_or(usize::MAX)
}

fn grown(pieces: &mut Vec<Piece>, place: usize) -> &mut Piece {
    if pieces.len() <= place {
        pieces.resize_with(place + 1, Piece::default);
    }
    &mut pieces[place]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::name::NodeIndex;
    use crate::event::{ErrorClass, Extent, KeyCounts, Operation, Outcome};

    fn sample(outcome: Outcome, due_ms: u64, took_us: u64) -> Sample {
        let due = Offset::from_duration(Duration::from_millis(due_ms));
        Sample {
            extent: Extent::Single,
            operation: Operation::Get,
            home: NodeIndex(0),
            served_by: Some(NodeIndex(0)),
            outcome,
            due,
            issued: due,
            taken: due,
            sent: Some(due),
            done: due.plus(Duration::from_micros(took_us)),
            connection_wait: Duration::ZERO,
            attempts: 1,
            needed: 1,
            keys: KeyCounts::default(),
        }
    }

    /// Catches buckets that overlap, leave a gap, or are wider than 6 %.
    #[test]
    fn buckets_tile_the_scale() {
        for us in (0..5000).chain([999_999, 60_000_000, 1 << 50]) {
            let (low, high) = edges(bucket(us));
            assert!(low <= us as f64 && (us as f64) < high, "{us}: {low}..{high}");
            assert!(high - low <= (low / 16.0).max(1.0), "{us}: {low}..{high}");
        }
        for us in 0..100_000 {
            assert!(bucket(us) <= bucket(us + 1));
        }
    }

    /// Catches a tail that grows for ever, and operations that are lost when it rolls up.
    #[test]
    fn a_soak_stays_bounded_and_keeps_every_operation() {
        let mut series = Series::default();
        let day = 24 * 3600;
        for second in 0..day {
            let sample = sample(Outcome::Hit, second * 1000, 100);
            series.add(Duration::from_secs(second), &sample, Duration::from_secs(1));
        }
        let bins: Vec<_> = series.bins().collect();
        assert!(bins.len() <= HEAD_BINS + TAIL_BINS);
        let total: u64 = bins.iter().map(|(_, _, bin)| bin.counts.offered()).sum();
        assert_eq!(total, day);
        for pair in bins.windows(2) {
            assert!(pair[0].0 + pair[0].1 <= pair[1].0, "pieces must not overlap");
        }
        assert_eq!(bins[5].1, BIN);
    }

    /// Catches pieces that packing changes or moves, and a late operation that is lost or makes the
    /// others disappear.
    #[test]
    fn packing_changes_the_size_alone() {
        let mut series = Series::default();
        let long = Duration::from_millis(90);
        let add = |series: &mut Series, millis: u64, outcome, took_us| {
            series.add(Duration::from_millis(millis), &sample(outcome, millis, took_us), long);
        };
        for round in 0..5_000 {
            add(&mut series, round * 40, Outcome::Hit, 50 + round % 700);
            add(&mut series, round * 41, Outcome::Error(ErrorClass::Timeout), 100_000);
        }
        let shown = |series: &Series| format!("{:?}", series.bins().collect::<Vec<_>>());
        let mut packed = series.clone();
        packed.pack();
        assert_eq!(shown(&packed), shown(&series));
        for late in [50, 120_000] {
            add(&mut series, late, Outcome::Miss, 10);
            add(&mut packed, late, Outcome::Miss, 10);
        }
        assert_eq!(shown(&packed), shown(&series));
        packed.pack();
        packed.pack();
        assert_eq!(shown(&packed), shown(&series));
    }

    /// Catches a first success that a copy elsewhere, or a failure, would pretend.
    #[test]
    fn first_moments_are_those_of_the_home_node() {
        let mut piece = Piece::default();
        let long = Duration::from_millis(90);
        let mut elsewhere = sample(Outcome::Hit, 10, 5);
        elsewhere.served_by = Some(NodeIndex(2));
        piece.add(&elsewhere, long);
        assert_eq!(piece.first_good_at_home, None);
        piece.add(&sample(Outcome::Error(ErrorClass::Timeout), 20, 100_000), long);
        piece.add(&sample(Outcome::Hit, 40, 1000), long);
        piece.add(&sample(Outcome::Hit, 30, 1000), long);
        let bin = piece.bin();
        assert_eq!(bin.first_good_at_home, Some(Offset(31_000_000)));
        assert_eq!(bin.first_error, Some(Offset(120_000_000)));
        assert_eq!(bin.long, 1);
        assert_eq!(bin.response.count(), 3);
    }

    /// Catches a slow test that counts what is not slow.
    #[test]
    fn longer_than_is_certain() {
        let mut response = Response::default();
        for us in [100, 1000, 1001, 5000, 10_000] {
            response.add(bucket(us), 1);
        }
        assert_eq!(response.longer_than(2000.0), 2);
        assert_eq!(response.longer_than(9999.0), 0, "10 ms shares its bucket with less");
        let p50 = response.quantile_us(0.5).unwrap();
        assert!((940.0..1100.0).contains(&p50), "{p50}");
    }
}
