//! `slow_reader`: what one side sends is read slowly, or not at all, so that its writes block.
//!
//! Other toxics read on and keep what they read; this one leaves it in the sockets, with as small a
//! buffer on our side as the system gives. An end that the sender sends behind it is not seen either, as
//! by a process that hangs.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::{Toxic, ToxicSpec};
use crate::base::family::{Kind, Setting, Unit, Value};
use crate::base::seed::Stream;
use crate::proxy::fault::outbox::Outbox;
use crate::proxy::fault::setting::size;

/// How much time one read takes: short, so that the stream is smooth.
const READS_PER_SECOND: u64 = 100;
/// Smaller reads would cost more than they smooth.
const READ_MIN: u64 = 64;
/// What a small buffer holds.
const READ_MAX: u64 = 4 << 10;

pub(in crate::proxy::fault) const KIND: Kind<dyn ToxicSpec> = Kind {
    name: "slow_reader",
    summary: "read slowly, or not at all, so that the sender's writes block",
    settings: &[Setting {
        name: "rate",
        unit: Unit::KilobytesPerSecond,
        default: Some("0KB/s"),
        summary: "thousands of bytes a second at most that are read; 0: nothing is",
    }],
    build: |settings| {
        let rate = settings.number("rate")?;
        // A rate in a scenario may be a fraction of 1 KB/s.
        let mut bytes = settings.clone();
        bytes.insert("rate", Value::Float(rate * 1000.0));
        Ok(Box::new(Spec { bytes_per_second: size(&bytes, "rate")? }))
    },
};

#[derive(Clone, Copy, Debug)]
struct Spec {
    bytes_per_second: u64,
}

impl ToxicSpec for Spec {
    fn start(&self, now: Instant, _: Stream) -> Box<dyn Toxic> {
        let Self { bytes_per_second } = *self;
        let piece = match bytes_per_second {
            0 => 0,
            rate => (rate / READS_PER_SECOND).clamp(READ_MIN, READ_MAX),
        };
        let piece = usize::try_from(piece).unwrap_or(usize::MAX);
        Box::new(SlowReader { bytes_per_second, piece, next: Some(now) })
    }

    fn words(&self) -> Option<String> {
        #[expect(clippy::cast_precision_loss, reason = "shown, not counted")]
        let rate = self.bytes_per_second as f64 / 1000.0;
        Some(match self.bytes_per_second {
            0 => "nothing that is sent is read, so that the sender's writes block".to_owned(),
            _ => format!("what is sent is read at {rate}KB/s, so that the sender's writes block"),
        })
    }
}

#[derive(Debug)]
struct SlowReader {
    bytes_per_second: u64,
    piece: usize,
    /// When more may be read. Nothing that is not read can be counted, so each connection counts at the start.
    next: Option<Instant>,
}

impl Toxic for SlowReader {
    fn on_data(&mut self, _: Instant, data: Bytes, out: &mut Outbox) {
        out.data(data);
    }

    fn reads(&self) -> usize {
        if self.next.is_some() { 0 } else { self.piece }
    }

    fn on_read(&mut self, now: Instant, bytes: usize) {
        let nanoseconds =
            (bytes as u64).saturating_mul(1_000_000_000) / self.bytes_per_second.max(1);
        self.next = Some(now + Duration::from_nanos(nanoseconds));
    }

    fn deadline(&self) -> Option<Instant> {
        self.next
    }

    fn on_deadline(&mut self, _: Instant, out: &mut Outbox) {
        self.next = None;
        out.touch();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::seed::Seed;
    use crate::proxy::fault::toxic::testing::settings;

    /// Catches a reader that reads on at rate zero, and one that reads faster than it was asked to.
    #[test]
    fn it_reads_no_more_than_its_rate() {
        let now = Instant::now();
        let start = |rate| {
            KIND.make(&settings(&[("rate", rate)])).unwrap().start(now, Seed::new(1).stream())
        };
        let mut out = Outbox::new(now);
        let mut stopped = start(0.0);
        stopped.on_deadline(now, &mut out);
        assert!(out.finish(0, 0), "who is not read is counted");
        assert_eq!((stopped.reads(), stopped.deadline()), (0, None));
        let mut slow = start(100.0);
        slow.on_deadline(now, &mut out);
        assert_eq!(slow.reads(), 1000);
        slow.on_read(now, 500);
        assert_eq!(slow.reads(), 0);
        assert_eq!(slow.deadline(), Some(now + Duration::from_millis(5)));
        slow.on_deadline(now, &mut Outbox::new(now));
        assert_eq!(slow.reads(), 1000);
    }
}
