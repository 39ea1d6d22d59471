//! Numbers as people read them, the same in every format.

use super::model::Figures;
use crate::judge::show_us;

/// A latency, or a dash for one that was not measured.
#[expect(clippy::cast_precision_loss, reason = "latencies are far below 2^53 us")]
pub(crate) fn us(value: Option<u64>) -> String {
    value.map_or_else(dash, |us| show_us(us as f64))
}

/// A moment of the run in seconds, or a dash.
pub(super) fn moment(value: Option<f64>) -> String {
    value.map_or_else(dash, |seconds| format!("{seconds:.2} s"))
}

/// How long something took, in the unit that fits, or a dash.
pub(super) fn elapsed(value: Option<f64>) -> String {
    match value {
        None => dash(),
        Some(0.0) => "0s".to_owned(),
        Some(seconds) => show_us(seconds * 1e6),
    }
}

/// A share as a percentage, or a dash. Something never reads as nothing: a share that would round
/// to zero says that it is below the last digit.
pub(crate) fn percent(value: Option<f64>) -> String {
    match value {
        None => dash(),
        Some(share) if share > 0.0 && share < 0.000_05 => "<0.01%".to_owned(),
        Some(share) if share > 0.999_95 && share < 1.0 => ">99.99%".to_owned(),
        Some(share) => format!("{:.2}%", share * 100.0),
    }
}

/// A rate, or a dash.
pub(super) fn per_second(value: Option<f64>) -> String {
    value.map_or_else(dash, |rate| format!("{rate:.0}/s"))
}

/// A plain number with two decimals, or a dash.
pub(super) fn number(value: Option<f64>) -> String {
    value.map_or_else(dash, |value| format!("{value:.2}"))
}

/// A count, or a dash.
pub(super) fn count(value: Option<u64>) -> String {
    value.map_or_else(dash, |value| value.to_string())
}

/// What was measured as `show` has it; nothing where nothing was.
pub(super) fn known<T: Copy>(value: Option<T>, show: fn(Option<T>) -> String) -> Option<String> {
    value.map(|value| show(Some(value)))
}

/// What stands for "not measured".
pub(super) fn dash() -> String {
    "-".to_owned()
}

/// A phase's row in a table: offered, operations a second, errors, availability, p50, p95, p99, the
/// longest, hits. A closed loop has no response times, so its service times stand there.
pub(super) fn cells(figures: &Figures) -> [String; 9] {
    let time = figures.response_time_us.unwrap_or(figures.service_time_us);
    [
        figures.offered.to_string(),
        per_second(figures.throughput_per_s),
        percent(figures.error_ratio),
        percent(figures.availability_ratio),
        us(time.p50),
        us(time.p95),
        us(time.p99),
        us(time.max),
        percent(figures.hit_ratio),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches "not measured" that reads as zero, and one error in a million that reads as none.
    #[test]
    fn nothing_and_hardly_anything_look_different() {
        assert_eq!(percent(None), "-");
        assert_eq!(percent(Some(0.0)), "0.00%");
        assert_eq!(percent(Some(0.000_001)), "<0.01%");
        assert_eq!(percent(Some(0.999_999)), ">99.99%");
        assert_eq!(percent(Some(1.0)), "100.00%");
        assert_eq!([us(None), elapsed(None), count(None), number(None)], ["-", "-", "-", "-"]);
    }

    /// Catches a unit that changes at the wrong size.
    #[test]
    fn times_have_the_unit_that_fits() {
        for (seconds, text) in
            [(0.0, "0s"), (0.000_005, "5us"), (0.0123, "12.3ms"), (0.7, "700ms"), (2.5, "2.5s")]
        {
            assert_eq!(elapsed(Some(seconds)), text);
        }
        assert_eq!(moment(Some(6.0)), "6.00 s");
    }
}
