//! What an answer must be, and what is wrong with one that is not.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A status, or all of a hundred: `200`, `2xx`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatusPattern {
    /// This one.
    One(u16),
    /// Every one with this first digit.
    Class(u16),
}

impl StatusPattern {
    const fn holds(self, status: u16) -> bool {
        match self {
            Self::One(wanted) => status == wanted,
            Self::Class(first) => status / 100 == first,
        }
    }
}

impl fmt::Display for StatusPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(status) => write!(f, "{status}"),
            Self::Class(first) => write!(f, "{first}xx"),
        }
    }
}

impl FromStr for StatusPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |digits: &[u8]| {
            digits.iter().fold(0, |number, digit| number * 10 + u16::from(digit - b'0'))
        };
        match text.as_bytes() {
            [first @ b'1'..=b'5', b'x', b'x'] => Ok(Self::Class(number(&[*first]))),
            all @ [b'1'..=b'5', b'0'..=b'9', b'0'..=b'9'] => Ok(Self::One(number(all))),
            _ => Err(format!(
                "`{text}` is no status; write \"200\", or \"2xx\" for all from 200 to 299"
            )),
        }
    }
}

/// What an answer must be. Whatever is not asked may be anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expectation {
    /// One of these.
    pub status: Vec<StatusPattern>,
    /// The body has this in it.
    pub body_contains: Option<String>,
    /// All of it is there so soon after the request was due.
    pub within: Option<Duration>,
}

impl Default for Expectation {
    /// Any status that says that all is well.
    fn default() -> Self {
        Self { status: vec![StatusPattern::Class(2)], body_contains: None, within: None }
    }
}

/// What is wrong with an answer: the first of these that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmet {
    /// The status, whatever the rest is.
    Status,
    /// The body of an answer with a right status.
    Body,
    /// It is right, and late.
    Late,
}

impl Expectation {
    /// Holds an answer against it; `took` runs from when the request was due.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn judge(&self, status: u16, body: &[u8], took: Duration) -> Result<(), Unmet> {
        if !self.status.iter().any(|pattern| pattern.holds(status)) {
            return Err(Unmet::Status);
        }
        let part = self.body_contains.as_deref().unwrap_or_default().as_bytes();
        if memchr::memmem::find(body, part).is_none() {
            return Err(Unmet::Body);
        }
        if self.within.is_some_and(|within| took > within) {
            return Err(Unmet::Late);
        }
        Ok(())
    }

    /// The statuses that are asked, as a sentence has them.
    #[must_use]
    pub fn statuses(&self) -> String {
        let all: Vec<String> = self.status.iter().map(ToString::to_string).collect();
        all.join(" or ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches an answer that is taken for right, one that counts as something that it is not, and a
    /// late one that is called right for its status.
    #[test]
    fn the_first_thing_that_is_wrong_decides() {
        let expect = Expectation {
            status: vec!["200".parse().unwrap(), "3xx".parse().unwrap()],
            body_contains: Some("price".to_owned()),
            within: Some(Duration::from_millis(300)),
        };
        let body = b"{\"price\": 3}";
        for (status, body, ms, expected) in [
            (200, &body[..], 300, Ok(())),
            (302, body, 1, Ok(())),
            (200, body, 301, Err(Unmet::Late)),
            (200, b"", 1, Err(Unmet::Body)),
            (200, b"", 301, Err(Unmet::Body)),
            (201, body, 1, Err(Unmet::Status)),
            (500, b"", 301, Err(Unmet::Status)),
        ] {
            let judged = expect.judge(status, body, Duration::from_millis(ms));
            assert_eq!(judged, expected, "{status} {ms} ms");
        }
        let any = Expectation::default();
        assert_eq!(any.judge(204, b"", Duration::from_secs(100)), Ok(()));
        assert_eq!(expect.statuses(), "200 or 3xx");
    }

    /// Catches a pattern that no answer can have.
    #[test]
    fn patterns_that_no_status_has_are_refused() {
        for text in ["", "xx", "6xx", "99", "600", "2x", "ok", "200xx", "2xxxx", "+2xx"] {
            let read = text.parse::<StatusPattern>();
            assert!(read.is_err(), "{text}: {read:?}");
        }
        assert_eq!("5xx".parse(), Ok(StatusPattern::Class(5)));
    }
}
