//! Rates, ratios and sizes with their text forms. A bare number is refused where a unit is meant.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Why a text is no quantity, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" is no {noun}; write {suggestion}")]
pub struct UnitError {
    text: String,
    noun: &'static str,
    suggestion: String,
}

impl UnitError {
    fn new(text: &str, noun: &'static str, suggestion: impl Into<String>) -> Self {
        Self { text: text.to_owned(), noun, suggestion: suggestion.into() }
    }
}

/// Events a second, finite and above zero.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rate(f64);

impl Rate {
    /// The highest rate that a plan may ask for.
    pub const MAX_PER_SECOND: f64 = 10_000_000.0;

    /// The lowest one: once in twelve days.
    pub const MIN_PER_SECOND: f64 = 1e-6;

    /// A rate, when it lies between [`Rate::MIN_PER_SECOND`] and [`Rate::MAX_PER_SECOND`].
    #[must_use]
    pub fn per_second(value: f64) -> Option<Self> {
        (Self::MIN_PER_SECOND..=Self::MAX_PER_SECOND).contains(&value).then_some(Self(value))
    }

    /// Why `text`, which asks for `value` events a second if it is a number at all, is none.
    fn refusal(text: &str, value: Option<f64>) -> UnitError {
        let (noun, nearest) = match value {
            Some(value) if value > Self::MAX_PER_SECOND => {
                ("rate of at most 10000000/s", Self::MAX_PER_SECOND)
            }
            Some(value) if value < Self::MIN_PER_SECOND => {
                ("rate above zero", Self::per_second(-value).map_or(1.0, Self::as_per_second))
            }
            Some(value) if !value.is_nan() => ("rate", value),
            _ => ("rate", 2000.0),
        };
        let suggestion = format!("\"{nearest}/s\" (events a second, above zero)");
        UnitError::new(text, noun, suggestion)
    }

    /// Events a second.
    #[must_use]
    pub const fn as_per_second(self) -> f64 {
        self.0
    }

    /// The time between two events.
    #[must_use]
    pub fn interval(self) -> Duration {
        Duration::from_secs_f64(1.0 / self.0)
    }
}

impl FromStr for Rate {
    type Err = UnitError;

    /// `2000/s`, `90/m`, `10k/s`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let trimmed = text.trim();
        let error = || Self::refusal(trimmed, trimmed.parse().ok());
        let (number, unit) = trimmed.split_once('/').ok_or_else(error)?;
        let per = match unit.trim() {
            "s" | "sec" | "second" => 1.0,
            "m" | "min" | "minute" => 60.0,
            "h" | "hour" => 3600.0,
            _ => return Err(error()),
        };
        let number = number.trim();
        let (digits, scale) = match number.strip_suffix(['k', 'K']) {
            Some(digits) => (digits, 1000.0),
            None => (number, 1.0),
        };
        let value = digits.parse::<f64>().map_err(|_| error())?;
        let value = value * scale / per;
        Self::per_second(value).ok_or_else(|| Self::refusal(trimmed, Some(value)))
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/s", self.0)
    }
}

/// A share between 0 and 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ratio(f64);

impl Ratio {
    /// Nothing.
    pub const ZERO: Self = Self(0.0);
    /// All of it.
    pub const ONE: Self = Self(1.0);

    /// A share, when it lies between 0 and 1.
    #[must_use]
    pub fn new(value: f64) -> Option<Self> {
        (0.0..=1.0).contains(&value).then_some(Self(value))
    }

    /// The share as a number between 0 and 1.
    #[must_use]
    pub const fn value(self) -> f64 {
        self.0
    }
}

impl FromStr for Ratio {
    type Err = UnitError;

