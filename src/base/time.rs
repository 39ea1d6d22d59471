//! Time as the run sees it: one monotonic start, one wall-clock reading, offsets for all the rest.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// Time since the start of a run, in nanoseconds: what is stored and compared.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Offset(pub u64);

impl Offset {
    /// The offset this long after the start; saturates after 584 years.
    #[must_use]
    pub fn from_duration(duration: Duration) -> Self {
        Self(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
    }

    /// The time since the start.
    #[must_use]
    pub const fn as_duration(self) -> Duration {
        Duration::from_nanos(self.0)
    }

    /// The time since the start in seconds, for a field whose name ends in `_s`.
    #[must_use]
    pub fn as_secs_f64(self) -> f64 {
        self.as_duration().as_secs_f64()
    }

    /// The time from `earlier` to here, zero when it is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// This much later.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(Self::from_duration(duration).0))
    }
}

/// The clock of one run. The wall clock is read once, for display; everything else is monotonic.
#[derive(Clone, Copy, Debug)]
pub struct RunClock {
    start: Instant,
    started_at: Wall,
}

impl RunClock {
    /// Starts the clock now.
    #[must_use]
    pub fn start() -> Self {
        Self { start: Instant::now(), started_at: Wall::now() }
    }

    /// The monotonic start.
    #[must_use]
    pub const fn started(&self) -> Instant {
        self.start
    }

    /// The one wall-clock reading of the run.
    #[must_use]
    pub const fn started_at(&self) -> Wall {
        self.started_at
    }

    /// Where `instant` lies in the run; zero when it is before the start.
    #[must_use]
    pub fn offset(&self, instant: Instant) -> Offset {
        Offset::from_duration(instant.saturating_duration_since(self.start))
    }

    /// The instant at `offset`.
    #[must_use]
    pub fn instant(&self, offset: Offset) -> Instant {
        self.start + offset.as_duration()
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Offset {
        self.offset(Instant::now())
    }
}

pub use wall::Wall;

#[expect(clippy::disallowed_types, reason = "the one place that reads the wall clock")]
mod wall {
    use std::time::{Duration, SystemTime};

    use serde::{Deserialize, Serialize};

    /// The last second of year 9999, since 1970: RFC 3339 has four digits for a year.
    const LAST: Duration = Duration::from_secs(253_402_300_799);

    /// A reading of the wall clock as the time since 1970, for people and file names only; 9999 at
    /// most, as RFC 3339 has four digits for a year.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(from = "Duration", into = "Duration")]
    pub struct Wall(Duration);

    impl From<Duration> for Wall {
        fn from(since_1970: Duration) -> Self {
            Self(since_1970.min(LAST))
        }
    }

    impl From<Wall> for Duration {
        fn from(wall: Wall) -> Self {
            wall.0
        }
    }

    impl Wall {
        /// Reads the wall clock.
        #[must_use]
        pub fn now() -> Self {
            Self::of(SystemTime::now())
        }

        fn of(time: SystemTime) -> Self {
            time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().into()
        }

        fn time(self) -> SystemTime {
            SystemTime::UNIX_EPOCH + self.0
        }

        /// Whole seconds since 1970, as memcached's absolute expiry times count.
        #[must_use]
        pub fn unix_seconds(self) -> u64 {
            self.0.as_secs()
        }

        /// The reading that a clock would give this long after this one, 9999 at most.
        #[must_use]
        pub fn after(self, since: Duration) -> Self {
            Self(self.0.saturating_add(since).min(LAST))
        }

        /// The reading that a clock would have given this long before this one, 1970 at least.
        #[must_use]
        pub fn before(self, until: Duration) -> Self {
            Self(self.0.saturating_sub(until))
        }

        /// Reads RFC 3339; `None`: it is none.
        #[must_use]
        pub fn read(text: &str) -> Option<Self> {
            humantime::parse_rfc3339(text).ok().map(Self::of)
        }

