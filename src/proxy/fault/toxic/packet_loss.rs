//! `packet_loss`: what an application sees when segments are lost: late bytes, never missing ones.
//!
//! A small model of a TCP sender as Linux has it. A lost segment that nothing follows waits for the
//! tail loss probe and then for retransmission timeouts that double; one that later segments follow is
//! repaired within a round trip. Everything behind it waits too.
//!
//! What makes the tail is what a sender learns from a stall. While one side waits to send its segment
//! again, the other side's last segment is not acknowledged either (the acknowledgement rode on what
//! was lost), so it probes as well. Whose timer ends first decides whether the other side takes the
//! stall for a round trip, and a long round trip makes its next timeouts longer. A toxic sees one
//! direction only, so it keeps an estimator for either side and draws the stalls of the other
//! direction for itself, at its own rate: they delay nothing, they only teach. With losses in one
//! direction only this is a little pessimistic.
//!
//! Not modelled: delayed acknowledgements beyond the last segment of a flight, congestion windows (a transfer of many segments is not
//! slowed down after its repair), and losses of handshakes.

use std::time::Duration;

use bytes::Bytes;
use rand::RngExt;
use tokio::time::Instant;

use super::{Toxic, ToxicSpec};
use crate::base::family::{Kind, Setting, SettingError, Unit};
use crate::base::seed::Stream;
use crate::proxy::fault::outbox::{Due, Outbox};
use crate::proxy::fault::setting::{never, share, time};

/// The payload of a segment on an Ethernet.
const SEGMENT_BYTES: usize = 1448;
/// A sender gives up after this many timeouts.
const TIMEOUTS_MAX: u32 = 15;
/// No timeout is longer.
const TIMEOUT_MAX: f64 = 120.0;
/// The round trip of the network that is imitated, in seconds.
const ROUND_TRIP: f64 = 0.0001;
/// The kernel's beat, on which its timers end: CONFIG_HZ=250, as distributions have it. In seconds.
const TICK: f64 = 0.004;
/// The round trip that a sender measures for a segment that it sent twice: its time stamps count
/// milliseconds, and nothing is less than one.
const STAMPED_ROUND_TRIP: f64 = 0.001;
/// How often the sender takes its stall for a round trip all the same. Fitted so that single gets under a
/// loss of 1 to 25 % take as long as over Linux (within 0.03, Kolmogorov-Smirnov): `cargo bench --bench
/// loss` holds it against the kernel that it runs on.
const LATE_ECHO: f64 = 0.22;
/// A timer that is at least this many ticks away ends on a multiple of 8 ticks, from 8 times as many
/// on a multiple of 64, and so on: the kernel's timer wheel.
const COARSE_TICKS: u64 = 63;
/// This many later segments that arrive repair a loss without any timer.
const LATER_SEGMENTS: u32 = 3;

pub(in crate::proxy::fault) const KIND: Kind<dyn ToxicSpec> = Kind {
    name: "packet_loss",
    summary: "lose segments as a network does: bytes arrive late, in order, all of them",
    settings: &[
        Setting {
            name: "loss_rate",
            unit: Unit::Ratio,
            default: Some("0%"),
            summary: "how many segments are lost",
        },
        Setting {
            name: "correlation",
            unit: Unit::Ratio,
            default: Some("0%"),
            summary: "added to the rate right after a lost segment: losses in bursts",
        },
        Setting {
            name: "rto",
            unit: Unit::Milliseconds,
            default: Some("200ms"),
            summary: "the shortest retransmission timeout",
        },
    ],
    build: |settings| {
        Ok(Box::new(Spec {
            loss_rate: share(settings, "loss_rate")?,
            correlation: share(settings, "correlation")?,
            floor: time(settings, "rto", Unit::Milliseconds)?.as_secs_f64().min(TIMEOUT_MAX),
        }))
    },
};

#[derive(Clone, Copy, Debug)]
struct Spec {
    loss_rate: f64,
    correlation: f64,
    floor: f64,
}

