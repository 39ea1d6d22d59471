//! A lie by its name and rate, as a command line and a plan write it: `stale`, `stale:1/50`.

use std::fmt;
use std::str::FromStr;

use super::{EVERY, LIES, Lie};
use crate::base::family::{Chosen, Settings, Value};

/// How rare a lie may be at most.
const EVERY_MAX: u32 = 1_000_000_000;

/// A lie to be told, and how often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LieSpec {
    kind: String,
    every: u32,
}

/// What is wrong with the text of a lie.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LieSpecError(String);

impl LieSpec {
    /// In one of how many occasions it is told.
    #[must_use]
    pub const fn every(&self) -> u32 {
        self.every
    }

    /// What it does, in one line.
    #[must_use]
    pub fn summary(&self) -> &'static str {
        LIES.find(&self.kind).map_or("", |kind| kind.summary)
    }

    /// The lie itself.
    pub(super) fn make(&self) -> Option<Box<dyn Lie>> {
        let mut settings = Settings::default();
        settings.insert(EVERY, Value::Integer(self.every.into()));
        LIES.make(&Chosen { kind: self.kind.clone(), settings }).ok()
    }
}

impl FromStr for LieSpec {
    type Err = LieSpecError;

    /// Reads `NAME` or `NAME:1/N`.
    fn from_str(text: &str) -> Result<Self, LieSpecError> {
        let (name, rate) = match text.split_once(':') {
            Some((name, rate)) => (name, Some(rate)),
            None => (text, None),
        };
        let kind = LIES.find(name).ok_or_else(|| LieSpecError(LIES.unknown(name)))?;
        let usual = kind
            .complete(&Settings::default())
            .and_then(|settings| settings.count(EVERY))
            .map_err(|error| LieSpecError(error.to_string()))?;
        let every = match rate {
            None => u32::try_from(usual).ok(),
            Some(rate) => rate.strip_prefix("1/").and_then(|every| every.parse().ok()),
        };
        let every = every.filter(|every| (1..=EVERY_MAX).contains(every)).ok_or_else(|| {
            let rate = rate.unwrap_or_default();
            LieSpecError(format!("\"{rate}\" is no rate of a lie; write `{name}:1/{usual}`"))
        })?;
        Ok(Self { kind: name.to_owned(), every })
    }
}

impl fmt::Display for LieSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:1/{}", self.kind, self.every)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a lie that cannot be made, one that does not read back, and a wrong name or rate that
    /// is taken.
    #[test]
    fn lies_are_read_as_they_are_written() {
        for kind in LIES.kinds {
            let lie: LieSpec = kind.name.parse().unwrap();
            assert_eq!(lie.to_string().parse(), Ok(lie.clone()));
            assert!(lie.make().is_some(), "{lie}");
        }
        let read = |text: &str| text.parse::<LieSpec>().map(|lie| lie.to_string());
        assert_eq!(read("stale"), Ok("stale:1/200".to_owned()));
        assert_eq!(read("stale:1/7"), Ok("stale:1/7".to_owned()));
        assert_eq!(
            read("stael").unwrap_err().to_string(),
            "unknown lie `stael`; did you mean `stale`?"
        );
        for rate in ["", "5%", "1/0", "1/x", "2/3"] {
            let error = read(&format!("stale:{rate}")).unwrap_err().to_string();
            assert!(error.ends_with("is no rate of a lie; write `stale:1/200`"), "{error}");
        }
    }
}
