//! How long replies took: over a proxy's life, and in its last seconds.

use std::collections::VecDeque;
use std::time::Duration;

use hdrhistogram::Histogram;
use tokio::time::Instant;

/// The longest latency that is told apart, in microseconds: ten minutes.
const LATENCY_MAX_US: u64 = 600_000_000;
/// Significant digits of the latency histogram.
const LATENCY_DIGITS: u8 = 2;
/// The length of a window.
const WINDOW: Duration = Duration::from_secs(1);
/// Windows that are kept: who looks every few seconds sees each of them.
pub(in crate::proxy) const WINDOWS_MAX: usize = 10;

/// Latencies in microseconds, within 1 %.
#[derive(Clone, Debug)]
pub struct LatencyView(Histogram<u64>);

impl Default for LatencyView {
    fn default() -> Self {
        // It grows with the longest that it holds: most hold short ones.
        Self(Histogram::new(LATENCY_DIGITS).expect("a constant that a histogram takes"))
    }
}

impl LatencyView {
    /// How many were measured.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.len()
    }

    /// The latency that this share of the replies did not exceed; zero when there was none.
    #[must_use]
    pub fn quantile(&self, share: f64) -> Duration {
        Duration::from_micros(self.0.value_at_quantile(share))
    }

    /// The longest; zero when there was none.
    #[must_use]
    pub fn max(&self) -> Duration {
        Duration::from_micros(self.0.max())
    }

    /// All of them together, within 1 %.
    #[must_use]
    pub fn sum(&self) -> Duration {
        let each = |value: hdrhistogram::iterators::IterationValue<u64>| {
            value.value_iterated_to().saturating_mul(value.count_at_value())
        };
        Duration::from_micros(self.0.iter_recorded().map(each).sum())
    }

    /// The histogram itself, in microseconds.
    #[must_use]
    pub const fn histogram(&self) -> &Histogram<u64> {
        &self.0
    }

    /// What came since `earlier`, a copy of the same. All of it when it is none: then a proxy has taken
    /// the place of another.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut rest = self.0.clone();
        match rest.subtract(&earlier.0) {
            Ok(()) => Self(rest),
            Err(_) => self.clone(),
        }
    }

    /// Adds what `other` has.
    pub fn add(&mut self, other: &Self) {
        // It grows as far as it must, and then that always succeeds.
        let _ = self.0.add(&other.0);
    }

    pub(in crate::proxy) fn record(&mut self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        // It grows, and below the bound that always succeeds.
        let _ = self.0.record(micros.min(LATENCY_MAX_US));
    }
}

/// The latencies of one second.
#[derive(Clone, Debug)]
pub struct LatencyWindow {
    /// How long ago it began.
    pub age: Duration,
    /// Of the replies that were delivered in it.
    pub latency: LatencyView,
}

/// All latencies, and those of the last seconds.
#[derive(Debug)]
pub(in crate::proxy) struct Latencies {
    began: Instant,
    all: LatencyView,
    /// By the number of the second, the last at the end; a second without replies has none.
    windows: VecDeque<(u64, LatencyView)>,
}

impl Default for Latencies {
    fn default() -> Self {
        Self { began: Instant::now(), all: LatencyView::default(), windows: VecDeque::new() }
    }
}

impl Latencies {
    /// A reply was delivered at `at`, not necessarily later than the last.
    pub(in crate::proxy) fn record(&mut self, at: Instant, latency: Duration) {
        self.all.record(latency);
        let window = self.window_of(at);
        let behind = self.windows.iter().rev().take_while(|(number, _)| *number > window).count();
        let place = self.windows.len() - behind;
        if let Some((number, view)) =
            place.checked_sub(1).and_then(|last| self.windows.get_mut(last))
            && *number == window
        {
            return view.record(latency);
        }
        let mut view = LatencyView::default();
        view.record(latency);
        self.windows.insert(place, (window, view));
        if self.windows.len() > WINDOWS_MAX {
            self.windows.pop_front();
        }
    }

    fn window_of(&self, at: Instant) -> u64 {
        at.saturating_duration_since(self.began).as_secs() / WINDOW.as_secs()
    }

    pub(in crate::proxy) const fn all(&self) -> &LatencyView {
        &self.all
    }

    /// Those of the last seconds in which there were any.
    pub(in crate::proxy) fn windows(&self, now: Instant) -> Vec<LatencyWindow> {
        let oldest = self.window_of(now).saturating_sub(WINDOWS_MAX as u64);
        let age = |number: u64| {
            let into = WINDOW * u32::try_from(number).unwrap_or(u32::MAX);
            now.saturating_duration_since(self.began + into)
        };
        let recent = self.windows.iter().filter(|(number, _)| *number > oldest || oldest == 0);
        recent
            .map(|(number, view)| LatencyWindow { age: age(*number), latency: view.clone() })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Catches a long latency that is averaged away by the many short ones before it, one that is booked
    /// to the second in which it was asked about, and memory that grows with time.
    #[test]
    fn a_second_keeps_its_own_latencies() {
        let mut latencies = Latencies::default();
        let at = |ms_in| latencies_began(&latencies) + ms(ms_in);
        let times: Vec<Instant> = (0..3000).map(at).collect();
        let slow = at(1500);
        for at in times {
            latencies.record(at, ms(1));
        }
        latencies.record(slow, ms(9200));
        let now = latencies_began(&latencies) + ms(2999);
        let windows = latencies.windows(now);
        let longest: Vec<u128> =
            windows.iter().map(|window| window.latency.max().as_millis()).collect();
        assert_eq!(longest.len(), 3);
        assert!(
            longest[0] < 2 && longest[2] < 2 && (9100..9300).contains(&longest[1]),
            "{longest:?}"
        );
        assert_eq!(windows[1].age, ms(1999));
        assert!(latencies.all().quantile(0.99) < ms(2), "over a whole life it does not show");
        for second in 0..100 {
            latencies.record(now + ms(1000 * second), ms(1));
        }
        assert_eq!(latencies.windows(now + ms(99_000)).len(), WINDOWS_MAX);
        assert!(latencies.windows(now + ms(300_000)).is_empty(), "long ago");
    }

    fn latencies_began(latencies: &Latencies) -> Instant {
        latencies.began
    }

    /// Catches a phase that inherits what the one before it measured, its longest above all.
    #[test]
    fn what_came_since_is_told_from_what_was() {
        let mut view = LatencyView::default();
        view.record(ms(9200));
        let before = view.clone();
        view.record(ms(3));
        let since = view.since(&before);
        assert_eq!(since.count(), 1);
        assert!(since.max() < ms(4), "{:?}", since.max());
        assert_eq!(before.since(&view).count(), 1, "another proxy's");
    }
}
