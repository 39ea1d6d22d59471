//! How long a healer waits before each attempt: capped, doubling, full jitter. Pure.

use std::time::Duration;

use rand::RngExt;

use super::config::HealingConfig;
use crate::base::seed::Stream;

/// The waits of one node's healer.
#[derive(Debug)]
pub(super) struct Backoff {
    floor: Duration,
    first: Duration,
    longest: Duration,
    attempts: u32,
    jitter: Stream,
}

impl Backoff {
    pub(super) const fn new(config: &HealingConfig, jitter: Stream) -> Self {
        Self {
            floor: config.delay_floor,
            first: config.delay_min,
            longest: config.delay_max,
            attempts: 0,
            jitter,
        }
    }

    /// The next wait: anywhere between the floor and a cap that doubles with every attempt. Full
    /// jitter, so that many clients that lost a node together do not come back together.
    pub(super) fn next_delay(&mut self) -> Duration {
        let cap = self
            .first
            .checked_mul(1_u32.checked_shl(self.attempts).unwrap_or(u32::MAX))
            .map_or(self.longest, |cap| cap.min(self.longest));
        self.attempts = self.attempts.saturating_add(1);
        let room = cap.saturating_sub(self.floor);
        self.floor + room.mul_f64(self.jitter.random_range(0.0..=1.0))
    }

    /// Starts anew: the node has proved itself.
    pub(super) const fn reset(&mut self) {
        self.attempts = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::seed::Seed;

    /// Catches a wait above its cap, one below the floor, and jitter that is not full: over many
    /// seeds the waits of each attempt must reach into both ends of their range.
    #[test]
    fn waits_fill_a_doubling_range() {
        let config = HealingConfig::default();
        let caps = [25_u64, 50, 100, 200, 200, 200];
        for (attempt, cap) in caps.into_iter().enumerate() {
            let waits: Vec<Duration> = (0..500)
                .map(|seed| {
                    let mut backoff = Backoff::new(&config, Seed::new(seed).stream());
                    let waits = (0..=attempt).map(|_| backoff.next_delay());
                    waits.last().unwrap()
                })
                .collect();
            let (low, high) = (waits.iter().min().unwrap(), waits.iter().max().unwrap());
            let (floor, cap) = (Duration::from_millis(5), Duration::from_millis(cap));
            assert!(*low >= floor && *high <= cap, "attempt {attempt}: {low:?} to {high:?}");
            assert!(*low < floor + cap / 10 && *high > cap - cap / 10, "attempt {attempt}");
        }
    }

    /// Catches an attempt count that overflows after days of an outage.
    #[test]
    fn never_overflows() {
        let mut backoff = Backoff::new(&HealingConfig::default(), Seed::new(1).stream());
        for _ in 0..100_000 {
            assert!(backoff.next_delay() <= Duration::from_millis(200));
        }
        backoff.reset();
        assert!(backoff.next_delay() <= Duration::from_millis(25));
    }
}
