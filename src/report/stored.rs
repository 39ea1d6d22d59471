//! A run as it lies in its folder: all that any format needs.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::line::Line;
use super::model::{Report, SCHEMA_VERSION};
use crate::event::Event;
use crate::record::Interval;
use crate::record::journal::{EVENTS, INTERVALS};

/// The report's file in a run's folder.
pub(super) const REPORT: &str = "report.json";

/// A run, ready to be shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// The report.
    pub report: Report,
    /// The intervals, in order.
    pub intervals: Vec<Interval>,
    /// The events, in order.
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
        let mut stored = Self { report, intervals: Vec::new(), events: Vec::new() };
        for name in [INTERVALS, EVENTS] {
            for line in lines(&folder.join(name))? {
                match line {
                    Line::Interval(interval) => stored.intervals.push(interval),
                    Line::Event(event) => stored.events.push(event),
                    Line::Start(_) | Line::Report(_) => {}
                }
            }
        }
        Ok(stored)
    }
}

fn read(path: &Path) -> Result<String, ReadError> {
    fs::read_to_string(path).map_err(|source| ReadError::Io { path: path.to_owned(), source })
}

fn lines(path: &Path) -> Result<Vec<Line>, ReadError> {
    let text = read(path)?;
    let mut lines = Vec::new();
    for (index, line) in text.split_inclusive('\n').enumerate() {
        match serde_json::from_str(line) {
            Ok(line) => lines.push(line),
            Err(_) if !line.ends_with('\n') => break,
            Err(problem) => {
                return Err(ReadError::Content {
                    path: path.to_owned(),
                    line: index + 1,
                    what: problem.to_string(),
                });
            }
        }
    }
    Ok(lines)
}