impl ToxicSpec for Spec {
    fn start(&self, now: Instant, mut draws: Stream) -> Box<dyn Toxic> {
        let beat = TICK * draws.random::<f64>();
        Box::new(PacketLoss {
            spec: *self,
            draws,
            origin: now,
            beat,
            after_loss: false,
            later: 0,
            own: RoundTrips::new(self.floor),
            other: RoundTrips::new(self.floor),
        })
    }

    /// Only a lost segment makes the next one more likely to be lost.
    fn idle(&self) -> Option<SettingError> {
        (self.loss_rate <= 0.0).then(|| never("loss_rate"))
    }
}

#[derive(Debug)]
struct PacketLoss {
    spec: Spec,
    draws: Stream,
    /// Where the kernel's time is counted from, and how far into a tick that was.
    origin: Instant,
    beat: f64,
    after_loss: bool,
    /// Segments that arrived behind the lost one that everything waits for.
    later: u32,
    /// What the side knows that sends in this direction.
    own: RoundTrips,
    /// What the other side knows.
    other: RoundTrips,
}

/// What one flight of segments came to.
struct Flight {
    /// Bytes in front of the first lost segment.
    intact: usize,
    /// Whether any segment was lost.
    lost: bool,
    /// Segments that arrived behind a lost one.
    later: u32,
    /// Lost segments that no segment of the flight follows.
    tail: u32,
    /// Segments that arrived in front of any loss.
    before: u32,
}

impl Flight {
    /// Whether the sender still waits for more than the lost end of the flight: a receiver
    /// acknowledges every second segment, and the one in between only after a while. The tail loss
    /// probe of a sender that waits for several segments comes at once (RFC 8985, section 7.2).
    const fn is_probed_at_once(&self) -> bool {
        self.tail > 1 || (self.tail == 1 && (self.later > 0 || self.before % 2 == 1))
    }
}

impl PacketLoss {
    fn is_lost(&mut self) -> bool {
        let rate = self.spec.loss_rate + if self.after_loss { self.spec.correlation } else { 0.0 };
        self.after_loss = self.draws.random::<f64>() < rate;
        self.after_loss
    }

    fn fly(&mut self, bytes: usize) -> Flight {
        let mut flight = Flight { intact: bytes, lost: false, later: 0, tail: 0, before: 0 };
        for segment in 0..bytes.div_ceil(SEGMENT_BYTES) {
            if self.is_lost() {
                if !flight.lost {
                    flight.intact = segment * SEGMENT_BYTES;
                }
                flight.lost = true;
                flight.tail += 1;
            } else if flight.lost {
                flight.later += 1;
                flight.tail = 0;
            } else {
                flight.before += 1;
            }
        }
        flight
    }

    /// Up to one tick: timers end on the kernel's next beat.
    fn tick(&mut self) -> f64 {
        TICK * self.draws.random::<f64>()
    }

    /// How long a segment of this direction waits that nothing follows; `None`: the sender gave up.
    fn timeouts(&mut self, now: Instant) -> Option<f64> {
        let began = now.saturating_duration_since(self.origin).as_secs_f64() + self.beat;
        self.after_loss = false;
        let (mut own, mut other) = (self.own, self.other);
        let end = self.stall(began, &mut own, &mut other);
        (self.own, self.other) = (own, other);
        end.map(|end| end - began)
    }

    /// A stall of the other direction, for what both sides learn from it.
    fn stall_elsewhere(&mut self, now: Instant) {
        if self.draws.random::<f64>() < self.spec.loss_rate {
            let began = now.saturating_duration_since(self.origin).as_secs_f64() + self.beat;
            let (mut own, mut other) = (self.own, self.other);
            let _ = self.stall(began, &mut other, &mut own);
            (self.own, self.other) = (own, other);
        }
    }

