//! `slicer`: bytes leave in small pieces with pauses between them. Legal TCP; parsers trip over it.

use std::time::Duration;

use bytes::Bytes;
use rand::RngExt;
use tokio::time::Instant;

use super::spec::{size, time};
use super::{Toxic, ToxicSpec};
use crate::base::family::{Kind, Setting, Unit};
use crate::base::seed::Stream;
use crate::proxy::outbox::{Due, Outbox};

pub(super) const KIND: Kind<dyn ToxicSpec> = Kind {
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
        Box::new(Slicer { spec: *self, draws, free: now })
    }
}

#[derive(Debug)]
struct Slicer {
    spec: Spec,
    draws: Stream,
    /// When the pause after the last piece is over.
    free: Instant,
}

impl Slicer {
    /// Where a stretch of `length` bytes is cut in two; `None`: it is small enough.
    fn cut(&mut self, length: usize) -> Option<usize> {
        let Spec { average, variation, .. } = self.spec;
        if length < 2 || average == 0 || length.saturating_sub(average) <= variation {
            return None;
        }
        let reach = variation.min(length / 2);
        let moved = if reach == 0 { 0 } else { self.draws.random_range(0..2 * reach) };
        Some((length / 2 + moved).saturating_sub(reach).clamp(1, length - 1))
    }
}

impl Toxic for Slicer {
    fn on_data(&mut self, now: Instant, data: Bytes, out: &mut Outbox) {
        self.free = self.free.max(now);
        // Halved again and again, the left half first: the stack holds what lies to the right.
        let mut waiting = vec![data];
        while let Some(mut stretch) = waiting.pop() {
            if let Some(at) = self.cut(stretch.len()) {
                waiting.push(stretch.split_off(at));
                waiting.push(stretch);
                out.touch();
            } else {
                out.data_at(Due::At(self.free), stretch);
                self.free += self.spec.delay;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::proxy::toxic::testing::{Bench, settings};

    /// Catches a lost pause, a piece that is too long, and milliseconds taken for microseconds.
    #[test]
    fn pieces_and_pauses() {
        let chosen = settings(&[("average_size", 2.0), ("delay", 1000.0)]);
        let mut bench = Bench::new("slicer", &chosen);
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
            let mut bench = Bench::new("slicer", &chosen);
            bench.bytes_at(0, 1000);
            assert_eq!(bench.byte_count(), 1000, "{average} {variation}");
        }
    }
}
