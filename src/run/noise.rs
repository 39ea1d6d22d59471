//! Accuses the machine first: a timer that should wake every 10 ms says how late it does.
//!
//! A busy machine looks exactly like a slow network, so a run on one proves nothing. What that one
//! timer suffers, any thread may: it says whether the run is worth judging. But it sees little of
//! what happens to the others. So a second kind of watcher sits on each processor, because a virtual
//! one may stand still while the rest goes on; and since a thread that nearly always sleeps is let in
//! first where a busy one has to queue, the kernel is asked how long every thread waited for its
//! processor. All of these say *when* something stood still, and the judge leaves out what is bad
//! only then.

use std::sync::Arc;
use std::time::Duration;

use hdrhistogram::Histogram;
use parking_lot::Mutex;
use tokio::time::Instant;

use super::waits::Waits;
use crate::base::processor;
use crate::base::scope::Scope;
use crate::base::time::RunClock;
use crate::base::timer::block_until;
use crate::event::{DelayUs, EventKind, Events};
use crate::record::{HarnessTotals, Stall, Stalls};

/// How often a timer should wake.
const PERIOD: Duration = Duration::from_millis(10);

/// What stands still for this long is a stall: as much as an operation must be slower than usual to
/// count as slow.
const STALL: Duration = Duration::from_millis(10);

/// A wake-up this late is an event of its own.
const NOTABLE: Duration = Duration::from_millis(100);

/// The longest delay that is told apart from a longer one.
const DELAY_US_MAX: u64 = 60_000_000;

/// The watchers; they end with their scope.
#[derive(Clone, Debug)]
pub(super) struct NoiseWatch {
    seen: Arc<Mutex<Seen>>,
    stall_start_us: Option<u64>,
    since: Instant,
}

#[derive(Debug)]
struct Seen {
    delays: Histogram<u32>,
    stalls: Stalls,
}

impl NoiseWatch {
    /// Starts watching: wherever the system puts the timer, and on every processor.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub(super) fn start(clock: RunClock, events: &Events, scope: &Scope) -> std::io::Result<Self> {
        let delays = Histogram::new_with_max(DELAY_US_MAX, 2).expect("constant bounds are valid");
        let seen = Arc::new(Mutex::new(Seen { delays, stalls: Stalls::default() }));
        let watcher = Watcher {
            clock,
            seen: Arc::clone(&seen),
            events: events.clone(),
            scope: scope.clone(),
        };
        let timer = watcher.clone();
        scope.thread("noise", move || timer.watch_timer())?;
        for processor in processor::allowed() {
            let watcher = watcher.clone();
            scope.thread(format!("noise[{processor}]"), move || {
                // Refused by a sandbox: it then watches whatever processor it is given.
                processor::pin_this_thread(processor);
                watcher.watch_processor();
            })?;
        }
        Ok(Self { seen, stall_start_us: cpu_stall_us(), since: Instant::now() })
    }

    /// Forgets what was measured so far: the phases that are judged begin now.
    pub(super) fn restart(&mut self) {
        let mut seen = self.seen.lock();
        seen.delays.reset();
        seen.stalls = Stalls::default();
        self.stall_start_us = cpu_stall_us();
        self.since = Instant::now();
    }

    /// What the machine did to the run since the start.
    pub(super) fn measured(&self) -> HarnessTotals {
        let seen = self.seen.lock();
        let elapsed_us = self.since.elapsed().as_micros();
        let stalled = cpu_stall_us().zip(self.stall_start_us);
        #[expect(clippy::cast_precision_loss, reason = "a share, shown with three digits")]
        let cpu_pressure = stalled
            .filter(|_| elapsed_us > 0)
            .map(|(now, start)| now.saturating_sub(start) as f64 / elapsed_us as f64);
        let p99 = seen.delays.value_at_quantile(0.99);
        let delay = DelayUs { p50: None, p99: Some(p99), max: Some(seen.delays.max()) };
        HarnessTotals {
            timer_delay: (!seen.delays.is_empty()).then_some(delay),
            cpu_pressure,
            stalls: seen.stalls.clone(),
            ..HarnessTotals::default()
        }
    }
}

/// What the threads that watch have in common.
#[derive(Clone, Debug)]
struct Watcher {
    clock: RunClock,
    seen: Arc<Mutex<Seen>>,
    events: Events,
    scope: Scope,
}

impl Watcher {
    /// One timer, wherever the system puts it, and the waits of all threads.
    fn watch_timer(&self) {
        let mut waits = Waits::default();
        self.every_period(|due, now| {
            let delay = now.saturating_duration_since(due);
            let delay_us = u64::try_from(delay.as_micros()).unwrap_or(u64::MAX);
            self.seen.lock().delays.saturating_record(delay_us);
            if delay >= NOTABLE {
                self.events.emit(EventKind::Noise { timer_delay_us: delay_us });
            }
            let waited = waits.longest_new(now).unwrap_or_default();
            // It ended since the last look, a period before `due`: it began at most this early.
            if let Some(from) = due.checked_sub(PERIOD + waited).filter(|_| waited >= STALL) {
                self.stalled(from, now);
            }
        });
    }

    /// The processor that this thread is tied to.
    fn watch_processor(&self) {
        self.every_period(|due, now| {
            if now.saturating_duration_since(due) >= STALL {
                self.stalled(due, now);
            }
        });
    }

    fn every_period(&self, mut woke: impl FnMut(Instant, Instant)) {
        while !self.scope.is_cancelled() {
            // From the wake-up, not from the due time: one long stall is one late wake-up.
            let due = Instant::now() + PERIOD;
            block_until(due);
            woke(due, Instant::now());
        }
    }

    fn stalled(&self, from: Instant, until: Instant) {
        let stall = Stall { from: self.clock.offset(from), until: self.clock.offset(until) };
        self.seen.lock().stalls.add(stall);
    }
}

/// Microseconds in which some task waited for a processor, since boot (`/proc/pressure/cpu`).
fn cpu_stall_us() -> Option<u64> {
    stall_us(&std::fs::read_to_string("/proc/pressure/cpu").ok()?)
}

fn stall_us(text: &str) -> Option<u64> {
    let some = text.lines().find(|line| line.starts_with("some "))?;
    some.split("total=").nth(1)?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a change of the kernel's text that would be read as silence.
    #[test]
    fn reads_the_kernels_pressure_line() {
        let text = "some avg10=0.50 avg60=1.42 avg300=0.49 total=1860391\n\
                    full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n";
        assert_eq!(stall_us(text), Some(1_860_391));
        assert_eq!(stall_us(""), None);
    }
}
