//! `timeout`: every byte is lost; the connection is closed when none came for a while.
//!
//! A stream with a hole must never go on: when the toxic is removed, the connection is closed.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::{Clear, Toxic, ToxicSpec};
use crate::base::family::{Kind, Setting, Unit};
use crate::base::seed::Stream;
use crate::base::time::DurationText;
use crate::proxy::fault::outbox::Outbox;
use crate::proxy::fault::setting::time;

pub(in crate::proxy::fault) const KIND: Kind<dyn ToxicSpec> = Kind {
    name: "timeout",
    summary: "lose every byte, then close; removing it closes too",
    settings: &[Setting {
        name: "timeout",
        unit: Unit::Milliseconds,
        default: Some("0ms"),
        summary: "close this long after the last byte that was lost; 0: never",
    }],
    build: |settings| Ok(Box::new(Spec(time(settings, "timeout", Unit::Milliseconds)?))),
};

#[derive(Clone, Copy, Debug)]
struct Spec(Duration);

impl ToxicSpec for Spec {
    fn start(&self, now: Instant, _: Stream) -> Box<dyn Toxic> {
        Box::new(Timeout { after: self.0, quiet_since: now })
    }

    fn words(&self) -> Option<String> {
        let then = match self.0.is_zero() {
            true => "nothing is closed before the end".to_owned(),
            false => format!("who sends nothing more is closed after {}", DurationText(self.0)),
        };
        Some(format!("every byte is lost; {then}, and then every connection"))
    }
}

#[derive(Debug)]
struct Timeout {
    after: Duration,
    quiet_since: Instant,
}

impl Toxic for Timeout {
    fn on_data(&mut self, now: Instant, data: Bytes, out: &mut Outbox) {
        out.discard(data);
        self.quiet_since = now;
    }

    fn deadline(&self) -> Option<Instant> {
        (!self.after.is_zero()).then(|| self.quiet_since + self.after)
    }

    fn on_deadline(&mut self, _: Instant, out: &mut Outbox) {
        self.after = Duration::ZERO;
        out.close();
    }

    fn clear(&self) -> Clear {
        Clear::Close
    }
}

#[cfg(test)]
mod tests {
    use crate::proxy::fault::toxic::testing::{Bench, settings};

    /// Catches a byte that gets through and a timer that traffic does not restart.
    #[test]
    fn closes_after_silence() {
        let mut bench = Bench::new(&super::KIND, &settings(&[("timeout", 100.0)]));
        bench.data_at(10, b"lost").data_at(60, b"lost").run_to(1000);
        assert_eq!(bench.out(), ["160 close"]);
        assert_eq!(bench.touched(), 3, "two requests lost, one connection closed");
    }

    /// Catches a timeout of zero that closes at once.
    #[test]
    fn zero_never_closes() {
        let mut bench = Bench::new(&super::KIND, &settings(&[]));
        bench.data_at(0, b"lost").run_to(1_000_000);
        assert!(bench.out().is_empty());
    }
}
