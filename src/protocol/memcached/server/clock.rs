//! The node's own seconds and memcached's rules for expiry times.
//!
//! memcached counts whole seconds since a little before it started, so that an expiry of 1 always
//! lies in the past. [`Clock`] does the same; it is the only thing here that knows the date.

use std::time::Duration;

use tokio::time::Instant;

/// How many seconds before its start a node's seconds begin.
const LEAD_SECONDS: u32 = 62;
/// Above this an expiry time is a date (seconds since 1970), not a delay.
const RELATIVE_SECONDS_MAX: i32 = 60 * 60 * 24 * 30;

/// The expiry of an item that never expires.
pub const NEVER: u32 = 0;
/// An expiry that is always in the past.
pub const EXPIRED: u32 = 1;

/// Turns instants into node seconds and expiry arguments into deadlines.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Instant,
    epoch_unix: i64,
}

/// A moment of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Now {
    /// Node seconds.
    pub seconds: u32,
    /// Nanoseconds since the start: orders items by age.
    pub stamp: u64,
}

impl Now {
    /// The moment as a clock has it that runs so many seconds ahead, or behind where there are less than none.
    /// Items keep their order of age, and what is expired for ever stays it.
    #[must_use]
    pub fn ahead(self, seconds: i64) -> Self {
        let least = i64::from(EXPIRED + 1);
        let shifted = i64::from(self.seconds).saturating_add(seconds).max(least);
        Self { seconds: u32::try_from(shifted).unwrap_or(u32::MAX), ..self }
    }
}

impl Clock {
    /// A node that starts at `started`, which is `unix_seconds` after 1970.
    #[must_use]
    pub fn new(started: Instant, unix_seconds: u64) -> Self {
        let unix = i64::try_from(unix_seconds).unwrap_or(i64::MAX);
        Self { started, epoch_unix: unix - i64::from(LEAD_SECONDS) }
    }

    /// The moment `instant`.
    #[must_use]
    pub fn at(&self, instant: Instant) -> Now {
        let elapsed = instant.saturating_duration_since(self.started);
        let seconds = u32::try_from(elapsed.as_secs()).unwrap_or(u32::MAX);
        Now {
            seconds: seconds.saturating_add(LEAD_SECONDS),
            stamp: u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX),
        }
    }

    /// The instant that is `now`.
    #[must_use]
    pub fn instant(&self, now: Now) -> Instant {
        self.started + Duration::from_nanos(now.stamp)
    }

    /// The clock of a node that starts again at `now`.
    #[must_use]
    pub fn restarted(&self, now: Now) -> Self {
        let epoch_unix = self.unix_seconds(now) - i64::from(LEAD_SECONDS);
        Self { started: self.instant(now), epoch_unix }
    }

    /// The deadline of an item whose expiry argument is `expiry`: 0 is never, a negative one is
    /// past, up to 30 days counts from now, and above that it is a date.
    #[must_use]
    pub fn deadline(&self, expiry: i32, now: Now) -> u32 {
        match expiry {
            0 => NEVER,
            i32::MIN..0 => EXPIRED,
            1..=RELATIVE_SECONDS_MAX => now.seconds.saturating_add(expiry.unsigned_abs()),
            _ => u32::try_from(i64::from(expiry) - self.epoch_unix).map_or(EXPIRED, |d| d.max(1)),
        }
    }

    /// Seconds since 1970.
    #[must_use]
    pub fn unix_seconds(&self, now: Now) -> i64 {
        self.epoch_unix + i64::from(now.seconds)
    }

    /// Seconds since the start.
    #[must_use]
    pub const fn uptime(&self, now: Now) -> u32 {
        now.seconds.saturating_sub(LEAD_SECONDS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches an expiry rule that differs from memcached's, with literal times.
    #[tokio::test(start_paused = true)]
    async fn expiry_arguments_become_deadlines() {
        let started = Instant::now();
        let clock = Clock::new(started, 1_800_000_000);
        let now = clock.at(started + Duration::from_millis(10_900));
        assert_eq!((now.seconds, clock.uptime(now)), (72, 10));
        assert_eq!(clock.unix_seconds(now), 1_800_000_010);
        for (expiry, deadline) in [
            (0, NEVER),
            (-1, EXPIRED),
            (i32::MIN, EXPIRED),
            (1, 73),
            (2_592_000, 72 + 2_592_000),
            // One second above 30 days is a date in 1970.
            (2_592_001, EXPIRED),
            (1_800_000_000, 62),
            (1_800_000_060, 122),
            (1_799_999_000, EXPIRED),
            (i32::MAX, 347_483_709),
        ] {
            assert_eq!(clock.deadline(expiry, now), deadline, "expiry {expiry}");
        }
    }

    /// Catches a clock that is set to before its seconds begin, where what has expired would be back.
    #[test]
    fn a_clock_can_be_ahead_and_behind() {
        let now = Now { seconds: 72, stamp: 5 };
        for (ahead, seconds) in
            [(0, 72), (10, 82), (-60, 12), (-71, 2), (i64::MIN, 2), (i64::MAX, u32::MAX)]
        {
            assert_eq!(now.ahead(ahead), Now { seconds, stamp: 5 });
        }
    }
}
