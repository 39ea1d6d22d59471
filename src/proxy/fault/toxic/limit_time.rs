//! `limit_time`: the connection is closed some time after the toxic reached it.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::{Toxic, ToxicSpec};
use crate::base::family::{Kind, Setting, Unit};
use crate::base::seed::Stream;
use crate::proxy::fault::outbox::Outbox;
use crate::proxy::fault::setting::time;

pub(in crate::proxy::fault) const KIND: Kind<dyn ToxicSpec> = Kind {
    name: "limit_time",
    summary: "pass everything, close the connection after some time",
    settings: &[Setting {
        name: "time",
        unit: Unit::Milliseconds,
        default: None,
        summary: "how long a connection may last, from its opening or from the last change of the toxic",
    }],
    build: |settings| Ok(Box::new(Spec(time(settings, "time", Unit::Milliseconds)?))),
};

#[derive(Clone, Copy, Debug)]
struct Spec(Duration);

impl ToxicSpec for Spec {
    fn start(&self, now: Instant, _: Stream) -> Box<dyn Toxic> {
        Box::new(LimitTime { close_at: Some(now + self.0) })
    }

    fn has_directions(&self) -> bool {
        false
    }
}

#[derive(Debug)]
struct LimitTime {
    close_at: Option<Instant>,
}

impl Toxic for LimitTime {
    fn on_data(&mut self, _: Instant, data: Bytes, out: &mut Outbox) {
        out.data(data);
    }

    fn deadline(&self) -> Option<Instant> {
        self.close_at
    }

    fn on_deadline(&mut self, _: Instant, out: &mut Outbox) {
        self.close_at = None;
        out.close();
    }
}

#[cfg(test)]
mod tests {
    use crate::proxy::fault::toxic::testing::{Bench, settings};

    /// Catches a timer that traffic restarts.
    #[test]
    fn traffic_does_not_prolong_it() {
        let mut bench = Bench::new(&super::KIND, &settings(&[("time", 50.0)]));
        bench.data_at(10, b"a").data_at(40, b"b").run_to(100);
        assert_eq!(bench.out(), ["10 a", "40 b", "50 close"]);
    }
}
