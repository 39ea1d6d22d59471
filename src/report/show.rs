//! Numbers as people read them, the same in every format.

use crate::judge::show_us;

/// A latency, or a dash for one that was not measured.
#[expect(clippy::cast_precision_loss, reason = "latencies are far below 2^53 us")]
pub(super) fn us(value: Option<u64>) -> String {
    value.map_or_else(dash, |us| show_us(us as f64))
}

/// Seconds, or a dash.
pub(super) fn seconds(value: Option<f64>) -> String {
    value.map_or_else(dash, |seconds| format!("{seconds:.2} s"))
}

/// A share as a percentage, or a dash. Something never reads as nothing: a share that would round
/// to zero says that it is below the last digit.
pub(super) fn percent(value: Option<f64>) -> String {
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

/// What stands for "not measured".
pub(super) fn dash() -> String {
    "-".to_owned()
}
