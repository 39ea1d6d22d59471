//! `slicer`: bytes leave in small pieces with pauses between them. Legal TCP; parsers trip over it.

use std::time::Duration;

use bytes::Bytes;
use rand::RngExt;
use tokio::time::Instant;

use super::spec::in_time;
use super::{Toxic, ToxicSpec};
use crate::base::family::{Kind, Setting, SettingError, Unit};
use crate::base::seed::Stream;
use crate::proxy::fault::outbox::{Due, Outbox};
use crate::proxy::fault::setting::{size, time};

/// How many pieces are cut ahead when there is no pause between them.
const PIECES_MAX: usize = 64;

pub(in crate::proxy::fault) const KIND: Kind<dyn ToxicSpec> = Kind {
    name: "slicer",
    summary: "cut the stream into small pieces",
    settings: &[
        Setting {
            name: "average_size",
            unit: Unit::Bytes,
            default: Some("0B"),
            summary: "the size of a piece; 0: the stream is not cut",
        },
        Setting {
            name: "size_variation",
            unit: Unit::Bytes,
            default: Some("0B"),
            summary: "how far a piece may be from it",
        },
        Setting {
            name: "delay",
            unit: Unit::Microseconds,
            default: Some("0us"),
            summary: "the pause after each piece",
        },
    ],
    build: |settings| {
        let bytes =
            |name| size(settings, name).map(|size| usize::try_from(size).unwrap_or(usize::MAX));
        Ok(Box::new(Spec {
            average: bytes("average_size")?,
            variation: bytes("size_variation")?,
            delay: time(settings, "delay", Unit::Microseconds)?,
        }))
    },
};

#[derive(Clone, Copy, Debug)]
struct Spec {
    average: usize,
    variation: usize,
    delay: Duration,
}

impl ToxicSpec for Spec {
    fn start(&self, now: Instant, draws: Stream) -> Box<dyn Toxic> {
        Box::new(Slicer { spec: *self, draws, free: now, stretches: Vec::new() })
    }

    fn idle(&self) -> Option<SettingError> {
        let what = "with an `average_size` of 0 nothing is cut; write for example \"8B\"";
        let whole = self.average == 0 && self.delay.is_zero();
        whole.then(|| SettingError::at("average_size", what))
    }
}

#[derive(Debug)]
struct Slicer {
    spec: Spec,
    draws: Stream,
    /// When the pause after the last piece is over.
    free: Instant,
    /// The lengths that the bytes which wait were halved into so far, the next last; the rest of what
    /// waits is not cut yet. So a stream in tiny pieces takes no more room than one in large ones.
    stretches: Vec<usize>,
}

impl Slicer {
    fn is_cut(&self, length: usize) -> bool {
        let Spec { average, variation, .. } = self.spec;
        length >= 2 && average > 0 && length.saturating_sub(average) > variation
    }

    /// Where a stretch of `length` bytes is cut in two; `None`: it is small enough.
    fn cut(&mut self, length: usize) -> Option<usize> {
        if !self.is_cut(length) {
            return None;
        }
        let variation = self.spec.variation;
        let reach = variation.min(length / 2);
        let moved = if reach == 0 { 0 } else { self.draws.random_range(0..2 * reach) };
        Some((length / 2 + moved).saturating_sub(reach).clamp(1, length - 1))
    }

    /// The length of the next piece of bytes that wait: halved again and again, the left half first.
    fn piece(&mut self, waiting: usize) -> usize {
        let mut stretch = self.stretches.pop().unwrap_or(waiting);
        while let Some(at) = self.cut(stretch) {
            self.stretches.push(stretch - at);
            stretch = at;
        }
        stretch
    }

    /// Lets the next piece go, unless one is on its way, and all that may leave at the same time.
    fn take_turn(&mut self, since: Instant, out: &mut Outbox) {
        self.free = self.free.max(since);
        for gone in 0..PIECES_MAX {
            let Some(waiting) = out.waiting(gone, 0) else { return };
            if waiting.bytes == 0 {
                // An end follows the last piece, without a pause.
                return out.let_go(waiting, Due::At(since));
            }
            let piece = self.piece(waiting.bytes);
            out.cut(gone, piece);
            out.let_go(waiting, Due::At(self.free));
            self.free += self.spec.delay;
            if self.free > since {
                return;
            }
        }
    }
}

impl Toxic for Slicer {
    fn on_data(&mut self, now: Instant, data: Bytes, out: &mut Outbox) {
        let is_cut = self.is_cut(data.len());
        out.wait(data);
        self.take_turn(now, out);
        if is_cut || out.latest().is_some_and(|latest| latest > Due::At(now)) {
            out.touch();
        }
    }

    fn on_end(&mut self, now: Instant, out: &mut Outbox) {
        out.wait_to_end();
        self.take_turn(now, out);
    }

    fn on_left(&mut self, due: Instant, now: Instant, out: &mut Outbox) {
        self.take_turn(in_time(due, now), out);
    }
}

#[cfg(test)]
mod tests {
    use crate::proxy::fault::toxic::testing::{Bench, settings};

    /// Catches a lost pause, a piece that is too long, and milliseconds taken for microseconds.
    #[test]
    fn pieces_and_pauses() {
        let chosen = settings(&[("average_size", 2.0), ("delay", 1000.0)]);
        let mut bench = Bench::new(&super::KIND, &chosen);
        bench.data_at(0, b"abcdefgh").data_at(1, b"xy");
        assert_eq!(bench.out(), ["0 ab", "1 cd", "2 ef", "3 gh", "4 xy"]);
        assert_eq!(bench.touched(), 2);
    }

    /// Catches a recursion without end (Toxiproxy dies of these settings) and a lost byte.
    #[test]
    fn absurd_settings_end_and_keep_every_byte() {
        for (average, variation) in
            [(0.0, 0.0), (1.0, 0.0), (1.0, 100.0), (10.0, 9.0), (-1.0, -1.0)]
        {
            let chosen = settings(&[("average_size", average), ("size_variation", variation)]);
            let mut bench = Bench::new(&super::KIND, &chosen);
            bench.bytes_at(0, 1000);
            assert_eq!(bench.byte_count(), 1000, "{average} {variation}");
        }
    }
}