    /// A lost segment of `sender`, while the last one of `peer` is not acknowledged either. Returns
    /// when it arrives.
    fn stall(&mut self, began: f64, sender: &mut RoundTrips, peer: &mut RoundTrips) -> Option<f64> {
        let (mut own, mut other) = (Timer::start(began, sender), Timer::start(began, peer));
        // The latest segment of the peer that arrived, which is what the sender's stamps echo.
        let (mut echoed, mut peer_done) = (began, false);
        while own.sent < TIMEOUTS_MAX {
            // Set last, first to end within a tick: the sender's timer.
            if peer_done || own.at <= other.at {
                if !self.is_lost() {
                    let late = self.draws.random::<f64>() < LATE_ECHO;
                    let taken = own.at - began;
                    sender.sample(if late { taken } else { STAMPED_ROUND_TRIP });
                    if !peer_done {
                        peer.sample((own.at - echoed).max(STAMPED_ROUND_TRIP));
                    }
                    return Some(own.at);
                }
                own.again();
            } else {
                if !self.is_lost() {
                    echoed = other.at;
                    if !self.is_lost() {
                        peer_done = true;
                        peer.sample(STAMPED_ROUND_TRIP);
                    }
                }
                other.again();
            }
        }
        None
    }

    /// How long it takes to repair a loss that `later` segments gave away.
    fn repair(&mut self, now: Instant, later: u32) -> Option<f64> {
        self.after_loss = false;
        if self.is_lost() {
            return self.timeouts(now);
        }
        let timer = if later >= LATER_SEGMENTS { 0.0 } else { TICK + self.tick() };
        Some(timer + ROUND_TRIP)
    }

    /// How long the flight's lost segments keep what is behind them waiting.
    fn wait(&mut self, now: Instant, flight: &Flight, later: u32) -> Option<f64> {
        let gap = if later > 0 { self.repair(now, later)? } else { 0.0 };
        let tail = if flight.tail == 0 {
            0.0
        } else if flight.is_probed_at_once() {
            // The probe is the last segment once more, and gives away the others that are missing.
            2.0 * TICK + self.repair(now, LATER_SEGMENTS)?
        } else {
            self.timeouts(now)?
        };
        Some(gap.max(tail))
    }
}

impl Toxic for PacketLoss {
    fn on_data(&mut self, now: Instant, mut data: Bytes, out: &mut Outbox) {
        let flight = self.fly(data.len());
        let waiting = out.latest().filter(|due| *due > Due::At(now));
        if waiting.is_none() {
            self.later = 0;
            if !flight.lost {
                self.own.sample(ROUND_TRIP);
                self.other.sample(ROUND_TRIP);
                self.stall_elsewhere(now);
                out.data(data);
                return;
            }
            out.data(data.split_to(flight.intact));
        }
        let segments = u32::try_from(data.len().div_ceil(SEGMENT_BYTES)).unwrap_or(u32::MAX);
        let arrived = if flight.lost { flight.later } else { segments };
        self.later = self.later.saturating_add(arrived);
        let Some(wait) = self.wait(now, &flight, if arrived > 0 { self.later } else { 0 }) else {
            // A sender gives up after a quarter of an hour; until then its bytes wait.
            out.data_at(Due::Never, data);
            return;
        };
        let due = Due::after(now, Duration::from_secs_f64(wait));
        if arrived > 0 && flight.tail == 0 {
            out.hasten(due);
        }
        out.data_at(if wait > 0.0 { due } else { Due::At(now) }, data);
    }
}

/// The timer of a segment that is not acknowledged: a probe first, then timeouts that double.
#[derive(Debug)]
struct Timer {
    /// When it ends next, in seconds of the kernel's time.
    at: f64,
    next: f64,
    /// How often it ended in vain.
    sent: u32,
}

impl Timer {
    fn start(began: f64, side: &RoundTrips) -> Self {
        let timeout = side.timeout();
        Self { at: end(began, side.probe().min(timeout)), next: timeout, sent: 0 }
    }

    fn again(&mut self) {
        self.at = end(self.at, self.next);
        self.next = (self.next * 2.0).min(TIMEOUT_MAX);
        self.sent += 1;
    }
}

/// When a timer of the kernel ends that was set at `from`: never early, and on a beat.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "ticks of a run: not negative, and far below 2^52"
)]
fn end(from: f64, timeout: f64) -> f64 {
    let ticks = (timeout / TICK).ceil() as u64;
    // A whole tick that rounding has put a hair below itself is that tick.
    let expires = (from / TICK + 1e-6) as u64 + ticks;
    let mut shift = 0;
    while ticks >= COARSE_TICKS << shift {
        shift += 3;
    }
    ((((expires >> shift) + 1) << shift) as f64) * TICK
}

