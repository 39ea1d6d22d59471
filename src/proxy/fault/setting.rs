//! Settings as Toxiproxy takes them, and what a fault is told that would do nothing.

use std::time::Duration;

use crate::base::family::{SettingError, Settings, Unit};

/// The longest time that a setting can mean: a year.
pub(super) const TIME_MAX: Duration = Duration::from_secs(365 * 24 * 3600);

/// A time setting as Toxiproxy takes it: below zero is zero, absurdly long is very long.
pub(in crate::proxy) fn time(
    settings: &Settings,
    name: &str,
    unit: Unit,
) -> Result<Duration, SettingError> {
    let scale = if unit == Unit::Microseconds { 1e-6 } else { 1e-3 };
    let seconds = (settings.number(name)? * scale).max(0.0);
    Ok(Duration::try_from_secs_f64(seconds).unwrap_or(TIME_MAX).min(TIME_MAX))
}

/// What a delay of nothing is told.
pub(in crate::proxy) fn no_delay(setting: &str) -> SettingError {
    let what =
        format!("a delay of nothing changes nothing; write for example {setting} = \"100ms\"");
    SettingError::at(setting, what)
}

/// What a fault that never happens is told.
pub(in crate::proxy) fn never(setting: &str) -> SettingError {
    let what = format!("at 0% it never happens; write for example {setting} = \"5%\"");
    SettingError::at(setting, what)
}

/// A size setting as Toxiproxy takes it: below zero is zero.
pub(in crate::proxy) fn size(settings: &Settings, name: &str) -> Result<u64, SettingError> {
    let value = settings.number(name)?.max(0.0);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not negative; a size beyond 2^64 saturates"
    )]
    Ok(value as u64)
}

/// A share setting as Toxiproxy takes it: clamped to 0..1.
pub(in crate::proxy) fn share(settings: &Settings, name: &str) -> Result<f64, SettingError> {
    Ok(settings.number(name)?.clamp(0.0, 1.0))
}
