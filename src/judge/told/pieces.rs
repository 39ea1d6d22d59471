//! What passed one node over time, as questions are put to it.

use std::time::Duration;

use crate::base::time::Offset;
use crate::record::{WirePiece, WirePieces};

/// The length over which rates are taken.
const SECOND: Duration = Duration::from_secs(1);

/// A time without a connect or a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quiet {
    pub(super) length: Duration,
    /// Whether the time that was looked at ended before anybody came.
    pub(super) is_cut: bool,
    /// Whether nobody came in all of it.
    pub(super) is_all: bool,
}

pub(super) struct Pieces<'a>(pub(super) &'a WirePieces);

impl Pieces<'_> {
    /// Whether all was looked at until then; the piece in which it lies need not be over.
    pub(super) fn reach(&self, end: Offset) -> bool {
        !self.0.length.is_zero() && end.0 / self.nanos() <= self.0.all.len() as u64
    }

    /// The pieces that lie within these times as a whole.
    pub(super) fn within(&self, times: (Offset, Offset)) -> &[WirePiece] {
        let (first, end) = self.places(times);
        &self.0.all[first..end]
    }

    /// Each time without a connect or a request.
    pub(super) fn quiet(&self, times: (Offset, Offset)) -> Vec<Quiet> {
        let within = self.within(times);
        let mut all: Vec<Quiet> = within
            .split(|piece| piece.connects > 0 || piece.requests > 0)
            .map(|pieces| Quiet {
                length: self.length_of(pieces.len()),
                is_cut: false,
                is_all: pieces.len() == within.len(),
            })
            .collect();
        all.last_mut().into_iter().for_each(|last| last.is_cut = true);
        all.retain(|quiet| !quiet.length.is_zero() || quiet.is_all);
        all
    }

    /// How long after the beginning the first such piece began.
    pub(super) fn first(
        &self,
        times: (Offset, Offset),
        is_it: impl Fn(&WirePiece) -> bool,
    ) -> Option<Duration> {
        let place = self.within(times).iter().position(is_it)?;
        Some(self.since(times, place))
    }

    /// How long after the beginning the first second with a reply at its beginning and so many in all
    /// began; an error when there is no second.
    pub(super) fn first_second(
        &self,
        times: (Offset, Offset),
        replies: f64,
    ) -> Result<Option<Duration>, ()> {
        let within = self.within(times);
        let count = self.in_a_second();
        if within.len() < count {
            return Err(());
        }
        let is_back = |second: &[WirePiece]| second[0].replies > 0 && replies_in(second) >= replies;
        let place = within.windows(count).position(is_back);
        Ok(place.map(|place| self.since(times, place)))
    }

    pub(super) fn replies_per_s(&self, times: (Offset, Offset)) -> Option<f64> {
        let within = self.within(times);
        let length = self.length_of(within.len());
        (!length.is_zero()).then(|| replies_in(within) / length.as_secs_f64())
    }

    /// The most connects in a second, and all of them; `None`: there is no second.
    pub(super) fn connect_peak(&self, times: (Offset, Offset)) -> Option<(u32, u64)> {
        let within = self.within(times);
        let count = |pieces: &[WirePiece]| {
            pieces.iter().fold(0_u32, |all, piece| all.saturating_add(piece.connects))
        };
        let peak = within.windows(self.in_a_second()).map(count).max()?;
        Some((peak, count(within).into()))
    }

    pub(super) fn connects(&self, times: (Offset, Offset)) -> u64 {
        self.within(times).iter().map(|piece| u64::from(piece.connects)).sum()
    }

    /// 0 in a time without a piece.
    pub(super) fn connects_per_s(&self, times: (Offset, Offset)) -> f64 {
        let length = self.length_of(self.within(times).len()).as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^53")]
        let connects = self.connects(times) as f64;
        if length > 0.0 { connects / length } else { 0.0 }
    }

    fn nanos(&self) -> u64 {
        Offset::from_duration(self.0.length).0.max(1)
    }

    fn in_a_second(&self) -> usize {
        usize::try_from(Offset::from_duration(SECOND).0.div_ceil(self.nanos())).unwrap_or(1).max(1)
    }

    fn length_of(&self, pieces: usize) -> Duration {
        self.0.length.saturating_mul(u32::try_from(pieces).unwrap_or(u32::MAX))
    }

    fn places(&self, (from, end): (Offset, Offset)) -> (usize, usize) {
        let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(self.0.all.len());
        let end = place(end.0 / self.nanos());
        (place(from.0.div_ceil(self.nanos())).min(end), end)
    }

    /// From the beginning to the piece at this place within.
    fn since(&self, times: (Offset, Offset), place: usize) -> Duration {
        let place = (self.places(times).0 + place) as u64;
        Offset(place.saturating_mul(self.nanos())).since(times.0)
    }
}

fn replies_in(pieces: &[WirePiece]) -> f64 {
    pieces.iter().map(|piece| f64::from(piece.replies)).sum()
}
