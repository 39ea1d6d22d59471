//! Whether a node is available, and when to try it again: the healer's decisions, pure.
//!
//! ```text
//!              lost                      tried: no answer ─► wait (jitter, doubling)
//!  available ────────► healing(attempt) ◄────────────────┘
//!      ▲                   │ tried: answered
//!      └───────────────────┘
//! ```
//! Being lost while healing is nothing new, so there is never a second healer.

use std::time::Duration;

use tokio::time::Instant;

use super::backoff::Backoff;
use super::config::HealingConfig;
use crate::base::seed::Stream;

/// Whether a node is available, and when to try it again.
#[derive(Debug)]
pub(super) struct Availability {
    state: State,
    enabled: bool,
    backoff: Backoff,
    /// A node lost again this soon after it came back has not proved itself: the waits go on from
    /// where they were.
    relapse: Duration,
    back_since: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Available,
    Healing { attempt: u32 },
    Abandoned,
}

/// What to do about a node that is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// Nothing: it was given up before.
    Already,
    /// Start its one healer, which tries first after this wait.
    Heal {
        /// The wait.
        delay: Duration,
    },
    /// Healing is off: it stays away.
    Abandoned,
}

/// What a healer does after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Try again after this wait.
    Again {
        /// The wait.
        delay: Duration,
    },
    /// The node is back; the healer ends.
    Back,
}

impl Availability {
    pub(super) const fn new(config: &HealingConfig, relapse: Duration, jitter: Stream) -> Self {
        Self {
            state: State::Available,
            enabled: config.enabled,
            backoff: Backoff::new(config, jitter),
            relapse,
            back_since: None,
        }
    }

    /// The node is given up.
    pub(super) fn lost(&mut self, now: Instant) -> Lost {
        if self.state != State::Available {
            return Lost::Already;
        }
        if !self.enabled {
            self.state = State::Abandoned;
            return Lost::Abandoned;
        }
        let relapsed = self
            .back_since
            .is_some_and(|since| now.saturating_duration_since(since) < self.relapse);
        if !relapsed {
            self.backoff.reset();
        }
        self.state = State::Healing { attempt: 1 };
        Lost::Heal { delay: self.backoff.next_delay() }
    }

    /// The healer tried to reach it.
    pub(super) fn tried(&mut self, answered: bool, now: Instant) -> Next {
        if answered {
            self.state = State::Available;
            self.back_since = Some(now);
            return Next::Back;
        }
        if let State::Healing { attempt } = &mut self.state {
            *attempt = attempt.saturating_add(1);
        }
        Next::Again { delay: self.backoff.next_delay() }
    }

    /// Which attempt is due, from 1; 0 when nobody heals.
    pub(super) const fn attempt(&self) -> u32 {
        match self.state {
            State::Healing { attempt } => attempt,
            State::Available | State::Abandoned => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::seed::Seed;

    const RELAPSE: Duration = Duration::from_secs(1);

    fn availability(seed: u64, enabled: bool) -> Availability {
        let config = HealingConfig { enabled, ..HealingConfig::default() };
        Availability::new(&config, RELAPSE, Seed::new(seed).stream())
    }

    /// Catches a second healer for a node that is given up twice, as concurrent calls do.
    #[test]
    fn a_node_is_lost_once() {
        let now = Instant::now();
        let mut availability = availability(1, true);
        assert!(matches!(availability.lost(now), Lost::Heal { .. }));
        assert_eq!(availability.lost(now), Lost::Already);
        assert!(matches!(availability.tried(false, now), Next::Again { .. }));
        assert_eq!((availability.lost(now), availability.attempt()), (Lost::Already, 2));
        assert_eq!(availability.tried(true, now), Next::Back);
        assert_eq!(availability.attempt(), 0);
        assert!(matches!(availability.lost(now), Lost::Heal { .. }));
    }

    /// Catches a node that heals although healing is off: the check of availability could never fail.
    #[test]
    fn without_healing_a_lost_node_stays_away() {
        let now = Instant::now();
        let mut availability = availability(1, false);
        assert_eq!(availability.lost(now), Lost::Abandoned);
        assert_eq!(availability.lost(now), Lost::Already);
    }

    /// Catches a healer that misses the return of its node: over many seeds and outages, the first
    /// attempt that could succeed comes within the longest wait.
    #[test]
    fn always_back_within_the_longest_wait() {
        for seed in 0..300 {
            let start = Instant::now();
            let mut availability = availability(seed, true);
            let returns = start + Duration::from_millis(seed * 37 % 5000);
            let Lost::Heal { delay } = availability.lost(start) else { panic!("seed {seed}") };
            let mut now = start + delay;
            while let Next::Again { delay } = availability.tried(now >= returns, now) {
                now += delay;
            }
            assert!(now >= returns || now == start + delay, "seed {seed}");
            let late = now.saturating_duration_since(returns);
            assert!(late <= Duration::from_millis(200), "seed {seed}: {late:?} late");
        }
    }

    /// Catches a reconnect storm: many clients that lose a node together must not return together.
    #[test]
    fn many_clients_do_not_return_in_step() {
        let now = Instant::now();
        let mut slots = [0_u32; 20];
        for seed in 0..2000 {
            let mut availability = availability(seed, true);
            let Lost::Heal { mut delay } = availability.lost(now) else { panic!("seed {seed}") };
            for _ in 0..5 {
                let Next::Again { delay: next } = availability.tried(false, now) else {
                    unreachable!()
                };
                delay += next;
            }
            slots[(delay.as_millis() / 50).min(19) as usize] += 1;
        }
        assert!(slots.iter().all(|&count| count < 700), "{slots:?}");
    }

    /// Catches a node that comes back and is lost at once, over and over, at the shortest wait.
    #[test]
    fn a_relapse_goes_on_with_the_longer_waits() {
        let mut longest = Duration::ZERO;
        for seed in 0..100 {
            let mut now = Instant::now();
            let mut availability = availability(seed, true);
            for _ in 0..6 {
                let Lost::Heal { delay } = availability.lost(now) else { panic!("seed {seed}") };
                longest = longest.max(delay);
                now += delay;
                availability.tried(true, now);
            }
            now += RELAPSE;
            let Lost::Heal { delay } = availability.lost(now) else { panic!("seed {seed}") };
            assert!(delay <= Duration::from_millis(25), "a node that stayed starts anew");
        }
        assert!(longest > Duration::from_millis(150), "{longest:?}");
    }
}
