//! `bandwidth`: bytes leave no faster than a rate, evenly, in pieces of a few milliseconds.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::spec::size;
use super::{HELD_BYTES_MAX, Toxic, ToxicSpec};
use crate::base::family::{Kind, Setting, Unit};
use crate::base::seed::Stream;
use crate::proxy::outbox::{Due, Outbox};

/// How much time one piece takes: short, so that the stream is smooth.
const PIECES_PER_SECOND: u64 = 200;
/// Smaller pieces would cost more than they smooth.
const PIECE_MIN: u64 = 64;
/// Longer pieces would not fit the buffers of the kernel.
const PIECE_MAX: u64 = 64 << 10;
/// What is read ahead of the rate: a tenth of a second of it, and at least this.
const AHEAD_MIN: u64 = 64 << 10;

pub(super) const KIND: Kind<dyn ToxicSpec> = Kind {
    name: "bandwidth",
    summary: "limit the rate; at 0 nothing passes until the toxic is changed or removed",
    settings: &[Setting {
        name: "rate",
        unit: Unit::KilobytesPerSecond,
        default: Some("0KB/s"),
        summary: "thousands of bytes a second, for each connection",
    }],
    build: |settings| {
        let rate = settings.number("rate")?;
        // A rate in a scenario may be a fraction of 1 KB/s.
        let mut bytes = settings.clone();
        bytes.insert("rate", crate::base::family::Value::Float(rate * 1000.0));
        Ok(Box::new(Spec { bytes_per_second: size(&bytes, "rate")? }))
    },
};

#[derive(Clone, Copy, Debug)]
struct Spec {
    bytes_per_second: u64,
}

impl ToxicSpec for Spec {
    fn start(&self, now: Instant, _: Stream) -> Box<dyn Toxic> {
        Box::new(Bandwidth { spec: *self, free: now })
    }
}

#[derive(Debug)]
struct Bandwidth {
    spec: Spec,
    /// When the last byte before the next one has left.
    free: Instant,
}

impl Bandwidth {
    fn piece(&self) -> usize {
        let piece = (self.spec.bytes_per_second / PIECES_PER_SECOND).clamp(PIECE_MIN, PIECE_MAX);
        usize::try_from(piece).unwrap_or(usize::MAX)
    }

    #[expect(clippy::cast_precision_loss, reason = "a piece is far below 2^53 bytes")]
    fn time(&self, bytes: usize) -> Duration {
        Duration::from_secs_f64(bytes as f64 / self.spec.bytes_per_second as f64)
    }
}

impl Toxic for Bandwidth {
    fn on_data(&mut self, now: Instant, mut data: Bytes, out: &mut Outbox) {
        if self.spec.bytes_per_second == 0 {
            out.data_at(Due::Never, data);
            return;
        }
        self.free = self.free.max(now);
        while !data.is_empty() {
            let piece = data.split_to(self.piece().min(data.len()));
            self.free += self.time(piece.len());
            out.data_at(Due::At(self.free), piece);
        }
    }

    fn on_end(&mut self, _: Instant, out: &mut Outbox) {
        if self.spec.bytes_per_second == 0 {
            out.end_at(Due::Never);
        } else {
            out.end();
        }
    }

    fn capacity(&self) -> usize {
        let ahead = (self.spec.bytes_per_second / 10).max(AHEAD_MIN);
        usize::try_from(ahead).unwrap_or(usize::MAX).min(HELD_BYTES_MAX)
    }
}

#[cfg(test)]
mod tests {
    use crate::proxy::toxic::testing::{Bench, settings};

    /// Catches a burst at the start, and time that is lost between pieces.
    #[test]
    fn bytes_leave_at_the_rate() {
        let mut bench = Bench::new("bandwidth", &settings(&[("rate", 100.0)]));
        bench.bytes_at(0, 50_000);
        let dues = bench.dues();
        assert_eq!(dues.len(), 100);
        assert!((dues[0] - 5.0).abs() < 1e-6 && (dues[99] - 500.0).abs() < 1e-3, "{dues:?}");
    }

    /// Catches an idle stream that saves up a burst, and an end that overtakes bytes.
    #[test]
    fn idle_time_is_not_saved_up() {
        let mut bench = Bench::new("bandwidth", &settings(&[("rate", 1.0)]));
        bench.data_at(1000, b"0123456789").end_at(1001);
        assert_eq!(bench.out(), ["1010 0123456789", "1010 end"]);
    }

    /// Catches bytes that are lost, or a close that is passed on, at rate zero; and Toxiproxy's
    /// crash on a negative rate.
    #[test]
    fn no_rate_holds_everything() {
        for rate in [0.0, -3.0] {
            let mut bench = Bench::new("bandwidth", &settings(&[("rate", rate)]));
            bench.data_at(0, b"x").end_at(1);
            assert_eq!(bench.out(), ["never x", "never end"]);
        }
    }
}
