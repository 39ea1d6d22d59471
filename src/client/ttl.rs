//! How long a value lives, without the 30-day surprise.

use std::time::Duration;

use crate::base::time::Wall;

/// The longest relative expiry that memcached knows, in seconds: 30 days. A larger number is a date, and
/// one of 1970 has passed: the value would be gone at once.
pub(super) const RELATIVE_SECONDS_MAX: u64 = 2_592_000;

/// How long a value lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ttl {
    /// Until it is evicted.
    #[default]
    Never,
    /// This long from now: rounded up to whole seconds, beyond 30 days told as a date.
    After(Duration),
    /// Until this moment, in seconds since 1970.
    Until(u64),
    /// It is expired already: the value cannot be read.
    Expired,
}

impl Ttl {
    /// A relative number of seconds as memcached counts them: 0 is never, negative is expired.
    #[must_use]
    pub const fn seconds(seconds: i64) -> Self {
        match seconds {
            0 => Self::Never,
            1.. => Self::After(Duration::from_secs(seconds.unsigned_abs())),
            _ => Self::Expired,
        }
    }

    /// The number on the wire, now.
    #[must_use]
    pub fn on_the_wire(self) -> i64 {
        match self {
            Self::After(time) if time.as_secs() >= RELATIVE_SECONDS_MAX => {
                self.on_the_wire_at(Wall::now().unix_seconds())
            }
            _ => self.on_the_wire_at(0),
        }
    }

    /// The number on the wire at this moment, in seconds since 1970.
    fn on_the_wire_at(self, now: u64) -> i64 {
        match self {
            Self::After(time) => match whole_seconds(time) {
                relative if relative <= RELATIVE_SECONDS_MAX => signed(relative),
                // The second that has begun is not over: never before its time.
                more => signed(now.saturating_add(more).saturating_add(1)),
            },
            // So early a moment would be read as a relative time; it has long passed.
            Self::Until(moment) if moment <= RELATIVE_SECONDS_MAX => -1,
            _ => self.as_it_stands(),
        }
    }

    /// The number that a caller of another client gives it: seconds, whatever memcached takes them for.
    #[must_use]
    pub fn as_it_stands(self) -> i64 {
        match self {
            Self::Never => 0,
            Self::Expired => -1,
            Self::After(time) => signed(whole_seconds(time)),
            Self::Until(moment) => signed(moment),
        }
    }
}

fn whole_seconds(time: Duration) -> u64 {
    time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0))
}

fn signed(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

impl From<Option<Duration>> for Ttl {
    /// No time, and a time of zero, mean never, as in memcached.
    fn from(time: Option<Duration>) -> Self {
        match time {
            None | Some(Duration::ZERO) => Self::Never,
            Some(time) => Self::After(time),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a relative time that memcached reads as a moment in 1970, and the reverse.
    #[test]
    fn thirty_days_are_the_border() {
        let now = 1_800_000_000;
        let after = |seconds| Ttl::After(Duration::from_secs(seconds));
        let wire = |seconds| after(seconds).on_the_wire_at(now);
        assert_eq!([wire(1), wire(2_592_000)], [1, 2_592_000]);
        assert_eq!([wire(2_592_001), wire(u64::MAX)], [1_802_592_002, i64::MAX]);
        let part = Ttl::After(Duration::from_millis(2_592_000_001)).on_the_wire_at(now);
        assert_eq!(part, 1_802_592_002, "a part of a second is beyond the border as well");
        assert!(after(2_592_001).on_the_wire() > 1_790_000_000, "it is counted from now");
        assert_eq!(after(2_678_400).as_it_stands(), 2_678_400, "another client decides itself");
        assert_eq!(Ttl::Until(1_893_456_000).on_the_wire(), 1_893_456_000);
        assert_eq!([Ttl::Until(0).on_the_wire(), Ttl::Until(2_592_000).on_the_wire()], [-1, -1]);
    }

    /// Catches a short time that is rounded down to "never", and a sign that is lost.
    #[test]
    fn parts_of_a_second_round_up() {
        assert_eq!(Ttl::After(Duration::from_millis(1)).on_the_wire(), 1);
        assert_eq!(Ttl::After(Duration::from_millis(1001)).on_the_wire(), 2);
        assert_eq!(Ttl::seconds(0).on_the_wire(), 0);
        assert_eq!(Ttl::seconds(-5).on_the_wire(), -1);
        assert_eq!(Ttl::from(Some(Duration::ZERO)), Ttl::Never);
    }
}
