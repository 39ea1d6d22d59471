//! How long a value lives, without the 30-day surprise.

use std::time::Duration;

/// The longest relative expiry that memcached knows, in seconds: 30 days. A larger number would be
/// read as a moment in 1970, so the value would be gone at once.
pub(super) const RELATIVE_SECONDS_MAX: u64 = 2_592_000;

/// How long a value lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ttl {
    /// Until it is evicted.
    #[default]
    Never,
    /// This long from now: rounded up to whole seconds, at most 30 days.
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

    /// The number on the wire.
    #[must_use]
    pub fn on_the_wire(self) -> i64 {
        match self {
            Self::Never => 0,
            Self::Expired => -1,
            Self::After(time) => {
                let whole = time.as_secs() + u64::from(time.subsec_nanos() > 0);
                i64::try_from(whole.min(RELATIVE_SECONDS_MAX)).unwrap_or(i64::MAX)
            }
            // So early a moment would be read as a relative time; it has long passed.
            Self::Until(moment) if moment <= RELATIVE_SECONDS_MAX => -1,
            Self::Until(moment) => i64::try_from(moment).unwrap_or(i64::MAX),
        }
    }
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
        let after = |seconds| Ttl::After(Duration::from_secs(seconds)).on_the_wire();
        assert_eq!([after(1), after(2_592_000)], [1, 2_592_000]);
        assert_eq!([after(2_592_001), after(u64::MAX)], [2_592_000, 2_592_000]);
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
