//! When to trip: failures over calls within an exact window, as failsafe's failure policy.
//!
//! failsafe's own rate policy is a moving average: it needs a full window of calls before it can
//! trip, and trips below its limit. This one counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use failsafe::FailurePolicy;

/// How finely the window moves: a 1 s window forgets 31 ms at a time.
const SLOTS: u64 = 32;

/// What a policy that takes no arguments must know, and what it found. Written and read under the
/// lock of the gate; atomic only because failsafe wants its policy to be `Send` on its own.
#[derive(Debug, Default)]
pub(super) struct WindowCounts {
    now_nanos: AtomicU64,
    trip: AtomicBool,
    calls: AtomicU32,
    failures: AtomicU32,
}

impl WindowCounts {
    /// The time of the next record, since the gate was made.
    pub(super) fn set_now(&self, since: Duration) {
        let nanos = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX);
        self.now_nanos.store(nanos, Ordering::Relaxed);
    }

    /// Makes the next failure trip, whatever the counts are.
    pub(super) fn trip_next(&self) {
        self.trip.store(true, Ordering::Relaxed);
    }

    /// Failures and calls within the window when it was last looked at.
    pub(super) fn counts(&self) -> (u32, u32) {
        (self.failures.load(Ordering::Relaxed), self.calls.load(Ordering::Relaxed))
    }
}

/// Trips at `min_requests` calls of which at least `failure_ratio` failed, within `window`.
#[derive(Debug)]
pub(super) struct RatioWindow {
    ledger: Arc<WindowCounts>,
    slots: [Slot; SLOTS as usize],
    total: Slot,
    slot_nanos: u64,
    newest: u64,
    min_requests: u32,
    failure_ratio: f64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    calls: u32,
    failures: u32,
}

impl RatioWindow {
    pub(super) fn new(
        window: Duration,
        min_requests: u32,
        failure_ratio: f64,
        ledger: Arc<WindowCounts>,
    ) -> Self {
        let window_nanos = u64::try_from(window.as_nanos()).unwrap_or(u64::MAX);
        Self {
            ledger,
            slots: [Slot::default(); SLOTS as usize],
            total: Slot::default(),
            slot_nanos: (window_nanos / SLOTS).max(1),
            newest: 0,
            min_requests,
            failure_ratio,
        }
    }

    /// Forgets what has left the window, then adds one call.
    fn add(&mut self, failed: bool) {
        // A reading that was taken before another one but recorded after it counts as that one.
        let number =
            (self.ledger.now_nanos.load(Ordering::Relaxed) / self.slot_nanos).max(self.newest);
        if number - self.newest >= SLOTS {
            self.clear();
        } else {
            for passed in self.newest + 1..=number {
                let slot = &mut self.slots[(passed % SLOTS) as usize];
                self.total.calls -= slot.calls;
                self.total.failures -= slot.failures;
                *slot = Slot::default();
            }
        }
        self.newest = number;
        for count in [&mut self.slots[(number % SLOTS) as usize], &mut self.total] {
            count.calls = count.calls.saturating_add(1);
            count.failures = count.failures.saturating_add(u32::from(failed));
        }
    }

    fn clear(&mut self) {
        self.slots = [Slot::default(); SLOTS as usize];
        self.total = Slot::default();
    }

    fn is_over(&self) -> bool {
        let Slot { calls, failures } = self.total;
        calls >= self.min_requests
            && f64::from(failures) >= f64::from(calls) * self.failure_ratio - ROUNDING
    }
}

/// 60 % of 5 is 3, but 0.6 * 5.0 may lie a hair above it.
const ROUNDING: f64 = 1e-9;

impl FailurePolicy for RatioWindow {
    fn record_success(&mut self) {
        self.add(false);
    }

    fn mark_dead_on_failure(&mut self) -> Option<Duration> {
        self.add(true);
        self.ledger.calls.store(self.total.calls, Ordering::Relaxed);
        self.ledger.failures.store(self.total.failures, Ordering::Relaxed);
        let told = self.ledger.trip.swap(false, Ordering::Relaxed);
        // Zero, because the gate measures the open period.
        (told || self.is_over()).then_some(Duration::ZERO)
    }

    fn revived(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn window() -> (RatioWindow, Arc<WindowCounts>) {
        let ledger = Arc::<WindowCounts>::default();
        (RatioWindow::new(SECOND, 5, 0.6, Arc::clone(&ledger)), ledger)
    }

    /// Catches a limit that is off by one, and rounding at exactly 60 %.
    #[test]
    fn trips_at_exactly_three_of_five() {
        let (mut window, _) = window();
        window.record_success();
        window.record_success();
        assert_eq!([(); 3].map(|()| window.mark_dead_on_failure().is_some()), [false, false, true]);
    }

    /// Catches a trip below the limit, however long it goes on: failsafe's average trips here.
    #[test]
    fn never_trips_below_the_limit() {
        let (mut window, ledger) = window();
        for call in 0..10_000_u64 {
            ledger.set_now(Duration::from_millis(call * 2));
            // 11 of 20 in an even mix; before 20 calls chance may lie above 60 %.
            if call * 11 % 20 < 11 {
                assert!(window.mark_dead_on_failure().is_none() || call < 20, "call {call}");
            } else {
                window.record_success();
            }
        }
    }

    /// Catches calls that are remembered past the window, or forgotten within it.
    #[test]
    fn the_window_moves() {
        let (mut window, ledger) = window();
        for _ in 0..4 {
            assert!(window.mark_dead_on_failure().is_none());
        }
        ledger.set_now(Duration::from_millis(900));
        assert!(window.mark_dead_on_failure().is_some(), "all five are within the window");
        ledger.set_now(Duration::from_millis(1010));
        assert!(window.mark_dead_on_failure().is_none(), "the first four have left");
        assert_eq!(ledger.counts(), (2, 2));
        ledger.set_now(Duration::from_secs(100));
        assert!(window.mark_dead_on_failure().is_none());
        assert_eq!(ledger.counts(), (1, 1), "a long silence forgets everything");
    }

    /// Catches a reading out of order that underflows the slot arithmetic.
    #[test]
    fn an_earlier_reading_counts_as_the_latest() {
        let (mut window, ledger) = window();
        ledger.set_now(SECOND * 5);
        window.record_success();
        ledger.set_now(SECOND);
        window.record_success();
        window.mark_dead_on_failure();
        assert_eq!(ledger.counts(), (1, 3));
    }
}
