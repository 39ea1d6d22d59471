//! The file of a recorded trace: due times, one a line. It owns the format, the replay the time.
//!
//! ```text
//! due_us
//! # anything after a hash is a comment
//! 0
//! 480
//! 1020
//! ```

use std::path::Path;
use std::time::Duration;

use crate::base::file;
use crate::base::units::Rate;

/// The most due times that one trace may have: at 8 bytes each, 80 MB. A longer file is an error.
pub const TRACE_LENGTH_MAX: usize = 10_000_000;

/// How long the file may be: as many times of twenty digits, and comments.
const TRACE_BYTES_MAX: u64 = 256 << 20;

/// The first line: the unit of all the others.
const HEADER: &str = "due_us";

/// A recorded trace: at least two due times, in order, from zero.
#[derive(Debug)]
pub struct RecordedTrace {
    dues: Vec<Duration>,
}

/// Why a file is no trace, and what to write instead.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// It could not be read.
    #[error("cannot read the trace `{path}`: {source}")]
    Read {
        /// The path as given.
        path: String,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The unit is missing.
    #[error(
        "the first line of a trace must be `due_us`, which says that its times are microseconds"
    )]
    Header,
    /// A line is no number, or earlier than the one before.
    #[error("line {line} of the trace {what}")]
    Line {
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        what: &'static str,
    },
    /// Too few due times to have a rate.
    #[error("a trace needs two different due times at least")]
    Short,
    /// Too many due times.
    #[error("a trace has at most 10000000 due times; split the file")]
    Long,
}

impl RecordedTrace {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read or is no trace.
    pub fn read(path: &str) -> Result<Self, TraceError> {
        let text = file::read_text(Path::new(path), TRACE_BYTES_MAX)
            .map_err(|source| TraceError::Read { path: path.to_owned(), source })?;
        Self::parse(&text)
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// When it is no trace.
    pub fn parse(text: &str) -> Result<Self, TraceError> {
        let mut lines = text
            .lines()
            .enumerate()
            .map(|(number, line)| (number + 1, line.split('#').next().unwrap_or_default().trim()))
            .filter(|(_, line)| !line.is_empty());
        if lines.next().map(|(_, line)| line) != Some(HEADER) {
            return Err(TraceError::Header);
        }
        let mut dues: Vec<Duration> = Vec::new();
        for (line, text) in lines {
            let due = text
                .parse()
                .map(Duration::from_micros)
                .map_err(|_| TraceError::Line { line, what: "is no whole number" })?;
            if dues.last().is_some_and(|before| *before > due) {
                return Err(TraceError::Line { line, what: "is earlier than the line before" });
            }
            if dues.len() == TRACE_LENGTH_MAX {
                return Err(TraceError::Long);
            }
            dues.push(due);
        }
        match (dues.first().copied(), dues.last().copied()) {
            (Some(first), Some(last)) if last > first => {
                dues.iter_mut().for_each(|due| *due -= first);
                Ok(Self { dues })
            }
            _ => Err(TraceError::Short),
        }
    }

    /// The due times since the first one.
    #[must_use]
    pub fn dues(&self) -> &[Duration] {
        &self.dues
    }

    /// The time after which a repetition starts: one mean gap after the last due time.
    #[must_use]
    pub fn length(&self) -> Duration {
        self.last() + self.last().div_f64((self.dues.len() - 1) as f64)
    }

    /// The mean rate.
    #[must_use]
    pub fn rate(&self) -> Rate {
        let rate = (self.dues.len() - 1) as f64 / self.last().as_secs_f64();
        Rate::per_second(rate.min(Rate::MAX_PER_SECOND))
            .expect("two different times make a finite rate above zero")
    }

    fn last(&self) -> Duration {
        self.dues.last().copied().expect("a trace has two due times at least")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Catches a broken trace that is taken for a short one, and an error without its line.
    #[test]
    fn what_is_wrong_names_its_line() {
        let error = |text| RecordedTrace::parse(text).unwrap_err().to_string();
        assert!(error("0\n1\n").contains("must be `due_us`"));
        assert_eq!(error("due_us\n0\nx\n"), "line 3 of the trace is no whole number");
        assert_eq!(
            error("due_us\n5\n# pause\n4\n"),
            "line 4 of the trace is earlier than the line before"
        );
        assert!(error("due_us\n5\n5\n").contains("two different"));
        assert!(
            RecordedTrace::read("no/such/file").unwrap_err().to_string().contains("`no/such/file`")
        );
    }

    /// Catches a trace that keeps the offset of its recording.
    #[test]
    fn a_trace_starts_at_zero() {
        let trace = RecordedTrace::parse("due_us # recorded on a Tuesday\n100\n200\n").unwrap();
        assert_eq!(trace.dues(), [Duration::ZERO, Duration::from_micros(100)]);
        assert_eq!(trace.rate().as_per_second(), 10_000.0);
        assert_eq!(trace.length(), Duration::from_micros(200));
    }
}
