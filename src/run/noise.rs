//! Accuses the machine first: a timer that should wake every 10 ms says how late it does.
//!
//! A busy machine looks exactly like a slow network, so a run on one proves nothing. The watcher is
//! a thread of its own; what it measures is what any thread of the harness suffers.

use std::sync::Arc;
use std::time::Duration;

use hdrhistogram::Histogram;
use parking_lot::Mutex;
use tokio::time::Instant;

use crate::base::scope::Scope;
use crate::base::timer::block_until;
use crate::event::{EventKind, Events};

/// How often the timer should wake.
const PERIOD: Duration = Duration::from_millis(10);

/// A wake-up this late is an event of its own.
const NOTABLE: Duration = Duration::from_millis(100);

/// The longest delay that is told apart from a longer one.
const DELAY_US_MAX: u64 = 60_000_000;

/// The watcher; it ends with its scope.
#[derive(Clone, Debug)]
pub(super) struct NoiseWatch {
    delays: Arc<Mutex<Histogram<u32>>>,
    stall_start_us: Option<u64>,
    since: Instant,
}

/// What the machine did to a run.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Noise {
    /// How late the timer woke at p99, in microseconds; `None`: nothing was measured.
    pub(super) timer_delay_us_p99: Option<u64>,
    /// The latest it woke, in microseconds.
    pub(super) timer_delay_us_max: Option<u64>,
    /// The share of time in which some task waited for a processor (Linux pressure stall information).
    pub(super) cpu_pressure: Option<f64>,
}

impl NoiseWatch {
    /// Starts watching.
    ///
    /// # Errors
    /// When the operating system gives no thread.
    pub(super) fn start(events: Events, scope: &Scope) -> std::io::Result<Self> {
        let histogram =
            Histogram::new_with_max(DELAY_US_MAX, 2).expect("constant bounds are valid");
        let delays = Arc::new(Mutex::new(histogram));
        let watch = Self {
            delays: Arc::clone(&delays),
            stall_start_us: cpu_stall_us(),
            since: Instant::now(),
        };
        let ended = scope.clone();
        scope.thread("noise", move || {
            let mut due = Instant::now() + PERIOD;
            while !ended.is_cancelled() {
                block_until(due);
                let delay = Instant::now().saturating_duration_since(due);
                let delay_us = u64::try_from(delay.as_micros()).unwrap_or(u64::MAX);
                delays.lock().saturating_record(delay_us);
                if delay >= NOTABLE {
                    events.emit(EventKind::Noise { timer_delay_us: delay_us });
                }
                // From the wake-up, not from the due time: one long stall is one late wake-up.
                due = Instant::now() + PERIOD;
            }
        })?;
        Ok(watch)
    }

    /// Forgets what was measured so far: the phases that are judged begin now.
    pub(super) fn restart(&mut self) {
        self.delays.lock().reset();
        self.stall_start_us = cpu_stall_us();
        self.since = Instant::now();
    }

    /// What was measured since the start.
    pub(super) fn measured(&self) -> Noise {
        let delays = self.delays.lock();
        let some = !delays.is_empty();
        let elapsed_us = self.since.elapsed().as_micros();
        let stalled = cpu_stall_us().zip(self.stall_start_us);
        #[expect(clippy::cast_precision_loss, reason = "a share, shown with three digits")]
        let cpu_pressure = stalled
            .filter(|_| elapsed_us > 0)
            .map(|(now, start)| now.saturating_sub(start) as f64 / elapsed_us as f64);
        Noise {
            timer_delay_us_p99: some.then(|| delays.value_at_quantile(0.99)),
            timer_delay_us_max: some.then(|| delays.max()),
            cpu_pressure,
        }
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
