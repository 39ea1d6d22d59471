//! A run as it lies in its folder: all that any format needs.

use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use super::line::Line;
use super::model::{Report, SCHEMA_VERSION};
use crate::base::file;
use crate::event::Event;
use crate::record::Interval;
use crate::record::journal::{EVENTS, INTERVALS};

/// The report's file in a run's folder.
pub const REPORT: &str = "report.json";

/// The page of a run in its folder.
pub const REPORT_PAGE: &str = "report.html";

/// Lines of each file that are shown; the files have all of them. At one interval every two seconds
/// this is more than two days.
pub const LINES_MAX: u64 = 100_000;

/// How long a report may be; that of a week's soak is shorter.
const REPORT_BYTES_MAX: u64 = 256 << 20;

/// How long a line of a run's files may be; one of a thousand nodes is shorter.
const LINE_BYTES_MAX: u64 = 8 << 20;

/// A run, ready to be shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// The report.
    pub report: Report,
    /// The first [`LINES_MAX`] intervals, in order.
    pub intervals: Vec<Interval>,
    /// The first [`LINES_MAX`] events, in order.
    pub events: Vec<Event>,
}

/// Why a stored run cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A file cannot be read.
    #[error("cannot read {path}: {source}")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file holds something else.
    #[error("{path}:{line}: {what}")]
    Content {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        what: String,
    },
}

impl Stored {
    /// Reads a run's folder. A last line that a crash cut short is left out.
    ///
    /// # Errors
    /// When a file is missing or is not what a run leaves behind.
    pub fn read(folder: &Path) -> Result<Self, ReadError> {
        let path = folder.join(REPORT);
        let text = read(&path)?;
        let error = |line, what| ReadError::Content { path: path.clone(), line, what };
        let report = match serde_json::from_str(&text) {
            Ok(Line::Report(report)) => *report,
            Ok(_) => return Err(error(1, "this is no report".to_owned())),
            Err(problem) => return Err(error(problem.line(), problem.to_string())),
        };
        if report.schema_version > SCHEMA_VERSION {
            let version = report.schema_version;
            return Err(error(
                1,
                format!("schema version {version} is newer than this harness knows; upgrade it"),
            ));
        }
        let mut stored = Self::of(report);
        stored.read_lines(folder)?;
        Ok(stored)
    }

    /// A report alone, without the lines that charts are drawn from.
    #[must_use]
    pub const fn of(report: Report) -> Self {
        Self { report, intervals: Vec::new(), events: Vec::new() }
    }

    /// Adds the lines that lie in the run's folder.
    ///
    /// # Errors
    /// When a file is missing or is not what a run leaves behind; what was read before is there.
    pub fn read_lines(&mut self, folder: &Path) -> Result<(), ReadError> {
        for name in [INTERVALS, EVENTS] {
            each_line(&folder.join(name), LINES_MAX, |line| {
                match line? {
                    Line::Interval(interval) => self.intervals.push(interval),
                    Line::Event(event) => self.events.push(event),
                    Line::Start(_) | Line::Report(_) | Line::Skipped(_) => {}
                }
                Ok(())
            })?;
        }
        Ok(())
    }
}

fn read(path: &Path) -> Result<String, ReadError> {
    file::read_text(path, REPORT_BYTES_MAX)
        .map_err(|source| ReadError::Io { path: path.to_owned(), source })
}

/// Hands over the first `most` lines of a file, or what is wrong with them, one at a time: the file may
/// be large. Ends with the first error that is handed back.
pub(super) fn each_line(
    path: &Path,
    most: u64,
    mut take: impl FnMut(Result<Line, ReadError>) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    let failed = |source| ReadError::Io { path: path.to_owned(), source };
    let mut file = BufReader::new(file::open(path).map_err(failed)?);
    let mut text = String::new();
    for number in 1..=most {
        text.clear();
        if (&mut file).take(LINE_BYTES_MAX).read_line(&mut text).map_err(failed)? == 0 {
            break;
        }
        match serde_json::from_str(&text) {
            Ok(line) => take(Ok(line))?,
            Err(_) if !text.ends_with('\n') => break,
            Err(problem) => take(Err(ReadError::Content {
                path: path.to_owned(),
                line: usize::try_from(number).unwrap_or(usize::MAX),
                what: problem.to_string(),
            }))?,
        }
    }
    Ok(())
}