/// Round trips as Linux smooths them (RFC 6298, and what `tcp_rtt_estimator` adds), in seconds.
#[derive(Clone, Copy, Debug)]
struct RoundTrips {
    floor: f64,
    smoothed: f64,
    /// Four times the mean deviation.
    deviation: f64,
    /// What the timeout adds: follows the deviation up at once, and down by a quarter a round trip.
    variance: f64,
}

impl RoundTrips {
    const fn new(floor: f64) -> Self {
        Self { floor, smoothed: ROUND_TRIP, deviation: 0.0, variance: floor }
    }

    fn sample(&mut self, seconds: f64) {
        let error = seconds - self.smoothed;
        self.smoothed += error / 8.0;
        let mut change = error.abs() - self.deviation / 4.0;
        if error < 0.0 && change > 0.0 {
            // A round trip that became shorter is no reason to expect more variance.
            change /= 8.0;
        }
        self.deviation += change;
        let bound = self.deviation.max(self.floor);
        if bound >= self.variance {
            self.variance = bound;
        } else {
            self.variance -= (self.variance - bound) / 4.0;
        }
    }

    /// The retransmission timeout, bounded as the kernel's is: else a stream that loses half of what it
    /// sends would learn ever longer ones from its own waits.
    fn timeout(&self) -> f64 {
        (self.smoothed + self.variance).min(TIMEOUT_MAX)
    }

