//! How long a value is to live: as a workload says it, as a node is told it, and what a read may then find.

use std::time::Duration;

use crate::base::time::Wall;
use crate::client::Ttl;

/// The most lives that a workload draws from.
pub const LIVES_MAX: usize = 16;

/// The longest life: memcached counts dates in 31 bits, which end in 2038.
pub const LIFE_MAX: Duration = Duration::from_secs(3650 * 24 * 60 * 60);

/// An item may be there this long after its time: memcached's clock ticks once a second.
const LATE_MAX: Duration = Duration::from_secs(1);

/// So much later may be what has a date: a node reckons it from its own start, in whole seconds.
const DATE_LATE_MAX: Duration = Duration::from_secs(3);

/// How long a value is to live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Life {
    /// Until it is deleted or evicted.
    #[default]
    Forever,
    /// This long, from when the node is told.
    For(Duration),
    /// Until the date that is this far ahead when it is stored.
    Until(Duration),
    /// It is stored as expired already.
    Expired,
}

impl Life {
    /// What the client is told at `now`.
    pub(super) fn ttl(self, now: Wall) -> Ttl {
        match self {
            Self::Forever => Ttl::Never,
            Self::For(time) => Ttl::After(time),
            // Never before its time.
            Self::Until(time) => Ttl::Until(now.after(time).unix_seconds() + 1),
            Self::Expired => Ttl::Expired,
        }
    }

    /// How long it lives by what was asked; `None`: for ever.
    pub(super) const fn asked(self) -> Option<Duration> {
        match self {
            Self::Forever => None,
            Self::For(time) | Self::Until(time) => Some(time),
            Self::Expired => Some(Duration::ZERO),
        }
    }

    /// How long after it was acknowledged a read may still find it; `None`: for ever. What was expired when
    /// it came is never found: that needs no clock.
    pub(super) fn at_most(self) -> Option<Duration> {
        match self {
            Self::Forever => None,
            Self::For(time) => Some(whole_seconds(time) + LATE_MAX),
            Self::Until(time) => Some(whole_seconds(time) + DATE_LATE_MAX),
            Self::Expired => Some(Duration::ZERO),
        }
    }

    /// The longest of them, which a touch sets: a new expiry only ever lengthens a life here.
    pub(super) fn longest(lives: &[Self]) -> Self {
        let length = |life: &Self| life.asked().unwrap_or(Duration::MAX);
        lives.iter().copied().max_by_key(length).unwrap_or_default()
    }
}

/// A time to live as a node is told it.
fn whole_seconds(time: Duration) -> Duration {
    Duration::from_secs(time.as_secs() + u64::from(time.subsec_nanos() > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    /// Catches a date that lies before the time that was asked for, and a life that is told as another.
    #[test]
    fn lives_are_told_as_they_are() {
        let now = Wall::read("2026-01-31T12:00:00.9Z").unwrap();
        let second = now.unix_seconds();
        assert_eq!(Life::Forever.ttl(now), Ttl::Never);
        assert_eq!(Life::For(31 * DAY).ttl(now), Ttl::After(31 * DAY));
        assert_eq!(Life::Until(31 * DAY).ttl(now), Ttl::Until(second + 2_678_400 + 1));
        assert_eq!(Life::Expired.ttl(now), Ttl::Expired);
    }

    /// Catches a touch that shortens a life.
    #[test]
    fn the_longest_is_the_longest() {
        let (short, long) = (Life::For(DAY), Life::Until(2 * DAY));
        assert_eq!(Life::longest(&[]), Life::Forever);
        assert_eq!(Life::longest(&[Life::Expired, long, short]), long);
        assert_eq!(Life::longest(&[long, Life::Forever, short]), Life::Forever);
        assert_eq!(Life::longest(&[Life::Expired]), Life::Expired);
    }
}
