//! `slow_close`: the end of the stream is held back.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::{Toxic, ToxicSpec};
use crate::base::family::{Kind, Setting, SettingError, Unit};
use crate::base::seed::Stream;
use crate::proxy::fault::outbox::Outbox;
use crate::proxy::fault::setting::{no_delay, time};

pub(in crate::proxy::fault) const KIND: Kind<dyn ToxicSpec> = Kind {
    name: "slow_close",
    summary: "delay the close, not the bytes",
    settings: &[Setting {
        name: "delay",
        unit: Unit::Milliseconds,
        default: Some("0ms"),
        summary: "how long the close is held",
    }],
    build: |settings| Ok(Box::new(SlowClose(time(settings, "delay", Unit::Milliseconds)?))),
};

#[derive(Clone, Copy, Debug)]
struct SlowClose(Duration);

impl ToxicSpec for SlowClose {
    fn start(&self, _: Instant, _: Stream) -> Box<dyn Toxic> {
        Box::new(*self)
    }

    fn idle(&self) -> Option<SettingError> {
        self.0.is_zero().then(|| no_delay("delay"))
    }
}

impl Toxic for SlowClose {
    fn on_data(&mut self, _: Instant, data: Bytes, out: &mut Outbox) {
        out.data(data);
    }

    fn on_end(&mut self, _: Instant, out: &mut Outbox) {
        out.end_after(self.0);
    }
}

#[cfg(test)]
mod tests {
    use crate::proxy::fault::toxic::testing::{Bench, settings};

    /// Catches a delay of the bytes, or none of the close.
    #[test]
    fn only_the_end_is_late() {
        let mut bench = Bench::new(&super::KIND, &settings(&[("delay", 100.0)]));
        bench.data_at(0, b"a").data_at(3, b"b").end_at(4);
        assert_eq!(bench.out(), ["0 a", "3 b", "104 end"]);
        assert_eq!(bench.touched(), 0);
    }
}
