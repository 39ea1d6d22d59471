//! `reset_peer`: the first byte resets the connection. Only connections that were drawn, open ones
//! included; an ordinary close of any other stays an ordinary close.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::{Clear, Toxic, ToxicSpec};
use crate::base::family::{Kind, Setting, Unit};
use crate::base::seed::Stream;
use crate::base::time::DurationText;
use crate::proxy::fault::outbox::{Due, Outbox};
use crate::proxy::fault::setting::time;

pub(in crate::proxy::fault) const KIND: Kind<dyn ToxicSpec> = Kind {
    name: "reset_peer",
    summary: "lose the first bytes and reset the connection",
    settings: &[Setting {
        name: "timeout",
        unit: Unit::Milliseconds,
        default: Some("0ms"),
        summary: "how long after them",
    }],
    build: |settings| Ok(Box::new(Spec(time(settings, "timeout", Unit::Milliseconds)?))),
};

#[derive(Clone, Copy, Debug)]
struct Spec(Duration);

impl ToxicSpec for Spec {
    fn start(&self, _: Instant, _: Stream) -> Box<dyn Toxic> {
        Box::new(ResetPeer { after: self.0, lost: false, reset_at: None })
    }

    fn words(&self) -> Option<String> {
        let when = match self.0.is_zero() {
            true => "at once".to_owned(),
            false => format!("{} later", DurationText(self.0)),
        };
        Some(format!("the next bytes are lost, and their connection is reset {when}"))
    }

    /// A stream that has a hole already is reset all the same, at the new time.
    fn resume(&self, now: Instant, _: Stream, lost: u64) -> Box<dyn Toxic> {
        let mut toxic = ResetPeer { after: self.0, lost: false, reset_at: None };
        if lost > 0 {
            toxic.lose(now);
        }
        Box::new(toxic)
    }
}

#[derive(Debug)]
struct ResetPeer {
    after: Duration,
    lost: bool,
    reset_at: Option<Instant>,
}

impl ResetPeer {
    fn lose(&mut self, now: Instant) {
        if !std::mem::replace(&mut self.lost, true) {
            self.reset_at = Due::after(now, self.after).instant();
        }
    }
}

impl Toxic for ResetPeer {
    fn on_data(&mut self, now: Instant, data: Bytes, out: &mut Outbox) {
        out.discard(data);
        self.lose(now);
    }

    fn on_end(&mut self, now: Instant, _: &mut Outbox) {
        self.lose(now);
    }

    fn deadline(&self) -> Option<Instant> {
        self.reset_at
    }

    fn on_deadline(&mut self, _: Instant, out: &mut Outbox) {
        self.reset_at = None;
        out.reset();
    }

    fn clear(&self) -> Clear {
        if self.lost { Clear::Reset } else { Clear::Deliver }
    }

    fn carried(&self) -> u64 {
        self.lost.into()
    }
}

#[cfg(test)]
mod tests {
    use crate::proxy::fault::toxic::testing::{Bench, settings};

    /// Catches a byte that gets through, and a second reset that moves the first.
    #[test]
    fn the_first_bytes_reset() {
        let mut bench = Bench::new(&super::KIND, &settings(&[("timeout", 30.0)]));
        bench.data_at(5, b"a").data_at(20, b"b").end_at(25).run_to(1000);
        assert_eq!(bench.out(), ["35 reset"]);
    }

    /// Catches a reset without a reason: a connection that says nothing is left alone.
    #[test]
    fn silence_is_left_alone() {
        let mut bench = Bench::new(&super::KIND, &settings(&[]));
        bench.run_to(10_000);
        assert!(bench.out().is_empty());
        bench.end_at(10_001).run_to(10_001);
        assert_eq!(bench.out(), ["10001 reset"]);
    }
}