    /// When a probe is sent for a single segment that is not acknowledged.
    fn probe(&self) -> f64 {
        2.0 * self.smoothed + self.floor
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{Duration, Instant};

    use super::*;
    use crate::base::seed::Seed;
    use crate::proxy::fault::toxic::testing::{Bench, settings};

    /// Catches a byte that is lost or overtakes another: loss is delay, nothing else.
    #[test]
    fn every_byte_arrives_in_order() {
        for seed in 0..50 {
            let chosen = settings(&[("loss_rate", 0.3), ("correlation", 0.5)]);
            let mut bench = Bench::seeded(&super::KIND, &chosen, seed);
            for at in 0..20 {
                bench.bytes_at(at * 7, 5000);
            }
            assert_eq!(bench.byte_count(), 100_000, "seed {seed}");
        }
    }

    /// Catches loss that is drawn when there is none.
    #[test]
    fn no_loss_is_no_delay() {
        let mut bench = Bench::new(&super::KIND, &settings(&[]));
        bench.data_at(0, b"a").data_at(3, b"b");
        assert_eq!(bench.out(), ["0 a", "3 b"]);
        assert_eq!(bench.touched(), 0);
    }

    /// Catches a pipeline that waits for a timeout although later segments give the loss away.
    #[test]
    fn later_segments_repair_a_loss_quickly() {
        let spec = Spec { loss_rate: 0.02, correlation: 0.0, floor: 0.2 };
        let start = Instant::now();
        let (mut late, mut lost) = (0, 0);
        for seed in 0..400 {
            let mut toxic = spec.start(start, Seed::new(seed).stream());
            let mut out = Outbox::new(start);
            for piece in 0..20 {
                let now = start + Duration::from_micros(piece * 100);
                out.begin(now);
                toxic.on_data(now, Bytes::from_static(b"get key\r\n"), &mut out);
            }
            let last = out.latest().unwrap().instant().unwrap() - start;
            lost += u32::from(last > Duration::from_millis(2));
            late += u32::from(last > Duration::from_millis(150));
        }
        assert!(lost > 10 && late < 20, "{lost} flights with a loss, {late} waited for a timeout");
    }

    /// Catches the lost end of a large reply that waits for a timeout although its sender probes at
    /// once, and one of which everything before it was acknowledged that does not wait.
    #[test]
    fn the_lost_end_of_two_segments_is_probed_at_once() {
        let spec = Spec { loss_rate: 0.1, correlation: 0.0, floor: 0.2 };
        let start = Instant::now();
        let late = |segments: usize| {
            let waits = (0..2000).filter(|seed| {
                let mut toxic = spec.start(start, Seed::new(*seed).stream());
                let mut out = Outbox::new(start);
                out.begin(start);
                toxic.on_data(start, Bytes::from(vec![0; segments * SEGMENT_BYTES]), &mut out);
                let last = out.latest().unwrap().instant().unwrap() - start;
                last > Duration::from_millis(150)
            });
            waits.count()
        };
        // A tenth is lost; where a probe repairs it, that may be lost as well.
        assert!((150..250).contains(&late(1)), "{}", late(1));
        assert!(late(2) < 70, "{}", late(2));
        assert!((120..250).contains(&late(3)), "{}", late(3));
    }

    /// Catches timers that end early, between two beats, or as exactly when they are far away as when
    /// they are near.
    #[test]
    fn timers_end_as_the_kernels_wheel_lets_them() {
        for (from_ms, timeout_ms, end_ms) in [
            (0.0, 199.9, 204.0),
            (3.9, 199.9, 204.0),
            (4.1, 199.9, 208.0),
            (0.0, 200.1, 208.0),
            (0.0, 399.9, 416.0),
            (0.0, 3199.9, 3328.0),
        ] {
            let seen = end(from_ms / 1e3, timeout_ms / 1e3) * 1e3;
            assert!((seen - end_ms).abs() < 1e-6, "{from_ms} + {timeout_ms}: {seen}");
        }
    }

    /// Catches timeouts that grow without bound where hardly anything gets through, until a number
    /// overflows.
    #[test]
    fn timeouts_stay_bounded_under_heavy_loss() {
        let spec = Spec { loss_rate: 0.5, correlation: 0.05, floor: 0.01 };
        for seed in 0..50 {
            let mut now = Instant::now();
            let mut toxic = spec.start(now, Seed::new(seed).stream());
            for _ in 0..2000 {
                let mut out = Outbox::new(now);
                toxic.on_data(now, Bytes::from_static(b"get key\r\n"), &mut out);
                if let Some(Due::At(due)) = out.latest() {
                    assert!(due - now < Duration::from_secs(2000), "{:?}", due - now);
                    now = due;
                }
            }
        }
    }

    /// Catches a model that departs from the kernel: the shares and quantiles below were measured
    /// between two network namespaces with random loss in both directions (small gets, one at a
    /// time on each of 20 connections).
    #[test]
    fn request_and_reply_stall_as_in_the_kernel() {
        for (rate, undisturbed, quantiles) in [
            (0.05, 0.9047, [(0.95, 211.0), (0.99, 276.0)]),
            (0.10, 0.8121, [(0.90, 216.0), (0.95, 272.0)]),
        ] {
            let mut waits = exchanges(rate, 20, 10_000);
            waits.sort_by(f64::total_cmp);
            let at = |share: f64| waits[(waits.len() as f64 * share) as usize];
            let quick = waits.partition_point(|wait| *wait < 10.0) as f64 / waits.len() as f64;
            assert!((quick - undisturbed).abs() < 0.012, "{rate}: {quick} not disturbed");
            for (share, expected) in quantiles {
                let seen = at(share);
                assert!((seen / expected - 1.0).abs() < 0.12, "{rate}: {share} at {seen}");
            }
        }
    }

    /// Milliseconds that each of `count` request-reply exchanges takes on `connections`.
    fn exchanges(rate: f64, connections: u64, count: u32) -> Vec<f64> {
        let spec = Spec { loss_rate: rate, correlation: 0.0, floor: 0.2 };
        let mut waits = Vec::new();
        for connection in 0..connections {
            let mut now = Instant::now();
            let seed = Seed::new(7).index(connection);
            let mut ways = ["up", "down"]
                .map(|way| (spec.start(now, seed.fork(way).stream()), Outbox::new(now)));
            for _ in 0..count {
                let began = now;
                for (toxic, out) in &mut ways {
                    out.begin(now);
                    toxic.on_data(now, Bytes::from_static(b"get key\r\n"), out);
                    while let Some(item) = out.pop() {
                        now = item.due.instant().unwrap();
                    }
                }
                waits.push((now - began).as_secs_f64() * 1e3);
                now += Duration::from_micros(100);
            }
        }
        waits
    }
}
