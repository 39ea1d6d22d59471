//! `bandwidth`: bytes leave no faster than a rate, evenly, in pieces of a few milliseconds.
//!
//! The rate is each connection's own, or (`shared`) one for all connections of the proxy in that
//! direction, as that of a network card is. A connection asks the bucket for one piece at a time, and
//! for the next when that has left: so those that have something to send take turns, whoever has
//! more waiting, and one whose receiver does not read takes nothing from the others.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::bucket::Bucket;
use super::spec::in_time;
use super::{Toxic, ToxicSpec};
use crate::base::family::{Kind, Setting, Unit};
use crate::base::seed::Stream;
use crate::base::units::ByteSize;
use crate::proxy::fault::outbox::{Due, HELD_BYTES_MAX, Outbox};
use crate::proxy::fault::setting::size;

/// How much time one piece takes: short, so that the stream is smooth.
const PIECES_PER_SECOND: u64 = 200;
/// Smaller pieces would cost more than they smooth.
const PIECE_MIN: u64 = 64;
/// Longer pieces would not fit the buffers of the kernel.
const PIECE_MAX: u64 = 64 << 10;
/// What is read ahead of the rate: a tenth of a second of it, and at least this.
const AHEAD_MIN: u64 = 64 << 10;
pub(in crate::proxy::fault) const KIND: Kind<dyn ToxicSpec> = Kind {
    name: "bandwidth",
    summary: "limit the rate; at 0 nothing passes until the toxic is changed or removed",
    settings: &[
        Setting {
            name: "rate",
            unit: Unit::KilobytesPerSecond,
            default: Some("0KB/s"),
            summary: "thousands of bytes a second, for each connection unless shared",
        },
        Setting {
            name: "shared",
            unit: Unit::Flag,
            default: Some("false"),
            summary: "one rate for all connections of the proxy together, in each direction",
        },
        Setting {
            name: "burst",
            unit: Unit::Bytes,
            default: Some("0B"),
            summary: "how much unused rate is saved up and may leave at once",
        },
    ],
    build: |settings| {
        let rate = settings.number("rate")?;
        // A rate in a scenario may be a fraction of 1 KB/s.
        let mut bytes = settings.clone();
        bytes.insert("rate", crate::base::family::Value::Float(rate * 1000.0));
        let (bytes_per_second, burst) = (size(&bytes, "rate")?, size(settings, "burst")?);
        let shared = settings.flag("shared")?;
        let bucket = shared.then(|| Arc::new(Mutex::new(Bucket::new(bytes_per_second, burst))));
        Ok(Box::new(Spec { bytes_per_second, burst, bucket }))
    },
};

#[derive(Debug)]
struct Spec {
    bytes_per_second: u64,
    burst: u64,
    /// The one that all connections take from, when they share one.
    bucket: Option<Arc<Mutex<Bucket>>>,
}

impl ToxicSpec for Spec {
    fn start(&self, _: Instant, _: Stream) -> Box<dyn Toxic> {
        let Self { bytes_per_second, burst, .. } = *self;
        let own = || Arc::new(Mutex::new(Bucket::new(bytes_per_second, burst)));
        let bucket = self.bucket.clone().unwrap_or_else(own);
        Box::new(Bandwidth { bytes_per_second, bucket })
    }

    fn words(&self) -> Option<String> {
        if self.bytes_per_second == 0 {
            return Some("nothing passes; it waits for the end".to_owned());
        }
        let whose =
            if self.bucket.is_some() { "all connections together" } else { "each connection" };
        let burst = match self.burst {
            0 => String::new(),
            burst => format!("; up to {} that were saved up leave at once", ByteSize(burst)),
        };
        #[expect(clippy::cast_precision_loss, reason = "shown, not counted")]
        let rate = self.bytes_per_second as f64 / 1000.0;
        Some(format!("{rate}KB/s for {whose}{burst}"))
    }
}

#[derive(Debug)]
struct Bandwidth {
    bytes_per_second: u64,
    /// Connections on several threads may share it; it is locked for a little arithmetic, never for
    /// a wait.
    bucket: Arc<Mutex<Bucket>>,
}

impl Bandwidth {
    fn piece(&self) -> usize {
        let piece = (self.bytes_per_second / PIECES_PER_SECOND).clamp(PIECE_MIN, PIECE_MAX);
        usize::try_from(piece).unwrap_or(usize::MAX)
    }

