//! The node's milliseconds since 1970, and what an expiry comes to.

use tokio::time::Instant;

/// Turns instants into milliseconds.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Instant,
    started_ms: i64,
}

/// A moment of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Milliseconds since 1970.
    pub ms: i64,
    /// Nanoseconds since the start: orders items by age.
    pub stamp: u64,
}

impl Clock {
    /// A node that starts at `started`, which is `unix_seconds` after 1970.
    #[must_use]
    pub fn new(started: Instant, unix_seconds: u64) -> Self {
        let seconds = i64::try_from(unix_seconds).unwrap_or(i64::MAX);
        Self { started, started_ms: seconds.saturating_mul(1000) }
    }

    /// The moment `instant`, as a clock has it that runs so many seconds ahead, or behind where there are
    /// less than none.
    #[must_use]
    pub fn at(&self, instant: Instant, ahead: i64) -> Now {
        let elapsed = instant.saturating_duration_since(self.started);
        let elapsed_ms = i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX);
        let ms = self.started_ms.saturating_add(elapsed_ms);
        Now {
            ms: ms.saturating_add(ahead.saturating_mul(1000)).max(0),
            stamp: u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX),
        }
    }

    /// Seconds since the start.
    #[must_use]
    pub const fn uptime(&self, now: Now) -> u64 {
        now.stamp / 1_000_000_000
    }
}

/// How an argument tells when something expires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unit {
    pub(super) in_seconds: bool,
    /// From 1970 on, and not from now on.
    pub(super) is_date: bool,
}

impl Unit {
    /// The moment in milliseconds since 1970; `None`: there is no such moment.
    pub(super) fn moment(self, number: i64, now: Now) -> Option<i64> {
        let ms = if self.in_seconds { number.checked_mul(1000)? } else { number };
        if self.is_date { Some(ms) } else { ms.checked_add(now.ms) }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Catches an expiry that is counted from the wrong moment, and one that overflows.
    #[tokio::test(start_paused = true)]
    async fn an_expiry_is_a_moment() {
        let started = Instant::now();
        let clock = Clock::new(started, 1_800_000_000);
        let now = clock.at(started + Duration::from_millis(2_500), 10);
        assert_eq!((now.ms, clock.uptime(now)), (1_800_000_012_500, 2));
        let unit = |in_seconds, is_date| Unit { in_seconds, is_date };
        assert_eq!(unit(true, false).moment(5, now), Some(1_800_000_017_500));
        assert_eq!(unit(false, false).moment(-5, now), Some(1_800_000_012_495));
        assert_eq!(unit(true, true).moment(5, now), Some(5000));
        assert_eq!(unit(false, true).moment(5, now), Some(5));
        assert_eq!(unit(true, false).moment(i64::MAX / 1000 + 1, now), None);
        assert_eq!(unit(false, false).moment(i64::MAX, now), None);
        assert_eq!(clock.at(started, i64::MIN).ms, 0);
    }
}
