//! `slow_connect`: a new connection works only after a while, as on a server that is slow to accept.
//!
//! The client's own connect returns when the kernel has the connection, as it does before such a
//! server; the proxy connects to the server, and takes the client's first byte, when the time is
//! over. Whoever waits when the toxic is removed goes on at once; a client that gives up without
//! having said anything never reaches the server.

use std::time::Duration;

use tokio::time::Instant;

use super::spec::{JITTER, jittered};
use super::{Age, Toxic, ToxicSpec, pass_through};
use crate::base::family::{Kind, Setting, SettingError, Unit};
use crate::base::seed::Stream;
use crate::proxy::fault::setting::{no_delay, time};

pub(in crate::proxy::fault) const KIND: Kind<dyn ToxicSpec> = Kind {
    name: "slow_connect",
    summary: "let new connections wait before the server is connected to; open ones are spared",
    settings: &[
        Setting {
            name: "delay",
            unit: Unit::Milliseconds,
            default: None,
            summary: "how long, from the moment at which the connection was accepted",
        },
        JITTER,
    ],
    build: |settings| {
        Ok(Box::new(Spec {
            delay: time(settings, "delay", Unit::Milliseconds)?,
            jitter: time(settings, "jitter", Unit::Milliseconds)?,
        }))
    },
};

#[derive(Clone, Copy, Debug)]
struct Spec {
    delay: Duration,
    jitter: Duration,
}

impl ToxicSpec for Spec {
    fn start(&self, _: Instant, _: Stream) -> Box<dyn Toxic> {
        pass_through()
    }

    fn connect_delay(&self, draws: &mut Stream) -> Duration {
        jittered(self.delay, self.jitter, draws)
    }

    fn idle(&self) -> Option<SettingError> {
        (self.delay.is_zero() && self.jitter.is_zero()).then(|| no_delay("delay"))
    }

    fn has_directions(&self) -> bool {
        false
    }

    /// It is over before there are any bytes.
    fn affects(&self, _: Age) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::seed::Seed;
    use crate::proxy::fault::toxic::testing::settings;

    /// Catches a delay outside its range, one that the seed does not decide, and an underflow.
    #[test]
    fn delays_are_drawn_in_their_range() {
        let delays = |seed, jitter| {
            let chosen = settings(&[("delay", 10.0), ("jitter", jitter)]);
            let (spec, mut draws) = (KIND.make(&chosen).unwrap(), Seed::new(seed).stream());
            std::iter::repeat_with(|| spec.connect_delay(&mut draws).as_secs_f64() * 1e3)
                .take(200)
                .collect::<Vec<f64>>()
        };
        assert!(delays(1, 0.0).iter().all(|delay| *delay == 10.0));
        let drawn = delays(1, 4.0);
        assert!(drawn.iter().all(|delay| (6.0..=14.0).contains(delay)), "{drawn:?}");
        assert!(drawn.iter().any(|delay| *delay < 8.0) && drawn.iter().any(|delay| *delay > 12.0));
        assert_eq!(drawn, delays(1, 4.0));
        assert_ne!(drawn, delays(2, 4.0));
        assert!(delays(1, 1e18).contains(&0.0));
    }
}
