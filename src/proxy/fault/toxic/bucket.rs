//! A token bucket: what has not been used of a rate may be used later, up to a burst.
//!
//! Kept as the instant at which all bytes that were ever taken will have left at the rate alone
//! (the virtual scheduling form of the generic cell rate algorithm, ITU-T I.371): a bucket that is
//! full is one whose instant lies a whole burst back. Fractions of a nanosecond are carried over, so
//! the long-run rate is exact.

use std::time::Duration;

use tokio::time::Instant;

use crate::proxy::fault::setting::TIME_MAX;

const NANOS_PER_SECOND: u128 = 1_000_000_000;

/// A rate, and what is left of it. `None`: it was never used and is full.
#[derive(Debug)]
pub(super) struct Bucket {
    bytes_per_second: u64,
    /// How long it takes to fill.
    burst: Duration,
    /// When what was taken so far has left.
    free: Option<Instant>,
    /// What of a nanosecond was taken beside, in bytes times nanoseconds a second.
    rest: u128,
}

impl Bucket {
    /// A full bucket; the rate is above zero.
    pub(super) fn new(bytes_per_second: u64, burst_bytes: u64) -> Self {
        let bytes_per_second = bytes_per_second.max(1);
        let nanos = u128::from(burst_bytes) * NANOS_PER_SECOND / u128::from(bytes_per_second);
        let burst = u64::try_from(nanos).map_or(TIME_MAX, Duration::from_nanos).min(TIME_MAX);
        Self { bytes_per_second, burst, free: None, rest: 0 }
    }

    /// Takes `bytes` for somebody who has waited for them since `since`; returns when the last of
    /// them leaves. Whoever asks later leaves later.
    pub(super) fn take(&mut self, since: Instant, bytes: usize) -> Instant {
        let full = since.checked_sub(self.burst).unwrap_or(since);
        let from = match self.free.filter(|free| *free >= full) {
            Some(free) => free,
            None => {
                self.rest = 0;
                full
            }
        };
        let rate = u128::from(self.bytes_per_second);
        let owed = bytes as u128 * NANOS_PER_SECOND + self.rest;
        self.rest = owed % rate;
        let time = u64::try_from(owed / rate).map_or(TIME_MAX, Duration::from_nanos);
        let free = from + time.min(TIME_MAX);
        self.free = Some(free);
        free.max(since)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KB: u64 = 1000;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Catches a rate that drifts: a third of a nanosecond that is lost with each piece.
    #[test]
    fn the_long_run_rate_is_exact() {
        let now = Instant::now();
        let mut bucket = Bucket::new(3 * KB, 0);
        let mut last = now;
        for _ in 0..30_000 {
            last = bucket.take(last, 1);
        }
        assert_eq!(last - now, Duration::from_secs(10));
    }

    /// Catches a burst that is longer than what was asked for, after any idle time, and one that is
    /// given again before it was saved up again.
    #[test]
    fn a_burst_is_what_was_saved_up_and_no_more() {
        let now = Instant::now();
        let mut bucket = Bucket::new(100 * KB, 5_000);
        let leaves =
            |bucket: &mut Bucket, at, bytes| bucket.take(now + ms(at), bytes) - (now + ms(at));
        assert_eq!(leaves(&mut bucket, 0, 5_000), ms(0), "it starts full");
        assert_eq!(leaves(&mut bucket, 0, 1_000), ms(10));
        assert_eq!(leaves(&mut bucket, 20, 2_000), ms(10), "1,000 bytes were saved up");
        assert_eq!(leaves(&mut bucket, 3_600_000, 6_000), ms(10), "an hour saves no more");
    }

    /// Catches several takers who together get more than the rate, or one who gets nothing.
    #[test]
    fn takers_leave_one_after_the_other() {
        let now = Instant::now();
        let mut bucket = Bucket::new(100 * KB, 0);
        let leaves: Vec<Duration> = (0..4).map(|_| bucket.take(now, 500) - now).collect();
        assert_eq!(leaves, [ms(5), ms(10), ms(15), ms(20)]);
    }

    /// Catches an overflow at what a client can send.
    #[test]
    fn extremes_are_bounded() {
        let now = Instant::now();
        let mut slow = Bucket::new(1, u64::MAX);
        assert_eq!(slow.take(now, 1 << 20), now);
        let mut fast = Bucket::new(u64::MAX, 0);
        assert!(fast.take(now, usize::MAX) >= now);
    }
}
