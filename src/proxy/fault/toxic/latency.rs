//! `latency`: every byte, and the end of the stream, leaves a while after it arrived.
//!
//! The delay counts from arrival, so pipelined messages overlap, many small ones stay at the set
//! delay, and two latencies on one stream add up.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::spec::{JITTER, jittered};
use super::{Toxic, ToxicSpec};
use crate::base::family::{Kind, Setting, SettingError, Unit};
use crate::base::seed::Stream;
use crate::proxy::fault::outbox::Outbox;
use crate::proxy::fault::setting::{no_delay, time};

pub(in crate::proxy::fault) const KIND: Kind<dyn ToxicSpec> = Kind {
    name: "latency",
    summary: "delay everything, order kept",
    settings: &[
        Setting {
            name: "latency",
            unit: Unit::Milliseconds,
            default: Some("0ms"),
            summary: "the delay",
        },
        JITTER,
    ],
    build: |settings| {
        Ok(Box::new(Spec {
            latency: time(settings, "latency", Unit::Milliseconds)?,
            jitter: time(settings, "jitter", Unit::Milliseconds)?,
        }))
    },
};

#[derive(Clone, Copy, Debug)]
struct Spec {
    latency: Duration,
    jitter: Duration,
}

impl ToxicSpec for Spec {
    fn start(&self, _: Instant, draws: Stream) -> Box<dyn Toxic> {
        Box::new(Latency { spec: *self, draws })
    }

    fn idle(&self) -> Option<SettingError> {
        (self.latency.is_zero() && self.jitter.is_zero()).then(|| no_delay("latency"))
    }
}

#[derive(Debug)]
struct Latency {
    spec: Spec,
    draws: Stream,
}

impl Latency {
    fn delay(&mut self) -> Duration {
        jittered(self.spec.latency, self.spec.jitter, &mut self.draws)
    }
}

impl Toxic for Latency {
    fn on_data(&mut self, _: Instant, data: Bytes, out: &mut Outbox) {
        let delay = self.delay();
        out.data_after(delay, data);
    }

    fn on_end(&mut self, _: Instant, out: &mut Outbox) {
        let delay = self.delay();
        out.end_after(delay);
    }
}

#[cfg(test)]
mod tests {
    use crate::proxy::fault::toxic::testing::{Bench, settings};

    /// Catches a delay that counts from anything but arrival, and an end that is not delayed.
    #[test]
    fn each_message_leaves_its_delay_after_it_arrived() {
        let mut bench = Bench::new(&super::KIND, &settings(&[("latency", 50.0)]));
        bench.data_at(0, b"a").data_at(5, b"b").end_at(7);
        assert_eq!(bench.out(), ["50 a", "55 b", "57 end"]);
        assert_eq!(bench.touched(), 2);
    }

    /// Catches jitter outside its range, an underflow when it exceeds the latency, and reordering.
    #[test]
    fn jitter_stays_in_range_and_in_order() {
        let mut bench = Bench::new(&super::KIND, &settings(&[("latency", 10.0), ("jitter", 30.0)]));
        for at in 0..200 {
            bench.data_at(at * 100, b"x");
        }
        let delays: Vec<f64> = bench
            .dues()
            .into_iter()
            .zip(0_u32..)
            .map(|(due, index)| due - f64::from(index) * 100.0)
            .collect();
        assert!(delays.iter().all(|delay| (0.0..=40.0).contains(delay)), "{delays:?}");
        assert!(delays.iter().any(|delay| *delay > 30.0) && delays.contains(&0.0), "{delays:?}");
    }

    /// Catches a crash on settings that Toxiproxy accepts and dies of.
    #[test]
    fn absurd_settings_are_clamped() {
        let mut bench =
            Bench::new(&super::KIND, &settings(&[("latency", -5.0), ("jitter", 4.7e18)]));
        bench.data_at(0, b"x");
        assert_eq!(bench.pieces(), 1);
        let mut bench = Bench::new(&super::KIND, &settings(&[("latency", -5.0)]));
        bench.data_at(3, b"x");
        assert_eq!(bench.out(), ["3 x"]);
    }
}