        /// RFC 3339 in UTC with milliseconds: `2026-01-31T12:00:00.000Z`.
        #[must_use]
        pub fn rfc3339(self) -> String {
            humantime::format_rfc3339_millis(self.time()).to_string()
        }

        /// UTC without separators, fit for a file name and sorting by age: `20260131T120000Z`.
        #[must_use]
        pub fn file_stamp(self) -> String {
            let mut text = humantime::format_rfc3339_seconds(self.time()).to_string();
            text.retain(|c| c != '-' && c != ':');
            text
        }
    }
}

/// A duration as people write it: `250ms`, `1m`, `1h 30m`. A bare number is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DurationText(pub Duration);

/// Why a text is no duration, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}; write {suggestion}")]
pub struct DurationError {
    what: String,
    suggestion: String,
}

impl std::str::FromStr for DurationText {
    type Err = DurationError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let trimmed = text.trim();
        let is_bare = trimmed.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        if is_bare && trimmed.parse::<f64>().is_ok() {
            return Err(DurationError {
                what: format!("\"{trimmed}\" has no unit"),
                suggestion: format!("\"{trimmed}s\", \"{trimmed}ms\" or \"{trimmed}m\""),
            });
        }
        fractional(trimmed)
            .or_else(|| humantime::parse_duration(trimmed).ok())
            .map(Self)
            .ok_or_else(|| DurationError {
                what: format!("\"{trimmed}\" is no duration"),
                suggestion: "a number and a unit such as \"250ms\", \"10s\" or \"1m 30s\"".into(),
            })
    }
}

/// `1.5s`, `0.5ms`: one number with a decimal point and one unit.
fn fractional(text: &str) -> Option<Duration> {
    let split = text.find(|c: char| c.is_ascii_alphabetic())?;
    let (number, unit) = text.split_at(split);
    if !number.contains('.') {
        return None;
    }
    let seconds = match unit {
        "us" => 1e-6,
        "ms" => 1e-3,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3600.0,
        _ => return None,
    };
    Duration::try_from_secs_f64(number.trim().parse::<f64>().ok()? * seconds).ok()
}

impl fmt::Display for DurationText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a unit that is silently assumed.
    #[test]
    fn a_bare_number_names_the_right_spelling() {
        let error = "30".parse::<DurationText>().unwrap_err().to_string();
        assert_eq!(error, r#""30" has no unit; write "30s", "30ms" or "30m""#);
    }

    /// Catches a spelling that people use and we refuse, or one that we misread.
    #[test]
    fn reads_what_people_write() {
        for (text, millis) in [
            ("250ms", 250),
            ("1m", 60_000),
            ("1.5s", 1500),
            ("1m 30s", 90_000),
            ("1m30s", 90_000),
            ("0s", 0),
            ("2h", 7_200_000),
        ] {
            assert_eq!(text.parse::<DurationText>().unwrap().0, Duration::from_millis(millis));
        }
        for text in ["", "fast", "-1s", "1 parsec", "1.5", "NaNs", "1e9999s"] {
            assert!(text.parse::<DurationText>().is_err(), "{text}");
        }
    }

    /// Catches a stored run of any age whose start cannot be written (the format ends at 9999 and has
    /// no year before 1970; the library that writes it panics on both).
    #[test]
    fn a_reading_is_never_outside_of_what_can_be_written() {
        let day = Wall::read("2026-01-31T12:00:00Z").unwrap();
        assert_eq!(day.before(Duration::MAX).rfc3339(), "1970-01-01T00:00:00.000Z");
        assert_eq!(day.after(Duration::MAX).rfc3339(), "9999-12-31T23:59:59.000Z");
        assert_eq!(day.before(Duration::from_secs(3600)).rfc3339(), "2026-01-31T11:00:00.000Z");
    }

    /// Catches a file stamp that does not sort or that a shell would choke on.
    #[test]
    fn file_stamps_have_no_separators() {
        assert_eq!(Wall::now().file_stamp().len(), "20260131T120000Z".len());
    }
}