    /// Takes the time of the next piece, unless one is on its way, and of all that may leave at once.
    fn take_turn(&self, since: Instant, out: &mut Outbox) {
        let mut gone = 0;
        while self.bytes_per_second > 0
            && let Some(waiting) = out.waiting(gone, self.piece())
        {
            let due = self.bucket.lock().take(since, waiting.bytes);
            out.let_go(waiting, Due::At(due));
            if due > since {
                return;
            }
            gone += waiting.things;
        }
    }
}

impl Toxic for Bandwidth {
    fn on_data(&mut self, now: Instant, mut data: Bytes, out: &mut Outbox) {
        while !data.is_empty() {
            out.wait(data.split_to(self.piece().min(data.len())));
        }
        self.take_turn(now, out);
        // What leaves at once was not touched, though it had to ask.
        if out.latest().is_some_and(|latest| latest > Due::At(now)) {
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

    fn capacity(&self) -> usize {
        let ahead = (self.bytes_per_second / 10).max(AHEAD_MIN);
        usize::try_from(ahead).unwrap_or(usize::MAX).min(HELD_BYTES_MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::base::family::Settings;
    use crate::base::seed::Seed;
    use crate::proxy::fault::toxic::testing::{Bench, settings};

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn outbox() -> (Instant, Outbox) {
        let now = Instant::now();
        (now, Outbox::new(now))
    }

    fn toxic(settings: &Settings, now: Instant) -> Box<dyn Toxic> {
        KIND.make(settings).unwrap().start(now, Seed::new(1).stream())
    }

    /// Catches a burst at the start, and time that is lost between pieces.
    #[test]
    fn bytes_leave_at_the_rate() {
        let mut bench = Bench::new(&super::KIND, &settings(&[("rate", 100.0)]));
        bench.bytes_at(0, 50_000);
        let dues = bench.dues();
        assert_eq!(dues.len(), 100);
        assert!((dues[0] - 5.0).abs() < 1e-6 && (dues[99] - 500.0).abs() < 1e-3, "{dues:?}");
    }

    /// Catches an idle stream that saves up a burst, and an end that overtakes bytes.
    #[test]
    fn idle_time_is_not_saved_up() {
        let mut bench = Bench::new(&super::KIND, &settings(&[("rate", 1.0)]));
        bench.data_at(1000, b"0123456789").end_at(1001);
        assert_eq!(bench.out(), ["1010 0123456789", "1010 end"]);
    }

    /// Catches bytes that are lost, or a close that is passed on, at rate zero; and Toxiproxy's
    /// crash on a negative rate.
    #[test]
    fn no_rate_holds_everything() {
        for rate in [0.0, -3.0] {
            let mut bench = Bench::new(&super::KIND, &settings(&[("rate", rate)]));
            bench.data_at(0, b"x").end_at(1);
            assert_eq!(bench.out(), ["never x", "never end"]);
        }
    }

    /// Catches a burst that is given to nobody or without end, and one that counts as a fault although
    /// nothing was late.
    #[test]
    fn a_burst_leaves_at_once() {
        let mut bench = Bench::new(&super::KIND, &settings(&[("rate", 100.0), ("burst", 1000.0)]));
        let dues =
            |bench: &mut Bench| -> Vec<f64> { bench.dues().into_iter().map(f64::round).collect() };
        bench.bytes_at(0, 1000);
        assert_eq!((dues(&mut bench), bench.touched()), (vec![0.0; 2], 0));
        bench.bytes_at(1000, 1500);
        assert_eq!((dues(&mut bench), bench.touched()), (vec![1000.0, 1000.0, 1005.0], 1));
    }

    /// Catches a stream that was blocked and goes on in a burst, and time that is lost because the
    /// machine was busy.
    #[test]
    fn only_a_little_lateness_is_made_up_for() {
        for (late_ms, next_ms) in [(0, 10), (60, 10), (2_000, 1_910)] {
            let (now, mut out) = outbox();
            let mut toxic = toxic(&settings(&[("rate", 100.0)]), now);
            toxic.on_data(now, vec![b'x'; 1000].into(), &mut out);
            let first = out.pop().unwrap().due.instant().unwrap();
            assert_eq!(first, now + ms(5));
            toxic.on_left(first, first + ms(late_ms), &mut out);
            assert_eq!(out.latest(), Some(Due::At(now + ms(next_ms))), "{late_ms} ms late");
        }
    }
}