    /// `5%`, `0.5%`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let trimmed = text.trim();
        let error = || {
            let suggestion = match trimmed.parse::<f64>() {
                Ok(share) if (0.0..=1.0).contains(&share) => format!("\"{}%\"", share * 100.0),
                _ => "a percentage from \"0%\" to \"100%\"".to_owned(),
            };
            UnitError::new(trimmed, "ratio", suggestion)
        };
        let number = trimmed.strip_suffix('%').ok_or_else(error)?;
        let value = number.trim().parse::<f64>().map_err(|_| error())?;
        Self::new(value / 100.0).ok_or_else(error)
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Enough digits for any share that people write, none for the noise of binary fractions; more
        // only for a share that would not be read back without them.
        let text = (6..20)
            .map(|digits| format!("{:.digits$}", self.0 * 100.0))
            .find(|text| text.parse().is_ok_and(|percent: f64| percent / 100.0 == self.0))
            .unwrap_or_else(|| format!("{:.6}", self.0 * 100.0));
        write!(f, "{}%", text.trim_end_matches('0').trim_end_matches('.'))
    }
}

/// A number of bytes.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct ByteSize(pub u64);

impl FromStr for ByteSize {
    type Err = UnitError;

    /// `64KiB`, `1MB`, `100B`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let trimmed = text.trim();
        let read = |text: &str| text.parse::<bytesize::ByteSize>().map(|size| Self(size.as_u64()));
        let is_bare = trimmed.parse::<f64>().is_ok();
        if is_bare && read(&format!("{trimmed}KiB")).is_ok() {
            let suggestion = format!("\"{trimmed}B\" or \"{trimmed}KiB\"");
            return Err(UnitError::new(trimmed, "size", suggestion));
        }
        let refused = || UnitError::new(trimmed, "size", "\"100B\", \"64KiB\" or \"1MB\"");
        if is_bare { Err(refused()) } else { read(trimmed).map_err(|_| refused()) }
    }
}

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
        for (unit, size) in UNITS {
            if self.0 >= size && self.0.is_multiple_of(size) {
                return write!(f, "{}{unit}", self.0 / size);
            }
        }
        write!(f, "{}B", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a bare number that would be given a unit by guessing.
    #[test]
    fn bare_numbers_are_refused_with_the_spelling() {
        let rate = "2000".parse::<Rate>().unwrap_err().to_string();
        assert_eq!(rate, r#""2000" is no rate; write "2000/s" (events a second, above zero)"#);
        let ratio = "0.05".parse::<Ratio>().unwrap_err().to_string();
        assert_eq!(ratio, r#""0.05" is no ratio; write "5%""#);
        let size = "64".parse::<ByteSize>().unwrap_err().to_string();
        assert_eq!(size, r#""64" is no size; write "64B" or "64KiB""#);
    }

    /// Catches a text form that its own parser does not read back.
    #[test]
    fn text_forms_survive_a_round_trip() {
        for text in ["2000/s", "0.5/s"] {
            assert_eq!(text.parse::<Rate>().unwrap().to_string(), text);
        }
        for text in ["5%", "0.1%", "100%", "0%", "33.3%"] {
            assert_eq!(text.parse::<Ratio>().unwrap().to_string(), text);
        }
        for text in ["64KiB", "100B", "1MiB", "0B"] {
            assert_eq!(text.parse::<ByteSize>().unwrap().to_string(), text);
        }
    }

    /// Catches a quantity that would divide by zero or never end.
    #[test]
    fn senseless_quantities_are_refused() {
        for text in [
            "0/s",
            "-1/s",
            "inf/s",
            "NaN/s",
            "1e300/s",
            "1e-320/s",
            "10/y",
            "/s",
            "",
            "0",
            "-5",
            "NaN",
            "10000001",
            "10000001/s",
        ] {
            let refused = text.parse::<Rate>().unwrap_err().to_string();
            let suggested = refused.rsplit_once("write \"").unwrap().1.split('"').next().unwrap();
            assert!(suggested.parse::<Rate>().is_ok(), "{text}: {refused}");
        }
        for text in ["101%", "-1%", "NaN%", "%", ""] {
            assert!(text.parse::<Ratio>().is_err(), "{text}");
        }
    }
}
