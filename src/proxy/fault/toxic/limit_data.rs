//! `limit_data`: the connection is closed as soon as so many bytes have passed.

use bytes::Bytes;
use tokio::time::Instant;

use super::{Toxic, ToxicSpec};
use crate::base::family::{Kind, Setting, Unit};
use crate::base::seed::Stream;
use crate::proxy::fault::outbox::Outbox;
use crate::proxy::fault::setting::size;

pub(in crate::proxy::fault) const KIND: Kind<dyn ToxicSpec> = Kind {
    name: "limit_data",
    summary: "pass so many bytes, then close",
    settings: &[Setting {
        name: "bytes",
        unit: Unit::Bytes,
        default: Some("0B"),
        summary: "how many; counted on across changes of this setting",
    }],
    build: |settings| Ok(Box::new(Spec(size(settings, "bytes")?))),
};

#[derive(Clone, Copy, Debug)]
struct Spec(u64);

impl ToxicSpec for Spec {
    fn start(&self, now: Instant, draws: Stream) -> Box<dyn Toxic> {
        self.resume(now, draws, 0)
    }

    fn resume(&self, _: Instant, _: Stream, carried: u64) -> Box<dyn Toxic> {
        Box::new(LimitData { limit: self.0, passed: carried })
    }
}

#[derive(Debug)]
struct LimitData {
    limit: u64,
    passed: u64,
}

impl Toxic for LimitData {
    fn on_data(&mut self, _: Instant, mut data: Bytes, out: &mut Outbox) {
        let left = self.limit.saturating_sub(self.passed);
        let pass = usize::try_from(left).unwrap_or(usize::MAX).min(data.len());
        self.passed += pass as u64;
        out.data(data.split_to(pass));
        if self.passed >= self.limit {
            out.close();
        }
    }

    fn carried(&self) -> u64 {
        self.passed
    }
}

#[cfg(test)]
mod tests {
    use crate::proxy::fault::toxic::testing::{Bench, settings};

    /// Catches a close that waits until the limit is exceeded, and a byte too many.
    #[test]
    fn closes_when_the_limit_is_reached() {
        let mut bench = Bench::new(&super::KIND, &settings(&[("bytes", 5.0)]));
        bench.data_at(0, b"abc").data_at(1, b"defg").data_at(2, b"h");
        assert_eq!(bench.out(), ["0 abc", "1 de", "1 close"]);
        let mut bench = Bench::new(&super::KIND, &settings(&[]));
        bench.data_at(0, b"abc");
        assert_eq!(bench.out(), ["0 close"]);
    }

    /// Catches a count that an update forgets.
    #[test]
    fn the_count_survives_an_update() {
        let mut bench = Bench::new(&super::KIND, &settings(&[("bytes", 100.0)]));
        bench.data_at(0, b"abc").update(&super::Spec(4)).data_at(1, b"de");
        assert_eq!(bench.out(), ["0 abc", "1 d", "1 close"]);
        let mut bench = Bench::new(&super::KIND, &settings(&[("bytes", 100.0)]));
        bench.data_at(0, b"abc").update(&super::Spec(2)).data_at(1, b"de");
        assert_eq!(bench.out(), ["0 abc", "1 close"]);
    }
}
