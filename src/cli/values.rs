//! How the values of options are read. Every message shows what to write instead.

use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};

use crate::base::time::DurationText;
use crate::base::units::Rate;
use crate::plan::{RateWish, SEED_MAX};

/// One of some words, each with what it means; help and errors show them.
pub(super) fn word<T: Clone + Send + Sync + 'static>(
    words: &'static [(&'static str, T)],
) -> impl TypedValueParser<Value = T> {
    let meaning = |text: String| words.iter().find(|(word, _)| *word == text);
    PossibleValuesParser::new(words.iter().map(|(word, _)| *word)).try_map(move |text| {
        meaning(text).map(|(_, meaning)| meaning.clone()).ok_or("no such word")
    })
}

/// A time above zero.
pub(super) fn time(text: &str) -> Result<Duration, String> {
    let DurationText(time) = text.parse().map_err(|error| format!("{error}"))?;
    if time.is_zero() { Err("must be above zero".to_owned()) } else { Ok(time) }
}

/// The time between two live figures.
pub(super) fn metrics_interval(text: &str) -> Result<Duration, String> {
    crate::plan::metrics_interval(time(text)?)
}

/// `2000/s`, or `max` for a closed loop.
pub(super) fn rate(text: &str) -> Result<RateWish, String> {
    if text == "max" {
        return Ok(RateWish::Max);
    }
    text.parse::<Rate>().map(RateWish::PerSecond).map_err(|error| format!("{error} or \"max\""))
}

/// A seed that survives every JSON reader.
pub(super) fn seed(text: &str) -> Result<u64, String> {
    text.parse()
        .ok()
        .filter(|seed| *seed <= SEED_MAX)
        .ok_or_else(|| format!("a seed is a whole number from 0 to {SEED_MAX}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a value that is guessed at, and a message that does not show the right spelling.
    #[test]
    fn values_are_strict() {
        assert_eq!(time("1m").unwrap(), Duration::from_secs(60));
        assert_eq!(time("30").unwrap_err(), r#""30" has no unit; write "30s", "30ms" or "30m""#);
        assert_eq!(time("0s").unwrap_err(), "must be above zero");
        assert_eq!(rate("max").unwrap(), RateWish::Max);
        assert_eq!(rate("2k/s").unwrap(), RateWish::PerSecond(Rate::per_second(2000.0).unwrap()));
        assert_eq!(
            rate("2000").unwrap_err(),
            r#""2000" is no rate; write "2000/s" (events a second, above zero) or "max""#
        );
        assert!(metrics_interval("100ms").is_ok() && metrics_interval("99ms").is_err());
        assert_eq!(seed("42").unwrap(), 42);
        assert!(seed("-1").is_err() && seed("9007199254740992").is_err());
    }
}
